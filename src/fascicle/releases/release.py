"""One version of a release, opened: its files, and what can be said of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.archives.roots import choose, find_form
from fascicle.errors import ConfigurationError, NotFoundError, VersionNotFound, nearest
from fascicle.formats.manifest import FileEntry, Manifest, read_manifest
from fascicle.formats.versions import is_version
from fascicle.releases.about import About
from fascicle.releases.citation import Citation, Format
from fascicle.releases.differences import Difference, difference
from fascicle.releases.notes import write_notes
from fascicle.releases.verify import Verification, verify_files
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.archives.adapters.base import Form
    from fascicle.archives.base import Archive
    from fascicle.transfer import Plan


class Release:
    """One version of a release.

    Nothing is asked of the place before it is needed.

    Parameters
    ----------
    place : str or path-like
        ``s3://bucket/project``, a folder, a ZIP file, or the address of a manifest; ``@1.1.0``
        behind it names the version.
    version : str, optional
        The version; the newest by default.
    endpoint : str, optional
        S3 of another server than Amazon's; by default ``AWS_ENDPOINT_URL_S3``.

    Examples
    --------
    >>> release = Release("s3://our-lab/choice-task@1.1.0")  # doctest: +SKIP
    >>> print(release.compare("1.0.0"))  # doctest: +SKIP
    >>> print(release.cite("bibtex"))  # doctest: +SKIP
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        version: str | None = None,
        *,
        endpoint: str | None = None,
    ) -> None:
        self._named, self._chosen = choose(place, version)
        self._endpoint = endpoint

    @cached_property
    def _form(self) -> Form:
        return find_form(self._named, endpoint=self._endpoint)

    @property
    def place(self) -> str:
        """Where it lies."""
        return self._form.place.name

    @property
    def name(self) -> str:
        """What `fascicle.open` takes: the place, ``@`` and the version."""
        return f"{self._named.place}@{self.version}"

    @property
    def project(self) -> str:
        """The project's name."""
        return self._form.project

    @property
    def versions(self) -> list[str]:
        """The versions that there are, oldest first; the place is asked anew each time."""
        return list(self._form.listed())

    @cached_property
    def version(self) -> str:
        """Which version it is.

        Raises
        ------
        NotFoundError
            If there is no release.
        VersionNotFound
            If there is none of that name.
        """
        versions = self.versions
        if not versions:
            raise NotFoundError(f"{self.place} has no release of {self.project}")
        wanted = self._chosen or versions[-1]
        if wanted not in versions:
            raise VersionNotFound(
                f"{self.project} has no release {wanted!r} in {self.place}",
                hint=nearest(wanted, versions) or f"there are {', '.join(versions[-8:])}",
            )
        return wanted

    @cached_property
    def manifest(self) -> Manifest:
        """Its manifest, read from the place.

        Raises
        ------
        ManifestError
            If it is damaged or hostile.
        """
        form, version = self._form, self.version
        path = form.manifest_path(version)
        if form.in_place and path.is_file():
            content = path.read_bytes()
        else:
            content = form.fetch_manifest(version)
        return form.parse(content, f"the manifest of {form.project} {version}")

    @property
    def about(self) -> About:
        """What it says of itself."""
        return About.of(self.manifest.about)

    def files(self) -> list[FileEntry]:
        """Return all files: first the tables, then the data."""
        return list(self.manifest.files())

    def at(self, version: str) -> Release:
        """Return another version of the same release."""
        return Release(self._named.place, version, endpoint=self._endpoint)

    def before(self) -> Release | None:
        """Return the version before this one, None if it is the first."""
        versions = self.versions
        position = versions.index(self.version)
        return self.at(versions[position - 1]) if position else None

    def compare(self, other: Release | str | os.PathLike[str]) -> Difference:
        """Return what changed from another version to this one.

        Parameters
        ----------
        other : Release, str or path-like
            A version of this release (``1.0.0``), or another release by its name.
        """
        first = self._other(other)
        names = _names(first, self)
        return difference(first.manifest, self.manifest, names=names)

    def _other(self, other: Release | str | os.PathLike[str]) -> Release:
        if isinstance(other, Release):
            return other
        text = os.fspath(other)
        return self.at(text) if is_version(text) else Release(text, endpoint=self._endpoint)

    def notes(self, since: Release | str | None = None) -> str:
        """Return notes on this version in Markdown, to be put into a changelog.

        Parameters
        ----------
        since : Release or str, optional
            The version that it is compared with; by default the one before.
        """
        first = self.before() if since is None else self._other(since)
        if first is None:
            empty = Manifest(self.project, "nothing", self.manifest.file_id_column, (), {}, {})
            return write_notes(difference(empty, self.manifest))
        return write_notes(self.compare(first))

    def verify(self, *, quick: bool = False, progress: bool = False) -> Verification:
        """Hold every file at the place against the manifest.

        Parameters
        ----------
        quick : bool
            Compare sizes alone; otherwise all bytes are read.
        progress : bool
            Show a bar on stderr.
        """
        form, manifest = self._form, self.manifest
        return verify_files(
            manifest,
            form.place,
            lambda entry: form.source(manifest, entry),
            name=self.name,
            quick=quick,
            progress=progress,
        )

    def cite(self, format: Format | str = "text") -> str:
        """Return how it is cited.

        Parameters
        ----------
        format : {'text', 'bibtex', 'cff', 'datacite'}
            Plain text, BibTeX, a CITATION.cff, or DataCite's JSON.
        """
        place = self._named.place
        return Citation.of(self.manifest, place=place if "://" in place else "").to(format)

    def open(self) -> Archive:
        """Return it as an archive, to find and load."""
        from fascicle.archives.release import ReleaseArchive

        return ReleaseArchive(self._named.place, version=self.version, endpoint=self._endpoint)

    def get(self, to: str | os.PathLike[str], **options: Any) -> Plan:
        """Return the plan that brings it to a folder; options are those of `fascicle.get`."""
        from fascicle.archives.fetch import get

        return get(self.open(), to=to, **options)

    def __repr__(self) -> str:
        at = f"@{self._chosen}" if self._chosen else ""
        return f"Release({self._named.place + at!r})"

    def _repr_html_(self) -> str:
        about = self.about
        files = self.manifest.data_files.values()
        rows = {
            "version": self.version,
            "title": about.title,
            "authors": "; ".join(
                a.get("name") or f"{a.get('family', '')}, {a.get('given', '')}"
                for a in about.authors
            ),
            "license": about.license,
            "doi": about.doi,
            "files": f"{len(files):,}, {size_text(sum(e.size or 0 for e in files))}",
        }
        body = "".join(
            f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items() if v
        )
        return f"<table><caption>{escape(self.project)}</caption>{body}</table>"


def _names(first: Release, second: Release) -> tuple[str, str]:
    if (first.place, first.project) == (second.place, second.project):
        return f"{first.project} {first.version}", f"{second.project} {second.version}"
    return first.name, second.name


def compare_named(names: Sequence[str], *, endpoint: str | None = None) -> Difference:
    """Compare two versions by what users call them.

    Parameters
    ----------
    names : sequence of str
        ``PLACE@A PLACE@B``; ``PLACE A B``; a place and one version, which is compared with the
        newest; a place alone: its two newest versions; or two files that are manifests.
    endpoint : str, optional
        Of S3.

    Raises
    ------
    ConfigurationError
        If it is none of these.
    """
    given = list(names)
    if len(given) == 3 and all(map(is_version, given[1:])):
        place, a, b = given
        return Release(place, b, endpoint=endpoint).compare(Release(place, a, endpoint=endpoint))
    if len(given) == 2 and is_version(given[1]) and not Path(given[1]).exists():
        return Release(given[0], endpoint=endpoint).compare(given[1])
    if len(given) == 1:
        release = Release(given[0], endpoint=endpoint)
        before = release.before()
        if before is None:
            raise VersionNotFound(
                f"{release.place} has one version alone: {release.version}",
                hint="name another release to compare it with",
            )
        return release.compare(before)
    if len(given) != 2:
        raise ConfigurationError(
            f"no two versions are named by {' '.join(given)!r}",
            hint="PLACE@1.0.0 PLACE@1.1.0, or PLACE 1.0.0 1.1.0",
        )
    files = [_manifest_of(name) for name in given]
    if files[0] is not None and files[1] is not None:
        return difference(files[0], files[1])
    opened = [Release(name, endpoint=endpoint) for name in given]
    first, second = (
        release.manifest if manifest is None else manifest
        for release, manifest in zip(opened, files, strict=True)
    )
    return difference(first, second, names=_names(*opened))


def _manifest_of(name: str) -> Manifest | None:
    """Return the manifest that a name is the file of."""
    path = Path(name).expanduser()
    return read_manifest(path) if path.suffix == ".json" and path.is_file() else None

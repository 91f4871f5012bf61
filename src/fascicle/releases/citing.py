"""How everything that an analysis used is cited: each archive in its version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConfigurationError, FascicleError, nearest
from fascicle.formats.lock import Lock, LockedArchive
from fascicle.releases.about import About, read_about
from fascicle.releases.citation import FORMATS, Citation

if TYPE_CHECKING:
    from fascicle.archives.base import Archive


@dataclass(frozen=True, slots=True)
class Cited:
    """One archive that was used, and how it is cited.

    Attributes
    ----------
    archive : LockedArchive
        The archive, with the files that were used.
    citation : Citation
    """

    archive: LockedArchive
    citation: Citation

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        archive = self.archive
        values = {
            "archive": archive.name,
            "kind": archive.kind,
            "version": archive.version,
            "project": archive.project,
            "state": archive.state,
            "title": self.citation.title,
            "doi": self.citation.about.doi,
            "license": archive.license,
            "url": self.citation.url,
            "revisions": revisions(archive),
            "sessions": len({file.session for file in archive.files if file.session}),
            "files": len(archive.files),
            "citation": " ".join(self.text().split()),
        }
        return {key: value for key, value in values.items() if value or key == "doi"}

    def text(self) -> str:
        """Return it as a paragraph: what was used, and what its authors ask to be cited."""
        archive = self.archive
        if archive.version or archive.doi or archive.title:
            lines = [self.citation.to("text").strip()]
        else:
            state = f", index {archive.state[:12]}" if archive.state else ""
            lines = [f"{archive.name}{state}: a folder without a version or a DOI"]
        if archive.citation:
            lines.append(archive.citation)
        if archive.license:
            lines.append(f"License: {archive.license}")
        if found := revisions(archive):
            lines.append(f"Revisions: {', '.join(found)}")
        if archive.files:
            n_sessions = len({file.session for file in archive.files if file.session})
            sessions = f" of {n_sessions:,} sessions" if n_sessions != 1 else " of 1 session"
            n_files = len(archive.files)
            files = "1 file" if n_files == 1 else f"{n_files:,} files"
            lines.append(f"Used: {files}{sessions if n_sessions else ''}")
        return "\n  ".join(lines) + "\n"


def citations(lock: Lock) -> list[Cited]:
    """Return how each archive of a lock is cited."""
    return [Cited(archive, _citation(archive)) for archive in lock.archives]


def citation_of_archive(archive: Archive) -> Cited:
    """Return how an archive is cited, none of its files being used.

    Raises
    ------
    FascicleError
        If it cannot be read.
    """
    from fascicle.archives.uses import about_of, identity
    from fascicle.releases.lock import locked_archive

    name, kind, version, project, state = identity(archive)
    about = about_of(archive)
    locked = locked_archive(name, kind, version, project, state, about, ())
    manifest = getattr(archive, "manifest", None)
    if manifest is not None and manifest.ours:
        place = archive.name.removesuffix(f"@{version}") if "://" in archive.name else ""
        return Cited(locked, Citation.of(manifest, place=place))
    return Cited(locked, _citation(locked))


def folder_about(folder: Path) -> dict[str, Any]:
    """Return what a folder says of how to cite it, in ``release.toml`` or ``CITATION.cff``."""
    try:
        return read_about(folder)[0].to_dict()
    except FascicleError:
        return {}  # a record of loads is no place to complain of it; release validate is


def revisions(archive: LockedArchive) -> list[str]:
    """Return the revisions of datasets that were used."""
    found = {
        name for file in archive.files for name in re.findall(r"(?:^|/)#([^/#]+)#/", file.path)
    }
    return sorted(found)


def _citation(archive: LockedArchive) -> Citation:
    said = {
        "title": archive.title,
        "license": archive.license,
        "doi": archive.doi,
        "url": archive.url,
        "authors": list(archive.authors),
    }
    try:
        about = About.of(said)
    except ConfigurationError:  # a DOI that is none: what is left is still true
        about = About.of({**said, "doi": ""})
    project = archive.project or archive.name.rstrip("/").rpartition("/")[2] or archive.name
    n_bytes = sum(file.size or 0 for file in archive.files)
    # A folder on somebody's machine is no address where a reader finds it.
    place = archive.name if "://" in archive.name else ""
    return Citation(
        project, archive.version, archive.date, about, place, len(archive.files), n_bytes
    )


def cite(
    what: str | Path | Lock | Sequence[Cited], format: str = "text", *, alone: bool = False
) -> str:
    """Return citations in one form.

    Parameters
    ----------
    what : path-like, Lock, or sequence of Cited
        A lock or its file: everything in it; or what `citations` returned.
    format : {'text', 'bibtex', 'cff', 'datacite', 'json'}
        ``cff`` gives the ``references`` for the CITATION.cff of an analysis; ``datacite`` a list of
        documents.
    alone : bool
        Cite one archive for its own sake: a whole CITATION.cff, one document of DataCite.

    Raises
    ------
    ConfigurationError
        If there is no such form.
    """
    if isinstance(what, str | Path):
        from fascicle.formats.lock import read_lock

        what = read_lock(Path(what))
    found = citations(what) if isinstance(what, Lock) else what
    forms = (*FORMATS, "json")
    if format not in forms:
        raise ConfigurationError(
            f"no citation in the form {format!r}",
            hint=nearest(format, forms) or f"forms are {', '.join(forms)}",
        )
    if format == "json":
        return json.dumps([one.to_dict() for one in found], indent=2, ensure_ascii=False) + "\n"
    if format == "text":
        return "\n".join(one.text() for one in found)
    if alone and len(found) == 1:
        return found[0].citation.to(format)
    if format == "bibtex":
        return "\n".join(_distinct(one.citation.to("bibtex") for one in found))
    if format == "datacite":
        documents = [json.loads(one.citation.to("datacite")) for one in found]
        return json.dumps(documents, indent=2, ensure_ascii=False) + "\n"
    import yaml

    references = [_reference(yaml.safe_load(one.citation.to("cff"))) for one in found]
    document = {"references": references}
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))


def _reference(document: dict[str, Any]) -> dict[str, Any]:
    """Return the CITATION.cff of a data set as a reference of another."""
    rest = {k: v for k, v in document.items() if k not in ("cff-version", "message", "type")}
    return {"type": "data", **rest}


def _distinct(entries: Iterable[str]) -> list[str]:
    """Return BibTeX entries so that no two have one key, as two versions of a release would."""
    seen: dict[str, int] = {}
    out = []
    for entry in entries:
        head, comma, rest = entry.partition(",")
        seen[head] = seen.get(head, 0) + 1
        suffix = chr(ord("a") + seen[head] - 1) if seen[head] > 1 else ""
        out.append(f"{head}{suffix}{comma}{rest}")
    return out

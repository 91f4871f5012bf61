"""Which version of a project's releases is open, and what its manifest says."""

from __future__ import annotations

import os
import warnings
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.archives import watch
from fascicle.archives.keeping import places
from fascicle.archives.layout import write_if_allowed
from fascicle.archives.roots import choose, find_form, slug
from fascicle.errors import (
    IncompleteWarning,
    ManifestError,
    NotFoundError,
    OfflineError,
    TransferError,
    VersionNotFound,
    nearest,
)
from fascicle.formats.manifest import MAX_BYTES, Manifest
from fascicle.formats.project import ProjectConfig, load_config
from fascicle.transfer.ledger import HIDDEN
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.archives.adapters.base import Form


class Edition:
    """One version of a project's releases; parameters are those of `ReleaseArchive`."""

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        version: str | None = None,
        store: str | os.PathLike[str] | None = None,
        endpoint: str | None = None,
        project: str | Path | ProjectConfig | None = None,
    ) -> None:
        self._named, self._chosen = choose(place, version)
        self._store = Path(store).expanduser().absolute() if store is not None else None
        self._endpoint = endpoint
        self._described = load_config(project) if project is not None else None
        self._found: Form | None = None
        self._version = ""
        self._forget()

    def _forget(self) -> None:
        self._manifest: Manifest | None = None
        self._content: bytes | None = None

    # -- which release ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The place, with ``@`` and the version if one was chosen."""
        named = self._named
        if named.manifest and "://" in named.place and not named.place.startswith("s3:"):
            return f"{named.place}/{named.manifest}"  # a web server says nothing of other versions
        return f"{named.place}@{self._chosen}" if self._chosen else named.place

    @property
    def _form(self) -> Form:
        if self._found is None:
            self._found = find_form(
                self._named,
                store=self._store,
                endpoint=self._endpoint,
                described=self._described,
            )
        return self._found

    @property
    def project(self) -> str:
        """The name of the project."""
        return self._form.project

    @property
    def versions(self) -> list[str]:
        """The versions that there are, oldest first; the place is asked anew each time.

        Without a network these are the ones that are here.
        """
        return list(self._listed())

    def _listed(self) -> dict[str, int | None]:
        form = self._form
        try:
            return form.listed()
        except TransferError as error:
            here = form.here()
            if not here:
                raise
            if not isinstance(error, OfflineError):
                warnings.warn(
                    f"{error.message}: only the {len(here)} releases in {form.home} are known, "
                    "newer ones are not",
                    IncompleteWarning,
                    stacklevel=5,
                )
            return dict.fromkeys(here)

    @property
    def version(self) -> str:
        """The version that is open: the one that was chosen, or else the newest there was.

        Raises
        ------
        VersionNotFound
            If there is no such version.
        OfflineError
            If it is not here, and nothing may be fetched.
        """
        if not self._version:
            form = self._form
            if self._chosen and (form.in_place or form.manifest_path(self._chosen).is_file()):
                known = form.listed() if form.in_place else {self._chosen: None}
            else:
                known = self._listed()
            if not known:
                raise NotFoundError(f"{form.place.name} has no release")
            wanted = self._chosen or self._pinned() or next(reversed(known))
            if wanted not in known and settings.offline() and not form.in_place:
                raise OfflineError(
                    f"release {wanted!r} of {form.project} is not here, and fascicle is offline",
                    hint=f"here {'is' if len(known) == 1 else 'are'} {', '.join(known)}; unset "
                    "FASCICLE_OFFLINE for others",
                )
            if wanted not in known:
                raise VersionNotFound(
                    f"{form.project} has no release {wanted!r} in {form.place.name}",
                    hint=nearest(wanted, known) or f"there are {', '.join(list(known)[-8:])}",
                )
            if watch.watched():
                watch.check_version(wanted, self._named.place, form.project)
            self._version = wanted
        return self._version

    def _pinned(self) -> str:
        """Return the version that a lock holds us to, or an empty string."""
        if not watch.watched():
            return ""
        from fascicle.archives.pins import locked_version

        return locked_version(self._named.place, self._form.project)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the version that is open.

        Raises
        ------
        ManifestError
            If it is damaged or hostile.
        """
        if self._manifest is None:
            content = self._bytes()  # may have parsed it
            if self._manifest is None:
                self._manifest = self._parsed(content, f"the manifest of {self.name}")
        return self._manifest

    def _bytes(self) -> bytes:
        """Return the manifest as it is written; kept here once it was found to be one."""
        if self._content is None:
            form, version = self._form, self.version
            path = form.manifest_path(version)
            kept = None
            if not form.in_place and path.is_file() and "://" in form.place.name:
                # A version never changes. What another reader left cut short is fetched again.
                kept = self._kept(path)
            if kept is None:
                kept = form.fetch_manifest(version)
                self._manifest = self._parsed(kept, f"the manifest of {self.name}")
                if not form.in_place and not (path.is_file() and path.read_bytes() == kept):
                    write_if_allowed(path, kept.decode())
            self._content = kept
        return self._content

    def _kept(self, path: Path) -> bytes | None:
        """Return the manifest that is in the store, if it is one."""
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if any(place.is_dir() for place in places(content, self._form.recipe(), self._derived)):
            return content  # it was read before, or there would be no catalogue of it
        try:
            self._manifest = self._parsed(content, str(path))
        except ManifestError:
            if settings.offline():
                raise
            return None
        return content

    def _parsed(self, content: bytes, where: str) -> Manifest:
        manifest = self._form.parse(content, where)
        if manifest.version != self.version:
            raise ManifestError(f"{where} says that it is of version {manifest.version}")
        return manifest

    @cached_property
    def _derived(self) -> list[Path]:
        """Where what is derived may be kept: a published folder stays as it is."""
        form = self._form
        mine = settings.cache_dir() / "releases" / slug(form.place) / HIDDEN
        return [mine] if form.in_place else list(dict.fromkeys([form.home / HIDDEN, mine]))

    def refresh(self) -> None:
        """Forget what was read, so that the next question sees what was published since."""
        self._version = ""
        self._found = None
        self.__dict__.pop("_derived", None)
        self._forget()

    def manifest_bytes(self) -> bytes:
        """Return the manifest as it is written."""
        return self._bytes()

    # -- copies -----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _repr_html_(self) -> str:
        if self._content is None:  # not read yet: to show it is no reason to go to a network
            return f"<code>{escape(repr(self))}</code>"
        files = self.manifest.data_files.values()
        n_bytes = sum(entry.size or 0 for entry in files)
        size = f", {size_text(n_bytes)}" if n_bytes else ""  # the Allen Institute's give none
        return (
            f"<table><caption style='white-space:nowrap'>{escape(self.name)}</caption>"
            f"<tr><th>project</th><td>{escape(self.manifest.project)}</td></tr>"
            f"<tr><th>version</th><td>{escape(self.version)}</td></tr>"
            f"<tr><th>files</th><td>{len(files):,}{size}</td></tr></table>"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Edition):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.name, self._store, self._endpoint

    def __getstate__(self) -> dict[str, Any]:
        """Keep which version it is, so that another process has the same."""
        kept = ("_named", "_chosen", "_store", "_endpoint", "_described", "_found", "_version")
        return {key: self.__dict__[key] for key in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

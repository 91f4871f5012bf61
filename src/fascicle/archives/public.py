"""Archives that everybody may read: tables and files on an anonymous bucket."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.archives import offered
from fascicle.archives.keeping import kept_catalogue
from fascicle.archives.served import Held, ServedArchive
from fascicle.errors import (
    ConfigurationError,
    IncompleteWarning,
    OfflineError,
    RemoteNotFound,
    ServerError,
    VersionNotFound,
    nearest,
)
from fascicle.formats.public import Description, described, known

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue
    from fascicle.transfer import Access, Source

_FIRST = ("Range: bytes=0-0",)


class PublicArchive(ServedArchive):
    """An archive on an anonymous bucket: no account is needed.

    Parameters
    ----------
    place : str
        Its name (``ibl``), its bucket, or the path of a description; ``@TAG`` behind it means the
        datasets of a tag alone.
    tag : str, optional
        The same.
    store : path-like, optional
        The folder that files are brought into; default: ONE's folder for the archive's server.
    endpoint : str, optional
        Of S3, if it is not Amazon's; by default as ``AWS_ENDPOINT_URL_S3`` says.

    Examples
    --------
    >>> archive = PublicArchive("ibl@2022_Q2_IBL_et_al_RepeatedSite")  # doctest: +SKIP
    """

    def __init__(
        self,
        place: str,
        *,
        tag: str | None = None,
        store: str | os.PathLike[str] | None = None,
        endpoint: str | None = None,
    ) -> None:
        found = described(place)
        if found is None:
            raise ConfigurationError(
                f"{place!r} is no public archive",
                hint=nearest(place, known()) or f"there are {', '.join(known())}",
            )
        self.config, self._name, named = found
        if tag and named and tag != named:
            raise ConfigurationError(f"{place} names another tag than {tag!r}")
        self.version = tag or named
        self.endpoint = endpoint or ""
        super().__init__(store or _folder_of(self.config))

    @property
    def name(self) -> str:
        """Its name, with the tag."""
        return f"{self._name}@{self.version}" if self.version else self._name

    def tags(self) -> list[str]:
        """Return the tags that there are tables of, as far as the bucket lists its content."""
        from fascicle.transfer.places import S3Place

        before, mark, after = self.config.tagged.partition("{tag}")
        if not mark:
            return []
        place = S3Place(self.config.bucket, "", self.endpoint, self.config.region)
        keys = [key for key, _ in place.list(before)]
        found = [k[len(before) : len(k) - len(after)] for k in keys if k.endswith(after)]
        return sorted(tag for tag in found if tag and "/" not in tag)

    # -- what there is -----------------------------------------------------------------------------

    def _load(self) -> Catalogue:
        key = sha256(f"{self.config}\n{self.endpoint}\n{self.version}".encode()).hexdigest()[:24]
        folder = settings.cache_dir() / "public" / key
        state = self._state(folder / "newest.json")

        def columns() -> Any:
            from fascicle.catalogue.tables import read
            from fascicle.transfer import make_plan

            folder.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(dir=folder, suffix=".part"))
            try:
                plan = make_plan([(self._tables(), "cache.zip")], store=part / "zip")
                plan.run(access=self._access()).raise_for_failed()
                offered.unpack(part / "zip" / "cache.zip", part)
                offered.check_tables(part, self.version or None)
                return read(part)
            finally:
                shutil.rmtree(part, ignore_errors=True)

        return kept_catalogue(state.encode(), "public tables", [folder], columns, root=self._store)

    def _tables(self) -> Source:
        from fascicle.transfer.source import Source

        if self.version and not self.config.tagged:
            raise VersionNotFound(f"{self._name} has no tables of tags")
        form = self.config.tagged if self.version else self.config.tables
        return Source(self._url(form.replace("{tag}", self.version)))

    def _state(self, note: Path) -> str:
        """Return what tells one state of the tables from another: asked, or as it was last."""
        try:
            state = self._ask_state()
        except (OfflineError, ServerError) as error:
            try:
                state = str(json.loads(note.read_text())["etag"])
            except (OSError, ValueError, KeyError):
                raise error from None
            if not settings.offline():
                warnings.warn(
                    f"{self.name} cannot be asked for newer tables: {error.message}",
                    IncompleteWarning,
                    stacklevel=5,
                )
            return state
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(f".{uuid.uuid4().hex}.part")
        part.write_text(json.dumps({"etag": state}))
        os.replace(part, note)
        return state

    def _ask_state(self) -> str:
        from fascicle.transfer.ask import Asker
        from fascicle.transfer.s3 import address

        source, access = self._tables(), self._access()
        with Asker(access) as asker:
            place = address(source, access)
            head, _ = asker.get(place.url, at_most=1, is_s3=True, headers=_FIRST)
        if head.status in (
            403,
            404,
        ):  # a bucket that does not list answers 403 for what is not there
            where = f"s3://{self.config.bucket}"
            if self.version:
                raise VersionNotFound(
                    f"{where} has no tables of a tag {self.version!r}",
                    hint=nearest(self.version, self._known_tags()),
                )
            raise RemoteNotFound(f"{where} has no {self.config.tables}")
        return f"{head.get('etag')} {head.get('content-range')}"

    def _known_tags(self) -> list[str]:
        from fascicle.errors import TransferError

        try:
            return self.tags()
        except TransferError:
            return []

    # -- where the files are -----------------------------------------------------------------------

    def _url(self, key: str) -> str:
        return f"s3://{self.config.bucket}/{key}"

    def _urls(self, held: Sequence[Held]) -> list[str]:
        form = self.config.files
        return [self._url(form.replace("{place}", h.served)) for h in held]

    def _access(self) -> Access:
        from fascicle.transfer import Access

        access = Access.from_environment(endpoint=self.endpoint)
        # With another endpoint the region is that one's own.
        region = access.region if access.endpoint else self.config.region
        return replace(access, region=region)


def _folder_of(config: Description) -> Path:
    from fascicle.alyx import params

    if config.server:
        return Path(params.get(config.server).CACHE_DIR)
    return settings.one_cache_dir() / config.name

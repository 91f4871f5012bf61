"""Where the versions of a project come from: a folder, and a bucket if there is one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle import settings
from fascicle.archives.layout import Store, sorted_names
from fascicle.errors import (
    HashMismatch,
    IncompleteWarning,
    ManifestError,
    NotHereError,
    OfflineError,
    TransferError,
)
from fascicle.formats.locations import endpoint_from_environment
from fascicle.formats.manifest import MAX_BYTES, FileEntry, Manifest
from fascicle.formats.project import ProjectConfig
from fascicle.transfer.bucket import Bucket

if TYPE_CHECKING:
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.plan import Plan
    from fascicle.transfer.source import Source


class Versions:
    """The versions of a project.

    Parameters
    ----------
    store : Store
        The folder.
    bucket : Bucket, optional
        What the folder is filled from; without it nothing is ever fetched.
    """

    def __init__(self, store: Store, bucket: Bucket | None = None) -> None:
        self.store = store
        self.bucket = bucket
        self.names: list[str] = []
        self._sizes: dict[str, int] = {}

    @classmethod
    def online(
        cls, store: Store, config: ProjectConfig, bucket_name: str | None, endpoint: str | None
    ) -> Versions:
        """Return the versions of a project in a bucket."""
        # Another bucket may be in another region: it says so when it is asked.
        region = config.region if bucket_name in (None, config.bucket) else ""
        endpoint = endpoint or endpoint_from_environment()
        return cls(store, Bucket(bucket_name or config.bucket, region, endpoint))

    @property
    def place(self) -> str:
        """Where they are, in words."""
        return f"s3://{self.bucket.name}" if self.bucket else str(self.store.root)

    @property
    def _prefix(self) -> str:
        return f"{self.store.project}/manifests/"

    def refresh(self) -> list[str]:
        """Ask which versions there are; return the names of their manifests, by version.

        Without a network these are the ones in the folder.
        """
        self.names = self._listed() if self.bucket else self.store.manifest_names()
        return list(self.names)

    def _listed(self) -> list[str]:
        assert self.bucket is not None  # for the type checker
        try:
            listed = self.bucket.list(self._prefix)
        except TransferError as error:
            here = self.store.manifest_names()
            if not here:
                raise
            if not isinstance(error, OfflineError):
                warnings.warn(
                    f"{error.message}: only the {len(here)} releases in {self.store.root} are "
                    "known, newer ones are not",
                    IncompleteWarning,
                    stacklevel=5,
                )
            return sorted_names({*here, *self.names}, self.store.project)
        prefix = len(self._prefix)
        self._sizes = {found.key[prefix:]: found.size for found in listed}
        return sorted_names(self._sizes, self.store.project)

    def manifest(self, name: str) -> Manifest:
        """Return a manifest, which is fetched if it is not here.

        Raises
        ------
        NotHereError
            If it is not here, and nothing may be fetched.
        ManifestError
            If it is damaged, hostile, or another project's.
        """
        path = self.store.manifest_path(name)
        if path.is_file():
            try:
                return self.store.read(name)
            except ManifestError:
                if self.bucket is None or settings.offline():
                    raise
                path.unlink()  # other readers leave manifests cut short
        elif self.bucket is None:
            raise NotHereError(f"{name} is not in {self.store.root}")
        self._fetch_manifest(name, path)
        return self.store.read(name)

    def _fetch_manifest(self, name: str, path: Path) -> None:
        from fascicle.transfer import Source, make_plan

        assert self.bucket is not None  # for the type checker
        size = self._sizes.get(name)
        if size is not None and size > MAX_BYTES:
            raise ManifestError(f"{name} has {size:,} bytes: that is no manifest")
        source = Source(self.bucket.url(self._prefix + name), size=size)
        plan = make_plan([(source, path)], store=self.store.root)
        plan.run(progress=False).raise_for_failed()
        try:
            self.store.read(name)
        except ManifestError:
            path.unlink(missing_ok=True)  # so that a better one is fetched the next time
            raise

    # -- files ------------------------------------------------------------------------------------

    def source(self, entry: FileEntry) -> Source:
        """Return where a file's bytes are, at the endpoint if there is one."""
        from fascicle.transfer import Source

        if not entry.algorithm:
            raise HashMismatch(f"the manifest has no usable checksum for {entry.path}")
        endpoint = self.bucket.endpoint if self.bucket else None
        return Source(
            entry.location.at_version("").url(endpoint),
            entry.location.version_id,
            entry.size,
            entry.file_hash.lower(),
            entry.algorithm,
        )

    def plan(self, manifest: Manifest, entries: Iterable[FileEntry]) -> Plan:
        """Say what it takes to have files of a version here.

        Raises
        ------
        NotHereError
            If one is not here, and nothing may be fetched.
        """
        from fascicle.transfer import make_plan

        pairs = []
        for entry in entries:
            path = self.store.path(manifest, entry)
            self.store.check_target(path)
            if not path.is_file():
                self.store.learn_copy(entry)
            pairs.append((self.source(entry), path))
        plan = make_plan(pairs, store=self.store.root)
        if self.bucket is None and (missing := [i for i in plan.to_fetch if i.state != "known"]):
            raise NotHereError(
                f"{len(missing)} of {len(plan)} files are not in {self.store.root}, such as "
                f"{missing[0].target.name}",
                hint="open the cache with from_s3_cache to fetch them",
            )
        return plan

    def sized(self, plan: Plan) -> Plan:
        """Return a plan with the sizes that the bucket lists, where the manifest has none."""
        from fascicle.archives.sizes import with_sizes

        if self.bucket is None:
            return plan
        return with_sizes(plan, endpoints=[self.bucket.endpoint or ""], access=self.bucket.access)

    def require(self, manifest: Manifest, entry: FileEntry) -> None:
        """Make sure that a file is here, or can be fetched.

        Raises
        ------
        NotHereError
            If it is not here and nothing may be fetched.
        """
        if self.bucket is not None or self.store.is_here(manifest, entry):
            return
        if not self.store.static and self.store.learn_copy(entry):
            # Another version has the same file: no network is needed.
            self.plan(manifest, [entry]).run(progress=False, offline=True).raise_for_failed()
        else:
            self.store.verified(manifest, entry)  # says what is missing

    def bring(self, manifest: Manifest, entries: Iterable[FileEntry]) -> list[Path]:
        """Return the paths of files of a version, fetched if need be, and verified.

        Raises
        ------
        NotHereError
            If one is not here, and nothing may be fetched.
        HashMismatch
            If one is not what the manifest says.
        TransferError
            If one cannot be fetched.
        """
        wanted = list(entries)
        if self.bucket is None:
            for entry in wanted:
                self.require(manifest, entry)
            # Tables are read once, and whoever reads one verifies it: nothing is hashed here.
            if len(wanted) != 1:
                return [self.store.path(manifest, entry) for entry in wanted]
            return [self.store.verified(manifest, wanted[0])]
        paths = [self.store.path(manifest, entry) for entry in wanted]
        plan = self.plan(manifest, wanted)
        bars: Shown = "each" if settings.show_progress() else False
        result = plan.run(progress=bars) if plan.to_fetch else None
        missing = {outcome.item.target for outcome in result.failed} if result else set()
        self.store.add_to_record(
            (path, entry.file_hash)
            for path, entry in zip(paths, wanted, strict=True)
            if path not in missing
        )
        if result:
            result.raise_for_failed()
        return paths

"""Opening the releases of a project, and going from one version to another."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from fascicle import settings
from fascicle.archives import watch
from fascicle.archives.layout import Store
from fascicle.archives.versions import Versions
from fascicle.errors import (
    BehaviorCloudCacheVersionException,
    ConfigurationError,
    MissingLocalManifestWarning,
    NotFoundError,
    NotHereError,
    OutdatedManifestWarning,
    StaticCacheError,
    VersionNotFound,
    nearest,
)
from fascicle.formats.manifest import Manifest, manifest_name
from fascicle.formats.project import ProjectConfig, load_config
from fascicle.formats.versions import Version, is_version

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.record import Use
    from fascicle.formats.manifest import FileEntry
    from fascicle.releases.comparing import Comparison

Metadata = Literal["eager", "lazy"]


class VersionedCache:
    """A project's releases, in a bucket and in a folder of yours.

    Make one with `from_s3_cache` or `from_local_cache`. It pickles, and its folder can be moved.

    Parameters
    ----------
    versions : Versions
        Where manifests and files come from.
    config : ProjectConfig
        What the project's tables mean.
    metadata : {'eager', 'lazy'}
        Whether the tables of a version are brought here as it is loaded, or when asked for.
    """

    #: The project of a class for one project alone; a file or a name otherwise.
    PROJECT: ClassVar[str] = ""

    def __init__(
        self, versions: Versions, config: ProjectConfig, *, metadata: Metadata = "eager"
    ) -> None:
        if metadata not in ("eager", "lazy"):
            raise ConfigurationError(f"metadata={metadata!r}", hint='"eager" or "lazy"')
        self.config = config
        self._versions = versions
        self._metadata = metadata
        self._name = ""
        self._manifest: Manifest | None = None
        self._warned_of = ""
        self._frames: dict[str, pd.DataFrame] = {}

    # -- opening ----------------------------------------------------------------------------------

    @classmethod
    def from_s3_cache(
        cls,
        cache_dir: str | Path,
        bucket_name_override: str | None = None,
        *,
        project: str | Path | ProjectConfig | None = None,
        endpoint_url: str | None = None,
        metadata: Metadata = "eager",
    ) -> Self:
        """Open a project's bucket, with a folder that keeps what is fetched.

        The version that was loaded last from that folder is loaded, or else the newest. Without a
        network, what the folder has is served.

        Parameters
        ----------
        cache_dir : path-like
            The folder; ``~`` is your home. It is made if it does not exist.
        bucket_name_override : str, optional
            Another bucket than the project's. Manifests are taken from it; the files are where
            these say.
        project : str, path-like or ProjectConfig, optional
            The project, for a class that serves any: a name of `known_projects`, or a TOML file.
        endpoint_url : str, optional
            Another server than Amazon's, for everything; by default as ``AWS_ENDPOINT_URL_S3``
            says.
        metadata : {'eager', 'lazy'}
            ``eager``: all tables of the version are fetched now, in parallel, so that a machine
            without a network can read them later. ``lazy``: each as it is asked for.

        Raises
        ------
        ServerError, AccessDenied, RemoteNotFound
            If the bucket cannot be read and nothing is here.
        ManifestError
            If the manifest is damaged or hostile.
        HashMismatch
            If a file is not what the manifest says.
        """
        config = cls._config(project)
        store = Store(cache_dir, config.project)
        versions = Versions.online(store, config, bucket_name_override, endpoint_url)
        return cls(versions, config, metadata=metadata)._open()

    @classmethod
    def from_local_cache(
        cls,
        cache_dir: str | Path,
        use_static_cache: bool = False,
        *,
        project: str | Path | ProjectConfig | None = None,
        metadata: Metadata = "eager",
    ) -> Self:
        """Open a folder that `from_s3_cache` filled, or that mirrors a bucket, without a network.

        Parameters
        ----------
        cache_dir : path-like
            The folder.
        use_static_cache : bool
            Whether it mirrors a bucket, such as one that is mounted: with the manifests in
            ``{project}/manifests`` and the files of one version. The newest manifest counts, and
            nothing is written there.
        project : str, path-like or ProjectConfig, optional
            The project, for a class that serves any.
        metadata : {'eager', 'lazy'}
            ``eager``: all tables have to be here; ``lazy``: those that are asked for.

        Raises
        ------
        NotHereError
            If there is no manifest, or a table is missing. It is a FileNotFoundError.
        """
        config = cls._config(project)
        store = Store(cache_dir, config.project, static=use_static_cache)
        return cls(Versions(store), config, metadata=metadata)._open()

    @classmethod
    def _config(cls, project: str | Path | ProjectConfig | None) -> ProjectConfig:
        if project is None and not cls.PROJECT:
            raise ConfigurationError(
                "which project?",
                hint='project="visual-behavior-neuropixels", or a TOML file that describes one',
            )
        return load_config(project if project is not None else cls.PROJECT)

    def _open(self) -> Self:
        store, versions = self._versions.store, self._versions
        if not store.static and store.has_unrecorded_files():
            warnings.warn(
                f"{store.root} has files but no record of what they are: files that did not change "
                "between versions are fetched again. construct_local_manifest() makes the record; "
                "it reads every file.",
                MissingLocalManifestWarning,
                stacklevel=3,
            )
        names = versions.refresh()
        if not names:
            raise NotHereError(
                f"no release of {self.config.project} in {versions.place}",
                hint="from_s3_cache fetches one" if not versions.bucket else "look at the name",
            )
        if pinned := self._pinned():
            self._load(self._known(pinned))
            return self
        last = "" if store.static else store.last_used()
        if not last:
            self._load_latest(stacklevel=5)
        elif last not in names:
            warnings.warn(
                f"the version loaded last, {last}, is no release of {self.config.project}: "
                f"{names[-1]} is loaded instead",
                UserWarning,
                stacklevel=3,
            )
            self._load_latest(stacklevel=5)
        else:
            if last != names[-1]:
                self._warned_of = names[-1]
                self._warn(
                    f"{last} is loaded, as it was last time; there is a newer release, {names[-1]}",
                    f"load_manifest('{names[-1]}') loads it; to see what changed: "
                    f"compare_manifests('{last}', '{names[-1]}')",
                    stacklevel=4,
                )
            self._load(last)
        return self

    # -- versions ---------------------------------------------------------------------------------

    def list_manifest_file_names(self) -> list[str]:
        """Return the names of the project's manifests, by version; the bucket is asked again."""
        return self._versions.refresh()

    def latest_manifest_file(self) -> str:
        """Return the name of the newest manifest; the bucket is asked again."""
        return self._versions.refresh()[-1]

    def latest_downloaded_manifest_file(self) -> str:
        """Return the name of the newest manifest that is here, or an empty string."""
        return (self._versions.store.manifest_names() or [""])[-1]

    def list_all_downloaded_manifests(self) -> list[str]:
        """Return the names of the manifests that are here, by version."""
        return self._versions.store.manifest_names()

    def current_manifest(self) -> str:
        """Return the name of the manifest that is loaded."""
        return self._name

    @property
    def manifest(self) -> Manifest:
        """The manifest that is loaded: its version, and all its files."""
        if self._manifest is None:
            raise NotFoundError("no version is loaded", hint="load_latest_manifest()")
        return self._manifest

    def load_manifest(self, manifest_name: str) -> None:
        """Load a version. If anything goes wrong, the one that was loaded stays.

        Parameters
        ----------
        manifest_name : str
            The name of its manifest, or the version: ``0.3.0``.

        Raises
        ------
        VersionNotFound
            If the project has no such release. It is a ValueError.
        BehaviorCloudCacheVersionException
            If this reader does not know releases of that version.
        """
        name = self._known(manifest_name)
        latest = self._versions.names[-1]
        if name != latest and latest != self._warned_of:
            self._warned_of = latest
            self._warn(
                f"{name} is not the newest release: that is {latest}",
                f"load_latest_manifest() loads it; to see what changed: "
                f"compare_manifests('{name}', '{latest}')",
                stacklevel=3,
            )
        self._load(name)

    def load_latest_manifest(self) -> None:
        """Load the newest version; the bucket is asked which that is."""
        self._versions.refresh()
        self._load_latest(stacklevel=4)

    def compare_manifests(self, manifest_0_name: str, manifest_1_name: str) -> str:
        """Return what changed from one version to another, in words.

        The manifests are fetched if need be; the loaded version stays.

        Parameters
        ----------
        manifest_0_name, manifest_1_name : str
            The older and the newer one, by the names of their manifests or as versions.

        Returns
        -------
        str
            A line for each file that was changed, created, deleted or renamed: tables first.
        """
        return str(self.comparison(manifest_0_name, manifest_1_name))

    def summarize_comparison(
        self, manifest_0_name: str, manifest_1_name: str
    ) -> dict[str, list[tuple[str, str]]]:
        """Return the same as ``metadata_changes`` and ``data_changes``: pairs of path and line."""
        return self.comparison(manifest_0_name, manifest_1_name).summary()

    def comparison(self, first: str, second: str) -> Comparison:
        """Return what changed from one version to another, as data."""
        if self._versions.store.static:
            raise StaticCacheError(
                "this folder holds one version alone: there is nothing to compare",
                hint="from_s3_cache has all versions",
            )
        from fascicle.releases.comparing import compare

        names = self._known(first), self._known(second)
        return compare(*(self._versions.manifest(name) for name in names), names=names)

    def construct_local_manifest(self) -> None:
        """Record what the files of the folder are, by reading them all.

        Other readers of the layout then take files from one version for another.
        """
        self._versions.store.rebuild_record(progress=settings.show_progress())

    def _known(self, name: str) -> str:
        wanted = str(name)
        if is_version(wanted.removeprefix("v")):
            wanted = manifest_name(self.config.project, wanted.removeprefix("v"))
        if wanted not in self._versions.names and wanted not in self._versions.refresh():
            names = self._versions.names
            raise VersionNotFound(
                f"{self.config.project} has no release {name!r} in {self._versions.place}",
                hint=nearest(wanted, names) or f"there are {', '.join(names)}",
            )
        return wanted

    def _load_latest(self, *, stacklevel: int) -> None:
        latest, here = self._versions.names[-1], self.latest_downloaded_manifest_file()
        if here and here != latest:
            self._warn(
                f"{latest} is newer than {here}, the newest that was here: files that changed are "
                "fetched again, and nothing that is here is overwritten",
                f"load_manifest('{here}') stays with it",
                stacklevel=stacklevel,
            )
        self._load(latest)

    def _load(self, name: str) -> None:
        manifest = self._versions.manifest(name)
        self._check_version(manifest)
        if watch.watched():
            watch.check_version(manifest.version, self._place_name, manifest.project)
        if self._metadata == "eager":
            self._versions.bring(manifest, manifest.metadata_files.values())
            if watch.watched():
                # What opening needs is part of what was used, so that a synced cache opens too.
                watch.noted(self._uses(manifest.metadata_files.values(), manifest))
        self._versions.store.set_last_used(name)
        if self._manifest is None or manifest != self._manifest:
            self._frames = {}
        self._name, self._manifest = name, manifest

    @property
    def _place_name(self) -> str:
        bucket = self._versions.bucket.name if self._versions.bucket else self.config.bucket
        return f"s3://{bucket}/{self.config.project}"

    def _pinned(self) -> str:
        """Return the version that a lock holds us to, or an empty string."""
        if not watch.watched():
            return ""
        from fascicle.archives.pins import locked_version

        return locked_version(self._place_name, self.config.project)

    def _uses(self, entries: Iterable[FileEntry], manifest: Manifest | None = None) -> list[Use]:
        from fascicle.archives.uses import uses_of_files

        known = manifest or self.manifest
        files = [(entry, self._versions.store.path(known, entry)) for entry in entries]
        return uses_of_files(self._place_name, known, self.config, files)

    def _check_version(self, manifest: Manifest) -> None:
        if not self.config.versions:
            return
        first, after = map(Version, self.config.versions)
        if not first <= Version(manifest.version) < after:
            tool = manifest.made_by(self.config.tool)
            made = f"; it was made with {self.config.tool} {tool}" if tool else ""
            raise BehaviorCloudCacheVersionException(
                f"{manifest.name} cannot be read: versions from {first} to before {after} are "
                f"known{made}",
                hint="load another version, or a newer fascicle",
            )

    def _warn(self, what: str, then: str, *, stacklevel: int) -> None:
        warnings.warn(f"{what}. {then}", OutdatedManifestWarning, stacklevel=stacklevel)

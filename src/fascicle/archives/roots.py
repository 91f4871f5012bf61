"""Which release is meant by a name, where its manifests lie, and in which form they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle import settings
from fascicle.archives.adapters.manifests import FOLDER, ManifestForm
from fascicle.errors import ConfigurationError, NotFoundError, NotHereError
from fascicle.formats.locations import endpoint_from_environment
from fascicle.formats.manifest import version_of_name
from fascicle.formats.project import ProjectConfig, config_of_bucket
from fascicle.formats.versions import is_version
from fascicle.transfer.places import FolderPlace, S3Place, WebPlace, ZipPlace, open_place

if TYPE_CHECKING:
    from fascicle.archives.adapters.atlas import AtlasForm
    from fascicle.archives.adapters.base import Form
    from fascicle.transfer.places import Place

_MARK = "_project_manifest_v"
_ATLAS = re.compile(r"releases/(\d{8})/manifest\.json")
_DATE = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True)
class Named:
    """What a name says: a place, and maybe a version.

    Attributes
    ----------
    place : str
        As `fascicle.transfer.places.open_place` takes it.
    version : str
        Empty for the newest.
    manifest : str
        Name of the manifest, relative to the place, where the name is the address of one.
    """

    place: str
    version: str = ""
    manifest: str = ""


def split_name(name: str | os.PathLike[str]) -> Named:
    """Take ``PLACE@VERSION``, or the address of a manifest, apart.

    Examples
    --------
    >>> split_name("s3://bucket/project@1.1.0")
    Named(place='s3://bucket/project', version='1.1.0', manifest='')
    """
    text = os.fspath(name)
    before, at, version = text.rpartition("@")
    version = bare_version(version)
    is_suffix = at and before and (is_version(version) or _DATE.fullmatch(version))
    # A folder may be called so.
    if is_suffix and ("://" in text or not os.path.lexists(os.path.expanduser(text))):
        return Named(before.rstrip("/") or "/", version)
    if text.lower().startswith("s3://"):
        if before.count("/") == 2:  # no name of a bucket has an @
            _no_version(text)
    elif (
        "://" not in text
        and not os.path.lexists(path := os.path.expanduser(text))
        and (at and os.path.exists(path.rpartition("@")[0]))
    ):
        _no_version(text)
    path = text.partition("?")[0].partition("#")[0]
    if not path.endswith(".json"):
        return Named(text)
    if found := _ATLAS.search(path):
        return Named(path[: found.start()].rstrip("/"), found[1], found[0])
    folder, _, file = path.rpartition("/")
    known = version_of_name(file)
    if known is None:
        return Named(text)
    above = f"{folder}/".removesuffix(f"/{FOLDER}")
    inside = above != f"{folder}/"
    return Named(above.rstrip("/") or ".", known.text, f"{FOLDER if inside else ''}{file}")


def choose(place: str | os.PathLike[str], version: str | None) -> tuple[Named, str]:
    """Return what a name says, its folder absolute, and the version meant, empty for the newest.

    Raises
    ------
    ConfigurationError
        The name has another version than the one given.
    """
    named = split_name(place)
    version = bare_version(version) if version else ""
    if version and named.version and version != named.version:
        raise ConfigurationError(
            f"{os.fspath(place)} names version {named.version}, and version= says {version}",
            hint="leave out one of the two",
        )
    if "://" not in named.place:
        named = replace(named, place=str(Path(named.place).expanduser().absolute()))
    return named, version or named.version


def bare_version(text: str) -> str:
    """Return a version without the ``v`` that names of manifests have before it.

    Examples
    --------
    >>> bare_version("v0.3.0")
    '0.3.0'
    """
    bare = text.removeprefix("v")
    return bare if is_version(bare) else text


def is_release(name: str | os.PathLike[str]) -> bool:
    """Return whether a name is that of a release, as far as can be told without a network.

    A folder is one if it has manifests and no index of its own.
    """
    text = os.fspath(name)
    named = split_name(text)
    if named.version:
        return True
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme and scheme != "file":
        return scheme == "s3"
    place = open_place(text)
    if isinstance(place, ZipPlace):
        return True
    if not isinstance(place, FolderPlace) or not place.root.is_dir():
        return False
    root = place.root
    indexed = (root / ".fascicle" / "log").is_dir()
    if indexed:
        return False
    if _in_folder(root):
        return True
    if (root / "sessions.pqt").exists():
        return False
    return any(_in_folder(child) for child in _folders(place))


def _in_folder(folder: Path) -> bool:
    """Return whether a folder has manifests."""
    found = (*folder.glob(f"{FOLDER}*{_MARK}*.json"), *folder.glob(f"*{_MARK}*.json"))
    if any(version_of_name(path.name) for path in found):
        return True
    return any(_DATE.fullmatch(p.parent.name) for p in folder.glob("releases/*/manifest.json"))


def _folders(place: FolderPlace) -> list[Path]:
    try:
        entries = sorted(os.scandir(place.root), key=lambda entry: entry.name)
    except OSError:
        return []
    return [Path(e.path) for e in entries if e.is_dir() and not e.name.startswith(".")]


def slug(place: Place) -> str:
    """Return a folder's name for what is kept of a place: the same for the same place."""
    endpoint = ""
    if isinstance(place, S3Place):
        endpoint = place.reach().endpoint or endpoint_from_environment() or ""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", place.name.partition("://")[2] or place.name)
    digest = sha256(f"{endpoint}|{place.name}".encode()).hexdigest()[:8]
    return f"{words.strip('-.')[-80:]}-{digest}"


def find_form(
    named: Named,
    *,
    store: Path | None = None,
    endpoint: str | None = None,
    described: ProjectConfig | None = None,
) -> Form:
    """Find out which project is at a place, and in which form.

    The place is asked only for what its name does not say.

    Parameters
    ----------
    named : Named
    store : pathlib.Path, optional
        Where files are to go; by default a folder of the user's cache, and nowhere if the release
        is a folder.
    endpoint : str, optional
        Of S3.
    described : ProjectConfig, optional
        What the tables of the project mean.

    Raises
    ------
    NotFoundError
        If there is no release.
    ConfigurationError
        If there are several.
    """
    place = open_place(named.place, endpoint=endpoint)
    finder = _Finder(place, store, described)
    if named.manifest:
        return finder.of_manifest(named)
    if settings.offline() and not isinstance(place, (FolderPlace, ZipPlace)):
        return finder.of_store()
    if (
        isinstance(place, S3Place)
        and not place.prefix
        and (config := described or config_of_bucket(place.bucket))
    ):
        return finder.with_manifests(replace(place, prefix=config.project), config.project)
    form = finder.at(place) or finder.below()
    if form is None:
        _no_version(named.place)
        raise NotFoundError(
            f"there is no release at {place.name}: no manifest in manifests/ or releases/",
            hint="look at the name: s3://bucket/project, a folder above manifests/, a ZIP file, "
            "or the URL of a manifest",
        )
    return form


def _no_version(name: str) -> None:
    """Say of a name at which nothing is that what stands behind its @ is no version.

    Raises
    ------
    ConfigurationError
        If something does.
    """
    before, at, version = name.rpartition("@")
    if at and before and not set(version) & {"/", os.sep}:
        raise ConfigurationError(
            f"{version!r} behind the @ of {name} is no version",
            hint=f"three numbers with points between them: {before}@1.1.0; without it the newest "
            "is opened",
        )


class _Finder:
    def __init__(self, place: Place, store: Path | None, described: ProjectConfig | None) -> None:
        self.place, self.store, self.described = place, store, described

    def home(self, place: Place) -> tuple[Path, bool]:
        """Return where files of a place are, and whether they are there already."""
        if self.store is not None:
            return self.store, False
        if isinstance(place, FolderPlace):
            return place.root, True
        return settings.cache_dir() / "releases" / slug(place), False

    def with_manifests(
        self, place: Place, project: str, *, only: str = "", folder: str = FOLDER
    ) -> ManifestForm:
        """Return releases whose manifests are in a folder of the place."""
        home, in_place = self.home(place)
        return ManifestForm(place, project, home, in_place, only, folder, described=self.described)

    def atlas(self, place: Place, only: str = "") -> AtlasForm:
        """Return releases in folders by date."""
        from fascicle.archives.adapters.atlas import AtlasForm

        home, in_place = self.home(place)
        name = place.name.rstrip("/").rpartition("/")[2].removesuffix(".zip")
        return AtlasForm(place, name, home, in_place, only)

    def of_manifest(self, named: Named) -> Form:
        """Return the one release whose manifest was named."""
        # Where the place can be listed, the others are there too.
        only = named.version if isinstance(self.place, WebPlace) else ""
        if _ATLAS.fullmatch(named.manifest):
            return self.atlas(self.place, only)
        folder, _, file = named.manifest.rpartition("/")
        project = file.partition(_MARK)[0]
        if not folder and isinstance(self.place, FolderPlace) and self.store is None:
            return self.cached(self.place.root, project)
        return self.with_manifests(
            self.place, project, only=only, folder=f"{folder}/" if folder else ""
        )

    def of_store(self) -> Form:
        """Return what was fetched of a place before, without asking it."""
        for place in self._likely():
            home, _ = self.home(place)
            if any(home.glob("releases/*/manifest.json")):
                return self.atlas(place)
            projects = _projects(path.name for path in home.glob(f"*{_MARK}*.json"))
            if len(projects) == 1:
                (name,) = projects
                if isinstance(place, S3Place) and place.prefix.rpartition("/")[2] != name:
                    place = replace(place, prefix=f"{place.prefix}/{name}".lstrip("/"))
                return replace(self.with_manifests(place, name), home=home)
        raise NotHereError(
            f"nothing of {self.place.name} is here, and nothing may be fetched",
            hint="unset FASCICLE_OFFLINE to go online, or name the folder that has it with store=",
        )

    def _likely(self) -> Iterator[Place]:
        """Go through what a name may have led to when it was online."""
        place = self.place
        yield place
        if not isinstance(place, S3Place) or self.store is not None:
            return
        config = self.described or config_of_bucket(place.bucket)
        names = [config.project] if config and not place.prefix else []
        for path in sorted((settings.cache_dir() / "releases").glob(f"*/*{_MARK}*.json")):
            names += _projects([path.name])
        for name in dict.fromkeys(names):
            yield replace(place, prefix=f"{place.prefix}/{name}" if place.prefix else name)

    def at(self, place: Place) -> Form | None:
        """Return the form of what lies right at a place; None where there is no manifest."""
        if isinstance(place, WebPlace):
            place.list()  # says that it cannot
        names = [key.removeprefix(FOLDER) for key, _ in place.list(FOLDER)]
        projects = _projects(names)
        if projects:
            last = place.name.rstrip("/").rpartition("/")[2]
            if len(projects) > 1 and last not in projects:
                raise _several(
                    place.name, projects, f"{FOLDER}{max(filter(version_of_name, names))}"
                )
            return self.with_manifests(place, last if last in projects else projects[0])
        if any(_ATLAS.fullmatch(key) for key, _ in place.list("releases/")):
            return self.atlas(place)
        if isinstance(place, FolderPlace):
            found = [path.name for path in place.root.glob(f"*{_MARK}*.json")]
            projects = _projects(found)
            if len(projects) > 1:
                raise _several(place.name, projects, max(filter(version_of_name, found)))
            if projects:
                return self.cached(place.root, projects[0])
        return None

    def cached(self, folder: Path, project: str) -> ManifestForm:
        """Return what another reader of releases fetched into a folder."""
        return ManifestForm(
            FolderPlace(folder), project, folder, folder="", cache=True, described=self.described
        )

    def below(self) -> Form | None:
        """Return the one release in a folder of the place."""
        place = self.place
        below: list[Place]
        if isinstance(place, FolderPlace):
            below = [FolderPlace(folder) for folder in _folders(place)]
        elif isinstance(place, S3Place):
            below = [
                replace(place, prefix=f"{place.prefix}/{name}" if place.prefix else name)
                for name in place.folders()
            ]
        else:
            return None
        found = {
            one.name.rpartition("/")[2]: form
            for one in below[:1000]
            if (form := self.at(one)) is not None
        }
        if len(found) > 1:
            raise _several(place.name, list(found))
        return next(iter(found.values()), None)


def _projects(names: Iterable[str]) -> list[str]:
    """Return the projects that files are manifests of, sorted."""
    return sorted({name.partition(_MARK)[0] for name in names if version_of_name(name)})


def _several(place: str, projects: list[str], example: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"{place} has {len(projects)} projects: {', '.join(projects)}",
        hint=f'name one of them, e.g. "{place.rstrip("/")}/{example or projects[0]}"',
    )

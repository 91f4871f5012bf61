"""Named parts of a file: interval tables, series, images, each read when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from fascicle.errors import NwbObjectNotFound, nearest

if TYPE_CHECKING:
    from fascicle.formats.nwb import NwbFile

T = TypeVar("T")

#: Where recordings are kept in a file; a name is looked for here, from left to right.
_HOMES = ("acquisition", "processing", "stimulus", "analysis", "scratch")
_IMAGES = frozenset({"Image", "GrayscaleImage", "RGBImage", "RGBAImage"})


class Named(Mapping[str, T], Generic[T]):
    """Parts of a file by path, or by the end of the path where only one ends so.

    Parameters
    ----------
    file : NwbFile
    what : str
        What they are called in messages.
    paths : callable
        Returns the paths of all of them.
    make : callable
        Returns the part at a path.
    fits : callable
        Returns whether what lies at a path is such a part.
    """

    def __init__(
        self,
        file: NwbFile,
        what: str,
        *,
        paths: Callable[[], list[str]],
        make: Callable[[str], T],
        fits: Callable[[str], bool],
    ) -> None:
        self._file = file
        self._what = what
        self._all = paths
        self._make = make
        self._fits = fits

    def __repr__(self) -> str:
        return f"<{len(self)} {self._what}: {', '.join(self)}>"

    @property
    def paths(self) -> list[str]:
        """Paths of all of them; the file is looked through for them once."""
        return list(self._file.keep(f"paths of {self._what}", self._all))

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[str]:
        """Return the shortest ends of paths that tell all of them apart."""
        return iter(self._names())

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        try:
            self._path(key)
        except NwbObjectNotFound:
            return False
        return True

    def __getitem__(self, key: str) -> T:
        return self._make(self._path(key))

    def get(self, key: str, default: T | None = None) -> T | None:  # type: ignore[override]
        """Return a part, or a default where there is none."""
        try:
            return self[key]
        except NwbObjectNotFound:
            return default

    def _names(self) -> dict[str, str]:
        def name() -> dict[str, str]:
            ends = {path: _ends(path) for path in self.paths}
            counts = Counter(end for own in ends.values() for end in own)
            names: dict[str, str] = {}
            for path, own in ends.items():
                names[next((end for end in own if counts[end] == 1), own[-1])] = path
            return names

        found: dict[str, str] = self._file.keep(f"names of {self._what}", name)
        return found

    def _path(self, key: str) -> str:
        path = "/" + key.strip("/")
        if "/" in key.strip("/") and self._file.has(path) and self._fits(path):
            return path
        ends = [p for p in self.paths if p.endswith(path)]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise NwbObjectNotFound(
                f"{self._file.name} has {len(ends)} {self._what} called {key!r}",
                hint=f"say which: {', '.join(ends[:8])}",
            )
        names = list(self._names())
        listed = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
        raise NwbObjectNotFound(
            f"{self._file.name} has no {self._what} called {key!r}",
            hint=nearest(key, names) or (f"it has {listed}" if names else "it has none"),
        )


def series_paths(file: NwbFile) -> list[str]:
    """Return the paths of all time series."""
    return [path for path in _recorded(file) if is_series(file, path)]


def image_paths(file: NwbFile) -> list[str]:
    """Return the paths of all images."""
    return [path for path in _recorded(file) if is_image(file, path)]


def table_paths(file: NwbFile) -> list[str]:
    """Return the paths of all tables of intervals: those of their folder first."""
    home = [f"/intervals/{name}" for name in _members(file, "/intervals")]
    others = [path for path in _recorded(file) if file.kind(path)[1] == "TimeIntervals"]
    return [path for path in home if is_table(file, path)] + others


def is_table(file: NwbFile, path: str) -> bool:
    """Return whether a group is a table."""
    return file.attr(path, "colnames", None) is not None


def is_series(file: NwbFile, path: str) -> bool:
    """Return whether a group has values or times, and is no table."""
    if not file.is_group(path) or is_table(file, path):
        return False
    return not {"data", "timestamps", "starting_time"}.isdisjoint(file.names(path))


def is_image(file: NwbFile, path: str) -> bool:
    """Return whether a dataset is an image."""
    return not file.is_group(path) and file.kind(path)[1] in _IMAGES


def _ends(path: str) -> list[str]:
    """Return the ends of a path, its name alone first."""
    own = path.strip("/").split("/")
    return ["/".join(own[-n:]) for n in range(1, len(own) + 1)]


def _members(file: NwbFile, path: str) -> list[str]:
    return file.names(path) if file.has(path) else []


def _recorded(file: NwbFile) -> list[str]:
    """Return what lies where recordings are kept: not the insides of tables and series."""

    def look() -> list[str]:
        def inside(path: str) -> bool:
            return not (is_table(file, path) or is_series(file, path))

        homes = [f"/{home}" for home in _HOMES if file.has(f"/{home}")]
        return [path for home in homes for path in file.paths(home, into=inside)]

    return list(file.keep("recorded", look))

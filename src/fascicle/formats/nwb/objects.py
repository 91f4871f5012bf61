"""An HDF5 file that is opened when it is first asked for something, and its objects by path."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeAlias

from fascicle.errors import BadFileError, NwbObjectNotFound
from fascicle.formats.nwb.attributes import MISSING, Attributes
from fascicle.formats.nwb.claims import (
    HEADER,
    MOST_CLAIMED,
    Facts,
    facts_of,
    stretches,
    takes_parts,
)
from fascicle.formats.nwb.collecting import no_collecting
from fascicle.formats.nwb.guard import HARM, reading
from fascicle.formats.nwb.links import Tree, clean
from fascicle.formats.nwb.opening import Forks, Opened, again, open_place

if TYPE_CHECKING:
    import h5py

#: A path, or a function that opens the file for reading, which pickles if the file is to.
Place: TypeAlias = "str | os.PathLike[str] | Callable[[], BinaryIO]"

_SMALL = 8 << 20  # bytes of an array that is worth to be fetched before it is asked for

#: Files of this process: a lock that another thread holds while it forks stays locked in the child.
_FILES: weakref.WeakSet[ObjectFile] = weakref.WeakSet()


def _unlock() -> None:
    for file in list(_FILES):
        file._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class ObjectFile:
    """Opening, closing and forking of a file, its objects by path, and their attributes.

    `NwbFile` is one that reads values as well.
    """

    def __init__(
        self, place: Place, *, name: str = "", max_claim: int | None = MOST_CLAIMED
    ) -> None:
        if not callable(place):
            place = os.path.abspath(os.path.expanduser(os.fspath(place)))
        self._place = place
        self.name = name or (os.path.basename(place) if isinstance(place, str) else "the file")
        self.max_claim = max_claim
        self._opened: Opened | None = None
        self._tree: Tree | None = None
        self._attrs: Attributes | None = None
        self._datasets: dict[str, h5py.Dataset] = {}
        self._facts: dict[str, Facts] = {}
        self._kept: dict[str, Any] = {}
        self._closed = False
        self._lock = threading.RLock()
        _FILES.add(self)

    # -- opening and closing -------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self._place, "name": self.name, "max_claim": self.max_claim}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["place"], name=state["name"], max_claim=state["max_claim"]
        )

    @property
    def folder(self) -> Path | None:
        """The folder that the file is in; None where it is no file on this machine."""
        return Path(self._place).parent if isinstance(self._place, str) else None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._opened else "not opened yet"
        return f"<{type(self).__name__} {self.name}, {state}>"

    @property
    def h5(self) -> h5py.File:
        """The file as h5py has it.

        Raises
        ------
        BadFileError
            If it is no NWB file, or harmed.
        """
        return self._open().h5

    @property
    def is_open(self) -> bool:
        """Whether the file is open in this process: one not opened yet, or closed, is not."""
        return self._opened is not None and self._opened.is_mine

    @property
    def version(self) -> str:
        """Version of the NWB format that the file says it follows."""
        return self._open().version

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self._open().size

    @property
    def stream(self) -> BinaryIO | None:
        """What a function opened; None for a path."""
        return getattr(self._open().source, "stream", None)

    def reopened(self) -> h5py.File:
        """Return the file as h5py has it, opened once more: who takes it may close it."""
        return again(self._open(), self.name)

    def close(self) -> None:
        """Close the file; it cannot be read after."""
        with self._lock:
            self._closed = True
            self._forget()
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def _forget(self) -> None:
        self._tree = None
        self._attrs = None
        self._datasets.clear()

    def _open(self) -> Opened:
        if self._opened is not None and self._opened.forks == Forks.n:
            return self._opened
        with self._lock:
            if self._closed:
                raise ValueError(f"{self.name} is closed")
            if self._opened is not None and not self._opened.is_mine:
                self._forget()
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._opened = open_place(self._place, self.name)
                # Left open, libhdf5 would call back into an interpreter that is gone at exit.
                weakref.finalize(self, self._opened.close)
            return self._opened

    def _objects(self) -> Tree:
        opened = self._open()
        with self._lock:
            if self._tree is None:
                self._tree = Tree(opened.h5, self.name, opened.trouble)
            return self._tree

    # -- objects -------------------------------------------------------------------------------

    def has(self, path: str) -> bool:
        """Return whether there is an object at a path."""
        with self._lock:
            return self._objects().has(path)

    def names(self, path: str) -> list[str]:
        """Return the names in a group, in their order.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such group, or it is harmed.
        """
        with self._lock:
            return list(self._objects().members(path))

    def group(self, path: str) -> h5py.Group:
        """Return a group as h5py has it.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is none.
        """
        import h5py

        with self._lock:
            found = self._objects().open(path)
            if not isinstance(found, h5py.h5g.GroupID):
                raise BadFileError(f"{self.name}: {clean(path)} is no group")
            return h5py.Group(found)

    def is_group(self, path: str) -> bool:
        """Return whether an object is a group; anything else is an array.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such object, or it is harmed.
        """
        import h5py

        with self._lock:
            return isinstance(self._objects().open(path), h5py.h5g.GroupID)

    def dataset(self, path: str) -> h5py.Dataset:
        """Return an array as h5py has it.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is none.
        """
        import h5py

        path = clean(path)
        opened = self._open()
        found = self._datasets.get(path)
        if found is not None:
            return found
        with self._lock:
            raw = self._objects().open(path)
            if not isinstance(raw, h5py.h5d.DatasetID):
                raise BadFileError(f"{self.name}: {path} is no array")
            with reading(self.name, path, trouble=opened.trouble):
                if takes_parts(raw):
                    plan = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
                    plan.set_chunk_cache(1, 0, 0.0)
                    del raw
                    raw = self._objects().open(path, plan)
                found = self._datasets[path] = h5py.Dataset(raw, readonly=True)
            return found

    def facts(self, path: str) -> Facts:
        """Return what is known of an array without reading it.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is none, or it is not what it says.
        """
        path = clean(path)
        found = self._facts.get(path)
        if found is None:
            dataset = self.dataset(path)
            opened = self._open()
            with self._lock, reading(self.name, path, trouble=opened.trouble):
                found = self._facts[path] = facts_of(dataset, size=opened.size)
        return found

    def find(self, kind: str, under: str = "/") -> list[str]:
        """Return the paths of all objects of a type, such as ``"ElectricalSeries"``.

        Parameters
        ----------
        kind : str
            Neurodata type, without its namespace.
        under : str
            Group to look in.
        """
        return [path for path, (_, found) in self.walk(under) if found == kind]

    def walk(self, under: str = "/") -> list[tuple[str, tuple[str, str]]]:
        """Return all objects below a group, each with its namespace and type.

        The specifications that a file brings along are not among them.
        """
        with self._lock:
            found = self._objects().walk(under, into=lambda path: path != "/specifications")
            return [(path, self._kind(one, path)) for path, one in found]

    def paths(self, under: str = "/", *, into: Callable[[str], bool] | None = None) -> list[str]:
        """Return the paths of all objects below a group, each once, also where links lead twice.

        Parameters
        ----------
        under : str
        into : callable, optional
            Returns whether to look into a group.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such group, or an object is harmed.
        """
        with self._lock:
            return [path for path, _ in self._objects().walk(under, into=into)]

    # -- attributes ----------------------------------------------------------------------------

    def attrs(self, path: str) -> dict[str, Any]:
        """Return the attributes of an object: text as str, arrays of text as lists of str.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such object, or one of its attributes is harmed.
        """
        path = clean(path)
        with self._lock:
            found = self._objects().open(path)
            names = self._attributes().names(found, path)
            return {name: self._attr(found, path, name) for name in names}

    def attr(self, path: str, name: str, default: Any = MISSING) -> Any:
        """Return one attribute.

        Raises
        ------
        NwbObjectNotFound
            If there is no such object, or no such attribute and no default.
        BadFileError
            If it is harmed.
        """
        path = clean(path)
        with self._lock:
            value = self._attr(self._objects().open(path), path, name)
        if value is not MISSING:
            return value
        if default is MISSING:
            raise NwbObjectNotFound(f"{self.name}: {path} has no attribute {name!r}")
        return default

    def kind(self, path: str) -> tuple[str, str]:
        """Return namespace and neurodata type of an object; empty where it says none."""
        path = clean(path)
        with self._lock:
            return self._kind(self._objects().open(path), path)

    def _kind(self, found: Any, path: str) -> tuple[str, str]:
        pair = (self._attr(found, path, "namespace"), self._attr(found, path, "neurodata_type"))
        space, kind = (value if isinstance(value, str) else "" for value in pair)
        return space, kind

    def _attr(self, found: Any, path: str, name: str) -> Any:
        return self._attributes().read(found, path, name)

    def _attributes(self) -> Attributes:
        opened = self._open()
        if self._attrs is None:
            self._attrs = Attributes(opened, self.name)
        return self._attrs

    def ahead(self, path: str, names: list[str]) -> None:
        """Have what describes some arrays of a group, and what they hold, fetched at once.

        It saves time for files elsewhere that can do so, and does nothing for others.

        Parameters
        ----------
        path : str
            Of the group.
        names : list of str
            Of arrays in it; large ones are passed over.
        """
        bring = getattr(self.stream, "bring", None)
        if bring is None:
            return
        path = clean(path)
        with no_collecting(), self._lock:
            bring((at, at + HEADER) for at in self._objects().addresses(path, names))
            spans: list[tuple[int, int]] = []
            for name in names:
                inner = f"{path}/{name}"
                try:
                    if self.facts(inner).nbytes <= _SMALL:
                        spans += stretches(self.dataset(inner), self.facts(inner))
                except HARM:  # whoever reads it is told
                    continue
            bring(spans)

    def keep(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what was made before under a key, or make it: files do not change."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

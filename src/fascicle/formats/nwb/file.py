"""One NWB file, opened when it is first asked for something."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeAlias

from fascicle.errors import BadFileError, NwbObjectNotFound
from fascicle.formats.nwb.claims import (
    MOST_CLAIMED,
    Facts,
    check_claim,
    facts_of,
    selected,
    takes_parts,
)
from fascicle.formats.nwb.guard import HARM, reading
from fascicle.formats.nwb.links import Tree, clean
from fascicle.formats.nwb.opening import Opened, again, open_place
from fascicle.formats.nwb.values import check_type, decode, decoded, kind_of, pythonic

if TYPE_CHECKING:
    import h5py
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb.arrays import Array
    from fascicle.formats.nwb.ragged import Ragged
    from fascicle.formats.nwb.series import Series

#: A path, or a function that opens the file for reading, which pickles if the file is to.
Place: TypeAlias = "str | os.PathLike[str] | Callable[[], BinaryIO]"

_BATCH = 1024  # texts at first: each may be long
_MISSING: Any = object()


class NwbFile:
    """One NWB file, opened when it is first asked for something.

    It can be pickled, shared between threads, and used in a process that was forked, which opens
    it anew.

    Parameters
    ----------
    place : str, path-like or callable
        A path, or a function that returns the file open for reading in binary.
    name : str, optional
        What messages call it; the name of the file unless given.
    max_claim : int or None
        Bytes of memory that an array may take though a hundredth of it or less is stored;
        None for no bound.
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
        self._datasets: dict[str, h5py.Dataset] = {}
        self._facts: dict[str, Facts] = {}
        self._kept: dict[str, Any] = {}
        self._pid = os.getpid()
        self._closed = False
        self._lock = threading.RLock()

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

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._opened else "not opened yet"
        return f"<NwbFile {self.name}, {state}>"

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
        return self._opened is not None and self._pid == os.getpid()

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
        self._datasets.clear()

    def _open(self) -> Opened:
        if self._opened is not None and self._pid == os.getpid():
            return self._opened
        with self._lock:
            if self._closed:
                raise ValueError(f"{self.name} is closed")
            if self._opened is not None and self._pid != os.getpid():
                self._forget()
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._pid = os.getpid()
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
                found = self._datasets[path] = h5py.Dataset(raw)
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
        """Return all objects below a group, each with its namespace and type."""
        out = []
        with self._lock:
            for path, found in self._objects().walk(under):
                if not path.startswith("/specifications/"):
                    out.append((path, self._kind(found, path)))
        return out

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
        import h5py

        path = clean(path)
        with self._lock:
            found = self._objects().open(path)
            with reading(self.name, path, trouble=self._open().trouble):
                n = h5py.h5a.get_num_attrs(found)
                names = [h5py.h5a.open(found, index=i).name for i in range(n)]
            return {
                (raw := name.decode("utf-8", "surrogateescape")): self._attr(found, path, raw)
                for name in names
            }

    def attr(self, path: str, name: str, default: Any = _MISSING) -> Any:
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
        if value is not _MISSING:
            return value
        if default is _MISSING:
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
        import h5py
        import numpy as np

        raw = name.encode("utf-8", "surrogateescape")
        opened = self._open()
        with reading(self.name, f"{path}@{name}", trouble=opened.trouble):
            if not h5py.h5a.exists(found, raw):
                return _MISSING
            attr = h5py.h5a.open(found, raw)
            space = attr.get_space()
            if space.get_simple_extent_type() == h5py.h5s.NULL:
                return None
            dtype = attr.dtype
            if kind_of(dtype) in ("lists", "record"):
                check_type(attr.get_type())
            n = space.get_simple_extent_npoints()
            if n * attr.get_type().get_size() > opened.size:
                raise ValueError("it claims more bytes than the file has")
            out = np.empty(attr.shape, dtype)
            attr.read(out)
            if h5py.check_string_dtype(dtype) is not None:
                if out.shape == ():
                    return decode(out[()])
                texts = decoded(out.reshape(-1).tolist())
                return texts
            return out[()]

    # -- values --------------------------------------------------------------------------------

    def value(self, path: str, default: Any = _MISSING) -> Any:
        """Return the value of a scalar dataset, text decoded; an array if it is one.

        Raises
        ------
        NwbObjectNotFound
            If there is none, and no default.
        BadFileError
            If it is harmed.
        """
        try:
            array = self.array(path, ())
        except NwbObjectNotFound:
            if default is _MISSING:
                raise
            return default
        return array

    def array(self, path: str, sel: Any = slice(None)) -> Any:
        """Return the values of an array, or of a part of it.

        Text is str, references are the paths that they lead to, records with these are tuples.

        Parameters
        ----------
        path : str
        sel : slice, int, mask or tuple of these
            As h5py takes them.

        Returns
        -------
        numpy.ndarray
            A single value where ``sel`` takes one.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is none, or it cannot be read.
        UnpacksTooLarge
            If it claims far more than is stored.
        """
        path = clean(path)
        facts = self.facts(path)
        dataset = self.dataset(path)
        if isinstance(sel, slice) and not facts.shape:
            sel = ()
        elif isinstance(sel, tuple) and not sel and facts.shape:
            sel = slice(None)
        self._check(path, facts, sel)
        opened = self._open()
        with reading(self.name, path, trouble=opened.trouble, why=lambda: _unfiltered(dataset)):
            if facts.kind == "text" and facts.shape and selected(facts.shape, sel) > _BATCH:
                out: Any = self._texts(path, dataset, sel)
            else:
                out = dataset[sel]
                if facts.kind == "plain":
                    if facts.dtype.isnative:
                        return out
                    return out.astype(facts.dtype.newbyteorder("="))
            return self._pythonic(out, facts, path)

    def lazy(self, path: str) -> Array:
        """Return an array of which only what is indexed is read."""
        from fascicle.formats.nwb.arrays import Array

        path = clean(path)
        self.dataset(path)
        return Array(self, path)

    def target(self, reference: Any, path: str = "") -> str | None:
        """Return the path that an object reference leads to, None for an empty one.

        Parameters
        ----------
        reference : h5py.Reference
        path : str
            Where it stands, for messages.
        """
        with self._lock:
            return self._objects().target(reference, path)

    def _pythonic(self, out: Any, facts: Facts, path: str) -> Any:
        import numpy as np

        array = np.asarray(out, dtype=object if facts.kind in ("text", "reference") else None)
        if isinstance(out, np.void):
            array = np.array(out, dtype=out.dtype)
        found = pythonic(array, facts.kind, lambda ref: self.target(ref, path))
        return found[()] if found.shape == () else found

    def _texts(self, path: str, dataset: h5py.Dataset, sel: Any) -> np.ndarray[Any, Any]:
        """Read many texts a part at a time: the same long one may be stored once for all."""
        import numpy as np

        if isinstance(sel, slice) and sel.step in (None, 1):
            begin, stop, _ = sel.indices(dataset.shape[0])
        else:
            return np.asarray(dataset[sel], dtype=object)
        rest = dataset.shape[1:]
        out = np.empty((max(0, stop - begin), *rest), object)
        row = max(1, int(np.prod(rest)))
        step, total = max(1, _BATCH // row), 0
        at = begin
        while at < stop:
            part = dataset[at : min(stop, at + step)]
            out[at - begin : at - begin + len(part)] = part
            here = sum(map(len, part.reshape(-1).tolist()))
            total += here
            check_claim(self.name, path, total, self.size // 100, most=self.max_claim)
            at += len(part)
            mean = max(1, here // max(1, part.size))
            step = max(1, min(1 << 18, (8 << 20) // mean) // row)
        return out

    def _check(self, path: str, facts: Facts, sel: Any) -> None:
        if self.max_claim is None:
            return
        if facts.nbytes <= self.max_claim and facts.chunk <= self.max_claim:
            return
        need = max(selected(facts.shape, sel) * facts.itemsize, facts.chunk)
        if need > self.max_claim:
            check_claim(self.name, path, need, self.stored(path), most=self.max_claim)

    def stored(self, path: str) -> int:
        """Return how many bytes of the file an array takes; that of many chunks asks for a while.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is none, or it is harmed.
        """
        dataset = self.dataset(path)
        with reading(self.name, clean(path), trouble=self._open().trouble):
            return int(dataset.id.get_storage_size())

    # -- tables and series ---------------------------------------------------------------------

    def table(self, path: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Return a table without its ragged columns; its index is ``id``.

        Parameters
        ----------
        path : str
        columns : list of str, optional
            Which; those with one value a row, or few, unless given.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such table or column, or it is harmed.
        """
        from fascicle.formats.nwb.tables import read_table

        return read_table(self, clean(path), columns)

    def columns(self, path: str) -> list[str]:
        """Return the names of all columns of a table, in their order."""
        from fascicle.formats.nwb.tables import column_names

        return column_names(self, clean(path))

    def ragged_columns(self, path: str) -> list[str]:
        """Return the names of the columns of a table that have any number of values a row."""
        from fascicle.formats.nwb.tables import ragged_names

        return ragged_names(self, clean(path))

    def ragged(self, path: str, column: str) -> Ragged:
        """Return a ragged column of a table.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such column, or it is not ragged.
        """
        from fascicle.formats.nwb.ragged import open_ragged

        return open_ragged(self, clean(path), column)

    def series(self, path: str) -> Series:
        """Return a time series.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is none.
        """
        from fascicle.formats.nwb.series import open_series

        return open_series(self, clean(path))

    def keep(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what was made before under a key, or make it: files do not change."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def _unfiltered(dataset: h5py.Dataset) -> str:
    """Return a hint where values are compressed in a way that this installation cannot unpack."""
    import h5py

    try:
        plan = dataset.id.get_create_plist()
        for i in range(plan.get_nfilters()):
            code, _, _, name = plan.get_filter(i)
            if not h5py.h5z.filter_avail(code):
                title = name.decode("ascii", "replace") or str(code)
                return f"it is compressed by {title}: pip install hdf5plugin, and import it before"
    except HARM:
        return ""
    return ""

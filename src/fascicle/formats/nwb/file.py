"""One NWB file: its arrays, tables and series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.errors import NwbObjectNotFound
from fascicle.formats.nwb.attributes import MISSING
from fascicle.formats.nwb.chunked import read_by_libhdf5, read_chunks
from fascicle.formats.nwb.claims import Facts, check_claim, selected
from fascicle.formats.nwb.guard import HARM, reading
from fascicle.formats.nwb.links import clean
from fascicle.formats.nwb.objects import ObjectFile
from fascicle.formats.nwb.stream import fill
from fascicle.formats.nwb.texts import claimed, in_parts
from fascicle.formats.nwb.values import pythonic

if TYPE_CHECKING:
    import h5py
    import pandas as pd

    from fascicle.formats.nwb.arrays import Array
    from fascicle.formats.nwb.ragged import Ragged
    from fascicle.formats.nwb.series import Series


class NwbFile(ObjectFile):
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

    # -- values --------------------------------------------------------------------------------

    def value(self, path: str, default: Any = MISSING) -> Any:
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
            if default is MISSING:
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
        if facts.begin >= 0 and isinstance(sel, slice) and sel.step in (None, 1):
            return self._straight(path, facts, sel)
        dataset = self.dataset(path)
        if isinstance(sel, slice) and not facts.shape:
            sel = ()
        elif isinstance(sel, tuple) and not sel and facts.shape:
            sel = slice(None)
        self._check(path, facts, sel)
        opened = self._open()
        with reading(self.name, path, trouble=opened.trouble, why=lambda: _unfiltered(dataset)):
            if facts.kind == "text":
                out: Any = self._texts(path, dataset, facts, sel)
            else:
                out = self._unpacked(dataset, facts, sel)
                out = read_by_libhdf5(dataset, facts, sel) if out is None else out
                if facts.kind == "plain":
                    if facts.dtype.isnative:
                        return out
                    return out.astype(facts.dtype.newbyteorder("="))
            return self._pythonic(out, facts, path)

    def _unpacked(self, dataset: h5py.Dataset, facts: Facts, sel: Any) -> Any:
        """Read many compressed numbers of a file on this machine without libhdf5's filters."""
        plain = isinstance(sel, slice) and sel.step in (None, 1) and bool(facts.shape)
        if not plain or not isinstance(self._place, str):
            return None
        return read_chunks(dataset, facts, sel)

    def _straight(self, path: str, facts: Facts, sel: slice) -> Any:
        """Read numbers that lie in the file as they do in memory, which needs no libhdf5."""
        import numpy as np

        start, stop, _ = sel.indices(facts.shape[0])
        out = np.empty((max(0, stop - start), *facts.shape[1:]), facts.dtype)
        if out.size:
            at = facts.begin + start * (out.nbytes // len(out))
            opened = self._open()
            with reading(self.name, path, trouble=opened.trouble):
                fill(opened.source, at, out.reshape(-1).view("u1").data)
        return out if facts.dtype.isnative else out.astype(facts.dtype.newbyteorder("="))

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

    def _texts(self, path: str, dataset: h5py.Dataset, facts: Facts, sel: Any) -> Any:
        """Read text, of which a few bytes may claim to be very much."""
        n = facts.shape[0] if facts.shape else 1
        rows = range(n)
        if isinstance(sel, slice) and sel.step in (None, 1):
            rows = range(*sel.indices(n)[:2])
        elif facts.shape and isinstance(sel, int):
            rows = range(sel % n, sel % n + 1)
        opened = self._open()
        vlen = dataset.id.get_type().is_variable_str()
        total = claimed(dataset, rows, read=opened.read, size=opened.size) if vlen else 0

        def check(n_bytes: int) -> None:
            check_claim(self.name, path, n_bytes, self.size // 100, most=self.max_claim)

        if total is None and isinstance(sel, slice) and facts.shape:
            return in_parts(dataset, rows, check)
        check(total or 0)
        return read_by_libhdf5(dataset, facts, sel)

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

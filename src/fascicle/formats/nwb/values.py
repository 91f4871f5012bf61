"""Text, references and compound values, from what h5py gives to what Python has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np

#: What the values of an array are: numbers as they are, text, references to objects, records
#: of several of these, arrays of own length each.
Kind: TypeAlias = Literal["plain", "text", "reference", "record", "lists"]


class SeriesReference(NamedTuple):
    """A stretch of a time series, as tables of intervals name it.

    Attributes
    ----------
    idx_start : int
        First sample; −1 for none.
    count : int
        Number of samples; −1 for none.
    timeseries : str or None
        Path of the series in the file.
    """

    idx_start: int
    count: int  # type: ignore[assignment]  # its name in the format
    timeseries: str | None


def kind_of(dtype: np.dtype[Any]) -> Kind:
    """Return what the values of a type are.

    Raises
    ------
    TypeError
        If there is no way to read them.
    """
    import h5py

    if dtype.names is not None:
        kinds = {kind_of(dtype[name]) for name in dtype.names}
        return "record" if kinds != {"plain"} else "plain"
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if h5py.check_ref_dtype(dtype) is h5py.Reference:
        return "reference"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "lists"
    if dtype.kind == "O":
        raise TypeError(f"there is no reader for values of type {dtype.metadata or dtype}")
    return "plain"


def check_type(found: Any) -> None:
    """Refuse a type that libhdf5 takes for one of arrays of own length, and cannot read.

    Parameters
    ----------
    found : h5py.h5t.TypeID

    Raises
    ------
    ValueError
        If it is one.
    """
    import h5py

    what = found.get_class()
    if what == h5py.h5t.COMPOUND:
        for i in range(found.get_nmembers()):
            check_type(found.get_member_type(i))
    elif what in (h5py.h5t.VLEN, h5py.h5t.ARRAY):
        # Sequences are 0, and text has a class of its own; libhdf5 goes down with all else.
        if what == h5py.h5t.VLEN and found.encode()[3] & 0x0F:
            raise ValueError("its values are of a type that is none")
        check_type(found.get_super())


def decoded(values: Iterable[Any]) -> list[str]:
    """Return text of bytes; what occurs often is decoded once.

    Raises
    ------
    ValueError
        If it is no UTF-8.
    """
    known: dict[bytes, str] = {}
    out = []
    for value in values:
        text = known.get(value)
        if text is None:
            text = known[value] = decode(value)
        out.append(text)
    return out


def decode(value: Any) -> str:
    """Return the text of bytes.

    Raises
    ------
    ValueError
        If it is no UTF-8.
    """
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"text that is no UTF-8: {bytes(value)[:40]!r}") from error


def pythonic(
    array: np.ndarray[Any, Any], kind: Kind, target: Callable[[Any], str | None]
) -> np.ndarray[Any, Any]:
    """Return values with text as str, references as paths, and records with these as tuples.

    Parameters
    ----------
    array : numpy.ndarray
        As h5py gives it.
    kind : str
        Of its values.
    target : callable
        Returns the path that a reference leads to.
    """
    import numpy as np

    if kind == "plain" or kind == "lists":
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    out = np.empty(array.shape, object)
    flat = out.reshape(-1)
    if kind == "text":
        flat[:] = decoded(array.reshape(-1).tolist())
    elif kind == "reference":
        flat[:] = [target(ref) for ref in array.reshape(-1)]
    else:
        flat[:] = _records(array.reshape(-1), target)
    return out


def _records(array: np.ndarray[Any, Any], target: Callable[[Any], str | None]) -> list[Any]:
    names = array.dtype.names or ()
    fields = []
    for name in names:
        field = array[name]
        fields.append(pythonic(field, kind_of(array.dtype[name]), target).tolist())
    rows = list(zip(*fields, strict=True))
    if names == SeriesReference._fields:
        return [SeriesReference(*row) for row in rows]
    return rows

"""Attributes of the objects of an open file."""

from __future__ import annotations

from typing import Any

from fascicle.formats.nwb.guard import reading
from fascicle.formats.nwb.headers import longest_texts
from fascicle.formats.nwb.opening import Opened
from fascicle.formats.nwb.values import check_type, decode, decoded, kind_of

#: What an attribute that is not there is.
MISSING: Any = object()


class Attributes:
    """Reads the attributes of objects.

    Parameters
    ----------
    opened : Opened
    name : str
        Of the file, for messages.
    """

    def __init__(self, opened: Opened, name: str) -> None:
        self._opened = opened
        self._name = name
        self._base = opened.h5.userblock_size
        self._longest: dict[int, dict[bytes, int]] = {}

    def names(self, found: Any, path: str) -> list[str]:
        """Return the names of the attributes of an object."""
        import h5py

        with reading(self._name, path, trouble=self._opened.trouble):
            n = h5py.h5a.get_num_attrs(found)
            raw = [h5py.h5a.open(found, index=i).name for i in range(n)]
        return [name.decode("utf-8", "surrogateescape") for name in raw]

    def read(self, found: Any, path: str, name: str) -> Any:
        """Return an attribute of an object; `MISSING` if it has none of that name.

        Parameters
        ----------
        found : h5py.h5g.GroupID or h5py.h5d.DatasetID
        path : str
            Of the object, for messages.
        name : str

        Raises
        ------
        BadFileError
            If it is harmed.
        """
        import h5py
        import numpy as np

        raw = name.encode("utf-8", "surrogateescape")
        with reading(self._name, f"{path}@{name}", trouble=self._opened.trouble):
            if not h5py.h5a.exists(found, raw):
                return MISSING
            attr = h5py.h5a.open(found, raw)
            space = attr.get_space()
            if space.get_simple_extent_type() == h5py.h5s.NULL:
                return None
            kind = kind_of(attr.dtype)
            if kind in ("lists", "record"):
                check_type(attr.get_type())
            claimed = space.get_simple_extent_npoints() * attr.get_type().get_size()
            if kind == "text":
                claimed = max(claimed, self._longest_of(found).get(raw, 0))
            if claimed > self._opened.size:
                raise ValueError(f"it claims {claimed:,} bytes, more than the file has")
            out = np.empty(attr.shape, attr.dtype)
            attr.read(out)
            if kind != "text":
                return out[()]
            return decode(out[()]) if out.shape == () else decoded(out.reshape(-1).tolist())

    def _longest_of(self, found: Any) -> dict[bytes, int]:
        import h5py

        address = int(h5py.h5o.get_info(found).addr)
        if address not in self._longest:
            self._longest[address] = longest_texts(self._opened.read, address + self._base)
        return self._longest[address]

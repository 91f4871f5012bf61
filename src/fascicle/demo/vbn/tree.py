"""The tree of an NWB file: groups, datasets and tables, with attributes that say what they are.

Straight to h5py, since a writer of gigabytes has to fill arrays piece by piece. Datasets are
contiguous and uncompressed, identifiers follow from the seed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn.specs import NWB_VERSION, write_specifications

if TYPE_CHECKING:
    import h5py

Array = NDArray[Any]

_FAMILY = uuid.UUID("6c1f4a52-7b0e-5d0c-9a55-2f6d1c0b7e31")
_INDICES = (np.uint8, np.uint16, np.uint32, np.uint64)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    values : ndarray or tuple
        The values; for those that are filled later, their shape and dtype.
    description : str
        What the file says of it.
    ends : ndarray, optional
        Of a ragged column, where each row's values end.
    attributes : mapping
        Further attributes.
    kind : str
        Namespace and type.
    """

    values: Array | tuple[tuple[int, ...], Any]
    description: str
    ends: Array | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "hdmf-common:VectorData"


class Tree:
    """A file that is being written."""

    def __init__(self, h5: h5py.File, seed: str) -> None:
        self.h5 = h5
        self._seed = seed
        self._mark(h5, "core:NWBFile", nwb_version=NWB_VERSION)

    def group(self, path: str, kind: str = "", /, **attributes: Any) -> h5py.Group:
        """Make a group; with a kind, ``namespace:type``, it is one of NWB's objects."""
        made = self.h5.require_group(path)
        self._mark(made, kind, **attributes)
        return made

    def data(self, path: str, value: Any, kind: str = "", /, **attributes: Any) -> h5py.Dataset:
        """Make a dataset of a text, of an array, or of a shape and dtype that are filled later."""
        import h5py

        if isinstance(value, tuple):
            shape, dtype = value
            made = self.h5.create_dataset(path, shape=shape, dtype=dtype)
        elif isinstance(value, str):
            made = self.h5.create_dataset(path, data=value, dtype=h5py.string_dtype())
        else:
            array = np.asarray(value)
            if array.dtype.kind == "U":
                array = array.astype(object)
            text = array.dtype == object and h5py.check_ref_dtype(array.dtype) is None
            dtype = h5py.string_dtype() if text else array.dtype
            made = self.h5.create_dataset(path, data=array, dtype=dtype)
        self._mark(made, kind, **attributes)
        return made

    def table(
        self,
        path: str,
        columns: Mapping[str, Column],
        /,
        *,
        description: str,
        kind: str = "hdmf-common:DynamicTable",
        ids: Array | None = None,
    ) -> h5py.Group:
        """Make a table of columns, some of which may be ragged or filled later."""
        some = next(iter(columns.values()))
        rows = len(some.ends if some.ends is not None else some.values)
        group = self.group(path, kind, colnames=list(columns), description=description)
        ids = np.arange(rows, dtype=np.int64) if ids is None else ids
        self.data(f"{path}/id", ids, "hdmf-common:ElementIdentifiers")
        for name, column in columns.items():
            made = self.data(
                f"{path}/{name}",
                column.values,
                column.kind,
                description=column.description,
                **column.attributes,
            )
            if column.ends is not None:
                self.data(
                    f"{path}/{name}_index",
                    as_index(column.ends),
                    "hdmf-common:VectorIndex",
                    description=f"Index for VectorData '{name}'",
                    target=made.ref,
                )
        return group

    def series(
        self,
        path: str,
        data: Any,
        timestamps: Array | str,
        /,
        *,
        unit: str,
        kind: str = "core:TimeSeries",
        description: str = "no description",
        **attributes: Any,
    ) -> h5py.Group:
        """Make a time series; timestamps may be the path of others, which get a link."""
        import h5py

        group = self.group(
            path, kind, comments="no comments", description=description, **attributes
        )
        self.data(f"{path}/data", data, conversion=1.0, offset=0.0, resolution=-1.0, unit=unit)
        if isinstance(timestamps, str):
            group["timestamps"] = h5py.SoftLink(timestamps)
        else:
            self.data(f"{path}/timestamps", timestamps, interval=np.int64(1), unit="seconds")
        return group

    def link(self, path: str, target: str) -> None:
        """Make a soft link."""
        import h5py

        self.h5[path] = h5py.SoftLink(target)

    def _mark(self, made: Any, kind: str, /, **attributes: Any) -> None:
        import h5py

        if kind:
            namespace, _, name = kind.partition(":")
            attributes |= {"namespace": namespace, "neurodata_type": name}
            attributes["object_id"] = str(uuid.uuid5(_FAMILY, f"{self._seed}{made.name}"))
        for name, value in attributes.items():
            if isinstance(value, str):
                _set_text(made, name, value)
                continue
            if isinstance(value, (list, tuple)):
                value = np.array(value, dtype=h5py.string_dtype())
            elif isinstance(value, int) and not isinstance(value, bool):
                value = np.int64(value)
            made.attrs[name] = value


def _set_text(made: Any, name: str, text: str) -> None:
    """Set an attribute that is one text, as h5py does, but ten times as fast: there are many."""
    from h5py import h5a

    dtype, kind, scalar = _text_type()
    h5a.create(made.id, name.encode(), kind, scalar).write(np.array(text, dtype=dtype))


@lru_cache(maxsize=1)
def _text_type() -> tuple[Any, Any, Any]:
    import h5py
    from h5py import h5s, h5t

    dtype = h5py.string_dtype()
    return dtype, h5t.py_create(dtype, logical=True), h5s.create(h5s.SCALAR)


def as_index(ends: Array) -> Array:
    """Return where rows end in the smallest unsigned integers that hold the last."""
    last = int(ends[-1]) if len(ends) else 0
    fitting = next(kind for kind in _INDICES if last <= np.iinfo(kind).max)
    return np.asarray(ends, dtype=fitting)


def texts(values: Sequence[str] | Array) -> Array:
    """Return texts as h5py writes them."""
    return np.asarray(values, dtype=object)


@contextmanager
def new_tree(path: Path | str, *, seed: str) -> Iterator[Tree]:
    """Write a file beside its place and move it there once it is whole."""
    import h5py

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w") as h5:
            tree = Tree(h5, seed)
            yield tree
            write_specifications(h5)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

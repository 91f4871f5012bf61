"""What reads and judges a file by the schemas that lie in it: made once for files that are alike.

To make it takes many times as long as to look at what a small file holds, and all files that one
version writes have the same schemas.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: So many sets of schemas are kept, those of the files that were looked at last.
_MOST = 8
#: A thread has its own: hdmf writes into what it reads by.
_kept = threading.local()


def judges_of(file: Path) -> tuple[Any, list[Any]]:
    """Return the types of a file's schemas alone, and a validator for each that none builds on.

    As `pynwb.validate` makes them. Without schemas there are none: None, and no validator.

    Raises
    ------
    OSError
        If it is no HDF5 file.
    """

    def make() -> tuple[Any, list[Any]]:
        from hdmf.validate import ValidatorMap
        from pynwb.validation import get_cached_namespaces_to_validate

        names, manager, _ = get_cached_namespaces_to_validate(path=str(file))
        if manager is None:
            return None, []
        catalog = manager.namespace_catalog
        return manager.type_map, [ValidatorMap(catalog.get_namespace(name)) for name in names]

    found: tuple[Any, list[Any]] = _once("judges", file, make)
    return found


def types_of(file: Path) -> Any:
    """Return the types that pynwb reads a file by: those installed, and those it alone has.

    Raises
    ------
    OSError
        If it is no HDF5 file.
    """

    def make() -> Any:
        from pynwb import NWBHDF5IO, get_type_map

        types = get_type_map()
        NWBHDF5IO.load_namespaces(types, str(file))
        return types

    return _once("types", file, make)


def _once(what: str, file: Path, make: Callable[[], Any]) -> Any:
    """Return what was made for a file with the same schemas, or make it."""
    kept: dict[bytes, Any] = _kept.__dict__.setdefault(what, {})
    digest = _digest(file)
    kept[digest] = kept.pop(digest) if digest in kept else make()  # the last comes last
    while len(kept) > _MOST:
        del kept[next(iter(kept))]
    return kept[digest]


def _digest(file: Path) -> bytes:
    """Return what tells the schemas in a file from others: their names, versions and texts."""
    import h5py

    seen = hashlib.blake2b(digest_size=16)

    def look(name: str, item: Any) -> None:
        seen.update(f"{name}\0".encode())
        if isinstance(item, h5py.Dataset):
            text = item[()]
            seen.update(text if isinstance(text, bytes) else str(text).encode())

    with h5py.File(file, "r") as h5:
        if "specifications" in h5:
            h5["specifications"].visititems(look)
    return seen.digest()

"""One open index for all objects that look at the same state of it.

An open index holds files, of which a process may have a few hundred, and lists of paths. It never
changes, so that objects of the same folder can share it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue

_open: WeakValueDictionary[Any, Catalogue] = WeakValueDictionary()


def shared(index: Catalogue) -> Catalogue:
    """Return the index that is open already for the same state of a folder, or this one."""
    if not index.number:
        return index  # in memory
    stem = index._source
    try:
        file = os.stat(f"{stem}.sqlite")
    except OSError:
        return index
    key = (os.getpid(), stem, file.st_ino, file.st_mtime_ns, index.root, index.tables_dir)
    found = _open.setdefault(key, index)
    if found is not index:
        index.close()
    return found

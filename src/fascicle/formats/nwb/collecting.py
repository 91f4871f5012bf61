"""No garbage is collected while bytes are waited for that somebody else's thread may bring.

libhdf5 has one lock, which h5py holds while it reads, and takes when an object of its own is thrown
away. Python throws objects away in whichever thread comes next: were that the one which brings the
bytes, the two would wait for each other for ever.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_waiting = 0
_was_on = False


@contextmanager
def no_collecting() -> Iterator[None]:
    """Put off the collection of garbage, in all threads, until the last one that waits is done."""
    global _waiting, _was_on
    with _lock:
        if not _waiting:
            _was_on = gc.isenabled()
            gc.disable()
        _waiting += 1
    try:
        yield
    finally:
        with _lock:
            _waiting -= 1
            if not _waiting and _was_on:
                gc.enable()

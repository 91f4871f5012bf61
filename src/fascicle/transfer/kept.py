"""Connections that are kept from one plan to the next: to make one takes a round trip or more.

Somebody who loads one object after another would wait for that each time.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from fascicle.transfer.client import Transport, make_transport
from fascicle.transfer.limits import Limits

_MOST = 2
_IDLE = 60.0  # servers close what is quiet for about as long
_SETTINGS = ("FASCICLE_TRANSPORT", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


class _Kept(NamedTuple):
    limits: Limits
    settings: tuple[str, ...]
    since: float
    transport: Transport


_kept: list[_Kept] = []
_lock = threading.Lock()


@contextlib.contextmanager
def lent(limits: Limits) -> Iterator[Transport]:
    """Lend a transport to one user at a time, with the connections of the one before."""
    settings = tuple(os.environ.get(name, "") for name in _SETTINGS)
    transport = _take(limits, settings) or make_transport(limits)
    try:
        yield transport
    except BaseException:
        transport.close()
        raise
    if transport.is_fit():
        with _lock:
            _kept.append(_Kept(limits, settings, time.monotonic(), transport))
            surplus = [_kept.pop(0) for _ in range(len(_kept) - _MOST)]
        for one in surplus:
            one.transport.close()
    else:
        transport.close()


def _take(limits: Limits, settings: tuple[str, ...]) -> Transport | None:
    found: Transport | None = None
    with _lock:
        late = time.monotonic() - _IDLE
        old = [one for one in _kept if one.since < late]
        for one in reversed(_kept):
            if one not in old and (one.limits, one.settings) == (limits, settings):
                found = one.transport
                found.n_bytes = 0
                break
        _kept[:] = [one for one in _kept if one not in old and one.transport is not found]
    for one in old:
        one.transport.close()
    return found


def drop() -> None:
    """Close what is kept."""
    with _lock:
        ours, _kept[:] = list(_kept), []
    for one in ours:
        one.transport.close()


def _disown() -> None:
    """Leave connections to the process that this one comes from: it would hear them closed."""
    global _lock
    _lock = threading.Lock()
    for one in _kept:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one.transport))  # never to be closed here
    _kept.clear()


atexit.register(drop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)

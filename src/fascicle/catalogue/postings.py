"""From datasets to the sessions that have them: sets of sessions joined by the thousand."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from fascicle.catalogue import bits as _bits
from fascicle.catalogue.state import State

_MANY_PATHS = 4_000
_MANY_ROWS = 300_000  # above these numpy's loading is worth its time


def sessions_with(state: State, wanted: Sequence[int], mask: int) -> int:
    """Return the sessions that have any of some paths.

    Parameters
    ----------
    state : State
    wanted : sequence of int
        Positions among the catalogue's paths, ascending.
    mask : int
        Classes that count (see `schema.classes`).

    Returns
    -------
    int
        A set of rows.
    """
    keys, ends = state._typed("posting_keys", "I"), state._typed("posting_ends", "Q")
    seen = state._typed("path_classes", "I")
    wanted = [p for p in wanted if seen[p] & mask]
    positions = (_few if len(wanted) < _MANY_PATHS else _many)(keys, wanted, mask)
    out, spans = 0, []
    for k in positions:
        start, end = ends[k - 1] if k else 0, ends[k]
        if start == end:
            out |= int.from_bytes(_dense(state, k), "little")
        else:
            spans.append((start, end))
    return (out | _sparse(state, spans)) & _bits.full(state.n_sessions)


def _few(keys: array[int], wanted: Iterable[int], mask: int) -> list[int]:
    """Return the positions of the wanted paths' classes among the keys of postings."""
    out = []
    for p in wanted:
        k = bisect_left(keys, p * 32)
        while k < len(keys) and keys[k] >> 5 == p:
            if mask >> (keys[k] & 31) & 1:
                out.append(k)
            k += 1
    return out


def _many(keys: array[int], wanted: Sequence[int], mask: int) -> list[int]:
    """Do the same for so many paths that numpy's loading is worth its time."""
    import numpy as np

    key = np.frombuffer(keys, np.uint32)
    chosen = np.zeros(int(key[-1] >> 5) + 1, bool)
    chosen[list(wanted)] = True
    good = np.array([mask >> c & 1 for c in range(32)], bool)
    return np.flatnonzero(chosen[key >> 5] & good[key & 31]).tolist()


def _joined(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield ascending spans, neighbours as one."""
    start, end = spans[0]
    for a, b in spans[1:]:
        if a != end:
            yield start, end
            start = a
        end = b
    yield start, end


def _dense(state: State, k: int) -> bytes:
    ask = "SELECT sessions FROM posting WHERE k = ?"
    return bytes(state._con.execute(ask, (k,)).fetchone()[0])


def _sparse(state: State, spans: list[tuple[int, int]]) -> int:
    if not spans:
        return 0
    rows = memoryview(state._beside(".rows")).cast("I")
    if sum(b - a for a, b in spans) < _MANY_ROWS:
        sparse: set[int] = set()
        for a, b in spans:
            sparse.update(rows[a:b])
        return _bits.from_rows(sparse, state.n_rows)
    import numpy as np

    numbers = np.frombuffer(rows, np.uint32)
    mask = np.zeros(state.n_rows, bool)
    for a, b in _joined(spans):
        mask[numbers[a:b]] = True
    return _bits.from_mask(mask)

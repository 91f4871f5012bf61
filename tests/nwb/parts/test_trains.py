"""Spikes by unit: in order, all of them, and back in the order that they came in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fascicle.nwb.parts import trains

#: Few times, so that many are equal; ids that are rows, that are not, and that are absurd.
TIMES = st.sampled_from([-1.5, 0.0, 0.1, 0.1 + 1e-12, 2.0, 2.5, 1e9])
IDS = st.sampled_from([0, 1, 2, 3, 7, 60, -1, 4_000_000_000])
SPIKES = st.lists(st.tuples(TIMES, IDS), max_size=60)


def arrays(spikes: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    times = np.array([t for t, _ in spikes], np.float64)
    return times, np.array([c for _, c in spikes], np.int64)


def read_back(clusters: np.ndarray, times: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return the source's row of each spike as a reader finds it: the rule in words, slowly."""
    rows = trains.rows_of_spikes(clusters, ids)
    order = trains.grouped(rows, times)
    counts = np.bincount(rows, minlength=len(ids))
    by_unit = np.split(order, np.cumsum(counts)[:-1]) if len(ids) else []
    found = [
        (times[spike], unit, place, spike)
        for unit, train in enumerate(by_unit)
        for place, spike in enumerate(train.tolist())
    ]
    out = np.array([spike for *_, spike in sorted(found)], np.int64)
    moved = trains.moved(clusters, times, ids)
    if moved is not None:
        position, rank = moved
        assert len(position) == len(rank) > 0
        assert set(position.tolist()) == set(rank.tolist())
        out[position] = out[rank].copy()
    return out


@given(SPIKES, st.booleans())
def test_trains_rise_and_the_source_comes_back(
    spikes: list[tuple[float, int]], is_sorted: bool
) -> None:
    times, clusters = arrays(spikes)
    if is_sorted:
        times = np.sort(times)
    ids, counts = trains.present(clusters)
    assert ids.tolist() == sorted(set(clusters.tolist()))
    assert counts.tolist() == [(clusters == one).sum() for one in ids]
    rows = trains.rows_of_spikes(clusters, ids)
    assert np.array_equal(ids[rows], clusters)
    order = trains.grouped(rows, times)
    assert sorted(order.tolist()) == list(range(len(times)))
    for row in range(len(ids)):
        train = order[rows[order] == row]
        assert np.array_equal(train, train[np.lexsort((train, times[train]))])
    assert (np.diff(rows[order].astype(int)) >= 0).all()
    assert np.array_equal(read_back(clusters, times, ids), np.arange(len(times)))


@given(st.lists(st.integers(0, 200_000), max_size=50), st.sampled_from([200_001, 70_000 * 3]))
def test_more_units_than_two_bytes_count(numbers: list[int], n: int) -> None:
    clusters = np.array(numbers, np.int64)
    times = np.arange(len(numbers), dtype=float)
    rows = trains.rows_of_spikes(clusters, np.arange(n))
    assert rows.dtype == np.uint32
    assert np.array_equal(trains.grouped(rows, times), np.argsort(clusters, kind="stable"))


def test_rows_follow_the_ids_that_a_table_names() -> None:
    ids = np.array([40, 3, -2, 17])
    clusters = np.array([3, 40, 17, -2, 3], np.int32)
    assert trains.rows_of_spikes(clusters, ids).tolist() == [1, 0, 3, 2, 1]
    far = np.array([5_000_000_000, 1])
    assert trains.rows_of_spikes(np.array([1, 5_000_000_000]), far).tolist() == [1, 0]


def test_sorted_spikes_need_no_word() -> None:
    of, ids = np.array([0, 1, 0, 0, 1], np.uint16), np.arange(2)
    assert trains.moved(of, np.array([0.0, 0.5, 0.5, 1.0, 1.0]), ids) is not None
    assert trains.moved(of, np.array([0.0, 0.5, 0.6, 1.0, 1.0]), ids) is None
    assert trains.moved(of[:0], np.zeros(0), ids) is None
    # The order is that of the rows, and not that of the ids.
    assert trains.moved(of, np.array([0.0, 0.5, 0.5, 1.0, 1.0]), ids[::-1].copy()) is not None
    assert trains.moved(of, np.array([0.0, 0.5, 0.5, 0.6, 0.7]), ids[::-1].copy()) is None

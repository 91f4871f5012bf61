"""Many objects, threads and processes that look at the same folder."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fascicle.load import open_cbin
from fascicle.one import One


def answers(one: One) -> list[Any]:
    eid = one.search(subject="CSH_ZAD_003")[0]
    return [
        one.search(dataset="spikes.times"),
        one.list_datasets(eid),
        one.list_datasets(eid, details=True)["file_size"].sum(),
        one.load_object(eid, "trials").choice.tolist(),
        one.eid2path(one.search()),
    ]


def test_hundreds_of_objects_hold_few_files(lab_folder: Path) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    ones = [One(lab_folder) for _ in range(300)]
    assert len({len(one.search()) for one in ones}) == 1
    assert len(os.listdir("/proc/self/fd")) < before + 20
    first = ones[0]
    del ones
    gc.collect()
    assert answers(first)


def test_a_new_state_is_not_taken_for_the_old(lab_copy: Path) -> None:
    one = One(lab_copy)
    table = one._cache["sessions"]
    table.loc[one.search()[0], "task_protocol"] = "another"
    one.save_cache()
    again = One(lab_copy)
    assert len(again.search(task="another")) == 1
    assert again._index is not One(lab_copy / "..", tables_dir=lab_copy)._index


def test_threads_share_an_object(lab: One) -> None:
    wanted, errors = answers(One(lab.cache_dir)), []

    def work() -> None:
        try:
            for _ in range(5):
                assert answers(lab) == wanted
        except BaseException as error:  # noqa: BLE001 - told by the test below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def _ask(one: One, queue: Any) -> None:
    queue.put(answers(one))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_uses_an_object_that_was_open(lab: One) -> None:
    wanted = answers(lab)
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    children = [fork.Process(target=_ask, args=(lab, queue)) for _ in range(3)]
    for child in children:
        child.start()
    assert [queue.get() for _ in children] == [wanted] * 3
    for child in children:
        child.join()


def test_pickles(lab: One) -> None:
    lab.record_loaded = True
    other = pickle.loads(pickle.dumps(lab))
    assert answers(other) == answers(lab)
    assert other.record_loaded
    eid = lab.search(subject="CSH_ZAD_003")[0]
    trials = pickle.loads(pickle.dumps(lab.load_object(eid, "trials")))
    assert trials.choice.tolist() == lab.load_object(eid, "trials").choice.tolist()
    path = lab.eid2path(eid)
    assert (type(pickle.loads(pickle.dumps(path))), path) == (type(path), path)
    recording = open_cbin(next(lab.cache_dir.rglob("*.cbin")))
    assert np.array_equal(pickle.loads(pickle.dumps(recording))[:9], recording[:9])

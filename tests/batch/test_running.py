"""One function over many things: pools, killed processes, a real Dask cluster."""

from __future__ import annotations

import math
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from fascicle import batch
from fascicle.errors import ConversionError, ServerError


def half(value: int) -> float:
    """Fail for odd numbers, as a session would."""
    if value % 2:
        raise ConversionError(f"{value} is odd", hint="take even ones")
    return value / 2


def dies(value: int, *, marks: Path, always: bool) -> int:
    """Kill the process at 3, the first time or each time."""
    mark = marks / str(value)
    if value == 3 and (always or not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return value


class Unpicklable(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def raises_what_does_not_pickle(value: int) -> int:
    raise Unpicklable("this", "that")


@pytest.mark.parametrize("workers", [1, 2])
def test_each_gets_its_outcome_in_order_and_failures_stop_nothing(workers: int) -> None:
    seen = []
    outcomes = batch.run(half, range(6), workers=workers, done=seen.append)
    assert [o.number for o in outcomes] == list(range(6))
    assert [o.value for o in outcomes] == [0.0, None, 1.0, None, 2.0, None]
    assert [(o.error, o.hint, o.kind) for o in outcomes if not o.ok] == [
        (f"{n} is odd", "take even ones", "ConversionError") for n in (1, 3, 5)
    ]
    assert sorted(o.number for o in seen) == list(range(6))
    assert all(o.seconds >= 0 for o in outcomes)


def test_nothing_to_do() -> None:
    assert batch.run(half, []) == []


def test_an_error_that_does_not_pickle_is_told(tmp_path: Path) -> None:
    outcomes = batch.run(raises_what_does_not_pickle, [1, 2], workers=2)
    assert [(o.ok, o.error, o.kind) for o in outcomes] == [
        (False, "this and that", "Unpicklable")
    ] * 2


def test_what_a_killed_process_did_is_done_again(tmp_path: Path) -> None:
    outcomes = batch.run(partial(dies, marks=tmp_path, always=False), range(8), workers=2)
    assert [o.value for o in outcomes] == list(range(8))
    assert outcomes[3].attempts == 2


def test_what_kills_each_time_is_given_up_and_the_others_are_done(tmp_path: Path) -> None:
    outcomes = batch.run(partial(dies, marks=tmp_path, always=True), range(8), workers=2)
    assert [o.value for o in outcomes if o.number != 3] == [0, 1, 2, 4, 5, 6, 7]
    assert not outcomes[3].ok
    assert "killed" in outcomes[3].error and outcomes[3].attempts == 3
    assert math.isnan(outcomes[3].seconds)


def test_no_scheduler_there() -> None:
    with pytest.raises(ServerError, match="no Dask scheduler answers"):
        batch.run(half, [1], scheduler="tcp://127.0.0.1:1")


def test_a_bar_is_drawn_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    batch.run(half, [0, 1], workers=1, progress=True, unit="thing")
    assert "1 failed" in capsys.readouterr().err

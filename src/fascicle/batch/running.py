"""Run a function once for each of many things, so that one that fails does not stop the others.

The work is spread by the standard library's pool of processes, or by a Dask cluster that is there
already: nothing here distributes anything by itself.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fascicle.errors import FascicleError, MissingExtraError, ServerError

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Given = TypeVar("Given")
Made = TypeVar("Made")

#: How often something is tried whose process was killed before it is given up.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Made]):
    """What became of one call.

    Attributes
    ----------
    number : int
        Which of the things that were given.
    ok : bool
    value : object or None
        What the function returned; None where it failed.
    error, hint : str
        What went wrong, and what to do next; empty where nothing did.
    kind : str
        The class of the error.
    seconds : float
        How long the last attempt took; NaN where its process was killed.
    attempts : int
        How often it was tried.
    """

    number: int
    ok: bool
    value: Made | None = None
    error: str = ""
    hint: str = ""
    kind: str = ""
    seconds: float = float("nan")
    attempts: int = 1


def run(
    function: Callable[[Given], Made],
    items: Sequence[Given],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    done: Callable[[Outcome[Made]], None] | None = None,
    progress: bool | None = None,
    unit: str = "session",
) -> list[Outcome[Made]]:
    """Call a function with each of many things.

    Parameters
    ----------
    function : callable
        Of one argument. It goes to other processes, so it has to be one that can be imported: a
        function of a module, or a `functools.partial` of one.
    items : sequence
        What it is called with, one after the other; each has to pickle.
    workers : int, optional
        Processes on this machine; by default one for each core. 1 runs all of it in this process,
        one after the other.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), whose workers are used instead. They
        need fascicle, and see the same folders.
    done : callable, optional
        Called here with each outcome as soon as it is known, in the order in which they end.
    progress : bool, optional
        Show a bar on stderr; by default on a terminal.
    unit : str
        What the bar counts.

    Returns
    -------
    list of Outcome
        In the order of ``items``: one that failed says why, and the others are not lost. A call
        whose process was killed is made again, `ATTEMPTS` times at most.

    Raises
    ------
    MissingExtraError
        If a scheduler is named, and dask is not installed.
    ServerError
        If the scheduler does not answer.

    Examples
    --------
    >>> [outcome.value for outcome in run(abs, [-1, 2], workers=1)]
    [1, 2]
    """
    items = list(items)
    if scheduler is not None:
        going = _on_cluster(function, items, scheduler)
    elif (n := min(workers or os.cpu_count() or 1, len(items))) <= 1:
        going = (_attempt(function, number, item) for number, item in enumerate(items))
    else:
        going = _on_pool(function, items, n)
    outcomes: dict[int, Outcome[Made]] = {}
    with _bar(len(items), progress, unit) as step:
        for outcome in going:
            outcomes[outcome.number] = outcome
            if done is not None:
                done(outcome)
            step(outcome.ok)
    return [outcomes[number] for number in range(len(items))]


def _attempt(function: Callable[[Given], Made], number: int, item: Given) -> Outcome[Made]:
    """Call the function; an error becomes words, since not every error pickles."""
    start = time.perf_counter()
    try:
        value = function(item)
    except Exception as error:  # noqa: BLE001 - whatever one session does, the others go on
        told, hint = str(error) or type(error).__name__, ""
        if isinstance(error, FascicleError):
            told, hint = error.message, error.hint
        return Outcome(
            number,
            ok=False,
            error=told,
            hint=hint,
            kind=type(error).__name__,
            seconds=time.perf_counter() - start,
        )
    return Outcome(number, ok=True, value=value, seconds=time.perf_counter() - start)


# -- on this machine -------------------------------------------------------------------------------


def _on_pool(
    function: Callable[[Given], Made], items: list[Given], workers: int
) -> Iterator[Outcome[Made]]:
    """Run on processes of this machine.

    A process that is killed takes the whole pool with it. What was under way then may have been
    the reason, or not: each of these runs once more by itself, where it harms nobody else.
    """
    waiting = deque(range(len(items)))
    suspects: list[int] = []
    while waiting:
        broken = yield from _until_broken(function, items, waiting, workers)
        suspects += broken
    yield from _one_by_one(function, items, suspects)


def _until_broken(
    function: Callable[[Given], Made],
    items: list[Given],
    waiting: deque[int],
    workers: int,
    tried: Mapping[int, int] | None = None,
) -> Generator[Outcome[Made], None, list[int]]:
    """Yield outcomes until nothing waits, or the pool is broken; return what was under way then."""
    from concurrent.futures import FIRST_COMPLETED, wait
    from concurrent.futures.process import BrokenProcessPool

    under_way: dict[Future[Outcome[Made]], int] = {}
    lost: list[int] = []
    pool = _pool(workers)
    try:
        while waiting or under_way:
            while waiting and len(under_way) < workers and not lost:
                number = waiting[0]
                try:
                    future = pool.submit(_attempt, function, number, items[number])
                except BrokenProcessPool:
                    lost.extend(under_way.values())
                    return lost
                under_way[future] = waiting.popleft()
            if not under_way:
                return lost
            ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                number = under_way.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    lost.append(number)
                except Exception as error:  # noqa: BLE001 - what it returned does not pickle
                    yield Outcome(number, ok=False, error=str(error), kind=type(error).__name__)
                else:
                    attempts = 1 + (tried or {}).get(number, 0)
                    yield replace(outcome, attempts=attempts)
        return lost
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_by_one(
    function: Callable[[Given], Made], items: list[Given], suspects: list[int]
) -> Iterator[Outcome[Made]]:
    """Run what was under way when a process was killed, one at a time."""
    tried = dict.fromkeys(suspects, 1)
    waiting = deque(suspects)
    while waiting:
        broken = yield from _until_broken(function, items, waiting, 1, tried)
        for number in broken:
            tried[number] += 1
            if tried[number] < ATTEMPTS:
                waiting.appendleft(number)
            else:
                yield Outcome(
                    number,
                    ok=False,
                    error=f"the process that ran it was killed, {ATTEMPTS} times",
                    hint="it may need more memory than there is: try fewer workers",
                    kind="BrokenProcessPool",
                    attempts=ATTEMPTS,
                )


def _pool(workers: int) -> ProcessPoolExecutor:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Processes that begin anew: one that is forked from a process with threads may hang.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


# -- on a cluster ----------------------------------------------------------------------------------


def _on_cluster(
    function: Callable[[Given], Made], items: list[Given], scheduler: str
) -> Iterator[Outcome[Made]]:
    """Run on a Dask cluster, whose scheduler starts again what ran on a worker that is gone."""
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "many sessions on a cluster need dask", hint="pip install 'fascicle[batch]'"
        ) from error
    dask: Any = distributed  # without types
    try:
        _knock(scheduler)
        client = dask.Client(scheduler, timeout="15s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ServerError(
            f"no Dask scheduler answers at {scheduler}: {error}",
            hint="start one with `dask scheduler`, and give the address that it prints",
        ) from error
    with client:
        futures = {
            client.submit(_attempt, function, number, item, pure=False, priority=-number): number
            for number, item in enumerate(items)
        }
        for future in dask.as_completed(list(futures), loop=client.loop):
            number = futures[future]
            try:
                outcome: Outcome[Made] = future.result()
            except Exception as error:  # noqa: BLE001 - killed workers, and whatever cannot travel
                yield Outcome(number, ok=False, error=str(error), kind=type(error).__name__)
            else:
                yield outcome
            future.release()


def _knock(scheduler: str) -> None:
    """Fail at once where nobody listens; dask asks again and again until its time is up."""
    import socket
    from urllib.parse import urlsplit

    where = urlsplit(scheduler)
    if where.scheme == "tcp" and where.hostname and where.port:
        socket.create_connection((where.hostname, where.port), timeout=15).close()


# -- a bar -----------------------------------------------------------------------------------------


@contextmanager
def _bar(total: int, progress: bool | None, unit: str) -> Iterator[Callable[[bool], None]]:
    import sys

    from fascicle import settings

    if progress is None:
        progress = settings.show_progress() and sys.stderr.isatty()
    if not progress:
        yield lambda ok: None
        return
    from tqdm import tqdm

    failed = 0
    with tqdm(total=total, unit=f" {unit}s") as bar:

        def step(ok: bool) -> None:
            nonlocal failed
            failed += not ok
            if failed:
                bar.set_postfix_str(f"{failed} failed")
            bar.update()

        yield step

"""Bring what changes in the folder into the database while the hub serves.

An import needs libraries that are large in memory, and the server does not: it runs in a process
of its own, which ends when it is done. So does the look for changes, which takes next to nothing.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.hub.config import HubConfig
from fascicle.hub.fingerprint import fingerprint

if TYPE_CHECKING:
    from fascicle.hub.importing import ImportReport

log = logging.getLogger(__name__)
PATIENCE = 6  # looks after which changes are imported although there are ever more
# Nothing has to be imported again, and settings that hold a password are not written anywhere.
_fork = multiprocessing.get_context("fork")


class ImportFailed(FascicleError, RuntimeError):
    """The process that imported the folder ended without saying why."""

    kind = "import-failed"


def import_apart(config: HubConfig, *, progress: bool = False) -> ImportReport:
    """Import the hub's folder in a process of its own.

    Returns
    -------
    ImportReport
        What was done.

    Raises
    ------
    FascicleError
        What the import raised.
    ImportFailed
        If the process was ended from outside: for want of memory, say.
    """
    _let_go()
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_import, args=(config, progress, theirs), daemon=False)
    process.start()
    theirs.close()
    try:
        outcome = ours.recv()
    except EOFError:
        process.join()
        raise ImportFailed(
            f"the import of {config.folder} ended with code {process.exitcode}",
            hint="fascicle hub import FOLDER --debug says more",
        ) from None
    except BaseException:  # we are to stop: so is the import
        process.terminate()
        raise
    finally:
        ours.close()
    process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    report: ImportReport = outcome
    return report


class Watcher:
    """The process that looks for changes."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process

    def stop(self) -> None:
        """End the process, and wait until it has."""
        self._process.terminate()
        self._process.join(5)


def watch(config: HubConfig, seen: str) -> Watcher | None:
    """Begin to look for changes of the hub's folder; None if there is nothing to look at.

    Parameters
    ----------
    config : HubConfig
        The settings.
    seen : str
        The fingerprint of the folder as it was imported.
    """
    if config.folder is None or not config.watch:
        return None
    _let_go()
    process = _fork.Process(
        target=_watch, args=(config, seen, os.getpid()), name="fascicle-hub-watch", daemon=False
    )
    process.start()
    return Watcher(process)


def _watch(config: HubConfig, seen: str, server: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server has it too, and ends this process
    assert config.folder is not None
    before, wait, unsettled = seen, config.watch, 0
    while _sleep(wait, server):
        begun = time.monotonic()
        now = fingerprint(config.folder)
        # A look at a large folder takes a while: no more than a hundredth of the time goes into it.
        wait = max(config.watch, 100 * (time.monotonic() - begun))
        settled, before = now == before, now
        unsettled = 0 if settled else unsettled + 1
        if now == seen or not (settled or unsettled > PATIENCE):
            continue  # or somebody is copying files just now
        unsettled = 0
        try:
            report = import_apart(config)
        except FascicleError as error:
            log.error("what changed in %s could not be imported: %s", config.folder, error)
        else:
            log.info("imported what changed in %s: %s", config.folder, report)
        seen = now


def _sleep(seconds: float, server: int) -> bool:
    """Wait; return whether the server is still there, which may be killed and end nobody."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 2))
        if os.getppid() != server:
            return False
    return True


def _import(config: HubConfig, progress: bool, answer: Connection) -> None:
    from fascicle.hub.importing import import_folder
    from fascicle.hub.setup import prepare

    try:
        prepare(config)
        outcome: Any = import_folder(config, progress=progress)
    except KeyboardInterrupt:  # the terminal sends it to the process that waits as well
        os._exit(130)
    except FascicleError as error:
        outcome = error
    except Exception as error:  # noqa: BLE001 - it has to reach the process that asked
        import traceback

        traceback.print_exc()
        outcome = ImportFailed(f"the import failed: {type(error).__name__}: {error}")
    answer.send(outcome)
    answer.close()


def _let_go() -> None:
    """Close the connections of this process, which its children must not share."""
    from django.db import connections

    connections.close_all()

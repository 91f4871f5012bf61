"""Run a worker in a process of its own, and note when its lines come."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic, perf_counter
from typing import Any

WORKERS = Path(__file__).parent / "workers"


@dataclass
class Run:
    """What a worker said.

    Attributes
    ----------
    events : list of dict
        Its lines; ``wall`` is the time in seconds from before the process was made.
    problem : str
        Why there are no more: ``''``, ``'over 60 s'`` or the last line of its errors.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""

    @property
    def answer(self) -> dict[str, Any]:
        """The first event; empty where there is none."""
        return self.events[0] if self.events else {}


class Workers:
    """The two interpreters, and the environment that both run in.

    Parameters
    ----------
    peer : path or None
        Python of the environment with ONE-api; None: fascicle alone.
    work : path
        A folder for the home folder that the processes see.
    """

    def __init__(self, peer: Path | None, work: Path) -> None:
        self.pythons = {"fascicle": sys.executable, "one": None if peer is None else str(peer)}
        drop = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONPROFILEIMPORTTIME")
        self.env = {k: v for k, v in os.environ.items() if k not in drop and k[:4] != "ONE_"}
        home = work / "home"
        home.mkdir()
        self.env |= {"HOME": str(home), "FASCICLE_CACHE": str(home / "cache")}
        self.env |= {"TQDM_DISABLE": "1", "FASCICLE_PROGRESS": "0"}
        self.home = home

    def compile(self) -> None:
        """Write bytecode, which users have after their first start."""
        import fascicle

        for folder in (Path(fascicle.__file__).parent, WORKERS):
            self._quietly([sys.executable, "-m", "compileall", "-q", str(folder)])
        imports = "import pandas, numpy, pyarrow.parquet, sqlite3, uuid"
        for which, python in self.pythons.items():
            name = "fascicle.one" if which == "fascicle" else "one.api, one.alf.cache"
            if python:
                self._quietly([python, "-c", f"{imports}, {name}"])
                self._quietly([python, "-m", "compileall", "-q", str(WORKERS)])

    def _quietly(self, command: list[str]) -> None:
        subprocess.run(command, env=self.env, cwd=self.home, check=True, capture_output=True)

    def versions(self, which: str, *names: str) -> dict[str, str]:
        """Return the versions of Python and of packages that one of them has."""
        python = self.pythons[which]
        if python is None:
            return {}
        code = (
            "import json, platform, sys; from importlib.metadata import version; "
            "print(json.dumps({'python': platform.python_version()}"
            " | {n: version(n) for n in sys.argv[1:]}))"
        )
        run = subprocess.run(
            [python, "-c", code, *names], env=self.env, capture_output=True, text=True, check=True
        )
        return dict(json.loads(run.stdout))

    def run(
        self, which: str, worker: str, *args: str | dict[str, Any], timeout: float = 120.0
    ) -> Run:
        """Run a worker to its end, or until time is over.

        Parameters
        ----------
        which : {'fascicle', 'one'}
            Whose interpreter.
        worker : str
            The worker's name.
        *args
            Its arguments; a dict is given as JSON, with ``which`` in it.
        timeout : float
            Seconds.
        """
        python = self.pythons[which]
        if python is None:
            return Run(problem="not run")
        texts = [a if isinstance(a, str) else json.dumps({"which": which, **a}) for a in args]
        command = [python, str(WORKERS / f"{worker}.py"), *texts]
        errors = self.home / "stderr"
        out, lines = Run(), Queue[tuple[float, str] | None]()
        with errors.open("w") as stderr:
            began, deadline = perf_counter(), monotonic() + timeout
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, env=self.env, cwd=self.home
            )
            assert process.stdout is not None
            reader = Thread(target=_read, args=(process.stdout, lines), daemon=True)
            reader.start()
            try:
                while (item := lines.get(timeout=max(0.0, deadline - monotonic()))) is not None:
                    with contextlib.suppress(json.JSONDecodeError):
                        out.events.append({**json.loads(item[1]), "wall": item[0] - began})
            except Empty:
                out.problem = f"over {timeout:.0f} s"
                process.kill()
            finally:
                if sys.exc_info()[0] is not None:
                    process.kill()
                process.wait()
                reader.join()
                process.stdout.close()
        if process.returncode and not out.problem:
            last = (errors.read_text().strip().splitlines() or ["?"])[-1]
            out.problem = f"failed: {last}"
        return out


def _read(stream: Any, lines: Queue[tuple[float, str] | None]) -> None:
    for line in stream:
        lines.put((perf_counter(), line.decode()))
    lines.put(None)

"""Run a worker in a process of its own, and note when its lines come."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from time import monotonic, perf_counter
from typing import Any, Literal

WORKERS = Path(__file__).parent / "workers"

#: What users of each have imported once before.
IMPORTS = {
    "fascicle": "pandas, numpy, pyarrow.parquet, sqlite3, uuid, fascicle.one",
    "one": "pandas, numpy, pyarrow.parquet, sqlite3, uuid, one.api, one.alf.cache, one.remote.aws",
    "allen": "allensdk.brain_observatory.behavior.behavior_project_cache",
    "nwb": "pandas, h5py, pynwb, fsspec",
}


@dataclass
class Run:
    """What a worker said.

    Attributes
    ----------
    events : list of dict
        Its lines; ``wall`` is the time in seconds from before the process was made.
    problem : str
        Why there are no more: ``''``, ``'over 60 s'`` or the last line of its errors.
    memory : int
        Where it was watched: the most memory that its processes had together, in bytes.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    memory: int = 0

    @property
    def answer(self) -> dict[str, Any]:
        """The first event; empty where there is none."""
        return self.events[0] if self.events else {}


class Workers:
    """The interpreters, and the environment that all run in.

    Parameters
    ----------
    peers : mapping of str to path or None
        Pythons of the environments of peers; None where one is left out.
    work : path
        A folder for the home folder that the processes see.
    """

    def __init__(self, peers: Mapping[str, Path | None], work: Path) -> None:
        self.pythons = {"fascicle": sys.executable}
        self.pythons |= {name: str(python) for name, python in peers.items() if python}
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
        for which, python in self.pythons.items():
            self._quietly([python, "-c", f"import {IMPORTS[which]}"])
            self._quietly([python, "-m", "compileall", "-q", str(WORKERS)])

    def _quietly(self, command: list[str]) -> None:
        subprocess.run(command, env=self.env, cwd=self.home, check=True, capture_output=True)

    def versions(self, which: str, *names: str) -> dict[str, str]:
        """Return the versions of Python and of packages that one of them has."""
        python = self.pythons.get(which)
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
        self,
        which: str,
        worker: str,
        *args: str | dict[str, Any],
        timeout: float = 120.0,
        enter: Sequence[str] = (),
        watch: Literal["", "all", "children"] = "",
    ) -> Run:
        """Run a worker to its end, or until time is over.

        Parameters
        ----------
        which : str
            Whose interpreter: 'fascicle' or a peer's name.
        worker : str
            The worker's name.
        *args
            Its arguments; a dict is given as JSON, with ``which`` in it.
        timeout : float
            Seconds.
        enter : sequence of str
            What the command begins with, such as that which enters a namespace.
        watch : {'', 'all', 'children'}
            Look at the memory of the process and its children, or of these alone, 20 times a
            second.
        """
        python = self.pythons.get(which)
        if python is None:
            return Run(problem="not run")
        texts = [a if isinstance(a, str) else json.dumps({"which": which, **a}) for a in args]
        command = [*enter, python, str(WORKERS / f"{worker}.py"), *texts]
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
            watcher = Watcher(process.pid, children_only=watch == "children") if watch else None
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
                out.memory = watcher.stop() if watcher else 0
        if process.returncode and not out.problem:
            said = errors.read_text().strip().splitlines()
            last = ([line for line in said if line[:1] not in (" ", "")] or ["?"])[-1]
            out.problem = f"failed: {last}"
        return out


class Watcher(Thread):
    """Looks at the peaks of resident memory of a process and its descendants, from outside.

    Parameters
    ----------
    pid : int
    children_only : bool
        Leave the process itself out.
    """

    def __init__(self, pid: int, *, children_only: bool = False) -> None:
        super().__init__(daemon=True)
        self._pid, self._children_only = pid, children_only
        self._most, self._ended = 0, Event()
        self.start()

    def stop(self) -> int:
        """Return the most that was seen at once, in bytes."""
        self._ended.set()
        self.join()
        return self._most

    def run(self) -> None:
        """Look until told to stop."""
        while not self._ended.wait(0.05):
            total = sum(map(_peak, _children(self._pid)))
            self._most = max(self._most, total + (0 if self._children_only else _peak(self._pid)))


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, file.read_text().split()):
                found += [child, *_children(child)]
    return found


def _read(stream: Any, lines: Queue[tuple[float, str] | None]) -> None:
    for line in stream:
        lines.put((perf_counter(), line.decode()))
    lines.put(None)

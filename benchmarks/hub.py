"""(h) A lab's hub answers clients, measured with wrk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import hub_grow
from benchmarks.bench import ROOT, Bench
from benchmarks.table import Bar, Row, Value
from fascicle.errors import FascicleError
from fascicle.testing.hub import HubServer
from fascicle.testing.postgres import PostgresServer

ALYX = "Alyx 3.6.1, measured before"
MB = 1e6


@dataclass(frozen=True)
class Case:
    """What is asked.

    Attributes
    ----------
    name : str
    path : str
        ``{eid}`` is a session with datasets.
    alyx : float
        Seconds of processor time that Alyx takes for one answer, with its PostgreSQL; 0 where
        that was not measured.
    rows : int
        How many rows the answer has at the least, at full size.
    """

    name: str
    path: str
    alyx: float = 0.0
    rows: int = 1


#: Alyx 3.6.1 on PostgreSQL with the same numbers of rows: two processes, 1 and 8 connections, on a
#: machine with two cores. These are constants, not measured here.
CASES = (
    Case("sessions, 250 rows", "/sessions?limit=250", 0.084, 250),
    Case(
        "sessions by dataset type and lab",
        "/sessions?dataset_types=spikes.times&lab=cortexlab",
        0.056,
        100,
    ),
    Case("one session in full", "/sessions/{eid}", 0.076),
    Case("insertions by region", "/insertions?atlas_acronym=TH", 0.385, 250),
    Case("sessions by dataset", "/sessions?datasets=spikes.times.npy", 0.170, 100),
    Case("datasets that exist", "/datasets?exists=True&limit=50", 0.0, 50),
)
#: Statements that one session in full may take; others have no bar but to be few.
MOST_SQL = 8

_SQL = """
import json, time
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
client = Client(headers={"authorization": f"Token {token}", "host": "127.0.0.1"})
result = {}
for path in paths:
    client.get(path)
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(path)
    body = answer.json()
    rows = len(body["results"]) if "results" in body else 1
    result[path] = {"sql": len(caught), "status": answer.status_code, "rows": rows,
                    "bytes": len(answer.content)}
"""


def run(bench: Bench) -> None:
    """Measure on both databases, at both sizes."""
    if not shutil.which("wrk"):
        bench.notes.append("(h) left out: there is no wrk here (tools/system-packages wrk)")
        return
    with ExitStack() as stack:
        server: PostgresServer | None = None
        try:
            server = stack.enter_context(PostgresServer(safe=True))
        except FascicleError as error:
            bench.notes.append(f"(h) SQLite alone: {error}")
        _starting(bench, server)
        sizes = [("hub", 100, 40, 30)] if bench.quick else [("hub", 2_000, 750, 30)]
        if bench.hub_large:
            # The same, copied within the database until it is as large as is wanted.
            sizes.append(("hub-large", *sizes[0][1:]))
        small: dict[tuple[str, str], float] = {}
        for name, sessions, insertions, datasets in sizes:
            for database in ("SQLite", "PostgreSQL"):
                if database == "SQLite" or server is not None:
                    size = _Size(bench, server if database == "PostgreSQL" else None, small)
                    size.run(name, sessions, insertions, datasets)


class _Size:
    """The measurements of one database at one size."""

    def __init__(
        self, bench: Bench, server: PostgresServer | None, small: dict[tuple[str, str], float]
    ) -> None:
        self.bench, self.server, self.small = bench, server, small
        self.kind = "PostgreSQL" if server else "SQLite"

    def run(self, name: str, sessions: int, insertions: int, datasets: int) -> None:
        """Fill a database, serve it, and ask."""
        self.large = name == "hub-large"
        folder, database = self._filled(name, sessions, insertions, datasets)
        if self.large:
            copies = _copies(self.bench)
            sessions, insertions = sessions * (1 + copies), insertions * (1 + copies)
            datasets = hub_grow.DATASETS
        n = sessions * datasets
        self.bench.title(
            f"(h) {sessions:,} sessions, {n:,} datasets, {insertions:,} insertions, {self.kind}",
            columns=(ALYX,),
        )
        arguments = ["--no-watch"]
        with HubServer(
            folder / "lab", state=folder / "state", database=database, arguments=arguments
        ) as hub:
            self._ask(hub)

    def _filled(self, name: str, sessions: int, insertions: int, datasets: int) -> tuple[Path, str]:
        """Return a folder with a hub's state that is our own, and the address of its database."""
        sizes = ["--sessions", sessions, "--insertions", insertions, "--datasets", datasets]
        folder = self.bench.fresh(name)
        (folder / "lab").mkdir()
        if self.server is not None:
            database = self.server.make_database()
            _fill(folder, "--database", database, *sizes)
            if self.large:
                _grow(folder, _copies(self.bench), "--database", database)
            return folder, database
        kept = self.bench.data / (f"{name}-quick" if self.bench.quick else name)
        if not (kept / ".complete").exists():
            (kept / "lab").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(kept / "state", ignore_errors=True)  # of a time that did not end
            _fill(kept, *sizes)
            if self.large:
                _grow(kept, _copies(self.bench))
            (kept / ".complete").touch()
        shutil.copytree(kept / "state", folder / "state")
        return folder, ""

    def _ask(self, hub: HubServer) -> None:
        token = hub.token("test_user")
        found = hub.get("/sessions?limit=1&dataset_types=spikes.times", token=token).json
        paths = {case: case.path.format(eid=found["results"][0]["id"]) for case in CASES}
        counted = hub.run(_SQL, token=token, paths=list(paths.values()))
        for case, path in paths.items():
            facts = counted[path]
            if facts["status"] != 200 or (not self.bench.quick and facts["rows"] < case.rows):
                self.bench.differs(f"{path}: {facts}")
                continue
            self._case(hub, case, path, token, facts)
        self._memory(hub)

    def _case(
        self, hub: HubServer, case: Case, path: str, token: str, facts: dict[str, Any]
    ) -> None:
        for connections in (1, 8):
            runs = [
                _wrk(hub, self.server, path, token, connections, self.bench.quick)
                for _ in range(1 if self.bench.quick else 3)
            ]
            problem = next((r.problem for r in runs if r.problem), "")
            value = Value([r.cpu for r in runs], problem) if not problem else Value(problem=problem)
            bar = self._bar(case, connections)
            row = Row(f"{case.name}, {connections} connection{'s' * (connections > 1)}", value)
            row.peer = Value([case.alyx]) if case.alyx and not self.large else Value()
            row.bar = bar
            best = min(runs, key=lambda r: r.cpu or 1e9)
            row.remark = (
                f"CPU a request; {best.rate:,.0f} requests/s, p50 {best.p50}, p99 {best.p99}; "
                f"{facts['rows']} rows, {facts['bytes'] / 1000:,.0f} kB, {facts['sql']} SQL"
            )
            self.bench.add(row)
            if not self.large and value.middle:
                self.small[self.kind, row.what] = value.middle
        if case.name == "one session in full":
            row = Row("  SQL statements of it", Value([float(facts["sql"])]), unit="")
            row.bar = Bar(f"≤ {MOST_SQL}", under=MOST_SQL)
            row.peer = Value([80.0]) if not self.large else Value()
            self.bench.add(row)

    def _bar(self, case: Case, connections: int) -> Bar | None:
        if not self.large:
            return Bar("≥ 10×", times=10) if case.alyx else None
        what = f"{case.name}, {connections} connection{'s' * (connections > 1)}"
        before = self.small.get((self.kind, what))
        if before is None or case.name not in ("one session in full", _SELECTIVE):
            return None
        return Bar(f"≤ 3× of {1000 * before:.1f} ms", under=3 * before)

    def _memory(self, hub: HubServer) -> None:
        row = Row(f"memory of {len(hub.pids()) - 1} workers and the first process", unit="B")
        row.ours = Value([float(sum(map(_pss, hub.pids())))])
        row.peer = Value([361 * MB]) if not self.large else Value()
        row.bar = Bar("< 250 MB", under=250 * MB)
        row.remark = "proportional set size, after all of the above"
        if self.server is not None:
            pids = _tree(self.server.pid)
            row.remark += f"; PostgreSQL besides: {sum(map(_pss, pids)) / MB:,.0f} MB"
        self.bench.add(row)


_SELECTIVE = "sessions by dataset type and lab"


def _starting(bench: Bench, server: PostgresServer | None) -> None:
    """Measure the first start of a lab: database made, files imported, first answer."""
    size = "tiny" if bench.quick else "small"
    lab = bench.fresh("lab") / "lab"
    code = "import sys; from fascicle.demo import make_lab; make_lab(sys.argv[1], size=sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(lab), size], check=True)
    bench.title("(h) first start: database made, the demo's lab imported", columns=(ALYX,))
    for kind in ("SQLite", "PostgreSQL"):
        if kind == "PostgreSQL" and server is None:
            continue
        times, count = [], 0
        for _ in range(1 if bench.quick else 3):
            shutil.rmtree(lab / ".fascicle", ignore_errors=True)
            for table in lab.glob("*.pqt"):
                table.unlink()
            database = server.make_database() if kind == "PostgreSQL" and server else ""
            with HubServer(lab, state=bench.fresh("state"), database=database) as hub:
                times.append(hub.first)
                count = hub.get("/sessions?limit=1", token=hub.token("test_user")).json["count"]
        row = Row(f"{kind}, {count} sessions", Value(times), bar=Bar("< 10 s", under=10.0))
        row.peer = Value([67.0])
        row.remark = "to the first answer, the folder indexed too; Alyx: migrate and fixtures"
        bench.add(row)


def _copies(bench: Bench) -> int:
    return 3 if bench.quick else hub_grow.COPIES


def _fill(folder: Path, *options: object) -> None:
    _run("hub_data.py", folder, *options)


def _grow(folder: Path, copies: int, *options: object) -> None:
    _run("hub_grow.py", folder, "--copies", copies, *options)


def _run(script: str, folder: Path, *options: object) -> None:
    command = [sys.executable, ROOT / "benchmarks" / script, folder / "lab"]
    command += ["--state", folder / "state", *options]
    print(f"filling {folder}", file=sys.stderr, flush=True)
    began = time.monotonic()
    subprocess.run([str(c) for c in command], cwd=ROOT, check=True, stdout=sys.stderr)
    print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


@dataclass
class _Load:
    """What wrk reported, and what it cost."""

    cpu: float = 0.0
    rate: float = 0.0
    p50: str = ""
    p99: str = ""
    problem: str = ""


def _wrk(
    hub: HubServer,
    server: PostgresServer | None,
    path: str,
    token: str,
    connections: int,
    quick: bool,
) -> _Load:
    """Ask one path over and over, and read what the hub's processes and PostgreSQL used."""
    pids: Callable[[], list[int]] = lambda: [*hub.pids(), *(_tree(server.pid) if server else ())]  # noqa: E731
    for _ in range(20):  # each thread of each worker has a connection, and what it keeps
        hub.get(path, token=token)
    before = _cpu(pids())
    command = ["wrk", "-t1", f"-c{connections}", f"-d{2 if quick else 7}s", "--latency"]
    command += ["--timeout", "30s", "-H", f"Authorization: Token {token}", hub.url + path]
    done = subprocess.run(command, capture_output=True, text=True)
    used = _cpu(pids()) - before
    if done.returncode or (bad := re.search(r"Non-2xx.*|Socket errors.*", done.stdout)):
        said = done.stderr.strip() or (bad[0] if bad else "")
        return _Load(problem=f"failed: {said}")
    requests = int(_found(r"(\d+) requests in", done.stdout))
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", done.stdout))
    p50, p99 = (_found(rf"(?m)^ +{p}%\s+(\S+)", done.stdout) for p in (50, 99))
    if not requests:
        return _Load(problem="failed: no answer in time")
    return _Load(used / requests, rate, p50, p99)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"


def _tree(pid: int) -> list[int]:
    found = [pid]
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [p for child in file.read_text().split() for p in _tree(int(child))]
        except OSError:
            continue  # it ended meanwhile
    return found


def _cpu(pids: list[int]) -> float:
    """Return the seconds of processor time of processes, and of children that ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile, and its parent has its time
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    """Return the memory of a process; what it shares with others counts in part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(_found(r"\nPss:\s+(\d+) kB", text)) * 1024

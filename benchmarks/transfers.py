"""(t) Files come from servers that are near, far or slow."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import Bench, value
from benchmarks.machine import touch_memory
from benchmarks.network.line import FAR, LOCAL, Line, NoLine, congestion_control
from benchmarks.network.nginx import Nginx, NoNginx, Plain, version
from benchmarks.process import Run
from benchmarks.table import Bar, Row, Value

ALLEN, MANY, PLAIN = "AllenSDK's way", "curl --parallel", "curl"
COLUMNS = ("ONE-api", ALLEN, MANY, PLAIN)
#: No peer, but what bounds everyone on this machine; told in a note.
FLOOR = "bare sockets"
#: For each column the name of the way, and whose Python runs it.
WAYS = {
    "fascicle": ("fascicle", "fascicle"),
    "ONE-api": ("one", "one"),
    ALLEN: ("allen", "one"),  # it needs boto3 alone
    MANY: ("curl-parallel", "fascicle"),
    PLAIN: ("curl", "fascicle"),
    FLOOR: ("floor", "fascicle"),
}
MOST_MEMORY = Bar("< 150 MB", under=150e6)


@dataclass(frozen=True)
class Case:
    """What is brought, and how.

    Attributes
    ----------
    kind : {'small', 'large'}
    over : {'http', 's3'}
    round_trip : float
        Milliseconds.
    counts : mapping
        For each peer which kind of file and how many, where these are not the same as ours: rates
        are steady, and the slow need not bring everything.
    bar : Bar, optional
    against : str
        The peer that the bar is about, where it is not ONE-api.
    disk, slow : bool
        Onto a disk; from the server with 25 MB/s for each connection.
    floor : bool
        Also say what bare sockets do.
    """

    kind: str
    over: str
    round_trip: float
    counts: Mapping[str, tuple[str, int] | None]
    bar: Bar | None = None
    against: str = ""
    disk: bool = False
    slow: bool = False
    floor: bool = False

    @property
    def name(self) -> str:
        """What the row is called."""
        where = "onto disk" if self.disk else "into memory"
        rate = ", 25 MB/s per connection" if self.slow else ""
        return f"{self.round_trip:.0f} ms{rate}, {where}"


def run(bench: Bench) -> None:
    """Measure each case with everyone who can."""
    sizes = (400, 2, 100_000_000, 2, 25_000_000) if bench.quick else FULL
    folder = bench.generated("transfer", "payload", *sizes)
    with _places(bench, folder) as setting:
        for what, cases in _cases(bench.quick, *sizes).items():
            wanted = [c for c in cases if setting.line is not None or not c.round_trip]
            if bench.cases:
                wanted = [c for c in wanted if re.search(bench.cases, f"{what}: {c.name}")]
            if wanted:
                bench.title(f"(t) {what}", COLUMNS)
            for case in wanted:
                _measure(bench, setting, case)


FULL = (2_000, 4, 500_000_000, 4, 100_000_000)


def _cases(
    quick: bool, small: int, large: int, large_bytes: int, middle: int, middle_bytes: int
) -> dict[str, list[Case]]:
    """Return what is measured, by heading."""

    def few(n: int) -> tuple[str, int]:
        return "small", max(20, n // 4) if quick else n

    one, some = ("large", 1), ("middle", middle)
    a_bit = ("middle", 1)
    many, big = f"{small:,} files of 3 KB", f"{large} files of {large_bytes / 1e6:.0f} MB"
    near = {ALLEN: None}
    http = ", over HTTP, md5"
    s3 = ", over S3 with version ids, blake2b (ONE-api: no checksum)"
    return {
        many + http: [
            Case("small", "http", 0, near, Bar("≥ 12×", times=12)),
            Case("small", "http", 0, near, Bar("≥ 6×", times=6), disk=True),
            Case(
                "small",
                "http",
                20,
                {**near, "ONE-api": few(500), PLAIN: few(200)},
                Bar("≥ 30×", times=30),
            ),
            Case(
                "small",
                "http",
                80,
                {**near, "ONE-api": few(200), PLAIN: few(60)},
                Bar("≥ 30×", times=30),
            ),
        ],
        many + s3: [
            Case("small", "s3", 0, {"ONE-api": few(400)}, Bar("≥ 12×", times=12)),
            Case("small", "s3", 0, {"ONE-api": few(400)}, Bar("≥ 6×", times=6), disk=True),
            Case(
                "small",
                "s3",
                20,
                {"ONE-api": few(100), ALLEN: few(200), PLAIN: few(200)},
                Bar("≥ 30×", times=30),
            ),
            Case(
                "small",
                "s3",
                80,
                {"ONE-api": few(40), ALLEN: few(60), PLAIN: few(60)},
                Bar("≥ 30×", times=30),
            ),
        ],
        big + http: [
            Case("large", "http", 0, near),
            Case("large", "http", 20, {**near, PLAIN: one}),
            Case("large", "http", 80, {**near, PLAIN: a_bit}, Bar("≥ 3×", times=3)),
        ],
        big + s3: [
            Case("large", "s3", 0, {ALLEN: one}, Bar("≥ 6×", times=6), ALLEN, floor=True),
            Case("large", "s3", 20, {ALLEN: one, PLAIN: a_bit}),
            Case("large", "s3", 80, {ALLEN: one, PLAIN: a_bit}),
            Case(
                "large",
                "s3",
                0,
                {ALLEN: a_bit, MANY: some, PLAIN: a_bit},
                Bar("≥ 6×", times=6),
                ALLEN,
                slow=True,
            ),
        ],
    }


# -- one case --------------------------------------------------------------------------------------


@dataclass
class Setting:
    """Where servers and targets are."""

    folder: Path
    server: Nginx | Plain
    line: Line | None
    memory: Path
    disk: Path
    counts: dict[str, int] = field(default_factory=dict)


def _measure(bench: Bench, setting: Setting, case: Case) -> None:
    """Add the rows of a case: rate, processor time, memory."""
    full = case.kind, setting.counts[case.kind]
    plans = {}
    for column in ("fascicle", *COLUMNS):
        plan = case.counts.get(column, full)
        if plan is not None and bench.workers.pythons.get(WAYS[column][1]):
            plans[column] = plan
    runs: dict[str, list[Run]] = {column: [] for column in plans}
    for i in range(_repeats(bench, case, "fascicle")):
        for column, plan in plans.items():
            if i < _repeats(bench, case, column):
                runs[column].append(_bring(bench, setting, case, column, *plan))

    unit = "files/s" if case.kind == "small" else "MB/s"
    key, scale = ("files", 1.0) if case.kind == "small" else ("bytes", 1e-6)
    rate: dict[str, Value] = {}
    cpu: dict[str, Value] = {}
    memory: dict[str, Value] = {}
    for column, seen in runs.items():
        if problem := next((run.problem for run in seen if run.problem), ""):
            bench.notes.append(f"{bench.heading}: {case.name}: {column} {problem}")
            print(f"  {column} {problem}", file=sys.stderr, flush=True)
            rate[column] = Value(problem="failed")
            continue
        rate[column] = value(seen, lambda r: scale * r.answer[key] / r.answer["seconds"])
        cpu[column] = value(seen, lambda r: 1e9 * r.answer["cpu"] / r.answer["bytes"])
        if all(run.memory for run in seen):  # it may be over before it was looked at
            memory[column] = value(seen, lambda r: float(r.memory))
    cut = [f"{column}: {_sum(setting, *plan)}" for column, plan in plans.items() if plan != full]
    bench.add(_row(case.name, rate, unit, case, more=True, bar=case.bar, remark="; ".join(cut)))
    if case.floor:
        _tell_floor(bench, setting, case)
    if not rate["fascicle"].problem:
        bench.add(_row("  CPU", cpu, "s/GB", case))
        bench.add(_row("  peak memory", memory, "B", case, bar=MOST_MEMORY))


def _tell_floor(bench: Bench, setting: Setting, case: Case) -> None:
    """Note the rate and the processor time of bare sockets that hash what they bring."""
    plan = case.kind, setting.counts[case.kind]
    runs = [_bring(bench, setting, case, FLOOR, *plan) for _ in range(1 if bench.quick else 3)]
    if problem := next((run.problem for run in runs if run.problem), ""):
        bench.notes.append(f"{bench.heading}: {case.name}: {FLOOR} {problem}")
        return
    rate = value(runs, lambda r: 1e-6 * r.answer["bytes"] / r.answer["seconds"]).middle
    cpu = value(runs, lambda r: 1e9 * r.answer["cpu"] / r.answer["bytes"]).middle
    bench.notes.append(
        f"{bench.heading}: {case.name}: the bound of this machine: bare sockets that hash and write"
        f" what comes, and do nothing else, bring {rate:.0f} MB/s with {cpu:.1f} s/GB of CPU"
    )


def _row(
    what: str,
    values: dict[str, Value],
    unit: str,
    case: Case,
    *,
    more: bool = False,
    bar: Bar | None = None,
    remark: str = "",
) -> Row:
    others = {c: values.get(c, Value()) for c in COLUMNS[1:]}
    peer = values.get("ONE-api", Value())
    return Row(
        what,
        values.get("fascicle", Value()),
        peer,
        unit,
        bar,
        remark,
        others,
        case.against,
        more=more,
    )


def _sum(setting: Setting, kind: str, count: int) -> str:
    if kind == "small":
        return f"{count} files"
    size = next((setting.folder / "files" / kind).iterdir()).stat().st_size
    return f"{count} × {size / 1e6:.0f} MB"


def _repeats(bench: Bench, case: Case, column: str) -> int:
    if bench.quick:
        return 1
    if column == "fascicle":
        return 5 if case.kind == "small" else 3
    return 3 if case.kind == "small" and not case.round_trip else 1


def _bring(bench: Bench, setting: Setting, case: Case, column: str, kind: str, count: int) -> Run:
    """Let a fresh process bring files into a fresh folder."""
    way, python = WAYS[column]
    port = setting.server.slow_port if case.slow else setting.server.port
    enter = setting.line.client(case.round_trip) if setting.line else []
    target = tempfile.mkdtemp(dir=setting.disk if case.disk else setting.memory)
    task = {
        "way": way + ("-s3" if case.over == "s3" else ""),
        "base": f"http://{FAR if case.round_trip else LOCAL}:{port}",
        "list": str(setting.folder / f"{kind}.json"),
        "first": str(setting.folder / "first.json"),
        "count": count,
        "target": target,
        "algorithm": "blake2b" if case.over == "s3" else "md5",
    }
    if case.disk:
        os.sync()  # what others wrote is no longer on its way
    if case.kind == "large":
        touch_memory(3 << 30)
    watch = "children" if way.startswith("curl") else "all"
    out = bench.workers.run(python, "bring", task, timeout=180, enter=enter, watch=watch)
    if (
        not case.disk
    ):  # for half a minute ext4 looks at each file that was deleted before it makes one
        shutil.rmtree(target)
    if watch == "all" and out.answer:
        out.memory = max(out.memory, out.answer["memory"])
    return out


# -- where -----------------------------------------------------------------------------------------


@contextmanager
def _places(bench: Bench, folder: Path) -> Iterator[Setting]:
    """Start line and server, choose targets; note what is not possible here."""
    shm = Path("/dev/shm")
    with ExitStack() as stack:
        line: Line | None = None
        try:
            line = stack.enter_context(Line())
        except (NoLine, OSError) as error:
            bench.notes.append(f"transfer: no rows with a delay, no line can be made: {error}")
        enter = line.server if line else []
        server: Nginx | Plain
        try:
            server = stack.enter_context(Nginx(folder, bench.fresh("nginx"), enter=enter))
            name = f"nginx {version()}, two workers"
        except (NoNginx, OSError) as error:
            bench.notes.append(f"transfer: there is no nginx: {error}")
            server = stack.enter_context(Plain(folder, enter=enter))
            name = "a server in Python, which bounds everyone's rate"
        disk = bench.fresh("disk")
        memory = disk
        if shm.is_dir() and os.access(shm, os.W_OK):
            memory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="fascicle-bench-", dir=shm))
            )
        else:
            bench.notes.append("transfer: there is no memory file system, all goes onto disk")
        if line:
            took = {rtt: line.connecting(rtt, server.port) for rtt in (0, 20, 80)}
            bench.notes.append(
                "transfer: a connection is made in "
                + ", ".join(f"{ms:.1f} ms at {rtt} ms" for rtt, ms in took.items())
                + f"; congestion control {congestion_control()}, Linux's default buffers"
            )
        bench.notes.append(
            f"transfer: from {name}, on the same cores; files in the system's page cache;"
            f" memory is {memory.parent}, disk is {_file_system(disk)}"
        )
        counts = {
            kind: sum(1 for p in (folder / "files" / name).rglob("*") if p.is_file())
            for kind, name in {"small": "cortexlab", "large": "large"}.items()
        }
        yield Setting(folder, server, line, memory, disk, counts)


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on."""
    best = ("", "unknown")
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return "unknown"
    for _, place, kind, *_ in map(str.split, mounts):
        if folder.is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]

"""What the benchmarks print and write, from results that are made up."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks import hub as hub_bench
from benchmarks import page, payload
from benchmarks.network.nginx import Plain
from benchmarks.process import Workers
from benchmarks.table import Bar, Row, Value, markdown, text

ROOT = Path(__file__).resolve().parents[2]


def made_up() -> list[Row]:
    return [
        Row("(a) index of 100 files"),
        Row("first index", Value([2.0, 1.0, 3.0]), Value([20.0]), bar=Bar("≥ 11×", times=11)),
        Row("first index, hashed", Value([1.0]), Value(at_least=600, problem="over 600 s")),
        Row("(t) 20 files of 3 KB, over HTTP, md5", columns=("ONE-api", "AllenSDK's way", "curl")),
        Row(
            "0 ms, into memory",
            Value([24_000.0]),
            Value([2_000.0]),
            "files/s",
            Bar("≥ 12×", times=12),
            others={"curl": Value([13_000.0])},
            more=True,
        ),
        Row("(t) 2 files of 5 MB, over S3", columns=("ONE-api", "AllenSDK's way", "curl")),
        Row(
            "0 ms, into memory",
            Value([400.0]),
            Value([390.0]),
            "MB/s",
            Bar("≥ 6×", times=6),
            others={"AllenSDK's way": Value([100.0])},
            against="AllenSDK's way",
            more=True,
        ),
        Row("  peak memory", Value([40e6]), unit="B", bar=Bar("< 150 MB", under=150e6)),
    ]


def test_bars_and_ratios() -> None:
    met = [row.met() for row in made_up()]
    assert met == [None, False, None, None, True, None, False, True]
    shown = text(made_up())
    assert re.search(r"first index +2 s +20 s +10× +≥ 11× +MISSED", shown)
    assert re.search(r"0 ms, into memory +400 MB/s +390 MB/s +100 MB/s +4.0× ", shown)
    lines = markdown(made_up()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables[:4]} == {7}
    assert {line.count("|") for line in tables[4:]} == {9}


def test_the_table_of_the_readme(tmp_path: Path) -> None:
    versions = {"python": "3.11.7", "pandas": "2.3.3"}
    results = {
        "date": "2030-01-02 03:04 UTC",
        "machine": {
            "cpu": "Some(R) CPU @ 3 GHz",
            "cores": "2",
            "system": "Linux 6",
            "memory": "9 GB",
        },
        "fascicle": versions,
        "ONE-api": {**versions, "ONE-api": "3.6.1"},
        "AllenSDK": {**versions, "allensdk": "2.16.2"},
        "rows": [row.to_json() for row in made_up()],
    }
    (tmp_path / "latest.json").write_text(json.dumps(results))
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{page.BEGIN}old\n{page.END}\nafter\n")
    page.update(readme, tmp_path)
    written = readme.read_text()
    assert written.startswith("before\n") and written.endswith("\nafter\n")
    assert "2 cores (Some), 9 GB, Linux" in " ".join(written.split())
    assert "| index of 100 files | 2 s | 20 s |  |" in written
    assert (
        "| 2 files of 5 MB over S3, blake2b: no delay | 400 MB/s | 390 MB/s | 100 MB/s |" in written
    )
    assert "| | fascicle | ONE-api 3.6.1 | AllenSDK 2.16.2 |" in written
    assert page.BEGIN in (ROOT / "README.md").read_text()


def test_a_column_without_a_value_is_left_out(tmp_path: Path) -> None:
    rows = made_up()[:2]
    hub = "(h) 2,000 sessions, 60,000 datasets, 750 insertions, PostgreSQL"
    alyx = Row("one session in full, 8 connections", Value([0.004]), Value([0.076]))
    about = {"date": "2030-01-02 03:04", "machine": {"cpu": "x", "cores": "2", "system": "L"}}
    for more, columns in (([], "ONE-api"), ([Row(hub, columns=(hub_bench.ALYX,)), alyx], "Alyx")):
        run = {**about, "rows": [row.to_json() for row in [*rows, *more]]}
        lines = page.table([run], ["latest"]).splitlines()
        table = [line for line in lines if line.startswith("|")]
        assert "AllenSDK" not in table[0] and columns in table[0]
        assert len({line.count("|") for line in table}) == 1
    assert "| the same: one session in full | 4 ms |  | 76.0 ms |" in lines
    assert "constants, not measured here" in lines[-2] + lines[-1]


def test_every_way_of_ours_brings_what_a_server_has(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    payload.main(served, small=20, large=1, large_bytes=1_000_000, middle=1, middle_bytes=1_000)
    workers = Workers({}, tmp_path)
    with Plain(served) as server:
        for way in ("fascicle", "fascicle-s3", "curl", "curl-parallel-s3"):
            task = {
                "way": way,
                "base": f"http://127.0.0.1:{server.port}",
                "list": str(served / "small.json"),
                "first": str(served / "first.json"),
                "count": 20,
                "target": str(tmp_path / way),
                "algorithm": "blake2b" if "s3" in way else "md5",
            }
            run = workers.run("fascicle", "bring", task, watch="all", enter=["env"])
            assert not run.problem
            assert run.answer["bytes"] == 60_000
            assert run.memory > 1_000_000

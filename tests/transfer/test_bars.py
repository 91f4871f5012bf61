"""Bars: one for all files, or one for each, as far as they are."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from fascicle.testing.s3 import S3Server
from fascicle.transfer import Plan, Source, make_plan

SIZES = {"small.csv": 10, "large.csv": 3_000_000, "empty.csv": 0}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket("lab-data")
        for name, size in SIZES.items():
            server.put("lab-data", name, b"x" * size)
        yield server


@pytest.fixture
def plan(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.delenv("FASCICLE_PROGRESS", raising=False)
    names = [*SIZES, "missing.csv"]
    pairs = [(Source(f"{server.url}/lab-data/{n}"), tmp_path / "store" / n) for n in names]
    return make_plan(pairs, store=tmp_path / "store")


def bars(text: str) -> dict[str, str]:
    """Return how each bar looked last, by its name."""
    found = re.findall(r"([\w.]+(?: files)?):([^\r\n]*)", text)
    return {name: rest for name, rest in found if "/s]" in rest}


def test_one_for_each_file(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    result = plan.run(progress="each")
    assert [o.item.target.name for o in result.failed] == ["missing.csv"]
    shown = bars(capfd.readouterr().err)
    assert set(shown) == {*SIZES, "missing.csv"}
    assert "100%" in shown["large.csv"] and "3.00M/3.00M" in shown["large.csv"]
    assert "10.0/10.0" in shown["small.csv"] and "100%" not in shown["missing.csv"]


def test_a_log_has_one_line_for_each_file(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    plan.run(progress="each")
    written = capfd.readouterr().err
    assert "\r" not in written and "\x1b" not in written
    assert [line.partition(":")[0] for line in written.splitlines()] == [*SIZES, "missing.csv"]


def test_bars_of_a_terminal_are_drawn_over(plan: Plan) -> None:
    main, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    code = f"import pickle; pickle.loads({pickle.dumps(plan)!r}).run(progress='each')"
    written = b""
    with subprocess.Popen([sys.executable, "-c", code], stderr=its):
        os.close(its)
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
            while part := os.read(main, 65_536):
                written += part
    os.close(main)
    assert b"\r" in written and b"\x1b[A" in written
    assert set(bars(written.decode())) == {*SIZES, "missing.csv"}


def test_one_for_all(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    plan.run(progress=True)
    assert set(bars(capfd.readouterr().err)) == {"4 files"}


def test_none(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    plan.run(progress=False)
    assert bars(capfd.readouterr().err) == {}


def test_files_that_are_here_have_none(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    plan.run(progress=False)
    pairs = [(item.source, item.target) for item in plan.items]
    make_plan(pairs, store=plan.store).run(progress="each")
    assert set(bars(capfd.readouterr().err)) == {"missing.csv"}

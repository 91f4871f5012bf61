"""The command as a process: pipes, exit codes, signals, errors in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "fascicle"]


def test_a_reader_that_goes_away_ends_it_quietly(lab: Path) -> None:
    find = subprocess.Popen([*COMMAND, "find"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert find.stdout is not None and find.stderr is not None
    find.stdout.close()  # as `| head -0` does
    error = find.stderr.read()
    find.stderr.close()
    assert find.wait() == 141
    assert b"Traceback" not in error and b"Broken" not in error


def test_a_pipe_through_head(lab: Path) -> None:
    script = f"{' '.join(COMMAND)} find --ids | head -n 1"
    run = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert len(run.stdout.strip()) == 36 and run.stderr == ""


def test_no_colour_and_no_bar_in_a_pipe(lab: Path, copied_lab: Path, run: Run) -> None:
    for args in (["find"], ["index", copied_lab, "--hash"], ["verify", copied_lab], ["--help"]):
        result = run(*args)
        assert "\x1b" not in result.stdout + result.stderr
        assert "\r" not in result.stdout + result.stderr


def test_exit_codes(lab: Path, run: Run) -> None:
    assert run("find", "--subject", "NYU-01").returncode == 0
    assert run("find", "--subject", "nobody").returncode == 1
    assert run("find", "--no-such-option").returncode == 2
    assert run("no-such-command").returncode == 2
    assert run("ls", "nonsense").returncode == 3
    assert run("--version").returncode == 0


def test_an_error_is_one_line_and_debug_shows_the_trace(lab: Path, run: Run) -> None:
    plain = run("ls", "nonsense")
    assert plain.stderr.startswith("fascicle: ") and plain.stderr.count("\n") == 1
    for args in (["--debug", "ls", "nonsense"], ["ls", "nonsense", "--debug"]):
        result = run(*args)
        assert "Traceback" in result.stderr and "SessionNotFound" in result.stderr


def test_a_warning_is_one_line(lab: Path, run: Run) -> None:
    result = run("find", "--region", "TH")
    for line in result.stderr.splitlines():
        assert not line.startswith(" ") and "site-packages" not in line and ".py:" not in line


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "PermissionError(13, 'denied', 'x.pqt')"])
def test_an_interruption_and_an_error_of_the_system_are_one_line(error: str) -> None:
    code = f"""
import click
from fascicle.cli.app import fascicle
@fascicle.command()
def stop():
    raise {error}
fascicle.main(["stop"])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = {
        "KeyboardInterrupt": (130, "fascicle: interrupted\n"),
    }.get(error, (3, "fascicle: denied: x.pqt\n"))
    assert (run.returncode, run.stderr) == expected

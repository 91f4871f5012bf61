"""What is left where a conversion is interrupted, killed, or finds the disk full: nothing."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.nwb.writing.sessions import RICH, files, session

from fascicle.errors import NotEnoughDisk
from fascicle.nwb import SessionMetadata, convert

KILLED = Path(__file__).with_name("killed.py")


@pytest.mark.parametrize(
    "limits",
    [
        (0, 400_000, 2_500_000),
        pytest.param((10_000, 800_000, 1_200_000), marks=pytest.mark.long),
    ],
)
def test_a_full_disk_is_an_error_and_leaves_nothing(
    lab: Path, tmp_path: Path, limits: tuple[int, ...]
) -> None:
    """The system lets no file grow beyond a limit, as a full disk does not."""
    one = session(lab, RICH)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
        try:
            with pytest.raises(NotEnoughDisk, match="no room on the disk"):
                convert(document, tmp_path / "a.nwb", archive=lab, check=False, progress=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert files(tmp_path) == []
    assert not [fd for fd in os.listdir("/proc/self/fd") if "a.nwb" in _where(fd)]


def _where(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize(
    "waits", [(0.3, 1.0), pytest.param((0.6, 1.5), marks=pytest.mark.long)], ids=["few", "more"]
)
def test_an_interrupt_leaves_nothing(lab: Path, tmp_path: Path, waits: tuple[float, ...]) -> None:
    program = (
        "import sys, fascicle, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from fascicle.nwb import convert\n"
        "print('begins', flush=True)\n"
        "convert(sys.argv[2], sys.argv[3], archive=sys.argv[1], progress=False)"
    )
    eid = str(session(lab, RICH).eid)
    for wait in waits:
        args = [sys.executable, "-c", program, str(lab), eid, str(tmp_path / "a.nwb")]
        with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            assert run.stdout is not None and run.stdout.readline() == b"begins\n"
            time.sleep(wait)
            run.send_signal(signal.SIGINT)
            assert run.stderr is not None
            said = run.stderr.read().decode()
        assert "KeyboardInterrupt" in said if run.returncode else wait > 0.3, said
        if run.returncode:
            assert files(tmp_path) == []
        else:  # a fast machine was done by then
            (tmp_path / "a.nwb").unlink()
            (tmp_path / "a.report.json").unlink()


def killed(lab: Path, folder: Path, n: int, seed: int) -> list[dict[str, Any]]:
    eid = str(session(lab, RICH).eid)
    args = [sys.executable, str(KILLED), str(lab), eid, str(folder), str(n), str(seed)]
    run = subprocess.run(args, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(rows) == n
    for row in rows:
        assert row["killed"] or row["code"] == 0, run.stderr
        assert row["there"] == row["whole"], row
        assert row["there"] or row["killed"], row
        assert row["parts"] <= 2  # the file and its report; those of runs before are removed
    assert {"session.nwb", "session.report.json"} <= set(os.listdir(folder))
    assert [name for name in os.listdir(folder) if name.endswith(".part")] == []
    return rows


def test_killed_processes_leave_no_half_file(lab: Path, tmp_path: Path) -> None:
    killed(lab, tmp_path, 3, seed=1)


@pytest.mark.long
def test_processes_killed_at_fifty_moments_leave_no_half_file(lab: Path, tmp_path: Path) -> None:
    rows = killed(lab, tmp_path, 50, seed=2)
    assert sum(row["killed"] for row in rows) > 20
    assert sum(row["parts"] for row in rows) > 3


def test_what_could_not_be_written_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libhdf5 has written it reads again; anything else there may end the process."""
    from fascicle.nwb.writing import output

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with output.Output(tmp_path / "a.part") as file:
        file.write(b"abc")
        monkeypatch.setattr(output.os, "pwrite", full)
        file.write(b"defg")
        file.seek(4)
        file.write(b"E")
        file.seek(1)
        found = bytearray(8)
        assert file.readinto(found) == 8 and bytes(found) == b"bcdEfg\0\0"
        assert file.seek(0, 2) == 7
        with pytest.raises(OSError, match="No space"):
            file.check()

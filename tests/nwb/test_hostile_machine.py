"""Machines that are not as they should be: full disks, kills, folders that cannot be written."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tests.nwb.hostile import DEMO, Outcome, assert_true, cut_down, is_behaviour

import fascicle
from fascicle.errors import ConversionError, ConversionWarning, WouldReplace
from fascicle.nwb.converting import convert
from fascicle.nwb.report import Report

_PROGRAM = """
import sys, warnings
import fascicle
from fascicle.errors import FascicleError
from fascicle.nwb.converting import convert
{before}
warnings.simplefilter("ignore")
session = next(iter(fascicle.find(archives=[sys.argv[1]])))
try:
    convert(session, sys.argv[2], check=False, progress=False)
except FascicleError as error:
    print(error.kind, error, sep="\\n")
    sys.exit(3)
"""


@pytest.fixture(scope="module")
def lab(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with one session of trials, wheel, licks and a camera, indexed."""
    folder = cut_down(tiny_lab, tmp_path_factory.mktemp("machine") / "lab", is_behaviour)
    fascicle.index(folder)
    return folder


def _run(lab: Path, target: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    program = _PROGRAM.format(before=before)
    command = [sys.executable, "-c", program, str(lab), str(target)]
    return subprocess.run(command, capture_output=True, text=True)


# -- no room ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kilobytes",
    [1, pytest.param(300, marks=pytest.mark.long), 700, pytest.param(900, marks=pytest.mark.long)],
)
def test_files_may_not_get_so_large(lab: Path, tmp_path: Path, kilobytes: int) -> None:
    limit = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes << 10}, {kilobytes << 10}))"
    )
    run = _run(lab, tmp_path / "out.nwb", limit)
    assert run.returncode == 3, run.stderr
    assert run.stdout.startswith("not-enough-disk"), run.stdout
    assert sorted(tmp_path.iterdir()) == []


def test_disk_full(lab: Path, tmp_path: Path) -> None:
    """A disk of its own where one can be mounted, by whoever may; else the limit of a file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    command = (
        f'mount -t tmpfs -o size=600k tmpfs "{folder}" || exit 77; "$@"; code=$?; '
        f'ls -A "{folder}"; exit $code'
    )
    program = _PROGRAM.format(before="")
    run = subprocess.run(
        [*mount, command, "sh", sys.executable, "-c", program, str(lab), str(folder / "out.nwb")],
        capture_output=True,
        text=True,
    )
    if run.returncode != 3:
        # Namespaces or mounts are forbidden here: what the limit of a file shows is all there is.
        assert run.returncode in (1, 77, 127), run.stderr
        return
    assert run.stdout.startswith("not-enough-disk"), run.stdout
    assert "out" not in run.stdout.splitlines()[-1], run.stdout


# -- folders ---------------------------------------------------------------------------------------

#: Root may write anywhere: without this capability it may not.
_NO_OVERRIDE = """
import ctypes, os
if os.geteuid() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(head, data) == 0
    for i in (0, 1, 2):
        data[i] &= ~((1 << 1) | (1 << 2))  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(head, data) == 0
"""


def test_folder_that_may_not_be_written(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        for target in (folder / "out.nwb", folder / "more" / "out.nwb"):
            run = _run(lab, target, _NO_OVERRIDE)
            assert run.returncode == 3, run.stderr
            assert run.stdout.startswith("conversion\n") and "may write" in run.stdout
        assert sorted(folder.iterdir()) == []
    finally:
        folder.chmod(0o755)


def test_a_file_where_a_folder_should_be(lab: Path, tmp_path: Path) -> None:
    session = next(iter(fascicle.find(archives=[lab])))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConversionError):
        convert(session, tmp_path / "file" / "out.nwb", check=False, progress=False)
    with pytest.raises(ConversionError):  # without a suffix it is meant as a folder
        convert(session, tmp_path / "file", check=False, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "x"


# -- kills -----------------------------------------------------------------------------------------


def _kill(lab: Path, folder: Path, n: int, seed: int) -> None:
    program = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(program), str(lab), str(folder), str(n), str(seed)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    kills = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(kills) == n
    assert any(kill["killed"] and kill["parts"] for kill in kills), "none was killed as it wrote"
    session = next(iter(fascicle.find(archives=[lab])))
    for path in sorted(folder.glob("*.nwb")):  # whatever has the name is whole, and right
        report = Report.read(folder / "before.report.json")
        assert_true(Outcome(lab / DEMO, path, report, None))
    for kill in kills:  # the next one finds nothing in its way
        target = folder / kill["target"]
        if not kill["there"]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConversionWarning)
                assert convert(session, target, check="readback", progress=False).ok
            break
    left = [p.name for p in folder.glob(f".{target.name}.*.part")]
    assert left == [], "what a killed process left of a file goes when the file is made"


def test_killed_at_a_few_moments(lab: Path, tmp_path: Path) -> None:
    _kill(lab, tmp_path, 6, seed=1)


@pytest.mark.long
def test_killed_at_fifty_moments(lab: Path, tmp_path: Path) -> None:
    _kill(lab, tmp_path, 50, seed=2)


def test_what_is_there_is_not_touched(lab: Path, tmp_path: Path) -> None:
    session = next(iter(fascicle.find(archives=[lab])))
    target = tmp_path / "out.nwb"
    target.write_bytes(b"of somebody else")
    with pytest.raises(WouldReplace):
        convert(session, target, progress=False)
    assert target.read_bytes() == b"of somebody else"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.nwb"]

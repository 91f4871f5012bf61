"""What is converted is good NWB: to nwbinspector as DANDI configures it, and to DANDI's tool."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import pytest
from tests.conftest import peer_python
from tests.nwb.real import real_lab, some_of

import fascicle
from fascicle.archives.session import OpenSession
from fascicle.nwb.converting import convert
from fascicle.nwb.report import Report

#: The richest session of the synthetic lab.
DEMO = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
#: Where `pynwb.validate`, which takes longest, is called as well: one session of each origin.
VALIDATED = ("ibllib/", "peyrachelab/", "cortexlab/", "wittenlab/")


def _converted(session: OpenSession, folder: Path) -> Report:
    path = str(session.record.path)
    checks = ["readback", "inspect", "layout"]
    if path.startswith(VALIDATED) or path == DEMO:
        checks.append("validate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fascicle.errors.ConversionWarning)
        return convert(session, f"{folder}/", check=checks, refuse="mismatch", progress=False)


def _has_values(session: OpenSession) -> bool:
    return any("spikes.times" in path or "trials." in path for path in session.list())


@pytest.fixture(scope="module")
def dandiset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as DANDI has them, for the sessions that are converted."""
    folder = tmp_path_factory.mktemp("dandiset")
    (folder / "dandiset.yaml").write_text("identifier: DANDI:000000\nname: For tests\n")
    return folder


@pytest.fixture(scope="module")
def demo(tiny_lab: Path, dandiset: Path) -> Report:
    """Return the report on the session of the synthetic lab that has everything."""
    found = [s for s in fascicle.find(archives=[tiny_lab]) if str(s.record.path) == DEMO]
    return _converted(found[0], dandiset)


@pytest.fixture(scope="module")
def sessions(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, OpenSession]:
    """Return the real sessions that have spikes or trials."""
    lab = real_lab(shared, tmp_path_factory.mktemp("real"))
    return {str(s.record.path): s for s in fascicle.find(archives=[lab]) if _has_values(s)}


@pytest.fixture(scope="module")
def real(sessions: dict[str, OpenSession], dandiset: Path) -> dict[str, Report]:
    """Return the reports on the real sessions, of those that are alike on some."""
    return {path: _converted(sessions[path], dandiset) for path in some_of(sessions)}


@pytest.fixture(scope="module")
def alike(sessions: dict[str, OpenSession], dandiset: Path) -> dict[str, Report]:
    """Return the reports on the others."""
    others = sorted(sessions.keys() - set(some_of(sessions)))
    return {path: _converted(sessions[path], dandiset) for path in others}


def _bad(report: Report) -> list[str]:
    return [f"{f.level}: {f}" for f in report.findings if f.level != "suggestion"]


def test_the_session_with_everything(demo: Report) -> None:
    assert [check.name for check in demo.checks] == ["readback", "validate", "inspect", "layout"]
    assert _bad(demo) == []
    assert demo.ok
    readback, _, inspect, layout = demo.checks
    assert readback.checked == len(demo.took) > 60
    assert inspect.checked > 80
    assert not layout.findings
    assert not demo.left_out


def test_real_sessions(real: dict[str, Report]) -> None:
    assert len(real) >= 9
    assert {path: _bad(report) for path, report in real.items() if _bad(report)} == {}
    assert all(report.ok for report in real.values())
    assert sum(report.check("validate") is not None for report in real.values()) >= 5


@pytest.mark.long
def test_real_sessions_that_are_as_others_are(alike: dict[str, Report]) -> None:
    assert len(alike) >= 9
    assert {path: _bad(report) for path, report in alike.items() if _bad(report)} == {}
    assert all(report.ok for report in alike.values())


def test_nwbinspector_is_asked_as_its_command_line_asks(demo: Report, tmp_path: Path) -> None:
    """No part of ours is between the file and the judge."""
    from nwbinspector import Importance, inspect_nwbfile, load_config

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(
            inspect_nwbfile(nwbfile_path=demo.file, config=load_config("dandi"), skip_validate=True)
        )
    assert [m for m in found if m.importance != Importance.BEST_PRACTICE_SUGGESTION] == []
    inspect = demo.check("inspect")
    assert inspect is not None and len(inspect.findings) == len(found)


@pytest.mark.peer
@pytest.mark.heavy
def test_dandi_validate(
    shared: Path,
    dandiset: Path,
    demo: Report,
    real: dict[str, Report],
    alike: dict[str, Report],
    tmp_path: Path,
) -> None:
    """Files with their reports beside them pass, all in one folder."""
    every = real | alike
    assert demo.ok and all(report.ok for report in every.values())
    dandi = peer_python(shared, "dandi", "dandi").with_name("dandi")
    reports = list(dandiset.glob("sub-*/*.report.json"))
    assert len(reports) == len(list(dandiset.glob("sub-*/*.nwb"))) == len(every) + 1
    run = subprocess.run(
        [str(dandi), "validate", str(dandiset)],
        capture_output=True,
        text=True,
        env={**os.environ, "DANDI_NO_ET": "1", "HOME": str(tmp_path)},
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0 and "No errors found" in said, said

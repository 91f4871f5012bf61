"""Many sessions at once: a pool, a Dask cluster, workers that are killed, runs that go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import fascicle
from fascicle.archives import OpenSession
from fascicle.batch import Conversions, convert_sessions
from fascicle.cli.app import fascicle as command
from fascicle.demo import index_lab, make_lab, plan_lab
from fascicle.errors import MetadataError
from fascicle.formats.nwb import NwbFile

#: Enough for what is looked at here; the files are looked at where conversions are tested.
QUICK = {"check": False}


@pytest.fixture(scope="module")
def lab(tiny_lab: Path) -> list[OpenSession]:
    """Four sessions, one of them with probes."""
    sessions = list(fascicle.find(archives=tiny_lab))
    sessions.sort(key=lambda session: (not session.insertions, session.record.path))
    return [*sessions[:1], *[s for s in sessions if not s.insertions][:3]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster


def whole(done: Conversions, sessions: list[OpenSession]) -> None:
    """Check that each file is there, is that of its session, and nothing else is."""
    assert [row.eid for row in done] == [str(session.eid) for session in sessions]
    assert done.ok, str(done)
    for row in done:
        assert Path(row.file).stat().st_size == row.size > 0
        with NwbFile(row.file) as file:
            assert file.value("general/session_id") == row.eid
    kept = {Path(row.file) for row in done}
    assert set(done.folder.rglob("*.nwb")) == kept
    assert not list(done.folder.rglob("*.part"))


@pytest.mark.parametrize("where", ["here", "pool", "cluster"])
def test_all_are_converted_and_the_next_run_does_none_again(
    where: str, lab: list[OpenSession], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "here": lambda: {"workers": 1},
        "pool": lambda: {"workers": 2},
        "cluster": lambda: {"scheduler": request.getfixturevalue("cluster").scheduler_address},
    }
    way = ways[where]()
    sessions = lab[:2] if where == "here" else lab[:3]
    done = convert_sessions(sessions, tmp_path, **way, **QUICK)
    whole(done, sessions)
    assert {row.state for row in done} == {"converted"}
    assert all(row.datasets > 3 for row in done)
    stamps = {row.file: os.stat(row.file).st_mtime_ns for row in done}

    again = convert_sessions(sessions, tmp_path, **way, **QUICK)
    whole(again, sessions)
    assert {row.state for row in again} == {"there"}
    assert [row.datasets for row in again] == [row.datasets for row in done]
    assert {row.file: os.stat(row.file).st_mtime_ns for row in again} == stamps


def test_a_session_that_fails_stops_no_other(lab: list[OpenSession], tmp_path: Path) -> None:
    gone = {"subject": {"species": "a dragon"}}
    first, *rest = lab[1:4]
    done = convert_sessions([first], tmp_path, metadata=gone, workers=1, **QUICK)
    assert not done.ok and done[0].kind == "MetadataError" and "species" in done[0].error
    assert not list(tmp_path.rglob("*.nwb"))
    both = convert_sessions([first, *rest], tmp_path, workers=2, **QUICK)
    whole(both, [first, *rest])


def test_a_file_that_was_made_before_the_record_was_is_known(
    lab: list[OpenSession], tmp_path: Path
) -> None:
    done = convert_sessions(lab[1:2], tmp_path, workers=1, **QUICK)
    for record in (tmp_path / ".fascicle" / "conversions").iterdir():
        record.unlink()
    again = convert_sessions(lab[1:2], tmp_path, workers=1, **QUICK)
    assert again[0].state == "there" and again[0].file == done[0].file


def test_a_file_that_was_removed_is_made_again(lab: list[OpenSession], tmp_path: Path) -> None:
    done = convert_sessions(lab[1:2], tmp_path, workers=1, **QUICK)
    Path(done[0].file).unlink()
    assert convert_sessions(lab[1:2], tmp_path, workers=1, **QUICK)[0].state == "converted"


def test_what_holds_for_all_goes_into_each(lab: list[OpenSession], tmp_path: Path) -> None:
    common = tmp_path / "common.yaml"
    common.write_text(
        "session: {institution: The University of Here}\n"
        "objects: [{nwb: intervals/trials, 'on': false}]\n"
    )
    done = convert_sessions(lab[1:3], tmp_path / "nwb", metadata=common, workers=1, **QUICK)
    for row in done:
        with NwbFile(row.file) as file:
            assert file.value("general/institution") == "The University of Here"
            assert not file.has("intervals/trials")


def test_the_document_of_one_session_is_for_that_session(
    lab: list[OpenSession], tmp_path: Path
) -> None:
    from fascicle.nwb import SessionMetadata

    session = lab[1]
    document = SessionMetadata.from_archive(session.archive, session.eid)
    document.session["session_description"] = "One of a kind"
    document.write(tmp_path / "one.json")
    nwb = tmp_path / "nwb"
    done = convert_sessions([session], nwb, metadata=tmp_path / "one.json", workers=1, **QUICK)
    with NwbFile(done[0].file) as file:
        assert file.value("session_description") == "One of a kind"
    with pytest.raises(MetadataError, match="no other's"):
        convert_sessions(lab[:2], nwb, metadata=tmp_path / "one.json", **QUICK)


def test_the_command(lab: list[OpenSession], tmp_path: Path) -> None:
    archive, eids = lab[1].archive.name, [str(session.eid) for session in lab[1:3]]
    args = ["convert", *eids, "--from", archive, "--to", str(tmp_path / "nwb"), "--workers", "1"]
    page = tmp_path / "all.html"
    done = CliRunner().invoke(command, [*args, "--no-check", "--table", str(page)])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("converted") == 2 and "2 sessions: 2 converted" in done.stderr
    assert page.read_text().count("<tr>") == 3
    table = tmp_path / "all.csv"
    again = CliRunner().invoke(command, [*args, "--table", str(table)])
    assert again.exit_code == 0 and again.stdout.count("there") == 2
    assert len(table.read_text().splitlines()) == 3
    nowhere = CliRunner().invoke(command, [*args, "--table", str(table / "all.csv")])
    assert nowhere.exit_code and nowhere.stdout.count("there") == 2  # which is said all the same
    draft = tmp_path / "session.yaml"
    wrote = CliRunner().invoke(
        command, ["convert", eids[0], "--from", archive, "--write-metadata", str(draft)]
    )
    assert wrote.exit_code == 0 and eids[0] in draft.read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--to", "x"], "say which sessions"),
        (["--all", "--lab", "zadorlab", "--to", "x"], "one of these"),
        (["--lab", "zadorlab"], "say where to"),
        (["--all", "--write-metadata", "x.yaml"], "for one session"),
    ],
)
def test_the_command_is_not_understood(args: list[str], said: str, lab: list[OpenSession]) -> None:
    done = CliRunner().invoke(command, ["convert", "--from", lab[0].archive.name, *args])
    assert done.exit_code == 2 and said in done.output


def test_nothing_matches(lab: list[OpenSession], tmp_path: Path) -> None:
    args = ["convert", "--from", lab[0].archive.name, "--lab", "nobody", "--to", str(tmp_path)]
    assert CliRunner().invoke(command, args).exit_code == 1


# -- workers that are killed -----------------------------------------------------------------------


def kill_when(folder: Path, n: int, pids: Callable[[], list[int]]) -> threading.Thread:
    """Kill one worker as soon as so many files are there."""

    def watch() -> None:
        for _ in range(6000):
            if len(list(folder.rglob("*.nwb"))) >= n and (found := pids()):
                os.kill(found[0], signal.SIGKILL)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def children() -> list[int]:
    """Processes of a pool of this one, that are at work."""
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children() if child.pid]


def test_a_worker_of_the_pool_is_killed(lab: list[OpenSession], tmp_path: Path) -> None:
    killer = kill_when(tmp_path, 1, children)
    done = convert_sessions(lab, tmp_path, workers=2, **QUICK)
    killer.join(60)
    whole(done, lab)


def test_a_worker_of_the_cluster_is_killed(
    lab: list[OpenSession], cluster: Any, tmp_path: Path
) -> None:
    killer = kill_when(tmp_path, 1, lambda: [w.pid for w in cluster.workers.values()])
    done = convert_sessions(lab, tmp_path, scheduler=cluster.scheduler_address, **QUICK)
    killer.join(60)
    whole(done, lab)


@pytest.fixture(scope="module")
def two_hundred(tmp_path_factory: pytest.TempPathFactory) -> list[OpenSession]:
    folder = tmp_path_factory.mktemp("lab") / "lab"
    make_lab(folder, size="tiny", sessions=plan_lab("medium")[:200])
    index_lab(folder)
    return list(fascicle.find(archives=folder))


@pytest.mark.long
@pytest.mark.parametrize("where", ["pool", "cluster"])
def test_two_hundred_sessions_and_a_worker_that_is_killed_half_way(
    where: str, two_hundred: list[OpenSession], tmp_path: Path
) -> None:
    import distributed

    if where == "pool":
        killer = kill_when(tmp_path, 100, children)
        done = convert_sessions(two_hundred, tmp_path, workers=2)
    else:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster:
            killer = kill_when(tmp_path, 100, lambda: [w.pid for w in cluster.workers.values()])
            done = convert_sessions(two_hundred, tmp_path, scheduler=cluster.scheduler_address)
    killer.join(1)
    assert not killer.is_alive(), "nobody was killed"
    whole(done, two_hundred)
    assert len(done) == 200

"""What is loaded is noted once, by every process, and costs nothing where nobody asks."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fascicle
from fascicle import analysis
from fascicle.archives import FolderArchive, OpenSession
from fascicle.archives.record import Use, public, read_uses
from fascicle.errors import ALFObjectNotFound, ConfigurationError, LockError
from fascicle.one.api import One

CONTEXTS = ["fork", "spawn"]


@pytest.fixture(scope="session")
def hashed(lab_folder: Path) -> Path:
    fascicle.index(lab_folder, hash_files=True)
    return lab_folder


@pytest.fixture
def session(hashed: Path) -> OpenSession:
    found = fascicle.find(archives=hashed, datasets=["spikes.times", "trials.table"])
    return next(s for s in found if s.insertions)


def names(uses: list[Use]) -> set[str]:
    return {use.name for use in uses}


def test_off_by_default(session: OpenSession) -> None:
    assert "FASCICLE_RECORD" not in os.environ
    code = (
        "import sys, fascicle.archives.session, fascicle.one.files;"
        "print([m for m in sys.modules if m.startswith('fascicle') and m.rpartition('.')[2] in "
        "('record', 'pins', 'lock', 'uses', 'contents')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"  # what watches is not even imported
    assert len(session.load("trials"))


def test_notes_each_file_once(session: OpenSession, hashed: Path) -> None:
    with fascicle.recording() as used:
        session.load("trials")
        session.load("trials")
        table = session.file("_ibl_trials.table.pqt")
        assert len(used) == len(session.list("trials"))  # to be seen in the block too
    assert len(used) == len(session.list("trials"))
    (use,) = [use for use in used.uses if use.path.endswith("table.pqt")]
    identity, digest, size = next(
        session.datasets.record(k)
        for k, path in enumerate(session.datasets.rel_paths)
        if path == use.path
    )
    assert (use.archive, use.kind, use.version) == (str(hashed), "folder", "")
    assert (use.session, use.eid, use.id) == (session.record.path, str(session.eid), str(identity))
    assert (use.algorithm, use.hash, use.size, use.sure) == ("md5", digest, size, True)
    assert (use.file, use.url) == (str(table), table.as_uri())
    assert use.seen is not None and use.seen[0] == size
    session.load("wheel")
    assert len(used) == len(session.list("trials"))  # it is over
    assert "FASCICLE_RECORD" not in os.environ


def test_a_table_to_look_at(session: OpenSession) -> None:
    with fascicle.recording() as used:
        session.load("wheel")
    frame = used.frame()
    assert list(frame["path"]) == sorted(session.list("wheel"))
    assert set(frame["hash"].str.len()) == {32}
    assert "_ibl_wheel.position" in used._repr_html_()
    assert repr(used) == f"<record of {len(used)} files>"


def test_every_way_to_load(session: OpenSession, hashed: Path) -> None:
    one = One(cache_dir=hashed)
    path = "alf/_ibl_wheel.position.npy"
    (position,) = [k for k, p in enumerate(session.datasets.rel_paths) if p == path]
    identity = session.datasets.record(position)[0]
    ways = {
        "session.load": lambda: session.load("wheel"),
        "session.read": lambda: session.read("wheel.position"),
        "session.file": lambda: session.file(path),
        "session.files": lambda: session.files("wheel*"),
        "load_object": lambda: one.load_object(session.eid, "wheel"),
        "load_dataset": lambda: one.load_dataset(session.eid, "_ibl_wheel.position.npy"),
        "load_datasets": lambda: one.load_datasets(session.eid, ["_ibl_wheel.position.npy"]),
        "load_dataset_from_id": lambda: one.load_dataset_from_id(identity),
        "load_collection": lambda: one.load_collection(session.eid, "alf", object="wheel"),
        "download_only": lambda: one.load_dataset(session.eid, path, download_only=True),
    }
    for way, load in ways.items():
        with fascicle.recording() as used:
            load()
        found = [use for use in used.uses if use.path == path]
        assert len(found) == 1, way
        assert found[0].eid == str(session.eid), way
        assert found[0].id == str(identity), way
        assert (found[0].archive, found[0].kind) == (str(hashed), "folder"), way
        assert found[0].sure, way


def test_analysis_is_noted(session: OpenSession) -> None:
    with fascicle.recording() as used:
        analysis.units(session, spikes=True)
        analysis.trials(session)
    assert {"spikes.times.npy", "_ibl_trials.table.pqt"} <= {
        use.path.rpartition("/")[2] for use in used.uses
    }


def test_what_fails_is_not_noted(session: OpenSession) -> None:
    with fascicle.recording() as used, pytest.raises(ALFObjectNotFound):
        session.load("nothing")
    assert len(used) == 0


def test_aggregates_are_noted(tmp_path: Path, hashed: Path) -> None:
    lab = tmp_path / "lab"
    path = "aggregates/Subjects/lab/mouse/_ibl_subjectTrials.table.npy"
    (lab / path).parent.mkdir(parents=True)
    np.save(lab / path, np.arange(3))
    source = next(hashed.glob("*/Subjects/*/*/*"))
    target = lab / source.relative_to(hashed)
    (target / "alf").mkdir(parents=True)
    np.save(target / "alf" / "_ibl_wheel.position.npy", np.arange(4.0))
    fascicle.index(lab)
    one = One(cache_dir=lab)
    with fascicle.recording() as used:
        one.load_aggregate("subjects", "lab/mouse", "_ibl_subjectTrials.table.npy")
    (use,) = used.uses
    assert (use.session, use.eid, use.path) == ("", "", path)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking beside threads
def test_children_are_noted(session: OpenSession, context: str) -> None:
    with fascicle.recording() as used:
        session.load("wheel")
        with multiprocessing.get_context(context).Pool(2) as pool:
            pool.map(session.read, session.list("wheelMoves"))
            pool.map(session.read, session.list("trials"))
            pool.close()
            pool.join()
    wanted = {*session.list("wheel"), *session.list("wheelMoves"), *session.list("trials")}
    assert {use.path for use in used.uses} == wanted


def test_threads_are_noted_once(session: OpenSession) -> None:
    with fascicle.recording() as used:
        threads = [threading.Thread(target=session.load, args=("trials",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (file,) = used.folder.glob("*.jsonl")
        assert len(file.read_text().splitlines()) == len(session.list("trials"))
    assert len(used) == len(session.list("trials"))


def test_blocks_in_blocks(session: OpenSession) -> None:
    with fascicle.recording() as outer:
        session.load("wheel")
        with fascicle.recording() as inner:
            session.load("trials")
        session.load("wheelMoves")
    assert names(inner.uses) < names(outer.uses)
    assert {use.path for use in inner.uses} == set(session.list("trials"))
    wanted = {*session.list("wheel"), *session.list("wheelMoves"), *session.list("trials")}
    assert {use.path for use in outer.uses} == wanted


def test_a_killed_process_loses_nothing(session: OpenSession, tmp_path: Path) -> None:
    code = (
        "import pickle, sys, os, signal\n"
        "session = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "session.load('trials')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"FASCICLE_RECORD": str(tmp_path / "records")}
    run = subprocess.run([sys.executable, "-c", code, pickle.dumps(session).hex()], env=environment)
    assert run.returncode == -signal.SIGKILL
    uses = read_uses(tmp_path / "records")
    assert {use.path for use in uses} == set(session.list("trials"))


def test_a_line_that_was_cut_is_left_out(session: OpenSession, tmp_path: Path) -> None:
    with fascicle.recording() as used:
        session.load("wheel")
    line = json.dumps(used.uses[0]._asdict())
    (tmp_path / "1.jsonl").write_text(f"{line}\n{line[:40]}")
    assert len(read_uses(tmp_path)) == 1


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"archive": 1}', "[" * 5000])
def test_what_is_no_record_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "1.jsonl").write_text(f"{line}\n")
    with pytest.raises(LockError, match=r"line 1 of .*1\.jsonl is no record"):
        read_uses(tmp_path)


def test_a_folder_that_cannot_be_written(
    session: OpenSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASCICLE_RECORD", str(tmp_path / "file" / "records"))
    with pytest.raises(ConfigurationError, match="FASCICLE_RECORD"):
        session.load("trials")


def test_a_changed_file_is_no_longer_sure(tmp_path: Path) -> None:
    file = tmp_path / "lab/cortexlab/Subjects/A/2020-01-01/001/alf/_ibl_wheel.position.npy"
    file.parent.mkdir(parents=True)
    np.save(file, np.arange(4.0))
    past = 1_600_000_000
    os.utime(file, (past, past))
    fascicle.index(tmp_path / "lab", hash_files=True)
    (session,) = fascicle.find(archives=tmp_path / "lab")
    np.save(file, np.arange(5.0))
    with fascicle.recording() as used:
        FolderArchive(tmp_path / "lab").open(session.eid).load("wheel")
    assert not used.uses[0].sure


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:secret@host/a.json?signature=1", "https://host/a.json"),
        ("s3://bucket/project@1.0.0", "s3://bucket/project@1.0.0"),
        ("https://host/a@b/c.json", "https://host/a@b/c.json"),
        ("/data/what?/lab", "/data/what?/lab"),
        ("file:///data/%23x", "file:///data/%23x"),
    ],
)
def test_no_secrets_are_noted(address: str, shown: str) -> None:
    assert public(address) == shown

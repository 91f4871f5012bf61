"""`fascicle.get`: files of sessions brought into a folder that opens with their ids."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import fascicle
from fascicle.archives import FolderArchive
from fascicle.archives.fetch import is_file_address
from fascicle.errors import (
    ConfigurationError,
    IncompleteWarning,
    RemoteNotFound,
    SessionNotFound,
    WouldReplace,
)
from fascicle.transfer import Ledger, Limits, Plan, verify_store


@pytest.fixture(scope="session")
def hashed(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FolderArchive:
    """Return the lab with an index that has hashes; not to be changed."""
    from fascicle.demo import make_lab

    folder = make_lab(tmp_path_factory.mktemp("hashed"), size="tiny")
    fascicle.index(folder, hash_files=True)
    return FolderArchive(folder)


def facts(archive: FolderArchive, eid) -> dict[str, object]:
    session = archive.open(eid)
    held = session.datasets
    cat = archive.catalogue()
    return {
        "session": session.record,
        "datasets": {
            path: (held.record(k), held.qc[k], held.exists[k])
            for k, path in enumerate(held.rel_paths)
        },
        "insertions": {
            i.pid: (i.name, i.model, i.serial, i.extra, cat.regions(i.pid))
            for i in session.insertions
        },
    }


def test_some_datasets_come_with_ids_hashes_and_regions(hashed, tmp_path):
    found = fascicle.find(region="TH", archives=hashed)
    assert len(found)
    plan = fascicle.get(found, datasets=["spikes.times", "trials"], to=tmp_path / "to")
    assert len(plan) and len(plan.to_fetch) == len(plan)
    assert not (tmp_path / "to").exists()  # nothing is done before it is run
    result = plan.run()
    assert not result.failed and not result.notes
    brought = FolderArchive(tmp_path / "to")
    assert brought.catalogue().eids() == found.eids
    for session in found:
        there, here = facts(hashed, session.eid), facts(brought, session.eid)
        assert here["session"] == there["session"]
        assert here["insertions"] == there["insertions"]
        assert here["datasets"]
        for path, row in here["datasets"].items():
            assert row == there["datasets"][path]
        wanted = hashed.open(session.eid).list(["spikes.times", "trials"])
        assert sorted(here["datasets"]) == wanted
        assert brought.open(session.eid).load("trials").keys() == session.load("trials").keys()
    again = fascicle.find(region="TH", archives=brought)
    assert again.eids == found.eids
    number = brought.catalogue().number
    fascicle.get(found, datasets=["spikes.times", "trials"], to=tmp_path / "to").run()
    assert FolderArchive(tmp_path / "to").catalogue().number == number  # nothing new, no new state
    assert again.frame.n_channels.tolist() == found.frame.n_channels.tolist()
    assert {check.status for check in verify_store(tmp_path / "to")} == {"verified"}


def test_files_are_copies_and_not_links_to_the_source(hashed, tmp_path):
    session = next(iter(fascicle.find(datasets="trials", archives=hashed)))
    fascicle.get(session, datasets="trials", to=tmp_path).run().raise_for_failed()
    for path in FolderArchive(tmp_path).open(session.eid).files():
        source = Path(str(path).replace(str(tmp_path), str(hashed.folder)))
        assert path.stat().st_ino != source.stat().st_ino
        assert path.stat().st_nlink == 1
        assert os.access(path, os.W_OK)


def test_a_second_get_brings_what_is_new_and_keeps_what_is_there(hashed, tmp_path):
    session = next(iter(fascicle.find(datasets=["trials", "wheel"], archives=hashed)))
    fascicle.get(session, datasets="trials", to=tmp_path).run()
    plan = fascicle.get(session, datasets=["trials", "wheel"], to=tmp_path)
    assert plan.here and plan.to_fetch
    assert all("wheel" in item.target.name for item in plan.to_fetch)
    plan.run().raise_for_failed()
    wanted = hashed.open(session.eid).list(["trials", "wheel"])
    assert FolderArchive(tmp_path).open(session.eid).list() == wanted


def test_what_is_here_already_is_entered_all_the_same(hashed, tmp_path):
    """A run that was killed after its files came, and before their rows, is completed."""
    session = next(iter(fascicle.find(datasets="trials", archives=hashed)))
    plan = fascicle.get(session, datasets="trials", to=tmp_path)
    Plan(plan.items, plan.store).run().raise_for_failed()  # what follows is left out
    again = fascicle.get(session, datasets="trials", to=tmp_path)
    assert not again.to_fetch
    again.run()
    assert FolderArchive(tmp_path).open(session.eid).list("trials")


def test_regions_stay_when_the_folder_is_indexed_again(hashed, tmp_path):
    found = fascicle.find(region="TH", archives=hashed)
    fascicle.get(found, datasets="trials", to=tmp_path).run()
    fascicle.index(tmp_path)
    again = fascicle.find(region="TH", archives=tmp_path)
    assert again.eids == found.eids


def test_two_at_once_into_one_folder_lose_nothing(hashed, tmp_path):
    code = """
import sys, fascicle
archive, eid, to = sys.argv[1:]
session = fascicle.open(archive).open(eid)
fascicle.get(session, datasets="trials", to=to).run(progress=False).raise_for_failed()
"""
    found = list(fascicle.find(datasets="trials", archives=hashed))[:4]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, hashed.name, str(s.eid), str(tmp_path / "to")],
            stderr=subprocess.PIPE,
        )
        for s in found
    ]
    for process in processes:
        assert process.wait(120) == 0, process.communicate()[1]
        process.stderr.close()
    brought = FolderArchive(tmp_path / "to")
    assert sorted(brought.catalogue().eids()) == sorted(s.eid for s in found)
    for session in found:
        assert brought.open(session.eid).list() == session.list("trials")


def test_a_plan_that_was_pickled_and_split_enters_all(hashed, tmp_path):
    found = fascicle.find(datasets="trials", archives=hashed)[:3]
    plan = pickle.loads(pickle.dumps(fascicle.get(found, datasets="trials", to=tmp_path)))
    for part in plan.split(3):
        pickle.loads(pickle.dumps(part)).run().raise_for_failed()
    brought = FolderArchive(tmp_path)
    for session in found:
        assert brought.open(session.eid).list() == session.list("trials")


def test_a_whole_folder(hashed, tmp_path):
    plan = fascicle.get(hashed.name, to=tmp_path)
    plan.run().raise_for_failed()
    brought = FolderArchive(tmp_path)
    ours, theirs = brought.catalogue(), hashed.catalogue()
    assert ours.n_sessions == theirs.n_sessions and ours.n_datasets == theirs.n_datasets
    assert ours.n_insertions == theirs.n_insertions


def test_patterns_and_sizes(hashed, tmp_path):
    plan = fascicle.get(hashed, to=tmp_path, include=["*trials*"], exclude=["*.pqt"], max_size=9000)
    assert len(plan)
    assert all("trials" in i.target.name and i.target.suffix != ".pqt" for i in plan.items)
    plan.run()
    names = {path.rpartition("/")[2] for path in FolderArchive(tmp_path).catalogue().paths()}
    assert names == {item.target.name for item in plan.items}


def test_a_folders_own_files_are_here(lab, tmp_path):
    session = next(iter(fascicle.find(datasets="trials", archives=lab)))
    plan = fascicle.get(session, datasets="trials")
    assert len(plan.here) == len(plan) > 0
    assert plan.run().ok
    assert not (lab.folder / ".fascicle" / "ledger").exists()


def test_sessions_of_two_archives_into_one_folder(hashed, small, tmp_path):
    fascicle.index(small)
    found = fascicle.find(datasets="trials", archives=[hashed.name, str(small)])
    assert len({a.name for a in found.archives}) == 2
    result = fascicle.get(found, datasets="trials", to=tmp_path / "to").run()
    assert not result.failed
    assert sorted(FolderArchive(tmp_path / "to").catalogue().eids()) == sorted(found.eids)
    both = fascicle.get(found, datasets="trials")  # each in its own folder
    assert len(both.parts) == 2 and len(both.here) == len(both)
    assert not both.run().failed
    assert len(both.select(include=["*choice*"])) < len(both)
    assert sum(len(part) for part in both.split(2)) == len(both)
    assert str(small) in str(both) and hashed.name in str(both)
    assert pickle.loads(pickle.dumps(both)) == both


def test_a_file_that_is_gone_from_the_source(small, tmp_path):
    fascicle.index(small)
    gone = small / "cortexlab/Subjects/A/2020-01-01/001/alf/_ibl_trials.contrastLeft.npy"
    gone.unlink()
    result = fascicle.get(str(small), to=tmp_path / "to").run()
    assert [type(o.error) for o in result.failed] == [RemoteNotFound]
    brought = FolderArchive(tmp_path / "to")
    assert brought.catalogue().n_datasets == 7  # and not the one that did not come


def test_a_file_that_was_changed_at_the_source_is_not_entered(small, tmp_path):
    file = small / "cortexlab/Subjects/A/2020-01-01/001/alf/_ibl_trials.contrastLeft.npy"
    np.save(file, np.arange(7.0))  # like no other
    fascicle.index(small, hash_files=True)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    result = fascicle.get(str(small), to=tmp_path / "to").run()
    assert [o.item.target.name for o in result.failed] == [file.name]
    assert FolderArchive(tmp_path / "to").catalogue().n_datasets == 7


def test_a_users_own_file_is_not_replaced(small, tmp_path):
    fascicle.index(small, hash_files=True)
    own = tmp_path / "to/cortexlab/Subjects/A/2020-01-01/001/alf/_ibl_trials.choice.npy"
    own.parent.mkdir(parents=True)
    np.save(own, np.zeros(3))
    before = own.read_bytes()
    with pytest.raises(WouldReplace, match="choice"):
        fascicle.get(str(small), to=tmp_path / "to")
    assert own.read_bytes() == before
    fascicle.get(str(small), to=tmp_path / "to", exclude=["*choice*"]).run().raise_for_failed()
    fascicle.get(str(small), to=tmp_path / "to", replace=True).run().raise_for_failed()
    assert own.read_bytes() != before
    # What was fetched may be replaced by what is newer.
    np.save(small / own.relative_to(tmp_path / "to"), np.arange(9.0))
    fascicle.index(small, hash_files=True)
    fascicle.get(str(small), to=tmp_path / "to").run().raise_for_failed()
    assert np.load(own).size == 9


def test_a_session_that_the_folder_knows_under_another_id_keeps_it(small, tmp_path):
    import shutil

    fascicle.index(small, hash_files=True)
    other = tmp_path / "other"
    shutil.copytree(small / "zadorlab", other / "zadorlab")
    fascicle.index(other)
    sessions = fascicle.find(subject="B-1", archives=other)
    cat = FolderArchive(other).catalogue()
    from uuid import uuid4

    from fascicle.catalogue import Change

    (old,) = sessions.eids
    new = cat.session(cat.row(old))._replace(eid=uuid4())
    rows = cat.datasets_frame([cat.row(old)]).reset_index()
    cat.commit(Change([new], delete_sessions=[old]))
    assert len(rows) == 1
    plan = fascicle.get(str(small), to=other)
    with pytest.warns(IncompleteWarning, match="keeps it"):
        plan.run().raise_for_failed()
    archive = FolderArchive(other)
    assert archive.open(new.eid).list() == ["raw_video_data/_iblrig_leftCamera.raw.mp4"]
    assert archive.catalogue().n_sessions == 3


def test_an_index_that_cannot_be_written_loses_no_file(small, tmp_path):
    fascicle.index(small)
    to = tmp_path / "to"
    to.mkdir()
    (to / ".fascicle").mkdir()
    (to / ".fascicle" / "log").write_text("in the way")
    plan = fascicle.get(str(small), to=to)
    with pytest.warns(IncompleteWarning, match="the files are here"):
        result = plan.run()
    assert not result.failed and len(result.ok) == 8
    assert "not all that follows" in result.notes[0]


# -- single files ---------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "a file.npy").write_bytes(b"x" * 70_000)
    (folder / "b.npy").write_bytes(b"y" * 400_000)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_single_files_by_their_addresses(web, tmp_path):
    quick = Limits(retries=1, backoff=0.01)
    result = fascicle.get([f"{web}/a%20file.npy", f"{web}/b.npy"], to=tmp_path / "to").run()
    assert (tmp_path / "to/a file.npy").read_bytes() == b"x" * 70_000
    assert [o.status for o in result.items] == ["fetched"] * 2
    assert Ledger(tmp_path / "to").rows()["b.npy"].state == "unverified"
    right = hashlib.sha256(b"y" * 400_000).hexdigest()
    fascicle.get(f"{web}/b.npy", to=tmp_path / "one", hash=right).run().raise_for_failed()
    assert Ledger(tmp_path / "one").rows()["b.npy"].state == "verified"
    blake = "blake2b:" + hashlib.blake2b(b"y" * 400_000).hexdigest()
    assert fascicle.get(f"{web}/b.npy", to=tmp_path / "two", hash=blake).run().ok
    wrong = fascicle.get(f"{web}/b.npy", to=tmp_path / "three", hash="0" * 32).run(limits=quick)
    assert wrong.failed and not (tmp_path / "three/b.npy").exists()


@pytest.mark.parametrize(
    ("text", "is_file"),
    [
        ("https://host/a/b.npy", True),
        ("s3://bucket/a/b.nwb", True),
        ("https://host/a/b.tar.gz?x=1", True),
        ("s3://bucket/project", False),
        ("s3://bucket", False),
        ("s3://my.bucket.org", False),
        ("s3://bucket/project@1.1.0", False),
        ("s3://bucket/a@b.npy", True),
        ("https://host/manifests/p_project_manifest_v1.0.0.json", False),
        ("https://host/releases/20240330/manifest.json", False),
        ("/data/lab", False),
        ("2020-01-01_1_me", False),
    ],
)
def test_which_addresses_are_files(text, is_file):
    assert is_file_address(text) is is_file


def test_what_cannot_be_got(hashed, tmp_path):
    with pytest.raises(ConfigurationError, match="no folder was named"):
        fascicle.get("https://host/b.npy")
    with pytest.raises(ConfigurationError, match="checksum"):
        fascicle.get("https://host/b.npy", to=tmp_path, hash="12")
    with pytest.raises(ConfigurationError, match="one file alone"):
        fascicle.get(hashed, to=tmp_path, hash="0" * 32)
    with pytest.raises(ConfigurationError, match="nothing that can be got"):
        fascicle.get(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no session"):
        fascicle.get([3])  # type: ignore[list-item]


def test_a_session_by_its_reference(hashed, tmp_path, monkeypatch):
    monkeypatch.setenv("FASCICLE_ARCHIVES", hashed.name)
    session = next(iter(fascicle.find(datasets="trials", archives=hashed)))
    reference = f"{session.date}_{session.number}_{session.subject}"
    assert len(fascicle.get(reference, to=tmp_path)) == len(session.list())
    assert len(fascicle.get(str(session.eid), to=tmp_path)) == len(session.list())
    with pytest.raises(SessionNotFound):
        fascicle.get("2020-01-01_1_nobody")


def test_nothing_matches(hashed, tmp_path):
    session = next(iter(fascicle.find(datasets="trials", archives=hashed)))
    plan = fascicle.get(session, datasets="trails", to=tmp_path)
    assert len(plan) == 0 and "did you mean 'trials" in str(plan)
    assert not plan.run().items


# -- the official client --------------------------------------------------------------------------

PEER = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from one.api import One
one = One(cache_dir=sys.argv[1])
out = {}
for eid in one.search():
    trials = one.load_object(eid, "trials", collection="alf")
    out[str(eid)] = [sorted(one.list_datasets(eid)), int(len(trials["choice"]))]
print(json.dumps(out))
"""


@pytest.mark.peer
def test_the_official_client_lists_and_loads_what_was_brought(hashed, tmp_path, one_python):
    found = fascicle.find(datasets="trials.choice", task="*ephys*", archives=hashed)
    fascicle.get(found, datasets="trials", collection="alf", to=tmp_path).run().raise_for_failed()
    command = [str(one_python), "-c", PEER, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert json.loads(run.stdout) == {
        str(s.eid): [
            s.list("trials", collection="alf"),
            len(s.load("trials", collection="alf")["choice"]),
        ]
        for s in found
    }

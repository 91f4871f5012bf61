"""`fascicle.get` from releases: some sessions, or all of it, into a folder or into the store."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import pickle
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import fascicle
from fascicle.archives import FolderArchive
from fascicle.archives.layout import RECORD
from fascicle.archives.sizes import with_sizes
from fascicle.demo.release import BUCKET, PROJECT, make_release
from fascicle.errors import OfflineError
from fascicle.releases import publish
from fascicle.testing.s3 import S3Server
from fascicle.transfer import Ledger, Source, make_plan, verify_store

LAB = "s3://lab-bucket/lab"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(scope="module")
def folder(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that a lab was published to."""
    to = tmp_path_factory.mktemp("published") / "lab"
    about = {"title": "A lab", "license": "CC-BY-4.0", "authors": ["A. B."]}
    publish(lab_folder, version="1.0.0", to=to, project="lab", progress=False, **about)
    return to


@pytest.fixture(scope="module")
def filled(server: S3Server, folder: Path) -> S3Server:
    server.make_bucket("lab-bucket")
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            key = file.relative_to(folder).as_posix()
            server.put("lab-bucket", f"lab/{key}", file.read_bytes())
    server.make_bucket(BUCKET)
    make_release(lambda key, data, **_: server.put(BUCKET, key, data))
    return server


@pytest.fixture(autouse=True)
def endpoint(filled: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", filled.url)
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    return filled.url


def test_a_whole_release_has_its_tables_at_its_root(folder, lab_folder, tmp_path):
    plan = fascicle.get(LAB, to=tmp_path / "to")
    assert plan.store == tmp_path / "to" and not plan.after
    result = pickle.loads(pickle.dumps(plan)).run()
    assert not result.failed and not result.notes
    for name in ("sessions.pqt", "datasets.pqt", "insertions.pqt"):
        assert filecmp.cmp(tmp_path / "to" / name, folder / name, shallow=False)
    brought = fascicle.open(tmp_path / "to")
    assert isinstance(brought, FolderArchive)
    theirs = FolderArchive(lab_folder).catalogue()
    assert brought.catalogue().eids() == theirs.eids()
    assert brought.catalogue().n_datasets == theirs.n_datasets
    ours = fascicle.find(region="TH", archives=brought)
    assert ours.eids == fascicle.find(region="TH", archives=lab_folder).eids
    assert {check.status for check in verify_store(tmp_path / "to")} == {"verified"}
    again = fascicle.get(LAB, to=tmp_path / "to")
    assert len(again.here) == len(again)


@pytest.mark.parametrize("place", ["bucket", "folder", "zip"])
def test_some_sessions_of_a_release(place, folder, lab_folder, tmp_path):
    where = {"bucket": LAB, "folder": str(folder), "zip": str(tmp_path / "lab.zip")}[place]
    if place == "zip":
        with zipfile.ZipFile(where, "w") as target:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    target.write(file, file.relative_to(folder).as_posix())
    found = fascicle.find(region="TH", archives=where)
    plan = fascicle.get(found, datasets=["spikes.times", "trials"], to=tmp_path / "to")
    result = pickle.loads(pickle.dumps(plan)).run()
    assert not result.failed and not result.notes
    brought = FolderArchive(tmp_path / "to")
    assert fascicle.find(region="TH", archives=brought).eids == found.eids
    lab = FolderArchive(lab_folder)
    for session in found:
        there = lab.open(session.eid)
        assert brought.open(session.eid).list() == there.list(["spikes.times", "trials"])
        for file in brought.open(session.eid).files("spikes.times"):
            assert filecmp.cmp(file, lab_folder / file.relative_to(tmp_path / "to"), shallow=False)


def test_a_part_of_a_whole_release_has_its_own_tables(tmp_path):
    plan = fascicle.get(LAB, to=tmp_path, include=["*trials*", "README*"])
    plan.run().raise_for_failed()
    assert (tmp_path / "README.txt").is_file()
    paths = FolderArchive(tmp_path).catalogue().paths()
    assert paths and all("trials" in path for path in paths)
    rest = fascicle.get(LAB, to=tmp_path)  # the folder has tables of its own by now
    rest.run().raise_for_failed()
    whole = FolderArchive(tmp_path).catalogue()
    assert whole.n_datasets == fascicle.open(LAB).catalogue().n_datasets


def test_into_the_store_of_the_release(tmp_path):
    archive = fascicle.open(LAB, store=tmp_path / "store")
    found = fascicle.find(datasets="trials", archives=archive)[:2]
    plan = fascicle.get(found, datasets="trials")
    assert plan.store == tmp_path / "store" and len(plan.to_fetch) == len(plan)
    plan.run().raise_for_failed()
    again = fascicle.get(found, datasets="trials")
    assert len(again.here) == len(again)
    os.environ["FASCICLE_OFFLINE"] = "1"
    try:
        assert len(found[0].load("trials")["choice"])
        late = fascicle.get(found, datasets=["trials", "wheel"]).run()
        assert {type(outcome.error) for outcome in late.failed} == {OfflineError}
    finally:
        del os.environ["FASCICLE_OFFLINE"]


def test_an_allen_release(tmp_path):
    archive = fascicle.open(f"s3://{BUCKET}", store=tmp_path / "store")
    found = fascicle.find(archives=archive)
    session = next(s for s in found if s.list("*.nwb"))
    plan = fascicle.get(session)
    plan.run().raise_for_failed()
    record = json.loads((tmp_path / "store" / RECORD).read_text())
    assert set(map(str, session.files())) <= set(record)  # for other readers of the folder
    fascicle.get(session, to=tmp_path / "to").run().raise_for_failed()
    brought = FolderArchive(tmp_path / "to").open(session.eid)
    assert brought.list() == session.list()
    assert len(fascicle.find(archives=tmp_path / "to")) == 1


def test_content_that_another_version_has_is_not_fetched_again(tmp_path):
    old = fascicle.open(f"s3://{BUCKET}/{PROJECT}@0.2.0", store=tmp_path / "store")
    new = fascicle.open(f"s3://{BUCKET}/{PROJECT}@0.3.0", store=tmp_path / "store")
    first = fascicle.get(old).run()
    assert first.bytes and not first.failed
    ledger = tmp_path / "store" / ".fascicle" / "ledger"
    for file in ledger.iterdir():  # as if AllenSDK had fetched them
        file.unlink()
    Ledger(tmp_path / "store")
    plan = fascicle.get(new)
    assert any(item.state == "known" for item in plan.items)


def test_offline_says_what_is_missing(tmp_path, monkeypatch):
    archive = fascicle.open(LAB, store=tmp_path / "store")
    found = fascicle.find(datasets="trials", archives=archive)[:1]
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    result = fascicle.get(found, datasets="trials", to=tmp_path / "to").run()
    assert result.failed and all(isinstance(o.error, OfflineError) for o in result.failed)
    assert not list((tmp_path / "to").rglob("*.npy"))


PEER = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from one.api import One
one = One(cache_dir=sys.argv[1])
eids = one.search()
trials = [e for e in eids if one.list_datasets(e, "*trials.choice*")]
loaded = {str(e): len(one.load_dataset(e, "*trials.choice*")) for e in trials}
print(json.dumps([sorted(map(str, eids)), loaded]))
"""


@pytest.mark.peer
def test_the_official_client_opens_a_whole_release(lab_folder, tmp_path, one_python):
    fascicle.get(LAB, to=tmp_path).run().raise_for_failed()
    run = subprocess.run(
        [str(one_python), "-c", PEER, str(tmp_path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    eids, loaded = json.loads(run.stdout)
    lab = FolderArchive(lab_folder)
    assert eids == sorted(map(str, lab.catalogue().eids()))
    assert loaded and all(
        n == len(lab.open(eid).read("trials.choice")) for eid, n in loaded.items()
    )


# -- sizes that the manifest does not have --------------------------------------------------------


def test_sizes_are_those_that_the_bucket_lists(tmp_path, endpoint, monkeypatch):
    place = f"s3://{BUCKET}/{PROJECT}@0.10.0"
    release = fascicle.open(place)
    for plan in (
        fascicle.get(release, to=tmp_path / "to"),
        fascicle.get(release),
        fascicle.get(fascicle.find(archives=release, datasets="*.nwb")[:1], to=tmp_path / "one"),
    ):
        assert plan.to_fetch and plan.unknown_sizes == 0 and plan.bytes > 0
    small = fascicle.get(release, to=tmp_path / "to", max_size=10)
    assert len(small) == 0
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    assert fascicle.get(release, to=tmp_path / "to").unknown_sizes > 0


@pytest.mark.parametrize("status", [403, 500, 200])
def test_a_bucket_that_lists_nothing_leaves_sizes_unknown(tmp_path, status):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Refusing(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"no")

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}"
        pairs = [(Source(f"{url}/bucket/a%20b.nwb", hash="ab" * 32, algorithm="sha256"), "a.nwb")]
        plan = with_sizes(make_plan(pairs, store=tmp_path), endpoints=[url])
        web.shutdown()
    assert plan.unknown_sizes == 1


def test_sizes_of_addresses_are_asked_for(tmp_path, server, monkeypatch):
    server.put(BUCKET, "loose/a b.npy", b"x" * 5000)
    names = [f"s3://{BUCKET}/loose/a b.npy", f"s3://{BUCKET}/loose/none.npy"]
    plan = fascicle.get(names, to=tmp_path)
    assert [item.size for item in plan.items] == [5000, None]
    assert [item.source.size for item in plan.items] == [None, None]  # no record of it
    assert plan.bytes == 5000 and plan.unknown_sizes == 1 and "5.0 kB from" in str(plan)
    assert len(fascicle.get(names[0], to=tmp_path, max_size=4999)) == 0
    server.put(BUCKET, "loose/a b.npy", b"y" * 6000)
    pickle.loads(pickle.dumps(plan.select(include=["a b*"]))).run().raise_for_failed()
    assert (tmp_path / "a b.npy").stat().st_size == 6000  # what is there counts, not the hint
    missing = fascicle.get(names[1], to=tmp_path)
    assert "all from" in str(missing) and missing.seconds() is None
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    assert fascicle.get(names[0], to=tmp_path / "off").unknown_sizes == 1


def test_sizes_that_web_servers_say(tmp_path):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Odd(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            kind = self.path.strip("/").partition(".")[0]
            body = b"x" * 70_000
            status, headers = {
                "whole": (200, {"Content-Length": "70000"}),
                "range": (206, {"Content-Range": "bytes 0-0/70000", "Content-Length": "1"}),
                "empty": (416, {"Content-Range": "bytes */0", "Content-Length": "0"}),
                "endless": (200, {}),
                "zipped": (200, {"Content-Encoding": "gzip", "Content-Length": "70000"}),
                "failing": (500, {"Content-Length": "0"}),
            }[kind]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body[: int(headers.get("Content-Length", "70000"))])

    kinds = {"whole": 70_000, "range": 70_000, "empty": 0, "endless": None, "zipped": None}
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as web:
        web.handle_error = lambda *_: None  # who asks hangs up early
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}"
        names = [f"{url}/{kind}.npy" for kind in [*kinds, "failing"]]
        plan = fascicle.get(names, to=tmp_path)
        web.shutdown()
    assert [item.size for item in plan.items] == [*kinds.values(), None]


def test_a_version_that_is_not_here_is_not_said_to_be_none(tmp_path, monkeypatch):
    from fascicle.archives import ReleaseArchive

    ReleaseArchive(f"s3://{BUCKET}/{PROJECT}@0.10.0", store=tmp_path).catalogue()
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"0\.1\.0.*not here") as caught:
        ReleaseArchive(f"s3://{BUCKET}/{PROJECT}@0.1.0", store=tmp_path).catalogue()
    assert "0.10.0" in str(caught.value.hint)

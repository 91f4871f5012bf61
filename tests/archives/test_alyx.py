"""A lab's database as an archive: a real hub, and what goes wrong with it."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fascicle
from fascicle.alyx import AlyxClient, http
from fascicle.archives.alyx import AlyxArchive, split_tag, whole_or_range
from fascicle.archives.base import DatasetRef
from fascicle.archives.folder import FolderArchive
from fascicle.archives.served import Held
from fascicle.errors import (
    ConfigurationError,
    HashMismatch,
    IncompleteWarning,
    LoginNeeded,
    NotFoundError,
    OfflineError,
    RemoteNotFound,
    ServerError,
)
from fascicle.testing import ArchiveTests
from fascicle.testing.hub import HubServer

TAG = "2022_Q2_IBL_et_al_RepeatedSite"


@pytest.fixture(scope="module")
def hub(served: Path, made_hub: HubServer) -> Iterator[HubServer]:
    """Return a hub of that folder."""
    with HubServer(served, like=made_hub) as server:
        yield server


@pytest.fixture(autouse=True)
def _login(hub: HubServer, monkeypatch: pytest.MonkeyPatch, _own_folders: None) -> None:
    """Let the environment say who asks."""
    user = hub.users["reader"]
    monkeypatch.setenv("FASCICLE_ALYX_URL", hub.url)
    monkeypatch.setenv("FASCICLE_ALYX_USER", user.name)
    monkeypatch.setenv("FASCICLE_ALYX_PASSWORD", user.password)


@pytest.fixture
def by_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch, _login: None) -> None:
    """Let a token say it: a password is slow to check."""
    monkeypatch.delenv("FASCICLE_ALYX_PASSWORD")
    monkeypatch.setenv("FASCICLE_ALYX_TOKEN", hub.token("reader"))


@pytest.fixture
def archive(hub: HubServer) -> AlyxArchive:
    """Return the hub as an archive."""
    return AlyxArchive(hub.url)


@pytest.mark.usefixtures("by_token")
class TestHub(ArchiveTests):
    """A hub does what any archive does."""

    @pytest.fixture
    def archive(self, hub: HubServer) -> AlyxArchive:
        return AlyxArchive(hub.url)


@pytest.mark.usefixtures("by_token")
class TestTag(ArchiveTests):
    """So do the datasets of a tag."""

    @pytest.fixture
    def archive(self, hub: HubServer) -> AlyxArchive:
        return AlyxArchive(f"{hub.url}@{TAG}")


def test_it_says_what_the_folder_says(archive: AlyxArchive, served: Path) -> None:
    folder = FolderArchive(served)
    ours, theirs = archive.catalogue(), folder.catalogue()
    assert ours.eids() == theirs.eids()
    for row in range(ours.n_sessions):
        a, b = ours.datasets(row), theirs.datasets(row)
        assert list(a.rel_paths) == list(b.rel_paths)
        assert list(a.ids) == list(b.ids)
        assert list(a.qc) == list(b.qc)
        assert ours.session(row)[:7] == theirs.session(row)[:7]
    for term in ({"region": "TH"}, {"region": "RH"}, {"datasets": "spikes.times"}, {"qc": "PASS"}):
        found = fascicle.find(**term, archives=archive)
        assert found.eids == fascicle.find(**term, archives=folder).eids
    assert fascicle.find(region="RH", archives=archive).eids
    assert archive.capabilities.needs_login


def test_files_come_without_ids_in_their_names(archive: AlyxArchive, served: Path) -> None:
    session = fascicle.find(datasets="spikes.times", archives=archive)[0]
    paths = session.list("spikes.*", every_revision=True)
    refs = [DatasetRef(session.eid, path) for path in paths]
    files = archive.bring(refs)
    for file, path in zip(files, paths, strict=True):
        assert file == archive.store / session.record.path / path
        original = served / session.record.path / path
        assert file.read_bytes() == original.read_bytes()
    assert any("#" in path for path in paths)
    sources = archive.locate(refs)
    assert all(str(i) in s.url for i, s in zip(_ids(archive, refs), sources, strict=True))
    before = [os.stat(f).st_mtime_ns for f in files]
    assert AlyxArchive(archive.name).bring(refs) == files
    assert [os.stat(f).st_mtime_ns for f in files] == before


def _ids(archive: AlyxArchive, refs: list[DatasetRef]) -> list[Any]:
    return [h.id for h in archive._held(refs)]


def test_get_and_units(hub: HubServer, tmp_path: Path) -> None:
    found = fascicle.find(region="TH", archives=hub.url)
    result = fascicle.get(found, datasets="trials", to=tmp_path / "copy").run()
    assert result.ok and not result.failed
    again = fascicle.find(archives=tmp_path / "copy")
    assert set(again.eids) == set(found.eids)
    table = fascicle.units(region="TH", archives=hub.url)
    assert len(table)


def test_a_second_look_asks_for_changes_alone(hub: HubServer, archive: AlyxArchive) -> None:
    archive.catalogue()
    other = AlyxArchive(hub.url)
    assert other.catalogue().number == archive.catalogue().number
    copy = pickle.loads(pickle.dumps(archive))
    assert copy == archive and hash(copy) == hash(archive) and copy.catalogue().eids()
    assert archive != AlyxArchive(hub.url, tag=TAG)
    assert "AlyxArchive" in repr(archive)
    archive.refresh()
    assert archive.catalogue().eids() == other.catalogue().eids()


def test_a_tag(hub: HubServer) -> None:
    archive = fascicle.open(hub.url, version=TAG)
    assert archive.name == f"{hub.url}@{TAG}"
    everything = fascicle.open(hub.url)
    assert 0 < archive.catalogue().n_sessions < everything.catalogue().n_sessions
    assert "region" not in archive.capabilities.search_terms
    with pytest.raises(NotFoundError, match="no tables for a tag"):
        fascicle.open(f"{hub.url}@no_such_tag")
    with pytest.raises(ConfigurationError, match="another tag"):
        AlyxArchive(f"{hub.url}@a", tag="b")


def test_without_a_login(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "PASSWORD", "URL"):
        monkeypatch.delenv(f"FASCICLE_ALYX_{name}")
    with pytest.raises(LoginNeeded) as caught:
        fascicle.open(hub.url)
    assert caught.value.hint


def test_a_login_that_ends_meanwhile(hub: HubServer, archive: AlyxArchive) -> None:
    session = fascicle.find(datasets="trials", archives=archive)[0]
    (path, *_) = session.list("trials")
    archive.alyx._token = {"token": type(archive.alyx._token["token"])("0" * 40)}  # type: ignore[index]
    (file,) = archive.bring([DatasetRef(session.eid, path)])
    assert file.is_file()
    archive.alyx._token = {"token": type(archive.alyx._token["token"])("1" * 40)}
    archive.refresh()
    assert archive.catalogue().eids()


def test_offline(archive: AlyxArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    session = fascicle.find(datasets="trials", archives=archive)[0]
    first, second, *_ = session.list("trials")
    archive.bring([DatasetRef(session.eid, first)])
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    other = AlyxArchive(archive.name)
    with pytest.warns(IncompleteWarning, match="as it was fetched last"):
        assert other.catalogue().eids() == archive.catalogue().eids()
    assert other.bring([DatasetRef(session.eid, first)])[0].is_file()
    with pytest.raises(OfflineError, match="FASCICLE_OFFLINE is set"):
        other.bring([DatasetRef(session.eid, second)])


def test_a_server_that_is_away(hub: HubServer, archive: AlyxArchive) -> None:
    """What is here answers soon: nobody waits for a server that may be away for the day."""
    eids = archive.catalogue().eids()
    hub.halt()
    try:
        began = time.monotonic()
        with pytest.warns(IncompleteWarning, match="as it was fetched last"):
            assert AlyxArchive(archive.name).catalogue().eids() == eids
        assert time.monotonic() - began < 5
    finally:
        hub.start()


def test_a_tag_offline(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError):
        fascicle.open(hub.url, version=TAG)
    monkeypatch.delenv("FASCICLE_OFFLINE")
    eids = fascicle.open(hub.url, version=TAG).catalogue().eids()
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.warns(RuntimeWarning, match="an earlier answer of it is used"):
        assert fascicle.open(hub.url, version=TAG).catalogue().eids() == eids
    archive = AlyxArchive(hub.url, tag=TAG)
    archive.alyx.clear_rest_cache()
    with pytest.warns(IncompleteWarning, match="cannot be asked for newer tables"):
        assert archive.catalogue().eids() == eids


def test_no_server_and_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASCICLE_ALYX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FASCICLE_ALYX_TOKEN", "x")
    monkeypatch.setitem(http._AGAIN, "refused", 2)  # or it would be asked for 19 seconds
    with pytest.raises((ServerError, LoginNeeded)):
        fascicle.open("http://127.0.0.1:9")


def test_a_file_that_is_not_what_the_record_says(served: Path, made_hub: HubServer) -> None:
    """The folder changes behind the hub's back: nothing false arrives."""
    with HubServer(served, like=made_hub) as own:
        user = own.users["reader"]
        archive = AlyxArchive(own.url)
        archive._client = AlyxClient(
            own.url, user.name, user.password, silent=True, cache_dir=archive.store
        )
        session = fascicle.find(datasets="trials.table", archives=archive)[0]
        (path,) = session.list("trials.table")
        file = served / session.record.path / path
        whole = file.read_bytes()
        held = next(archive._held([DatasetRef(session.eid, path)]))
        assert held.md5
        try:
            file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            with pytest.raises(HashMismatch):
                archive.bring([DatasetRef(session.eid, path)])
            assert not archive.targets([DatasetRef(session.eid, path)])[0].exists()
            file.unlink()
            with pytest.raises(RemoteNotFound):
                archive.bring([DatasetRef(session.eid, path)])
        finally:
            file.write_bytes(whole)
        (here,) = archive.bring([DatasetRef(session.eid, path)])
        assert hashlib.md5(here.read_bytes()).hexdigest() == held.md5


def test_names() -> None:
    assert split_tag("https://a.org") == ("https://a.org", "")
    assert split_tag("https://a.org@T_1") == ("https://a.org", "T_1")
    assert split_tag("https://me@a.org") == ("https://me@a.org", "")
    assert whole_or_range(b"0123", 200, 1, 3) == b"12"
    assert whole_or_range(b"12", 206, 1, 3) == b"12"
    held = Held("lab", "lab/Subjects/s/2020-01-01/001/alf/a.b.npy", fascicle_id(), "", None)
    assert held.served.endswith(f"/a.b.{held.id}.npy")


def fascicle_id() -> Any:
    from uuid import uuid4

    return uuid4()


def test_what_is_no_database(hub: HubServer) -> None:
    with pytest.raises(ConfigurationError, match="no address of a manifest"):
        fascicle.open(f"{hub.url}/some.json")

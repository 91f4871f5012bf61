"""The ONE interface on a real hub: what the server says, and what the folder behind it says."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pandas as pd
import pytest

from fascicle.alf import ALFPath
from fascicle.errors import (
    ALFObjectNotFound,
    HTTPError,
    LoginError,
    LoginNeeded,
    NeedsServerError,
    NotFoundError,
    SearchTermError,
    TransferError,
)
from fascicle.one import ONE, One, OneAlyx, params
from fascicle.testing.hub import HubServer

TAG = "2022_Q2_IBL_et_al_RepeatedSite"


@pytest.fixture(scope="module")
def hub(served: Path, made_hub: HubServer) -> Iterator[HubServer]:
    """Return a hub."""
    with HubServer(served, like=made_hub) as server:
        yield server


@pytest.fixture
def connect(hub: HubServer, tmp_path: Path) -> Any:
    """Return a function that connects to the hub."""

    def make(user: str = "test_user", **kwargs: Any) -> OneAlyx:
        who = hub.users[user]
        kwargs.setdefault("cache_dir", tmp_path / "files")
        kwargs.setdefault("silent", True)
        password = None if "token" in kwargs else who.password
        return OneAlyx(who.name, password, hub.url, **kwargs)

    return make


@pytest.fixture
def one(connect: Any, hub: HubServer) -> OneAlyx:
    """Return the hub, connected by a token: a password is slow to check."""
    found: OneAlyx = connect(token=hub.token("test_user"))
    return found


@pytest.fixture
def local(served: Path) -> One:
    """Return the folder behind the hub."""
    return One(served)


@pytest.fixture
def ephys(one: OneAlyx) -> UUID:
    """Return a session with two probes and two revisions."""
    found = one.search(datasets="spikes.times.npy")
    return next(e for e in found if len(one.list_revisions(e)) > 1)


# -- connecting ------------------------------------------------------------------------------------


def test_says_who_is_connected(connect: Any, hub: HubServer, capsys: Any) -> None:
    one = connect(silent=False)
    assert capsys.readouterr().out == f'Connected to {hub.url} as user "test_user"\n'
    assert repr(one) == f"One (online, {hub.url})"
    connect()
    assert not capsys.readouterr().out


def settings_kept() -> dict[str, bytes]:
    """Return all that is kept of servers and logins."""
    files = params.get_params_dir().iterdir()
    return {f.name: f.read_bytes() for f in files if f.is_file() and f.name != ".lock"}


def test_single_use_leaves_no_trace(hub: HubServer, tmp_path: Path) -> None:
    params.setup("https://alyx.other.org", username="me", cache_dir=tmp_path / "other")
    before = settings_kept()
    user = hub.users["test_user"]
    one = ONE(base_url=hub.url, username=user.name, password=user.password, silent=True)
    assert one.search()
    assert settings_kept() == before
    assert params.get_default_client() == "https://alyx.other.org"


def test_set_up_once(hub: HubServer, tmp_path: Path, capsys: Any) -> None:
    ONE.setup(base_url=hub.url, silent=True, username="test_user", cache_dir=tmp_path / "files")
    one = ONE(password=hub.users["test_user"].password)
    assert "as user" in capsys.readouterr().out
    assert one.cache_dir == tmp_path / "files"
    assert ONE(password=hub.users["test_user"].password) is one
    ONE.cache_clear()
    again = ONE(base_url=hub.url)  # the login was kept
    assert again is not one and again.search() == one.search()
    assert ONE(cache_dir=tmp_path / "files").search() == one.search()
    ONE.cache_clear()


def test_a_wrong_password(hub: HubServer) -> None:
    with pytest.raises(LoginError):
        OneAlyx("test_user", "wrong", hub.url, silent=True)


@pytest.mark.parametrize("mode", ["auto", "refresh", "x"])
def test_other_modes(mode: str, hub: HubServer) -> None:
    with pytest.raises(ValueError, match="not recognized"):
        OneAlyx(base_url=hub.url, mode=mode)
    with pytest.raises(ValueError, match="is unknown"):
        OneAlyx(base_url=hub.url).search(query_type=mode)


# -- searching -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"dataset": "spikes.times"},
        {"dataset": ["trials.table", "alf/"]},
        {"dataset": "alf/probe00/"},
        {"dataset": "#2024-05-06#/spikes"},
        {"dataset": "nothing like it"},
        {"dataset": "SPIKES.times"},
        {"datasets": "spikes.times.npy"},
        {"datasets": ["spikes.times.npy", "_ibl_trials.table.pqt"]},
        {"task": "ephys", "project": "brainwide", "dataset": "spikes"},
        {"dataset": "spikes.(times|amps)"},
        {"dataset": ["spikes.t.*s", "alf/"]},
        {"number": 1},
        {"number": [1, 2]},
        {"number": np.array([1, 2])},
        {"date_range": ["2020-01-01", None]},
        {"date_range": [None, "2022-12-31"]},
        {"proj": "brainwide"} | {},
    ],
)
def test_terms_that_mean_the_same_everywhere(
    query: dict[str, Any], one: OneAlyx, local: One
) -> None:
    if "proj" in query:
        with pytest.raises(SearchTermError, match="Ambiguous"):
            one.search(**query)
        query = {"projects": query["proj"]}
    elsewhere = {"projects" if k == "project" else k: v for k, v in query.items()}
    assert set(one.search(**query)) == set(local.search(**elsewhere))


def test_lists_are_alternatives(one: OneAlyx, local: One) -> None:
    labs = sorted({d["lab"] for d in one.search(details=True)[1]})[:2]
    subjects = local.list_subjects()[:3]
    assert set(one.search(lab=labs)) == set(local.search(lab=[f"^{x}$" for x in labs]))
    assert set(one.search(subject=subjects)) == set(
        local.search(subject=[f"^{x}$" for x in subjects])
    )
    day = local.search(details=True)[1][0].date
    assert set(one.search(date_range=day)) == set(local.search(date_range=day))
    assert one.search(lab=labs[0].upper()) == one.search(lab=labs[0])


def test_details(one: OneAlyx, local: One) -> None:
    eids, details = one.search(details=True)
    assert [UUID(d["id"]) for d in details] == eids
    known = dict(zip(*local.search(details=True), strict=True))
    for eid, record in zip(eids, details, strict=True):
        for key in ("lab", "subject", "date", "number", "task_protocol"):
            assert record[key] == known[eid][key]
    assert one.search(subject="nobody", details=True) == ([], [])


def test_pages(one: OneAlyx, local: One) -> None:
    lazy, records = one.search(limit=5, details=True)
    assert len(lazy) == len(records) == len(local.search())
    assert len(one.search(query_type="local")) == 5  # the first page alone was looked at
    assert lazy[7] == UUID(records[7]["id"]) and records[7]["date"]
    assert len(one.search(query_type="local")) == 10
    assert list(lazy) == one.search() and lazy[-1] in lazy and lazy[1:3] == list(lazy)[1:3]
    assert set(one.search(query_type="local")) == set(local.search())
    assert one.get_details(lazy)[0]["number"] == records[0]["number"]
    assert len(pickle.loads(pickle.dumps(lazy))) == len(lazy)
    assert "fetched" in repr(lazy)


def test_many_ids(one: OneAlyx, local: One) -> None:
    eids = one.search()
    others = [uuid4() for _ in range(300)]
    assert one.search(id=[*reversed(eids), *others]) == eids
    records = one.alyx.rest("sessions", "list", id=[*eids, *map(str, others)])
    assert {r["id"] for r in records} == set(map(str, eids))
    lab = records[0]["lab"]
    some = one.alyx.rest("sessions", "list", id=eids, django=f"lab__name,{lab}")
    assert 0 < len(some) < len(eids) and {r["lab"] for r in some} == {lab}
    assert one.search(id=[]) == [] == one.alyx.rest("sessions", "list", id=[])
    assert one.search(subject=[f"s{n}" for n in range(2000)]) == []
    numbers = [*range(-2000, 1000)]
    assert one.search(number=numbers) == eids


def test_a_session_that_nobody_has(one: OneAlyx) -> None:
    with pytest.raises(ALFObjectNotFound, match=re.escape(one.alyx.base_url)):
        one.load_object(uuid4(), "spikes")


def test_unknown_terms(one: OneAlyx) -> None:
    with pytest.raises(SearchTermError, match="Invalid"):
        one.search(nonsense=1)
    for expression in ("^alf/.*", ["a.*b", "c.*d"]):
        with pytest.raises(SearchTermError, match="by one of their names"):
            one.search(dataset=expression)
    with pytest.raises(HTTPError):
        one.search(django="session__password,1")
    terms = one.search_terms()
    assert {"dataset", "laboratory", "users", "atlas_acronym", "django"} <= set(terms)
    assert "lab" not in terms
    assert one.search_terms("local") == One._search_terms
    assert "atlas_acronym" in one.search_terms(endpoint="insertions")
    assert one.search_terms("local", "files") is None


def test_insertions(one: OneAlyx, local: One) -> None:
    for query in (
        {"atlas_acronym": "TH"},
        {"atlas_acronym": "RH", "datasets": "spikes.times.npy"},
        {"name": "probe00"},
        {"dataset": "spikes.times"},
        {"number": 1},
    ):
        assert set(one.search_insertions(**query)) == set(local.search_insertions(**query))
    th = one.search_insertions(atlas_acronym="TH", project="brainwide")
    rh = one.search_insertions(atlas_acronym="RH", project="brainwide")
    assert rh and set(rh) < set(th)
    pids, records = one.search_insertions(atlas_id=549, details=True)
    assert [UUID(r["id"]) for r in records] == pids
    lab = records[0]["session_info"]["lab"]
    assert pids[0] in one.search_insertions(laboratory=lab, session=records[0]["session"])
    assert len(one.search_insertions(limit=2)) == len(local.search_insertions())
    with pytest.raises(SearchTermError):
        one.search_insertions(nonsense=1)


# -- listing and loading ---------------------------------------------------------------------------


def test_lists(one: OneAlyx, local: One, ephys: UUID) -> None:
    for eid in one.search():
        for kwargs in ({}, {"qc": "CRITICAL"}, {"collection": "alf/*"}, {"filename": "*.npy"}):
            assert one.list_datasets(eid, **kwargs) == local.list_datasets(eid, **kwargs)
        assert one.list_collections(eid) == local.list_collections(eid)
        assert one.list_revisions(eid) == local.list_revisions(eid)
    ours, theirs = (o.list_datasets(ephys, details=True).sort_index() for o in (one, local))
    columns = ["rel_path", "file_size", "qc", "default_revision"]
    pd.testing.assert_frame_equal(ours[columns], theirs[columns], check_dtype=False)
    assert one.list_datasets(uuid4()).empty
    assert one.list_datasets(ephys, default_revisions_only=True)
    both = one.list_datasets([ephys, one.search()[0]], details=True)
    assert both.index.nlevels == 2


def test_every_object_loads_as_from_the_folder(one: OneAlyx, local: One) -> None:
    from fascicle.alf import spec

    loaded = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for eid in one.search()[:6]:
            seen = set()
            for path in local.list_datasets(eid):
                parts = spec.parse_name(path.rpartition("/")[2])
                folder = path.rpartition("/")[0].partition("#")[0].strip("/")
                if parts is None or (parts.object, folder) in seen:
                    continue
                seen.add((parts.object, folder))
                ours = one.load_object(eid, parts.object, collection=folder, download_only=True)
                theirs = local.load_object(eid, parts.object, collection=folder, download_only=True)
                names = [f.relative_to(one.cache_dir).as_posix() for f in ours]
                assert names == [f.relative_to(local.cache_dir).as_posix() for f in theirs]
                for a, b in zip(ours, theirs, strict=True):
                    assert a.read_bytes() == b.read_bytes()
                loaded += 1
    assert loaded > 20


def test_ways_to_load(one: OneAlyx, local: One, ephys: UUID) -> None:
    name = "_ibl_wheel.timestamps.npy"
    expected = local.load_dataset(ephys, name)
    for identifier in (
        ephys,
        str(ephys),
        one.eid2path(ephys),
        one.eid2ref(ephys, as_dict=False),
        f"{one.alyx.base_url}/sessions/{ephys}",
    ):
        np.testing.assert_array_equal(one.load_dataset(identifier, name), expected)
    path = one.load_dataset(ephys, name, download_only=True)
    assert isinstance(path, ALFPath) and path.is_file()
    assert path.relative_to(one.cache_dir).parts[1] == "Subjects"
    did = one.list_datasets(ephys, name, details=True).index[0]
    content, row = one.load_dataset_from_id(did, details=True)
    np.testing.assert_array_equal(content, expected)
    assert row.name == (ephys, did)
    data, records = one.load_datasets(ephys, [name, "no.such.npy"], assert_present=False)
    assert data[1] is None and records[0].id == did
    collection = one.load_collection(ephys, "alf", object="wheel")
    np.testing.assert_array_equal(collection.wheel.timestamps, expected)
    with pytest.raises(ALFObjectNotFound):
        one.load_object(ephys, "nothing")
    with pytest.raises(ALFObjectNotFound):
        one.load_object(uuid4(), "trials")
    with pytest.raises(ALFObjectNotFound):
        one.load_dataset_from_id(uuid4())
    with pytest.raises(ValueError, match="no id"):
        one.load_dataset_from_id("x")


def test_nothing_is_fetched_twice(one: OneAlyx, ephys: UUID, connect: Any) -> None:
    files = one.load_object(ephys, "trials", collection="alf", download_only=True)
    before = [f.stat().st_mtime_ns for f in files]
    for again in (one, connect()):
        assert again.load_object(ephys, "trials", collection="alf", download_only=True) == files
    assert [f.stat().st_mtime_ns for f in files] == before


def test_threads_share_an_object(one: OneAlyx, local: One) -> None:
    eids = one.search(dataset="trials.table")

    def load(eid: UUID) -> int:
        one.search(limit=3)
        one.search(query_type="local")
        return len(one.load_object(eid, "trials", collection="alf", download_only=True))

    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("ignore")
        counts = list(pool.map(load, eids * 3))
        expected = [
            len(local.load_object(e, "trials", collection="alf", download_only=True)) for e in eids
        ]
    assert counts == expected * 3


def test_revisions(one: OneAlyx, local: One, ephys: UUID) -> None:
    where = next(c for c in one.list_collections(ephys) if c.endswith("pykilosort"))
    for revision in (None, *one.list_revisions(ephys)[1:], "2000-01-01"):
        answers = []
        for source in (one, local):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                files = source.load_object(
                    ephys, "spikes", collection=where, revision=revision, download_only=True
                )
            answers.append([f.relative_to(source.cache_dir).as_posix() for f in files])
        assert answers[0] == answers[1]


def test_recorded_loads(one: OneAlyx, ephys: UUID) -> None:
    one.record_loaded = True
    one.load_dataset(ephys, "_ibl_wheel.timestamps.npy")
    ids, path = one.save_loaded_ids()
    assert ids == list(one.list_datasets(ephys, "_ibl_wheel.timestamps.npy", details=True).index)
    assert path is not None and path.is_file()


# -- ids and records -------------------------------------------------------------------------------


def test_ids(one: OneAlyx, local: One, ephys: UUID) -> None:
    path = one.eid2path(ephys)
    assert path == one.cache_dir / local.eid2path(ephys).relative_to(local.cache_dir)
    for query_type in (None, "remote"):
        assert one.eid2path(ephys, query_type=query_type) == path
        assert one.path2eid(path, query_type=query_type) == ephys
        assert one.path2eid([path / "alf", None], query_type=query_type) == [ephys, None]
    assert one.eid2path(uuid4()) is None
    assert one.path2eid(path.parent.parent / "2000-01-01/001") is None
    assert one.eid2ref(ephys) == local.eid2ref(ephys)
    assert one.ref2eid(one.eid2ref(ephys)) == ephys
    pids, labels = one.eid2pid(ephys)
    assert (set(pids), labels) == (set(local.eid2pid(ephys)[0]), local.eid2pid(ephys)[1])
    assert one.pid2eid(pids[0]) == (ephys, labels[0])
    assert one.pid2eid(uuid4()) == (None, None)
    assert one.eid2pid(ephys, name="probe00", details=True)[2][0]["name"] == "probe00"
    assert one.eid2pid(ephys, name="none") == (None, None)
    record = one.path2record(path)
    assert record is not None and record["subject"] == local.get_details(ephys)["subject"]


def test_addresses(one: OneAlyx, ephys: UUID, hub: HubServer) -> None:
    row = one.list_datasets(ephys, "*wheel.position*", details=True, keep_eid_index=True)
    (url,) = one.record2url(row)
    assert url.startswith(f"{hub.url}/data/") and str(row.index[0][1]) in url
    assert one.path2url(one.cache_dir / one.record2path(row.iloc[0])) == url
    target = one.alyx.download_file(url, target_dir=one.cache_dir / "x")
    assert target.is_file()
    (path,) = one._check_filesystem(row)
    assert path.read_bytes() == target.read_bytes()
    assert one._download_dataset(url) == path


def test_details_of_sessions(one: OneAlyx, ephys: UUID, local: One) -> None:
    details = one.get_details(ephys)
    for key in ("lab", "subject", "date", "number", "task_protocol", "projects"):
        assert details[key] == local.get_details(ephys)[key]
    assert details["local_path"] == one.eid2path(ephys)
    full = one.get_details(ephys, full=True)
    assert full["data_dataset_session_related"] and full["users"] is not None
    assert one.get_details([ephys, ephys]) == [details, details]
    with pytest.raises(ALFObjectNotFound):
        one.get_details(uuid4())
    one.list_datasets(ephys)
    frame = one.get_details(ephys, full=True, query_type="local")
    assert isinstance(frame, pd.DataFrame)


def test_what_the_database_says(one: OneAlyx, ephys: UUID, capsys: Any) -> None:
    assert one.describe_dataset("spikes.times")["name"] == "spikes.times"
    assert one.describe_dataset("spikes.times.npy")["name"] == "spikes.times"
    assert len(one.describe_dataset()) > 10
    assert one.dataset2type("spikes.times.npy") == "spikes.times"
    did = one.list_datasets(ephys, "*spikes.times*", details=True).index[0]
    assert one.dataset2type(did) == one.dataset2type(str(did)) == "spikes.times"
    with pytest.raises(ValueError, match="Unrecognized"):
        one.dataset2type("no.such.npy")
    paths = one.type2datasets(ephys, "spikes.times")
    assert set(paths) == set(one.list_datasets(ephys, "*spikes.times*"))
    assert len(one.type2datasets(ephys, ["spikes.times", "spikes.amps"])) == 2 * len(paths)
    assert "rel_path" in one.type2datasets(ephys, "spikes.times", details=True)
    capsys.readouterr()
    assert one.describe_revision(one.list_revisions(ephys)[-1]) is None
    assert one.describe_revision("2000-01-01") is None
    assert "not found" in capsys.readouterr().out
    one.mode = "local"
    for call in (lambda: one.describe_dataset(), lambda: one.dataset2type("x")):
        with pytest.raises(NeedsServerError):
            call()


# -- the tables ------------------------------------------------------------------------------------


def test_a_tag_answers_everything(one: OneAlyx, served: Path) -> None:
    everything = one.search()
    eid_of_none = None
    assert one.load_cache(tag=TAG) is not None
    tagged = one.search()
    assert 0 < len(tagged) < len(everything)
    there = {UUID(r["id"]) for r in one.alyx.rest("sessions", "list", tag=TAG)}
    assert set(tagged) == there
    assert set(one.search(query_type="remote")) == set(everything)
    assert one.search() == tagged  # what was asked of the server did not get in
    assert (one.mode, one.offline) == ("remote", False)
    eid = tagged[0]
    listed = one.list_datasets(eid)
    assert set(listed) < set(one.list_datasets(eid, query_type="remote"))
    records = one.alyx.rest("datasets", "list", session=str(eid), tag=TAG)
    assert len(one.list_datasets(eid, qc="CRITICAL")) == len(list(records)) >= len(listed)
    lab = one.get_details(eid)["lab"]
    assert eid in one.search(lab=lab) and set(one.search(lab=lab)) <= set(tagged)
    _, details = one.search(details=True)
    assert {d["lab"] for d in details} and details[0]["date"]
    assert one.search(dataset="spikes", lab=lab)
    pids = one.search_insertions(atlas_acronym="TH", datasets="spikes.times.npy")
    assert pids and {one.pid2eid(p)[0] for p in pids} <= set(tagged)
    assert set(one.search(users="nobody")) == set()
    eid_of_none = next(e for e in everything if e not in tagged)
    with pytest.raises(ALFObjectNotFound):
        one.load_object(eid_of_none, "trials")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = one.load_object(eid, "trials", collection="alf", download_only=True)
    assert files and all(f.is_relative_to(one.cache_dir / lab) for f in files)
    copy = pickle.loads(pickle.dumps(one))
    assert copy.search() == tagged
    one.load_cache()
    assert set(one.search()) == set(everything)
    assert set(one.search(query_type="local")) == set(everything)


def test_an_unknown_tag(one: OneAlyx) -> None:
    n = len(one.search())
    with pytest.raises(NotFoundError, match="no tables for a tag"):
        one.load_cache(tag="no_such_tag")
    assert len(one.search()) == n


def test_a_new_object_sees_everything(hub: HubServer, tmp_path: Path) -> None:
    ONE.setup(base_url=hub.url, silent=True, username="test_user", cache_dir=tmp_path / "files")
    one = ONE(password=hub.users["test_user"].password, silent=True)
    n = len(one.search())
    one.load_cache(tag=TAG)
    assert len(one.search()) < n
    assert ONE(password=hub.users["test_user"].password, silent=True) is one
    ONE.cache_clear()
    again = ONE(base_url=hub.url, silent=True)
    assert len(again.search()) == n
    again.load_cache()
    assert len(again.search(query_type="local")) == n
    ONE.cache_clear()


def test_local_mode(one: OneAlyx, local: One, connect: Any, ephys: UUID) -> None:
    one.load_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.load_object(ephys, "trials", collection="alf")
    other = connect(mode="local")
    assert other.offline and set(other.search()) == set(local.search())
    assert other.list_datasets(ephys) == local.list_datasets(ephys)
    assert other.load_object(ephys, "trials", collection="alf")
    with pytest.raises(ALFObjectNotFound, match="not found on disk"):
        other.load_dataset(ephys, "_ibl_wheel.timestamps.npy")
    assert set(other.search(query_type="remote")) == set(local.search())
    with pytest.raises(NeedsServerError):
        other.pid2eid(uuid4())
    with pytest.warns(UserWarning, match="No cache tables found"):
        connect(mode="local", cache_dir=one.cache_dir / "empty").search()


def test_what_was_seen_is_saved(one: OneAlyx, connect: Any, ephys: UUID) -> None:
    one.search(limit=3)
    one.list_datasets(ephys)
    one.search_insertions(name="probe00")
    frame = one._cache["sessions"]
    assert ephys in frame.index and one._cache["datasets"].loc[ephys].shape[0]
    one.save_cache()
    one.save_cache()
    other = connect(mode="local")
    assert set(other._cache["sessions"].index) == set(frame.index)
    assert other.list_datasets(ephys) == one.list_datasets(ephys)
    assert other.pid2eid(one.eid2pid(ephys)[0][0])[0] == ephys
    frame = pd.read_parquet(one.cache_dir / "sessions.pqt")
    assert str(ephys) in frame.index


def test_tables_that_were_changed_by_hand(one: OneAlyx, ephys: UUID) -> None:
    one.search(limit=2)
    table = one._cache["sessions"]
    one._cache["sessions"] = table.iloc[:1]
    assert len(one.search(query_type="local")) == 1
    one.list_datasets(ephys)
    assert ephys in one.search(query_type="local")


SHARE = """
import sys, warnings
warnings.simplefilter("ignore")
from fascicle.one import OneAlyx
url, name, word, folder, k = sys.argv[1:]
one = OneAlyx(name, word, url, cache_dir=folder, silent=True)
for n in range(8):
    eids = one.search(dataset="probe00/pykilosort/")
    eid = eids[(n + int(k)) % len(eids)]
    one.list_datasets(eid)
    one.load_object(eid, "spikes", collection="alf/probe00/pykilosort", download_only=True)
    one.search(subject="nobody", query_type="local")
    if n % 4 == 0:
        one.load_cache(tag=None if n else "2022_Q2_IBL_et_al_RepeatedSite")
        one.save_cache()
print("fine")
"""


def test_processes_that_share_a_folder(hub: HubServer, tmp_path: Path) -> None:
    user = hub.users["test_user"]
    arguments = [hub.url, user.name, user.password, str(tmp_path / "files")]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE, *arguments, str(k)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for k in range(4)
    ]
    for run in runs:
        out, err = run.communicate(timeout=120)
        assert out == "fine\n", err[-3000:]
    assert not list((tmp_path / "files").rglob("*.part"))


def test_local_mode_needs_no_login(hub: HubServer, tmp_path: Path) -> None:
    """A name without a password is for when the server is asked."""
    with pytest.warns(UserWarning, match="No cache tables"):
        one = OneAlyx(
            "test_user", base_url=hub.url, cache_dir=tmp_path / "here", mode="local", silent=True
        )
    assert one.search() == []
    with pytest.raises(LoginNeeded, match='password or token of "test_user"'):
        one.search(users="olivier", query_type="remote")


def test_a_folder_that_cannot_be_made(connect: Any, tmp_path: Path) -> None:
    """What is told is told; files have nowhere to go, and it is said how to give them a place."""
    (tmp_path / "file").write_text("no folder")
    one = connect(cache_dir=tmp_path / "file" / "cache")
    eid = one.search(subject="NYU-37")[0]
    with pytest.raises(TransferError, match="cannot be written") as caught:
        one.load_dataset(eid, "_ibl_wheel.timestamps.npy")
    assert "cache_dir=" in caught.value.hint

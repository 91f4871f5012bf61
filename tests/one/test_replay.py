"""What the public server once answered: the client makes of it what was in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest
from tests.one.replay import PUBLIC, Recorded, replaying

from fascicle.alf import spec
from fascicle.one import OneAlyx, params
from fascicle.one.match import folders_of
from fascicle.one.records import datasets2records


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Recorded:
    """Return what was recorded."""
    return Recorded(shared / "data")


@pytest.fixture(scope="module")
def server(recorded: Recorded) -> Iterator[str]:
    """Return a server that answers so."""
    with replaying(recorded) as url:
        yield url


@pytest.fixture
def one(server: str, tmp_path: Path) -> OneAlyx:
    """Return the server, connected."""
    return OneAlyx("intbrainlab", "x", server, cache_dir=tmp_path / "files", silent=True)


def test_the_schema_of_the_public_server(one: OneAlyx, recorded: Recorded) -> None:
    endpoints = one.alyx.list_endpoints()
    names = {k for k in recorded.answers["/docs"] if not k.startswith("_")}
    assert {"sessions", "insertions", "datasets", "data-repository"} <= set(endpoints)
    assert set(endpoints) <= names
    terms = one.search_terms()
    assert {"dataset", "datasets", "laboratory", "atlas_acronym", "users", "tag"} <= set(terms)
    assert "dataset_types" in one.search_terms(endpoint="insertions")


def test_insertions(one: OneAlyx, recorded: Recorded, shared: Path) -> None:
    derived = pd.read_parquet(
        shared / "data/one_cache_openalyx/derived_insertions/insertions.pqt"
    ).reset_index()
    known = derived.set_index(next(c for c in ("pid", "id") if c in derived))
    lists = [q for q in recorded.answers if q.startswith("/insertions?session=")]
    assert recorded.insertions and lists
    for pid, record in recorded.insertions.items():
        assert one.pid2eid(pid) == (UUID(record["session"]), record["name"])
        if pid in known.index:
            assert str(known.loc[pid].eid) == record["session"]
        info = record["session_info"]
        session = one._fresh.sessions.get(UUID(record["session"])) or one._session_here(
            UUID(record["session"])
        )
        assert session is not None
        assert (session.lab, session.subject, session.number) == (
            info["lab"],
            info["subject"],
            info["number"],
        )
        assert session.date.isoformat() == info["start_time"][:10]
    for query in lists:
        eid = query[-36:]
        results = recorded.answers[query]["results"]
        pids, labels, records = one.eid2pid(eid, details=True)
        assert pids == [UUID(r["id"]) for r in results]
        assert labels == [r["name"] for r in results]
        assert records == results
        assert {r["model"] for r in records} <= {"3A", "3B1", "3B2", "NP2.1", "NP2.4"}
    table = one._cache["insertions"]
    assert len(table) == len(recorded.insertions)


def test_datasets_by_their_ids(one: OneAlyx, recorded: Recorded) -> None:
    """Ids, paths, revisions, sizes and hashes are those of the answers and of the tables."""
    ids = list(recorded.datasets)
    assert ids
    answers = one.alyx.rest("datasets", "list", exists=True, django=f"id__in,{ids}")
    frame = datasets2records(list(answers))
    assert len(frame) == len(ids)
    by_id = recorded.rows.droplevel("eid")
    for (eid, did), row in frame.iterrows():
        record = recorded.datasets[str(did)]
        assert str(eid) == record["session"][-36:]
        assert (row["hash"], row["file_size"]) == (record["hash"], record["file_size"])
        folder, revision = folders_of(row["rel_path"])
        assert (folder, revision) == (record["collection"] or "", record["revision"] or "")
        assert row["rel_path"].rpartition("/")[2] == record["name"]
        if "default_dataset" in record:
            assert bool(row["default_revision"]) is record["default_dataset"]
        if str(did) in by_id.index:
            known = by_id.loc[str(did)]
            assert (known["rel_path"], known["hash"]) == (row["rel_path"], row["hash"])
            assert known["file_size"] == row["file_size"]


def test_where_the_files_are(one: OneAlyx, recorded: Recorded) -> None:
    """Both places of each recorded file follow from what the client knows of it."""
    from fascicle.one.wanted import Wanted, addresses

    for did, record in recorded.datasets.items():
        web = [u for u in addresses(record) if "flatironinstitute" in u]
        if not web:
            continue
        eid = UUID(record["session"][-36:])
        place = web[0].partition("/public/")[2].replace(f".{did}", "")
        wanted = Wanted("", place, UUID(did), None, record["hash"], web)
        one._buckets["any"] = None
        lab = place.partition("/")[0]
        one._buckets[lab] = one._ask_for_bucket("aws_cortexlab")
        assert one._buckets[lab] is not None
        one._buckets[lab]["folder"] = f"data/{lab}/Subjects/"  # type: ignore[index]
        one._add_buckets([wanted])
        bucket = next(r for r in record["file_records"] if r["data_repository"].startswith("aws"))
        key = bucket["data_url"].partition(".amazonaws.com/")[2]
        assert wanted.urls[0] == f"s3://ibl-brain-wide-map-public/{key}"
        assert str(eid) in recorded.sessions.index
    about = one._ask_for_bucket("aws_cortexlab")
    assert about is not None and about["name"] == "ibl-brain-wide-map-public"
    assert about["folder"] == "data/cortexlab/Subjects/"
    assert about["access"].region == "us-east-1" and not about["access"].key


def test_the_tables(one: OneAlyx, recorded: Recorded) -> None:
    """The tables come through the client as they were recorded."""
    one.load_cache()
    eids = one.search(query_type="local")
    assert {str(e) for e in eids} == set(recorded.sessions.index)
    assert len(one.list_subjects()) == recorded.sessions["subject"].nunique()
    found = one.search(query_type="local", lab="cortexlab", project="brainwide", number=1)
    rows = recorded.sessions
    wanted = rows[
        rows.lab.str.contains("cortexlab")
        & rows.projects.str.contains("brainwide")
        & (rows.number == 1)
    ]
    assert {str(e) for e in found} == set(wanted.index)


def test_sessions_by_rest_are_those_of_the_tables(one: OneAlyx, recorded: Recorded) -> None:
    """Remote and local mode list the same datasets, revisions and hashes, for all 73 sessions."""
    one.load_cache()
    with_datasets = recorded.rows.index.get_level_values("eid").unique()
    assert len(with_datasets) > 50
    n = 0
    for eid in with_datasets:
        known = recorded.rows.loc[eid]
        for query_type in ("remote", "local"):
            frame = one.list_datasets(eid, details=True, qc="CRITICAL", query_type=query_type)
            assert {str(i) for i in frame.index} == set(known.index)
            for did, row in frame.iterrows():
                there = known.loc[str(did)]
                assert (row["rel_path"], row["hash"]) == (there["rel_path"], there["hash"])
                assert row["file_size"] == there["file_size"]
                assert bool(row["default_revision"]) is bool(there["default_revision"])
                n += 1
            revisions = sorted({folders_of(p)[1] for p in known["rel_path"]})
            assert one.list_revisions(eid, query_type=query_type) == revisions
            collections = sorted({folders_of(p)[0] for p in known["rel_path"]})
            assert one.list_collections(eid, query_type=query_type) == collections
    assert n == 2 * len(recorded.rows)


def test_the_default_revision_is_chosen_alike(one: OneAlyx, recorded: Recorded) -> None:
    one.load_cache()
    n = 0
    for eid in recorded.rows.index.get_level_values("eid").unique():
        contents = [one._served(UUID(eid))]
        with one._asking("local"):
            contents.append(one._contents(UUID(eid)))
        for name in ("spikes", "clusters", "trials"):
            taken = []
            for held in contents:
                assert held is not None
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    chosen = one._take(held, {"object": name}, None, None, unique=False)
                taken.append([held.paths[t.position] for t in chosen])
            assert taken[0] == taken[1]
            n += len(taken[0])
            for path in taken[0]:
                parts = spec.parse_name(path.rpartition("/")[2])
                assert parts is not None and parts.object == name
    assert n > 1000


def test_the_public_account_is_known(server: str) -> None:
    assert params.is_public(PUBLIC) if hasattr(params, "is_public") else True
    assert params.default()["ALYX_URL"] == PUBLIC

"""Files from a server: stale records, buckets, tables without addresses, faults."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.one.served import SESSION, ServedLab, new_id, served_lab

from fascicle.alyx import http
from fascicle.errors import (
    ALFObjectNotFound,
    ALFWarning,
    CatalogueError,
    FascicleError,
    HTTPError,
    NotFoundError,
    ServerError,
)
from fascicle.one import OneAlyx
from fascicle.testing import S3Server

WORD = "secret"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ServedLab]:
    """Return a small server."""
    with served_lab(tmp_path / "server") as found:
        yield found


@pytest.fixture
def one(lab: ServedLab, tmp_path: Path) -> OneAlyx:
    """Return it, connected."""
    return connect(lab, tmp_path / "files")


def connect(lab: ServedLab, folder: Path, **kwargs: Any) -> OneAlyx:
    """Connect to a small server."""
    return OneAlyx("test_user", WORD, lab.url, cache_dir=folder, silent=True, **kwargs)


def fetched(lab: ServedLab) -> list[str]:
    """Return the names of files that were asked for."""
    return [a.path.rpartition("/")[2] for a in lab.asked if a.path.startswith("/data/")]


def test_a_call_lacks_what_it_lacks(one: OneAlyx, lab: ServedLab) -> None:
    for n, name in enumerate(("a", "b", "c")):
        lab.add_file(f"alf/obj.{name}.npy", np.arange(10) + n)
    assert set(one.load_object(lab.eid, "obj")) == {"a", "b", "c"}
    assert len(fetched(lab)) == 3
    assert {p.name for p in (one.cache_dir / SESSION / "alf").iterdir()} == {
        f"obj.{name}.npy" for name in "abc"
    }
    (one.cache_dir / SESSION / "alf/obj.b.npy").unlink()
    one.load_object(lab.eid, "obj")
    assert len(fetched(lab)) == 4


def test_a_damaged_file_is_fetched_anew(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy")
    file = one.load_dataset(lab.eid, "obj.a", download_only=True)
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    assert one.load_dataset(lab.eid, "obj.a", download_only=True).read_bytes() == whole


@pytest.mark.parametrize("what", ["md5", "md5 and size"])
def test_a_record_that_is_out_of_date(
    what: str, one: OneAlyx, lab: ServedLab, tmp_path: Path
) -> None:
    lab.add_file("alf/obj.good.npy")
    lab.add_file("alf/obj.stale.npy", md5="0" * 32, **({"size": 7} if "size" in what else {}))
    with pytest.warns(ALFWarning, match="is not what .* says"):
        loaded = one.load_object(lab.eid, "obj")
    assert set(loaded) == {"good"}
    with pytest.warns(ALFWarning, match="accept_mismatch"), pytest.raises(ALFObjectNotFound):
        one.load_dataset(lab.eid, "obj.stale")
    assert not (one.cache_dir / SESSION / "alf/obj.stale.npy").exists()
    one.accept_mismatch = True
    np.testing.assert_array_equal(one.load_dataset(lab.eid, "obj.stale"), np.arange(10))
    n = len(fetched(lab))
    again = connect(lab, one.cache_dir)  # it was accepted once: that is on record
    np.testing.assert_array_equal(again.load_dataset(lab.eid, "obj.stale"), np.arange(10))
    assert len(fetched(lab)) == n


def test_a_size_that_is_out_of_date_is_a_hint(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy", size=7)
    np.testing.assert_array_equal(one.load_dataset(lab.eid, "obj.a"), np.arange(10))


def test_no_checksum_on_record(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy", md5="")
    lab.add_file("alf/obj.b.npy", md5="", size=None)
    assert set(one.load_object(lab.eid, "obj")) == {"a", "b"}


def test_what_is_not_to_be_checked_is_not(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy", md5="0" * 32)
    loaded = one.load_dataset(lab.eid, "obj.a", check_hash=False)
    np.testing.assert_array_equal(loaded, np.arange(10))
    with pytest.warns(ALFWarning, match="is not what"), pytest.raises(ALFObjectNotFound):
        one.load_dataset(lab.eid, "obj.a")  # nobody has found it whole
    np.testing.assert_array_equal(
        one.load_dataset(lab.eid, "obj.a", check_hash=False), np.arange(10)
    )


def test_a_file_that_the_server_lost(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy")
    lab.add_file("alf/obj.b.npy", np.arange(11))
    assert lab.folder is not None
    (lab.folder / SESSION / "alf/obj.b.npy").unlink()
    with pytest.warns(ALFWarning, match="does not have: .*obj.b.npy"):
        assert set(one.load_object(lab.eid, "obj")) == {"a"}
    with pytest.warns(ALFWarning), pytest.raises(ALFObjectNotFound, match="cannot be had"):
        one.load_dataset(lab.eid, "obj.b")


def test_revisions_have_marks_in_addresses(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy", default_revision="False")
    lab.add_file("alf/#2024-05-06#/obj.a.npy", np.zeros(3), default_revision="True")
    with pytest.warns(ALFWarning, match="Multiple revisions"):
        file = one.load_dataset(lab.eid, "obj.a", download_only=True)
    assert file.parent.name == "#2024-05-06#"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(one.load_dataset(lab.eid, "obj.a", revision="2023")) == 10


def test_ids_in_names(one: OneAlyx, lab: ServedLab) -> None:
    row = lab.add_file("alf/obj.a.npy")
    one.uuid_filenames = True
    file = one.load_dataset(lab.eid, "obj.a", download_only=True)
    assert file.name == f"obj.a.{row['id']}.npy"


# -- the bucket ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Return an S3 endpoint."""
    with S3Server() as server:
        server.make_bucket("lab-data", versions=False)
        yield server


@pytest.fixture
def bucket(s3: S3Server, lab: ServedLab, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Have the server name the bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    lab.add(
        "data-repository",
        name="aws_lab",
        globus_path="data/lab/Subjects/",
        json={"bucket_name": "lab-data", "region_name": "us-east-1"},
    )
    return s3


def key_of(row: dict[str, Any], path: str) -> str:
    """Return the key of a file in the bucket."""
    stem, _, extension = path.rpartition(".")
    return f"data/{SESSION}/{stem}.{row['id']}.{extension}"


def test_files_come_from_the_bucket(bucket: S3Server, one: OneAlyx, lab: ServedLab) -> None:
    path = "alf/#2024-05-06#/obj.a.npy"
    row = lab.add_file(path)
    assert lab.folder is not None
    bucket.put("lab-data", key_of(row, path), (lab.folder / SESSION / path).read_bytes())
    np.testing.assert_array_equal(one.load_dataset(lab.eid, "obj.a"), np.arange(10))
    assert not fetched(lab)


def test_the_bucket_lacks_a_file(bucket: S3Server, one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.b.npy")
    with pytest.warns(ALFWarning, match="files come from another of its places"):
        np.testing.assert_array_equal(one.load_dataset(lab.eid, "obj.b"), np.arange(10))
    assert len(fetched(lab)) == 1


def test_no_bucket_is_asked_for_once(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy")
    lab.add_file("alf/obj.b.npy")
    one.load_dataset(lab.eid, "obj.a")
    one.load_dataset(lab.eid, "obj.b")
    assert sum(a.path == "/data-repository/aws_lab" for a in lab.asked) == 1


# -- tables ----------------------------------------------------------------------------------------


def test_tables_of_a_tag_and_their_files(one: OneAlyx, lab: ServedLab) -> None:
    first = lab.add_file("alf/obj.a.npy")
    lab.add_file("alf/obj.b.npy")
    lab.offer("tag1", [first])
    one.load_cache(tag="tag1")
    assert (one.cache_dir / "tag1/sessions.pqt").is_file()
    assert [str(e) for e in one.search()] == [lab.eid]
    assert one.list_datasets(lab.eid) == ["alf/obj.a.npy"]
    assert set(one.load_object(lab.eid, "obj")) == {"a"}  # the address is asked for
    assert (one.cache_dir / SESSION / "alf/obj.a.npy").is_file()
    assert len(one.list_datasets(lab.eid, query_type="remote")) == 2
    n = sum(a.path == "/zips/tag1.zip" for a in lab.asked)
    one.load_cache(tag="tag1")
    assert sum(a.path == "/zips/tag1.zip" for a in lab.asked) == n == 1
    lab.offer("tag1", [first], date_created="2025-01-01 00:00")
    one.load_cache(tag="tag1")
    assert sum(a.path == "/zips/tag1.zip" for a in lab.asked) == 2


def test_tables_that_are_not_those_of_the_tag(one: OneAlyx, lab: ServedLab) -> None:
    row = lab.add_file("alf/obj.a.npy")
    lab.offer("", [row])
    lab.offer("tag1", [row])
    lab.tables_of["tag1"] = lab.tables_of["all"]
    with pytest.raises(CatalogueError, match="were asked for"):
        one.load_cache(tag="tag1")
    lab.info["tag1"].pop("location")
    with pytest.raises(CatalogueError, match="does not say where"):
        one.load_cache(tag="tag1")
    lab.info["tag1"]["database_tags"] = []
    with pytest.raises(NotFoundError, match="answers with those of everything"):
        one.load_cache(tag="tag1")
    lab.offer("tag2", [row])
    lab.tables_of["tag2"] = lab.tables_of["tag2"][:-40]
    with pytest.raises(FascicleError):
        one.load_cache(tag="tag2")
    assert one._tag is None and len(one.search()) == 1
    assert not list(one.cache_dir.rglob("*.part"))


def test_a_server_without_tables(one: OneAlyx) -> None:
    with pytest.warns(RuntimeWarning, match="offers no tables"):
        assert one.load_cache() is None


def test_tables_are_kept_where_the_server_is_silent(
    lab: ServedLab, tmp_path: Path, one: OneAlyx
) -> None:
    row = lab.add_file("alf/obj.a.npy")
    lab.offer("", [row])
    one.load_cache()
    lab.fail("GET", "/cache/info", 503, {"detail": "busy"}, times=99)
    one.alyx.bounds.attempts = 0
    with pytest.warns(RuntimeWarning, match="an earlier answer of it is used"):
        assert one.load_cache() is not None
    assert len(one.search(query_type="local")) == 1
    one.alyx.clear_rest_cache()
    with pytest.warns(RuntimeWarning, match="older tables are used"):
        assert one.load_cache() is not None
    assert len(one.search(query_type="local")) == 1


# -- of no session ---------------------------------------------------------------------------------


def test_aggregates(one: OneAlyx, lab: ServedLab) -> None:
    assert lab.folder is not None
    place = "aggregates/Subjects/lab/KS1/_ibl_subjectTrials.table.npy"
    file = lab.folder / place
    file.parent.mkdir(parents=True)
    np.save(file, np.arange(4))
    did = new_id()
    url = f"{lab.url}/data/{place.removesuffix('.npy')}.{did}.npy"
    lab.add(
        "datasets",
        id=did,
        url=f"{lab.url}/datasets/{did}",
        name="_ibl_subjectTrials.table.npy",
        session=None,
        data_url=url,
        file_size=file.stat().st_size,
        hash=hashlib.md5(file.read_bytes()).hexdigest(),
        qc="NOT_SET",
        collection="Subjects/lab/KS1",
        revision="",
    )
    found = one.list_aggregates("subjects")
    assert list(found["rel_path"]) == [place] and list(found["identifier"]) == ["lab/KS1"]
    assert one.list_aggregates("tags").empty
    loaded = one.load_aggregate("subjects", "KS1", "_ibl_subjectTrials.table")
    np.testing.assert_array_equal(loaded, np.arange(4))
    path = one.load_aggregate("subjects", "KS1", download_only=True)
    assert path == one.cache_dir / place
    np.testing.assert_array_equal(one.load_dataset_from_id(did), np.arange(4))
    with pytest.raises(ALFObjectNotFound):
        one.load_aggregate("subjects", "KS2")


# -- faults ----------------------------------------------------------------------------------------


def test_a_server_that_is_gone(one: OneAlyx, lab: ServedLab, tmp_path: Path) -> None:
    lab.add_file("alf/obj.a.npy")
    one.alyx.base_url, one.alyx._wire.base_url = ("http://127.0.0.1:9",) * 2
    one.alyx.bounds.patience = 1
    with pytest.raises(ServerError):
        one.load_dataset(lab.eid, "obj.a")


def test_busy_for_a_while(one: OneAlyx, lab: ServedLab) -> None:
    lab.add_file("alf/obj.a.npy")
    lab.fail("GET", f"/sessions/{lab.eid}", 503, {"detail": "busy"}, times=2)
    np.testing.assert_array_equal(one.load_dataset(lab.eid, "obj.a"), np.arange(10))


BUSY = [
    (429, {"detail": "slow down"}),
    (503, {"detail": "busy"}),
    (502, "<html>Bad Gateway</html>"),
]


@pytest.mark.parametrize(("status", "said"), BUSY)
def test_every_question_gets_through(
    one: OneAlyx, lab: ServedLab, status: int, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_backoff", lambda attempts, first: first / 20)
    lab.add_file("alf/obj.a.npy")
    one.alyx.cache_mode = None
    questions: list[tuple[str, Callable[[], Any], Any]] = [
        ("/sessions", lambda: [str(e) for e in one.search(subject="KS1")], [lab.eid]),
        (f"/sessions/{lab.eid}", lambda: one.list_datasets(lab.eid), ["alf/obj.a.npy"]),
        (
            f"/sessions/{lab.eid}",
            lambda: one.load_dataset(lab.eid, "obj.a").tolist(),
            list(range(10)),
        ),
    ]
    for place, ask, answer in questions:
        lab.fail("GET", place, status, said, times=2)
        assert ask() == answer
        lab.fail("GET", place, status, said, times=99)
        one.alyx.bounds.attempts = 1
        with pytest.raises(HTTPError, match=str(status)):
            ask()
        lab.faults.clear()
        one.alyx.bounds.attempts = 8


def test_replaced_by_hand(one: OneAlyx, lab: ServedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.add_file("alf/obj.a.npy")
    seen = []

    def own(datasets: Any, **kwargs: Any) -> list[Any]:
        seen.append(len(datasets))
        return OneAlyx._check_filesystem(one, datasets, **kwargs)

    monkeypatch.setattr(one, "_check_filesystem", own)
    np.testing.assert_array_equal(one.load_dataset(lab.eid, "obj.a"), np.arange(10))
    assert seen == [1]

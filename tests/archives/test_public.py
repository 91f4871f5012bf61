"""Archives that everybody may read: a bucket with the layout of the public one."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import fascicle
from fascicle.archives.base import DatasetRef
from fascicle.archives.folder import FolderArchive
from fascicle.archives.public import PublicArchive
from fascicle.catalogue import Catalogue
from fascicle.catalogue.change import Change, DatasetRow, apply
from fascicle.catalogue.columns import Columns
from fascicle.catalogue.export import write
from fascicle.errors import (
    CatalogueError,
    ConfigurationError,
    HashMismatch,
    IncompleteWarning,
    OfflineError,
    RemoteNotFound,
    VersionNotFound,
)
from fascicle.formats.public import Description, described, known
from fascicle.testing import ArchiveTests, S3Server

BUCKET = "ibl-brain-wide-map-public"
TAG = "2022_Q2_IBL_et_al_RepeatedSite"


def tables(folder: Path, cat: Catalogue, rows: list[int], tag: str, place: Path) -> bytes:
    """Return a ZIP file with tables of some sessions, as the public server makes it."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    datasets = []
    for row in rows:
        held, session = cat.datasets(row), cat.session(row)
        for i, path in enumerate(held.rel_paths):
            identifier, _, _ = held.record(i)
            content = (folder / session.path / path).read_bytes()
            md5 = hashlib.md5(content).hexdigest()
            datasets.append(
                DatasetRow(
                    session.eid,
                    identifier,
                    path,
                    len(content),
                    md5,
                    default_revision=held.default[i],
                    qc=held.qc[i],
                )
            )
    columns = apply(Change([cat.session(r) for r in rows], datasets), Columns.empty())
    place.mkdir(parents=True)
    write(columns.arrange(), place, {"store": "0" * 32, "number": 1})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("sessions", "datasets"):
            table = pd.read_parquet(place / f"{name}.pqt")
            about = (
                '{"date_created": "2024-10-04 12:43", "origin": "public", '
                f'"database_tags": {[tag] if tag else []}}}'
            ).replace("'", '"')
            arrow = pa.Table.from_pandas(table)
            arrow = arrow.replace_schema_metadata(
                {**(arrow.schema.metadata or {}), b"one_metadata": about.encode()}
            )
            sink = io.BytesIO()
            pq.write_table(arrow, sink)
            archive.writestr(f"{name}.pqt", sink.getvalue())
        archive.writestr("cache_info.json", about)
    return out.getvalue()


@pytest.fixture(scope="module")
def bucket(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Return an S3 endpoint whose bucket is laid out as the public one."""
    cat = FolderArchive(lab_folder).catalogue()
    work = tmp_path_factory.mktemp("tables")
    rows = [r for r in range(cat.n_sessions) if cat.session(r).lab]
    with S3Server() as server:
        server.make_bucket(BUCKET, versions=False)
        root = "caches/openalyx"
        server.put(BUCKET, f"{root}/cache.zip", tables(lab_folder, cat, rows, "", work / "all"))
        some = tables(lab_folder, cat, rows[:3], TAG, work / "tag")
        server.put(BUCKET, f"{root}/{TAG}/cache.zip", some)
        server.put(BUCKET, f"{root}/wrong_tag/cache.zip", some)
        server.put(BUCKET, f"{root}/broken/cache.zip", b"no archive")
        for row in rows:
            held, session = cat.datasets(row), cat.session(row)
            for i, path in enumerate(held.rel_paths):
                file = lab_folder / session.path / path
                if file.stat().st_size > 1 << 20:
                    continue
                stem, _, extension = path.rpartition(".")
                key = f"data/{session.path}/{stem}.{held.record(i)[0]}.{extension}"
                server.put(BUCKET, key, file.read_bytes())
        yield server


@pytest.fixture(autouse=True)
def _endpoint(bucket: S3Server, monkeypatch: pytest.MonkeyPatch, _own_folders: None) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.url)


class TestPublic(ArchiveTests):
    """It does what any archive does, without an account."""

    @pytest.fixture
    def archive(self) -> PublicArchive:
        return PublicArchive("ibl")


@pytest.mark.parametrize("place", ["ibl", f"s3://{BUCKET}"])
def test_it_is_opened_by_its_name_or_its_bucket(place: str, lab_folder: Path) -> None:
    archive = fascicle.open(place)
    assert isinstance(archive, PublicArchive)
    assert archive.name == "ibl"
    assert not archive.capabilities.needs_login
    found = fascicle.find(datasets="trials.table", archives=archive)
    theirs = fascicle.find(datasets="trials.table", archives=lab_folder)
    assert set(found.eids) <= set(theirs.eids) and found.eids
    (path,) = found[0].list("trials.table")
    (file,) = archive.bring([DatasetRef(found[0].eid, path)])
    assert file == archive.store / found[0].record.path / path
    assert file.read_bytes() == (lab_folder / found[0].record.path / path).read_bytes()
    (source,) = archive.locate([DatasetRef(found[0].eid, path)])
    assert source.url.startswith(f"s3://{BUCKET}/data/") and len(source.hash) == 32
    assert archive.store == Path.home() / "Downloads/ONE/openalyx.internationalbrainlab.org"


def test_a_tag() -> None:
    archive = fascicle.open(f"ibl@{TAG}")
    assert archive.name == f"ibl@{TAG}"
    assert archive.catalogue().n_sessions == 3
    assert fascicle.open("ibl", version=TAG) == archive
    assert fascicle.open(archive.name).catalogue().eids() == archive.catalogue().eids()
    assert PublicArchive("ibl").tags() == sorted([TAG, "wrong_tag", "broken"])
    with pytest.raises(VersionNotFound, match="no tables of a tag"):
        fascicle.open("ibl@2022_Q2_IBL_et_al_RepeatedSit")
    with pytest.raises(CatalogueError, match="were asked for"):
        fascicle.open("ibl@wrong_tag")
    with pytest.raises(CatalogueError, match="cannot be read"):
        fascicle.open("ibl@broken")
    with pytest.raises(ConfigurationError, match="another tag"):
        PublicArchive("ibl@a", tag="b")


def test_newer_tables_are_seen(bucket: S3Server, lab_folder: Path, tmp_path: Path) -> None:
    key = "caches/openalyx/growing/cache.zip"
    cat = FolderArchive(lab_folder).catalogue()
    bucket.put(BUCKET, key, tables(lab_folder, cat, [0], "growing", tmp_path / "a"))
    assert fascicle.open("ibl@growing").catalogue().n_sessions == 1
    bucket.put(BUCKET, key, tables(lab_folder, cat, [0, 1], "growing", tmp_path / "b"))
    assert fascicle.open("ibl@growing").catalogue().n_sessions == 2
    bucket.delete(BUCKET, key)


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OfflineError):
        monkeypatch.setenv("FASCICLE_OFFLINE", "1")
        fascicle.open("ibl")
    monkeypatch.delenv("FASCICLE_OFFLINE")
    n = fascicle.open("ibl").catalogue().n_sessions
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    assert fascicle.open("ibl").catalogue().n_sessions == n
    monkeypatch.delenv("FASCICLE_OFFLINE")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.warns(IncompleteWarning, match="cannot be asked for newer tables"):
        assert fascicle.open("ibl").catalogue().n_sessions == n


def test_files_that_are_gone_or_changed(bucket: S3Server) -> None:
    archive = fascicle.open("ibl")
    session = fascicle.find(datasets="wheel.position", archives=archive)[0]
    (path,) = session.list("wheel.position")
    ref = DatasetRef(session.eid, path)
    (source,) = archive.locate([ref])
    key = source.url.removeprefix(f"s3://{BUCKET}/")
    (file,) = archive.bring([ref])
    content = file.read_bytes()
    file.unlink()
    try:
        bucket.put(BUCKET, key, content[:-1] + b"!")
        with pytest.raises(HashMismatch):
            archive.bring([ref])
        bucket.delete(BUCKET, key)
        with pytest.raises(RemoteNotFound):
            archive.bring([ref])
    finally:
        bucket.put(BUCKET, key, content)
    assert archive.bring([ref]) == [file]


def test_an_archive_of_ones_own(bucket: S3Server, tmp_path: Path) -> None:
    place = tmp_path / "own.toml"
    place.write_text(
        f'name = "own"\nbucket = "{BUCKET}"\ntables = "caches/openalyx/cache.zip"\n'
        'files = "data/{place}"\n'
    )
    archive = fascicle.open(place)
    assert archive.name == str(place)
    assert archive.catalogue().eids() == fascicle.open("ibl").catalogue().eids()
    assert archive.store == Path.home() / "Downloads/ONE/own"
    assert fascicle.open(place, endpoint=bucket.url).catalogue().n_sessions
    with pytest.raises(VersionNotFound, match="no tables of tags"):
        fascicle.open(f"{place}@tag")
    assert PublicArchive(str(place)).tags() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot be read"),
        ('name = "x"', "lacks bucket, tables, files"),
        ('name = "x"\nbuckte = "y"', "describes no archive"),
        ("name = 3", "describes no archive"),
        ('name="a"\nbucket="b"\ntables="c"\nfiles="d"', "has no {place}"),
    ],
)
def test_descriptions_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Description.read(tmp_path / "x.toml")


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ibl" in known()
    assert described("no such archive") is None
    with pytest.raises(ConfigurationError, match="no public archive"):
        PublicArchive("ibll")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ibl").mkdir()
    assert described("ibl") is None  # a folder of that name is meant

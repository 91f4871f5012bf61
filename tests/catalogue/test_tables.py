"""Tables that others wrote: both generations, an Alyx's, ONE's own, and damaged ones."""

from __future__ import annotations

import random
import shutil
import uuid
import warnings
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fascicle.catalogue import Catalogue, identity, index
from fascicle.catalogue import tables as reading
from fascicle.errors import CatalogueError, NoIndexError

from .support import (
    SESSION,
    age,
    edit_in_place,
    files,
    hashes,
    indexed,
    put,
    settle,
    tables,
    writable_copy,
)


@pytest.fixture
def alyx(shared: Path, tmp_path: Path) -> Path:
    """Return a part of a public server's data, with the server's tables."""
    folder = writable_copy(shared / "data" / "alf_md5_exact", tmp_path / "alyx")
    for name in ("sessions.pqt", "datasets.pqt"):
        shutil.copyfile(shared / "data" / "one_cache_openalyx" / name, folder / name)
    return folder


def server_rows(shared: Path) -> pd.DataFrame:
    """Return the server's datasets table by path."""
    table = pd.read_parquet(shared / "data" / "one_cache_openalyx" / "datasets.pqt").reset_index()
    sessions = pd.read_parquet(shared / "data" / "one_cache_openalyx" / "sessions.pqt")
    sessions = sessions.reset_index().rename(columns={"id": "eid"})
    both = table.merge(sessions, on="eid", how="inner")
    folder = [
        f"{r.lab}/Subjects/{r.subject}/{r.date}/{int(r.number):03d}/{r.rel_path}"
        for r in both.itertuples()
    ]
    return both.set_index(pd.Index(folder, name="place"))


def test_a_downloaded_folder_keeps_what_the_server_said(shared: Path, alyx: Path) -> None:
    server = server_rows(shared)
    catalogue, report = indexed(alyx)
    assert catalogue.n_sessions == 8161
    assert report.removed == 0, "datasets that were not downloaded stay"
    assert report.differing == []
    here = {p.relative_to(alyx).as_posix() for p in alyx.rglob("*.npy")}
    listed = here & set(server.index)
    assert len(listed) > 100
    ids, known = files(catalogue), hashes(catalogue)
    assert set(server.index) | here == set(ids)
    assert [str(ids[p]) for p in server.index] == server["id"].tolist()
    assert [known[p] for p in server.index] == server["hash"].fillna("").tolist()
    frame = catalogue.datasets_frame()
    by_id = frame.set_axis([str(d) for d in frame.index.get_level_values("id")], axis=0)
    mine, theirs = by_id.loc[server["id"]], server.set_index("id")
    for column in ("rel_path", "file_size", "default_revision"):
        assert mine[column].tolist() == theirs[column].tolist()
    assert mine["qc"].astype(str).tolist() == theirs["qc"].astype(str).tolist()


def test_new_files_in_a_downloaded_folder_get_derived_ids(shared: Path, alyx: Path) -> None:
    session = next(alyx.rglob("alf")).parent
    place = session.relative_to(alyx).as_posix()
    put(session, "alf/mine.times.npy")
    put(alyx, SESSION + "/alf/other.times.npy")
    first = Catalogue.open(alyx)
    before = files(first)
    catalogue, report = indexed(alyx)
    now = files(catalogue)
    assert report.added == 2
    assert {k: v for k, v in now.items() if k in before} == before
    row = next(r for r in range(catalogue.n_rows) if catalogue.session(r).path == place)
    eid = catalogue.eid(row).bytes
    derived = uuid.UUID(bytes=identity.dataset_id(eid, "alf/mine.times.npy"))
    assert now[f"{place}/alf/mine.times.npy"] == derived
    (session / "alf/mine.times.npy").unlink()
    shutil.rmtree(alyx / SESSION)
    for path in session.rglob("*.npy"):
        path.unlink()
    catalogue, report = indexed(alyx)
    assert files(catalogue) == before, "what the server lists stays, what was found here goes"
    assert catalogue.n_sessions == first.n_sessions


def test_new_ids_in_a_downloaded_folder(alyx: Path) -> None:
    indexed(alyx)
    catalogue, _ = indexed(alyx, new_ids=True)
    on_disk = {p.relative_to(alyx).as_posix() for p in alyx.rglob("*.npy")}
    assert set(files(catalogue)) == on_disk
    for row in range(catalogue.n_sessions):
        s = catalogue.session(row)
        assert s.eid.bytes == identity.session_id(s.lab, s.subject, s.date, s.number)
        for path, did in zip(
            catalogue.datasets(row).rel_paths, catalogue.datasets(row).ids, strict=True
        ):
            assert did.bytes == identity.dataset_id(s.eid.bytes, path)


def test_a_changed_file_of_a_downloaded_folder_is_hashed_again(alyx: Path) -> None:
    before, _ = indexed(alyx)
    place, text = next((k, v) for k, v in hashes(before).items() if v and (alyx / k).is_file())
    content = bytearray((alyx / place).read_bytes())
    assert md5(content).hexdigest() == text
    content[-1] ^= 1
    edit_in_place(alyx / place, bytes(content))
    catalogue, report = indexed(alyx)
    assert report.changed == 1
    assert hashes(catalogue)[place] == md5(content).hexdigest()
    assert files(catalogue) == files(before)


def test_a_half_downloaded_file_does_not_change_what_the_server_said(alyx: Path) -> None:
    before = Catalogue.open(alyx)
    place = next(k for k, v in hashes(before).items() if v and (alyx / k).is_file())
    whole = (alyx / place).read_bytes()
    (alyx / place).write_bytes(whole[:-10])
    for again in range(3):
        catalogue, report = indexed(alyx, hash_files=again == 2)
        assert report.differing == [place]
        assert hashes(catalogue)[place] == md5(whole).hexdigest()
    (alyx / place).write_bytes(whole)
    catalogue, report = indexed(alyx)
    assert (report.differing, report.changed) == ([], 0)
    (alyx / place).write_bytes(whole[:-10])
    catalogue, report = indexed(alyx)
    assert (report.differing, report.changed) == ([], 1), "from now on the file is the truth"


def test_hashing_several_times(alyx: Path) -> None:
    server = hashes(Catalogue.open(alyx))
    put(alyx, f"{SESSION}/a.times.npy")
    for number in (2, 2, 2):
        catalogue, _ = indexed(alyx, hash_files=True)
        assert catalogue.number == number
        assert hashes(catalogue) == {**server, f"{SESSION}/a.times.npy": md5(b"0123").hexdigest()}


def test_tables_of_the_first_generation(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "one_api_fixtures"
    for name in ("sessions.pqt", "datasets.pqt"):
        shutil.copyfile(source / name, tmp_path / name)
    sessions, datasets = (
        pd.read_parquet(source / f"{n}.pqt").reset_index() for n in ("sessions", "datasets")
    )
    catalogue = Catalogue.open(tmp_path)
    assert (
        (catalogue.n_sessions, catalogue.n_datasets) == (len(sessions), len(datasets)) == (26, 693)
    )

    def as_uuids(table: pd.DataFrame, name: str) -> list[uuid.UUID]:
        raw = np.ascontiguousarray(table[[f"{name}_0", f"{name}_1"]].to_numpy(np.int64)).tobytes()
        return [uuid.UUID(bytes=raw[i : i + 16]) for i in range(0, len(raw), 16)]

    for eid, row in zip(as_uuids(sessions, "id"), sessions.itertuples(), strict=True):
        n = catalogue.row(eid)
        assert n is not None
        found = catalogue.session(n)
        assert (found.subject, found.lab, found.number) == (row.subject, row.lab, int(row.number))
        assert found.date.isoformat() == str(row.date)[:10]
        assert found.projects == row.project
        assert found.task_protocol == row.task_protocol
    eids, dids = as_uuids(datasets, "eid"), as_uuids(datasets, "id")
    (twice,) = {d for d in dids if dids.count(d) > 1}
    assert len(set(files(catalogue).values())) == 693
    for eid, did, row in zip(eids, dids, datasets.itertuples(), strict=True):
        if (did, row.rel_path) == (twice, "alf/spikes.clusters.npy"):
            continue  # the server had two places for one dataset: one has to do without its id
        at = catalogue.locate_dataset(did)
        assert at is not None
        mine = catalogue.datasets(at[0])
        assert mine.eid == eid
        assert mine.rel_paths[at[1]] == row.rel_path
        size = None if pd.isna(row.file_size) else int(row.file_size)
        assert mine.record(at[1]) == (did, "" if pd.isna(row.hash) else row.hash, size)
        assert mine.exists[at[1]] == row.exists
    assert not catalogue.has_default_revision
    report = index(tmp_path)
    assert (report.n_sessions, report.removed) == (26, 0)


def test_a_table_of_insertions(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "one_cache_openalyx"
    for name in ("sessions.pqt", "datasets.pqt"):
        shutil.copyfile(source / name, tmp_path / name)
    before = Catalogue.open(tmp_path)
    assert before.n_insertions == 0
    (table,) = (source / "derived_insertions").glob("*.pqt")
    shutil.copyfile(table, tmp_path / "insertions.pqt")
    frame = pd.read_parquet(table).reset_index()
    catalogue = Catalogue.open(tmp_path)
    assert catalogue.n_insertions == len(frame) == 117
    assert (catalogue.n_datasets, catalogue.n_sessions) == (before.n_datasets, before.n_sessions)
    pid = "pid" if "pid" in frame else "id"
    for row in frame.to_dict("records"):
        found = catalogue.insertion(row[pid])
        assert found is not None
        assert str(catalogue.eid(found.row)) == row["eid"]
        assert (found.name, found.model, found.serial) == (
            row["name"],
            row["model"] or "",
            row["serial"] or "",
        )
        assert found.extra["subject"] == row["subject"]
    number = catalogue.number
    assert Catalogue.open(tmp_path).number == number
    assert indexed(tmp_path)[0].n_insertions >= 117


def ones_ids(root: Path) -> None:
    """Write tables as the official client does: the same name, the same id in every session."""
    rows, sessions = [], {}
    for path in sorted(p for p in root.rglob("*.npy")):
        parts = path.relative_to(root).parts
        lab, subject, date, number = parts[0], parts[2], parts[3], parts[4]
        key = "/".join(parts[:5])
        eid = str(uuid.uuid3(uuid.NAMESPACE_DNS, key))
        sessions[eid] = (lab, subject, pd.Timestamp(date).date(), int(number), "", "")
        rel = "/".join(parts[5:])
        did = str(uuid.uuid3(uuid.NAMESPACE_DNS, rel))
        rows.append((eid, did, rel, path.stat().st_size, "", True, "NOT_SET"))
    table = pd.DataFrame(
        rows, columns=["eid", "id", "rel_path", "file_size", "hash", "exists", "qc"]
    ).set_index(["eid", "id"])
    qc = pd.CategoricalDtype(["NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL"], ordered=True)
    table = table.astype({"file_size": "UInt64", "qc": qc})
    names = ["lab", "subject", "date", "number", "task_protocol", "projects"]
    first = pd.DataFrame.from_dict(sessions, orient="index", columns=names)
    first = first.rename_axis("id").astype({"number": "uint16"})
    for name, frame in (("sessions", first), ("datasets", table)):
        whole = pa.Table.from_pandas(frame)
        about = f'{{"date_created": "2024-01-01 10:00", "origin": "{root}"}}'
        whole = whole.replace_schema_metadata({**whole.schema.metadata, "one_metadata": about})
        pq.write_table(whole, root / f"{name}.pqt")


def test_ids_that_stand_for_several_datasets_are_derived_anew(tmp_path: Path) -> None:
    for subject in ("s1", "s2", "s3"):
        put(tmp_path, f"lab/Subjects/{subject}/2020-01-01/001/alf/a.times.npy")
    put(tmp_path, "lab/Subjects/s1/2020-01-01/001/alf/b.times.npy")
    ones_ids(tmp_path)
    opened = Catalogue.open(tmp_path)
    ids = files(opened)
    assert len(set(ids.values())) == len(ids) == 4
    alone = ids["lab/Subjects/s1/2020-01-01/001/alf/b.times.npy"]
    assert alone == uuid.uuid3(uuid.NAMESPACE_DNS, "alf/b.times.npy"), "this one identifies"
    for path, did in ids.items():
        at = opened.locate_dataset(did)
        assert at is not None
        assert f"{opened.session(at[0]).path}/{opened.datasets(at[0]).rel_paths[at[1]]}" == path
    catalogue, report = indexed(tmp_path)
    assert files(catalogue) == ids
    assert (report.added, report.removed, report.changed) == (0, 0, 0)
    assert len(set(tables(tmp_path)[1]["id"].to_pylist())) == 4


def test_a_file_that_changed_since_one_indexed_it(tmp_path: Path) -> None:
    path = "lab/Subjects/s1/2020-01-01/001/alf/a.times.npy"
    put(tmp_path, path)
    ones_ids(tmp_path)
    put(tmp_path, path, content=b"more than before")
    catalogue, report = indexed(tmp_path)
    assert report.changed == 1
    assert catalogue.datasets(0).sizes == [16]


def test_columns_that_the_index_does_not_keep_are_named(tmp_path: Path) -> None:
    put(tmp_path, "lab/Subjects/s1/2020-01-01/001/alf/a.times.npy")
    ones_ids(tmp_path)
    table = pq.read_table(tmp_path / "datasets.pqt")
    table = table.append_column("mood", pa.array(["good"]))
    pq.write_table(table, tmp_path / "datasets.pqt")
    with pytest.warns(UserWarning, match="does not keep: mood"):
        Catalogue.open(tmp_path)
    Catalogue.open(tmp_path)


# -- damage ----------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a folder of small tables."""
    folder = tmp_path / "small"
    for k in range(5):
        put(folder, f"lab/Subjects/s{k}/2020-01-0{k + 1}/001/alf/o{k}.times.npy")
    ones_ids(folder)
    return folder


def refused(folder: Path, name: str) -> str:
    age(folder / "sessions.pqt", 1)
    age(folder / "datasets.pqt", 1)
    with pytest.raises(CatalogueError, match=name) as caught:
        Catalogue.open(folder)
    assert caught.value.hint
    assert not isinstance(caught.value, NoIndexError)
    return str(caught.value)


@pytest.mark.parametrize("name", ["sessions.pqt", "datasets.pqt"])
@pytest.mark.parametrize("what", ["empty", "text", "half", "no footer", "no column"])
def test_a_damaged_table_is_named(small: Path, name: str, what: str) -> None:
    path = small / name
    content = path.read_bytes()
    if what == "no column":
        pq.write_table(pq.read_table(path).select(["id"]), path)
    else:
        damaged = {
            "empty": b"",
            "text": b"id,lab\n1,x\n" * 10,
            "half": content[: len(content) // 2],
            "no footer": content[:-4],
        }
        path.write_bytes(damaged[what])
    assert str(path) in refused(small, name)


@pytest.mark.parametrize(
    ("name", "column", "values"),
    [
        ("sessions.pqt", "date", ["yesterday"]),
        ("sessions.pqt", "date", [3.5]),
        ("sessions.pqt", "number", ["one"]),
        ("sessions.pqt", "number", [float("inf")]),
        ("datasets.pqt", "qc", ["SPLENDID"]),
        ("datasets.pqt", "qc", [20]),
        ("datasets.pqt", "rel_path", [7]),
        ("datasets.pqt", "rel_path", ["a\0b"]),
        ("datasets.pqt", "exists", ["perhaps"]),
        ("datasets.pqt", "file_size", ["large"]),
        ("datasets.pqt", "hash", [3]),
        ("datasets.pqt", "eid", [3.5]),
    ],
)
def test_values_that_make_no_sense(small: Path, name: str, column: str, values: list[Any]) -> None:
    table = pq.read_table(small / name)
    at = table.column_names.index(column)
    table = table.set_column(at, column, pa.array(values * table.num_rows))
    pq.write_table(table.replace_schema_metadata(), small / name)
    age(small / "sessions.pqt", 1)
    age(small / "datasets.pqt", 1)
    try:
        catalogue = Catalogue.open(small)
    except CatalogueError as error:
        assert name in str(error) or "null character" in str(error)
    else:
        assert column in ("eid", "hash", "rel_path")
        assert catalogue.n_datasets == 5


def mutations(content: bytes, rng: random.Random) -> bytes:
    out = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        out[rng.randrange(len(out))] = rng.randrange(256)
    if rng.random() < 0.2:
        del out[rng.randrange(len(out)) :]
    return bytes(out)


def fuzz(folder: Path, times: int) -> int:
    """Damage tables at random; return how often they were refused."""
    rng = random.Random(7)
    content = {n: (folder / n).read_bytes() for n in ("sessions.pqt", "datasets.pqt")}
    count = 0
    for _ in range(times):
        name = rng.choice(list(content))
        (folder / name).write_bytes(mutations(content[name], rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reading.read(folder)
        except CatalogueError as error:
            count += 1
            assert name in str(error)
        (folder / name).write_bytes(content[name])
    reading.read(folder)
    return count


def test_random_damage_is_refused_or_read(small: Path) -> None:
    assert fuzz(small, 300) > 30


@pytest.mark.long
def test_random_damage_in_full_length(small: Path) -> None:
    assert fuzz(small, 20_000) > 2_000


def test_damage_while_an_index_is_there(small: Path) -> None:
    """The index is older than the damaged table: it says so rather than answer from old rows."""
    indexed(small)
    settle()
    (small / "datasets.pqt").write_bytes(b"PAR1 nonsense PAR1")
    refused(small, "datasets.pqt")
    (small / "datasets.pqt").unlink()
    assert Catalogue.open(small).n_datasets == 5
    index(small)
    assert tables(small)[1].num_rows == 5


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(NoIndexError, match="has no index"):
        Catalogue.open(tmp_path)
    put(tmp_path, "sessions.pqt")
    with pytest.raises(NoIndexError):
        Catalogue.open(tmp_path)


def test_a_table_that_is_being_written_is_waited_for(small: Path) -> None:
    import threading

    content = (small / "datasets.pqt").read_bytes()
    (small / "datasets.pqt").write_bytes(content[:100])

    def finish() -> None:
        (small / "datasets.pqt").write_bytes(content)

    later: Callable[[], None] = threading.Timer(0.2, finish).start
    later()
    assert Catalogue.open(small).n_datasets == 5

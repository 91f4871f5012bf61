"""States, their log and their files: how a state is claimed, read, exported and collected."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fascicle.catalogue import Catalogue, Change, index
from fascicle.catalogue import export as exporting
from fascicle.catalogue.log import Entry, Home
from fascicle.catalogue.restore import columns_of
from fascicle.catalogue.schema import FORMAT
from fascicle.catalogue.store import Store
from fascicle.errors import CatalogueError

from .support import SESSION, age, files, indexed, log_numbers, put, put_channels, settle, tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    put(root, f"{SESSION}/alf/a.times.npy", "deep/s2/2020-01-02/001/alf/b.times.npy")
    put_channels(root / SESSION / "alf/probe00", [549])
    indexed(root, hash_files=True)
    return root


def home(folder: Path) -> Home:
    return Home(folder / ".fascicle")


def note(catalogue: Catalogue, text: str) -> Change:
    """Return a change that writes a word into the newest session."""
    return Change(upsert_sessions=[catalogue.session(0)._replace(projects=text)])


def rewrite(folder: Path, name: str, **columns: Any) -> None:
    """Change columns of a table as another program would."""
    table = pq.read_table(folder / name).to_pandas()
    for column, value in columns.items():
        table[column] = value
    settle()
    table.to_parquet(folder / name)


def test_each_commit_is_a_state_of_its_own(folder: Path) -> None:
    first = Catalogue.open(folder)
    second = first.commit(note(first, "one"))
    third = first.commit(Change(meta={"mood": "good"}))
    assert [c.number for c in (first, second, third)] == [1, 2, 3] == log_numbers(folder)
    assert third.session(0).projects == "one", "made to what is newest"
    assert first.session(0).projects == ""
    assert Catalogue.open(folder).meta["mood"] == "good"
    assert tables(folder)[0]["projects"].to_pylist().count("one") == 1


def test_a_state_is_opened_immutable(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    before = {p: p.stat() for p in (folder / ".fascicle").rglob("*")}
    catalogue.having(lambda name: True)
    files(catalogue)
    assert {p: p.stat() for p in (folder / ".fascicle").rglob("*")}.keys() == before.keys()
    import sqlite3

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        catalogue._con.execute("DELETE FROM session")


def test_tables_that_are_missing_are_written_again(folder: Path) -> None:
    (folder / "datasets.pqt").unlink()
    assert Catalogue.open(folder).n_datasets == 3
    assert index(folder).number == 1
    assert tables(folder)[1].num_rows == 3
    for name in ("sessions.pqt", "datasets.pqt"):
        (folder / name).unlink()
    assert Catalogue.open(folder).n_datasets == 3
    index(folder)
    assert tables(folder)[0].num_rows == 2


def test_a_foreign_change_is_taken_over(folder: Path) -> None:
    before = Catalogue.open(folder)
    rewrite(folder, "sessions.pqt", projects="theirs")
    opened = Catalogue.open(folder)
    assert opened.number == 2
    assert {opened.session(r).projects for r in range(2)} == {"theirs"}
    assert files(opened) == files(before), "odd folders stay"
    (p,) = opened.insertions()
    assert opened.regions(p.pid) == {549: 1}, "regions stay"
    assert opened.meta["local"]
    assert Catalogue.open(folder).number == 2
    put(folder, "s5/2020-01-05/001/a.times.npy")
    catalogue, report = indexed(folder)
    assert (report.added, report.changed, report.removed) == (1, 0, 0)
    assert catalogue.regions(p.pid) == {549: 1}
    assert catalogue.datasets(1).hashes == before.datasets(0).hashes


def test_an_edit_before_a_foreign_change_is_noticed(folder: Path) -> None:
    from .support import edit_in_place, hashes

    path = f"{SESSION}/alf/a.times.npy"
    before = hashes(Catalogue.open(folder))[path]
    edit_in_place(folder / path, b"9876")
    rewrite(folder, "sessions.pqt", projects="theirs")
    Catalogue.open(folder).close()
    catalogue, report = indexed(folder)
    assert report.changed == 1
    assert hashes(catalogue)[path] != before


def test_a_table_that_keeps_our_stamp_is_foreign_all_the_same(folder: Path) -> None:
    table = pq.read_table(folder / "sessions.pqt")
    at = table.column_names.index("projects")
    table = table.set_column(at, "projects", [["theirs"] * table.num_rows])
    settle()
    pq.write_table(table, folder / "sessions.pqt")
    assert Catalogue.open(folder).session(0).projects == "theirs"


def test_a_foreign_change_at_the_time_of_a_commit_loses_neither(folder: Path) -> None:
    """Our commit was claimed, but not yet exported, when another program wrote its tables."""
    store = Store(folder)
    ours = Catalogue.open(folder)
    theirs = pq.read_table(folder / "datasets.pqt").to_pandas()
    entry = store.home.newest()
    assert entry is not None
    from fascicle.catalogue.change import apply

    columns = apply(note(ours, "ours"), columns_of(ours))
    claimed = store._claim(store.home, 1, entry, columns, store._stats())
    assert claimed is not None
    theirs["qc"] = "PASS"
    settle()
    theirs.to_parquet(folder / "datasets.pqt")
    store.export()
    assert pq.read_table(folder / "datasets.pqt")["qc"].to_pylist() == ["PASS"] * 3
    opened = Catalogue.open(folder)
    assert opened.session(0).projects == "ours"
    assert {q for r in range(2) for q in opened.datasets(r).qc} == {10}
    index(folder)
    assert "ours" in tables(folder)[0]["projects"].to_pylist()
    assert tables(folder)[1]["qc"].to_pylist() == ["PASS"] * 3


def test_a_reader_between_the_two_tables_of_an_export(folder: Path, tmp_path: Path) -> None:
    """With a table of insertions, which we never write, beside them."""
    insertions = pq.read_table(folder / "sessions.pqt").slice(0, 1).to_pandas().reset_index()
    insertions = insertions.rename(columns={"id": "eid"}).assign(pid=str(uuid.uuid4()), name="p")
    insertions.to_parquet(folder / "insertions.pqt")
    catalogue = Catalogue.open(folder)
    assert {p.name for p in catalogue.insertions()} == {"probe00", "p"}
    index(folder)
    first = Catalogue.open(folder)
    old = tmp_path / "old.pqt"
    shutil.copy2(folder / "datasets.pqt", old)
    eid = first.eid(0)
    newer = first.commit(Change(delete_sessions=[eid]))
    assert newer.n_sessions == 1
    (folder / ".fascicle/exports.json").unlink()
    os.replace(old, folder / "datasets.pqt")  # as if that one were still to come
    opened = Catalogue.open(folder)
    assert (opened.number, opened.n_sessions, opened.n_datasets) == (
        newer.number,
        1,
        newer.n_datasets,
    )


def test_killed_between_claim_and_export(folder: Path) -> None:
    store, catalogue = Store(folder), Catalogue.open(folder)
    from fascicle.catalogue.change import apply

    entry = store.home.newest()
    columns = apply(note(catalogue, "new"), columns_of(catalogue))
    assert store._claim(store.home, 1, entry, columns, store._stats())
    assert Catalogue.open(folder).session(0).projects == "new"
    assert "new" not in tables(folder)[0]["projects"].to_pylist()
    index(folder)
    assert "new" in tables(folder)[0]["projects"].to_pylist()


def test_numbers_are_claimed_once(folder: Path) -> None:
    place = home(folder)
    entry = place.newest()
    assert entry is not None
    assert not place.claim(entry._replace(segment=entry.segment))
    assert log_numbers(folder) == [1]


def test_a_number_that_a_collection_made_room_for_is_no_claim(folder: Path) -> None:
    """A writer that looked at the log long ago finds its number free, but is no longer next."""
    catalogue = Catalogue.open(folder)
    for k in range(4):
        catalogue.commit(note(catalogue, str(k)))
    place = home(folder)
    for number in (1, 2, 3):
        place.entry_path(number).unlink()
    stale = place.newest()
    assert stale is not None
    late = Entry(2, stale.segment, stale.store, "parent that was newest then", {})
    assert not place.claim(late)
    assert log_numbers(folder) == [4, 5]
    before_last = Entry(3, place.entry(4).parent, stale.store, "", {})  # type: ignore[union-attr]
    assert place.claim(before_last), "the next one was made of it"
    gone = Entry(6, uuid.uuid4().hex, stale.store, stale.segment, {})
    assert not place.claim(gone), "its files were collected meanwhile"
    assert Catalogue.open(folder).session(0).projects == "3"


def old_format(folder: Path, number: int) -> None:
    path = home(folder).entry_path(number)
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "format": FORMAT - 1}))


def test_a_log_of_an_older_layout_is_made_again_from_the_tables(folder: Path) -> None:
    before = files(Catalogue.open(folder))
    old_format(folder, 1)
    opened = Catalogue.open(folder)
    assert opened.number == 2
    assert set(files(opened).values()) == set(before.values())
    catalogue, report = indexed(folder)
    assert files(catalogue) == before
    assert (report.added, report.removed) == (0, 0)
    assert catalogue.insertions_in([549])


def test_indexing_over_an_older_layout(folder: Path) -> None:
    before = files(Catalogue.open(folder))
    old_format(folder, 1)
    assert files(indexed(folder)[0]) == before
    for number in log_numbers(folder):
        old_format(folder, number)
    for name in ("sessions.pqt", "datasets.pqt"):
        (folder / name).unlink()
    assert files(indexed(folder)[0]) == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"number": 2}', '{"a": 1}'])
def test_an_entry_that_is_damaged_is_passed_over(folder: Path, content: str) -> None:
    home(folder).entry_path(2).write_text(content)
    (folder / ".fascicle/exports.json").write_text(content)
    assert Catalogue.open(folder).number == 1
    newer = Catalogue.open(folder).commit(note(Catalogue.open(folder), "x"))
    assert newer.number == 3
    assert Catalogue.open(folder).session(0).projects == "x"


@pytest.mark.parametrize("ending", [".sqlite", ".bin", ".ids", ".rows"])
@pytest.mark.parametrize("what", ["gone", "damaged"])
def test_files_of_a_state_that_are_damaged(folder: Path, ending: str, what: str) -> None:
    (path,) = (folder / ".fascicle/segments").glob(f"*{ending}")
    age(folder / "sessions.pqt", 1)
    age(folder / "datasets.pqt", 1)
    if what == "gone":
        path.unlink()
    elif ending == ".sqlite":
        path.write_bytes(b"no database at all" * 100)
    else:
        path.write_bytes(path.read_bytes() + b"more")
    if (ending, what) == (".sqlite", "gone"):
        assert Catalogue.open(folder).n_datasets == 3, "made again"
        return
    with pytest.raises(CatalogueError, match=r"cannot be read") as caught:
        Catalogue.open(folder)
    assert "remove the .fascicle folder" in caught.value.hint
    shutil.rmtree(folder / ".fascicle")
    assert indexed(folder)[0].n_datasets == 3


def segments(folder: Path) -> set[str]:
    return {p.stem for p in (folder / ".fascicle/segments").iterdir()}


def test_states_are_collected_a_day_after_they_were_followed(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    for k in range(3):
        catalogue.commit(note(catalogue, str(k)))
    place = home(folder)
    assert log_numbers(folder) == [1, 2, 3, 4]
    for path in (folder / ".fascicle").rglob("*"):
        if path.is_file():
            age(path, 3)
    young = place.entry_path(4)
    os.utime(young)  # 4 followed 3 a moment ago, however old 3 is
    catalogue.commit(note(catalogue, "last"))
    assert log_numbers(folder) == [3, 4, 5]
    assert len(segments(folder)) == 3
    assert Catalogue.open(folder).session(0).projects == "last"


def test_who_has_a_state_open_keeps_it(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    catalogue.commit(note(catalogue, "x"))
    for path in (folder / ".fascicle").rglob("*"):
        if path.is_file():
            age(path, 3)
    catalogue.commit(note(catalogue, "y"))
    catalogue.commit(note(catalogue, "z"))
    assert 1 not in log_numbers(folder)
    ids = files(catalogue)
    assert len(ids) == 3
    assert all(catalogue.locate_dataset(did) for did in ids.values())
    assert len(catalogue.datasets_frame()) == 3


def test_leavings_of_killed_writers_go_after_a_day(folder: Path) -> None:
    places = [
        folder / ".fascicle/segments" / f"{'a' * 32}.sqlite",
        folder / ".fascicle/segments" / f"{'a' * 32}.bin",
        folder / ".fascicle/log" / f".{'b' * 32}.part",
        folder / ".fascicle" / f".exports.{'c' * 32}.part",
        folder / f".datasets.pqt.{'d' * 32}.part",
    ]
    for path in places:
        path.write_bytes(b"half")
    catalogue = Catalogue.open(folder)
    catalogue.commit(note(catalogue, "x"))
    assert all(p.exists() for p in places), "somebody may be writing them"
    for path in places:
        age(path, 1.1)
    catalogue.commit(note(catalogue, "y"))
    assert not any(p.exists() for p in places)
    assert Catalogue.open(folder).session(0).projects == "y"


def test_collecting_spares_what_others_write_now(folder: Path) -> None:
    place = home(folder)
    newest = place.newest()
    assert newest is not None
    age(place.stem(newest).with_suffix(".sqlite"), 5)
    age(place.entry_path(1), 5)
    place.collect(folder)
    assert Catalogue.open(folder).number == 1


def test_file_systems_without_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def no_links(source: object, target: object) -> None:
        raise OSError(errno.ENOTSUP, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    catalogue = Catalogue.open(folder)
    assert catalogue.commit(note(catalogue, "x")).number == 2
    entry = home(folder).newest()
    assert entry is not None
    assert not home(folder).claim(entry)
    assert Catalogue.open(folder).session(0).projects == "x"


def test_no_room_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fascicle.catalogue import segment

    real = segment._write_array

    def full(path: Path, array: Any) -> None:
        if path.suffix == ".rows":
            raise OSError(28, "No space left on device")
        real(path, array)

    monkeypatch.setattr(segment, "_write_array", full)
    catalogue = Catalogue.open(folder)
    with pytest.raises(OSError, match="No space"):
        catalogue.commit(note(catalogue, "x"))
    assert len(segments(folder)) == 1
    assert Catalogue.open(folder).number == 1


# -- the tables that we write ----------------------------------------------------------------------


def test_pandas_alone_reads_them(folder: Path) -> None:
    import pandas as pd

    sessions = pd.read_parquet(folder / "sessions.pqt")
    datasets = pd.read_parquet(folder / "datasets.pqt")
    assert sessions.index.name == "id"
    assert list(datasets.index.names) == ["eid", "id"]
    columns = ["lab", "subject", "date", "number", "task_protocol", "projects"]
    assert sessions.columns.tolist() == columns
    assert datasets.columns.tolist() == ["rel_path", "file_size", "hash", "exists", "qc"]
    assert sessions["number"].dtype == "uint16"
    assert datasets["file_size"].dtype == "UInt64"
    assert datasets["exists"].dtype == bool
    assert datasets["qc"].cat.ordered
    assert datasets["qc"].cat.categories.tolist() == [
        "NOT_SET",
        "PASS",
        "WARNING",
        "FAIL",
        "CRITICAL",
    ]
    assert sessions.index.is_monotonic_increasing
    assert datasets.index.is_monotonic_increasing
    assert all(isinstance(k, str) for k in sessions.index)
    assert str(sessions["date"].iloc[0]) in ("2020-01-01", "2020-01-02")


def test_pyarrow_alone_reads_them(folder: Path) -> None:
    sessions, datasets = tables(folder)
    assert {f.name: str(f.type) for f in sessions.schema} == {
        "lab": "string",
        "subject": "string",
        "date": "date32[day]",
        "number": "uint16",
        "task_protocol": "string",
        "projects": "string",
        "id": "string",
    }
    kinds = {f.name: str(f.type) for f in datasets.schema}
    assert kinds["qc"].startswith("dictionary<values=string, indices=int8, ordered=1>")
    del kinds["qc"]
    assert kinds == {
        "rel_path": "string",
        "file_size": "uint64",
        "hash": "string",
        "exists": "bool",
        "eid": "string",
        "id": "string",
    }
    for table in (sessions, datasets):
        about = json.loads(table.schema.metadata[b"one_metadata"])
        assert set(about) == {"date_created", "origin"}
        assert about["origin"] == str(folder)
        time.strptime(about["date_created"], "%Y-%m-%d %H:%M")
        table.validate(full=True)


def test_what_is_unknown_is_null(folder: Path) -> None:
    from fascicle.catalogue import DatasetRow

    catalogue = Catalogue.open(folder)
    did = uuid.uuid4()
    catalogue.commit(Change(upsert_datasets=[DatasetRow(catalogue.eid(0), did, "alf/x.npy")]))
    (row,) = [r for r in tables(folder)[1].to_pylist() if r["id"] == str(did)]
    assert (row["file_size"], row["hash"], row["qc"]) == (None, None, "NOT_SET")


def test_large_tables_have_several_row_groups(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_ROWS_PER_GROUP", 2)
    catalogue = Catalogue.open(folder)
    catalogue.commit(note(catalogue, "x"))
    assert pq.ParquetFile(folder / "datasets.pqt").num_row_groups == 2
    assert len(tables(folder)[1]) == 3
    (folder / ".fascicle").rename(folder / "away")
    assert set(files(Catalogue.open(folder)).values()) == set(files(catalogue).values())

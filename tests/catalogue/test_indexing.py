"""A folder becomes an index, and the index follows the folder."""

from __future__ import annotations

import os
import shutil
from hashlib import md5
from pathlib import Path
from uuid import UUID

import pytest

from fascicle.catalogue import Catalogue, Change, DatasetRow, identity, index
from fascicle.catalogue.schema import HIDDEN
from fascicle.errors import CatalogueError

from .support import (
    SESSION,
    edit_in_place,
    files,
    hashes,
    indexed,
    log_numbers,
    put,
    settle,
    tables,
)

A, B = f"{SESSION}/alf/a.times.npy", f"{SESSION}/alf/b.times.npy"
OTHER = "s2/2020-01-02/001/alf/c.times.npy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    put(root, A, B, OTHER)
    return root


def test_a_first_index(folder: Path) -> None:
    catalogue, report = indexed(folder)
    eid = identity.session_id("labA", "s1", "2020-01-01", 1)
    other = identity.session_id("", "s2", "2020-01-02", 1)
    assert files(catalogue) == {
        A: UUID(bytes=identity.dataset_id(eid, "alf/a.times.npy")),
        B: UUID(bytes=identity.dataset_id(eid, "alf/b.times.npy")),
        OTHER: UUID(bytes=identity.dataset_id(other, "alf/c.times.npy")),
    }
    assert (report.n_sessions, report.n_datasets, report.added) == (2, 3, 3)
    assert (report.changed, report.removed, report.number) == (0, 0, 1)
    assert set(hashes(catalogue).values()) == {""}
    assert catalogue.datasets(0).sizes == [4]
    assert {"scan", "merge", "write"} <= set(report.seconds)
    assert "2 sessions, 3 datasets (3 new" in str(report)
    assert "<table>" in report._repr_html_()
    sessions, datasets = tables(folder)
    assert (sessions.num_rows, datasets.num_rows) == (2, 3)


@pytest.mark.parametrize("hash_files", [False, True])
def test_indexing_again_without_a_change_commits_nothing(folder: Path, hash_files: bool) -> None:
    indexed(folder, hash_files=hash_files)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    report = index(folder, hash_files=hash_files)
    assert report.number == 1
    assert (report.added, report.changed, report.removed) == (0, 0, 0)
    assert (report.n_sessions, report.n_datasets) == (2, 3)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert log_numbers(folder) == [1]


def test_a_file_as_young_as_its_index_is_no_reason_for_many_states(folder: Path) -> None:
    put(folder, A)
    index(folder)
    put(folder, A)
    for _ in range(5):
        index(folder)
    assert max(log_numbers(folder)) <= 7
    settle()
    last = index(folder).number
    assert [index(folder).number for _ in range(3)] == [last] * 3


@pytest.mark.parametrize("hash_files", [False, True])
def test_an_edit_of_the_same_size_in_place_is_noticed(folder: Path, hash_files: bool) -> None:
    indexed(folder, hash_files=hash_files)
    edit_in_place(folder / A, b"9876")
    catalogue, report = indexed(folder, hash_files=hash_files)
    assert (report.added, report.changed, report.removed, report.number) == (0, 1, 0, 2)
    expected = md5(b"9876").hexdigest() if hash_files else ""
    assert hashes(catalogue)[A] == expected
    assert index(folder, hash_files=hash_files).number == 2


def test_an_edit_whose_mtime_was_set_back_is_noticed(folder: Path) -> None:
    indexed(folder, hash_files=True)
    was = (folder / A).stat()
    edit_in_place(folder / A, b"9876")
    os.utime(folder / A, ns=(was.st_atime_ns, was.st_mtime_ns))
    catalogue, report = indexed(folder)
    assert report.changed == 1
    assert hashes(catalogue)[A] == md5(b"9876").hexdigest(), "what had a hash is hashed again"


def test_an_edit_within_a_tick_of_the_clock_is_noticed_with_hashes(folder: Path) -> None:
    put(folder, A, content=b"abcd")
    index(folder, hash_files=True)
    (folder / A).write_bytes(b"efgh")  # may well have the times that the index saw
    index(folder, hash_files=True)
    catalogue, _ = indexed(folder, hash_files=True)
    assert hashes(catalogue)[A] == md5(b"efgh").hexdigest()


def test_files_that_come_go_grow_and_are_renamed(folder: Path) -> None:
    first, _ = indexed(folder)
    ids = files(first)
    new = f"{SESSION}/alf/n.times.npy"
    put(folder, new)
    put(folder, B, content=b"longer than before")
    (folder / A).rename(folder / f"{SESSION}/alf/z.times.npy")
    catalogue, report = indexed(folder)
    assert (report.added, report.changed, report.removed) == (2, 1, 1)
    now = files(catalogue)
    assert set(now) == {new, B, f"{SESSION}/alf/z.times.npy", OTHER}
    assert now[B] == ids[B]
    assert now[OTHER] == ids[OTHER]
    (folder / f"{SESSION}/alf/z.times.npy").rename(folder / A)
    shutil.rmtree(folder / "s2")
    catalogue, report = indexed(folder)
    assert files(catalogue)[A] == ids[A], "the same place, the same id"
    assert catalogue.n_sessions == 1
    assert sum(p.num_rows for p in tables(folder)) == 1 + 3


def test_a_parent_folder_renamed_or_copied_keeps_the_ids(folder: Path, tmp_path: Path) -> None:
    first, _ = indexed(folder)
    ids, number = files(first), first.number
    first.close()
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    folder.rename(moved)
    assert files(Catalogue.open(moved)) == ids
    assert index(moved).number == number, "nothing to do"
    copied = Path(shutil.copytree(moved, tmp_path / "copy"))
    assert files(Catalogue.open(copied)) == ids
    catalogue, report = indexed(copied)
    assert (files(catalogue), report.added, report.removed) == (ids, 0, 0)
    shutil.rmtree(copied / HIDDEN)
    for name in ("sessions.pqt", "datasets.pqt"):
        (copied / name).unlink()
    assert files(indexed(copied)[0]) == ids, "derived again"


def test_a_session_moved_under_a_lab_keeps_its_ids(folder: Path) -> None:
    first, _ = indexed(folder)
    eid, did = first.eids(), files(first)[OTHER]
    (folder / "labB/Subjects").mkdir(parents=True)
    (folder / "s2").rename(folder / "labB/Subjects/s2")
    catalogue, report = indexed(folder)
    assert catalogue.eids() == eid
    assert files(catalogue)[f"labB/Subjects/{OTHER}"] == did
    assert catalogue.session(0).lab == "labB"
    assert (report.added, report.removed) == (0, 0)
    put(folder, OTHER)  # the old place is used again: that is another session
    catalogue, _ = indexed(folder)
    assert catalogue.n_sessions == 3
    assert len(set(files(catalogue).values())) == 4
    assert set(eid) < set(catalogue.eids())
    assert indexed(folder)[0].number == catalogue.number


def test_a_session_moved_within_the_folder_keeps_its_ids(folder: Path) -> None:
    first, _ = indexed(folder)
    (folder / "disk2").mkdir()
    (folder / "s2").rename(folder / "disk2/s2")
    catalogue, _ = indexed(folder)
    assert files(catalogue)[f"disk2/{OTHER}"] == files(first)[OTHER]


def test_the_lab_of_sessions_whose_folders_name_none(folder: Path) -> None:
    first, _ = indexed(folder)
    catalogue, _ = indexed(folder, lab="labB")
    assert [catalogue.session(r).lab for r in range(2)] == ["labB", "labA"]
    assert files(catalogue) == files(first), "recorded ids stay, and so does the place"
    assert index(folder, lab="labB").number == 2
    later, _ = indexed(folder)  # a lab once given stays, and the place with it
    assert [later.session(r) for r in range(2)] == [catalogue.session(r) for r in range(2)]
    assert not index(folder).removed
    fresh = folder.parent / "fresh"
    put(fresh, OTHER, f"labB/Subjects/{OTHER}")
    twins, _ = indexed(fresh, lab="labB")
    assert len(set(twins.eids())) == twins.n_sessions == 2
    assert set(files(twins)) == {OTHER, f"labB/Subjects/{OTHER}"}
    assert files(indexed(fresh, lab="labB")[0]) == files(twins)


def test_what_is_no_name_of_a_lab(folder: Path) -> None:
    with pytest.raises(CatalogueError, match="'bad lab' is no name of a lab"):
        index(folder, lab="bad lab")


UUID_A = "6f1d3a2c-5b7e-4c0a-9d8e-2b4f6a1c3e5d"


def test_a_uuid_in_a_name_is_the_id(folder: Path) -> None:
    named = f"{SESSION}/alf/d.times.{UUID_A}.npy"
    put(folder, named)
    catalogue, _ = indexed(folder)
    assert files(catalogue)[named] == UUID(UUID_A)
    put(folder, f"{SESSION}/a_copy/d.times.{UUID_A}.npy", f"{OTHER[:-6]}.{UUID_A}.npy")
    catalogue, report = indexed(folder)
    assert report.added == 2
    now = files(catalogue)
    assert now[named] == UUID(UUID_A), "who has an id keeps it"
    assert len(set(now.values())) == len(now) == 6


def test_two_names_that_differ_in_the_way_accents_are_written(folder: Path) -> None:
    one, other = "\u00c5.times.npy", "\u212b.times.npy"  # Å, and the sign of the ångström
    put(folder, f"{SESSION}/{one}", f"{SESSION}/{other}")
    catalogue, _ = indexed(folder)
    ids = files(catalogue)
    assert len(set(ids.values())) == len(ids) == 5
    assert files(indexed(folder)[0]) == ids


def test_new_ids_start_over(folder: Path) -> None:
    first, _ = indexed(folder, hash_files=True)
    row = first.session(0)
    mine = UUID(int=1)
    session = first.session(first.row_of(None, "s2", row.date, 1) or 0)
    changed = session._replace(eid=mine, task_protocol="ephys", projects="brainwide")
    first.commit(Change(upsert_sessions=[changed], delete_sessions=[session.eid])).close()
    assert mine in indexed(folder)[0].eids(), "the id that a table has stays"
    catalogue, report = indexed(folder, new_ids=True)
    assert mine not in catalogue.eids()
    assert catalogue.session(0).task_protocol == "ephys", "what people wrote stays"
    assert files(catalogue) == files(first)
    assert report.n_datasets == 3


def test_a_rows_own_hash_qc_and_revision_stay(folder: Path) -> None:
    first, _ = indexed(folder, hash_files=True)
    row = first.row_of("labA", "s1", first.session(1).date, 1)
    assert row is not None
    datasets = first.datasets(row)
    known = [
        DatasetRow(first.eid(row), did, path, size, text, True, 40, True)
        for did, path, size, text in zip(
            datasets.ids, datasets.rel_paths, datasets.sizes, datasets.hashes, strict=True
        )
    ]
    first.commit(Change(upsert_datasets=known)).close()
    edit_in_place(folder / A, b"9876")
    catalogue, report = indexed(folder)
    assert report.changed == 1
    now = catalogue.datasets(row)
    assert (now.qc, now.default, now.ids) == ([40, 40], [True, True], datasets.ids)
    assert catalogue.has_default_revision


def test_hashes_that_are_asked_for_later(folder: Path) -> None:
    indexed(folder)
    catalogue, _ = indexed(folder, hash_files=True)
    assert set(hashes(catalogue).values()) == {md5(b"0123").hexdigest()}
    put(folder, f"{SESSION}/n.times.npy")
    catalogue, _ = indexed(folder)
    assert hashes(catalogue)[f"{SESSION}/n.times.npy"] == ""
    assert hashes(catalogue)[A] == md5(b"0123").hexdigest()
    catalogue, _ = indexed(folder, hash_files=True)
    assert set(hashes(catalogue).values()) == {md5(b"0123").hexdigest()}
    number = catalogue.number
    assert index(folder, hash_files=True).number == index(folder).number == number


def test_many_files_are_hashed_right(tmp_path: Path) -> None:
    expected = {}
    for k in range(300):
        path = f"{SESSION}/alf/o{k}.times.npy"
        content = bytes([k % 256]) * (k * 37)
        put(tmp_path, path, content=content)
        expected[path] = md5(content).hexdigest()
    big = b"0123456789abcdef" * (3 << 16)  # more than one block
    put(tmp_path, f"{SESSION}/raw.times.npy", content=big)
    expected[f"{SESSION}/raw.times.npy"] = md5(big).hexdigest()
    assert hashes(indexed(tmp_path, hash_files=True)[0]) == expected


def test_regions_that_are_asked_for_later(folder: Path) -> None:
    from .support import put_channels

    put_channels(folder / SESSION / "alf/probe00", [549, 549])
    catalogue, report = indexed(folder, regions=False)
    assert (report.n_insertions, catalogue.insertions()) == (0, [])
    catalogue, _ = indexed(folder)
    assert catalogue.n_insertions == 1
    put_channels(folder / SESSION / "alf/probe01", [549])
    catalogue, _ = indexed(folder, regions=False)
    assert catalogue.n_insertions == 1
    catalogue, _ = indexed(folder)
    assert catalogue.n_insertions == 2


def test_unreadable_folders_keep_their_rows(open_folder: Path, as_nobody: object) -> None:
    folder = open_folder / "data"
    put(folder, A, B, OTHER)
    before, _ = indexed(folder)
    ids = files(before)
    before.close()
    put(folder, f"{SESSION}/n.times.npy")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    (folder / "s2").chmod(0)
    settle()
    as_nobody(f"index({str(folder)!r}, progress=False)")  # type: ignore[operator]
    (folder / "s2").chmod(0o755)
    now = files(Catalogue.open(folder))
    assert now == {**ids, f"{SESSION}/n.times.npy": now[f"{SESSION}/n.times.npy"]}


def test_tables_in_another_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    out.mkdir()
    catalogue, _ = indexed(folder, tables_dir=out)
    assert {p.name for p in folder.iterdir()} == {"labA", "s2"}
    assert {p.name for p in out.iterdir()} == {HIDDEN, "sessions.pqt", "datasets.pqt"}
    assert (catalogue.root, catalogue.tables_dir) == (folder, out)
    session = catalogue.session(0)._replace(projects="p")
    newer = catalogue.commit(Change(upsert_sessions=[session]))
    assert newer.number == 2
    moved = tmp_path / "moved"
    out.rename(moved)
    again = Catalogue.open(folder, tables_dir=moved)
    assert (again.number, again.session(0).projects) == (2, "p")
    assert again.commit(Change(meta={"x": 1})).tables_dir == moved
    assert not out.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no folder"):
        index(tmp_path / "gone")
    with pytest.raises(CatalogueError, match="no folder"):
        index(tmp_path, tables_dir=tmp_path / "gone")


def test_an_empty_folder(tmp_path: Path) -> None:
    catalogue, report = indexed(tmp_path)
    assert (report.n_sessions, report.n_datasets, catalogue.everything) == (0, 0, 0)
    assert len(catalogue.datasets_frame()) == len(catalogue.sessions_frame()) == 0
    assert catalogue.having(lambda name: True) == 0
    assert catalogue.locate_dataset(UUID(int=1)) is None
    assert [t.num_rows for t in tables(tmp_path)] == [0, 0]
    assert index(tmp_path).number == 1
    put(tmp_path, A)
    assert indexed(tmp_path)[1].added == 1


def test_nothing_but_files_of_this_moment(folder: Path) -> None:
    """A file that another process indexed after our scan had passed is not taken out."""
    from fascicle.catalogue.indexing import Clock
    from fascicle.catalogue.merge import Merger
    from fascicle.catalogue.report import IndexReport
    from fascicle.catalogue.scan import scan
    from fascicle.catalogue.store import Store

    indexed(folder)
    old = scan(folder)
    put(folder, f"{SESSION}/n.times.npy", "s3/2020-01-01/001/n.times.npy")
    indexed(folder)
    report = IndexReport(folder)
    wanted = {"digest": old.digest, "hashed": False, "regions": True, "lab": ""}
    options = {"wanted": wanted, "new_ids": False, "progress": False}
    merger = Merger(folder, old, report=report, clock=Clock({}), **options)  # type: ignore[arg-type]
    late = Store(folder).update(merger.merge)
    assert report.removed == 0
    assert {f"{SESSION}/n.times.npy", "s3/2020-01-01/001/n.times.npy"} < set(files(late))


def test_a_folder_of_nwb_files_needs_no_index(tmp_path: Path) -> None:
    file = tmp_path / "sub-1" / "sub-1_ses-1.nwb"
    file.parent.mkdir()
    file.write_bytes(b"some recording")
    with pytest.raises(CatalogueError, match=r"need no index[\s\S]*fascicle\.open"):
        index(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["sub-1"]  # nothing was written
    put(tmp_path, "lab/Subjects/mouse/2024-01-02/001/alf/trials.choice.npy")
    assert index(tmp_path).n_datasets == 1  # a folder of ALF files with NWB files among them

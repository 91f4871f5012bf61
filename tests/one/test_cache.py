"""The names of ``one.alf.cache``."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from fascicle.errors import CatalogueError
from fascicle.one import One
from fascicle.one.alf import cache

SESSION = "lab/Subjects/s1/2020-01-01/001"
FILES: dict[str, Any] = {
    f"{SESSION}/alf/_ibl_trials.choice.npy": [1, 2],
    f"{SESSION}/alf/probe00/#2024-05-06#/spikes.times.npy": [1.0],
    "s2/2020-01-02/002/alf/_ibl_wheel.position.npy": [1.0],
}


def test_making_tables(make: Any, tmp_path: Path) -> None:
    root = make(FILES).cache_dir
    out = tmp_path / "out"
    out.mkdir()
    sessions, datasets = cache.make_parquet_db(root, out_dir=out, hash_files=True, lab="mine")
    assert (sessions, datasets) == (out / "sessions.pqt", out / "datasets.pqt")
    tables = cache.load_tables(out)
    assert sorted(tables["sessions"]["lab"]) == ["lab", "mine"]
    assert tables["datasets"]["hash"].str.len().eq(32).all()
    # Made again, the ids are the same.
    assert (
        cache.load_tables(cache.make_parquet_db(root)[0].parent)["datasets"]
        .index.get_level_values("id")
        .isin(One(root).list_datasets(details=True).index.get_level_values("id"))
        .all()
    )


def test_making_tables_of_nothing(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="No sessions found"):
        sessions, _ = cache.make_parquet_db(tmp_path)
    assert cache.load_tables(sessions.parent)["sessions"].empty
    with pytest.raises(CatalogueError, match="is no folder"):
        cache.make_parquet_db(tmp_path / "nothing")


def test_frames_of_a_folder(make: Any) -> None:
    root = make(FILES).cache_dir
    sessions = cache._make_sessions_df(root)
    assert list(sessions) == list(cache.SESSIONS_COLUMNS)
    assert sorted(sessions["id"]) == ["lab/s1/2020-01-01/001", "s2/2020-01-02/002"]
    assert sessions["number"].dtype == "uint16"
    assert set(sessions["date"]) == {datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)}
    datasets = cache._make_datasets_df(root / SESSION, hash_files=True)
    assert list(datasets) == list(cache.DATASETS_COLUMNS)
    assert sorted(datasets["rel_path"]) == [
        k.removeprefix(f"{SESSION}/") for k in sorted(FILES)[:2]
    ]
    assert datasets["qc"].dtype == cache.QC_TYPE
    assert datasets["file_size"].dtype == "UInt64"
    assert set(datasets["eid"]) == {"lab/s1/2020-01-01/001"}


def test_empty_tables() -> None:
    tables = cache.default_cache("me")
    assert sorted(tables) == ["_meta", "datasets", "sessions"]
    assert tables["_meta"]["raw"]["sessions"]["origin"] == {"me"}
    assert tables["_meta"]["loaded_time"] is None
    for name, columns in (
        ("sessions", cache.SESSIONS_COLUMNS),
        ("datasets", cache.DATASETS_COLUMNS),
    ):
        assert [*tables[name].index.names, *tables[name]] == list(columns)
    assert cache.EMPTY_DATASETS_FRAME.empty
    assert cache.EMPTY_SESSIONS_FRAME.empty
    with pytest.raises(AttributeError):
        _ = cache.nothing


def test_merging(make: Any) -> None:
    one = make(FILES)
    tables = cache.load_tables(one.cache_dir)
    rows = tables["sessions"].iloc[:1].assign(subject="another", foreign=1)
    new = rows.set_axis(pd.Index([UUID(int=5)], name="id"), axis=0)
    when = cache.merge_tables(tables, sessions=pd.concat([rows, new]), origin="me", datasets=None)
    assert tables["_meta"]["modified_time"] == when
    assert "me" in tables["_meta"]["raw"]["sessions"]["origin"]
    assert (tables["sessions"]["subject"] == "another").sum() == 2
    assert "foreign" not in tables["sessions"]
    assert tables["sessions"].index.is_monotonic_increasing
    row = tables["datasets"].iloc[0].copy()
    row["qc"] = "FAIL"
    cache.merge_tables(tables, datasets=row)
    assert tables["datasets"]["qc"].tolist()[0] == "FAIL"
    assert tables["datasets"]["qc"].dtype == cache.QC_TYPE
    without = tables["datasets"].iloc[:1].drop(columns="default_revision", errors="ignore")
    cache.merge_tables(tables, datasets=without)
    assert len(tables["datasets"]) == 3
    assert cache.merge_tables(tables, sessions=None) is None
    with pytest.raises(KeyError, match='Table "foo" not in cache'):
        cache.merge_tables(tables, foo=rows)
    with pytest.raises(AssertionError, match="foreign"):
        cache.merge_tables(tables, strict=True, sessions=rows)


def test_merging_into_an_open_object(make: Any) -> None:
    one = make(FILES)
    eid = one.search(subject="s1")[0]
    row = one._cache["sessions"].loc[eid].copy()
    row["task_protocol"] = "ephys"
    cache.merge_tables(one._cache, sessions=row)
    assert one.search(task="ephys") == [eid]
    one.save_cache()
    assert One(one.cache_dir).search(task="ephys") == [eid]
    one._cache = cache.load_tables(one.cache_dir)
    assert one.search(task="ephys") == [eid]
    one._cache = cache.default_cache()
    assert one.search() == []


def test_removing_what_tables_do_not_list(make: Any) -> None:
    root = make(FILES).cache_dir
    tables = cache.load_tables(root)
    assert cache.remove_missing_datasets(root) == []
    extra = root / SESSION / "alf" / "probe00" / "spikes.amps.npy"
    shutil.copy(root / sorted(FILES)[1], extra)
    other = root / "s3/2020-01-03/001/alf/a.b.npy"
    other.parent.mkdir(parents=True)
    shutil.copy(extra, other)
    note = extra.with_name("notes.txt")
    note.write_text("kept")
    wanted = [extra, root / "s3/2020-01-03/001", other]
    assert cache.remove_missing_datasets(root, tables) == wanted
    assert extra.exists()
    assert cache.remove_missing_datasets(root, tables, dry=False) == wanted
    assert not extra.exists()
    assert not (root / "s3").exists()
    assert note.exists()
    assert all((root / name).exists() for name in FILES)


def test_removing_tables(make: Any) -> None:
    root = make(FILES).cache_dir
    assert sorted(p.name for p in cache.remove_table_files(root)) == [
        "datasets.pqt",
        "sessions.pqt",
    ]
    assert cache.remove_table_files(root) == []


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "mine.pqt")
    assert "mine" not in cache.load_tables(tmp_path)
    (tmp_path / "sessions.pqt").write_bytes(b"PAR1")
    with pytest.raises(CatalogueError, match=r"sessions\.pqt cannot be read"):
        cache.load_tables(tmp_path)


_DESCRIBE = """
import json, sys
from {module} import load_tables
found = load_tables(sys.argv[1])
out = {{}}
for name in ("sessions", "datasets"):
    table = found[name]
    rows = sorted(
        json.dumps([str(key), {{c: str(row[c]).replace('nan', 'None') for c in sorted(table)}}])
        for key, row in table.iterrows()
    )
    out[name] = [list(table.index.names), rows[:300], len(rows)]
print(json.dumps(out))
"""


@pytest.mark.peer
@pytest.mark.parametrize("folder", ["one_api_fixtures", "one_cache_openalyx"])
def test_tables_read_as_one_reads_them(one_python: Path, shared: Path, folder: str) -> None:
    path = shared / "data" / folder
    code = _DESCRIBE.format(module="one.alf.cache")
    run = subprocess.run([one_python, "-c", code, path], capture_output=True, text=True, check=True)
    theirs = json.loads(run.stdout)
    tables = cache.load_tables(path)
    for name, (names, rows, n) in theirs.items():
        table = tables[name]
        assert (list(table.index.names), len(table)) == (names, n)
        ours = sorted(
            json.dumps([str(k), {c: str(r[c]).replace("nan", "None") for c in sorted(table)}])
            for k, r in table.iterrows()
        )
        assert ours[:300] == rows

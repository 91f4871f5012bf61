"""The official client opens what we write, after every kind of write, and we what it wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fascicle.catalogue import Catalogue, Change, DatasetRow

from .support import SESSION, edit_in_place, files, hashes, indexed, log_numbers, put, put_channels

pytestmark = pytest.mark.peer

OTHER = "labB/Subjects/s2/2020-01-02/002"

TELL = """
import json, sys, warnings
warnings.simplefilter("ignore")
from one.api import One
one = One(cache_dir=sys.argv[1], mode="local")
sessions, datasets = one._cache["sessions"], one._cache["datasets"]
out = {"sessions": {}, "datasets": {}, "search": {}, "paths": {}}
for eid, row in sessions.iterrows():
    names = ["lab", "subject", "date", "number", "task_protocol", "projects"]
    out["sessions"][str(eid)] = [str(v) for v in row[names]]
    out["datasets"][str(eid)] = sorted(one.list_datasets(eid))
    out["paths"][str(eid)] = one.eid2path(eid).relative_to(sys.argv[1]).as_posix()
for (eid, did), row in datasets.iterrows():
    found = [str(eid), row["rel_path"], str(row["qc"]), bool(row["exists"])]
    out.setdefault("rows", {})[str(did)] = found
for text in ("a.times.npy", "b.times.npy"):
    out["search"][text] = sorted(map(str, one.search(datasets=text)))
print("\\n" + json.dumps(out))
"""


def peer(python: Path, code: str, *args: object) -> str:
    command = [str(python), "-c", code, *map(str, args)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout.strip().splitlines()[-1] if run.stdout.strip() else ""


def told(python: Path, folder: Path) -> dict[str, Any]:
    out: dict[str, Any] = json.loads(peer(python, TELL, folder))
    return out


def agree(python: Path, folder: Path) -> None:
    theirs, ours = told(python, folder), Catalogue.open(folder)
    names = [str(eid) for eid in ours.eids()]
    assert set(theirs["sessions"]) == set(names)
    for row in range(ours.n_sessions):
        s, mine = ours.session(row), ours.datasets(row)
        assert theirs["sessions"][str(s.eid)] == [str(v) for v in s[1:7]]
        assert theirs["paths"][str(s.eid)] == s.path
        shown = [p for p, q in zip(mine.rel_paths, mine.qc, strict=True) if q < 50]
        assert theirs["datasets"][str(s.eid)] == shown
        for k, did in enumerate(mine.ids):
            name = {0: "NOT_SET", 10: "PASS", 30: "WARNING", 40: "FAIL", 50: "CRITICAL"}[mine.qc[k]]
            expected = [str(s.eid), mine.rel_paths[k], name, mine.exists[k]]
            assert theirs["rows"].pop(str(did)) == expected
    assert not theirs["rows"]
    for text, found in theirs["search"].items():
        rows = ours.rows(ours.having(text.__eq__))
        assert found == sorted(map(str, ours.eids(rows)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, f"{SESSION}/alf/a.times.npy", f"{SESSION}/alf/#2024-01-01#/a.times.npy")
    put(tmp_path, f"{OTHER}/alf/a.times.npy", f"{OTHER}/alf/b.times.npy")
    put_channels(tmp_path / SESSION / "alf/probe00", [549, 549, -313], [1, 1, -1])
    return tmp_path


def test_it_opens_what_we_write(one_python: Path, folder: Path) -> None:
    catalogue, _ = indexed(folder)
    agree(one_python, folder)
    indexed(folder, hash_files=True)
    agree(one_python, folder)
    eid = catalogue.eid(0)
    rows = [
        DatasetRow(eid, did, path, 4, "", qc != 30, qc, qc == 0)
        for did, path, qc in zip(
            catalogue.datasets(0).ids, catalogue.datasets(0).rel_paths, (30, 0), strict=False
        )
    ]
    session = catalogue.session(0)._replace(task_protocol="ephys", projects="a,b")
    catalogue.commit(Change([session], rows))
    agree(one_python, folder)
    catalogue.commit(Change(delete_datasets=[rows[0].id], delete_sessions=[catalogue.eid(1)]))
    agree(one_python, folder)


SETUP = """
import sys, warnings
warnings.simplefilter("ignore")
from one.api import One
One.setup(sys.argv[1], silent=True, hash_files=len(sys.argv) > 2)
"""


def test_we_open_what_it_indexed(one_python: Path, folder: Path) -> None:
    peer(one_python, SETUP, folder, "hash")
    theirs = told(one_python, folder)
    opened = Catalogue.open(folder)
    assert set(map(str, opened.eids())) == set(theirs["sessions"])
    for row in range(opened.n_sessions):
        eid = str(opened.eid(row))
        assert [str(v) for v in opened.session(row)[1:7]] == theirs["sessions"][eid]
        assert opened.datasets(row).rel_paths == theirs["datasets"][eid]
    ids = files(opened)
    assert len(set(ids.values())) == len(ids) == 6
    from hashlib import md5

    assert hashes(opened) == {p: md5((folder / p).read_bytes()).hexdigest() for p in ids}
    catalogue, report = indexed(folder)
    assert (report.added, report.changed, report.removed) == (0, 0, 0)
    assert files(catalogue) == ids
    assert catalogue.eids() == opened.eids()
    agree(one_python, folder)


SAVE = """
import sys, warnings
warnings.simplefilter("ignore")
from one.api import One
one = One(cache_dir=sys.argv[1], mode="local")
one._cache["sessions"]["projects"] = "theirs"
datasets = one._cache["datasets"].copy()
datasets.loc[datasets["rel_path"].str.endswith("b.times.npy"), "qc"] = "WARNING"
one._cache["datasets"] = datasets
one.save_cache(clobber=True)
"""


def test_what_it_saves_after_us_is_taken_over(one_python: Path, folder: Path) -> None:
    catalogue, _ = indexed(folder, hash_files=True)
    (p,) = catalogue.insertions()
    assert catalogue.regions(p.pid) == {549: 2, -313: 1}
    before = hashes(catalogue)
    peer(one_python, SAVE, folder)
    opened = Catalogue.open(folder)
    assert opened.number == 2
    assert {opened.session(r).projects for r in range(2)} == {"theirs"}
    assert sorted(q for r in range(2) for q in opened.datasets(r).qc) == [0] * 5 + [30]
    assert (files(opened), hashes(opened)) == (files(catalogue), before)
    assert opened.insertions() == catalogue.insertions()
    assert opened.regions(p.pid) == catalogue.regions(p.pid)
    edit_in_place(folder / OTHER / "alf/b.times.npy", b"9876")
    again, report = indexed(folder)
    assert report.changed == 1
    assert {again.session(r).projects for r in range(2)} == {"theirs"}
    agree(one_python, folder)
    assert log_numbers(folder) == [1, 2, 3]

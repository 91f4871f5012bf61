"""A folder that cannot be written is searched all the same; nothing needs a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fascicle.catalogue import Catalogue, index

from .conftest import run_python
from .support import SESSION, files, indexed, put, put_channels, settle
from .test_tables import ones_ids

ReadOnly = Callable[[Path, str], str]

LOOK = """
import sys
from fascicle.catalogue import Catalogue
catalogue = Catalogue.open({folder!r})
found = catalogue.rows(catalogue.having("a.times.npy".__eq__))
print(catalogue.number, found, catalogue.datasets(found[0]).rel_paths)
at = catalogue.locate_dataset(catalogue.datasets(0).ids[0])
print(at, catalogue.insertions_in([549]) != [])
"""
INDEX = """
from fascicle.catalogue import index
from fascicle.errors import CatalogueError
try:
    index({folder!r})
except CatalogueError as error:
    print(error)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    put(root, f"{SESSION}/a.times.npy")
    put_channels(root / SESSION / "alf/probe00", [549])
    return root


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in [folder, *folder.rglob("*")]
    }


def test_an_indexed_folder_on_a_read_only_mount(folder: Path, on_read_only: ReadOnly) -> None:
    indexed(folder)
    before = everything(folder)
    out = on_read_only(folder, LOOK.format(folder=str(folder)))
    assert out.startswith("1 [0] ['a.times.npy', 'alf/probe00/")
    assert out.endswith("(0, 0) True\n")
    assert everything(folder) == before
    assert not Path(os.environ["FASCICLE_CACHE"]).exists(), "nothing had to be derived"


def test_indexing_a_read_only_mount_says_what_to_do(folder: Path, on_read_only: ReadOnly) -> None:
    indexed(folder)
    before = everything(folder)
    out = on_read_only(folder, INDEX.format(folder=str(folder)))
    assert "cannot be written" not in out, "nothing had changed"
    put(folder, f"{SESSION}/b.times.npy")
    settle()
    out = on_read_only(folder, INDEX.format(folder=str(folder)))
    assert "cannot be written" in out
    assert "--tables" in out
    assert set(everything(folder)) - set(before) == {str(folder / SESSION / "b.times.npy")}


def test_tables_on_a_read_only_mount(folder: Path, tmp_path: Path, on_read_only: ReadOnly) -> None:
    """With ONE's tables alone, the derived index goes to the user's cache, and is used again."""
    shutil.rmtree(folder / SESSION / "alf")
    put(folder, f"{SESSION}/alf/b.times.npy")
    ones_ids(folder)
    before = everything(folder)
    cache = Path(os.environ["FASCICLE_CACHE"])
    for _ in range(2):
        out = on_read_only(folder, LOOK.format(folder=str(folder)))
        assert out.startswith("1 [0] ['a.times.npy', 'alf/b.times.npy']")
        assert len(list(cache.rglob("log/*.json"))) == 1
    assert everything(folder) == before
    ones_ids(folder)  # the tables change: they are read again
    assert on_read_only(folder, LOOK.format(folder=str(folder))).startswith("2 [0]")
    assert len(list(cache.rglob("log/*.json"))) == 2
    # When the folder can be written after all, that index is none of its states.
    ids = files(Catalogue.open(folder))
    catalogue, report = indexed(folder)
    assert catalogue.number == 2, "first the tables as they are, then the folder"
    assert (report.added, report.removed) == (0, 0)
    assert files(catalogue) == ids
    assert files(Catalogue.open(folder)) == ids


def test_foreign_tables_on_a_read_only_mount_keep_regions(
    folder: Path, on_read_only: ReadOnly
) -> None:
    import pyarrow.parquet as pq

    indexed(folder)
    table = pq.read_table(folder / "sessions.pqt").to_pandas()
    table["projects"] = "theirs"
    settle()
    table.to_parquet(folder / "sessions.pqt")
    out = on_read_only(folder, LOOK.format(folder=str(folder)))
    assert out.endswith("(0, 0) True\n")
    opened = Catalogue.open(folder)
    assert opened.session(0).projects == "theirs"
    assert opened.insertions_in([549])
    settle()
    assert index(folder).n_insertions == 1


def test_nowhere_to_write(folder: Path, tmp_path: Path, on_read_only: ReadOnly) -> None:
    shutil.rmtree(folder / SESSION / "alf")
    ones_ids(folder)
    code = f"import os\nos.environ['FASCICLE_CACHE'] = {str(folder / 'cache')!r}\n"
    out = on_read_only(folder, code + LOOK.format(folder=str(folder)))
    assert out.startswith("0 [0] ['a.times.npy']"), "in memory"
    code = "import os\nos.environ['FASCICLE_CACHE'] = '/dev/null/cache'\n"
    out = on_read_only(folder, code + LOOK.format(folder=str(folder)))
    assert out.startswith("0 [0] ['a.times.npy']")


def test_a_folder_of_somebody_else(open_folder: Path, as_nobody: Callable[[str], str]) -> None:
    folder = open_folder / "data"
    put(folder, f"{SESSION}/a.times.npy")
    put_channels(folder / SESSION / "alf/probe00", [549])
    indexed(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = everything(folder)
    assert as_nobody(LOOK.format(folder=str(folder))).startswith("1 [0]")
    put(folder, f"{SESSION}/b.times.npy")
    assert "cannot be written" in as_nobody(INDEX.format(folder=str(folder)))
    shutil.rmtree(folder / ".fascicle")
    assert as_nobody(LOOK.format(folder=str(folder))).startswith("1 [0]")
    assert not (folder / ".fascicle").exists()
    assert set(everything(folder)) < {*before, str(folder / SESSION / "b.times.npy")}


def test_offline(folder: Path) -> None:
    """Nothing here opens a connection: indexing, searching by region and committing."""
    settle()
    code = f"""
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a connection")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from fascicle.atlas import Regions
from fascicle.catalogue import Catalogue, Change, index
index({str(folder)!r}, hash_files=True)
catalogue = Catalogue.open({str(folder)!r})
catalogue = catalogue.commit(Change(meta={{"a": 1}}))
print(catalogue.rows(catalogue.in_regions(Regions().descendants("TH"))))
"""
    assert run_python(code) == "[0]\n"

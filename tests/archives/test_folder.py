"""A folder passes the contract of archives: a synthetic lab, and real data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import fascicle
from fascicle.archives import FolderArchive
from fascicle.errors import NoIndexError, SessionNotFound
from fascicle.testing import ArchiveTests


class TestSyntheticLab(ArchiveTests):
    @pytest.fixture
    def archive(self, lab_folder: Path) -> FolderArchive:
        return FolderArchive(lab_folder)


@pytest.fixture(scope="module")
def real_folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    for part in ("alf_md5_exact", "alf_derived/a2929_head_direction"):
        for file in (shared / "data" / part).rglob("*.*"):
            if file.is_file():
                copy = folder / file.relative_to(shared / "data" / part)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    fascicle.index(folder, hash_files=True)
    return folder


class TestRealData(ArchiveTests):
    @pytest.fixture
    def archive(self, real_folder: Path) -> FolderArchive:
        return FolderArchive(real_folder)


def test_needs_an_index(small: Path) -> None:
    archive = FolderArchive(small)
    with pytest.raises(NoIndexError, match="fascicle index"):
        archive.catalogue()
    with pytest.raises(NoIndexError):
        fascicle.open(small)
    fascicle.index(small)
    assert archive.catalogue().n_sessions == 3


def test_sees_what_was_indexed_since_when_told(small: Path) -> None:
    fascicle.index(small)
    archive = FolderArchive(small)
    assert archive.catalogue().n_sessions == 3
    new = small / "cortexlab/Subjects/A/2020-03-01/001/alf/spikes.times.npy"
    new.parent.mkdir(parents=True)
    shutil.copy(small / "cortexlab/Subjects/A/2020-01-01/001/alf/probe00/spikes.times.npy", new)
    fascicle.index(small)
    archive.refresh()
    assert archive.catalogue().n_sessions == 4


def test_opens_by_absolute_path(small: Path) -> None:
    fascicle.index(small)
    archive = FolderArchive(small)
    folder = small / "cortexlab/Subjects/A/2020-02-29/002"
    session = archive.open(folder)
    assert session.path == folder
    assert (session.lab, session.subject, session.number) == ("cortexlab", "A", 2)
    assert str(session.date) == "2020-02-29"
    with pytest.raises(SessionNotFound, match="has no session"):
        archive.open(small / "cortexlab/Subjects/A/2020-02-28/002")


def test_tables_may_lie_elsewhere(small: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    fascicle.index(small, tables_dir=tmp_path / "tables")
    archive = FolderArchive(small, tables_dir=tmp_path / "tables")
    session = archive.open("2020-01-01_1_A")
    assert session.read("trials.choice", revision="2020").tolist() == [0, 1, 2, 3, 4]


def test_is_itself() -> None:
    assert FolderArchive("a") == FolderArchive("a") != FolderArchive("b")
    assert len({FolderArchive("a"), FolderArchive("a")}) == 1
    assert FolderArchive("~/x").folder == Path.home() / "x"
    assert FolderArchive("a") != "a"
    assert "FolderArchive(" in repr(FolderArchive("a"))


def test_names_the_nearest_subject(small: Path) -> None:
    fascicle.index(small)
    for name in ("2021-06-01_1_B-2", "zadorlab/Subjects/B-2/2021-06-01/001"):
        with pytest.raises(SessionNotFound, match="did you mean 'B-1'"):
            FolderArchive(small).open(name)

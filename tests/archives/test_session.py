"""One session: what it lists, loads, and says when it cannot."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

import fascicle
from fascicle.archives import FolderArchive, OpenSession, choosing
from fascicle.catalogue import Catalogue
from fascicle.errors import (
    ALFMultipleCollectionsFound,
    ALFMultipleObjectsFound,
    ALFMultipleRevisionsFound,
    ALFObjectNotFound,
    ALFWarning,
    SessionNotFound,
)


@pytest.fixture
def session(small: Path, monkeypatch: pytest.MonkeyPatch) -> OpenSession:
    monkeypatch.setattr(choosing, "_TOLD", set())
    fascicle.index(small)
    return FolderArchive(small).open("2020-01-01_1_A")


def test_lists(session: OpenSession) -> None:
    new = "alf/#2021-01-01#/_ibl_trials.choice.npy"
    old = "alf/_ibl_trials.choice.npy"
    left = "alf/_ibl_trials.contrastLeft.npy"
    spikes = ["alf/probe00/spikes.times.npy", "alf/probe01/spikes.times.npy"]
    assert session.list() == [new, left, *spikes]
    assert session.list(every_revision=True) == [new, old, left, *spikes]
    assert session.list("trials") == [new, left]
    assert session.list("trials", revision="2020") == [old, left]
    assert session.list(["trials.choice", "spikes"]) == [new, *spikes]
    assert session.list(collection="alf/probe*") == spikes
    assert session.list(collection="alf") == [new, left]
    assert session.list(collection="") == []
    assert session.collections() == ["alf", "alf/probe00", "alf/probe01"]
    assert session.collections("spikes") == ["alf/probe00", "alf/probe01"]
    assert [f.name for f in session.files("spikes.times")] == ["spikes.times.npy"] * 2
    assert len(session.frame()) == 5
    assert [i.name for i in session.insertions] == ["probe00", "probe01"]


def test_loads(session: OpenSession) -> None:
    with pytest.warns(ALFWarning, match='Multiple revisions: "", "2021-01-01"') as caught:
        trials = session.load("trials")
    assert caught[0].filename == __file__
    assert trials.choice.tolist() == [1, 2, 3, 4, 5]
    assert set(session.load("trials", revision="")) == {"choice", "contrastLeft"}
    assert set(session.load("trials", attribute="contrast*")) == {"contrastLeft"}
    assert set(session.load("trials", namespace="ibl", attribute="contrastLeft")) == {
        "contrastLeft"
    }
    assert session.read("trials.choice", revision="2020").tolist() == [0, 1, 2, 3, 4]
    with pytest.warns(ALFWarning, match="none of the revisions of 'trials.choice'"):
        assert session.read("trials.choice").tolist() == [1, 2, 3, 4, 5]
    assert session.read("alf/_ibl_trials.choice.npy").tolist() == [0, 1, 2, 3, 4]
    assert session.read("spikes.times", collection="alf/probe01").shape == (5,)
    assert session.file("spikes.times", collection="alf/probe01").is_file()
    assert session.load("spikes", collection="alf/probe01", mmap=True).times.shape == (5,)


@pytest.mark.parametrize(
    ("word", "options", "error", "says"),
    [
        ("trails", {}, ALFObjectNotFound, "did you mean 'trials'"),
        ("trials.choices", {}, ALFObjectNotFound, "did you mean 'trials.choice'"),
        ("zzzz", {}, ALFObjectNotFound, "session.list\\(\\) shows its 5 datasets"),
        ("spikes", {}, ALFMultipleCollectionsFound, '"alf/probe00", "alf/probe01"'),
        ("spikes", {"collection": "alf"}, ALFObjectNotFound, r'collection="alf/probe00" \(and 1'),
        ("*", {"collection": "alf*"}, ALFMultipleObjectsFound, "spikes, trials"),
        ("trials", {"attribute": "x"}, ALFObjectNotFound, "attributes: choice, contrastLeft"),
        ("trials", {"namespace": "other"}, ALFObjectNotFound, "attributes: choice, contrastLeft"),
    ],
)
def test_says_why_not(
    session: OpenSession, word: str, options: dict[str, str], error: type, says: str
) -> None:
    with pytest.raises(error, match=says):
        session.load(word, **options)  # type: ignore[arg-type]


def test_says_why_not_one_file(session: OpenSession) -> None:
    with pytest.raises(ALFMultipleObjectsFound, match="matches 2 datasets"):
        session.read("trials", revision="2020")
    later = session.archive.open("2020-02-29_2_A")
    for load in (later.read, later.load):
        with pytest.raises(ALFObjectNotFound, match="no revision of 'wheel' is as old as '2021'"):
            load("wheel", revision="2021")


def test_a_file_that_is_gone(session: OpenSession) -> None:
    session.file("spikes.times", collection="alf/probe00").unlink()
    with pytest.raises(ALFObjectNotFound, match="yet its file is not here"):
        session.load("spikes", collection="alf/probe00")


def test_hidden_by_quality_control(session: OpenSession, small: Path) -> None:
    cat = FolderArchive(small).catalogue()
    datasets = cat.datasets_frame()
    bad = datasets["rel_path"].str.contains("contrastLeft")
    datasets["qc"] = datasets["qc"].astype(object)
    datasets.loc[bad, "qc"] = "CRITICAL"

    class InMemory(FolderArchive):
        def catalogue(self) -> Catalogue:
            return Catalogue.from_frames(cat.sessions_frame(), datasets, root=small)

    hidden = InMemory(small).open(session.eid)
    with pytest.raises(ALFObjectNotFound, match="hidden by its quality control"):
        hidden.read("trials.contrastLeft")
    assert hidden.read("trials.contrastLeft", qc="CRITICAL").shape == (5,)
    assert not hidden.list("trials.contrastLeft")
    assert not fascicle.find(datasets="trials.contrastLeft", archives=InMemory(small)).eids


def test_shows_itself(session: OpenSession) -> None:
    assert "2020-01-01/001" in repr(session) and str(session.eid) in repr(session)
    page = session._repr_html_()
    assert "alf/probe00 (1)" in page and "5 datasets" in page


def test_copies(session: OpenSession) -> None:
    copy = pickle.loads(pickle.dumps(session))
    assert copy == session and len({copy, session}) == 1 and copy != 1
    assert copy.list() == session.list()


def test_a_session_that_left(session: OpenSession, small: Path) -> None:
    shutil.rmtree(small / "cortexlab")
    fascicle.index(small)
    archive = FolderArchive(small)
    with pytest.raises(SessionNotFound, match="search anew"):
        OpenSession(archive, session.eid).list()


def test_a_catalogue_without_a_folder(small: Path) -> None:
    fascicle.index(small)
    cat = FolderArchive(small).catalogue()

    class Nowhere(FolderArchive):
        def catalogue(self) -> Catalogue:
            return Catalogue.from_frames(cat.sessions_frame(), cat.datasets_frame())

    with pytest.raises(SessionNotFound, match="not a folder on this machine"):
        _ = Nowhere(small).open(cat.eids()[0]).path


def test_two_defaults_are_listed_and_not_loaded(session: OpenSession, small: Path) -> None:
    cat = FolderArchive(small).catalogue()
    datasets = cat.datasets_frame()
    datasets["default_revision"] = True

    class InMemory(FolderArchive):
        def catalogue(self) -> Catalogue:
            return Catalogue.from_frames(cat.sessions_frame(), datasets, root=small)

    marked = InMemory(small).open(session.eid)
    assert marked.list("trials.choice") == ["alf/#2021-01-01#/_ibl_trials.choice.npy"]
    for load in (marked.load, marked.files):
        with pytest.raises(ALFMultipleRevisionsFound, match='choose one with revision="2021'):
            load("trials")
    assert marked.load("trials", revision="2020").choice[0] == 0

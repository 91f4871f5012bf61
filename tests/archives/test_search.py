"""fascicle.find: every term, several archives, and what a user reads when it goes wrong."""

from __future__ import annotations

import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import fascicle
from fascicle.archives import FolderArchive, OpenSession
from fascicle.atlas import Regions
from fascicle.errors import (
    ConfigurationError,
    IncompleteWarning,
    NoIndexError,
    RegionNotFound,
    SearchTermError,
    SessionNotFound,
)


def keys(found: fascicle.Sessions) -> list[str]:
    return [f"{s.record.date} {s.record.number} {s.record.subject}" for s in found]


A1, A2, B = "2020-01-01 1 A", "2020-02-29 2 A", "2021-06-01 1 B-1"


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, {A1, A2, B}),
        ({"lab": "cortexlab"}, {A1, A2}),
        ({"lab": "cortex"}, set()),
        ({"lab": "cortex*"}, {A1, A2}),
        ({"lab": ["zadorlab", "cortexlab"]}, {A1, A2, B}),
        ({"subject": "B-1"}, {B}),
        ({"subject": "re:[AB](-1)?"}, {A1, A2, B}),
        ({"date": "2020"}, {A1, A2}),
        ({"date": ("2020-02-29", None)}, {A2, B}),
        ({"number": 2}, {A2}),
        ({"number": [1, 2], "lab": "cortexlab"}, {A1, A2}),
        ({"datasets": "spikes.times"}, {A1, A2}),
        ({"datasets": ["spikes.times", "trials.choice"]}, {A1}),
        ({"datasets": "spikes.times.npy"}, {A1}),
        ({"datasets": "alf/probe00/spikes.times.npy"}, {A1}),
        ({"datasets": "alf/_ibl_trials.choice.npy"}, {A1}),
        ({"datasets": "*.mp4"}, {B}),
        ({"datasets": "trials", "lab": "zadorlab"}, set()),
        ({"datasets": "trials", "qc": "PASS"}, {A1}),
        ({"qc": "CRITICAL"}, {A1, A2, B}),
        ({"task": "*"}, {A1, A2, B}),
        ({"project": "brainwide"}, set()),
    ],
)
def test_terms(small: Path, terms: dict[str, object], expected: set[str]) -> None:
    fascicle.index(small)
    found = fascicle.find(**terms, archives=small)
    assert set(keys(found)) == expected
    assert len(found) == len(expected) == len(found.frame) == len(found.eids)


def test_project_is_one_of_several(small: Path) -> None:
    fascicle.index(small)
    cat = FolderArchive(small).catalogue()
    frame = cat.sessions_frame()
    frame["projects"] = ["", "ibl_brainwide,other", "brainwide"]
    from fascicle.catalogue import Catalogue

    class InMemory(FolderArchive):
        def catalogue(self) -> Catalogue:
            return Catalogue.from_frames(frame, cat.datasets_frame(), root=small)

    archive = InMemory(small)
    assert len(fascicle.find(project="other", archives=archive)) == 1
    assert len(fascicle.find(project="*brainwide", archives=archive)) == 2
    assert len(fascicle.find(project=["other", "brainwide"], archives=archive)) == 2


@pytest.mark.filterwarnings("ignore::fascicle.errors.IncompleteWarning")
def test_regions_against_the_files(lab: FolderArchive) -> None:
    """What a search by region finds is what the default channels' files say."""
    regions = Regions()
    truth: dict[str, dict[str, np.ndarray]] = {}
    for session in fascicle.find(datasets="spikes.times", archives=lab):
        for probe in {i.name for i in session.insertions}:
            sites = session.list("electrodeSites.brainLocationIds", collection=f"alf/{probe}*")
            channels = session.list("channels.brainLocationIds", collection=f"alf/{probe}*")
            for path in (sites or channels)[:1]:
                truth.setdefault(str(session.eid), {})[probe] = session.read(path)
    assert truth
    for region in ("TH", "CTX", "VISp", "root"):
        below = regions.descendants(region) - {0, 997}
        expected = {}
        for eid, probes in truth.items():
            counts = {p: int(np.isin(np.abs(ids), list(below)).sum()) for p, ids in probes.items()}
            if any(counts.values()):
                expected[eid] = {p: n for p, n in counts.items() if n}
        found = fascicle.find(region=region, archives=lab)
        assert set(map(str, found.eids)) == set(expected)
        for row in found.frame.itertuples():
            assert row.n_insertions == len(expected[row.eid])
            assert row.n_channels == sum(expected[row.eid].values())
        table = found.insertions
        assert len(table) == found["n_insertions"].sum()
        assert table.n_channels.tolist() == [expected[r.eid][r.name] for r in table.itertuples()]


@pytest.mark.filterwarnings("ignore::fascicle.errors.IncompleteWarning")
def test_sides_add_up(lab: FolderArchive) -> None:
    def channels(**terms: object) -> int:
        found = fascicle.find(**terms, archives=lab)
        return int(found.insertions["n_channels"].sum())

    left = channels(region="TH", hemisphere="left")
    right = channels(region="TH", hemisphere="right")
    assert left and left + right <= channels(region="TH")
    assert channels(region=-549) == left
    assert channels(region=["TH", "VPM"]) == channels(region="TH")
    assert channels(region=[549, "Isocortex"]) == channels(region="TH") + channels(region=315)


def test_sessions_whose_regions_are_unknown_are_counted(small: Path) -> None:
    fascicle.index(small)
    with pytest.warns(IncompleteWarning, match="regions unknown for 2 sessions") as caught:
        found = fascicle.find(region="TH", archives=small)
    assert not len(found) and list(found.frame["n_channels"]) == []
    assert caught[0].filename == __file__


def test_several_archives(small: Path, tmp_path: Path) -> None:
    fascicle.index(small)
    other = tmp_path / "other"
    shutil.copytree(small / "zadorlab", other / "zadorlab")
    fascicle.index(other)
    found = fascicle.find(archives=[small, FolderArchive(other)])
    assert len(found) == 4
    assert found["archive"].tolist() == [str(small)] * 3 + [str(other)]
    assert found["eid"].nunique() == 3  # one recording in two archives is shown twice
    assert found[3].archive.name == found[-1].archive.name == str(other)
    assert [s.archive.name for s in found] == found["archive"].tolist()
    assert str(other) in repr(found) and str(other) in found._repr_html_()
    assert len(found[1:]) == 3 and found[2:].eids == found.eids[2:]


def test_default_archives(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASCICLE_ARCHIVES", raising=False)
    with pytest.raises(ConfigurationError, match="FASCICLE_ARCHIVES"):
        fascicle.find()
    fascicle.index(small)
    monkeypatch.setenv("FASCICLE_ARCHIVES", str(small))
    assert len(fascicle.find()) == 3
    monkeypatch.delenv("FASCICLE_ARCHIVES")
    one_folder = Path.home() / "Downloads" / "ONE"
    shutil.copytree(small, one_folder)
    fascicle.index(one_folder)
    assert fascicle.find().archives[0].name == str(one_folder)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"dataset": "x"}, "datasets="),
        ({"subjct": "x"}, "did you mean 'subject'"),
        ({"zzz": 1}, "terms: archives, datasets"),
        ({"date_range": "2020"}, "date="),
        ({"number": "first"}, "whole number"),
        ({"qc": "good"}, "NOT_SET"),
        ({"hemisphere": "left"}, "needs a region"),
        ({"hemisphere": "up", "region": "TH"}, "no hemisphere"),
        ({"hemisphere": "right", "region": -549}, "means the left"),
        ({"lab": 5}, "no text"),
        ({"datasets": [""]}, "names no dataset"),
        ({"lab": "re:["}, "not valid"),
    ],
)
def test_bad_terms(small: Path, terms: dict[str, object], says: str) -> None:
    fascicle.index(small)
    with pytest.raises(SearchTermError, match=says):
        fascicle.find(**terms, archives=small)


def test_other_mistakes(small: Path, tmp_path: Path) -> None:
    with pytest.raises(NoIndexError, match="fascicle index"):
        fascicle.find(archives=small)
    fascicle.index(small)
    with pytest.raises(RegionNotFound, match="did you mean"):
        fascicle.find(region="Thalmus", archives=small)
    with pytest.raises(ConfigurationError, match="cannot open ftp: addresses"):
        fascicle.open("ftp://host/project")
    with pytest.raises(ConfigurationError, match="neither a place nor an archive"):
        fascicle.find(archives=[5])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="names no archive"):
        fascicle.find(archives=[])
    assert isinstance(fascicle.open(FolderArchive(small)), FolderArchive)


def test_sessions_are_a_sequence_and_a_table(small: Path) -> None:
    fascicle.index(small)
    found = fascicle.find(archives=small)
    assert isinstance(found[0], OpenSession) and found[0] == next(iter(found))
    assert found[0] in found and found.eids[1] in found and "x" not in found
    assert list(found.frame)[:6] == ["archive", "eid", "lab", "subject", "date", "number"]
    assert found.frame is found.frame
    assert found["subject"].tolist() == [s.subject for s in found]
    with pytest.raises(IndexError, match="there are 3 sessions"):
        found[3]
    assert repr(found).startswith("3 sessions\n")
    assert "<table" in found._repr_html_() and "archive" not in found._repr_html_()
    assert "nowrap" in found._repr_html_()  # an eid takes one line
    one = fascicle.find(subject="B-1", archives=small)
    assert repr(one).startswith("1 session with subject='B-1'")
    none = fascicle.find(subject="<i>", archives=small)
    assert "&lt;i&gt;" in none._repr_html_() and "0 sessions" in repr(none)
    assert list(none.frame) == list(found.frame)
    assert len(found.insertions) == 3


def test_long_results_show_their_beginning(lab: FolderArchive, small: Path) -> None:
    many = fascicle.find(archives=[lab.folder] * 3)
    assert len(many) > 20
    assert "more" in repr(many) and "more" in many._repr_html_()


def test_a_result_that_outlived_its_session(small: Path) -> None:
    fascicle.index(small)
    data = pickle.dumps(fascicle.find(archives=small))
    shutil.rmtree(small / "zadorlab")
    fascicle.index(small)
    with pytest.raises(SessionNotFound, match="no longer in"):
        pickle.loads(data)


def test_nothing_is_imported_for_ids(small: Path) -> None:
    """A search that asks for ids or paths needs neither pandas nor numpy."""
    import subprocess
    import sys

    fascicle.index(small)
    code = (
        "import sys, fascicle;"
        f"f = fascicle.find(datasets='spikes.times', archives={str(small)!r});"
        "[s.path for s in f]; f.eids; f[0].list();"
        "sys.exit(bool({'numpy', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_warning_without_a_region(small: Path) -> None:
    fascicle.index(small)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fascicle.find(archives=small)


def test_tables_of_one_whose_regions_were_never_read(shared: Path, tmp_path: Path) -> None:
    for name in ("sessions.pqt", "datasets.pqt"):
        shutil.copyfile(shared / "data/one_cache_openalyx" / name, tmp_path / name)
    with pytest.warns(IncompleteWarning, match=r"regions .* for \d+ sessions"):
        assert not fascicle.find(region="TH", archives=tmp_path).eids


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"subject": "B-2"}, "no subject is 'B-2': did you mean 'B-1'?"),
        ({"lab": ["cortexlb", "zadorlab"], "number": 9}, "did you mean 'cortexlab'?"),
        ({"datasets": "spikes.tims"}, "no dataset is 'spikes.tims': did you mean 'spikes.times'"),
        ({"datasets": "x/*"}, "no dataset is 'x/*'\n"),
        ({"project": "p"}, "no project is 'p'\n"),
        ({"subject": "A", "datasets": "*.mp4"}, "0 sessions with datasets='*.mp4', subject='A'\n"),
    ],
)
def test_an_empty_answer_says_why(small: Path, terms: dict[str, object], says: str) -> None:
    fascicle.index(small)
    found = fascicle.find(**terms, archives=small)
    assert not len(found) and says in f"{found!r}\n"
    assert says.split(":")[0].strip().split("'")[0] in found._repr_html_()


def test_a_negative_id_from_a_shell_means_the_left(lab: FolderArchive) -> None:
    left = fascicle.find(region=-549, archives=lab)
    assert fascicle.find(region="-549", archives=lab).frame.equals(left.frame)
    assert (
        left.frame.n_channels.sum() < fascicle.find(region=549, archives=lab).frame.n_channels.sum()
    )


def test_backwards_through_two_archives(lab: FolderArchive, small: Path) -> None:
    fascicle.index(small)
    found = fascicle.find(archives=[lab, small])
    assert found[::-1].eids == found.eids[::-1]
    assert found[3::-2].eids == found.eids[3::-2]


def test_sessions_are_not_taken_by_id(lab: FolderArchive) -> None:
    found = fascicle.find(archives=lab)
    with pytest.raises(TypeError, match="by number or by a slice, and not by a UUID"):
        found[found.eids[0]]  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"\.frame takes masks"):
        found[found.frame.subject == "NYU-01"]  # type: ignore[call-overload]

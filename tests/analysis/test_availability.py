"""Which sessions have what."""

from __future__ import annotations

from pathlib import Path

import pytest

import fascicle
from fascicle.alf import spec
from fascicle.analysis import available
from fascicle.archives import FolderArchive, OpenSession
from fascicle.errors import SearchTermError

from .conftest import write


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("_ibl_trials.table.pqt", {"trials"}),
        ("_ibl_wheel.position.npy", {"wheel"}),
        ("_ibl_wheelMoves.intervals.npy", set()),
        ("licks.times.npy", {"licks"}),
        ("spikes.times.npy", {"spikes"}),
        ("spikes.amps.npy", set()),
        ("_spikeglx_ephysData_g0_t0.imec0.lf.cbin", {"lfp"}),
        ("_spikeglx_ephysData_g0_t0.imec0.ap.cbin", {"raw_ap"}),
        ("_spikeglx_ephysData_g0_t0.imec0.ap.meta", set()),
        ("channels.brainLocationIds_ccf_2017.npy", {"histology"}),
        ("electrodeSites.mlapdv.npy", {"histology"}),
        ("_iblrig_leftCamera.raw.mp4", {"video"}),
        ("_ibl_leftCamera.dlc.pqt", {"pose"}),
        ("_ibl_leftCamera.lightningPose.pqt", {"pose"}),
        ("_ibl_leftCamera.features.pqt", {"pupil"}),
        ("eye.area.npy", {"pupil"}),
        ("leftCamera.ROIMotionEnergy.npy", {"motion_energy"}),
        ("_ibl_passiveGabor.table.csv", {"passive"}),
        ("_iblmic_audioSpectrogram.power.npy", {"audio"}),
        ("photometry.signal.pqt", {"photometry"}),
        ("mpci.times.npy", {"imaging"}),
        ("_ibl_leftCamera.times.npy", set()),
    ],
)
def test_kinds(name: str, kinds: set[str]) -> None:
    parts = spec.parse_name(name)
    assert parts is not None
    assert {kind for kind, test in available.KINDS.items() if test(parts)} == kinds


def test_table(known: OpenSession) -> None:
    folder = Path(known.archive.name)
    write(folder / "lab/Subjects/rat/2020-01-03/001/alf", {"_ibl_trials.choice.npy": [1]})
    fascicle.index(folder)
    table = fascicle.availability(archives=folder)
    assert list(table)[:6] == ["archive", "eid", "lab", "subject", "date", "number"]
    assert list(table)[6:] == list(available.KINDS)
    assert table.set_index("subject").trials.to_dict() == {"mouse": False, "rat": True}
    assert table.set_index("subject").spikes.to_dict() == {"mouse": True, "rat": False}
    assert table.dtypes[6:].eq(bool).all()
    one = fascicle.availability(subject="rat", archives=[folder, folder])
    assert len(one) == 2 and one.trials.all()
    same = fascicle.availability(fascicle.find(subject="rat", archives=folder))
    assert same.equals(one.iloc[:1])
    none = fascicle.availability(subject="cat", archives=folder)
    assert len(none) == 0 and list(none) == list(table)


def test_as_the_files(lab: FolderArchive) -> None:
    table = fascicle.availability(archives=lab).set_index("eid")
    for session in fascicle.find(archives=lab):
        names = [spec.parse_name(p.rpartition("/")[2]) for p in session.list(every_revision=True)]
        for kind, test in available.KINDS.items():
            assert table.loc[str(session.eid), kind] == any(n and test(n) for n in names), kind


def test_terms_are_those_of_find(known: OpenSession) -> None:
    with pytest.raises(SearchTermError, match="no search term"):
        fascicle.availability(subjet="x", archives=known.archive)
    with pytest.raises(TypeError, match="beside sessions"):
        fascicle.availability(fascicle.find(archives=known.archive), lab="lab")

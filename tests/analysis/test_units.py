"""Units of a session and of many: known numbers, and the synthetic lab against its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fascicle
from fascicle.analysis import spike_times, units
from fascicle.archives import FolderArchive, OpenSession
from fascicle.atlas import Regions
from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    IncompleteWarning,
    NotFoundError,
    SearchTermError,
)

from .conftest import CA1, TH, VPM, known_probe, write

QUIET = pytest.mark.filterwarnings(
    "ignore::fascicle.errors.IncompleteWarning", "ignore::fascicle.errors.ALFWarning"
)


def add(session: OpenSession, files: dict[str, object]) -> OpenSession:
    write(session.path, files)
    folder = Path(session.archive.name)
    fascicle.index(folder)
    return FolderArchive(folder).open(session.eid)


def test_known_values(known: OpenSession) -> None:
    table = units(known)
    assert table.cluster_id.tolist() == [0, 1, 2, 3]
    assert table.channel.tolist() == [2, 0, 1, 3]
    assert table.region_id.tolist() == [CA1, TH, VPM, 0]
    assert table.acronym.tolist() == ["CA1", "TH", "VPM", "void"]
    assert table.x.tolist() == [102, -100, -101, 103]
    assert table.hemisphere.tolist() == ["right", "left", "left", "right"]
    assert table.z.tolist() == [-320, -300, -310, -330]
    assert table.depth.tolist() == [60, 20, 40, 80]  # that of unit 1 comes from its channel
    assert table.n_spikes.tolist() == [2, 4, 0, 1]
    assert table.firing_rate.tolist() == [0.2, 0.4, 0.0, 0.1]
    assert table.label[:2].tolist() == [1 / 3, 1.0] and table.label[2:].isna().all()
    assert table.good.tolist() == [False, True, pd.NA, pd.NA]
    assert table.presence_ratio[:2].tolist() == [0.1, 0.9]
    assert set(table.probe) == {"probe00"} and set(table.sorting) == {"pykilosort"}
    assert set(table.eid) == {str(known.eid)}
    assert set(table.pid) == {str(known.insertions[0].pid)}
    assert not {"waveforms", "channels", "depths"} & set(table)


def test_by_any_id(known: OpenSession) -> None:
    place, pid = known.archive.name, known.insertions[0].pid
    table = units(known)
    for other in (
        units(place, known.eid),
        units(place, str(known.eid)),
        units(place, pid),
        units(known.archive, str(pid)),
        units(known, "probe00"),
        units(known, pid),
        units(place, known.record.path),
    ):
        pd.testing.assert_frame_equal(table, other)


def test_good(known: OpenSession) -> None:
    assert units(known, good=True).cluster_id.tolist() == [1]
    assert units(known, good=False).cluster_id.tolist() == [0]


def test_spikes(known: OpenSession) -> None:
    table = units(known, spikes=True)
    assert [t.tolist() for t in table.times] == [[1, 4], [0.5, 1.5, 3, 10.5], [], [2]]
    plain = units(known)
    assert spike_times(plain.iloc[1]).tolist() == [0.5, 1.5, 3, 10.5]
    assert spike_times(table.iloc[2]).tolist() == []
    assert spike_times(plain.iloc[0].to_dict()).tolist() == [1, 4]
    assert spike_times(next(plain.itertuples())).tolist() == [1, 4]
    assert not spike_times(plain.iloc[0]).flags.writeable
    assert spike_times(plain.iloc[2]).tolist() == []  # it is a unit, and never fired
    with pytest.raises(NotFoundError, match="no unit 9"):
        spike_times({**plain.iloc[2], "cluster_id": 9})
    with pytest.raises(NotFoundError, match="no archive, eid"):
        spike_times({"cluster_id": 1})


def test_activity_of_units_that_the_metrics_leave_out(known: OpenSession) -> None:
    metrics = {"cluster_id": [1, 0], "spike_count": [4, 2], "firing_rate": [0.4, 0.2]}
    place = "alf/probe00/pykilosort"
    write(known.path, {f"{place}/clusters.metrics.pqt": pd.DataFrame(metrics)})
    table = units(known)
    assert table.n_spikes.tolist() == [2, 4, 0, 1]
    assert table.firing_rate.tolist() == [0.2, 0.4, 0.0, pytest.approx(0.1)]
    (known.path / place / "spikes.times.npy").unlink()
    table = units(known)  # the metrics alone
    assert table.n_spikes.isna().tolist() == [False, False, True, True]


def test_spike_times_of_a_revision(known: OpenSession) -> None:
    new = "alf/probe00/pykilosort/#2024-01-01#"
    write(known.path, {f"{new}/spikes.times.npy": [8, 9, 10, 11, 12, 13, 14.0]})
    fascicle.index(known.archive.name)
    session = FolderArchive(known.archive.name).open(known.eid)
    row = units(session, revision="2023-01-01").iloc[0]
    assert spike_times(row, revision="2023-01-01").tolist() == [1, 4]
    assert spike_times(row).tolist() == [9, 13]


def test_spikes_are_sorted_and_read_anew_when_changed(known: OpenSession) -> None:
    row = units(known).iloc[0]
    assert spike_times(row).tolist() == [1, 4]
    write(known.path, {"alf/probe00/pykilosort/spikes.times.npy": [7, 6, 5, 4, 3, 2, 1.0]})
    assert spike_times(row).tolist() == [2, 6]


def test_sortings(known: OpenSession) -> None:
    session = add(known, known_probe("alf/probe00/iblsorter"))
    session = add(session, known_probe("alf/probe00"))
    table = units(session)
    assert set(table.sorting) == {"iblsorter"}
    assert table.attrs["sortings"] == {"probe00": ["iblsorter", "pykilosort", ""]}
    assert set(units(session, sorting="").sorting) == {""}
    assert set(units(session, sorting="pykilosort").sorting) == {"pykilosort"}
    assert spike_times(units(session, sorting="").iloc[0]).tolist() == [1, 4]
    with pytest.raises(NotFoundError, match="did you mean 'pykilosort'"):
        units(session, sorting="pykilosrt")
    with pytest.raises(NotFoundError, match="sorting= one of 'iblsorter'"):
        units(session, sorting="x")


def test_two_probes(known: OpenSession) -> None:
    session = add(known, known_probe("alf/probe01/pykilosort"))
    table = units(session)
    assert table.probe.tolist() == ["probe00"] * 4 + ["probe01"] * 4
    assert table.pid.nunique() == 2
    assert set(units(session, "probe01").probe) == {"probe01"}
    with pytest.raises(NotFoundError, match=r"has no probe 'probe02'\n.*did you mean"):
        units(session, "probe02")


def test_traced_sites_come_before_the_sorters_channels(known: OpenSession) -> None:
    sites = {
        # Another order than the channels: they are told apart by their place on the probe.
        "alf/probe00/electrodeSites.localCoordinates.npy": [[0, 80], [0, 60], [0, 40], [0, 20]],
        "alf/probe00/electrodeSites.mlapdv.npy": [[4, 0, 0], [3, 0, 0], [2, 0, 0], [1, 0, 0]],
        "alf/probe00/electrodeSites.brainLocationIds_ccf_2017.npy": [VPM, VPM, TH, CA1],
    }
    table = units(add(known, sites))
    assert table.x.tolist() == [3, 1, 2, 4]  # channels 2, 0, 1, 3
    assert table.acronym.tolist() == ["VPM", "CA1", "TH", "VPM"]


def test_without_histology_and_metrics(known: OpenSession) -> None:
    for file in known.path.rglob("channels.*"):
        file.unlink()
    next(known.path.rglob("clusters.metrics.pqt")).unlink()
    fascicle.index(known.archive.name)
    table = units(FolderArchive(known.archive.name).open(known.eid))
    assert table.x.isna().all() and (table.acronym == "").all() and table.region_id.isna().all()
    assert table.good.isna().all() and table.n_spikes.tolist() == [2, 4, 0, 1]
    assert str(table.good.dtype) == "boolean"


def test_metrics_without_ids(known: OpenSession) -> None:
    name = "alf/probe00/pykilosort/clusters.metrics.pqt"
    write(known.path, {name: pd.DataFrame({"label": [0.0, 1, 0, 1]})})
    assert units(known).label.tolist() == [0, 1, 0, 1]
    write(known.path, {name: pd.DataFrame({"label": [0.0, 1]})})
    with pytest.raises(BadFileError, match="2 rows for 4 clusters and no column cluster_id"):
        units(known)


def test_files_that_do_not_belong_together(known: OpenSession) -> None:
    write(known.path, {"alf/probe00/pykilosort/spikes.times.npy": [1.0, 2.0]})
    with pytest.raises(BadFileError, match=r"2 spikes and spikes\.clusters\.npy 7"):
        units(known)


def test_no_spikes(known: OpenSession) -> None:
    next(known.path.rglob("spikes.clusters.npy")).unlink()
    fascicle.index(known.archive.name)
    with pytest.raises(ALFObjectNotFound, match="has no sorted spikes"):
        units(FolderArchive(known.archive.name).open(known.eid))


def test_real_recording(shared: Path, tmp_path: Path) -> None:
    """A head direction recording: spikes, clusters and metrics, without channels or regions."""
    import shutil

    source = shared / "data/alf_derived/a2929_head_direction"
    for file in source.rglob("*.*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    fascicle.index(tmp_path)
    table = units(tmp_path, "2020-07-11_1_A2929", spikes=True)
    folder = next(tmp_path.rglob("spikes.times.npy")).parent
    times = np.load(folder / "spikes.times.npy").ravel()
    clusters = np.load(folder / "spikes.clusters.npy").ravel()
    assert table.n_spikes.sum() == times.size
    assert table.cluster_id.tolist() == np.unique(clusters).tolist()
    for unit in table.itertuples():
        assert np.array_equal(unit.times, np.sort(times[clusters == unit.cluster_id]))


@QUIET
def test_across_the_lab(lab: FolderArchive) -> None:
    everything = fascicle.units(archives=lab, progress=False)
    sessions = fascicle.find(datasets="spikes.clusters", archives=lab)
    assert set(everything.eid) == set(map(str, sessions.eids))
    assert list(everything)[:4] == ["lab", "subject", "date", "number"]
    below = Regions().descendants("TH")
    expected = everything[everything.region_id.isin(below) & (everything.label >= 1)]
    thalamus = fascicle.units(region="TH", label=1, archives=lab, progress=False)
    keys = ["eid", "probe", "cluster_id"]
    assert set(map(tuple, thalamus[keys].values)) == set(map(tuple, expected[keys].values))
    assert len(thalamus) and thalamus.good.all()
    left = fascicle.units(region="TH", hemisphere="left", archives=lab, progress=False)
    right = fascicle.units(region="TH", hemisphere="right", archives=lab, progress=False)
    assert len(left) + len(right) == everything.region_id.isin(below).sum()
    assert (left.x < 0).all() and (right.x > 0).all()
    assert (everything.region_id >= 0).all()
    same = fascicle.units(sessions, region="TH", label=1, progress=False)
    assert len(same) == len(thalamus)


@QUIET
def test_spikes_of_every_unit_of_the_lab(lab: FolderArchive) -> None:
    session = fascicle.find(region="TH", archives=lab)[0]
    for _, unit in units(session, good=True).iterrows():
        times = spike_times(unit)
        assert times.size == unit.n_spikes
        assert np.all(np.diff(times) >= 0)


def test_bar_and_failures(known: OpenSession, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(known.archive.name)
    write(
        folder / "lab/Subjects/mouse/2020-01-02/001/alf/probe00",
        {"spikes.times.npy": [1.0], "spikes.clusters.npy": [0, 0]},
    )
    fascicle.index(folder)
    with pytest.warns(IncompleteWarning, match=r"1 of 2 sessions .*2020-01-02/001: spikes\.times"):
        table = fascicle.units(archives=folder, progress=True)
    assert len(table) == 4
    out, err = capsys.readouterr()
    assert not out and "units" in err
    none = fascicle.units(archives=folder, subject="nobody")
    assert not len(none) and list(none)[:5] == ["lab", "subject", "date", "number", "archive"]
    with pytest.raises(TypeError, match="lab= given beside sessions"):
        fascicle.units(fascicle.find(archives=folder), lab="lab")
    with pytest.raises(SearchTermError, match="no hemisphere"):
        fascicle.units(hemisphere="up", archives=folder)


def test_good_units_of_many_sessions(known: OpenSession) -> None:
    folder = known.archive.name
    assert fascicle.units(good=True, archives=folder).cluster_id.tolist() == [1]
    assert fascicle.units(good=False, archives=folder).cluster_id.tolist() == [0]


def test_negative_ids_are_the_left(known: OpenSession) -> None:
    name = "alf/probe00/pykilosort/channels."
    write(known.path, {name + "brainLocationIds_ccf_2017.npy": [-TH, -VPM, CA1, 0]})
    (known.path / f"{name}mlapdv.npy").unlink()
    session = add(known, {})
    table = units(session)
    assert table.region_id.tolist() == [CA1, TH, VPM, 0]
    assert table.hemisphere.tolist() == ["", "left", "left", ""]
    left = fascicle.units(region="TH", hemisphere="left", archives=session.archive)
    assert left.cluster_id.tolist() == [1, 2]
    assert not len(fascicle.units(region="TH", hemisphere="right", archives=session.archive))


def test_files_that_are_not_here_are_named(known: OpenSession) -> None:
    for name in ("clusters.metrics.pqt", "channels.mlapdv.npy"):
        next(known.path.rglob(name)).unlink()
    with pytest.warns(IncompleteWarning, match=r"clusters\.metrics\.pqt.*") as caught:
        table = units(known)
    assert "channels.mlapdv" in str(caught[0].message) and caught[0].filename == __file__
    assert table.x.isna().all() and table.acronym.tolist() == ["CA1", "TH", "VPM", "void"]
    with pytest.warns(IncompleteWarning, match="not here"):
        assert len(fascicle.units(archives=known.archive)) == 4
    next(known.path.rglob("spikes.times.npy")).unlink()
    with pytest.raises(ALFObjectNotFound, match="yet its file is not here"):
        units(known)


@QUIET
def test_a_probe_with_sites_and_no_sorting(known: OpenSession) -> None:
    sites = {
        "alf/probe00/electrodeSites.brainLocationIds_ccf_2017.npy": [TH] * 4,
        "alf/probe01/electrodeSites.brainLocationIds_ccf_2017.npy": [TH] * 4,
    }
    session = add(known, sites)
    found = fascicle.find(region="TH", archives=session.archive)
    assert found["probes"].tolist() == ["probe00: 4, probe01: 4"]
    assert len(fascicle.units(region="TH", archives=session.archive)) == 4


def test_spikes_of_an_archive_with_its_tables_elsewhere(known: OpenSession, tmp_path: Path) -> None:
    import shutil

    folder = Path(known.archive.name)
    shutil.rmtree(folder / ".fascicle")
    for table in folder.glob("*.pqt"):
        table.unlink()
    (tmp_path / "tables").mkdir()
    fascicle.index(folder, tables_dir=tmp_path / "tables")
    archive = FolderArchive(folder, tables_dir=tmp_path / "tables")
    table = units(archive, known.eid)
    assert spike_times(table.iloc[0]).tolist() == [1, 4]

"""Which regions a probe's channels lie in: what is read, of which file, and what is counted."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest

from fascicle.atlas import Regions
from fascicle.catalogue import Catalogue, Change, DatasetRow, identity, index
from fascicle.catalogue.regions import Dataset, choose, count, probe_label, sorting_rank

from .support import SESSION, edit_in_place, indexed, put, put_channels, settle

TH, VPM, CA1 = 549, 733, 382


@pytest.mark.parametrize(
    ("ids", "ml", "expected"),
    [
        ([VPM, VPM, CA1], None, {(CA1, 0, 1), (VPM, 0, 2)}),
        ([-VPM, VPM], None, {(VPM, -1, 1), (VPM, 0, 1)}),
        ([VPM, VPM, VPM], [-1e-3, 1e-3, 0.0], {(VPM, -1, 1), (VPM, 1, 1), (VPM, 0, 1)}),
        ([-VPM, VPM], [1e-3, float("nan")], {(VPM, -1, 1), (VPM, 0, 1)}),
        ([0, 997, -997, -0], [1.0, 1.0, 1.0, 1.0], set()),
        ([VPM, VPM], [1e-3], {(VPM, 0, 2)}),
        ([], None, set()),
    ],
)
def test_count(ids: list[int], ml: list[float] | None, expected: set[tuple[int, int, int]]) -> None:
    mlapdv = None if ml is None else np.column_stack([ml, np.ones((len(ml), 2))])
    assert set(count(np.array(ids), mlapdv)) == expected
    assert set(count(np.array(ids, np.float64), mlapdv)) == expected
    assert set(count(np.array(ids, np.int32)[:, None], mlapdv)) == expected


def test_count_of_numbers_that_are_none() -> None:
    assert count(np.array([np.nan, np.inf, VPM]), None) == ((VPM, 0, 1),)


def chosen(*paths: str, default: tuple[str, ...] = ()) -> str:
    folder = "alf/probe00"
    listed = [Dataset(f"{folder}/{p}", p in default, "x") for p in paths]
    found = choose(listed, "probe00")
    return found["ids"].rel_path.removeprefix(f"{folder}/") if found else ""


IDS = "brainLocationIds_ccf_2017.npy"


def test_the_order_in_which_files_are_chosen() -> None:
    sites, channels = f"electrodeSites.{IDS}", f"channels.{IDS}"
    assert chosen() == chosen("channels.mlapdv.npy", "spikes.times.npy") == ""
    assert chosen(f"pykilosort/{channels}", sites) == sites
    assert chosen(f"pykilosort/{channels}", channels) == f"pykilosort/{channels}"
    assert chosen(f"pykilosort/{channels}", f"iblsorter/{channels}") == f"iblsorter/{channels}"
    assert chosen(f"zzz/{channels}", f"aaa/{channels}") == f"aaa/{channels}"
    assert chosen(f"aaa/{channels}", channels) == channels
    old, new = f"#2024-01-01#/{channels}", f"#2024-05-06#/{channels}"
    assert chosen(channels, new, old) == new
    assert chosen(channels, new, old, default=(old,)) == old
    assert chosen(channels, new, old, default=(old, new)) == new
    assert chosen(f"ks2_matlab/_spikeglx_{channels}") == f"ks2_matlab/_spikeglx_{channels}"
    assert sorted(["z", "", "pykilosort", "a", "iblsorter"], key=sorting_rank) == [
        "iblsorter",
        "pykilosort",
        "",
        "a",
        "z",
    ]


def test_coordinates_come_from_where_the_ids_do() -> None:
    listed = [
        Dataset(f"alf/probe00/{folder}{name}", False, "x")
        for folder in ("", "pykilosort/")
        for name in (f"channels.{IDS}", "channels.mlapdv.npy")
    ]
    found = choose([listed[0], listed[1], listed[2]], "probe00")
    assert set(found) == {"ids"}
    assert (
        choose(listed, "probe00")["mlapdv"].rel_path == "alf/probe00/pykilosort/channels.mlapdv.npy"
    )
    assert choose(listed, "probe01") == {}


def test_probe_labels() -> None:
    assert probe_label("alf/probe00/pykilosort/spikes.times.npy") == "probe00"
    assert probe_label("alf/probe01_shank2/spikes.times.npy") == "probe01_shank2"
    assert probe_label("alf/#2024-01-01#/probes.description.json") == ""
    assert probe_label("alf/probes.description.json") == ""
    assert probe_label("raw_ephys_data/probe00/x.ap.cbin") == ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put_channels(tmp_path / SESSION / "alf/probe00/pykilosort", [VPM, VPM, 0], [1, 1, 1])
    put_channels(tmp_path / SESSION / "alf/probe01", [-CA1, CA1])
    put(tmp_path, f"{SESSION}/alf/probe01/spikes.times.npy")
    put(tmp_path, "s2/2020-01-02/001/alf/probe00/spikes.times.npy")
    put(tmp_path, "s3/2020-01-03/001/alf/a.times.npy")
    return tmp_path


def test_search_by_region_at_every_level(folder: Path) -> None:
    catalogue, report = indexed(folder)
    row = catalogue.row(uuid.UUID(bytes=identity.session_id("labA", "s1", "2020-01-01", 1)))
    assert row is not None
    atlas = Regions()
    for ccf in atlas.ancestors(VPM):
        assert catalogue.rows(catalogue.in_regions(atlas.descendants(ccf))) == [row]
    assert catalogue.in_regions(atlas.descendants("CB")) == 0
    ((found, channels),) = catalogue.insertions_in(atlas.descendants("TH"))
    assert (found.name, channels) == ("probe00", {VPM: 2})
    both = catalogue.insertions_in(atlas.descendants("grey"))
    assert {p.name: c for p, c in both} == {"probe00": {VPM: 2}, "probe01": {-CA1: 1, CA1: 1}}
    eid = catalogue.eid(row).bytes
    assert {p.pid.bytes for p, _ in both} == {
        identity.insertion_id(eid, label) for label in ("probe00", "probe01")
    }
    assert (report.n_insertions, report.unknown_regions) == (3, 1)
    assert (catalogue.n_insertions, catalogue.unknown_regions) == (3, 1)


def test_hemispheres(folder: Path) -> None:
    catalogue, _ = indexed(folder)
    assert [p.name for p, _ in catalogue.insertions_in([CA1], side=-1)] == ["probe01"]
    assert catalogue.insertions_in([CA1], side=1) == [], "unknown is not guessed"
    assert catalogue.in_regions([VPM], side=1)
    assert not catalogue.in_regions([VPM], side=-1)
    assert catalogue.in_regions([-VPM]), "ids are taken with either sign"


def test_more_regions_than_one_question_may_name(folder: Path) -> None:
    catalogue, _ = indexed(folder)
    assert catalogue.rows(catalogue.in_regions(range(1, 5000))) == catalogue.rows(
        catalogue.in_regions([VPM, CA1])
    )


def test_regions_follow_the_files(folder: Path) -> None:
    indexed(folder)
    ids = folder / SESSION / f"alf/probe01/channels.{IDS}"
    content = ids.read_bytes()
    other = np.array([-VPM, VPM], np.int32).tobytes()
    edit_in_place(ids, content[: -len(other)] + other)
    catalogue, _ = indexed(folder)
    pid = identity.insertion_id(catalogue.eids()[-1].bytes, "probe01")
    assert catalogue.regions(uuid.UUID(bytes=pid)) == {-VPM: 1, VPM: 1}
    ids.unlink()
    catalogue, report = indexed(folder)
    assert catalogue.regions(uuid.UUID(bytes=pid)) == {}
    assert report.unknown_regions == 2


def test_a_probe_that_is_renamed(folder: Path) -> None:
    indexed(folder)
    (folder / SESSION / "alf/probe01").rename(folder / SESSION / "alf/probe02")
    settle()
    index(folder, regions=False)
    catalogue, _ = indexed(folder)
    names = {p.name for p in catalogue.insertions([2])}
    assert names == {"probe00", "probe02"}
    assert indexed(folder)[0].number == catalogue.number


def test_the_default_revision_says_where_channels_are(folder: Path) -> None:
    place = folder / SESSION / "alf/probe01"
    for revision, ccf in (("2024-01-01", 313), ("2024-05-06", 1097)):
        put_channels(place / f"#{revision}#", [ccf])
    catalogue, _ = indexed(folder)
    pid = uuid.UUID(bytes=identity.insertion_id(catalogue.eids()[2].bytes, "probe01"))
    assert catalogue.regions(pid) == {1097: 1}, "the latest, where none is marked"
    datasets = catalogue.datasets(2)
    marked = [
        DatasetRow(catalogue.eid(2), did, path, size, default_revision="2024-01-01" in path)
        for did, path, size in zip(datasets.ids, datasets.rel_paths, datasets.sizes, strict=True)
    ]
    catalogue.commit(Change(upsert_datasets=marked))
    put(folder, "s4/2020-01-04/001/alf/a.times.npy")
    catalogue, _ = indexed(folder)
    assert catalogue.regions(pid) == {313: 1}


def test_a_file_of_regions_that_cannot_be_read(folder: Path) -> None:
    bad = folder / SESSION / f"alf/probe01/channels.{IDS}"
    bad.write_bytes(b"\x93NUMPY nonsense")
    catalogue, report = indexed(folder)
    assert [place for place, _ in report.problems] == [f"{SESSION}/alf/probe01"]
    assert all(why for _, why in report.problems)
    assert [p.name for p, _ in catalogue.insertions_in(range(1, 2000))] == ["probe00"]
    assert catalogue.unknown_regions == 2
    put_channels(folder / SESSION / "alf/probe01", [CA1])
    catalogue, report = indexed(folder)
    assert report.problems == []
    assert catalogue.in_regions([CA1])


def test_real_channels(shared: Path, tmp_path: Path) -> None:
    """Each insertion of real data has the channels that numpy counts in its latest revision."""
    source = shared / "data" / "alf_md5_exact"
    catalogue, report = indexed(source, tables_dir=tmp_path)
    assert report.problems == []
    probes = {p.parts[:8] for p in (q.relative_to(source) for q in source.rglob("alf/probe*/*"))}
    assert catalogue.n_insertions == len({"/".join(p[:7]) for p in probes}) >= 12
    with_regions = 0
    for p in catalogue.insertions():
        folder = source / catalogue.session(p.row).path / "alf" / p.name
        found = sorted(folder.rglob(f"channels.{IDS}"))
        if not found:
            assert catalogue.regions(p.pid) == {}
            continue
        with_regions += 1
        ids = np.load(found[-1])
        ids = ids[~np.isin(np.abs(ids), [0, 997])]
        values, counts = np.unique(ids, return_counts=True)
        assert catalogue.regions(p.pid) == dict(zip(values.tolist(), counts.tolist(), strict=True))
        for ccf in Regions().ancestors(int(values[0])):
            inside = Regions().descendants(ccf)
            assert p.row in catalogue.rows(catalogue.in_regions(inside))
    assert with_regions > 10
    assert Catalogue.open(source, tables_dir=tmp_path).number == 1

"""Sites of probes, read off real ``.meta`` files, and off files that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fascicle.errors import BadFileError
from fascicle.load.sglx import read_meta
from fascicle.nwb.parts.geometry import geometry


def fixture(shared: Path, name: str) -> Path:
    return shared / "data" / "spikeglx_meta" / name


def test_neuropixels_1(shared: Path) -> None:
    g = geometry(read_meta(fixture(shared, "sample3B_g0_t0.imec1.ap.meta")))
    assert len(g) == 384
    assert g.contact[:3] == ["e0", "e1", "e2"]
    assert g.contact[-1] == "e383"
    assert not g.shank.any()
    # The channels as IBL has them: four columns, rows 20 um apart.
    assert g.x[:5].tolist() == [43, 11, 59, 27, 43]
    assert g.y[:5].tolist() == [20, 20, 40, 40, 60]
    assert g.y[-1] == 3840
    assert g.adc is not None
    assert g.order is not None
    assert g.adc[[0, 1, 2, 23, 24, 383]].tolist() == [0, 1, 0, 1, 2, 31]
    assert g.order[[0, 1, 2, 23, 24, 383]].tolist() == [0, 0, 1, 11, 0, 11]
    assert np.bincount(g.adc).tolist() == [12] * 32


def test_neuropixels_2_with_one_shank(shared: Path) -> None:
    g = geometry(read_meta(fixture(shared, "sampleNP2.1_g0_t0.imec.ap.meta")))
    assert len(g) == 384
    assert g.contact[:2] == ["e0", "e1"]
    assert (g.x[:2].tolist(), g.y[:4].tolist()) == ([27, 59], [20, 20, 35, 35])
    assert g.adc is not None
    assert np.bincount(g.adc).tolist() == [16] * 24


def test_neuropixels_2_with_four_shanks(shared: Path) -> None:
    meta = read_meta(fixture(shared, "sampleNP2.4_4shanks_g0_t0.imec.ap.meta"))
    g = geometry(meta)
    assert np.bincount(g.shank).tolist() == [96] * 4
    assert len(set(g.contact)) == 384
    assert g.contact[0] == "s0e0"
    # Shanks are 250 um apart, and the sites of one no more than one column.
    assert [(g.x[g.shank == s] - 250 * s).min() for s in range(4)] == [27] * 4
    assert [(g.x[g.shank == s] - 250 * s).max() for s in range(4)] == [59] * 4
    # The map of shanks, columns and rows that the same file has, says the same.
    for k, entry in enumerate(str(meta["snsShankMap"]).split(")(")[1:385]):
        shank, column, row = (int(n) for n in entry.split(":")[:3])
        assert g.contact[k] == f"s{shank}e{2 * row + column}"


def test_some_channels_saved(shared: Path) -> None:
    meta = read_meta(fixture(shared, "sample3B_g0_t0.imec1.ap.meta"))
    whole = geometry(meta)
    meta.update(snsApLfSy=[4, 0, 1], nSavedChans=5, snsSaveChanSubset="2,7,100:101,768")
    g = geometry(meta)
    chosen = [2, 7, 100, 101]
    assert g.channel.tolist() == chosen
    assert g.contact == [f"e{c}" for c in chosen]
    assert np.array_equal(g.x, whole.x[chosen])
    assert np.array_equal(g.adc, whole.adc[chosen])


def test_a_map_of_places_is_taken_for_probes_that_are_not_known(shared: Path) -> None:
    meta = read_meta(fixture(shared, "sample3B_g0_t0.imec1.ap.meta"))
    meta.update(
        imDatPrb_type=9999,
        snsApLfSy=[2, 0, 1],
        nSavedChans=3,
        snsSaveChanSubset="0,1,768",
        snsGeomMap="(NPX,2,250,70)(0:27:15:1)(1:59:30:1)",
        snsShankMap="(2,2,480)(0:0:0:1)(1:1:1:1)",
    )
    g = geometry(meta)
    assert (g.x.tolist(), g.y.tolist()) == ([27, 309], [15, 30])
    assert g.contact == ["s0e0", "s1e3"]
    assert g.adc is None
    meta.pop("snsGeomMap")
    assert np.isnan(geometry(meta).x).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snsApLfSy": 3}, "does not count"),
        ({"acqApLfSy": [1, 2]}, "does not count"),
        ({"snsSaveChanSubset": "0:383"}, "lists 384 channels"),
        ({"snsSaveChanSubset": "zero"}, "does not list"),
        ({"snsSaveChanSubset": "1000:1383,768"}, "not acquired"),
        ({"nSavedChans": 2}, "lists 385 channels"),
    ],
)
def test_files_that_contradict_themselves(
    shared: Path, changes: dict[str, object], message: str
) -> None:
    meta = read_meta(fixture(shared, "sample3B_g0_t0.imec1.ap.meta"))
    meta.update(changes)
    with pytest.raises(BadFileError, match=message):
        geometry(meta)

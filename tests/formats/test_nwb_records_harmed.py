"""Records that are harmed, or that do not fit their file: an error that names both."""

from __future__ import annotations

import random
from pathlib import Path

import h5py
import numpy as np
import pytest

from fascicle.errors import BadFileError, FascicleError
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.formats.nwb.records import TABLE, Value

from .test_nwb_alf import ELECTRODES, Writer
from .test_nwb_records import recorded, with_spikes


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "a.nwb")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("../a.b.npy", '{"of":"array","at":"x"}', "no path"),
        ("/etc/a.b.npy", '{"of":"array","at":"x"}', "no path"),
        ("alf/a.b.npy", "", "row 0"),
        ("alf/a.b.npy", "[]", "row 0"),
        ("alf/a.b.npy", '{"of":"soup","at":"x"}', "soup"),
        ("alf/a.b.npy", '{"of":"array"}', "row 0"),
        ("alf/a.b.npy", '{"of":"array","at":3}', "text"),
        ("alf/a.b.npy", '{"of":"array","at":"x","factor":"2"}', "no number"),
        ("alf/a.b.npy", '{"of":"frame","at":"x"}', "columns"),
        ("alf/a.b.npy", '{"of":"array","at":"x","options":[1]}', "mapping"),
        ("alf/a.b.npy", "[" * 100_000, "row 0"),
    ],
)
def test_records_that_nobody_wrote(writer: Writer, path: str, value: str, match: str) -> None:
    writer.table(TABLE, {"dataset": [path], "value": [value], "checksum": [""]})
    with pytest.raises(BadFileError, match=match) as caught:
        _ = writer.view().offers
    assert "a.nwb" in str(caught.value)
    assert TABLE in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        Value("array", "nowhere"),
        Value("array", "scratch"),
        Value("array", "scratch/x", shape=(7,)),
        Value("array", "scratch/x", dtype="<U99999999"),
        Value("array", "scratch/x", dtype="soup"),
        Value("array", "scratch/x", rule="soup"),
        Value("array", "scratch/x", options={"column": 3}),
        Value("array", "scratch/x", options={"axes": [0, 3]}),
        Value("array", "scratch/x", options={"rows": 3}),
        Value("array", "scratch/s", factor=2.0),
        Value("unit", "units", ("x",), probe="probe07"),
        Value("spike", "units", ("spike_times",), probe="probe07", rule="unit_of_spike"),
        Value("row", "scratch/x", ("y",)),
        Value("row", "units", ("nothing",)),
        Value("row", "units", ()),
        Value("text", "scratch/x"),
        Value("literal", "x"),
        Value("literal", "x", options={"value": [[1], [2, 3]]}, dtype="<f8"),
        Value(
            "array", "", ("scratch/x",), "side_by_side", shape=(5, 2), options={"columns": [[0, 2]]}
        ),
        Value(
            "array", "", ("scratch/x",), "side_by_side", shape=(5, 2), options={"columns": [[1, 2]]}
        ),
        Value("array", "", ("scratch/x",), "side_by_side"),
        Value(
            "frame",
            "x",
            columns={"a": Value("array", "scratch/x"), "b": Value("array", "units/id")},
        ),
        Value("frame", "x", columns={"a": Value("literal", "", options={"value": 3})}),
        Value(
            "frame",
            "x",
            columns={"a": Value("array", "scratch/x")},
            options={"index": [["b", "c"]]},
        ),
    ],
)
def test_records_that_do_not_fit_the_file(writer: Writer, value: Value) -> None:
    writer.h5["scratch/x"] = np.arange(5.0)
    writer.h5["scratch/s"] = ["a", "b"]
    writer.table("units", {"cluster_id": [1], "probe_name": ["probe00"]}, {"spike_times": [[0.1]]})
    view = recorded(writer, {"alf/a.b.npy": value})
    with pytest.raises(BadFileError) as caught:
        view.read("alf/a.b.npy")
    assert "a.nwb" in str(caught.value)


def test_a_harmed_order_of_spikes_is_told(tmp_path: Path) -> None:
    for k, (position, rank) in enumerate([([99], [0]), ([0], [-1]), ([0.5], [1.5])]):
        writer = Writer(tmp_path / f"{k}.nwb")
        values = with_spikes(writer)
        del writer.h5["processing/ecephys/spike_order_probe00"]
        writer.table("processing/ecephys/spike_order_probe00", {"position": position, "rank": rank})
        view = recorded(writer, values)
        with pytest.raises(BadFileError, match="spike_order_probe00"):
            view.read("alf/probe00/pykilosort/#2024-05-06#/spikes.amps.npy")


def test_damage_to_records_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.nwb")
    values = with_spikes(writer)
    writer.table(ELECTRODES, {"probe_name": ["probe00"], "group_name": ["a"], "x": [1.0]})
    values["alf/probe00/channels.x.npy"] = Value(
        "channel", ELECTRODES, ("x",), probe="probe00", dtype="<f4", words={"a": 1}
    )
    recorded(writer, values).file.close()
    whole = bytearray((tmp_path / "a.nwb").read_bytes())
    rng = random.Random(7)
    with h5py.File(tmp_path / "a.nwb") as h5:
        text = bytes(h5[f"{TABLE}/value"][0])
    places = [k for k in range(len(whole)) if whole[k : k + 8] == text[:8]]
    assert places
    for trial in range(150):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.choice(places) + rng.randrange(200) if trial % 2 else rng.randrange(len(data))
            data[at] = rng.choice([rng.randrange(256), data[at] ^ 1, ord("9"), ord('"')])
        file = tmp_path / f"{trial}.nwb"
        file.write_bytes(data)
        try:
            with NwbFile(file) as opened:
                view = AlfView(opened)
                for path in view.offers:
                    view.read(path)
        except FascicleError as error:
            assert str(error)

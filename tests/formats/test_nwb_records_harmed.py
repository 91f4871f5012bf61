"""Records that are harmed, or that do not fit their file: an error that names both."""

from __future__ import annotations

import json
import random
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fascicle.errors import BadFileError, FascicleError
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.formats.nwb.recorded import offer_of
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


#: What may stand where something else should.
ODD: list[Any] = [
    *(None, True, 0, -1, 2**40, 1e300, "", "x", "units", [], [0], [5, 1], ["a"], {}, {"a": 1}),
    *("<f4", "<U9", "category", "datetime64[ns]", "object", "spike", "row", "frame", "literal"),
    *("text", "bytes", "feedback", "contrast", "region", "metrics", "periods", "raw", "joined"),
    *("channel_of_unit", "unit_of_spike", "side_by_side", "place_in_brain", "one_column"),
]
FIELDS = [field.name for field in fields(Value)]
OPTIONS = [
    *("rows", "take", "column", "axes", "as", "ids", "axis", "columns", "row", "value"),
    *("categories", "index", "labels", "sync", "order"),
]


def other(rng: random.Random, given: str) -> str:
    """Return a record in which something is not what it was."""
    record = json.loads(given)
    for _ in range(rng.randint(1, 3)):
        part = record
        columns = part.get("columns")
        if isinstance(columns, dict) and columns and rng.random() < 0.6:
            part = rng.choice(list(columns.values()))
        if not isinstance(part, dict):
            continue
        if rng.random() < 0.4 and isinstance(part.setdefault("options", {}), dict):
            part["options"][rng.choice(OPTIONS)] = rng.choice(ODD)
        elif rng.random() < 0.2:
            part.pop(rng.choice(list(part)), None)
        else:
            part[rng.choice(FIELDS)] = rng.choice(ODD)
    return json.dumps(record)


def test_records_that_say_something_else(writer: Writer) -> None:
    values = with_spikes(writer)
    writer.table("t", {"a": [1.0, 2], "b": ["x", "y"]})
    writer.series("s", np.arange(6.0).reshape(3, 2), timestamps=np.arange(3.0))
    writer.h5["scratch/text"] = "a,b\n1,2\n"
    values["alf/a.text.csv"] = Value("text", "scratch/text")
    values["alf/a.data.npy"] = Value("sample", "s", ("data",), dtype="<f4", factor=2.0)
    columns = {
        "a": Value("row", "t", ("a",), dtype="float64"),
        "b": Value("row", "t", ("b",), words={"x": None}, dtype="str"),
        "c": Value("sample", "s", ("data",), options={"column": 1, "rows": [0, 2]}),
    }
    values["alf/a.table.pqt"] = Value("frame", "t", columns=columns)
    view = recorded(writer, values)
    rng, told = random.Random(5), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy of numbers that are too large
        for _ in range(1500):
            path = rng.choice(list(values))
            try:
                value = Value.from_json(other(rng, values[path].to_json()))
            except (ValueError, TypeError, LookupError, AttributeError):
                continue  # told as of the table
            view.offers[path] = offer_of(view, path, value)
            try:
                view.read(path)
            except FascicleError as error:
                told += 1
                assert "a.nwb" in str(error)
    assert told > 300

"""The list of names and units between ALF and NWB: whole, and the same in both directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.alf import spec
from fascicle.errors import ConfigurationError
from fascicle.formats.nwb import mapping as module
from fascicle.formats.nwb.mapping import attribute_of, column_of, mapping
from fascicle.formats.nwb.probes import probe_label
from fascicle.formats.nwb.rules import RULES


def test_each_dataset_has_an_alf_name_and_a_meaning() -> None:
    for dataset in mapping():
        name = f"{dataset.object}.{dataset.attribute}.{dataset.extension}"
        parts = spec.parse_name(name)
        assert parts is not None and parts.object == dataset.object, name
        assert dataset.about and dataset.places, name
        assert not dataset.rule or dataset.rule in RULES, name
    assert {o.of for o in mapping().objects.values()} == {
        *("spike", "unit", "channel", "row", "sample", "event", "path")
    }
    assert {r for d in mapping() if (r := d.rule)} == set(RULES), "each rule is used"


def test_what_is_written_is_what_is_read_first() -> None:
    layouts = {layout.name for layout in mapping().layouts}
    for dataset in mapping():
        assert dataset.written is not None or dataset.attribute == "velocity", dataset
        for place in dataset.places:
            assert place.layout in {"", *layouts}
            values = np.array([0.0, 1.5, -3.25, np.nan])
            back = place.to_alf(place.to_nwb(values))
            assert np.allclose(back, values, equal_nan=True, rtol=1e-14)


def test_columns_to_align_to_end_in_time() -> None:
    """Viewers look for that suffix."""
    for dataset in mapping().objects["trials"].datasets:
        if dataset.attribute.endswith("_times"):
            assert dataset.written and dataset.written.names[0].endswith("_time"), dataset


def test_units_are_converted() -> None:
    amps = mapping().dataset("spikes.amps").written
    assert amps is not None and amps.names == ("spike_amplitudes_uV",)
    assert np.isclose(amps.to_nwb(50e-6), 50) and np.isclose(amps.to_alf(50.0), 50e-6)
    contrast = mapping().dataset("trials.contrastLeft").written
    assert contrast is not None and contrast.to_alf(6.25) == 0.0625


def test_words_go_both_ways() -> None:
    choice = mapping().dataset("trials.choice")
    assert choice.words is not None
    assert choice.spelled() == {-1: "counter_clockwise", 0: "none", 1: "clockwise"}
    assert all(choice.words[word] == value for value, word in choice.spelled().items())


def test_metrics_have_a_column_each() -> None:
    written = [places[0].names[0] for places in mapping().metrics.values()]
    assert len(set(written)) == len(written)


@pytest.mark.parametrize(
    ("column", "attribute"),
    [
        ("initial_image_name", "initialImageName"),
        ("cue_start_time", "cueStart_times"),
        ("go_cue_trigger_time", "goCueTrigger_times"),
        ("hit", "hit"),
        ("PT_ratio", "pTRatio"),
        ("Reward Size (uL)", "rewardSizeUL"),
        ("time", "time"),
        ("_", ""),
    ],
)
def test_names_of_other_columns(column: str, attribute: str) -> None:
    assert attribute_of(column) == attribute


@given(st.from_regex(r"[a-z][a-z]{0,6}(_[a-z][a-z]{1,6}){0,3}(_time)?", fullmatch=True))
def test_other_names_go_both_ways(column: str) -> None:
    attribute = attribute_of(column)
    assert spec.parse_name(f"trials.{attribute}.npy") is not None
    assert attribute_of(column_of(attribute)) == attribute


@given(st.text(max_size=30))
def test_any_name_of_a_column_is_a_name_or_none(column: str) -> None:
    attribute = attribute_of(column)
    assert not attribute or spec.parse_name(f"trials.{attribute}.npy") is not None


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("probe00", "probe00"),
        ("Probe01", "probe01"),
        ("probeA", "probeA"),
        ("NeuropixelsProbe00", "probe00"),
        ("Neuropixels probe 00", "probe00"),
        ("probe00_shank2", "probe00"),
        ("imec1", "probe01"),
        ("H-116: 64", ""),
        ("tetrode3", ""),
    ],
)
def test_labels_of_probes(name: str, label: str) -> None:
    assert probe_label(name) == label


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "cannot be read"),
        ("format = 1", "lacks 'objects'"),
        ('[[datasets]]\nalf = "a.b"', "is no dataset: 'nwb'"),
        (
            '[layouts]\n[session]\n[objects]\n[metrics]\n[[datasets]]\nalf = "a.b"\nnwb = ["c"]',
            "describes no object a",
        ),
    ],
)
def test_a_mapping_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "alf.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        module.read(file)
    with pytest.raises(ConfigurationError):
        module.read(tmp_path / "gone.toml")

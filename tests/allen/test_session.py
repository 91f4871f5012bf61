"""A session of a synthetic file: what it has, in which types, and what it reads for that."""

from __future__ import annotations

import builtins
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from fascicle.allen import (
    BehaviorEcephysSession,
    BehaviorSession,
    Coordinates,
    VBNBehaviorSession,
)
from fascicle.demo.vbn import write_session
from fascicle.errors import (
    BadFileError,
    MissingExtraError,
    NotHereError,
    NwbObjectNotFound,
    ProbeNotFound,
)

#: What the tutorial of the Allen Institute lists.
LISTED = [
    *("behavior_data_class", "behavior_session_id", "eye_tracking", "eye_tracking_rig_geometry"),
    *("get_channels", "get_performance_metrics", "get_reward_rate", "get_rolling_performance_df"),
    *("get_units", "licks", "mean_waveforms", "metadata", "optotagging_table", "probes"),
    *("raw_running_speed", "rewards", "running_speed", "spike_amplitudes", "spike_times"),
    *("stimulus_presentations", "stimulus_templates", "stimulus_timestamps", "task_parameters"),
    "trials",
]
TABLES = [
    *("eye_tracking", "licks", "optotagging_table", "probes", "raw_running_speed", "rewards"),
    *("running_speed", "stimulus_presentations", "stimulus_templates", "trials"),
]


def types_of(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


@pytest.fixture(scope="module")
def attributes(shared: Path) -> Any:
    """Return what AllenSDK's own sessions have: names, types, indices."""
    text = (shared / "contracts" / "allen-layouts" / "attributes.json").read_text()
    return {k.removeprefix("session."): v["value"] for k, v in json.loads(text).items()}


def test_it_lists_what_it_has(session: BehaviorEcephysSession, attributes: Any) -> None:
    listed = session.list_data_attributes_and_methods()
    assert listed == attributes["list_data_attributes_and_methods"]
    assert set(LISTED) < set(listed) and listed == sorted(listed)
    for name in listed:
        assert hasattr(type(session), name)
        assert getattr(type(session), name).__doc__


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_types_of_allensdk(
    session: BehaviorEcephysSession, attributes: Any, name: str
) -> None:
    frame, theirs = getattr(session, name), attributes[name]
    assert types_of(frame) == {c: k.partition("<")[0] for c, k in theirs["columns"].items()}
    index, kind = theirs["index"].split(":")
    assert (str(frame.index.name), str(frame.index.dtype)) == (index, kind)
    assert getattr(session, name) is frame, "it is read once"


@pytest.mark.filterwarnings("ignore::fascicle.errors.NanMetricsWarning")
@pytest.mark.parametrize("name", ["get_channels", "get_rolling_performance_df", "get_units"])
def test_methods_return_tables_of_these_types(
    session: BehaviorEcephysSession, attributes: Any, name: str
) -> None:
    frame, theirs = getattr(session, name)(), attributes[name]
    assert types_of(frame) == {c: k.partition("<")[0] for c, k in theirs["columns"].items()}
    assert list(frame.columns) == list(theirs["columns"])


@pytest.mark.parametrize("name", ["metadata", "task_parameters", "eye_tracking_rig_geometry"])
def test_dicts_have_these_keys(session: BehaviorEcephysSession, attributes: Any, name: str) -> None:
    assert list(getattr(session, name)) == list(attributes[name])


def test_metadata_in_types_of_python(session: BehaviorEcephysSession) -> None:
    about = session.metadata
    assert type(about["behavior_session_id"]) is type(about["ecephys_session_id"]) is int
    assert about["behavior_session_id"] == session.behavior_session_id
    assert about["date_of_acquisition"].tzinfo is not None
    about["mouse_id"] = "another"
    assert session.metadata["mouse_id"] != "another"


def test_a_place_equals_a_list(session: BehaviorEcephysSession) -> None:
    led = session.eye_tracking_rig_geometry["led_position"]
    assert led == [*led] == Coordinates(led.x, led.y, led.z) and led != [0, 0, 0] and led != "led"
    assert str(led) == str([*led]) and repr(led).startswith("Coordinates(x=")
    assert hash(led) == hash(Coordinates(*led))


def test_the_classes(session: BehaviorEcephysSession, training: BehaviorSession) -> None:
    assert session.behavior_data_class() is VBNBehaviorSession
    assert BehaviorEcephysSession.behavior_data_class() is VBNBehaviorSession
    assert isinstance(session, BehaviorSession)
    assert not isinstance(training, VBNBehaviorSession)
    assert set(training.list_data_attributes_and_methods()) < set(
        session.list_data_attributes_and_methods()
    )


# -- what is read ---------------------------------------------------------------------------------


def test_nothing_is_read_until_it_is_asked_for(folder: Path) -> None:
    reads: list[str] = []

    def opening() -> Any:
        reads.append("open")
        return (folder / "session.nwb").open("rb")

    from fascicle.formats.nwb import NwbFile

    session = BehaviorEcephysSession(NwbFile(opening))
    times = session.spike_times
    assert repr(session) and "spike_times" in session.list_data_attributes_and_methods()
    assert not reads
    assert len(times) == 80
    assert reads == ["open"]


def test_one_unit_reads_its_bytes_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    from fascicle.formats.nwb import NwbFile

    array = NwbFile.array

    def watched(self: NwbFile, place: str, sel: Any = slice(None)) -> Any:
        found = array(self, place, sel)
        if place == "/units/spike_times":
            asked.append(len(found))
        return found

    monkeypatch.setattr(NwbFile, "array", watched)
    with BehaviorEcephysSession.from_nwb_path(path) as session, h5py.File(path) as h5:
        ids, ends = h5["units/id"][()], h5["units/spike_times_index"][()].astype(int)
        unit = int(ids[40])
        expected = h5["units/spike_times"][ends[39] : ends[40]]
        np.testing.assert_array_equal(session.spike_times[unit], expected)
        assert asked == [len(expected)]
        assert session.spike_times[unit] is session.spike_times[unit]
        assert asked == [len(expected)], "it is read once"
        whole = dict(session.spike_times)
        assert len(asked) < 6, "going through all reads ahead"
        assert sum(asked) <= ends[-1] + 2 * len(expected)
        np.testing.assert_array_equal(np.concatenate(list(whole.values())), h5["units/spike_times"])


def test_units_as_a_dict_has_them(session: BehaviorEcephysSession) -> None:
    times = session.spike_times
    ids = session.get_units(nan_metrics="drop").index
    assert list(times) == list(times.keys()) and set(ids) <= set(times)
    unit = next(iter(times))
    assert unit in times and -1 not in times and [] not in times
    assert times.get(-1) is None
    with pytest.raises(KeyError):
        times[-1]
    assert times[np.int64(unit)] is times[unit]
    plain = {key: value for key, value in times.items()}  # noqa: C416 - it is how all are read
    assert times == plain and plain == times.copy() and times != {} and times != 1
    assert len(times.values()) == len(times) == 80
    assert (times | {1: 2})[1] == 2 and ({1: 2} | times)[1] == 2
    assert all(value.dtype == np.float64 for value in times.values())
    assert "80 units" in repr(times)
    assert pickle.loads(pickle.dumps(times)) == times


def test_waveforms_and_amplitudes(session: BehaviorEcephysSession, path: Path) -> None:
    unit = list(session.mean_waveforms)[5]
    assert session.mean_waveforms[unit].shape == (384, 82)
    assert len(session.spike_amplitudes[unit]) == len(session.spike_times[unit])
    with h5py.File(path) as h5:
        np.testing.assert_array_equal(
            session.mean_waveforms[unit], h5["units/waveform_mean"][1920:2304]
        )


def test_it_pickles(session: BehaviorEcephysSession) -> None:
    trials = session.trials
    again = pickle.loads(pickle.dumps(session))
    assert len(pickle.dumps(session)) < 3000, "what was read stays behind"
    pd.testing.assert_frame_equal(again.trials, trials)
    unit = next(iter(session.spike_times))
    np.testing.assert_array_equal(again.spike_times[unit], session.spike_times[unit])
    assert len(again.get_probes_obj()) == 2
    again.close()


def test_in_another_process(path: Path) -> None:
    code = (
        "import pickle, sys\n"
        "s = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "print(len(s.trials), len(s.spike_times))"
    )
    data = pickle.dumps(BehaviorEcephysSession.from_nwb_path(path)).hex()
    run = subprocess.run([sys.executable, "-c", code, data], capture_output=True, text=True)
    assert run.stdout.split() and run.stdout.split()[1] == "80", run.stderr


def test_a_closed_session_keeps_what_was_read(path: Path) -> None:
    with BehaviorEcephysSession.from_nwb_path(path) as session:
        licks = session.licks
    assert session.licks is licks
    with pytest.raises(ValueError, match="closed"):
        session.rewards


def test_the_page_about_it(session: BehaviorEcephysSession, training: BehaviorSession) -> None:
    page = session._repr_html_()
    assert "probeA, probeB" in page and "get_units" in page and "80" in page
    assert str(session.metadata["ecephys_session_id"]) in repr(session)
    assert "training.nwb" in training._repr_html_()


def test_the_same_file_as_any_nwb(session: BehaviorEcephysSession) -> None:
    assert len(session.nwb.units) == 80
    assert session.nwb is session.nwb


# -- LFP ------------------------------------------------------------------------------------------


def probe_with_lfp(session: BehaviorEcephysSession) -> int:
    return int(session.probes.index[session.probes["has_lfp_data"]][0])


def test_lfp_lies_beside_the_file(session: BehaviorEcephysSession, folder: Path) -> None:
    probe = probe_with_lfp(session)
    lfp, csd = session.get_lfp(probe), session.get_current_source_density(probe)
    assert lfp is not None and csd is not None
    assert (lfp.name, lfp.dims, lfp.shape, str(lfp.dtype)) == (
        "LFP",
        ("time", "channel"),
        (5000, 24),
        "float32",
    )
    assert set(lfp["channel"].values) <= set(session.get_channels(False).index)
    assert (csd.name, csd.dims, csd.shape) == ("CSD", ("virtual_channel_index", "time"), (24, 400))
    assert set(csd.coords) >= {"vertical_position", "horizontal_position"}
    assert session.get_lfp(probe) is lfp, "it is read once"
    some = session.get_lfp(probe, between=tuple(lfp["time"].values[[100, 200]]))
    assert some is not None and some.equals(lfp[100:200])
    obj = next(one for one in session.get_probes_obj() if one.id == probe)
    assert obj.lfp is lfp and obj.current_source_density is csd


def test_a_probe_without_lfp(session: BehaviorEcephysSession) -> None:
    probe = int(session.probes.index[~session.probes["has_lfp_data"]][0])
    assert session.get_lfp(probe) is None
    assert session.get_current_source_density(probe) is None
    with pytest.raises(ProbeNotFound, match="no probe 7") as caught:
        session.get_lfp(7)
    assert isinstance(caught.value, ValueError) and str(probe) in caught.value.hint


def test_lfp_that_is_elsewhere(path: Path, folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "session.nwb"
    alone.write_bytes(path.read_bytes())
    with BehaviorEcephysSession.from_nwb_path(alone) as session:
        probe = probe_with_lfp(session)
        with pytest.raises(NotHereError, match=f"probe_{probe}_lfp"):
            session.get_lfp(probe)
    place = folder / f"probe_{probe}_lfp.nwb"
    for given in (place, str(place), lambda: place):
        with BehaviorEcephysSession.from_nwb_path(alone, probe_meta={"probeA": given}) as session:
            assert session.get_lfp(probe).shape == (5000, 24)


def test_without_xarray(session: BehaviorEcephysSession, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, importing = probe_with_lfp(session), builtins.__import__

    def failing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "xarray":
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(MissingExtraError, match="xarray") as caught:
        session.get_lfp(probe)
    assert "fascicle[allen]" in caught.value.hint


def test_probes_as_objects(session: BehaviorEcephysSession) -> None:
    probes = session.get_probes_obj()
    assert [one.name for one in probes] == list(session.probes["name"])
    assert probes.to_dataframe() is session.probes
    assert probes.spike_times is session.spike_times
    assert probes.spike_amplitudes is session.spike_amplitudes
    assert probes.mean_waveforms is session.mean_waveforms
    assert len(probes.get_units_table()) == 80
    assert len(probes.get_units_table(filter_by_validity=True, nan_metrics="drop")) < 80
    assert sum(len(one.units_table) for one in probes) == 80
    assert sum(len(one.get_channels()) for one in probes) == len(session.get_channels())
    assert "probeA" in repr(probes) and "probeA" in repr(probes.probes[0])


# -- what is wrong --------------------------------------------------------------------------------


def test_no_file(tmp_path: Path) -> None:
    for cls in (BehaviorSession, BehaviorEcephysSession):
        with pytest.raises(FileNotFoundError, match="no file"):
            cls.from_nwb_path(tmp_path / "nothing.nwb")


def test_another_kind_of_file(shared: Path) -> None:
    path = shared / "data" / "nwb" / "sub-anm372793_ses-20170508.nwb"
    with BehaviorEcephysSession.from_nwb_path(path) as session:
        for name in ("metadata", "task_parameters", "running_speed", "stimulus_timestamps"):
            with pytest.raises(BadFileError, match="sub-anm372793"):
                getattr(session, name)
        with pytest.raises(BadFileError, match="sub-anm372793"):
            session.get_units()
        assert session.eye_tracking.empty and session.licks.empty and session.rewards.empty
        assert session.optotagging_table.empty and session.eye_tracking_rig_geometry == {}
        assert session.stimulus_presentations.empty


def test_a_missing_column_is_named(changed: Any) -> None:
    path = changed(lambda h5: h5["units"].pop("spike_times"))
    with BehaviorEcephysSession.from_nwb_path(path) as session:
        with pytest.raises(NwbObjectNotFound, match="spike_times"):
            list(session.spike_times.values())
        assert len(session.spike_amplitudes) == 80


def test_empty_tables_have_the_types_of_full_ones(
    session: BehaviorEcephysSession, training: BehaviorSession, changed: Any
) -> None:
    assert training.eye_tracking.empty
    assert types_of(training.eye_tracking) == types_of(session.eye_tracking)

    def strip(h5: h5py.File) -> None:
        for name in ("licking", "rewards", "optotagging"):
            del h5["processing"][name]

    with BehaviorEcephysSession.from_nwb_path(changed(strip)) as less:
        for name in ("licks", "rewards", "optotagging_table"):
            assert getattr(less, name).empty
            assert types_of(getattr(less, name)) == types_of(getattr(session, name))
        assert less.optotagging_table.index.name == "id"


def test_a_wheel_the_wrong_way_round(tmp_path: Path) -> None:
    for backwards in (False, True):
        path = write_session(tmp_path / f"{backwards}.nwb", backwards=backwards, units=4, spikes=40)
        with BehaviorEcephysSession.from_nwb_path(path) as session:
            assert session.running_speed["speed"].mean() > 0
            assert session.raw_running_speed["speed"].mean() > 0

"""The lab holds what the tutorials ask for, by name; and the same seed gives the same bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fascicle.alf import spec
from fascicle.demo import (
    DESCRIPTION,
    SIZES,
    DemoError,
    Size,
    describe,
    make_lab,
    make_session,
    plan_lab,
    read_description,
)
from fascicle.load import load_file, load_object

THE_FIFTEEN = [
    "_ibl_trials.choice.npy",
    "_ibl_trials.contrastLeft.npy",
    "_ibl_trials.contrastRight.npy",
    "_ibl_trials.feedbackType.npy",
    "_ibl_trials.feedback_times.npy",
    "_ibl_trials.goCueTrigger_times.npy",
    "_ibl_trials.goCue_times.npy",
    "_ibl_trials.included.npy",
    "_ibl_trials.intervals.npy",
    "_ibl_trials.probabilityLeft.npy",
    "_ibl_trials.repNum.npy",
    "_ibl_trials.response_times.npy",
    "_ibl_trials.rewardVolume.npy",
    "_ibl_trials.stimOnTrigger_times.npy",
    "_ibl_trials.stimOn_times.npy",
]

TYPES_OF_2018 = [
    "_ibl_lickPiezo.raw",
    "_ibl_lickPiezo.timestamps",
    "_ibl_wheel.position",
    "channels.brainLocation",
    "channels.probe",
    "channels.rawRow",
    "channels.site",
    "channels.sitePositions",
    "clusters._phy_annotation",
    "clusters.depths",
    "clusters.peakChannel",
    "clusters.probes",
    "clusters.templateWaveforms",
    "clusters.waveformDuration",
    "eye.area",
    "eye.blink",
    "eye.timestamps",
    "eye.xyPos",
    "licks.times",
    "probes.description",
    "probes.insertion",
    "probes.rawFilename",
    "probes.sitePositions",
    "spikes.amps",
    "spikes.clusters",
    "spikes.depths",
    "spikes.times",
    "spontaneous.intervals",
]

BEST = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"


def files_of(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def digest(root: Path) -> dict[str, str]:
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in files_of(root)}


# -- who and when ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> list:
    return plan_lab("small")


def test_labs_and_subjects(small):
    labs = {p.lab for p in small}
    assert {"zadorlab", "mrsicflogellab", "churchlandlab_ucla"} < labs
    assert len(labs) == 4
    subjects = {p.subject for p in small}
    assert {"CSH_ZAD_003", "NYU-01", "flowers"} < subjects
    assert len(subjects) == 12
    assert len({p.path for p in small}) == len(small)


def test_the_mouse_of_the_release_tutorial_has_its_98_sessions(small):
    nyu = [p for p in small if p.subject == "NYU-01"]
    assert len(nyu) == 98
    assert {p.kind for p in nyu} == {"training", "biased"}
    assert {p.number for p in nyu} == {1, 2}


def test_one_session_of_a_day_in_2018_is_owned_by_both_users(small):
    day = [p for p in small if p.date == dt.date(2018, 8, 24)]
    assert [set(p.users) for p in day] == [{"olivier", "test_user"}]
    both = [p for p in small if {"olivier", "test_user"} <= set(p.users)]
    assert both == day
    assert day[0].id == "cf264653-2deb-44cb-aa84-89b82507028a"
    assert any("olivier" in p.users for p in small if p.subject == "flowers")


def test_projects_protocols_and_tags(small):
    brainwide = [p for p in small if any("brainwide" in name for name in p.projects)]
    ephys = [p for p in brainwide if "ephys" in p.task_protocol]
    assert 5 <= len(ephys) < len([p for p in small if p.kind == "ephys"])
    assert any(len(p.projects) == 2 for p in small)
    tagged = [p for p in small if "2022_Q2_IBL_et_al_RepeatedSite" in p.tags]
    assert "mrsicflogellab" in {p.lab for p in tagged}
    assert len(tagged) >= 3
    assert all(p.probes for p in tagged)


def test_recordings_have_two_probes_and_some_reach_the_rhomboid_nucleus(small):
    ephys = [p for p in small if p.kind == "ephys"]
    assert sum(len(p.probes) == 2 for p in ephys) >= 6
    assert sum(any(q.track == "midline" for q in p.probes) for p in ephys) == 2
    revised = {q.revised for p in ephys for q in p.probes}
    assert revised == {True, False}


def test_larger_sizes_hold_the_smaller(small):
    paths = {p.path for p in small}
    medium, large = plan_lab("medium"), plan_lab("large")
    assert paths < {p.path for p in medium}
    assert paths < {p.path for p in large}
    assert len(large) > 2000
    assert len({p.path for p in large}) == len(large)


def test_unknown_size_says_which_there_are():
    with pytest.raises(DemoError) as caught:
        plan_lab("smal")
    assert "small" in caught.value.hint
    with pytest.raises(DemoError, match="no demo of size"):
        plan_lab("gigantic")
    with pytest.raises(DemoError, match="no demo of size None"):
        plan_lab(None)


@pytest.mark.parametrize("seed", [-1, "x", 1.5, None, True])
def test_seeds_are_whole_numbers(tmp_path, seed):
    with pytest.raises(DemoError, match="is no seed"):
        make_lab(tmp_path / "lab", size="tiny", seed=seed)
    assert not (tmp_path / "lab").exists()


# -- what lies in the folder -----------------------------------------------------------------------


def test_every_file_of_a_session_follows_the_convention(tiny):
    sessions = [name for name in files_of(tiny) if "/" in name]
    for name in sessions:
        lab, subjects, subject, date, number, *rest = name.split("/")
        folder = "/".join((lab, subjects, subject, date, number))
        assert spec.parse_session(folder) == (lab, subject, date, number)
        assert spec.parse_folder("/".join(rest[:-1])) is not None, name
        assert spec.is_valid(rest[-1]), name
    apart = set(files_of(tiny)) - set(sessions)
    assert apart == {DESCRIPTION, "README.txt"}


def test_the_session_of_the_release_tutorial_has_its_15_files(tiny):
    session = tiny / "zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001"
    assert [p.name for p in session.iterdir()] == ["alf"]
    assert sorted(p.name for p in (session / "alf").iterdir()) == sorted(THE_FIFTEEN)
    trials = load_object(session / "alf", "trials")
    assert len({len(v) for v in trials.values()}) == 1
    assert np.all(trials["feedback_times"] > trials["goCue_times"])


def test_the_session_of_2018_has_the_types_of_the_oldest_tutorial(tiny):
    alf = tiny / "mrsicflogellab/Subjects/clns0730/2018-08-24/001/alf"
    types = {".".join(p.name.split(".")[:2]) for p in alf.iterdir()}
    assert types - set(TYPES_OF_2018) == {"rigNotes.text"}  # the one that the list calls unknown
    assert set(TYPES_OF_2018) <= types
    for obj in ("clusters", "spikes", "channels", "licks", "spontaneous"):
        assert load_object(alf, obj)
    spikes = load_object(alf, "spikes")
    assert len({len(v) for v in spikes.values()}) == 1


def test_the_best_session_has_every_kind_of_data(tiny):
    names = files_of(tiny / BEST)
    for part in (
        "alf/_ibl_trials.table.pqt",
        "alf/_ibl_wheel.timestamps.npy",
        "alf/_ibl_wheelMoves.intervals.npy",
        "alf/licks.times.npy",
        "alf/#2023-04-20#/licks.times.npy",
        "alf/_ibl_leftCamera.lightningPose.pqt",
        "alf/_ibl_leftCamera.features.pqt",
        "alf/leftCamera.ROIMotionEnergy.npy",
        "alf/_ibl_passiveGabor.table.csv",
        "alf/_ibl_passivePeriods.intervalsTable.csv",
        "alf/_ibl_passiveStims.table.csv",
        "raw_passive_data/_iblrig_RFMapStim.raw.bin",
        "raw_behavior_data/_iblmic_audioSpectrogram.power.npy",
        "raw_behavior_data/_iblmic_audioSpectrogram.frequencies.npy",
        "raw_video_data/_iblrig_leftCamera.raw.mp4",
        "raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.cbin",
        "raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.ch",
        "raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.meta",
        "alf/probe00/pykilosort/spikes.times.npy",
        "alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy",
        "alf/probe00/pykilosort/channels.brainLocationIds_ccf_2017.npy",
        "alf/probe00/pykilosort/channels.mlapdv.npy",
        "alf/probe01/pykilosort/#2024-05-06#/clusters.metrics.pqt",
    ):
        assert part in names
    older = [n for n in files_of(tiny) if n.endswith("Camera.dlc.pqt")]
    assert older


def test_every_dataset_loads(tiny):
    for name in files_of(tiny):
        if "/" in name and not name.endswith((".cbin", ".ch", ".meta", ".mp4", ".bin")):
            assert load_file(tiny / name) is not None, name


def test_a_probe_is_a_mixture_of_revisions(tiny):
    probe = tiny / BEST / "alf/probe00/pykilosort"
    first = {p.name for p in probe.iterdir() if p.is_file()}
    second = {p.name for p in (probe / "#2024-05-06#").iterdir()}
    assert {"spikes.times.npy", "clusters.metrics.pqt"} <= first & second
    assert {"channels.brainLocationIds_ccf_2017.npy", "channels.mlapdv.npy"} <= first - second
    assert "spikes.samples.npy" in second - first


@pytest.mark.parametrize("revision", ["", "#2024-05-06#"])
def test_objects_of_a_sorting_agree(tiny, revision):
    folder = tiny / BEST / "alf/probe00/pykilosort" / revision
    spikes, clusters = load_object(folder, "spikes"), load_object(folder, "clusters")
    channels = load_object(folder, "channels")
    n = len(clusters["channels"])
    assert {len(v) for v in clusters.values()} == {n}
    assert {len(v) for v in channels.values()} == {384}
    assert {len(v) for v in spikes.values()} == {len(spikes["times"])}
    metrics = clusters["metrics"]
    assert {"cluster_id", "label", "uuids", "firing_rate", "spike_count"} <= set(metrics)
    assert metrics["cluster_id"].tolist() == list(range(n))
    assert metrics["uuids"].tolist() == clusters["uuids"].squeeze().tolist()
    count = np.bincount(spikes["clusters"].astype(int), minlength=n)
    assert metrics["spike_count"].tolist() == count.tolist()
    along = channels["localCoordinates"][clusters["channels"], 1]
    assert np.abs(along - clusters["depths"]).max() <= 10


def test_traced_sites_lie_beside_the_sorter_of_some_probe():
    plan = next(p for p in plan_lab("small") if any(q.traced for q in p.probes))
    assert plan.subject == "UCLA037"


def test_camera_data_agree_in_length(tiny):
    alf = tiny / BEST / "alf"
    times = load_file(alf / "_ibl_leftCamera.times.npy")
    assert np.all(np.diff(times) > 0)
    for name in ("_ibl_leftCamera.lightningPose.pqt", "_ibl_leftCamera.features.pqt"):
        assert len(load_file(alf / name)) == len(times)
    assert len(load_file(alf / "leftCamera.ROIMotionEnergy.npy")) == len(times)
    pose = load_file(alf / "_ibl_leftCamera.lightningPose.pqt")
    assert set(pose.columns.str.extract(r"_([a-z]+)$")[0]) == {"x", "y", "likelihood"}


def test_go_cues_are_heard(tiny):
    raw = tiny / BEST / "raw_behavior_data"
    power = load_file(raw / "_iblmic_audioSpectrogram.power.npy")
    frequencies = load_file(raw / "_iblmic_audioSpectrogram.frequencies.npy").ravel()
    times = load_file(raw / "_iblmic_audioSpectrogram.times_mic.npy")
    assert power.shape == (times.size, frequencies.size)
    tone = power[:, np.argmin(np.abs(frequencies - 5000))]
    cues = load_object(tiny / BEST / "alf", "trials")["goCue_times"]
    heard = np.isin(np.arange(times.size), cues.astype(int))
    assert tone[heard].min() > tone[~heard].max() - 30
    assert np.median(tone[heard]) > np.median(tone[~heard]) + 30


# -- chance ----------------------------------------------------------------------------------------


def test_same_seed_same_bytes_in_another_process_and_folder(tiny, tmp_path):
    code = f"from fascicle.demo import make_lab; make_lab({str(tmp_path / 'b')!r}, size='tiny')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert digest(tmp_path / "b") == digest(tiny)


def test_another_seed_is_another_lab_with_the_same_plan(tmp_path):
    plans = [p for p in plan_lab("tiny") if p.kind in ("biased", "legacy")][:3]
    one = make_lab(tmp_path / "1", size="tiny", seed=1, sessions=plans)
    two = make_lab(tmp_path / "2", size="tiny", seed=2, sessions=plans)
    a, b = digest(one), digest(two)
    assert a.keys() == b.keys()
    assert sum(a[name] != b[name] for name in a) > len(a) / 2


def test_a_session_is_the_same_whichever_others_are_made(tiny, tmp_path):
    plan = next(p for p in plan_lab("tiny") if p.subject == "NYU-12")
    session = make_session(tmp_path, plan, size="tiny")
    assert session == tmp_path / plan.path
    assert digest(session) == digest(tiny / plan.path)


def test_sizes_and_plans_of_ones_own(tmp_path):
    size = Size("mine", training_sessions=1, trials=30, units=5, best_units=6, recordings=1)
    size = replace(size, passive_seconds=5.0, raw_seconds=0.05, video_frames=2, frame_rate=5.0)
    lab = make_lab(tmp_path / "lab", size=size)
    metrics = load_file(lab / BEST / "alf/probe00/pykilosort/#2024-05-06#/clusters.metrics.pqt")
    assert len(metrics) == 6
    assert read_description(lab)["size"] == "mine"


# -- what a folder cannot hold -----------------------------------------------------------------


def test_description_is_plain_and_complete(tiny):
    record = read_description(tiny)
    assert record == describe(plan_lab("tiny"), size="tiny", seed=0)
    assert {r["session"] for r in record["sessions"]} == {p.path for p in plan_lab("tiny")}
    assert {u["username"] for u in record["users"]} >= {"olivier", "test_user"}
    assert "2022_Q2_IBL_et_al_RepeatedSite" in {t["name"] for t in record["tags"]}
    named = {p["name"] for p in record["projects"]}
    assert {name for r in record["sessions"] for name in r["projects"]} == named
    assert {s["nickname"] for s in record["subjects"]} == {p.subject for p in plan_lab("tiny")}
    probes = [p for r in record["sessions"] for p in r["probes"]]
    assert all(p["serial"].isdigit() and p["model"] and p["trajectory"] for p in probes)


def test_description_that_is_missing_or_of_the_future(tmp_path):
    with pytest.raises(DemoError, match="was not made by"):
        read_description(tmp_path)
    (tmp_path / DESCRIPTION).write_text('{"format": "fascicle-lab", "version": 9}')
    with pytest.raises(DemoError, match="does not know"):
        read_description(tmp_path)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_bytes(b"x")
    with pytest.raises(DemoError, match="other things"):
        make_lab(tmp_path, size="tiny")
    assert files_of(tmp_path) == ["thesis.docx"]


def test_sizes_are_named_after_themselves():
    assert all(name == size.name for name, size in SIZES.items())

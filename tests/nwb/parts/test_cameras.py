"""Cameras: pose, pupil and motion energy, with one set of times for all that a camera gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from tests.nwb.parts.sessions import (
    assert_clean,
    assert_comes_back,
    converted,
    make_session,
    offered,
    open_session,
    places,
    warned,
)

from fascicle.archives.session import OpenSession
from fascicle.nwb.parts.cameras import keypoints

N = 3000
BEHAVIOR = "processing/behavior"


def times(n: int = N, rate: float = 60.0) -> np.ndarray[Any, Any]:
    noise = np.random.default_rng(0).normal(0, 1e-4, n)
    return 3.0 + np.arange(n) / rate + noise


def pose(n: int = N, parts: tuple[str, ...] = ("nose", "paw_l")) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {}
    for part in parts:
        columns[f"{part}_x"] = rng.normal(100, 10, n).astype("f4")
        columns[f"{part}_y"] = rng.normal(50, 10, n).astype("f4")
        columns[f"{part}_likelihood"] = rng.random(n)
    columns["nose_x"][5:9] = np.nan
    return pd.DataFrame(columns)


def features(n: int = N) -> pd.DataFrame:
    raw = np.random.default_rng(2).normal(20, 2, n).astype("f4")
    raw[::100] = np.nan
    return pd.DataFrame({"pupilDiameter_raw": raw, "pupilDiameter_smooth": raw.astype("f8") + 1})


def energy(n: int = N) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).random(n)


def tracked(path: Path, name: str) -> dict[str, Any]:
    """Return where the times of each series of a camera are."""
    out: dict[str, Any] = {}
    with h5py.File(path) as file:

        def look(key: str, found: Any) -> None:
            if key.endswith("/data") and name in key:
                group = found.parent
                out[group.name] = group.get("timestamps", getlink=True)

        file["processing/behavior"].visititems(lambda k, v: look(f"{BEHAVIOR}/{k}", v))
    return out


@pytest.fixture(scope="module")
def lab(tiny_lab: Path) -> OpenSession:
    return open_session(tiny_lab, "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001")


def test_keypoints_need_x_and_y() -> None:
    found = keypoints(["a_x", "a_y", "b_x", "c_y", "frame", "_x", "_y", "d_y", "d_x"])
    assert found == {"a": ["a_x", "a_y"], "d": ["d_x", "d_y"]}


def test_the_demo_session_comes_back(lab: OpenSession, tmp_path: Path) -> None:
    entries = offered(lab, ("cameras",))
    kinds = {entry.nwb: entry.type for entry in entries}
    assert kinds == {
        f"{BEHAVIOR}/LeftCameraPupilTracking": "PupilTracking",
        f"{BEHAVIOR}/LeftCameraLightningPose": "PoseEstimation",
        f"{BEHAVIOR}/BodyCameraMotionEnergy": "TimeSeries",
        f"{BEHAVIOR}/LeftCameraMotionEnergy": "TimeSeries",
        f"{BEHAVIOR}/RightCameraMotionEnergy": "TimeSeries",
    }
    assert [item.name for item in entries[1].items][:2] == ["nose_tip", "pupil_top_r"]
    target = tmp_path / "demo.nwb"
    report = converted(lab, target, raw=False)
    assert_clean(report)
    assert_comes_back(lab, report, target)


def test_pynwb_reads_pose_pupil_and_energy(tmp_path: Path) -> None:
    from pynwb import NWBHDF5IO

    table, t = pose(), times()
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_tailCamera.times.npy": t,
            "alf/_ibl_tailCamera.dlc.pqt": table,
            "alf/_ibl_tailCamera.features.pqt": features(),
            "alf/tailCamera.ROIMotionEnergy.npy": energy(),
            "alf/tailROIMotionEnergy.position.npy": np.array([120, 90, 380, 610]),
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    with NWBHDF5IO(target, "r") as io:
        module = io.read().processing["behavior"]
        found = module["TailCameraDeepLabCut"]
        nose = found["nose"]
        np.testing.assert_array_equal(nose.data[:], table[["nose_x", "nose_y"]].to_numpy())
        np.testing.assert_array_equal(nose.confidence[:], table["nose_likelihood"])
        assert (nose.unit, found.device.name, found.scorer) == (
            "pixels",
            "TailCamera",
            "DeepLabCut",
        )
        assert list(found.skeleton.nodes[:]) == ["nose", "paw_l"]
        assert found.skeleton.subject.subject_id == "mouse"
        motion = module["TailCameraMotionEnergy"]
        assert "120 x 90 pixels from x 380, y 610" in motion.description
        np.testing.assert_array_equal(motion.timestamps[:], t)
        pupil = module["TailCameraPupilTracking"]["PupilDiameterRaw"]
        np.testing.assert_array_equal(pupil.timestamps[:], t)
    links = tracked(target, "TailCamera")
    owners = [name for name, link in links.items() if isinstance(link, h5py.HardLink)]
    assert len(links) == 5
    assert len(owners) == 1


def test_large_poses_are_written_in_parts(tmp_path: Path) -> None:
    n = 200_000
    table = pose(n)
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(n),
            "alf/_ibl_leftCamera.lightningPose.pqt": table,
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target, check=("readback",))
    assert_comes_back(session, report, target)
    with h5py.File(target) as file:
        data = file[f"{BEHAVIOR}/LeftCameraLightningPose/nose/data"]
        assert (data.dtype, data.compression, data.chunks) == (np.float32, "gzip", (125_000, 2))


def test_fewer_samples_than_times_take_the_first_times(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(),
            "alf/_ibl_leftCamera.dlc.pqt": pose(N - 7),
            "alf/leftCamera.ROIMotionEnergy.npy": energy(N - 7),
            "alf/_ibl_leftCamera.features.pqt": features(N),
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    said = warned(report)["alf/_ibl_leftCamera.dlc.pqt"]
    assert said == [
        "it has 2993 samples, and its camera 3000 times: the first 2993 are taken for them"
    ]
    with h5py.File(target) as file:
        assert len(file[f"{BEHAVIOR}/LeftCameraDeepLabCut/nose/timestamps"]) == N - 7
        assert len(file[f"{BEHAVIOR}/LeftCameraDeepLabCut/paw_l/timestamps"]) == N - 7
        assert len(file[f"{BEHAVIOR}/LeftCameraMotionEnergy/timestamps"]) == N - 7
    where = places(report)["alf/_ibl_leftCamera.times.npy"]
    assert where.startswith(f"{BEHAVIOR}/LeftCameraPupilTracking")


def test_more_samples_than_times_are_carried_without(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(),
            "alf/_ibl_leftCamera.dlc.pqt": pose(N + 1),
            "alf/_ibl_leftCamera.features.pqt": features(N + 2),
            "alf/leftCamera.ROIMotionEnergy.npy": energy(N + 3),
            "alf/leftROIMotionEnergy.position.npy": np.array([1, 2, 3, 4]),
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    where = places(report)
    assert where["alf/_ibl_leftCamera.dlc.pqt"] == "processing/misc/leftCamera.dlc"
    assert where["alf/leftCamera.ROIMotionEnergy.npy"] == "scratch/leftCamera.ROIMotionEnergy"
    assert where["alf/_ibl_leftCamera.times.npy"] == "scratch/leftCamera.times"
    for path in ("alf/_ibl_leftCamera.dlc.pqt", "alf/leftCamera.ROIMotionEnergy.npy"):
        assert "without times" in warned(report)[path][0]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.where(np.arange(N) == 9, np.nan, times()), "are not finite at 1 of 3000"),
        (times()[::-1].copy(), "do not ascend"),
        (np.column_stack([times(), times()]), "have the shape (3000, 2)"),
        (np.array([], float), "are none at all"),
        (np.array(["a"] * N), "are no numbers"),
    ],
)
def test_times_that_are_none(tmp_path: Path, bad: Any, why: str) -> None:
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": bad,
            "alf/_ibl_leftCamera.dlc.pqt": pose(),
            "alf/leftCamera.ROIMotionEnergy.npy": energy(),
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert not any(place.startswith(BEHAVIOR) for place in places(report).values())
    assert any(why in text for text in warned(report)["alf/_ibl_leftCamera.times.npy"])
    assert "alf/_ibl_leftCamera.dlc.pqt" in warned(report)


def test_a_camera_without_times(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab",
        {"alf/_ibl_leftCamera.dlc.pqt": pose(), "alf/leftCamera.ROIMotionEnergy.npy": energy()},
    )
    assert offered(session, ("cameras",)) == []
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint16])
def test_times_keep_their_type(tmp_path: Path, kind: Any) -> None:
    t = np.sort(np.random.default_rng(0).uniform(0, 6e4, N)).astype(kind)
    session = make_session(
        tmp_path / "lab",
        {"alf/_ibl_xCamera.times.npy": t, "alf/xCamera.ROIMotionEnergy.npy": energy()},
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert places(report)["alf/_ibl_xCamera.times.npy"] == f"{BEHAVIOR}/XCameraMotionEnergy"


@pytest.mark.parametrize("exact", [True, False])
def test_regular_times_are_a_rate(tmp_path: Path, exact: bool) -> None:
    t = 1.5 + np.arange(N) / 50
    if not exact:
        t = t.astype(np.longdouble) + np.arange(N) % 2 * 1e-13
    t = t.astype(float)
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": t,
            "alf/_ibl_leftCamera.dlc.pqt": pose(),
            "alf/leftCamera.ROIMotionEnergy.npy": energy(),
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    with h5py.File(target) as file:
        series = file[f"{BEHAVIOR}/LeftCameraMotionEnergy"]
        assert "timestamps" not in series
        assert series["starting_time"].attrs["rate"] == pytest.approx(50, abs=1e-6)
    beside = places(report)["alf/_ibl_leftCamera.times.npy"] == "scratch/leftCamera.times"
    assert beside is not exact


def test_tables_of_other_forms(tmp_path: Path) -> None:
    indexed = pose().set_index(pd.Index(np.arange(N) + 1, name="frame"))
    more = pose().assign(speed=np.arange(N, dtype="f8"))
    counted = features().assign(count=np.arange(N))
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(),
            "alf/_ibl_leftCamera.dlc.pqt": indexed,
            "alf/_ibl_leftCamera.lightningPose.pqt": more,
            "alf/_ibl_leftCamera.features.pqt": counted,
        },
    )
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    where = places(report)
    assert where["alf/_ibl_leftCamera.dlc.pqt"] == "processing/misc/leftCamera.dlc"
    assert where["alf/_ibl_leftCamera.features.pqt"] == "processing/misc/leftCamera.features"
    with h5py.File(target) as file:
        assert file[f"{BEHAVIOR}/leftCamera.lightningPose.speed"].attrs["neurodata_type"] == (
            "TimeSeries"
        )


def test_what_is_switched_off_or_renamed(tmp_path: Path) -> None:
    table = pose(parts=("nose", "paw_l", "paw_r"))
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(),
            "alf/_ibl_leftCamera.dlc.pqt": table,
            "alf/leftCamera.ROIMotionEnergy.npy": energy(),
        },
    )
    entries = offered(session)
    poses, motion = (
        next(e for e in entries if e.type == t) for t in ("PoseEstimation", "TimeSeries")
    )
    poses.items[0].name = "snout"
    poses.items[0].description = "The tip of it"
    poses.items[1].on = False
    poses.items[2].dtype = "float32"
    motion.on = False
    target = tmp_path / "a.nwb"
    report = converted(session, target, entries, check=("validate", "inspect"))
    assert report.left_out["alf/leftCamera.ROIMotionEnergy.npy"] == (
        "it is switched off in the metadata"
    )
    with h5py.File(target) as file:
        group = file[f"{BEHAVIOR}/LeftCameraDeepLabCut"]
        assert {"snout", "paw_r"} <= set(group)
        assert "paw_l" not in group
        assert group["snout"].attrs["description"] == "The tip of it"
        assert group["paw_r/confidence"].dtype == np.float32
    assert [n.text for n in report.notes if "paw_l_x" in n.text]


def test_tables_that_were_not_here_when_they_were_offered(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(),
            "alf/_ibl_leftCamera.dlc.pqt": pose(),
            "alf/_ibl_leftCamera.features.pqt": features(),
        },
    )
    held = {path: session.file(path).read_bytes() for path in session.list()}
    for path in held:
        session.file(path).unlink()
    entries = offered(session)
    assert [[item.name for item in entry.items] for entry in entries[:2]] == [
        ["*", "timestamps"],
        ["*", "timestamps"],
    ]
    for path, data in held.items():
        (session.path / path).write_bytes(data)
    target = tmp_path / "a.nwb"
    report = converted(session, target, entries)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert all(place.startswith(BEHAVIOR) for place in places(report).values())


def test_two_collections_with_the_same_camera(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for k, task in enumerate(("alf/task_00", "alf/task_01")):
        files[f"{task}/_ibl_leftCamera.times.npy"] = times() + 100 * k
        files[f"{task}/_ibl_leftCamera.dlc.pqt"] = pose() + k
        files[f"{task}/leftCamera.ROIMotionEnergy.npy"] = energy() + k
    session = make_session(tmp_path / "lab", files)
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)


@pytest.mark.parametrize("name", ["dlc", "features"])
@pytest.mark.parametrize("harm", ["cut", "empty", "text", "middle"])
def test_harmed_tables_are_left_out(tmp_path: Path, name: str, harm: str) -> None:
    session = make_session(
        tmp_path / "lab",
        {
            "alf/_ibl_leftCamera.times.npy": times(),
            f"alf/_ibl_leftCamera.{name}.pqt": pose() if name == "dlc" else features(),
            "alf/leftCamera.ROIMotionEnergy.npy": energy(),
        },
    )
    place = session.path / f"alf/_ibl_leftCamera.{name}.pqt"
    data = place.read_bytes()
    middle = data[: len(data) // 4] + b"\xff" * 64 + data[len(data) // 4 + 64 :]
    harms = {"cut": data[:-100], "empty": b"", "text": b"no table", "middle": middle}
    place.write_bytes(harms[harm])
    target = tmp_path / "a.nwb"
    report = converted(session, target, check=())
    assert f"alf/_ibl_leftCamera.{name}.pqt" in report.left_out
    assert report.warnings
    assert places(report)["alf/leftCamera.ROIMotionEnergy.npy"] == (
        f"{BEHAVIOR}/LeftCameraMotionEnergy"
    )

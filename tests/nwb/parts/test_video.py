"""Videos: named where they are, or copied beside the NWB file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.nwb.parts.sessions import (
    assert_clean,
    assert_comes_back,
    converted,
    make_session,
    places,
)

from fascicle.errors import ConfigurationError

VIDEO = "raw_video_data/_iblrig_leftCamera.raw.mp4"
TIMES = "alf/_ibl_leftCamera.times.npy"
N = 500


def files(**more: Any) -> dict[str, Any]:
    noise = np.random.default_rng(0).normal(0, 1e-4, N)
    rest = {"alf/some.values.npy": np.arange(3), **more}
    return {VIDEO: b"\0film" * 1000, TIMES: np.arange(N) / 60 + noise, **rest}


def named(target: Path) -> Any:
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(target, "r") as io:
        found = io.read().acquisition["LeftCameraVideo"]
        return list(found.external_file[:]), found.format, found.device.name, found.timestamps[:]


def test_a_link_leads_to_the_file(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files())
    target = tmp_path / "some" / "where" / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    (path,), form, device, times = named(target)
    assert (form, device) == ("external", "LeftCamera")
    np.testing.assert_array_equal(times, files()[TIMES])
    assert path.startswith("../../lab/")
    assert (target.parent / path).read_bytes() == files()[VIDEO]
    assert places(report)[TIMES] == "acquisition/LeftCameraVideo"


def test_a_copy_lies_beside_the_file_as_dandi_wants_it(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files())
    target = tmp_path / "sub-mouse_ses-1.nwb"
    converted(session, target, videos="copy", check=())
    (path,), *_ = named(target)
    copy = tmp_path / "sub-mouse_ses-1" / "LeftCameraVideo_external_file_0.mp4"
    assert target.parent / path == copy
    assert copy.read_bytes() == files()[VIDEO]
    copy.write_bytes(b"changed")
    assert session.file(VIDEO).read_bytes() == files()[VIDEO]


def test_none(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files())
    target = tmp_path / "a.nwb"
    report = converted(session, target, videos="none")
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert report.left_out == {VIDEO: "videos were not asked for"}


def test_other_ways_are_refused(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files())
    with pytest.raises(ConfigurationError, match="videos='embed'"):
        converted(session, tmp_path / "a.nwb", videos="embed")


def test_pose_knows_its_video(tmp_path: Path) -> None:
    import pandas as pd
    from pynwb import NWBHDF5IO

    pose = pd.DataFrame({c: np.zeros(N) for c in ("nose_x", "nose_y", "nose_likelihood")})
    table = {"alf/_ibl_leftCamera.lightningPose.pqt": pose}
    session = make_session(tmp_path / "lab", files(**table))
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    with NWBHDF5IO(target, "r") as io:
        module = io.read().processing["behavior"]
        assert module["LeftCameraLightningPose"].source_video.name == "LeftCameraVideo"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({TIMES: np.full(N, np.nan)}, "the times of its frames are not finite"),
        ({TIMES: None}, "a video is linked or copied where its camera has times"),
    ],
)
def test_a_video_without_times_is_left_out(
    tmp_path: Path, changed: dict[str, Any], why: str
) -> None:
    made = {path: values for path, values in (files() | changed).items() if values is not None}
    session = make_session(tmp_path / "lab", made)
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert why in report.left_out[VIDEO]


def test_a_video_that_is_not_here_is_said(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files())
    session.file(VIDEO).unlink()
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert "it is not on this machine (file:" in report.left_out[VIDEO]
    assert VIDEO not in places(report)
    assert places(report)[TIMES].startswith(("events/", "scratch/"))


def test_regular_times(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files() | {TIMES: np.arange(N) / 50})
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)

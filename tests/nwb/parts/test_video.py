"""Videos: named where they are, or copied beside the NWB file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
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

from fascicle.demo.video import write_mp4
from fascicle.errors import ConfigurationError
from fascicle.nwb.parts.films import frames_in

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
    report = converted(session, target, videos="copy")
    assert_clean(report)
    assert_comes_back(session, report, target)
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


def film(frames: int) -> bytes:
    """Return a film of so many small pictures."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_mp4(path, np.zeros((frames, 16, 16), np.uint8), rate=60.0)
        return path.read_bytes()


def test_frames_are_counted_without_decoding(tmp_path: Path) -> None:
    path, whole = tmp_path / "film.mp4", film(37)
    path.write_bytes(whole)
    assert frames_in(path) == 37
    for harmed in (b"", b"no film", whole[: len(whole) // 2], b"\0" * 400, whole[4:]):
        path.write_bytes(harmed)
        assert frames_in(path) is None
    assert frames_in(tmp_path / "nothing.mp4") is None


@pytest.mark.parametrize("frames", [N - 20, N, N + 20])
def test_a_film_has_as_many_times_as_frames(tmp_path: Path, frames: int) -> None:
    session = make_session(tmp_path / "lab", files() | {VIDEO: film(frames)})
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert len(named(target)[3]) == min(frames, N)
    said = [note.text for note in report.notes if note.dataset == VIDEO]
    assert said == ([] if frames == N else [f"it has {frames} frames, and its camera {N} times"])
    assert (places(report)[TIMES] == "acquisition/LeftCameraVideo") is (frames >= N)

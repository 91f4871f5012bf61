"""What cameras saw, in the files of IBL's converters, under the names of ALF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fascicle.errors import BadFileError

from .test_nwb_alf import Writer

N = 7
TIMES = np.arange(N) / 60 + 0.001
XY = np.arange(2.0 * N).reshape(N, 2)


def pose(writer: Writer, at: str, name: str) -> None:
    writer.series(f"{at}/{name}", XY, timestamps=TIMES)
    writer.h5[f"{at}/{name}/confidence"] = np.linspace(0, 1, N)


def wanted(name: str) -> pd.DataFrame:
    return pd.DataFrame(
        {f"{name}_x": XY[:, 0], f"{name}_y": XY[:, 1], f"{name}_likelihood": np.linspace(0, 1, N)}
    )


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    found = Writer(tmp_path / "a.nwb")
    found.table("intervals/trials", {"start_time": [0.0], "gabor_stimulus_contrast": [25.0]})
    return found


def test_names_of_the_present_converter(writer: Writer) -> None:
    pose(writer, "processing/pose_estimation/LeftCamera", "PoseEstimationSeriesLeftPaw")
    for k, name in enumerate(("RawPupilDiameter", "SmoothedPupilDiameter", "MotionEnergy")):
        data = np.arange(N) + k * 0.5
        writer.series(f"processing/video/TimeSeriesLeft{name}", data, timestamps=TIMES)
    view = writer.view()
    assert [p for p in view.offers if "Camera" in p] == [
        "alf/_ibl_leftCamera.features.pqt",
        "alf/_ibl_leftCamera.lightningPose.pqt",
        "alf/_ibl_leftCamera.times.npy",
        "alf/leftCamera.ROIMotionEnergy.npy",
    ]
    np.testing.assert_array_equal(view.read("alf/_ibl_leftCamera.times.npy"), TIMES)
    pd.testing.assert_frame_equal(
        view.read("alf/_ibl_leftCamera.lightningPose.pqt"), wanted("paw_l")
    )
    pd.testing.assert_frame_equal(
        view.read("alf/_ibl_leftCamera.features.pqt"),
        pd.DataFrame(
            {"pupilDiameter_raw": np.arange(N) + 0.0, "pupilDiameter_smooth": np.arange(N) + 0.5}
        ),
    )
    np.testing.assert_array_equal(
        view.read("alf/leftCamera.ROIMotionEnergy.npy"), np.arange(N) + 1.0
    )


def test_names_of_the_converter_before(writer: Writer) -> None:
    pose(writer, "processing/camera/PoseEstimationBodyCamera", "tail_start")
    writer.series("processing/camera/RightCameraMotionEnergy", XY[:, 0], start=0.5, rate=60.0)
    view = writer.view()
    assert [p for p in view.offers if "Camera" in p] == [
        "alf/_ibl_bodyCamera.dlc.pqt",
        "alf/_ibl_bodyCamera.times.npy",
        "alf/_ibl_rightCamera.times.npy",
        "alf/rightCamera.ROIMotionEnergy.npy",
    ]
    pd.testing.assert_frame_equal(view.read("alf/_ibl_bodyCamera.dlc.pqt"), wanted("tail_start"))


def test_a_camera_with_a_rate(writer: Writer) -> None:
    writer.series("processing/behavior/RightCameraMotionEnergy", XY[:, 0], start=0.5, rate=60.0)
    view = writer.view()
    np.testing.assert_allclose(
        view.read("alf/_ibl_rightCamera.times.npy"), 0.5 + np.arange(N) / 60, rtol=1e-14
    )


def test_a_harmed_pose_is_told(writer: Writer) -> None:
    pose(writer, "processing/behavior/LeftCameraDlc", "paw_r")
    del writer.h5["processing/behavior/LeftCameraDlc/paw_r/confidence"]
    writer.h5["processing/behavior/LeftCameraDlc/paw_r/confidence"] = np.arange(3.0)
    with pytest.raises(BadFileError, match="LeftCameraDlc"):
        writer.view().read("alf/_ibl_leftCamera.dlc.pqt")

"""A session of a mouse that detects changes of images: what it saw, and what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from fascicle.allen.base import Session, open_file

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_NAMES = (
    *("behavior_session_id", "eye_tracking", "eye_tracking_rig_geometry"),
    *("get_performance_metrics", "get_reward_rate", "get_rolling_performance_df", "licks"),
    *("metadata", "raw_running_speed", "rewards", "running_speed", "stimulus_presentations"),
    *("stimulus_templates", "stimulus_timestamps", "task_parameters", "trials"),
)


class BehaviorSession(Session):
    """What a mouse saw and did in a session, as the Allen Institute's reader has it.

    Nothing is read until it is asked for; what was read is kept.

    Parameters
    ----------
    file : NwbFile
    eye_tracking_z_threshold : float
        An area of eye or pupil so many standard deviations off is taken for a blink.
    eye_tracking_dilation_frames : int
        And so are so many frames before and after.
    """

    DATA: ClassVar[tuple[str, ...]] = _NAMES
    #: Whether changes of the image are told from the order of images, and not from the file.
    _FINDS_CHANGES: ClassVar[bool] = True

    def __init__(
        self,
        file: NwbFile,
        *,
        eye_tracking_z_threshold: float = 3.0,
        eye_tracking_dilation_frames: int = 2,
    ) -> None:
        super().__init__(file)
        self._eye: dict[str, Any] = {
            "threshold": float(eye_tracking_z_threshold),
            "dilation": int(eye_tracking_dilation_frames),
        }

    @classmethod
    def from_nwb_path(cls, nwb_path: str | Path, **kwargs: Any) -> Self:
        """Open a session's file.

        Parameters
        ----------
        nwb_path : str or path-like
            A path; or an ``https://`` or ``s3://`` address, of which ranges are read.
        **kwargs
            What the class takes.

        Raises
        ------
        NotHereError
            If there is no such file.
        """
        return cls(open_file(nwb_path), **kwargs)

    def _title(self) -> str:
        return f"{self._kept.get('behavior_session_id', '')} {self._file.name}".strip()

    def _facts(self) -> dict[str, Any]:
        about = self.metadata
        return {
            "session": about["session_type"],
            "mouse": f"{about['mouse_id']}, {about['sex']}, {about['age_in_days']} days, "
            f"{about['full_genotype']}",
            "acquired": about["date_of_acquisition"],
            "eye_tracking_rig_geometry": about["equipment_name"],
        }

    # -- what it is -------------------------------------------------------------------------------

    @property
    def behavior_session_id(self) -> int:
        """The id of the session as one of behaviour."""
        from fascicle.allen import about

        found: int = self._read("behavior_session_id", about.read_behavior_session_id)
        return found

    @property
    def metadata(self) -> dict[str, Any]:
        """What is known of session, mouse and rig."""
        from fascicle.allen import about

        found: dict[str, Any] = self._read("metadata", about.read_metadata)
        return dict(found)

    @property
    def task_parameters(self) -> dict[str, Any]:
        """What the task was; durations in seconds, volumes in ml."""
        from fascicle.allen import about

        found: dict[str, Any] = self._read("task_parameters", about.read_task_parameters)
        return dict(found)

    # -- what was shown ---------------------------------------------------------------------------

    @property
    def stimulus_presentations(self) -> pd.DataFrame:
        """What was shown when, in the order of time, by ``stimulus_presentations_id``.

        Times are in seconds. Columns that not all stimuli have are NaN or <NA> for the others;
        −99 stands for no whole number.
        """
        from fascicle.allen.presentations import read_presentations
        from fascicle.allen.trials import has_trials

        def read() -> pd.DataFrame:
            trials = self.trials if has_trials(self._file) else None
            return read_presentations(self._file, trials, find_changes=self._FINDS_CHANGES)

        found: pd.DataFrame = self._kept.once("stimulus_presentations", read)
        return found

    @property
    def stimulus_templates(self) -> pd.DataFrame | None:
        """The images by ``image_name``: ``unwarped`` and ``warped``; None if there were none."""
        from fascicle.allen.templates import read_templates

        found: pd.DataFrame | None = self._read("stimulus_templates", read_templates)
        return found

    @property
    def stimulus_timestamps(self) -> np.ndarray[Any, Any]:
        """When each frame was on the monitor, in seconds (n_frames,)."""
        from fascicle.allen import behavior

        found: np.ndarray[Any, Any] = self._read(
            "stimulus_timestamps", behavior.read_stimulus_timestamps
        )
        return found

    # -- what the mouse did -----------------------------------------------------------------------

    @property
    def trials(self) -> pd.DataFrame:
        """The trials by ``trials_id``; times in seconds, licks of each as an array."""
        from fascicle.allen.trials import read_trials

        found: pd.DataFrame = self._read("trials", read_trials)
        return found

    @property
    def licks(self) -> pd.DataFrame:
        """Licks: ``timestamps`` in seconds, and ``frame``."""
        from fascicle.allen import behavior

        found: pd.DataFrame = self._read("licks", behavior.read_licks)
        return found

    @property
    def rewards(self) -> pd.DataFrame:
        """Rewards: ``volume`` in ml, ``timestamps`` in seconds, ``auto_rewarded``."""
        from fascicle.allen import behavior

        found: pd.DataFrame = self._read("rewards", behavior.read_rewards)
        return found

    @property
    def running_speed(self) -> pd.DataFrame:
        """Running, low-passed: ``timestamps`` in seconds, ``speed`` in cm/s, forward positive."""
        return self._running("running_speed", filtered=True)

    @property
    def raw_running_speed(self) -> pd.DataFrame:
        """Running, not filtered: ``timestamps`` in seconds, ``speed`` in cm/s."""
        return self._running("raw_running_speed", filtered=False)

    def _running(self, name: str, *, filtered: bool) -> pd.DataFrame:
        from fascicle.allen import behavior

        found: pd.DataFrame = self._read(name, behavior.read_running_speed, filtered=filtered)
        return found

    @property
    def eye_tracking(self) -> pd.DataFrame:
        """Ellipses of eye, pupil and corneal reflection, by ``frame``, in pixels and seconds.

        Where ``likely_blink``, areas and the shapes of eye and pupil are NaN; ``…_area_raw`` are
        not. Empty if there was no camera.
        """
        from fascicle.allen.eye import read_eye_tracking

        found: pd.DataFrame = self._read("eye_tracking", read_eye_tracking, **self._eye)
        return found

    @property
    def eye_tracking_rig_geometry(self) -> dict[str, Any]:
        """Where monitor, camera and light were, in mm and degrees; empty if that is not known."""
        from fascicle.allen.eye import read_rig_geometry

        found: dict[str, Any] = self._read("eye_tracking_rig_geometry", read_rig_geometry)
        return dict(found)

    # -- how well it did --------------------------------------------------------------------------

    def get_reward_rate(self) -> np.ndarray[Any, Any]:
        """Return the rewards per minute around each trial (n_trials,); the first ten are NaN.

        Counted are responses in time, from 25 trials before a trial until the 24th after it.
        """
        from fascicle.allen.performance import reward_rate

        trials = self.trials
        found: np.ndarray[Any, Any] = self._kept.made(
            "reward rate", lambda: reward_rate(trials, self._window_start)
        )
        return found

    def get_rolling_performance_df(self) -> pd.DataFrame:
        """Return rates over the last hundred trials, by ``trials_id``.

        ``reward_rate`` per minute; ``hit_rate_raw`` and ``false_alarm_rate_raw`` as they are, and
        ``hit_rate`` and ``false_alarm_rate`` held off 0 and 1; ``rolling_dprime``. Aborted trials
        have the first alone.
        """
        from fascicle.allen.performance import rolling_performance

        trials = self.trials
        found: pd.DataFrame = self._kept.made(
            "rolling performance", lambda: rolling_performance(trials, self._window_start)
        )
        return found

    def get_performance_metrics(
        self, engaged_trial_reward_rate_threshold: float = 2.0
    ) -> dict[str, int | float]:
        """Return 23 numbers that sum the session up.

        Parameters
        ----------
        engaged_trial_reward_rate_threshold : float
            A mouse counts as engaged where rewards per minute are more than this.
        """
        from fascicle.allen.performance import performance_metrics

        tables = self.trials, self.rewards, self.get_rolling_performance_df()
        found: dict[str, int | float] = self._kept.made(
            "performance metrics",
            lambda: performance_metrics(*tables, engaged_trial_reward_rate_threshold),
        )
        return found

    @property
    def _window_start(self) -> float:
        return float(self.task_parameters["response_window_sec"][0])


class VBNBehaviorSession(BehaviorSession):
    """What a mouse saw and did while its brain was recorded from."""

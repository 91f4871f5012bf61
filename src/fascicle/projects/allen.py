"""The Allen Institute's projects, with an accessor for each of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fascicle.projects.cache import ProjectCache

if TYPE_CHECKING:
    import pandas as pd


class VisualBehaviorNeuropixelsProjectCache(ProjectCache):
    """Visual Behavior Neuropixels: recordings with six probes in mice that detect changes.

    Tables have the columns and types of the Allen Institute's own reader: dates and lists of
    structures are text. `ProjectCache.table` makes times and lists of them, and joins tables.
    """

    PROJECT: ClassVar[str] = "visual-behavior-neuropixels"

    def get_ecephys_session_table(self, filter_abnormalities: bool = True) -> pd.DataFrame:
        """Return the recordings, one per row.

        Parameters
        ----------
        filter_abnormalities : bool
            Leave out sessions with something abnormal in histology or activity.

        Returns
        -------
        pandas.DataFrame
            By ``ecephys_session_id``.
        """
        table = self.get_table("ecephys_sessions")
        if filter_abnormalities:
            normal = table["abnormal_histology"].isna() & table["abnormal_activity"].isna()
            table = table.loc[normal]
        return table

    def get_behavior_session_table(self) -> pd.DataFrame:
        """Return all sessions of all mice, training included, by ``behavior_session_id``."""
        return self.get_table("behavior_sessions")

    def get_probe_table(self) -> pd.DataFrame:
        """Return the probes of all recordings, by ``ecephys_probe_id``."""
        return self.get_table("probes")

    def get_channel_table(self) -> pd.DataFrame:
        """Return the channels of all probes, by ``ecephys_channel_id``."""
        return self.get_table("channels")

    def get_unit_table(self) -> pd.DataFrame:
        """Return the units of all recordings, by ``unit_id``; none is left out for its quality."""
        return self.get_table("units")


class VisualBehaviorOphysProjectCache(ProjectCache):
    """Visual Behavior Ophys: two-photon imaging in mice that detect changes of images."""

    PROJECT: ClassVar[str] = "visual-behavior-ophys"

    def get_behavior_session_table(self) -> pd.DataFrame:
        """Return all sessions of all mice, training included, by ``behavior_session_id``."""
        return self.get_table("behavior_session_table")

    def get_ophys_session_table(self) -> pd.DataFrame:
        """Return the imaging sessions, by ``ophys_session_id``."""
        return self.get_table("ophys_session_table")

    def get_ophys_experiment_table(self) -> pd.DataFrame:
        """Return the imaging planes, by ``ophys_experiment_id``."""
        return self.get_table("ophys_experiment_table")

    def get_ophys_cells_table(self) -> pd.DataFrame:
        """Return the cells of all planes, by ``cell_roi_id``."""
        return self.get_table("ophys_cells_table")

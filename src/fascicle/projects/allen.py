"""The Allen Institute's projects, with an accessor for each of their tables."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from fascicle.projects.cache import ProjectCache

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.allen import BehaviorEcephysSession, BehaviorSession
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.limits import Limits
    from fascicle.transfer.result import Result


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

    # -- sessions ---------------------------------------------------------------------------------

    def get_ecephys_session(
        self, ecephys_session_id: int, *, stream: bool = False
    ) -> BehaviorEcephysSession:
        """Return a recording with what the mouse saw and did.

        Parameters
        ----------
        ecephys_session_id : int
            As in `get_ecephys_session_table`, abnormal ones included.
        stream : bool
            Read ranges of the file where it is, and fetch no more than is asked for. By default the
            file is brought here, with a bar, and verified; then no network is needed any more.

        Raises
        ------
        RecordNotFound
            If there is no such recording, or it has no file. It is a RuntimeError.
        NotHereError, TransferError
            If its file is not here and cannot be fetched.
        HashMismatch
            If its file is not what the manifest says.
        """
        from fascicle.allen import BehaviorEcephysSession, Links
        from fascicle.projects.sessions import LfpFiles, UnitMetrics, open_data

        file_id = self.file_id("ecephys_sessions", ecephys_session_id)
        # The session stays with this version, whatever is loaded later.
        cache = copy.copy(self)
        rows, file_ids = self._probe_rows(ecephys_session_id)
        links = Links(
            lfp=LfpFiles(cache, file_ids, stream),
            probes=rows,
            unit_metrics=UnitMetrics(cache, int(ecephys_session_id)),
        )
        return BehaviorEcephysSession(open_data(self, file_id, stream=stream), links=links)

    def _probe_rows(self, session: int) -> tuple[dict[int, dict[str, Any]], dict[int, str]]:
        """Return what the table says of a recording's probes, and the files of their LFP."""
        table = self.get_table("probes")
        table = table[table["ecephys_session_id"] == session]
        column = self.manifest.file_id_column
        if column not in table:  # a release without LFP
            return {}, {}
        rows = {
            int(probe): {"has_lfp_data": bool(has), "lfp_sampling_rate": float(rate)}
            for probe, has, rate in zip(
                table.index, table["has_lfp_data"], table["lfp_sampling_rate"], strict=True
            )
        }
        with_file = table[table["has_lfp_data"] & (table[column] >= 0)]
        keys = zip(with_file.index, with_file[column], strict=True)
        return rows, {int(probe): str(int(key)) for probe, key in keys}

    def get_behavior_session(
        self, behavior_session_id: int, *, stream: bool = False
    ) -> BehaviorSession:
        """Return what a mouse saw and did in a session, be it training or a recording.

        Parameters
        ----------
        behavior_session_id : int
            As in `get_behavior_session_table`. A session without a file of its own is in that of
            its recording.
        stream : bool
            As for `get_ecephys_session`.

        Raises
        ------
        RecordNotFound
            If there is no such session, or no file has it. It is a RuntimeError.
        NotHereError, TransferError, HashMismatch
            As for `get_ecephys_session`.
        """
        from fascicle.allen import BehaviorSession
        from fascicle.projects.sessions import open_data

        file_id = self.file_id("behavior_sessions", behavior_session_id)
        return BehaviorSession(open_data(self, file_id, stream=stream))

    def prefetch(
        self,
        ids: Iterable[int] | pd.DataFrame | None = None,
        *,
        lfp: bool = False,
        max_bytes: int | None = None,
        progress: Shown = None,
        parallel: int | None = None,
        limits: Limits | None = None,
    ) -> Result:
        """Bring the files of recordings here, many at once, in one plan.

        Files that are here stay, and what was begun is continued. Nothing is fetched unless the
        disk has room for all of it.

        Parameters
        ----------
        ids : iterable of int, or pandas.DataFrame, optional
            Recordings, or a table of them by id; unless given, those of
            `get_ecephys_session_table` that have a file.
        lfp : bool
            Bring the LFP of their probes too.
        max_bytes : int, optional
            What the files may take on the disk together, with those that are here already:
            recordings are taken in their order as long as they fit, a warning counts the others.
        progress : bool or 'each', optional
            Show one bar for all, or one for each file; by default one on a terminal.
        parallel : int, optional
            Requests under way at once.
        limits : Limits, optional
            All bounds; by default those of the environment.

        Returns
        -------
        Result
            What became of each file; ``raise_for_failed()`` raises if one could not be brought.

        Raises
        ------
        RecordNotFound
            If there is no such recording; nothing was fetched then.
        NotEnoughDisk
            If the disk has no room for all; nothing was fetched then.
        """
        from fascicle.projects.prefetching import prefetch

        return prefetch(
            self,
            self._groups(ids, lfp=lfp),
            max_bytes=max_bytes,
            progress=progress,
            parallel=parallel,
            limits=limits,
        )

    def _groups(self, ids: Iterable[int] | pd.DataFrame | None, *, lfp: bool) -> list[list[str]]:
        """Return the files of each recording."""
        if ids is None:
            table = self.get_ecephys_session_table()
            column = table[self.manifest.file_id_column]
            wanted: Iterable[Any] = table.index[column.notna() & (column >= 0)]
        else:
            wanted = getattr(ids, "index", ids) if hasattr(ids, "columns") else ids
        groups = []
        for session in dict.fromkeys(map(int, wanted)):
            group = [self.file_id("ecephys_sessions", session)]
            if lfp:
                group += self._probe_rows(session)[1].values()
            groups.append(group)
        return groups


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

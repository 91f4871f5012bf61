"""The probes of a recording as objects, each with its channels, its units and its LFP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fascicle.allen.frames import make_frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from fascicle.allen.ecephys import BehaviorEcephysSession
    from fascicle.allen.electrodes import ProbeFacts
    from fascicle.allen.units import UnitArrays


def probes_frame(facts: list[ProbeFacts]) -> pd.DataFrame:
    """Return the table of probes, by ``id``."""
    import pandas as pd

    frame = make_frame(
        {
            "name": [one.name for one in facts],
            "location": [one.location for one in facts],
            "sampling_rate": [float(one.sampling_rate) for one in facts],
            "lfp_sampling_rate": [float(one.lfp_sampling_rate) for one in facts],
            "has_lfp_data": [bool(one.has_lfp_data) for one in facts],
        }
    )
    frame.index = pd.Index([one.id for one in facts], name="id", dtype="int64")
    return frame


class Probe:
    """One probe of a session.

    Parameters
    ----------
    session : BehaviorEcephysSession
    facts : ProbeFacts

    Attributes
    ----------
    id : int
    name, location : str
    sampling_rate : float
        In Hz.
    lfp_sampling_rate : float
        In Hz; NaN without LFP.
    has_lfp_data : bool
    """

    def __init__(self, session: BehaviorEcephysSession, facts: ProbeFacts) -> None:
        self._session = session
        self.id = facts.id
        self.name = facts.name
        self.location = facts.location
        self.sampling_rate = facts.sampling_rate
        self.lfp_sampling_rate = facts.lfp_sampling_rate
        self.has_lfp_data = facts.has_lfp_data

    def get_channels(self, filter_by_validity: bool = True) -> pd.DataFrame:
        """Return the channels of this probe; see `BehaviorEcephysSession.get_channels`."""
        channels = self._session.get_channels(filter_by_validity)
        return channels[channels["probe_id"] == self.id]

    @property
    def units_table(self) -> pd.DataFrame:
        """The units of this probe; none is left out."""
        units = self._session.get_probes_obj().get_units_table()
        return units[units["peak_channel_id"].isin(self.get_channels(False).index)]

    @property
    def lfp(self) -> xr.DataArray | None:
        """What `BehaviorEcephysSession.get_lfp` returns."""
        return self._session.get_lfp(self.id)

    @property
    def current_source_density(self) -> xr.DataArray | None:
        """What `BehaviorEcephysSession.get_current_source_density` returns."""
        return self._session.get_current_source_density(self.id)

    def __repr__(self) -> str:
        return f"<Probe {self.name} {self.id}>"


class Probes:
    """The probes of a session.

    Parameters
    ----------
    session : BehaviorEcephysSession
    facts : list of ProbeFacts

    Attributes
    ----------
    probes : list of Probe
    """

    def __init__(self, session: BehaviorEcephysSession, facts: list[ProbeFacts]) -> None:
        self._session = session
        self.probes = [Probe(session, one) for one in facts]

    def __iter__(self) -> Iterator[Probe]:
        return iter(self.probes)

    def __len__(self) -> int:
        return len(self.probes)

    @property
    def spike_times(self) -> UnitArrays:
        """What `BehaviorEcephysSession.spike_times` has."""
        return self._session.spike_times

    @property
    def spike_amplitudes(self) -> UnitArrays:
        """What `BehaviorEcephysSession.spike_amplitudes` has."""
        return self._session.spike_amplitudes

    @property
    def mean_waveforms(self) -> UnitArrays:
        """What `BehaviorEcephysSession.mean_waveforms` has."""
        return self._session.mean_waveforms

    def get_units_table(self, **filters: Any) -> pd.DataFrame:
        """Return units; see `BehaviorEcephysSession.get_units`. All of them without a filter."""
        if not filters:
            return self._session._units.table.copy(deep=False)
        return self._session.get_units(**filters)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table of probes, as `BehaviorEcephysSession.probes`."""
        return self._session.probes

    def __repr__(self) -> str:
        return f"<Probes {', '.join(probe.name for probe in self.probes)}>"


def with_table(
    facts: list[ProbeFacts], table: Mapping[int, Mapping[str, Any]] | None
) -> list[ProbeFacts]:
    """Return what is known of probes, with what a release's table says of their LFP.

    Parameters
    ----------
    facts : list of ProbeFacts
        As the file has them.
    table : mapping or None
        By id of the probe: ``has_lfp_data`` and ``lfp_sampling_rate``.
    """
    if table is None:
        return facts
    out = []
    for one in facts:
        row = table.get(one.id, {})
        has = bool(row.get("has_lfp_data", False))
        rate = float(row["lfp_sampling_rate"]) if has else float("nan")
        out.append(one._replace(has_lfp_data=has, lfp_sampling_rate=rate))
    return out

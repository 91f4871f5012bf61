"""A recording from the brain of a mouse that detects changes of images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fascicle.allen.base import Kept, open_file
from fascicle.allen.session import BehaviorSession, VBNBehaviorSession
from fascicle.allen.units import NanMetrics, UnitArrays, Units

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

    from fascicle.allen.electrodes import ProbeFacts
    from fascicle.allen.links import Links
    from fascicle.allen.probes import Probes
    from fascicle.formats.nwb import NwbFile

_NAMES = (
    *("behavior_data_class", "get_channels", "get_current_source_density", "get_lfp"),
    *("get_probes_obj", "get_units", "mean_waveforms", "optotagging_table", "probes"),
    *("spike_amplitudes", "spike_times"),
)


class BehaviorEcephysSession(VBNBehaviorSession):
    """A recording with up to six probes, with what the mouse saw and did.

    Nothing is read until it is asked for; what was read is kept.

    Parameters
    ----------
    file : NwbFile
    links : Links, optional
        Where the LFP of probes lies, and what a release's tables say beyond the file.
    probe_meta : mapping, optional
        The file of LFP by name of the probe: a path, an address, or a function that returns one.
        Taken where there are no ``links``.
    eye_tracking_z_threshold : float
        As for `BehaviorSession`.
    eye_tracking_dilation_frames : int
        As for `BehaviorSession`.
    """

    DATA: ClassVar[tuple[str, ...]] = (*BehaviorSession.DATA, *_NAMES)
    _FINDS_CHANGES: ClassVar[bool] = False

    def __init__(
        self,
        file: NwbFile,
        *,
        links: Links | None = None,
        probe_meta: Mapping[str, Any] | None = None,
        eye_tracking_z_threshold: float = 3.0,
        eye_tracking_dilation_frames: int = 2,
    ) -> None:
        from fascicle.allen.links import Links

        super().__init__(
            file,
            eye_tracking_z_threshold=eye_tracking_z_threshold,
            eye_tracking_dilation_frames=eye_tracking_dilation_frames,
        )
        self._links = links or Links.beside(named=probe_meta)
        self._units = Units(file, self._located_channels, self._links.unit_metrics)

    @classmethod
    def from_nwb_path(cls, nwb_path: str | Path, **kwargs: Any) -> Self:
        """Open a recording's file.

        LFP is looked for beside it: ``probe_{id}_lfp.nwb``.

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
        from fascicle.allen.links import Links

        if kwargs.get("links") is None:
            place = os.path.expanduser(os.fspath(nwb_path))
            kwargs["links"] = Links.beside(place, kwargs.pop("probe_meta", None))
        return cls(open_file(nwb_path), **kwargs)

    @classmethod
    def behavior_data_class(cls) -> type[VBNBehaviorSession]:
        """Return the class for what the mouse saw and did."""
        return VBNBehaviorSession

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_units": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._units = Units(self._file, self._located_channels, self._links.unit_metrics)

    def _title(self) -> str:
        return f"{self._kept.get('ecephys_session_id', '')} {self._file.name}".strip()

    def _facts(self) -> dict[str, Any]:
        probes = self._probes()
        return super()._facts() | {
            "probes": ", ".join(one.name for one in probes),
            "units": f"{len(self._units.rows):,}",
        }

    @property
    def metadata(self) -> dict[str, Any]:
        """What is known of session, mouse and rig."""
        from fascicle.allen import about

        found = self._read("ecephys_session_id", about.read_ecephys_session_id)
        return super().metadata | {"ecephys_session_id": found}

    # -- probes and channels ----------------------------------------------------------------------

    def _probes(self) -> list[ProbeFacts]:
        from fascicle.allen.electrodes import read_probes
        from fascicle.allen.probes import with_table

        found: list[ProbeFacts] = self._kept.once(
            "probe facts", lambda: with_table(read_probes(self._file), self._links.probes)
        )
        return found

    def _located_channels(self) -> pd.DataFrame:
        """Return the channels of all probes, probe after probe."""
        from fascicle.allen.electrodes import by_probe, read_channels

        def read() -> pd.DataFrame:
            channels = read_channels(self._file)
            return channels.iloc[by_probe(channels, self._probes())]

        found: pd.DataFrame = self._kept.once("channels", read)
        return found

    @property
    def probes(self) -> pd.DataFrame:
        """The probes by ``id``: name, location, sampling rates in Hz, and whether there is LFP."""
        from fascicle.allen.probes import probes_frame

        found: pd.DataFrame = self._kept.once("probes", lambda: probes_frame(self._probes()))
        return found

    def get_probes_obj(self) -> Probes:
        """Return the probes as objects."""
        from fascicle.allen.probes import Probes

        return Probes(self, self._probes())

    def get_channels(self, filter_by_validity: bool = True) -> pd.DataFrame:
        """Return the channels by ``id``: where each is on its probe (µm), and in the CCF (µm).

        Parameters
        ----------
        filter_by_validity : bool
            Leave out channels whose data cannot be used, and the column that says so.
        """
        from fascicle.allen.electrodes import valid

        channels = self._located_channels()
        return valid(channels) if filter_by_validity else channels.copy(deep=False)

    def _probe(self, probe_id: int) -> ProbeFacts:
        from fascicle.errors import ProbeNotFound

        for one in self._probes():
            if one.id == probe_id:
                return one
        raise ProbeNotFound(
            f"{self._file.name} has no probe {probe_id}",
            hint="it has " + ", ".join(f"{one.id} ({one.name})" for one in self._probes()),
        )

    def get_lfp(
        self, probe_id: int, *, between: tuple[float, float] | None = None
    ) -> xr.DataArray | None:
        """Return the LFP of a probe in volts: ``time`` in seconds by ``channel`` id.

        Its file is fetched if it is not here and the session comes from a release.

        Parameters
        ----------
        probe_id : int
        between : (float, float), optional
            From and to in seconds, so that no more than that is read.

        Returns
        -------
        xarray.DataArray or None
            None if the probe has no LFP.

        Raises
        ------
        ProbeNotFound
            If the session has no such probe. It is a ValueError.
        NotHereError
            If the file with the LFP is not known.
        MissingExtraError
            If xarray is not installed.
        """
        from fascicle.allen.lfp import need_xarray, read_lfp

        probe = self._probe(probe_id)
        if not self._links.has_lfp(probe):
            return None
        need_xarray()

        def read() -> xr.DataArray:
            with self._links.open_lfp(probe) as file:
                found: xr.DataArray = Kept(file).made(
                    "LFP", lambda: read_lfp(file, probe.id, between)
                )
                return found

        if between is not None:
            return read()
        found: xr.DataArray = self._kept.once(f"lfp {probe.id}", read)
        return found

    def get_current_source_density(self, probe_id: int) -> xr.DataArray | None:
        """Return the current source density of a probe in V/cm²: virtual channels by ``time``.

        Parameters
        ----------
        probe_id : int

        Returns
        -------
        xarray.DataArray or None
            None if the probe has no LFP.

        Raises
        ------
        ProbeNotFound, NotHereError, MissingExtraError
            As `get_lfp`.
        """
        from fascicle.allen.lfp import need_xarray, read_csd

        probe = self._probe(probe_id)
        if not self._links.has_lfp(probe):
            return None
        need_xarray()

        def read() -> xr.DataArray:
            with self._links.open_lfp(probe) as file:
                made: xr.DataArray = Kept(file).made("CSD", lambda: read_csd(file))
                return made

        found: xr.DataArray = self._kept.once(f"csd {probe.id}", read)
        return found

    # -- units ------------------------------------------------------------------------------------

    def get_units(
        self,
        filter_by_validity: bool = False,
        filter_out_of_brain_units: bool = False,
        amplitude_cutoff_maximum: float | None = None,
        presence_ratio_minimum: float | None = None,
        isi_violations_maximum: float | None = None,
        *,
        nan_metrics: NanMetrics = "keep",
    ) -> pd.DataFrame:
        """Return units by ``id``, with columns in the order of the alphabet.

        Parameters
        ----------
        filter_by_validity : bool
            Leave out units on channels whose data cannot be used, and those that are not ``good``;
            the column ``quality`` goes.
        filter_out_of_brain_units : bool
            Leave out units whose channel is in no region.
        amplitude_cutoff_maximum, presence_ratio_minimum, isi_violations_maximum : float, optional
            Bounds, which units without the metric fail.
        nan_metrics : {'keep', 'drop'}
            What to do with units that have no value for one of these three metrics and are not
            filtered by it: keep them, with a warning that counts them; or leave them out, as
            AllenSDK does without a word.

        Warns
        -----
        NanMetricsWarning
            If there are units that AllenSDK would leave out.
        """
        return self._units.select(
            filter_by_validity=filter_by_validity,
            filter_out_of_brain_units=filter_out_of_brain_units,
            amplitude_cutoff_maximum=amplitude_cutoff_maximum,
            presence_ratio_minimum=presence_ratio_minimum,
            isi_violations_maximum=isi_violations_maximum,
            nan_metrics=nan_metrics,
        )

    @property
    def spike_times(self) -> UnitArrays:
        """The spikes of each unit in seconds, float64 (n_spikes,), by its id.

        They are read as they are asked for.

        Raises
        ------
        BadFileError
            If the table of units is harmed.
        """
        return self._units.arrays("spike_times")

    @property
    def spike_amplitudes(self) -> UnitArrays:
        """The amplitudes of each unit's spikes in volts, float64 (n_spikes,), by its id.

        They are read as they are asked for.

        Raises
        ------
        BadFileError
            If the table of units is harmed.
        """
        return self._units.arrays("spike_amplitudes")

    @property
    def mean_waveforms(self) -> UnitArrays:
        """The mean waveform of each unit, float64 (n_channels, n_samples), by its id.

        They are read as they are asked for, in the unit of the file, whose attribute says volts.

        Raises
        ------
        BadFileError
            If the table of units is harmed.
        """
        return self._units.arrays("waveform_mean")

    # -- light ------------------------------------------------------------------------------------

    @property
    def optotagging_table(self) -> pd.DataFrame:
        """The pulses of light by ``id``: times in seconds, ``level`` in volts at the LED."""
        from fascicle.allen import behavior

        found: pd.DataFrame = self._read("optotagging_table", behavior.read_optotagging)
        return found

"""Local field potential and current source density of one probe, which have a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.allen.electrodes import lfp_channels
from fascicle.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

    import xarray as xr

    from fascicle.formats.nwb import NwbFile

_CSD = "/processing/current_source_density/ecephys_csd"


def need_xarray() -> ModuleType:
    """Return xarray.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise MissingExtraError(
            "LFP and current source density come as arrays of xarray, which is not installed",
            hint="pip install 'fascicle[allen]'",
        ) from error
    return xarray


def read_lfp(
    file: NwbFile, probe_id: int, between: tuple[float, float] | None = None
) -> xr.DataArray:
    """Return the LFP of a probe in volts: ``time`` in seconds by ``channel`` id.

    Parameters
    ----------
    file : NwbFile
        That of the probe.
    probe_id : int
    between : (float, float), optional
        From and to in seconds, so that no more is read; all of it unless given.
    """
    xarray = need_xarray()
    place = f"/acquisition/probe_{probe_id}_lfp/probe_{probe_id}_lfp_data"
    times = file.array(f"{place}/timestamps")
    rows = _rows(times, between)
    found: xr.DataArray = xarray.DataArray(
        file.array(f"{place}/data", rows),
        name="LFP",
        dims=["time", "channel"],
        coords=[times[rows], lfp_channels(file, f"{place}/electrodes")],
    )
    return found


def _rows(times: Any, between: tuple[float, float] | None) -> slice:
    import numpy as np

    if between is None:
        return slice(None)
    first, stop = np.searchsorted(times, between, side="left")
    return slice(int(first), int(stop))


def read_csd(file: NwbFile) -> xr.DataArray:
    """Return the current source density of a probe in V/cm²: virtual channels by ``time``.

    Positions of the virtual channels are coordinates, in µm.
    """
    import numpy as np

    xarray = need_xarray()
    series = f"{_CSD}/current_source_density"
    data = np.asarray(file.array(f"{series}/data")).T

    def positions(axis: str) -> tuple[tuple[str], Any]:
        values = file.array(f"{_CSD}/virtual_electrode_{axis}_positions")
        return ("virtual_channel_index",), np.asarray(values).astype("int64")

    found: xr.DataArray = xarray.DataArray(
        data,
        name="CSD",
        dims=["virtual_channel_index", "time"],
        coords={
            "virtual_channel_index": np.arange(len(data)),
            "time": file.array(f"{series}/timestamps"),
            "vertical_position": positions("y"),
            "horizontal_position": positions("x"),
        },
    )
    return found

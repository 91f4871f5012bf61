"""The channels of a recording's probes, and which probes there were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.allen.frames import make_frame
from fascicle.errors import BadFileError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_HOME = "/general/extracellular_ephys"
_TABLE = f"{_HOME}/electrodes"
#: What the hardware does to the signal; files have it as text of their own, or not at all.
_FILTERING = "AP band: 500 Hz high-pass; LFP band: 1000 Hz low-pass"
_PLACES = {
    "x": "anterior_posterior_ccf_coordinate",
    "y": "dorsal_ventral_ccf_coordinate",
    "z": "left_right_ccf_coordinate",
}
#: How files of Visual Coding call the number of a channel on its probe.
_OLDER = "local_index"


class ProbeFacts(NamedTuple):
    """What a file says of one probe.

    Attributes
    ----------
    id : int
    name : str
    location : str
    sampling_rate : float
        In Hz.
    lfp_sampling_rate : float
        In Hz; NaN without LFP.
    has_lfp_data : bool
    """

    id: int
    name: str
    location: str
    sampling_rate: float
    lfp_sampling_rate: float
    has_lfp_data: bool


def read_probes(file: NwbFile) -> list[ProbeFacts]:
    """Return the probes of a file, in its order."""
    probes = []
    for name in file.names(_HOME):
        place = f"{_HOME}/{name}"
        if file.attr(place, "probe_id", None) is None:
            continue  # the table of electrodes, or the group of another rig
        about = file.attrs(place)
        rate = file.attr(f"{place}/device", "sampling_rate", float("nan"))
        has_lfp = bool(about.get("has_lfp_data", False))
        lfp_rate = about.get("lfp_sampling_rate") if has_lfp else None
        probes.append(
            ProbeFacts(
                id=int(about["probe_id"]),
                name=name,
                location=str(about.get("location", "")),
                sampling_rate=float(rate),
                lfp_sampling_rate=float("nan") if lfp_rate is None else float(lfp_rate),
                has_lfp_data=has_lfp,
            )
        )
    return probes


def read_channels(file: NwbFile) -> pd.DataFrame:
    """Return all channels of a file by ``id``, with ``valid_data``, in the order of the file."""
    import pandas as pd

    have = file.columns(_TABLE)
    number = _OLDER if _OLDER in have else "probe_channel_number"
    names = [*_PLACES, "location", "probe_id", "probe_horizontal_position"]
    table = file.table(_TABLE, [*names, "probe_vertical_position", number, "valid_data"])
    columns: dict[str, Any] = {ours: table[theirs].to_numpy() for theirs, ours in _PLACES.items()}
    columns |= {
        "filtering": [_FILTERING] * len(table),
        "probe_channel_number": table[number].to_numpy(),
        "structure_acronym": [_acronym(name) for name in table["location"]],
        "valid_data": table["valid_data"].to_numpy(dtype=bool),
    }
    for name in ("probe_horizontal_position", "probe_id", "probe_vertical_position"):
        columns[name] = table[name].to_numpy()
    frame = make_frame(dict(sorted(columns.items())))
    frame.index = pd.Index(table.index.to_numpy(), name="id")
    return frame


def _acronym(name: object) -> str | None:
    """Return a region's acronym without its part, ``DG`` for ``DG-mo``; None outside the brain."""
    if not isinstance(name, str) or name in ("", "None"):
        return None
    return name.partition("-")[0]


def by_probe(channels: pd.DataFrame, probes: list[ProbeFacts]) -> np.ndarray[Any, Any]:
    """Return the rows of a table of channels, probe after probe; those of no probe are left out."""
    import numpy as np

    of = channels["probe_id"].to_numpy()
    parts = [np.flatnonzero(of == probe.id) for probe in probes]
    return np.concatenate([*parts, np.zeros(0, dtype="int64")])


def valid(channels: pd.DataFrame) -> pd.DataFrame:
    """Return the channels whose data can be used, without the column that says so."""
    return channels[channels["valid_data"].to_numpy()].drop(columns="valid_data")


def lfp_channels(file: NwbFile, region: str) -> np.ndarray[Any, Any]:
    """Return the ids of the channels of a series, in the order of its columns.

    Parameters
    ----------
    file : NwbFile
    region : str
        The series' rows in the table of electrodes.
    """
    ids, rows = file.array(f"{_TABLE}/id"), file.array(region)
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(ids):
        raise BadFileError(f"{file.name}: {region} names channels beyond the {len(ids)} there are")
    found: np.ndarray[Any, Any] = ids[rows]
    return found

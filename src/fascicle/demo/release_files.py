"""The data files of the synthetic release: NWB files that agree with its tables, and stand-ins."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.demo.vbn import Recording

#: The session that the Allen Institute's tutorial opens.
TUTORIAL = 1052533639


class FileSize(NamedTuple):
    """How large files are: presentations, spikes per unit, rows of waveforms, pixels."""

    presentations: int
    spikes: int
    rows: int
    image: tuple[int, int]


FILE_SIZES = {
    "tiny": FileSize(160, 200, 8, (60, 96)),
    "small": FileSize(160, 100, 4, (45, 72)),
    "real": FileSize(333, 100, 8, (300, 480)),
}

_Made = dict[tuple[Any, ...], bytes]
_tiny: dict[tuple[int, int], _Made] = {}


class Files:
    """Writes the files of sessions from the rows that tables have of them.

    Parameters
    ----------
    size : {'tiny', 'small', 'real'}
        How large files are.
    sessions, behavior, probes, channels, units : pandas.DataFrame
        The tables.
    seed : int
        Another number makes other values.
    """

    def __init__(
        self,
        size: str,
        *,
        sessions: pd.DataFrame,
        behavior: pd.DataFrame,
        probes: pd.DataFrame,
        channels: pd.DataFrame,
        units: pd.DataFrame,
        seed: int,
    ) -> None:
        self._size, self._seed = FILE_SIZES[size], seed
        self._sessions, self._behavior = sessions, behavior
        self._probes, self._channels, self._units = probes, channels, units
        # Versions share files, and tests make the tiny release over and over.
        self._held: _Made = {} if size != "tiny" else _tiny.setdefault((seed, len(units)), {})

    def session(self, session: int, *, corrected: bool = False) -> bytes:
        """Return the file of a recording; a corrected one has other spikes, licks and so on."""
        from fascicle.demo.vbn import write_session

        number = list(self._sessions["ecephys_session_id"]).index(session)

        def write(path: Path) -> None:
            plan = self.recording(session)
            write_session(
                path,
                plan,
                seed=self._seed + session + corrected,
                spikes=self._size.spikes * len(plan.units["id"]),
                presentations=self._size.presentations,
                image_shape=self._size.image,
                waveform_rows=self._size.rows,
                eye_tracking=number != 2,
                backwards=number == 3,
            )

        return self._made(write, "session", session, corrected)

    def lfp(self, probe: int) -> bytes:
        """Return the file of a probe's LFP."""
        from fascicle.demo.vbn import write_lfp

        row = _row(self._probes, "ecephys_probe_id", probe)
        session = int(row["ecephys_session_id"])

        def write(path: Path) -> None:
            write_lfp(
                path,
                self.recording(session),
                probe=probe,
                seed=self._seed + session,
                channels=min(8, int(row["channel_count"])),
                samples=2_500,
                presentations=self._size.presentations,
            )

        return self._made(write, "lfp", probe)

    def training(self, session: int) -> bytes:
        """Return the file of a session of behavior alone."""
        from fascicle.demo.vbn import plan_training, write_behavior

        row = _row(self._behavior, "behavior_session_id", session)

        def write(path: Path) -> None:
            plan = plan_training(behavior_session_id=session, **_about(row))
            write_behavior(
                path, plan, seed=self._seed + session, image_shape=FILE_SIZES["tiny"].image
            )

        return self._made(write, "training", session)

    def recording(self, session: int) -> Recording:
        """Return what the tables say of a recording."""
        from fascicle.demo.vbn import METRICS, Probe, Recording

        row = _row(self._sessions, "ecephys_session_id", session)
        probes, channels, units = (
            table[table["ecephys_session_id"] == session].reset_index(drop=True)
            for table in (self._probes, self._channels, self._units)
        )
        position = {probe: n for n, probe in enumerate(probes["ecephys_probe_id"])}
        axes = ("anterior_posterior", "dorsal_ventral", "left_right")
        places = {
            short: channels[f"{axis}_ccf_coordinate"].to_numpy()
            for short, axis in zip(("ap", "dv", "lr"), axes, strict=True)
        }
        return Recording(
            int(session),
            int(row["behavior_session_id"]),
            probes=tuple(
                Probe(int(probe), str(name), float(rate), float(lfp_rate), bool(has))
                for probe, name, rate, lfp_rate, has in zip(
                    *(
                        probes[column]
                        for column in (
                            "ecephys_probe_id",
                            "name",
                            "sampling_rate",
                            "lfp_sampling_rate",
                            "has_lfp_data",
                        )
                    ),
                    strict=True,
                )
            ),
            channels={
                "id": channels["ecephys_channel_id"].to_numpy(),
                "probe": channels["ecephys_probe_id"].map(position).to_numpy(),
                "number": channels["probe_channel_number"].to_numpy(),
                "vertical": channels["probe_vertical_position"].to_numpy(),
                "horizontal": channels["probe_horizontal_position"].to_numpy(),
                "acronym": channels["structure_acronym"].fillna("None").to_numpy(dtype=object),
                "valid": channels["valid_data"].to_numpy(),
                **places,
            },
            units={
                "id": units["unit_id"].to_numpy(),
                "channel": channels["ecephys_channel_id"]
                .searchsorted(units["ecephys_channel_id"].to_numpy())
                .astype(int),
                "local_index": units["local_index"].to_numpy(),
                "cluster_id": units["local_index"].to_numpy(),
                "quality": units["quality"].to_numpy(dtype=object),
                **{name: units[name].to_numpy() for name in METRICS},
            },
            novel=str(row["experience_level"]) == "Novel",
            project_code=str(row["project_code"]),
            **_about(row),
        )

    def _made(self, write: Callable[[Path], None], *what: Any) -> bytes:
        if what not in self._held:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "made.nwb")
                write(path)
                self._held[what] = path.read_bytes()
        return self._held[what]


def _row(table: pd.DataFrame, column: str, record: int) -> pd.Series[Any]:
    row: pd.Series[Any] = table.loc[table[column] == record].iloc[0]
    return row


def _about(row: pd.Series[Any]) -> dict[str, Any]:
    """Return what both tables of sessions say of one."""
    given = row["image_set"]
    return {
        "session_type": str(row["session_type"]),
        "image_set": given if isinstance(given, str) else "",
        "equipment_name": str(row["equipment_name"]),
        "mouse_id": str(row["mouse_id"]),
        "sex": str(row["sex"]),
        "genotype": str(row["genotype"]),
        "age_in_days": int(row["age_in_days"]),
        "date_of_acquisition": str(row["date_of_acquisition"]),
    }

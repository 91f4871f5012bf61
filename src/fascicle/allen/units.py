"""The units of a recording: their table, and what each has of its own length."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fascicle.allen.base import Kept
from fascicle.allen.electrodes import valid
from fascicle.allen.frames import make_frame, with_object_text
from fascicle.errors import (
    BadFileError,
    ConfigurationError,
    IncompleteWarning,
    NanMetricsWarning,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb import NwbFile, Ragged

    Rows: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_TABLE = "/units"
_PEAK = "peak_channel_id"
_ARRAYS = ("spike_times", "spike_amplitudes", "waveform_mean")
#: Metrics that a file may lack.
_METRICS = [
    *("PT_ratio", "amplitude", "cumulative_drift", "d_prime", "isolation_distance", "l_ratio"),
    *("max_drift", "nn_hit_rate", "nn_miss_rate", "recovery_slope", "repolarization_slope"),
    *("silhouette_score", "snr", "spread", "velocity_above", "velocity_below"),
    "waveform_duration",
]
#: What is compared with a bound: units without a value fail any comparison.
_BOUNDED = ("amplitude_cutoff", "presence_ratio", "isi_violations")
#: Bytes that are read at first, and at most, ahead of units that are asked for in their order.
_AHEAD, _AHEAD_MOST = 1 << 20, 512 << 20

#: Whether units without a metric stay unless that metric is filtered by, or go in any case.
NanMetrics: TypeAlias = Literal["keep", "drop"]


class Units:
    """The units of a file.

    Parameters
    ----------
    file : NwbFile
    channels : callable
        Returns the table of channels, of all probes, probe after probe.
    more : callable, optional
        Returns metrics that the file may lack, by unit; None if there are none.
    """

    def __init__(
        self,
        file: NwbFile,
        channels: Callable[[], pd.DataFrame],
        more: Callable[[], pd.DataFrame | None] | None = None,
    ) -> None:
        self._file = file
        self._channels = channels
        self._more = more
        self._kept = Kept(file)
        self._arrays: dict[str, UnitArrays] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_arrays": {}}

    # -- which there are --------------------------------------------------------------------------

    @property
    def rows(self) -> dict[int, int]:
        """The row of each unit in the file, by its id."""

        def make() -> dict[int, int]:
            ids = self._file.array(f"{_TABLE}/id").tolist()
            return {int(unit): row for row, unit in enumerate(ids)}

        found: dict[int, int] = self._kept.once("unit ids", make)
        return found

    @property
    def order(self) -> Rows:
        """The rows of all units, probe after probe."""
        found: Rows = self._kept.once("order of units", self._order)
        return found

    def _order(self) -> Rows:
        import numpy as np

        peaks = self._file.array(f"{_TABLE}/{_PEAK}")
        channels = self._channels()
        probe = channels["probe_id"].to_numpy()
        rank = {probe_id: n for n, probe_id in enumerate(dict.fromkeys(probe.tolist()))}
        of = dict(zip(channels.index.tolist(), (rank[p] for p in probe.tolist()), strict=True))
        ranks = np.array([of.get(peak, len(rank)) for peak in peaks.tolist()], dtype="int64")
        lost = int((ranks == len(rank)).sum())
        if lost:
            warnings.warn(
                f"{self._file.name}: {lost} units have a peak channel that is no channel of a "
                "probe; they come last",
                IncompleteWarning,
                stacklevel=6,
            )
        rows: Rows = np.argsort(ranks, kind="stable")
        return rows

    @property
    def ids(self) -> list[int]:
        """The ids of all units, probe after probe."""

        def make() -> list[int]:
            known = list(self.rows)
            return [known[row] for row in self.order.tolist()]

        found: list[int] = self._kept.once("ids in order", make)
        return found

    # -- arrays -----------------------------------------------------------------------------------

    def ragged(self, column: str) -> Ragged:
        """Return a column of which each unit has an array."""
        found: Ragged = self._kept.once(column, lambda: self._file.ragged(_TABLE, column))
        return found

    def rows_within(self, column: str, row: int, n_bytes: int) -> int:
        """Return the row up to which arrays from a row on take so many bytes: at least one."""
        import numpy as np

        ragged = self.ragged(column)
        facts = self._file.facts(ragged.path)
        n_values = n_bytes * facts.shape[0] // max(1, facts.nbytes)
        begin = int(ragged.ends[row - 1]) if row else 0
        return max(row + 1, int(np.searchsorted(ragged.ends, begin + n_values, side="right")))

    def arrays(self, column: str) -> UnitArrays:
        """Return the arrays of a column by unit."""
        return self._arrays.setdefault(column, UnitArrays(self, column))

    # -- the table --------------------------------------------------------------------------------

    @property
    def table(self) -> pd.DataFrame:
        """All units, by ``id``, probe after probe, with columns by name."""
        frame: pd.DataFrame = self._kept.once("units", self._read_table)
        return frame

    def _read_table(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        have = self._file.columns(_TABLE)
        lacking = [name for name in (_PEAK, "quality", *_BOUNDED) if name not in have]
        if lacking:
            raise BadFileError(
                f"{self._file.name}: {_TABLE} has no {', '.join(lacking)}",
                hint="session.nwb.units has what is there",
            )
        ragged = {*self._file.ragged_columns(_TABLE), *_ARRAYS}
        read = with_object_text(self._file.table(_TABLE, [n for n in have if n not in ragged]))
        columns = {name: read[name].to_numpy() for name in read.columns}
        columns |= {n: np.full(len(read), np.nan) for n in _METRICS if n not in columns}
        frame = make_frame(dict(sorted(columns.items())))
        frame.index = pd.Index(read.index.to_numpy(), name="id")
        return self._completed(frame.iloc[self.order])

    def _completed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Add the metrics that the file lacks and the release's table of units has."""
        if "waveform_halfwidth" in frame or self._more is None:
            return frame
        more = self._more()
        if more is None or "waveform_halfwidth" not in more:
            return frame
        frame = frame.assign(waveform_halfwidth=more["waveform_halfwidth"].reindex(frame.index))
        return frame[sorted(frame.columns)]

    def select(
        self,
        *,
        filter_by_validity: bool = False,
        filter_out_of_brain_units: bool = False,
        amplitude_cutoff_maximum: float | None = None,
        presence_ratio_minimum: float | None = None,
        isi_violations_maximum: float | None = None,
        nan_metrics: NanMetrics = "keep",
    ) -> pd.DataFrame:
        """Return some of the units; see `BehaviorEcephysSession.get_units`."""
        import numpy as np

        if nan_metrics not in ("keep", "drop"):
            raise ConfigurationError(f"nan_metrics={nan_metrics!r}", hint='"keep" or "drop"')
        frame = self.table
        take = np.ones(len(frame), dtype=bool)
        if filter_by_validity or filter_out_of_brain_units:
            channels = self._channels()
            if filter_by_validity:
                channels = valid(channels)
                take &= (frame["quality"] == "good").to_numpy(dtype=bool)
            if filter_out_of_brain_units:
                channels = channels[channels["structure_acronym"].notna()]
            take &= frame[_PEAK].isin(channels.index).to_numpy(dtype=bool)
        bounds = {
            "amplitude_cutoff": (None, amplitude_cutoff_maximum),
            "presence_ratio": (presence_ratio_minimum, None),
            "isi_violations": (None, isi_violations_maximum),
        }
        missing = np.zeros(len(frame), dtype=bool)
        for name, (least, most) in bounds.items():
            values = self._kept.made(name, partial(frame[name].to_numpy, dtype="float64"))
            if least is not None:
                take &= values >= least
            elif most is not None:
                take &= values <= most
            else:
                missing |= np.isnan(values)
        if nan_metrics == "drop":
            take &= ~missing
        elif n := int((take & missing).sum()):
            warnings.warn(
                f"{n} of {int(take.sum())} units have no value for one of "
                f"{', '.join(_BOUNDED)}. AllenSDK would leave them out, whether or not that is "
                'asked for; get_units(nan_metrics="drop") does as it does',
                NanMetricsWarning,
                stacklevel=3,
            )
        found = frame[take]
        return found.drop(columns="quality") if filter_by_validity else found


class UnitArrays(Mapping[int, "np.ndarray[Any, Any]"]):
    """An array for each unit, as a dict has them, each of them read when it is asked for.

    ``arrays[unit_id]`` reads the bytes of one unit. Going through units in their order, as
    ``dict(arrays)`` does, reads ahead; ``values()`` and ``items()`` read all at once. What was read
    is kept.

    Parameters
    ----------
    units : Units
    column : str
        Of the file's table of units.
    """

    def __init__(self, units: Units, column: str) -> None:
        self._units = units
        self.column = column
        self._read: dict[int, np.ndarray[Any, Any]] = {}
        self._last = -2
        self._ahead = _AHEAD

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_read": {}, "_last": -2, "_ahead": _AHEAD}

    def __len__(self) -> int:
        return len(self._units.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self._units.ids)

    def __contains__(self, unit: object) -> bool:
        try:
            return unit in self._units.rows
        except TypeError:
            return False

    def __getitem__(self, unit: int) -> np.ndarray[Any, Any]:
        row = self._units.rows[unit]
        if row not in self._read:
            self._bring(row)
        self._last = row
        return self._read[row]

    def _bring(self, row: int) -> None:
        """Read a unit; the next ones too if it follows the one that was asked for before."""
        ragged = self._units.ragged(self.column)
        if row != self._last + 1:
            self._ahead = _AHEAD
            self._read[row] = ragged[row]
            return
        stop = self._units.rows_within(self.column, row, self._ahead)
        self._ahead = min(2 * self._ahead, _AHEAD_MOST)
        for number, values in enumerate(ragged.rows(range(row, stop)), row):
            self._read.setdefault(number, values)

    def _bring_all(self) -> None:
        if len(self._read) < len(self):
            for row, values in enumerate(self._units.ragged(self.column).all()):
                self._read.setdefault(row, values)

    def values(self) -> Any:
        """Return the arrays of all units, which are read at once."""
        self._bring_all()
        return super().values()

    def items(self) -> Any:
        """Return all units with their arrays, which are read at once."""
        self._bring_all()
        return super().items()

    def copy(self) -> dict[int, np.ndarray[Any, Any]]:
        """Return a dict of all of them."""
        return dict(self.items())

    def __or__(self, other: Mapping[int, Any]) -> dict[int, Any]:
        return self.copy() | dict(other)

    def __ror__(self, other: Mapping[int, Any]) -> dict[int, Any]:
        return dict(other) | self.copy()

    def __eq__(self, other: object) -> bool:
        """Return whether another one has equal arrays for the same units."""
        import numpy as np

        if not isinstance(other, Mapping):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(values, other[unit]) for unit, values in self.items()
        )

    __hash__ = None  # type: ignore[assignment]  # as a dict has none

    def __repr__(self) -> str:
        return f"<{self.column} of {len(self):,} units, read as they are asked for>"

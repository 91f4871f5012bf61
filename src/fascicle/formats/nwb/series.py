"""Time series: values, and the time of each or a rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.errors import NwbObjectNotFound
from fascicle.formats.nwb.claims import out_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb.arrays import Array
    from fascicle.formats.nwb.file import NwbFile

_ALL_AT_ONCE = 1 << 20  # times that are read together rather than searched
_PART = 1 << 13


class Samples(NamedTuple):
    """Values and their times.

    Attributes
    ----------
    timestamps : numpy.ndarray
        Seconds (n,).
    data : numpy.ndarray
        (n, …).
    """

    timestamps: np.ndarray[Any, Any]
    data: np.ndarray[Any, Any]


class Series:
    """A time series of a file.

    Parameters
    ----------
    file : NwbFile
    path : str
    """

    def __init__(self, file: NwbFile, path: str) -> None:
        self._file = file
        self.path = path

    def __repr__(self) -> str:
        rate = f", {self.rate:g} Hz" if self.rate else ""
        return f"<Series {self.path}, {len(self):,} samples{rate}>"

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self.path.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Neurodata type, such as ``SpatialSeries``."""
        return self._file.kind(self.path)[1]

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the series: description, comments and the like."""
        found: dict[str, Any] = self._file.keep(
            f"attrs {self.path}", lambda: self._file.attrs(self.path)
        )
        return dict(found)

    @property
    def description(self) -> str:
        """What the file says about it."""
        return str(self.attrs.get("description", ""))

    @property
    def unit(self) -> str:
        """Unit of the values once multiplied by `conversion` and shifted by `offset`."""
        return str(self._of_data("unit", ""))

    @property
    def conversion(self) -> float:
        """What values as stored are multiplied by to be in `unit`."""
        return float(self._of_data("conversion", 1.0))

    @property
    def offset(self) -> float:
        """What is added after."""
        return float(self._of_data("offset", 0.0))

    @property
    def resolution(self) -> float:
        """Smallest difference between values; −1 if unknown."""
        return float(self._of_data("resolution", -1.0))

    @property
    def rate(self) -> float | None:
        """Samples per second, None where each sample has a time of its own."""
        if self._has("timestamps") or not self._has("starting_time"):
            return None
        return float(self._file.attr(f"{self.path}/starting_time", "rate"))

    @property
    def starting_time(self) -> float | None:
        """Time of the first sample in seconds, None where each has a time of its own."""
        if self.rate is None:
            return None
        return float(self._file.value(f"{self.path}/starting_time"))

    @property
    def data(self) -> Array:
        """The values as stored, read when they are indexed (n, …).

        Raises
        ------
        NwbObjectNotFound
            If the series has times alone.
        """
        return self._file.lazy(f"{self.path}/data")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values; of the times, where there are no values."""
        name = "data" if self._has("data") else "timestamps"
        return self._file.facts(f"{self.path}/{name}").shape

    @property
    def timestamps(self) -> np.ndarray[Any, Any]:
        """Times of all samples in seconds (n,).

        Raises
        ------
        BadFileError
            If there is not one for each sample.
        """
        return self._times(0, len(self))

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 1

    def between(self, start: float, stop: float, *, in_units: bool = False) -> Samples:
        """Return the samples from one time to another, both included; no other is read.

        Parameters
        ----------
        start, stop : float
            Seconds.
        in_units : bool
            Whether values are multiplied by `conversion` and shifted by `offset`.

        Returns
        -------
        Samples

        Raises
        ------
        BadFileError
            If they cannot be read.
        """
        first, last = self._span(start, stop)
        times = self._times(first, last)
        mask = None
        if len(times) and not _is_sorted(times):
            mask = (times >= start) & (times <= stop)
            times = times[mask]
        data = self._file.array(f"{self.path}/data", slice(first, last))
        if mask is not None:
            data = data[mask]
        return Samples(times, self._scaled(data) if in_units else data)

    def frame(self, start: float | None = None, stop: float | None = None) -> pd.DataFrame:
        """Return samples as a table whose index is time.

        Parameters
        ----------
        start, stop : float, optional
            Seconds; all of them unless given.

        Returns
        -------
        pandas.DataFrame
            Column ``data``; for values of several channels ``0``, ``1`` …
        """
        import numpy as np
        import pandas as pd

        low, high = -np.inf if start is None else start, np.inf if stop is None else stop
        times, data = self.between(low, high)
        index = pd.Index(times, name="timestamps")
        if data.ndim == 1:
            return pd.DataFrame({"data": data}, index=index)
        return pd.DataFrame(data.reshape(len(data), -1), index=index)

    def in_units(self) -> np.ndarray[Any, Any]:
        """Return all values in `unit` (n, …)."""
        return self._scaled(self._file.array(f"{self.path}/data"))

    def _scaled(self, data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        scaled: np.ndarray[Any, Any] = data * self.conversion
        if self._has("channel_conversion") and scaled.ndim > 1:
            scaled = scaled * self._file.array(f"{self.path}/channel_conversion")
        return scaled + self.offset if self.offset else scaled

    def _of_data(self, name: str, default: Any) -> Any:
        if not self._has("data"):
            return default
        place = f"{self.path}/data"
        found: dict[str, Any] = self._file.keep(f"attrs {place}", lambda: self._file.attrs(place))
        return found.get(name, default)

    def _has(self, name: str) -> bool:
        return name in self._file.names(self.path)

    def _times(self, first: int, last: int) -> np.ndarray[Any, Any]:
        import numpy as np

        rate = self.rate
        if rate is not None:
            start = self.starting_time or 0.0
            return start + np.arange(first, last, dtype=np.float64) / rate
        place = f"{self.path}/timestamps"
        shape = self._file.facts(place).shape
        if shape[:1] != self.shape[:1]:
            raise out_of(
                self._file.name, place, f"{shape} times for values of the shape {self.shape}"
            )
        found: np.ndarray[Any, Any] = self._file.array(place, slice(first, last))
        return found

    def _span(self, start: float, stop: float) -> tuple[int, int]:
        """Return the first sample in a stretch of time, and the first one after."""
        import numpy as np

        n = len(self)
        rate = self.rate
        if rate is not None:
            begin = self.starting_time or 0.0
            edges = np.clip([(start - begin) * rate, (stop - begin) * rate], -2, n + 2)
            first, last = max(0, int(edges[0]) - 2), min(n, int(edges[1]) + 3)
            near = self._times(first, last)
            a, b = np.searchsorted(near, start, "left"), np.searchsorted(near, stop, "right")
            return first + int(a), first + max(int(a), int(b))
        if n <= _ALL_AT_ONCE:
            times = self._file.keep(f"times {self.path}", lambda: self._times(0, n))
            if not _is_sorted(times):
                return 0, n
            a, b = np.searchsorted(times, start, "left"), np.searchsorted(times, stop, "right")
            return int(a), max(int(a), int(b))
        first = self._search(start, "left", n)
        return first, max(first, self._search(stop, "right", n))

    def _search(self, time: float, side: str, n: int) -> int:
        """Find a time among very many, reading few: they lie about evenly."""
        import numpy as np

        low, high = 0, n  # the place is in low..high
        ends = self._times(0, 1)[0], self._times(n - 1, n)[0]
        while high - low > _PART:
            share = (time - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5
            guess = low + int(np.clip(share, 0, 1) * (high - low)) - _PART // 2
            guess = min(max(low, guess), high - _PART)
            part = self._times(guess, guess + _PART)
            at = int(np.searchsorted(part, time, "left" if side == "left" else "right"))
            if 0 < at < _PART or (at == 0 and guess == low) or (at == _PART and guess + at == high):
                return guess + at
            if at == 0:
                high, ends = guess, (ends[0], part[0])
            else:
                low, ends = guess + _PART, (part[-1], ends[1])
            middle = (low + high) // 2  # halve as well, where times do not lie evenly
            if high - low > _PART:
                at_middle = self._times(middle, middle + 1)[0]
                before = at_middle < time if side == "left" else at_middle <= time
                if before:
                    low, ends = middle + 1, (at_middle, ends[1])
                else:
                    high, ends = middle, (ends[0], at_middle)
        part = self._times(low, high)
        return low + int(np.searchsorted(part, time, "left" if side == "left" else "right"))


def open_series(file: NwbFile, path: str) -> Series:
    """Return a time series; see `NwbFile.series`."""
    names = file.names(path)
    if not {"data", "timestamps", "starting_time"} & set(names):
        raise NwbObjectNotFound(
            f"{file.name}: {path} is no time series: it has neither values nor times"
        )
    return Series(file, path)


def _is_sorted(times: np.ndarray[Any, Any]) -> bool:
    return bool((times[1:] >= times[:-1]).all())

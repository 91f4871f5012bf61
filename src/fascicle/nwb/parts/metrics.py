"""Tables of clusters, such as the quality metrics, as columns of the units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.mapping import Place, mapping
from fascicle.formats.nwb.records import Value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import SourceFile

#: What each metric is, for the description of its column; IBL's definitions.
ABOUT = {
    "label": "Share of IBL's quality criteria that the unit meets, 0 to 1",
    "ks2_label": "Label that Kilosort gives the unit",
    "spike_count": "Number of spikes",
    "firing_rate": "Mean number of spikes per second (Hz)",
    "slidingRP_viol": "1 if the unit passes the sliding test of its refractory period, else 0",
    "contamination": "Estimated share of spikes of other units, from intervals that are too short",
    "contamination_alt": "The same by another estimate",
    "noise_cutoff": "How abruptly the distribution of amplitudes is cut off at its lower end",
    "missed_spikes_est": "Estimated share of spikes below the threshold",
    "presence_ratio": "Share of the time bins of the session in which the unit fires",
    "presence_ratio_std": "Standard deviation of the numbers of spikes in these bins",
    "drift": "Total movement of the depth of spikes, per hour (um/h)",
    "amp_max": "Largest amplitude of the spikes (uV)",
    "amp_min": "Smallest amplitude of the spikes (uV)",
    "amp_median": "Median amplitude of the spikes (uV)",
    "amp_std_dB": "Standard deviation of the amplitudes (dB)",
    "cluster_id": "Id of the unit in spikes.clusters of its probe",
    "uuids": "Id of the unit, the same in all revisions",
}
IDS = "cluster_id"
UUIDS = ("uuids", "uuid")


def column_for(name: str) -> Place:
    """Return the column of the units that a metric is written to."""
    if name in UUIDS:
        return Place(("cluster_uuid",))
    if name == IDS:
        return Place((IDS,))
    places = mapping().metrics.get(name)
    if places:
        return next(p for p in places if not p.layout)
    return Place((name.replace("/", "_").replace(":", "_").strip(),))


@dataclass(slots=True)
class Metrics:
    """A table of clusters, and which row of it is which unit.

    Attributes
    ----------
    frame : pandas.DataFrame
    ids : ndarray of int, shape (n_rows,), or None
        Ids of the units; None where the table has none.
    """

    frame: pd.DataFrame
    ids: NDArray[np.int64] | None

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Metrics | None:
        """Return the table, or None where its rows cannot be told apart."""
        import numpy as np

        if IDS not in frame.columns:
            return cls(frame, None)
        given = frame[IDS]
        if getattr(given, "ndim", 1) != 1 or given.dtype.kind not in "iuf":
            return None
        values = given.to_numpy()
        if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
            return None
        ids = values.astype(np.int64)
        return cls(frame, ids) if len(np.unique(ids)) == len(ids) else None

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each unit in the table, -1 where it has none."""
        import numpy as np

        at = np.full(len(units), -1, np.int64)
        if self.ids is None:
            n = min(len(self.frame), len(units))
            at[:n] = np.arange(n)
            return at
        place = {one: k for k, one in enumerate(self.ids.tolist())}
        return np.array([place.get(one, -1) for one in units.tolist()], np.int64)

    @property
    def is_plain(self) -> bool:
        """Whether its index is a plain range, and each of its columns has a name of its own."""
        import pandas as pd

        index = self.frame.index
        plain = (
            isinstance(index, pd.RangeIndex)
            and index.start == 0
            and index.step == 1
            and index.name is None
        )
        names = list(self.frame.columns)
        return plain and len(set(names)) == len(names) and all(isinstance(n, str) for n in names)


@dataclass(frozen=True, slots=True)
class Cell:
    """The values of one column of a table for the units of a probe.

    Attributes
    ----------
    values : ndarray, shape (n_units,)
        Numbers, truth values or texts; those of units without a row are missing.
    value : Value or None
        What gives the column of the table back: its type, and words for what is missing. None
        where the values alone do not.
    """

    values: NDArray[Any]
    value: Value | None


def cell(column: pd.Series[Any], at: Sequence[int] | NDArray[np.int64]) -> Cell | None:
    """Return a column of a table for the units of a probe; None where it is no plain column.

    Parameters
    ----------
    column : pandas.Series
    at : ndarray of int, shape (n_units,)
        Row of each unit, -1 where it has none.
    """
    import numpy as np

    at = np.asarray(at)
    known = at >= 0
    kind = column.dtype.kind
    dtype = str(column.dtype)
    if isinstance(column.dtype, np.dtype) and kind in "biuf":
        values = column.to_numpy()
        if known.all():
            return Cell(values[at], Value("unit", "units", dtype=dtype))
        whole = values.dtype.kind in "iu" and values.dtype.itemsize == 8
        if whole and len(values) and int(np.abs(values).max()) > 1 << 53:
            return None
        wide = values.dtype if kind == "f" else np.dtype(np.float64)
        out = np.full(len(at), np.nan, wide)
        out[known] = values[at[known]]
        return Cell(out, Value("unit", "units", dtype=dtype))
    texts = [None if _missing(v) else v for v in column.tolist()]
    if not all(v is None or isinstance(v, str) for v in texts):
        return _as_text(texts, at)
    words: dict[str, Any] | None = None
    exact = True
    if None in texts:
        missing = {repr(v) for v in column.tolist() if _missing(v)}
        words = {"": None if missing == {"None"} else float("nan")}
        exact = "" not in texts and missing in ({"None"}, {"nan"})
    value = Value("unit", "units", dtype=dtype, words=words)
    cells = [(texts[k] or "") if k >= 0 else "" for k in at.tolist()]
    return Cell(np.array(cells, dtype=object), value if exact else None)


def as_series(held: Any, value: Value) -> Value | None:
    """Return how a table of one column is given back, which is loaded as a series.

    Parameters
    ----------
    held : pandas.Series
        As it is loaded, with a name and a type of its own.
    value : Value
        Where its values are in the file.

    Returns
    -------
    Value or None
        None where the values in the file do not tell all of it.
    """
    import numpy as np

    table = Metrics(held.to_frame(), None)
    made = cell(held, np.arange(len(held)))
    if made is None or made.value is None or not table.is_plain:
        return None
    column = replace(value, dtype=made.value.dtype, words=made.value.words)
    return Value("frame", value.at, probe=value.probe, columns={str(held.name): column})


def keep_file(draft: Draft, file: SourceFile, label: str) -> None:
    """Keep the file of a table that columns do not give back, as it is."""
    import numpy as np

    data = np.frombuffer(draft.source.place(file).read_bytes(), np.uint8)
    name = f"{label}_{file.key}"
    draft.nwb.add_scratch(
        draft.array(data, what=file.path),
        name=name,
        description=f"Bytes of {file.path}, of which tables have the columns",
    )
    draft.took(file, Value("bytes", f"scratch/{name}"))


def _missing(value: Any) -> bool:
    import pandas as pd

    if isinstance(value, float):
        return value != value
    return value is None or value is pd.NA or value is pd.NaT


def _as_text(values: list[Any], at: NDArray[np.int64]) -> Cell | None:
    """Return values that are no texts as text: dates, categories; the file itself keeps them."""
    import numpy as np

    if any(isinstance(v, list | dict | np.ndarray) for v in values):
        return None
    cells = ["" if k < 0 or values[k] is None else str(values[k]) for k in np.asarray(at).tolist()]
    return Cell(np.array(cells, dtype=object), None)

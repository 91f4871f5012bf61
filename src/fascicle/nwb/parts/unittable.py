"""The table of units, probe by probe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from fascicle.errors import BadFileError
from fascicle.nwb.parts.electrodes import alike
from fascicle.nwb.parts.insertions import build_groups, meta_of
from fascicle.nwb.parts.probewise import Columns
from fascicle.nwb.parts.sortings import files_of
from fascicle.nwb.parts.spiketimes import Spikes, build_spikes, settle, spikes_of
from fascicle.nwb.parts.unitcolumns import ALONE, AT, UnitFilling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.parts.metrics import Metrics
    from fascicle.nwb.parts.sortings import ProbeFiles
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry
    from fascicle.nwb.writing.source import SourceFile

#: Rates at which spikes are sampled, Hz, by how common they are: one is taken where times fit it.
_RATES = (30000.0, 20000.0, 25000.0, 32000.0, 40000.0, 24414.0625, 10000.0)
#: Attributes that tell how many units there are, the most telling first.
_TELLING = ("channels", "depths", "amps", "peakToTrough", "uuids", "waveforms")
#: What IBL calls the Neuropixels probes of the first generation, whose AP band has 30 kHz.
_NEUROPIXELS = re.compile(r"3[AB]\d?|NP\d.*|Neuropixels?.*", re.IGNORECASE)
_CLOCK = re.compile(r"_spikeglx_.*\.(timestamps|sync)\.npy")


@dataclass(slots=True)
class Units:
    """The units of one probe.

    Attributes
    ----------
    probe : ProbeFiles
    ids : ndarray of int, shape (n,)
        Id of each row as ``spikes.clusters`` has it.
    n_clusters : int
        How many rows the arrays of ``clusters`` have: the first of them.
    arrays : dict
        Attributes of ``clusters`` that have one row for each of these, and their datasets.
    metrics : (SourceFile, Metrics) or None
    spikes : Spikes or None
        None where the probe has none that can be told apart by unit.
    start : int
        First row in the table.
    """

    probe: ProbeFiles
    ids: NDArray[np.int64]
    n_clusters: int = 0
    arrays: dict[str, tuple[SourceFile, Any]] = field(default_factory=dict)
    metrics: tuple[SourceFile, Metrics] | None = None
    spikes: Spikes | None = None
    start: int = 0

    @property
    def rows(self) -> range:
        """Its rows in the table."""
        return range(self.start, self.start + len(self.ids))


def build_units(draft: Draft, entry: Entry, probes: Sequence[ProbeFiles]) -> None:
    """Build the table of units of all probes."""
    import numpy as np
    from pynwb.misc import Units as UnitTable

    build_groups(draft, probes)
    found = [one for one in (_units_of(draft, entry, probe) for probe in probes) if len(one.ids)]
    if not found:
        return
    table = Columns()
    start = 0
    for one in found:
        one.start = start
        start += len(one.ids)
        table.rows(one.probe.label, len(one.ids))
    columns = build_spikes(draft, entry, found)
    filling = UnitFilling(draft, entry, table, found, at=AT if columns else ALONE)
    for one in found:
        filling.fill(one, _span(draft, one))
    columns += filling.columns()
    if filling.at == ALONE:
        _build_alone(draft, columns, start)
        return
    rates = [rate for rate in (_rate(draft, one) for one in found) if rate]
    if not rates:
        rates = [_RATES[0]]
        draft.inform(f"the sampling rate of the spikes is not known: {rates[0]:g} Hz is assumed")
    said: dict[str, Any] = {}
    if filling.wave_samples:
        said["waveform_rate"] = float(rates[0])
        if filling.peak is not None:
            said["waveform_time_before_peak_in_ms"] = float(filling.peak / rates[0] * 1e3)
    if draft.nwb.electrodes is not None:
        said["electrode_table"] = draft.nwb.electrodes
    draft.nwb.units = UnitTable(
        name="units",
        description=entry.description or "Units of all probes",
        id=np.arange(start),
        columns=columns,
        resolution=1.0 / max(rates),
        **said,
    )


def _build_alone(draft: Draft, columns: list[Any], n: int) -> None:
    """Build a table of clusters without spikes."""
    import numpy as np
    from hdmf.common import DynamicTable

    draft.warn(
        f"there are {n} clusters and no spikes: they are the table /{ALONE}, and there are no units"
    )
    draft.module("ecephys").add(
        DynamicTable(
            name=ALONE.rpartition("/")[2],
            description="Clusters of all probes, one probe after the other, without their spikes",
            id=np.arange(n),
            columns=columns,
        )
    )


# -- which units there are -------------------------------------------------------------------------


def _units_of(draft: Draft, entry: Entry, probe: ProbeFiles) -> Units:
    """Return the units of a probe: those of ``clusters``, and any other that a spike is of."""
    import numpy as np

    arrays, n = _arrays(draft, probe)
    measured = _metrics(draft, probe, n if arrays else None)
    wanted = any(item.source == "spikes.times" for item in entry.wanted)
    spikes = spikes_of(draft, entry, probe) if wanted else None
    seen = spikes.seen if spikes is not None else np.zeros(0, np.int64)
    if arrays and measured is not None and _names_rows(measured[1].ids, n, seen):
        ids = measured[1].ids
    elif arrays:
        ids = np.arange(n)
    elif measured is not None:
        known = measured[1].ids
        ids = np.arange(len(measured[1].frame)) if known is None else known
        n = len(ids)
    else:
        ids = np.zeros(0, np.int64)
    more = (
        seen if measured is None or measured[1].ids is None else np.union1d(seen, measured[1].ids)
    )
    extra = np.setdiff1d(more, ids)
    if len(extra) and n:
        listed = ", ".join(map(str, extra[:5].tolist())) + (", …" if len(extra) > 5 else "")
        draft.warn(
            f"{probe.sorting}: {len(extra)} units are in no row of clusters ({listed}): they have "
            "rows of their own after those, without what clusters says"
        )
    out = Units(probe, np.concatenate([ids, extra]), n, arrays, measured, spikes)
    if spikes is not None:
        settle(draft, spikes, out.ids)
    return out


def _names_rows(
    ids: NDArray[np.int64] | None, n: int, seen: NDArray[np.int64]
) -> TypeGuard[NDArray[np.int64]]:
    """Return whether a table says which unit is which row of ``clusters``.

    By the convention a row has its number as id. It has another where the table has as many rows,
    and the spikes are of units that it names, and that would have no row otherwise.
    """
    import numpy as np

    if ids is None or len(ids) != n:
        return False
    return bool(np.isin(seen, ids).all()) and not bool(((seen >= 0) & (seen < n)).all())


def _arrays(draft: Draft, probe: ProbeFiles) -> tuple[dict[str, tuple[SourceFile, Any]], int]:
    """Return the attributes of ``clusters`` that have one row for each unit."""
    files = files_of(draft.source, probe.sorting, "clusters")
    return alike(draft, {a: f for a, f in files.items() if a != "metrics"}, _TELLING, "units")


def _metrics(draft: Draft, probe: ProbeFiles, n: int | None) -> tuple[SourceFile, Metrics] | None:
    """Return the quality metrics of a probe, None where there are none that can be joined."""
    from fascicle.nwb.parts.metrics import Metrics

    file = files_of(draft.source, probe.sorting, "clusters").get("metrics")
    if file is None:
        return None
    try:
        frame = draft.source.load(file)
    except BadFileError as error:
        draft.warn(f"it cannot be read: {error.message}", file)
        draft.skip(file, f"it cannot be read: {error.message}")
        return None
    if not hasattr(frame, "columns"):
        draft.warn("it is no table", file)
        return None
    found = Metrics.of(frame)
    if found is None:
        draft.warn("its cluster_id are no different whole numbers: no columns of the units", file)
        return None
    if found.ids is None and n is not None and len(frame) != n:
        draft.warn(
            f"it has {len(frame)} rows without cluster_id, and clusters has {n}: no columns of "
            "the units",
            file,
        )
        return None
    return file, found


# -- when, and how finely --------------------------------------------------------------------------


def _span(draft: Draft, units: Units) -> tuple[float, float]:
    """Return the first and the last time at which a probe recorded."""
    import numpy as np

    times: list[float] = [] if units.spikes is None else list(units.spikes.span)
    label = units.probe.label
    clocks = [
        f
        for f in draft.source.files
        if f.probe == label and _CLOCK.fullmatch(f.path.rpartition("/")[2]) and ".lf." not in f.path
    ]
    clocks.sort(key=lambda f: (".timestamps." not in f.path, f.path))
    for file in clocks[:1]:
        try:
            values = np.asarray(draft.source.load(file))
        except BadFileError:
            continue  # whoever writes it says so
        if values.ndim == 2 and values.shape[1] == 2 and values.dtype.kind in "iuf":
            known = values[:, 1][np.isfinite(values[:, 1].astype(np.float64))]
            times += [float(known.min()), float(known.max())] if len(known) else []
    return (min(times), max(times)) if times else (0.0, 0.0)


def _rate(draft: Draft, units: Units) -> float | None:
    """Return the rate at which spikes were sampled, in Hz; None where nothing tells."""
    import numpy as np

    from fascicle.load.sglx import sample_rate

    meta = meta_of(draft, units.probe)
    try:
        if meta:
            return sample_rate(meta)
    except BadFileError as error:
        draft.warn(error.message, units.probe.meta or "")
    if _NEUROPIXELS.fullmatch(str(units.probe.facts.get("model") or "")):
        return _RATES[0]
    if units.spikes is None:
        return None
    if (counted := _counted_rate(draft, units.spikes)) is not None:
        return counted
    times = units.spikes.some
    if len(times) < 2:
        return None
    for rate in _RATES:
        samples = times * rate
        if np.abs(samples - np.rint(samples)).max() < 1e-3:
            return rate
    return None


def _counted_rate(draft: Draft, spikes: Spikes) -> float | None:
    """Return the samples per second between the first and the last spike, in Hz."""
    import numpy as np

    file = spikes.others.get("samples")
    if file is None or spikes.timed is not None or spikes.n_source < 2:
        return None
    samples = np.asarray(draft.source.load(file, keep=False))
    if samples.ndim != 1 or samples.dtype.kind not in "iu":
        return None
    times = np.asarray(draft.source.load(spikes.times, keep=False))
    first, last = int(samples.argmin()), int(samples.argmax())
    seconds = float(times[last]) - float(times[first])
    if seconds <= 0:
        return None
    rate = (int(samples[last]) - int(samples[first])) / seconds
    near = next((known for known in _RATES if abs(rate - known) < known * 1e-3), rate)
    return near if 1e3 < rate < 1e6 else None

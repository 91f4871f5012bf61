"""Values of ALF datasets that an NWB file has in another form: one function each.

``RULES`` is what the mapping names as ``rule``; ``POSSIBLE`` says, for some, whether the file has
what they need beyond the names of columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError
from fascicle.formats.nwb.alf import ELECTRODES
from fascicle.formats.nwb.mapping import Place, Word, mapping
from fascicle.formats.nwb.spikes import UNITS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from fascicle.formats.nwb.alf import AlfView, Offer
    from fascicle.formats.nwb.probes import Probe

#: Bregma in the Common Coordinate Framework, um: ML, AP, DV.
BREGMA = (5739.0, 5400.0, 332.0)
_OUTSIDE = frozenset({"", "void", "none", "nan", "n/a", "unknown", "no area"})


def plain(values: Any) -> Any:
    """Return values as an ALF file has them: text as numpy has it, tables as they are."""
    import numpy as np

    if isinstance(values, np.ndarray) and values.dtype == object:
        if all(isinstance(v, str) for v in values.reshape(-1)):
            return values.astype(str)
        texts = ["" if v is None else str(v) for v in values.reshape(-1)]
        return np.array(texts, dtype=str).reshape(values.shape)
    return values


def worded(values: Any, words: Mapping[str, Word] | None) -> Any:
    """Return the values that words stand for; words that nobody explained stay words."""
    import numpy as np

    if not words or getattr(values, "dtype", np.dtype(float)).kind not in "OUS":
        return values
    texts = [str(v) for v in values]
    return np.array([words[t] for t in texts]) if set(texts) <= set(words) else values


# -- numbers that refer to rows --------------------------------------------------------------------


def unit_of_spike(view: AlfView, offer: Offer) -> NDArray[Any]:
    """Return the row, in the probe's clusters, of the unit of each spike, or the unit's id."""
    import numpy as np

    assert offer.probe is not None
    counts = view.counts(offer.probe)
    numbers: NDArray[Any] = np.arange(len(counts), dtype=np.int32)
    if offer.value is not None:
        if ids := offer.value.options.get("ids"):
            numbers = view.unit_ids(offer.probe, str(ids))
        if offer.value.dtype:  # before they are many
            numbers = numbers.astype(offer.value.dtype)
    found: NDArray[Any] = view.ordered(np.repeat(numbers, counts), offer.probe)
    return found


def channel_of_unit(view: AlfView, offer: Offer) -> NDArray[np.int64]:
    """Return the row, in the probe's channels, of each unit's channel; -1 where it is not known."""
    import numpy as np

    from fascicle.formats.nwb.probes import first_electrodes, row_of_id

    assert offer.probe is not None
    name, meaning = offer.place.names[0], offer.place.meaning
    if name in view.ragged_columns(UNITS):
        rows = first_electrodes(view)[offer.probe.units]
    else:
        given = np.asarray(view.column(UNITS, name))[offer.probe.units]
        if given.ndim > 1:
            given = given[:, 0]
        if meaning == "channel":
            return np.where(np.isfinite(given), given, -1).astype(np.int64)
        known = given.astype(np.float64)
        given = np.where(np.isfinite(known), known, -1).astype(np.int64)
        rows = row_of_id(view, given) if meaning == "electrode id" else given
    local = np.full(len(rows), -1, np.int64)
    place = {int(row): k for k, row in enumerate(offer.probe.electrodes)}
    for k, row in enumerate(rows.tolist()):
        local[k] = place.get(row, -1)
    return local


# -- columns side by side --------------------------------------------------------------------------


def columns(view: AlfView, offer: Offer) -> Any:
    """Return several columns as one array, one row each."""
    import numpy as np

    return np.stack([view.values(offer, name) for name in offer.place.names], axis=1)


def one_column(view: AlfView, offer: Offer) -> pd.Series[Any]:
    """Return a column of text as a table of one column is loaded, named as the attribute."""
    import pandas as pd

    values = plain(view.values(offer)).tolist()
    return pd.Series(values, name=offer.dataset.attribute, dtype=object)


# -- where in the brain ----------------------------------------------------------------------------


def place_in_brain(view: AlfView, offer: Offer) -> NDArray[np.float64]:
    """Return ML, AP and DV from bregma in um; NaN where the file has no place."""
    import numpy as np

    x, y, z = (np.asarray(view.values(offer, n), dtype=np.float64) for n in offer.place.names)
    if offer.place.meaning != "ccf":
        return np.stack([x, y, z], axis=1)
    nowhere = (x < 0) | (y < 0) | (z < 0)
    ml, ap, dv = z - BREGMA[0], BREGMA[1] - x, BREGMA[2] - y
    found = np.stack([ml, ap, dv], axis=1)
    found[nowhere] = np.nan
    return found


def has_place(view: AlfView, place: Place, probe: Probe | None) -> bool:
    """Return whether any electrode of a probe has a place."""
    import numpy as np

    assert probe is not None
    found = [np.asarray(view.column(ELECTRODES, n), dtype=np.float64) for n in place.names]
    return bool(np.isfinite(np.stack(found)[:, probe.electrodes]).all(axis=0).any())


def region_ids(view: AlfView, probe: Probe) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the CCF id of each channel of a probe, and the names that the atlas does not have.

    Parameters
    ----------
    view : AlfView
    probe : Probe

    Returns
    -------
    ids : ndarray of int, shape (n_channels,)
        0 (void) where no region is known.
    unknown : dict
        Each word that is no region, and how many channels have it.
    """
    import numpy as np

    names = view.columns(ELECTRODES)
    if "allen_id" in names:
        ids = np.nan_to_num(np.asarray(view.column(ELECTRODES, "allen_id"), dtype=np.float64))
        return ids[probe.electrodes].astype(np.int64), {}
    if "location" not in names:
        return np.zeros(len(probe.electrodes), np.int64), {}
    words = [str(w) for w in view.column(ELECTRODES, "location")[probe.electrodes]]
    known = {word: _region(word) for word in set(words)}
    unknown: dict[str, int] = {}
    for word in words:
        if known[word] is None:
            unknown[word] = unknown.get(word, 0) + 1
    return np.array([known[word] or 0 for word in words], np.int64), unknown


def _region(word: str) -> int | None:
    """Return the CCF id of an acronym or a name, 0 outside the brain, None for other words."""
    from fascicle.atlas.table import table

    word = word.strip()
    if word.casefold() in _OUTSIDE:
        return 0
    t = table()
    if word in t.by_acronym:
        return t.by_acronym[word]
    if (found := _folded().get(word.casefold())) is not None:
        return found
    # Visual Behavior's files have acronyms with what lies in them: "TH-PO".
    stem = word.partition("-")[0]
    return t.by_acronym.get(stem)


@cache
def _folded() -> dict[str, int]:
    """Return names, and acronyms that differ from others in more than case, in small letters."""
    from fascicle.atlas.table import table

    t = table()
    many = Counter(acronym.casefold() for acronym in t.acronyms)
    pairs = [(a.casefold(), i) for a, i in zip(t.acronyms, t.ids, strict=True)]
    out = {acronym: i for acronym, i in pairs if many[acronym] == 1}
    return out | {name.casefold(): i for name, i in zip(t.names, t.ids, strict=True)}


def region(view: AlfView, offer: Offer) -> NDArray[np.int64]:
    """Return the CCF id of each channel; positive, as IBL's files have them."""
    assert offer.probe is not None
    return region_ids(view, offer.probe)[0]


def has_region(view: AlfView, place: Place, probe: Probe | None) -> bool:
    """Return whether any channel of a probe is in a region of the atlas."""
    assert probe is not None
    return bool(region_ids(view, probe)[0].any())


# -- trials ----------------------------------------------------------------------------------------


def contrast(view: AlfView, offer: Offer) -> NDArray[np.float64]:
    """Return the contrast where the stimulus was on that side, NaN elsewhere."""
    import numpy as np

    values = np.asarray(view.values(offer), dtype=np.float64)
    if not offer.place.meaning:
        return values
    sides = np.array([str(s) for s in view.column(offer.at, offer.place.names[1])])
    return np.where(sides == offer.place.meaning, values, np.nan)


def feedback(view: AlfView, offer: Offer) -> Any:
    """Return 1 for a reward, -1 for an error, and 0 for neither."""
    import numpy as np

    if offer.place.meaning == "rewarded":
        return np.where(_flags(view.values(offer)), 1, -1)
    if offer.place.meaning == "outcome":
        hit, *errors = (_flags(view.values(offer, name)) for name in offer.place.names)
        wrong = np.logical_or.reduce(errors)
        return np.where(hit, 1, np.where(wrong, -1, 0))
    return view.values(offer)


def _flags(values: Any) -> NDArray[np.bool_]:
    import numpy as np

    if values.dtype.kind in "OUS":
        return np.array([str(v).casefold() in ("true", "1", "1.0", "yes") for v in values])
    found: NDArray[np.bool_] = np.nan_to_num(values.astype(np.float64)) != 0
    return found


# -- wheel -----------------------------------------------------------------------------------------


def wheel_velocity(view: AlfView, offer: Offer) -> NDArray[np.float64]:
    """Return the velocity in rad/s; running forward is positive, whichever way it was wired."""
    import numpy as np

    speed = np.asarray(view.values(offer), dtype=np.float64)
    if len(speed) and np.nanmean(speed) / offer.place.factor < -1:
        speed = -speed
    return speed


def wheel_position(view: AlfView, offer: Offer) -> NDArray[np.float64]:
    """Return the position in rad; of a running wheel the integral of its velocity, from 0."""
    import numpy as np

    if offer.place.meaning == "speed":
        velocity = np.nan_to_num(wheel_velocity(view, offer))
        steps = np.diff(view.samples(offer.at, "timestamps"))
        mean = (velocity[1:] + velocity[:-1]) / 2
        return np.concatenate([np.zeros(min(1, len(velocity))), np.cumsum(mean * steps)])
    values = np.asarray(view.values(offer), dtype=np.float64)
    unit = str(view.file.series(offer.at).unit or "").casefold()
    return np.deg2rad(values) if unit.startswith("deg") else values


# -- tables ----------------------------------------------------------------------------------------


def metrics(view: AlfView, offer: Offer) -> pd.DataFrame:
    """Return the quality metrics of a probe's units, one row each.

    ``cluster_id`` is the row, ``unit_id`` the id that the file gives the unit. What the mapping
    names comes first, then all columns that are values, under the names that they have.
    """
    import numpy as np
    import pandas as pd

    probe = offer.probe
    assert probe is not None
    names = view.columns(UNITS)
    out: dict[str, Any] = {
        "cluster_id": np.arange(len(probe.units)),
        "unit_id": view.column(UNITS, "id")[probe.units],
    }
    taken = {"id", "cluster_uuid", "spike_times"}
    for column, places in mapping().metrics.items():
        place = next((p for p in places if p.names[0] in names), None)
        if place is None:
            continue
        values = view.column(UNITS, place.names[0])[probe.units]
        if column == "label" and values.dtype.kind not in "fiub":
            continue  # a word, which is no measure of quality
        out[column] = place.to_alf(values)
        taken.add(place.names[0])
    if "spike_count" not in out and "spike_times" in view.ragged_columns(UNITS):
        out["spike_count"] = view.counts(probe)
    if "label" not in out and "quality" in names:
        quality = view.column(UNITS, "quality")[probe.units]
        if quality.dtype == object:
            out["label"] = np.array([float(str(q).casefold() == "good") for q in quality])
    for column in names:
        if column in taken or column in ("electrode_group", "electrodes"):
            continue
        facts = view.file.facts(f"{UNITS}/{column}")
        if len(facts.shape) != 1 or facts.kind not in ("plain", "text"):
            continue
        name = column if column not in out else f"original_{column}"
        values = view.column(UNITS, column)[probe.units]
        out[name] = plain(values).astype(object) if values.dtype == object else values
    return pd.DataFrame(out)


def pose(view: AlfView, offer: Offer) -> pd.DataFrame:
    """Return the place of each part of the body, three columns each: x, y and likelihood."""
    import numpy as np
    import pandas as pd

    at = offer.place.names[0]
    parts = mapping().parts
    out: dict[str, Any] = {}
    for name in sorted(view.members(at)):
        if not (view.has(f"{at}/{name}/data") and view.has(f"{at}/{name}/confidence")):
            continue
        data = np.asarray(view.file.array(f"{at}/{name}/data"))
        part = parts.get(name, name)
        out |= {f"{part}_x": data[:, 0], f"{part}_y": data[:, 1]}
        out[f"{part}_likelihood"] = view.file.array(f"{at}/{name}/confidence")
    return pd.DataFrame(out)


def features(view: AlfView, offer: Offer) -> pd.DataFrame:
    """Return the diameter of the pupil, as it was found and smoothed."""
    import pandas as pd

    names = ("pupilDiameter_raw", "pupilDiameter_smooth")
    series = (view.values(offer, name) for name in offer.place.names)
    return pd.DataFrame(dict(zip(names, series, strict=True)))


def waveforms(view: AlfView, offer: Offer) -> NDArray[Any]:
    """Return the mean waveform of each unit."""
    found: NDArray[Any] = view.values(offer)
    return found


def has_waveforms(view: AlfView, place: Place, probe: Probe | None) -> bool:
    """Return whether the units have a mean waveform of one size: of samples and channels."""
    plain = place.names[0] in view.columns(UNITS)
    return plain and len(view.file.facts(f"{UNITS}/{place.names[0]}").shape) == 3


def _texts(view: AlfView, offer: Offer, name: str) -> list[str]:
    return [str(v) for v in view.column(offer.at, name)]


def periods(view: AlfView, offer: Offer) -> pd.DataFrame:
    """Return one column per period, with its start and its stop; the first column names these."""
    import pandas as pd

    of, start, stop = offer.place.names
    names = _texts(view, offer, of)
    rows = zip(names, view.column(offer.at, start), view.column(offer.at, stop), strict=True)
    return pd.DataFrame({"Unnamed: 0": ["start", "stop"]} | {n: [a, b] for n, a, b in rows})


def replay(view: AlfView, offer: Offer) -> pd.DataFrame:
    """Return the times of each kind of stimulus on and off, one row per repeat."""
    import numpy as np
    import pandas as pd

    of, start, stop = offer.place.names
    kinds = np.array(_texts(view, offer, of))
    out: dict[str, Any] = {}
    for kind in ("valve", "tone", "noise", *sorted(set(kinds) - {"valve", "tone", "noise"})):
        if kind in kinds:
            out[f"{kind}On"] = pd.Series(view.column(offer.at, start)[kinds == kind])
            out[f"{kind}Off"] = pd.Series(view.column(offer.at, stop)[kinds == kind])
    return pd.DataFrame(out)


def gabors(view: AlfView, offer: Offer) -> pd.DataFrame:
    """Return the replayed patches, one row each."""
    import pandas as pd

    names = {"start_time": "start", "stop_time": "stop"}
    found = {names.get(n, n): plain(view.column(offer.at, n)) for n in offer.place.names}
    if len({len(v) for v in found.values()}) > 1:
        raise BadFileError(f"{view.file.name}: the columns of /{offer.at} differ in length")
    return pd.DataFrame(found)


RULES: dict[str, Callable[[AlfView, Offer], Any]] = {
    function.__name__: function
    for function in (
        channel_of_unit,
        columns,
        contrast,
        features,
        feedback,
        gabors,
        metrics,
        one_column,
        periods,
        place_in_brain,
        pose,
        region,
        replay,
        unit_of_spike,
        waveforms,
        wheel_position,
        wheel_velocity,
    )
}

POSSIBLE: dict[str, Callable[[AlfView, Place, Probe | None], bool]] = {
    "place_in_brain": has_place,
    "region": has_region,
    "waveforms": has_waveforms,
}

"""Trials: one row each, with what happened when, what was shown, and what the animal did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.mapping import mapping
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.carrying import collections_of, name_of_another
from fascicle.nwb.parts.rows import Rows, Standard, offer_rows
from fascicle.nwb.parts.rowsbuilding import RowsBuilder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry
    from fascicle.nwb.writing.source import Source

    Array = NDArray[Any]

#: A choice that is none of those that have a word.
UNKNOWN = "unknown"
#: Words for the side of the stimulus.
SIDES = {
    "left": (True, False),
    "right": (False, True),
    "both": (True, True),
    "none": (False, False),
}

# -- standard columns ------------------------------------------------------------------------------


def _choice(values: Array) -> NDArray[np.object_]:
    import numpy as np

    out = np.full(len(values), UNKNOWN, dtype=object)
    for value, word in mapping().dataset("trials.choice").spelled().items():
        out[values == value] = word
    return out


def _choice_undone(attribute: str, words: Array) -> Array:
    import numpy as np

    spelled = {w: v for v, w in mapping().dataset("trials.choice").spelled().items()}
    return np.array([spelled.get(word, np.nan) for word in words], dtype=np.float64)


def _choice_back(at: str, names: tuple[str, ...], dtype: str) -> Value:
    import numpy as np

    spelled = mapping().dataset("trials.choice").spelled()
    words = {word: value for value, word in spelled.items()}
    if np.dtype(dtype).kind == "f":
        words[UNKNOWN] = float("nan")
    return Value("row", at, names, dtype=dtype, words=words)


def _rewarded(values: Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values > 0
    return found


def _rewarded_undone(attribute: str, flags: Array) -> Array:
    import numpy as np

    return np.where(flags, 1.0, -1.0)


def _rewarded_back(at: str, names: tuple[str, ...], dtype: str) -> Value:
    return Value("row", at, names, rule="feedback", dtype=dtype, options={"as": "rewarded"})


def _percent(left: Array, right: Array) -> NDArray[np.float64]:
    """Return the contrast of the one stimulus in percent; NaN where there is none, or are two."""
    import numpy as np

    left, right = left.astype(np.float64), right.astype(np.float64)
    one = np.where(np.isnan(right), left, np.where(np.isnan(left), right, np.nan))
    place = mapping().dataset("trials.contrastLeft").written
    assert place is not None
    # Of the numbers next to each other that are this many percent, one comes back exactly.
    out: NDArray[np.float64] = np.asarray(place.to_nwb(one), dtype=np.float64)
    for near in (one * 100, np.nextafter(out, 0), np.nextafter(out, np.inf)):
        out = np.where(out * place.factor == one, out, near)
    return np.where(out * place.factor == one, out, place.to_nwb(one))


def _side(left: Array, right: Array) -> NDArray[np.object_]:
    import numpy as np

    is_left, is_right = (~np.isnan(v.astype(np.float64)) for v in (left, right))
    out = np.full(len(left), "none", dtype=object)
    for word, (on_left, on_right) in SIDES.items():
        out[(is_left == on_left) & (is_right == on_right)] = word
    return out


def _contrast_undone(attribute: str, percent: Array, side: Array) -> Array:
    import numpy as np

    place = mapping().dataset(f"trials.{attribute}").written
    assert place is not None
    return np.where(side == place.meaning, percent * place.factor, np.nan)


def _contrast_back(attribute: str) -> Any:
    place = mapping().dataset(f"trials.{attribute}").written
    assert place is not None
    factor, meaning = place.factor, place.meaning

    def back(at: str, names: tuple[str, ...], dtype: str) -> Value:
        return Value(
            "row", at, names, rule="contrast", factor=factor, dtype=dtype, options={"as": meaning}
        )

    return back


def _block_type(probability: Array) -> NDArray[np.object_]:
    import numpy as np

    out = np.full(len(probability), UNKNOWN, dtype=object)
    values = probability.astype(np.float64)
    out[values == 0.5] = "unbiased"
    out[values > 0.5] = "left"
    out[values < 0.5] = "right"
    return out


def _block_index(probability: Array) -> NDArray[np.unsignedinteger[Any]]:
    import numpy as np

    values = np.nan_to_num(probability.astype(np.float64), nan=-1.0)
    index = np.concatenate([[0], np.cumsum(values[1:] != values[:-1])])[: len(values)]
    # Checkers take two numbers of a larger type for flags.
    return index.astype(np.min_scalar_type(int(index.max(initial=0))))


_CONTRASTS = ("contrastLeft", "contrastRight")
_GABOR = ("gabor_stimulus_contrast", "gabor_stimulus_side")
STANDARDS = (
    Standard(
        _GABOR[0],
        _CONTRASTS,
        _percent,
        "Michelson contrast of the Gabor patch in percent; NaN where there is not just one patch",
        "%",
        {one: _contrast_back(one) for one in _CONTRASTS},
        _contrast_undone,
        _GABOR,
    ),
    Standard(
        _GABOR[1],
        _CONTRASTS,
        _side,
        "Side of the Gabor patch as the animal sees it: left or right; none where no contrast is "
        "given, both where two are",
    ),
    Standard(
        "mouse_wheel_choice",
        ("choice",),
        _choice,
        "Which way the animal turned the wheel: clockwise (moves the patch to the right, correct "
        "for one on the left), counter_clockwise (correct for one on the right), or none in time",
        "",
        {"choice": _choice_back},
        _choice_undone,
        ("mouse_wheel_choice",),
    ),
    Standard(
        "is_mouse_rewarded",
        ("feedbackType",),
        _rewarded,
        "Whether the animal was rewarded for its choice; if not, it heard noise and had to wait",
        "",
        {"feedbackType": _rewarded_back},
        _rewarded_undone,
        ("is_mouse_rewarded",),
    ),
    Standard(
        "block_type",
        ("probabilityLeft",),
        _block_type,
        "Where the patch is likelier in this block of trials: left, right, or unbiased (derived "
        "from probability_left)",
    ),
    Standard(
        "block_index",
        ("probabilityLeft",),
        _block_index,
        "Number of the block, a run of trials of one probability_left, from 0 (derived from it)",
    ),
)

# -- attributes as they are ------------------------------------------------------------------------

ABOUT = {
    "start_time": ("s", "When the trial began, in seconds"),
    "stop_time": ("s", "When the trial ended, in seconds"),
    "intervals": ("s", "Start and end of the trial, in seconds"),
    "intervals_0": ("s", "Start of the trial, in seconds"),
    "intervals_1": ("s", "End of the trial, in seconds"),
    "intervals_bpod": ("s", "Start and end of the trial by the clock of the Bpod, in seconds"),
    "stimOn_times": ("s", "Onset of the Gabor patch on the screen, in seconds"),
    "stimOff_times": ("s", "When the Gabor patch went off, in seconds"),
    "stimOnTrigger_times": ("s", "When the onset of the patch was asked for, in seconds"),
    "stimOffTrigger_times": ("s", "When the end of the patch was asked for, in seconds"),
    "stimFreeze_times": ("s", "When the patch stopped to move, in seconds"),
    "stimFreezeTrigger_times": ("s", "When the patch was asked to stop, in seconds"),
    "goCue_times": ("s", "Onset of the tone that asks for a response, in seconds"),
    "goCueTrigger_times": ("s", "When the tone was asked for, in seconds"),
    "firstMovement_times": ("s", "First movement of the wheel after the tone, in seconds"),
    "response_times": ("s", "When a response was registered, in seconds"),
    "feedback_times": ("s", "When feedback was given, reward or noise, in seconds"),
    "errorCue_times": ("s", "Onset of the noise after an error, in seconds"),
    "errorCueTrigger_times": ("s", "When the noise was asked for, in seconds"),
    "valveOpen_times": ("s", "When the valve for the reward opened, in seconds"),
    "itiIn_times": ("s", "Begin of the pause between trials, in seconds"),
    "choice": ("", "Turn of the wheel: 1 clockwise, -1 counter-clockwise, 0 none in time"),
    "feedbackType": ("", "1 for a reward, -1 for an error"),
    "contrastLeft": ("", "Contrast of the patch on the left, 0 to 1; NaN without one"),
    "contrastRight": ("", "Contrast of the patch on the right, 0 to 1; NaN without one"),
    "probabilityLeft": ("", "Probability that the patch is on the left, 0 to 1"),
    "rewardVolume": ("uL", "Volume of the reward in microlitres; 0 without one"),
    "quiescencePeriod": ("s", "How long the wheel had to be still before the patch, in seconds"),
    "itiDuration": ("s", "Length of the pause between trials, in seconds"),
    "iti_duration": ("s", "Length of the pause between trials, in seconds"),
    "included": ("", "Whether the trial counts in analyses"),
    "repNum": ("", "How many times the trial was repeated after errors, from 0"),
    "laserProbability": ("", "Probability of stimulation by the laser, 0 to 1"),
    "laserStimulation": ("", "Whether the laser was on: 1, else 0"),
    "position": ("degrees", "Position of the patch on the screen, in degrees from its middle"),
    "phase": ("rad", "Phase of the patch, in radians"),
}


def _names() -> dict[str, str]:
    """Return the columns of attributes that NWB files call otherwise."""
    out = {"intervals": "intervals"}
    made = {a for standard in STANDARDS for a in standard.back}
    for one in mapping().objects["trials"].datasets:
        written = one.written
        if written is None or one.attribute in (*out, *made):
            continue
        if not one.rule and not one.words and len(written.names) == 1:
            out[one.attribute] = written.names[0]
    return out


TRIALS = Rows("trials", "trial", _names(), ABOUT, STANDARDS)
_MAIN = "Trials of the task: what was shown and heard, what the animal did, and what it got"


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for the trials of each task: ``intervals/trials`` are those of the first."""
    found = collections_of(source, "trials")
    timed = [c for c in found if _has_spans(source, c)]
    main = (timed or found or [""])[0]
    entries = []
    for collection in sorted(found, key=lambda c: (c != main, c)):
        name = "trials" if collection == main else name_of_another("trials", collection)
        about = _MAIN if collection == main else f"{_MAIN} (of {collection})"
        entry = offer_rows(source, TRIALS, collection, f"intervals/{name}", about)
        if entry.items:
            entry.part = "trials"
            entries.append(entry)
    return entries


def _has_spans(source: Source, collection: str) -> bool:
    keys = {f.key for f in source.find("trials", collection=collection)}
    return not keys.isdisjoint({"trials.intervals", "trials.table"})


def build(draft: Draft, entry: Entry) -> None:
    """Build the table of one task's trials."""
    RowsBuilder(draft, entry, TRIALS).build()

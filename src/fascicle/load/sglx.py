"""SpikeGLX's ``.meta`` files: which channels a recording has, how fast, and how many volts a bit.

The rules are SpikeGLX's own (its "Metadata" help pages): one count is ``range / max_int / gain``
volts. Probes differ in where the gain is said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import BadFileError
from .text import read_bytes

_HINT = "fetch or copy the .meta file again"
_LISTED = {"~imroTbl", "imroTbl", "~snsChanMap", "snsChanMap", "~snsShankMap", "snsShankMap"}
_TEXT = {"userNotes", "fileName", "appVersion", "fileCreateTime", "fileSHA1"}
_NUMBER = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d+)?")

# Probe types by what SpikeGLX calls imDatPrb_type: the amplifier's fixed gain.
_FIXED_GAIN = {21: 80, 24: 80, 2003: 80, 2004: 80, 2013: 100, 2014: 100, 2020: 100, 2021: 100}
_MAX_INT = {21: 8192, 24: 8192, 2003: 8192, 2004: 8192} | dict.fromkeys(
    (2013, 2014, 2020, 2021), 2048
)


class Meta(dict[str, Any]):
    """What a ``.meta`` file says: a dictionary that knows which file it is from.

    Attributes
    ----------
    path : str
        The file.
    """

    path: str = "the .meta file"


def read_meta(path: str | os.PathLike[str]) -> Meta:
    """Return what a SpikeGLX ``.meta`` file says.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Meta
        A dictionary: key -> int, float, list of numbers (``acqApLfSy``) or text. The leading ``~``
        of some keys is left out.

    Raises
    ------
    EmptyFileError, BadFileError
        No bytes, or lines that are not ``key=value``.
    """
    name = os.fspath(path)
    meta = Meta()
    meta.path = name
    text = read_bytes(path).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip() or not key.isprintable():
            raise BadFileError(
                f"{name} is no SpikeGLX meta file: line {number} is not of the form key=value",
                hint=_HINT,
            )
        key, value = key.strip(), value.strip()
        plain = key in _LISTED or key in _TEXT
        meta[key.removeprefix("~")] = value if plain else _value(value)
    if "typeThis" not in meta:
        raise BadFileError(f"{name} does not say which stream it describes (typeThis)", hint=_HINT)
    return meta


def _value(text: str) -> Any:
    """Return a number, a list of numbers, or the text itself."""
    parts = text.split(",")
    if len(text) > 400 or not all(_NUMBER.fullmatch(p) for p in parts):
        return text
    numbers = [float(p) if any(c in p for c in ".eE") else int(p) for p in parts]
    return numbers[0] if len(numbers) == 1 else numbers


def sample_rate(meta: Mapping[str, Any]) -> float:
    """Return the sampling rate in Hz (imec, nidq and OneBox streams).

    Raises
    ------
    BadFileError
        The meta file gives none.
    """
    for key in ("imSampRate", "niSampRate", "obSampRate"):
        if isinstance(rate := meta.get(key), int | float) and rate > 0:
            return float(rate)
    raise BadFileError(f"{_where(meta)} gives no sample rate", hint=_HINT)


def n_channels(meta: Mapping[str, Any]) -> int:
    """Return the number of saved channels, sync and digital ones included.

    Raises
    ------
    BadFileError
        The meta file does not say.
    """
    count = meta.get("nSavedChans")
    if not isinstance(count, int) or count < 1:
        raise BadFileError(f"{_where(meta)} does not give the number of channels", hint=_HINT)
    return count


def n_sync(meta: Mapping[str, Any]) -> int:
    """Return how many of the saved channels, the last ones, are digital words and no voltages."""
    stream = meta.get("typeThis")
    if stream == "nidq":
        return _counts(meta, "snsMnMaXaDw", 4)[3]
    if stream == "obx":
        return sum(_counts(meta, "snsXaDwSy", 3)[1:])
    return _counts(meta, "snsApLfSy", 3)[2]


def volts_per_bit(meta: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the volts of one count for each saved analog channel.

    Parameters
    ----------
    meta : dict
        What :func:`read_meta` returned.

    Returns
    -------
    numpy.ndarray
        Shape (number of saved channels - :func:`n_sync`,), in volts.

    Raises
    ------
    BadFileError
        The meta file lacks what is needed, or contradicts itself.
    """
    try:
        stream = meta["typeThis"]
        if stream == "nidq":
            mn, ma, xa, _ = _counts(meta, "snsMnMaXaDw", 4)
            gains = [meta.get("niMNGain", 1)] * mn + [meta.get("niMAGain", 1)] * ma + [1] * xa
            step = meta["niAiRangeMax"] / meta.get("niMaxInt", 32768)
        elif stream == "obx":
            gains = [1] * _counts(meta, "snsXaDwSy", 3)[0]
            step = meta["obAiRangeMax"] / meta.get("obMaxInt", 32768)
        else:
            gains = _probe_gains(meta)
            counts = meta.get("imMaxInt", _MAX_INT.get(probe_type(meta), 512))
            step = meta["imAiRangeMax"] / counts
        if not all(np.isfinite(g) and g for g in gains):
            raise ValueError("a gain of nought, or none")
        array: np.ndarray[Any, np.dtype[np.float64]] = step / np.array(gains, np.float64)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise BadFileError(
            f"{_where(meta)} does not tell volts: {why}", hint="read counts instead: array[i0:i1]"
        ) from None
    return array


def probe_type(meta: Mapping[str, Any]) -> int:
    """Return SpikeGLX's number for the type of probe; 0 for Neuropixels 1.0 and before."""
    kind = meta.get("imDatPrb_type", 0)
    return kind if isinstance(kind, int) else 0


def saved_channels(meta: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the saved channels among the acquired ones (snsSaveChanSubset).

    Raises
    ------
    ValueError
        The setting is no list of channels.
    """
    subset = meta.get("snsSaveChanSubset", "all")
    if subset in ("all", ""):
        return list(range(n_channels(meta)))
    if isinstance(subset, int):
        return [subset]
    if isinstance(subset, list):
        return [int(n) for n in subset]
    channels: list[int] = []
    for part in str(subset).split(","):
        first, _, last = part.partition(":")
        if int(last or first) - int(first) > 1 << 20:
            raise ValueError(f"channels {part}")
        channels.extend(range(int(first), int(last or first) + 1))
    return channels


def _probe_gains(meta: Mapping[str, Any]) -> list[float]:
    """Return the gain of each saved AP and LF channel of a probe."""
    n_ap, n_lf, n_sy = _counts(meta, "snsApLfSy", 3)
    acquired_ap, acquired_lf, _ = _counts(meta, "acqApLfSy", 3)
    ap, lf = _acquired_gains(meta)
    if meta.get("snsSaveChanSubset", "all") in ("all", ""):
        saved = [*range(n_ap), *range(acquired_ap, acquired_ap + n_lf), *range(n_sy)]
    else:
        saved = saved_channels(meta)
    if len(saved) != n_ap + n_lf + n_sy:
        raise ValueError(f"{len(saved)} channels listed, {n_ap + n_lf + n_sy} counted")
    gains = []
    for channel in saved[: n_ap + n_lf]:
        if channel < acquired_ap:
            gains.append(ap[channel] if len(ap) > 1 else ap[0])
        elif channel < acquired_ap + acquired_lf:
            gains.append(lf[channel - acquired_ap] if len(lf) > 1 else lf[0])
        else:
            raise ValueError(f"channel {channel} is neither AP nor LF")
    return gains


def _acquired_gains(meta: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return AP and LF gains of the acquired channels, or one each for all of them."""
    kind = probe_type(meta)
    if kind in _FIXED_GAIN:
        gain = float(meta.get("imChan0apGain", _FIXED_GAIN[kind]))
        return [gain], [gain]
    table = meta.get("imroTbl")
    if table is None and "imChan0apGain" in meta:
        return [float(meta["imChan0apGain"])], [float(meta.get("imChan0lfGain", "nan"))]
    if table is None:
        raise KeyError("imroTbl")
    head, *rows = re.findall(r"\(([^)]*)\)", table)
    if kind == 1110:  # ultra-high density with groups: one gain for all, said at the head
        fields = head.split(",")
        return [float(fields[3])], [float(fields[4])]
    split = [row.split() for row in rows]
    if any(len(row) < 5 for row in split):  # a probe that is not known, without gains of its own
        return [float(meta["imChan0apGain"])], [float(meta.get("imChan0lfGain", "nan"))]
    return [float(row[3]) for row in split], [float(row[4]) for row in split]


def _where(meta: Mapping[str, Any]) -> str:
    return meta.path if isinstance(meta, Meta) else Meta.path


def _counts(meta: Mapping[str, Any], key: str, n: int) -> list[int]:
    counts = meta.get(key)
    if not (
        isinstance(counts, list)
        and len(counts) == n
        and all(isinstance(c, int) and c >= 0 for c in counts)
    ):
        raise BadFileError(f"{_where(meta)} does not count its channels ({key})", hint=_HINT)
    return counts

"""Where the sites of a Neuropixels probe are, read off SpikeGLX's ``.meta`` files.

The channels are those of the AP band that were saved, in the order of the file. Sites are counted
from the tip, two in a row. Their places on the shank, and which converter digitises them when, are
those of the probes' data sheets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError
from fascicle.load.sglx import n_channels, probe_type, saved_channels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Distance between shanks, um.
SHANKS = 250.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """A family of probes.

    Attributes
    ----------
    left : tuple of float
        Where the left column of sites is in rows of even and of odd number, um.
    across, along : float
        From one site of a row to the other, and from a row to the next, um.
    per_adc : int
        How many channels share a converter.
    imro : tuple of int
        Which numbers of a channel's entry in the IMRO table are its shank and its electrode, -1
        where it has none; then the electrode follows from the channel and the bank.
    """

    left: tuple[float, float]
    across: float
    along: float
    per_adc: int
    imro: tuple[int, int]


# Neuropixels 1.0: rows of even number stand 16 um beside the others, and the right site of a row is
# the one with the even number.
_NP1 = _Kind((43.0, 59.0), -32.0, 20.0, 12, (-1, -1))
_NP2_ONE = _Kind((27.0, 27.0), 32.0, 15.0, 16, (-1, 3))
_NP2_FOUR = _Kind((27.0, 27.0), 32.0, 15.0, 16, (1, 4))
#: By SpikeGLX's number of the type (imDatPrb_type).
_KINDS = {0: _NP1, 1: _NP1, 1020: _NP1} | dict.fromkeys((21, 2003, 2004), _NP2_ONE)
_KINDS |= dict.fromkeys((24, 2013, 2014), _NP2_FOUR)
#: The first row of sites is so far from the tip, um.
_FIRST_ROW = 20.0


@dataclass(frozen=True, slots=True)
class Geometry:
    """The channels of the AP band of a recording, in the order of its file.

    Attributes
    ----------
    channel : ndarray of int, shape (n,)
        Number among the acquired channels.
    x, y : ndarray of float, shape (n,)
        Place across and along the probe from its tip, um; NaN where it is not known.
    shank : ndarray of int, shape (n,)
    contact : list of str
        ``e12``, or ``s0e12`` where there are several shanks; empty where it is not known.
    adc, order : ndarray of int, shape (n,), or None
        Which converter digitises the channel, and as the how manieth of its channels.
    """

    channel: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    shank: NDArray[np.int64]
    contact: list[str]
    adc: NDArray[np.int64] | None
    order: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.channel)


def geometry(meta: Mapping[str, Any]) -> Geometry:
    """Return where the saved AP channels of a recording are.

    Parameters
    ----------
    meta : mapping
        What `fascicle.load.sglx.read_meta` returned, of an imec stream.

    Raises
    ------
    BadFileError
        If the file does not say which channels were saved, or contradicts itself.
    """
    import numpy as np

    where = getattr(meta, "path", "the .meta file")
    counts, acquired = _three(meta, "snsApLfSy"), _three(meta, "acqApLfSy")
    if counts is None or acquired is None:
        raise BadFileError(f"{where} does not count its channels (snsApLfSy, acqApLfSy)")
    n_ap = counts[0] or counts[1]  # of an LF file the LF channels, whose sites are the same
    try:
        saved = saved_channels(meta)
    except ValueError as error:
        raise BadFileError(f"{where} does not list its channels: {error}") from None
    if len(saved) != n_channels(meta) or n_ap > len(saved):
        raise BadFileError(f"{where} lists {len(saved)} channels and counts {n_channels(meta)}")
    first = 0 if counts[0] else acquired[0]
    channel = np.array(saved[:n_ap], np.int64) - first
    if len(channel) and (channel.min() < 0 or channel.max() >= max(acquired[0], acquired[1])):
        raise BadFileError(f"{where} lists channels that it has not acquired")
    kind = _KINDS.get(probe_type(meta))
    shank, electrode = _sites(meta, kind, channel)
    x, y = _places(meta, kind, channel, shank, electrode)
    several = int(shank.max(initial=0)) > 0 or _shanks(meta) > 1
    contact = [
        "" if e < 0 else f"s{s}e{e}" if several else f"e{e}"
        for s, e in zip(shank.tolist(), electrode.tolist(), strict=True)
    ]
    if kind is None:
        return Geometry(channel, x, y, shank, contact, None, None)
    # Even and odd channels of a block go to two converters, which take them in turns.
    block = 2 * kind.per_adc
    adc = channel // block * 2 + channel % 2
    return Geometry(channel, x, y, shank, contact, adc, channel % block // 2)


def _three(meta: Mapping[str, Any], key: str) -> list[int] | None:
    counts = meta.get(key)
    if isinstance(counts, list) and len(counts) == 3 and all(isinstance(n, int) for n in counts):
        return counts
    return None


def _entries(meta: Mapping[str, Any], key: str) -> list[str]:
    """Return what stands between the brackets of a list of SpikeGLX's, the head first."""
    return re.findall(r"\(([^)]*)\)", str(meta.get(key, "")))


def _sites(
    meta: Mapping[str, Any], kind: _Kind | None, channel: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the shank and the number of the electrode of each channel; -1 where not known."""
    import numpy as np

    shank = np.zeros(len(channel), np.int64)
    electrode = np.full(len(channel), -1, np.int64)
    rows: dict[int, list[int]] = {}
    for entry in _entries(meta, "imroTbl")[1:]:
        numbers = entry.split()
        if numbers and all(n.lstrip("-").isdecimal() for n in numbers):
            rows[int(numbers[0])] = [int(n) for n in numbers]
    n = max(len(rows), 1)
    if kind is not None:
        of_shank, of_electrode = kind.imro
        for k, row in enumerate(rows.get(c) for c in channel.tolist()):
            if row is None or len(row) <= max(of_electrode, 1):
                continue
            shank[k] = row[of_shank] if of_shank >= 0 else 0
            electrode[k] = row[of_electrode] if of_electrode >= 0 else row[0] + row[1] * n
    mapped = _entries(meta, "snsShankMap")
    entries = _of_channels(mapped[1:], channel)
    if kind is None and entries is not None and len(mapped[0].split(",")) == 3:
        columns = int(mapped[0].split(",")[1])
        for k, entry in enumerate(entries):
            numbers = entry.split(":")
            if len(numbers) >= 3:
                shank[k] = int(numbers[0])
                electrode[k] = int(numbers[2]) * columns + int(numbers[1])
    return shank, electrode


def _of_channels(entries: list[str], channel: NDArray[np.int64]) -> list[str] | None:
    """Return the entries of the channels: lists are of all acquired channels, or of the saved."""
    if len(entries) == len(channel):
        return entries
    if len(channel) and len(entries) > int(channel.max()):
        return [entries[c] for c in channel.tolist()]
    return None


def _shanks(meta: Mapping[str, Any]) -> int:
    for key in ("snsGeomMap", "snsShankMap"):
        head = _entries(meta, key)[:1]
        numbers = head[0].split(",") if head else []
        at = 1 if key == "snsGeomMap" else 0
        if len(numbers) > at and numbers[at].isdecimal():
            return int(numbers[at])
    return 1


def _places(
    meta: Mapping[str, Any],
    kind: _Kind | None,
    channel: NDArray[np.int64],
    shank: NDArray[np.int64],
    electrode: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the channels are on the probe, um."""
    import numpy as np

    x, y = np.full(len(channel), np.nan), np.full(len(channel), np.nan)
    if kind is not None:
        known = electrode >= 0
        row, right = electrode // 2, electrode % 2
        left = np.where(row % 2 == 0, *kind.left)
        x[known] = (left + right * kind.across + shank * SHANKS)[known]
        y[known] = (row * kind.along + _FIRST_ROW)[known]
        return x, y
    mapped = _entries(meta, "snsGeomMap")
    entries = _of_channels(mapped[1:], channel)
    head = mapped[0].split(",") if mapped else []
    if entries is None or len(head) < 3:
        return x, y
    between = float(head[2])
    for k, entry in enumerate(entries):
        of, across, along = entry.split(":")[:3]
        shank[k] = int(of)
        x[k], y[k] = float(across) + int(of) * between, float(along)
    return x, y

"""Where the samples of a raw recording lie in its file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadFileError, TruncatedFileError
from . import sglx

HINT = "fetch the .cbin and its .ch again, from the same place"


class Layout(NamedTuple):
    """How a raw file is laid out.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of one sample.
    n_channels : int
        Number of channels.
    sample_rate : float
        In Hz.
    bounds : list of int
        First sample of each chunk, and the number of samples.
    offsets : list of int
        First byte of each chunk, and the size of the file.
    packed, time_diff, spatial_diff : bool
        Whether chunks are compressed, and which differences were taken before.
    order : str
        'F' where a chunk's channels lie one after the other, 'C' where its samples do.
    """

    dtype: np.dtype[Any]
    n_channels: int
    sample_rate: float
    bounds: list[int]
    offsets: list[int]
    packed: bool
    time_diff: bool
    spatial_diff: bool
    order: str


def flat_layout(path: Path, size: int, meta: sglx.Meta) -> Layout:
    """Return the layout of a flat file of int16 samples.

    Parameters
    ----------
    path : pathlib.Path
        The ``.bin`` file.
    size : int
        Its size in bytes.
    meta : dict
        What its ``.meta`` says.

    Raises
    ------
    TruncatedFileError, BadFileError
        It ends within a sample, or the ``.meta`` lacks the number of channels or the rate.
    """
    channels, rate = sglx.n_channels(meta), sglx.sample_rate(meta)
    samples, rest = divmod(size, 2 * channels)
    if rest:
        raise TruncatedFileError(
            f"{path} ends within a sample: {size} bytes are no multiple of {channels} channels",
            hint="copy the .bin file again",
        )
    bounds = [*range(0, samples, max(round(rate), 1)), samples]
    offsets = [2 * channels * b for b in bounds]
    return Layout(np.dtype(np.int16), channels, rate, bounds, offsets, False, False, False, "C")


def packed_layout(said: Any, name: Path, path: Path, size: int) -> Layout:
    """Return the layout that a ``.ch`` file tells, once it is known to make sense.

    Parameters
    ----------
    said : object
        The content of the ``.ch`` file.
    name : pathlib.Path
        Its path.
    path : pathlib.Path
        The ``.cbin`` file.
    size : int
        The size of the ``.cbin`` in bytes.

    Raises
    ------
    TruncatedFileError, BadFileError
        The recording is shorter than announced, or the description makes no sense.
    """
    try:
        dtype = np.dtype(said["dtype"])
        order = said.get("chunk_order", "F")
        layout = Layout(
            dtype,
            said["n_channels"],
            float(said["sample_rate"]),
            said["chunk_bounds"],
            said["chunk_offsets"],
            True,
            bool(said.get("do_time_diff", True)),
            bool(said.get("do_spatial_diff", False)),
            order,
        )
        if said.get("algorithm", "zlib") != "zlib":
            raise ValueError(f"packed by {said['algorithm']!r}, not by zlib")
        if dtype.kind not in "iuf" or order not in ("F", "C"):
            raise ValueError(f"samples of type {dtype} in order {order!r}")
        if type(layout.n_channels) is not int or not 0 < layout.n_channels < 1 << 20:
            raise ValueError(f"{layout.n_channels} channels")
        if not 0 < layout.sample_rate < 1e12:
            raise ValueError(f"a sample rate of {layout.sample_rate}")
        for what, numbers in (("bounds", layout.bounds), ("offsets", layout.offsets)):
            if not (
                isinstance(numbers, list)
                and len(numbers) > 1
                and all(type(n) is int for n in numbers)
                and numbers[0] >= 0
                and all(a < b for a, b in pairwise(numbers))
            ):
                raise ValueError(f"chunk {what} that do not ascend")
        if len(layout.bounds) != len(layout.offsets) or layout.bounds[0]:
            raise ValueError("chunk bounds and offsets that do not fit each other")
        row = layout.n_channels * dtype.itemsize
        for i in range(len(layout.bounds) - 1):  # zlib cannot do better than 1032 to 1
            samples = layout.bounds[i + 1] - layout.bounds[i]
            if samples * row > 1100 * (layout.offsets[i + 1] - layout.offsets[i]):
                raise ValueError(f"chunk {i} claims more samples than its bytes can hold")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SyntaxError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise BadFileError(f"{name} does not describe a recording: {why}", hint=HINT) from None
    if size < layout.offsets[-1]:
        raise TruncatedFileError(
            f"{path} is cut short: {name.name} announces {layout.offsets[-1]} bytes, it has {size}",
            hint=HINT,
        )
    return layout

"""A short raw recording as SpikeGLX and mtscomp leave it: ``.cbin``, ``.ch`` and ``.meta``."""

from __future__ import annotations

import hashlib
import itertools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.spikes import SAMPLE_RATE
from fascicle.demo.units import Units

Array = NDArray[Any]

SAVED = 385  # 384 sites and the digital inputs
GAIN = 500
VOLTS = 0.6 / 512 / GAIN  # per count of the 10-bit converter


def waveforms(units: Units, samples: int = 82, neighbours: int = 32) -> tuple[Array, Array]:
    """Return each unit's mean waveform on the channels around its own.

    Parameters
    ----------
    units : Units
        Who fires.
    samples, neighbours : int
        How many samples (at 30 kHz; the trough lies at the 20th) and how many channels.

    Returns
    -------
    waveforms : numpy.ndarray
        ``(n, samples, neighbours)`` float32, in V.
    channels : numpy.ndarray
        ``(n, neighbours)`` int64, which channels, in order.
    """
    time = (np.arange(samples) - 20)[None, :] / SAMPLE_RATE * 1e3  # ms
    width = units.width[:, None]
    shape = -np.exp(-((time / 0.11) ** 2)) + 0.35 * np.exp(-(((time - width) / (0.5 * width)) ** 2))
    lowest = np.clip(units.channel - neighbours // 2, 0, 384 - neighbours)
    channels = lowest[:, None] + np.arange(neighbours)
    far = 20.0 * np.abs(channels // 2 - (units.channel // 2)[:, None])  # µm along the probe
    decay = np.exp(-far / 45.0) * np.where(channels % 2 == (units.channel % 2)[:, None], 1.0, 0.7)
    wave = units.amp[:, None, None] * shape[:, :, None] * decay[:, None, :]
    return wave.astype(np.float32), channels.astype(np.int64)


def make_recording(
    rng: np.random.Generator, units: Units, spikes: dict[str, Array], seconds: float
) -> Array:
    """Make the raw traces of the first seconds, with the spikes in them.

    Returns
    -------
    numpy.ndarray
        ``(samples, 385)`` int16 counts; the last column is the digital input, a square wave of
        1 Hz.
    """
    n = int(seconds * SAMPLE_RATE)
    data = np.empty((n, SAVED), np.int16)
    noise = rng.standard_normal((n, SAVED - 1), dtype=np.float32)
    noise *= np.float32(8e-6 / VOLTS)
    wave, channels = waveforms(units)
    counts = wave / np.float32(VOLTS)
    inside = (spikes["samples"] >= 20) & (spikes["samples"] < n - 62)
    for sample, unit in zip(
        spikes["samples"][inside].tolist(), spikes["clusters"][inside].tolist(), strict=True
    ):
        left = int(channels[unit, 0])
        noise[sample - 20 : sample + 62, left : left + channels.shape[1]] += counts[unit]
    data[:, :-1] = np.clip(np.rint(noise, out=noise), -512, 511)
    data[:, -1] = np.where(np.arange(n) // int(SAMPLE_RATE / 2) % 2, 64, 0)
    return data


def write_cbin(
    path: Path, data: Array, *, sample_rate: float = SAMPLE_RATE, chunk_seconds: float = 1.0
) -> tuple[Path, Path]:
    """Write samples in mtscomp's format: zlib chunks of differences in time.

    Parameters
    ----------
    path : pathlib.Path
        The ``.cbin`` file; the ``.ch`` file is written beside it.
    data : numpy.ndarray
        ``(samples, channels)``, of an integer type.
    sample_rate : float
        In Hz.
    chunk_seconds : float
        How much one chunk holds.

    Returns
    -------
    tuple of pathlib.Path
        The ``.cbin`` and the ``.ch`` file.
    """
    step = max(1, round(chunk_seconds * sample_rate))
    bounds = [*range(0, data.shape[0], step), data.shape[0]]
    offsets = [0]
    whole, packed = hashlib.sha1(), hashlib.sha1()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for first, stop in itertools.pairwise(bounds):
            chunk = np.ascontiguousarray(data[first:stop])
            change = np.diff(chunk, axis=0, prepend=np.zeros((1, data.shape[1]), data.dtype))
            block = zlib.compress(change.tobytes(order="F"), 1)
            file.write(block)
            offsets.append(offsets[-1] + len(block))
            whole.update(chunk.tobytes())
            packed.update(block)
    header = {
        "version": "1.0",
        "algorithm": "zlib",
        "comp_level": 1,
        "do_time_diff": True,
        "do_spatial_diff": False,
        "dtype": str(data.dtype),
        "n_channels": data.shape[1],
        "sample_rate": sample_rate,
        "chunk_bounds": bounds,
        "chunk_offsets": offsets,
        "chunk_order": "F",
        "sha1_compressed": packed.hexdigest(),
        "sha1_uncompressed": whole.hexdigest(),
        "shape": list(data.shape),
    }
    companion = path.with_suffix(".ch")
    companion.write_text(json.dumps(header), encoding="utf-8")
    return path, companion


def write_meta(path: Path, data: Array, *, serial: str, created: str) -> Path:
    """Write the SpikeGLX ``.meta`` of a Neuropixels 1.0 recording.

    Parameters
    ----------
    path : pathlib.Path
        The ``.meta`` file.
    data : numpy.ndarray
        The samples, ``(samples, 385)`` int16.
    serial : str
        The probe's serial number.
    created : str
        When the recording began, ISO 8601.
    """
    sites = range(SAVED - 1)
    fields = {
        "acqApLfSy": "384,384,1",
        "appVersion": "20190327",
        "fileCreateTime": created,
        "fileName": f"D:/demo/{path.stem}.bin",
        "fileSizeBytes": data.nbytes,
        "fileTimeSecs": data.shape[0] / SAMPLE_RATE,
        "firstSample": 0,
        "imAiRangeMax": 0.6,
        "imAiRangeMin": -0.6,
        "imDatPrb_pn": "PRB_1_4_0480_1",
        "imDatPrb_port": 1,
        "imDatPrb_slot": 2,
        "imDatPrb_sn": serial,
        "imDatPrb_type": 0,
        "imSampRate": int(SAMPLE_RATE),
        "nSavedChans": SAVED,
        "snsApLfSy": "384,0,1",
        "snsSaveChanSubset": "0:383,768",
        "syncSourcePeriod": 1,
        "typeImEnabled": 1,
        "typeNiEnabled": 0,
        "typeThis": "imec",
        "userNotes": "synthetic",
        "~imroTbl": "(0,384)" + "".join(f"({n} 0 0 {GAIN} 250 1)" for n in sites),
        "~snsChanMap": "(384,384,1)" + "".join(f"(AP{n};{n}:{n})" for n in sites) + "(SY0;768:384)",
        "~snsShankMap": "(1,2,480)" + "".join(f"(0:{n % 2}:{n // 2}:1)" for n in sites),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name}={value}\n" for name, value in fields.items())
    path.write_text(text, encoding="utf-8")
    return path

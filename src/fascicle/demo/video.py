"""A small film that any player opens, written without a codec library.

H.264 has a macroblock type that holds plain pixels (I_PCM): a stream of those needs no
compression, so a valid ``.mp4`` is a page of code. Meant for a few seconds of small pictures.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 16  # macroblocks are 16 x 16 pixels
TICKS = 90_000  # of the film's clock, per second


def make_frames(pupil: Array, movement: Array, *, width: int = 128, height: int = 96) -> Array:
    """Draw a mouse's eye and paw as an infrared camera sees them.

    Parameters
    ----------
    pupil, movement : numpy.ndarray
        Per frame, ``(n,)``: the pupil's diameter (about 28) and how much the animal moves (0 to
        1.5).
    width, height : int
        Size of the picture, multiples of 16.

    Returns
    -------
    numpy.ndarray
        ``(n, height, width)`` uint8 grey levels from 16 to 235.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ground = 70 + 50 * np.exp(-((x - 0.35 * width) ** 2 + (y - 0.5 * height) ** 2) / 3000)
    t = np.arange(pupil.size)[:, None, None]
    size = np.nan_to_num(pupil, nan=28.0)[:, None, None] / 5.0
    reach = movement[:, None, None]
    eye = np.hypot(x - 0.62 * width, (y - 0.33 * height) * 1.2)
    paw = np.hypot(x - 0.4 * width - 6 * reach * np.sin(t), y - 0.78 * height + 8 * reach)
    picture = np.where(eye < 13, 120.0, ground)
    picture = np.where(eye < size, 28.0, picture)
    picture = np.where(paw < 9, 200.0, picture)
    grain = 3 * np.sin(12.9898 * x + 78.233 * y + 1.7 * t)
    frames: Array = np.clip(picture + grain, 16, 235).astype(np.uint8)
    return frames


class _Bits:
    """Bits of an H.264 header, with its variable-length numbers."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, width: int) -> _Bits:
        self.text += f"{value:0{width}b}"
        return self

    def number(self, *values: int) -> _Bits:
        for value in values:  # Exp-Golomb: as many zeros as there are bits after the first
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def unit(self, head: int, *, stop: bool = True) -> bytes:
        """Return a NAL unit: padded, and with no run of zeros that looks like a start code."""
        text = self.text + ("1" if stop else "")
        text += "0" * (-len(text) % 8)
        body, zeros = bytearray([head]), 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                body.append(3)
                zeros = 0
            body.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(body)


def _parameter_sets(width: int, height: int) -> tuple[bytes, bytes]:
    sequence = _Bits().put(66, 8).put(0xC0, 8).put(30, 8)  # baseline profile, level 3
    sequence.number(0, 0, 2, 0).put(0, 1).number(width // BLOCK - 1, height // BLOCK - 1)
    sequence.put(0b1100, 4)  # whole frames; no cropping, no usability information
    picture = _Bits().number(0, 0).put(0, 2).number(0, 0, 0).put(0, 3).number(0, 0, 0).put(0, 3)
    return sequence.unit(0x67), picture.unit(0x68)


def _encode(frame: Array, index: int) -> bytes:
    """Return one picture as a NAL unit of plain macroblocks."""
    high, wide = frame.shape[0] // BLOCK, frame.shape[1] // BLOCK
    blocks = frame.reshape(high, BLOCK, wide, BLOCK).swapaxes(1, 2).reshape(high * wide, -1)
    plain = np.full((high * wide, 2 + BLOCK * BLOCK * 3 // 2), 128, np.uint8)  # colour: none
    plain[:, :2] = (0x0D, 0x00)  # macroblock type 25 (I_PCM), then zeros to the next byte
    plain[:, 2 : 2 + BLOCK * BLOCK] = blocks
    header = _Bits().number(0, 7, 0).put(0, 4).number(index % 2).put(0, 2).number(0, 25)
    # The first block's type is part of the header's bits, so its two bytes are left out.
    return header.unit(0x65, stop=False) + plain.tobytes()[2:] + b"\x80"


def _box(name: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name.encode()) + body


def _full(name: str, layout: str, *values: Any, flags: int = 0) -> bytes:
    return _box(name, struct.pack(">I" + layout, flags, *values))


_UNITY = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def _description(width: int, height: int) -> bytes:
    sequence, picture = _parameter_sets(width, height)
    config = b"\x01" + sequence[1:4] + b"\xff\xe1" + struct.pack(">H", len(sequence)) + sequence
    config += b"\x01" + struct.pack(">H", len(picture)) + picture
    entry = struct.pack(">6xH16x2H2I4xH32x2H", 1, width, height, 72 << 16, 72 << 16, 1, 24, 0xFFFF)
    return _box("stsd", struct.pack(">2I", 0, 1), _box("avc1", entry, _box("avcC", config)))


def write_mp4(path: Path, frames: Array, *, rate: float = 30.0) -> Path:
    """Write grey pictures as an ``.mp4`` film.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    frames : numpy.ndarray
        ``(n, height, width)`` uint8 from 16 to 235; height and width multiples of 16.
    rate : float
        Frames per second.

    Returns
    -------
    pathlib.Path
        The file.
    """
    n, height, width = frames.shape
    units = [_encode(frame, index) for index, frame in enumerate(frames)]
    samples = [struct.pack(">I", len(unit)) + unit for unit in units]
    tick = round(TICKS / rate)
    kind = _box("ftyp", b"isom", struct.pack(">I", 512), b"isomavc1mp41")
    start = len(kind) + 8
    sizes = [len(sample) for sample in samples]
    tables = _box(
        "stbl",
        _description(width, height),
        _full("stts", "3I", 1, n, tick),
        _full("stsc", "4I", 1, 1, n, 1),
        _full("stsz", f"2I{n}I", 0, n, *sizes),
        _full("stco", "2I", 1, start),
    )
    source = _box("dinf", _box("dref", struct.pack(">2I", 0, 1), _full("url ", "", flags=1)))
    media = _box(
        "mdia",
        _full("mdhd", "4I2H", 0, 0, TICKS, n * tick, 0x55C4, 0),
        _full("hdlr", "I4s13x", 0, b"vide"),
        _box("minf", _full("vmhd", "4H", 0, 0, 0, 0, flags=1), source, tables),
    )
    track = _box(
        "trak",
        _full("tkhd", "5I8x4H9I2I", 0, 0, 1, 0, n * tick, 0, 0, 0, 0, *_UNITY,
              width << 16, height << 16, flags=3),
        media,
    )  # fmt: skip
    film = _box(
        "moov",
        _full("mvhd", "4IIH10x9I24xI", 0, 0, TICKS, n * tick, 0x10000, 0x100, *_UNITY, 2),
        track,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kind + _box("mdat", *samples) + film)
    return path

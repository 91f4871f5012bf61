"""How many frames a film has, told by its table of contents: nothing of it is decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_BOXES = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})


def frames_in(path: Path) -> int | None:
    """Return the number of frames of a film.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    int or None
        None where it is no MP4 or QuickTime file with one picture track, or is harmed.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            tracks = [count for kind, count in _tracks(file, 0, end) if kind == b"vide"]
    except (OSError, struct.error, RecursionError):
        return None
    return tracks[0] if len(tracks) == 1 and tracks[0] else None


def _tracks(file: BinaryIO, start: int, end: int) -> list[tuple[bytes, int]]:
    """Return what each track is, and its number of samples."""
    out: list[tuple[bytes, int]] = []
    for kind, first, last in _boxes(file, start, end):
        if kind == b"moov":
            out += _tracks(file, first, last)
        elif kind == b"trak":
            out.append(_track(file, first, last))
    return out


def _track(file: BinaryIO, start: int, end: int) -> tuple[bytes, int]:
    handler, count = b"", 0
    for kind, first, last in _boxes(file, start, end):
        if kind in _BOXES:
            inner, samples = _track(file, first, last)
            handler, count = handler or inner, count or samples
        elif kind == b"hdlr" and not handler:
            file.seek(first + 8)
            handler = file.read(4)
        elif kind == b"stsz":
            file.seek(first + 8)
            (count,) = struct.unpack(">I", file.read(4))
    # A handler of data stands below that of the media, which is what counts.
    return handler, count


def _boxes(file: BinaryIO, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """Return the boxes between two places: kind, first byte of the content, end."""
    out: list[tuple[bytes, int, int]] = []
    while end - start >= 8 and len(out) < 10_000:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        first = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            first += 8
        elif not size:
            size = end - start
        if size < first - start or start + size > end:
            break
        out.append((kind, first, start + size))
        start += size
    return out

"""Small files that are there whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def write_whole(place: Path, text: str) -> Path:
    """Write a text in place of an earlier one; either is whole, whatever happens.

    Parameters
    ----------
    place : pathlib.Path
        Its folder has to be there.
    text : str
        Line ends are written as they are.

    Returns
    -------
    pathlib.Path
        The place.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    part = place.with_name(f".{uuid4().hex[:8]}.part")  # a name may be as long as names can be
    try:
        part.write_bytes(text.encode())
        os.replace(part, place)
    finally:
        part.unlink(missing_ok=True)
    return place

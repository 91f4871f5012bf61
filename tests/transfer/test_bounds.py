"""How long a file may become, by what is on record of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fascicle.errors import NotEnoughDisk, TruncatedError
from fascicle.transfer import Source
from fascicle.transfer.bounds import Room, most
from fascicle.transfer.parts import Part, Progress, Tag, read_note
from fascicle.transfer.spans import Spans

GIB = 1 << 30


@pytest.mark.parametrize(
    ("size", "hashed", "expected"),
    [(None, "", None), (None, "0", None), (10, "", 10), (10, "0", GIB + 10), (GIB, "0", 4 * GIB)],
)
def test_how_long_a_file_may_be(size: int | None, hashed: str, expected: int | None) -> None:
    assert most(Source("https://host/x", "", size, hashed, "md5" if hashed else "")) == expected


def test_what_is_refused(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    unknown = Room(Source("https://host/x"), tmp_path / "x", 0)
    assert unknown.refuses_length(1000, 0) is None
    assert isinstance(unknown.refuses_length(2 * free + GIB, 0), NotEnoughDisk)
    assert unknown.refuses_more(GIB, known=False) is None
    spared = Room(Source("https://host/x"), tmp_path / "x", 2 * free + GIB)
    assert spared.refuses_more(1000, known=False) is None  # asked now and then
    assert isinstance(spared.refuses_more(GIB, known=False), NotEnoughDisk)
    known = Room(Source("https://host/x", "", 10), tmp_path / "x", 0)
    assert isinstance(known.refuses_more(11, known=True), TruncatedError)
    assert isinstance(known.refuses_length(11, 0), TruncatedError)


def test_progress_of_a_file_of_many_terabytes_is_noted(tmp_path: Path) -> None:
    part = Part.begin(tmp_path / "x", Source("https://host/x", "v1"))
    done = Spans([(0, 10), (20, 50 << 40)])
    part.note(Progress(60 << 40, Tag(), done))
    part.close()
    note = read_note(part.path)
    assert note is not None and [*iter(note.done._spans)] == done._spans

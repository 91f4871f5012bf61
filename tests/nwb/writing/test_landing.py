"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fascicle.errors import ConversionError, FascicleError, NotEnoughDisk, WouldReplace
from fascicle.nwb.writing.landing import STALE, Landing, said


def land(target: Path, text: str = "new", *, overwrite: bool = False) -> None:
    with Landing(target, overwrite=overwrite) as landing:
        landing.part.write_text(text)
        landing.land()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_name_is_used_exactly_and_folders_are_made(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "my file.of.mine"
    land(target)
    assert target.read_text() == "new"
    assert names(target.parent) == ["my file.of.mine"]


def test_before_it_has_its_name_it_is_hidden_beside(tmp_path: Path) -> None:
    with Landing(tmp_path / "a.nwb") as landing:
        landing.part.write_text("x")
        (name,) = names(tmp_path)
        assert name.startswith(".a.nwb.") and name.endswith(".part")
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_after_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), Landing(tmp_path / "a.nwb") as landing:
        landing.part.write_text("x")
        raise error
    assert names(tmp_path) == []


def test_an_existing_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "a.nwb"
    target.write_text("old")
    with pytest.raises(WouldReplace) as caught:
        land(target)
    assert isinstance(caught.value, FileExistsError | FascicleError)
    assert isinstance(caught.value, FileExistsError)
    assert "overwrite" in caught.value.hint
    assert target.read_text() == "old"
    land(target, overwrite=True)
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.nwb"]


def test_one_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.nwb"
    with pytest.raises(WouldReplace), Landing(target) as landing:
        landing.part.write_text("mine")
        target.write_text("another's")
        landing.land()
    assert target.read_text() == "another's"
    assert names(tmp_path) == ["a.nwb"]


def test_an_old_file_stays_where_a_new_one_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.nwb"
    target.write_text("old")
    with pytest.raises(ValueError), Landing(target, overwrite=True) as landing:
        landing.part.write_text("x")
        raise ValueError
    assert target.read_text() == "old"


def test_a_link_to_nowhere_is_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").symlink_to(tmp_path / "nowhere")
    with pytest.raises(WouldReplace):
        land(tmp_path / "a.nwb")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").mkdir()
    with pytest.raises(ConversionError, match="is a folder"):
        land(tmp_path / "a.nwb", overwrite=True)


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConversionError, match="cannot be written"):
        land(tmp_path / "file" / "a.nwb")


def test_a_name_that_is_too_long_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="too long"):
        Landing(tmp_path / f"{'x' * 300}.nwb").__enter__()
    assert names(tmp_path) == []


def test_leftovers_of_the_dead_are_removed_and_no_others(tmp_path: Path) -> None:
    target = tmp_path / "a.nwb"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from fascicle.nwb.writing.landing import Landing\n"
        "for name in sys.argv[1:]:\n"
        "    landing = Landing(Path(name)).__enter__()\n"
        "    landing.part.write_text('left')\n"
        "os._exit(9)"
    )
    other, long = tmp_path / "a.nwb.nwb", tmp_path / f"{'x' * 200}.nwb"
    run = subprocess.run([sys.executable, "-c", program, str(target), str(other), str(long)])
    assert run.returncode == 9
    assert len(names(tmp_path)) == 3
    (tmp_path / ".a.nwb.mine.part").write_text("nobody's business")
    with Landing(target) as alive:  # of a process that lives, this one
        alive.part.write_text("x")
        land(tmp_path / "b.nwb")
        land(target)
        assert alive.part.exists()
    left = names(tmp_path)
    assert [name for name in left if name.startswith(".a.nwb.") and "nwb.nwb" not in name] == [
        ".a.nwb.mine.part"
    ]
    assert len(left) == 5
    land(long)
    land(other)
    assert names(tmp_path) == sorted([".a.nwb.mine.part", "a.nwb", "a.nwb.nwb", "b.nwb", long.name])


def test_old_leftovers_of_other_machines_are_removed(tmp_path: Path) -> None:
    young, old = (tmp_path / f".a.nwb.elsewhere.12.0000000{n}.part" for n in (1, 2))
    for path in (young, old):
        path.write_text("x")
    long_ago = time.time() - STALE - 60
    os.utime(old, (long_ago, long_ago))
    land(tmp_path / "a.nwb")
    assert names(tmp_path) == [young.name, "a.nwb"]


def test_files_beside_it_get_their_names_with_it(tmp_path: Path) -> None:
    video = tmp_path / "source" / "left.mp4"
    video.parent.mkdir()
    video.write_bytes(b"frames")
    out = tmp_path / "out"
    with pytest.raises(ValueError), Landing(out / "a.nwb") as landing:
        landing.copy(video, out / "a" / "left.mp4")
        raise ValueError
    assert names(out / "a") == []
    with Landing(out / "a.nwb") as landing:
        landing.part.write_text("x")
        landing.copy(video, out / "a" / "left.mp4")
        landing.land()
    assert (out / "a" / "left.mp4").read_bytes() == b"frames"
    assert names(out) == ["a", "a.nwb"]
    assert names(out / "a") == ["left.mp4"]


def test_a_file_beside_it_is_not_replaced(tmp_path: Path) -> None:
    video, there = tmp_path / "left.mp4", tmp_path / "out" / "left.mp4"
    there.parent.mkdir()
    video.write_bytes(b"frames")
    there.write_bytes(b"another's frames")
    with pytest.raises(WouldReplace), Landing(tmp_path / "out" / "a.nwb") as landing:
        landing.copy(video, there)
    assert there.read_bytes() == b"another's frames"
    with Landing(tmp_path / "out" / "a.nwb", overwrite=True) as landing:
        landing.part.write_text("x")
        landing.copy(video, there)
        landing.land()
    assert there.read_bytes() == b"frames"


def test_what_is_said_of_it_comes_after_it(tmp_path: Path) -> None:
    target, report = tmp_path / "a.nwb", tmp_path / "a.json"
    report.write_text("of an old one")
    with pytest.raises(WouldReplace), Landing(target) as landing:
        landing.part.write_text("mine")
        landing.after(report).write_text("of mine")
        target.write_text("another's")
        landing.land()
    assert report.read_text() == "of an old one"
    with Landing(target, overwrite=True) as landing:
        landing.part.write_text("mine")
        landing.after(report).write_text("of mine")
        landing.land()
    assert report.read_text() == "of mine"
    assert names(tmp_path) == ["a.json", "a.nwb"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), NotEnoughDisk),
        (OSError(122, "Disk quota exceeded"), NotEnoughDisk),
        (OSError("Can't write data (errno = 28, error message = 'No space left')"), NotEnoughDisk),
        (PermissionError(13, "Permission denied"), ConversionError),
        (OSError(30, "Read-only file system"), ConversionError),
        (OSError(5, "Input/output error"), OSError),
    ],
)
def test_what_the_system_says_is_said(
    error: OSError, kind: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught, said(tmp_path / "a.nwb"):
        raise error
    if kind is not OSError:
        assert "a.nwb" in str(caught.value)

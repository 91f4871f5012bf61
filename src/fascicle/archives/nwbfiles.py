"""The NWB files of a folder: what each says of its session, kept while it looks the same."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from hashlib import blake2b, sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle import settings
from fascicle.alf import spec
from fascicle.archives.layout import write_whole
from fascicle.errors import FascicleError, MissingExtraError

if TYPE_CHECKING:
    from fascicle.formats.nwb.described import Described

HIDDEN = ".fascicle"
_TABLES = ("sessions.pqt", "datasets.pqt")
_SESSION = re.compile(r"(?:^|/)[^/]+/\d{4}-\d\d-\d\d/\d{1,3}(?:/|$)")
_INDEX = "files.json"
_KEPT = 3


class Held(NamedTuple):
    """A file, and how it looks.

    Attributes
    ----------
    name : str
        Its path relative to the folder, with forward slashes.
    size, mtime_ns, inode : int
    """

    name: str
    size: int
    mtime_ns: int
    inode: int


def holds_nwb(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder is one of NWB files, or a path is that of one.

    It has no index of ALF data, at least one NWB file, and no ALF file in a session's folder.
    """
    root = Path(folder).expanduser()
    if root.suffix == ".nwb" and root.is_file():
        return True
    if not root.is_dir() or (root / HIDDEN / "log").is_dir():
        return False
    if any((root / name).exists() for name in _TABLES):
        return False
    found = False
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found = found or any(name.endswith(".nwb") for name in names)
        if _SESSION.search(f"{Path(where).relative_to(root).as_posix()}/") and any(
            spec.parse_name(name) for name in names
        ):
            return False
    return found


def files_in(root: Path) -> list[Held]:
    """Return the NWB files of a folder, or the one that a path is, sorted by name.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    """
    if root.suffix == ".nwb" and root.is_file():
        return [_held(root.name, os.stat(root))]
    return sorted(_walk(root, ""))


def _walk(root: Path, below: str) -> Iterator[Held]:
    with os.scandir(root / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, f"{name}/")
            elif entry.name.endswith(".nwb") and entry.is_file():
                yield _held(name, entry.stat())


def _held(name: str, stat: os.stat_result) -> Held:
    return Held(name, stat.st_size, stat.st_mtime_ns, stat.st_ino)


def recipe() -> str:
    """Return what descriptions and values depend on beside the files: the mapping, and our code."""
    from fascicle.formats.nwb import described, mapping

    text = Path(mapping.__file__).with_name("alf.toml").read_bytes()
    return f"{described.FORMAT}-{blake2b(text, digest_size=6).hexdigest()}"


def homes(root: Path) -> list[Path]:
    """Return where what is derived of a folder may be kept: in it, or in the user's cache."""
    folder = root.parent if root.suffix == ".nwb" else root
    return [folder / HIDDEN / "nwb", settings.cache_dir() / "nwb" / key_of(root)]


def key_of(place: str | os.PathLike[str]) -> str:
    """Return a name for what is kept of a place in the user's cache."""
    return sha1(os.fsencode(os.path.abspath(place)), usedforsecurity=False).hexdigest()[:20]


def drop_old(folders: Sequence[Path]) -> None:
    """Remove the catalogues of states that a folder had before, but the last few."""
    for folder in folders:
        with contextlib.suppress(OSError):
            found = [(e.stat().st_mtime_ns, e.path) for e in os.scandir(folder / "catalogues")]
            for _, path in sorted(found)[:-_KEPT]:
                shutil.rmtree(path, ignore_errors=True)


class Descriptions:
    """What the files of a folder say, from where it is kept, or else from the files.

    Parameters
    ----------
    root : pathlib.Path
    folders : sequence of pathlib.Path
        Where it may be kept, the best place first.
    """

    def __init__(self, root: Path, folders: Sequence[Path]) -> None:
        self.root, self.folders = root, folders

    def of(self, files: Sequence[Held]) -> tuple[dict[str, Described], dict[str, str]]:
        """Return what each file says, and why the others cannot be read.

        Returns
        -------
        described : dict of str to Described
        damaged : dict of str to str
        """
        from fascicle.formats.nwb.described import Described

        known = self._kept()
        described: dict[str, Described] = {}
        damaged: dict[str, str] = {}
        rows = []
        new = [file for file in files if (file.name, *file[1:]) not in known]
        bar = _bar(len(new))
        for file in files:
            row = known.get((file.name, *file[1:]))
            if row is None:
                row = self._read(file)
                bar.update()
            if "error" in row:
                damaged[file.name] = row["error"]
            else:
                described[file.name] = Described(**row["said"])
            rows.append({"file": list(file), **row})
        bar.close()
        if new or len(known) != len(files):
            self._keep(rows)
        return described, damaged

    def _read(self, file: Held) -> dict[str, Any]:
        from fascicle.formats.nwb import NwbFile
        from fascicle.formats.nwb.described import describe
        from fascicle.formats.nwb.guard import HARM

        path = self.root if self.root.suffix == ".nwb" else self.root / file.name
        try:
            with NwbFile(path, name=file.name) as opened:
                return {"said": describe(opened, name=file.name).plain()}
        except MissingExtraError:
            raise
        except (FascicleError, *HARM) as error:
            said = error.message if isinstance(error, FascicleError) else repr(error)
            return {"error": said.partition("\n")[0]}

    def _kept(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                kept = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
                if kept["recipe"] != recipe():
                    continue
                lists = kept["datasets"]
                out = {}
                for row in kept["files"]:
                    if "said" in row:
                        row["said"]["datasets"] = lists[row["said"]["datasets"]]
                    out[tuple(row.pop("file"))] = row
                return out
        return {}

    def _keep(self, rows: list[dict[str, Any]]) -> None:
        numbers: dict[tuple[str, ...], int] = {}
        plain = []
        for row in rows:
            if "said" in row:
                paths = tuple(row["said"]["datasets"])
                said = {**row["said"], "datasets": numbers.setdefault(paths, len(numbers))}
                row = {**row, "said": said}
            plain.append(row)
        lists = [list(paths) for paths in numbers]
        text = json.dumps({"recipe": recipe(), "datasets": lists, "files": plain})
        for folder in self.folders:
            with contextlib.suppress(OSError):
                write_whole(folder / _INDEX, text)
                return


def _bar(total: int) -> Any:
    from tqdm import tqdm

    shown = settings.show_progress() and total > 20
    return tqdm(total=total, desc="NWB files", unit="file", disable=not shown, file=sys.stderr)

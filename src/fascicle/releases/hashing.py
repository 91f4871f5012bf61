"""Checksums of a folder's files: one read for all of them, and none for what has not changed."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from fascicle import settings
from fascicle.catalogue.scan import is_racy
from fascicle.errors import ChangedFile
from fascicle.transfer.ledger import HIDDEN

#: Bytes of one read.
BLOCK = 1 << 20
_CHUNK = 32
_FORMAT = 1
#: Seconds after which checksums are noted, so that an interrupted run need not repeat them.
_PATIENCE = 60.0


class Digests(NamedTuple):
    """A file's checksums, in hexadecimal digits.

    Attributes
    ----------
    size : int
        Length in bytes.
    md5, sha256, blake2b : str
        For ONE's tables; for fascicle; for AllenSDK.
    """

    size: int
    md5: str
    sha256: str
    blake2b: str


class _Known(NamedTuple):
    stat: tuple[int, int, int, int]
    digests: Digests


def digests_of(data: bytes) -> Digests:
    """Return the checksums of bytes in memory."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    sha256, blake2b = hashlib.sha256(data).hexdigest(), hashlib.blake2b(data).hexdigest()
    return Digests(len(data), md5, sha256, blake2b)


def file_digests(path: Path | str) -> tuple[tuple[int, int, int, int], Digests]:
    """Read a file once; return what it looked like, and its checksums.

    Raises
    ------
    ChangedFile
        If it is written to at the same time.
    OSError
        If it cannot be read.
    """
    with open(path, "rb", buffering=0) as f:
        seen = _stat(os.fstat(f.fileno()))
        md5 = hashlib.md5(usedforsecurity=False)
        sha256, blake2b = hashlib.sha256(), hashlib.blake2b()
        size = 0
        while block := f.read(BLOCK):
            size += len(block)
            for running in (md5, sha256, blake2b):
                running.update(block)
        after = _stat(os.fstat(f.fileno()))
    if seen != after or size != seen[0]:
        raise ChangedFile(
            f"{path} changed while it was read", hint="publish again when nobody writes to it"
        )
    return seen, Digests(size, md5.hexdigest(), sha256.hexdigest(), blake2b.hexdigest())


def _stat(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & ((1 << 63) - 1)


class HashCache:
    """What is known of the checksums of a folder's files, kept in its hidden folder.

    A folder that cannot be written has them in the user's cache instead.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of recordings.
    keep : bool
        Whether they may be kept in the folder; else they go to the user's cache.

    Attributes
    ----------
    read : int
        Files that had to be read in this run.
    bytes : int
        Their bytes.
    """

    def __init__(self, folder: Path, *, keep: bool = True) -> None:
        self.folder = folder
        self.keep = keep
        self.read = 0
        self.bytes = 0
        self._known: dict[str, _Known] = {}
        for path in reversed(self._places()):
            self._known |= _load(path)
        self._changed = False

    def _places(self) -> list[Path]:
        key = hashlib.sha1(os.fsencode(self.folder.resolve()), usedforsecurity=False).hexdigest()
        return [
            self.folder / HIDDEN / "hashes.npz",
            settings.cache_dir() / "hashes" / f"{key}.npz",
        ]

    def digests(
        self, paths: Iterable[str], *, progress: bool = False, threads: int | None = None
    ) -> dict[str, Digests]:
        """Return the checksums of files, by their paths in the folder.

        Parameters
        ----------
        paths : iterable of str
            With forward slashes.
        progress : bool
            Show a bar on stderr.
        threads : int, optional
            Files that are read at once.

        Raises
        ------
        OSError, ChangedFile
            If one cannot be read, or is written to.
        """
        started = time.time_ns()
        found: dict[str, Digests] = {}
        todo = []
        root = str(self.folder)
        for path in paths:
            known = self._known.get(path)
            if known is not None and known.stat == _stat(os.stat(f"{root}/{path}")):
                found[path] = known.digests
            else:
                todo.append(path)
        if todo:
            try:
                self._read(todo, found, started, progress=progress, threads=threads)
            finally:
                self.save()
        return found

    def _read(
        self,
        todo: list[str],
        found: dict[str, Digests],
        started: int,
        *,
        progress: bool,
        threads: int | None,
    ) -> None:
        from tqdm import tqdm

        root = str(self.folder)

        def several(paths: list[str]) -> list[tuple[tuple[int, int, int, int], Digests]]:
            return [file_digests(f"{root}/{path}") for path in paths]

        chunks = [todo[k : k + _CHUNK] for k in range(0, len(todo), _CHUNK)]
        saved = time.monotonic()
        with (
            ThreadPoolExecutor(threads or min(8, (os.cpu_count() or 1) + 2)) as pool,
            tqdm(total=len(todo), desc="checksums", unit="file", disable=not progress) as bar,
        ):
            for paths, rows in zip(chunks, pool.map(several, chunks), strict=True):
                for path, (seen, digests) in zip(paths, rows, strict=True):
                    found[path] = digests
                    self.read += 1
                    self.bytes += digests.size
                    # A file written just now could change again without its times moving.
                    if not is_racy(max(seen[1], seen[2]), started):
                        self._known[path] = _Known(seen, digests)
                        self._changed = True
                bar.update(len(paths))
                if time.monotonic() - saved > _PATIENCE:
                    self.save()
                    saved = time.monotonic()

    def newest(self, paths: Iterable[str]) -> int:
        """Return when the newest of some files was written, in nanoseconds since 1970."""
        root = str(self.folder)
        return max((os.stat(f"{root}/{path}").st_mtime_ns for path in paths), default=0)

    def save(self) -> None:
        """Write what is known, to where that can be done."""
        if not self._changed:
            return
        for path in self._places()[0 if self.keep else 1 :]:
            try:
                _save(path, self._known)
            except OSError:  # read-only, or no room: then they are computed again
                continue
            self._changed = False
            return


def _save(path: Path, known: Mapping[str, _Known]) -> None:
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    names = "\0".join(known).encode("utf-8", "surrogateescape")
    rows = known.values()
    sums = bytes.fromhex("".join(f"{d.md5}{d.sha256}{d.blake2b}" for _, d in rows))
    try:
        with part.open("xb") as f:
            np.savez(
                f,
                format=np.array([_FORMAT]),
                names=np.frombuffer(names, np.uint8),
                stats=np.array([row.stat for row in rows], np.int64).reshape(-1, 4),
                sums=np.frombuffer(sums, np.uint8).reshape(-1, 112),
            )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _load(path: Path) -> dict[str, _Known]:
    if not path.is_file():
        return {}
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            if stored["format"].tolist() != [_FORMAT]:
                return {}
            names = stored["names"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            stats = stored["stats"].tolist()
            sums = stored["sums"]
        if sums.shape != (len(stats), 112) or sums.dtype != np.uint8:
            return {}
        text = sums.tobytes().hex()
        rows = {}
        for k, (name, stat) in enumerate(zip(names, stats, strict=True)):
            one = text[224 * k : 224 * (k + 1)]
            rows[name] = _Known(
                (stat[0], stat[1], stat[2], stat[3]),
                Digests(stat[0], one[:32], one[32:96], one[96:]),
            )
        return rows
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}  # harmed: the files are read again

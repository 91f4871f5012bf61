"""Checksums of files, several at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fascicle.catalogue.columns import Columns
from fascicle.catalogue.schema import HAS_HASH, ODD_HASH

_THREADS = 4
_CHUNK = 64
_BLOCK = 1 << 20


def file_md5(path: str) -> bytes | str:
    """Return the 16 bytes of a file's md5, or, as text, why it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as f:
            block = f.read(_BLOCK)
            h = md5(block, usedforsecurity=False)
            while len(block) == _BLOCK:
                block = f.read(_BLOCK)
                h.update(block)
            return h.digest()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _digests(paths: list[str]) -> list[bytes | str]:
    return [file_md5(p) for p in paths]


def digests(paths: list[str], *, progress: bool = False) -> Iterator[bytes | str]:
    """Yield the md5 of each file, or why it cannot be read, in order.

    Parameters
    ----------
    paths : list of str
    progress : bool
        Show a bar on stderr.
    """
    chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        tqdm(total=len(paths), desc="Hashing", unit="file", disable=not progress) as bar,
    ):
        for found in pool.map(_digests, chunks):
            yield from found
            bar.update(len(found))


class Hasher:
    """Fills in hashes of columns; a file is read once however often it is asked for."""

    def __init__(self, root: Path, *, progress: bool) -> None:
        self.root, self.progress = root, progress
        self.known: dict[str, bytes] = {}

    def fill(self, columns: Columns, rows: NDArray[np.intp]) -> list[tuple[str, str]]:
        """Put the md5 of some rows in place; return (path, reason) of what cannot be read."""
        problems = []
        sessions, paths = columns.sessions, columns.paths
        wanted = [
            f"{sessions[n].path}/{paths[p]}"
            for n, p in zip(
                columns.session[rows].tolist(), columns.path[rows].tolist(), strict=True
            )
        ]
        todo = [p for p in wanted if p not in self.known]
        full = [f"{self.root}/{p}" for p in todo]
        found = dict(zip(todo, digests(full, progress=self.progress), strict=True)) if todo else {}
        for row, path in zip(rows.tolist(), wanted, strict=True):
            digest = self.known.get(path) or found[path]
            columns.odd_hashes.pop(row, None)
            columns.flags[row] &= 0xFF & ~(HAS_HASH | ODD_HASH)
            if isinstance(digest, bytes):
                self.known[path] = digest
                columns.records["hash"][row] = np.void(digest)
                columns.flags[row] |= HAS_HASH
            else:
                problems.append((path, digest))
        return problems

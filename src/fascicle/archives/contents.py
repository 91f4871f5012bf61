"""The checksum of a file that is here, computed once for as long as the file looks the same."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from fascicle import settings
from fascicle.transfer.hashes import file_digest
from fascicle.transfer.ledger import Ledger, Row, relative

# Reading more than this takes long enough that the answer is kept for other processes.
_LARGE = 8 << 20
# A file changed this recently (ns) may change again without looking different.
_SETTLED = 2_000_000_000

_known: dict[tuple[str, str], tuple[tuple[int, ...], str]] = {}


def looks(file: str | os.PathLike[str]) -> tuple[int, int, int]:
    """Return size, time of the last change (ns) and inode of a file.

    Raises
    ------
    OSError
        If it is not here.
    """
    stat = os.stat(file)
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def digest_of(
    file: str | os.PathLike[str], algorithm: str, *, stores: Iterable[Path | None] = ()
) -> str:
    """Return the checksum of a file in hexadecimal digits.

    Parameters
    ----------
    file : path-like
    algorithm : str
        Such as ``sha256``.
    stores : iterable of pathlib.Path, optional
        Stores that the file may be in: what was verified there is believed while the file looks
        as it did then.

    Raises
    ------
    OSError
        If the file cannot be read.
    ConfigurationError
        If nothing here computes that checksum.
    """
    path = os.path.abspath(file)
    # A file can be given its old time again, but not the time of that change.
    changed = os.stat(path).st_ctime_ns
    seen = looks(path)
    known = _known.get((path, algorithm))
    if known and known[0] == (*seen, changed):
        return known[1]
    kept = settings.cache_dir() / "contents"
    found = _recorded(path, algorithm, seen, stores, kept)
    if not found:
        found = file_digest(path, algorithm)
        if looks(path) != seen:
            return file_digest(path, algorithm)  # written to meanwhile: true now, not to be kept
        if seen[0] >= _LARGE and time.time_ns() - seen[1] > _SETTLED:
            row = Row(path, *seen, algorithm, found, "verified")
            with contextlib.suppress(OSError):
                Ledger(kept).add([row])
    if time.time_ns() - seen[1] > _SETTLED:
        _known[path, algorithm] = (*seen, changed), found
    return found


def _recorded(
    path: str,
    algorithm: str,
    seen: tuple[int, int, int],
    stores: Iterable[Path | None],
    kept: Path,
) -> str:
    for store in (*stores, kept):
        if store is None:
            continue
        name = path
        if store is not kept:
            with contextlib.suppress(ValueError):
                name = relative(Path(path), store)
        row = Ledger(store).find(name)
        if (
            row is not None
            and row.state == "verified"
            and row.algorithm == algorithm
            and (row.size, row.mtime_ns, row.inode) == seen
        ):
            return row.hash
    return ""

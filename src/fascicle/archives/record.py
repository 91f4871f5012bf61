"""What an analysis loads, noted file by file as it is handed out.

Nothing is noted unless it is asked for: by ``fascicle.recording()``, or by the variable
``FASCICLE_RECORD``, which names a folder. Each process, children included, appends a line of JSON
for each file to a file of its own there, as it hands the file out, so that a crash loses nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fascicle.archives.watch import RECORD
from fascicle.errors import ConfigurationError, LockError

# The fields of a use that tell one file from another come first.
_KEY = 9


class Use(NamedTuple):
    """One file that was handed out.

    Attributes
    ----------
    archive, kind, version, project, state : str
        The archive: its name without the version, what kind it is, the version of a release, its
        project, and the state of a folder's index.
    session, eid : str
        Path and id of the session; empty for a file of none.
    path : str
        Relative to the session, or else to the release.
    id : str
        The dataset's id, empty where it has none.
    hash, algorithm : str
        Its checksum on record; empty where none is.
    size : int or None
        Its size on record.
    url : str
        Where its bytes come from.
    file : str
        Where it is on this machine.
    sure : bool
        Whether that file is known to have the checksum on record.
    seen : tuple of int
        Size, time of the last change in ns, and inode of the file as it was handed out.
    about : dict
        What the archive says of how to cite it: title, license, doi, url, citation, authors.
    """

    archive: str
    kind: str
    version: str = ""
    project: str = ""
    state: str = ""
    session: str = ""
    eid: str = ""
    path: str = ""
    id: str = ""
    hash: str = ""
    algorithm: str = ""
    size: int | None = None
    url: str = ""
    file: str = ""
    sure: bool = False
    seen: tuple[int, int, int] | None = None
    about: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The path with the session's."""
        return f"{self.session}/{self.path}" if self.session else self.path

    @property
    def label(self) -> str:
        """The archive's name with the version."""
        if not self.version or self.archive.endswith(".json"):  # a manifest's address says which
            return self.archive
        return f"{self.archive}@{self.version}"

    def at(self, file: str | os.PathLike[str]) -> Use:
        """Return the same with the file on this machine, as it looks now."""
        stat = os.stat(file)
        seen = stat.st_size, stat.st_mtime_ns, stat.st_ino
        return self._replace(file=os.path.abspath(file), seen=seen)


def public(address: str) -> str:
    """Return an address without what it may say of who asks: names, passwords, signatures.

    Examples
    --------
    >>> public("https://ada:secret@host/a/manifest.json?signature=1")
    'https://host/a/manifest.json'
    """
    scheme, mark, rest = address.partition("://")
    if not mark or scheme == "file":
        return address
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def folders() -> list[str]:
    """Return the folders that are written to: none, unless it was asked for."""
    given = os.environ.get(RECORD)
    return [p for p in given.split(os.pathsep) if p] if given else []


def note(uses: Iterable[Use]) -> None:
    """Note files that were handed out, each once in a process.

    Raises
    ------
    ConfigurationError
        If a folder that ``FASCICLE_RECORD`` names cannot be written.
    """
    found = list(uses)
    for folder in folders():
        _writer(folder).add(found)


class _Writer:
    """Appends to one file of one process."""

    def __init__(self, folder: str) -> None:
        self.pid = os.getpid()
        self._known: set[tuple[Any, ...]] = set()
        self._lock = threading.Lock()
        try:
            os.makedirs(os.path.expanduser(folder), exist_ok=True)
            self._file, _ = tempfile.mkstemp(
                prefix=f"{self.pid}-", suffix=".jsonl", dir=os.path.expanduser(folder)
            )
        except OSError as error:
            raise ConfigurationError(
                f"{RECORD} names {folder}, where nothing can be written: {error.strerror}",
                hint=f"name a folder that can be written, or unset {RECORD}",
            ) from error

    def add(self, uses: Iterable[Use]) -> None:
        with self._lock:
            lines = []
            for use in uses:
                key = (*use[:_KEY], use.seen)
                if key not in self._known:
                    self._known.add(key)
                    lines.append(json.dumps(use._asdict(), separators=(",", ":")) + "\n")
            if lines:
                # Straight to the system: what a process wrote before it was killed is there.
                os.write(self._file, "".join(lines).encode())

    def close(self) -> None:
        os.close(self._file)


_writers: dict[str, _Writer] = {}
_making = threading.Lock()


def _writer(folder: str) -> _Writer:
    with _making:
        writer = _writers.get(folder)
        if writer is None or writer.pid != os.getpid():  # a forked child has a file of its own
            writer = _writers[folder] = _Writer(folder)
        return writer


def forget(folder: str) -> None:
    """Write no more to a folder."""
    with _making:
        writer = _writers.pop(folder, None)
    if writer is not None and writer.pid == os.getpid():
        writer.close()


def _after_fork() -> None:
    # A lock that another thread held while this process was forked would never be given back.
    global _making
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def read_uses(folder: Path) -> list[Use]:
    """Return what processes noted in a folder, each file once.

    Raises
    ------
    LockError
        If the folder has what no process of fascicle wrote.
    """
    found: dict[tuple[Any, ...], Use] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for use in _lines(file):
            key = (*use[:_KEY], use.hash, use.seen)
            if key not in found or (use.sure and not found[key].sure):
                found[key] = use
    return list(found.values())


def _lines(file: Path) -> Iterator[Use]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return  # a process that was killed, or writes still
            try:
                values = json.loads(line)
                seen = values.pop("seen", None)
                if seen is not None:
                    size, time, inode = map(int, seen)
                    seen = size, time, inode
                yield Use(**values, seen=seen)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise LockError(
                    f"line {number} of {file} is no record of a load",
                    hint="the folder has to be one that FASCICLE_RECORD named",
                ) from error

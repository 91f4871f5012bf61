"""A folder tree becomes a listing: sessions, their datasets, and what is neither, with the reason.

One pass of ``os.scandir``; the text of a name is judged once however often it occurs. More threads
help only where each folder costs a round trip (cold or network disks), so they start only there.
"""

from __future__ import annotations

import os
import re
import stat
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date as Date
from hashlib import md5
from pathlib import Path

from fascicle.alf import spec
from fascicle.catalogue.schema import HIDDEN

#: How the reasons begin of what may well be there.
UNREADABLE = "cannot be read"
#: The reason where a file has the name of a dataset, and its content is elsewhere or nowhere.
DANGLING = "a link to a file that is not there"
_NO_SESSION = "is no session folder of the convention"
_NO_COLLECTION = "is no collection with an optional #revision# at its end"
_NO_DATE = "is no date of the calendar"
_TWIN = "names the same session as"
#: What reasons say of files that may be datasets, in folders that are not as they should be.
LOST = (_NO_SESSION, _NO_COLLECTION, _NO_DATE, _TWIN)
_UP = "a link to a folder above it"
_OWN = frozenset({"sessions.pqt", "datasets.pqt", "insertions.pqt", "cache_info.json", HIDDEN})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_SLOW_SESSION = 0.003  # seconds; above this a folder is waiting for a disk or a network
_THREADS = 16
_63_BITS = (1 << 63) - 1

#: size, mtime_ns, ctime_ns, inode of each file
STATS_PER_FILE = 4


@dataclass(slots=True)
class FoundSession:
    """A session folder and the datasets in it, sorted by path."""

    lab: str
    subject: str
    date: Date
    number: int
    path: str
    problem: str = ""
    rel_paths: list[str] = field(default_factory=list)
    stats: array[int] = field(default_factory=lambda: array("q"))
    rejected: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Listing:
    """All that one pass over a folder found.

    Attributes
    ----------
    sessions : list of FoundSession
        In the order of their paths.
    rejected : list of (str, str)
        Path relative to the root, and why it is no dataset.
    digest : str
        Changes when any dataset does; empty where some file was written so shortly before the
        scan that a later change could carry the same time stamp.
    started_ns : int
        Time at which the pass began.
    """

    sessions: list[FoundSession]
    rejected: list[tuple[str, str]]
    digest: str
    started_ns: int

    @property
    def n_files(self) -> int:
        """Return the number of datasets."""
        return sum(len(s.rel_paths) for s in self.sessions)


#: Which of a file's times tells of every change: where mtime can be set back, ctime cannot.
CLOCK = 1 if os.name == "nt" else 2


def is_racy(time_ns: int, started_ns: int) -> bool:
    """Return whether a file could be changed again without its time stamp moving.

    Clocks of file systems tick every few milliseconds, some (FAT, old NFS) every two seconds.

    Parameters
    ----------
    time_ns : int
        The file's time that is at ``CLOCK`` among its stats.
    started_ns : int
        When it was looked at.
    """
    tick = 2_000_000_000 if time_ns % 1_000_000_000 == 0 else 20_000_000
    return time_ns > started_ns - tick


def scan(root: Path) -> Listing:
    """List the sessions and datasets below a folder.

    Parameters
    ----------
    root : pathlib.Path
        The folder that holds ``lab/Subjects/subject/date/number`` or ``subject/date/number``,
        at any depth.

    Returns
    -------
    Listing
    """
    started = time.time_ns()
    rejected: list[tuple[str, str]] = []
    folders = list(_session_folders(str(root), rejected))
    judge = _Judge()
    sessions = _scan_all(str(root), folders, judge)
    for s in sessions:
        rejected.extend(s.rejected)
    sessions = _drop_twins([s for s in sessions if not s.problem], rejected)
    rejected = sorted((_readable(path), reason) for path, reason in rejected)
    return Listing(sessions, rejected, _digest(sessions, started), started)


def _readable(path: str) -> str:
    """Return a path that can be printed: bytes that are no UTF-8 as escapes."""
    return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")


def _digest(sessions: list[FoundSession], started: int) -> str:
    h = md5(usedforsecurity=False)
    for s in sessions:
        h.update("\n".join((s.path, *s.rel_paths)).encode())
        h.update(s.stats)
        times = s.stats[CLOCK::STATS_PER_FILE]
        if times and is_racy(max(times), started):
            return ""
    return h.hexdigest()


def _drop_twins(
    sessions: list[FoundSession], rejected: list[tuple[str, str]]
) -> list[FoundSession]:
    """Keep one of the folders that name the same session, such as ``…/1`` and ``…/001``.

    That with three digits, then the one nearest to the root.
    """
    kept: dict[tuple[str, str, Date, int], FoundSession] = {}
    twins: dict[tuple[str, str, Date, int], list[FoundSession]] = {}
    for s in sessions:
        key = (s.lab, s.subject, s.date, s.number)
        if kept.setdefault(key, s) is not s:
            twins.setdefault(key, [kept[key]]).append(s)
    for key, several in twins.items():
        several.sort(key=_preference)
        kept[key] = several[0]
        reason = f"{_TWIN} {several[0].path}"
        for s in several[1:]:
            rejected.extend((f"{s.path}/{p}".rstrip("/"), reason) for p in s.rel_paths or [""])
    return list(kept.values())


def _preference(s: FoundSession) -> tuple[bool, int, str]:
    return len(s.path.rpartition("/")[2]) != 3, s.path.count("/"), s.path


def _entries(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(path) as it:
        return sorted(it, key=_by_name)


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _reason(error: OSError) -> str:
    return f"{UNREADABLE}: {error.strerror or error}"


def _session_folders(root: str, rejected: list[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    """Yield the parts of each session folder; note files that lie outside of all."""
    stack: list[tuple[tuple[str, ...], frozenset[str]]] = [((), frozenset())]
    while stack:
        parts, above = stack.pop()
        path = "/".join((root, *parts))
        try:
            entries = _entries(path)
        except OSError as error:
            rejected.append(("/".join(parts) or ".", _reason(error)))
            continue
        in_date = len(parts) >= 2 and _is_date(parts[-1])
        below = []
        for e in entries:
            if e.name == HIDDEN or (not parts and e.name in _OWN):
                continue
            here = (*parts, e.name)
            try:
                folder = e.is_dir()
            except OSError as error:
                rejected.append(("/".join(here), _reason(error)))
                continue
            target = _followed(e, above) if folder and e.is_symlink() else ""
            if not folder:
                rejected.append(("/".join(here), _outside(parts)))
            elif target is None:
                rejected.append(("/".join(here), _UP))
            elif in_date and _NUMBER.fullmatch(e.name):
                yield here
            else:
                below.append((here, above | {target} if target else above))
        stack.extend(reversed(below))


def _followed(link: os.DirEntry[str], above: frozenset[str]) -> str | None:
    """Return where a link to a folder leads; None where that is above it, or was on the way."""
    target = os.path.realpath(link.path)
    here = os.path.realpath(os.path.dirname(link.path))
    if target in above or here == target or here.startswith(target.rstrip(os.sep) + os.sep):
        return None
    return target


def _is_date(name: str) -> bool:
    if not _DATE.fullmatch(name):
        return False
    try:
        Date.fromisoformat(name)
    except ValueError:
        return False
    return True


def _outside(parts: tuple[str, ...]) -> str:
    for p in parts:
        if _DATE.fullmatch(p) and not _is_date(p):
            return f"{p} {_NO_DATE}"
    return "not in a session folder (subject/YYYY-MM-DD/number)"


class _Judge:
    """Says whether a name or a folder follows the convention, each text once."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.folders: dict[str, str] = {"": ""}

    def name(self, name: str) -> str:
        """Return why a file name is no dataset's, or an empty string."""
        problem = self.names.get(name)
        if problem is None:
            problem = self.names[name] = spec.name_problem(name) or _encodable(name)
        return problem

    def folder(self, folder: str) -> str:
        """Return why a folder within a session is no collection, or an empty string."""
        problem = self.folders.get(folder)
        if problem is None:
            if spec.parse_folder(folder) is None:
                problem = f"{folder!r} {_NO_COLLECTION}"
            else:
                problem = _encodable(folder)
            self.folders[folder] = problem
        return problem


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8"
    return ""


def _scan_all(root: str, folders: list[tuple[str, ...]], judge: _Judge) -> list[FoundSession]:
    found = []
    before = time.perf_counter()
    probe = min(len(folders), 16)
    for parts in folders[:probe]:
        found.append(_scan_session(root, parts, judge))
    rest = folders[probe:]
    if rest and (time.perf_counter() - before) / probe > _SLOW_SESSION:
        with ThreadPoolExecutor(_THREADS) as pool:
            found.extend(pool.map(lambda p: _scan_session(root, p, judge), rest))
    else:
        found.extend(_scan_session(root, p, judge) for p in rest)
    return found


def _scan_session(root: str, parts: tuple[str, ...], judge: _Judge) -> FoundSession:
    lab = parts[-5] if len(parts) >= 5 and parts[-4] == "Subjects" else ""
    path = "/".join(parts)
    session = FoundSession(lab, parts[-3], Date.fromisoformat(parts[-2]), int(parts[-1]), path)
    if spec.parse_session("/".join(parts[-5 if lab else -3 :])) is None:
        session.problem = f"{_readable(path)!r} {_NO_SESSION}"
    else:
        session.problem = _encodable(path)
    problem = session.problem
    add, rejected = session.rel_paths.append, session.rejected
    record, known = session.stats.extend, judge.names
    stack: list[tuple[str, frozenset[str]]] = [("", frozenset())]
    while stack:
        folder, above = stack.pop()
        try:
            entries = _entries(f"{root}/{path}/{folder}" if folder else f"{root}/{path}")
        except OSError as error:
            rejected.append((f"{path}/{folder}" if folder else path, _reason(error)))
            continue
        bad_folder = problem or judge.folder(folder)
        below = []
        for e in entries:
            name = e.name
            rel = f"{folder}/{name}" if folder else name
            try:
                if e.is_dir():
                    target = _followed(e, above) if e.is_symlink() else ""
                    if target is None:
                        rejected.append((f"{path}/{rel}", _UP))
                    else:
                        below.append((rel, above | {target} if target else above))
                    continue
                reason = bad_folder or (known[name] if name in known else judge.name(name))
                if not reason:
                    st = e.stat()
                    if not stat.S_ISREG(st.st_mode):
                        # Whoever opened a pipe to read it would wait for ever.
                        rejected.append((f"{path}/{rel}", "a pipe, socket or device"))
                        continue
                    add(rel)
                    inode = st.st_ino & _63_BITS or 1  # some systems give none; 0 means unseen
                    record((st.st_size, st.st_mtime_ns, st.st_ctime_ns, inode))
                    continue
            except FileNotFoundError:
                reason = DANGLING if e.is_symlink() else "went away"
            except OSError as error:
                reason = _reason(error)
            rejected.append((f"{path}/{rel}", reason))
        stack.extend(reversed(below))
    return session

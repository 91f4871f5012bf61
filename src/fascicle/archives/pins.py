"""Under a lock: only what a lock file names is loaded, and only if it is what it was.

``FASCICLE_LOCK`` names the file; `use_lock` sets it for this process and for those that it starts.
Searching stays as it is: a lock is about what is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from fascicle.archives.contents import digest_of
from fascicle.archives.record import Use
from fascicle.archives.watch import LOCK
from fascicle.errors import LockedError
from fascicle.formats.lock import Lock, LockedArchive, LockedFile, read_lock
from fascicle.transfer.hashes import plain_name

_LEAVE = (
    f"to leave the lock: unset {LOCK}, or fascicle.use_lock(None) in Python; "
    "to lock what is used now: fascicle lock -o {file} SCRIPT.py"
)

_Candidate = tuple[LockedArchive, LockedFile]


class Pins:
    """What a lock file allows.

    Parameters
    ----------
    lock : Lock
    file : path-like
        Where it lies, for messages.
    """

    def __init__(self, lock: Lock, file: str | os.PathLike[str]) -> None:
        self.lock = lock
        self.file = os.fspath(file)
        self._by_session: dict[tuple[str, str], list[_Candidate]] = {}
        self._by_eid: dict[tuple[str, str], list[_Candidate]] = {}
        self._by_content: dict[tuple[str, str], list[_Candidate]] = {}
        self._versions: dict[str, list[str]] = {}
        for archive, locked in lock.files():
            found = archive, locked
            self._by_session.setdefault((locked.session, locked.path), []).append(found)
            if locked.eid:
                self._by_eid.setdefault((locked.eid, locked.path), []).append(found)
            self._by_content.setdefault((locked.algorithm, locked.hash), []).append(found)
        for archive in lock.archives:
            for name in {archive.name, archive.project} - {""}:
                if archive.version:
                    self._versions.setdefault(name, []).append(archive.version)

    # -- versions ---------------------------------------------------------------------------------

    def versions(self, name: str, project: str = "") -> list[str]:
        """Return the versions of a release that the lock has; none if it does not have it."""
        return self._versions.get(name) or self._versions.get(project) or []

    def check_version(self, version: str, name: str, project: str = "") -> None:
        """Make sure that a version of a release may be used.

        A release of which the lock says nothing passes: its files will not.

        Raises
        ------
        LockedError
            If the lock has another version.
        """
        allowed = self.versions(name, project)
        if allowed and version not in allowed:
            self._refuse(
                f"version {version} of {project or name} is not the one in the lock {self.file}: "
                f"that is {' and '.join(allowed)}"
            )

    # -- files ------------------------------------------------------------------------------------

    def admit(self, uses: Iterable[Use]) -> None:
        """Make sure that files may be handed out, before any of them is fetched.

        Raises
        ------
        LockedError
            If one is not in the lock, or its archive says that its content is another.
        """
        for use in uses:
            self._admit(use)

    def _admit(self, use: Use) -> None:
        if use.version:
            self.check_version(use.version, use.archive, use.project)
        candidates = self._candidates(use)
        if not candidates:
            self._refuse(f"{use.name} of {use.label} is not in the lock {self.file}")
        if use.kind == "folder" or not use.hash:
            return  # what counts is the file that is there
        algorithm, digest = plain_name(use.algorithm), use.hash.lower()
        same_kind = [f for _, f in candidates if f.algorithm == algorithm]
        if len(same_kind) == len(candidates) and all(f.hash != digest for f in same_kind):
            self._refuse_content(use, candidates)

    def confirm(self, uses: Iterable[Use], *, stores: Sequence[Path | None] = ()) -> None:
        """Make sure that the files that are here have the content that the lock says.

        Raises
        ------
        LockedError
            If one has not.
        """
        for use in uses:
            self._confirm(use, stores)

    def _confirm(self, use: Use, stores: Sequence[Path | None]) -> None:
        candidates = self._candidates(use)
        size = use.seen[0] if use.seen else os.stat(use.file).st_size
        algorithm = plain_name(use.algorithm) if use.algorithm else ""
        for _, locked in candidates:
            if locked.size not in (None, size):
                continue
            if use.sure and locked.algorithm == algorithm:
                found = use.hash.lower()
            else:
                found = digest_of(use.file, locked.algorithm, stores=stores)
            if found == locked.hash:
                return
        self._refuse_content(use, candidates)

    def _candidates(self, use: Use) -> list[_Candidate]:
        """Return the files of the lock that a file may be: of its session, or of its release."""
        found = (use.eid and self._by_eid.get((use.eid, use.path))) or self._by_session.get(
            (use.session, use.path), []
        )
        found = [each for each in found if _may_be(each[0], use)]
        if found or not (use.version and use.hash):
            return found
        # Files of a release are also known by other names: by their session, or by their key.
        same = self._by_content.get((plain_name(use.algorithm), use.hash.lower()), [])
        return [each for each in same if each[0].version and _may_be(each[0], use)]

    def _refuse_content(self, use: Use, candidates: Sequence[_Candidate]) -> NoReturn:
        _, locked = candidates[0]
        self._refuse(
            f"{use.name} of {use.label} is not what it was when {self.file} was made: its "
            f"{locked.algorithm} was {locked.hash[:16]}…"
        )

    def _refuse(self, why: str) -> NoReturn:
        raise LockedError(why, hint=_LEAVE.format(file=self.file))


def _may_be(archive: LockedArchive, use: Use) -> bool:
    """Return whether an archive of the lock may be the one that a file comes from.

    Folders are moved and copied, so that their names say nothing; versions do.
    """
    if not (archive.version and use.version):
        return True
    same_place = archive.name == use.archive or (archive.project == use.project != "")
    return same_place and archive.version == use.version


# -- which lock counts -----------------------------------------------------------------------------

_read: dict[str, tuple[tuple[int, int, int], Pins]] = {}


def active() -> Pins | None:
    """Return what the lock that is in force allows, or None without one.

    Raises
    ------
    LockError
        If the file cannot be read.
    """
    given = os.environ.get(LOCK)
    if not given:
        return None
    path = os.path.abspath(os.path.expanduser(given))
    try:
        stat = os.stat(path)
        seen = stat.st_size, stat.st_mtime_ns, stat.st_ino
    except OSError:
        seen = (-1, 0, 0)  # reading it says what is wrong
    known = _read.get(path)
    if known is None or known[0] != seen:
        known = _read[path] = seen, Pins(read_lock(Path(path)), path)
    return known[1]


def locked_version(name: str, project: str = "") -> str:
    """Return the version of a release that the lock in force has, where it has one alone.

    Empty without a lock, or where it says nothing of that release.

    Parameters
    ----------
    name : str
        The place, without a version.
    project : str, optional
        The name of the project.
    """
    pins = active()
    versions = pins.versions(name, project) if pins else []
    return versions[0] if len(versions) == 1 else ""


class use_lock:
    """Hold this process, and those that it starts, to a lock file.

    It counts from the call on; as a context manager until the block ends.

    Parameters
    ----------
    file : path-like or None
        The lock file; None leaves the lock.

    Attributes
    ----------
    lock : Lock or None
        What the file says.

    Raises
    ------
    LockError
        If the file cannot be read, or is no lock file.

    Examples
    --------
    >>> fascicle.use_lock("fascicle.lock")  # doctest: +SKIP
    >>> with fascicle.use_lock("fascicle.lock"):  # doctest: +SKIP
    ...     session.load("trials")
    """

    def __init__(self, file: str | os.PathLike[str] | None) -> None:
        self._before = os.environ.get(LOCK)
        self.lock: Lock | None = None
        if file is None:
            os.environ.pop(LOCK, None)
            return
        path = Path(file).expanduser().absolute()
        self.lock = read_lock(path)
        os.environ[LOCK] = os.fspath(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is None:
            os.environ.pop(LOCK, None)
        else:
            os.environ[LOCK] = self._before

    def __repr__(self) -> str:
        if self.lock is None:
            return "<no lock>"
        return f"<lock of {len(self.lock)} files>"

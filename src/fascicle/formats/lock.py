"""Lock files: exactly which files of which archives an analysis used, as readable text.

A lock file is TOML. ``format``, ``fascicle`` (the version that wrote it), ``created`` and
``command`` come first; then an ``[[archives]]`` for each archive, with what it is called and how it
is cited, the files of it that belong to no session, and an ``[[archives.sessions]]`` for each
session, with one line for each dataset::

    [[archives.sessions]]
    eid = "4ecb5d24-f5cc-402c-be28-9d0f7cb14b3a"
    path = "zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001"
    datasets = [
      { path = "alf/trials.table.pqt", id = "…", size = 10351, hash = "md5:3be0…" },
    ]

The same content is always the same text, so that version control shows what changed. Lock files
come from elsewhere: all that one says is checked before any of it is believed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from fascicle.errors import LockError
from fascicle.formats.paths import path_problem

FORMAT = 1
#: A file with more bytes than this is refused before it is parsed.
MAX_BYTES = 64 * 2**20
_MAX_SIZE = 2**50
_MAX_TEXT = 4096
_HASH = re.compile(r"([a-z][a-z0-9_]{1,15}):([0-9a-f]{8,128})")
_KINDS = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_TEXTS = ("version", "project", "state", "title", "date", "license", "doi", "url", "citation")
_HEAD = """\
# What an analysis used, file by file. Keep it beside the analysis, under version control.
#   fascicle sync FILE                         bring exactly this to another machine
#   FASCICLE_LOCK=FILE python analysis.py      load this, and refuse anything else
#   fascicle cite FILE                         how to cite it
"""


@dataclass(frozen=True, slots=True)
class LockedFile:
    """One file that an analysis used.

    Attributes
    ----------
    session : str
        The session's path in its archive; empty for a file of no session, such as a table.
    path : str
        The file's path relative to the session, revision included; or else to the release.
    eid, id : str
        Ids of the session and of the dataset; empty where there is none.
    size : int or None
        Bytes; None where nobody said.
    algorithm, hash : str
        Its checksum in hexadecimal digits.
    """

    session: str
    path: str
    eid: str = ""
    id: str = ""
    size: int | None = None
    algorithm: str = ""
    hash: str = ""

    @property
    def name(self) -> str:
        """The path with the session's."""
        return f"{self.session}/{self.path}" if self.session else self.path


@dataclass(frozen=True, slots=True)
class LockedArchive:
    """One archive that an analysis used, in one version.

    Attributes
    ----------
    name : str
        The place, as ``fascicle.open`` takes it, without the version.
    kind : str
        ``folder``, ``release``, …
    version : str
        The version of a release; empty for what has none.
    project : str
        The name of a release's project.
    state : str
        Which state of its index a folder was in.
    title, date, license, doi, url, citation : str
        How to cite it, as far as it says.
    authors : tuple of str
        As it names them.
    files : tuple of LockedFile
        What was used.
    """

    name: str
    kind: str
    version: str = ""
    project: str = ""
    state: str = ""
    title: str = ""
    date: str = ""
    license: str = ""
    doi: str = ""
    url: str = ""
    citation: str = ""
    authors: tuple[str, ...] = ()
    files: tuple[LockedFile, ...] = field(default=(), repr=False)

    @property
    def label(self) -> str:
        """The name with the version, as ``fascicle.open`` takes it."""
        if not self.version or self.name.endswith(".json"):  # a manifest's address says which
            return self.name
        return f"{self.name}@{self.version}"

    @property
    def sort_key(self) -> tuple[str, str, str]:
        """What archives are sorted by."""
        return self.name, self.version, self.kind


@dataclass(frozen=True, slots=True)
class Lock:
    """What an analysis used.

    Attributes
    ----------
    archives : tuple of LockedArchive
        Sorted by name and version.
    created : str
        When it was made: ``2026-01-31T12:00:00Z``.
    fascicle : str
        The version of fascicle that made it.
    command : str
        What was run.
    """

    archives: tuple[LockedArchive, ...] = ()
    created: str = ""
    fascicle: str = ""
    command: str = ""

    def __len__(self) -> int:
        return sum(len(archive.files) for archive in self.archives)

    def files(self) -> Iterator[tuple[LockedArchive, LockedFile]]:
        """Go through all files, each with its archive."""
        for archive in self.archives:
            for file in archive.files:
                yield archive, file

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size or 0 for _, file in self.files())

    def says_the_same(self, other: Lock) -> bool:
        """Return whether another lock is of the same files, whenever it was made."""
        return replace(self, created="", fascicle="") == replace(other, created="", fascicle="")

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(archive.label)}</td><td>{escape(archive.kind)}</td>"
            f"<td>{len({f.eid for f in archive.files if f.eid})}</td>"
            f"<td>{len(archive.files)}</td></tr>"
            for archive in self.archives
        )
        head = "<tr><th>archive</th><th>kind</th><th>sessions</th><th>files</th></tr>"
        return f"<table><caption>lock of {escape(self.created)}</caption>{head}{rows}</table>"


# -- reading ---------------------------------------------------------------------------------------


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises
    ------
    LockError
        If there is none, or it says something that must not be believed.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise LockError(
            f"the lock file {path} cannot be read: {error.strerror}",
            hint="fascicle lock -o FILE SCRIPT.py makes one; unset FASCICLE_LOCK to work without",
        ) from error
    return parse_lock(content, where=str(path))


def parse_lock(content: bytes | str, *, where: str = "the lock file") -> Lock:
    """Read a lock file's text, and check what it says.

    Parameters
    ----------
    content : bytes or str
    where : str, optional
        What messages call it.

    Raises
    ------
    LockError
        If it is no TOML, too large, of a format that is not known, or has paths that lead out of
        an archive's folder.
    """
    if len(content) > MAX_BYTES:
        raise LockError(f"{where} has more than {MAX_BYTES >> 20} MiB: that is no lock file")
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        document = tomllib.loads(text)
    except RecursionError as error:
        raise LockError(f"{where} is nested too deeply to be a lock file") from error
    except ValueError as error:  # UTF-8, TOML, or a number of thousands of digits
        raise LockError(f"{where} is no lock file: {_short(str(error))}") from error
    number = document.get("format")
    if number != FORMAT or isinstance(number, bool):
        raise LockError(
            f"{where} has the format {_short(number)}, and this version of fascicle reads {FORMAT}",
            hint="a newer fascicle may read it",
        )
    archives = [
        _archive(value, f"{where}: archive {n}")
        for n, value in enumerate(_tables(document, "archives", where), 1)
    ]
    created = document.get("created", "")
    if not isinstance(created, datetime) and created != "":
        raise LockError(f"{where}: created is no time: {_short(created)}")
    return make_lock(
        archives,
        created=created and created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        fascicle=_text(document.get("fascicle", ""), "fascicle", where),
        command=_text(document.get("command", ""), "command", where),
    )


def make_lock(
    archives: Iterable[LockedArchive], *, created: str = "", fascicle: str = "", command: str = ""
) -> Lock:
    """Return a lock with archives and files in order, each once.

    Raises
    ------
    LockError
        If a file was used with two contents, or has a name that cannot be written everywhere.
    """
    merged: dict[tuple[str, str, str], list[LockedArchive]] = {}
    for archive in archives:
        merged.setdefault(archive.sort_key, []).append(archive)
    out = []
    for _, same in sorted(merged.items()):
        files: dict[tuple[str, str, str], LockedFile] = {}
        for file in (file for archive in same for file in archive.files):
            _check_file(file, same[0].label)
            other = files.setdefault((file.session, file.eid, file.path), file)
            if (other.algorithm, other.hash) != (file.algorithm, file.hash):
                raise LockError(
                    f"{file.name} of {same[0].label} was used with two contents: it changed "
                    "while the analysis ran, or a lock file has it twice",
                    hint="run it again: fascicle lock SCRIPT.py",
                )
        out.append(replace(same[0], files=tuple(files[key] for key in sorted(files))))
    return Lock(tuple(out), created, fascicle, command)


def _archive(value: Any, where: str) -> LockedArchive:
    if not isinstance(value, dict):
        raise LockError(f"{where} is no table")
    name = _text(value.get("name", ""), "name", where)
    kind = _text(value.get("kind", ""), "kind", where)
    if not name or not _KINDS.fullmatch(kind):
        raise LockError(f"{where} lacks a name or a kind")
    texts = {key: _text(value.get(key, ""), key, where) for key in _TEXTS}
    for key in ("version", "project"):
        if texts[key] and (path_problem(texts[key]) or "/" in texts[key]):
            raise LockError(f"{where} has a {key} that is none: {_short(texts[key])}")
    authors = value.get("authors", [])
    if not isinstance(authors, list):
        raise LockError(f"{where} has authors that are no list")
    files = [_file(each, "", "", where) for each in _tables(value, "files", where)]
    for session in _tables(value, "sessions", where):
        eid = _id(session.get("eid", ""), where)
        path = _text(session.get("path", ""), "path", where)
        if not path:
            raise LockError(f"{where} has a session without a path")
        files += [_file(each, path, eid, where) for each in _tables(session, "datasets", where)]
    return LockedArchive(
        name,
        kind,
        authors=tuple(_text(author, "author", where) for author in authors),
        files=tuple(files),
        **texts,
    )


def _file(value: dict[str, Any], session: str, eid: str, where: str) -> LockedFile:
    path = _text(value.get("path", ""), "path", where)
    size = value.get("size")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
        raise LockError(f"{where}: {_short(path)} has a size of {_short(size)} bytes")
    found = _HASH.fullmatch(_text(value.get("hash", ""), "hash", where))
    if not found:
        raise LockError(f"{where}: {_short(path)} has no usable hash, such as md5:3be0…")
    file = LockedFile(session, path, eid, _id(value.get("id", ""), where), size, *found.groups())
    _check_file(file, where)
    return file


def _check_file(file: LockedFile, where: str) -> None:
    for path in (file.path, file.session):
        if path or path is file.path:
            problem = path_problem(path)
            if not problem and any(part == ".fascicle" for part in path.casefold().split("/")):
                problem = "leads into the hidden folder"
            if problem:
                raise LockError(f"{where}: the path {_short(path)} {problem}")
    if file.size is not None and not 0 <= file.size <= _MAX_SIZE:
        raise LockError(f"{where}: {_short(file.path)} cannot have {_short(file.size)} bytes")
    if not _HASH.fullmatch(f"{file.algorithm}:{file.hash}"):
        raise LockError(f"{where}: {_short(file.path)} has no usable hash")


def _tables(value: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise LockError(f"{where}: {key} is no list of tables")
    return found


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise LockError(f"{where}: {key} is no text: {_short(value)}")
    if any(ord(c) < 32 and c not in "\n\t" for c in value) or "\x7f" in value:
        raise LockError(f"{where}: {key} has control characters: {_short(value)}")
    return value


def _id(value: Any, where: str) -> str:
    if value == "":
        return ""
    try:
        return str(UUID(value))
    except (ValueError, TypeError, AttributeError) as error:
        raise LockError(f"{where}: {_short(value)} is no id") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


# -- writing ---------------------------------------------------------------------------------------


def lock_text(lock: Lock) -> str:
    """Return a lock as the text of a file, which `parse_lock` reads back."""
    lines = [_HEAD, f"format = {FORMAT}", f"fascicle = {_quoted(lock.fascicle)}"]
    if lock.created:
        lines.append(f"created = {lock.created}")
    if lock.command:
        lines.append(f"command = {_quoted(lock.command)}")
    for archive in lock.archives:
        lines += ["", "[[archives]]", f"name = {_quoted(archive.name)}"]
        lines.append(f"kind = {_quoted(archive.kind)}")
        lines += [f"{k} = {_quoted(getattr(archive, k))}" for k in _TEXTS if getattr(archive, k)]
        if archive.authors:
            lines.append(f"authors = [{', '.join(map(_quoted, archive.authors))}]")
        for (session, eid), files in groupby(archive.files, lambda f: (f.session, f.eid)):
            if session:
                lines += ["", "[[archives.sessions]]"]
                lines += [f"eid = {_quoted(eid)}"] if eid else []
                lines += [f"path = {_quoted(session)}", "datasets = ["]
            else:
                lines.append("files = [")
            lines += [f"  {_row(file)}," for file in files]
            lines.append("]")
    return "\n".join([*lines, ""])


def _row(file: LockedFile) -> str:
    identity = f"id = {_quoted(file.id)}, " if file.id else ""
    size = "" if file.size is None else f"size = {file.size}, "
    digest = f"{file.algorithm}:{file.hash}"
    return f"{{ path = {_quoted(file.path)}, {identity}{size}hash = {_quoted(digest)} }}"


def _quoted(text: str) -> str:
    # A string of JSON is one of TOML, but for the one control character that JSON leaves.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""What changed between two versions, file by file with sizes, by session and object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from html import escape
from typing import Any, NamedTuple

from fascicle.alf.names import parse_name
from fascicle.formats.manifest import FileEntry, Manifest
from fascicle.releases.comparing import Kind, compare
from fascicle.transfer.text import size_text

_SESSION = re.compile(r"(?:.+/)?[^/]+/\d{4}-\d{2}-\d{2}/\d{1,3}(?=/)")
_SIGNS: dict[Kind, str] = {"created": "+", "deleted": "-", "changed": "~", "renamed": ">"}
_LISTED = 200


class FileChange(NamedTuple):
    """What happened to one file.

    Attributes
    ----------
    kind : str
        ``created``, ``changed``, ``deleted`` or ``renamed``.
    path : str
        In the release; of a renamed file the old one.
    new_path : str
        Where a renamed file is now, else an empty string.
    old_size, new_size : int or None
        Bytes; None where there is no file, or its manifest does not say.
    session : str
        The folder of the session that it belongs to, or an empty string.
    object : str
        ``collection/object`` as in ``alf/probe00/spikes``; of other files their folder.
    """

    kind: Kind
    path: str
    new_path: str
    old_size: int | None
    new_size: int | None
    session: str
    object: str

    @property
    def sizes(self) -> str:
        """Its sizes in words: ``1.0 kB → 2.0 kB``."""
        return _sizes(self.kind, self.old_size, self.new_size)

    def within(self, session: str) -> FileChange:
        """Return it with paths that begin in a session, as far as they lie in it."""
        above = f"{session}/" if session else ""
        return self._replace(
            path=self.path.removeprefix(above), new_path=self.new_path.removeprefix(above)
        )

    def __str__(self) -> str:
        to = f" → {self.new_path}" if self.new_path else ""
        return f"{_SIGNS[self.kind]} {self.path}{to}  {self.sizes}".rstrip()


def _sizes(kind: Kind, old: int | None, new: int | None) -> str:
    a, b = ("?" if size is None else size_text(size) for size in (old, new))
    if kind in ("created", "renamed"):
        return "" if new is None else b
    if kind == "deleted":
        return "" if old is None else a
    return "" if old is None and new is None else f"{a} → {b}"


def split_path(path: str) -> tuple[str, str]:
    """Return the session that a path of a release is in, and its collection and object.

    Examples
    --------
    >>> split_path("lab/Subjects/KS014/2020-01-31/001/alf/probe00/spikes.times.npy")
    ('lab/Subjects/KS014/2020-01-31/001', 'alf/probe00/spikes')
    """
    found = _SESSION.match(path)
    session = found[0] if found else ""
    rest = path[len(session) + 1 :] if session else path
    folder, _, name = rest.rpartition("/")
    parts = _parse(name)
    word = parts.object if parts and session else ""
    return session, f"{folder}/{word}".strip("/")


_parse = lru_cache(maxsize=8192)(parse_name)


@dataclass(frozen=True)
class Difference:
    """The changes from one version to another.

    Attributes
    ----------
    first, second : Manifest
        The older and the newer one.
    names : tuple of str
        What they are called.
    changes : tuple of FileChange
        By path, tables included.
    """

    first: Manifest = field(repr=False)
    second: Manifest = field(repr=False)
    names: tuple[str, str]
    changes: tuple[FileChange, ...] = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.changes)

    @cached_property
    def data(self) -> tuple[FileChange, ...]:
        """The changes of data, without those of the tables that describe it."""
        known = {entry.path for m in (self.first, self.second) for entry in m.data_files.values()}
        return tuple(change for change in self.changes if change.path in known)

    @cached_property
    def other(self) -> tuple[FileChange, ...]:
        """The changes of tables and of documents."""
        data = set(self.data)
        return tuple(change for change in self.changes if change not in data)

    def counts(self) -> dict[Kind, int]:
        """Return how many files of the data were created, changed, deleted and renamed."""
        out: dict[Kind, int] = dict.fromkeys(_SIGNS, 0)
        for change in self.data:
            out[change.kind] += 1
        return out

    def by_session(self) -> dict[str, dict[str, list[FileChange]]]:
        """Return the changes of data by session, and in it by object, both sorted."""
        groups: dict[str, dict[str, list[FileChange]]] = {}
        for change in self.data:
            groups.setdefault(change.session, {}).setdefault(change.object, []).append(change)
        return {
            session: {name: objects[name] for name in sorted(objects)}
            for session, objects in sorted(groups.items())
        }

    def sessions(self) -> dict[str, list[str]]:
        """Return which sessions came (``created``), went (``deleted``) and ``changed``."""
        old, new = _sessions(self.first), _sessions(self.second)
        touched = set()
        for change in self.data:
            touched.add(change.session)
            if change.new_path:
                touched.add(split_path(change.new_path)[0])
        return {
            "created": sorted(new - old),
            "deleted": sorted(old - new),
            "changed": sorted((touched & old & new) - {""}),
        }

    @property
    def headline(self) -> str:
        """One line on how much changed."""
        a, b = self.names
        if not self.changes:
            return f"{a} and {b} have the same files"
        counts = self.counts()
        words = [f"{n:,} {kind}{_total(self.data, kind)}" for kind, n in counts.items() if n]
        what = ", ".join(words) if words else "no data changed, only what describes it"
        return f"{a} → {b}: {what}"

    def lines(self, *, files: bool = True) -> Iterator[str]:
        """Go through the changes line by line.

        Parameters
        ----------
        files : bool
            Whether each file has its line, or each object alone.
        """
        yield self.headline
        said = self.sessions()
        states = {s: f"  ({kind})" for kind in ("created", "deleted") for s in said[kind]}
        for session, objects in self.by_session().items():
            yield ""
            yield f"{session or '(in no session)'}{states.get(session, '')}"
            for name, changes in objects.items():
                yield f"  {name or '.'}: {summary(changes)}"
                if files:
                    yield from (f"    {change.within(session)}" for change in changes)
        if self.other:
            yield ""
            yield "tables and documents"
            yield from (f"  {change}" for change in self.other)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "counts": self.counts(),
            "sessions": self.sessions(),
            "data": [change._asdict() for change in self.data],
            "other": [change._asdict() for change in self.other],
        }

    def to_html(self) -> str:
        """Return a table of all changes by session and object, as HTML."""
        return self._html(None)

    def _repr_html_(self) -> str:
        return self._html(_LISTED)

    def _html(self, most: int | None) -> str:
        rows, listed, total = [], 0, 0
        for session, objects in self.by_session().items():
            for name, changes in objects.items():
                total += 1
                if most is not None and listed >= most:
                    continue
                listed += 1
                files = "<br>".join(escape(str(change.within(session))) for change in changes)
                rows.append(
                    f"<tr><td>{escape(session)}</td><td>{escape(name)}</td>"
                    f"<td>{escape(summary(changes))}<br><small>{files}</small></td></tr>"
                )
        rows += [f"<tr><td></td><td></td><td>{escape(str(c))}</td></tr>" for c in self.other]
        if total > listed:
            rows.append(f"<tr><td colspan='3'>and {total - listed:,} more</td></tr>")
        return f"<table><caption>{escape(self.headline)}</caption>{''.join(rows)}</table>"


def summary(changes: Iterable[FileChange]) -> str:
    """Return how many files were created, changed, … and how large they are, in words."""
    changes = list(changes)
    words = []
    for kind in _SIGNS:
        if n := sum(change.kind == kind for change in changes):
            words.append(f"{n:,} {kind}{_total(changes, kind)}")
    return ", ".join(words)


def _total(changes: Iterable[FileChange], kind: Kind) -> str:
    old = new = 0
    for change in changes:
        if change.kind == kind:
            if (kind != "created" and change.old_size is None) or (
                kind != "deleted" and change.new_size is None
            ):
                return ""
            old += change.old_size or 0
            new += change.new_size or 0
    return f" ({_sizes(kind, old, new)})"


def _sessions(manifest: Manifest) -> set[str]:
    found = {split_path(entry.path)[0] for entry in manifest.data_files.values()}
    return found - {""}


def difference(
    first: Manifest, second: Manifest, *, names: tuple[str, str] | None = None
) -> Difference:
    """Compare two versions of a release, with the sizes of files.

    Parameters
    ----------
    first, second : Manifest
        The older and the newer one.
    names : tuple of str, optional
        What to call them.

    Returns
    -------
    Difference
    """
    if names is None:
        names = (f"{first.project} {first.version}", f"{second.project} {second.version}")
    old, new = _by_path(first.files()), _by_path(second.files())
    found = compare(first, second)
    changes = []
    for change in (*found.metadata, *found.data):
        before = old.get(change.path)
        after = new.get(change.new_path or change.path)
        session, obj = split_path(change.path)
        changes.append(
            FileChange(
                change.kind,
                change.path,
                change.new_path,
                before.size if before else None,
                after.size if after else None,
                session,
                obj,
            )
        )
    return Difference(first, second, names, tuple(sorted(changes, key=lambda c: c.path)))


def _by_path(entries: Iterable[FileEntry]) -> dict[str, FileEntry]:
    return {entry.path: entry for entry in entries}

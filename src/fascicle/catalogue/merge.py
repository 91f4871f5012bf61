"""A listing of a folder merged with what its index knew."""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import replace
from datetime import date as Date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue import identity, regions
from fascicle.catalogue.columns import (
    RECORD_DTYPE,
    STAT_DTYPE,
    Columns,
    SessionRow,
    with_distinct_ids,
)
from fascicle.catalogue.hashing import Hasher
from fascicle.catalogue.scan import CLOCK, STATS_PER_FILE, UNREADABLE, Listing, is_racy
from fascicle.catalogue.schema import EXISTS, HAS_HASH, ODD_HASH, session_folder

if TYPE_CHECKING:
    from fascicle.catalogue.indexing import Clock
    from fascicle.catalogue.query import Catalogue
    from fascicle.catalogue.report import IndexReport

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RACE_NS = 3_000_000_000


class Merger:
    """Makes the new columns of a folder from a listing and the newest state.

    ``merge`` may be called again with a newer state, where another writer was first.

    Parameters
    ----------
    root : pathlib.Path
    listing : Listing
    wanted : dict
        Options and the listing's digest, as the index records them.
    new_ids : bool
        Derive all ids anew.
    progress : bool
    report : IndexReport
        Is filled in.
    clock : Clock
    """

    def __init__(
        self,
        root: Path,
        listing: Listing,
        *,
        wanted: dict[str, Any],
        new_ids: bool,
        progress: bool,
        report: IndexReport,
        clock: Clock,
    ) -> None:
        self.root, self.listing, self.wanted = root, listing, wanted
        self.new_ids, self.progress, self.report, self.clock = new_ids, progress, report, clock
        self.hasher = Hasher(root, progress=progress)
        self.stats = _stats_of(listing)
        self.local = self.risky = False

    def merge(self, base: Columns, known: Catalogue | None) -> Columns | None:
        """Return the new columns; None where nothing changed.

        Parameters
        ----------
        base : Columns
            The newest state, arranged.
        known : Catalogue or None
            The same; None where there is no index yet.
        """
        report = self.report
        report.differing.clear()
        report.problems.clear()
        self.local = known is None or self.new_ids or is_local(base.meta)
        sessions, place, old = self._sessions(base)
        rows = self._match(base, sessions, place, old)
        new, changed, doubtful = self._found(base, rows)
        keep = self._still_there(base, rows.old)
        offset = int(keep.sum())
        out = self._join(base, np.flatnonzero(keep), rows, new, sessions)
        report.added = int((rows.old < 0).sum())
        report.removed = base.n_datasets - offset - int((rows.old >= 0).sum())
        out = self._without_empty(out)
        self.clock.lap("merge")
        before = out.records["hash"][offset:].copy()
        report.problems += self.hasher.fill(out, self._to_hash(out, offset, changed | doubtful))
        report.changed = int((changed | (before != out.records["hash"][offset:]) & doubtful).sum())
        self.clock.lap("hash")
        out.meta = {**base.meta, "local": self.local, "index": self._index(base, out, offset)}
        if self.wanted["regions"]:
            report.problems += regions.update(
                out, self.root, local=self.local, progress=self.progress
            )
        self.clock.lap("regions")
        if known is None or self.new_ids or self._news() or not _same(base.meta, out.meta):
            return out
        return None

    def _news(self) -> bool:
        return bool(self.report.added or self.report.changed or self.report.removed)

    def _index(self, base: Columns, out: Columns, offset: int) -> dict[str, Any]:
        """Return what the catalogue is to say of this run: it decides what the next may skip."""
        was, wanted = base.meta.get("index", {}), self.wanted
        hashed = wanted["hashed"] or was.get("hashed", False)
        return {
            **wanted,
            # A file that is not as its archive has it is to be told of each time.
            "digest": "" if self.report.differing else wanted["digest"],
            "hashed": hashed and bool((out.flags[offset:] & (HAS_HASH | ODD_HASH)).all()),
            "regions": wanted["regions"] or (was.get("regions", False) and not self._news()),
        }

    # -- sessions ------------------------------------------------------------------------------

    def _sessions(self, base: Columns) -> tuple[list[SessionRow], list[int], list[int | None]]:
        """Return all sessions, and for each found one its position and that of its old row."""
        old = self._old_rows(base)
        hidden = {s.eid: n for n, s in enumerate(base.sessions) if not s.listed}
        sessions = [] if self.new_ids else list(base.sessions)
        taken = {s.eid for s in sessions}
        place = []
        for f, n in zip(self.listing.sessions, old, strict=True):
            lab = f.lab or self.wanted["lab"]
            if n is not None and not self.new_ids:
                lab = sessions[n].lab or lab  # a lab once given stays
            usual = session_folder(lab, f.subject, f.date, f.number)
            folder = "" if f.path == usual else f.path
            if n is not None and not self.new_ids:
                sessions[n] = replace(sessions[n], lab=lab, folder=folder)
                place.append(n)
                continue
            eid = identity.session_id(lab, f.subject, f.date, f.number)
            row = SessionRow(eid, lab, f.subject, f.date, f.number, folder=folder)
            if eid in hidden and not self.new_ids:  # its datasets were known before it was
                place.append(hidden[eid])
                sessions[hidden.pop(eid)] = row
                continue
            if eid in taken:  # its old session was moved under a lab, and the place used again
                row.eid = uuid.uuid3(uuid.UUID(bytes=eid), f.path).bytes
            if n is not None:  # new ids; what people wrote of the session stays
                was = base.sessions[n]
                row.task_protocol, row.projects = was.task_protocol, was.projects
            taken.add(row.eid)
            place.append(len(sessions))
            sessions.append(row)
        return sessions, place, old

    def _old_rows(self, base: Columns) -> list[int | None]:
        """Return which row each found session has: that of its folder, else that of its place.

        A session without a lab whose folder is gone is the one that turns up under a lab.
        """
        found = self.listing.sessions
        listed = [(n, s) for n, s in enumerate(base.sessions) if s.listed]
        by_path = {s.path: n for n, s in listed}
        out = [by_path.get(f.path) for f in found]
        if None not in out:
            return out
        used = set(out)
        by_place = {(s.lab, s.subject, s.date, s.number): n for n, s in listed}
        here = {f.path for f in found}
        loose: dict[tuple[str, Date, int], list[int]] = {}
        for n, s in listed:
            if not s.lab and s.path not in here:
                loose.setdefault((s.subject, s.date, s.number), []).append(n)
        for k, f in enumerate(found):
            if out[k] is not None:
                continue
            lab, place = f.lab or self.wanted["lab"], (f.subject, f.date, f.number)
            several = loose.get(place, []) if lab else []
            row = by_place.get((lab, *place), several[0] if len(several) == 1 else None)
            if row is not None and row not in used:
                out[k] = row
                used.add(row)
        return out

    # -- datasets --------------------------------------------------------------------------------

    def _match(
        self,
        base: Columns,
        sessions: list[SessionRow],
        place: list[int],
        was: list[int | None],
    ) -> _Rows:
        """Find for each file the row that the index has of it."""
        starts = np.searchsorted(base.session, np.arange(len(base.sessions) + 1)).tolist()
        code = {p: k for k, p in enumerate(base.paths)}
        codes: list[int] = []
        old: list[int] = []
        number = code.setdefault
        for f, n, m in zip(self.listing.sessions, place, was, strict=True):
            if m is None and not self.new_ids and n < len(base.sessions):
                m = n  # known by its datasets alone
            a, b = (0, 0) if m is None else (starts[m], starts[m + 1])
            mine = [number(p, len(code)) for p in f.rel_paths]
            codes += mine
            if b > a:
                rows = {p: a + k for k, p in enumerate(base.path[a:b].tolist())}
                old += [rows.get(p, -1) for p in mine]
            else:
                old += [-1] * len(mine)
        counts = [len(f.rel_paths) for f in self.listing.sessions]
        return _Rows(
            np.repeat(np.array(place, np.int32), counts),
            np.array(codes, np.int32),
            list(code),
            np.array(old, np.int64),
            self._ids(sessions, place, old),
        )

    def _ids(self, sessions: list[SessionRow], place: list[int], old: list[int]) -> list[bytes]:
        """Return the id of each file that has no row, or of all where ids are to be new."""
        out: list[bytes] = []
        named: set[bytes] = set()
        k, self.risky = 0, False
        for f, n in zip(self.listing.sessions, place, strict=True):
            eid, paths = sessions[n].eid, f.rel_paths
            ids = identity.dataset_ids(eid, paths)
            for j, rel_path in enumerate(paths):
                if rel_path.count("-") >= 4:
                    ids[j] = _named_id(eid, rel_path, named)
                    self.risky |= old[k + j] < 0
                elif not rel_path.isascii():  # two ways to write é are two files, but one text
                    self.risky = True
            if not self.new_ids:
                ids = [
                    b"" if row >= 0 else raw
                    for raw, row in zip(ids, old[k : k + len(ids)], strict=True)
                ]
            out += ids
            k += len(paths)
        return out

    def _found(
        self, base: Columns, rows: _Rows
    ) -> tuple[Columns, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the rows of the files, which of them changed, and which may have.

        A file may have changed where it was written so shortly before it was last looked at that
        its time stamp cannot tell.
        """
        n = len(rows.old)
        stats, started = self.stats, self.listing.started_ns
        records = np.zeros(n, RECORD_DTYPE)
        flags = np.full(n, EXISTS, np.uint8)
        records["size"] = stats[:, 0]
        seen_now = np.zeros(n, STAT_DTYPE)
        seen_now["mtime"], seen_now["ctime"], seen_now["inode"] = (
            stats[:, 1],
            stats[:, 2],
            stats[:, 3],
        )
        for k in np.flatnonzero(stats[:, CLOCK] > started - _RACE_NS).tolist():
            if is_racy(int(stats[k, CLOCK]), started):
                seen_now["mtime"][k] = 0  # cannot tell next time
        changed, doubtful = np.zeros(n, bool), np.zeros(n, bool)
        has = np.flatnonzero(rows.old >= 0)
        if len(has):
            was = rows.old[has]
            records[has] = base.records[was]
            flags[has] = base.flags[was]
            size = base.records["size"][was]
            seen = np.zeros(len(was), STAT_DTYPE) if base.stats is None else base.stats[was]
            unseen = seen["inode"] == 0
            differs = size != stats[has, 0]
            moved = np.zeros(len(was), bool)
            for name, column in (("mtime", 1), ("ctime", 2), ("inode", 3)):
                moved |= (seen[name] != stats[has, column]) & (seen[name] != 0)
            # At first sight the record is an archive's and stays the truth; later the file is.
            astray = unseen & differs & (size >= 0) & (not self.local)
            changed[has] = (moved | differs & (size >= 0)) & ~astray
            doubtful[has] = (seen["mtime"] == 0) & ~unseen
            records["size"][has] = np.where(astray, size, stats[has, 0])
            seen_now[has[astray]] = np.zeros(1, STAT_DTYPE)  # not seen before it is what it is
            self.report.differing += [self._path(k) for k in has[astray].tolist()]
        fresh = np.array([bool(raw) for raw in rows.ids], bool)
        records["id"][fresh] = np.frombuffer(b"".join(rows.ids) or bytes(0), "V16")
        known = base.odd_hashes
        odd = {k: known[r] for k, r in enumerate(rows.old.tolist()) if r in known} if known else {}
        return (
            Columns([], rows.session, rows.path, rows.paths, records, flags, seen_now, odd),
            changed,
            doubtful,
        )

    def _path(self, k: int) -> str:
        for f in self.listing.sessions:
            if k < len(f.rel_paths):
                return f"{f.path}/{f.rel_paths[k]}"
            k -= len(f.rel_paths)
        return ""

    def _still_there(self, base: Columns, old: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which other rows stay: those of an archive, and those that cannot be looked at."""
        keep = np.full(base.n_datasets, not self.new_ids)
        keep[old[old >= 0]] = False
        if self.new_ids:
            return keep
        mine = keep.copy()
        if not self.local:  # a derived id was given here, after the file was seen
            mine &= False if base.stats is None else base.stats["inode"] != 0
        if not mine.any():
            return keep
        refused = dict(self.listing.rejected)
        blind = tuple(p for p, reason in refused.items() if reason.startswith(UNREADABLE))
        for row in np.flatnonzero(mine).tolist():
            session, rel_path = base.sessions[base.session[row]], base.paths[base.path[row]]
            path = f"{session.path}/{rel_path}"
            if blind and (blind[0] == "." or path.startswith(blind)):
                continue
            raw = base.records["id"][row].tobytes()
            if not self.local and raw != identity.dataset_id(session.eid, rel_path):
                continue
            # Another process may have found the file after our scan had passed its folder.
            keep[row] = path not in refused and os.path.isfile(f"{self.root}/{path}")
        return keep

    def _join(
        self,
        base: Columns,
        kept_rows: NDArray[np.intp],
        rows: _Rows,
        new: Columns,
        sessions: list[SessionRow],
    ) -> Columns:
        kept = base.take(kept_rows)
        stats = kept.stats if kept.stats is not None else np.zeros(kept.n_datasets, STAT_DTYPE)
        assert new.stats is not None
        out = Columns(
            sessions,
            np.concatenate([kept.session, new.session]),
            np.concatenate([kept.path, new.path]),
            rows.paths,
            np.concatenate([kept.records, new.records]),
            np.concatenate([kept.flags, new.flags]),
            np.concatenate([stats, new.stats]),
            {**kept.odd_hashes, **{k + kept.n_datasets: t for k, t in new.odd_hashes.items()}},
            [] if self.new_ids else [replace(p) for p in base.insertions],
        )
        if not self.risky:
            return out
        return with_distinct_ids(
            out, np.concatenate([np.zeros(len(kept_rows), bool), rows.old < 0])
        )

    def _without_empty(self, out: Columns) -> Columns:
        """Drop sessions of this folder's own whose folders and datasets are gone."""
        found = {s.path for s in self.listing.sessions}
        used = set(np.unique(out.session).tolist())
        gone = {
            n
            for n, s in enumerate(out.sessions)
            if n not in used
            and s.listed
            and s.path not in found
            and (self.local or s.eid == identity.session_id(s.lab, s.subject, s.date, s.number))
            and not os.path.isdir(f"{self.root}/{s.path}")
        }
        if not gone:
            return out
        kept = [n for n in range(len(out.sessions)) if n not in gone]
        number = np.zeros(len(out.sessions), np.int32)
        number[kept] = np.arange(len(kept), dtype=np.int32)
        eids = {out.sessions[n].eid for n in gone}
        out.insertions = [p for p in out.insertions if p.eid not in eids]
        return replace(out, sessions=[out.sessions[n] for n in kept], session=number[out.session])

    def _to_hash(self, out: Columns, offset: int, changed: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the rows to hash: changed ones that had a hash, and on request all without."""
        has = (out.flags[offset:] & (HAS_HASH | ODD_HASH)) != 0
        todo = has & changed
        if self.wanted["hashed"]:
            todo |= ~has | changed
        return np.flatnonzero(todo) + offset


class _Rows:
    """The files in the order of the listing, and where the index has them."""

    __slots__ = ("ids", "old", "path", "paths", "session")

    def __init__(
        self,
        session: NDArray[np.int32],
        path: NDArray[np.int32],
        paths: list[str],
        old: NDArray[np.int64],
        ids: list[bytes],
    ) -> None:
        self.session, self.path, self.paths, self.old, self.ids = session, path, paths, old, ids


def _stats_of(listing: Listing) -> NDArray[np.int64]:
    parts = [np.frombuffer(s.stats, np.int64) for s in listing.sessions if len(s.stats)]
    flat = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return flat.reshape(-1, STATS_PER_FILE)


def _named_id(eid: bytes, rel_path: str, named: set[bytes]) -> bytes:
    """Return the UUID that a file's name carries, if it is the only one; else derive one."""
    found = _UUID.findall(rel_path.rsplit("/", 1)[-1])
    if found:
        raw = uuid.UUID(found[-1]).bytes
        if raw not in named:
            named.add(raw)
            return raw
    return identity.dataset_id(eid, rel_path)


def is_local(meta: dict[str, Any]) -> bool:
    """Return whether a catalogue describes nothing but the files of a folder."""
    if "local" in meta:
        return bool(meta["local"])
    origins = meta.get("tables", {}).get("datasets", {}).get("origin", "")
    texts = [origins] if isinstance(origins, str) else list(origins)
    return bool(texts) and all(re.match(r"/|[A-Za-z]:[\\/]", str(t)) for t in texts)


def _same(was: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether there is nothing new to say of a run."""
    a, b = was.get("index", {}), now["index"]
    # No digest (some file was written a moment ago) is no reason for a new state.
    digest = not b["digest"] or a.get("digest") == b["digest"]
    return digest and {**a, "digest": ""} == {**b, "digest": ""}

"""A listing of a folder merged with what its index knew."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue import identity, regions
from fascicle.catalogue.columns import RECORD_DTYPE, STAT_DTYPE, Columns, SessionRow
from fascicle.catalogue.hashing import Hasher
from fascicle.catalogue.scan import STATS_PER_FILE, Listing, is_racy
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
        base = _with_unique_ids(base)
        local = known is None or self.new_ids or is_local(base.meta)
        sessions, place = self._sessions(base)
        rows = self._match(base, sessions, place)
        new, changed, doubtful = self._found(base, rows)
        keep = self._still_there(base, rows.old, local)
        out = self._join(base, np.flatnonzero(keep), rows, new, sessions)
        report.added = int((rows.old < 0).sum())
        report.changed = int(changed.sum())
        report.removed = base.n_datasets - int(keep.sum()) - int((rows.old >= 0).sum())
        out = self._without_empty(out, local)
        self.clock.lap("merge")
        report.problems += self.hasher.fill(
            out, self._to_hash(out, int(keep.sum()), changed | doubtful)
        )
        self.clock.lap("hash")
        was = base.meta.get("index", {})
        hashed = self.wanted["hashed"] or was.get("hashed", False)
        read = self.wanted["regions"] or was.get("regions", False)
        index = {**self.wanted, "hashed": hashed, "regions": read}
        out.meta = {**base.meta, "local": local, "index": index}
        if self.wanted["regions"]:
            report.problems += regions.update(out, self.root, progress=self.progress)
        self.clock.lap("regions")
        quiet = not (report.added or report.changed or report.removed or self.new_ids)
        # An empty digest (some file was written a moment ago) is no reason for a new state.
        same = {**was, "digest": ""} == {**index, "digest": ""} and (
            not index["digest"] or was.get("digest") == index["digest"]
        )
        return None if known is not None and quiet and same else out

    # -- sessions ------------------------------------------------------------------------------

    def _sessions(self, base: Columns) -> tuple[list[SessionRow], list[int]]:
        """Return all sessions, and the position of each found one."""
        listed = [(n, s) for n, s in enumerate(base.sessions) if s.listed]
        by_place = {(s.lab, s.subject, s.date, s.number): n for n, s in listed}
        by_path = {s.path: n for n, s in listed}
        sessions = [] if self.new_ids else list(base.sessions)
        taken = {s.eid for s in sessions}
        place = []
        for f in self.listing.sessions:
            lab = f.lab or self.wanted["lab"]
            usual = session_folder(lab, f.subject, f.date, f.number)
            folder = "" if f.path == usual else f.path
            old = by_place.get((lab, f.subject, f.date, f.number), by_path.get(f.path))
            if old is not None and not self.new_ids:
                sessions[old] = replace(sessions[old], lab=sessions[old].lab or lab, folder=folder)
                place.append(old)
                continue
            eid = identity.session_id(lab, f.subject, f.date, f.number)
            if eid in taken:  # its old session was moved under a lab, and the place used again
                eid = uuid.uuid3(uuid.UUID(bytes=eid), f.path).bytes
            row = SessionRow(eid, lab, f.subject, f.date, f.number, folder=folder)
            if old is not None:  # new ids; what people wrote of the session stays
                was = base.sessions[old]
                row.task_protocol, row.projects = was.task_protocol, was.projects
            taken.add(eid)
            place.append(len(sessions))
            sessions.append(row)
        return sessions, place

    # -- datasets --------------------------------------------------------------------------------

    def _match(self, base: Columns, sessions: list[SessionRow], place: list[int]) -> _Rows:
        """Find for each file the row that the index has of it."""
        starts = np.searchsorted(base.session, np.arange(len(base.sessions) + 1)).tolist()
        before = {s.path: n for n, s in enumerate(base.sessions)}
        code = {p: k for k, p in enumerate(base.paths)}
        codes: list[int] = []
        old: list[int] = []
        number = code.setdefault
        for f, n in zip(self.listing.sessions, place, strict=True):
            was = before.get(f.path) if self.new_ids else (n if n < len(base.sessions) else None)
            a, b = (starts[was], starts[was + 1]) if was is not None else (0, 0)
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
        k = 0
        for f, n in zip(self.listing.sessions, place, strict=True):
            eid, paths = sessions[n].eid, f.rel_paths
            ids = identity.dataset_ids(eid, paths)
            for j, rel_path in enumerate(paths):
                if rel_path.count("-") >= 4:
                    ids[j] = _named_id(eid, rel_path, named)
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
        for k in np.flatnonzero(stats[:, 1] > started - _RACE_NS).tolist():
            if is_racy(int(stats[k, 1]), started):
                seen_now["mtime"][k] = 0  # cannot tell next time
        changed, doubtful = np.zeros(n, bool), np.zeros(n, bool)
        has = np.flatnonzero(rows.old >= 0)
        if len(has):
            was = rows.old[has]
            records[has] = base.records[was]
            flags[has] = base.flags[was]
            size = base.records["size"][was]
            seen = np.zeros(len(was), STAT_DTYPE) if base.stats is None else base.stats[was]
            first_sight = seen["inode"] == 0
            moved = size != stats[has, 0]
            for name, column in (("mtime", 1), ("ctime", 2), ("inode", 3)):
                moved |= (seen[name] != stats[has, column]) & (seen[name] != 0)
            changed[has] = moved & ~first_sight
            doubtful[has] = (seen["mtime"] == 0) & ~first_sight
            # At first sight the record is an archive's and stays the truth; later the file is.
            now = np.where(first_sight & (size >= 0), size, stats[has, 0])
            records["size"][has] = now
            for k in has[first_sight & (size >= 0) & (size != stats[has, 0])].tolist():
                self.report.differing.append(self._path(k))
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

    def _still_there(self, base: Columns, old: NDArray[np.int64], local: bool) -> NDArray[np.bool_]:
        """Return which other rows stay: those of an archive, and those that cannot be looked at."""
        keep = np.full(base.n_datasets, not self.new_ids)
        keep[old[old >= 0]] = False
        if self.new_ids:
            return keep
        blind = tuple(
            path for path, reason in self.listing.rejected if reason.startswith("cannot be read")
        )
        mine = keep.copy()
        if not local:  # a derived id was given here, after the file was seen
            mine &= False if base.stats is None else base.stats["inode"] != 0
        for row in np.flatnonzero(mine).tolist():
            session, rel_path = base.sessions[base.session[row]], base.paths[base.path[row]]
            if blind and (blind[0] == "." or f"{session.path}/{rel_path}".startswith(blind)):
                continue
            raw = base.records["id"][row].tobytes()
            if local or raw == identity.dataset_id(session.eid, rel_path):
                keep[row] = False
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
        return Columns(
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

    def _without_empty(self, out: Columns, local: bool) -> Columns:
        """Drop sessions of this folder's own whose folders and datasets are gone."""
        found = {s.path for s in self.listing.sessions}
        used = set(np.unique(out.session).tolist())
        gone = {
            n
            for n, s in enumerate(out.sessions)
            if n not in used
            and s.listed
            and s.path not in found
            and (local or s.eid == identity.session_id(s.lab, s.subject, s.date, s.number))
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


def _with_unique_ids(base: Columns) -> Columns:
    """Derive ids anew where one stands for several datasets: it identifies none of them."""
    if base.n_datasets < 2:
        return base
    halves = np.frombuffer(base.records["id"].tobytes(), "<u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    same = (halves[order[1:]] == halves[order[:-1]]).all(axis=1)
    if not same.any():
        return base
    twice = np.zeros(len(order), bool)
    twice[order[1:]] |= same
    twice[order[:-1]] |= same
    records = base.records.copy()
    for row in np.flatnonzero(twice).tolist():
        eid = base.sessions[base.session[row]].eid
        records["id"][row] = np.void(identity.dataset_id(eid, base.paths[base.path[row]]))
    return replace(base, records=records)

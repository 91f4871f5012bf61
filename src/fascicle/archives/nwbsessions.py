"""Which sessions NWB files are of, and what each has: the columns of their catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from datetime import date as Date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.catalogue import identity

if TYPE_CHECKING:
    from fascicle.archives.nwbfiles import Held
    from fascicle.catalogue.columns import Columns, InsertionRow
    from fascicle.formats.nwb.described import Described

_ODD = re.compile(r"[^\w.-]+")


@dataclass(slots=True)
class Recording:
    """A session, and its files, the one that says most first."""

    eid: bytes
    first: Described
    files: list[str] = field(default_factory=list)
    said: list[Described] = field(default_factory=list)
    number: int = 0

    @property
    def date(self) -> Date:
        """The day of the recording, where it was made."""
        return datetime.fromisoformat(self.first.start).date()

    @property
    def began(self) -> float:
        """When it began, in seconds; a time without a zone counts as UTC."""
        when = datetime.fromisoformat(self.first.start)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()

    @property
    def owners(self) -> dict[str, int]:
        """Which of the files has each dataset; of several the first."""
        out: dict[str, int] = {}
        for number, said in enumerate(self.said):
            for path in said.datasets:
                out.setdefault(path, number)
        return out


def session_id(said: Described) -> bytes:
    """Return the id of a file's session.

    The id that the file has if it is a UUID; else one derived from the id that it has and from the
    project that gave it, or from laboratory and subject where no project did; else one derived
    from laboratory, subject and day.
    """
    if said.eid:
        return UUID(said.eid).bytes
    if said.native:
        owner = said.project or "/".join(filter(None, (said.lab, said.subject)))
        return identity.native_session_id(owner, said.native)
    day = datetime.fromisoformat(said.start).date()
    return identity.session_id(said.lab, said.subject, day, said.number or 1)


def recordings(described: Mapping[str, Described]) -> list[Recording]:
    """Return the sessions that files are of; files of one session are put together."""
    found: dict[tuple[bytes, str, str], Recording] = {}
    taken: dict[bytes, tuple[bytes, str, str]] = {}
    ordered = sorted(described.items(), key=lambda i: (i[1].part, -len(i[1].datasets), i[0]))
    wholes = {
        (r.project, r.subject, r.start): session_id(r) for _, r in reversed(ordered) if not r.part
    }
    for name, said in ordered:
        eid = session_id(said)
        if said.part:
            eid = wholes.get((said.project, said.subject, said.start), eid)
        key = eid, said.subject, said.start
        if taken.setdefault(eid, key) != key:
            # Other sessions under the same id: it tells nobody apart.
            eid = identity.native_session_id(f"{said.subject}/{said.start}", eid.hex())
            key = eid, said.subject, said.start
        one = found.setdefault(key, Recording(eid, said))
        one.files.append(name)
        one.said.append(said)
    return _numbered(list(found.values()))


def _numbered(found: list[Recording]) -> list[Recording]:
    """Number the sessions of each subject and day: as their files say, else as they began."""
    days: dict[tuple[str, Date], list[Recording]] = {}
    for one in found:
        days.setdefault((one.first.subject, one.date), []).append(one)
    for group in days.values():
        group.sort(key=lambda one: (one.began, one.files))
        said = [one.first.number for one in group]
        if all(said) and len(set(said)) == len(said):
            for one, number in zip(group, said, strict=True):
                one.number = number
        else:
            for number, one in enumerate(group, 1):
                one.number = number
    return found


def to_columns(
    described: Mapping[str, Described], damaged: Mapping[str, str], stats: Mapping[str, Held]
) -> Columns:
    """Return the sessions of files, what they offer, and their probes.

    Parameters
    ----------
    described : mapping of str to Described
        By the files' names.
    damaged : mapping of str to str
        Why other files cannot be read.
    stats : mapping of str to Held
        How the files look.
    """
    import numpy as np

    from fascicle.catalogue.columns import Columns, SessionRow, empty_records, with_distinct_ids
    from fascicle.catalogue.schema import EXISTS

    found = recordings(described)
    sessions: list[SessionRow] = []
    owners: list[int] = []
    codes: list[int] = []
    ids: list[bytes] = []
    number: dict[str, int] = {}
    unknown: dict[str, int] = {}
    meta: dict[str, Any] = {"files": {}, "owners": {}, "words": {}, "native_ids": {}}
    folders: set[str] = set()
    insertions: list[InsertionRow] = []
    for n, one in enumerate(found):
        said, has = one.first, one.owners
        sessions.append(
            SessionRow(
                one.eid,
                lab=said.lab,
                subject=said.subject,
                date=one.date,
                number=one.number,
                task_protocol=said.task,
                projects=said.project or said.projects,
                folder=_folder(one, folders),
            )
        )
        paths = sorted(has)
        owners += [n] * len(paths)
        codes += [number.setdefault(path, len(number)) for path in paths]
        ids += identity.dataset_ids(one.eid, paths)
        insertions += _insertions(one)
        key = one.eid.hex()
        meta["files"][key] = one.files
        if len(one.files) > 1:
            meta["owners"][key] = has
        if said.native:
            meta["native_ids"][key] = said.native
        words = [w for d in one.said for w in (d.native, d.alias, d.eid)] + one.files
        words += [name.rpartition("/")[2] for name in one.files]
        meta["words"][key] = sorted({word for word in words if word})
        for word, count in said.unknown.items():
            unknown[word] = unknown.get(word, 0) + count
    records = empty_records(len(ids))
    if ids:
        records["id"] = np.frombuffer(b"".join(ids), "V16")
        records["size"] = -1
    if unknown:
        meta["unknown_structures"] = unknown
    if damaged:
        meta["damaged"] = dict(damaged)
    if not meta["native_ids"]:
        del meta["native_ids"]
    meta["index"] = {"digest": _digest(stats)}
    return with_distinct_ids(
        Columns(
            sessions,
            np.array(owners, np.int32),
            np.array(codes, np.int32),
            list(number),
            records,
            np.full(len(ids), EXISTS, np.uint8),
            insertions=insertions,
            meta=meta,
        )
    )


def _digest(stats: Mapping[str, Held]) -> str:
    """Return what tells one state of the folder from another."""
    from hashlib import blake2b

    text = "\n".join("|".join(map(str, stats[name])) for name in sorted(stats))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _folder(one: Recording, taken: set[str]) -> str:
    """Return the folder of a session as ALF has it, where names allow it; each has its own."""
    from fascicle.catalogue.schema import session_folder

    lab, subject = (_ODD.sub("-", text).strip(".-") for text in (one.first.lab, one.first.subject))
    folder = session_folder(
        lab.replace("-", "_").replace(".", "_"), subject or "-", one.date, one.number
    )
    while folder in taken:
        folder = f"{folder}-"
    taken.add(folder)
    return folder


def _insertions(one: Recording) -> list[InsertionRow]:
    """Return the probes of a session: of several files, as the first that has each says."""
    from fascicle.catalogue.columns import InsertionRow

    out: dict[str, InsertionRow] = {}
    for said, name in zip(one.said, one.files, strict=True):
        for probe in said.probes:
            label, regions = probe["label"], probe["regions"]
            if label in out:
                continue
            out[label] = InsertionRow(
                UUID(probe["id"]).bytes if probe["id"] else identity.insertion_id(one.eid, label),
                one.eid,
                label,
                probe["model"],
                probe["serial"],
                probe["extra"],
                None if regions is None else tuple((a, b, c) for a, b, c in regions),
                name,
            )
    return list(out.values())

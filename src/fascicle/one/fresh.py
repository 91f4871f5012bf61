"""Records of a server, as rows of the tables; and those that were seen since the tables were read.

An answer of a server is kept like this until somebody looks at the tables: to put each into an
index with millions of rows at once would take far longer than to ask for it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from fascicle.alf.parts import find_session, remove_uuid_string
from fascicle.alf.spec import QC
from fascicle.catalogue.schema import Session, session_folder
from fascicle.one.base import Contents

if TYPE_CHECKING:
    from pathlib import Path

    from fascicle.catalogue import Catalogue, Change, DatasetRow
    from fascicle.catalogue.columns import InsertionRow


def session_of(record: Mapping[str, Any]) -> Session:
    """Return the row of the sessions table for a server's record of a session."""
    eid = UUID(record.get("id") or record["url"].rstrip("/")[-36:])
    date = datetime.datetime.fromisoformat(record["start_time"]).date()
    number = int(record.get("number") or 0)  # base sessions have none, and the column is a number
    lab, subject = record.get("lab") or "", record.get("subject") or ""
    projects = record.get("projects") or record.get("project") or []
    joined = projects if isinstance(projects, str) else ",".join(projects)
    task = record.get("task_protocol") or ""
    folder = session_folder(lab, subject, date, number)
    return Session(eid, lab, subject, date, number, task, joined, folder)


def inside(url: str) -> tuple[str, str]:
    """Return the session's folder and the path within it, without the id, of a file's address.

    The folder begins with the lab where the address has ``lab/Subjects``.
    """
    path = urlsplit(url.replace("#", "%23")).path.strip("/").replace("%23", "#")
    path = remove_uuid_string(path).as_posix()
    found = find_session(path)
    if found is None:
        return "", path
    lab = f"{found['lab']}/Subjects/" if found["lab"] else ""
    place = f"{lab}{found['subject']}/{found['date']}/{found['number']}"
    return place, path[found.end() :].strip("/")


def online(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return those file records of a dataset's record that have an address and a file."""
    return [r for r in record.get("file_records") or () if r.get("data_url") and r.get("exists")]


def dataset_of(record: Mapping[str, Any], eid: UUID, path: str) -> DatasetRow:
    """Return the row of the datasets table for a server's record of a dataset.

    Parameters
    ----------
    record : mapping
        Of the ``datasets`` endpoint, or of those that a session's record has.
    eid : uuid.UUID
    path : str
        Relative to the session.
    """
    from fascicle.catalogue import DatasetRow

    default = record.get("default_dataset", record.get("default_revision"))
    return DatasetRow(
        eid,
        UUID(record.get("id") or record["url"].rstrip("/")[-36:]),
        path,
        record.get("file_size"),
        record.get("hash") or "",
        True,
        int(QC.validate(record.get("qc") or "NOT_SET")),
        default is True or str(default) == "True",
    )


def datasets_of(record: Mapping[str, Any], eid: UUID) -> tuple[list[DatasetRow], dict[str, str]]:
    """Return the rows of a session's datasets, and the address of each by its path."""
    rows, urls = [], {}
    for one in record.get("data_dataset_session_related") or ():
        url = one.get("data_url") or ""
        path = inside(url)[1] if url else _natural(one)
        if path in urls:  # of two records of one file, the first counts
            continue
        rows.append(dataset_of(one, eid, path))
        urls[path] = url
    return rows, urls


def _natural(record: Mapping[str, Any]) -> str:
    """Return where the convention puts a dataset that no address is known of."""
    revision = record.get("revision")
    parts = [record.get("collection") or "", f"#{revision}#" if revision else "", record["name"]]
    return "/".join(filter(None, parts))


def insertion_of(record: Mapping[str, Any]) -> InsertionRow:
    """Return the row of the insertions table for a server's record of a probe insertion."""
    from fascicle.catalogue.columns import InsertionRow

    return InsertionRow(
        UUID(record["id"]).bytes,
        UUID(record["session"]).bytes,
        record.get("name") or "",
        record.get("model") or "",
        record.get("serial") or "",
    )


class ServedContents(Contents):
    """The datasets of one session as a server lists them.

    Parameters
    ----------
    session : Session
    datasets : list of DatasetRow
    urls : mapping
        The address of each dataset by its path.
    root : pathlib.Path
        The folder that files go to.

    Attributes
    ----------
    session : Session
    urls : mapping
    """

    __slots__ = ("session", "urls")

    def __init__(
        self, session: Session, datasets: list[DatasetRow], urls: Mapping[str, str], root: Path
    ) -> None:
        from fascicle.catalogue import Change
        from fascicle.catalogue.change import apply
        from fascicle.catalogue.columns import Columns
        from fascicle.catalogue.memory import in_memory

        columns = apply(Change([session], datasets), Columns.empty())
        super().__init__(in_memory(columns, root=root), 0)
        self.session = session
        self.urls = urls


class Fresh:
    """Rows that a server told of and that are not in the open index yet."""

    def __init__(self) -> None:
        self.sessions: dict[UUID, Session] = {}
        self.datasets: dict[UUID, dict[UUID, DatasetRow]] = {}
        self.insertions: dict[bytes, InsertionRow] = {}

    def __bool__(self) -> bool:
        return bool(self.sessions or self.datasets or self.insertions)

    def add(
        self,
        sessions: Iterable[Session] = (),
        datasets: Iterable[DatasetRow] = (),
        insertions: Iterable[InsertionRow] = (),
    ) -> None:
        """Take rows in; later ones replace earlier ones of the same id."""
        for session in sessions:
            self.sessions[session.eid] = session
        for row in datasets:
            self.datasets.setdefault(row.eid, {})[row.id] = row
        for probe in insertions:
            self.insertions[probe.pid] = probe

    def news(self, known: Catalogue) -> Fresh:
        """Return those rows of which a catalogue does not say the same."""
        from fascicle.catalogue.adopt import is_known, unknown_datasets, unknown_insertions

        datasets = [row for rows in self.datasets.values() for row in rows.values()]
        out = Fresh()
        out.add(
            [s for s in self.sessions.values() if not is_known(s, known)],
            unknown_datasets(datasets, known),
            unknown_insertions(list(self.insertions.values()), known),
        )
        return out

    def update(self, other: Fresh) -> None:
        """Take in the rows of another."""
        datasets = (row for rows in other.datasets.values() for row in rows.values())
        self.add(other.sessions.values(), datasets, other.insertions.values())

    def change(self) -> Change:
        """Return the change that puts all these rows into an index."""
        from fascicle.catalogue import Change

        datasets = [row for rows in self.datasets.values() for row in rows.values()]
        return Change(list(self.sessions.values()), datasets, list(self.insertions.values()))

"""Index the synthetic lab, and add to its catalogue what the folder cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.alf import spec
from fascicle.catalogue import Catalogue, Change, DatasetRow, InsertionRow, Session, index
from fascicle.catalogue.identity import dataset_id
from fascicle.demo.lab import read_description

if TYPE_CHECKING:
    from fascicle.catalogue import Datasets

Record = Mapping[str, Any]


def index_lab(folder: Path | str, *, progress: bool = False) -> Catalogue:
    """Index a lab that `make_lab` made, with its task protocols, projects, quality and revisions.

    Parameters
    ----------
    folder : path-like
        The lab's folder.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Catalogue
        The folder's catalogue, as ``fascicle.open(folder).catalogue()`` gives it from now on.

    Raises
    ------
    DemoError
        If the folder has no description: index any other folder with ``fascicle.index``.

    Examples
    --------
    >>> from fascicle.demo import index_lab, make_lab
    >>> index_lab(make_lab("demo-lab", size="tiny"))  # doctest: +SKIP
    <Catalogue 17 sessions, 536 datasets, root demo-lab>
    """
    root = Path(folder).expanduser()
    description = read_description(root)
    index(root, progress=progress)
    return add_description(Catalogue.open(root), description)


def add_description(catalogue: Catalogue, description: Record) -> Catalogue:
    """Add what a lab's description says to a catalogue of that lab; return the new catalogue.

    Sessions get their task protocol and projects (and their id, where one is given), datasets
    their quality and default revision, insertions their model and serial number. What the
    catalogue does not have is passed over: a part of a lab can be described by the whole.

    Parameters
    ----------
    catalogue : Catalogue
        Of a folder.
    description : mapping
        As `read_description` returns it.
    """
    change = Change()
    sessions: list[Session] = []
    datasets: list[DatasetRow] = []
    gone: list[UUID] = []
    described = {record["session"]: record for record in description["sessions"]}
    for row in range(catalogue.n_sessions):
        old = catalogue.session(row)
        record = described.get(old.path, {})
        eid = UUID(record["id"]) if record.get("id") else old.eid
        if eid != old.eid:
            gone.append(old.eid)
        task, projects = record.get("task_protocol", ""), ",".join(record.get("projects", ()))
        sessions.append(old._replace(eid=eid, task_protocol=task, projects=projects))
        datasets += _datasets(eid, catalogue.datasets(row), record)
    change.upsert_sessions, change.upsert_datasets, change.delete_sessions = (
        sessions,
        datasets,
        gone,
    )
    change.upsert_insertions = list(_insertions(catalogue, sessions, described))
    return catalogue.commit(change)


def _datasets(eid: UUID, known: Datasets, record: Record) -> Iterator[DatasetRow]:
    """Yield a session's datasets with their quality and whether each is the default revision."""
    places = [_without_revision(path) for path in known.rel_paths]
    newest: dict[str, str] = {}
    for place, revision in places:
        newest[place] = max(newest.get(place, ""), revision)
    newest |= {
        place: r for place, r in record.get("default_revisions", {}).items() if place in newest
    }
    quality = record.get("qc", {})
    moved = eid != known.eid
    for n, path in enumerate(known.rel_paths):
        did, digest, size = known.record(n)
        place, revision = places[n]
        yield DatasetRow(
            eid=eid,
            id=UUID(bytes=dataset_id(eid.bytes, path)) if moved else did,
            rel_path=path,
            file_size=size,
            hash=digest,
            exists=known.exists[n],
            qc=next(
                (int(spec.QC[word]) for glob, word in quality.items() if fnmatchcase(path, glob)),
                known.qc[n],
            ),
            default_revision=newest[place] == revision,
        )


def _without_revision(path: str) -> tuple[str, str]:
    """Split a path into the dataset that it is a version of, and its revision."""
    folder, _, name = path.rpartition("/")
    parts = spec.parse_folder(folder)
    collection, revision = parts if parts else (folder, "")
    return f"{collection}/{name}" if collection else name, revision


def _insertions(
    catalogue: Catalogue, sessions: list[Session], described: Mapping[str, Record]
) -> Iterator[InsertionRow]:
    """Yield the insertions with their probes' models and serial numbers."""
    probes = {
        (session.eid.bytes, probe["name"]): probe
        for session in sessions
        for probe in described.get(session.path, {}).get("probes", ())
    }
    for p in catalogue.insertions():
        eid = catalogue.eid(p.row).bytes
        if probe := probes.get((eid, p.name)):
            # It says nothing of regions, so that those that are known stay.
            yield InsertionRow(p.pid.bytes, eid, p.name, probe["model"], probe["serial"], p.extra)

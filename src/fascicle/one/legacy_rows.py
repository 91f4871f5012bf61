"""The datasets of a session by their types, from a server's record or from a folder's index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict
from uuid import UUID

from fascicle.alf.names import parse_folder, parse_name
from fascicle.one import revisions


class Row(TypedDict):
    """A dataset, with the properties of `SessionDatasets`, and its path."""

    dataset_type: str
    dataset_id: str
    data_url: str | None
    name: str
    collection: str
    revision: str
    default_revision: bool
    file_size: int | None
    hash: str
    qc: str
    url: str | None
    eid: str
    rel_path: str


def type_of(name: str) -> str:
    """Return the type that a file's name says it is of: its first two parts.

    Examples
    --------
    >>> type_of("_ibl_wheel.position.npy")
    '_ibl_wheel.position'
    """
    return ".".join(name.split(".")[:2])


def rows_of_record(session: dict[str, Any]) -> list[Row]:
    """Return the datasets that a server's record of a session lists."""
    rows = []
    for d in session["data_dataset_session_related"]:
        collection, revision = d.get("collection") or "", d.get("revision") or ""
        folder = [collection, f"#{revision}#" if revision else "", d["name"]]
        rows.append(
            Row(
                dataset_type=d.get("dataset_type") or "unknown",
                dataset_id=str(d.get("id") or d["url"][-36:]),
                data_url=d.get("data_url"),
                name=d["name"],
                collection=collection,
                revision=revision,
                default_revision=str(d.get("default_revision", True)) == "True",
                file_size=d.get("file_size"),
                hash=d.get("hash") or "",
                qc=d.get("qc") or "NOT_SET",
                url=d.get("url"),
                eid=str(session.get("id") or session["url"][-36:]),
                rel_path="/".join(filter(None, folder)),
            )
        )
    return sorted(rows, key=lambda row: row["rel_path"])


def rows_of_frame(eid: UUID, frame: Any) -> list[Row]:
    """Return the datasets of a table, as `One.list_datasets` gives it."""
    paths = frame["rel_path"].tolist()
    told = frame["default_revision"].tolist() if "default_revision" in frame else None
    taken = revisions.choose(paths, range(len(paths)), revision=None, default=told, unique=False)
    default = {t.position for t in taken}
    rows = []
    for i, (identifier, record) in enumerate(
        zip(frame.index, frame.to_dict("records"), strict=True)
    ):
        folder, _, name = paths[i].rpartition("/")
        parts = parse_folder(folder)
        size = record["file_size"]
        rows.append(
            Row(
                dataset_type=type_of(name),
                dataset_id=str(identifier),
                data_url=None,
                name=name,
                collection=parts.collection if parts else folder,
                revision=parts.revision if parts else "",
                default_revision=i in default,
                file_size=None if size != size or size is None else int(size),
                hash=record["hash"] or "",
                qc=str(record["qc"]),
                url=None,
                eid=str(eid),
                rel_path=paths[i],
            )
        )
    return rows


def of_type(rows: Sequence[Row], wanted: str) -> list[Row]:
    """Return the datasets to load for a type: one revision of each, in the order of paths.

    A file of a folder is also of the type without its namespace: ``_ibl_wheel.position.npy`` is a
    ``wheel.position`` where nothing else is one.
    """
    found = [row for row in rows if row["dataset_type"] == wanted]
    if not found:
        found = [row for row in rows if row["url"] is None and _plain_type(row["name"]) == wanted]
    return newest(found)


def _plain_type(name: str) -> str:
    parts = parse_name(name)
    return f"{parts.object}.{parts.attribute}" if parts else ""


def newest(rows: Iterable[Row]) -> list[Row]:
    """Return one revision of each dataset: the default one, or else the last."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row["default_revision"], row["revision"])):
        chosen[row["collection"], row["name"]] = row
    return sorted(chosen.values(), key=lambda row: row["rel_path"])

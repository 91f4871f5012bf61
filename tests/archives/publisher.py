"""Puts a folder of recordings where releases lie, in the form that fascicle publishes them in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fascicle.catalogue import Catalogue
from fascicle.formats.locations import Location
from fascicle.formats.manifest import FileEntry, manifest_json, manifest_name
from fascicle.releases.tables import PLACES, Contents, one_tables, text_tables

DATES = dict.fromkeys(("sessions.pqt", "datasets.pqt", "insertions.pqt"), "2024-01-01 00:00")


def publish(
    folder: Path,
    put: Callable[[str, bytes], str],
    *,
    version: str = "1.0.0",
    project: str = "lab",
    bucket: str = "lab-bucket",
    prefix: str = "",
    change: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Put the files, the tables, and at last the manifest of a version.

    ``put`` takes a key below the release's folder, and returns the version id.
    """
    root = f"{prefix}{project}"
    contents = Contents(Catalogue.open(folder))
    rows = contents.rows
    data = {row.path: (folder / row.source).read_bytes() for row in rows}
    known: Mapping[str, Any] = {
        path: SimpleNamespace(size=len(b), md5=hashlib.md5(b).hexdigest())
        for path, b in data.items()
    }
    columns = contents.chosen(rows, known)
    tables = one_tables(columns, dates=DATES) | text_tables(columns, rows)

    def entry(key: str, path: str, content: bytes) -> FileEntry:
        return FileEntry(
            key,
            Location(bucket, f"{root}/{path}", region="us-west-2").url(),
            put(path, content),
            hashlib.blake2b(content).hexdigest(),
            path,
            len(content),
            hashlib.sha256(content).hexdigest(),
        )

    manifest = manifest_json(
        project=project,
        version=version,
        metadata_files=[entry(key, PLACES[key], content) for key, content in tables.items()],
        data_files=[entry(str(k), row.path, data[row.path]) for k, row in enumerate(rows)],
        about={"root": root, "created": "2024-01-01T00:00:00+00:00", "title": "A lab"},
        pipeline=[],
    )
    if change is not None:
        import json

        document = json.loads(manifest)
        change(document)
        manifest = json.dumps(document).encode()
    put(f"manifests/{manifest_name(project, version)}", manifest)


def into_folder(root: Path) -> Callable[[str, bytes], str]:
    """Return what puts files into a folder."""

    def put(key: str, content: bytes) -> str:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return ""

    return put

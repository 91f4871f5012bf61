"""Sessions of a release that fascicle published: they lie in tables of ONE's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle.errors import BadFileError, CatalogueError, ManifestError
from fascicle.formats.manifest import Manifest
from fascicle.formats.project import ProjectConfig, TableConfig

if TYPE_CHECKING:
    from fascicle.archives.adapters.base import Bring
    from fascicle.catalogue.columns import Columns

#: The tables by their keys in the manifest. The last may be missing.
TABLES = ("sessions.pqt", "datasets.pqt", "insertions.pqt")


def columns(manifest: Manifest, bring: Bring) -> Columns:
    """Return the sessions, datasets and insertions of a version.

    Raises
    ------
    ManifestError
        If it has no tables.
    BadFileError
        If they are no tables.
    """
    from fascicle.catalogue import tables

    entries = [manifest.metadata_files[key] for key in TABLES if key in manifest.metadata_files]
    keys = [entry.key for entry in entries]
    if missing := [key for key in TABLES[:2] if key not in keys]:
        raise ManifestError(f"{manifest.name} is a release without {', '.join(missing)}")
    try:
        out = tables.read_files(*bring(entries))
    except CatalogueError as error:
        raise BadFileError(f"the tables of {manifest.name} are none: {error.message}") from error
    known = {session.eid for session in out.sessions}
    out.insertions = [p for p in out.insertions if p.eid in known]
    return out


def config(project: str) -> ProjectConfig:
    """Return what the tables of a release of ours mean."""
    sessions = {"eid": "sessions"}
    return ProjectConfig(
        project,
        project,
        "",
        sessions="sessions",
        tables={
            "sessions": TableConfig(
                "sessions", "eid", "session_", dates=("date",), lists=("structure_acronyms",)
            ),
            "datasets": TableConfig("datasets", "id", "dataset_", links=sessions),
            "insertions": TableConfig(
                "insertions", "pid", "insertion_", lists=("structure_acronyms",), links=sessions
            ),
        },
    )

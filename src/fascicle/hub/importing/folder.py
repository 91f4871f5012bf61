"""The hub's folder comes into its database: all at first, then what changed on the disk."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from fascicle.catalogue import Catalogue, index
from fascicle.errors import ConfigurationError
from fascicle.hub.config import HubConfig
from fascicle.hub.importing.report import ImportReport, chunks
from fascicle.hub.setup import prepare

_TOKEN = "import"  # noqa: S105 - a name, not a secret
_HASHED = 2e9  # bytes; folders up to this size are hashed without being asked
_SESSIONS = 100  # that are written in one transaction


def import_folder(
    config: HubConfig, *, progress: bool | None = None, hash_files: bool | None = None
) -> ImportReport:
    """Bring a hub's database up to date with its folder.

    The folder is indexed, and the sessions that are new, or whose files changed since the last
    import, are written. What users changed in the database stays, except for what the files
    themselves say: size, hash, and whether they are there.

    Parameters
    ----------
    config : HubConfig
        The hub.
    progress : bool, optional
        Show bars on standard error.
    hash_files : bool, optional
        Whether to compute the md5 of files; default: where the folder holds at most 2 GB.

    Returns
    -------
    ImportReport
        What was done; the passwords of a synthetic lab's accounts when they are made.

    Raises
    ------
    ConfigurationError
        The hub has no folder.
    CatalogueError
        The folder is not there.
    """
    begun = time.perf_counter()
    if config.folder is None:
        raise ConfigurationError(
            "this hub has no folder to import",
            hint="fascicle serve FOLDER, or folder = in its TOML",
        )
    prepare(config)
    from fascicle.hub.generation import current

    report = ImportReport()
    catalogue = _indexed(config, config.folder, bool(progress), hash_files)
    try:
        _import(config, catalogue, report, bool(progress))
    finally:
        catalogue.close()
    report.generation = current()
    report.seconds = time.perf_counter() - begun
    return report


def _indexed(config: HubConfig, folder: Path, progress: bool, hash_files: bool | None) -> Catalogue:
    """Index the folder; where it cannot be written, into the hub's state."""
    tables = None
    if not os.access(folder, os.W_OK):
        tables = config.state / "index"
        tables.mkdir(parents=True, exist_ok=True)
    index(folder, tables_dir=tables, hash_files=bool(hash_files), progress=progress)
    catalogue = Catalogue.open(folder, tables_dir=tables)
    if hash_files is None and _unhashed(catalogue):
        catalogue.close()
        index(folder, tables_dir=tables, hash_files=True, progress=progress)
        catalogue = Catalogue.open(folder, tables_dir=tables)
    return _with_description(catalogue, folder)


def _unhashed(catalogue: Catalogue) -> bool:
    """Return whether files lack a hash, and all are so few that hashing takes seconds."""
    total, lacking = 0, False
    for row in range(catalogue.n_sessions):
        held = catalogue.datasets(row)
        for n in range(len(held)):
            _, digest, size = held.record(n)
            total += size or 0
            lacking = lacking or (held.exists[n] and not digest)
        if total > _HASHED:
            return False
    return lacking


def _description(folder: Path) -> dict[str, Any] | None:
    from fascicle.demo.lab import DESCRIPTION, read_description

    return read_description(folder) if (folder / DESCRIPTION).is_file() else None


def _with_description(catalogue: Catalogue, folder: Path) -> Catalogue:
    """Add quality and revisions that a synthetic lab's description gives, to sessions without."""
    record = _description(folder)
    if record is None:
        return catalogue
    from fascicle.demo.register import add_description

    described = {r["session"]: r for r in record["sessions"]}
    for row in range(catalogue.n_sessions):
        session = catalogue.session(row)
        r = described.get(session.path)
        if r and r["task_protocol"] != session.task_protocol:
            out = add_description(catalogue, record)
            catalogue.close()
            return out
    return catalogue


def _import(config: HubConfig, catalogue: Catalogue, report: ImportReport, progress: bool) -> None:
    from tqdm import tqdm

    from fascicle.hub.importing import digests

    token = _token()
    beside = config.state / "imported"
    before = digests.read(beside, token)
    now = digests.digests(catalogue)
    rows = sorted(row for eid, (digest, row) in now.items() if before.get(eid) != digest)
    gone = [eid for eid in before if eid not in now]
    if not rows and not gone:
        return
    steps = _Steps(config, catalogue, report)
    with tqdm(total=len(rows), desc="Import", unit="session", disable=not progress) as bar:
        for part in chunks(rows, _SESSIONS):
            steps.write(part)
            bar.update(len(part))
    steps.remove(digests.as_uuids(gone))
    digests.write(beside, token, now)


def _token() -> str:
    """Return what tells this database from any other."""
    from fascicle.hub.models import Setting

    row, _ = Setting.objects.get_or_create(key=_TOKEN, defaults={"value": uuid.uuid4().hex})
    return json.dumps(row.value)


class _Steps:
    """Writes parts of a catalogue, each in one transaction."""

    def __init__(self, config: HubConfig, catalogue: Catalogue, report: ImportReport) -> None:
        from django.db import transaction

        from fascicle.hub.importing.description import Described
        from fascicle.hub.importing.probes import Probes
        from fascicle.hub.importing.rows import Writer

        assert config.folder is not None
        self.catalogue = catalogue
        self.report = report
        self.atomic = transaction.atomic
        record = _description(config.folder)
        with transaction.atomic():
            self.described = Described(record, config, report) if record else None
            if self.described:
                self.described.begin()
            self.writer = Writer(catalogue, config.data_url, report)
            self.probes = Probes(catalogue, report)

    def write(self, rows: list[int]) -> None:
        """Write some sessions with all that is known of them."""
        with self.atomic():
            written = self.writer.write(rows)
            self.probes.write(written)
            new = [(eid, row) for row, eid in written.eids.items() if eid in written.new]
            self._trials(new)
            if self.described:
                paths = [(eid, self.catalogue.session(row).path) for eid, row in new]
                self.described.apply(paths)

    def _trials(self, new: list[tuple[uuid.UUID, int]]) -> None:
        from fascicle.hub.importing.probes import trials_of
        from fascicle.hub.models import Session

        assert self.catalogue.root is not None
        for eid, row in new:
            folder = self.catalogue.root / self.catalogue.session(row).path
            found = trials_of(folder, self.catalogue.datasets(row))
            if found:
                n, right = found
                Session.objects.filter(pk=eid).update(n_trials=n, n_correct_trials=right)

    def remove(self, eids: list[uuid.UUID]) -> None:
        """Note that the files of sessions which the folder has no more are gone."""
        from fascicle.hub.generation import touched
        from fascicle.hub.models import FileRecord

        for part in chunks(eids, _SESSIONS):
            with self.atomic():
                records = FileRecord.objects.filter(
                    data_repository=self.writer.repository,
                    dataset__session_id__in=part,
                    exists=True,
                ).values_list("pk", "dataset__session_id")
                found = list(records)
                self.writer.vanish([pk for pk, _ in found])
                touched({eid for _, eid in found})

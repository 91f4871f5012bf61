"""Sessions of a release whose tables a project's description explains."""

from __future__ import annotations

import posixpath
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date as Date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.atlas.table import ROOT, VOID
from fascicle.atlas.table import table as atlas_table
from fascicle.catalogue import identity
from fascicle.errors import BadFileError, IncompleteWarning
from fascicle.formats.manifest import FileEntry, Manifest
from fascicle.formats.project import ProjectConfig, TableConfig

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.catalogue.columns import Columns, InsertionRow

#: Of a session whose table does not say when it was.
NO_DATE = Date(1, 1, 1)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(slots=True)
class Recording:
    """A session on its way into the catalogue.

    Attributes
    ----------
    native : str
        The id that the release gives it.
    subject, when, task : str
    files : list of FileEntry
    """

    native: str
    subject: str = ""
    when: str = ""
    task: str = ""
    files: list[FileEntry] = field(default_factory=list)

    @property
    def date(self) -> Date:
        """The day of ``when``."""
        try:
            return Date.fromisoformat(self.when[:10]) if _DAY.match(self.when) else NO_DATE
        except ValueError:
            return NO_DATE


def columns(
    manifest: Manifest, config: ProjectConfig, read: Callable[[str], pd.DataFrame]
) -> Columns:
    """Return the sessions, datasets and insertions of a version.

    Parameters
    ----------
    manifest : Manifest
    config : ProjectConfig
        The description of the project.
    read : callable
        Returns a table as it was parsed, by its key.

    Warns
    -----
    IncompleteWarning
        If channels are in structures that the atlas does not have.
    """
    tables = _Tables(manifest, config, read)
    recordings = tables.recordings()
    out = to_columns(manifest.project, recordings.values())
    out.meta["aliases"] = tables.aliases
    if not recordings and not config.catalogue.sessions:
        out.meta["undescribed"] = manifest.project
    unknown = Counter[str]()
    out.insertions = list(tables.insertions(recordings, unknown))
    if unknown:
        out.meta["unknown_structures"] = dict(unknown)
        warnings.warn(unknown_structures(manifest.name, unknown), IncompleteWarning, stacklevel=2)
    return out


def unknown_structures(name: str, unknown: Mapping[str, int]) -> str:
    """Return the sentence that says which structures the atlas does not have."""
    some = ", ".join(sorted(unknown)[:5]) + (", …" if len(unknown) > 5 else "")
    return (
        f"{sum(unknown.values())} recording sites of {name} are in {len(unknown)} structures that "
        f"the atlas does not have, so no search by region finds them: {some}"
    )


class _Tables:
    """The tables of a version, and what their columns mean."""

    def __init__(
        self, manifest: Manifest, config: ProjectConfig, read: Callable[[str], pd.DataFrame]
    ) -> None:
        self.manifest, self.config, self.about = manifest, config, config.catalogue
        self._read = read
        self._frames: dict[str, pd.DataFrame] = {}
        #: Other ids of sessions, such as that of a recording's behaviour.
        self.aliases: dict[str, str] = {}

    def frame(self, name: str) -> pd.DataFrame | None:
        """Return a table, or None where the version has none of that name."""
        if name not in self.manifest.metadata_files:
            return None
        if name not in self._frames:
            self._frames[name] = self._read(name)
        return self._frames[name]

    def recordings(self) -> dict[str, Recording]:
        """Return the sessions by their native ids, with their files."""
        found: dict[str, Recording] = {}
        seen: list[str] = []
        for name in self.about.sessions:
            frame, config = self.frame(name), self.config.table(name)
            if frame is None:
                continue
            if config.index not in frame.columns:
                raise BadFileError(
                    f"the table {name} of {self.manifest.name} has no {config.index}"
                )
            rows = zip(
                _ids(frame, config.index),
                self._linked(frame, config, seen),
                self._files(frame),
                *(_texts(frame, c) for c in (self.about.subject, self.about.date, self.about.task)),
                strict=True,
            )
            for native, other, entry, subject, when, task in rows:
                if other and (whole := found.get(other)):
                    self.aliases[native] = other
                else:
                    whole = found.setdefault(native, Recording(native, subject, when, task))
                _add(whole, entry)
            seen.append(name)
        for name in self.about.files:
            if (frame := self.frame(name)) is None or name in self.about.sessions:
                continue
            linked = self._linked(frame, self.config.table(name), seen)
            for native, entry in zip(linked, self._files(frame), strict=True):
                if whole := found.get(self.aliases.get(native, native)):
                    _add(whole, entry)
        return found

    def _linked(self, frame: pd.DataFrame, config: TableConfig, tables: list[str]) -> list[str]:
        """Return, for each row, the session that it belongs to, by the first link that says it."""
        out = [""] * len(frame)
        for column, other in config.links.items():
            if other in tables and column in frame.columns:
                linked = _ids(frame, column)
                out = [known or new for known, new in zip(out, linked, strict=True)]
        return out

    def _files(self, frame: pd.DataFrame) -> list[FileEntry | None]:
        """Return the file of each row; None where it has none of its own."""
        column = self.manifest.file_id_column
        if column not in frame.columns:
            return [None] * len(frame)
        return [self.manifest.data_files.get(key) for key in _ids(frame, column)]

    # -- insertions -------------------------------------------------------------------------------

    def insertions(
        self, recordings: Mapping[str, Recording], unknown: Counter[str]
    ) -> Iterator[InsertionRow]:
        """Go through the insertions, with their regions."""
        from fascicle.catalogue.columns import InsertionRow

        name = self.about.insertions
        if not name or (frame := self.frame(name)) is None:
            return
        config = self.config.table(name)
        ids = _ids(frame, config.index)
        regions = self._regions(frame, ids, unknown)
        labels = _texts(frame, self.about.label) if self.about.label else ids
        taken: set[tuple[bytes, str]] = set()
        linked = self._linked(frame, config, list(self.about.sessions))
        for native, label, session in zip(ids, labels, linked, strict=True):
            session = self.aliases.get(session, session)
            if session not in recordings:
                continue
            eid = identity.native_session_id(self.manifest.project, session)
            label = label or native
            if (eid, label) in taken:
                label = f"{label}_{native}"
            taken.add((eid, label))
            yield InsertionRow(
                identity.insertion_id(eid, label),
                eid,
                label,
                extra={config.index: int(native) if native.isdecimal() else native},
                regions=regions.get(native, ()) if regions is not None else None,
                source=self.manifest.name,
            )

    def _regions(
        self, frame: pd.DataFrame, ids: list[str], unknown: Counter[str]
    ) -> dict[str, tuple[tuple[int, int, int], ...]] | None:
        """Return the sites of each insertion by region; None where no table says where they are."""
        about = self.about
        if about.channels:
            sites = self.frame(about.channels)
            links = self.config.table(about.channels).links.items()
            column = next((c for c, other in links if other == about.insertions), "")
            if sites is None or not {column, about.region} <= set(sites.columns):
                return None
            return _counted(sites[column], sites[about.region], unknown)
        if about.region not in frame.columns:
            return None
        import pandas as pd

        return _counted(pd.Series(ids), frame[about.region].reset_index(drop=True), unknown)


def _counted(
    of: pd.Series[Any], acronyms: pd.Series[Any], unknown: Counter[str]
) -> dict[str, tuple[tuple[int, int, int], ...]]:
    """Count sites by insertion and region; the side is not known."""
    import numpy as np
    import pandas as pd

    owners, owner_names = pd.factorize(of)
    codes, names = pd.factorize(acronyms)
    known = atlas_table().by_acronym
    ccf = np.array([known.get(str(name), -1) for name in names], np.int64)
    inside = (codes >= 0) & (owners >= 0)
    for code, n in enumerate(np.bincount(codes[inside], minlength=len(names)).tolist()):
        if ccf[code] < 0 and n:
            unknown[str(names[code])] += n
    place = ccf[codes] if len(ccf) else np.zeros(len(codes), np.int64)
    keep = inside & (place > 0) & (place != ROOT) & (place != VOID)
    pairs, counts = np.unique(
        np.stack([owners[keep].astype(np.int64), place[keep]], axis=1), axis=0, return_counts=True
    )
    out: dict[str, tuple[tuple[int, int, int], ...]] = {}
    words = _as_texts(pd.Series(owner_names))
    for (owner, region), n in zip(pairs.tolist(), counts.tolist(), strict=True):
        out[words[owner]] = (*out.get(words[owner], ()), (region, 0, n))
    return out


def _add(recording: Recording, entry: FileEntry | None) -> None:
    if entry is not None and entry not in recording.files:
        recording.files.append(entry)


# -- columns of tables --------------------------------------------------------------------------


def _ids(frame: pd.DataFrame, column: str) -> list[str]:
    """Return a column of ids as text; an empty one where there is none, or it is below 0."""
    return ["" if v.startswith("-") else v for v in _as_texts(frame[column])]


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    return _as_texts(frame[column]) if column in frame.columns else [""] * len(frame)


def _as_texts(column: pd.Series[Any]) -> list[str]:
    """Return values as text: whole numbers as such, although missing ones made fractions of all."""
    from pandas.api.types import is_float_dtype

    missing = column.isna().tolist()
    if is_float_dtype(column.dtype):
        values = [int(v) if v % 1 == 0 else v for v in column.tolist()]
    else:
        values = column.tolist()
    return ["" if m else str(v) for v, m in zip(values, missing, strict=True)]


# -- into the catalogue -------------------------------------------------------------------------


def to_columns(project: str, recordings: Iterable[Recording]) -> Columns:
    """Return sessions and their files as columns of a catalogue."""
    import numpy as np

    from fascicle.catalogue.columns import Columns, SessionRow, empty_records, with_distinct_ids
    from fascicle.catalogue.schema import EXISTS, HAS_HASH

    ordered = sorted(recordings, key=lambda r: (r.subject, r.date, r.when, len(r.native), r.native))
    sessions: list[SessionRow] = []
    owners: list[int] = []
    codes: list[int] = []
    ids: list[bytes] = []
    entries: list[FileEntry] = []
    number: dict[str, int] = {}
    native_ids: dict[str, str] = {}
    of_day = Counter[tuple[str, Date]]()
    for n, recording in enumerate(ordered):
        eid = identity.native_session_id(project, recording.native)
        native_ids[UUID(bytes=eid).hex] = recording.native
        of_day[recording.subject, recording.date] += 1
        folder, paths = common_folder([entry.path for entry in recording.files])
        sessions.append(
            SessionRow(
                eid,
                subject=recording.subject,
                date=recording.date,
                number=of_day[recording.subject, recording.date],
                task_protocol=recording.task,
                projects=project,
                folder=folder,
            )
        )
        owners += [n] * len(paths)
        codes += [number.setdefault(path, len(number)) for path in paths]
        ids += identity.dataset_ids(eid, paths)
        entries += recording.files
    records = empty_records(len(ids))
    flags = np.full(len(ids), EXISTS, np.uint8)
    if ids:
        records["id"] = np.frombuffer(b"".join(ids), "V16")
        records["size"] = [-1 if entry.size is None else entry.size for entry in entries]
    for k, entry in enumerate(entries):
        if entry.algorithm == "md5":  # the others have no room here: the manifest has them
            records["hash"][k] = np.void(bytes.fromhex(entry.file_hash))
            flags[k] |= HAS_HASH
    out = Columns(
        sessions,
        np.array(owners, np.int32),
        np.array(codes, np.int32),
        list(number),
        records,
        flags,
        meta={"native_ids": native_ids},
    )
    return with_distinct_ids(out)


def common_folder(paths: list[str]) -> tuple[str, list[str]]:
    """Return the folder that files have in common, and their paths in it.

    The folder is ``.`` where they have none, and empty where there are no files.
    """
    if not paths:
        return "", []
    folder = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    return folder or ".", [posixpath.relpath(path, folder or ".") for path in paths]

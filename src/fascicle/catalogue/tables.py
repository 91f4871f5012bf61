"""ONE's own tables, ``sessions.pqt`` and ``datasets.pqt``, of both generations, become columns.

They are read in batches into packed columns, so that millions of rows fit in little memory.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date as Date
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue import arrow, identity
from fascicle.catalogue.columns import (
    NO_SESSION,
    RECORD_DTYPE,
    Columns,
    InsertionRow,
    SessionRow,
    with_distinct_ids,
)
from fascicle.catalogue.parquet import (
    column_name,
    int_ids,
    named,
    one_metadata,
    open_table,
    read_ids,
    texts,
)
from fascicle.catalogue.restore import columns_of
from fascicle.catalogue.schema import (
    DEFAULT,
    EXISTS,
    EXISTS_AWS,
    HAS_HASH,
    ODD_HASH,
    QC_CODE,
    QC_SHIFT,
)
from fascicle.errors import CatalogueError

if TYPE_CHECKING:
    import pyarrow as pa

    from fascicle.catalogue.query import Catalogue

_BATCH = 1 << 18


def read(folder: Path, *, progress: bool = False) -> Columns:
    """Read the tables of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``sessions.pqt`` and ``datasets.pqt``, and ``insertions.pqt`` where there is one.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    Columns
        Not yet arranged.

    Raises
    ------
    CatalogueError
        A table is missing, is no Parquet, or lacks a column.
    """
    insertions = folder / "insertions.pqt"
    return read_files(
        folder / "sessions.pqt",
        folder / "datasets.pqt",
        insertions if insertions.exists() else None,
        progress=progress,
    )


def read_files(
    sessions: Path, datasets: Path, insertions: Path | None = None, *, progress: bool = False
) -> Columns:
    """Read tables wherever each of them lies; see `read`."""
    with named(sessions) as path:
        rows, meta = _read_sessions(path)
    with named(datasets) as path:
        columns = _read_datasets(path, rows, meta, progress=progress)
    if insertions is not None:
        with named(insertions) as path:
            columns.insertions = _read_insertions(path, columns)
    return with_distinct_ids(columns)


def with_insertions(catalogue: Catalogue, folder: Path) -> Columns:
    """Return a catalogue's columns with the insertions that a folder's table lists."""
    columns = columns_of(catalogue)
    with named(folder / "insertions.pqt") as path:
        columns.insertions = _read_insertions(path, columns)
    return columns


def _read_sessions(path: Path) -> tuple[list[SessionRow], dict[str, Any]]:
    file = open_table(path)
    table = file.read()
    names = table.column_names
    meta = {"sessions": one_metadata(table.schema)}
    subject = column_name(path, names, "subject")
    number = texts(table, column_name(path, names, "number"))
    dates = table.column(column_name(path, names, "date")).to_pylist()
    rest = [
        texts(table, column_name(path, names, *wanted, needed=False))
        for wanted in (("lab",), ("task_protocol",), ("projects", "project"))
    ]
    ids = read_ids(table, path, names, "id", "eid", "__index_level_0__")
    rows = []
    given = zip(ids, texts(table, subject), dates, number, *rest, strict=True)
    for raw, subj, when, num, lab, task, projects in given:
        day = _day(when, path)
        n = int(float(num or 0))
        eid = raw if raw is not None else identity.session_id(lab, subj, day, n)
        rows.append(SessionRow(eid, lab, subj, day, n, task, projects))
    return rows, meta


def _day(value: Any, path: Path) -> Date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, Date):
        return value
    try:
        return Date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise CatalogueError(f"the table {path} has a date that is none: {value!r}") from error


class _DatasetReader:
    """Takes batches of a datasets table apart."""

    def __init__(
        self, path: Path, names: list[str], sessions: list[SessionRow], total: int
    ) -> None:
        self.path, self.names, self.sessions = path, names, sessions
        self.row = {s.eid: n for n, s in enumerate(sessions)}
        self.by_text: dict[str | None, int] = {}
        self.code: dict[str, int] = {}
        self.rel_path = column_name(path, names, "rel_path")
        self.session = np.zeros(total, np.int32)
        self.codes = np.zeros(total, np.int32)
        self.records = np.zeros(total, RECORD_DTYPE)
        self.flags = np.zeros(total, np.uint8)
        self.odd: dict[int, str] = {}
        self.count = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        here = slice(self.count, self.count + batch.num_rows)
        session = self.session[here] = self._sessions(batch)
        codes = self.codes[here] = self._paths(batch)
        records, flags = self.records[here], self.flags[here]
        flags[:] = self._flags(batch, batch.num_rows)
        self._hashes(batch, records, flags)
        records["size"] = self._sizes(batch, batch.num_rows)
        self._ids(batch, records, session, codes)
        self.count += batch.num_rows

    def _sessions(self, batch: pa.RecordBatch) -> NDArray[np.int32]:
        if "eid_0" in self.names:
            raws = int_ids(batch, "eid")
            lookup = {raw: self._row(raw) for raw in set(raws)}
            return np.array([lookup[r] for r in raws], np.int32)
        name = column_name(self.path, self.names, "eid", "session_id")
        return self._coded(batch.column(name), self._row_of_text)

    def _coded(self, column: Any, number: Any) -> NDArray[np.int32]:
        import pyarrow as pa

        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        table = np.array([number(v) for v in column.dictionary.to_pylist()] + [-1], np.int32)
        indices = column.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)
        out: NDArray[np.int32] = table[indices]
        if (out < 0).any():
            out[out < 0] = number(None)
        return out

    def _row_of_text(self, text: str | None) -> int:
        found = self.by_text.get(text)
        if found is None:
            found = self.by_text[text] = self._row(_session_of_text(text))
        return found

    def _row(self, raw: bytes) -> int:
        found = self.row.get(raw)
        if found is None:
            found = self.row[raw] = len(self.sessions)
            self.sessions.append(SessionRow(raw, listed=False))
        return found

    def _path_number(self, text: str | None) -> int:
        return self.code.setdefault("" if text is None else str(text), len(self.code))

    def _paths(self, batch: pa.RecordBatch) -> NDArray[np.int32]:
        return self._coded(batch.column(self.rel_path), self._path_number)

    def _bools(self, batch: pa.RecordBatch, name: str, default: bool) -> NDArray[np.bool_]:
        if name not in self.names:
            return np.full(batch.num_rows, default)
        column = batch.column(name)
        out: NDArray[np.bool_] = column.fill_null(default).to_numpy(zero_copy_only=False)
        return out.astype(bool)

    def _flags(self, batch: pa.RecordBatch, n: int) -> NDArray[np.uint8]:
        flags = np.zeros(n, np.uint8)
        flags[self._bools(batch, "exists", True)] |= EXISTS
        flags[self._bools(batch, "default_revision", False)] |= DEFAULT
        flags[self._bools(batch, "exists_aws", False)] |= EXISTS_AWS
        if "qc" in self.names:
            qc = self._coded(batch.column("qc"), lambda v: _qc_code(v, self.path))
            flags |= (qc << QC_SHIFT).astype(np.uint8)
        return flags

    def _sizes(self, batch: pa.RecordBatch, n: int) -> NDArray[np.int64]:
        if "file_size" not in self.names:
            return np.full(n, -1, np.int64)
        column = batch.column("file_size")
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, -1)
        else:
            values = column.fill_null(0).to_numpy(zero_copy_only=False)
        out: NDArray[np.int64] = values.astype(np.int64)
        if column.null_count:
            out[column.is_null().to_numpy(zero_copy_only=False)] = -1
        return out

    def _hashes(
        self, batch: pa.RecordBatch, records: NDArray[np.void], flags: NDArray[np.uint8]
    ) -> None:
        if "hash" not in self.names:
            return
        column = batch.column("hash")
        digits = arrow.fixed_width(column, 32)
        if digits is not None:
            raw, ok = arrow.from_hex(digits)
            if ok.all():
                records["hash"] = np.ascontiguousarray(raw).view("V16").ravel()
                flags |= HAS_HASH
                return
        for k, text in enumerate(column.to_pylist()):
            if not text:
                continue
            try:
                raw16 = bytes.fromhex(text) if len(text) == 32 and text == text.lower() else b""
            except ValueError:
                raw16 = b""
            if len(raw16) == 16:
                records["hash"][k] = np.void(raw16)
                flags[k] |= HAS_HASH
            else:
                flags[k] |= ODD_HASH
                self.odd[self.count + k] = str(text)

    def _ids(
        self,
        batch: pa.RecordBatch,
        records: NDArray[np.void],
        session: NDArray[np.int32],
        codes: NDArray[np.int32],
    ) -> None:
        if "id_0" in self.names:
            records["id"] = np.frombuffer(b"".join(int_ids(batch, "id")), "V16")
            return
        column = batch.column(column_name(self.path, self.names, "id", "dataset_id"))
        digits = arrow.fixed_width(column, 36)
        if digits is not None:
            raw, ok = arrow.from_hex(digits[:, arrow.DIGITS_OF_UUID])
            if ok.all():
                records["id"] = np.ascontiguousarray(raw).view("V16").ravel()
                return
        paths = list(self.code)
        for k, text in enumerate(column.to_pylist()):
            try:
                raw16 = uuid.UUID(str(text)).bytes
            except ValueError:
                # Tables older than ids: the path stood in the id's place.
                eid = self.sessions[session[k]].eid
                raw16 = identity.dataset_id(eid, paths[codes[k]])
            records["id"][k] = np.void(raw16)

    def columns(self, meta: dict[str, Any]) -> Columns:
        """Return all that was taken."""
        return Columns(
            self.sessions,
            self.session,
            self.codes,
            list(self.code),
            self.records,
            self.flags,
            odd_hashes=self.odd,
            meta=meta,
        )


def _session_of_text(text: str | None) -> bytes:
    if text is None:
        return NO_SESSION
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        parts = text.split("/")
        try:
            lab = parts[-5] if len(parts) >= 5 else parts[0] if len(parts) == 4 else ""
            return identity.session_id(lab, parts[-3], parts[-2], int(parts[-1]))
        except (IndexError, ValueError):
            return NO_SESSION


def _qc_code(value: Any, path: Path) -> int:
    if value is None:
        return 0
    code = QC_CODE.get(value.upper() if isinstance(value, str) else int(value))
    if code is None:
        raise CatalogueError(f"the table {path} has an unknown QC value: {value!r}")
    return code


def _read_datasets(
    path: Path, sessions: list[SessionRow], meta: dict[str, Any], *, progress: bool
) -> Columns:

    names = open_table(path).schema_arrow.names
    coded = [n for n in ("eid", "rel_path") if n in names]
    file = open_table(path, coded)
    names = file.schema_arrow.names
    meta = {**meta, "datasets": one_metadata(file.schema_arrow)}
    reader = _DatasetReader(path, names, sessions, file.metadata.num_rows)
    wanted = [
        n
        for n in names
        if n
        in (
            "eid",
            "eid_0",
            "eid_1",
            "session_id",
            "id",
            "id_0",
            "id_1",
            "dataset_id",
            "rel_path",
            "file_size",
            "hash",
            "exists",
            "qc",
            "default_revision",
            "exists_aws",
        )
    ]
    for batch in _bar(file, wanted, progress):
        reader.add(batch)
    if reader.count != file.metadata.num_rows:
        raise ValueError(f"it has {reader.count} rows instead of {file.metadata.num_rows}")
    out = reader.columns(
        {
            "tables": meta,
            "has_default_revision": "default_revision" in names,
            "has_exists_aws": "exists_aws" in names,
            "ignored_columns": sorted(
                set(names) - set(wanted) - {"session_path", "__index_level_0__"}
            ),
        }
    )
    return out


def _bar(file: Any, wanted: list[str], progress: bool) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from tqdm import tqdm

    total = file.metadata.num_rows
    with tqdm(
        total=total, desc="Reading tables", unit="row", unit_scale=True, disable=not progress
    ) as bar:
        for batch in file.iter_batches(_BATCH, columns=wanted, use_threads=False):
            yield batch
            bar.update(batch.num_rows)
    pa.default_memory_pool().release_unused()  # half a gigabyte after six million rows


def _read_insertions(path: Path, columns: Columns) -> list[InsertionRow]:
    from fascicle.catalogue import regions

    table = open_table(path).read()
    names = table.column_names
    pids = read_ids(table, path, names, *(["pid", "id"] if "pid" in names else ["id"]))
    known = {s.eid for s in columns.sessions}
    rows = []
    for record, pid in zip(table.to_pylist(), pids, strict=True):
        raw = _session_of_text(record.get("eid") or record.get("session"))
        if pid is None:
            continue
        if raw not in known:
            known.add(raw)
            columns.sessions.append(SessionRow(raw, listed=False))
        extra = {
            k: v
            for k, v in record.items()
            if k not in ("pid", "id", "eid", "session", "name", "model", "serial") and v is not None
        }
        text = {k: str(record.get(k) or "") for k in ("name", "model", "serial")}
        row = InsertionRow(pid, raw, text["name"], text["model"], text["serial"], extra)
        row.regions = _regions(extra)
        row.source = "" if row.regions is None else regions.GIVEN
        rows.append(row)
    return rows


def _regions(extra: dict[str, Any]) -> tuple[tuple[int, int, int], ...] | None:
    """Take the regions out of the further values of a probe: tables of releases have them."""
    try:
        found = tuple((r["ccf"], r["side"], r["channels"]) for r in extra["regions"])
    except (KeyError, TypeError):
        return None
    if not all(type(n) is int for row in found for n in row):
        return None
    del extra["regions"]
    good = range(1, 1 << 31)
    return tuple(row for row in found if row[0] in good and row[1] in (-1, 0, 1) and row[2] in good)

"""A project's tables and files, of the version that is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.archives import watch
from fascicle.errors import NotFoundError, RecordNotFound, nearest
from fascicle.formats.manifest import FileEntry
from fascicle.projects.base import VersionedCache

if TYPE_CHECKING:
    from array import array

    import pandas as pd

    from fascicle.transfer.plan import Plan


class ProjectCache(VersionedCache):
    """A project's releases, in a bucket and in a folder of yours.

    Make one with `from_s3_cache` or `from_local_cache`. It pickles, and its folder can be moved.
    """

    # -- tables -----------------------------------------------------------------------------------

    def get_table(self, name: str) -> pd.DataFrame:
        """Return a table with the columns and types that the project's own reader gives it.

        Parameters
        ----------
        name : str
            Its key in the manifest, such as ``units``.

        Returns
        -------
        pandas.DataFrame
            A copy of your own.
        """
        from fascicle.archives import tables

        self._vouch(self._table_entry(name))
        if name not in self._frames:
            about = self.config.table(name)
            self._frames[name] = tables.finish(self._parsed(name), about)
        return tables.own(self._frames[name], self.config.table(name))

    def columns(self, name: str, columns: Sequence[str]) -> pd.DataFrame | None:
        """Return some columns of a table that is here, with its index; no others are parsed.

        Parameters
        ----------
        name : str
            Its key in the manifest, such as ``units``.
        columns : sequence of str

        Returns
        -------
        pandas.DataFrame or None
            None if the table is not here, or lacks one of these columns.
        """
        from fascicle.archives import tables

        entry = self.manifest.metadata_files.get(name)
        if entry is None:
            return None
        about = self.config.table(name)
        if name in self._frames:
            frame = self._frames[name]
            found = frame[[*columns]] if set(columns) <= set(frame.columns) else None
        else:
            wanted = [*columns, *([about.index] if about.index else [])]
            copy = f"{self._copy_name(entry, name)}.parquet"
            found = next(
                (f for d in self._folders() if (f := _columns_of(d / copy, wanted)) is not None),
                None,
            )
            if found is None and self._versions.store.is_here(self.manifest, entry):
                found = _columns_of(self._versions.bring(self.manifest, [entry])[0], wanted)
            found = None if found is None else tables.finish(found, about)
        if found is not None:
            self._vouch(entry)
        return found

    def table(self, name: str, *, join: str | Sequence[str] = ()) -> pd.DataFrame:
        """Return a table with lists as lists and dates as times.

        Parameters
        ----------
        name : str
            Its key in the manifest, such as ``units``.
        join : str or sequence of str, optional
            Tables that its rows are part of, as in ``join=["channels", "probes",
            "ecephys_sessions"]``: their columns are added, and begin with ``channel_``, ``probe_``
            or ``session_``.

        Raises
        ------
        ConfigurationError
            If the table has no link to one that is to be joined.
        """
        from fascicle.archives import tables

        def read(one: str) -> pd.DataFrame:
            return tables.enrich(self.get_table(one), self.config.table(one))

        return tables.with_others(name, join, self.config, read)

    def ids(self, name: str, **where: Any) -> array[int]:
        """Return the ids of the rows of a table that have given values in some columns.

        After the table was read once, a new process answers in milliseconds.

        Parameters
        ----------
        name : str
            Its key in the manifest, such as ``units``.
        **where
            A value for each column, or several as a list:
            ``ids("units", structure_acronym=["VISp", "VISl"])``.

        Returns
        -------
        array.array
            Of 64-bit integers, in the order of the table; numpy takes it without a copy.
        """
        from fascicle.archives import ids

        entry = self._table_entry(name)
        self._vouch(entry)
        about = self.config.table(name)
        if about.index and name not in self._frames:
            self._versions.require(self.manifest, entry)
            for folder in self._folders():
                kept = folder / f"{self._copy_name(entry, name)}.ids"
                if (found := ids.read_ids(kept, about.index, where)) is not None:
                    return found
        frame = self.get_table(name)
        return ids.ids_of_frame(frame, where)

    def _parsed(self, name: str) -> pd.DataFrame:
        from fascicle.archives import tables

        entry = self._table_entry(name)
        self._versions.require(self.manifest, entry)

        def file() -> Path:
            return self._versions.bring(self.manifest, [entry])[0]

        copy = self._copy_name(entry, name)
        return tables.read_parsed(copy, self._folders(), file, self.config.table(name))

    def _copy_name(self, entry: FileEntry, name: str) -> str:
        from fascicle.archives.tables import copy_name

        return copy_name(entry.file_hash.lower(), self.config.table(name))

    def _folders(self) -> list[Path]:
        """Return where copies of tables are: beside the data, or with the user's derived files."""
        mine = settings.cache_dir() / "tables"
        return (
            [mine]
            if self._versions.store.static
            else [self._versions.store.hidden / "tables", mine]
        )

    def _table_entry(self, name: str) -> FileEntry:
        known = self.manifest.metadata_files
        if name not in known:
            raise NotFoundError(
                f"{self._name} has no table {name!r}",
                hint=nearest(name, known) or f"it has {', '.join(sorted(known))}",
            )
        return known[name]

    # -- files ------------------------------------------------------------------------------------

    def file_id(self, table: str, record: int) -> str:
        """Return the key of the file that has the data of a row.

        Parameters
        ----------
        table : str
            Such as ``ecephys_sessions``.
        record : int
            The row's id. A row without a file of its own, such as a behaviour session that is part
            of a recording, leads to the file that it is in.

        Raises
        ------
        RecordNotFound
            If the table has no such row, or nothing has its data. It is a RuntimeError.
        """
        from fascicle.archives import tables

        frame, about = self.get_table(table), self.config.table(table)
        if record not in frame.index:
            raise RecordNotFound(
                f"{table} has no {frame.index.name} {record}",
                hint=f"get_table({table!r}) has them all",
            )
        row: Any = frame.loc[record]
        if getattr(row, "ndim", 1) > 1:
            raise RecordNotFound(f"{table} has {len(row)} rows of {frame.index.name} {record}")
        value = row.get(self.manifest.file_id_column)
        if not tables.is_missing(value) and value >= 0:
            return str(int(value))
        column = about.file_elsewhere
        there: Any = row.get(column) if column else None
        there = there[0] if isinstance(there, (list, tuple)) and there else there
        if not isinstance(there, (list, tuple)) and not tables.is_missing(there):
            return self.file_id(about.links[column], int(there))
        raise RecordNotFound(f"no file has the data of {frame.index.name} {record}")

    def plan(self, file_ids: Iterable[str | int] | None = None) -> Plan:
        """Say what it takes to have data files here; nothing is fetched.

        Sizes that are not in the manifest are those that the bucket lists, where it soon does.

        Parameters
        ----------
        file_ids : iterable of str or int, optional
            Keys of the manifest, as in the ``file_id`` column of tables; all data files unless
            given.

        Returns
        -------
        Plan
            ``plan.select(...)`` takes some of it, ``plan.run()`` fetches it.
        """
        keys = self.manifest.data_files if file_ids is None else file_ids
        plan = self._versions.plan(self.manifest, [self._data_entry(key) for key in keys])
        return self._versions.sized(plan)

    def download_data(self, file_id: str | int) -> Path:
        """Return the path of a data file, which is fetched if it is not here, and verified."""
        return self._hand_out(self._data_entry(file_id))

    def download_metadata(self, fname: str) -> Path:
        """Return the path of a table's file, which is fetched if it is not here, and verified."""
        return self._hand_out(self._table_entry(fname))

    def _hand_out(self, entry: FileEntry) -> Path:
        def bring() -> list[Path]:
            return self._versions.bring(self.manifest, [entry])

        if not watch.watched():
            return bring()[0]
        return watch.hand_out(self._uses([entry]), bring)[0]

    def _vouch(self, entry: FileEntry) -> None:
        """Note that the content of a table is handed out, if a lock allows it."""
        if watch.watched():
            watch.vouch(self._uses([entry]))

    def data_path(self, file_id: str | int) -> dict[str, Any]:
        """Return where a data file is: ``local_path``, ``exists`` and ``file_attributes``."""
        return self._where(self._data_entry(file_id))

    def metadata_path(self, fname: str) -> dict[str, Any]:
        """Return where a table's file is, as `data_path` does."""
        return self._where(self._table_entry(fname))

    def _where(self, entry: FileEntry) -> dict[str, Any]:
        store = self._versions.store
        return {
            "local_path": store.path(self.manifest, entry),
            "exists": store.is_here(self.manifest, entry),
            "file_attributes": entry,
        }

    def _data_entry(self, file_id: str | int) -> FileEntry:
        entry = self.manifest.data_files.get(str(file_id))
        if entry is None:
            raise NotFoundError(
                f"{self._name} has no data file {file_id!r}",
                hint=f"its keys are those of the tables' column {self.manifest.file_id_column!r}",
            )
        return entry

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_frames": {}}  # each process reads the tables that it needs

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._name or self.config.project}: {self._versions.place}>"
        )


def _columns_of(path: Path, names: list[str]) -> pd.DataFrame | None:
    """Return some columns of a table's file or of its copy, None if one is not there."""
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path, columns=names)
        else:
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=names))
    except (pa.ArrowException, OSError, KeyError):
        return None
    frame: pd.DataFrame = table.to_pandas()
    return frame if set(names) <= set(frame.columns) else None

"""Make, read, merge and prune ONE's tables, under the names of ``one.alf.cache``.

What differs from ONE: ids are the same on each machine and in each run, and no two datasets share
one; an index that is there is brought up to date; nothing is printed; `remove_missing_datasets`
leaves the datasets that the tables list alone. Tables are worked on as pandas frames here; for
large folders `fascicle.catalogue` answers without them.
"""

from __future__ import annotations

import datetime
import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...alf.parts import get_alf_path, session_path_parts
from ...errors import ALFError
from ..bunch import Bunch
from ._merging import merge_tables
from ._tables import _cache_int2str, cast_index_object, load_tables, patch_tables

if TYPE_CHECKING:
    import pandas as pd

    QC_TYPE: pd.CategoricalDtype
    SESSIONS_COLUMNS: dict[str, Any]
    DATASETS_COLUMNS: dict[str, Any]
    EMPTY_SESSIONS_FRAME: pd.DataFrame
    EMPTY_DATASETS_FRAME: pd.DataFrame

__all__ = [
    "DATASETS_COLUMNS",
    "EMPTY_DATASETS_FRAME",
    "EMPTY_SESSIONS_FRAME",
    "QC_TYPE",
    "SESSIONS_COLUMNS",
    "_cache_int2str",
    "cast_index_object",
    "default_cache",
    "load_tables",
    "make_parquet_db",
    "merge_tables",
    "patch_tables",
    "remove_missing_datasets",
    "remove_table_files",
]

_logger = logging.getLogger(__name__)


def __getattr__(name: str) -> Any:
    """Make what is of pandas when it is asked for, since importing pandas takes time."""
    from . import _tables

    if name == "QC_TYPE":
        value: Any = _tables.qc_type()
    elif name == "SESSIONS_COLUMNS":
        value = _tables.sessions_columns()
    elif name == "DATASETS_COLUMNS":
        value = _tables.datasets_columns()
    elif name == "EMPTY_SESSIONS_FRAME":
        value = _tables.empty_frame("sessions")
    elif name == "EMPTY_DATASETS_FRAME":
        value = _tables.empty_frame("datasets")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _metadata(origin: str | os.PathLike[str]) -> dict[str, str]:
    """Return what a table says of itself.

    Parameters
    ----------
    origin : str or path
        Folder, computer or database that the table comes from.

    Returns
    -------
    dict
        ``date_created`` (to the minute) and ``origin``.
    """
    now = datetime.datetime.now().isoformat(sep=" ", timespec="minutes")
    return {"date_created": now, "origin": str(origin)}


def default_cache(origin: str = "") -> Bunch:
    """Return empty tables, and what is said of them.

    Parameters
    ----------
    origin : str
        Computer or database that the tables are to come from.

    Returns
    -------
    Bunch
        ``datasets`` and ``sessions`` (pandas.DataFrame), and ``_meta``: created_time,
        loaded_time, modified_time and saved_time, and ``raw`` with what each table says.
    """
    from ._tables import empty_cache

    return empty_cache(_metadata(origin), {origin} - {""})


def make_parquet_db(
    root_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str] | None = None,
    hash_ids: bool = True,
    hash_files: bool = False,
    lab: str | None = None,
) -> tuple[Path, Path]:
    """Index a folder, or bring its index up to date, and return ONE's tables.

    Parameters
    ----------
    root_dir : path
        The folder of recordings.
    out_dir : path, optional
        Where the tables go; default: into the folder.
    hash_ids : bool
        Taken for the sake of programs that give it: ids are always made.
    hash_files : bool
        Record the md5 of each file.
    lab : str, optional
        Lab of sessions whose folders name none.

    Returns
    -------
    pathlib.Path
        The sessions table.
    pathlib.Path
        The datasets table.

    Raises
    ------
    CatalogueError
        The folder is not there, or cannot be written.

    Warns
    -----
    RuntimeWarning
        There are no sessions, or no datasets.
    """
    from ...catalogue import Catalogue, index

    root = Path(root_dir).expanduser().resolve()
    out = Path(out_dir).expanduser().resolve() if out_dir else root
    index(root, tables_dir=out_dir and out, hash_files=hash_files, lab=lab)
    catalogue = Catalogue.open(root, tables_dir=out_dir and out)
    missing = [k for k in ("sessions", "datasets") if not getattr(catalogue, f"n_{k}")]
    if missing:
        warnings.warn(
            f"No {missing[0]} found in {root}: recordings lie in "
            "lab/Subjects/subject/yyyy-mm-dd/number or subject/yyyy-mm-dd/number",
            RuntimeWarning,
            stacklevel=2,
        )
    return out / "sessions.pqt", out / "datasets.pqt"


def _session_id(session_path: Any) -> str:
    """Return a session as ``lab/subject/yyyy-mm-dd/nnn``, the lab where there is one."""
    return "/".join(filter(None, session_path_parts(session_path, assert_valid=True)))


def _get_session_info(
    rel_ses_path: Any,
) -> tuple[str, str, str, datetime.date, int, str, str]:
    """Return the row of the sessions table for a folder: the columns of `SESSIONS_COLUMNS`."""
    lab, subject, date, number = session_path_parts(rel_ses_path, assert_valid=True)
    day = datetime.date.fromisoformat(str(date))
    return _session_id(rel_ses_path), lab or "", str(subject), day, int(str(number)), "", ""


def _get_dataset_info(
    dset_path: Any, ses_eid: Any = None, compute_hash: bool = False
) -> tuple[Any, str, str, int, str, bool, str]:
    """Return the row of the datasets table for a file: the columns of `DATASETS_COLUMNS`."""
    from ...alf import ALFPath

    path = ALFPath(dset_path)
    inside = str(get_alf_path(path.relative_to_session()))
    digest = ""
    if compute_hash:
        from ...catalogue.hashing import file_md5

        found = file_md5(str(path))
        if isinstance(found, str):
            raise ALFError(f"{path} {found}", hint="check who may read it")
        digest = found.hex()
    eid = ses_eid or _session_id(path.session_path())
    return eid, inside, inside, path.stat().st_size, digest, True, "NOT_SET"


def _make_sessions_df(root_dir: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of the sessions of a folder.

    Parameters
    ----------
    root_dir : path
        The folder; it may be a session itself.

    Returns
    -------
    pandas.DataFrame
        The columns of `SESSIONS_COLUMNS`; ``id`` is ``lab/subject/date/number``.
    """
    import pandas as pd

    from ._tables import sessions_columns
    from .io import iter_sessions

    rows = [_get_session_info(get_alf_path(path)) for path in iter_sessions(root_dir)]
    columns = sessions_columns()
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _make_datasets_df(root_dir: str | os.PathLike[str], hash_files: bool = False) -> pd.DataFrame:
    """Return a table of the datasets of a folder.

    Parameters
    ----------
    root_dir : path
        The folder; it may be a session itself.
    hash_files : bool
        Make the md5 of each file.

    Returns
    -------
    pandas.DataFrame
        The columns of `DATASETS_COLUMNS`; ``eid`` is ``lab/subject/date/number``, and ``id`` the
        path relative to the session.
    """
    import pandas as pd

    from ._tables import datasets_columns
    from .io import iter_sessions

    rows = [
        _get_dataset_info(file, compute_hash=hash_files)
        for session in iter_sessions(root_dir)
        for file in session.iter_datasets(recursive=True)
    ]
    columns = datasets_columns()
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def remove_missing_datasets(
    cache_dir: str | os.PathLike[str],
    tables: Mapping[str, Any] | None = None,
    remove_empty_sessions: bool = True,
    dry: bool = True,
) -> list[Path]:
    """Remove the datasets of a folder that its tables do not list.

    Parameters
    ----------
    cache_dir : path
        The folder of recordings.
    tables : dict of pandas.DataFrame, optional
        ``sessions`` and ``datasets``; default: those in the folder.
    remove_empty_sessions : bool
        Also remove session folders that the sessions table does not list, once they are empty.
    dry : bool
        Only return what would be removed.

    Returns
    -------
    list of pathlib.Path
        Files and session folders, sorted. Files that are no datasets are never removed.
    """
    from ..paths import session_record2path
    from .io import iter_sessions

    root = Path(cache_dir)
    tables = load_tables(root) if tables is None else tables
    places = {
        Path(session_record2path(row.to_dict(), root)): eid
        for eid, row in tables["sessions"].iterrows()
    }
    listed: dict[Any, set[str]] = {}
    datasets = tables["datasets"]
    for eid, path in zip(datasets.index.get_level_values(0), datasets["rel_path"], strict=True):
        listed.setdefault(eid, set()).add(path)
    found: list[Path] = []
    for session in iter_sessions(root):
        known = listed.get(places.get(Path(session)), set())
        files = session.iter_datasets(recursive=True)
        found += [f for f in files if f.relative_to_session().as_posix() not in known]
        if remove_empty_sessions and Path(session) not in places:
            found.append(session)
    for path in [] if dry else found:
        if path.is_file():
            _logger.debug("removing %s", path)
            path.unlink()
        else:
            _remove_empty(path, root)
    return sorted(Path(p) for p in found)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder that holds nothing but empty folders, and those above it likewise."""
    from .io import remove_empty_folders

    remove_empty_folders(folder)
    while folder != root and not any(folder.iterdir()):
        _logger.debug("removing %s", folder)
        folder.rmdir()
        folder = folder.parent


def remove_table_files(
    folder: str | os.PathLike[str], tables: Iterable[str] = ("sessions", "datasets")
) -> list[Path]:
    """Delete tables from a folder, and ``cache_info.json``.

    Parameters
    ----------
    folder : path
        Where they lie.
    tables : iterable of str
        Their names.

    Returns
    -------
    list of pathlib.Path
        The files that were there.
    """
    removed = []
    for name in ("cache_info.json", *(f"{t}.pqt" for t in tables)):
        path = Path(folder, name)
        try:
            path.unlink()
        except FileNotFoundError:
            _logger.warning("%s not found", path)
        else:
            removed.append(path)
    return removed

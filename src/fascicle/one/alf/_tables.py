"""ONE's tables as pandas frames: their columns, and reading those of both generations."""

from __future__ import annotations

import datetime
import json
import logging
import os
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...alf.spec import is_uuid_string
from ...errors import CatalogueError
from ..bunch import Bunch

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)


def qc_type() -> pd.CategoricalDtype:
    """Return the type of the column of quality control: ordered categories, best first."""
    from ..records import qc_type

    return qc_type()


def sessions_columns() -> dict[str, Any]:
    """Return the columns of the sessions table, and their types."""
    import numpy as np

    texts = dict.fromkeys(("id", "lab", "subject", "date"), object)
    return {**texts, "number": np.uint16, "task_protocol": object, "projects": object}


def datasets_columns() -> dict[str, Any]:
    """Return the columns of the datasets table, and their types."""
    texts = dict.fromkeys(("eid", "id", "rel_path"), object)
    return {**texts, "file_size": "UInt64", "hash": object, "exists": bool, "qc": qc_type()}


def empty_frame(name: str) -> pd.DataFrame:
    """Return a table without rows, ``sessions`` or ``datasets``, indexed by id or (eid, id)."""
    import pandas as pd

    columns = sessions_columns() if name == "sessions" else datasets_columns()
    index = ["id"] if name == "sessions" else ["eid", "id"]
    return pd.DataFrame(columns=list(columns)).astype(columns).set_index(index)


def empty_cache(said: dict[str, Any], origin: set[str]) -> Bunch:
    """Return tables without rows, and what is said of them."""
    raw = {**said, "origin": origin}
    times = dict.fromkeys(("created_time", "loaded_time", "modified_time", "saved_time"))
    names = ("datasets", "sessions")
    frames = {name: empty_frame(name) for name in names}
    return Bunch(**frames, _meta={**times, "raw": {name: deepcopy(raw) for name in names}})


def load_tables(tables_dir: str | os.PathLike[str], glob_pattern: str = "*.pqt") -> Bunch:
    """Read the tables of a folder.

    Parameters
    ----------
    tables_dir : path
        Where they lie.
    glob_pattern : str
        Which files are tables.

    Returns
    -------
    Bunch
        A pandas.DataFrame by the name of each file (``sessions``, ``datasets``, …), indexed by
        UUIDs and sorted, and ``_meta`` as of `default_cache`. Files of other kinds are left out,
        with a note in the log; without tables they are empty.

    Raises
    ------
    CatalogueError
        A file is no Parquet.
    """
    from .cache import default_cache

    found = default_cache()
    meta = found["_meta"]
    for path in sorted(Path(tables_dir).glob(glob_pattern)):
        frame, said = _read(path)
        if "date_created" not in said:
            _logger.warning("%s is no table of ONE, and is left out", path)
            continue
        meta["loaded_time"] = datetime.datetime.now()
        origin = said.get("origin") or []
        said["origin"] = {origin} if isinstance(origin, str) else set(origin)
        found[path.stem], meta["raw"][path.stem] = _indexed(frame, said, path), said
    created = [r["date_created"] for r in meta["raw"].values() if "date_created" in r]
    if meta["loaded_time"]:
        meta["created_time"] = min(map(datetime.datetime.fromisoformat, created))
    return found


def _read(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        said = json.loads((table.schema.metadata or {}).get(b"one_metadata", b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogueError(
            f"the table {path} cannot be read: {error}", hint="make it again: One.setup(DIR)"
        ) from error
    return table.to_pandas(), said


def _indexed(frame: pd.DataFrame, said: dict[str, Any], path: Path) -> pd.DataFrame:
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex):
        ids = sorted(c for c in frame.columns if re.fullmatch("[ep]?id(_[01])?", str(c)))
        if not ids:
            raise CatalogueError(
                f"{path} has no column of ids", hint="make it again: One.setup(DIR)"
            )
        frame = frame.set_index(ids)
    frame = patch_tables(frame, said.get("min_api_version"), path.stem)
    if len(frame) and is_uuid_string(frame.index.get_level_values(0)[0]):
        frame = cast_index_object(frame, UUID)
    return frame if frame.index.is_monotonic_increasing else frame.sort_index()


def cast_index_object(df: pd.DataFrame, dtype: Callable[[Any], Any] = UUID) -> pd.DataFrame:
    """Return a table with each id of its index converted.

    Parameters
    ----------
    df : pandas.DataFrame
        A table, which is changed.
    dtype : callable
        What makes the new ids, ``UUID`` or ``str``; missing ones are left as they are.

    Returns
    -------
    pandas.DataFrame
        The same table.
    """
    import numpy as np
    import pandas as pd

    def converted(values: Any) -> Any:
        out = np.empty(len(values), object)
        out[:] = [v if v is None or v is pd.NA or v != v else dtype(v) for v in values]
        return out

    if isinstance(df.index, pd.MultiIndex):
        levels = [converted(df.index.get_level_values(i)) for i in range(df.index.nlevels)]
        df.index = pd.MultiIndex.from_arrays(levels, names=df.index.names)
    else:
        df.index = pd.Index(converted(df.index), dtype=object, name=df.index.name)
    return df


def _cache_int2str(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of the first generation with texts for ids, which are pairs of numbers there.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by ``id_0, id_1``, or by ``eid_0, eid_1, id_0, id_1``; others are returned as
        they are.
    """
    import numpy as np

    names = [str(n) for n in table.index.names]
    if len(names) < 2 or not any(n.endswith("_0") for n in names):
        return table
    table = table.reset_index()
    columns = sorted(c for c in table.columns if c[-2:] in ("_0", "_1"))
    stems = sorted({c[:-2] for c in columns})
    for stem in stems:
        halves = table[[f"{stem}_0", f"{stem}_1"]].to_numpy().astype("<i8")
        raw = np.ascontiguousarray(halves).tobytes()
        table[stem] = [str(UUID(bytes=raw[i : i + 16])) for i in range(0, len(raw), 16)]
    return table.drop(columns=columns).set_index(stems)


def patch_tables(
    table: pd.DataFrame, min_api_version: str | None = None, name: str | None = None
) -> pd.DataFrame:
    """Return a table of an earlier version in the form of today's.

    Ids become texts, ``project`` becomes ``projects``, datasets get quality control (not set), and
    lose the path of their session.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.
    min_api_version : str, optional
        Earliest version of ONE that it is for.
    name : {'sessions', 'datasets'}, optional
        Which one it is.
    """
    import pandas as pd

    numbers = (min_api_version or "0").split(".")
    version = tuple(int(n) if n.isdigit() else 0 for n in numbers[:2])
    table = _cache_int2str(table)
    if version < (1, 13) and "project" in table.columns:
        table = table.rename(columns={"project": "projects"})
    if name == "datasets" and version < (2, 7) and "qc" not in table.columns:
        table = table.assign(qc=pd.Categorical(["NOT_SET"] * len(table), dtype=qc_type()))
    if name == "datasets" and "session_path" in table.columns:
        table = table.drop(columns="session_path")
    return table

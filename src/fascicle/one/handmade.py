"""Tables that programs made by hand: with ids as text, paths for ids, or ids in columns."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.errors import CatalogueError

if TYPE_CHECKING:
    import pandas as pd


def session_uuid(value: Any) -> Any:
    """Return the id of a session that a table names by an id, a text of one, or a path.

    Parameters
    ----------
    value : UUID, str or missing
        A path ends with ``subject/yyyy-mm-dd/number``; before it is the lab, if anything.

    Returns
    -------
    uuid.UUID, or what was given where it is missing

    Raises
    ------
    CatalogueError
        It is neither.
    """
    if isinstance(value, UUID) or not isinstance(value, str):
        return value
    try:
        return UUID(value)
    except ValueError:
        pass
    from fascicle.catalogue import identity

    parts = [p for p in value.split("/") if p != "Subjects"]
    try:
        lab = parts[-4] if len(parts) > 3 else ""
        return UUID(bytes=identity.session_id(lab, parts[-3], parts[-2], int(parts[-1])))
    except (IndexError, ValueError):
        raise CatalogueError(
            f"{value!r} is no id of a session in a table",
            hint="use a UUID, or lab/subject/yyyy-mm-dd/number",
        ) from None


def sessions_by_id(table: pd.DataFrame) -> pd.DataFrame:
    """Return a sessions table indexed by UUIDs, whatever it is indexed by."""
    if table.index.name != "id" and "id" in table.columns:
        table = table.set_index("id")
    if all(isinstance(i, UUID) for i in table.index):
        return table
    return table.set_axis(_objects([session_uuid(i) for i in table.index], "id"), axis=0)


def datasets_by_id(table: pd.DataFrame) -> pd.DataFrame:
    """Return a datasets table indexed by UUIDs (eid, id), whatever it is indexed by.

    Ids of datasets that are paths become those that the index would give.
    """
    import pandas as pd

    from fascicle.catalogue import identity

    if table.index.nlevels < 2 and {"eid", "id"} <= set(table.columns):
        table = table.set_index(["eid", "id"])
    if table.index.nlevels != 2:
        raise CatalogueError(
            f"the datasets table is indexed by {list(table.index.names)}, not by (eid, id)",
            hint="table.set_index(['eid', 'id'])",
        )
    eids, ids = (table.index.get_level_values(i).tolist() for i in range(2))
    if all(isinstance(i, UUID) for i in ids) and not any(isinstance(e, str) for e in eids):
        return table
    known: dict[Any, Any] = {e: session_uuid(e) for e in set(eids)}
    new = []
    for eid, did, path in zip(eids, ids, table["rel_path"].tolist(), strict=True):
        try:
            new.append(did if isinstance(did, UUID) else UUID(did))
        except ValueError:
            owner = known[eid] if isinstance(known[eid], UUID) else UUID(int=0)
            new.append(UUID(bytes=identity.dataset_id(owner.bytes, path)))
    levels = [_objects([known[e] for e in eids], "eid"), _objects(new, "id")]
    return table.set_axis(pd.MultiIndex.from_arrays(levels), axis=0)


def _objects(values: list[Any], name: str) -> Any:
    import pandas as pd

    return pd.Index(values, dtype=object, name=name)


def folder_below(root: str | os.PathLike[str], lab: str, place: str) -> str:
    """Return where a session lies below a root that is itself within its lab.

    Parameters
    ----------
    root : path
        Folder of the recordings.
    lab : str
        The session's lab.
    place : str
        ``subject/yyyy-mm-dd/number``.

    Returns
    -------
    str
        Relative to the root; empty where it lies in ``lab/Subjects`` of it, as it should.
    """
    above = os.path.abspath(root).replace("\\", "/").split("/")
    if lab and above[-2:] == [lab, "Subjects"]:
        below = place
    elif lab and above[-1] == lab:
        below = f"Subjects/{place}"
    else:
        return ""
    usual = os.path.isdir(os.path.join(root, lab, "Subjects", place))
    return below if not usual and os.path.isdir(os.path.join(root, below)) else ""

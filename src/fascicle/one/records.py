"""Rows of ONE's tables from the records of an Alyx database."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from fascicle.alf.parts import find_session, remove_uuid_string
from fascicle.alf.spec import QC

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {
    "rel_path": "object",
    "file_size": "UInt64",
    "hash": "object",
    "exists": "bool",
}


def qc_type() -> pd.CategoricalDtype:
    """Return the type of the tables' column of quality control: ordered, best first."""
    import pandas as pd

    return pd.CategoricalDtype([q.name for q in sorted(QC)], ordered=True)


def datasets_frame(rows: list[dict[str, Any]], extra: Iterable[str] = ()) -> pd.DataFrame:
    """Return a datasets table of rows with eid, id, and the table's columns.

    Parameters
    ----------
    rows : list of dict
        Missing columns are filled: no hash, existing, quality not assessed.
    extra : iterable of str
        Further columns, kept as they are.

    Returns
    -------
    pandas.DataFrame
        Indexed by (eid, id), sorted.
    """
    import pandas as pd

    columns = [*_TYPES, "qc", "default_revision", *extra]
    keys = [[r["eid"] for r in rows], [r["id"] for r in rows]]
    index = pd.MultiIndex.from_arrays(keys, names=["eid", "id"])
    filled = [{"exists": True, "default_revision": True, **r} for r in rows]
    frame = pd.DataFrame({c: [r.get(c) for r in filled] for c in columns}, index=index)
    frame = frame.astype(_TYPES)
    names = [QC.validate(q or "NOT_SET").name for q in frame["qc"]]
    frame["qc"] = pd.Categorical(names, dtype=qc_type())
    frame["default_revision"] = frame["default_revision"].astype(bool)
    sortable = all(isinstance(r["eid"], UUID) for r in rows)
    return frame.sort_index() if sortable else frame


def ses2records(ses: Mapping[str, Any]) -> tuple[pd.Series[Any], pd.DataFrame]:
    """Return the rows of the tables for a session's record of an Alyx.

    Parameters
    ----------
    ses : dict
        A record of the ``sessions`` endpoint.

    Returns
    -------
    pandas.Series
        Row of the sessions table, named by its id.
    pandas.DataFrame
        Rows of the datasets table, indexed by (eid, id); empty where the record lists none.
    """
    import pandas as pd

    eid = UUID(ses.get("id") or ses["url"][-36:])
    session = {
        "subject": ses.get("subject"),
        "date": datetime.datetime.fromisoformat(ses["start_time"]).date(),
        "lab": ses.get("lab"),
        "number": ses.get("number") or 0,  # base sessions have none, and the column is a number
        "task_protocol": ses.get("task_protocol"),
        "projects": ",".join(ses.get("projects") or []),
    }
    rows = []
    for d in ses.get("data_dataset_session_related") or []:
        rows.append(
            {
                "eid": eid,
                "id": UUID(d["id"]),
                "rel_path": _inside(d["data_url"])[1],
                "file_size": d["file_size"],
                "hash": d["hash"],
                "qc": d.get("qc"),
                "default_revision": d["default_revision"] == "True",
            }
        )
    return pd.Series(session, name=eid, dtype=object), datasets_frame(rows)


def datasets2records(datasets: Any, additional: Iterable[str] | None = None) -> pd.DataFrame:
    """Return rows of the datasets table for records of an Alyx.

    Parameters
    ----------
    datasets : dict or list of dict
        Records of the ``datasets`` endpoint; those without a file online are left out.
    additional : list of str, optional
        Further fields to keep.

    Returns
    -------
    pandas.DataFrame
        Indexed by (eid, id); eid is missing for datasets of no session.
    """
    import pandas as pd

    extra = list(additional or ())
    rows = []
    for d in [datasets] if isinstance(datasets, Mapping) else datasets:
        online = (r for r in d["file_records"] if r["data_url"] and r["exists"])
        record = next(online, None)
        if record is None:
            continue
        rows.append(
            {
                **{field: d.get(field) for field in extra},
                "eid": UUID(d["session"][-36:]) if d["session"] else pd.NA,
                "id": UUID(d["url"][-36:]),
                "rel_path": _inside(record["data_url"])[1],
                "file_size": d["file_size"],
                "hash": d["hash"],
                "qc": d.get("qc"),
                "default_revision": d["default_dataset"],
            }
        )
    return datasets_frame(rows, extra)


def _inside(url: str) -> tuple[str, str]:
    """Return the session's path and the path within it, without the id, of a file's URL."""
    path = urlsplit(url.replace("#", "%23")).path.strip("/").replace("%23", "#")
    path = remove_uuid_string(path).as_posix()
    session = find_session(path)
    if session is None:
        return "", path
    return path[: session.end()], path[session.end() :].strip("/")

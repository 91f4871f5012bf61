"""Where files lie: paths and addresses of the copies of datasets.

A copy whose record has no path lies where the convention puts it:
``subject/date/number/collection/#revision#/name`` under the laboratory's ``Subjects``. A
repository of one laboratory says so by an address (or a folder) that ends in ``Subjects/``; in
any other the laboratory's name comes first. Files that belong to no session lie under
``aggregates``.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

AGGREGATES = "aggregates"


def natural_path(
    subject: str | None,
    day: date | datetime | None,
    number: int | None,
    collection: str | None,
    revision: str | None,
    name: str,
) -> str:
    """Return where the convention puts a file: below ``Subjects``, or below ``aggregates``."""
    parts: list[str] = []
    if subject:
        if isinstance(day, datetime):
            day = day.date()
        parts = [subject, str(day) if day else "", f"{number or 0:03d}"]
    parts += [collection or "", f"#{revision}#" if revision else "", name]
    return "/".join(part for part in parts if part)


def root(place: str, lab: str | None) -> str:
    """Return the address or folder that paths of a laboratory's files are relative to.

    Parameters
    ----------
    place : str
        The repository's address or folder.
    lab : str or None
        The laboratory; None for files that belong to no session.
    """
    if not place:
        return place
    if not place.endswith("/"):
        place += "/"
    last = place.rstrip("/").rpartition("/")[2]
    if lab is None:
        return place if last == AGGREGATES else f"{place}{AGGREGATES}/"
    return place if last == "Subjects" else f"{place}{lab}/Subjects/"


def data_url(place: str | None, lab: str | None, path: str, dataset: Any) -> str | None:
    """Return the address of a copy, or None where its repository has none.

    The dataset's id stands before the extension, as on data servers. Nothing is escaped, since
    clients take paths out of addresses as they stand, and escape them before they fetch.
    """
    if not place:
        return None
    head, _, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    named = f"{stem}.{dataset}.{extension}" if dot else f"{name}.{dataset}"
    return f"{root(place, lab)}{head}/{named}" if head else root(place, lab) + named

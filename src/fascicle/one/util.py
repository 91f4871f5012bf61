"""Functions on tables of datasets and on search terms, by the names that ``one.util`` has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fascicle.alf.spec import QC
from fascicle.errors import (
    ALFMultipleCollectionsFound,
    ALFMultipleObjectsFound,
    ALFMultipleRevisionsFound,
)
from fascicle.one import match, revisions, terms
from fascicle.one.base import takes_sessions as parse_id

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "autocomplete",
    "filter_datasets",
    "filter_revision_last_before",
    "index_last_before",
    "parse_id",
    "validate_date_range",
]


def filter_datasets(
    all_datasets: pd.DataFrame,
    filename: match.FileName = None,
    collection: match.Text = None,
    revision: str | None = None,
    revision_last_before: bool = True,
    qc: QC | int | str = QC.FAIL,
    ignore_qc_not_set: bool = False,
    assert_unique: bool = True,
    wildcards: bool = False,
) -> pd.DataFrame:
    """Return the rows of a datasets table that match.

    Parameters
    ----------
    all_datasets : pandas.DataFrame
        With the columns rel_path and qc, and default_revision where it is known.
    filename : str, list of str or dict, optional
        Pattern of the file name, alternatives, or a dict with a pattern for each ALF part.
    collection : str or list of str, optional
        Pattern; None is any, an empty text is none.
    revision : str, optional
        The revision, or the last one before it where ``revision_last_before``; otherwise a
        pattern like ``collection``.
    revision_last_before : bool
        Return one revision of each dataset: the last one not after ``revision``; without one,
        the default.
    qc : QC, int or str
        Worst quality control that is returned.
    ignore_qc_not_set : bool
        Leave out datasets whose quality was not assessed.
    assert_unique : bool
        Raise where more than one dataset, collection or revision match.
    wildcards : bool
        Whether patterns are those of a shell; otherwise regular expressions.

    Returns
    -------
    pandas.DataFrame
        The rows; with a column ``revision`` where one revision was chosen.

    Raises
    ------
    ALFMultipleCollectionsFound, ALFMultipleRevisionsFound, ALFMultipleObjectsFound
        More than one matches, and ``assert_unique``.
    """
    exact = None if revision_last_before else revision
    question = match.ask(filename, collection, exact, wildcards=wildcards)
    keep = all_datasets["qc"] <= terms.quality(qc).name
    if ignore_qc_not_set:
        keep &= all_datasets["qc"] != "NOT_SET"
    table = all_datasets[keep]
    found = table.iloc[question.select(table["rel_path"].tolist())].copy()
    if found.empty or not (revision_last_before or assert_unique):
        return found
    paths = found["rel_path"].tolist()
    found["revision"] = [match.folders_of(p)[1] for p in paths]
    if assert_unique:
        _only({match.folders_of(p)[0] for p in paths}, ALFMultipleCollectionsFound)
    if revision_last_before:
        found = filter_revision_last_before(found, revision, assert_unique=assert_unique)
    else:
        _only(set(found["revision"]), ALFMultipleRevisionsFound)
    if assert_unique:
        _only(found["rel_path"].tolist(), ALFMultipleObjectsFound)
    return found


def _only(found: Any, error: type[Exception]) -> None:
    if len(found) > 1:
        listed = ", ".join(f'"{x}"' for x in sorted(found))
        raise error(f"{listed}: all these match")


def filter_revision_last_before(
    datasets: pd.DataFrame,
    revision: str | None = None,
    assert_unique: bool = True,
    assert_consistent: bool = False,
) -> pd.DataFrame:
    """Return one revision of each dataset of a table.

    Parameters
    ----------
    datasets : pandas.DataFrame
        With the column rel_path, and default_revision where it is known.
    revision : str, optional
        Take the last one not after it; without one, the default, or the latest where none is.
    assert_unique : bool
        Raise where several are marked as the default.
    assert_consistent : bool
        Raise, rather than warn, where the revisions are not all the same.

    Returns
    -------
    pandas.DataFrame
        The rows, with a column ``revision``.

    Raises
    ------
    ALFMultipleRevisionsFound
        See above.

    Warns
    -----
    ALFWarning
        The revisions are not all the same, or one was the latest for want of a default.
    """
    paths = datasets["rel_path"].tolist()
    default = datasets["default_revision"].tolist() if "default_revision" in datasets else None
    taken = revisions.choose(
        paths, range(len(paths)), revision=revision, default=default, unique=assert_unique
    )
    for t in taken:
        if t.why is revisions.LATEST:
            revisions.warn(f"No default revision for dataset {t.dataset}; using most recent")
    mixed = {t.revision for t in taken}
    if len(mixed) > 1:
        if assert_consistent:
            raise ALFMultipleRevisionsFound(revisions.quoted(mixed))
        revisions.warn(f"Multiple revisions: {revisions.quoted(mixed)}")
    chosen = datasets.iloc[[t.position for t in taken]].copy()
    chosen["revision"] = [t.revision for t in taken]
    return chosen


def index_last_before(revisions: Sequence[str], revision: str | None) -> int | None:
    """Return the position of the last revision that is not after another, or None.

    Parameters
    ----------
    revisions : sequence of str
        In any order.
    revision : str or None
        None for the last of all.

    Examples
    --------
    >>> index_last_before(["2020-01-01", "", "2021-05-06"], "2020-12-31")
    0
    """
    early = [i for i, r in enumerate(revisions) if revision is None or r <= revision]
    return max(early, key=lambda i: revisions[i], default=None)


def autocomplete(term: str, search_terms: Sequence[str]) -> str:
    """Return the search term that a word, or a prefix of one, stands for.

    Parameters
    ----------
    term : str
        A term or the beginning of one.
    search_terms : sequence of str
        All there are.

    Raises
    ------
    SearchTermError
        None or several begin like this; it is a ValueError.
    """
    return terms.complete(term, search_terms)


def validate_date_range(date_range: Any) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return the first and the last moment of a date range.

    Parameters
    ----------
    date_range : str, date, datetime, Timestamp, datetime64, or a list of one or two of these
        One value is that day; in a list, None is no bound.

    Returns
    -------
    tuple of pandas.Timestamp, or None for None

    Raises
    ------
    SearchTermError
        A value is no date, or there are more than two; it is a ValueError.
    """
    if date_range is None:
        return None
    import pandas as pd

    start, end = terms.dates(date_range)
    scalar = isinstance(date_range, str) or not hasattr(date_range, "__len__")
    last = pd.Timestamp.max if end is None else pd.Timestamp(end)
    if scalar and end is not None:
        last += pd.Timedelta(days=1) - pd.Timedelta(milliseconds=1)
    return pd.Timestamp.min if start is None else pd.Timestamp(start), last

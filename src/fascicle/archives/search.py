"""Find sessions in one or several archives: one meaning of every term, wherever the data are."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

from fascicle.archives import match
from fascicle.archives.base import SEARCH_TERMS, Archive
from fascicle.archives.opening import Places, as_archives
from fascicle.archives.sessions import Found, Sessions
from fascicle.atlas import Regions
from fascicle.errors import (
    IncompleteWarning,
    SearchTermError,
    nearest,
)

if TYPE_CHECKING:
    from datetime import date as Date

    from fascicle.catalogue import Catalogue, Insertion

Text: TypeAlias = "str | Iterable[str]"
Day: TypeAlias = "str | Date"


_PROBE = re.compile(r"alf/probe[^/.]*/")


def find(
    *,
    region: str | int | Iterable[str | int] | None = None,
    hemisphere: str | None = None,
    datasets: Text | None = None,
    lab: Text | None = None,
    subject: Text | int | Iterable[int] | None = None,
    date: Day | tuple[Day | None, Day | None] | list[Day | None] | None = None,
    number: int | Iterable[int] | None = None,
    task: Text | None = None,
    session_type: Text | None = None,
    project: Text | None = None,
    qc: str | int | None = None,
    archives: Places | None = None,
    **unknown: Any,
) -> Sessions:
    """Find sessions by anything they have.

    All terms must hold. Text matches as a whole and case counts; with ``*``, ``?`` or ``[…]`` it
    is a glob, and after ``re:`` stands a regular expression for the whole of it. Of a list, any
    may match, except for ``datasets``, where each must.

    Parameters
    ----------
    region : str or int, or several
        Sessions with a recording site in this brain region or below it: acronym, name or CCF id.
    hemisphere : {'left', 'right'}, optional
        With ``region``: sites on this side only. A negative id as region means the left as well.
    datasets : str or several
        What the session must have: ``spikes.times`` (``object.attribute`` of the file name,
        whatever the namespace, extension, collection and revision), ``trials`` (an object), a
        file name, or a path relative to the session.
    lab, subject : str or several
    date : str, datetime.date, or a pair
        A day, a month (``"2020-01"``), a year, or a range with both ends included and None for an
        open one.
    number : int or several
        Which session of its day.
    task, session_type : str or several
        The task protocol, which some projects call the type of session: two words for one thing.
    project : str or several
        One of the session's projects.
    qc : str, optional
        The worst outcome of quality control that a dataset may have to count; ``"FAIL"`` unless
        told. Without ``datasets``: sessions with any dataset up to it.
    archives : path, Archive, or several
        Where to look: folders, releases (``s3://bucket/project@1.1.0``, …), archives that are
        open; see `default_archives` for where else.

    Returns
    -------
    Sessions
        A table of sessions that iterates as sessions ready to load, newest first within each
        archive.

    Raises
    ------
    SearchTermError
        If a term is unknown or its value has the wrong form.
    RegionNotFound
        If there is no such region.
    NoIndexError, ConfigurationError
        If an archive cannot be opened, or none was named.

    Warns
    -----
    IncompleteWarning
        If a search by region cannot know about some sessions.

    Examples
    --------
    >>> import fascicle
    >>> fascicle.find(region="TH", datasets="spikes.times", date="2020")  # doctest: +SKIP
    """
    for term in unknown:
        _refuse(term)
    if session_type is not None:
        if task is not None:
            raise SearchTermError(
                "task= and session_type= are two words for one thing",
                hint="leave out one of the two; each takes a list",
            )
        task = session_type
    terms: dict[str, Any] = {
        "region": region,
        "hemisphere": hemisphere,
        "datasets": datasets,
        "lab": lab,
        "subject": None if subject is None else _numbers_too(subject),
        "date": date,
        "number": number,
        "task": task,
        "project": project,
        "qc": qc,
    }
    terms = {term: value for term, value in terms.items() if value is not None}
    query = Query(terms)
    found = []
    for archive in as_archives(archives):  # a loop, so that warnings point at the caller
        found.append(query.ask(archive))
    return Sessions(found, terms)


_OTHER_WORDS = {
    "dataset": "datasets",
    "dataset_type": "datasets",
    "dataset_types": "datasets",
    "laboratory": "lab",
    "labs": "lab",
    "subjects": "subject",
    "nickname": "subject",
    "date_range": "date",
    "dates": "date",
    "task_protocol": "task",
    "projects": "project",
    "atlas_acronym": "region",
    "atlas_id": "region",
    "atlas_name": "region",
    "regions": "region",
    "dataset_qc_lte": "qc",
}


def _numbers_too(words: object) -> Any:
    """Return words, with numbers as words: ids of subjects are numbers in many tables."""
    if isinstance(words, str):
        return words
    several = [str(w) if isinstance(w, int) else w for w in match.several(words)]
    return several[0] if isinstance(words, int) else several


def _refuse(term: str) -> None:
    other = _OTHER_WORDS.get(term)
    known = sorted({*SEARCH_TERMS, "session_type", "archives"})
    raise SearchTermError(
        f"{term!r} is no search term of fascicle.find",
        hint=f"type {other}=" if other else nearest(term, known) or f"terms: {', '.join(known)}",
    )


class Query:
    """What is searched for, checked once and asked of each archive."""

    def __init__(self, terms: dict[str, Any]) -> None:
        self.qc = match.qc(terms.get("qc", "FAIL"))
        self.only_qc = "qc" in terms and "datasets" not in terms
        words = match.several(terms.get("datasets", []))
        self.datasets = [match.dataset(_word(w)) for w in words]
        self.columns: list[tuple[str, Callable[[Any], bool]]] = []
        for term, column in (("lab", "lab"), ("subject", "subject"), ("task", "task_protocol")):
            if term in terms:
                self.columns.append((column, match.any_text(terms[term])))
        if "project" in terms:
            self.columns.append(("projects", _any_project(match.any_text(terms["project"]))))
        if "number" in terms:
            wanted = _numbers(terms["number"])
            self.columns.append(("number", lambda value: int(value) in wanted))
        self.dates = match.dates(terms["date"]) if "date" in terms else None
        self.places = brain_places(terms.get("region"), terms.get("hemisphere"))

    def ask(self, archive: Archive) -> Found:
        """Return what one archive has."""
        cat = archive.catalogue()
        if cat.meta.get("undescribed"):
            warnings.warn(
                f"nobody has described what the tables of {archive.name} mean, so no session of it "
                'is known: fascicle.open(place, project="description.toml") takes a description',
                IncompleteWarning,
                stacklevel=3,
            )
        bits = cat.everything
        for column, predicate in self.columns:
            bits &= cat.where(column, predicate)
        if self.dates is not None:
            bits &= cat.between(*self.dates)
        for pattern in self.datasets:
            bits &= cat.having(pattern.test, of=pattern.of, qc_lte=self.qc)
        if self.only_qc:
            bits &= cat.having_qc(self.qc)
        rows = cat.rows(bits)
        if self.places is None:
            return Found(archive, cat, rows, None)
        if "region" not in archive.capabilities.search_terms:
            warnings.warn(
                f"{archive.name} does not say where its recordings are: no search by region "
                "finds anything there",
                IncompleteWarning,
                stacklevel=3,
            )
            return Found(archive, cat, [], {})
        sided = any(place.side is not None for place in self.places)
        if sided and "hemisphere" not in archive.capabilities.search_terms:
            warnings.warn(
                f"{archive.name} does not say on which side of the brain its recordings are: no "
                "search by hemisphere finds anything there",
                IncompleteWarning,
                stacklevel=3,
            )
        _warn_of_unknown_regions(archive, cat)
        sites = _sites(cat, self.places)
        rows = [row for row in rows if row in sites]
        return Found(archive, cat, rows, {row: sites[row] for row in rows})


def _word(word: object) -> str:
    if isinstance(word, str) and word:
        return word
    raise SearchTermError(
        f"{word!r} names no dataset", hint='type e.g. datasets="spikes.times" or "trials"'
    )


def _any_project(test: match.Predicate) -> match.Predicate:
    return lambda projects: any(test(p.strip()) for p in (projects or "").split(","))


def _numbers(value: Any) -> set[int]:
    values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    try:
        return {int(v) for v in values}
    except (TypeError, ValueError) as error:
        raise SearchTermError(
            f"number={value!r} is no whole number", hint="type e.g. number=1"
        ) from error


class Place(NamedTuple):
    """Where in the brain: CCF ids without sign, and the side (-1 left, 1 right, None any)."""

    ids: frozenset[int]
    side: int | None


def brain_places(region: Any, hemisphere: str | None) -> list[Place] | None:
    """Return where in the brain is meant, with all that lies below; None where nothing is said.

    Raises
    ------
    RegionNotFound, SearchTermError
        If there is no such region or hemisphere.
    """
    sides = {None: None, "left": -1, "right": 1}
    if hemisphere not in sides:
        raise SearchTermError(
            f"{hemisphere!r} is no hemisphere", hint='type hemisphere="left" or "right"'
        )
    if region is None:
        if hemisphere is not None:
            raise SearchTermError(
                "hemisphere= needs a region", hint='add region="root" for the whole brain'
            )
        return None
    regions = Regions()
    places = []
    for one in [region] if isinstance(region, str) or not isinstance(region, Iterable) else region:
        side = sides[hemisphere]
        if _is_negative(one):
            if side == 1:
                raise SearchTermError(
                    f"region={one} means the left, and hemisphere= says right",
                    hint="leave out one of the two",
                )
            side = -1
        places.append(Place(regions.descendants(one), side))
    return places


def _is_negative(region: Any) -> bool:
    """Return whether a region is a negative id, as a number or, from a shell, as text."""
    if isinstance(region, str):
        text = region.strip()
        return text.startswith("-") and text[1:].isdecimal()
    return bool(region < 0)


def _warn_of_unknown_regions(archive: Archive, cat: Catalogue) -> None:
    """Warn of sessions with probes whose regions nobody has read or can read."""
    listed = {insertion.row for insertion in cat.insertions()}
    probed = cat.having(lambda path: _PROBE.match(path), of="path", qc_lte=50)
    unlisted = sum(row not in listed for row in cat.rows(probed))
    parts = []
    if cat.unknown_regions:
        parts.append(
            f"regions unknown for {cat.unknown_regions} sessions of {archive.name}: "
            "their channels' files are not here"
        )
    if unlisted:
        parts.append(
            f"regions not yet read for {unlisted} sessions of {archive.name}: "
            f"type fascicle index {archive.name}"
        )
    if unknown := cat.meta.get("unknown_structures"):
        parts.append(
            f"{sum(unknown.values())} recording sites of {archive.name} are in structures that the "
            f"atlas does not have: {', '.join(sorted(unknown)[:5])}"
        )
    if parts:
        warnings.warn("; ".join(parts), IncompleteWarning, stacklevel=4)


def _sites(cat: Catalogue, places: list[Place]) -> dict[int, list[tuple[UUID, str, int]]]:
    """Return, for each session, its insertions there: pid, name, number of channels."""
    counts: dict[UUID, dict[int, int]] = {}
    known: dict[UUID, Insertion] = {}
    for place in places:
        for insertion, here in cat.insertions_in(place.ids, side=place.side):
            known[insertion.pid] = insertion
            counts.setdefault(insertion.pid, {}).update(here)  # what two places share counts once
    sites: dict[int, list[tuple[UUID, str, int]]] = {}
    for pid, insertion in known.items():
        site = (pid, insertion.name, sum(counts[pid].values()))
        sites.setdefault(insertion.row, []).append(site)
    return {row: sorted(found, key=lambda site: site[1]) for row, found in sites.items()}

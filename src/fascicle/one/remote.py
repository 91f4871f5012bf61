"""Asking a server for sessions and probe insertions, in the terms of its REST interface."""

from __future__ import annotations

import datetime
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.errors import HTTPError, SearchTermError
from fascicle.one import terms
from fascicle.one.base import Contents, Local
from fascicle.one.fresh import (
    Fresh,
    ServedContents,
    datasets_of,
    insertion_of,
    session_of,
)
from fascicle.one.lazy import LazyId

if TYPE_CHECKING:
    from fascicle.alyx import AlyxClient
    from fascicle.catalogue import Catalogue

#: The object that asks just now, and which kind of query it was told to make.
_ASKED: ContextVar[tuple[int, str] | None] = ContextVar("_ASKED", default=None)
#: Bounds of dates where there is none.
_FIRST, _LAST = "1677-09-22", "2262-04-10"
_KEPT = 64
#: Values of one term in one question.
_MANY = 100
#: What makes an expression of a text, but for the dot that each file name has.
_SPECIAL = frozenset("\\^$*+?{}[]|()")
#: Terms that a server compares as a whole, and where its query language has their values.
_ONE_OF = {"subject": "subject__nickname__in", "lab": "lab__name__in", "number": "number__in"}
_ONE_OF_SESSION = {
    "subject": "session__subject__nickname__in",
    "lab": "session__subject__lab__name__in",
    "experiment_number": "session__number__in",
}


class Server(Local):
    """What all parts of a ONE object share that asks a server."""

    _tag: str | None
    _fresh: Fresh
    _lock: threading.RLock
    _served_before: dict[UUID, tuple[Any, ServedContents]]

    @property
    def alyx(self) -> AlyxClient:
        """The client of the server."""
        raise NotImplementedError

    @property
    def offline(self) -> bool:
        """Whether no server is asked."""
        return self.mode == "local"

    @property
    def _default_query(self) -> str:
        """The kind of query that is made where none is asked for."""
        return "local" if self._tag or self.mode == "local" else "remote"

    @property
    def _asks_server(self) -> bool:
        """Whether the query that is being made goes to the server."""
        asked = _ASKED.get()
        told = asked is not None and asked[0] == id(self)
        return (asked[1] if told and asked else self._default_query) == "remote"

    @contextmanager
    def _asking(self, query_type: str) -> Iterator[None]:
        self._check_query_type(query_type)
        before = _ASKED.set((id(self), query_type))
        try:
            yield
        finally:
            _ASKED.reset(before)

    def _check_query_type(self, query_type: str | None) -> None:
        if query_type not in (None, "local", "remote"):
            raise SearchTermError(
                f"query_type={query_type!r} is unknown", hint="query_type='local' or 'remote'"
            )

    @property
    def _asked_catalogue(self) -> Catalogue | None:
        return None if self._asks_server else self._catalogue

    @property
    def _asked_place(self) -> str:
        return self.alyx.base_url if self._asks_server else super()._asked_place

    def _contents(self, eid: UUID, catalogue: Catalogue | None = None) -> Contents | None:
        if self._asks_server:
            return self._served(eid)
        return super()._contents(eid, catalogue)

    def _served(self, eid: UUID) -> ServedContents | None:
        """Return a session's datasets as the server lists them; None where it has no such one."""
        record = self._read("sessions", eid)
        if record is None:
            return None
        with self._lock:
            return self._contents_of(eid, record)

    def _contents_of(self, eid: UUID, record: Mapping[str, Any]) -> ServedContents:
        before = self._served_before.get(eid)
        if before is not None and before[0] == record:
            if self._is_touched():  # by somebody who may have taken the rows out
                self._merge(sessions=[before[1].session], datasets=datasets_of(record, eid)[0])
            return before[1]
        session = session_of(record)
        rows, urls = datasets_of(record, eid)
        contents = ServedContents(session, rows, urls, self.cache_dir)
        self._merge(sessions=[session], datasets=rows)
        while len(self._served_before) >= _KEPT:
            self._served_before.pop(next(iter(self._served_before)))
        self._served_before[eid] = record, contents
        return contents

    def _is_touched(self) -> bool:
        """Whether somebody may have changed the tables by hand."""
        raise NotImplementedError

    def _read(self, endpoint: str, identifier: UUID | str) -> Any:
        """Return one record of the server, or None where it has none of that id."""
        try:
            return self.alyx.rest(endpoint, "read", id=str(identifier))
        except HTTPError as error:
            if error.status == 404:
                return None
            raise

    def _merge(self, **rows: Any) -> None:
        """Keep rows for the tables; those of a tag stay as they are."""
        if not self._tag:
            self._fresh.add(**rows)

    def _merge_sessions(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._merge(sessions=[session_of(r) for r in records if r])

    def _merge_insertions(self, records: Sequence[Mapping[str, Any]]) -> None:
        found = [r for r in records if r and r.get("session")]
        self._merge(
            sessions=[session_of({**r["session_info"], "id": r["session"]}) for r in found],
            insertions=[insertion_of(r) for r in found],
        )

    # -- searching ---------------------------------------------------------------------------------

    def _fields(self, endpoint: str) -> tuple[str, ...]:
        """Return what the server says that a list of an endpoint can be filtered by."""
        fields = self.alyx.rest_schemes.fields(endpoint, action="list")
        return tuple(field["name"] for field in fields)

    def _session_query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of the server's query for the terms of a search for sessions."""
        fields = self._fields("sessions")
        known = tuple(dict.fromkeys((*terms.SESSION_TERMS, *(f for f in fields if f != "lab"))))
        query = terms.completed(given, known, where="one.search_terms(query_type='remote')")
        django = [str(query.pop("django"))] if query.get("django") else []
        out: dict[str, Any] = {}
        for term, value in query.items():
            if term == "date_range":
                out[term] = _days(value)
            elif term == "dataset":
                words = terms.texts(term, value)
                if "dataset" not in fields:
                    django += _having(words, wildcards=self.wildcards)
                else:
                    plain = [w for w in words if not self.wildcards or not _SPECIAL & set(w)]
                    django += _matching([w for w in words if w not in plain])
                    out |= {"dataset": plain} if plain else {}
            else:
                name = "lab" if term == "laboratory" else term
                _put(out, django, name, value, _ONE_OF)
        return _with(out, django)

    def _insertion_query(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of the server's query for a search for insertions."""
        fields = self._fields("insertions")
        extra = ("dataset", "laboratory", "number")
        known = tuple(dict.fromkeys((*(f for f in fields if f != "lab"), *extra)))
        where = "one.search_terms(query_type='remote', endpoint='insertions')"
        query = terms.completed(given, known, where=where)
        django = [str(query.pop("django"))] if query.get("django") else []
        out: dict[str, Any] = {}
        names = {"laboratory": "lab", "number": "experiment_number"}
        for term, value in query.items():
            if term == "session":
                out[term] = str(self.to_eid(value) or value)
            elif term == "dataset" and "dataset" not in fields:
                django += _named(terms.texts(term, value))
            else:
                _put(out, django, names.get(term, term), value, _ONE_OF_SESSION)
        return _with(out, django)

    def _listed_by_server(
        self, endpoint: str, query: Mapping[str, Any], merge: str
    ) -> tuple[Any, bool]:
        """Return records that the server lists, and whether they come page by page.

        Parameters
        ----------
        endpoint : str
        query : mapping
        merge : str
            The method that takes each page that is looked at into the tables.
        """
        found = self.alyx.rest(endpoint, "list", **query)
        if isinstance(found, list):
            if isinstance(query.get("id"), list) and endpoint == "sessions":  # asked for in parts
                found = latest_first(found)
            getattr(self, merge)(found)
            return found, False
        getattr(self, merge)(found[: found.limit])
        found.add_callback(_Merger(self, merge))
        return found, True


class _Merger:
    """Takes further pages into the tables of an object, as long as it is there."""

    def __init__(self, one: Server, method: str) -> None:
        self._one = weakref.ref(one)
        self._method = method

    def __call__(self, records: Any) -> None:
        one = self._one()
        if one is not None:
            getattr(one, self._method)(list(records))

    def __reduce__(self) -> Any:
        return _forgotten, ()


def _forgotten() -> Callable[[Any], None]:
    return _ignore


def _ignore(records: Any) -> None:
    """Do nothing: the object that would keep the records is not here."""


def in_parts(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the searches that one with very many values is: an address has room for some."""
    parts = [dict(given)]
    for term, value in given.items():
        one_of = term.lower().startswith(("subj", "lab", "num"))
        if not one_of or isinstance(value, str) or not hasattr(value, "__len__"):
            continue
        values = list(dict.fromkeys(value))
        if len(values) > _MANY:
            some = [values[i : i + _MANY] for i in range(0, len(values), _MANY)]
            parts = [{**part, term: chosen} for part in parts for chosen in some]
    return parts


def latest_first(records: Iterable[Any]) -> list[Any]:
    """Return records of sessions in the order in which a server lists them."""
    return sorted(records, key=lambda r: str(r["start_time"]), reverse=True)


def with_dates(records: Any) -> Any:
    """Add the day to records of sessions, as the local tables have it."""
    some: Iterable[Any] = [records] if isinstance(records, Mapping) else records
    for record in some:
        record["date"] = datetime.datetime.fromisoformat(record["start_time"]).date()
    return records


def answer(records: Any, paged: bool) -> tuple[Any, Any]:
    """Return ids and records of what a server listed, lazy where it comes page by page."""
    if paged:
        return LazyId(records), LazyId(records, with_dates)
    return LazyId.ses2eid(records), with_dates(records)


def _days(value: Any) -> list[str]:
    first, last = terms.dates(value)
    return [first.isoformat() if first else _FIRST, last.isoformat() if last else _LAST]


def _put(
    out: dict[str, Any], django: list[str], name: str, value: Any, one_of: Mapping[str, str]
) -> None:
    """Put one term into a query: several values of what is compared as a whole are alternatives."""
    several = (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes | Mapping)
        and getattr(value, "ndim", 1) > 0
    )
    values = [_plain(v) for v in terms.as_list(value)] if several else []
    if not several:
        out[name] = _plain(value)
    elif name in one_of and len(values) != 1:
        plain = [int(v) if name.endswith("number") else str(v) for v in values]
        django.append(f"{one_of[name]},{plain}")
    else:
        out[name] = values[0] if len(values) == 1 else values


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, UUID | Path):
        return str(value)
    return value.item() if hasattr(value, "item") and not isinstance(value, str) else value


def _with(out: dict[str, Any], django: list[str]) -> dict[str, Any]:
    if django:
        out["django"] = ",".join(django)
    return out


def _matching(expressions: Sequence[str]) -> list[str]:
    """Return the query for sessions with datasets whose names match an expression, on a hub.

    Raises
    ------
    SearchTermError
        There are several, or it is about folders: the server cannot be asked for these.
    """
    for text in expressions:
        if "/" in text or text.startswith("^") or "," in text or len(expressions) > 1:
            raise SearchTermError(
                f"dataset={text!r}: a server finds datasets by an expression only by one of their "
                "names",
                hint="one.load_cache(), and then query_type='local', searches by all expressions",
            )
    return [f"data_dataset_session_related__name__regex,{text}" for text in expressions]


def _having(wanted: Sequence[str], *, wildcards: bool) -> list[str]:
    """Return the query for sessions with datasets whose paths have some texts, on any Alyx.

    A query takes each of its keys once: for further texts another way leads to the same files.
    """
    way = "data_dataset_session_related__file_records__"
    out = []
    for text in wanted:
        part = text if wildcards else re.escape(text).replace("\\/", "/")
        rest = part[1:] if wildcards and part.startswith("^") else f".*{part}"
        out.append(f"{way}relative_path__regex,^[^/]+/[0-9-]+/[0-9]+/{rest}")
        way += "dataset__file_records__"
    return out


def _named(wanted: Sequence[str]) -> list[str]:
    """Return the query for insertions with datasets whose names have some texts, on any Alyx."""
    way = "datasets__"
    out = []
    for text in wanted:
        out.append(f"{way}name__icontains,{text}")
        way += "probe_insertion__datasets__"
    return out

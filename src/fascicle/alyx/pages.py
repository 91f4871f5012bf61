"""A long list of records that comes page by page, when it is looked at."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, overload
from urllib.parse import parse_qs, urlsplit
from weakref import ReferenceType

from fascicle.alyx.response import catchable
from fascicle.alyx.urls import update_url_params
from fascicle.errors import BadAnswerError


class Asks(Protocol):
    """What brings a page."""

    def __call__(self, query: str, /) -> Any:
        """Return the decoded answer to a query."""
        ...


class _Missing:
    def __repr__(self) -> str:
        return "<not fetched>"


_MISSING: Any = _Missing()


class Pages:
    """Records of a query as a sequence; a page is fetched once, when one of its records is wanted.

    Parameters
    ----------
    ask : callable
        Returns the decoded answer to a query.
    query : str
        What was asked for; the list begins at its ``offset``, if it has one.
    first : dict
        The first page.

    Attributes
    ----------
    count : int
        How many records there are.
    limit : int
        How many of them a page has.
    query : str
    """

    def __init__(self, ask: Asks, query: str, first: dict[str, Any]) -> None:
        self._ask = ask
        self.query = query
        offset = parse_qs(urlsplit(query).query).get("offset", ["0"])[-1]
        self._first = int(offset) if offset.isdecimal() else 0
        results = first["results"]
        self.limit = max(1, len(results))
        self.count: int = max(len(results), int(first["count"]) - self._first)
        self._cache: list[Any] = [*results, *[_MISSING] * (self.count - len(results))]
        self._fetched = {0}
        self._callbacks: set[Any] = set()
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        here = sum(record is not _MISSING for record in self._cache)
        return f"<{self.count} records of {urlsplit(self.query).path}, {here} of them here>"

    def add_callback(self, cb: Callable[[list[Any]], object] | ReferenceType[Any]) -> None:
        """Have something called with the records of each page that comes from now on.

        Parameters
        ----------
        cb : callable
            Or a weak reference to one.

        Raises
        ------
        TypeError
            If it cannot be called.
        """
        if not callable(cb):
            raise TypeError(f"a callback has to be callable: {cb!r} is a {type(cb).__name__}")
        self._callbacks.add(cb)

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return self.count > 0

    @overload
    def __getitem__(self, item: int) -> Any: ...
    @overload
    def __getitem__(self, item: slice) -> list[Any]: ...
    def __getitem__(self, item: int | slice) -> Any:
        if isinstance(item, slice):
            with self._lock:
                for _ in range(3):  # a page may tell of another number of records
                    for i in range(*item.indices(self.count)):
                        if i < self.count and self._cache[i] is _MISSING:
                            self.populate(i)
                    found = self._cache[item]
                    if not any(record is _MISSING for record in found):
                        return found
                raise self._restless()
        with self._lock:
            for _ in range(3):  # a page may tell of another number of records
                index = item + self.count if item < 0 else item
                if not 0 <= index < self.count:
                    raise IndexError(f"record {item} of {self.count}")
                if self._cache[index] is not _MISSING:
                    return self._cache[index]
                self.populate(index)
        raise self._restless()

    def _restless(self) -> BadAnswerError:
        return catchable(
            BadAnswerError(
                f"{self.query}: the number of records changes with every page",
                hint="ask again, with a filter that gives fewer records",
                query=self.query,
            )
        )

    def __iter__(self) -> Iterator[Any]:
        i = 0
        while i < self.count:
            try:
                yield self[i]
            except IndexError:  # there are fewer now
                return
            i += 1

    def __reversed__(self) -> Iterator[Any]:
        for i in range(self.count - 1, -1, -1):
            if i < self.count:
                yield self[i]

    def __contains__(self, record: object) -> bool:
        return any(record == known for known in self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Pages | list | tuple):
            return len(self) == len(other) and all(
                a == b for a, b in zip(self, other, strict=False)
            )
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_callbacks": set()}
        state["_cache"] = [None if record is _MISSING else (record,) for record in self._cache]
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cache = [_MISSING if kept is None else kept[0] for kept in state["_cache"]]
        self._lock = threading.RLock()

    def populate(self, idx: int) -> None:
        """Fetch the page that a record is on.

        Parameters
        ----------
        idx : int
            Which record, counted from the first.

        Warns
        -----
        RuntimeWarning
            If the server has another number of records by now.
        """
        with self._lock:
            begin = self.limit * (idx // self.limit)
            query = update_url_params(
                self.query, {"limit": self.limit, "offset": self._first + begin}
            )
            page = self._ask(query)
            if not (isinstance(page, dict) and isinstance(page.get("results"), list)):
                raise catchable(
                    BadAnswerError(f"{query}: the answer is no page of a list", query=query)
                )
            results = page["results"]
            self._fit(int(page.get("count", 0)) - self._first, begin + len(results))
            self._cache[begin : begin + len(results)] = results
            self._fetched.add(begin)
            self._tell(results)

    def _fit(self, count: int, seen: int) -> None:
        """Take in that there are more records, or fewer."""
        count = max(0, count, seen)
        if count == self.count:
            return
        warnings.warn(
            f"the records of {urlsplit(self.query).path} changed while they were read: there are "
            f"{count} now, and were {self.count}; some may be missing or twice in this list",
            RuntimeWarning,
            stacklevel=4,
        )
        del self._cache[count:]
        self._cache += [_MISSING] * (count - len(self._cache))
        self.count = count

    def _tell(self, results: list[Any]) -> None:
        for known in list(self._callbacks):
            callback = known() if isinstance(known, ReferenceType) else known
            if callback is None:
                self._callbacks.discard(known)
            else:
                callback(results)
        if len(self._fetched) * self.limit >= self.count:
            self._callbacks.clear()  # no page is left


Sequence.register(Pages)

"""What all parts of the ONE interface share: the open index, and the sessions that were read."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from fascicle.errors import (
    ConfigurationError,
    SearchTermError,
    SearchTermTypeError,
    SessionNotFound,
)
from fascicle.one.lazy import LazyId
from fascicle.one.revisions import Teller

if TYPE_CHECKING:
    from fascicle.archives.nwb import NwbArchive
    from fascicle.catalogue import Catalogue
    from fascicle.one.tables import Tables

_SESSIONS_KEPT = 256
F = TypeVar("F", bound=Callable[..., Any])


class Contents:
    """The datasets of one session, ready to choose from.

    Attributes
    ----------
    eid : uuid.UUID
    row : int
        Row of the session in the catalogue.
    folder : str
        The session's folder relative to the root.
    datasets : fascicle.catalogue.Datasets
    paths : list of str
        Relative paths, sorted.
    qc : list of int
        Quality control of each, as Alyx counts it.
    default : list of bool or None
        Whether each is the default revision; None where the tables do not say.
    """

    __slots__ = ("_visible", "datasets", "default", "eid", "folder", "paths", "qc", "row")

    def __init__(self, catalogue: Catalogue, row: int) -> None:
        session = catalogue.session(row)
        self.row = row
        self.eid = session.eid
        self.folder = session.path
        self.datasets = catalogue.datasets(row)
        self.paths: Sequence[str] = self.datasets.rel_paths
        self.qc: Sequence[int] = self.datasets.qc
        self.default = self.datasets.default if catalogue.has_default_revision else None
        self._visible: dict[int, tuple[list[int], list[str]]] = {}

    def visible(self, qc: int) -> tuple[list[int], list[str]]:
        """Return positions and paths of the datasets whose quality control is at most ``qc``."""
        if qc not in self._visible:
            positions = [i for i, q in enumerate(self.qc) if q <= qc]
            self._visible[qc] = positions, [self.paths[i] for i in positions]
        return self._visible[qc]


class Local:
    """State and helpers of a ONE object in local mode."""

    cache_dir: Path
    mode: str
    wildcards: bool
    record_loaded: bool
    uuid_filenames: bool
    _tables_dir: Path
    _tables: Tables
    _index: Catalogue
    _teller: Teller
    _loaded: dict[UUID, UUID]
    _kept: OrderedDict[int, Contents]
    _kept_of: Catalogue | None
    #: Where the folder is one of NWB files: what reads them.
    _nwb: NwbArchive | None = None

    @property
    def _catalogue(self) -> Catalogue:
        """The index; or, once frames were handed out and changed, one made of them."""
        tables = self._tables
        return tables.catalogue() if tables.touched and tables.changed else self._index

    def _contents(self, eid: UUID, catalogue: Catalogue | None = None) -> Contents | None:
        """Return the datasets of a session, or None where the index does not know it."""
        catalogue = self._catalogue if catalogue is None else catalogue
        if catalogue is not self._kept_of:
            self._kept.clear()
            self._kept_of = catalogue
        row = catalogue.row(eid)
        if row is None:
            return None
        contents = self._kept.get(row)
        if contents is None:
            contents = self._kept[row] = Contents(catalogue, row)
            if len(self._kept) > _SESSIONS_KEPT:
                self._kept.popitem(last=False)
        return contents

    @property
    def _asked_catalogue(self) -> Catalogue | None:
        """What answers a question about sessions; None where a server does."""
        return self._catalogue

    @property
    def _asked_place(self) -> str:
        """What answers a question about sessions, in words."""
        return f"the index of {self._tables_dir}"

    def _asking(self, query_type: str) -> AbstractContextManager[object]:
        """Return what makes a kind of query hold for all that one call does."""
        return nullcontext()

    def to_eid(self, id: Any = None, cache_dir: Any = None) -> Any:
        """Return the session id that an identifier stands for; see `ConversionMixin`."""
        raise NotImplementedError

    def _check_query_type(self, query_type: str | None) -> None:
        if query_type in (None, "local"):
            return
        if query_type == "remote":
            raise ConfigurationError(
                "query_type='remote' needs a server, and this is a local folder",
                hint="leave query_type out, or give query_type='local'; ONE(base_url=URL) connects "
                "to a server",
            )
        raise SearchTermError(f"query_type={query_type!r} is unknown", hint="query_type='local'")


def asks(method: F) -> F:
    """Let ``query_type`` hold for all that a method does, identifiers of sessions included."""
    names = list(inspect.signature(method).parameters)
    place = names.index("query_type") - 1 if "query_type" in names else len(names)

    @wraps(method)
    def wrapper(self: Local, *args: Any, **kwargs: Any) -> Any:
        query_type = kwargs.get("query_type")
        if query_type is None and len(args) > place:
            query_type = args[place]
        if query_type is None:
            return method(self, *args, **kwargs)
        with self._asking(query_type):
            return method(self, *args, **kwargs)

    return cast(F, wrapper)


def takes_session(method: F) -> F:
    """Let a method's first argument be any identifier of a session, by position, id= or eid=.

    Raises
    ------
    SeveralSessionsError
        Several are given, and the method is about one; this is a ValueError and a TypeError.
    SessionNotFound
        The identifier is well formed, but the session is not here; this is a ValueError.
    ValueError
        The identifier is of no known form.
    """
    name = method.__name__

    @wraps(method)
    def wrapper(self: Local, *args: Any, **kwargs: Any) -> Any:
        given, rest = _session_argument(name, args, kwargs)
        eid = self.to_eid(given)
        if isinstance(eid, list):
            if len(eid) != 1:
                raise SeveralSessionsError(
                    f"{name}() takes one session, and was given {len(eid)}",
                    hint=f"[one.{name}(eid, …) for eid in eids]",
                )
            (eid,) = eid
        return method(self, _known(eid, given), *rest, **kwargs)

    return cast(F, asks(wrapper))


def takes_sessions(method: F) -> F:
    """Let a method's first argument be any identifier of a session, or a list of these."""

    @wraps(method)
    def wrapper(self: Local, *args: Any, **kwargs: Any) -> Any:
        given, rest = _session_argument(method.__name__, args, kwargs)
        return method(self, _known(self.to_eid(given), given), *rest, **kwargs)

    return cast(F, asks(wrapper))


def _known(eid: Any, given: Any) -> Any:
    if eid is None:
        raise SessionNotFound(
            f'Cannot parse session ID "{given}" (session may not exist)',
            hint="one.search() lists the sessions; a new folder must be indexed first: "
            "One.setup(cache_dir)",
        )
    return eid


class SeveralSessionsError(SearchTermTypeError):
    """Several sessions are given where one is meant."""

    kind = "several-sessions"


def _session_argument(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[Any, ...]]:
    if not args:
        return _session_keyword(name, kwargs), args
    if "id" in kwargs or "eid" in kwargs:
        raise TypeError(f"{name}() got the session twice")
    return args[0], args[1:]


def _session_keyword(name: str, kwargs: dict[str, Any]) -> Any:
    given = [kwargs.pop(k) for k in ("id", "eid") if k in kwargs]
    if len(given) != 1:
        problem = "got the session twice" if given else "needs a session: its id, path or reference"
        raise TypeError(f"{name}() {problem}")
    return given[0]


def eid_or_id(method: F) -> F:
    """Let a method's first argument, a session, be given by position, ``eid=`` or ``id=``."""

    @wraps(method)
    def wrapper(self: Local, *args: Any, **kwargs: Any) -> Any:
        given = [kwargs.pop(k) for k in ("id", "eid") if k in kwargs]
        if len(given) + bool(args) > 1:
            raise TypeError(f"{method.__name__}() got the session twice")
        return method(self, *given, *args, **kwargs)

    return cast(F, asks(wrapper))


def recurse(method: F) -> F:
    """Let a method that takes one value take a list of them, and return a list."""

    @wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not args:
            return method(self, **kwargs)
        first, rest = args[0], args[1:]
        if isinstance(first, LazyId):
            first = list(first)
        single = isinstance(first, str | Mapping | PurePath | UUID) or hasattr(first, "to_frame")
        if not single and isinstance(first, Iterable) and not hasattr(first, "columns"):
            return [method(self, item, *rest, **kwargs) for item in first]
        return method(self, first, *rest, **kwargs)

    return cast(F, wrapper)

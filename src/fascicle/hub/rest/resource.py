"""Resources: tables that clients read and write at an address, declared.

A resource is a name, a table, the fields of its JSON and the parameters of its list. All else
follows: the list with pages, the row by its key, the errors, and its part of ``/api/schema``::

    TAGS = Resource(
        "tags",                       # the address: /tags and /tags/{name}
        Tag,                          # the table
        lookup="name",                # by which column one row is asked for
        fields=(
            Field("id", read_only=True),             # a column, as it is
            Field("name", required=True),
            Field("description"),
        ),
        filters=(is_("name"), is_("tag", "name", "icontains")),
    )

Fields (`fascicle.hub.rest.fields`)
    ``Field`` a column; ``Related("lab", "lab__name")`` a row of another table by its name;
    ``Id("session")`` the same by its id; ``Link("session", "sessions")`` the same by its address;
    ``Names("projects", "projects__name")`` a list of names; ``Choice("qc")`` a number by its name;
    ``Url("tags", "name")`` the row's own address; ``Made("age", function, needs=("birth_date",))``
    anything else: the function is given a `Page` and returns one value for each of its rows, with
    at most one SQL statement for the whole page. ``only="detail"`` or ``only="list"`` puts a
    field into one of the two shapes alone; ``read_only`` fields are not written.

Filters (`fascicle.hub.rest.filters`)
    ``is_(name, path, lookup)`` compares a column, through relations where the path leads there;
    ``columns("x", "y")`` exact columns; ``days`` a range of days; ``each`` all of some names; any
    other is ``Filter(name, function)`` with ``function(rows, text) -> rows``. ``django=`` is
    there unless ``django=False``; ``limit``, ``offset`` always. An unknown parameter is named in
    a header of the answer and changes nothing.

Writing
    ``fascicle.hub.rest.writing`` writes what is in ``fields`` and not read-only. What a resource
    needs beyond that stands in ``hooks``. ``created`` says in which shape a new row is returned.

Then add it to a module of `fascicle.hub.rest.resources`, whose ``RESOURCES`` the addresses and
the schema are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import DataError
from django.http import HttpRequest, HttpResponse

from fascicle.hub.rest import paging
from fascicle.hub.rest.answers import NOTICE, Refused, answer, not_found, notice
from fascicle.hub.rest.fields import FIELDS, Choice, Field, Names, Page
from fascicle.hub.rest.filters import Filter, language
from fascicle.hub.rest.prepared import Prepared, Repeated, watched

ALL = frozenset({"list", "read", "create", "update", "partial_update", "delete"})
NO_DELETE = ALL - {"delete"}
READ = frozenset({"list", "read"})
LONGEST, MOST_ASKED = 500, 200  # characters of a question whose statement is kept; how many


@dataclass(frozen=True, eq=False)
class Resource:
    """A table at an address.

    Parameters
    ----------
    name : str
        The first part of its address.
    model : type
        The table.
    fields : sequence of Field
        What stands in its JSON, in order.
    lookup : str
        The column by which one row is asked for.
    filters : sequence of Filter
        The parameters of its list.
    order : sequence of str
        The order of its list; the model's by default. It names every row's place.
    actions : frozenset
        What clients may do: list, read, create, update, partial_update, delete.
    django : bool
        Whether its list takes ``django=``.
    rows : callable, optional
        Returns the rows that there are, if those are not all of the table.
    created : {'detail', 'list'}
        The shape in which a new row is returned.
    hooks : mapping
        Functions that writing calls, by name.
    kept : bool
        Whether a slow count holds until the catalogue's generation changes.
    help : str
        What it is, for the schema.
    title : str
        What one row is called in the schema and in errors; the model's name by default.
    """

    name: str
    model: Any
    fields: Sequence[Field]
    lookup: str = "id"
    filters: Sequence[Filter] = ()
    order: Sequence[str] = ()
    actions: frozenset[str] = ALL
    django: bool = True
    rows: Callable[[], Any] | None = None
    created: str = "detail"
    hooks: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    kept: bool = False
    help: str = ""
    title: str = ""
    shapes: Mapping[str, tuple[Field, ...]] = field(init=False)
    needs: Mapping[str, tuple[str, ...]] = field(init=False)
    parameters: Mapping[str, Filter] = field(init=False)
    _ready: dict[Any, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Work out once what every request needs."""
        object.__setattr__(self, "title", self.title or self.model._meta.object_name)
        for one in self.fields:
            if isinstance(one, Names):
                one.model = self.model
            elif isinstance(one, Choice):
                one.bind(self.model)
        shapes = {
            shape: tuple(one for one in self.fields if one.only in ("", shape))
            for shape in ("list", "detail")
        }
        extra = (language(),) if self.django else ()
        parameters = {one.name: one for one in (*self.filters, *extra)}
        key = self.model._meta.pk.attname
        needs = {
            shape: tuple(
                dict.fromkeys(
                    (key, *(name for one in fields for name in one.needs if name != "pk"))
                )
            )
            for shape, fields in shapes.items()
        }
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "needs", needs)
        object.__setattr__(self, "parameters", dict(sorted(parameters.items())))

    @property
    def kind(self) -> str:
        """How one row is named in an address: ``uuid``, ``int`` or ``str``."""
        return {"UUIDField": "uuid", "IntegerField": "int"}.get(
            self.model._meta.get_field(self.lookup).get_internal_type(), "str"
        )

    def all(self) -> Any:
        """Return the rows that there are, without an order."""
        return (self.model._default_manager.all() if self.rows is None else self.rows()).order_by()

    def render(
        self, rows: Any, shape: str, base: str, shared: Mapping[Any, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return rows as JSON.

        Parameters
        ----------
        rows : QuerySet
            The rows, in order, and no more than a page of them.
        shape : {'list', 'detail'}
            Which fields.
        base : str
            The address of the hub.
        shared : mapping, optional
            What the fields need and is known already.
        """
        return self.render_rows(rows.values_list(*self.needs[shape]), shape, base, shared)

    def render_rows(
        self, rows: Any, shape: str, base: str, shared: Mapping[Any, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return as JSON what was fetched: tuples of what ``needs`` says; see `render`."""
        fields, needs = self.shapes[shape], self.needs[shape]
        found = list(rows)
        if not found:
            return []
        columns = dict(zip(needs, zip(*found, strict=True), strict=True))
        columns["pk"] = columns[needs[0]]
        page = Page(base, columns, len(found))
        page.shared.update(shared or {})
        page.shared[FIELDS] = tuple(one for one in fields if isinstance(one, Names))
        names = [one.name for one in fields]
        # The fields of a page by columns; then each row takes its own of each.
        rendered = zip(*(one.render(page) for one in fields), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rendered]

    def one(self, key: Any, base: str, shape: str = "detail", column: str = "") -> dict[str, Any]:
        """Return one row as JSON.

        Raises
        ------
        Refused
            With 404, if there is none.
        """
        column = column or self.lookup
        if self.rows is None and isinstance(key, UUID):
            found = self.render_rows(self._by_key(shape, column).rows([key]), shape, base)
        else:
            found = self.render_rows(self._rows(shape).filter(**{column: key}), shape, base)
        if not found:
            raise not_found(self.title)
        return found[0]

    def _by_key(self, shape: str, column: str) -> Prepared:
        """Return the statement for one row by its id, made once."""
        ready = self._ready.get((shape, column))
        if ready is None:
            ready = Prepared(lambda mark: self._rows(shape).filter(**{column: mark}).order_by())
            self._ready[shape, column] = ready
        found: Prepared = ready
        return found

    def narrowed(self, request: HttpRequest) -> tuple[Any, list[str]]:
        """Return the rows that a request asks for, as they are read, and unknown parameters."""
        rows, unknown = self._rows("list"), []
        for name, text in request.GET.items():
            known = self.parameters.get(name)
            if known is None:
                if name not in ("limit", "offset", "format"):
                    unknown.append(name)
            elif text:
                if "\x00" in text:
                    raise Refused(400, {name: ["Null characters are not allowed."]})
                rows = known.apply(rows, text, request.GET)
        return rows, unknown

    def _rows(self, shape: str) -> Any:
        """Return all rows in order, with the columns of a shape.

        Finding out the joins takes longer than many a query, so it is done once.
        """
        if self.rows is not None:
            return self._with_columns(self.all(), shape)
        ready = self._ready.get(shape)
        if ready is None:
            ready = self._ready[shape] = self._with_columns(self.all(), shape)
        return ready

    def _with_columns(self, rows: Any, shape: str) -> Any:
        return rows.order_by(*(self.order or self.model._meta.ordering)).values_list(
            *self.needs[shape]
        )

    def list(self, request: HttpRequest) -> HttpResponse:
        """Answer a page of the list."""
        base = base_of(request)
        at = paging.window(request.GET)
        try:
            rows, unknown, page = self._asked(request, at)
            results = self.render_rows(page.rows(), "list", base)
            if not results:
                self._verify(request)
            key = paging.key(self.name, request.GET) if self.kept else None
            count = paging.count(rows, at, len(results), key)
        except (DataError, OverflowError) as error:
            raise Refused(400, f"the database cannot compare these: {error}") from None
        following, previous = paging.links(request, base, at, count)
        body = {"count": count, "next": following, "previous": previous, "results": results}
        headers = {NOTICE: notice(_unknown(self, unknown))} if unknown else None
        return answer(body, headers=headers)

    def _asked(
        self, request: HttpRequest, at: paging.Window
    ) -> tuple[Any, Sequence[str], Repeated]:
        """Return the rows that a request asks for, unknown parameters, and the page of the rows.

        Clients ask the same again, so the statement is kept, unless making it needed the database:
        it then holds what was found there.
        """
        text = request.META.get("QUERY_STRING", "")
        asked: dict[str, Any] = self._ready.setdefault("asked", {})
        found = asked.get(text)
        if found is None:
            with watched() as ran:
                rows, unknown = self.narrowed(request)
            found = (rows, unknown, Repeated(rows[at.offset : at.offset + at.limit]))
            if not ran and self.rows is None and len(text) <= LONGEST:
                if len(asked) >= MOST_ASKED:
                    asked.clear()
                asked[text] = found
        kept: tuple[Any, Sequence[str], Repeated] = found
        return kept

    def _verify(self, request: HttpRequest) -> None:
        """Tell a mistake from a search that finds nothing."""
        for name, text in request.GET.items():
            known = self.parameters.get(name)
            if text and known is not None and known.verify is not None:
                known.verify(text)

    def read(self, request: HttpRequest, key: Any) -> HttpResponse:
        """Answer one row."""
        return answer(self.one(key, base_of(request)))


def base_of(request: HttpRequest) -> str:
    """Return the address of the hub as the client wrote it.

    The client's own, not the configured one: ONE finds its requests by the address it was set up
    with, and takes the addresses of pages apart by it.
    """
    return f"{request.scheme}://{request.get_host()}{request.META.get('SCRIPT_NAME', '')}"


def _unknown(resource: Resource, names: Sequence[str]) -> str:
    from fascicle.errors import nearest

    said = []
    for name in names[:8]:
        near = nearest(name, resource.parameters, n=1)
        said.append(f"{name!r}{f' ({near})' if near else ''}")
    return f"/{resource.name} has no filter {', '.join(said)}: ignored"

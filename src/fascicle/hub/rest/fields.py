"""Fields: what stands in the JSON of a row, and from which columns it comes.

A page of rows is rendered by columns, not by rows: each field is given whole columns and returns
one value for each row, so that what it needs of other tables is one statement for a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.db import models

from fascicle.hub.rest.gathering import gather_all

Schema = dict[str, Any]
FIELDS, NAMES = "fields of names", "names"  # in what the fields of a page share


class Page:
    """The rows of one answer, as columns.

    Attributes
    ----------
    base : str
        The address of the hub as the client wrote it, without a slash at the end.
    size : int
        The number of rows.
    shared : dict
        For what several fields of a page need and only one should fetch.
    """

    __slots__ = ("_columns", "base", "shared", "size")

    def __init__(self, base: str, columns: Mapping[str, Sequence[Any]], size: int) -> None:
        self.base = base
        self.size = size
        self.shared: dict[Any, Any] = {}
        self._columns = columns

    def __getitem__(self, column: str) -> Sequence[Any]:
        return self._columns[column]


class Field:
    """A column, as it is.

    Parameters
    ----------
    name : str
        Its name in the JSON.
    source : str, optional
        The column, or a path of relations to one; ``name`` by default.
    only : {'', 'list', 'detail'}
        The shape that alone has it.
    read_only : bool
        Whether clients cannot write it; it is ignored in what they send.
    required : bool
        Whether it must be given on creation.
    shape : dict, optional
        Its OpenAPI schema; found from the column by default.
    blank : object
        What stands for a missing value (null by default).
    """

    kind = "column"

    def __init__(
        self,
        name: str,
        source: str = "",
        *,
        only: str = "",
        read_only: bool = False,
        required: bool = False,
        shape: Schema | None = None,
        blank: Any = None,
    ) -> None:
        self.name = name
        self.source = source or name
        self.only = only
        self.read_only = read_only
        self.required = required
        self.shape = shape
        self.blank = blank

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return (self.source,)

    @property
    def attribute(self) -> str:
        """The model's field that is written; for relations the relation itself."""
        return self.source.partition("__")[0]

    @property
    def key(self) -> str:
        """The column of the related row that is shown in its place ('' for a plain column)."""
        return self.source.rpartition("__")[2] if "__" in self.source else ""

    def render(self, page: Page) -> Sequence[Any]:
        """Return the value of each row."""
        column = page[self.source]
        if self.blank is not None:
            blank = self.blank
            return [blank if value is None else value for value in column]
        return column

    def schema(self, model: Any) -> Schema:
        """Return its OpenAPI schema."""
        shape = dict(self.shape) if self.shape is not None else self._schema(model)
        return {**shape, "readOnly": True} if self.read_only else shape

    def _schema(self, model: Any) -> Schema:
        return column_schema(column(model, self.source))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Related(Field):
    """A row of another table, shown by one of its columns, such as its name.

    ``Related("subject", "subject__nickname")``. Clients write the same value.
    """

    kind = "related"

    def _schema(self, model: Any) -> Schema:
        nullable = bool(column(model, self.attribute).null)
        return {"type": "string", "nullable": True} if nullable else {"type": "string"}


class Id(Field):
    """A row of another table, shown by its id. ``Id("session")`` reads ``session_id``."""

    kind = "related"

    def __init__(self, name: str, source: str = "", **options: Any) -> None:
        super().__init__(name, source or f"{name}_id", **options)

    @property
    def attribute(self) -> str:
        """The relation."""
        return self.source.removesuffix("_id")

    @property
    def key(self) -> str:
        """The column of the related row that is shown in its place."""
        return "pk"

    def _schema(self, model: Any) -> Schema:
        relation = column(model, self.attribute)
        shape = column_schema(relation.target_field)
        shape.pop("readOnly", None)
        return {**shape, "nullable": True} if relation.null else shape


class Names(Field):
    """Rows of another table, shown by one of their columns, in its order.

    ``Names("projects", "projects__name")``. One statement for a page, for all fields of this
    kind together.
    """

    kind = "many"

    @property
    def key(self) -> str:
        """The column of the related rows that is shown, from there on."""
        return self.source.partition("__")[2]

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing but the row itself."""
        return ("pk",)

    def __init__(self, name: str, source: str = "", **options: Any) -> None:
        super().__init__(name, source or f"{name}__name", **options)
        self.model: Any = None  # the resource says it

    def render(self, page: Page) -> Sequence[Any]:
        """Return a list for each row."""
        keys = page["pk"]
        if NAMES not in page.shared:
            fields = page.shared.get(FIELDS, (self,))
            page.shared[NAMES] = gather_all(
                self.model, [(one.attribute, one.key) for one in fields], keys
            )
        found = page.shared[NAMES][self.attribute, self.key]
        return [found.get(key, ()) for key in keys]

    def _schema(self, model: Any) -> Schema:
        return {"type": "array", "items": {"type": "string"}}


class Choice(Field):
    """A number that is shown by its name, such as a quality."""

    kind = "choice"

    def __init__(self, name: str, source: str = "", **options: Any) -> None:
        super().__init__(name, source, **options)
        self.names: dict[Any, str] = {}

    def bind(self, model: Any) -> None:
        """Take the names of the numbers from the column."""
        self.names = {value: str(text) for value, text in column(model, self.source).choices}

    def render(self, page: Page) -> Sequence[Any]:
        """Return the name of each number."""
        names = self.names
        return [names.get(value, value) for value in page[self.source]]

    def _schema(self, model: Any) -> Schema:
        return {"type": "string"}


class Url(Field):
    """The address of the row itself."""

    kind = "url"

    def __init__(
        self,
        endpoint: str,
        source: str = "pk",
        *,
        name: str = "url",
        read_only: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(name, source, read_only=read_only, **options)
        self.endpoint = endpoint

    def render(self, page: Page) -> Sequence[Any]:
        """Return the address of each row."""
        stem = f"{page.base}/{self.endpoint}/"
        keys = page[self.source]
        if isinstance(keys[0], str):  # a name, which may hold what an address may not
            return [stem + quote(key, safe="") for key in keys]
        return [None if key is None else f"{stem}{key}" for key in keys]

    def _schema(self, model: Any) -> Schema:
        return {"type": "string", "format": "uri"}


class Link(Url):
    """A row of another table, shown by its address; clients write its address or its id."""

    kind = "link"

    def __init__(self, name: str, endpoint: str, source: str = "", **options: Any) -> None:
        given = {"read_only": False, **options}
        super().__init__(endpoint, source or f"{name}_id", name=name, **given)

    @property
    def attribute(self) -> str:
        """The relation."""
        return self.source.removesuffix("_id")

    @property
    def key(self) -> str:
        """The column of the related row by which it is found."""
        return "pk"

    def _schema(self, model: Any) -> Schema:
        nullable = bool(column(model, self.attribute).null)
        return {"type": "string", "format": "uri", "nullable": nullable}


class Made(Field):
    """A value that a function makes, for a whole page at once.

    Parameters
    ----------
    name : str
        Its name in the JSON.
    make : callable
        Given the page, returns the value of each row.
    needs : sequence of str
        The columns that the function reads from the page.
    shape : dict
        Its OpenAPI schema.
    only : {'', 'list', 'detail'}
        The shape that alone has it.
    """

    kind = "made"

    def __init__(
        self,
        name: str,
        make: Callable[[Page], Sequence[Any]],
        needs: Iterable[str] = ("pk",),
        *,
        shape: Schema | None = None,
        only: str = "",
    ) -> None:
        super().__init__(name, only=only, read_only=True, shape=shape or {})
        self.make = make
        self._needs = tuple(needs)

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return self._needs

    def render(self, page: Page) -> Sequence[Any]:
        """Return the value of each row."""
        return self.make(page)


def column(model: Any, path: str) -> Any:
    """Return the model field at the end of a path of relations."""
    field: Any = None
    for part in path.split("__"):
        field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        if field.is_relation:
            model = field.related_model
    return field


_TYPES: tuple[tuple[Any, Schema], ...] = (
    (models.UUIDField, {"type": "string", "format": "uuid"}),
    (models.BooleanField, {"type": "boolean"}),
    (models.IntegerField, {"type": "integer"}),
    (models.FloatField, {"type": "number", "format": "double"}),
    (models.DateTimeField, {"type": "string", "format": "date-time"}),
    (models.DateField, {"type": "string", "format": "date"}),
    (models.JSONField, {}),
    (models.EmailField, {"type": "string", "format": "email"}),
    (models.Field, {"type": "string"}),
)


def column_schema(field: Any) -> Schema:
    """Return the OpenAPI schema of a column."""
    if field.is_relation:
        return {**column_schema(field.target_field), "nullable": bool(field.null)}
    shape = dict(next(schema for kind, schema in _TYPES if isinstance(field, kind)))
    if field.null:
        shape["nullable"] = True
    if field.primary_key or not field.editable:
        shape["readOnly"] = True
    if isinstance(field, models.CharField) and field.max_length and "format" not in shape:
        shape["maxLength"] = field.max_length
    if field.choices and isinstance(field, models.CharField):
        shape["enum"] = [value for value, _ in field.choices] + [""] * bool(field.blank)
    if field.help_text:
        shape["description"] = str(field.help_text)
    return shape

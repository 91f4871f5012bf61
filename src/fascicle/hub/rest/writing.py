"""Making, changing and deleting rows of any resource.

What a client sends is checked field by field, then by the table's own rules; errors name the
fields. Each request is one transaction: what was answered with success is written, what was
refused left no trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest, HttpResponse

from fascicle.hub.rest import effects
from fascicle.hub.rest.answers import NOTICE, Refused, answer, not_found, notice
from fascicle.hub.rest.auth import body_of
from fascicle.hub.rest.fields import Field, column
from fascicle.hub.rest.resource import Resource, base_of
from fascicle.hub.rest.values import Invalid, free_of_form, value_for

#: How many rows one request may make.
MOST_ROWS = 10_000
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Errors = dict[str, list[str]]


def create(resource: Resource, request: HttpRequest) -> HttpResponse:
    """Answer a request to make a row, or several where a list is sent."""
    given = body_of(request)
    with transaction.atomic():
        if isinstance(given, list):
            return _create_many(resource, request, given)
        change = Change(resource, request, given, form=_is_form(request))
        row = change.save()
        base = base_of(request)
        headers = {"Location": _address(resource, row, base), **change.headers()}
        return answer(resource.one(row.pk, base, resource.created, "pk"), 201, headers)


def update(resource: Resource, request: HttpRequest, key: Any, *, partial: bool) -> HttpResponse:
    """Answer a request to change a row; fields that are not sent stay as they are."""
    given = body_of(request)
    with transaction.atomic():
        row = _find(resource, key)
        change = Change(resource, request, given, row, partial=partial, form=_is_form(request))
        change.save()
        return answer(resource.one(row.pk, base_of(request), column="pk"), headers=change.headers())


def delete(resource: Resource, request: HttpRequest, key: Any) -> HttpResponse:
    """Answer a request to delete a row; what is protected stays."""
    with transaction.atomic():
        row = _find(resource, key)
        effects.may_write(resource, request, row)
        after = effects.before_delete(row, request)
        try:
            row.delete()
        except models.ProtectedError as error:
            raise Refused(403, f"Failed to delete {row}: other rows need it") from error
        after()
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]  # there is nothing that it could be of
    return response


def _find(resource: Resource, key: Any) -> Any:
    rows = resource.all().filter(**{resource.lookup: key})
    row = rows.select_for_update(of=("self",)).first()
    if row is None:
        raise not_found(resource.model)
    return row


def _is_form(request: HttpRequest) -> bool:
    return (request.content_type or "").lower() in _FORMS


def _address(resource: Resource, row: Any, base: str) -> str:
    return f"{base}/{resource.name}/{quote(str(getattr(row, resource.lookup)), safe='')}"


class Change:
    """One row to be made or changed.

    Parameters
    ----------
    resource : Resource
        Where.
    request : HttpRequest
        Who asks.
    given : object
        What was sent.
    row : Model, optional
        The row to change; a new one if there is none.
    partial : bool
        Whether fields may be missing that a row needs.
    form : bool
        Whether it was sent as a form, in which all is text.
    """

    def __init__(
        self,
        resource: Resource,
        request: HttpRequest,
        given: Any,
        row: Any = None,
        *,
        partial: bool = False,
        form: bool = False,
    ) -> None:
        if not isinstance(given, Mapping):
            raise _refused(
                {
                    "non_field_errors": [
                        f"Invalid data. Expected a dictionary, but got {type(given).__name__}."
                    ]
                }
            )
        self.resource = resource
        self.request = request
        self.given = given
        self.is_new = row is None
        self.row = resource.model() if row is None else row
        self.form = form
        effects.may_write(resource, request, row)
        self.values: dict[str, Any] = {}
        self.many: dict[str, list[Any]] = {}
        self.errors: Errors = {}
        self.fields = writable(resource)
        for field in self.fields.values():
            self._take(field, partial)
        if self.errors:
            raise _refused(self.errors)

    def _take(self, field: Field, partial: bool) -> None:
        name = field.name
        if name not in self.given:
            if field.required and not partial:
                self.errors[name] = ["This field is required."]
            return
        value = self.given[name]
        try:
            if self.form:
                value = self._of_form(field, value)
            typed = value_for(field, self.resource.model, value)
        except Invalid as error:
            self.errors[name] = [str(error)]
            return
        if field.kind == "many":
            self.many[field.attribute] = typed
        else:
            self.values[field.attribute] = typed

    def _of_form(self, field: Field, value: Any) -> Any:
        if field.kind == "many":
            return value if isinstance(value, list) else [value] if value else []
        target = column(self.resource.model, field.attribute)
        return free_of_form(value) if isinstance(target, models.JSONField) else value

    def headers(self) -> dict[str, str]:
        """Return a notice of what was sent and has no meaning here."""
        known = {field.name for field in self.resource.fields} | effects.EXTRA
        unknown = sorted(name for name in self.given if name not in known)
        if not unknown:
            return {}
        names = ", ".join(map(repr, unknown[:8]))
        return {NOTICE: notice(f"/{self.resource.name} has no field {names}: ignored")}

    def prepare(self) -> Any:
        """Put the values into the row and check it by the rules of its table."""
        before = {name: getattr(self.row, _raw(self.row, name)) for name in self.values}
        for name, value in self.values.items():
            setattr(self.row, name, value)
        self.changed = {
            name for name in self.values if before[name] != getattr(self.row, _raw(self.row, name))
        }
        if self.is_new:
            effects.defaults(self.row, self.values, self.request)
        self.after = effects.before_save(self)
        return self.row

    def save(self) -> Any:
        """Write the row and what follows from it.

        Returns
        -------
        Model
            The row.

        Raises
        ------
        Refused
            If the rules of the table forbid it.
        """
        try:
            with transaction.atomic():
                row = self.prepare()
                check(row)
                row.save(force_insert=self.is_new)
                for name, rows in self.many.items():
                    getattr(row, name).set(rows)
                self.after()
        except IntegrityError as error:
            raise _refused({"non_field_errors": [_violated(error)]}) from None
        return row


def _raw(row: Any, name: str) -> str:
    return str(row._meta.get_field(name).attname)


def writable(resource: Resource) -> dict[str, Field]:
    """Return the fields of a resource that clients write, by their names."""
    return {
        field.name: field
        for field in resource.fields
        if not field.read_only and field.kind not in ("made", "url") and field.name != "id"
    }


def _create_many(resource: Resource, request: HttpRequest, given: list[Any]) -> HttpResponse:
    if not effects.takes_lists(resource):
        raise _refused({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})
    if len(given) > MOST_ROWS:
        raise Refused(413, f"One request makes at most {MOST_ROWS:,} rows.")
    made, errors = [], []
    for one in given:
        try:
            change = Change(resource, request, one)
            check(change.prepare(), unique=False)
        except Refused as error:
            errors.append(error.body)
        else:
            made.append(change.row)
            errors.append({})
    if any(errors):
        # Alyx sends the bare list, which has no place for a status
        raise Refused(400, {"detail": errors})
    try:
        with transaction.atomic():
            resource.model._default_manager.bulk_create(made)
    except IntegrityError as error:
        raise _refused({"non_field_errors": [_violated(error)]}) from None
    effects.after_many(made)
    rows = resource.all().filter(pk__in=[row.pk for row in made])
    by_id = {one["id"]: one for one in resource.render(rows, resource.created, base_of(request))}
    return answer([by_id[row.pk] for row in made], 201)


def check(row: Any, *, unique: bool = True) -> None:
    """Check a row by the rules of its table; relations were found already.

    Raises
    ------
    Refused
        With messages by field.
    """
    relations = [f.name for f in row._meta.concrete_fields if f.is_relation]
    errors: Errors = {}
    steps = [lambda: row.clean_fields(exclude=relations), row.clean]
    steps += [row.validate_unique, row.validate_constraints] if unique else []
    for step in steps:
        try:
            step()
        except ValidationError as error:
            for name, found in _by_field(error).items():
                said = errors.setdefault(name, [])
                said += [m for one in found if (m := _message(row, one)) not in said]
    if errors:
        raise _refused(errors)


def _by_field(error: ValidationError) -> dict[str, list[ValidationError]]:
    if hasattr(error, "error_dict"):
        return dict(error.error_dict)
    return {NON_FIELD_ERRORS: list(error.error_list)}


def _message(row: Any, error: ValidationError) -> str:
    if error.code == "unique":
        params = error.params or {}
        label = str(params.get("field_label", "name")).lower()
        return f"{row._meta.verbose_name} with this {label} already exists."
    text = " ".join(error.messages)
    for rule in row._meta.constraints:
        if isinstance(rule, models.UniqueConstraint) and f"“{rule.name}”" in text:
            return f"The fields {', '.join(rule.fields)} must make a unique set."
    return text


def _violated(error: IntegrityError) -> str:
    said = str(error).splitlines()[0]
    if "unique" in said.lower():
        return "The fields must make a unique set, and there is such a row already."
    return "The row does not fit to others."


def _refused(errors: Mapping[str, Any]) -> Refused:
    named = {
        "non_field_errors" if name == NON_FIELD_ERRORS else name: value
        for name, value in errors.items()
    }
    return Refused(400, named)

"""The JSON Schema of metadata documents, and what it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fascicle.nwb.metadata.problems import Problem


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of metadata documents."""
    made: dict[str, Any] = json.loads(_text())
    return made


@cache
def _text() -> str:
    return files("fascicle.nwb.metadata").joinpath("schema.json").read_text(encoding="utf-8")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(_text()))


def against_schema(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what does not follow the schema, by field."""
    found = _validator().iter_errors(document)
    yield from map(_problem, sorted(found, key=lambda one: list(map(str, one.path))))


def _problem(error: Any) -> Problem:
    field = ""
    for step in error.absolute_path:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
    hint = ""
    if error.validator == "additionalProperties":
        return _unknown(error, field)
    if error.validator == "type":
        wanted = error.validator_value
        names = [wanted] if isinstance(wanted, str) else [one for one in wanted if one != "null"]
        said = " or ".join(_KINDS.get(one, one) for one in names)
        text = f"{_short(error.instance)} is no {said}"
    elif error.validator == "enum":
        text = f"{_short(error.instance)} is not allowed"
        hint = f"one of {', '.join(str(one) for one in error.validator_value)}"
    elif error.validator == "required":
        missing = str(error.message).split("'")[1]
        field, text = f"{field}.{missing}" if field else missing, "it is missing"
    elif error.validator == "uniqueItems":
        text = "something is there twice"
    elif error.validator == "minLength":
        text = "it is empty"
    else:
        text = str(error.message)
    example = error.schema.get("examples") if isinstance(error.schema, Mapping) else None
    if not hint and example:
        hint = f"e.g. {json.dumps(example[0], ensure_ascii=False)}"
    return Problem(field or "document", text, hint)


_KINDS = {
    "string": "text",
    "array": "list",
    "object": "mapping",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
}


def _unknown(error: Any, field: str) -> Problem:
    from fascicle.errors import nearest

    known = list(error.schema.get("properties", ()))
    extra = next((key for key in error.instance if key not in known), "")
    where = f"{field}.{extra}" if field else str(extra)
    hint = nearest(str(extra), known) or f"it has {', '.join(known)}"
    return Problem(where, "there is no such field", hint)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"

"""What is sent to a server: JSON, or a form with files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import PurePath
from typing import Any
from uuid import UUID

_JSON = "application/json"


def encode(data: Any, files: Any = None) -> tuple[bytes | None, str]:
    """Return a body and its media type.

    Parameters
    ----------
    data : object
        What JSON can hold, ids, dates, paths and NumPy's numbers; or text that is JSON.
    files : mapping or list of pairs, optional
        By the name of the field: an open file, bytes, or a tuple of a name, one of these and
        possibly a media type. The data are fields of a form then.
    """
    if files is not None:
        return _form(data, files)
    if data is None:
        return None, _JSON
    if isinstance(data, str | bytes):
        return (data.encode() if isinstance(data, str) else data), _JSON
    return json.dumps(data, default=_plain).encode(), _JSON


def _plain(value: Any) -> Any:
    """Return what JSON can hold in place of what it cannot."""
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{value!r} cannot be sent: a {type(value).__name__} is not known to JSON")


def _form(data: Any, files: Any) -> tuple[bytes, str]:
    from urllib3.filepost import encode_multipart_formdata

    fields: list[tuple[str, Any]] = []
    for name, value in _pairs(json.loads(data) if isinstance(data, str | bytes) else data):
        several = value if isinstance(value, list | tuple | set) else [value]
        fields += [(name, _text(one)) for one in several if one is not None]
    for name, file in _pairs(files):
        fields.append((name, _file(name, file)))
    body, kind = encode_multipart_formdata(fields)
    return body, kind


def _pairs(given: Any) -> Iterable[tuple[str, Any]]:
    return given.items() if isinstance(given, Mapping) else given or ()


def _text(value: Any) -> str | bytes:
    if isinstance(value, bytes | str):
        return value
    return json.dumps(value, default=_plain) if isinstance(value, dict) else str(value)


def _file(field: str, file: Any) -> tuple[Any, ...]:
    name, content, *kind = file if isinstance(file, tuple) else (None, file)
    if hasattr(content, "read"):
        known = getattr(content, "name", None)
        if name is None and isinstance(known, str):
            name = os.path.basename(known)
        content = content.read()
    return name or field, content, *kind[:1]

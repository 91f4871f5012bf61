"""JSON, lines of JSON, and YAML: plain values only, with errors that name file and place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import BadFileError, EmptyFileError, TruncatedFileError

_HINT = "fetch or write the file again"
_MERGED = 100_000  # more keys than this in one YAML mapping come from merges that explode


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return all bytes of a file that must have some.

    Raises
    ------
    EmptyFileError
        It has none.
    """
    data = Path(path).read_bytes()
    if not data:
        raise EmptyFileError(f"{os.fspath(path)} is empty: it has no bytes", hint=_HINT)
    return data


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the value in a JSON file.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    EmptyFileError, TruncatedFileError, BadFileError
        No bytes, an end in the middle of a value, or no JSON.
    """
    return _parsed(read_bytes(path), os.fspath(path))


def read_jsonable(path: str | os.PathLike[str]) -> list[Any]:
    """Return the values of a file with one JSON value per line; blank lines do not count.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    EmptyFileError, TruncatedFileError, BadFileError
        No bytes, an end in the middle of a value, or a line that is no JSON.
    """
    name = os.fspath(path)
    lines = read_bytes(path).split(b"\n")
    return [
        _parsed(line, f"{name}, line {number},")
        for number, line in enumerate(lines, 1)
        if not line.isspace() and line
    ]


def _parsed(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
            raise TruncatedFileError(
                f"{name} ends in the middle of a JSON value (line {error.lineno}, column "
                f"{error.colno})",
                hint=_HINT,
            ) from None
        raise BadFileError(f"{name} is no JSON: {error}", hint=_HINT) from None
    except RecursionError:
        raise BadFileError(f"{name} is nested too deeply to be read", hint=_HINT) from None
    except ValueError as error:  # no text at all, or a number of thousands of digits
        raise BadFileError(f"{name} is no JSON: {str(error)[:200]}", hint=_HINT) from None


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Return the value in a YAML file: plain values only, no tag runs code.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    EmptyFileError, BadFileError
        No bytes, or no (plain) YAML.
    """
    import yaml

    # The loader in Python and not the one in C, whose recursion can end the whole process.
    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            super().flatten_mapping(node)
            if len(node.value) > _MERGED:
                raise yaml.YAMLError("merged keys multiply without end")

    name, data = os.fspath(path), read_bytes(path)
    try:
        return yaml.load(data, Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise BadFileError(f"{name} is nested too deeply to be read", hint=_HINT) from None
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())[:300]
        raise BadFileError(f"{name} is no plain YAML: {why}", hint=_HINT) from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # A date such as 2020-99-99, and what the library forgets to check.
        why = str(error)[:200]
        raise BadFileError(f"{name} has a value that cannot be: {why}", hint=_HINT) from None

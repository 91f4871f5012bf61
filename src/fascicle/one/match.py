"""Which relative paths match a file name, a collection and a revision, as ONE reads them.

With wildcards on, patterns are those of a shell (``*``, ``?``, ``[…]``); with wildcards off they
are regular expressions, matched from the start. None stands for any, an empty text for absent.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple

from fascicle.alf import spec
from fascicle.errors import ALFInvalid, SearchTermError, SearchTermTypeError, nearest

Text = str | Sequence[str] | None
FileName = str | Sequence[str] | Mapping[str, Text] | None

PARTS = ("namespace", "object", "attribute", "timescale", "extra", "extension")
_DEFAULTS = {
    "collection": r"[\w./-]+",
    "revision": r"[\w.-]+",
    "namespace": r"[a-zA-Z0-9]+",
    "object": r"\w+",
    "attribute": r"(?:_[a-z]+_)?[a-zA-Z0-9]+(?:_(?:times|intervals)(?=[_.]))?",
    "timescale": r"\w+",
    "extra": r"[.\w-]+",
    "extension": r"\w+",
}


class UnknownPart(ALFInvalid, KeyError):
    """A filter is no part of a dataset's name; ONE's is a KeyError."""

    kind = "unknown-part"


class Filter(NamedTuple):
    """A frozen question about relative paths; make one with :func:`ask`."""

    names: tuple[str, ...] | None
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    collection: tuple[str, ...] | None
    revision: tuple[str, ...] | None
    wildcards: bool

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for, so that all paths match."""
        return not (self.names or self.parts) and self.collection is self.revision is None

    def select(self, paths: Sequence[str]) -> list[int]:
        """Return the positions of the paths that match."""
        if self.everything:
            return list(range(len(paths)))
        match = _pattern(self).match
        objects = dict(self.parts).get("object")
        if objects and len(objects) == 1 and objects[0].isalnum():
            # A plain word must stand in the path as it is: cheaper than the expression.
            word = objects[0] + "."
            return [i for i, path in enumerate(paths) if word in path and match(path)]
        return [i for i, path in enumerate(paths) if match(path)]


def ask(
    filename: FileName = None,
    collection: Text = None,
    revision: Text = None,
    *,
    wildcards: bool = True,
) -> Filter:
    """Return the filter for a file name, a collection and a revision.

    Parameters
    ----------
    filename : str, list of str or dict, optional
        A file name (or relative path), several of which one must match, or a pattern for each ALF
        part; lists of patterns are alternatives.
    collection, revision : str or list of str, optional
        None for any, an empty text for absent.
    wildcards : bool
        Shell patterns rather than regular expressions.

    Returns
    -------
    Filter

    Raises
    ------
    UnknownPart
        A dictionary names a part that file names do not have; it is a KeyError.
    SearchTermTypeError
        A pattern is no text.
    """
    names: tuple[str, ...] | None = None
    parts: dict[str, tuple[str, ...]] = {}
    if isinstance(filename, Mapping):
        for part, value in filename.items():
            if part in ("collection", "revision"):
                if part == "collection":
                    collection = value if collection is None else collection
                else:
                    revision = value if revision is None else revision
            elif part not in PARTS:
                raise UnknownPart(
                    f"{part!r} is no part of a dataset's name",
                    hint=nearest(part, PARTS) or f"the parts are {', '.join(PARTS)}",
                )
            elif (texts := _texts(value)) is not None:
                parts[part] = texts
    elif filename is not None and not (isinstance(filename, str) and not filename):
        names = _texts(filename) or None
    return Filter(
        names, tuple(sorted(parts.items())), _texts(collection), _texts(revision), bool(wildcards)
    )


def _texts(value: Text) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str | bytes | PurePath) or not isinstance(value, Iterable):
        value = (value,)
    texts = tuple(t.as_posix() if isinstance(t, PurePath) else t for t in value)
    for text in texts:
        if not isinstance(text, str):
            raise SearchTermTypeError(
                f"{text!r} is a {type(text).__name__}, where a text is needed to match names with",
                hint="give a name or a pattern such as 'spikes.*', or a list of these",
            )
    return texts


@lru_cache(maxsize=2048)
def _pattern(question: Filter) -> re.Pattern[str]:
    wild = question.wildcards
    text = _folder(question.collection, "collection", wild, "{}/")
    text += _folder(question.revision, "revision", wild, "#{}#/")
    if question.names:
        names = (_leading(_translate(n, True)) if wild else n + "$" for n in question.names)
        text += f"(?:{'|'.join(f'(?:{n})' for n in names)})"
    else:
        text += _file(dict(question.parts), wild)
    try:
        return re.compile("^" + text)
    except re.error as error:
        given = question.names or dict(question.parts) or question.collection or question.revision
        raise SearchTermError(
            f"{given!r} is no regular expression: {error}",
            hint="set one.wildcards = True to use * and ? as in a shell",
        ) from error


def _translate(text: str, wild: bool) -> str:
    """Return the expression of a pattern, without an end."""
    return re.sub(r"\\[Zz]$", "", fnmatch.translate(text)) if wild else text


def _leading(expression: str) -> str:
    """Keep a name's leading ``*`` from swallowing its folders."""
    return re.sub(r"^((?:\(\?s:)?)\.\*", r"\g<1>[^/]*", expression) + r"\Z"


def _folder(values: tuple[str, ...] | None, part: str, wild: bool, frame: str) -> str:
    if values is None:
        return f"(?:{frame.format(_DEFAULTS[part])})?"
    some = [v for v in values if v]
    if not some:
        return ""
    chosen = frame.format(_either(some, wild))
    return f"(?:{chosen})?" if len(some) < len(values) else f"(?:{chosen})"


def _either(values: Iterable[str], wild: bool) -> str:
    return f"(?:{'|'.join(_translate(v, wild) for v in values)})"


def _file(parts: Mapping[str, tuple[str, ...]], wild: bool) -> str:
    def required(part: str) -> str:
        return _either(parts[part], wild) if any(parts.get(part, ())) else _DEFAULTS[part]

    def optional(part: str, before: str, after: str = "") -> str:
        values = parts.get(part)
        if values is not None and not any(values):
            return ""
        group = f"(?:{before}{required(part)}{after})"
        if part == "namespace" and values and _empty(values, wild):
            return group + "?"  # unlike a timescale, "*" stands for any namespace or none
        return group + "?" if values is None else group

    namespace = optional("namespace", "_", r"_(?=\w)") or "(?!_)"
    extra = optional("extra", r"\.")
    return (
        f"{namespace}{required('object')}"
        rf"\.{required('attribute')}{optional('timescale', '_')}{extra}"
        rf"\.{required('extension')}\Z"
    )


def _empty(values: tuple[str, ...], wild: bool) -> bool:
    """Return whether some pattern would match an absent part."""
    return any(re.fullmatch(_translate(v, wild), "") is not None for v in values)


@lru_cache(maxsize=65536)
def object_of(path: str) -> str:
    """Return the object that a relative path names, or an empty text."""
    parts = spec.parse_name(path.rpartition("/")[2])
    return parts.object if parts else ""


@lru_cache(maxsize=65536)
def folders_of(path: str) -> tuple[str, str]:
    """Return collection and revision of a relative path, empty where absent."""
    folder = path.rpartition("/")[0]
    before, mark, after = folder.partition("#")
    if not mark:
        return folder, ""
    return before.rstrip("/"), after.rstrip("#")

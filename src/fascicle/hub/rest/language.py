"""The text of a ``django=`` filter: field and value pairs, parsed and never evaluated.

``field,value,~field,value``: commas part; those within brackets do not. A field is a chain of
names joined by two underscores; ``~`` before it turns the condition round. A value in brackets is
a list of literals (quoted strings, numbers, True, False, None, lists of these). All other values
are plain text, whose type is that of the column that they are compared with.

This module knows nothing of Django nor of the tables: see `fascicle.hub.rest.conditions`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fascicle.errors import SearchTermError

#: How many conditions one filter may have.
MOST_TERMS = 32
#: How many values one list may have, lists within it included.
MOST_VALUES = 20_000
#: How deep lists may lie within each other.
DEEPEST = 8

_NAME = re.compile(r"[A-Za-z_][\w.\- ]*\Z")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_WORDS = {"None": None, "True": True, "False": False, "true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


class Number(str):
    """A number as it was written, since only the column says whether it is text."""

    __slots__ = ()


#: What stands in a list: text, a number as written, a truth value, None, or a list of these.
Literal = str | Number | bool | None | list[Any]


@dataclass(frozen=True, slots=True)
class Term:
    """One condition.

    Attributes
    ----------
    names : tuple of str
        The parts of the field's name: relations, a column, what is asked of it.
    value : str or list
        Text as written, or the literals of a list.
    turned : bool
        Whether rows that meet the condition are left out.
    field : str
        The field as it was written.
    """

    names: tuple[str, ...]
    value: str | list[Any]
    turned: bool
    field: str


def _fail(message: str) -> SearchTermError:
    return SearchTermError(
        f"django: {message}",
        hint="write field,value[,field,value…]; lists as ['a', 'b'] or [1, 2]; "
        "~field leaves rows out",
    )


def parse(text: str) -> list[Term]:
    """Return the conditions of a filter.

    Parameters
    ----------
    text : str
        Such as ``subject__nickname,KS020,number__in,[1, 2]``; nothing at all is no condition.

    Returns
    -------
    list of Term
        In the order in which they stand.

    Raises
    ------
    SearchTermError
        If a value is missing, a field stands twice, a list is not one of literals, or there is a
        character that is none.
    """
    if not text.strip():
        return []
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise _fail("half a character is in it, which no database has")
    parts = split(text)
    if len(parts) % 2:
        raise _fail(f"fields and values come in pairs, and there are {len(parts)} parts")
    if len(parts) > 2 * MOST_TERMS:
        raise _fail(f"more than {MOST_TERMS} conditions")
    terms: list[Term] = []
    seen: set[str] = set()
    for written, raw in zip(parts[::2], parts[1::2], strict=True):
        field = written.strip()
        turned = field.startswith("~")
        bare = field[1:] if turned else field
        names = tuple(bare.split("__"))
        if not bare or not _NAME.match(bare) or "" in names:
            raise _fail(f"{shortened(field)!r} is no field")
        if field in seen:
            raise _fail(f"{shortened(field)!r} stands twice")
        seen.add(field)
        terms.append(Term(names, _value(names[-1], raw.strip()), turned, field))
    return terms


def shortened(text: str, length: int = 80) -> str:
    """Return a text that is short enough to be quoted in a message."""
    return text if len(text) <= length else text[: length - 1] + "…"


def split(text: str) -> list[str]:
    """Return the parts between those commas that lie in no bracket and in no quotes within one."""
    parts: list[str] = []
    start, depth, quote, at = 0, 0, "", 0
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "[(":
            depth += 1
        elif char in "])":
            depth = max(0, depth - 1)
        elif char in "'\"" and depth:
            quote = char
        elif char == "," and not depth:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    if depth or quote:
        raise _fail(f"a bracket or a quote is not closed in {shortened(text[start:])!r}")
    parts.append(text[start:])
    return parts


def _value(last: str, raw: str) -> str | list[Any]:
    # brackets are part of a pattern, and there is no comma that they would have to hide
    if last in ("regex", "iregex") or not raw or raw[0] not in "[(":
        return raw
    return _Reader(raw).read()


class _Reader:
    """Reads one list of literals, each character once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.count = 0

    def read(self) -> list[Any]:
        out = self._list(1)
        if self.at != len(self.text):
            raise self._bad("something follows the list")
        return out

    def _bad(self, why: str) -> SearchTermError:
        return _fail(f"{why} at {shortened(self.text[self.at :], 30)!r}")

    def _skip(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at] if self.at < len(self.text) else ""

    def _list(self, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise self._bad(f"lists lie deeper than {DEEPEST}")
        close = "]" if self.text[self.at] == "[" else ")"
        self.at += 1
        out: list[Any] = []
        while True:
            char = self._skip()
            if char == close:
                self.at += 1
                return out
            out.append(self._item(char, depth))
            self.count += 1
            if self.count > MOST_VALUES:
                raise _fail(f"a list has more than {MOST_VALUES} values")
            char = self._skip()
            if char == ",":
                self.at += 1
            elif char != close:
                raise self._bad(f"a comma or {close} is missing")

    def _item(self, char: str, depth: int) -> Literal:
        if char in ("[", "("):
            return self._list(depth + 1)
        if char in ("'", '"'):
            return self._string(char)
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            return Number(found.group())
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        raise self._bad("a quoted string, a number, True, False or None is expected")

    def _string(self, quote: str) -> str:
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == quote:
                return "".join(out)
            if char == "\\" and self.at < len(self.text):
                char = self.text[self.at]
                if char not in _ESCAPES:
                    raise self._bad("no such escape")
                char = _ESCAPES[char]
                self.at += 1
            out.append(char)
        raise self._bad("a quote is not closed")


def literal(raw: str) -> str | Number | bool | None:
    """Return what a plain value says where no column gives it a type, as in JSON.

    Parameters
    ----------
    raw : str
        The value as written.

    Returns
    -------
    str, Number, bool or None
        None and truth values by their words, numbers as such, all else as text.
    """
    if raw == "None":
        return None
    if raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    if (found := _NUMBER.match(raw)) and found.end() == len(raw):
        return Number(raw)
    return raw

"""Regular expressions that cannot run long: each character of a text is looked at once.

Python's own engine may need a time that doubles with each character, and nothing stops it. What
is here follows all ways through a pattern at the same time instead, so that a search takes at
most the length of the text times that of the pattern, and gives up at a deadline. In return it
has no look-around and no references back. What it accepts means the same to PostgreSQL.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache

from fascicle.errors import SearchTermError

#: How long a pattern may be.
LONGEST = 200
_MOST_STEPS = 4000  # of a program, once repetitions are written out
_MOST_STATES = 2000  # kept at once
_MOST_REPEATS = 255  # of one item, as in PostgreSQL
_STEPS_PER_LOOK = 2048  # characters between two looks at the clock

_Test = Callable[[str], bool]
_CHAR, _SPLIT, _BEGIN, _END, _MATCH = range(5)
_CLASSES: dict[str, _Test] = {
    "d": str.isdecimal,
    "w": lambda c: c.isalnum() or c == "_",
    "s": str.isspace,
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_COUNTED = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")


class PatternTimeout(SearchTermError):
    """A search was given up at its deadline."""

    kind = "pattern-timeout"


def _fail(pattern: str, why: str) -> SearchTermError:
    return SearchTermError(
        f"django: the pattern {pattern!r} cannot be used: {why}",
        hint=r"a pattern has letters, . [a-z] [^a-z] \d \w \s, ( ) |, * + ? {m,n}, ^ and $",
    )


class Pattern:
    r"""A pattern that was checked and prepared.

    Parameters
    ----------
    text : str
        The pattern, at most `LONGEST` characters.
    ignore_case : bool
        Whether ``a`` is ``A``; also written as ``(?i)`` at the start.

    Raises
    ------
    SearchTermError
        If it is not one, or has what this engine does not (look-around, ``\1``).

    Examples
    --------
    >>> Pattern(r"^probe0\d$").search("probe01")
    True
    """

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        if len(text.removeprefix("(?i)")) > LONGEST:
            raise _fail(text[:40] + "…", f"it has more than {LONGEST} characters")
        self.text = text
        self._steps: list[tuple[int, object, int]] = []  # kind, test or first way, second way
        reader = _Reader(text, ignore_case)
        tree = reader.read()
        self._emit(tree)
        self._add(_MATCH, None, 0)
        self._first = self._closure([0], begin=True)
        self._later = self._closure([0], begin=False)
        self._states: dict[frozenset[int], _State] = {}

    # -- the program ------------------------------------------------------------------------------

    def _add(self, kind: int, one: object, two: int) -> int:
        if len(self._steps) >= _MOST_STEPS:
            raise _fail(self.text, "its repetitions are too many")
        self._steps.append((kind, one, two))
        return len(self._steps) - 1

    def _emit(self, node: tuple[object, ...]) -> None:
        kind = node[0]
        if kind == "test":
            self._add(_CHAR, node[1], 0)
        elif kind in ("begin", "end"):
            self._add(_BEGIN if kind == "begin" else _END, None, 0)
        elif kind == "all":
            for item in node[1]:  # type: ignore[attr-defined]
                self._emit(item)
        elif kind == "any":
            self._emit_any(list(node[1]))  # type: ignore[call-overload]
        else:
            self._emit_repeat(*node[1:])  # type: ignore[arg-type]

    def _emit_any(self, ways: list[tuple[object, ...]]) -> None:
        ends: list[int] = []
        for way in ways[:-1]:
            split = self._add(_SPLIT, 0, 0)
            self._emit(way)
            ends.append(self._add(_SPLIT, 0, 0))
            self._steps[split] = (_SPLIT, split + 1, len(self._steps))
        self._emit(ways[-1])
        for end in ends:
            self._steps[end] = (_SPLIT, len(self._steps), len(self._steps))

    def _emit_repeat(self, item: tuple[object, ...], least: int, most: int | None) -> None:
        for _ in range(least):
            self._emit(item)
        if most is None:
            split = self._add(_SPLIT, 0, 0)
            self._emit(item)
            self._add(_SPLIT, split, split)
            self._steps[split] = (_SPLIT, split + 1, len(self._steps))
            return
        splits = []
        for _ in range(most - least):
            splits.append(self._add(_SPLIT, 0, 0))
            self._emit(item)
        for split in splits:
            self._steps[split] = (_SPLIT, split + 1, len(self._steps))

    # -- running it -------------------------------------------------------------------------------

    def _closure(self, steps: Iterable[int], *, begin: bool, end: bool = False) -> frozenset[int]:
        seen: set[int] = set()
        todo = list(steps)
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            kind, one, two = self._steps[at]
            if kind == _SPLIT:
                todo += (one, two)  # type: ignore[arg-type]
            elif (kind == _BEGIN and begin) or (kind == _END and end):
                todo.append(at + 1)
        return frozenset(at for at in seen if self._steps[at][0] != _SPLIT)

    def _state(self, steps: frozenset[int]) -> _State:
        found = self._states.get(steps)
        if found is None:
            if len(self._states) >= _MOST_STATES:
                self._states = {}
            last = len(self._steps) - 1
            found = self._states[steps] = _State(steps, last in steps)
        return found

    def _follow(self, state: _State, char: str) -> _State:
        after: list[int] = []
        for at in state.steps:
            kind, test, _ = self._steps[at]
            if kind == _CHAR and test(char):  # type: ignore[operator]
                after.append(at + 1)
        to = self._state(self._closure(after, begin=False) | self._later)
        if len(state.ways) >= 512:
            state.ways.clear()
        state.ways[char] = to
        return to

    def search(self, text: str, deadline: float | None = None) -> bool:
        """Return whether the pattern is somewhere in a text.

        Parameters
        ----------
        text : str
            Where to look.
        deadline : float, optional
            When to give up, by `time.monotonic`.

        Returns
        -------
        bool
            Whether it is there.

        Raises
        ------
        PatternTimeout
            If the deadline passed.
        """
        state = self._state(self._first)
        made = 0
        for count, char in enumerate(text):
            if state.found:
                return True
            to = state.ways.get(char)
            if to is None:
                to = self._follow(state, char)
                made += 1
            state = to
            if deadline is not None and (not count % _STEPS_PER_LOOK or not (made + 1) % 16):
                if time.monotonic() > deadline:
                    raise PatternTimeout("django: the search by a pattern took too long")
                made += 1
        if state.found:
            return True
        ends = self._closure(state.steps, begin=not text, end=True)
        return len(self._steps) - 1 in ends


class _State:
    """Where one can be in a pattern after some text, and where each character leads."""

    __slots__ = ("found", "steps", "ways")

    def __init__(self, steps: frozenset[int], found: bool) -> None:
        self.steps = steps
        self.found = found
        self.ways: dict[str, _State] = {}


class _Reader:
    """Reads a pattern into a tree."""

    def __init__(self, text: str, ignore_case: bool) -> None:
        self.text = text
        self.at = 0
        self.ignore_case = ignore_case
        if text.startswith("(?i)"):
            self.at = 4
            self.ignore_case = True

    def read(self) -> tuple[object, ...]:
        tree = self._ways(0)
        if self.at < len(self.text):
            raise _fail(self.text, "a bracket is closed that was not opened")
        return tree

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _ways(self, depth: int) -> tuple[object, ...]:
        if depth > 20:
            raise _fail(self.text, "its brackets lie too deep")
        ways = [self._row(depth)]
        while self._peek() == "|":
            self.at += 1
            ways.append(self._row(depth))
        return ways[0] if len(ways) == 1 else ("any", ways)

    def _row(self, depth: int) -> tuple[object, ...]:
        items: list[tuple[object, ...]] = []
        while (char := self._peek()) and char not in "|)":
            item = self._item(char, depth)
            items.append(self._repeated(item))
        return ("all", items)

    def _item(self, char: str, depth: int) -> tuple[object, ...]:
        self.at += 1
        if char == "(":
            if self._peek() == "?":
                if not self.text.startswith("?:", self.at):
                    raise _fail(self.text, "(? is there only as (?:…) and as (?i) at the start")
                self.at += 2
            inner = self._ways(depth + 1)
            if self._peek() != ")":
                raise _fail(self.text, "a bracket is not closed")
            self.at += 1
            return inner
        if char == "[":
            return ("test", self._folded(self._set()))
        if char == "\\":
            return ("test", self._folded(self._escape()))
        if char == "^":
            return ("begin",)
        if char == "$":
            return ("end",)
        if char == ".":
            return ("test", lambda c: c != "\n")
        if char in "*+?{":
            raise _fail(self.text, f"nothing stands before {char}, or escape it")
        return ("test", self._folded(char.__eq__))

    def _repeated(self, item: tuple[object, ...]) -> tuple[object, ...]:
        char = self._peek()
        if char not in ("*", "+", "?", "{"):
            return item
        if item[0] in ("begin", "end"):
            raise _fail(self.text, "^ and $ cannot be repeated")
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1), "{": (0, 0)}[char]
        if char == "{":
            found = _COUNTED.match(self.text, self.at)
            if found is None:
                raise _fail(self.text, "{ is written {m}, {m,} or {m,n}, or \\{")
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else None
            if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
                raise _fail(self.text, f"repetitions go up to {_MOST_REPEATS}")
            self.at = found.end()
        else:
            self.at += 1
        if self._peek() == "?":  # as few as possible: no matter to whether there is a match
            self.at += 1
        if self._peek() in ("*", "+", "?", "{") and self._peek():
            raise _fail(self.text, "a repetition is repeated: put it in brackets")
        return ("repeat", item, least, most)

    def _escape(self) -> _Test:
        char = self._peek()
        self.at += 1
        if char in _CONTROLS:
            return _CONTROLS[char].__eq__
        if char.lower() in _CLASSES:
            test = _CLASSES[char.lower()]
            return (lambda c: not test(c)) if char.isupper() else test
        if not char or char.isalnum():
            raise _fail(self.text, f"there is no \\{char} here")
        return char.__eq__

    def _set(self) -> _Test:
        turned = self._peek() == "^"
        self.at += turned
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        tests: list[_Test] = []
        first = True
        while (char := self._peek()) != "]" or first:
            first = False
            if not char:
                raise _fail(self.text, "a set is not closed")
            self.at += 1
            if char == "[" and self._peek() in (":", ".", "="):
                raise _fail(self.text, "sets have no named classes: escape [")
            if char == "\\":
                mark = self._peek()
                test = self._escape()
                if mark.lower() in _CLASSES:
                    tests.append(test)
                    continue
                char = _CONTROLS.get(mark, mark)
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                upper = self._peek()
                self.at += 1
                if upper == "\\":
                    mark = self._peek()
                    self._escape()
                    upper = _CONTROLS.get(mark, mark)
                    if mark.lower() in _CLASSES:
                        raise _fail(self.text, "a range ends in a class")
                if upper < char:
                    raise _fail(self.text, f"the range {char}-{upper} is upside down")
                ranges.append((char, upper))
            else:
                singles.add(char)
        self.at += 1

        def contained(c: str) -> bool:
            inside = (
                c in singles
                or any(low <= c <= high for low, high in ranges)
                or any(test(c) for test in tests)
            )
            return inside

        if not turned:
            return contained
        folded = self._folded(contained)
        return _Turned(folded)

    def _folded(self, test: _Test) -> _Test:
        if not self.ignore_case or isinstance(test, _Turned):
            return test
        return lambda c: test(c) or test(c.lower()) or test(c.upper())


class _Turned:
    """What is not in a set; the set knows of upper and lower case already."""

    __slots__ = ("test",)

    def __init__(self, test: _Test) -> None:
        self.test = test

    def __call__(self, char: str) -> bool:
        return not self.test(char)


@lru_cache(maxsize=64)
def compiled(text: str, ignore_case: bool = False) -> Pattern:
    """Return a prepared `Pattern`, kept for the next row.

    Parameters
    ----------
    text : str
        The pattern.
    ignore_case : bool
        Whether ``a`` is ``A``.

    Returns
    -------
    Pattern
        The pattern.
    """
    return Pattern(text, ignore_case=ignore_case)

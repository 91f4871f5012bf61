r"""Regular expressions that cannot run long, and that mean the same to SQLite and to PostgreSQL.

Python's own engine may need a time that doubles with each character, and nothing stops it. RE2
takes a time that grows with the text alone; in return it has no look-around and no references
back. What RE2 and PostgreSQL read differently (``\b``, say) is refused on both.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fascicle.errors import SearchTermError

#: How long a pattern may be.
LONGEST = 200
_MOST_REPEATS = 255  # of one item, as in PostgreSQL
_ESCAPE = re.compile(r"\\(.|\Z)", re.DOTALL)
_SAME = frozenset("dDwWsSntr")  # escaped letters that mean the same to both
_GROUP = re.compile(r"\(\?(?!:)")
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_NOTHING_REPEATED = re.compile(r"(?:^|[(|^])[*+?{]")


def _fail(pattern: str, why: str) -> SearchTermError:
    return SearchTermError(
        f"django: the pattern {pattern!r} cannot be used: {why}",
        hint=r"a pattern has letters, . [a-z] [^a-z] \d \w \s, ( ) |, * + ? {m,n}, ^ and $",
    )


@lru_cache(maxsize=64)
def compiled(text: str, ignore_case: bool = False) -> Any:
    r"""Return a pattern, checked and prepared: its ``search`` finds it in a text.

    Parameters
    ----------
    text : str
        The pattern, at most `LONGEST` characters; ``(?i)`` before it ignores case too.
    ignore_case : bool
        Whether ``a`` is ``A``.

    Returns
    -------
    pattern
        As `re.compile` returns it.

    Raises
    ------
    SearchTermError
        If it is none, or has what one of the databases lacks (look-around, ``\1``, ``\b``).

    Examples
    --------
    >>> bool(compiled(r"^probe0\d$").search("probe01"))
    True
    """
    import re2

    bare = text.removeprefix("(?i)")
    if len(bare) > LONGEST:
        raise _fail(bare[:40] + "…", f"it has more than {LONGEST} characters")
    for escape in _ESCAPE.finditer(bare):
        if escape[1] not in _SAME and (not escape[1] or escape[1].isalnum()):
            raise _fail(bare, f"{escape[0]} is not understood")
    plain = _ESCAPE.sub("x", bare)
    if _GROUP.search(plain):
        raise _fail(bare, "(? is not understood")
    if _NOTHING_REPEATED.search(plain.replace("(?:", "(")):
        raise _fail(bare, "there is nothing to repeat")
    counts = [int(n) for pair in _COUNT.findall(plain) for n in pair if n]
    if max(counts, default=0) > _MOST_REPEATS:
        raise _fail(bare, f"an item is repeated more than {_MOST_REPEATS} times")
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not (ignore_case or bare != text)
    try:
        return re2.compile(bare, options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        raise _fail(bare, why.decode() if isinstance(why, bytes) else str(why)) from None

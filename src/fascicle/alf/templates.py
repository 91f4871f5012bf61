"""The order of the parts in a path, as templates for :func:`fascicle.alf.spec.regex`."""

from __future__ import annotations

SESSION_SPEC = "({lab}/Subjects/)?{subject}/{date}/{number}"
"""str: a session."""

COLLECTION_SPEC = r"({collection}/)?(#{revision}#/)?"
"""str: the folders within a session."""

FILE_SPEC = r"_?{namespace}?_?{object}\.{attribute}(?:_{timescale})?(?:\.{extra})*\.{extension}$"
"""str: a file name."""

REL_PATH_SPEC = f"{COLLECTION_SPEC}{FILE_SPEC}"
"""str: a file, relative to its session."""

FULL_SPEC = f"{SESSION_SPEC}/{REL_PATH_SPEC}"
"""str: a file, session included."""


def path_pattern() -> str:
    """Return where the parts stand in a path, to be read by people; round brackets are optional.

    Examples
    --------
    >>> path_pattern()[:39]
    '(lab/Subjects/)subject/date/number/(col'
    """
    return (
        "(lab/Subjects/)subject/date/number/(collection/)(#revision#/)"
        "(_namespace_)object.attribute(_timescale)(.extra).extension"
    )

"""Which datasets of a session are meant, and in which revision: pure functions on paths and flags.

The revision rule is the field's: the dataset that is marked as the default; where none is marked,
the only one there is, else the latest; where the user names a revision, the last one up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from fascicle.errors import ALFMultipleRevisionsFound

Why: TypeAlias = Literal["only", "default", "latest", "before"]


class PathParts(NamedTuple):
    """A dataset's path relative to its session, in three; absent parts are empty."""

    collection: str
    revision: str
    name: str


@lru_cache(maxsize=100_000)
def split_path(rel_path: str) -> PathParts:
    """Return collection, revision and file name of a path relative to a session.

    Examples
    --------
    >>> split_path("alf/probe00/#2024-05-06#/spikes.times.npy")
    PathParts(collection='alf/probe00', revision='2024-05-06', name='spikes.times.npy')
    """
    folder, _, name = rel_path.rpartition("/")
    above, _, last = folder.rpartition("/")
    if len(last) > 2 and last[0] == last[-1] == "#":
        return PathParts(above, last[1:-1], name)
    return PathParts(folder, "", name)


class Choice(NamedTuple):
    """The revision that was taken of one dataset.

    Attributes
    ----------
    position : int
        Where it stands among the paths that were given.
    revision : str
        The revision taken, empty for none.
    available : tuple of str
        All revisions of the dataset among the paths, sorted.
    why : {'only', 'default', 'latest', 'before'}
        ``default``: marked as such; ``only``: there is no other; ``latest``: none is marked, and
        it sorts last; ``before``: the last one up to the revision that was asked for.
    """

    position: int
    revision: str
    available: tuple[str, ...]
    why: Why


def default_revisions(
    rel_paths: Sequence[str],
    default_flags: Sequence[bool] | None = None,
    *,
    before: str | None = None,
    assert_unique: bool = True,
) -> list[Choice]:
    """Choose one revision of each dataset.

    Parameters
    ----------
    rel_paths : sequence of str
        Paths relative to one session.
    default_flags : sequence of bool, optional
        For each path, whether it is marked as the default revision. None where the tables do not
        say.
    before : str, optional
        Take the last revision whose name sorts at or before this one, whatever is marked; a
        dataset without revision sorts first. Datasets that have none so early are left out.
    assert_unique : bool
        Raise where several revisions of one dataset are marked as the default; without it the
        latest is taken.

    Returns
    -------
    list of Choice
        In the order in which the datasets first appear.

    Raises
    ------
    ALFMultipleRevisionsFound
        See ``assert_unique``.
    """
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for position, path in enumerate(rel_paths):
        collection, revision, name = split_path(path)
        groups.setdefault((collection, name), []).append((revision, position))
    chosen = []
    for (collection, name), group in groups.items():
        found: tuple[str, int] | None
        available = tuple(sorted(revision for revision, _ in group))
        why: Why
        if before is not None:
            found, why = max((g for g in group if g[0] <= before), default=None), "before"
        else:
            marked = [g for g in group if default_flags[g[1]]] if default_flags is not None else []
            if len(marked) > 1 and assert_unique:
                listed = ", ".join(f'"{revision}"' for revision, _ in sorted(marked))
                place = f"{collection}/{name}" if collection else name
                raise ALFMultipleRevisionsFound(
                    f"{listed} are all marked as the default revision of {place}",
                    hint=f'choose one with revision="{max(marked)[0]}"',
                )
            if len(marked) == 1:
                found, why = marked[0], "only" if len(group) == 1 else "default"
            else:
                found, why = max(marked or group), "only" if len(group) == 1 else "latest"
        if found is not None:
            chosen.append(Choice(found[1], found[0], available, why))
    return chosen


def mixed_revisions(choices: Iterable[Choice]) -> tuple[str, ...]:
    """Return the revisions taken, sorted, where they differ between datasets; else nothing."""
    taken = sorted({choice.revision for choice in choices})
    return tuple(taken) if len(taken) > 1 else ()


def guessed(choices: Iterable[Choice]) -> list[Choice]:
    """Return the choices that no mark backed: the latest was taken since none is the default."""
    return [choice for choice in choices if choice.why == "latest"]

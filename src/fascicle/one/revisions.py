"""Which revision of a dataset is taken, and telling the user once where there was a choice."""

from __future__ import annotations

import atexit
import os
import sys
import warnings
import weakref
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from fascicle.errors import ALFMultipleRevisionsFound, ALFWarning
from fascicle.one.match import folders_of

DEFAULT, LATEST, ONLY, ASKED, LIMIT = (
    "the default revision",
    "the latest, since none is marked as the default",
    "the only one there is",
    "the last one not after the one asked for",
    "the last one not after ONE_REVISION_LAST_BEFORE",
)


class Taken(NamedTuple):
    """One dataset that was chosen: where it is among the paths, out of what, and why."""

    position: int
    dataset: str
    revision: str
    offered: tuple[str, ...]
    why: str


def last_before_setting() -> str | None:
    """Return ``ONE_REVISION_LAST_BEFORE``, the revision that stands in where none is asked for."""
    return os.environ.get("ONE_REVISION_LAST_BEFORE") or None


def without_revision(path: str) -> str:
    """Return a relative path without its revision folder."""
    before, mark, after = path.partition("#")
    return before + after.partition("#")[2].lstrip("/") if mark else path


def quoted(revisions: Iterable[str]) -> str:
    """Return revisions as they stand in messages: quoted, sorted, the original data first."""
    return ", ".join(f'"{r}"' for r in sorted(set(revisions)))


def choose(
    paths: Sequence[str],
    positions: Sequence[int],
    *,
    revision: str | None = None,
    default: Sequence[bool] | None = None,
    unique: bool = True,
    why: str = ASKED,
) -> list[Taken]:
    """Return one revision of each dataset.

    Parameters
    ----------
    paths : sequence of str
        Relative paths of a session.
    positions : sequence of int
        Those to choose from.
    revision : str, optional
        Take the last one not after it, in the order of text; None takes the default revision, or
        the latest where none is the default.
    default : sequence of bool, optional
        Whether each path is marked as the default revision; None where the tables do not say.
    unique : bool
        Raise where several revisions of a dataset are marked as the default.
    why : str
        What to say of revisions that were taken because of ``revision``.

    Returns
    -------
    list of Taken
        In the order of ``positions``; datasets without a revision early enough are left out.

    Raises
    ------
    ALFMultipleRevisionsFound
        Several are marked as the default, and ``unique``.
    """
    groups: dict[str, list[int]] = {}
    for i in positions:
        groups.setdefault(without_revision(paths[i]) if "#" in paths[i] else paths[i], []).append(i)
    chosen = []
    for dataset, members in groups.items():
        revisions = {i: folders_of(paths[i])[1] for i in members}
        offered = tuple(sorted(revisions.values()))
        if revision is not None:
            early = [i for i in members if revisions[i] <= revision]
            if early:
                i = max(early, key=revisions.__getitem__)
                chosen.append(Taken(i, dataset, revisions[i], offered, why))
            continue
        marked = [i for i in members if default[i]] if default is not None else []
        if len(marked) > 1 and unique:
            raise ALFMultipleRevisionsFound(
                f"{quoted(revisions[i] for i in marked)}: these revisions of {dataset} are all "
                "marked as the default",
                hint="choose one with revision=, and correct the tables",
            )
        if len(marked) == 1:
            i, reason = marked[0], DEFAULT
        elif len(members) == 1:
            i, reason = members[0], ONLY
        else:
            i, reason = max(members, key=revisions.__getitem__), LATEST
        chosen.append(Taken(i, dataset, revisions[i], offered, reason))
    chosen.sort(key=lambda t: t.position)
    return chosen


# -- telling ---------------------------------------------------------------------------------------

_told: set[tuple[str, str]] = set()
_tellers: weakref.WeakSet[Teller] = weakref.WeakSet()


class Teller:
    """Warns of each dataset with several revisions once per process, and sums up in a loop.

    The first calls of a loop are told in full. What follows is counted, and told as a sum when
    ten, a hundred, a thousand… calls had a choice, and when the process ends.
    """

    in_full = 5

    def __init__(self) -> None:
        self._calls = 0
        self._datasets = 0
        self._sessions: set[str] = set()
        self._revisions: set[str] = set()
        self._reasons: Counter[str] = Counter()
        _tellers.add(self)

    def tell(self, session: str, taken: Sequence[Taken]) -> None:
        """Warn of what was taken from a session, where there was a choice and it is news.

        Parameters
        ----------
        session : str
            The session's folder.
        taken : sequence of Taken
            All that one call chose.
        """
        if len({t.revision for t in taken}) > 1:  # a mixture is worth knowing in any case
            told = list(taken)
        else:
            told = [t for t in taken if len(t.offered) > 1 and t.why is not ASKED]
        news = [t for t in told if (session, t.dataset) not in _told]
        if not news:
            return
        _told.update((session, t.dataset) for t in news)
        self._calls += 1
        if self._calls <= self.in_full:
            warn(_in_full(session, news, last=self._calls == self.in_full))
            return
        self._datasets += len(news)
        self._sessions.add(session)
        self._revisions.update(r for t in news for r in t.offered)
        self._reasons.update(t.why for t in news)
        if self._calls in (10, 100) or self._calls % 1000 == 0:
            self.sum_up()

    def sum_up(self) -> None:
        """Warn of what was counted since the last time, if anything."""
        if not self._datasets:
            return
        reasons = "; ".join(f"{n} times {why}" for why, n in self._reasons.most_common())
        text = (
            f"Multiple revisions: {quoted(self._revisions)} of {self._datasets} more datasets in "
            f"{len(self._sessions)} sessions. Taken: {reasons}."
        )
        self._datasets = 0
        self._sessions.clear()
        self._revisions.clear()
        self._reasons.clear()
        warn(text)


def _in_full(session: str, news: Sequence[Taken], *, last: bool) -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for t in news:
        groups.setdefault((t.revision, t.why), []).append(t.dataset)
    parts = []
    for (revision, why), datasets in sorted(groups.items()):
        names = datasets[0] if len(datasets) == 1 else f"{len(datasets)} datasets"
        parts.append(f'took "{revision}" for {names} ({why})')
    revisions = quoted(r for t in news for r in t.offered)
    folders = {t.dataset.rpartition("/")[0] for t in news}
    where = f"{session}/{folders.pop()}" if len(folders) == 1 else session
    text = f"Multiple revisions: {revisions} in {where.rstrip('/')}: {'; '.join(parts)}."
    text += "\n  To choose another, give revision=; one.list_revisions(eid) shows what there is."
    return text + ("\n  From here on, they are counted and summed up." if last else "")


def warn(text: str, category: type[Warning] = ALFWarning) -> None:
    """Warn, naming the line outside of fascicle that asked."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("fascicle."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, category, stacklevel=depth + 1)


def forget() -> None:
    """Forget which datasets were told of, so that they are told again."""
    _told.clear()


@atexit.register
def _at_exit() -> None:
    for teller in list(_tellers):
        with suppress(Warning):  # warnings may be errors, and nobody could catch this one
            teller.sum_up()

"""Bring the files of many sessions here in one plan, within bounds."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from fascicle.errors import ConfigurationError, IncompleteWarning, NotEnoughDisk
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.projects.cache import ProjectCache
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.limits import Limits
    from fascicle.transfer.plan import Item, Plan
    from fascicle.transfer.result import Result


def prefetch(
    cache: ProjectCache,
    groups: list[list[str]],
    *,
    max_bytes: int | None,
    progress: Shown,
    parallel: int | None,
    limits: Limits | None,
) -> Result:
    """Bring groups of files of a release here; see the caches' ``prefetch``.

    Parameters
    ----------
    cache : ProjectCache
    groups : list of list of str
        Keys of the manifest that belong together, such as those of one session.
    max_bytes : int or None
        What all of them may take on the disk.
    progress, parallel, limits
        As `Plan.run` takes them.
    """
    keys = list(dict.fromkeys(key for group in groups for key in group))
    plan = cache.plan(keys)
    notes: tuple[str, ...] = ()
    if max_bytes is not None:
        if max_bytes < 0:
            raise ConfigurationError(f"max_bytes={max_bytes}", hint="a number of bytes")
        plan, notes = _within(plan, keys, groups, max_bytes)
    entries = {cache.data_path(key)["local_path"]: cache.manifest.data_files[key] for key in keys}
    result = plan.run(progress=progress, parallel=parallel, limits=limits)
    cache._versions.store.add_to_record(
        (outcome.item.target, entries[outcome.item.target].file_hash) for outcome in result.ok
    )
    return replace(result, notes=(*result.notes, *notes))


def _within(
    plan: Plan, keys: list[str], groups: list[list[str]], most: int
) -> tuple[Plan, tuple[str, ...]]:
    """Return the part of a plan that takes no more than so many bytes, and what to say of it."""
    items = dict(zip(keys, plan.items, strict=True))
    taken: dict[str, Item] = {}
    used, left = 0, 0
    for group in groups:
        fresh = {key: items[key] for key in group if key not in taken}
        sizes = [_size(item) for item in fresh.values()]
        if left or used + sum(sizes) > most:
            left += 1
            continue
        used += sum(sizes)
        taken |= fresh
    if not left:
        return plan, ()
    note = (
        f"{len(groups) - left} of {len(groups)} sessions take {size_text(used)}; the other {left} "
        f"do not fit into {size_text(most)}"
    )
    warnings.warn(note, IncompleteWarning, stacklevel=5)
    return replace(plan, items=tuple(taken.values())), (note,)


def _size(item: Item) -> int:
    """Return what a file takes, here or to come."""
    if item.size is not None:
        return item.size
    for path in (item.target, item.twin):
        if path is not None and path.is_file():
            return path.stat().st_size
    raise NotEnoughDisk(
        f"nobody says how large {item.target.name} is, so max_bytes cannot be held",
        hint="leave max_bytes out, or name fewer sessions",
    )

"""Loading a list of datasets in one call."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.alf.spec import QC
from fascicle.errors import ALFMultipleObjectsFound, ALFObjectNotFound
from fascicle.one import match, revisions
from fascicle.one.bunch import Bunch

if TYPE_CHECKING:
    from fascicle.one.base import Contents
    from fascicle.one.loading import LoadingMixin

_logger = logging.getLogger(__name__)


def load_datasets(
    one: LoadingMixin,
    eid: UUID,
    datasets: Any,
    collections: Any,
    wanted: Any,
    *,
    assert_present: bool,
    download_only: bool,
    check_hash: bool,
) -> tuple[list[Any] | None, Any]:
    """Load datasets for `LoadingMixin.load_datasets`; ``wanted`` are the revisions."""
    items, exact = _items(datasets, eid)
    if exact and (collections is not None or wanted is not None or revisions.last_before_setting()):
        raise ValueError(
            "collection and revision kwargs must be None when dataset is a relative path "
            "(ONE_REVISION_LAST_BEFORE env var must also be unset)"
        )
    contents = one._contents(eid)
    if contents is None or not contents.paths:
        message = f"No datasets found for session {eid}"
        if assert_present:
            raise ALFObjectNotFound(message, hint="one.search() lists the sessions of this folder")
        _logger.warning(message)
        return None, one._empty_frame(with_eids=True)
    if not items:
        return None, one._empty_frame(with_eids=True)
    taken: list[revisions.Taken | None]
    if exact:
        taken = _exactly(contents, items)
    else:
        each = zip(items, _one_each(collections, items), _one_each(wanted, items), strict=True)
        taken = [_pick(one, contents, *question) for question in each]
    _check_missing(contents, items, taken, assert_present=assert_present)
    files = _files(one, contents, taken, assert_present=assert_present, check_hash=check_hash)
    one._teller.tell(contents.folder, [t for t in taken if t is not None and not exact])
    content = [None if f is None else one._content(f, download_only) for f in files]
    return content, [None if t is None else _record(contents, t) for t in taken]


def _items(datasets: Any, eid: UUID) -> tuple[list[Any], bool]:
    """Return the questions, and whether they are relative paths."""
    if isinstance(datasets, str) or not isinstance(datasets, Iterable):
        raise TypeError("`datasets` must be a non-string iterable: load_datasets(eid, [name, …])")
    if hasattr(datasets, "columns"):
        table: Any = datasets
        if "eid" in table.index.names and set(table.index.get_level_values("eid")) - {eid}:
            raise ValueError(f"the table has datasets of other sessions than {eid}")
        return list(table["rel_path"]), True
    items = list(datasets)
    kinds = {type(x) for x in items}
    if not (all(issubclass(k, str) for k in kinds) or all(issubclass(k, dict) for k in kinds)):
        raise ValueError("`datasets` must be iterable of only str or only dicts")
    return items, any(isinstance(x, str) and "/" in x for x in items)


def _one_each(given: Any, items: Sequence[Any]) -> list[Any]:
    if not given or isinstance(given, str):
        return [given] * len(items)
    if len(given) != len(items):
        raise ValueError("Collection and revision specifiers must match number of datasets")
    return list(given)


def _exactly(contents: Contents, paths: Sequence[str]) -> list[revisions.Taken | None]:
    positions, visible = contents.visible(int(QC.FAIL))
    place = dict(zip(visible, positions, strict=True))
    taken: list[revisions.Taken | None] = []
    old = []
    for path in paths:
        i = place.get(path)
        if i is None:
            taken.append(None)
            continue
        revision = match.folders_of(path)[1]
        taken.append(revisions.Taken(i, path, revision, (revision,), revisions.ASKED))
        if contents.default is not None and not contents.default[i]:
            old.append(path)
    if old:
        listed = "\n\t".join(old)
        revisions.warn(
            "The following datasets may have been revised and are therefore not recommended for "
            f"analysis:\n\t{listed}\nTo avoid this warning, specify the revision as a kwarg or use "
            "load_dataset."
        )
    return taken


def _pick(
    one: LoadingMixin, contents: Contents, item: Any, collection: Any, revision: Any
) -> revisions.Taken | None:
    if one.wildcards and isinstance(item, str) and len(item.split(".")) == 2:
        item += ".*"
    found = one._take(contents, item, collection, revision, unique=True)
    if len(found) > 1:
        listed = ", ".join(f'"{contents.paths[t.position]}"' for t in found)
        raise ALFMultipleObjectsFound(f"{listed}: all these match", hint="give the whole name")
    return found[0] if found else None


def _check_missing(
    contents: Contents, items: Sequence[Any], taken: Sequence[Any], *, assert_present: bool
) -> None:
    missing = [str(x) for x, t in zip(items, taken, strict=True) if t is None]
    if not missing:
        return
    message = f"The following datasets are not in the cache: {', '.join(missing)}"
    if assert_present:
        hidden = [
            p
            for p, q in zip(contents.paths, contents.qc, strict=True)
            if q > QC.FAIL and any(m.rpartition("/")[2] in p for m in missing)
        ]
        hint = f"one.list_datasets('{contents.eid}') lists what there is"
        if hidden:
            hint = f"hidden since their QC is CRITICAL: {', '.join(hidden)}"
        raise ALFObjectNotFound(message, hint=hint)
    _logger.warning(message)


def _files(
    one: LoadingMixin,
    contents: Contents,
    taken: Sequence[revisions.Taken | None],
    *,
    assert_present: bool,
    check_hash: bool,
) -> list[str | None]:
    positions = [t.position for t in taken if t is not None]
    found = dict(
        zip(positions, one._files(contents, positions, check_hash=check_hash), strict=True)
    )
    absent = [contents.paths[i] for i in positions if found[i] is None]
    if absent:
        if assert_present:
            raise one._absent(contents, absent, "The following datasets:")
        _logger.warning("The following datasets are not here: %s", ", ".join(absent))
    return [None if t is None else found[t.position] for t in taken]


def _record(contents: Contents, taken: revisions.Taken) -> Bunch:
    """Return what the datasets table says of a dataset."""
    i = taken.position
    identifier, digest, size = contents.datasets.record(i)
    record = Bunch(
        eid=contents.eid,
        id=identifier,
        rel_path=contents.paths[i],
        file_size=size,
        hash=digest,
        exists=contents.datasets.exists[i],
        qc=QC(contents.qc[i]).name,
        revision=taken.revision,
    )
    if contents.default is not None:
        record["default_revision"] = contents.default[i]
    return record

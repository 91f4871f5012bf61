"""What follows from rows and is kept beside them: one place that writes it.

Whether a dataset can be fetched follows from its file records, the datasets of a probe from
folders of its name, the regions of a probe from its channels. Whoever writes the former calls
what is here, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q

from fascicle.hub.models import (
    Channel,
    Dataset,
    FileRecord,
    InsertionRegion,
    ProbeInsertion,
)
from fascicle.hub.paths import natural_path

#: Channels count for the regions of an insertion where their trajectory is at least this good.
GOOD = 70
_VOID = 0  # what is not brain
_BATCH = 500


def batches(ids: Iterable[Any], size: int = _BATCH) -> Iterator[list[Any]]:
    """Return ids in lists that one statement takes, each id once."""
    rest = iter(dict.fromkeys(ids))
    while batch := list(islice(rest, size)):
        yield batch


def set_online(datasets: Iterable[UUID]) -> None:
    """Note which datasets have a copy that clients can reach.

    Parameters
    ----------
    datasets : iterable of uuid.UUID
        Those whose file records changed.
    """
    there = FileRecord.objects.filter(
        dataset=OuterRef("pk"), exists=True, data_repository__globus_is_personal=False
    )
    for ids in batches(datasets):
        rows = Dataset.objects.filter(pk__in=ids).alias(there=Exists(there))
        rows.filter(there=True, online=False).update(online=True)
        rows.filter(there=False, online=True).update(online=False)


def lost_elsewhere(datasets: Iterable[UUID], kept: Iterable[UUID] = ()) -> None:
    """Note that copies are of an earlier state of their files.

    Parameters
    ----------
    datasets : iterable of uuid.UUID
        Datasets whose content changed.
    kept : iterable of uuid.UUID
        Repositories that have the new state.
    """
    places = list(kept)
    for ids in batches(datasets):
        rows = FileRecord.objects.filter(dataset__in=ids, exists=True)
        rows.exclude(data_repository__in=places).update(exists=False)


def link_datasets(insertions: Iterable[UUID]) -> None:
    """Link probes with the datasets of their sessions that lie in folders of their names.

    Parameters
    ----------
    insertions : iterable of uuid.UUID
        Probes that are new, or whose session has new datasets.
    """
    through = ProbeInsertion.datasets.through
    for ids in batches(insertions):
        probes = ProbeInsertion.objects.filter(pk__in=ids, session__isnull=False)
        labels: dict[UUID, list[tuple[UUID, str]]] = {}
        for pid, eid, name in probes.values_list("pk", "session_id", "name"):
            labels.setdefault(eid, []).append((pid, name))
        have = set(
            through.objects.filter(probeinsertion_id__in=ids).values_list(
                "probeinsertion_id", "dataset_id"
            )
        )
        rows = Dataset.objects.filter(session_id__in=labels).exclude(collection="")
        links = [
            through(probeinsertion_id=pid, dataset_id=did)
            for did, eid, collection in rows.values_list("pk", "session_id", "collection")
            for pid, name in labels[eid]
            if name in collection.split("/") and (pid, did) not in have
        ]
        through.objects.bulk_create(links, batch_size=1000, ignore_conflicts=True)


def link_insertions(sessions: Iterable[UUID]) -> None:
    """Link the probes of sessions with new datasets; see `link_datasets`."""
    for ids in batches(sessions):
        rows = ProbeInsertion.objects.filter(session__in=ids)
        link_datasets(rows.order_by().values_list("pk", flat=True))


def count_regions(insertions: Iterable[UUID], *, chronic: bool = False) -> None:
    """Count the channels of probes by region anew.

    Parameters
    ----------
    insertions : iterable of uuid.UUID
        Probes whose channels or trajectories changed.
    chronic : bool
        Whether they are probes that stay over sessions.
    """
    name = "chronic_insertion" if chronic else "insertion"
    owner = f"trajectory_estimate__{'chronic_insertion' if chronic else 'probe_insertion'}_id"
    for ids in batches(insertions):
        InsertionRegion.objects.filter(**{f"{name}_id__in": ids}).delete()
        counts = (
            Channel.objects.filter(
                **{f"{owner}__in": ids},
                trajectory_estimate__provenance__gte=GOOD,
                brain_region__isnull=False,
            )
            .exclude(brain_region_id=_VOID)
            .values_list(owner, "brain_region_id")
            .annotate(n=Count("pk"))
            .order_by()
        )
        InsertionRegion.objects.bulk_create(
            [
                InsertionRegion(**{f"{name}_id": pid}, region_id=region, n_channels=n)
                for pid, region, n in counts
            ],
            batch_size=1000,
        )


_PLACE = (
    "session__subject__nickname",
    "session__date",
    "session__number",
    "collection",
    "revision__name",
    "name",
)


def natural_paths(datasets: Iterable[UUID]) -> dict[UUID, str]:
    """Return where the convention puts files.

    Parameters
    ----------
    datasets : iterable of uuid.UUID
        The files.

    Returns
    -------
    dict of uuid.UUID to str
        Paths below ``Subjects`` or ``aggregates``.
    """
    out: dict[UUID, str] = {}
    for ids in batches(datasets):
        for pk, *place in Dataset.objects.filter(pk__in=ids).values_list("pk", *_PLACE):
            out[pk] = natural_path(*place)
    return out


def keep_paths(where: Q) -> int:
    """Write down where copies lie, before rows change from which that followed.

    A file stays where it is when its session, subject or itself is renamed.

    Parameters
    ----------
    where : Q
        Of datasets.

    Returns
    -------
    int
        How many copies there are.
    """
    ids = Dataset.objects.filter(where).order_by().values("pk")
    records = FileRecord.objects.filter(dataset__in=ids, relative_path="")
    rows: Sequence[FileRecord] = list(records.order_by().only("pk", "dataset_id"))
    paths = natural_paths(row.dataset_id for row in rows)
    for row in rows:
        row.relative_path = paths[row.dataset_id]
    FileRecord.objects.bulk_update(rows, ["relative_path"], batch_size=500)
    return len(rows)


def protecting(where: Q) -> list[tuple[str, list[str]]]:
    """Return datasets that must stay as they are, each with the tags that say so.

    Parameters
    ----------
    where : Q
        Of datasets.

    Returns
    -------
    list of (str, list of str)
        Names of files and of tags.
    """
    found: dict[Any, tuple[str, list[str]]] = {}
    rows = Dataset.objects.filter(where, tags__protected=True).order_by("name", "pk", "tags__name")
    for pk, name, tag in rows.values_list("pk", "name", "tags__name"):
        found.setdefault(pk, (name, []))[1].append(tag)
    return list(found.values())

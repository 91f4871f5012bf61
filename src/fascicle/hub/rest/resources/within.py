"""What stands within a session's JSON: its water, datasets, insertions and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fascicle.hub.models import (
    DataRepository,
    Dataset,
    Note,
    ProbeInsertion,
    WaterAdministration,
)
from fascicle.hub.models.base import QC
from fascicle.hub.paths import data_url, natural_path
from fascicle.hub.rest.fields import NAMES, Page
from fascicle.hub.rest.prepared import Prepared
from fascicle.hub.rest.resources.parts import PROJECTS

_QC = {int(value): str(label) for value, label in QC.choices}


def _by(rows: Sequence[tuple[Any, Any]], keys: Sequence[Any]) -> list[list[Any]]:
    found: dict[Any, list[Any]] = {}
    for owner, value in rows:
        found.setdefault(owner, []).append(value)
    return [found.get(key, []) for key in keys]


_WATER = Prepared(
    lambda key: (
        WaterAdministration.objects.filter(session__in=[key])
        .order_by("date_time", "pk")
        .values_list("session_id", "pk", "name", "water_type__name", "water_administered")
    )
)


def water_of(page: Page) -> Sequence[Any]:
    """Return the water that was given in each session."""
    rows = _WATER.rows(page["pk"])
    return _by(
        [
            (
                owner,
                {"id": key, "name": name, "water_type": kind, "water_administered": amount},
            )
            for owner, key, name, kind, amount in rows
        ],
        page["pk"],
    )


_NOTES = Prepared(
    lambda key: (
        Note.objects.filter(
            content_type__app_label="hub", content_type__model="session", object_id__in=[key]
        )
        .order_by("date_time", "pk")
        .values_list("object_id", "pk", "user__username", "date_time", "text", "image", "json")
    )
)


def notes_of(page: Page) -> Sequence[Any]:
    """Return the notes about each session."""
    rows = _NOTES.rows(page["pk"])
    return _by(
        [
            (
                owner,
                {
                    "id": key,
                    "user": user,
                    "date_time": time,
                    "content_type": "actions.session",
                    "object_id": owner,
                    "text": text,
                    "image": f"{page.base}/uploaded/{image}" if image else None,
                    "json": free,
                },
            )
            for owner, key, user, time, text, image, free in rows
        ],
        page["pk"],
    )


_DATASET = (
    "session_id",
    "pk",
    "name",
    "dataset_type__name",
    "file_size",
    "hash",
    "version",
    "collection",
    "revision__name",
    "default_dataset",
    "qc",
)
_ORDER = ("session_id", "collection", "name", "revision__name", "pk")
_ALL = Prepared(
    lambda key: Dataset.objects.filter(session__in=[key]).order_by(*_ORDER).values_list(*_DATASET)
)
_REACHABLE = Prepared(
    lambda key: (
        Dataset.objects.filter(
            session__in=[key],
            online=True,
            file_records__exists=True,
            file_records__data_repository__globus_is_personal=False,
        )
        .order_by(*_ORDER, "-file_records__data_repository__name")
        .values_list(
            *_DATASET, "file_records__relative_path", "file_records__data_repository__data_url"
        )
    )
)
#: What the paths of a session's files follow from.
PATHS = ("subject__nickname", "date", "number", "lab__name", "subject__lab__name")


def datasets_of(page: Page) -> Sequence[Any]:
    """Return the datasets of each session that can be fetched.

    Where no repository can be reached by clients at all, all datasets: there is none to fetch,
    and a list of them is all that such a hub is for.
    """
    rows = _REACHABLE.rows(page["pk"])
    if not rows and not DataRepository.objects.filter(globus_is_personal=False).exists():
        rows = [(*row, "", "") for row in _ALL.rows(page["pk"])]
    sessions = dict(zip(page["pk"], zip(*(page[one] for one in PATHS), strict=True), strict=True))
    made: dict[Any, dict[str, Any]] = {}
    owners = []
    for (
        owner, key, name, kind, size, digest, version, collection, revision, default, qc,
        path, place,
    ) in rows:  # fmt: skip
        if key in made and (made[key]["data_url"] or not place):
            continue  # a further copy of the same
        subject, day, number, lab, subjects_lab = sessions[owner]
        lab = lab or subjects_lab
        path = path or natural_path(subject, day, number, collection, revision, name)
        url = data_url(place, lab, path, key)
        if key not in made:
            owners.append((owner, key))
        made[key] = {
            "id": key,
            "name": name,
            "dataset_type": kind,
            "data_url": url,
            "url": f"{page.base}/datasets/{key}",
            "file_size": size,
            "hash": digest,
            "version": version,
            "collection": collection,
            "revision": revision or "",
            "default_revision": "True" if default else "False",  # text, as ONE expects
            "qc": _QC.get(qc, qc),
        }
        if url is None:
            # ONE takes the path of a file out of its address, so there always is one.
            made[key]["data_url"] = data_url(f"{page.base}/data/", lab, path, key)
    return _by([(owner, made[key]) for owner, key in owners], page["pk"])


def _insertions(key: Any) -> Any:
    from fascicle.hub.rest.resources.insertions import INSERTIONS

    rows = ProbeInsertion.objects.filter(session__in=[key]).order_by("name", "pk")
    return rows.values_list(*INSERTIONS.needs["list"])


_INSERTIONS = Prepared(_insertions)


def insertions_of(page: Page) -> Sequence[Any]:
    """Return the insertions of each session, as their list has them."""
    from fascicle.hub.rest.resources.insertions import INSERTIONS

    rows = _INSERTIONS.rows(page["pk"])
    shared = {PROJECTS: page.shared[NAMES]["projects", "name"]}
    made = INSERTIONS.render_rows(rows, "list", page.base, shared)
    return _by([(one["session"], one) for one in made], page["pk"])

"""Insertions: probes in sessions, and probes that stay over sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fascicle.hub.models import ChronicInsertion, Dataset, ProbeInsertion
from fascicle.hub.rest.fields import Field, Id, Made, Page, Related
from fascicle.hub.rest.filters import Filter, columns, is_, items_of
from fascicle.hub.rest.gathering import gather
from fascicle.hub.rest.resource import Resource
from fascicle.hub.rest.resources.atlas import atlas_filters
from fascicle.hub.rest.resources.datasets import within_insertion
from fascicle.hub.rest.resources.parts import LIST, OBJECT, session_columns, session_info
from fascicle.hub.rest.resources.searches import having, of_types, quality, verify_types, worst

_LINKS = ProbeInsertion.datasets.through


def _dataset_ids(page: Page) -> Sequence[Any]:
    found = gather(ProbeInsertion, "datasets", "pk", page["pk"])
    return [found.get(key, ()) for key in page["pk"]]


def _dataset_types(rows: Any, text: str) -> Any:
    for key in of_types(text):
        links = _LINKS.objects.filter(dataset__dataset_type=key)
        rows = rows.filter(pk__in=links.values("probeinsertion"))
    return rows


def _datasets(rows: Any, text: str, dataset_qc_lte: str = "") -> Any:
    for name in items_of("datasets", text):
        fit = {"name": name, "online": True, "qc__lte": worst(dataset_qc_lte)}
        links = _LINKS.objects.filter(**{f"dataset__{key}": fit[key] for key in fit})
        rows = rows.filter(pk__in=links.values("probeinsertion"))
    return rows


def _dataset(rows: Any, text: str, dataset_qc_lte: str = "") -> Any:
    for found in having(text, dataset_qc_lte):
        links = _LINKS.objects.filter(dataset__in=found.values("pk"))
        rows = rows.filter(pk__in=links.values("probeinsertion"))
    return rows


def _dataset_qc(rows: Any, text: str) -> Any:
    links = _LINKS.objects.filter(dataset__qc__lte=quality("dataset_qc_lte", text))
    return rows.filter(pk__in=links.values("probeinsertion"))


def _tag(rows: Any, text: str) -> Any:
    tagged = Dataset.tags.through.objects.filter(tag__name__icontains=text)
    links = _LINKS.objects.filter(dataset__in=tagged.values("dataset"))
    return rows.filter(pk__in=links.values("probeinsertion"))


def _in_regions(rows: Any, regions: Any) -> Any:
    inside = regions.filter(insertion__isnull=False)
    return rows.filter(pk__in=inside.order_by().values("insertion"))


def _chronic_in_regions(rows: Any, regions: Any) -> Any:
    inside = regions.filter(chronic_insertion__isnull=False)
    return rows.filter(pk__in=inside.order_by().values("chronic_insertion"))


INSERTIONS = Resource(
    "insertions",
    ProbeInsertion,
    kept=True,
    created="list",
    order=("-session__start_time", "name", "pk"),
    fields=(
        Field("id", read_only=True),
        Id("session"),
        Related("model", "model__probe_model"),
        Made("session_info", session_info("session"), session_columns("session"), shape=OBJECT),
        Field("name", required=True),
        Field("json"),
        Field("serial"),
        Field("auto_datetime", read_only=True),
        Id("chronic_insertion"),
        Made(
            "datasets",
            _dataset_ids,
            shape={"type": "array", "items": {"type": "string", "format": "uuid"}},
            only="list",
        ),
        Made("datasets", within_insertion, shape=LIST, only="detail"),
    ),
    filters=(
        *columns("id", "name", "serial", "auto_datetime"),
        is_("session", "session__pk"),
        is_("chronic_insertion", "chronic_insertion__pk"),
        # The name of a model here, though what is shown is its short form.
        is_("model", "model__name"),
        is_("subject", "session__subject__nickname"),
        is_("date", "session__date"),
        is_("experiment_number", "session__number"),
        is_("lab", "session__lab__name", "iexact"),
        is_("project", "session__projects__name", "icontains"),
        is_("task_protocol", "session__task_protocol", "icontains"),
        Filter("tag", _tag, "part of the name of a tag of its datasets"),
        Filter("dataset_types", _dataset_types, "dataset types, all of them", verify=verify_types),
        Filter(
            "datasets",
            _datasets,
            "names of files that can be fetched, all of them",
            beside=("dataset_qc_lte",),
        ),
        Filter(
            "dataset",
            _dataset,
            "parts of paths of files that can be fetched, all of them",
            beside=("dataset_qc_lte",),
        ),
        Filter("dataset_qc_lte", _dataset_qc, "the worst quality of its datasets"),
        *atlas_filters(_in_regions),
    ),
    help="Probes in sessions.",
)


def _chronic_probes(page: Page) -> Sequence[Any]:
    make = session_info("session")
    columns = ("pk", "chronic_insertion_id", "name", "model__name", "serial")
    needs = (*columns, *session_columns("session"))
    rows = list(
        ProbeInsertion.objects.filter(chronic_insertion__in=page["pk"])
        .order_by("-session__start_time", "name", "pk")
        .values_list(*needs)
    )
    found: dict[Any, list[Any]] = {}
    if rows:
        inner = Page(page.base, dict(zip(needs, zip(*rows, strict=True), strict=True)), len(rows))
        for (key, owner, name, model, serial, *_), info in zip(rows, make(inner), strict=True):
            found.setdefault(owner, []).append(
                {"id": key, "name": name, "model": model, "serial": serial, "session_info": info}
            )
    return [found.get(key, []) for key in page["pk"]]


CHRONIC_INSERTIONS = Resource(
    "chronic-insertions",
    ChronicInsertion,
    fields=(
        Field("id", read_only=True),
        Field("name"),
        Related("subject", "subject__nickname", required=True),
        Related("lab", "lab__name"),
        Related("model", "model__probe_model"),
        Field("start_time"),
        Field("serial"),
        Field("json"),
        Made("probe_insertion", _chronic_probes, shape=LIST),
    ),
    filters=(
        *columns("id", "name", "serial", "start_time", "end_time", "narrative"),
        is_("subject", "subject__nickname"),
        is_("lab", "lab__name", "iexact"),
        is_("location", "location__name", "icontains"),
        is_("model", "model__name"),
        is_("probe", "probe_insertion__pk"),
        is_("session", "probe_insertion__session__pk"),
        is_("users", "users__username"),
        is_("procedures", "procedures__name", "icontains"),
        *atlas_filters(_chronic_in_regions),
    ),
    help="Probes that stay in place over sessions.",
)

RESOURCES = (INSERTIONS, CHRONIC_INSERTIONS)

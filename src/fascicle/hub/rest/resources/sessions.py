"""Sessions: the list, which is short, and one session with all that belongs to it."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, F, FloatField, OuterRef
from django.db.models.functions import Cast

from fascicle.hub.models import Dataset, Session
from fascicle.hub.rest.fields import Choice, Field, Link, Made, Names, Related, Url
from fascicle.hub.rest.filters import (
    Filter,
    columns,
    days,
    each,
    is_,
    items_of,
    language,
    number_of,
    truth_of,
)
from fascicle.hub.rest.resource import Resource
from fascicle.hub.rest.resources.atlas import atlas_filters
from fascicle.hub.rest.resources.parts import LIST
from fascicle.hub.rest.resources.searches import having, of_types, quality, verify_types, worst
from fascicle.hub.rest.resources.within import (
    PATHS,
    datasets_of,
    insertions_of,
    notes_of,
    water_of,
)


def _with(rows: Any, datasets: Any) -> Any:
    """Keep sessions that have one of some datasets.

    Asked of each session rather than as a list of them: SQLite would begin with that list, which is
    long where there are millions of datasets, whatever else narrows the search.
    """
    return rows.filter(Exists(datasets.order_by().filter(session=OuterRef("pk"))))


def _dataset_types(rows: Any, text: str) -> Any:
    for key in of_types(text):
        rows = _with(rows, Dataset.objects.filter(dataset_type=key))
    return rows


def _datasets(rows: Any, text: str, dataset_qc_lte: str = "") -> Any:
    for name in items_of("datasets", text):
        found = Dataset.objects.filter(name=name, online=True, qc__lte=worst(dataset_qc_lte))
        rows = _with(rows, found)
    return rows


def _dataset(rows: Any, text: str, dataset_qc_lte: str = "") -> Any:
    for found in having(text, dataset_qc_lte):
        rows = _with(rows, found)
    return rows


def _dataset_qc(rows: Any, text: str) -> Any:
    return _with(rows, Dataset.objects.filter(qc__lte=quality("dataset_qc_lte", text)))


def _performance(name: str, lookup: str) -> Filter:
    def narrow(rows: Any, text: str) -> Any:
        share = number_of(name, text)
        rows = rows.filter(n_trials__gt=0).alias(
            share=Cast(F("n_correct_trials"), FloatField()) * 100.0 / F("n_trials")
        )
        return rows.filter(**{f"share__{lookup}": share})

    return Filter(name, narrow, "percentage of correct trials", {"type": "number"})


def _histology(rows: Any, text: str) -> Any:
    done = Session.objects.filter(procedures__name="Histology").order_by().values("subject")
    condition = {"subject__in": done}
    return rows.filter(**condition) if truth_of("histology", text) else rows.exclude(**condition)


def _tag(rows: Any, text: str) -> Any:
    tagged = Dataset.tags.through.objects.filter(
        tag__name__icontains=text, dataset__session__isnull=False
    )
    return rows.filter(pk__in=tagged.values("dataset__session"))


def _in_regions(rows: Any, regions: Any) -> Any:
    inside = regions.filter(insertion__session__isnull=False)
    return rows.filter(pk__in=inside.values("insertion__session"))


SESSIONS = Resource(
    "sessions",
    Session,
    kept=True,
    order=("-start_time", "pk"),
    fields=(
        Field("id", only="list"),
        Related("subject", "subject__nickname", required=True),
        Names("users", "users__username", only="detail"),
        Related("location", "location__name", only="detail"),
        Names("procedures", "procedures__name", only="detail"),
        Related("lab", "lab__name"),
        Names("projects"),
        Field("type", only="detail"),
        Field("task_protocol"),
        Field("number"),
        Field("start_time"),
        Field("end_time", only="detail"),
        Field("narrative", only="detail"),
        Link("parent_session", "sessions", only="detail"),
        Field("n_correct_trials", only="detail"),
        Field("n_trials", only="detail"),
        Url("sessions"),
        Field("extended_qc", only="detail"),
        Choice("qc", only="detail"),
        Made("wateradmin_session_related", water_of, shape=LIST, only="detail"),
        Made("data_dataset_session_related", datasets_of, PATHS, shape=LIST, only="detail"),
        Field("auto_datetime", read_only=True, only="detail"),
        Field("id", read_only=True, only="detail"),
        Field("json", only="detail"),
        Made("probe_insertion", insertions_of, shape=LIST, only="detail"),
        Made("field_of_view", lambda page: [()] * page.size, shape=LIST, only="detail"),
        Made("notes", notes_of, shape=LIST, only="detail"),
    ),
    filters=(
        *columns("id", "number", "n_trials", "n_correct_trials", "name", "narrative"),
        *columns("start_time", "end_time", "auto_datetime", "parent_session", "qc"),
        is_("subject", "subject__nickname", "iexact"),
        is_("nickname", "subject__nickname", "iexact"),
        is_("lab", "lab__name", "iexact"),
        is_("type", "type", "iexact"),
        is_("location", "location__name", "icontains"),
        is_("task_protocol", "task_protocol", "icontains"),
        is_("project", "projects__name", "icontains"),
        is_("projects", "projects__name", "icontains"),
        is_("procedures", "procedures__name", "icontains"),
        each("users", "users__username", "users' names, all of them"),
        days("date_range", "date"),
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
        Filter("dataset_qc_lte", _dataset_qc, "the worst quality of datasets"),
        _performance("performance_gte", "gte"),
        _performance("performance_lte", "lte"),
        Filter("histology", _histology, "whether the subject has histology", {"type": "boolean"}),
        Filter("tag", _tag, "part of the name of a tag of any dataset"),
        language("json", "json"),
        language("extended_qc", "extended_qc"),
        *atlas_filters(_in_regions),
    ),
    help="Recordings of one animal on one day.",
)

RESOURCES = (SESSIONS,)

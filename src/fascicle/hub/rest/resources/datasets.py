"""Datasets, and the copies of their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fascicle.hub.models import Dataset, FileRecord, ProbeInsertion
from fascicle.hub.paths import data_url, natural_path, root
from fascicle.hub.rest.fields import Choice, Field, Link, Made, Names, Page, Related, Url
from fascicle.hub.rest.filters import Filter, columns, is_, number_of, truth_of
from fascicle.hub.rest.resource import Resource
from fascicle.hub.rest.resources.parts import LIST

# What the path and the addresses of a dataset follow from.
_PATH = (
    "pk",
    "session__subject__nickname",
    "session__date",
    "session__number",
    "collection",
    "revision__name",
    "name",
    "session__lab__name",
    "session__subject__lab__name",
)


def _copies(page: Page) -> Sequence[Any]:
    """Return the copies of each dataset."""
    paths = {
        key: (natural_path(subject, day, number, collection, revision, name), lab or subjects_lab)
        for key, subject, day, number, collection, revision, name, lab, subjects_lab in zip(
            *(page[column] for column in _PATH), strict=True
        )
    }
    records = FileRecord.objects.filter(dataset__in=page["pk"]).order_by("data_repository__name")
    found: dict[Any, list[Any]] = {}
    for key, dataset, name, place, folder, path, exists in records.values_list(
        "pk",
        "dataset_id",
        "data_repository__name",
        "data_repository__data_url",
        "data_repository__globus_path",
        "relative_path",
        "exists",
    ):
        natural, lab = paths[dataset]
        path = path or natural
        found.setdefault(dataset, []).append(
            {
                "id": key,
                "data_repository": name,
                "data_repository_path": root(folder, lab),
                "relative_path": path,
                "data_url": data_url(place, lab, path, dataset),
                "exists": exists,
            }
        )
    return [found.get(key, []) for key in page["pk"]]


def _tags(page: Page) -> dict[Any, list[tuple[str, bool, bool]]]:
    if _tags not in page.shared:
        found: dict[Any, list[tuple[str, bool, bool]]] = {}
        links = Dataset.tags.through.objects.filter(dataset__in=page["pk"]).order_by("tag__name")
        for key, *tag in links.values_list(
            "dataset_id", "tag__name", "tag__protected", "tag__public"
        ):
            found.setdefault(key, []).append((tag[0], tag[1], tag[2]))
        page.shared[_tags] = found
    known: dict[Any, list[tuple[str, bool, bool]]] = page.shared[_tags]
    return known


class Tags(Names):
    """The names of a dataset's tags."""

    def render(self, page: Page) -> Sequence[Any]:
        """Return the names of each dataset's tags."""
        tags = _tags(page)
        return [[tag[0] for tag in tags.get(key, ())] for key in page["pk"]]


def _count(place: int) -> Any:
    def make(page: Page) -> Sequence[int]:
        tags = _tags(page)
        return [sum(bool(tag[place]) for tag in tags.get(key, ())) for key in page["pk"]]

    return make


def within_insertion(page: Page) -> Sequence[Any]:
    """Return the datasets of each insertion, as one insertion shows them."""
    links = ProbeInsertion.datasets.through.objects.filter(probeinsertion__in=page["pk"])
    rows = links.order_by(
        "dataset__collection", "dataset__name", "dataset__revision__name", "dataset_id"
    ).values_list(
        "probeinsertion_id",
        *(f"dataset__{column}" for column in _PATH),
        "dataset__dataset_type__name",
        "dataset__file_size",
        "dataset__hash",
        "dataset__version",
        "dataset__qc",
    )
    rows = list(rows)
    places: dict[Any, tuple[str, str]] = {}
    copies = FileRecord.objects.filter(
        dataset__probe_insertion__in=page["pk"], exists=True, data_repository__data_url__gt=""
    )
    for key, path, place in copies.order_by("data_repository__name").values_list(
        "dataset_id", "relative_path", "data_repository__data_url"
    ):
        places[key] = (path, place)
    found: dict[Any, list[Any]] = {}
    for (
        owner, key, subject, day, number, collection, revision, name, lab, subjects_lab,
        kind, size, digest, version, qc,
    ) in rows:  # fmt: skip
        path, place = places.get(key, ("", f"{page.base}/data/"))
        path = path or natural_path(subject, day, number, collection, revision, name)
        found.setdefault(owner, []).append(
            {
                "id": key,
                "name": name,
                "dataset_type": kind,
                "data_url": data_url(place, lab or subjects_lab, path, key),
                "url": f"{page.base}/datasets/{key}",
                "file_size": size,
                "hash": digest,
                "version": version,
                "collection": collection,
                "qc": qc,  # a number here
            }
        )
    return [found.get(key, []) for key in page["pk"]]


def _exists(rows: Any, text: str) -> Any:
    return rows.filter(online=truth_of("exists", text))


def _by_tag(name: str, column: str) -> Filter:
    def narrow(rows: Any, text: str) -> Any:
        # Tags are counted: 0 and false are datasets of none that is so.
        tagged = Dataset.tags.through.objects.filter(**{f"tag__{column}": True}).values("dataset")
        wanted = bool(number_of(name, text)) if text.isdigit() else truth_of(name, text)
        return rows.filter(pk__in=tagged) if wanted else rows.exclude(pk__in=tagged)

    return Filter(name, narrow, f"whether a tag of it is {column}", {"type": "boolean"})


DATASETS = Resource(
    "datasets",
    Dataset,
    kept=True,
    order=("session_id", "collection", "name", "pk"),
    fields=(
        Url("datasets"),
        Field("name", required=True),
        Related("created_by", "created_by__username"),
        Field("created_datetime"),
        Related("dataset_type", "dataset_type__name", required=True),
        Related("data_format", "data_format__name"),
        Field("collection"),
        Link("session", "sessions"),
        Field("file_size"),
        Field("hash"),
        Field("version"),
        Field("experiment_number", "session__number", read_only=True),
        Made("file_records", _copies, _PATH, shape=LIST),
        Field("auto_datetime", read_only=True),
        Related("revision", "revision__name", blank=""),
        Field("default_dataset"),
        Made("protected", _count(1), shape={"type": "integer"}, only="list"),
        Made("public", _count(2), shape={"type": "integer"}, only="list"),
        Tags("tags"),
        Choice("qc"),
        Field("json"),
    ),
    filters=(
        *columns("id", "name", "collection", "file_size", "hash", "version", "object_id", "qc"),
        *columns("default_dataset", "generating_software", "created_datetime", "auto_datetime"),
        is_("md5", "hash"),
        is_("session", "session__pk"),
        is_("dataset_type", "dataset_type__name"),
        is_("data_format", "data_format__name"),
        is_("revision", "revision__name"),
        is_("created_by", "created_by__username"),
        is_("subject", "session__subject__nickname"),
        is_("lab", "session__lab__name"),
        is_("date", "session__date"),
        is_("experiment_number", "session__number"),
        is_("created_date", "created_datetime", "date"),
        is_("created_date_gte", "created_datetime", "date__gte"),
        is_("created_date_lte", "created_datetime", "date__lte"),
        is_("tag", "tags__name"),
        is_("tags", "tags__name"),
        is_("probe_insertion", "probe_insertion__pk"),
        is_("content_type", "content_type__model"),
        Filter("exists", _exists, "whether it can be fetched", {"type": "boolean"}),
        _by_tag("protected", "protected"),
        _by_tag("public", "public"),
    ),
    help="Files, wherever their copies are.",
)


def _paths(page: Page) -> Sequence[str]:
    return [
        path or natural_path(subject, day, number, collection, revision, name)
        for path, subject, day, number, collection, revision, name in zip(
            *(page[column] for column in _RECORD), strict=True
        )
    ]


_RECORD = (
    "relative_path",
    "dataset__session__subject__nickname",
    "dataset__session__date",
    "dataset__session__number",
    "dataset__collection",
    "dataset__revision__name",
    "dataset__name",
)


class Path(Field):
    """Where a copy lies, as it is stored or as the convention has it."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return _RECORD

    def render(self, page: Page) -> Sequence[str]:
        """Return the path of each copy."""
        return _paths(page)


FILES = Resource(
    "files",
    FileRecord,
    kept=True,
    order=("dataset_id", "data_repository_id", "pk"),
    fields=(
        Url("files"),
        Link("dataset", "datasets"),
        Related("data_repository", "data_repository__name", required=True),
        Field("name", read_only=True),
        Field("json"),
        Path("relative_path"),
        Field("exists"),
    ),
    filters=(
        *columns("id", "name", "relative_path", "exists"),
        is_("dataset", "dataset__pk"),
        is_("lab", "dataset__session__lab__name"),
        is_("data_repository", "data_repository__name"),
        is_("globus_is_personal", "data_repository__globus_is_personal"),
    ),
    help="Copies of files.",
)

RESOURCES = (DATASETS, FILES)

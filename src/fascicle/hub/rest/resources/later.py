"""Endpoints of Alyx for which a hub has no tables: imaging, tasks, notices.

Clients ask them by habit (ONE's list of endpoints, ibllib's pipelines), and are told that there is
nothing rather than that the address is wrong.
"""

from __future__ import annotations

from typing import Any

from fascicle.hub.models import ProbeInsertion
from fascicle.hub.rest.fields import Field, Id
from fascicle.hub.rest.filters import Filter
from fascicle.hub.rest.resource import READ, Resource


def _nothing() -> Any:
    return ProbeInsertion.objects.none()


def _empty(name: str, title: str, help: str, *filters: str) -> Resource:
    return Resource(
        name,
        ProbeInsertion,
        title=title,
        rows=_nothing,
        django=False,
        actions=READ,
        fields=(Field("id", read_only=True), Field("name"), Id("session"), Field("json")),
        filters=tuple(
            Filter(one, lambda rows, text: rows, "finds nothing") for one in ("django", *filters)
        ),
        help=f"{help}: a hub has none.",
    )


_ATLAS = ("atlas_acronym", "atlas_id", "atlas_name")

RESOURCES = (
    _empty(
        "fields-of-view",
        "FOV",
        "Fields of view of imaging",
        *_ATLAS,
        "dataset_types",
        "datasets",
        "date",
        "experiment_number",
        "id",
        "imaging_type",
        "lab",
        "name",
        "project",
        "session",
        "stack",
        "subject",
    ),
    _empty("fov-location", "FOVLocation", "Places of fields of view", "field_of_view", "id"),
    _empty("imaging-stack", "ImagingStack", "Stacks of fields of view", *_ATLAS, "id", "name"),
    _empty(
        "tasks",
        "Task",
        "Tasks of pipelines",
        "data_repository",
        "executable",
        "graph",
        "id",
        "lab",
        "name",
        "priority",
        "session",
        "status",
        "version",
    ),
    _empty(
        "data-notices",
        "DataNotice",
        "Notices about datasets",
        "created_by",
        "dataset_tag",
        "datasets",
        "importance",
        "name",
        "version_affected",
    ),
)

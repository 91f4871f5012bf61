"""Who fetched what, how often."""

from __future__ import annotations

from fascicle.hub.models import Download
from fascicle.hub.rest.fields import Field, Id, Related
from fascicle.hub.rest.filters import columns, is_, language
from fascicle.hub.rest.resource import READ, Resource

DOWNLOADS = Resource(
    "downloads",
    Download,
    order=("first_download", "pk"),
    fields=(
        Field("id", read_only=True),
        Related("user", "user__username", read_only=True),
        Id("dataset", read_only=True),
        Field("count", read_only=True),
        Field("json"),
    ),
    filters=(
        *columns("count"),
        language("json", "json"),
        is_("user", "user__username"),
        is_("dataset", "dataset__pk"),
        is_("dataset_type", "dataset__dataset_type__name"),
    ),
    actions=READ,
    help="How often users fetched datasets.",
)

RESOURCES = (DOWNLOADS,)

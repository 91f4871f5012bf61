"""The simple tables, whose rows are known by their names."""

from __future__ import annotations

from fascicle.hub.models import (
    DataFormat,
    DataRepository,
    DataRepositoryType,
    DatasetType,
    LabLocation,
    ProcedureType,
    Project,
    Revision,
    Tag,
    WaterType,
)
from fascicle.hub.rest.fields import Field, Names, Related, Url
from fascicle.hub.rest.filters import columns, is_
from fascicle.hub.rest.resource import ALL, NO_DELETE, Resource

ID = Field("id", read_only=True)
NAME = Field("name", required=True)
JSON = Field("json")

TAGS = Resource(
    "tags",
    Tag,
    lookup="name",
    django=False,
    filters=columns("name"),
    fields=(
        ID,
        JSON,
        NAME,
        Field("description"),
        Field("protected"),
        Field("public"),
        Field("hash"),
    ),
    help="Releases: datasets that are cited together.",
)
REVISIONS = Resource(
    "revisions",
    Revision,
    lookup="name",
    django=False,
    filters=columns("name"),
    fields=(ID, JSON, NAME, Field("description"), Field("created_datetime")),
    help="Later versions of datasets.",
)
DATASET_TYPES = Resource(
    "dataset-types",
    DatasetType,
    lookup="name",
    django=False,
    filters=columns("name"),
    fields=(
        ID,
        NAME,
        Related("created_by", "created_by__username"),
        Field("description"),
        # ONE strips the text, and so cannot read a null.
        Field("filename_pattern", blank=""),
    ),
    help="What the data of a file mean.",
)
DATA_FORMATS = Resource(
    "data-formats",
    DataFormat,
    lookup="name",
    django=False,
    filters=columns("name"),
    fields=(
        ID,
        JSON,
        NAME,
        Field("description"),
        Field("file_extension"),
        Field("matlab_loader_function"),
        Field("python_loader_function"),
    ),
    help="Kinds of files.",
)
DATA_REPOSITORIES = Resource(
    "data-repository",
    DataRepository,
    lookup="name",
    django=False,
    filters=columns("name", "globus_endpoint_id", "globus_is_personal"),
    fields=(
        NAME,
        Field("timezone"),
        Field("globus_path"),
        Field("hostname"),
        Field("data_url"),
        Related("repository_type", "repository_type__name"),
        Field("globus_endpoint_id"),
        Field("globus_is_personal"),
        JSON,
    ),
    help="Places where files are.",
)
DATA_REPOSITORY_TYPES = Resource(
    "data-repository-type",
    DataRepositoryType,
    lookup="name",
    django=False,
    fields=(Url("data-repository-type", "name"), JSON, NAME),
    help="Kinds of places where files are.",
)
PROJECTS = Resource(
    "projects",
    Project,
    lookup="name",
    django=False,
    filters=columns("name"),
    fields=(NAME, Field("description"), Names("users", "users__username")),
    help="Projects, and who takes part in them.",
)
LOCATIONS = Resource(
    "locations",
    LabLocation,
    lookup="name",
    django=False,
    filters=(is_("name"), is_("lab", "lab__name", "iexact")),
    fields=(NAME, Related("lab", "lab__name"), JSON),
    actions=NO_DELETE,
    help="Rigs and rooms.",
)
PROCEDURES = Resource(
    "procedures",
    ProcedureType,
    lookup="name",
    django=False,
    fields=(ID, NAME, JSON, Field("description")),
    actions=ALL & {"list", "read", "create"},
    help="Kinds of procedures.",
)
WATER_TYPES = Resource(
    "water-type",
    WaterType,
    lookup="name",
    django=False,
    fields=(Url("water-type", "name"), JSON, NAME),
    actions=ALL & {"list", "read", "create"},
    help="What animals drink.",
)

RESOURCES = (
    TAGS,
    REVISIONS,
    DATASET_TYPES,
    DATA_FORMATS,
    DATA_REPOSITORIES,
    DATA_REPOSITORY_TYPES,
    PROJECTS,
    LOCATIONS,
    PROCEDURES,
    WATER_TYPES,
)

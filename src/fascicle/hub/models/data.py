"""Files: what they are, where they are, which release they belong to."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from fascicle.hub.models.actions import Session
from fascicle.hub.models.base import QC, Base, Named
from fascicle.hub.models.people import LabMember, Project


class DataRepositoryType(Named):
    """A kind of place."""


class DataRepository(Named):
    """A place where files are; one that is personal is a rig, which clients cannot reach."""

    repository_type = models.ForeignKey(DataRepositoryType, models.SET_NULL, null=True, blank=True)
    hostname = models.CharField(max_length=200, blank=True, default="")
    data_url = models.CharField(max_length=200, null=True, blank=True)
    timezone = models.CharField(max_length=64, blank=True, default="UTC")
    globus_path = models.CharField(max_length=1000, blank=True, default="")
    globus_endpoint_id = models.UUIDField(null=True, blank=True)
    globus_is_personal = models.BooleanField(default=False)

    class Meta(Named.Meta):
        """How it is written."""

        verbose_name_plural = "data repositories"


class DataFormat(Named):
    """A kind of file."""

    description = models.TextField(blank=True, default="")
    file_extension = models.CharField(max_length=255, blank=True, default="")
    matlab_loader_function = models.CharField(max_length=255, blank=True, default="")
    python_loader_function = models.CharField(max_length=255, blank=True, default="")


class DatasetType(Named):
    """What the data of a file mean."""

    created_by = models.ForeignKey(LabMember, models.SET_NULL, null=True, blank=True)
    description = models.TextField(blank=True, default="")
    filename_pattern = models.CharField(max_length=255, null=True, blank=True, unique=True)


class Tag(Named):
    """A release: datasets that are cited together."""

    description = models.TextField(blank=True, default="")
    protected = models.BooleanField(default=False)
    public = models.BooleanField(default=False)
    open = models.BooleanField(default=False)  # whether it is read without a login
    hash = models.CharField(max_length=64, null=True, blank=True)


class Revision(Named):
    """A later version of datasets."""

    description = models.TextField(blank=True, default="")
    created_datetime = models.DateTimeField(default=timezone.now)


class Dataset(Base):
    """One file, wherever its copies are.

    ``online`` says whether a copy is on a repository that clients can reach; it follows from the
    file records and is kept because most searches ask for it.
    """

    name = models.CharField(max_length=255)
    session = models.ForeignKey(
        Session, models.CASCADE, null=True, blank=True, related_name="data_dataset_session_related"
    )
    content_type = models.ForeignKey(ContentType, models.SET_NULL, null=True, blank=True)
    object_id = models.UUIDField(null=True, blank=True)
    about = GenericForeignKey()  # what a dataset belongs to that has no session
    dataset_type = models.ForeignKey(DatasetType, models.SET_NULL, null=True, blank=True)
    data_format = models.ForeignKey(DataFormat, models.SET_NULL, null=True, blank=True)
    collection = models.CharField(max_length=255, blank=True, default="")
    revision = models.ForeignKey(Revision, models.SET_NULL, null=True, blank=True)
    default_dataset = models.BooleanField(default=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="datasets")
    file_size = models.BigIntegerField(null=True, blank=True)
    hash = models.CharField(max_length=64, blank=True, default="")
    version = models.CharField(max_length=64, blank=True, default="")
    qc = models.IntegerField(choices=QC.choices, default=QC.NOT_SET)
    generating_software = models.CharField(max_length=255, blank=True, default="")
    online = models.BooleanField(default=False, editable=False)
    created_by = models.ForeignKey(LabMember, models.SET_NULL, null=True, blank=True)
    created_datetime = models.DateTimeField(default=timezone.now)
    auto_datetime = models.DateTimeField(auto_now=True, null=True)

    class Meta:
        """Order of lists, and how they are found."""

        ordering = ("session", "collection", "name", "id")
        indexes = [
            models.Index(fields=["session", "collection", "name"]),
            models.Index(fields=["name", "session"]),
            models.Index(fields=["dataset_type", "session"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "collection", "name", "revision"], name="one_dataset_a_revision"
            ),
            models.UniqueConstraint(
                fields=["session", "collection", "name"],
                name="one_dataset_without_revision",
                condition=models.Q(revision__isnull=True),
            ),
        ]


class FileRecord(Base):
    """A copy of a file.

    ``relative_path`` is empty where the copy lies where the convention puts it
    (``subject/date/number/collection/#revision#/name``), which is nearly always.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="file_records")
    data_repository = models.ForeignKey(DataRepository, models.CASCADE, related_name="files")
    relative_path = models.CharField(max_length=1000, blank=True, default="")
    exists = models.BooleanField(default=False)

    class Meta:
        """How they are found."""

        ordering = ("dataset", "data_repository")
        constraints = [
            models.UniqueConstraint(fields=["dataset", "data_repository"], name="one_copy_a_place")
        ]


class Download(Base):
    """How often a user fetched a dataset."""

    user = models.ForeignKey(LabMember, models.CASCADE)
    dataset = models.ForeignKey(Dataset, models.CASCADE)
    projects = models.ManyToManyField(Project, blank=True)
    count = models.IntegerField(default=0)
    first_download = models.DateTimeField(auto_now_add=True)
    last_download = models.DateTimeField(auto_now=True)

    class Meta:
        """One row for each pair."""

        ordering = ("first_download", "id")
        constraints = [models.UniqueConstraint(fields=["user", "dataset"], name="one_count")]

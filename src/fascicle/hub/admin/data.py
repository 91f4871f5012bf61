"""Files: what they are, where they are, which release they belong to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from fascicle.hub.admin.base import HubAdmin, ReadInline
from fascicle.hub.models import (
    DataFormat,
    DataRepository,
    DataRepositoryType,
    Dataset,
    DatasetType,
    FileRecord,
    Revision,
    Tag,
)


class Copies(ReadInline):
    """Where a dataset is."""

    model = FileRecord
    fields = ("data_repository", "relative_path", "exists")


@admin.register(Dataset)
class DatasetAdmin(HubAdmin):
    """Datasets: they are registered by clients or come from the folder, and are judged here."""

    list_display = ("name", "collection", "revision", "session", "file_size", "qc", "online")
    list_filter = ("qc", "online", "default_dataset", "tags", "data_format")
    list_select_related = ("revision", "session__subject")
    search_fields = ("=id", "name", "=session__id", "session__subject__nickname")
    search_help_text = "A file's name, an animal, or an id"
    show_full_result_count = False
    autocomplete_fields = ("tags",)
    inlines = (Copies,)
    readonly_fields = (
        "name",
        "session",
        "collection",
        "revision",
        "dataset_type",
        "data_format",
        "file_size",
        "hash",
        "version",
        "online",
        "created_by",
        "created_datetime",
        "auto_datetime",
    )
    fields = (
        ("name", "session"),
        ("collection", "revision", "default_dataset"),
        ("dataset_type", "data_format"),
        ("qc", "tags"),
        ("file_size", "hash"),
        ("version", "generating_software"),
        ("created_by", "created_datetime", "auto_datetime"),
        "json",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: a dataset is a file, and comes with it."""
        return False


@admin.register(Tag)
class TagAdmin(HubAdmin):
    """Releases."""

    list_display = ("name", "description", "public", "protected", "open")
    list_filter = ("public", "protected", "open")
    search_fields = ("name", "description")
    fields = ("name", "description", ("public", "protected", "open"), "hash", "json")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, which says what the ticks mean."""
        texts = {
            "public": "all users may know of it",
            "protected": "its datasets are neither changed nor deleted",
            "open": "a public release is read without a login",
        }
        return super().get_form(request, obj, change, **kwargs, help_texts=texts)


@admin.register(Revision)
class RevisionAdmin(HubAdmin):
    """Later versions of datasets."""

    list_display = ("name", "description", "created_datetime")
    search_fields = ("name", "description")
    fields = ("name", "description", "created_datetime", "json")


@admin.register(DatasetType)
class DatasetTypeAdmin(HubAdmin):
    """What data mean."""

    list_display = ("name", "filename_pattern", "description")
    search_fields = ("name", "filename_pattern", "description")
    autocomplete_fields = ("created_by",)
    fields = ("name", "filename_pattern", "description", "created_by", "json")


@admin.register(DataFormat)
class DataFormatAdmin(HubAdmin):
    """Kinds of files."""

    list_display = ("name", "file_extension", "description")
    search_fields = ("name", "file_extension", "description")
    fields = (
        "name",
        "file_extension",
        "description",
        ("python_loader_function", "matlab_loader_function"),
        "json",
    )


@admin.register(DataRepository)
class DataRepositoryAdmin(HubAdmin):
    """Places where files are."""

    list_display = ("name", "repository_type", "data_url", "globus_is_personal")
    search_fields = ("name", "hostname", "data_url")
    fields = (
        ("name", "repository_type"),
        ("data_url", "hostname"),
        ("globus_path", "globus_endpoint_id", "globus_is_personal"),
        "timezone",
        "json",
    )


@admin.register(DataRepositoryType)
class DataRepositoryTypeAdmin(HubAdmin):
    """Kinds of places."""

    list_display = ("name",)
    search_fields = ("name",)
    fields = ("name", "json")

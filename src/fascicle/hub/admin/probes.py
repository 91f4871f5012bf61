"""Probes, and where they were in the brain."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from fascicle.hub.admin.base import HubAdmin, ReadInline
from fascicle.hub.admin.notes import Notes
from fascicle.hub.models import (
    BrainRegion,
    ChronicInsertion,
    CoordinateSystem,
    ProbeInsertion,
    ProbeModel,
    TrajectoryEstimate,
)


class Trajectories(ReadInline):
    """Where a probe is thought to have been."""

    model = TrajectoryEstimate
    fields = ("provenance", "x", "y", "z", "depth", "theta", "phi", "roll")
    fk_name = "probe_insertion"


@admin.register(ProbeInsertion)
class InsertionAdmin(HubAdmin):
    """Probes in sessions."""

    entered = True
    list_display = ("session", "name", "model", "serial")
    list_filter = ("model", "session__lab", "session__projects")
    list_select_related = ("session__subject", "model")
    search_fields = ("=id", "name", "serial", "session__subject__nickname")
    autocomplete_fields = ("session", "model", "chronic_insertion")
    inlines = (Trajectories, Notes)
    fields = (("session", "name"), ("model", "serial"), "chronic_insertion", "json")


@admin.register(ChronicInsertion)
class ChronicInsertionAdmin(HubAdmin):
    """Probes that stay in place."""

    entered = True
    list_display = ("subject", "name", "model", "serial", "start_time", "end_time")
    list_filter = ("model", "lab")
    list_select_related = ("subject", "model")
    search_fields = ("name", "serial", "subject__nickname")
    autocomplete_fields = ("subject", "users", "lab", "location", "procedures", "model")
    fields = (
        ("subject", "name"),
        ("model", "serial"),
        ("start_time", "end_time"),
        "users",
        ("lab", "location"),
        "procedures",
        "narrative",
        "json",
    )


@admin.register(TrajectoryEstimate)
class TrajectoryAdmin(HubAdmin):
    """Where probes are thought to have been."""

    entered = True
    list_display = ("probe_insertion", "provenance", "x", "y", "z", "depth", "theta", "phi")
    list_filter = ("provenance", "coordinate_system")
    list_select_related = ("probe_insertion",)
    search_fields = ("=probe_insertion__id", "probe_insertion__session__subject__nickname")
    autocomplete_fields = ("probe_insertion", "chronic_insertion")
    fields = (
        ("probe_insertion", "chronic_insertion"),
        ("provenance", "coordinate_system", "datetime"),
        ("x", "y", "z"),
        ("depth", "theta", "phi", "roll"),
        "json",
    )


@admin.register(ProbeModel)
class ProbeModelAdmin(HubAdmin):
    """Kinds of probes."""

    list_display = ("name", "probe_manufacturer", "probe_model")
    search_fields = ("name", "probe_model")
    fields = ("name", ("probe_manufacturer", "probe_model"), "description", "json")


@admin.register(CoordinateSystem)
class CoordinateSystemAdmin(HubAdmin):
    """What coordinates mean."""

    list_display = ("name", "description")
    search_fields = ("name",)
    fields = ("name", "description", "json")


@admin.register(BrainRegion)
class BrainRegionAdmin(HubAdmin):
    """Regions of the atlas, of which the descriptions alone are the lab's."""

    list_display = ("acronym", "name", "id", "parent")
    list_select_related = ("parent",)
    search_fields = ("=id", "=acronym", "name")
    readonly_fields = ("id", "acronym", "name", "parent")
    fields = ("id", "acronym", "name", "parent", "description")
    ordering = ("lft",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: the atlas is as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: the atlas is as it is."""
        return False

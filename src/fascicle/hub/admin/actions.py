"""What was done: sessions, weighings, water, surgeries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Max
from django.http import HttpRequest
from django.utils.html import format_html

from fascicle.hub.admin.base import HubAdmin, HubForm, ReadInline, by_me
from fascicle.hub.admin.notes import Notes
from fascicle.hub.models import (
    ProbeInsertion,
    ProcedureType,
    Session,
    Surgery,
    WaterAdministration,
    WaterRestriction,
    WaterType,
    Weighing,
)


class SessionForm(HubForm):
    """A session; its number is the next of the day if none is given."""

    def clean(self) -> dict[str, Any]:
        """Fill in the number."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        subject, begun = values.get("subject"), values.get("start_time")
        if "number" in self.fields and values.get("number") is None and subject and begun:
            same = Session.objects.filter(subject=subject, date=begun.date())
            values["number"] = (same.aggregate(top=Max("number"))["top"] or 0) + 1
        return values


class Insertions(ReadInline):
    """Probes of a session."""

    model = ProbeInsertion
    fields = ("name", "model", "serial")
    fk_name = "session"


class Waterings(ReadInline):
    """Water given in a session."""

    model = WaterAdministration
    fields = ("date_time", "water_administered", "water_type", "user")
    fk_name = "session"


class ActionAdmin(HubAdmin):
    """What sessions, surgeries and the like share."""

    entered = True
    date_hierarchy = "start_time"
    list_select_related: Sequence[str] = ("subject", "lab")
    search_fields: Sequence[str] = ("subject__nickname", "narrative")
    autocomplete_fields: Sequence[str] = ("subject", "users", "lab", "location", "procedures")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with who enters it."""
        return by_me("users", request, super().get_changeform_initial_data(request))


@admin.register(Session)
class SessionAdmin(ActionAdmin):
    """Sessions."""

    form = SessionForm
    list_display = ("day", "number", "subject", "lab", "task_protocol", "n_trials", "qc", "files")
    list_display_links = ("day",)
    list_filter = ("lab", "projects", "qc", "procedures", "users")
    search_fields = ("=id", "subject__nickname", "task_protocol", "narrative")
    autocomplete_fields = (*ActionAdmin.autocomplete_fields, "projects", "parent_session")
    ordering = ("-start_time", "id")
    show_full_result_count = False
    inlines = (Insertions, Waterings, Notes)
    readonly_fields = ("page", "auto_datetime")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("subject", "number"),
                    ("start_time", "end_time"),
                    ("users", "projects"),
                    ("lab", "location"),
                    ("task_protocol", "type"),
                    "procedures",
                    "narrative",
                )
            },
        ),
        (
            "Outcome",
            {"fields": (("n_trials", "n_correct_trials"), ("qc", "extended_qc"))},
        ),
        (
            "More",
            {
                "fields": ("page", "parent_session", "name", "json", "auto_datetime"),
                "classes": ("collapse",),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the sessions with how many files they have."""
        found = super().get_queryset(request)
        if getattr(request.resolver_match, "url_name", "") == "hub_session_changelist":
            found = found.annotate(n_files=Count("data_dataset_session_related"))
        return found

    @admin.display(description="Date", ordering="start_time")
    def day(self, session: Any) -> str:
        """Return the day of a session."""
        return f"{session.start_time:%Y-%m-%d}" if session.start_time else "unknown"

    @admin.display(description="Files", ordering="n_files")
    def files(self, session: Any) -> int:
        """Return how many files a session has."""
        return int(session.n_files)

    @admin.display(description="Files")
    def page(self, session: Any) -> str:
        """Return a link to the page of a session, which lists its files."""
        if session._state.adding:
            return ""
        return format_html('<a href="/pages/sessions/{}">{}</a>', session.pk, session)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let stand what is part of the paths of files, once there are files."""
        if obj is not None and obj.data_dataset_session_related.exists():
            return (*self.readonly_fields, "subject", "number", "start_time", "lab")
        return self.readonly_fields


@admin.register(Weighing)
class WeighingAdmin(HubAdmin):
    """Weights of animals, in grams."""

    entered = True
    list_display = ("subject", "date_time", "weight", "user")
    list_filter = ("subject__lab", "user")
    list_select_related = ("subject", "user")
    search_fields = ("subject__nickname",)
    autocomplete_fields = ("subject", "user")
    date_hierarchy = "date_time"
    ordering = ("-date_time", "id")
    fields = ("subject", "date_time", "weight", "user", "json")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with who enters it."""
        return by_me("user", request, super().get_changeform_initial_data(request))


@admin.register(WaterAdministration)
class WaterAdministrationAdmin(HubAdmin):
    """Water that animals were given, in millilitres."""

    entered = True
    list_display = ("subject", "date_time", "water_administered", "water_type", "adlib", "user")
    list_filter = ("subject__lab", "water_type", "adlib", "user")
    list_select_related = ("subject", "water_type", "user")
    search_fields = ("subject__nickname",)
    autocomplete_fields = ("subject", "user", "session")
    date_hierarchy = "date_time"
    ordering = ("-date_time", "id")
    fields = (
        "subject",
        "date_time",
        ("water_administered", "water_type", "adlib"),
        "user",
        "session",
        "json",
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with who enters it."""
        return by_me("user", request, super().get_changeform_initial_data(request))


@admin.register(WaterRestriction)
class WaterRestrictionAdmin(ActionAdmin):
    """Times during which animals' water is measured."""

    list_display = ("subject", "start_time", "end_time", "water_type", "reference_weight")
    list_filter = ("subject__lab", "water_type")
    list_select_related = ("subject", "water_type")
    search_fields = ("subject__nickname",)
    fields = (
        "subject",
        ("start_time", "end_time"),
        ("water_type", "reference_weight"),
        "users",
        ("lab", "location"),
        "procedures",
        "narrative",
        "json",
    )


@admin.register(Surgery)
class SurgeryAdmin(ActionAdmin):
    """Surgeries."""

    list_display = ("subject", "start_time", "outcome_type", "implant_weight")
    list_filter = ("subject__lab", "outcome_type", "procedures")
    list_select_related = ("subject",)
    search_fields = ("subject__nickname", "narrative")
    inlines = (Notes,)
    fields = (
        "subject",
        ("start_time", "end_time"),
        ("outcome_type", "implant_weight"),
        "users",
        ("lab", "location"),
        "procedures",
        "narrative",
        "json",
    )


@admin.register(ProcedureType)
class ProcedureAdmin(HubAdmin):
    """Kinds of procedures."""

    list_display = ("name", "description")
    search_fields = ("name",)
    fields = ("name", "description", "json")


@admin.register(WaterType)
class WaterTypeAdmin(HubAdmin):
    """What animals drink."""

    list_display = ("name",)
    search_fields = ("name",)
    fields = ("name", "json")

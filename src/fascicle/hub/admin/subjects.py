"""Animals and what is said about them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from fascicle.hub.admin.base import Entered, HubAdmin, by_me
from fascicle.hub.admin.notes import Notes
from fascicle.hub.models import (
    Line,
    Litter,
    Session,
    Source,
    Species,
    Strain,
    Subject,
    WaterAdministration,
    Weighing,
)


class Weighings(Entered, admin.TabularInline):
    """Weights of an animal; those of before are in their own list."""

    model = Weighing
    fields = ("date_time", "weight", "user")
    autocomplete_fields = ("user",)
    extra = 1
    verbose_name_plural = "New weighings"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Show none that is there: there may be hundreds."""
        return super().get_queryset(request).none()


class Waterings(Entered, admin.TabularInline):
    """Water given to an animal; what was given before is in its own list."""

    model = WaterAdministration
    fields = ("date_time", "water_administered", "water_type", "adlib", "user")
    autocomplete_fields = ("user",)
    extra = 1
    verbose_name_plural = "New water administrations"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Show none that is there: there may be hundreds."""
        return super().get_queryset(request).none()


class Alive(admin.SimpleListFilter):
    """Animals that are alive, or not."""

    title = "alive"
    parameter_name = "alive"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the animals of a choice."""
        if self.value() in ("yes", "no"):
            return queryset.filter(death_date__isnull=self.value() == "yes")
        return queryset


@admin.register(Subject)
class SubjectAdmin(HubAdmin):
    """Animals."""

    entered = True
    list_display = ("nickname", "more", "lab", "sex", "birth_date", "responsible_user")
    list_filter = (Alive, "lab", "projects", "sex", "species")
    list_select_related = ("lab", "responsible_user")
    search_fields = ("nickname", "ear_mark", "cage", "responsible_user__username")
    autocomplete_fields = (
        "lab",
        "responsible_user",
        "projects",
        "species",
        "strain",
        "source",
        "line",
        "litter",
    )
    date_hierarchy = "birth_date"
    inlines = (Weighings, Waterings, Notes)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("nickname", "lab"),
                    ("sex", "birth_date", "death_date"),
                    ("responsible_user", "projects"),
                    ("cage", "ear_mark"),
                    ("reference_weight", "protocol_number", "cull"),
                    "description",
                )
            },
        ),
        (
            "Genetics and origin",
            {
                "fields": (
                    ("species", "strain"),
                    ("line", "litter"),
                    ("source", "genotype"),
                ),
                "classes": ("collapse",),
            },
        ),
        ("More", {"fields": ("name", "json"), "classes": ("collapse",)}),
    )

    @admin.display(description="Lists")
    def more(self, subject: Any) -> str:
        """Return links to what was done with an animal."""
        links = [
            format_html('<a href="/admin/hub/{}/?subject__id__exact={}">{}</a>', *where)
            for where in (
                ("session", subject.pk, "sessions"),
                ("weighing", subject.pk, "weights"),
                ("wateradministration", subject.pk, "water"),
                ("surgery", subject.pk, "surgeries"),
            )
        ]
        return format_html('<span style="white-space: nowrap">{} · {} · {} · {}</span>', *links)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin a new animal with who enters it."""
        return by_me("responsible_user", request, super().get_changeform_initial_data(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let the laboratory stand once there are files in its folder."""
        if (
            obj is not None
            and Session.objects.filter(
                subject=obj, data_dataset_session_related__isnull=False
            ).exists()
        ):
            return ("lab",)
        return ()


class NamedAdmin(HubAdmin):
    """Tables that are little more than a name."""

    entered = True
    list_display = ("name", "description")
    search_fields = ("name",)
    fields = ("name", "description", "json")


admin.site.register((Strain, Source), NamedAdmin)


@admin.register(Species)
class SpeciesAdmin(HubAdmin):
    """Species."""

    entered = True
    list_display = ("name", "nickname")
    search_fields = ("name", "nickname")
    fields = ("name", "nickname", "json")


@admin.register(Line)
class LineAdmin(HubAdmin):
    """Genetic lines."""

    entered = True
    list_display = ("name", "nickname", "description")
    search_fields = ("name", "nickname")
    fields = ("name", "nickname", "description", "json")


@admin.register(Litter)
class LitterAdmin(HubAdmin):
    """Animals born together."""

    entered = True
    list_display = ("name", "line", "birth_date")
    list_filter = ("line",)
    search_fields = ("name", "line__name")
    autocomplete_fields = ("line",)
    fields = ("name", "line", "birth_date", "description", "json")

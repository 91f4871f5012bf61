"""Labs, users and projects. Tokens are never shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse

from fascicle.hub.admin.base import HubAdmin, HubForm, ReadInline
from fascicle.hub.models import Lab, LabLocation, LabMember, LabMembership, Project, Token

admin.site.unregister(Group)  # what a user may is told by three ticks


class Locations(admin.TabularInline):
    """Rigs and rooms of a lab."""

    model = LabLocation
    fields = ("name",)
    extra = 0


class Members(admin.TabularInline):
    """Who is in a lab."""

    model = LabMembership
    fields = ("user", "role", "start_date", "end_date")
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Lab)
class LabAdmin(HubAdmin):
    """Laboratories."""

    list_display = ("name", "institution", "timezone")
    search_fields = ("name", "institution")
    fields = (
        "name",
        "institution",
        "address",
        "timezone",
        ("reference_weight_pct", "zscore_weight_pct"),
        "repositories",
        "json",
    )
    autocomplete_fields = ("repositories",)
    inlines = (Locations, Members)


@admin.register(LabLocation)
class LocationAdmin(HubAdmin):
    """Rigs and rooms."""

    entered = True
    list_display = ("name", "lab")
    list_filter = ("lab",)
    search_fields = ("name",)
    fields = ("name", "lab", "json")


@admin.register(Project)
class ProjectAdmin(HubAdmin):
    """Projects."""

    entered = True
    list_display = ("name", "description")
    search_fields = ("name", "description")
    autocomplete_fields = ("users",)
    fields = ("name", "description", "users", "json")


class MemberForm(UserChangeForm, HubForm):
    """A user, refused where a client would be."""


class NewMemberForm(AdminUserCreationForm):
    """A new user: a name and a password."""

    class Meta(AdminUserCreationForm.Meta):
        """Of our table."""

        model = LabMember


class Memberships(ReadInline):
    """The labs of a user."""

    model = LabMembership
    fields = ("lab", "role", "start_date", "end_date")


@admin.register(LabMember)
class MemberAdmin(HubAdmin, UserAdmin):
    """Users: they are made with a name and a password, and then told what they may."""

    form = MemberForm
    add_form = NewMemberForm
    list_display = (
        "username",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "is_public_user",
        "last_login",
    )
    list_filter = ("is_active", "is_superuser", "is_public_user", "lab_membership__lab")
    search_fields = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    autocomplete_fields = ("allowed_users",)
    readonly_fields = ("last_login", "date_joined")
    inlines = (Memberships,)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": (("first_name", "last_name"), "email")}),
        (
            "What the user may",
            {
                "fields": ("is_active", "is_public_user", "is_staff", "is_superuser"),
                "description": "Public: only read. Staff: enter records here. Superuser: all.",
            },
        ),
        ("More", {"fields": ("is_stock_manager", "allowed_users", "last_login", "date_joined")}),
    )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form of a new user, or of one who is there."""
        if obj is None:
            return UserAdmin.get_form(self, request, obj, **kwargs)
        return super().get_form(request, obj, change, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what belongs to the user; one who is new had nothing to check."""
        if not hasattr(form, "after"):
            admin.ModelAdmin.save_related(self, request, form, formsets, change)
            return
        super().save_related(request, form, formsets, change)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Give a user another password; tokens that were made with the old one end."""
        response: HttpResponse = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            Token.objects.filter(user=id).delete()
        return response

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, of which members see the names."""
        return self.list_display if request.user.is_superuser else ("username", "is_active")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's parts; those who may not change a user see neither hash nor rights."""
        if not request.user.is_superuser:
            return ((None, {"fields": ("username", ("first_name", "last_name"), "email")}),)
        return super().get_fieldsets(request, obj)

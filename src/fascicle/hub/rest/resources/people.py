"""Laboratories and users."""

from __future__ import annotations

from fascicle.hub.models import Lab, LabMember
from fascicle.hub.rest.fields import Field, Names
from fascicle.hub.rest.filters import columns, is_
from fascicle.hub.rest.resource import Resource

LABS = Resource(
    "labs",
    Lab,
    lookup="name",
    fields=(
        Field("name", required=True),
        Field("institution"),
        Field("address"),
        Field("timezone"),
        Names("repositories"),
        Field("reference_weight_pct"),
        Field("zscore_weight_pct"),
        Field("json"),
    ),
    filters=(
        *columns("id", "name", "institution", "address", "timezone"),
        *columns("reference_weight_pct", "zscore_weight_pct"),
        is_("repositories", "repositories__name"),
    ),
    help="Laboratories.",
)

USERS = Resource(
    "users",
    LabMember,
    lookup="username",
    order=("username",),
    fields=(
        Field("id", read_only=True),
        Field("username", required=True),
        Field("email"),
        # NWB files name people by these; Alyx keeps them to itself.
        Field("first_name", only="detail", read_only=True),
        Field("last_name", only="detail", read_only=True),
        Names("subjects_responsible", "subjects_responsible__nickname", read_only=True),
        Names("lab", "lab_membership__lab__name", read_only=True),
        Names("allowed_users", "allowed_users__username"),
        Field("is_stock_manager"),
    ),
    filters=(
        *columns("id", "username", "email", "first_name", "last_name", "is_active", "is_staff"),
        *columns("is_superuser", "is_public_user", "is_stock_manager", "date_joined"),
        is_("allowed_users", "allowed_users__username"),
    ),
    help="Users.",
)

RESOURCES = (LABS, USERS)

"""What Django is told of the hub."""

from __future__ import annotations

from django.apps import AppConfig


class HubApp(AppConfig):
    """The tables and pages of a hub."""

    name = "fascicle.hub"
    label = "hub"
    verbose_name = "Lab"
    default_auto_field = "django.db.models.BigAutoField"

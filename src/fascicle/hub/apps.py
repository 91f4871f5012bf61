"""What Django is told of the hub."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class HubApp(AppConfig):
    """The tables and pages of a hub."""

    name = "fascicle.hub"
    label = "hub"
    verbose_name = "Lab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let no connection be made whose statements cannot be stopped."""
        from fascicle.hub.rest import lookups  # noqa: F401


class HubAdminApp(AdminConfig):
    """Django's admin, with its tables in an order that a lab understands."""

    default_site = "fascicle.hub.adminsite.HubSite"

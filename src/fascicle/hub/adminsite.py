"""The admin's first page: tables by what they are about, the ones of every day first."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

GROUPS = {
    "Every day": "Subject Weighing WaterAdministration Session Note",
    "Animals": "Surgery WaterRestriction Litter Line Strain Species Source",
    "Probes": "ProbeInsertion TrajectoryEstimate ChronicInsertion ProbeModel CoordinateSystem "
    "BrainRegion",
    "Data": "Dataset Tag Revision DatasetType DataFormat DataRepository DataRepositoryType",
    "The lab": "Lab LabLocation LabMember Project ProcedureType WaterType",
}


class HubSite(AdminSite):
    """The admin of a lab."""

    site_header = "Lab"
    site_title = "Lab"
    index_title = "Enter and look after records"
    site_url = "/"
    empty_value_display = ""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the tables in groups; those that no group names come last."""
        apps = super().get_app_list(request, app_label)
        known = {model["object_name"]: (app, model) for app in apps for model in app["models"]}
        groups = []
        for title, names in GROUPS.items():
            found = [known.pop(name) for name in names.split() if name in known]
            if found:
                models = [model for _, model in found]
                groups.append({**found[0][0], "name": title, "models": models})
        rest = {id(app): app for app, _ in known.values()}
        for app in rest.values():
            models = [model for other, model in known.values() if other is app]
            groups.append({**app, "models": models})
        return groups

"""Which table of an Alyx is which of ours, and what either has that the other has not."""

from __future__ import annotations

from typing import Any

from django.apps import apps

#: Alyx's tables in the order in which their rows refer to each other, and ours.
TABLES = {
    "misc.labmember": "LabMember",
    "data.datarepositorytype": "DataRepositoryType",
    "data.datarepository": "DataRepository",
    "misc.lab": "Lab",
    "misc.lablocation": "LabLocation",
    "misc.labmembership": "LabMembership",
    "subjects.project": "Project",
    "subjects.species": "Species",
    "subjects.strain": "Strain",
    "subjects.source": "Source",
    "subjects.line": "Line",
    "subjects.litter": "Litter",
    "subjects.subject": "Subject",
    "actions.proceduretype": "ProcedureType",
    "actions.watertype": "WaterType",
    "actions.session": "Session",
    "actions.surgery": "Surgery",
    "actions.waterrestriction": "WaterRestriction",
    "actions.weighing": "Weighing",
    "actions.wateradministration": "WaterAdministration",
    "data.dataformat": "DataFormat",
    "data.datasettype": "DatasetType",
    "data.tag": "Tag",
    "data.revision": "Revision",
    "data.dataset": "Dataset",
    "data.filerecord": "FileRecord",
    "data.download": "Download",
    "experiments.brainregion": "BrainRegion",
    "experiments.coordinatesystem": "CoordinateSystem",
    "experiments.probemodel": "ProbeModel",
    "experiments.chronicinsertion": "ChronicInsertion",
    "experiments.probeinsertion": "ProbeInsertion",
    "experiments.trajectoryestimate": "TrajectoryEstimate",
    "experiments.channel": "Channel",
    "misc.note": "Note",
}
#: Columns that an Alyx does not have, by our table.
OURS = {
    "Session": {"date"},
    "Dataset": {"online"},
    "Tag": {"open"},
    "Subject": {"genotype", "cull"},
}
#: Rows that are neither imported nor kept: secrets, and what a server notes for itself.
NEVER = ("authtoken.", "sessions.", "admin.", "contenttypes.", "reversion.", "auth.permission")


def model_of(label: str) -> Any:
    """Return our model for the name of an Alyx's table; None where we have none."""
    name = TABLES.get(label)
    return None if name is None else apps.get_model("hub", name)


def label_of(model: Any) -> str | None:
    """Return the name of an Alyx's table for a model of ours."""
    return next((label for label, name in TABLES.items() if name == model.__name__), None)


def columns_of(model: Any) -> list[Any]:
    """Return the columns that an Alyx has too, but the key."""
    without = OURS.get(model.__name__, set())
    return [f for f in model._meta.concrete_fields if not f.primary_key and f.name not in without]


def links_of(model: Any) -> list[Any]:
    """Return the many-to-many relations that an Alyx has too."""
    inherited = {"groups", "user_permissions"}  # of Django's users: ours are not an Alyx's
    return [f for f in model._meta.many_to_many if f.name not in inherited]

"""What the imports share: rows that are looked up by name or made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import models

from fascicle.hub.importing.report import BATCH, ImportReport
from fascicle.hub.models import DataRepository, DataRepositoryType, Lab
from fascicle.hub.setup import REPOSITORY


def make(rows: Sequence[models.Model], report: ImportReport, *, ignore: bool = False) -> None:
    """Insert many rows of one table, and count them."""
    if rows:
        kind = type(rows[0])
        kind._default_manager.bulk_create(rows, batch_size=BATCH, ignore_conflicts=ignore)
        if not kind._meta.auto_created:
            report.created[str(kind._meta.verbose_name_plural)] += len(rows)


class Names:
    """Ids of rows by their name, made where there is none.

    Parameters
    ----------
    kind : type
        A model whose rows have unique names.
    report : ImportReport
        Counts what is made.
    field : str
        The column with the name.
    """

    def __init__(
        self, kind: type[models.Model], report: ImportReport, *, field: str = "name"
    ) -> None:
        self.kind = kind
        self.report = report
        self.field = field
        self.known: dict[str, UUID] = dict(
            kind._default_manager.values_list(field, "pk").iterator()
        )

    def __call__(self, name: str, **more: Any) -> UUID:
        """Return the id of a name; ``more`` are the values of a new row."""
        found = self.known.get(name)
        if found is None:
            row = self.kind._default_manager.create(**{self.field: name}, **more)
            self.report.created[str(self.kind._meta.verbose_name_plural)] += 1
            found = self.known[name] = row.pk
        return found


def hub_repository(data_url: str) -> DataRepository:
    """Return the repository that the hub's own folder is."""
    kind, _ = DataRepositoryType.objects.get_or_create(name="Fileserver")
    repository, _ = DataRepository.objects.get_or_create(
        name=REPOSITORY, defaults={"repository_type": kind, "data_url": f"{data_url}/"}
    )
    return repository


def lab_named(names: Names, name: str, repository: DataRepository, **more: Any) -> UUID:
    """Return the id of a lab; a new one has its files on the hub."""
    new = name not in names.known
    pk = names(name, **more)
    if new:
        Lab.objects.get(pk=pk).repositories.add(repository)
    return pk

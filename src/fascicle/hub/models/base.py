"""What all tables of a hub share."""

from __future__ import annotations

import uuid

from django.db import models


class QC(models.IntegerChoices):
    """Quality of a session or a dataset, as Alyx counts it."""

    NOT_SET = 0, "NOT_SET"
    PASS = 10, "PASS"
    WARNING = 30, "WARNING"
    FAIL = 40, "FAIL"
    CRITICAL = 50, "CRITICAL"


class Base(models.Model):
    """A row with an id that clients accept (UUID version 4 or 3), a name and free JSON."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, blank=True, default="")
    json = models.JSONField(null=True, blank=True)

    class Meta:
        """Not a table of its own."""

        abstract = True

    def __str__(self) -> str:
        return self.name or str(self.id)


class Named(Base):
    """A row that is looked up by its name."""

    name = models.CharField(max_length=255, unique=True)

    class Meta:
        """Not a table of its own."""

        abstract = True
        ordering = ("name",)

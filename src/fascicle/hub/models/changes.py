"""Which sessions changed when, so that clients fetch these alone."""

from __future__ import annotations

from django.db import models


class SessionChange(models.Model):
    """The last generation in which a session, its datasets or its insertions changed."""

    eid = models.UUIDField(primary_key=True)
    generation = models.BigIntegerField(db_index=True)
    gone = models.BooleanField(default=False)


class Setting(models.Model):
    """A fact about this hub: its identity, its generation, what it serves."""

    key = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField(null=True)

"""Who works with the data, and how they show who they are."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from fascicle.hub.models.base import Base, Named


class Lab(Named):
    """A laboratory, and the places where its files are."""

    institution = models.CharField(max_length=255, blank=True, default="")
    address = models.CharField(max_length=255, blank=True, default="")
    timezone = models.CharField(max_length=64, blank=True, default="UTC")
    reference_weight_pct = models.FloatField(default=0.0)
    zscore_weight_pct = models.FloatField(default=0.0)
    repositories = models.ManyToManyField("DataRepository", blank=True, related_name="lab")


class LabLocation(Named):
    """A rig or a room."""

    lab = models.ForeignKey(Lab, models.CASCADE, null=True, blank=True, related_name="location")


class LabMember(AbstractUser):
    """A user; one who is public may only read."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    is_public_user = models.BooleanField(default=False)
    is_stock_manager = models.BooleanField(default=False)
    allowed_users = models.ManyToManyField("self", symmetrical=False, blank=True)

    class Meta:
        """Order of lists."""

        ordering = ("username",)


class LabMembership(Base):
    """Who belongs to which laboratory, from when to when."""

    user = models.ForeignKey(LabMember, models.CASCADE, related_name="lab_membership")
    lab = models.ForeignKey(Lab, models.CASCADE, related_name="membership")
    role = models.CharField(max_length=255, blank=True, default="")
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)


class Project(Named):
    """A project, and who takes part."""

    description = models.TextField(blank=True, default="")
    users = models.ManyToManyField(LabMember, blank=True, related_name="projects")


class Token(models.Model):
    """What a client shows instead of a password. Only its hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)  # sha256, hex
    user = models.ForeignKey(LabMember, models.CASCADE, related_name="tokens")
    label = models.CharField(max_length=255, blank=True, default="")
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Order of lists."""

        ordering = ("-created",)

    def __str__(self) -> str:
        return self.label or str(self.id)


class LoginFailure(models.Model):
    """A login that failed, so that guessing becomes slow; shared by all processes."""

    who = models.CharField(max_length=255)  # a user's name, or an address
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """What is counted."""

        indexes = [models.Index(fields=["who", "at"])]

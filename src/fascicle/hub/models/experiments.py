"""Where probes were: insertions, trajectories, channels, brain regions."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from fascicle.hub.models.actions import Action, Session
from fascicle.hub.models.base import Base, Named
from fascicle.hub.models.data import Dataset
from fascicle.hub.models.subjects import Subject


class BrainRegion(models.Model):
    """A region of the Allen atlas; its descendants are the rows with ``lft`` in its range."""

    id = models.IntegerField(primary_key=True)
    acronym = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    lft = models.IntegerField(db_index=True)
    rght = models.IntegerField()
    level = models.IntegerField(default=0)

    class Meta:
        """Order of lists."""

        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.acronym


class ProbeModel(Named):
    """A kind of probe."""

    probe_manufacturer = models.CharField(max_length=255, blank=True, default="")
    probe_model = models.CharField(max_length=255, unique=True)
    description = models.TextField(null=True, blank=True)


class CoordinateSystem(Named):
    """What coordinates mean."""

    description = models.TextField(blank=True, default="")


class ChronicInsertion(Action):
    """A probe that stays in place over sessions."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="chronic_insertions")
    serial = models.CharField(max_length=255, blank=True, default="")
    model = models.ForeignKey(ProbeModel, models.SET_NULL, null=True, blank=True)

    class Meta:
        """Order of lists."""

        ordering = ("-start_time", "name", "id")


class ProbeInsertion(Base):
    """A probe in one session."""

    session = models.ForeignKey(
        Session, models.CASCADE, null=True, blank=True, related_name="probe_insertion"
    )
    model = models.ForeignKey(
        ProbeModel, models.SET_NULL, null=True, blank=True, related_name="probe_insertion"
    )
    serial = models.CharField(max_length=255, blank=True, default="")
    chronic_insertion = models.ForeignKey(
        ChronicInsertion, models.SET_NULL, null=True, blank=True, related_name="probe_insertion"
    )
    datasets = models.ManyToManyField(Dataset, blank=True, related_name="probe_insertion")
    auto_datetime = models.DateTimeField(auto_now=True, null=True)

    class Meta:
        """Order of lists."""

        ordering = ("-session__start_time", "name", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["session", "name"],
                name="one_insertion_by_name",
                violation_error_message="The fields name, session must make a unique set.",
            )
        ]


class TrajectoryEstimate(models.Model):
    """Where a probe is thought to have been."""

    class Provenance(models.IntegerChoices):
        """How it is known; the better, the larger."""

        EPHYS_ALIGNED = 70, "Ephys aligned histology track"
        HISTOLOGY = 50, "Histology track"
        MICRO_MANIPULATOR = 30, "Micro-manipulator"
        PLANNED = 10, "Planned"

    id = Base._meta.get_field("id").clone()
    json = models.JSONField(null=True, blank=True)
    probe_insertion = models.ForeignKey(
        ProbeInsertion, models.CASCADE, null=True, blank=True, related_name="trajectory_estimate"
    )
    chronic_insertion = models.ForeignKey(
        ChronicInsertion, models.CASCADE, null=True, blank=True, related_name="trajectory_estimate"
    )
    x = models.FloatField(null=True, blank=True)
    y = models.FloatField(null=True, blank=True)
    z = models.FloatField(null=True, blank=True)
    depth = models.FloatField(null=True, blank=True)
    theta = models.FloatField(null=True, blank=True)
    phi = models.FloatField(null=True, blank=True)
    roll = models.FloatField(null=True, blank=True)
    provenance = models.IntegerField(
        choices=Provenance.choices, default=Provenance.MICRO_MANIPULATOR
    )
    coordinate_system = models.ForeignKey(CoordinateSystem, models.SET_NULL, null=True, blank=True)
    datetime = models.DateTimeField(default=timezone.now)

    class Meta:
        """Order of lists; one of each kind for an insertion."""

        ordering = ("probe_insertion", "-provenance", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["provenance", "probe_insertion"],
                condition=models.Q(probe_insertion__isnull=False),
                name="one_trajectory_a_provenance",
            ),
            models.UniqueConstraint(
                fields=["provenance", "chronic_insertion"],
                condition=models.Q(chronic_insertion__isnull=False),
                name="one_chronic_trajectory_a_provenance",
            ),
        ]


class Channel(Base):
    """A recording site: micrometres along and across the probe, and in the brain."""

    trajectory_estimate = models.ForeignKey(
        TrajectoryEstimate, models.CASCADE, null=True, blank=True, related_name="channels"
    )
    brain_region = models.ForeignKey(
        BrainRegion, models.SET_NULL, null=True, blank=True, related_name="channels", default=0
    )
    axial = models.FloatField(null=True, blank=True)
    lateral = models.FloatField(null=True, blank=True)
    x = models.FloatField(null=True, blank=True)
    y = models.FloatField(null=True, blank=True)
    z = models.FloatField(null=True, blank=True)

    class Meta:
        """Order of lists."""

        ordering = ("trajectory_estimate", "axial", "lateral", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["axial", "lateral", "trajectory_estimate"],
                name="one_channel_a_place",
                condition=models.Q(trajectory_estimate__isnull=False),
            )
        ]


class InsertionRegion(models.Model):
    """The regions in which an insertion has channels.

    It follows from the channels of trajectories with a provenance of 70 or more, and is kept
    because a search by region would otherwise go through hundreds of channels of each insertion.
    """

    insertion = models.ForeignKey(
        ProbeInsertion, models.CASCADE, null=True, blank=True, related_name="regions"
    )
    chronic_insertion = models.ForeignKey(
        ChronicInsertion, models.CASCADE, null=True, blank=True, related_name="regions"
    )
    region = models.ForeignKey(BrainRegion, models.CASCADE, related_name="insertions")
    n_channels = models.IntegerField(default=0)

    class Meta:
        """How they are found."""

        indexes = [models.Index(fields=["region", "insertion"])]
        constraints = [
            models.UniqueConstraint(fields=["insertion", "region"], name="one_row_a_region")
        ]

"""What was done: sessions, weighings, water, surgeries, notes."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from fascicle.hub.models.base import QC, Base, Named
from fascicle.hub.models.people import Lab, LabLocation, LabMember, Project
from fascicle.hub.models.subjects import Subject


class ProcedureType(Named):
    """A kind of procedure."""

    description = models.TextField(blank=True, default="")


class WaterType(Named):
    """What an animal drinks."""


class Action(Base):
    """Something done to an animal, by someone, somewhere."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="%(app_label)s_%(class)ss")
    users = models.ManyToManyField(LabMember, blank=True)
    lab = models.ForeignKey(Lab, models.SET_NULL, null=True, blank=True)
    location = models.ForeignKey(LabLocation, models.SET_NULL, null=True, blank=True)
    procedures = models.ManyToManyField(ProcedureType, blank=True)
    narrative = models.TextField(blank=True, default="")
    start_time = models.DateTimeField(null=True, blank=True, default=timezone.now)
    end_time = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Not a table of its own."""

        abstract = True


class Session(Action):
    """A recording, or training, of one animal on one day.

    ``date`` is the day of ``start_time``, kept for searches and for the one rule that a path
    names one session.
    """

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="actions_sessions")
    projects = models.ManyToManyField(Project, blank=True)
    number = models.IntegerField(null=True, blank=True)
    date = models.DateField(null=True, blank=True, editable=False)
    type = models.CharField(max_length=255, null=True, blank=True)
    task_protocol = models.CharField(max_length=1023, blank=True, default="")
    parent_session = models.ForeignKey("self", models.SET_NULL, null=True, blank=True)
    n_trials = models.IntegerField(null=True, blank=True)
    n_correct_trials = models.IntegerField(null=True, blank=True)
    qc = models.IntegerField(choices=QC.choices, default=QC.NOT_SET)
    extended_qc = models.JSONField(null=True, blank=True)
    auto_datetime = models.DateTimeField(auto_now=True, null=True)

    class Meta:
        """Order of lists, and how they are found."""

        ordering = ("-start_time", "id")
        indexes = [
            models.Index(fields=["-start_time", "id"]),
            models.Index(fields=["lab", "-start_time"]),
            models.Index(fields=["date"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "date", "number"],
                name="one_session_by_path",
                violation_error_message="There is a session of this subject, day and number.",
            )
        ]

    def save(self, *args: object, **kwargs: object) -> None:
        """Save, with the day that follows from the time."""
        self.date = self.start_time.date() if self.start_time else None
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.subject}/{self.date}/{self.number or 0:03d}"


class Weighing(Base):
    """An animal's weight in grams."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="weighings")
    date_time = models.DateTimeField(default=timezone.now)
    weight = models.FloatField()
    user = models.ForeignKey(LabMember, models.SET_NULL, null=True, blank=True)

    class Meta:
        """Order of lists."""

        ordering = ("date_time", "id")
        indexes = [models.Index(fields=["subject", "date_time"])]


class WaterAdministration(Base):
    """Water that an animal was given, in millilitres."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="water_administrations")
    date_time = models.DateTimeField(default=timezone.now)
    water_administered = models.FloatField(null=True, blank=True)
    water_type = models.ForeignKey(WaterType, models.SET_NULL, null=True, blank=True)
    adlib = models.BooleanField(default=False)
    user = models.ForeignKey(LabMember, models.SET_NULL, null=True, blank=True)
    session = models.ForeignKey(
        Session, models.SET_NULL, null=True, blank=True, related_name="wateradmin_session_related"
    )

    class Meta:
        """Order of lists."""

        ordering = ("date_time", "id")
        indexes = [models.Index(fields=["subject", "date_time"])]


class WaterRestriction(Action):
    """A time during which an animal's water is measured."""

    water_type = models.ForeignKey(WaterType, models.SET_NULL, null=True, blank=True)
    reference_weight = models.FloatField(default=0.0)

    class Meta:
        """Order of lists."""

        ordering = ("-start_time", "id")


class Surgery(Action):
    """A surgery."""

    outcome_type = models.CharField(
        max_length=1,
        blank=True,
        default="r",
        choices=[("a", "Acute"), ("r", "Recovery"), ("n", "Non-recovery")],
    )
    implant_weight = models.FloatField(default=0.0)

    class Meta:
        """Order of lists."""

        ordering = ("-start_time", "id")
        verbose_name_plural = "surgeries"


class Note(Base):
    """Text or an image about anything."""

    user = models.ForeignKey(LabMember, models.SET_NULL, null=True, blank=True)
    date_time = models.DateTimeField(default=timezone.now)
    text = models.TextField(blank=True, default="")
    image = models.CharField(max_length=255, blank=True, default="")  # path below the uploads
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.UUIDField()
    about = GenericForeignKey()

    class Meta:
        """Order of lists."""

        ordering = ("date_time", "id")
        indexes = [models.Index(fields=["content_type", "object_id"])]

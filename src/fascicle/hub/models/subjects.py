"""Animals: enough to say which one was recorded."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from fascicle.hub.models.base import Base, Named
from fascicle.hub.models.people import Lab, LabMember, Project


class Species(Named):
    """A species by its binomial."""

    nickname = models.CharField(max_length=255, blank=True, default="")

    class Meta(Named.Meta):
        """How it is written."""

        verbose_name_plural = "species"


class Strain(Named):
    """A strain."""

    description = models.CharField(max_length=1023, blank=True, default="")


class Source(Named):
    """Where animals come from."""

    description = models.CharField(max_length=1023, blank=True, default="")


class Line(Named):
    """A genetic line."""

    nickname = models.CharField(max_length=255, blank=True, default="")
    description = models.CharField(max_length=1023, blank=True, default="")


class Litter(Base):
    """Animals born together."""

    birth_date = models.DateField(null=True, blank=True)
    description = models.CharField(max_length=1023, blank=True, default="")
    line = models.ForeignKey(Line, models.SET_NULL, null=True, blank=True)


class Subject(Base):
    """An animal."""

    nickname = models.CharField(
        max_length=255, unique=True, validators=[RegexValidator(r"^[-._~\w]+\Z")]
    )
    lab = models.ForeignKey(Lab, models.CASCADE, related_name="subjects")
    responsible_user = models.ForeignKey(
        LabMember, models.SET_NULL, null=True, blank=True, related_name="subjects_responsible"
    )
    projects = models.ManyToManyField(Project, blank=True, related_name="subjects")
    species = models.ForeignKey(Species, models.SET_NULL, null=True, blank=True)
    strain = models.ForeignKey(Strain, models.SET_NULL, null=True, blank=True)
    source = models.ForeignKey(Source, models.SET_NULL, null=True, blank=True)
    line = models.ForeignKey(Line, models.SET_NULL, null=True, blank=True)
    litter = models.ForeignKey(Litter, models.SET_NULL, null=True, blank=True)
    genotype = models.JSONField(default=list, blank=True)  # [{"allele": …, "zygosity": 0 to 3}]
    sex = models.CharField(
        max_length=1,
        blank=True,
        default="U",
        choices=[("M", "Male"), ("F", "Female"), ("U", "Unknown")],
    )
    birth_date = models.DateField(null=True, blank=True)
    death_date = models.DateField(null=True, blank=True)
    cull = models.BooleanField(default=False)
    description = models.TextField(blank=True, default="")
    ear_mark = models.CharField(max_length=32, blank=True, default="")
    cage = models.CharField(max_length=64, blank=True, default="")
    protocol_number = models.CharField(max_length=64, blank=True, default="1")
    reference_weight = models.FloatField(default=0.0)

    class Meta:
        """Order of lists."""

        ordering = ("nickname",)

    def __str__(self) -> str:
        return self.nickname

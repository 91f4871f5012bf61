"""Notes about anything: text, and an image that is uploaded."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.contenttypes.admin import GenericStackedInline
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html

from fascicle.hub.admin.base import Entered, HubAdmin, HubForm, by_me
from fascicle.hub.models import Note
from fascicle.hub.rest.notes import check_image, keep
from fascicle.hub.rest.values import Invalid


class _Picture(forms.ModelForm):
    """A note, with an image to upload in place of its path."""

    picture = forms.FileField(required=False, help_text="PNG, JPEG, GIF or WebP")

    def clean_picture(self) -> Any:
        """Look whether what was uploaded is an image."""
        file = self.cleaned_data.get("picture")
        if file is not None:
            try:
                check_image(file)
            except Invalid as error:
                raise ValidationError(str(error)) from None
        return file

    def save(self, commit: bool = True) -> Any:
        """Save the note with the image's path."""
        if picture := self.cleaned_data.get("picture"):
            self.instance.image = keep(picture)
        return super().save(commit)


class NoteForm(_Picture, HubForm):
    """A note by itself: what it is about is chosen by its table and id."""


class Notes(Entered, GenericStackedInline):
    """Notes inside the form of what they are about."""

    model = Note
    form = _Picture
    ct_fk_field = "object_id"
    fields = (("date_time", "user"), "text", "picture", "shown")
    readonly_fields = ("shown",)
    autocomplete_fields = ("user",)
    extra = 0

    @admin.display(description="Image")
    def shown(self, note: Any) -> str:
        """Return the image."""
        return image_of(note)


def image_of(note: Any) -> str:
    """Return a note's image as it stands on a page."""
    if not note.image:
        return ""
    return format_html('<img src="/uploaded/{}" alt="" style="max-height: 240px">', note.image)


@admin.register(Note)
class NoteAdmin(HubAdmin):
    """All notes; a new one is entered with the session or the animal that it is about."""

    form = NoteForm
    entered = True
    list_display = ("date_time", "user", "short", "about_what")
    list_filter = ("content_type", "user")
    list_select_related = ("user", "content_type")
    search_fields = ("text",)
    date_hierarchy = "date_time"
    autocomplete_fields = ("user",)
    fields = (("date_time", "user"), "about_what", "text", "picture", "shown", "json")
    readonly_fields = ("about_what", "shown")

    @admin.display(description="Text")
    def short(self, note: Any) -> str:
        """Return the beginning of the text."""
        text = " ".join(note.text.split())
        return text if len(text) < 80 else f"{text[:79]}…"

    @admin.display(description="About")
    def about_what(self, note: Any) -> str:
        """Return what it is about, with a link."""
        kind = note.content_type
        label = str(note.about) if note.about is not None else str(note.object_id)
        if kind.app_label != "hub" or kind.model not in ("session", "subject"):
            return f"{kind.model} {label}"
        return format_html(
            '{} <a href="/admin/hub/{}/{}/change/">{}</a>',
            kind.model,
            kind.model,
            note.object_id,
            label,
        )

    @admin.display(description="Image")
    def shown(self, note: Any) -> str:
        """Return the image."""
        return image_of(note)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: there is nothing yet that it would be about."""
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with who writes."""
        return by_me("user", request, super().get_changeform_initial_data(request))

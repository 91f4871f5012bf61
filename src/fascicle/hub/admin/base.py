"""What all forms of the admin share: effects of changes, and who may make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse

from fascicle.hub.rest import effects
from fascicle.hub.rest.answers import Refused


class Change:
    """A change that a form makes, as `fascicle.hub.rest.effects` takes it."""

    def __init__(self, request: HttpRequest, form: forms.ModelForm) -> None:
        self.request = request
        self.row = form.instance
        self.is_new = form.instance._state.adding
        self.changed = set(form.changed_data)
        # What a form leaves blank, a client does not send.
        self.values = {k: v for k, v in form.cleaned_data.items() if v not in (None, "")}
        self.given: dict[str, Any] = {}
        many = {field.name for field in form.instance._meta.many_to_many}
        self.many = {name: list(self.values[name]) for name in many & self.values.keys()}


class HubForm(forms.ModelForm):
    """A form that refuses what a client would be refused."""

    request: HttpRequest

    def _post_clean(self) -> None:
        super()._post_clean()
        self.after: Callable[[], object] = effects.nothing
        if self.errors:
            return
        try:
            self.after = effects.before_save(Change(self.request, self))
            # Again, since Django left out rules on columns that are not in the form.
            self.instance.validate_constraints()
        except Refused as error:
            self._add_refusal(error)
        except ValidationError as error:
            self.add_error(None, error.messages)

    def _add_refusal(self, error: Refused) -> None:
        for name, texts in error.body.items():
            for text in texts if isinstance(texts, list) else [texts]:
                self.add_error(name if name in self.fields else None, str(text))


class HubAdmin(admin.ModelAdmin):
    """Forms and lists of a table.

    Attributes
    ----------
    entered : bool
        Whether members enter rows; all else is for admins, and members look it up.
    """

    form = HubForm
    entered = False
    list_per_page = 50
    save_on_top = False
    formfield_overrides = {models.TextField: {"widget": forms.Textarea({"rows": 3, "cols": 80})}}

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, which knows who asks."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"request": request})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what belongs to the row, then do what follows."""
        super().save_related(request, form, formsets, change)
        form.after()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save rows inside a form; who enters them did it, if nobody else is named."""
        for row in formset.save(commit=False):
            if getattr(row, "user_id", "") is None:
                row.user = request.user
            row.save()
        for row in formset.deleted_objects:
            row.delete()
        formset.save_m2m()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row, and do what follows."""
        after = effects.before_delete(obj, request)
        super().delete_model(request, obj)
        after()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete rows one by one, since what follows is told row by row."""
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Delete a row, or say why not."""
        return self._or_refuse(
            request, lambda: super(HubAdmin, self).delete_view(request, object_id, extra_context)
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, or say why what was asked of it is refused."""
        return self._or_refuse(
            request, lambda: super(HubAdmin, self).changelist_view(request, extra_context)
        )

    def _or_refuse(self, request: HttpRequest, view: Any) -> HttpResponse:
        from django.http import HttpResponseRedirect

        try:
            with transaction.atomic():
                response: HttpResponse = view()
        except Refused as error:
            self.message_user(request, _sentence(error), messages.ERROR)
            return HttpResponseRedirect(request.path)
        return response

    # -- who may -----------------------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the table is listed for this user."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All who may enter the admin may look, but not who may only read elsewhere."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Members enter what they do; admins all."""
        return self._may_enter(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Members change what they enter; admins all."""
        return self._may_enter(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only admins delete: much may go with a row."""
        return bool(request.user.is_active and request.user.is_superuser)

    def _may_enter(self, request: HttpRequest) -> bool:
        user = request.user
        if not user.is_active or user.is_public_user:
            return False
        return bool(user.is_superuser or (user.is_staff and self.entered))


class Entered:
    """Rows inside another form, which members enter as well."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All who may enter the admin may look."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Members add."""
        return self.has_view_permission(request) and not request.user.is_public_user

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Members change."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Members take back a row that they added in the form of another."""
        return self.has_add_permission(request)


class ReadInline(admin.TabularInline):
    """Rows shown inside another form, and not changed there."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """All who may enter the admin may look."""
        return bool(request.user.is_staff)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes here."""
        return False


def _sentence(error: Refused) -> str:
    return "; ".join(
        " ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
        for texts in error.body.values()
    )


def by_me(name: str, request: HttpRequest, initial: dict[str, Any]) -> dict[str, Any]:
    """Return what a new form begins with: who asks is who did it."""
    initial.setdefault(name, [request.user.pk] if name == "users" else request.user.pk)
    return initial

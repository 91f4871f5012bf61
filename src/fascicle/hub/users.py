"""Users of a hub: made, listed, changed and removed."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from fascicle.errors import ConfigurationError, FascicleError, NotFoundError, nearest


class UserError(FascicleError, ValueError):
    """A user cannot be made or changed as asked."""

    kind = "user"


def find_user(name: str) -> Any:
    """Return the user of a name.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    from fascicle.hub.models import LabMember

    try:
        return LabMember.objects.get(username=name)
    except LabMember.DoesNotExist:
        close = nearest(name, LabMember.objects.values_list("username", flat=True))
        raise NotFoundError(
            f"there is no user {name!r}", hint=close or "fascicle hub user list"
        ) from None


def add_user(
    name: str, password: str, *, email: str = "", admin: bool = False, public: bool = False
) -> Any:
    """Make a user.

    Parameters
    ----------
    name : str
        The name to log in with.
    password : str
        The password.
    email : str
        An address.
    admin : bool
        Whether the user may change everything; others enter what they do.
    public : bool
        Whether the user may only read.

    Raises
    ------
    UserError
        If there is such a user, or the name or the password is none to take.
    """
    from django.core.exceptions import ValidationError
    from django.db import IntegrityError, transaction

    from fascicle.hub.models import LabMember

    if admin and public:
        raise UserError("an admin cannot be one who may only read")
    user = LabMember(
        username=name,
        email=email,
        is_staff=not public,  # who may write by a program may do so in forms
        is_superuser=admin,
        is_public_user=public,
    )
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise UserError("; ".join(error.messages)) from None
    _set_password(user, password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise UserError(
            f"there is a user {name!r} already", hint=f"fascicle hub user password {name}"
        ) from None
    return user


def change_password(name: str, password: str) -> None:
    """Give a user another password; tokens that were made with the old one end."""
    user = find_user(name)
    _set_password(user, password)
    user.save(update_fields=["password"])
    user.tokens.all().delete()


def set_public(name: str, public: bool) -> None:
    """Let a user only read, or write as well."""
    user = find_user(name)
    if public and user.is_superuser:
        raise UserError(f"{name!r} is an admin, who cannot be one who may only read")
    user.is_public_user = public
    user.save(update_fields=["is_public_user"])


def remove_user(name: str) -> bool:
    """Remove a user, or let the user no longer log in where rows of others name the user.

    Returns
    -------
    bool
        Whether the user is gone; False if what the user did keeps the name.
    """
    from fascicle.hub.models import LabMember

    user = find_user(name)
    others = LabMember.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if user.is_superuser and not others.exists():
        raise UserError(
            f"{name!r} is the last admin", hint="make another: fascicle hub user add NAME --admin"
        )
    user.tokens.all().delete()
    if _is_named(user):
        user.is_active = False
        user.set_unusable_password()
        user.save()
        return False
    user.delete()
    return True


def user_rows() -> list[dict[str, Any]]:
    """Return the users as plain values, by name."""
    from django.db.models import Count

    from fascicle.hub.models import LabMember

    return [
        {
            "user": user.username,
            "email": user.email,
            "role": _role(user),
            "active": user.is_active,
            "tokens": user.n_tokens,
            "last_login": user.last_login,
        }
        for user in LabMember.objects.annotate(n_tokens=Count("tokens")).order_by("username")
    ]


def token_rows(name: str | None = None) -> list[dict[str, Any]]:
    """Return the tokens as plain values, never the tokens themselves."""
    from fascicle.hub.models import Token

    found = Token.objects.select_related("user").order_by("user__username", "-created")
    if name is not None:
        found = found.filter(user=find_user(name))
    now = datetime.now()
    return [
        {
            "id": str(token.id)[:8],
            "user": token.user.username,
            "label": token.label,
            "created": token.created,
            "expires": token.expires,
            "expired": token.expires is not None and token.expires < now,
            "last_used": token.last_used,
        }
        for token in found
    ]


def revoke(beginning: str) -> int:
    """End the token whose id begins so, or all tokens of the user of that name.

    Returns
    -------
    int
        How many tokens were ended.

    Raises
    ------
    NotFoundError
        If there is neither.
    ConfigurationError
        If several ids begin so.
    """
    from fascicle.hub.models import LabMember, Token

    ids = [pk for pk in Token.objects.values_list("pk", flat=True) if str(pk).startswith(beginning)]
    if len(ids) > 1:
        raise ConfigurationError(f"{len(ids)} tokens have an id that begins with {beginning!r}")
    if ids:
        return int(Token.objects.filter(pk=ids[0]).delete()[0])
    if LabMember.objects.filter(username=beginning).exists():
        return int(Token.objects.filter(user__username=beginning).delete()[0])
    raise NotFoundError(
        f"there is neither a token nor a user {beginning!r}", hint="fascicle hub token list"
    )


def generate_password() -> str:
    """Return a password that nobody guesses."""
    return secrets.token_urlsafe(12)


def _set_password(user: Any, password: str) -> None:
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    try:
        validate_password(password, user)
    except ValidationError as error:
        raise UserError(
            "this password will not do: " + " ".join(error.messages),
            hint="--generate makes one",
        ) from None
    user.set_password(password)


def _role(user: Any) -> str:
    if user.is_superuser:
        return "admin"
    return "public" if user.is_public_user else "member"


def _is_named(user: Any) -> bool:
    """Return whether something that was done names the user."""
    for relation in user._meta.related_objects:
        model = relation.related_model
        if model._meta.model_name in ("token", "logentry", "labmember"):
            continue
        if model.objects.filter(**{relation.field.name: user}).exists():
            return True
    return False

"""Notes about anything, and the images that belong to them.

An image is what its bytes say, whatever its name: PNG, JPEG, GIF or WebP. It lies in the hub's
state folder and is shown to who has logged in.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified

from fascicle.hub.models import Note
from fascicle.hub.rest.answers import Refused, not_allowed, refusal
from fascicle.hub.rest.fields import Field, Page, Related
from fascicle.hub.rest.filters import columns, is_
from fascicle.hub.rest.resource import Resource
from fascicle.hub.rest.values import Invalid

#: Bytes that an image may have.
LARGEST = 20_000_000
#: What Alyx calls the tables that notes may be about.
APPS = {
    "actions": "session surgery weighing wateradministration waterrestriction",
    "subjects": "subject",
    "data": "dataset filerecord tag",
    "experiments": "probeinsertion trajectoryestimate channel chronicinsertion",
    "misc": "lab",
}
_APP_OF = {model: app for app, models in APPS.items() for model in models.split()}
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
_NAME = re.compile(r"\d{4}/\d{2}/\d{2}/[\w-]{1,80}\.[\w-]{8,40}\.(png|jpg|gif|webp)\Z", re.ASCII)


def kind_of(head: bytes) -> str:
    """Return the extension of an image by its first bytes; empty if it is none.

    Parameters
    ----------
    head : bytes
        At least its first 16 bytes.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return ""


def check_image(image: UploadedFile) -> str:
    """Return the extension of what was sent.

    Raises
    ------
    Invalid
        If it is no image, or too large.
    """
    if image.size is None or image.size > LARGEST:
        raise Invalid(f"An image has at most {LARGEST:,} bytes.")
    image.seek(0)
    kind = kind_of(image.read(16))
    if not kind:
        raise Invalid(
            "Upload a valid image. The file you uploaded was either not an image or a corrupted "
            "image."
        )
    return kind


def keep(image: UploadedFile) -> str:
    """Write an image below the uploads.

    Parameters
    ----------
    image : UploadedFile
        What was sent; see `check_image`.

    Returns
    -------
    str
        Its path below the uploads.
    """
    from fascicle.hub.setup import current

    kind = check_image(image)
    stem = re.sub(r"[^\w-]+", "_", Path(image.name or "image").stem, flags=re.ASCII)[:80]
    stem = stem or "image"
    name = f"{date.today():%Y/%m/%d}/{stem}.{secrets.token_hex(16)}.{kind}"
    path = current().uploads / name
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    image.seek(0)
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in image.chunks():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)  # a full disk stays no fuller
        raise
    return name


def image(request: HttpRequest, name: str) -> HttpResponse:
    """Answer the image of a note."""
    from fascicle.hub.setup import current

    if request.method not in ("GET", "HEAD"):
        return refusal(not_allowed(request.method, "GET, HEAD"))
    found = _NAME.match(name)
    root = current().uploads.resolve()
    path = root / name
    if found is None or not path.resolve().is_relative_to(root) or not path.is_file():
        return refusal(Refused(404, "There is no such image."))
    tag = f'"{path.name}"'  # what lies under a name never changes
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    response = FileResponse(path.open("rb"), content_type=_TYPES[found[1]])
    response.headers["Content-Length"] = str(path.stat().st_size)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private"
    # It was sent by a user: no browser is to take it for a page
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def about(text: Any) -> ContentType:
    """Return the table that a note is about, by ``session`` or ``actions.session``.

    Raises
    ------
    Invalid
        If there is none, or nobody may write about it.
    """
    name = str(text).lower().rpartition(".")[2]
    if name not in _APP_OF:
        known = ", ".join(sorted(_APP_OF))
        raise Invalid(
            f"Object with model={str(text)[:80]} does not exist. Notes are about one of: {known}."
        )
    model = apps.get_model("hub", name)
    found: ContentType = ContentType.objects.get_for_model(model)
    return found


class About(Field):
    """The table that a note is about, as Alyx names it."""

    kind = "about"

    def render(self, page: Page) -> Sequence[str]:
        """Return the name of each note's table."""
        found = []
        for name in page[self.source]:
            app = _APP_OF.get(name, "hub")
            found.append(f"{app}.{name}")
        return found

    @property
    def attribute(self) -> str:
        """The relation."""
        return "content_type"

    def take(self, value: Any) -> ContentType:
        """Return the table that a client names."""
        return about(value)

    def _schema(self, model: Any) -> dict[str, Any]:
        return {"type": "string"}


class Image(Field):
    """The address of a note's image; clients send the image itself, as a part of a form."""

    kind = "image"

    def render(self, page: Page) -> Sequence[str | None]:
        """Return the address of each note's image."""
        return [f"{page.base}/uploaded/{name}" if name else None for name in page[self.source]]

    def take(self, value: Any) -> UploadedFile | str:
        """Return the image that a client sent; nothing takes it away."""
        if value in (None, ""):
            return ""
        if not isinstance(value, UploadedFile):
            raise Invalid("The submitted data was not a file. Check the encoding type on the form.")
        check_image(value)
        return value

    def _schema(self, model: Any) -> dict[str, Any]:
        return {"type": "string", "format": "uri", "nullable": True}


NOTES = Resource(
    "notes",
    Note,
    order=("date_time", "pk"),
    fields=(
        Field("id", read_only=True),
        Related("user", "user__username"),
        Field("date_time"),
        About("content_type", "content_type__model", required=True),
        Field("object_id", required=True),
        Field("text"),
        Image("image"),
        Field("json"),
    ),
    filters=(
        *columns("id", "object_id", "text"),
        is_("user", "user__username"),
        is_("content_type", "content_type__model"),
    ),
    help="Text and images about anything.",
)

RESOURCES = (NOTES,)

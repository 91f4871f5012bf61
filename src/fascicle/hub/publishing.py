"""The datasets of a tag as a folder of their own, which can be published as a release."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import CatalogueError, ConfigurationError, nearest
from fascicle.hub.config import HubConfig
from fascicle.hub.setup import prepare

if TYPE_CHECKING:
    from fascicle.releases import Published

_TABLES = ("sessions.pqt", "datasets.pqt")
_SUBJECTS = "subjects.csv"


def publish_tag(config: HubConfig, tag: str, **options: Any) -> Published:
    """Publish the datasets of a tag as a version of a release.

    Parameters
    ----------
    config : HubConfig
        The hub.
    tag : str
        The tag's name.
    **options
        See `fascicle.releases.publish`; the project is named after the tag, and described as the
        tag is, unless something else is said.

    Returns
    -------
    Published
        What was sent.

    Raises
    ------
    ConfigurationError
        There is no such tag, or the hub has no folder.
    CatalogueError
        A file of the tag is not in the hub's folder.
    """
    from fascicle.releases import publish

    folder = stage(config, tag)
    from fascicle.hub.models import Tag

    text = Tag.objects.get(name=tag).description
    if text and not options.get("description"):
        options["description"] = text
    return publish(folder, **{**options, "project": options.get("project") or tag})


def stage(config: HubConfig, tag: str) -> Path:
    """Bring the files of a tag together, and their tables; return the folder.

    Files are linked, not copied, where the hub's state and its folder are on one disk. The folder
    stays, so that files are not hashed again for the next version.
    """
    prepare(config)
    from fascicle.hub.building import build, zip_name
    from fascicle.hub.models import Tag

    if config.folder is None:
        raise ConfigurationError("this hub has no folder whose files could be published")
    names = list(Tag.objects.values_list("name", flat=True))
    if tag not in names:
        raise ConfigurationError(
            f"there is no tag {tag!r}", hint=nearest(tag, names) or f"tags are {', '.join(names)}"
        )
    place = config.state / "releases" / hashlib.sha256(tag.encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    wanted: set[Path] = set()
    missing: list[str] = []
    for inside, sources in _files(config, tag):
        target = place / inside
        wanted.add(target)
        source = next((path for path in sources if os.path.isfile(path)), None)
        if source is None:
            missing.append(inside)
        else:
            _link(Path(source), target)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CatalogueError(
            f"{missing[0]}{more} of {tag} is not in {config.folder}",
            hint="bring the files back, or take these datasets out of the tag",
        )
    _remove_others(place, wanted)
    found = build(config, tag)
    with zipfile.ZipFile(config.catalogue / found["place"] / zip_name(tag)) as tables:
        for name in _TABLES:
            part = place / f".{name}.part"
            part.write_bytes(tables.read(name))
            part.replace(place / name)
    _write_subjects(place, tag)
    return place


def _write_subjects(place: Path, tag: str) -> None:
    """Write what the hub knows of the animals: the folder's files do not say it."""
    from fascicle.hub.models import Subject

    rows = Subject.objects.filter(actions_sessions__data_dataset_session_related__tags__name=tag)
    part = place / f".{_SUBJECTS}.part"
    with part.open("w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(("subject", "species", "sex", "date_of_birth"))
        columns = ("nickname", "species__name", "sex", "birth_date")
        for row in rows.order_by("nickname").distinct().values_list(*columns):
            out.writerow("" if value is None else value for value in row)
    part.replace(place / _SUBJECTS)


def _files(config: HubConfig, tag: str) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield where each file of a tag goes, and where it may be."""
    from fascicle.hub.files import ways_to
    from fascicle.hub.models import FileRecord
    from fascicle.hub.paths import natural_path, root
    from fascicle.hub.places import ODD_PATH
    from fascicle.hub.setup import REPOSITORY

    assert config.folder is not None
    rows = FileRecord.objects.filter(
        dataset__tags__name=tag, dataset__session__isnull=False, data_repository__name=REPOSITORY
    )
    of = "dataset__session__"
    columns = (
        "dataset_id",
        "relative_path",
        "json",
        f"{of}lab__name",
        f"{of}subject__nickname",
        f"{of}date",
        f"{of}number",
        "dataset__collection",
        "dataset__revision__name",
        "dataset__name",
    )
    for did, relative, more, lab, *parts in rows.order_by("pk").values_list(*columns):
        natural = natural_path(*parts)
        top = root("/", lab).lstrip("/")
        odd = more.get(ODD_PATH) if isinstance(more, dict) else None
        yield top + natural, ways_to(config.folder, odd or top + (relative or natural), did)


def _link(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if target.samefile(source):
            return
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file that is somebody else's
        shutil.copy2(source, target)


def _remove_others(place: Path, wanted: set[Path]) -> None:
    """Remove files that are in the tag no more."""
    for path in place.rglob("*"):
        inside = path.relative_to(place)
        ours = inside.parts[0].startswith(".") or inside.name in _TABLES
        if not ours and len(inside.parts) > 1 and path.is_file() and path not in wanted:
            path.unlink()

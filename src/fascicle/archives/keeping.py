"""Catalogues that are made of a release's tables once, and kept: their content never changes."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.catalogue.query import Catalogue
from fascicle.catalogue.schema import FORMAT
from fascicle.errors import CatalogueError

if TYPE_CHECKING:
    from fascicle.catalogue.columns import Columns

_STEM = "catalogue"


def places(content: bytes, recipe: str, folders: Sequence[Path]) -> list[Path]:
    """Return where the catalogue of a version may be kept; see `kept_catalogue`."""
    digest = blake2b(content + f"|{recipe}|{FORMAT}".encode(), digest_size=16).hexdigest()
    return [folder / "catalogues" / digest for folder in folders]


def kept_catalogue(
    content: bytes,
    recipe: str,
    folders: Sequence[Path],
    make: Callable[[], Columns],
    *,
    root: Path,
) -> Catalogue:
    """Return the catalogue of a version, from where it is kept or else from its tables.

    Parameters
    ----------
    content : bytes
        The manifest: other content is another catalogue.
    recipe : str
        What the catalogue depends on beside it.
    folders : sequence of pathlib.Path
        Where it may be kept, the best place first. Where none can be written, it is in memory.
    make : callable
        Returns the columns. Called only if it is not kept.
    root : pathlib.Path
        The folder that paths are relative to.
    """
    homes = places(content, recipe, folders)
    for place in homes:
        if (found := _open(place, root)) is not None:
            return found
    columns = make()
    from fascicle.catalogue import segment

    columns.arrange()
    for place in homes:
        part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
        try:
            part.mkdir(parents=True)
            segment.write(columns, part / _STEM)
            with contextlib.suppress(OSError):  # another process was first
                os.rename(part, place)
        except OSError:
            continue
        finally:
            shutil.rmtree(part, ignore_errors=True)
        if (found := _open(place, root)) is not None:
            return found
    from fascicle.catalogue.memory import in_memory

    return in_memory(columns, root=root)


def _open(place: Path, root: Path) -> Catalogue | None:
    if not (place / f"{_STEM}.sqlite").is_file():
        return None
    try:
        return Catalogue.from_files(place / _STEM, root=root, number=0)
    except CatalogueError:  # harmed, or of an interrupted machine: it is made again
        with contextlib.suppress(OSError):
            os.rename(place, place.with_name(f".{place.name}.{secrets.token_hex(4)}.part"))
        return None

"""The folder that is to be released, with an index of what it holds now."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fascicle.errors import CatalogueError
from fascicle.releases.about import FILES
from fascicle.releases.rules import DOCUMENT_ENDINGS, DOCUMENTS
from fascicle.releases.tables import PLACES, Contents

_TABLES = ("sessions.pqt", "datasets.pqt", "insertions.pqt")
_LARGEST = 32 << 20


@dataclass(slots=True)
class Prepared:
    """A folder, and what its index says.

    Attributes
    ----------
    root : pathlib.Path
    contents : Contents
        Its datasets.
    rejected : list of (str, str)
        Files that are no datasets, and why; those that are released beside are not among them.
    documents : list of str
        Files at its root that describe it.
    """

    root: Path
    contents: Contents
    rejected: list[tuple[str, str]]
    documents: list[str]


@contextmanager
def prepared(
    folder: str | os.PathLike[str], *, keep: bool, progress: bool = False
) -> Iterator[Prepared]:
    """Bring the index of a folder up to date, and read it.

    Parameters
    ----------
    folder : path-like
    keep : bool
        Whether to write the index into the folder, where that can be done; else it is made
        elsewhere, with the ids and all else that the folder's own says.
    progress : bool
        Show bars on stderr.
    """
    from fascicle.catalogue import Catalogue, index
    from fascicle.catalogue.schema import HIDDEN

    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise CatalogueError(f"{root} is no folder", hint="name the folder of the recordings")
    hidden = root / HIDDEN
    writable = os.access(root, os.W_OK) and (not hidden.exists() or os.access(hidden, os.W_OK))
    with tempfile.TemporaryDirectory(prefix="fascicle-") as elsewhere:
        tables = root
        if not (keep and writable):
            tables = Path(elsewhere)
            _copy_index(root, tables, HIDDEN)
        report = index(root, tables_dir=tables, progress=progress)
        catalogue = Catalogue.open(root, tables_dir=tables)
        try:
            contents = Contents(catalogue)
        finally:
            catalogue.close()
        documents = [name for name in sorted(os.listdir(root)) if _is_document(root / name)]
        # What a release has beside its data is no surprise in a folder that was one.
        ours = {*documents, *FILES, *PLACES.values()}
        rejected = [
            (path, reason)
            for path, reason in report.rejected
            if path not in ours and not path.startswith("manifests/")
        ]
        yield Prepared(root, contents, rejected, documents)


def _copy_index(root: Path, tables: Path, hidden: str) -> None:
    for name in _TABLES:
        if (root / name).is_file():
            shutil.copy2(root / name, tables / name)
    for name in ("log", "segments", "exports.json"):
        source = root / hidden / name
        if source.is_dir():
            shutil.copytree(source, tables / hidden / name, copy_function=shutil.copy2)
        elif source.is_file():
            (tables / hidden).mkdir(exist_ok=True)
            shutil.copy2(source, tables / hidden / name)


def _is_document(path: Path) -> bool:
    stem, _, ending = path.name.partition(".")
    return (
        stem.lower() in DOCUMENTS
        and ending.lower() in DOCUMENT_ENDINGS
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size <= _LARGEST
    )

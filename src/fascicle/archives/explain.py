"""Why a search found nothing: the terms that no session of the archives has, and what is near."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fascicle.alf import spec
from fascicle.archives import match
from fascicle.archives.select import split_path
from fascicle.errors import nearest

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue

_COLUMNS = {"lab": "lab", "subject": "subject", "task": "task_protocol", "project": "projects"}


def why_empty(catalogues: Iterable[Catalogue], terms: dict[str, Any]) -> list[str]:
    """Return a sentence for each word that matches nothing in any of the catalogues.

    Parameters
    ----------
    catalogues : iterable of Catalogue
        Where it was searched.
    terms : dict
        The terms of the search, as given to ``fascicle.find``.

    Returns
    -------
    list of str
        E.g. ``no subject is 'NYU-1': did you mean 'NYU-01'?``. Empty where each word matches
        something, and only all of them together match nothing.
    """
    catalogues = list(catalogues)
    sentences = []
    for term, column in _COLUMNS.items():
        if term not in terms:
            continue
        known = {value for cat in catalogues for value in cat.values(column)}
        if term == "project":
            known = {part.strip() for value in known for part in value.split(",")}
        for word in match.several(terms[term]):
            if not any(map(match.text(word), known)):
                sentences.append(_sentence(f"no {term} is {word!r}", word, known))
    for word in match.several(terms.get("datasets", [])):
        pattern = match.dataset(word)
        paths = {path for cat in catalogues for path in cat.paths()}
        names = {split_path(path).name for path in paths}
        if any(map(pattern.test, paths if pattern.of == "path" else names)):
            continue
        sentences.append(_sentence(f"no dataset is {word!r}", word, _stems(names)))
    return sentences


def _sentence(what: str, word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f"{what}: {near}" if near else what


def _stems(names: Iterable[str]) -> set[str]:
    stems = set()
    for name in names:
        if parts := spec.parse_name(name):
            stems |= {parts.object, f"{parts.object}.{parts.attribute}"}
    return stems

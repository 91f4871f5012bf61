"""From words to the datasets of one session: which match, in which revision, or why none does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fascicle.alf import spec
from fascicle.archives import match
from fascicle.archives.select import Choice, default_revisions, guessed, mixed_revisions, split_path
from fascicle.errors import (
    ALFMultipleCollectionsFound,
    ALFMultipleObjectsFound,
    ALFObjectNotFound,
    ALFWarning,
    nearest,
)

if TYPE_CHECKING:
    from fascicle.catalogue import Datasets

_ANY_QC = 50


class Shelf:
    """The datasets of one session, to choose from.

    Parameters
    ----------
    datasets : Datasets
        The session's datasets as the catalogue has them.
    marked : bool
        Whether the catalogue says which revisions are the default.
    label : str
        How messages call the session.
    """

    def __init__(self, datasets: Datasets, *, marked: bool, label: str) -> None:
        self.paths: list[str] = datasets.rel_paths
        self.qc: list[int] = datasets.qc
        self.default: list[bool] | None = datasets.default if marked else None
        self.label = label

    def matching(
        self,
        words: str | Sequence[str] | None = None,
        collection: str | None = None,
        qc: int = 40,
    ) -> list[int]:
        """Return the positions of the datasets that match any of the words, every revision."""
        tests = [match.dataset(w) for w in match.several(words)] if words is not None else []
        in_place = match.text(collection) if collection is not None else None
        out = []
        for position, path in enumerate(self.paths):
            if self.qc[position] > qc:
                continue
            parts = split_path(path)
            if in_place is not None and not in_place(parts.collection):
                continue
            if tests and not any(t.test(path if t.of == "path" else parts.name) for t in tests):
                continue
            out.append(position)
        return out

    def of_object(
        self,
        object: str,
        collection: str | None = None,
        attribute: str | Sequence[str] | None = None,
        namespace: str | None = None,
        qc: int = 40,
    ) -> list[int]:
        """Return the positions of the datasets of one object, every revision.

        Raises
        ------
        ALFMultipleObjectsFound
            If the word matches several.
        """
        is_object = match.text(object)
        is_attribute = match.any_text(attribute) if attribute is not None else None
        positions, names = [], set()
        for position in self.matching(None, collection, qc):
            parts = spec.parse_name(split_path(self.paths[position]).name)
            if parts is None or not is_object(parts.object):
                continue
            whole = f"{parts.attribute}_{parts.timescale}" if parts.timescale else parts.attribute
            if is_attribute and not (is_attribute(parts.attribute) or is_attribute(whole)):
                continue
            if namespace is not None and parts.namespace != namespace:
                continue
            positions.append(position)
            names.add(parts.object)
        if len(names) > 1:
            raise ALFMultipleObjectsFound(
                f"{object!r} matches the objects {', '.join(sorted(names))}",
                hint=f'load one of them, e.g. "{min(names)}"',
            )
        return positions

    def one_each(
        self, positions: Sequence[int], revision: str | None = None, *, strict: bool = True
    ) -> list[Choice]:
        """Return one revision of each dataset; positions are those of the shelf.

        Where several are marked as the default, strict raises, and else the latest is taken.
        """
        paths = [self.paths[p] for p in positions]
        marked = [self.default[p] for p in positions] if self.default is not None else None
        return [
            choice._replace(position=positions[choice.position])
            for choice in default_revisions(paths, marked, before=revision, assert_unique=strict)
        ]

    def pick(
        self,
        wanted: str,
        positions: Sequence[int],
        collection: str | None,
        revision: str | None,
        qc: int = 40,
    ) -> list[str]:
        """Return the paths to load: one collection, one revision of each, and what was guessed.

        Raises
        ------
        ALFObjectNotFound, ALFMultipleCollectionsFound
            If nothing is left, or several collections.
        """
        if not positions:
            raise self._not_found(wanted, collection, qc)
        places = sorted({split_path(self.paths[p]).collection for p in positions})
        if len(places) > 1:
            listed = ", ".join(f'"{place}"' for place in places)
            raise ALFMultipleCollectionsFound(
                f"{wanted!r} is in several collections of {self.label}: {listed}",
                hint=f'say which one, e.g. collection="{places[-1]}"',
            )
        choices = self.one_each(positions, revision)
        if not choices:
            raise ALFObjectNotFound(
                f"no revision of {wanted!r} is as old as {revision!r}",
                hint="leave out revision= for the default one",
            )
        _tell(wanted, choices)
        return sorted(self.paths[choice.position] for choice in choices)

    def collections(self, words: str | Sequence[str] | None = None, qc: int = 40) -> list[str]:
        """Return the collections that hold what matches, sorted."""
        return sorted({split_path(self.paths[p]).collection for p in self.matching(words, qc=qc)})

    def _not_found(self, wanted: str, collection: str | None, qc: int) -> ALFObjectNotFound:
        """Return the error that says why nothing matches."""
        where = f" in collection {collection!r}" if collection is not None else ""
        if seen := self.matching(wanted, collection, qc):
            names = [spec.parse_name(split_path(self.paths[p]).name) for p in seen]
            attributes = sorted({parts.attribute for parts in names if parts is not None})
            if not attributes:  # the files of some releases are no parts of objects
                return ALFObjectNotFound(
                    f"{wanted!r}{where} of {self.label} is a file, and no object",
                    hint=f'session.file("{self.paths[seen[0]]}") returns its path',
                )
            return ALFObjectNotFound(
                f"{wanted!r}{where} of {self.label} has no such attribute or namespace",
                hint=f"attributes: {', '.join(attributes)}",
            )
        if self.matching(wanted, collection, _ANY_QC):
            return ALFObjectNotFound(
                f"{wanted!r}{where} of {self.label} is hidden by its quality control",
                hint='load it all the same with qc="CRITICAL"',
            )
        if collection is not None and (elsewhere := self.collections(wanted)):
            return ALFObjectNotFound(
                f"{self.label} has no {wanted!r}{where}",
                hint=f'it is in collection="{elsewhere[0]}"'
                + (f" (and {len(elsewhere) - 1} more)" if len(elsewhere) > 1 else ""),
            )
        known: set[str] = set()
        for path in self.paths:
            if parts := spec.parse_name(split_path(path).name):
                known |= {parts.object, f"{parts.object}.{parts.attribute}"}
        return ALFObjectNotFound(
            f"{self.label} has no {wanted!r}{where}",
            hint=nearest(wanted, known) or f"session.list() shows its {len(self.paths)} datasets",
        )


_TOLD: set[str] = set()


def _tell(wanted: str, choices: list[Choice]) -> None:
    """Warn where revisions were guessed or differ."""
    said, mixed = guessed(choices), mixed_revisions(choices)
    if mixed:
        listed = ", ".join(f'"{revision}"' for revision in mixed)
        text = f"Multiple revisions: {listed} among the datasets of {wanted!r}"
    elif said:
        text = (
            f"none of the revisions of {wanted!r} is marked as the default: "
            f'the latest was taken, e.g. "{said[0].revision}"'
        )
    else:
        return
    # Once per process: a loop over sessions would say the same each time.
    if text not in _TOLD:
        _TOLD.add(text)
        warnings.warn(text, ALFWarning, stacklevel=4)

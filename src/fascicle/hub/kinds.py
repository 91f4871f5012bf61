"""Which dataset type and data format a file is of, by its name."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from uuid import UUID

from fascicle.alf.names import parse_name
from fascicle.hub.models import DataFormat, DatasetType

UNKNOWN = "unknown"


def type_name(filename: str) -> str:
    """Return the name of the type that a file is of where no pattern says so: object.attribute."""
    parts = parse_name(filename)
    return f"{parts.object}.{parts.attribute}" if parts else UNKNOWN


class DatasetTypes:
    """The dataset types of a hub, kept in memory to look up many names.

    A type with a pattern has the files whose names match it, upper and lower case alike; one
    without has those whose object and attribute are its name. Of several patterns the one with
    the most letters counts: it says most.
    """

    def __init__(self) -> None:
        self._names: dict[str, UUID] = {}
        self._patterns: list[tuple[str, UUID]] = []
        self._plain: set[str] = set()
        self._memo: dict[str, UUID | None] = {}
        rows = DatasetType.objects.values_list("pk", "name", "filename_pattern")
        for pk, name, pattern in rows:
            self._add(pk, name, pattern)

    def _add(self, pk: UUID, name: str, pattern: str | None) -> None:
        self._names[name] = pk
        if pattern:
            self._patterns.append((pattern.lower(), pk))
        else:
            self._plain.add(name)

    def by_name(self, name: str) -> UUID | None:
        """Return the id of the type of a name."""
        return self._names.get(name)

    def of(self, filename: str) -> UUID | None:
        """Return the id of a file's type; None where none fits."""
        if filename not in self._memo:
            self._memo[filename] = self._find(filename)
        return self._memo[filename]

    def _find(self, filename: str) -> UUID | None:
        lower = filename.lower()
        fits = [(_letters(p), p, pk) for p, pk in self._patterns if fnmatchcase(lower, p)]
        if fits:
            return max(fits)[2]
        name = type_name(filename)
        return self._names[name] if name in self._plain else None

    def make_for(self, filenames: Iterable[str]) -> None:
        """Make the types that some files lack; each is named after object and attribute."""
        for filename in filenames:
            if self.of(filename) is not None:
                continue
            name = type_name(filename)
            # One of that name whose pattern does not fit was meant for other files, yet names are
            # unique: the files are of that type all the same.
            if name not in self._names:
                pk = DatasetType.objects.create(name=name).pk
                self._add(pk, name, None)
            self._memo[filename] = self._names[name]


class DataFormats:
    """The data formats of a hub, by the endings of names."""

    def __init__(self) -> None:
        rows = DataFormat.objects.values_list("pk", "name", "file_extension")
        self._by_ending = {ending.lower(): pk for pk, _, ending in rows if ending}
        self._by_name = {name: pk for pk, name, _ in rows}

    def of(self, filename: str) -> UUID | None:
        """Return the id of a file's format, by the longest ending that is known."""
        rest = filename.lower()
        while "." in rest:
            rest = rest.partition(".")[2]
            found = self._by_ending.get(f".{rest}")
            if found is not None:
                return found
        return None

    def make_for(self, filenames: Iterable[str]) -> None:
        """Make the formats that some files lack, named after their endings."""
        for filename in filenames:
            ending = filename.rpartition(".")[2].lower() if "." in filename else ""
            if not ending or self.of(filename) is not None:
                continue
            pk = self._by_name.get(ending)
            if pk is None:
                pk = DataFormat.objects.create(name=ending, file_extension=f".{ending}").pk
                self._by_name[ending] = pk
            self._by_ending[f".{ending}"] = pk


def _letters(pattern: str) -> int:
    return sum(c not in "*?" for c in pattern)

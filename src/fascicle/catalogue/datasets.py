"""The datasets of one session, as a catalogue hands them out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fascicle.catalogue.ids import make_uuids
from fascicle.catalogue.schema import DEFAULT, EXISTS, QC_MASK, QC_SHIFT, QC_VALUES, RECORD

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.catalogue.query import Catalogue


class Datasets:
    """The datasets of one session, sorted by path.

    Attributes
    ----------
    rel_paths : list of str
        Paths relative to the session.
    flags : bytes
        One byte each (see ``schema``).
    """

    __slots__ = ("_catalogue", "_first", "eid", "flags", "rel_paths")

    def __init__(
        self, catalogue: Catalogue, eid: UUID, first: int, rel_paths: list[str], flags: bytes
    ) -> None:
        self._catalogue = catalogue
        self._first = first
        self.eid = eid
        self.rel_paths = rel_paths
        self.flags = flags

    def __len__(self) -> int:
        return len(self.rel_paths)

    @property
    def exists(self) -> list[bool]:
        """Whether the archive that lists each dataset has it."""
        return [bool(f & EXISTS) for f in self.flags]

    @property
    def qc(self) -> list[int]:
        """Quality control of each, as Alyx counts it: 0, 10, 30, 40 or 50."""
        return [QC_VALUES[(f & QC_MASK) >> QC_SHIFT] for f in self.flags]

    @property
    def default(self) -> list[bool]:
        """Whether each is recorded as the default revision."""
        return [bool(f & DEFAULT) for f in self.flags]

    def record(self, k: int) -> tuple[UUID, str, int | None]:
        """Return id, hash (empty where unknown) and size in bytes of the k-th dataset."""
        return self._catalogue._record(self._first + k, self.flags[k])

    def seen(self, k: int) -> tuple[int, int, int] | None:
        """Return mtime, ctime (both in ns) and inode of the k-th file as the index last saw it.

        None where it saw none, or so shortly after the file was written that these cannot tell.
        """
        return self._catalogue._seen(self._first + k)

    @property
    def ids(self) -> list[UUID]:
        """Ids of the datasets."""
        raw = self._catalogue._records(self._first, len(self))
        return make_uuids([raw[i : i + 16] for i in range(0, len(raw), RECORD)])

    @property
    def hashes(self) -> list[str]:
        """Hash of each (md5 in hexadecimal on an Alyx); empty where unknown."""
        return [self.record(k)[1] for k in range(len(self))]

    @property
    def sizes(self) -> list[int | None]:
        """Size of each in bytes; None where unknown."""
        return [self.record(k)[2] for k in range(len(self))]

    def frame(self) -> pd.DataFrame:
        """Return ONE's table of these datasets, indexed by id."""
        from fascicle.catalogue import frames

        return frames.session_datasets(self)

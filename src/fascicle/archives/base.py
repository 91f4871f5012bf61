"""What an archive is: it says what exists and where its bytes are.

Everything that fascicle does with data starts from an `Archive`; a new kind of archive is one class
with these few methods, and one subclass of ``fascicle.testing.ArchiveTests``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

from fascicle.transfer.source import Source as Source

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from fascicle.archives.session import OpenSession
    from fascicle.catalogue import Catalogue
    from fascicle.transfer.bars import Shown

#: How a session is named: its eid, its path, ``2020-01-01_1_subject``, or an open session.
SessionName: TypeAlias = "str | UUID | Path | OpenSession"

#: The terms of ``fascicle.find`` that any archive with a catalogue can answer.
SEARCH_TERMS = frozenset(
    {"region", "hemisphere", "datasets", "lab", "subject", "date", "number"}
    | {"task", "project", "qc"}
)


class DatasetRef(NamedTuple):
    """One dataset: the session that it belongs to, and its path relative to that session."""

    eid: UUID
    path: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an archive can do.

    Attributes
    ----------
    search_terms : frozenset of str
        The terms of ``fascicle.find`` that it answers.
    writable : bool
        Whether datasets can be added.
    needs_login : bool
        Whether it answers only those who are known.
    """

    search_terms: frozenset[str] = field(default=SEARCH_TERMS)
    writable: bool = False
    needs_login: bool = False


@runtime_checkable
class Holder(Protocol):
    """An archive whose datasets are parts of larger files, and can be read from there."""

    def value(self, dataset: DatasetRef) -> Any:
        """Return the values of a dataset, as its file would hold them if it had one.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If there is no such session or dataset.
        BadFileError
            If the file that it is a part of is harmed.
        """
        ...

    def unit_times(self, dataset: DatasetRef, cluster: int) -> NDArray[float64]:
        """Return the spike times of one unit, sorted, in seconds, and read no others.

        Parameters
        ----------
        dataset : DatasetRef
            The times of the spikes of its probe.
        cluster : int
            Row of the unit in the probe's clusters.

        Raises
        ------
        ALFObjectNotFound
            If there is no such unit.
        """
        ...

    def trains(self, dataset: DatasetRef) -> dict[int, NDArray[float64]]:
        """Return the spike times of each unit of a probe that has any, as `unit_times` does."""
        ...


@runtime_checkable
class Archive(Protocol):
    """A place where recordings are.

    An archive is cheap to make and pickles: it reads nothing before it is asked. Its ``name`` is
    what ``fascicle.open`` takes to make it again.
    """

    @property
    def name(self) -> str:
        """The place, as ``fascicle.open`` takes it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def catalogue(self) -> Catalogue:
        """Return what exists.

        Raises
        ------
        NoIndexError
            If nobody has indexed it yet.
        """
        ...

    def locate(self, datasets: Iterable[DatasetRef]) -> list[Source]:
        """Return where the bytes of each dataset are, in the order given.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset.
        """
        ...

    @property
    def store(self) -> Path | None:
        """The folder that files are fetched into; of a folder the folder itself.

        None where nothing can be kept on this machine.
        """
        ...

    def targets(self, datasets: Sequence[DatasetRef]) -> list[Path]:
        """Return where each dataset is on this machine, or would be once fetched, in order.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset.
        """
        ...

    def bring(self, datasets: Sequence[DatasetRef], *, progress: Shown = None) -> list[Path]:
        """Return the files of datasets on this machine, in order: there, whole, verified.

        What is not here is fetched, all in one batch.

        Parameters
        ----------
        datasets : sequence of DatasetRef
        progress : bool or 'each', optional
            Show one bar for all, or one for each file; by default one on a terminal.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset, or a folder lacks the file.
        OfflineError, NotHereError
            If files are not here and nothing may be fetched; the message says which.
        TransferError, HashMismatch
            If one cannot be fetched, or is not what the record says.
        """
        ...

    def open(self, session: SessionName) -> OpenSession:
        """Return one session, ready to list and load.

        Raises
        ------
        SessionNotFound
            If it is not in this archive.
        """
        ...

"""A conversion in the making: the NWB objects so far, what fills them, and what went where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Record, Value
from fascicle.nwb.writing.chunks import fitting
from fascicle.nwb.writing.later import Blocks, Job, Later, is_large, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import DTypeLike, NDArray

    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing.source import Source, SourceFile

#: What the processing modules hold, as their description.
MODULES = {
    "behavior": "Behavior: wheel, cameras, pose and what is derived of them",
    "ecephys": "Extracellular recordings: what is derived of them, and where the probes are",
    "misc": "What has no place of its own in NWB",
}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader of the report should know of a dataset, or of the session.

    Attributes
    ----------
    level : str
        ``warning`` or ``info``.
    dataset : str
        Its path, empty for the whole session.
    text : str
    """

    level: str
    dataset: str
    text: str


@dataclass(slots=True)
class Options:
    """What a conversion was asked for beside the metadata document.

    Attributes
    ----------
    raw : bool
        Write raw AP, LF and nidq recordings.
    videos : str
        ``link`` names video files where they are, ``copy`` puts them beside the NWB file, ``none``
        leaves them out.
    kinematics : bool
        Write the wheel's velocity and acceleration, derived at 1 kHz.
    target : Path or None
        Where the NWB file is going to be.
    """

    raw: bool = True
    videos: str = "link"
    kinematics: bool = False
    target: Path | None = None


@dataclass(slots=True)
class Draft:
    """What the parts of a conversion build together.

    Attributes
    ----------
    nwb : pynwb.NWBFile
    metadata : SessionMetadata
    source : Source
    options : Options
    jobs : list of Job
        What fills the arrays once the skeleton is written.
    records : list of Record
        Where each ALF dataset went.
    left_out : dict
        Path of a dataset that is not in the file to the reason.
    notes : list of Note
    electrodes : dict
        Label of each probe to its rows in the table of electrodes (a range of them).
    groups : dict
        Label of each probe to its ElectrodeGroup.
    shared : dict
        Objects that several parts use, by a name that they agree on: the times of a camera.
    beside : list of (Path, str)
        Files that are to lie beside the NWB file, and their paths relative to its folder: videos.
    """

    nwb: Any
    metadata: SessionMetadata
    source: Source
    options: Options = field(default_factory=Options)
    jobs: list[Job] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    electrodes: dict[str, range] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    beside: list[tuple[Path, str]] = field(default_factory=list)

    # -- objects ---------------------------------------------------------------------------------

    def module(self, name: str) -> Any:
        """Return a processing module, made when it is first asked for."""
        if name not in self.nwb.processing:
            self.nwb.create_processing_module(name, MODULES.get(name, name))
        return self.nwb.processing[name]

    def array(
        self,
        values: NDArray[Any],
        *,
        dtype: DTypeLike | None = None,
        what: str = "",
        shuffle: bool = True,
    ) -> Any:
        """Return what pynwb takes for an array: itself where it is small, else its place.

        Parameters
        ----------
        values : numpy.ndarray
            May be mapped from a file: a large one is read when it is written.
        dtype : dtype-like, optional
            As it is to be written.
        what : str
            For messages.
        shuffle : bool
            As for `Later`.

        Raises
        ------
        ConversionError
            If its numbers do not fit into that type; where it is large, when it is written.
        """
        import numpy as np

        wanted = np.dtype(dtype) if dtype else values.dtype
        if not is_large(values):
            return fitting(values, wanted, what or "an array") if dtype else np.asarray(values)
        later = Later(values.shape, wanted, shuffle=shuffle)
        self.fill(lambda: rows_of(values, later), what=what, nbytes=later.nbytes)
        return later.io

    def fill(self, blocks: Callable[[], Blocks], *, what: str, nbytes: int) -> None:
        """Add a job that fills arrays; see `Job`."""
        self.jobs.append(Job(blocks, what, nbytes))

    # -- what went where -------------------------------------------------------------------------

    def took(self, file: SourceFile, value: Value) -> None:
        """Say where a dataset went, and how to get it back."""
        self.records.append(Record(file.path, value, file.checksum))

    def skip(self, file: SourceFile | str, why: str) -> None:
        """Say that a dataset is not in the file, and why."""
        self.left_out[file if isinstance(file, str) else file.path] = why

    def warn(self, text: str, dataset: SourceFile | str = "") -> None:
        """Say what a reader of the report should know."""
        path = dataset if isinstance(dataset, str) else dataset.path
        self.notes.append(Note("warning", path, text))

    def inform(self, text: str, dataset: SourceFile | str = "") -> None:
        """Say what is worth knowing, and needs nothing to be done."""
        path = dataset if isinstance(dataset, str) else dataset.path
        self.notes.append(Note("info", path, text))

    @property
    def taken(self) -> set[str]:
        """Paths of the datasets that are in the file."""
        return {record.dataset for record in self.records}


def narrowed(values: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Return values as the type that an item asks for; as they are where it asks for none.

    Raises
    ------
    ConversionError
        If they do not fit into it.
    """
    import numpy as np

    return fitting(values, np.dtype(dtype), "an array") if dtype else values

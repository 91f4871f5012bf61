"""Build the objects of a file: entry by entry, and without those that cannot be built."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    ConfigurationError,
    ConversionError,
    FascicleError,
    LockedError,
    MetadataError,
    MissingExtraError,
    OfflineError,
    RemoteNotFound,
    ServerError,
    TransferError,
    nearest,
)
from fascicle.nwb.parts import PARTS, part, placing
from fascicle.nwb.writing.draft import Draft, Options

if TYPE_CHECKING:
    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing.entries import Entry
    from fascicle.nwb.writing.later import Job
    from fascicle.nwb.writing.source import Source, SourceFile

#: Parts without which a file would not be what people expect of the session.
ESSENTIAL = ("probes", "units", "trials")
#: Failures of the machine or the network, not of an entry: they end the conversion.
_ENDS = (
    MemoryError,
    OfflineError,
    ServerError,
    MissingExtraError,
    LockedError,
    ConfigurationError,
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE)
_VIDEOS = ("mp4", "avi", "mov", "mkv")
_RAW = ("cbin", "bin")


@dataclass(slots=True)
class Failure:
    """An entry that could not be built.

    Attributes
    ----------
    entry : Entry
    error : Exception
    """

    entry: Entry
    error: BaseException

    @property
    def why(self) -> str:
        """The reason, in one line."""
        if isinstance(self.error, FascicleError):
            return self.error.message.splitlines()[0] if self.error.message else self.error.kind
        return f"{type(self.error).__name__}: {self.error}".splitlines()[0]


@dataclass(slots=True)
class Plan:
    """The entries of a conversion, in the order in which they are built.

    Attributes
    ----------
    entries : list of Entry
        Those that are on.
    failures : list of Failure
        Those that could not be built, and are left out.
    missing : dict
        Path of a dataset that is listed, but cannot be had, to the reason.
    """

    entries: list[Entry]
    failures: list[Failure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> list[Entry]:
        """Those that are to be built."""
        failed = {id(one.entry) for one in self.failures}
        return [entry for entry in self.entries if id(entry) not in failed]

    def fail(self, entry: Entry, error: BaseException) -> None:
        """Leave an entry out.

        Raises
        ------
        ConversionError
            If the session cannot do without.
        BaseException
            The error itself, where it is none of the entry.
        """
        if isinstance(error, _ENDS) or not isinstance(error, Exception):
            raise error
        if isinstance(error, OSError) and error.errno in _FULL:
            raise error
        failure = Failure(entry, error)
        if entry.part in ESSENTIAL:
            raise ConversionError(
                f"{entry.nwb} cannot be written: {failure.why}",
                hint=f"mend it, or leave it out with `on: false` at {entry.nwb} in the metadata",
            ) from error
        self.failures.append(failure)


def plan_of(metadata: SessionMetadata, options: Options) -> Plan:
    """Return what is to be built: what others refer to first.

    Raises
    ------
    MetadataError
        If an entry names a part that there is not, or nothing is left to be written.
    """
    for entry in metadata.objects:
        if entry.part not in PARTS:
            raise MetadataError(
                f"objects: {entry.nwb} names the part {entry.part!r}",
                hint=nearest(entry.part, PARTS) or f"one of {', '.join(PARTS)}",
            )
    wanted = [
        entry
        for entry in metadata.objects
        if entry.on
        and (options.raw or entry.part != "raw")
        and (options.videos != "none" or entry.part != "video")
    ]
    if metadata.objects and not wanted:
        raise MetadataError(
            f"objects: none of {len(metadata.objects)} is to be written",
            hint="switch some on (on: true), or ask for raw data and videos where these are all",
        )
    return Plan(sorted(wanted, key=lambda entry: PARTS.index(entry.part)))


def bring(plan: Plan, source: Source, options: Options) -> None:
    """Fetch what the entries name in one batch, before any is built.

    A dataset that the archive lists and does not have is left out of the source.

    Raises
    ------
    OfflineError, TransferError
        If datasets cannot be fetched for now.
    """
    wanted: dict[str, SourceFile] = {}
    for entry in plan.entries:
        for file in files_of(entry, source):
            heavy = file.extension in _RAW and entry.part != "raw"
            linked = file.extension in _VIDEOS and options.videos != "copy"
            if not heavy and not linked:
                wanted[file.path] = file
    try:
        source.bring(wanted.values())
    except (OfflineError, ServerError):
        raise
    except (ALFObjectNotFound, BadFileError, TransferError):
        for file in wanted.values():
            try:
                source.bring([file])
            except (ALFObjectNotFound, BadFileError, RemoteNotFound) as error:
                plan.missing[file.path] = Failure(plan.entries[0], error).why
    if plan.missing:
        source.files = [file for file in source.files if file.path not in plan.missing]


def files_of(entry: Entry, source: Source) -> list[SourceFile]:
    """Return the datasets that the items of an entry name."""
    named = ",".join(f"{item.source},{item.by}" for item in entry.wanted)
    return placing.files_of(source, named, entry.collections)


def build(
    plan: Plan,
    metadata: SessionMetadata,
    source: Source,
    options: Options,
    notes: Sequence[str] = (),
    *,
    incomplete: bool = False,
) -> tuple[Draft, dict[int, Entry]]:
    """Build all objects.

    Parameters
    ----------
    plan : Plan
        Is told of entries that fail.
    metadata : SessionMetadata
    source : Source
    options : Options
    notes : sequence of str
        What the session as a whole should be warned of.
    incomplete : bool
        Take a document that lacks something.

    Returns
    -------
    Draft
    dict
        ``id`` of each job to the entry that added it.

    Raises
    ------
    ConversionError
        If an essential entry cannot be built.
    """
    from fascicle.nwb.metadata import facts_table, nwbfile_of

    while True:
        draft = Draft(nwbfile_of(metadata, incomplete=incomplete), metadata, source, options)
        for note in notes:
            draft.warn(note)
        failed, owners, idle = False, dict[int, "Entry"](), list["Entry"]()
        for entry in plan.left:
            n_jobs, before = len(draft.jobs), _extent(draft)
            try:
                part(entry.part).build(draft, entry)
            except Exception as error:  # noqa: BLE001  # whatever a reader makes of a bad dataset
                # What it has built so far is in the file's objects: begin anew, without it.
                plan.fail(entry, error)
                failed = True
                break
            owners |= {id(job): entry for job in draft.jobs[n_jobs:]}
            if entry.wanted and _extent(draft) == before:
                idle.append(entry)
        if not failed:
            break
    draft.module("misc").add(facts_table(metadata))
    _say(draft, plan)
    for entry in idle:
        _say_idle(draft, entry)
    return draft, owners


def _extent(draft: Draft) -> tuple[int, ...]:
    """Return what tells whether anything was built, or said, since."""
    parts = (draft.taken, draft.left_out, draft.notes, draft.jobs, draft.nwb.all_children())
    return tuple(map(len, parts))


def _say_idle(draft: Draft, entry: Entry) -> None:
    """Say why nothing was made of an entry: what it names is not there, or is elsewhere."""
    if files_of(entry, draft.source):
        draft.inform(f"{entry.nwb} is not written: other objects have what it is made of")
        return
    named = ",".join(item.source for item in entry.wanted).split(",")
    keys = list(dict.fromkeys(filter(None, (name.partition(":")[0].strip() for name in named))))
    where = f" in {', '.join(entry.collections)}" if entry.collections else ""
    draft.warn(f"{entry.nwb} is not written: the session has no {', '.join(keys)}{where}")


def blame(plan: Plan, owners: dict[int, Entry], job: Job, error: BaseException) -> None:
    """Leave out the entry of a job whose values could not be read; see `Plan.fail`."""
    if (entry := owners.get(id(job))) is None:
        raise ConversionError(f"{job.what}: {error}") from error
    plan.fail(entry, error)


def _say(draft: Draft, plan: Plan) -> None:
    """Note what is not in the file."""
    for path, why in plan.missing.items():
        draft.skip(path, f"it is listed, but cannot be had: {why}")
        draft.warn(f"is listed, but cannot be had: {why}", path)
    for failure in plan.failures:
        draft.warn(f"{failure.entry.nwb} is left out: {failure.why}")
        for file in files_of(failure.entry, draft.source):
            if file.path not in draft.taken:
                draft.skip(file, f"{failure.entry.nwb} could not be built: {failure.why}")

"""Convert one session to NWB: collect, build, write, check, and only then give it its name."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.archives.session import OpenSession
from fascicle.errors import ConfigurationError, ConversionError, ConversionWarning, MetadataError
from fascicle.nwb.writing import building, skeleton
from fascicle.nwb.writing.chunks import compressor
from fascicle.nwb.writing.draft import Options
from fascicle.nwb.writing.filling import JobError, fill
from fascicle.nwb.writing.landing import Landing, said
from fascicle.nwb.writing.source import Source

if TYPE_CHECKING:
    from uuid import UUID

    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.report import Report
    from fascicle.nwb.writing.draft import Draft

VIDEOS = ("link", "copy", "none")
_SHOWN = 5


def convert(
    session: OpenSession | SessionMetadata | UUID | str,
    target: str | os.PathLike[str],
    *,
    metadata: SessionMetadata | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    archive: Any = None,
    overwrite: bool = False,
    check: bool | str | Sequence[str] = True,
    refuse: str | None = None,
    incomplete: bool = False,
    raw: bool = True,
    videos: str = "link",
    kinematics: bool = False,
    progress: bool | None = None,
) -> Report:
    """Convert a session of ALF datasets to an NWB file.

    The file is written beside its place under a hidden name, checked, and only then given its
    name: what is there under that name is always whole. A report is saved beside it.

    Parameters
    ----------
    session : OpenSession, SessionMetadata, uuid.UUID or str
        The session; a metadata document, which names its session; or an eid in ``archive``.
    target : path
        A file, used exactly; or a folder, in which the file gets the name and the place that DANDI
        gives it. A folder is one that exists, or a path that ends with a slash or has no suffix.
    metadata : SessionMetadata, mapping or path, optional
        The document, as an object, as plain values or as a file; by default what the archive says.
    archive : Archive, ONE, or str, optional
        Where the session is, if ``session`` does not say, or to read it from somewhere else.
    overwrite : bool
        Replace the file if there is one.
    check : bool, str or sequence of str
        The checks to make: all, none, or some of ``readback``, ``validate``, ``inspect``,
        ``layout``.
    refuse : {'mismatch', 'critical', 'violation'}, optional
        Which findings of the checks refuse the file: only values that are not those of their
        datasets; also what breaks the schema, or a critical rule of nwbinspector, as by default;
        also what breaks a rule of best practice. Of incomplete metadata by default the first.
    incomplete : bool
        Convert although the metadata lack something, which is said as a warning.
    raw : bool
        Write raw recordings (AP, LF, nidq), where the session has them.
    videos : str
        ``link`` names the video files where they are, ``copy`` puts them beside the NWB file,
        ``none`` leaves them out.
    kinematics : bool
        Add the wheel's velocity and acceleration, derived at 1 kHz.
    progress : bool, optional
        Show a bar on stderr; by default if that is a terminal.

    Returns
    -------
    Report
        Where each dataset went, what was left out, what the checks found.

    Raises
    ------
    MetadataError
        If the metadata lack something or cannot be right; each line names the field.
    WouldReplace
        If the file is there already; it is a FileExistsError.
    ConversionError
        If the session cannot be converted as it is, or the checks refuse the file. No file is left.
    NotEnoughDisk
        If there is no room for it.
    OfflineError, TransferError
        If datasets cannot be fetched.
    MissingExtraError
        If the libraries that it takes are not installed.

    Warns
    -----
    ConversionWarning
        If something is not in the file as one might expect.
    """
    from fascicle.nwb.report import Report, refuse_if_bad

    _refuse_options(videos, refuse, check)
    compressor()  # before anything takes time
    timer = _Timer()
    with timer("metadata"):
        document, opened = _gather(session, metadata, archive)
        problems = _refuse_problems(document, incomplete=incomplete)
    source = Source(opened)
    without = [part for part, out in (("raw", not raw), ("video", videos == "none")) if out]
    final = _place(target, document, without)
    with Landing(final, overwrite=overwrite) as landing:
        report = Report.begin(source, file=final)
        report.problems = problems
        options = Options(raw=raw, videos=videos, kinematics=kinematics, target=final)
        notes: list[str] = []
        if incomplete:
            document = skeleton.complete(document, source, notes)
        try:
            draft = _make(
                landing, document, source, options, notes, timer, progress, incomplete=incomplete
            )
            report.describe(draft)
            if check is not False:
                _check(report, landing, draft, check, timer, progress)
                levels = refuse or ("mismatch" if incomplete else "critical")
                refuse_if_bad(report, refuse=levels)
        except ConversionError as error:
            if error.report is None:
                report.error = str(error.message)
                error.report = report
            raise
        with said(final):
            for file, name in draft.beside:
                landing.copy(file, final.parent / name)
            report.sizes["file"] = landing.part.stat().st_size
            report.seconds = timer.seconds
            report.write(landing.after(report.beside))
            landing.land()
    if report.warnings or report.problems:
        warnings.warn(_warning(report), ConversionWarning, stacklevel=2)
    return report


# -- what is asked for -----------------------------------------------------------------------------


def _refuse_options(videos: str, refuse: str | None, check: bool | str | Sequence[str]) -> None:
    """Refuse what cannot be meant before anything takes time."""
    from fascicle.nwb.checking import chosen
    from fascicle.nwb.checking.results import REFUSALS

    if videos not in VIDEOS:
        raise ConfigurationError(f"videos={videos!r}", hint=f"one of {', '.join(VIDEOS)}")
    if refuse is not None and refuse not in REFUSALS:
        raise ConfigurationError(f"refuse={refuse!r}", hint=f"one of {', '.join(REFUSALS)}")
    chosen(check)


def _gather(
    session: OpenSession | SessionMetadata | UUID | str,
    metadata: SessionMetadata | Mapping[str, Any] | str | os.PathLike[str] | None,
    archive: Any,
) -> tuple[SessionMetadata, OpenSession]:
    """Return the document and the session, of whichever was given."""
    from fascicle.nwb.metadata import SessionMetadata

    document: SessionMetadata | None
    if metadata is None or isinstance(metadata, SessionMetadata):
        document = metadata
    elif isinstance(metadata, Mapping):
        document = SessionMetadata(metadata)
    else:
        document = SessionMetadata.read(metadata)
    if isinstance(session, SessionMetadata):
        if document is not None:
            raise ConfigurationError("two metadata documents are given", hint="leave one out")
        opened = session.open_session(archive)
        return session.completed(opened), opened
    if isinstance(session, OpenSession):
        opened = session
        if document is None:
            document = SessionMetadata.from_archive(opened.archive, opened.eid)
    else:
        if document is None:
            if archive is None:
                raise ConfigurationError(
                    f"session {session} of which archive?",
                    hint='convert(eid, target, archive="~/data"), or a session of fascicle.find()',
                )
            document = SessionMetadata.from_archive(archive, session)
        opened = document.open_session(archive)
    said_eid = document.source.get("eid")
    if said_eid and str(said_eid) != str(opened.eid):
        raise MetadataError(
            f"source.eid: the document is about session {said_eid}, not {opened.eid}",
            hint="name the document of this session, or leave source.eid empty",
        )
    return document.completed(opened), opened


def _refuse_problems(document: SessionMetadata, *, incomplete: bool) -> list[str]:
    """Return what the metadata lack, if that is let through; what is wrong never is."""
    problems = [one for one in document.problems() if one.stops]
    if any(one.severity == "error" or not incomplete for one in problems):
        document.validate()
    return [str(one) for one in problems]


def _place(
    target: str | os.PathLike[str], document: SessionMetadata, without: Sequence[str]
) -> Path:
    """Return where the file is going to be."""
    from fascicle.nwb.naming import dandi_path

    path = Path(target).expanduser()
    with said(path):
        is_folder = path.is_dir()
    if is_folder or os.fspath(target).endswith(("/", os.sep)) or not path.suffix:
        return path / dandi_path(document, without=without)
    return path


# -- the file --------------------------------------------------------------------------------------


def _make(
    landing: Landing,
    document: SessionMetadata,
    source: Source,
    options: Options,
    notes: Sequence[str],
    timer: _Timer,
    progress: bool | None,
    *,
    incomplete: bool,
) -> Draft:
    """Write the file under its hidden name; without the entries that cannot be built."""
    plan = building.plan_of(document, options)
    with timer("fetch"):
        building.bring(plan, source, options)
    while True:
        with timer("build"):
            draft, owners = building.build(
                plan, document, source, options, notes, incomplete=incomplete
            )
            skeleton.add_records(draft)
        try:
            with said(landing.target):
                _write(landing.part, draft, timer, progress)
        except JobError as error:
            landing.part.unlink(missing_ok=True)
            building.blame(plan, owners, error.job, error.__cause__ or error)
            continue  # anew, without the entry
        return draft


def _write(part: Path, draft: Draft, timer: _Timer, progress: bool | None) -> None:
    from fascicle.transfer.bars import make_bar

    total = sum(job.nbytes for job in draft.jobs)
    name = _title(draft.options.target or part)
    with skeleton.create(part) as (h5, output):
        with timer("skeleton"):
            io = skeleton.write(draft.nwb, h5)
            output.check()
        with timer("fill"), make_bar(shown=_is_shown(progress), total=total, desc=name) as bar:

            def advance(n_bytes: int) -> None:
                output.check()
                bar.update(n_bytes)

            fill(draft.jobs, h5, advance=advance)
            io.close()


def _check(
    report: Report,
    landing: Landing,
    draft: Draft,
    check: bool | str | Sequence[str],
    timer: _Timer,
    progress: bool | None,
) -> None:
    from fascicle.nwb.checking import run_checks
    from fascicle.transfer.bars import make_bar

    options = {"total": report.sizes.get("source"), "desc": f"check {_title(landing.target)}"}
    with timer("check"), make_bar(shown=_is_shown(progress), **options) as bar:

        def advance(n_bytes: int) -> None:
            bar.update(n_bytes)

        report.checks = run_checks(
            landing.part,
            source=draft.source,
            target=landing.target,
            metadata=draft.metadata,
            beside=draft.beside,
            check=check,
            progress=advance,
        )


def _title(path: Path) -> str:
    """Return a name that leaves a bar some room."""
    return path.name if len(path.name) <= 40 else f"{path.name[:39]}…"


def _is_shown(progress: bool | None) -> bool:
    if progress is None:
        return settings.show_progress() and sys.stderr.isatty()
    return progress


def _warning(report: Report) -> str:
    """Return what to warn of, in a few lines."""
    found = [*report.problems]
    found += [
        f"{note.dataset}: {note.text}" if note.dataset else note.text for note in report.warnings
    ]
    more = [f"and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else []
    return "\n  ".join(
        [f"{Path(report.file).name}, of session {report.session}:", *found[:_SHOWN], *more]
    )


class _Timer:
    """What each step of a conversion takes."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        since = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - since
            self._seconds[name] = self._seconds.get(name, 0.0) + took

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each step so far, and of the whole."""
        return {**self._seconds, "total": time.perf_counter() - self._since}

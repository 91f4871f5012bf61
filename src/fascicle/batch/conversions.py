"""Convert many sessions to NWB: spread over processes, and gone on with where it was left."""

from __future__ import annotations

import html
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.archives.session import human_bytes
from fascicle.batch.running import Outcome, run
from fascicle.errors import ConversionError, ConversionWarning, NotFoundError, WouldReplace
from fascicle.nwb.whole import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives import OpenSession
    from fascicle.nwb.metadata import SessionMetadata

#: Folder, in that of the NWB files, of what became of each session.
RECORDS = Path(".fascicle", "conversions")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one session.

    Attributes
    ----------
    eid : str
    session : str
        Its path in the archive.
    state : str
        ``converted``; ``there``: an earlier run made it; ``failed``.
    file : str
        The NWB file; empty where it failed.
    size : int
        Bytes of the file.
    datasets, left_out, warnings : int
        How many datasets are in the file, how many are not, and how much else is to be known.
    seconds : float
    error, hint, kind : str
        Why it failed, what to do next, and the class of the error.
    """

    eid: str
    session: str
    state: str
    file: str = ""
    size: int = 0
    datasets: int = 0
    left_out: int = 0
    warnings: int = 0
    seconds: float = 0.0
    error: str = ""
    hint: str = ""
    kind: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file is there."""
        return self.state != "failed"


@dataclass(frozen=True, slots=True)
class Conversions(Sequence[Conversion]):
    """What became of many sessions, in the order in which they were given.

    Attributes
    ----------
    folder : pathlib.Path
    rows : list of Conversion
    """

    folder: Path
    rows: list[Conversion] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Conversion]:
        return iter(self.rows)

    def __getitem__(self, k: Any) -> Any:
        return self.rows[k]

    @property
    def failed(self) -> list[Conversion]:
        """Those that have no file."""
        return [row for row in self.rows if not row.ok]

    @property
    def ok(self) -> bool:
        """Whether each session has its file."""
        return not self.failed

    @property
    def headline(self) -> str:
        """One line on what became of them."""
        count = dict.fromkeys(("converted", "there", "failed"), 0)
        for row in self.rows:
            count[row.state] += 1
        said = [f"{count['converted']} converted", f"{count['failed']} failed"]
        if count["there"]:
            said.insert(1, f"{count['there']} there already")
        size = human_bytes(sum(row.size for row in self.rows))
        return f"{len(self.rows)} sessions: {', '.join(said)}; {size} in {self.folder}"

    def frame(self) -> pd.DataFrame:
        """Return a table with one row per session and the fields of `Conversion` as columns."""
        import pandas as pd

        names = [one.name for one in fields(Conversion)]
        return pd.DataFrame([asdict(row) for row in self.rows], columns=names)

    def write(self, place: str | os.PathLike[str]) -> Path:
        """Write the table as ``.csv``, ``.json`` or ``.html``.

        Raises
        ------
        ConversionError
            If the name ends otherwise.
        """
        target = Path(place)
        kinds = {".csv": self._csv, ".json": self._json, ".html": self.html, ".htm": self.html}
        make = kinds.get(target.suffix.lower())
        if make is None:
            raise ConversionError(
                f"a table of conversions cannot be written as {target.name!r}",
                hint="let the name end in .csv, .json or .html",
            )
        return write_whole(target, make())

    def _csv(self) -> str:
        return str(self.frame().to_csv(index=False))

    def _json(self) -> str:
        return json.dumps([asdict(row) for row in self.rows], indent=1, ensure_ascii=False) + "\n"

    def html(self) -> str:
        """Return a page of its own with the table."""
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f"<title>Conversions to NWB</title><style>{_STYLE}</style>"
            f"<h1>Conversions to NWB</h1>{self._repr_html_()}</html>\n"
        )

    def __str__(self) -> str:
        lines = [self.headline]
        for row in self.failed:
            lines.append(f"  {row.session or row.eid}: {row.error}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = []
        for row in sorted(self.rows, key=lambda row: row.ok):
            said = html.escape(row.error)
            if row.hint:
                said += f"<br><small>{html.escape(row.hint)}</small>"
            cells = [
                f"<td>{html.escape(row.session or row.eid)}<br><small>{row.eid}</small></td>",
                f'<td class="{row.state}">{row.state}</td>',
                f"<td>{html.escape(Path(row.file).name) or said}</td>",
                f"<td>{human_bytes(row.size) if row.ok else ''}</td>",
                *(f"<td>{n}</td>" for n in (row.datasets, row.left_out, row.warnings)),
                f"<td>{row.seconds:.1f}</td>",
            ]
            body.append(f"<tr>{''.join(cells)}</tr>")
        heads = ("session", "state", "file", "size", "datasets", "left out", "warnings", "seconds")
        head = "".join(f"<th>{name}</th>" for name in heads)
        return (
            f"<table><caption>{html.escape(self.headline)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        )


_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222}"
    "table{border-collapse:collapse}caption{text-align:left;padding:.5rem 0}"
    "th,td{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #ddd;vertical-align:top}"
    "small{color:#666}.failed{color:#b00020;font-weight:600}.converted{color:#1b6e3c}"
)


@dataclass(frozen=True, slots=True)
class _Task:
    """One session to be converted, as it goes to another process."""

    session: OpenSession
    folder: Path
    document: SessionMetadata | None
    common: Mapping[str, Any]
    overwrite: bool
    options: Mapping[str, Any]


def convert_sessions(
    sessions: Iterable[OpenSession],
    folder: str | os.PathLike[str],
    *,
    metadata: str | os.PathLike[str] | SessionMetadata | Mapping[str, Any] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Conversions:
    """Convert sessions to NWB files in a folder, as DANDI names them.

    Parameters
    ----------
    sessions : iterable of OpenSession
        Of any archives: what ``fascicle.find`` returns, or ``archive.open(…)`` for each.
    folder : path-like
        Made where it is not there.
    metadata : path-like, SessionMetadata or mapping, optional
        The document of the one session; or what holds for all of them, with as few fields as one
        likes, e.g. ``{"session": {"institution": "…"}}``.
    workers : int, optional
        Processes on this machine; by default one for each core. Each needs memory for a session.
    scheduler : str, optional
        Address of a Dask scheduler whose workers do it instead.
    overwrite : bool
        Convert anew what is there.
    progress : bool, optional
        Show a bar on stderr; by default on a terminal.
    **options
        As of `fascicle.nwb.convert`.

    Returns
    -------
    Conversions
        A table with a row per session. A session that fails says why, and stops no other. The same
        call goes on where it was left: what is there is not made again.

    Raises
    ------
    MetadataError
        If the metadata is a session's document, and there are several.
    ServerError, MissingExtraError
        If the scheduler does not answer, or dask is not installed.
    """
    target = Path(folder).absolute()
    wanted = list(dict.fromkeys(sessions))
    document, common = _documents(metadata, wanted)
    rows: dict[int, Conversion] = {}
    tasks: list[tuple[int, _Task]] = []
    for number, session in enumerate(wanted):
        known = None if overwrite else _recorded(target, session)
        if known is not None:
            rows[number] = known
        else:
            task = _Task(session, target, document, common, overwrite, options)
            tasks.append((number, task))

    def keep(outcome: Outcome[Conversion]) -> None:
        number, task = tasks[outcome.number]
        row = outcome.value
        if row is None:  # it failed, or its process was killed
            row = Conversion(
                str(task.session.eid),
                _path_of(task.session),
                "failed",
                seconds=outcome.seconds,
                error=outcome.error,
                hint=outcome.hint,
                kind=outcome.kind,
            )
        rows[number] = row
        _record(target, row)

    if tasks:
        target.mkdir(parents=True, exist_ok=True)
    run(
        _convert,
        [task for _, task in tasks],
        workers=workers,
        scheduler=scheduler,
        done=keep,
        progress=progress,
    )
    return Conversions(target, [rows[number] for number in range(len(wanted))])


def _documents(
    metadata: Any, sessions: Sequence[OpenSession]
) -> tuple[SessionMetadata | None, Mapping[str, Any]]:
    """Return the document of the one session, or what holds for all."""
    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.metadata.merging import is_of_one, read_common

    if metadata is None:
        return None, {}
    if isinstance(metadata, SessionMetadata):
        document = metadata
    elif isinstance(metadata, Mapping):
        return None, metadata
    elif is_of_one(metadata):
        document = SessionMetadata.read(metadata)
    else:
        return None, read_common(metadata)
    if len(sessions) != 1 or str(sessions[0].eid) != str(document.source.get("eid")):
        from fascicle.errors import MetadataError

        raise MetadataError(
            f"the metadata is of session {document.source.get('eid')}, and no other's",
            hint="for many sessions keep the fields that they share, and leave out `source`",
        )
    return document, {}


def _convert(task: _Task) -> Conversion:
    """Convert one session; runs in any process."""
    from fascicle.nwb import convert
    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.metadata.merging import put_over

    session = task.session
    document = task.document
    if document is None:
        document = SessionMetadata.from_archive(session.archive, session.eid)
    if task.common:
        document = put_over(document, task.common)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConversionWarning)  # the report has them, and counts
            report = convert(
                session,
                task.folder,
                metadata=document,
                overwrite=task.overwrite,
                progress=False,
                **task.options,
            )
    except WouldReplace:
        found = _made_before(task.folder, document, session)
        if found is None:
            raise
        return found
    size = os.stat(report.file).st_size
    return Conversion(
        str(session.eid),
        _path_of(session),
        "converted",
        str(report.file),
        size,
        len({one.dataset for one in report.took}),
        len(report.left_out),
        len(report.warnings),
        round(report.seconds.get("total", 0.0), 3),
    )


# -- what earlier runs made ------------------------------------------------------------------------


def _made_before(
    folder: Path, document: SessionMetadata, session: OpenSession
) -> Conversion | None:
    """Return the session whose file is there already; None where it is another session's.

    A run may be killed between the moment when a file has its name, and the moment when that is
    recorded.
    """
    from fascicle.formats.nwb import NwbFile
    from fascicle.nwb.naming import dandi_path

    file = folder / dandi_path(document)
    with NwbFile(file) as nwb:
        if nwb.value("general/session_id", "") != document.session["session_id"]:
            return None
    return Conversion(str(session.eid), _path_of(session), "there", str(file), file.stat().st_size)


def _record(folder: Path, row: Conversion) -> None:
    place = folder / RECORDS / f"{row.eid}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    said = asdict(row)
    if row.file:
        said["file"] = os.path.relpath(row.file, folder)  # a folder may move
    write_whole(place, json.dumps(said, indent=1, ensure_ascii=False) + "\n")


def _recorded(folder: Path, session: OpenSession) -> Conversion | None:
    """Return what an earlier run made of a session, if the file is there as it was left."""
    place = folder / RECORDS / f"{session.eid}.json"
    try:
        said = json.loads(place.read_text(encoding="utf-8"))
        row = Conversion(**said)
        file = folder / row.file
        if not row.ok or file.stat().st_size != row.size:
            return None
    except (OSError, ValueError, TypeError):  # none, or of a process that was killed: do it again
        return None
    return replace(row, state="there", file=str(file))


def _path_of(session: OpenSession) -> str:
    try:
        return session.record.path
    except NotFoundError:
        return ""

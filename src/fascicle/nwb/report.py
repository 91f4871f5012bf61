"""What a conversion did: where each dataset of a session went, and what the checks found."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, ConfigurationError, ConversionError
from fascicle.nwb.checking.results import BAD, LEVELS, REFUSALS, Check, Finding
from fascicle.nwb.whole import write_whole
from fascicle.nwb.writing.draft import Note
from fascicle.transfer.text import size_text, time_text

if TYPE_CHECKING:
    from fascicle.formats.nwb.records import Value
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source

#: What a report's file says it is.
FORMAT = "fascicle-conversion-report"
#: What stands in place of ``.nwb`` in the name of a report's file.
SUFFIX = ".report.json"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """One dataset that is in the file.

    Attributes
    ----------
    dataset : str
        Its path, relative to the session.
    place : str
        The object of the file that holds it.
    names : tuple of str
        The columns or arrays of that object.
    how : str
        What was done to the values, in words; empty if nothing.
    dtype : str
        The type of the values in ALF, as numpy names it; empty for tables and texts.
    checksum : str
        Of the dataset's file, where the archive knows one.
    """

    dataset: str
    place: str
    names: tuple[str, ...] = ()
    how: str = ""
    dtype: str = ""
    checksum: str = ""

    def __str__(self) -> str:
        names = f": {', '.join(self.names)}" if self.names else ""
        return f"{self.dataset} -> /{self.place}{names}{f' ({self.how})' if self.how else ''}"


@dataclass(slots=True)
class Report:
    """What a conversion did.

    Attributes
    ----------
    session : str
        Path of the session in its archive.
    eid : str
    archive : str
    file : str
        The NWB file; where a file was refused, the one that was to be made.
    took : list of Taken
        Datasets that are in the file.
    left_out : dict
        Path of each dataset that is not, to the reason.
    others : list of str
        Datasets left aside: revisions other than the default, failed quality control.
    notes : list of fascicle.nwb.writing.draft.Note
        What a reader should know of a dataset, or of the session.
    problems : list of str
        What the metadata lack, and was let through.
    checks : list of fascicle.nwb.checking.Check
    sizes : dict
        Bytes: ``source`` of the datasets in the file, ``arrays`` of the arrays before they are
        compressed, ``file``.
    seconds : dict
        What each step took.
    versions : dict
        Of fascicle, of pynwb, of the NWB schema.
    error : str
        Why no file was made; empty where there is one.
    """

    session: str = ""
    eid: str = ""
    archive: str = ""
    file: str = ""
    took: list[Taken] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    error: str = ""

    # -- making it -------------------------------------------------------------------------------

    @classmethod
    def begin(cls, source: Source, *, file: str | os.PathLike[str]) -> Report:
        """Return the report of a conversion that begins.

        Parameters
        ----------
        source : Source
        file : path
            Where the NWB file is going to be.
        """
        held = source.session
        return cls(
            session=str(held.record.path),
            eid=str(held.eid),
            archive=held.archive.name,
            file=str(file),
            versions=versions(),
        )

    def describe(self, draft: Draft) -> None:
        """Take over where each dataset went; what nobody took or left out is said as such."""
        self.others = draft.source.others
        self.took = [
            Taken(
                record.dataset,
                record.value.at,
                _names(record.value),
                how(record.value),
                record.value.dtype,
                record.checksum,
            )
            for record in draft.records
        ]
        taken = draft.taken
        self.left_out = {path: why for path, why in draft.left_out.items() if path not in taken}
        for file in draft.source.files:
            if file.path not in taken and file.path not in self.left_out:
                self.left_out[file.path] = "no object of the metadata document takes it"
        self.notes = list(draft.notes)
        sizes = {file.path: file.size or 0 for file in draft.source.files}
        self.sizes["source"] = sum(sizes.get(path, 0) for path in taken)
        self.sizes["arrays"] = sum(job.nbytes for job in draft.jobs)

    # -- what it says ----------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Whether there is a file, and the checks found no more than suggestions."""
        return not self.error and all(check.ok for check in self.checks)

    @property
    def warnings(self) -> list[Note]:
        """What is not as one might expect."""
        return [note for note in self.notes if note.level == "warning"]

    @property
    def findings(self) -> list[Finding]:
        """What all the checks found, the gravest first."""
        order = list(LEVELS)
        found = [finding for check in self.checks for finding in check.findings]
        return sorted(found, key=lambda finding: order.index(finding.level))

    def check(self, name: str) -> Check | None:
        """Return a check by its name, None where it was not made."""
        return next((one for one in self.checks if one.name == name), None)

    @property
    def headline(self) -> str:
        """One line: what was made of what, and whether it is right."""
        if self.error:
            return f"{self.session}: no file: {self.error.splitlines()[0]}"
        bad = [finding for finding in self.findings if finding.level in BAD]
        checked = ", ".join(check.name for check in self.checks)
        verdict = f"{len(bad):,} findings" if bad else f"ok ({checked})" if checked else "unchecked"
        size = f", {size_text(self.sizes['file'])}" if "file" in self.sizes else ""
        return (
            f"{Path(self.file).name}: {len(self.took):,} datasets{size}, "
            f"{len(self.left_out):,} left out, {len(self.warnings):,} warnings: {verdict}"
        )

    def lines(self, *, shown: int | None = _SHOWN) -> Iterator[str]:
        """Go through the report line by line.

        Parameters
        ----------
        shown : int or None
            Datasets and findings of each kind that are listed; None for all.
        """
        yield self.headline
        if self.seconds:
            took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
            yield f"took {took}"
        for check in self.checks:
            yield f"{check}{f' ({time_text(check.seconds)})' if check.seconds >= 1 else ''}"
            yield from _some([f"{f.level}: {f}" for f in check.findings], shown)
        for title, items in self._sections():
            if items:
                yield f"{title} ({len(items):,})"
                yield from _some(items, shown)

    def _sections(self) -> list[tuple[str, list[str]]]:
        """Return the lists of a report with their titles."""
        infos = [note for note in self.notes if note.level == "info"]
        return [
            ("problems of the metadata", self.problems),
            ("warnings", [_note(note) for note in self.warnings]),
            ("left out", [f"{path}: {why}" for path, why in self.left_out.items()]),
            ("worth knowing", [_note(note) for note in infos]),
            ("left aside, as another revision is the default", self.others),
            ("where the datasets went", [str(one) for one in self.took]),
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        from fascicle.nwb.report_page import fragment

        return fragment(self)

    def html(self) -> str:
        """Return a page that needs nothing beside itself."""
        from fascicle.nwb.report_page import page

        return page(self)

    def write_html(self, file: str | os.PathLike[str]) -> Path:
        """Write that page.

        Parameters
        ----------
        file : path

        Returns
        -------
        pathlib.Path
        """
        return write_whole(Path(file), self.html())

    # -- as a file -------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "format": FORMAT,
            "version": 1,
            "ok": self.ok,
            "error": self.error,
            "session": self.session,
            "eid": self.eid,
            "archive": self.archive,
            "file": self.file,
            "sizes": dict(self.sizes),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": dict(self.versions),
            "problems": list(self.problems),
            "notes": [{"level": n.level, "dataset": n.dataset, "text": n.text} for n in self.notes],
            "checks": [check.to_dict() for check in self.checks],
            "left_out": dict(self.left_out),
            "others": list(self.others),
            "took": [
                {
                    "dataset": one.dataset,
                    "place": one.place,
                    "names": list(one.names),
                    "how": one.how,
                    "dtype": one.dtype,
                    "checksum": one.checksum,
                }
                for one in self.took
            ],
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Report:
        """Return what `to_dict` made.

        Raises
        ------
        BadFileError
            If it is nothing that `to_dict` could have made.
        """
        try:
            if given["format"] != FORMAT:
                raise ValueError(f"its format is {given['format']!r}")
            plain = ("session", "eid", "archive", "file", "error", "left_out", "others")
            kept = ("problems", "sizes", "seconds", "versions")
            return cls(
                **{name: given[name] for name in (*plain, *kept)},
                took=[Taken(**{**one, "names": tuple(one["names"])}) for one in given["took"]],
                notes=[Note(**note) for note in given["notes"]],
                checks=[Check.from_dict(check) for check in given["checks"]],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadFileError(f"this is no report of a conversion: {error}") from error

    @property
    def beside(self) -> Path:
        """Where the report is saved: beside the NWB file, ``NAME.report.json``."""
        return beside(self.file)

    def write(self, file: str | os.PathLike[str] | None = None) -> Path:
        """Write it as JSON, whole or not at all.

        Parameters
        ----------
        file : path, optional
            By default beside the NWB file.

        Returns
        -------
        pathlib.Path
            The file that was written.
        """
        path = self.beside if file is None else Path(file)
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        return write_whole(path, text)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Report:
        """Return the report in a file: a report's own, or that beside an NWB file.

        Raises
        ------
        BadFileError
            If it is none.
        FileNotFoundError
            If there is no such file.
        """
        path = Path(file)
        path = beside(path) if path.suffix == ".nwb" else path
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadFileError(f"{path} is no JSON: {error}") from error
        if not isinstance(given, dict):
            raise BadFileError(f"{path} is no report of a conversion")
        return cls.from_dict(given)


def beside(file: str | os.PathLike[str]) -> Path:
    """Return where the report of an NWB file is: ``a/b.nwb`` has ``a/b.report.json``."""
    path = Path(file)
    stem = path.name.removesuffix(".nwb")
    return path.with_name(f"{stem}{SUFFIX}")


def refuse_if_bad(report: Report, *, refuse: str = "critical") -> None:
    """Refuse a file for what its checks found.

    Parameters
    ----------
    report : Report
        Its ``error`` is set where the file is refused.
    refuse : str
        ``mismatch``: only where a value is not that of its dataset. ``critical``: also where the
        file breaks the schema or a critical rule of nwbinspector. ``violation``: also where it
        breaks a rule of best practice.

    Raises
    ------
    ConversionError
        With the report as its ``report``.
    ConfigurationError
        If ``refuse`` is none of these.
    """
    if refuse not in REFUSALS:
        raise ConfigurationError(f"refuse={refuse!r}", hint=f"one of {', '.join(REFUSALS)}")
    levels = REFUSALS[refuse]
    bad = [finding for finding in report.findings if finding.level in levels]
    if not bad:
        return
    more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
    text = f"{report.session} is not converted: {bad[0].level}: {bad[0]}{more}"
    report.error = text
    if any(finding.level == "mismatch" for finding in bad):
        hint = "the file would not be true to the session: report this, with error.report"
    else:
        hint = "mend what error.report says; or take the file as it is: refuse='mismatch'"
    error = ConversionError(text, hint=hint)
    error.report = report
    raise error


def versions() -> dict[str, str]:
    """Return the versions of what writes NWB files here."""
    from importlib.metadata import version

    import fascicle

    found = {"fascicle": fascicle.__version__, "pynwb": version("pynwb"), "hdmf": version("hdmf")}
    from pynwb import get_manager

    catalog = get_manager().namespace_catalog
    found["nwb"] = str(catalog.get_namespace("core").version)
    return found


def how(value: Value) -> str:
    """Return in words how the values of a dataset are made of those in the file."""
    said = []
    if value.factor != 1.0:
        said.append(f"ALF = {value.factor:g} × file")
    if value.offset:
        said.append(f"{'ALF = file ' if value.factor == 1.0 else ''}{value.offset:+g}")
    if value.rule:
        said.append(f"by {value.rule}")
    if value.words:
        said.append("as words")
    if value.columns:
        said.append(f"{len(value.columns)} columns")
    return ", ".join(said)


def _names(value: Value) -> tuple[str, ...]:
    """Return the columns or arrays that hold a value, and those of a table each once."""
    found = dict.fromkeys(value.names)
    for column in (value.columns or {}).values():
        prefix = "" if column.at == value.at else f"/{column.at}/"
        found.update(dict.fromkeys(f"{prefix}{name}" for name in column.names))
    return tuple(found)


def _note(note: Note) -> str:
    return f"{note.dataset}: {note.text}" if note.dataset else note.text


def _some(items: list[str], shown: int | None) -> Iterator[str]:
    some = items if shown is None else items[:shown]
    yield from (f"  {' '.join(item.split())}" for item in some)
    if len(items) > len(some):
        yield f"  and {len(items) - len(some):,} more"

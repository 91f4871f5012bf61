"""Look at a folder as those will who get it: names, companions, lengths, whole files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fascicle.alf.names import NameParts, parse_name
from fascicle.formats.paths import path_problem
from fascicle.releases.folder import Prepared, prepared
from fascicle.releases.report import Finding, Report
from fascicle.releases.rules import (
    COMPANIONS,
    RULES,
    SYSTEM_FOLDERS,
    SYSTEM_NAMES,
    SYSTEM_STARTS,
    TEMPORARY,
    Companion,
)
from fascicle.releases.subjects import check_subjects

if TYPE_CHECKING:
    from fascicle.releases.tables import Row

_parse = lru_cache(maxsize=8192)(parse_name)
_HEAD = 512  # bytes in which nearly every npy header ends
_UUID = 36


class _File(NamedTuple):
    """A dataset of one folder."""

    name: str
    row: Row
    parts: NameParts
    size: int


def validate(folder: str | os.PathLike[str]) -> Report:
    """Say what stands in the way of releasing a folder, and what its users would miss.

    Nothing is written, and of arrays and tables only the first bytes are read.

    Parameters
    ----------
    folder : path-like
        A folder of ALF data, indexed or not.

    Returns
    -------
    Report
        Each rule that something breaks, with the files.

    Raises
    ------
    CatalogueError
        If it is no folder.

    Examples
    --------
    >>> from fascicle.releases import validate
    >>> report = validate("~/data")  # doctest: +SKIP
    >>> report.ok  # doctest: +SKIP
    True
    """
    with prepared(folder, keep=False) as found:
        report, _ = examine(found)
    return report


def examine(found: Prepared) -> tuple[Report, list[Row]]:
    """Return what was found in a folder that is indexed, and the datasets that can be released."""
    report = Report(found.root)
    rejected = list(_rejected(found.rejected))
    report.findings += rejected
    rows = found.contents.rows
    bad: set[str] = set()
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.source.rpartition("/")[0], []).append(row)
    root = os.path.realpath(found.root)
    for folder, some in groups.items():
        for finding in _in_folder(root, folder, some, report):
            report.findings.append(finding)
            if RULES[finding.rule].left_out:
                bad.add(finding.path)
    for finding in _twins(rows):
        report.findings.append(finding)
        bad.add(finding.path)
    good = [row for row in rows if row.source not in bad]
    report.n_datasets = len(good)
    report.n_sessions = len({found.contents.session_of(row) for row in good})
    if not good:
        report.findings.append(
            Finding("no-sessions", "", "no dataset in a session folder (subject/YYYY-MM-DD/number)")
        )
    report.findings += check_subjects(found, good)
    order = list(RULES)
    report.findings.sort(
        key=lambda f: (f.severity != "error", order.index(f.rule), f.path, f.message)
    )
    return report, good


def _rejected(rejected: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Sort what the index left out by why that is."""
    from fascicle.catalogue.scan import DANGLING, LOST, UNREADABLE

    for path, reason in rejected:
        parts = path.casefold().split("/")
        name = parts[-1]
        if reason.startswith(UNREADABLE):
            yield Finding("unreadable", path, reason)
        elif (
            name in SYSTEM_NAMES
            or name.startswith(SYSTEM_STARTS)
            or not SYSTEM_FOLDERS.isdisjoint(parts)
        ):
            yield Finding("system-file", path, "left by an operating system or an editor")
        elif reason == DANGLING:  # as in a folder of DataLad whose content was not brought
            yield Finding("missing-file", path, f"it is {reason}")
        elif any(text in reason for text in LOST) and _parse(path.rpartition("/")[2]):
            yield Finding("bad-folder", path, reason)
        else:
            yield Finding("not-a-dataset", path, reason)


def _in_folder(root: str, folder: str, rows: Sequence[Row], report: Report) -> Iterator[Finding]:
    """Look at the datasets of one folder."""
    here = f"{root}/{folder}"
    if not _is_inside(os.path.realpath(here), root):
        message = f"a link on the way leads to {os.path.realpath(here)}"
        yield from (Finding("link-outside", row.source, message) for row in rows)
        return
    try:
        with os.scandir(here) as entries:
            found = {entry.name: entry for entry in entries}
    except OSError as error:
        yield Finding("unreadable", folder, error.strerror or str(error))
        yield from (Finding("missing-file", row.source, "its folder is not there") for row in rows)
        return
    files = []
    for row in rows:
        name = row.source.rpartition("/")[2]
        problem = _place_problem(row.path)
        if problem:
            yield Finding("bad-path", row.source, problem)
        entry = found.get(name)
        parts = _parse(name)
        if entry is None:
            yield Finding("missing-file", row.source, "it is in the index, and not there")
            continue
        if parts is None:
            continue
        if entry.is_symlink() and not _is_inside(os.path.realpath(entry.path), root):
            where = os.path.realpath(entry.path)
            yield Finding("link-outside", row.source, f"it is a link to {where}")
            continue
        try:
            size = entry.stat().st_size
        except FileNotFoundError:
            yield Finding("missing-file", row.source, "it is a link to a file that is not there")
            continue
        if parts.extension.lower() in TEMPORARY or name.endswith("~"):
            yield Finding("temporary-file", row.source, f"it ends in .{parts.extension}")
            continue
        report.n_bytes += size
        if size:
            files.append(_File(name, row, parts, size))
        else:
            yield Finding("empty-file", row.source, "it has no bytes")
    yield from _lengths(here, files)
    yield from _companions(files)


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _place_problem(path: str) -> str:
    """Return why a path cannot be written everywhere; each folder and each name is judged once."""
    folder, _, name = path.rpartition("/")
    problem = _part_problem(folder) or _part_problem(name)
    if not problem and len(path) > 200 and len(path.encode()) > 240:
        return "is longer than 240 bytes, which some systems cannot write"
    return problem


_part_problem = lru_cache(maxsize=16384)(path_problem)


def _twins(rows: Sequence[Row]) -> Iterator[Finding]:
    """Find paths that differ in case alone, and files that are folders of others."""
    seen: dict[str, str] = {}
    folders: set[str] = set()
    for row in rows:
        folder = row.path.rpartition("/")[0].casefold()
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for row in rows:
        key = row.path.casefold()
        other = seen.setdefault(key, row.path)
        if other is not row.path:
            yield Finding("same-path", row.source, f"the same as {other} where case does not count")
        elif key in folders:
            yield Finding("same-path", row.source, "it is a file, and a folder of other files")


# -- lengths --------------------------------------------------------------------------------------


def _lengths(here: str, files: Sequence[_File]) -> Iterator[Finding]:
    """Compare the first dimensions of the attributes of each object."""
    objects: dict[tuple[str, str], list[tuple[int, _File]]] = {}
    for file in files:
        extension = file.parts.extension.lower()
        try:
            if extension == "npy":
                shape = _npy_shape(f"{here}/{file.name}", file.size)
            elif extension in ("pqt", "parquet"):
                shape = _parquet_shape(f"{here}/{file.name}")
            else:
                continue
        except _Bad as bad:
            yield Finding(bad.rule, file.row.source, str(bad))
            continue
        except OSError as error:
            yield Finding("unreadable", file.row.source, error.strerror or str(error))
            continue
        # Pairs of sample and time belong to fewer samples than there are.
        sparse = file.parts.attribute.startswith("timestamps") and shape[1:] == (2,)
        if shape and not sparse:
            key = file.parts.namespace, file.parts.object
            objects.setdefault(key, []).append((shape[0], file))
    for (_, name), some in objects.items():
        lengths = sorted({length for length, _ in some})
        if len(set(lengths) - {1}) > 1:
            said = ", ".join(f"{f.parts.attribute} {n:,}" for n, f in sorted(some)[:6])
            more = f" and {len(some) - 6} more" if len(some) > 6 else ""
            folder = some[0][1].row.source.rpartition("/")[0]
            yield Finding("inconsistent-lengths", folder, f"{name}: {said}{more}")


class _Bad(Exception):
    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def _npy_shape(path: str, size: int) -> tuple[int, ...]:
    from fascicle.errors import TruncatedFileError, UnsafeFileError
    from fascicle.load.npy import header_end, parse_header

    with open(path, "rb", buffering=0) as f:
        head = f.read(_HEAD)
        try:
            end = header_end(head)
            if end > len(head):
                head += f.read(end - len(head))
            if end > len(head):
                raise _Bad("truncated-file", "it ends within its header")
            header = parse_header(head[:end])
        except ValueError as error:
            kind = getattr(error, "kind", None)
            rules = {TruncatedFileError: "truncated-file", UnsafeFileError: "unsafe-file"}
            rule = rules.get(kind, "bad-file") if kind is not None else "bad-file"
            raise _Bad(rule, str(error)) from None
    missing = header.offset + header.nbytes - size
    if missing > 0:
        raise _Bad("truncated-file", f"the last {missing:,} of {header.nbytes:,} bytes are missing")
    return header.shape


def _parquet_shape(path: str) -> tuple[int, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return (pq.read_metadata(path).num_rows,)
    except (pa.ArrowException, ValueError) as error:
        raise _Bad("truncated-file", f"it is no whole Parquet file: {error}") from None


# -- companions -----------------------------------------------------------------------------------


def _companions(files: Sequence[_File]) -> Iterator[Finding]:
    """Look for what has to lie beside other files."""
    names = {_plain(file) for file in files}
    attributes: dict[str, set[str]] = {}
    for file in files:
        attributes.setdefault(file.parts.object, set()).add(file.parts.attribute)
    tables = {obj for obj, held in attributes.items() if "table" in held}
    for file in files:
        obj, attribute = file.parts.object, file.parts.attribute
        for rule in _rules_for(obj, attribute, file.parts.extension):
            lacking = [
                need
                for need in rule.needs
                if not _is_there(need, file, names, attributes) and obj not in tables
            ]
            if lacking:
                what = " and ".join(lacking).replace("|", " or ").replace("*.*", "other attribute")
                yield Finding(rule.rule, file.row.source, f"no {what} beside it")


@lru_cache(maxsize=4096)
def _rules_for(obj: str, attribute: str, extension: str) -> tuple[Companion, ...]:
    found = []
    for rule in COMPANIONS:
        if rule.has.startswith("."):
            if rule.has == f".{extension}":
                found.append(rule)
        elif fnmatchcase(f"{obj}.{attribute}", rule.has):
            found.append(rule)
    return tuple(found)


def _plain(file: _File) -> str:
    """Return a file's name without the UUID that some archives put into it."""
    stem = file.name[: -len(file.parts.extension) - 1]
    last = stem.rpartition(".")[2]
    if len(last) == _UUID and last.count("-") == 4:
        stem = stem[: -_UUID - 1]
    return f"{stem}.{file.parts.extension}"


def _is_there(need: str, file: _File, names: set[str], attributes: dict[str, set[str]]) -> bool:
    if need.startswith("."):
        return _plain(file)[: -len(file.parts.extension) - 1] + need in names
    if need == "*.*":
        return len(attributes[file.parts.object]) > 1
    return any(
        attribute in attributes.get(obj, ())
        for obj, _, attribute in (one.partition(".") for one in need.split("|"))
    )

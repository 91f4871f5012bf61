"""A folder becomes a version of a release.

The index is brought up to date, the folder is looked at, files are hashed, what the place does not
have is sent, and the manifest comes last: a reader sees the version before it, or all of this one.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.errors import (
    ConfigurationError,
    NotReleasable,
    VersionExists,
    nearest,
)
from fascicle.formats.manifest import (
    MAX_FILES,
    Manifest,
)
from fascicle.formats.versions import Version, is_version
from fascicle.releases.about import About, missing, read_about
from fascicle.releases.folder import Prepared, prepared
from fascicle.releases.hashing import Digests, HashCache, digests_of
from fascicle.releases.history import (
    History,
    Item,
)
from fascicle.releases.job import Files, Job, next_version
from fascicle.releases.published import Published
from fascicle.releases.report import Finding, Report
from fascicle.releases.rules import RULES
from fascicle.releases.tables import PLACES, Row, one_tables, text_tables
from fascicle.releases.targets import Target, open_target
from fascicle.releases.validating import examine
from fascicle.transfer.places import FolderPlace, ZipPlace, open_place

if TYPE_CHECKING:
    from fascicle.catalogue.columns import Columns

_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


def publish(
    folder: str | os.PathLike[str],
    *,
    version: str,
    to: str | os.PathLike[str],
    project: str | None = None,
    title: str = "",
    authors: str | Iterable[Any] = (),
    license: str = "",
    doi: str = "",
    description: str = "",
    keywords: Iterable[str] = (),
    publisher: str = "",
    url: str = "",
    allow: str | Collection[str] = (),
    dry_run: bool = False,
    parallel: int | None = None,
    bandwidth: int | None = None,
    progress: bool | None = None,
    endpoint: str | None = None,
) -> Published:
    """Publish a folder of ALF data as a version of a release.

    Nothing in the folder changes but its index; ids that are on record are kept. Only what the
    place does not have is sent; run again after an interruption, it goes on where it was.

    Parameters
    ----------
    folder : path-like
        Holds ``lab/Subjects/subject/date/number`` or ``subject/date/number`` at any depth.
    version : str
        Such as ``1.1.0``: greater than all that the place has.
    to : str or path-like
        ``s3://bucket/[prefix/]project``, a folder, or a ``.zip`` file.
    project : str, optional
        The project's name: letters, digits, ``.``, ``_`` and ``-``. By default the one that the
        place or ``release.toml`` has, else the last part of the S3 address, else the folder's name.
    title, license, doi, description, publisher, url : str, optional
        What the release says of itself; what is not given is taken from ``release.toml`` and
        ``CITATION.cff`` in the folder, then from the version before.
    authors : str, or iterable of str or mapping
        ``Family, Given``; ``{The Brain Lab}`` in braces for who is no person; or records with
        ``given``, ``family``, ``name``, ``orcid``, ``affiliation``.
    keywords : iterable of str
    allow : str or collection of str
        Rules that may be broken: see `RULES`.
    dry_run : bool
        Look, hash and plan, but write nothing: neither to the place nor into the folder.
    parallel : int, optional
        Files under way at once.
    bandwidth : int, optional
        Bytes per second.
    progress : bool, optional
        Whether to show bars; by default on a terminal.
    endpoint : str, optional
        S3 of another server than Amazon's; by default ``AWS_ENDPOINT_URL_S3``.

    Returns
    -------
    Published
        What was found, sent and referred to.

    Raises
    ------
    ConfigurationError
        If the version, the project or the place cannot be used.
    NotReleasable
        If a rule is broken that is not allowed to be; its ``report`` says which.
    VersionExists
        If the place has the version with other content, or a newer one.
    BatchError, TransferError
        If files could not be sent: publish again.

    Examples
    --------
    >>> from fascicle.releases import publish
    >>> publish("~/lab", version="1.0.0", to="s3://our-lab/choice-task")  # doctest: +SKIP
    """
    started = time.monotonic()
    allowed = _rules(allow)
    if not is_version(version):
        raise ConfigurationError(
            f"{version!r} is no version", hint="three numbers with points between them: 1.1.0"
        )
    root = Path(folder).expanduser().absolute()
    words = [keywords] if isinstance(keywords, str) else list(keywords)
    if isinstance(authors, (str, Mapping)):
        authors = [authors]
    given = About.of(
        {
            "title": title,
            "description": description,
            "license": license,
            "doi": doi,
            "authors": list(authors),
            "keywords": words,
            "publisher": publisher,
            "url": url,
        }
    )
    bar = settings.show_progress() and os.isatty(2) if progress is None else progress
    _check_apart(root, to)
    with prepared(root, keep=not dry_run, progress=bar) as found:
        said, named = read_about(root)
        about = given.over(said)
        report, rows = examine(found)
        target, history, name = _target(to, project or named, root, endpoint)
        before = history.newest(name)
        manifests = history.manifests(name)
        if manifests and manifests[0].project == name:
            about = about.over(About.of(manifests[0].about))
        _describe(report, about)
        if blocking := report.blocking(allowed):
            raise _not_releasable(report, blocking)
        job = Job(target, name, version, about, report, dry_run=dry_run)
        existing = None
        if Version(version) in history.of_project(name):
            existing = history.manifest(name, version)
        elif before is not None and Version(version) < before:
            raise VersionExists(
                f"{target.name} has {name} {before}, which is newer than {version}",
                hint=f"choose a version above {before}, such as {next_version(before)}",
            )
        elif history.sizes and isinstance(target.place, ZipPlace):
            raise VersionExists(
                f"{target.name} exists already, with another version",
                hint="a ZIP file holds one version: choose another name",
            )
        if len(rows) > MAX_FILES - 1000:
            raise ConfigurationError(
                f"{root} has {len(rows):,} datasets, more than one manifest can list",
                hint=f"make several projects of it, each of fewer than {MAX_FILES:,} files",
            )
        cache = HashCache(root, keep=not dry_run)
        items = _items(found, rows, cache, existing or _newest(manifests, name), progress=bar)
        job.hashed, job.hashed_bytes = cache.read, cache.bytes
        if existing is not None:
            return job.repeated(existing, items, seconds=time.monotonic() - started)
        job.send(items, manifests, parallel=parallel, bandwidth=bandwidth, progress=progress)
        return job.done(seconds=time.monotonic() - started)


def _rules(allow: str | Collection[str]) -> list[str]:
    names = [allow] if isinstance(allow, str) else list(allow)
    for name in names:
        if name not in RULES:
            known = [rule.name for rule in RULES.values() if rule.severity == "error"]
            raise ConfigurationError(
                f"there is no rule {name!r}",
                hint=nearest(name, RULES) or f"rules are {', '.join(known)}",
            )
    return names


def _check_apart(root: Path, to: str | os.PathLike[str]) -> None:
    """Refuse to write a release into the folder that it is made of."""
    text = os.fspath(to)
    if "://" in text and not text.startswith("file:"):
        return
    place = open_place(text)
    if not isinstance(place, (FolderPlace, ZipPlace)):
        return
    here = os.path.realpath(root)
    there = os.path.realpath(place.root if isinstance(place, FolderPlace) else place.path)
    inside = os.path.commonpath([here, there])
    if inside in (here, there):
        raise ConfigurationError(
            f"{there} and {here} lie in each other: a release is no part of what it is made of",
            hint="name a folder or a ZIP file elsewhere",
        )


def _target(
    to: str | os.PathLike[str], project: str, root: Path, endpoint: str | None
) -> tuple[Target, History, str]:
    """Open the place, and find out what the project is called."""
    text = os.fspath(to)
    fallback = _slug(root.resolve().name)
    if text.startswith("s3://"):
        parts = text.split("://", 1)[1].strip("/").split("/")
        fallback = parts[-1] if len(parts) > 1 else fallback
    name = project or fallback
    _check_project(name)
    target = open_target(text, project=name, endpoint=endpoint)
    history = History.of(target.place)
    if not project and len(history.versions) == 1:
        (only,) = history.versions
        if only != name:
            _check_project(only)
            name, target = only, open_target(text, project=only, endpoint=endpoint)
    return target, history, name


def _check_project(name: str) -> None:
    if not _PROJECT.fullmatch(name) or name[-1] in "._-":
        raise ConfigurationError(
            f"{name!r} is no name of a project",
            hint="2 to 63 letters, digits, '.', '_' and '-', as in project='choice-task'",
        )


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    return slug if len(slug) > 1 else f"release-{slug}".strip("-")


def _newest(manifests: Sequence[Manifest], project: str) -> Manifest | None:
    return next((m for m in manifests if m.project == project), None)


def _describe(report: Report, about: About) -> None:
    """Note what the release does not say of itself."""
    if lacking := missing(about):
        text = f"no {', no '.join(lacking)}: give them, or write them into release.toml"
        report.findings.append(Finding("description", "", text))


def _not_releasable(report: Report, blocking: Sequence[Finding]) -> NotReleasable:
    names = list(dict.fromkeys(finding.rule for finding in blocking))
    shown = "".join(f"\n  {finding}" for finding in blocking[:10])
    more = f"\n  and {len(blocking) - 10:,} more" if len(blocking) > 10 else ""
    error = NotReleasable(
        f"{report.folder} cannot be released: {', '.join(names)}:{shown}{more}",
        hint=f"mend them, or allow them: allow={names!r}; fascicle.releases.validate lists all",
    )
    error.report = report
    return error


# -- what is released -----------------------------------------------------------------------------


def _items(
    found: Prepared,
    rows: Sequence[Row],
    cache: HashCache,
    base: Manifest | None,
    *,
    progress: bool,
) -> Files:
    """Return the tables and the data of a release, and when the tables were made."""
    root = found.root
    sums = cache.digests([*(row.source for row in rows), *found.documents], progress=progress)
    known = {row.path: sums[row.source] for row in rows}
    data = [
        _item(str(k), row.path, root / row.source, known[row.path]) for k, row in enumerate(rows)
    ]
    columns = found.contents.chosen(rows, known)
    tables, dates = _tables(columns, rows, base, cache.newest([row.source for row in rows]))
    metadata = [
        _item(name, PLACES[name], None, digests_of(content), content)
        for name, content in tables.items()
    ]
    for name in found.documents:
        metadata.append(_item(name, name, root / name, sums[name]))
    return Files(metadata, data, dates)


def _item(
    key: str, path: str, source: Path | None, sums: Digests, data: bytes | None = None
) -> Item:
    return Item(key, path, source, data, sums.size, sums.sha256, sums.blake2b)


def _tables(
    columns: Columns, rows: Sequence[Row], base: Manifest | None, newest_ns: int
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Make the tables; one with the same rows as before keeps its date, and so its bytes."""
    day = dt.datetime.fromtimestamp(newest_ns // 10**9, dt.UTC)
    names = ("sessions.pqt", "datasets.pqt", "insertions.pqt")
    dates = dict.fromkeys(names, day.strftime("%Y-%m-%d %H:%M"))
    said = base.about.get("tables") if base else None
    tables: dict[str, bytes] = {}
    if base and isinstance(said, dict):
        then = {name: str(said.get(name, dates[name])) for name in names}
        tables = one_tables(columns, dates=then)
        for name, content in tables.items():
            entry = base.metadata_files.get(name)
            if entry is not None and entry.sha256 == digests_of(content).sha256:
                dates[name] = then[name]
    if not tables or any(dates[name] != then[name] for name in tables):
        tables = one_tables(columns, dates=dates)
    return {**text_tables(columns, rows), **tables}, {name: dates[name] for name in tables}

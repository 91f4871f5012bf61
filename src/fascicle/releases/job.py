"""One version of a release on its way to a place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from fascicle.errors import BatchError, VersionExists
from fascicle.formats.locations import parse_url
from fascicle.formats.manifest import FileEntry, Manifest, manifest_json, manifest_name
from fascicle.formats.versions import Version
from fascicle.releases.about import About
from fascicle.releases.history import (
    FOLDER,
    History,
    Item,
    Placed,
    other_content,
    place_items,
    upload_of,
)
from fascicle.releases.published import Published
from fascicle.releases.report import Report
from fascicle.releases.targets import Target
from fascicle.transfer.places import S3Place, ZipPlace


class Files(NamedTuple):
    """What a version consists of.

    Attributes
    ----------
    metadata, data : list of Item
    dates : dict of str to str
        When the tables were made.
    """

    metadata: list[Item]
    data: list[Item]
    dates: dict[str, str]


class Job:
    """One version on its way."""

    def __init__(
        self,
        target: Target,
        project: str,
        version: str,
        about: About,
        report: Report,
        *,
        dry_run: bool,
    ) -> None:
        self.target = target
        self.project = project
        self.version = version
        self.about = about
        self.report = report
        self.dry_run = dry_run
        self.hashed = self.hashed_bytes = 0
        self.placed: list[Placed] = []

    def send(
        self,
        items: Files,
        manifests: Sequence[Manifest],
        *,
        parallel: int | None,
        bandwidth: int | None,
        progress: bool | None,
    ) -> None:
        """Send what the place does not have, then the manifest."""
        metadata, data, dates = items
        target = self.target
        in_zip = isinstance(target.place, ZipPlace)
        # What was published before a bucket had versions is the newest of its name for readers.
        versioned = target.versioned and all(e.version_id for m in manifests for e in m.files())
        if versioned:
            manifests = [m for m in manifests if self._is_here(m)]
        listed: dict[str, int] = {}
        if not (versioned or in_zip):
            listed = {k: n for k, n in target.place.list() if not k.startswith(FOLDER)}

        def assign(different: frozenset[str] = frozenset()) -> list[Placed]:
            # Data first: tables are small, and follow what they list.
            return place_items(
                [*data, *metadata],
                version=self.version,
                versioned=versioned,
                manifests=manifests,
                listed=listed,
                different=different,
                in_bucket=isinstance(target.place, S3Place),
            )

        self.placed = assign()
        if self.dry_run:
            return

        def upload() -> dict[str, str]:
            return target.upload(
                [upload_of(p) for p in self.placed if p.entry is None],
                parallel=parallel,
                bandwidth=bandwidth,
                progress=progress,
            )

        try:
            versions = upload()
        except BatchError as error:
            different = other_content(error)
            if not different:
                raise
            # An interrupted attempt left other content under these names.
            self.placed = assign(different)
            versions = upload()
        entries = {p.item: self._entry(p, versions.get(p.key, "")) for p in self.placed}
        content = manifest_json(
            project=self.project,
            version=self.version,
            metadata_files=[entries[item] for item in metadata],
            data_files=[entries[item] for item in data],
            about={
                "root": self._root(),
                "created": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                **self.about.to_dict(),
                "tables": dates,
            },
            pipeline=_pipeline(),
        )
        self._check_newest()
        target.claim(f"{FOLDER}{manifest_name(self.project, self.version)}", content)

    def _check_newest(self) -> None:
        """Make sure that nobody published a newer version meanwhile."""
        newest = History.of(self.target.place).newest(self.project)
        if newest is not None and newest > Version(self.version):
            raise VersionExists(
                f"{self.target.name} has {self.project} {newest} meanwhile",
                hint=f"choose a version above it, such as {next_version(newest)}: "
                "what was sent is used",
            )

    def _root(self) -> str:
        return parse_url(self.target.url("x")).key.removesuffix("/x")

    def _is_here(self, manifest: Manifest) -> bool:
        """Return whether the ids of versions in a manifest are those of this bucket."""
        here = parse_url(self.target.url("x"))
        return all(
            (there := parse_url(entry.url)).bucket == here.bucket
            and there.key == here.key[:-1] + manifest.place(entry)
            for entry in islice(manifest.files(), 1)
        )

    def _entry(self, placed: Placed, version_id: str) -> FileEntry:
        item, known = placed.item, placed.entry
        return FileEntry(
            item.key,
            # Not that of the older manifest: the release may have been moved since, or the content
            # be that of another project.
            self.target.url(placed.key),
            version_id if known is None else known.version_id,
            item.blake2b,
            item.path,
            item.size,
            item.sha256,
        )

    def repeated(
        self,
        existing: Manifest,
        items: Files,
        *,
        seconds: float,
    ) -> Published:
        """Return that the version is there already, if it is the same."""
        metadata, data, _ = items
        mine = {(i.key, i.path, i.sha256) for i in (*metadata, *data)}
        theirs = {(e.key, e.path, e.sha256) for e in existing.files()}
        if mine != theirs or About.of(existing.about) != self.about:
            mine_by, theirs_by = {p: s for _, p, s in mine}, {p: s for _, p, s in theirs}
            paths = sorted(p for p in {*mine_by, *theirs_by} if mine_by.get(p) != theirs_by.get(p))
            what = "what it says of itself differs"
            if len(paths) == 1:
                what = f"{paths[0]} differs"
            elif paths:
                what = f"{paths[0]} and {len(paths) - 1:,} more differ"
            raise VersionExists(
                f"{self.target.name} has {self.project} {self.version} already, and {what}",
                hint="what was published is never changed: choose the next version, such as "
                f"{next_version(Version(self.version))}",
            )
        return self._published(existing=True, seconds=seconds)

    def done(self, *, seconds: float) -> Published:
        """Return what was done."""
        return self._published(existing=False, seconds=seconds)

    def _published(self, *, existing: bool, seconds: float) -> Published:
        sent = [p for p in self.placed if p.entry is None]
        kept = [p for p in self.placed if p.entry is not None]
        return Published(
            place=self.target.name,
            project=self.project,
            version=self.version,
            manifest=manifest_name(self.project, self.version),
            about=self.about,
            report=self.report,
            sent=len(sent),
            sent_bytes=sum(p.item.size for p in sent),
            kept=len(kept),
            kept_bytes=sum(p.item.size for p in kept),
            hashed=self.hashed,
            hashed_bytes=self.hashed_bytes,
            existing=existing,
            dry_run=self.dry_run,
            seconds=seconds,
            files=tuple((p.key, p.item.size) for p in sent),
        )


def _pipeline() -> list[dict[str, str]]:
    from fascicle import __version__

    comment = "published with fascicle release create"
    return [{"name": "fascicle", "version": __version__, "comment": comment}]


def next_version(version: Version) -> str:
    """Return the version that usually follows another."""
    numbers = version.text.partition("-")[0].partition("+")[0].split(".")
    return f"{numbers[0]}.{int(numbers[1]) + 1}.0"

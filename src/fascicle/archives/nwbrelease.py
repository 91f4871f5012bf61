"""The NWB files of a release under ALF names, downloaded and verified, or read where they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.archives.base import Capabilities, DatasetRef, SessionName, Source
from fascicle.archives.nwbfiles import key_of, recipe
from fascicle.archives.nwbview import InFile, NwbView
from fascicle.archives.session import OpenSession
from fascicle.catalogue import identity
from fascicle.errors import BadFileError

if TYPE_CHECKING:
    from fascicle.archives.release import ReleaseArchive
    from fascicle.catalogue import Catalogue
    from fascicle.catalogue.columns import Columns
    from fascicle.formats.nwb import NwbFile
    from fascicle.formats.nwb.described import Described

_TRIES = 3  # files of one kind that may be damaged before another is looked at no more
_DIGITS = re.compile(r"\d+")
_PROBE = re.compile(r"^alf/([^/]+)/")


class NwbRelease(NwbView):
    """One version of a release whose sessions are NWB files, under ALF names.

    Made by ``release.alf()``. Sessions, ids, probes and regions are those of the release. What the
    files offer is read off the files by ranges, without a download: off each file of a release that
    fascicle published, and off one of each kind where a project's files are all laid out alike.

    Parameters
    ----------
    release : ReleaseArchive
    stream : bool
        Read files where they are, by ranges, rather than bring them here whole first. What is here
        already is read from here.
    """

    def __init__(self, release: ReleaseArchive, *, stream: bool = False) -> None:
        self.release = release
        self.stream = stream
        super().__init__()

    @property
    def name(self) -> str:
        """The release's name."""
        return self.release.name

    @property
    def capabilities(self) -> Capabilities:
        """The terms that the release answers."""
        return self.release.capabilities

    @property
    def store(self) -> Path:
        """The folder that ALF files are written to where files are asked for."""
        key = key_of(f"{self.release.project}@{self.release.version}@{self.name}")
        return settings.cache_dir() / "nwb" / key / recipe()

    def catalogue(self) -> Catalogue:
        """Return what the version has, made once and kept.

        Raises
        ------
        OfflineError, TransferError
            If files have to be looked at, and cannot be.
        """
        if self._catalogue is None:
            from fascicle.archives.keeping import kept_catalogue

            release = self.release
            self._catalogue = kept_catalogue(
                release.manifest_bytes(),
                f"{release._form.recipe()}|nwb|{recipe()}",
                release._derived,
                self._columns,
                root=self.store,
            )
        return self._catalogue

    def open(self, session: SessionName) -> OpenSession:
        """Return one session; parameters and errors are those of the release's ``open``."""
        return OpenSession(self, self.release.open(session).eid)

    # -- what the files offer --------------------------------------------------------------------

    def _columns(self) -> Columns:
        import numpy as np

        from fascicle.catalogue.columns import Columns, empty_records, with_distinct_ids
        from fascicle.catalogue.restore import columns_of
        from fascicle.catalogue.schema import EXISTS

        cat = self.release.catalogue()
        whole = columns_of(cat)
        owners: list[int] = []
        codes: list[int] = []
        ids: list[bytes] = []
        number: dict[str, int] = {}
        meta: dict[str, Any] = {**whole.meta, "files": {}, "owners": {}}
        meta.pop("has_default_revision", None)
        damaged: dict[str, str] = {}
        for n, files in self._offered(cat, damaged):
            eid = whole.sessions[n].eid
            has: dict[str, int] = {}
            for k, (_, paths) in enumerate(files):
                for path in paths:
                    has.setdefault(path, k)
            ordered = sorted(has)
            owners += [n] * len(ordered)
            codes += [number.setdefault(path, len(number)) for path in ordered]
            ids += identity.dataset_ids(eid, ordered)
            meta["files"][eid.hex()] = [name for name, _ in files]
            if len(files) > 1:
                meta["owners"][eid.hex()] = has
        if damaged:
            meta["damaged"] = damaged
        records = empty_records(len(ids))
        if ids:
            records["id"] = np.frombuffer(b"".join(ids), "V16")
            records["size"] = -1
        return with_distinct_ids(
            Columns(
                whole.sessions,
                np.array(owners, np.int32),
                np.array(codes, np.int32),
                list(number),
                records,
                np.full(len(ids), EXISTS, np.uint8),
                insertions=whole.insertions,
                meta=meta,
            )
        )

    def _offered(
        self, cat: Catalogue, damaged: dict[str, str]
    ) -> Iterator[tuple[int, list[tuple[str, list[str]]]]]:
        """Go through the sessions: row, files, and what each file offers, the most first."""
        known: dict[str, Described] = {}
        tries = Counter[str]()
        probes: dict[int, list[str]] = {}
        for insertion in cat.insertions():
            probes.setdefault(insertion.row, []).append(insertion.name)
        for row in range(cat.n_sessions):
            eid = cat.eid(row)
            files = []
            for name in cat.datasets(row).rel_paths:
                if not name.endswith(".nwb"):
                    continue
                file = InFile(name, eid)
                kind = name if self.release.manifest.ours else _DIGITS.sub("0", name)
                kind = f"{eid}/{kind}" if self.release.manifest.ours else kind
                if kind not in known and tries[kind] < _TRIES:
                    tries[kind] += 1
                    try:
                        known[kind] = self._described(file)
                    except BadFileError as error:
                        damaged[f"{cat.session(row).path}/{name}"] = error.message
                if kind not in known:
                    continue
                said = known[kind]
                if said.part:
                    continue  # a probe's LFP, whose channels are in the recording's file too
                paths = said.datasets
                if not self.release.manifest.ours:
                    paths = _for_probes(said, probes.get(row, []))
                files.append((name, paths))
            if files:
                yield row, sorted(files, key=lambda file: -len(file[1]))

    def _described(self, file: InFile) -> Described:
        """Return what a file says, without bringing it here."""
        from fascicle.formats.nwb.described import describe

        with self._reader(file, stream=True) as opened:
            return describe(opened, name=file.name)

    # -- its files -------------------------------------------------------------------------------

    def _source(self, file: InFile) -> Source:
        return self.release.locate([DatasetRef(file.eid, file.name)])[0]

    def _stamp(self, file: InFile) -> int:
        # A version never changes: what was made of a file stays true.
        source = self._source(file)
        known = f"{source.hash}{source.version}" or source.url
        return int(identity.native_session_id("file", known).hex()[:13], 16)

    def _opened(self, file: InFile) -> NwbFile:
        return self._reader(file, stream=self.stream)

    def _reader(self, file: InFile, *, stream: bool) -> NwbFile:
        from fascicle.formats.nwb import NwbFile
        from fascicle.transfer.ranged import open_ranged

        ref = DatasetRef(file.eid, file.name)
        here = self.release.targets([ref])[0].is_file()
        if here or not stream:
            return NwbFile(self.release.bring([ref])[0], name=file.name)
        access = self.release._form.place.access
        remote: Any = partial(open_ranged, self._source(file), access=access)
        return NwbFile(remote, name=file.name)

    # -- how it shows and compares ---------------------------------------------------------------

    def __repr__(self) -> str:
        return f"{self.release!r}.alf({'stream=True' if self.stream else ''})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NwbRelease):
            return NotImplemented
        return (self.release, self.stream) == (other.release, other.stream)

    def __hash__(self) -> int:
        return hash((self.release, self.stream))


def _for_probes(said: Described, labels: list[str]) -> list[str]:
    """Return what a file of that kind offers for a session with some probes."""
    general, of_probe = [], set()
    for path in said.datasets:
        found = _PROBE.match(path)
        if found:
            of_probe.add(path[found.end() :])
        else:
            general.append(path)
    return general + [f"alf/{label}/{name}" for label in labels for name in of_probe]

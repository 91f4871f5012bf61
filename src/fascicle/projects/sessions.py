"""What a session of a release needs beyond its file: where its probes' LFP is, what tables add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.archives import watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from fascicle.allen.electrodes import ProbeFacts
    from fascicle.formats.nwb import NwbFile
    from fascicle.projects.cache import ProjectCache


def open_data(cache: ProjectCache, file_id: str, *, stream: bool) -> NwbFile:
    """Return a data file of a release: brought here and verified, or read where it is.

    Parameters
    ----------
    cache : ProjectCache
    file_id : str
        A key of its manifest.
    stream : bool
        Whether to read ranges of a file that is not here. Its checksum is not looked at then; its
        address is that of the version which the manifest names.
    """
    from fascicle.formats.nwb import NwbFile
    from fascicle.nwb import open_file

    where = cache.data_path(file_id)
    if not stream or where["exists"]:
        return NwbFile(cache.download_data(file_id))
    entry = where["file_attributes"]
    if watch.watched():
        watch.vouch(cache._uses([entry]))
    cache._versions.require(cache.manifest, entry)
    bucket = cache._versions.bucket
    return open_file(cache._versions.source(entry), access=bucket.access if bucket else None)


@dataclass(frozen=True)
class LfpFiles:
    """Finds the file with a probe's LFP in a release; it pickles.

    Attributes
    ----------
    cache : ProjectCache
        At the version that the session is of.
    file_ids : mapping
        Keys of the manifest by id of the probe.
    stream : bool
        Whether files that are not here are read where they are.
    """

    cache: ProjectCache
    file_ids: Mapping[int, str]
    stream: bool

    def __call__(self, probe: ProbeFacts) -> Any:
        """Return the file of a probe, None if the release has none."""
        file_id = self.file_ids.get(probe.id)
        return None if file_id is None else open_data(self.cache, file_id, stream=self.stream)


@dataclass(frozen=True)
class UnitMetrics:
    """Looks up what a release's table of units has and the files of sessions lack; it pickles.

    Attributes
    ----------
    cache : ProjectCache
        At the version that the session is of.
    session : int
        Id of the recording.
    """

    cache: ProjectCache
    session: int

    def __call__(self) -> pd.DataFrame | None:
        """Return what the table has of the recording's units, None if that is nothing."""
        wanted = ["ecephys_session_id", "waveform_halfwidth"]
        table = self.cache.columns("units", wanted)
        if table is None:
            return None
        return table[table["ecephys_session_id"] == self.session]

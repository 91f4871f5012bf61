"""A synthetic release in the Allen Institute's layout: four versions, five tables, data files.

The tables have the columns and the kinds of values of Visual Behavior Neuropixels, and as many rows
if ``size="real"``. The data files are NWB files of the true layout that agree with the tables, but
small: short, with few spikes, and waveforms on few channels. Where there are many sessions, most
have *stand-ins*: text that says what would be there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from fascicle.demo.release_tables import RELEASE_SIZES, ReleaseSize, Tables
from fascicle.errors import ConfigurationError, HashMismatch, NotHereError, nearest
from fascicle.formats.locations import Location
from fascicle.formats.manifest import manifest_name, parse_manifest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BUCKET",
    "PROJECT",
    "REGION",
    "RELEASE_SIZES",
    "VERSIONS",
    "DemoRelease",
    "ReleaseSize",
    "make_release",
]

PROJECT = "visual-behavior-neuropixels"
BUCKET = "visual-behavior-neuropixels-data"
REGION = "us-west-2"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.10.0")


@dataclass(frozen=True, slots=True)
class DemoRelease:
    """What was put where.

    Attributes
    ----------
    bucket, project : str
    manifests : tuple of str
        Names of the manifests, oldest first.
    tables : mapping
        For each version the tables as bytes, by key.
    """

    bucket: str
    project: str
    manifests: tuple[str, ...]
    tables: Mapping[str, Mapping[str, bytes]] = field(repr=False)


def make_release(
    put: Callable[..., str],
    *,
    size: str = "tiny",
    bucket: str = BUCKET,
    project: str = PROJECT,
    versions: tuple[str, ...] = VERSIONS,
    real: Path | None = None,
    recordings: Collection[int] | None = None,
    seed: int = 3,
) -> DemoRelease:
    """Put a release of several versions into a bucket.

    Version 0.2.0 changes the table of units; 0.3.0 replaces a data file; 0.10.0 adds a session with
    its probes, channels and units, renames a file, deletes another, and brings the units'
    ``quality``. With real files, all versions have all sessions.

    Parameters
    ----------
    put : callable
        Takes a key and bytes, and returns the version id that the bucket gave them. Real files come
        with the id that they have to get, as ``version_id=``.
    size : {'tiny', 'small', 'real'}
        How many rows the tables have.
    bucket, project : str
        What manifests call them.
    versions : tuple of str
        Which of `VERSIONS` to publish, oldest first.
    real : pathlib.Path, optional
        A folder with one real manifest and the real ``probes.csv`` that it names, as AllenSDK's
        cache lays them out. Both are put as they are, so the manifest names files that are not in
        the bucket: its other tables and all its recordings. The other versions have the same table
        of probes, and tables that fit it.
    recordings : collection of int, optional
        Ids of the sessions whose files are NWB files, and not stand-ins; with none, trainings have
        stand-ins too. By default the first four, which are all of a tiny release; if tables have
        real size, the first two and 1052533639, which is among the real ones. The third has no
        eye tracking, and the fourth a wheel that was mounted the other way round.
    seed : int
        Another number makes other values.
    """
    if size not in RELEASE_SIZES:
        raise ConfigurationError(
            f"no release is {size!r} in size",
            hint=nearest(size, RELEASE_SIZES) or ", ".join(RELEASE_SIZES),
        )
    given = _Real.read(real, project) if real is not None else None
    tables: Tables | None = None
    held: dict[str, tuple[bytes, str]] = {}
    if given:
        held[given.key] = given.probes, put(given.key, given.probes, version_id=given.version_id)
    published: dict[str, Mapping[str, bytes]] = {}
    names = []

    def entry(path: str, content: bytes) -> dict[str, str]:
        key = f"{project}/{path}"
        if key not in held or held[key][0] != content:
            held[key] = content, put(key, content)
        return {
            "url": Location(bucket, key, region=REGION).url(),
            "version_id": held[key][1],
            "file_hash": hashlib.blake2b(content).hexdigest(),
        }

    for version in versions:
        name = manifest_name(project, version)
        names.append(name)
        if given and version == given.version:
            put(f"{project}/manifests/{name}", given.manifest)
            published[version] = {"probes": given.probes}
            continue
        tables = tables or Tables(size, given.probes if given else None, seed, recordings)
        files = tables.of(version)
        document = {
            "project_name": project,
            "manifest_version": version,
            "data_pipeline": [{"name": "AllenSDK", "version": "2.13.5", "comment": "synthetic"}],
            "metadata_file_id_column_name": "file_id",
            "metadata_files": {
                name: entry(f"project_metadata/{name}.csv", content)
                for name, content in files.items()
            },
            "data_files": {
                str(key): entry(path, content) for key, path, content in tables.data(version)
            },
        }
        put(f"{project}/manifests/{name}", json.dumps(document, indent=4).encode())
        published[version] = files
    return DemoRelease(bucket, project, tuple(names), published)


class _Real(NamedTuple):
    """A real manifest, and the real table of probes that it names."""

    version: str
    manifest: bytes
    probes: bytes
    key: str
    version_id: str

    @classmethod
    def read(cls, folder: Path, project: str) -> _Real:
        """Read them from a folder, and hold the table to the manifest's checksum."""
        path = next(folder.glob(f"{project}_project_manifest_v*.json"), None)
        if path is None:
            raise NotHereError(f"no manifest of {project} in {folder}")
        content = path.read_bytes()
        manifest = parse_manifest(content)
        entry = manifest.metadata_files["probes"]
        probes = (folder / f"{project}-{manifest.version}" / entry.path).read_bytes()
        if hashlib.blake2b(probes).hexdigest() != entry.file_hash:
            raise HashMismatch(f"{entry.path} in {folder} is not what {path.name} says")
        place = entry.location
        return cls(manifest.version, content, probes, place.key, place.version_id)

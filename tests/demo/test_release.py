"""The synthetic release: its versions, its tables, and how they fit together."""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fascicle.demo.release import RELEASE_SIZES, VERSIONS, DemoRelease, make_release
from fascicle.errors import ConfigurationError, HashMismatch, NotHereError
from fascicle.formats.manifest import Manifest, parse_manifest


def publish(**options: object) -> tuple[DemoRelease, dict[str, bytes]]:
    held: dict[str, bytes] = {}

    def put(key: str, content: bytes, *, version_id: str = "") -> str:
        held[key] = content
        return version_id or f"v{len(held)}"

    return make_release(put, **options), held  # type: ignore[arg-type]


#: For those that only look; what it returns is not to be changed.
published = functools.cache(publish)


def manifests(release: DemoRelease, held: dict[str, bytes]) -> list[Manifest]:
    return [parse_manifest(held[f"{release.project}/manifests/{n}"]) for n in release.manifests]


def tables(release: DemoRelease, version: str) -> dict[str, pd.DataFrame]:
    return {n: pd.read_csv(io.BytesIO(c)) for n, c in release.tables[version].items()}


def test_the_same_each_time() -> None:
    assert publish()[1] == publish()[1]
    assert publish(seed=4)[0].tables != publish()[0].tables


def test_manifests_say_what_lies_there() -> None:
    release, held = published()
    for manifest, version in zip(manifests(release, held), VERSIONS, strict=True):
        assert manifest.version == version
        for entry in manifest.metadata_files.values():
            content = release.tables[version][entry.key]
            assert hashlib.blake2b(content).hexdigest() == entry.file_hash
            assert f"{release.project}/{entry.path}" in held


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_rows_belong_to_rows(version: str, size: str) -> None:
    release, held = published(size=size)
    found = tables(release, version)
    sessions, probes = found["ecephys_sessions"], found["probes"]
    channels, units = found["channels"], found["units"]
    assert sessions["ecephys_session_id"].is_unique and units["unit_id"].is_unique
    assert set(probes["ecephys_session_id"]) == set(sessions["ecephys_session_id"])
    assert set(channels["ecephys_probe_id"]) == set(probes["ecephys_probe_id"])
    assert set(units["ecephys_channel_id"]) <= set(channels["ecephys_channel_id"])
    assert dict(units["ecephys_probe_id"].value_counts()) == {
        probe: n
        for probe, n in zip(probes["ecephys_probe_id"], probes["unit_count"], strict=True)
        if n
    }
    behavior = found["behavior_sessions"]
    assert set(sessions["behavior_session_id"]) <= set(behavior["behavior_session_id"])
    manifest = manifests(release, held)[VERSIONS.index(version)]
    of_rows = {*sessions["file_id"], *behavior["file_id"], *probes["file_id"]} - {-999}
    assert {str(n) for n in of_rows} == set(manifest.data_files)
    assert "np." not in sessions["structure_acronyms"].iloc[0]


def test_real_files_stay_as_they_are_and_the_others_fit_them(shared: Path) -> None:
    real = shared / "data/allen/visual_behavior_neuropixels"
    release, held = publish(real=real, versions=("0.2.0", "0.3.0"))
    probes = real / "visual-behavior-neuropixels-0.3.0/project_metadata/probes.csv"
    manifest = next(real.glob("*.json"))
    assert held[f"{release.project}/manifests/{manifest.name}"] == manifest.read_bytes()
    assert release.tables["0.3.0"] == {"probes": probes.read_bytes()}
    assert release.tables["0.2.0"]["probes"] == probes.read_bytes()
    older, its = manifests(release, held)
    assert older.metadata_files["probes"] == its.metadata_files["probes"]
    found = tables(release, "0.2.0")
    assert len(found["ecephys_sessions"]) == 153
    assert len(found["units"]) == RELEASE_SIZES["real"].units == 319_013
    assert len(found["channels"]) == 905 * 384 == 347_520


def test_what_is_not_real_is_refused(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(NotHereError, match="no manifest"):
        publish(real=tmp_path)
    real = shared / "data/allen/visual_behavior_neuropixels"
    shutil.copytree(real, tmp_path / "copy", copy_function=shutil.copyfile)
    for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]:
        path.chmod(0o755)
    probes = next((tmp_path / "copy").rglob("probes.csv"))
    probes.write_bytes(probes.read_bytes().replace(b"701", b"702", 1))
    with pytest.raises(HashMismatch, match=r"probes\.csv"):
        publish(real=tmp_path / "copy")


def test_an_unknown_size() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'small'"):
        publish(size="smal")

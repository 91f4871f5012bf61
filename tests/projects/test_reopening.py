"""What a folder, or whoever types a name, can say that is not as it should be."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from fascicle.errors import OutdatedManifestWarning
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache

from .conftest import name

LATEST = name("0.10.0")

pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Cache:
    return Cache.from_s3_cache(folder)


@pytest.mark.parametrize("text", ["nonsense", "another_project_manifest_v0.1.0.json"])
def test_a_record_of_what_was_never_here(cache: Cache, folder: Path, text: str) -> None:
    (folder / "_manifest_last_used.txt").write_text(text)
    with pytest.warns(UserWarning, match=text):
        assert Cache.from_s3_cache(folder).current_manifest() == LATEST


def test_a_first_opening_that_was_killed_is_no_reason_to_warn(cache: Cache, folder: Path) -> None:
    # What is there when the process ends before the record is written.
    (folder / "_downloaded_data.json").unlink()
    (folder / "_manifest_last_used.txt").unlink()
    (folder / f"{cache.config.project}-0.10.0" / ".units.csv.0123-abcd.part").write_bytes(b"1,2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = Cache.from_s3_cache(folder)
    assert again.get_unit_table().equals(cache.get_unit_table())
    record = json.loads((folder / "_downloaded_data.json").read_text())
    assert set(record.values()) == {e.file_hash for e in cache.manifest.metadata_files.values()}


@pytest.mark.parametrize("what", [None, 3, "", "0.3", "../x.json"])
def test_what_is_no_name_of_a_version(cache: Cache, what: Any) -> None:
    with pytest.raises(ValueError, match="no release"):
        cache.load_manifest(what)
    assert cache.current_manifest() == LATEST


def test_a_version_by_its_number(cache: Cache) -> None:
    with pytest.warns(OutdatedManifestWarning):
        cache.load_manifest("v0.2.0")
    assert cache.current_manifest() == name("0.2.0")

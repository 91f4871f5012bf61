"""A folder of NWB files passes the contract of archives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fascicle.archives import NwbArchive
from fascicle.testing import ArchiveTests


@pytest.fixture(scope="module")
def real_nwb(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nwb")
    for file in (shared / "data" / "nwb").glob("*.nwb"):
        (folder / file.name).symlink_to(file)
    return folder


class TestRealFiles(ArchiveTests):
    @pytest.fixture
    def archive(self, real_nwb: Path) -> NwbArchive:
        return NwbArchive(real_nwb)

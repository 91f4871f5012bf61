"""One tiny lab for all tests of the demo that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fascicle.demo import make_lab


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("demo") / "lab", size="tiny")

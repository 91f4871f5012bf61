"""The table of faults has every test, and no other."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "get.md"


def names_in(*names: str) -> set[str]:
    return {
        test
        for name in names
        for test in re.findall(r"^def (test_\w+)", (HERE / name).read_text(), re.MULTILINE)
    }


def test_the_table_of_faults_is_that_of_the_tests() -> None:
    shown = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    everything = names_in(*(path.name for path in HERE.glob("test_*.py")))
    assert not shown - everything
    assert not names_in("test_faults.py", "test_processes.py") - shown


def test_the_page_has_the_settings() -> None:
    page = PAGE.read_text()
    for name in ("OFFLINE", "PARALLEL", "BANDWIDTH", "TRANSPORT"):
        assert f"FASCICLE_{name}" in page

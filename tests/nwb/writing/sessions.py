"""Sessions of the demo lab, and how tests convert them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fascicle
from fascicle.nwb import Report, convert

#: One with all there is, and one of trials alone.
RICH = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
SMALL = "zadorlab/Subjects/CSH_ZAD_003/2019-08-13/001"


def session(lab: Path, path: str = SMALL) -> Any:
    found = [one for one in fascicle.find(archives=[lab]) if str(one.record.path) == path]
    return found[0]


def quick(lab: Path, target: Any, *, path: str = SMALL, **options: Any) -> Report:
    return convert(session(lab, path), target, **{"check": False, "progress": False, **options})


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())

"""Bring what exists into a hub's database: a folder, another Alyx, or an Alyx's dump."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.hub.importing.alyx import import_alyx as import_alyx
    from fascicle.hub.importing.dump import export_dump as export_dump
    from fascicle.hub.importing.dump import import_dump as import_dump
    from fascicle.hub.importing.folder import import_folder as import_folder
    from fascicle.hub.importing.report import ImportReport as ImportReport

_PLACES = {
    "ImportReport": "report",
    "import_alyx": "alyx",
    "export_dump": "dump",
    "import_dump": "dump",
    "import_folder": "folder",
}
__all__ = sorted(_PLACES)

__getattr__, __dir__ = attach(__name__, _PLACES)

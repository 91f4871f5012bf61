"""Find, fetch, load, release and convert neurophysiology recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fascicle import (
        alf,
        analysis,
        archives,
        atlas,
        catalogue,
        errors,
        load,
        projects,
        releases,
        transfer,
    )
    from fascicle.analysis.across import units
    from fascicle.analysis.available import availability
    from fascicle.archives.fetch import get
    from fascicle.archives.folder import FolderArchive
    from fascicle.archives.opening import open_archive as open
    from fascicle.archives.pins import use_lock
    from fascicle.archives.search import find
    from fascicle.archives.sessions import Sessions
    from fascicle.atlas import Regions
    from fascicle.catalogue import index
    from fascicle.releases.recording import recording
    from fascicle.releases.syncing import sync

__version__ = "0.1.0.dev0"

__all__ = [
    "FolderArchive",
    "Regions",
    "Sessions",
    "__version__",
    "alf",
    "analysis",
    "archives",
    "atlas",
    "availability",
    "catalogue",
    "errors",
    "find",
    "get",
    "index",
    "load",
    "open",
    "projects",
    "recording",
    "releases",
    "sync",
    "transfer",
    "units",
    "use_lock",
]

# Each public name and where it lives: nothing is imported before it is used.
_HOMES = {
    "FolderArchive": ("fascicle.archives.folder", "FolderArchive"),
    "Regions": ("fascicle.atlas", "Regions"),
    "Sessions": ("fascicle.archives.sessions", "Sessions"),
    "availability": ("fascicle.analysis.available", "availability"),
    "find": ("fascicle.archives.search", "find"),
    "get": ("fascicle.archives.fetch", "get"),
    "index": ("fascicle.catalogue", "index"),
    "open": ("fascicle.archives.opening", "open_archive"),
    "recording": ("fascicle.releases.recording", "recording"),
    "sync": ("fascicle.releases.syncing", "sync"),
    "units": ("fascicle.analysis.across", "units"),
    "use_lock": ("fascicle.archives.pins", "use_lock"),
}
_MODULES = frozenset(
    {
        *("alf", "allen", "analysis", "archives", "atlas", "catalogue", "errors", "load"),
        *("nwb", "projects", "releases", "transfer"),
    }
)


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"fascicle.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'fascicle' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

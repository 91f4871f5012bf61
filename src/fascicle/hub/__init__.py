"""A lab's server: what clients of Alyx ask for, from a folder of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.hub.config import HubConfig, load_config
    from fascicle.hub.serving import serve
    from fascicle.hub.setup import prepare

_WHERE = {
    "HubConfig": "config",
    "load_config": "config",
    "prepare": "setup",
    "serve": "serving",
}

__all__ = ["HubConfig", "load_config", "prepare", "serve"]

__getattr__, __dir__ = attach(__name__, _WHERE)

"""Where things lie and how fascicle behaves, from the environment and the platform's folders."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder for derived files that can be made again (``FASCICLE_CACHE``)."""
    if given := os.environ.get("FASCICLE_CACHE"):
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("fascicle", appauthor=False))


def one_cache_dir() -> Path:
    """Return ONE's default data folder, so that what ONE downloaded is found."""
    return Path.home() / "Downloads" / "ONE"


def show_progress() -> bool:
    """Return whether bars are drawn: not if ``FASCICLE_PROGRESS=0`` or ``TQDM_DISABLE`` is set."""
    return os.environ.get("FASCICLE_PROGRESS", "1") != "0" and not os.environ.get("TQDM_DISABLE")

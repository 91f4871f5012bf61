"""Where things lie and how fascicle behaves, from the environment and the platform's folders."""

from __future__ import annotations

import os
from pathlib import Path

from fascicle.errors import ConfigurationError


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


def offline() -> bool:
    """Return whether nothing may be fetched over a network (``FASCICLE_OFFLINE=1``)."""
    return os.environ.get("FASCICLE_OFFLINE", "").lower() not in ("", "0", "no", "false")


def parallel() -> int | None:
    """Return how many requests may be under way at once (``FASCICLE_PARALLEL``), None if not said.

    Raises
    ------
    ConfigurationError
        If it is not a whole number above 0.
    """
    given = os.environ.get("FASCICLE_PARALLEL", "")
    if not given:
        return None
    if not given.isdecimal() or int(given) < 1:
        raise ConfigurationError(
            f"FASCICLE_PARALLEL is {given!r}", hint="a whole number above 0: FASCICLE_PARALLEL=16"
        )
    return int(given)


def bandwidth() -> int | None:
    """Return the bytes per second that a transfer may use (``FASCICLE_BANDWIDTH``), None if any.

    Raises
    ------
    ConfigurationError
        If it is not a number, with ``k``, ``M`` or ``G`` for thousands, millions or billions.
    """
    given = os.environ.get("FASCICLE_BANDWIDTH", "")
    if not given:
        return None
    factor = {"k": 1e3, "m": 1e6, "g": 1e9}.get(given[-1].lower(), 0)
    try:
        value = int(float(given[:-1] if factor else given) * (factor or 1))
    except (ValueError, OverflowError):
        value = 0
    if value < 1:
        raise ConfigurationError(
            f"FASCICLE_BANDWIDTH is {given!r}",
            hint="bytes per second, as in FASCICLE_BANDWIDTH=20M",
        )
    return value

"""How fast places were, so that a plan can say how long it may take."""

from __future__ import annotations

import contextlib
import json
import os
import secrets

from fascicle import settings

_MOST = 200


def _load() -> dict[str, float]:
    try:
        found = json.loads((settings.cache_dir() / "rates.json").read_text(encoding="utf-8"))
        return {str(k): float(v) for k, v in found.items() if float(v) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def known_rate(origin: str) -> float:
    """Return the bytes per second last seen from a place, 0 where none were."""
    return _load().get(origin, 0.0)


def remember_rate(origin: str, rate: float) -> None:
    """Note how fast a place was. Where that cannot be written, nothing is noted."""
    rates = _load()
    rates.pop(origin, None)
    rates[origin] = rate
    folder = settings.cache_dir()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".rates-{secrets.token_hex(4)}.part"
        new.write_text(json.dumps(dict(list(rates.items())[-_MOST:])), encoding="utf-8")
        os.replace(new, folder / "rates.json")

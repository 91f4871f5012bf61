"""Puts files where a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def into_folder(root: Path) -> Callable[[str, bytes], str]:
    """Return what puts files into a folder, as `make_release` and the like ask for it."""

    def put(key: str, content: bytes) -> str:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return ""

    return put

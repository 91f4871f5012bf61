"""Checksums of files, by whatever algorithm an archive has on record."""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fascicle.errors import ConfigurationError, nearest

_BLOCK = 1 << 20


class Hasher(Protocol):
    """What a running checksum can do; those of hashlib are of this kind."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes in."""
        ...

    def hexdigest(self) -> str:
        """Return the checksum of what was taken in."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def plain_name(algorithm: str) -> str:
    """Return the name of an algorithm as hashlib has it: ``SHA-256`` is ``sha256``."""
    name = algorithm.lower().replace("-", "")
    return {"blake2b512": "blake2b", "blake2s256": "blake2s"}.get(name, name)


@functools.lru_cache
def maker(algorithm: str) -> Callable[[], Hasher]:
    """Return what begins a checksum.

    Parameters
    ----------
    algorithm : str
        ``md5``, ``sha256``, ``blake2b``, ``crc32`` or any other that hashlib has.

    Raises
    ------
    ConfigurationError
        If nothing here computes it.
    """
    name = plain_name(algorithm)
    if name == "crc32":
        return _Crc32
    if name not in hashlib.algorithms_available or name.startswith("shake"):
        known = ["crc32", *hashlib.algorithms_guaranteed]
        raise ConfigurationError(
            f"no way to compute a checksum of the kind {algorithm!r}",
            hint=nearest(name, known) or "md5, sha1, sha256, sha512, blake2b and crc32 are known",
        )
    if name == "md5":
        return lambda: hashlib.md5(usedforsecurity=False)
    return lambda: hashlib.new(name)


def file_digest(path: Path | str, algorithm: str) -> str:
    """Return the checksum of a file in hexadecimal digits.

    Parameters
    ----------
    path : path-like
    algorithm : str

    Raises
    ------
    OSError
        If the file cannot be read.
    ConfigurationError
        If nothing here computes that checksum.
    """
    running = maker(algorithm)()
    with open(path, "rb", buffering=0) as f:
        while block := f.read(_BLOCK):
            running.update(block)
    return running.hexdigest()

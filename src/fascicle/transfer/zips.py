"""Members of ZIP files: found by name, taken out whole, never more than they say they are.

What the file says of itself is not believed further than it can be checked: names that lead out of
a folder are refused, and so are encrypted members, links, and sizes that cannot be.
"""

from __future__ import annotations

import functools
import io
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote

from fascicle.errors import BadFileError, HashMismatch, RemoteNotFound, UnsafeTarget
from fascicle.transfer.disk import write_all
from fascicle.transfer.hashes import Hasher, maker
from fascicle.transfer.seeking import SeekableFile
from fascicle.transfer.source import Source

_BLOCK = 1 << 20
_HEADER = 30
#: Deflate never makes more than 1,032 bytes of one.
_RATIO = 1032
_ENCRYPTED = 0x1


def zip_url(path: Path, member: str) -> str:
    """Return the URL of a member."""
    place = quote(os.path.abspath(path).replace(os.sep, "/"), safe="/")
    return f"zip://{place if place.startswith('/') else '/' + place}!/{quote(member, safe='/')}"


def safe_key(key: str) -> bool:
    """Return whether a name leads to a file below the folder that it is relative to."""
    parts = key.split("/")
    return not (
        "\0" in key
        or "\\" in key
        or any(part in ("", ".", "..") for part in parts)
        or (len(parts[0]) > 1 and parts[0][1] == ":")  # a drive
    )


def members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files in a ZIP file, by name.

    Raises
    ------
    RemoteNotFound
        If it is not there.
    BadFileError
        If it is no ZIP file.
    UnsafeTarget
        If the name of a member leads out of the folder that it would be unpacked into.
    """
    try:
        seen = os.stat(path)
        return _members(os.path.abspath(path), seen.st_mtime_ns, seen.st_size, seen.st_ino)
    except FileNotFoundError as error:
        raise RemoteNotFound(f"{path}: no such file", hint="is its disk mounted?") from error


@functools.lru_cache(maxsize=8)
def _members(path: str, *_: int) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise BadFileError(f"{path} is no ZIP file that can be read: {error}") from error
    for info in infos:
        name = info.orig_filename
        if name.endswith("/") and safe_key(name.rstrip("/") or "."):
            continue
        if not safe_key(name):
            raise UnsafeTarget(
                f"{path} holds a member named {name!r}, which leads out of its folder",
                hint="do not trust where it comes from",
            )
        if name in found:
            raise BadFileError(f"{path} holds two members named {name!r}")
        found[name] = info
    return found


def member(path: Path, name: str) -> zipfile.ZipInfo:
    """Return a member that may be read.

    Raises
    ------
    RemoteNotFound
        If there is none of that name.
    BadFileError
        If it is encrypted, a link, compressed in a way that is not known, or if its sizes cannot
        be.
    """
    info = members(path).get(name)
    if info is None:
        raise RemoteNotFound(f"{path} has no member {name!r}")
    if info.flag_bits & _ENCRYPTED:
        raise BadFileError(f"{path}: {name!r} is encrypted", hint="unpack it with its password")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnsafeTarget(f"{path}: {name!r} is a link, not a file")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadFileError(
            f"{path}: {name!r} is compressed in a way that is not known here "
            f"(method {info.compress_type})",
            hint="unpack it with another program",
        )
    stored = info.compress_type == zipfile.ZIP_STORED
    most = info.compress_size if stored else _RATIO * info.compress_size + 64
    if info.file_size > most or (stored and info.file_size != info.compress_size):
        raise BadFileError(
            f"{path}: {name!r} says that it has {info.file_size:,} bytes, in "
            f"{info.compress_size:,}: that cannot be"
        )
    return info


def chunks(path: Path, name: str) -> Iterator[bytes]:
    """Yield the content of a member, which is checked against the CRC of the ZIP file.

    Raises
    ------
    BadFileError
        If the member is damaged: cut short, longer than it says, or another content.
    """
    info = member(path, name)
    crc = n_bytes = 0
    with open(path, "rb") as f:
        f.seek(_start(f, info, path))
        for data in _plain(f, info, path):
            n_bytes += len(data)
            if n_bytes > info.file_size:
                raise BadFileError(
                    f"{path}: {name!r} has more than the {info.file_size:,} bytes that it says"
                )
            crc = zlib.crc32(data, crc)
            yield data
    if n_bytes != info.file_size or crc != info.CRC:
        raise BadFileError(f"{path}: {name!r} is damaged", hint="get the ZIP file again")


def _start(f: IO[bytes], info: zipfile.ZipInfo, path: Path) -> int:
    """Return where the bytes of a member begin."""
    f.seek(info.header_offset)
    header = f.read(_HEADER)
    if len(header) < _HEADER or header[:4] != b"PK\x03\x04":
        raise BadFileError(f"{path}: {info.filename!r} is not where it should be")
    n_name, n_extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:], "little")
    raw = f.read(n_name)
    start = info.header_offset + _HEADER + n_name + n_extra
    if raw.decode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace") != info.orig_filename:
        raise BadFileError(f"{path}: {info.filename!r} has another name where it begins")
    if start + info.compress_size > os.fstat(f.fileno()).st_size:
        raise BadFileError(f"{path}: {info.filename!r} is cut short")
    return start


def _plain(f: IO[bytes], info: zipfile.ZipInfo, path: Path) -> Iterator[bytes]:
    left = info.compress_size
    engine = None if info.compress_type == zipfile.ZIP_STORED else zlib.decompressobj(-15)
    try:
        while left and (data := f.read(min(_BLOCK, left))):
            left -= len(data)
            if engine is None:
                yield data
                continue
            while data:
                yield engine.decompress(data, _BLOCK)
                data = engine.unconsumed_tail
        if engine is not None:
            yield engine.flush()
    except zlib.error as error:
        raise BadFileError(
            f"{path}: {info.filename!r} is damaged: {error}", hint="get the ZIP file again"
        ) from error


def extract(source: Source, part: Path) -> None:
    """Write a member into a new file, verified: by its checksum on record, else by the ZIP's CRC.

    Raises
    ------
    BadFileError
        If the member is damaged or not what it says.
    HashMismatch
        If its checksum is not the one on record.
    """
    path, name = source.zip_member() or (Path(), "")
    info = member(path, name)
    if source.size is not None and source.size != info.file_size:
        raise HashMismatch(
            f"{source.url}: it has {info.file_size:,} bytes, {source.size:,} are on record",
            hint="the ZIP file is not the one that the record was made of",
        )
    running: Hasher | None = maker(source.algorithm)() if source.hash else None
    with open(part, "xb") as sink:
        for data in chunks(path, name):
            sink.write(data)
            if running is not None:
                running.update(data)
        sink.flush()
        os.fsync(sink.fileno())
    if running is not None and running.hexdigest() != source.hash:
        raise HashMismatch(
            f"{source.url}: its {source.algorithm} is {running.hexdigest()}, on record is "
            f"{source.hash}",
            hint="the ZIP file was changed after its record was made",
        )


def open_member(source: Source) -> io.RawIOBase:
    """Open a member for reading anywhere in it.

    One that is stored as it is, is read where it lies; another is first unpacked into a temporary
    file, which is gone when it is closed.
    """
    path, name = source.zip_member() or (Path(), "")
    info = member(path, name)
    if info.compress_type == zipfile.ZIP_STORED:
        return _Slice(path, info)
    # it lives as long as what is returned
    whole = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    try:
        for data in chunks(path, name):
            write_all(whole.fileno(), data)
        whole.seek(0)
        return cast("io.RawIOBase", whole)  # without a buffer it is one
    except BaseException:
        whole.close()
        raise


class _Slice(SeekableFile):
    """The bytes of a stored member, where they lie in the ZIP file."""

    def __init__(self, path: Path, info: zipfile.ZipInfo) -> None:
        super().__init__()
        self.size = info.file_size
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed with this
        try:
            with open(path, "rb") as f:
                self._start = _start(f, info, path)
        except BaseException:
            self._file.close()
            raise

    def readinto(self, buffer: Any, /) -> int:
        n = max(0, min(len(buffer), self.size - self._position))
        if not n:
            return 0
        self._file.seek(self._start + self._position)
        got = self._file.readinto(memoryview(buffer).cast("B")[:n])
        self._position += got
        return got

    def close(self) -> None:
        self._file.close()
        super().close()

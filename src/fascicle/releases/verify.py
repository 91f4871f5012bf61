"""Whether a place still has, byte by byte, what a manifest says."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from fascicle.errors import FascicleError, HashMismatch, RemoteNotFound, TruncatedError
from fascicle.formats.manifest import FileEntry, Manifest
from fascicle.transfer.hashes import file_digest
from fascicle.transfer.source import Source
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.transfer.places import Place

State: TypeAlias = Literal["missing", "changed", "unreadable", "unverified"]

_BATCH_FILES = 2000
_BATCH_BYTES = 2 << 30
_THREADS = 8
_ASKERS = 16


class Wrong(NamedTuple):
    """A file that is not what the manifest says, or that could not be looked at.

    Attributes
    ----------
    path : str
        In the release.
    state : str
        ``missing``, ``changed``, ``unreadable``, or ``unverified`` where the manifest has no
        checksum that could be held against it.
    message : str
        What is wrong.
    """

    path: str
    state: State
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes
    ----------
    name : str
        The release.
    files, bytes : int
        How much was looked at.
    quick : bool
        Whether sizes alone were compared.
    wrong : tuple of Wrong
        By path.
    """

    name: str
    files: int
    bytes: int
    quick: bool
    wrong: tuple[Wrong, ...]

    @property
    def ok(self) -> bool:
        """Whether all is as the manifest says."""
        return not self.wrong

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "name": self.name,
            "ok": self.ok,
            "files": self.files,
            "bytes": self.bytes,
            "quick": self.quick,
            "wrong": [wrong._asdict() for wrong in self.wrong],
        }

    def __str__(self) -> str:
        what = "by size" if self.quick else "byte by byte"
        text = f"{self.name}: {self.files:,} files, {size_text(self.bytes)}, looked at {what}: "
        if self.ok:
            return text + "all are as the manifest says"
        listed = "".join(f"\n  {wrong}" for wrong in self.wrong[:20])
        more = f"\n  and {len(self.wrong) - 20:,} more" if len(self.wrong) > 20 else ""
        return f"{text}{len(self.wrong):,} are not{listed}{more}"

    def _repr_html_(self) -> str:
        head = escape(str(self).partition("\n")[0])
        rows = "".join(
            f"<tr><td>{escape(w.path)}</td><td>{w.state}</td><td>{escape(w.message)}</td></tr>"
            for w in self.wrong[:200]
        )
        return f"<table><caption style='white-space:nowrap'>{head}</caption>{rows}</table>"


def verify_files(
    manifest: Manifest,
    place: Place,
    source: Callable[[FileEntry], Source],
    *,
    name: str,
    quick: bool = False,
    progress: bool = False,
) -> Verification:
    """Hold the files of a place against a manifest.

    Parameters
    ----------
    manifest : Manifest
    place : Place
        Where they lie.
    source : callable
        Says where the bytes of an entry are.
    name : str
        What the result calls the release.
    quick : bool
        Compare sizes alone.
    progress : bool
        Show a bar on stderr.
    """
    from tqdm import tqdm

    known: dict[str, tuple[FileEntry, Source]] = {}
    wrong: list[Wrong] = []
    for entry in manifest.files():
        try:
            known[entry.path] = entry, source(entry)
        except HashMismatch as error:
            wrong.append(Wrong(entry.path, "unverified", error.message))
        except FascicleError as error:
            wrong.append(Wrong(entry.path, "unreadable", error.message))
    pairs = list(known.values())
    on_disk = all(s.local_path() is not None for _, s in pairs)
    with tqdm(total=len(pairs), desc="verify", unit="file", disable=not progress) as bar:
        if on_disk:
            found = _on_disk(pairs, quick=quick)
        elif quick:
            found = _by_size(pairs, place)
        else:
            found = _fetched(pairs, place)
        for some in found:
            bar.update(1)
            if some is not None:
                wrong.append(some)
    return Verification(
        name,
        len(pairs) + sum(w.path not in known for w in wrong),
        sum(entry.size or 0 for entry, _ in pairs),
        quick,
        tuple(sorted(wrong)),
    )


def _on_disk(pairs: Sequence[tuple[FileEntry, Source]], *, quick: bool) -> Iterator[Wrong | None]:
    def look(pair: tuple[FileEntry, Source]) -> Wrong | None:
        entry, source = pair
        path = source.local_path()
        assert path is not None  # all are on this machine
        try:
            size = path.stat().st_size
            if entry.size is not None and size != entry.size:
                return _other_size(entry, size)
            if not quick and file_digest(path, entry.algorithm) != entry.file_hash.lower():
                return Wrong(entry.path, "changed", f"its {entry.algorithm} is another")
        except FileNotFoundError:
            return Wrong(entry.path, "missing", "it is not there")
        except OSError as error:
            return Wrong(entry.path, "unreadable", f"cannot be read: {error.strerror or error}")
        return None

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(look, pairs)


def _other_size(entry: FileEntry, size: int) -> Wrong:
    return Wrong(entry.path, "changed", f"{size:,} bytes, {entry.size:,} in the manifest")


def _fetched(pairs: Sequence[tuple[FileEntry, Source]], place: Place) -> Iterator[Wrong | None]:
    """Bring files to a folder that goes away again; what arrives is verified on the way."""
    from fascicle.transfer import make_plan

    for batch in _batches(pairs):
        with tempfile.TemporaryDirectory(prefix="fascicle-verify-") as folder:
            targets = [Path(folder, str(k)) for k in range(len(batch))]
            plan = make_plan(
                [(source, target) for (_, source), target in zip(batch, targets, strict=True)],
                store=folder,
            )
            result = plan.run(progress=False, access=place.access)
            errors = {outcome.item.target: outcome.error for outcome in result.failed}
            for (entry, _), target in zip(batch, targets, strict=True):
                error = errors.get(target)
                yield None if error is None else Wrong(entry.path, _state(error), error.message)


def _batches(
    pairs: Iterable[tuple[FileEntry, Source]],
) -> Iterator[list[tuple[FileEntry, Source]]]:
    batch: list[tuple[FileEntry, Source]] = []
    total = 0
    for pair in pairs:
        size = pair[0].size or 0
        if batch and (len(batch) >= _BATCH_FILES or total + size > _BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(pair)
        total += size
    if batch:
        yield batch


def _state(error: FascicleError) -> State:
    if isinstance(error, RemoteNotFound):
        return "missing"
    return "changed" if isinstance(error, (HashMismatch, TruncatedError)) else "unreadable"


def _by_size(pairs: Sequence[tuple[FileEntry, Source]], place: Place) -> Iterator[Wrong | None]:
    """Ask for sizes: a ZIP file's directory has them, other places are asked file by file."""
    from fascicle.transfer.places import ZipPlace

    if isinstance(place, ZipPlace):
        from fascicle.transfer.zips import zip_url

        listed = {zip_url(place.path, key): size for key, size in place.list()}
        for entry, source in pairs:
            size = listed.get(source.url)
            if size is None:
                yield Wrong(entry.path, "missing", "it is not there")
            else:
                same = entry.size is None or size == entry.size
                yield None if same else _other_size(entry, size)
        return
    from threading import local

    from fascicle.transfer.ask import Asker
    from fascicle.transfer.s3 import Access

    mine = local()
    access = place.access or Access.from_environment()
    askers: list[Asker] = []

    def look(pair: tuple[FileEntry, Source]) -> Wrong | None:
        entry, source = pair
        if not hasattr(mine, "asker"):
            mine.asker = Asker(access)
            askers.append(mine.asker)
        try:
            size = _remote_size(mine.asker, source)
        except FascicleError as error:
            return Wrong(entry.path, _state(error), error.message)
        return None if entry.size is None or size == entry.size else _other_size(entry, size)

    try:
        with ThreadPoolExecutor(_ASKERS) as pool:
            yield from pool.map(look, pairs)
    finally:
        for asker in askers:
            asker.__exit__()


def _remote_size(asker: Any, source: Source) -> int:
    """Ask for one byte: the answer says how many there are."""
    from fascicle.transfer.answers import judge
    from fascicle.transfer.client import Answer
    from fascicle.transfer.s3 import address

    where = address(source, asker.access)
    head, body = asker.get(
        where.url,
        at_most=1 << 20,
        is_s3=where.is_s3,
        region=asker.access.region,
        headers=["Range: bytes=0-0"],
    )
    total = str(head.get("content-range")).rpartition("/")[2]
    if head.status in (206, 416) and total.isdecimal():
        return int(total)
    if head.status == 200:
        return int(head.length() or len(body))
    raise judge(source.url, Answer(head, body)).error

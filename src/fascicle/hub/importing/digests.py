"""Which sessions of a catalogue are other than when they were imported last."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

from fascicle.catalogue import Catalogue

_HEAD = b"fascicle import 1\n"
_ID, _DIGEST = 16, 16


def digests(catalogue: Catalogue) -> dict[bytes, tuple[bytes, int]]:
    """Return, by session, a digest of what a catalogue holds of it, and its row."""
    probes: dict[int, list[str]] = {}
    ask = "SELECT n, name, model, serial, source FROM insertion ORDER BY i"
    for n, *values in catalogue._con.execute(ask):
        probes.setdefault(n, []).append(repr(values))
    out: dict[bytes, tuple[bytes, int]] = {}
    for row in range(catalogue.n_sessions):
        held = catalogue.datasets(row)
        session = catalogue.session(row)
        h = blake2b(digest_size=_DIGEST)
        h.update(repr((session.path, session.task_protocol, session.projects)).encode())
        h.update("\0".join(held.rel_paths).encode("utf-8", "surrogateescape"))
        h.update(held.flags)
        h.update(catalogue._records(held._first, len(held)))
        h.update("\0".join(probes.get(row, ())).encode())
        out[session.eid.bytes] = h.digest(), row
    return out


def read(path: Path, token: str) -> dict[bytes, bytes]:
    """Return the digests that were written for the same database; none where there are others."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    head = _HEAD + token.encode() + b"\n"
    if not raw.startswith(head) or (len(raw) - len(head)) % (_ID + _DIGEST):
        return {}
    body = raw[len(head) :]
    step = _ID + _DIGEST
    return {body[i : i + _ID]: body[i + _ID : i + step] for i in range(0, len(body), step)}


def write(path: Path, token: str, found: dict[bytes, tuple[bytes, int]]) -> None:
    """Write digests, as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    body = b"".join(eid + digest for eid, (digest, _) in sorted(found.items()))
    part.write_bytes(_HEAD + token.encode() + b"\n" + body)
    os.replace(part, path)


def as_uuids(raw: Iterable[bytes]) -> list[UUID]:
    """Return ids as UUIDs."""
    return [UUID(bytes=eid) for eid in raw]

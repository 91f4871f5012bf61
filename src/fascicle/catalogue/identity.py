"""Ids that never change: the same recording gets the same id on every run and every machine.

Existing ids come first (those of an index, then a UUID in a file's name); what has none gets one
derived here from its place. Version 3 UUIDs, since clients of the field refuse version 5.
"""

from __future__ import annotations

import unicodedata
from datetime import date as Date
from hashlib import md5

#: The namespace of all derived ids. It is published, and must never change.
NAMESPACE = bytes.fromhex("6f1d3a2c5b7e4c0a9d8e2b4f6a1c3e5d")


_VERSION = [bytes([b & 0x0F | 0x30]) for b in range(256)]
_VARIANT = [bytes([b & 0x3F | 0x80]) for b in range(256)]


def _uuid3(namespace: bytes, name: str) -> bytes:
    d = md5(namespace + name.encode(), usedforsecurity=False).digest()
    return d[:6] + _VERSION[d[6]] + d[7:8] + _VARIANT[d[8]] + d[9:]


def session_id(lab: str, subject: str, date: Date | str, number: int) -> bytes:
    """Return the id of a session that no index knows yet.

    Parameters
    ----------
    lab : str
        Lab name; empty where the folders name none.
    subject : str
        Subject nickname, case kept.
    date : datetime.date or str
        Date of the session; a string must be ``YYYY-MM-DD``.
    number : int
        Number of the session on that day.

    Returns
    -------
    bytes
        The 16 bytes of a version 3 UUID.
    """
    text = f"{lab}/{subject}/{date}/{number:03d}"
    return _uuid3(NAMESPACE, unicodedata.normalize("NFC", text))


def native_session_id(project: str, native: str | int) -> bytes:
    """Return the id of a session that a release knows by an id of its own.

    Parameters
    ----------
    project : str
        Name of the release's project.
    native : str or int
        The id that the release gives the session.

    Returns
    -------
    bytes
        The 16 bytes of a version 3 UUID.
    """
    return _uuid3(NAMESPACE, unicodedata.normalize("NFC", f"{project}/{native}"))


def dataset_id(eid: bytes, rel_path: str) -> bytes:
    """Return the id of a dataset from its session's id and its path within the session.

    Parameters
    ----------
    eid : bytes
        The 16 bytes of the session's id.
    rel_path : str
        Path relative to the session, revision included, with forward slashes.

    Returns
    -------
    bytes
        The 16 bytes of a version 3 UUID.
    """
    return _uuid3(eid, unicodedata.normalize("NFC", rel_path))


def dataset_ids(eid: bytes, rel_paths: list[str]) -> list[bytes]:
    """Return the ids of many datasets of one session (see `dataset_id`), faster than one by one."""
    start = md5(eid, usedforsecurity=False)
    out = []
    for path in rel_paths:
        h = start.copy()
        h.update((path if path.isascii() else unicodedata.normalize("NFC", path)).encode())
        d = h.digest()
        out.append(d[:6] + _VERSION[d[6]] + d[7:8] + _VARIANT[d[8]] + d[9:])
    return out


def insertion_id(eid: bytes, label: str) -> bytes:
    """Return the id of a probe insertion from its session's id and the probe's label.

    Parameters
    ----------
    eid : bytes
        The 16 bytes of the session's id.
    label : str
        For example ``probe00``.

    Returns
    -------
    bytes
        The 16 bytes of a version 3 UUID.
    """
    return _uuid3(eid, unicodedata.normalize("NFC", label))

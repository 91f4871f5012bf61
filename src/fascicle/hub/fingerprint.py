"""Whether a folder of recordings is as it was, without reading a file."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from fascicle.catalogue.store import Store

RECENT = 3600.0  # seconds in which a file that is being written is looked at


def fingerprint(folder: Path) -> str:
    """Return what changes when the folder's index, or what lies in the folder, does.

    A folder's own time changes when something in it is made, removed or renamed. A file that grows
    changes nothing but itself: files are looked at one by one in folders that changed lately.
    Hidden folders and links are left out.
    """
    store = Store(folder)
    digest = hashlib.blake2b(f"{store.home.top()} {store.away.top()}".encode(), digest_size=16)
    now = time.time()
    rest = [str(folder)]
    while rest:
        path = rest.pop()
        try:
            changed = os.stat(path).st_mtime_ns
            inside, files = _inside(path)
        except OSError as error:  # gone since it was listed, or a disk that is away
            digest.update(f"{path}\0{error.errno}\0".encode("utf-8", "surrogateescape"))
            continue
        rest += inside
        digest.update(f"{path}\0{changed}\0".encode("utf-8", "surrogateescape"))
        if now - changed / 1e9 < RECENT:
            for entry in files:
                digest.update(_seen(entry).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _inside(path: str) -> tuple[list[str], list[os.DirEntry[str]]]:
    folders, files = [], []
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                files.append(entry)
    return folders, files


def _seen(entry: os.DirEntry[str]) -> str:
    try:
        st = entry.stat(follow_symlinks=False)
    except OSError:
        return f"{entry.name}\0gone\0"
    return f"{entry.name}\0{st.st_size}\0{st.st_mtime_ns}\0"

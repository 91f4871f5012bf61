"""What a server answered is kept for a while, for each server and user apart.

Any number of processes may share the folder: a file is written beside its place and moved there,
and one that cannot be read is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from pathlib import Path
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

_FORMAT = 1
#: Answers that what is written to a database does not change.
_LASTING = ("/api/schema", "/docs")


class Kept(NamedTuple):
    """An answer that was kept.

    Attributes
    ----------
    answer : object
        The decoded JSON.
    is_fresh : bool
        Whether it has not expired, and nothing was written to the server since.
    """

    answer: Any
    is_fresh: bool


class Responses:
    """Answers of one server to one user.

    Parameters
    ----------
    folder : pathlib.Path
        Shared with other servers, users, and programs.
    base_url, user : str
        Who answered, and to whom.

    Notes
    -----
    Files lie flat in the folder, since ONE, which keeps its own answers there, takes everything in
    it for a file.
    """

    def __init__(self, folder: Path, base_url: str, user: str) -> None:
        self.folder = folder
        self._server = _digest(base_url)[:16]
        self._who = f"{self._server}-{_digest(user)[:12]}"
        self._names = base_url, user

    def find(self, query: str) -> Kept | None:
        """Return the answer to a query, None if none is kept."""
        path = self._path(query)
        try:
            known = json.loads(path.read_bytes())
            if known["format"] != _FORMAT or known["of"] != [*self._names, query]:
                return None
            answer, asked, expires = known["answer"], float(known["asked"]), known["expires"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.debug("a kept answer in %s cannot be used: %s", path, error)
            return None
        now = time.time()
        is_fresh = asked <= now < float(expires)
        if is_fresh and not query.startswith(_LASTING):
            is_fresh = asked > self._written()
        return Kept(answer, is_fresh)

    def keep(self, query: str, answer: Any, *, asked: float, seconds: float) -> None:
        """Keep an answer.

        Parameters
        ----------
        query : str
        answer : object
            The decoded JSON.
        asked : float
            When the question was sent, in seconds since 1970.
        seconds : float
            How long it is good for; after that it serves only where the server is out of reach.
        """
        self._write(
            self._path(query),
            {
                "format": _FORMAT,
                "of": [*self._names, query],
                "asked": asked,
                "expires": asked + seconds,
                "answer": answer,
            },
        )

    def note_write(self) -> None:
        """Note that something was written to the server: what was answered before may be old."""
        self._write(self.folder / f"{self._server}-written", time.time())

    def clear(self) -> None:
        """Forget all answers of this server, whoever asked."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.name.startswith(f"{self._server}-"):
                    with contextlib.suppress(OSError):
                        path.unlink()

    def _path(self, query: str) -> Path:
        return self.folder / f"{self._who}-{_digest(query)}"

    def _written(self) -> float:
        try:
            return float(json.loads((self.folder / f"{self._server}-written").read_bytes()))
        except (OSError, ValueError, TypeError):
            return 0.0

    def _write(self, path: Path, content: Any) -> None:
        """Write a file whole or not at all; what cannot be kept is asked for again."""
        part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            logger.debug("an answer cannot be kept in %s: %s", self.folder, error)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]

"""Where one file's bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of one file are, and how to know that they are the right ones.

    Attributes
    ----------
    url : str
        ``file:``, ``http:``, ``https:`` or ``s3:``.
    version : str
        The store's version id, or an empty string.
    size : int or None
        Length in bytes as recorded: a hint.
    hash, algorithm : str
        The checksum on record in hexadecimal digits, and its algorithm: the truth. Empty where none
        is known.
    media_type : str
        Internet media type, or an empty string.
    """

    url: str
    version: str = ""
    size: int | None = None
    hash: str = ""
    algorithm: str = ""
    media_type: str = ""

    def local_path(self) -> Path | None:
        """Return the file on this machine, or None where the bytes lie elsewhere."""
        if not self.url.startswith("file:"):
            return None
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(self.url).path))

    @property
    def origin(self) -> str:
        """The place that the file comes from: scheme and host, or bucket."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

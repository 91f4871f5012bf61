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
        ``file:``, ``http:``, ``https:`` or ``s3:``; ``zip:///abs/x.zip!/member`` for a member of a
        ZIP file; ``s3+https://host/bucket/key`` for S3 of another server than the one that is set.
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

    @property
    def is_local(self) -> bool:
        """Whether the bytes are on this machine, so that no network is needed."""
        return self.url.startswith(("file:", "zip:"))

    def local_path(self) -> Path | None:
        """Return the file on this machine, or None where the bytes lie elsewhere.

        Those of a member of a ZIP file lie in the ZIP file: None.
        """
        if not self.url.startswith("file:"):
            return None
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(self.url).path))

    def zip_member(self) -> tuple[Path, str] | None:
        """Return the ZIP file and the name of the member in it, None for any other place."""
        if not self.url.startswith("zip:"):
            return None
        from urllib.parse import unquote
        from urllib.request import url2pathname

        place, _, member = self.url.removeprefix("zip://").partition("!/")
        return Path(url2pathname(place)), unquote(member)

    @property
    def origin(self) -> str:
        """The place that the file comes from: scheme and host, bucket, or ZIP file."""
        url = self.url
        if url.startswith(("https:", "http:")):
            end = url.find("/", url.find("//") + 2)
            return url if end < 0 else url[:end]
        scheme, _, rest = url.partition("://")
        if scheme == "zip":
            return self.url.partition("!/")[0]
        if scheme.startswith("s3+"):
            return f"{scheme}://{'/'.join(rest.split('/', 2)[:2])}"
        return f"{scheme}://{rest.partition('/')[0]}"

"""Bodies that a server compressed although it was asked not to."""

from __future__ import annotations

import zlib
from urllib.parse import urlsplit

from fascicle.errors import TransferError
from fascicle.transfer.source import Source

_MOST = 64 << 20  # of one piece: what is more is a bomb


class Decoder:
    """Undoes gzip or deflate, piece by piece."""

    def __init__(self, window: int) -> None:
        self._engine = zlib.decompressobj(window)

    def feed(self, data: bytes) -> bytes:
        """Return the plain bytes of a further piece.

        Raises
        ------
        ValueError
            If it is harmed.
        """
        try:
            plain = self._engine.decompress(data, _MOST)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if self._engine.unconsumed_tail:
            raise ValueError("it grows beyond all measure")
        return plain

    def finish(self) -> None:
        """Check that the end was reached.

        Raises
        ------
        ValueError
            If it was not.
        """
        if not self._engine.eof:
            raise ValueError("it ends too early")


def decoder_for(encoding: str, source: Source, *, is_s3: bool) -> Decoder | None:
    """Return what undoes a content encoding, None where the bytes are the file as they come.

    In S3 the encoding is a remark on the stored bytes, and these are what checksums are of; so it
    is for a file whose own name says that it is compressed.

    Raises
    ------
    TransferError
        If the encoding is one that was refused and cannot be undone.
    """
    name = encoding.strip().lower()
    path = urlsplit(source.url).path.lower()
    if name in ("", "identity") or is_s3:
        return None
    if name in ("gzip", "x-gzip"):
        return None if path.endswith((".gz", ".tgz")) else Decoder(31)
    if name == "deflate":
        return Decoder(15)
    raise TransferError(
        f"{source.url}: the server sends it encoded as {encoding!r}, which was not asked for",
        hint="its administrator can switch that off for data files",
    )

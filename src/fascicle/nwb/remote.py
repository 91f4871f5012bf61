"""NWB files elsewhere, opened again and again, of which the bytes that are read are fetched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast

from fascicle.errors import ChangedRemote
from fascicle.transfer import Access, Limits, Source, open_ranged
from fascicle.transfer.blocks import BlockFile
from fascicle.transfer.parts import Tag
from fascicle.transfer.text import size_text

#: Bytes of a block: what describes an NWB file lies in many places, and little in each.
BLOCK = 128 << 10
#: Bytes that are kept in memory.
CACHE = 64 << 20


class Traffic(NamedTuple):
    """What came over a network for a session.

    Attributes
    ----------
    requests : int
    bytes_read : int
    size : int
        Length of the file in bytes.
    """

    requests: int
    bytes_read: int
    size: int

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {size_text(self.bytes_read)} of {size_text(self.size)} read"
        )


class RemotePlace:
    """Opens a remote file, again and again; what is pickled of it has no credentials.

    Parameters
    ----------
    source : Source
    block_size, cache_size : int
        Bytes that are asked for at least, and that are kept.
    limits : Limits, optional
    access : Access, optional
        How to reach S3.
    """

    def __init__(
        self,
        source: Source,
        *,
        block_size: int = BLOCK,
        cache_size: int = CACHE,
        limits: Limits | None = None,
        access: Access | None = None,
    ) -> None:
        self.source = source
        self._block_size = block_size
        self._cache_size = cache_size
        self._limits = limits
        self._access = access
        self._seen: tuple[int, Tag] | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._access is not None:
            state["_access"] = replace(self._access, key="", secret="", token="")
        return state

    def __call__(self) -> BinaryIO:
        """Open it.

        Raises
        ------
        TransferError
            If it cannot be read, or is no more what it was when it was first opened.
        """
        if self.source.is_local:
            return cast(BinaryIO, open_ranged(self.source))
        file = BlockFile(
            self.source,
            block_size=self._block_size,
            cache_size=self._cache_size,
            limits=self._limits,
            access=self._reach(),
        )
        size, tag = self._seen or (file.size, file.tag)
        if size != file.size or tag.differs(file.tag):
            file.close()
            raise ChangedRemote(
                f"{self.source.url} changed on the server while it was open", hint="open it again"
            )
        self._seen = size, tag
        return cast(BinaryIO, file)

    def _reach(self) -> Access | None:
        """Return how to reach S3, with credentials of this machine where none are at hand."""
        given = self._access
        if given is None or given.key:
            return given
        mine = Access.from_environment(endpoint=given.endpoint)
        return replace(mine, region=given.region or mine.region)

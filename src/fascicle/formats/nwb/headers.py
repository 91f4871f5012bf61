"""How long the texts of an attribute claim to be, read off the object's header.

Libhdf5 takes memory for each text as its length says, before it looks whether there is so much: a
single wrong byte is four gigabytes. Headers that are not as most are, such as those of very many
attributes, are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

#: A text where it is used: its length, the address of its heap, its number there.
TEXT = np.dtype([("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])

_ATTRIBUTE, _CONTINUED = 0x0C, 0x10
_SHARED = 0x02
_MOST_BLOCKS = 256
_MOST_BYTES = 1 << 20


def longest_texts(read: Callable[[int, int], bytes], address: int) -> dict[bytes, int]:
    """Return, for each attribute that is text, how long the longest claims to be.

    Parameters
    ----------
    read : callable
        Returns bytes of the file from a position, so many of them.
    address : int
        Of the object's header.

    Returns
    -------
    dict of bytes to int
        Bytes, by the name of the attribute.
    """
    found: dict[bytes, int] = {}
    for message in _messages(read, address):
        parsed = _texts(message)
        if parsed is not None:
            found[parsed[0]] = parsed[1]
    return found


def _messages(read: Callable[[int, int], bytes], address: int) -> Iterator[bytes]:
    """Yield the attributes of an object, as they stand in its header."""
    head = read(address, 48)
    if head[:4] == b"OHDR":
        flags = head[5]
        at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 0x03)
        blocks = [(address + at + width, int.from_bytes(head[at : at + width], "little"))]
        size_at, flags_at, begin = 1, 3, 6 if flags & 0x04 else 4
    elif head[:1] == b"\x01":
        blocks = [(address + 16, int.from_bytes(head[8:12], "little"))]
        size_at, flags_at, begin = 2, 4, 8
    else:
        return
    seen = 0
    while blocks and seen < _MOST_BLOCKS:
        position, length = blocks.pop(0)
        if length > _MOST_BYTES:
            return
        seen += 1
        block, at = read(position, length), 0
        while at + begin <= len(block):
            kind = int.from_bytes(block[at : at + size_at], "little")
            size = int.from_bytes(block[at + size_at : at + size_at + 2], "little")
            body = block[at + begin : at + begin + size]
            if kind == _CONTINUED and len(body) >= 16:
                where = int.from_bytes(body[:8], "little")
                more = int.from_bytes(body[8:16], "little")
                own = 4 if size_at == 1 else 0  # a signature before, a checksum after
                blocks.append((where + own, more - 2 * own))
            elif kind == _ATTRIBUTE and not block[at + flags_at] & _SHARED:
                yield body
            at += begin + size


def _texts(body: bytes) -> tuple[bytes, int] | None:
    """Return name and longest text of an attribute, None if it is something else."""
    if len(body) < 9 or body[0] not in (1, 2, 3) or (body[0] > 1 and body[1]):
        return None
    version = body[0]
    sizes = [int.from_bytes(body[i : i + 2], "little") for i in (2, 4, 6)]
    padded = [size + 7 & ~7 for size in sizes] if version == 1 else sizes
    at = 9 if version == 3 else 8
    name = body[at : at + sizes[0]].rstrip(b"\0")
    kind = body[at + padded[0] : at + padded[0] + sizes[1]]
    if len(kind) < 2 or kind[0] & 0x0F != 9:
        return None
    values = body[at + sum(padded) :]
    texts = np.frombuffer(values, TEXT, count=len(values) // TEXT.itemsize)
    return name, int(texts["length"].max()) if len(texts) else 0

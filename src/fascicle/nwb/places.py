"""From a path or an address to a session."""

from __future__ import annotations

import os
from pathlib import Path

from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.claims import MOST_CLAIMED
from fascicle.nwb.remote import BLOCK, CACHE, RemotePlace
from fascicle.nwb.session import NwbSession
from fascicle.transfer import Access, Limits, Source


def read(
    place: str | os.PathLike[str] | Source,
    *,
    version: str = "",
    endpoint: str = "",
    access: Access | None = None,
    limits: Limits | None = None,
    block_size: int = BLOCK,
    cache_size: int = CACHE,
    max_claim: int | None = MOST_CLAIMED,
) -> NwbSession:
    """Open an NWB file as a session; no more of it is read than is asked for.

    Parameters
    ----------
    place : str, path-like or Source
        A path, or an address: ``https://…``, ``http://…``, ``s3://bucket/key``,
        ``zip:///abs/x.zip!/session.nwb``.
    version : str, optional
        The store's version id.
    endpoint : str, optional
        URL of an S3 server other than Amazon's.
    access : Access, optional
        How to reach S3, with credentials; the environment's unless given.
    limits : Limits, optional
        How fast, how often to try.
    block_size : int
        Bytes that are asked for over a network at least.
    cache_size : int
        Bytes of these that are kept in memory.
    max_claim : int or None
        Bytes of memory that an array may take though a hundredth of it or less is stored; None
        for no bound.

    Returns
    -------
    NwbSession

    Raises
    ------
    RemoteNotFound, TransferError
        If there is no such file, or it cannot be reached.
    BadFileError
        If it is no NWB file, or harmed; `OldNwbError` for NWB 1, `TruncatedFileError` for one
        that is cut off.

    Examples
    --------
    >>> from fascicle import nwb
    >>> session = nwb.read("https://example.org/sub-1_ses-2.nwb")        # doctest: +SKIP
    >>> session.spike_times[17]                                          # doctest: +SKIP
    """
    file = open_file(
        place,
        version=version,
        endpoint=endpoint,
        access=access,
        limits=limits,
        block_size=block_size,
        cache_size=cache_size,
        max_claim=max_claim,
    )
    try:
        return NwbSession(file)
    except BaseException:
        file.close()
        raise


def open_file(
    place: str | os.PathLike[str] | Source,
    *,
    version: str = "",
    endpoint: str = "",
    access: Access | None = None,
    limits: Limits | None = None,
    block_size: int = BLOCK,
    cache_size: int = CACHE,
    max_claim: int | None = MOST_CLAIMED,
) -> NwbFile:
    """Return an NWB file that is opened when it is first asked for something.

    Parameters
    ----------
    place, version, endpoint, access, limits, block_size, cache_size, max_claim
        As for `read`.

    Returns
    -------
    NwbFile
        What is wrong with the address or the file is told when it is first asked for something.
    """
    source = _source(place, version)
    local = source.local_path()
    if local is not None:
        return NwbFile(local, max_claim=max_claim)
    if endpoint:
        access = access or Access.from_environment(endpoint=endpoint)
    remote = RemotePlace(
        source, block_size=block_size, cache_size=cache_size, limits=limits, access=access
    )
    name = source.url.partition("?")[0].rpartition("/")[2] or source.url
    return NwbFile(remote, name=name, max_claim=max_claim)


def _source(place: str | os.PathLike[str] | Source, version: str) -> Source:
    if isinstance(place, Source):
        return place
    text = os.fspath(place)
    if "://" in text or text.startswith(("file:", "zip:")):
        return Source(text, version=version)
    return Source(Path(os.path.abspath(Path(text).expanduser())).as_uri())

"""Sizes of files whose manifest has none, as the bucket that they are in lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from fascicle import settings
from fascicle.errors import TransferError
from fascicle.formats.locations import endpoint_from_environment, parse_url
from fascicle.transfer.bucket import Bucket

if TYPE_CHECKING:
    from fascicle.transfer.plan import Plan
    from fascicle.transfer.s3 import Access
    from fascicle.transfer.source import Source


def with_sizes(plan: Plan, *, endpoints: Iterable[str] = (), access: Access | None = None) -> Plan:
    """Return a plan that knows the sizes of what it is to fetch, as far as they are soon found.

    They say how much there is to come, and no more than that: the checksum is the truth. Nothing is
    asked without a network, and where a bucket cannot be listed sizes stay unknown.

    Parameters
    ----------
    plan : Plan
    endpoints : iterable of str
        Servers of S3 that addresses may begin with, beside Amazon's and the environment's.
    access : Access, optional
        Credentials; by default those of the environment.
    """
    if settings.offline():
        return plan
    servers = [*endpoints, endpoint_from_environment() or ""]
    servers = [server.rstrip("/") + "/" for server in dict.fromkeys(servers) if server]
    wanted: dict[Bucket, dict[int, str]] = {}
    for number, item in enumerate(plan.items):
        if item.size is None and item.state in ("missing", "partial"):
            bucket, key = _object(item.source, servers, access)
            if bucket is not None:
                wanted.setdefault(bucket, {})[number] = key
    items = list(plan.items)
    for bucket, keys in wanted.items():
        try:
            sizes = bucket.sizes(keys.values())
        except TransferError:
            continue
        for number, key in keys.items():
            if (size := sizes.get(key)) is not None:
                items[number] = replace(items[number], hint=size)
    return replace(plan, items=tuple(items)) if wanted else plan


def with_lengths(plan: Plan, *, most: int = 50) -> Plan:
    """Return a plan that knows what servers say of the lengths of its files.

    One request for each file is made, of so many files; a server that does not say it of some is
    not asked again.

    Parameters
    ----------
    plan : Plan
    most : int
        Files that are asked for at most.
    """
    from fascicle.transfer.ask import SOON, Asker
    from fascicle.transfer.s3 import Access

    unknown = [
        number
        for number, item in enumerate(plan.items)
        if item.size is None and item.state in ("missing", "partial") and not item.source.is_local
    ]
    if not unknown or settings.offline():
        return plan
    items, silent = list(plan.items), Counter[str]()
    with Asker(Access.from_environment(), limits=SOON) as asker:
        for number in unknown[:most]:
            source = items[number].source
            if silent[source.origin] > 2:
                continue
            size = asker.length(source)
            silent[source.origin] += size is None
            items[number] = replace(items[number], hint=size)
    return replace(plan, items=tuple(items))


def _object(
    source: Source, servers: Iterable[str], access: Access | None
) -> tuple[Bucket | None, str]:
    """Return the bucket that the bytes of a source are in, if they are in one, and the key."""
    url = source.url
    scheme, _, rest = url.partition("://")
    if scheme in ("s3", "s3+http", "s3+https"):
        home = endpoint_from_environment() or ""
        if scheme != "s3":
            host, _, rest = rest.partition("/")
            home = f"{scheme[3:]}://{host}"
        name, _, key = rest.partition("/")  # a key is written as it is there
        return Bucket(name, access.region if access else "", home or None, access), key
    server = next((server for server in servers if url.startswith(server)), "")
    try:
        found = parse_url(f"s3://{url.removeprefix(server)}" if server else url)
    except ValueError:
        return None, ""
    if not found.bucket:
        return None, ""
    return Bucket(found.bucket, found.region, server.rstrip("/") or None, access), found.key

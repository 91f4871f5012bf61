"""Where a server's files may be had: its data server, or a bucket that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.errors import (
    AccessDenied,
    FascicleError,
    HTTPError,
    RemoteNotFound,
    ServerError,
    TransferError,
)
from fascicle.one.files import with_uuid
from fascicle.one.remoteids import RemoteIdsMixin
from fascicle.one.revisions import warn
from fascicle.one.wanted import Wanted, addresses, lab_of

if TYPE_CHECKING:
    from fascicle.transfer import Access

_MANY = 100


class RemotePlacesMixin(RemoteIdsMixin):
    """Knows where files may be had."""

    _buckets: dict[str, dict[str, Any] | None]

    def _add_addresses(self, wanted: Sequence[Wanted]) -> None:
        """Give files that the tables alone know their addresses."""
        if not wanted:
            return
        if self._data_server_is_set:
            for w in wanted:
                w.urls = [f"{self._data_server()}/{with_uuid(w.place, w.id)}"]
            return
        by_id: dict[UUID, Wanted] = {w.id: w for w in wanted}
        ids = [str(i) for i in by_id]
        for i in range(0, len(ids), _MANY):
            some = ids[i : i + _MANY]
            for record in self.alyx.rest("datasets", "list", exists=True, django=f"id__in,{some}"):
                known = by_id.get(UUID(record["url"].rstrip("/")[-36:]))
                if known is not None:
                    known.urls = addresses(record)

    def _add_buckets(self, wanted: Sequence[Wanted]) -> Access | None:
        """Put buckets that the server names before all other places; return how to reach them."""
        access = None
        for w in wanted:
            lab = lab_of(w.place)
            bucket = self._bucket(lab) if lab else None
            if bucket is None:
                continue
            inside = w.place.removeprefix(f"{lab}/Subjects/")
            key = f"{bucket['folder']}{with_uuid(inside, w.id)}"
            w.urls = [f"s3://{bucket['name']}/{key}", *w.urls]
            access = access or bucket["access"]
        return access

    def _bucket(self, lab: str) -> dict[str, Any] | None:
        """Return the bucket of a lab, if the server names one."""
        if lab not in self._buckets:
            self._buckets[lab] = self._ask_for_bucket(f"aws_{lab}")
        return self._buckets[lab]

    def _ask_for_bucket(self, repository: str) -> dict[str, Any] | None:
        from fascicle.transfer import Access

        try:
            record = self._read("data-repository", repository)
        except (HTTPError, TransferError):
            return None
        about = (record or {}).get("json") or {}
        name = about.get("bucket_name") or about.get("bucket")
        if not name:
            return None
        usual = Access.from_environment()
        key = about.get("Access key ID") or about.get("access_key_id") or usual.key
        secret = about.get("Secret access key") or about.get("secret_access_key") or usual.secret
        region = about.get("region_name") or about.get("region") or usual.region
        access = replace(usual, region=region, key=key, secret=secret)
        folder = str((record or {}).get("globus_path") or "").strip("/")
        return {"name": name, "folder": f"{folder}/" if folder else "", "access": access}


#: Places that the user was told of.
_told: set[str] = set()


def fall_back(url: str, error: FascicleError) -> None:
    """Tell once of a place that does not give what it should have."""
    origin = "/".join(url.split("/")[:3])
    if origin in _told:
        return
    _told.add(origin)
    reason = error.message if isinstance(error, AccessDenied | RemoteNotFound | ServerError) else ""
    warn(
        f"{origin} does not give a file that the server says is there"
        f"{': ' + reason if reason else ''}; files come from another of its places"
    )

"""What a server's database says of dataset types, revisions, and datasets of no session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from fascicle.alf.spec import is_uuid_string
from fascicle.errors import ALFObjectNotFound, NeedsServerError
from fascicle.one.aggregates import AggregatesMixin
from fascicle.one.base import takes_session
from fascicle.one.fresh import dataset_of
from fascicle.one.records import datasets2records
from fascicle.one.remotefiles import RemoteFilesMixin
from fascicle.one.server import ServerMixin
from fascicle.one.wanted import Wanted, addresses

_FOLDER = "aggregates/"


class DatabaseMixin(RemoteFilesMixin, AggregatesMixin, ServerMixin):
    """Asks a server what the tables do not hold."""

    _aggregate_urls: dict[UUID, list[str]]

    def _check_server(self, what: str) -> None:
        if self.mode == "local":
            raise NeedsServerError(
                f"{what} asks the server, and this object is in local mode",
                hint="one.mode = 'remote'",
            )

    def describe_dataset(self, dataset_type: str | None = None) -> Any:
        """Print and return what the server says of a dataset type.

        Parameters
        ----------
        dataset_type : str, optional
            A type (``'spikes.times'``), the name of a dataset or its id; default: all types.

        Returns
        -------
        dict, or list of dict for all

        Raises
        ------
        NeedsServerError
            In local mode; it is an AssertionError.
        """
        self._check_server("describe_dataset")
        if not dataset_type:
            return list(self.alyx.rest("dataset-types", "list"))
        found = None
        if isinstance(dataset_type, str) and not is_uuid_string(dataset_type):
            found = self._read("dataset-types", dataset_type)
        if found is None:
            found = self.alyx.rest("dataset-types", "read", id=self.dataset2type(dataset_type))
        print(found["description"])
        return found

    def describe_revision(self, revision: str, full: bool = False) -> Any:
        """Print what the server says of a revision.

        Parameters
        ----------
        revision : str
            Such as ``'2024-05-06'``.
        full : bool
            Return the whole record.

        Returns
        -------
        dict or None

        Raises
        ------
        NeedsServerError
            In local mode; it is an AssertionError.
        """
        self._check_server("describe_revision")
        record = self._read("revisions", revision)
        if record is None:
            print(f'revision "{revision}" not found')
            return None
        print(record["description"])
        return record if full else None

    def dataset2type(self, dset: Any) -> Any:
        """Return the dataset type of a dataset.

        Parameters
        ----------
        dset : str or UUID
            Id of the dataset, or its name: the first of that name that the server lists counts.

        Returns
        -------
        str

        Raises
        ------
        NeedsServerError
            In local mode; it is an AssertionError.
        ValueError
            There is no such dataset.
        """
        self._check_server("dataset2type")
        if isinstance(dset, str) and not is_uuid_string(dset):
            name = dset.rpartition("/")[2]
            found = self.alyx.rest("datasets", "list", name=name, limit=1)[:1]
            if not found:
                raise ValueError(
                    f"Unrecognized name or UUID: {self.alyx.base_url} has no dataset {dset!r}"
                )
            return found[0]["dataset_type"]
        try:
            identifier = dset if isinstance(dset, UUID) else UUID(str(dset))
        except ValueError:
            raise ValueError(f"Unrecognized name or UUID: {dset!r}") from None
        return self.alyx.rest("datasets", "read", id=str(identifier))["dataset_type"]

    @takes_session
    def type2datasets(
        self, eid: UUID, dataset_type: str | Sequence[str], details: bool = False
    ) -> Any:
        """Return the datasets of a session that are of a type.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        dataset_type : str or list of str
            Such as ``'spikes.times'``.
        details : bool
            Return rows of the datasets table.

        Returns
        -------
        numpy.ndarray of str, or pandas.DataFrame with ``details``
            Paths relative to the session.

        Raises
        ------
        NeedsServerError
            In local mode; it is an AssertionError.
        TypeError
            The type is no text.
        """
        self._check_server("type2datasets")
        if isinstance(dataset_type, str):
            restriction = f"session__id,{eid},dataset_type__name,{dataset_type}"
        elif isinstance(dataset_type, Sequence):
            restriction = f"session__id,{eid},dataset_type__name__in,{list(dataset_type)}"
        else:
            raise TypeError("dataset_type must be a str or a list of str")
        found = datasets2records(list(self.alyx.rest("datasets", "list", django=restriction)))
        return found if details else found["rel_path"].sort_values().to_numpy()

    # -- datasets of no session --------------------------------------------------------------

    def _aggregate_rows(self) -> list[dict[str, Any]]:
        if not self._asks_server and not self._tag:
            return super()._aggregate_rows()
        out = []
        for record in self.alyx.rest("datasets", "list", django="session__isnull,True"):
            urls = addresses(record)
            path = _place(record, urls)
            if not urls or path is None:
                continue
            row = dataset_of(record, UUID(int=0), path)
            if self._tag and self._tag not in (record.get("tags") or ()):
                continue
            self._aggregate_urls[row.id] = urls
            out.append(
                {
                    "eid": None,
                    "id": row.id,
                    "rel_path": path,
                    "file_size": row.file_size,
                    "hash": row.hash,
                    "exists": True,
                    "qc": row.qc,
                    "default_revision": bool(row.default_revision),
                }
            )
        return out

    def _aggregate_files(self) -> list[dict[str, Any]]:
        if self._asks_server or self._tag:
            return []  # what the server lists is what there is
        return super()._aggregate_files()

    def _aggregate_file(self, record: Any, identifier: UUID) -> str | None:
        urls = self._aggregate_urls.get(identifier)
        if self.offline or not urls:
            return super()._aggregate_file(record, identifier)
        size, digest = record["file_size"], record["hash"]
        wanted = Wanted(
            self._aggregate_place(record),
            record["rel_path"],
            identifier,
            None if size != size else int(size),
            digest or "",
            list(urls),
        )
        if not wanted.is_here(check_hash=True):
            self._bring([wanted])
        (path,) = self._hand_over([wanted], None)
        if path is None and (why := self._why.get(wanted.place)) is not None:
            raise ALFObjectNotFound(f"{wanted.place} cannot be had: {why}")
        return path


def _place(record: Mapping[str, Any], urls: Sequence[str]) -> str | None:
    """Return where a dataset of no session belongs: below ``aggregates``."""
    from fascicle.one.fresh import inside

    for url in urls:
        path = "/".join(filter(None, inside(url)))
        at = path.find(_FOLDER)
        if at >= 0:
            return path[at:]
    return None

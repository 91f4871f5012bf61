"""Questions that an Alyx database alone can answer; of a local folder they are refused."""

from __future__ import annotations

from typing import Any, NoReturn

from fascicle.errors import NeedsServerError
from fascicle.one.base import Local


class ServerMixin(Local):
    """Refuses what needs a server, in the words of a drop-in: ONE asserts that there is one."""

    def describe_dataset(self, dataset_type: str | None = None) -> Any:
        """Return what a server says of a dataset type.

        Parameters
        ----------
        dataset_type : str, optional
            Such as ``'spikes.times'``.

        Raises
        ------
        NeedsServerError
            Always, in local mode; it is an AssertionError.
        """
        self._needs_server(
            "describe_dataset", "fascicle.alf.spec.describe('attribute') tells of parts of names"
        )

    def describe_revision(self, revision: str, full: bool = False) -> Any:
        """Return what a server says of a revision.

        Parameters
        ----------
        revision : str
            Such as ``'2024-05-06'``.
        full : bool
            Return the whole record.

        Raises
        ------
        NeedsServerError
            Always, in local mode; it is an AssertionError.
        """
        self._needs_server(
            "describe_revision", f"one.list_datasets(revision={revision!r}) lists its datasets"
        )

    def dataset2type(self, dset: Any) -> Any:
        """Return the dataset type of a dataset.

        Parameters
        ----------
        dset : str, UUID or list of these
            Name or id of the dataset.

        Raises
        ------
        NeedsServerError
            Always, in local mode; it is an AssertionError.
        """
        self._needs_server("dataset2type", "the first two parts of a dataset's name are its type")

    def type2datasets(self, eid: Any, dataset_type: str, details: bool = False) -> Any:
        """Return the datasets of a session that are of a type.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record.
        dataset_type : str
            Such as ``'spikes.times'``.
        details : bool
            Return records.

        Raises
        ------
        NeedsServerError
            Always, in local mode; it is an AssertionError.
        """
        self._needs_server(
            "type2datasets", f"one.list_datasets(eid, '*{dataset_type}*') lists them by name"
        )

    def _needs_server(self, what: str, instead: str) -> NoReturn:
        raise NeedsServerError(
            f"{what} asks a server, and none is connected: {self!r} is a local folder", hint=instead
        )

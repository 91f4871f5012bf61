"""From one name of a session or a dataset to another: id, path, reference, record, URL, probe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from fascicle.alf.parts import find_session
from fascicle.alf.spec import is_uuid, is_uuid_string
from fascicle.errors import ALFObjectNotFound, NeedsServerError, SessionNotFound
from fascicle.one import refs
from fascicle.one.base import asks, eid_or_id, recurse, takes_sessions
from fascicle.one.bunch import Bunch
from fascicle.one.listing import with_eid
from fascicle.one.paths import (
    one_path_from_dataset,
    path_from_dataset,
    path_from_filerecord,
    session_record2path,
)
from fascicle.one.probeids import ProbeIdsMixin
from fascicle.one.records import datasets2records, ses2records

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.alf import ALFPath
    from fascicle.catalogue import Catalogue

__all__ = [
    "ConversionMixin",
    "datasets2records",
    "one_path_from_dataset",
    "path_from_dataset",
    "path_from_filerecord",
    "recurse",
    "ses2records",
    "session_record2path",
]


class ConversionMixin(ProbeIdsMixin):
    """Converts identifiers of sessions and datasets."""

    is_exp_ref = staticmethod(refs.is_exp_ref)
    ref2dict = staticmethod(refs.ref2dict)
    dict2ref = staticmethod(refs.dict2ref)
    path2ref = staticmethod(refs.path2ref)

    @recurse
    def to_eid(self, id: Any = None, cache_dir: Any = None) -> Any:
        """Return the session id that any identifier stands for.

        Parameters
        ----------
        id : UUID, str, path, dict, or a list of these
            An id; a URL that ends with one; the path of a session or of anything in it; a
            reference; a record with subject, number, lab, and date or start_time.
        cache_dir : path, optional
            Taken for the sake of programs that give it: a path's root does not matter.

        Returns
        -------
        uuid.UUID, list of them, or None where no session of the index is meant

        Raises
        ------
        ValueError
            It has none of these forms.
        """
        if id is None or isinstance(id, UUID):
            return id
        if refs.is_exp_ref(id):
            return self.ref2eid(id)
        if isinstance(id, Mapping):
            missing = {"subject", "number", "lab"} - set(id)
            if missing:
                raise ValueError(
                    f"Unrecognized experiment ID: the record has no {', '.join(sorted(missing))}"
                )
            date = str(id.get("date") or id.get("start_time"))[:10]
            id = f"{id['lab']}/Subjects/{id['subject']}/{date}/{int(id['number']):03d}"
        if isinstance(id, PurePath):
            return self.path2eid(id)
        if isinstance(id, str):
            if find_session(id.replace("\\", "/")):
                return self.path2eid(id)
            text = id.strip().rstrip("/}")[-36:].lower()  # Alyx's URLs may end with a slash
            if not is_uuid_string(text):
                raise ValueError(
                    f"Invalid experiment ID: {id!r} is neither a UUID nor a path, URL or reference "
                    "(yyyy-mm-dd_n_subject) of a session"
                )
            return UUID(text)
        raise ValueError(f"Unrecognized experiment ID: {id!r} is a {type(id).__name__}")

    @eid_or_id
    @recurse
    def eid2path(self, eid: Any, query_type: str | None = None) -> Any:
        """Return the folder of a session.

        Parameters
        ----------
        eid : UUID, str, or a list of these
            Session id.
        query_type : {'local', 'remote'}, optional
            Where to look; 'remote' needs a server.

        Returns
        -------
        ALFPath, list of them, or None where the session is unknown

        Raises
        ------
        ValueError
            It is no id.
        """
        if not is_uuid(eid, (3, 4, 5)):
            raise ValueError(f"{eid} is not a valid eID/UUID string")
        from fascicle.alf import ALFPath

        self._check_query_type(query_type)
        folder = self._known_folder(eid if isinstance(eid, UUID) else UUID(eid))
        return None if folder is None else ALFPath(self.cache_dir, folder)

    def _known_folder(self, eid: UUID) -> str | None:
        """Return the folder of a session relative to the root; None where it is unknown."""
        catalogue = self._catalogue
        row = catalogue.row(eid)
        return None if row is None else catalogue.session(row).path

    @asks
    @recurse
    def path2eid(self, path_obj: Any, query_type: str | None = None) -> Any:
        """Return the id of the session that a path leads to or into.

        Parameters
        ----------
        path_obj : path, str, None, or a list of these
            A local path, or a URL.
        query_type : {'local', 'remote'}, optional
            Where to look; 'remote' needs a server.

        Returns
        -------
        uuid.UUID, list of them, or None where no session of the index is meant
        """
        self._check_query_type(query_type)
        if path_obj is None:
            return None
        found = find_session(os.fspath(path_obj).replace("\\", "/"))
        if found is None:
            return None
        return self._eid_at(found["lab"], found["subject"], found["date"], found["number"])

    def _eid_at(self, lab: str | None, subject: str, date: str, number: Any) -> UUID | None:
        """Return the id of the session at a place; None where it is unknown."""
        row = self._row_at(lab, subject, date, number)
        return None if row is None else self._catalogue.eids([row])[0]

    def _row_at(self, lab: str | None, subject: str, date: str, number: Any) -> int | None:
        return self._row_in(self._catalogue, lab, subject, date, number)

    @staticmethod
    def _row_in(
        catalogue: Catalogue, lab: str | None, subject: str, date: str, number: Any
    ) -> int | None:
        """Return the row of a session; a lab that the index does not know is no obstacle."""
        import datetime

        try:
            day = datetime.date.fromisoformat(date)
        except ValueError:
            return None
        row = catalogue.row_of(lab, subject, day, int(number)) if lab else None
        return catalogue.row_of(None, subject, day, int(number)) if row is None else row

    @recurse
    def path2record(self, path: Any) -> pd.Series[Any] | None:
        """Return the row of the tables for the path of a session or a dataset.

        Parameters
        ----------
        path : path, str, or a list of these
            A local path, or a URL.

        Returns
        -------
        pandas.Series, list of them, or None where it is unknown
            Of a session, named by its id; of a dataset, named (eid, id).
        """
        text = os.fspath(path).replace("\\", "/")
        catalogue = self._catalogue
        name = text.rpartition("/")[2].split(".")
        if len(name) > 2 and is_uuid_string(name[-2]):
            place = catalogue.locate_dataset(UUID(name[-2]))
            if place is None:
                return None
            eid = catalogue.eids([place[0]])[0]
            return with_eid(catalogue.datasets(place[0]).frame(), eid).iloc[place[1]]
        found = find_session(text)
        if found is None:
            return None
        eid = self.path2eid(text)
        row = None if eid is None else catalogue.row(eid)
        if row is None:
            return None
        inside = text[found.end() :].strip("/")
        if not inside:
            return catalogue.sessions_frame([row]).iloc[0]
        datasets = catalogue.datasets(row)
        if inside not in datasets.rel_paths:
            return None
        return with_eid(datasets.frame(), eid).iloc[datasets.rel_paths.index(inside)]

    @asks
    @recurse
    def path2url(self, filepath: Any, query_type: str | None = None) -> str | None:
        """Return where the file server that the folder was set up for has a file.

        Parameters
        ----------
        filepath : path, str, or a list of these
            A local path of a dataset or a session.
        query_type : {'local', 'remote'}, optional
            Where to look; 'remote' needs a server.

        Returns
        -------
        str, list of str, or None where the file is not in the index

        Raises
        ------
        NeedsServerError
            No server is set up for the folder.
        """
        self._check_query_type(query_type)
        record = self.path2record(filepath)
        return None if record is None else self.record2url(record)

    def record2url(self, record: Any) -> Any:
        """Return where the file server that the folder was set up for has a record's file.

        Parameters
        ----------
        record : pandas.Series or pandas.DataFrame
            Rows of the sessions table, or of the datasets table indexed by (eid, id).

        Returns
        -------
        str, or list of str for a DataFrame

        Raises
        ------
        NeedsServerError
            No server is set up for the folder.
        """
        if hasattr(record, "iterrows"):
            return [self.record2url(row) for _, row in record.iterrows()]
        if not hasattr(record, "name"):
            raise TypeError(f"record must be pandas.DataFrame or pandas.Series, got {type(record)}")
        server = self._data_server()
        if "rel_path" not in record:
            return f"{server}/{session_record2path(record.to_dict()).as_posix()}"
        from fascicle.one.files import with_uuid

        if "session_path" in record:
            folder, uuid = record["session_path"], record.name
            uuid = uuid if isinstance(uuid, UUID) else uuid[-1]
        else:
            eid, uuid = self._dataset_key(record)
            folder = self._folder_of(eid)
        path = "/".join(filter(None, (folder, record["rel_path"])))
        return f"{server}/{with_uuid(path, uuid)}"

    def _data_server(self) -> str:
        """Return where the files of all labs are on the web."""
        from fascicle.one import params

        server = params.data_server_of(self.cache_dir)
        if server is None:
            raise NeedsServerError(
                f"no web address is known for files of {self.cache_dir}: it is a local folder, "
                "and no server was set up for it",
                hint=f"ONE.setup(base_url=URL, cache_dir={str(self.cache_dir)!r})",
            )
        return server

    def record2path(self, dataset: Any) -> Any:
        """Return the file of a dataset's record.

        Parameters
        ----------
        dataset : pandas.Series or pandas.DataFrame
            Rows of the datasets table, indexed by (eid, id).

        Returns
        -------
        ALFPath, or list of them for a DataFrame

        Raises
        ------
        ValueError
            The record does not say its session, or that is unknown.
        """
        if hasattr(dataset, "iterrows"):
            return [self.record2path(row) for _, row in dataset.iterrows()]
        if not hasattr(dataset, "name"):
            raise TypeError(
                f"record must be pandas.DataFrame or pandas.Series, got {type(dataset)} instead"
            )
        from fascicle.alf import ALFPath
        from fascicle.one.files import with_uuid

        eid, uuid = self._dataset_key(dataset)
        path = f"{self._folder_of(eid)}/{dataset['rel_path']}"
        return ALFPath(self.cache_dir, with_uuid(path, uuid) if self.uuid_filenames else path)

    @staticmethod
    def _dataset_key(record: Any) -> tuple[UUID, UUID]:
        if not (isinstance(record.name, tuple) and len(record.name) == 2):
            raise ValueError(
                f"the record is named {record.name!r}, where (eid, id) is needed: list datasets "
                "with details=True, keep_eid_index=True"
            )
        return record.name

    def _folder_of(self, eid: UUID) -> str:
        folder = self._known_folder(eid)
        if folder is None:
            raise ValueError(f'Failed to determine session path for eid "{eid}"')
        return folder

    @eid_or_id
    @recurse
    def eid2ref(self, eid: Any, as_dict: bool = True, parse: bool = True) -> Any:
        """Return the reference of a session.

        Parameters
        ----------
        eid : session identifier or list of them
            The session (also as ``id=``).
        as_dict : bool
            Return a Bunch rather than a text.
        parse : bool
            A date and a number, rather than texts; in a text, the number without zeros.

        Returns
        -------
        Bunch, str, or list of these
            ``{'subject', 'date', 'sequence'}``, or ``'yyyy-mm-dd_n_subject'``.
        """
        details = self.get_details(eid)
        number = int(details["number"])
        ref = Bunch(
            subject=details["subject"],
            date=details["date"] if parse else str(details["date"]),
            sequence=number if parse else f"{number:03d}",
        )
        return ref if as_dict else f"{ref.date!s}_{ref.sequence}_{ref.subject}"

    @recurse
    def ref2eid(self, ref: Any) -> Any:
        """Return the id of the session that a reference names.

        Parameters
        ----------
        ref : str, dict, or a list of these
            ``'yyyy-mm-dd_n_subject'``, or a mapping with subject, date and sequence.

        Returns
        -------
        uuid.UUID or list of them

        Raises
        ------
        SessionNotFound
            The index has no such session.
        """
        found = refs.ref2dict(ref, parse=False)
        eid = self._eid_at(None, found["subject"], str(found["date"])[:10], found["sequence"])
        if eid is None:
            raise SessionNotFound(
                f"session not found: {refs.dict2ref(found)} is not in the index",
                hint=f"one.search(subject={found['subject']!r}) lists the subject's sessions",
            )
        return eid

    @recurse
    def ref2path(self, ref: Any) -> ALFPath:
        """Return the folder of the session that a reference names; see `ref2eid`."""
        return cast("ALFPath", self.eid2path(self.ref2eid(ref)))

    @takes_sessions
    def get_details(self, eid: Any, full: bool = False, query_type: str | None = None) -> Any:
        """Return what the tables say of a session.

        Parameters
        ----------
        eid : session identifier or list of them
            The session (also as ``id=``).
        full : bool
            Return the session's datasets too.
        query_type : {'local'}, optional
            Where to look.

        Returns
        -------
        pandas.Series, or pandas.DataFrame with ``full``; a list of these for a list
            Lab, subject, date, number, task_protocol and projects; with ``full``, for each
            dataset, indexed by (eid, id).

        Raises
        ------
        ALFObjectNotFound
            The session is not in the index.
        """
        self._check_query_type(query_type)
        if isinstance(eid, list):
            return [self.get_details(e, full=full) for e in eid]
        catalogue = self._catalogue
        row = catalogue.row(eid)
        if row is None or row >= catalogue.n_sessions:
            raise ALFObjectNotFound(
                f"the session {eid} is not in the index of {self._tables_dir}",
                hint="one.search() lists the sessions that are",
            )
        session = self._tables.sessions_if_touched()
        frame = catalogue.sessions_frame([row]) if session is None else session.loc[[eid]]
        if not full:
            return frame.iloc[0]
        return catalogue.datasets_frame([row]).join(frame, on="eid", how="right")

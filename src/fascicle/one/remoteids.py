"""Ids, paths, references and records of sessions and insertions, where a server is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.alf.parts import find_session
from fascicle.errors import ALFObjectNotFound, NeedsServerError
from fascicle.one.base import asks, eid_or_id, recurse, takes_sessions
from fascicle.one.converters import ConversionMixin
from fascicle.one.fresh import session_of
from fascicle.one.paths import session_record2path
from fascicle.one.remote import _ASKED, Server, with_dates

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.catalogue.schema import Session

_BATCH = 50
_FIELDS = ("subject", "start_time", "number", "lab", "projects", "url", "task_protocol")


class RemoteIdsMixin(Server, ConversionMixin):
    """Converts identifiers: by what is known here, or else by what the server says."""

    # -- sessions ----------------------------------------------------------------------------------

    @property
    def _told_to_ask(self) -> bool:
        """Whether the server is to be asked although the answer may be known here."""
        asked = _ASKED.get()
        return asked is not None and asked == (id(self), "remote")

    def _known_folder(self, eid: UUID) -> str | None:
        if not self._asks_server:
            return super()._known_folder(eid)
        session = None if self._told_to_ask else self._session_here(eid)
        session = session or self._session_there(eid)
        return None if session is None else session.path

    def _session_here(self, eid: UUID) -> Session | None:
        """Return what the tables, or earlier answers, say of a session."""
        known = self._fresh.sessions.get(eid)
        if known is not None:
            return known
        row = self._index.row(eid)
        if row is None or row >= self._index.n_sessions:
            return None
        return self._index.session(row)

    def _session_there(self, eid: UUID) -> Session | None:
        """Return what the server says of a session."""
        found = self.alyx.rest("sessions", "list", id=str(eid))[:1]
        self._merge_sessions(found)
        return session_of(found[0]) if found else None

    def _eid_at(self, lab: str | None, subject: str, date: str, number: Any) -> UUID | None:
        if not self._asks_server:
            return super()._eid_at(lab, subject, date, number)
        place = subject, date, int(number)
        if not self._told_to_ask:
            for known in self._fresh.sessions.values():
                if (known.subject, known.date.isoformat(), known.number) == place:
                    return known.eid
            row = self._row_in(self._index, lab, *place)
            if row is not None:
                return self._index.eids([row])[0]
        query: dict[str, Any] = {
            "subject": subject,
            "date_range": [date, date],
            "number": int(number),
        }
        found = list(self.alyx.rest("sessions", "list", **query))
        self._merge_sessions(found)
        rows = [session_of(record) for record in found]
        here = [s for s in rows if lab and s.lab == lab] or rows
        return here[0].eid if here else None

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
        if self._asks_server and find_session(os.fspath(path).replace("\\", "/")):
            eid = self.path2eid(path)
            if eid is not None:
                self._served(eid)  # so that the tables have it
        record: pd.Series[Any] | None = super().path2record(path)
        return record

    @takes_sessions
    def get_details(self, eid: Any, full: bool = False, query_type: str | None = None) -> Any:
        """Return what the server, or in local mode the tables, say of a session.

        Parameters
        ----------
        eid : session identifier or list of them
            The session (also as ``id=``).
        full : bool
            Return the server's whole record; in local mode, the session's datasets too.
        query_type : {'local', 'remote'}, optional
            Where to look.

        Returns
        -------
        dict, or a list of them for a list
            Subject, start_time, date, number, lab, projects (comma-separated), task_protocol, url
            and local_path; with ``full`` all that the server knows. In local mode as `One` does.

        Raises
        ------
        ALFObjectNotFound
            There is no such session.
        """
        if not self._asks_server:
            return super().get_details(eid, full=full)
        several = isinstance(eid, list)
        eids = [UUID(str(e)) for e in (eid if several else [eid])]
        found: dict[UUID, Any] = {}
        if full:
            for one in dict.fromkeys(eids):
                self._served(one)
                found[one] = self._read("sessions", one)
        else:
            wanted = list(dict.fromkeys(eids))
            for i in range(0, len(wanted), _BATCH):
                some = [str(e) for e in wanted[i : i + _BATCH]]
                records = list(self.alyx.rest("sessions", "list", django=f"pk__in,{some}"))
                self._merge_sessions(records)
                found.update({UUID(r["id"]): self._brief(r) for r in records})
        missing = [str(e) for e in eids if found.get(e) is None]
        if missing:
            raise ALFObjectNotFound(
                f"{self.alyx.base_url} has no session {', '.join(missing)}",
                hint="one.search() lists the sessions that it has",
            )
        out = [dict(found[e]) for e in eids]
        return out if several else out[0]

    def _brief(self, record: Mapping[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {k: record.get(k) for k in _FIELDS}
        out["projects"] = session_of(record).projects
        with_dates(out)
        out["local_path"] = session_record2path(out, self.cache_dir)
        return out

    # -- addresses ---------------------------------------------------------------------------------

    def record2url(self, record: Any) -> Any:
        """Return where the server has the file of a record.

        Parameters
        ----------
        record : pandas.Series or pandas.DataFrame
            Rows of the sessions table, or of the datasets table indexed by (eid, id).

        Returns
        -------
        str, or list of str for a DataFrame
        """
        if hasattr(record, "iterrows"):
            return [self.record2url(row) for _, row in record.iterrows()]
        if hasattr(record, "name") and "rel_path" in record and self.mode != "local":
            named = isinstance(record.name, tuple) and len(record.name) == 2
            if named and not self._data_server_is_set:
                contents = self._served(record.name[0])
                url = None if contents is None else contents.urls.get(record["rel_path"])
                if url:
                    return url
        return super().record2url(record)

    @property
    def _data_server_is_set(self) -> bool:
        """Whether the settings name the server of files: more than the default of all servers."""
        from fascicle.alyx import params

        given = self.alyx._par.get("HTTP_DATA_SERVER")
        usual = params.default()["HTTP_DATA_SERVER"]
        return bool(given) and (given != usual or params.is_public(self.alyx.base_url))

    def _data_server(self) -> str:
        return str(self.alyx._par["HTTP_DATA_SERVER"]).rstrip("/")

    # -- probe insertions --------------------------------------------------------------------------

    def _knows_insertions(self) -> bool:
        """Whether the tables answer for insertions; those of a tag list none."""
        return bool(self._catalogue.insertions())

    @asks
    def pid2eid(
        self, pid: UUID | str, query_type: str | None = None
    ) -> tuple[UUID | None, str | None]:
        """Return session and label of a probe insertion.

        Parameters
        ----------
        pid : UUID or str
            Id of the insertion.
        query_type : {'local', 'remote'}, optional
            Where to look.

        Returns
        -------
        uuid.UUID or None
            Session id; None where the insertion is unknown.
        str or None
            Label, such as ``'probe00'``.

        Raises
        ------
        NeedsServerError
            The local tables list no insertions; this is a NotImplementedError.
        """
        if not self._asks_server and self._knows_insertions():
            return super().pid2eid(pid)
        self._server_for_insertions("pid2eid")
        record = self._read("insertions", pid)
        if record is None or not record.get("session"):
            return None, None
        self._merge_insertions([record])
        return UUID(record["session"]), record["name"]

    @eid_or_id
    def eid2pid(
        self, eid: Any, query_type: str | None = None, details: bool = False, **kwargs: Any
    ) -> Any:
        """Return the probe insertions of a session.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        query_type : {'local', 'remote'}, optional
            Where to look.
        details : bool
            Also return the records.
        **kwargs
            Further filters of the server's list of insertions, such as ``name='probe00'``.

        Returns
        -------
        list of uuid.UUID, or None where there is none
        list of str, or None
            Labels.
        list of dict, or None
            With ``details``.

        Raises
        ------
        NeedsServerError
            The local tables list no insertions; this is a NotImplementedError.
        """
        if not self._asks_server and self._knows_insertions():
            return super().eid2pid(eid, details=details, **kwargs)
        self._server_for_insertions("eid2pid")
        found = self.to_eid(eid)
        records = []
        if found is not None:
            records = list(self.alyx.rest("insertions", "list", session=str(found), **kwargs))
            self._merge_insertions(records)
        if not records:
            return (None,) * (3 if details else 2)
        out = [UUID(r["id"]) for r in records], [r["name"] for r in records]
        return (*out, records) if details else out

    def _server_for_insertions(self, what: str) -> None:
        if not self._asks_server and self.mode == "local":
            raise NeedsServerError(
                f"{what} asks the server, and this object is in local mode, with tables that list "
                "no insertions",
                hint="one.mode = 'remote', or query_type='remote'",
            )

"""The verbs of ONE's first interface: ``search``, ``list`` and ``load`` by dataset types.

    from fascicle.oneibl.one import ONE

`LegacyONE` is a thin layer: what is searched, listed and loaded comes from the ONE object of
`fascicle.one`, which is there as ``one.modern``; what came later is found on the object, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from fascicle.errors import NeedsServerError, SearchTermError, SessionNotFound
from fascicle.one import legacy_params, legacy_rows, legacy_terms
from fascicle.one.legacy_data import SessionData, SessionDatasets
from fascicle.one.legacy_rows import Row
from fascicle.one.revisions import warn

__all__ = ["LegacyONE", "SessionData", "SessionDatasets"]

_Texts: TypeAlias = list[str]
_Rows: TypeAlias = list[Row]
_List: TypeAlias = list[Any]
_DATABASE_ALONE = ("users", "location", "performance_gte", "performance_lte")
_NOT_LISTED = ("dataset_id", "eid", "rel_path")
_EVERYTHING = ("__all__", "all")


class LegacyONE:
    """Searches, lists and loads sessions of a database, or of a folder.

    Parameters
    ----------
    username, password : str, optional
        Login, for this object alone.
    base_url : str, optional
        URL of the database; default: the one that was set up. Without any setting, those of an
        old ``~/.one_params`` are taken.
    silent : bool
        Do not say which database is connected.
    **kwargs
        For `fascicle.one.ONE`: ``cache_dir``, ``mode="local"``, …

    Attributes
    ----------
    modern : object
        The ONE object of today's interface.

    Examples
    --------
    >>> one = ONE(mode="local", cache_dir="demo-lab")  # doctest: +SKIP
    >>> eids = one.search(subject="flowers")  # doctest: +SKIP
    >>> times, clusters = one.load(eids[0], dataset_types=["spikes.times", "spikes.clusters"])
    ... # doctest: +SKIP
    """

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        base_url: str | None = None,
        silent: bool = False,
        **kwargs: Any,
    ) -> None:
        login = {"username": username, "password": password, "base_url": base_url}
        given = {k: v for k, v in login.items() if v is not None} | kwargs
        self.modern = legacy_params.connect(given, silent=silent)

    def __repr__(self) -> str:
        return f"{self.modern!r}, by the verbs of ONE's first interface"

    def __getattr__(self, name: str) -> Any:
        """Return what came later: ``one.load_object`` is ``one.modern.load_object``."""
        if name.startswith("__") or name == "modern":
            raise AttributeError(name)
        return getattr(self.modern, name)

    @staticmethod
    def setup(base_url: str | None = None, **kwargs: Any) -> Any:
        """Record which database to use from now on; nothing is asked.

        Parameters
        ----------
        base_url : str, optional
        **kwargs
            ``username``, ``cache_dir``, ``make_default``, …: see `fascicle.one.params.setup`.
        """
        from fascicle.one import ONE

        return ONE.setup(base_url=base_url, **kwargs)

    @property
    def _local(self) -> bool:
        return bool(self.modern.mode == "local")

    # -- search ----------------------------------------------------------------------------------

    @staticmethod
    def search_terms() -> _Texts:
        """Return the fields that sessions are searched by, sorted."""
        return list(legacy_terms.SEARCH_TERMS)

    def search(self, details: bool = False, **terms: Any) -> Any:
        """Return the ids of sessions, the latest first.

        Parameters
        ----------
        details : bool
            Also return what is known of each.
        **terms
            See `search_terms`; plural and singular are the same. ``users``: all of them took
            part. ``subject``, ``lab``: exactly. ``date_range``: first and last day.

        Returns
        -------
        list of str
            Ids.
        list of dict
            With ``details``: records of the sessions.

        Raises
        ------
        SearchTermError
            There is no such field; this is a ValueError.
        NeedsServerError
            The field is known to a database alone, and this is a folder.
        """
        asked = {k: v for k, v in legacy_terms.named(terms).items() if v is not None}
        if self._local:
            return self._search_folder(asked, details)
        found = self.modern.search(details=details, query_type="remote", **asked)
        if not details:
            return [str(eid) for eid in found]
        eids, records = found
        return [str(eid) for eid in eids], [dict(record) for record in records or ()]

    def _search_folder(self, asked: dict[str, Any], details: bool) -> Any:
        from re import escape

        unknown = [
            k for k in ("users", "location", "performance_gte", "performance_lte") if k in asked
        ]
        if unknown:
            raise NeedsServerError(
                f"{unknown[0]} is known to a database alone, and {self.modern!r} is a folder",
                hint="search by subject, lab, date_range, number, task_protocol or dataset_types",
            )
        types = legacy_terms.texts(asked.pop("dataset_types", None))
        for name, there in (("subject", "subject"), ("lab", "laboratory")):
            if name in asked:
                exact = [f"^{escape(v)}$" for v in legacy_terms.texts(asked.pop(name))]
                asked[there] = exact
        found, records = self.modern.search(details=True, **asked)
        both = list(zip(found, records or (), strict=True))
        if types:
            both = [
                (eid, r)
                for eid, r in both
                if (rows := self._rows(eid, local=True)) is not None
                and all(legacy_rows.of_type(rows, wanted) for wanted in types)
            ]
        eids = [str(eid) for eid, _ in both]
        return (eids, [dict(r) for _, r in both]) if details else eids

    # -- list ------------------------------------------------------------------------------------

    def list(self, eid: Any = None, keyword: str = "dataset-types", details: bool = False) -> Any:
        """Return what a session has, or what there is to search for.

        Parameters
        ----------
        eid : session identifier, or None
            Id, path or reference; None for the whole database.
        keyword : str
            With a session: ``dataset-types``; ``all`` for its whole record; or a field of it.
            Without: ``dataset-types``, ``users``, ``subjects``, ``labs``, ``projects``, …
        details : bool
            With a session: return what is known of its datasets.

        Returns
        -------
        list of str
            Dataset types or names, sorted, each once.
        SessionDatasets
            With ``details``.
        dict
            The record of a session.

        Raises
        ------
        SearchTermError
            Nothing of that name can be listed.
        SessionNotFound
            There is no such session.
        """
        if eid is None or (isinstance(eid, str) and not eid):
            return self._names(keyword)
        if isinstance(eid, list | tuple):
            each = [self.list(e, keyword, details) for e in eid]
            return each[0] if len(each) == 1 else each
        if details:
            found = SessionDatasets()
            for row in self._rows(eid):
                found.append(dict(row))
            return found
        if keyword == "all":
            return self._record(eid)
        if keyword in (record := {} if _of_types(keyword) else self._record(eid)):
            return record[keyword]
        for word in (f"{keyword}s", keyword.removesuffix("s")):
            if word in record:
                return record[word]
        if not _of_types(keyword):
            raise SearchTermError(
                f"a session has no {keyword!r}", hint=f"there is: {', '.join(sorted(record))}"
            )
        return sorted({row["dataset_type"] for row in self._rows(eid)})

    def _names(self, keyword: str) -> _Texts:
        endpoint = legacy_terms.endpoint_of(keyword)
        if self._local:
            return self._names_here(endpoint)
        key = legacy_terms.ENDPOINTS[endpoint]
        return sorted({str(r[key]) for r in self.modern.alyx.rest(endpoint, "list") if r[key]})

    def _names_here(self, endpoint: str) -> _Texts:
        if endpoint == "dataset-types":
            names = (path.rpartition("/")[2] for path in self.modern.list_datasets())
            return sorted({legacy_rows.type_of(name) for name in names})
        column = {"subjects": "subject", "labs": "lab", "projects": "projects"}.get(endpoint)
        if column is None:
            raise NeedsServerError(
                f"a database alone knows {endpoint}, and {self.modern!r} is a folder",
                hint="a folder knows subjects, labs, projects and dataset-types",
            )
        _, records = self.modern.search(details=True)
        found = {name for r in records or () for name in str(r[column] or "").split(",")}
        return sorted(found - {""})

    def _eid(self, eid: Any) -> Any:
        found = self.modern.to_eid(eid)
        if found is None:
            raise SessionNotFound(
                f"there is no session {eid!r}", hint="one.search() lists the sessions"
            )
        return found

    def _record(self, eid: Any) -> dict[str, Any]:
        """Return all that is known of a session."""
        found = self._eid(eid)
        if not self._local:
            return dict(self._detail(found))
        known = self.modern.get_details(found)
        datasets = [
            {"id": row["dataset_id"]} | {k: v for k, v in row.items() if k not in _NOT_LISTED}
            for row in self._rows(found)
        ]
        return {
            "id": str(found),
            "subject": known["subject"],
            "start_time": str(known["date"]),
            "number": int(known["number"]),
            "lab": known["lab"],
            "projects": [p for p in str(known["projects"] or "").split(",") if p],
            "task_protocol": known["task_protocol"],
            "data_dataset_session_related": datasets,
        }

    def _detail(self, eid: Any) -> Any:
        try:
            return self.modern.alyx.rest("sessions", "read", id=str(eid))
        except Exception as error:
            if getattr(error, "status", None) != 404:
                raise
            raise SessionNotFound(
                f"the database has no session {eid}", hint="one.search() lists the sessions"
            ) from error

    def _rows(self, eid: Any, *, local: bool = False) -> _Rows:
        """Return the datasets of a session."""
        found = self._eid(eid)
        if local or self._local:
            frame = self.modern.list_datasets(
                found, details=True, qc="CRITICAL", query_type="local"
            )
            return legacy_rows.rows_of_frame(found, frame)
        return legacy_rows.rows_of_record(self._detail(found))

    # -- load ------------------------------------------------------------------------------------

    def load(
        self,
        eid: Any,
        dataset_types: str | Sequence[str] | None = None,
        dclass_output: bool = False,
        *,
        download_only: bool = False,
        clobber: bool = False,
        offline: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Load datasets of a session by their types.

        Parameters
        ----------
        eid : session identifier
            Id, path or reference.
        dataset_types : str or list of str, optional
            Types, such as ``['spikes.times', 'spikes.clusters']``; all where not given.
        dclass_output : bool
            Return the data with their context.
        download_only : bool
            Return paths of the files rather than their contents.
        clobber : bool
            Fetch files again that are here.
        offline : bool
            Take only what is here, and ask no server.
        **kwargs
            ``dataset_type``, ``dtypes``: other names of ``dataset_types``.

        Returns
        -------
        list
            For each type, in order: the data; a list of them where several files are of that type
            (two probes), which is warned of; an empty list where there is none.
        SessionData
            With ``dclass_output``, or where all types are loaded.

        Raises
        ------
        SessionNotFound
            There is no such session.

        Warns
        -----
        ALFWarning
            Several files are of one type, or there is none, or its quality is CRITICAL.
        """
        more = legacy_terms.named(kwargs)
        given = more.pop("dataset_types", dataset_types)
        wanted = legacy_terms.texts(given)
        if more:
            raise TypeError(f"load() got an unexpected argument {next(iter(more))!r}")
        if isinstance(eid, list | tuple):
            if len(eid) != 1:
                raise SearchTermError(
                    f"load() takes one session, and was given {len(eid)}",
                    hint="[one.load(eid, …) for eid in eids]",
                )
            (eid,) = eid
        everything = given is None or (len(wanted) == 1 and wanted[0] in _EVERYTHING)
        rows = self._rows(eid, local=offline)
        if everything:
            chosen = [_fit(legacy_rows.newest(rows))]
        else:
            chosen = [_fit(legacy_rows.of_type(rows, name)) for name in wanted]
        unique = {row["rel_path"]: row for found in chosen for row in found}
        paths = self._bring(self._eid(eid), _List(unique.values()), clobber, offline)
        loaded = {path: self._content(file, download_only) for path, file in paths.items()}
        if everything or dclass_output:
            data = SessionData()
            for row in (row for found in chosen for row in found if row["rel_path"] in paths):
                path = row["rel_path"]
                content = None if download_only else loaded[path]
                data.append(
                    {**row, "data": content, "local_path": str(paths[path]), "url": row["data_url"]}
                )
            return data
        outputs = []
        for name, found in zip(wanted, chosen, strict=True):
            each = [loaded[row["rel_path"]] for row in found if row["rel_path"] in loaded]
            if len(each) > 1:
                folders = ", ".join(row["collection"] or "." for row in found)
                warn(f"{name}: {len(each)} files are of this type, in {folders}: here as a list")
            elif not each:
                warn(f"{name}: there is none to load in {eid}: an empty list stands for it")
            outputs.append(each[0] if len(each) == 1 else each)
        return outputs

    def _bring(self, eid: Any, rows: _Rows, clobber: bool, offline: bool) -> dict[str, Path]:
        """Return the files of datasets that are here or can be fetched."""
        if not rows:
            return {}
        folder = Path(self.modern.eid2path(eid))
        wanted = [row["rel_path"] for row in rows]
        if offline or self._local:
            return {path: folder / path for path in wanted if (folder / path).is_file()}
        import pandas as pd

        with _set_aside([folder / path for path in wanted] if clobber else []):
            files, _ = self.modern.load_datasets(
                eid,
                pd.DataFrame({"rel_path": wanted}),
                download_only=True,
                assert_present=False,
                query_type="remote",
            )
        return {p: Path(f) for p, f in zip(wanted, files or (), strict=bool(files)) if f}

    @staticmethod
    def _content(file: Path, download_only: bool) -> Any:
        if download_only:
            return str(file)
        from fascicle.one.alf.io import load_file_content

        return load_file_content(file)


def _of_types(keyword: str) -> bool:
    return keyword.casefold().replace("_", "-").removesuffix("s") == "dataset-type"


def _fit(rows: _Rows) -> _Rows:
    """Leave out datasets whose quality forbids their use, and say so."""
    critical = [row for row in rows if row["qc"] == "CRITICAL"]
    for row in critical:
        warn(
            f"{row['rel_path']} is left out: its quality is CRITICAL. To load it all the same: "
            f"one.modern.load_dataset_from_id('{row['dataset_id']}')"
        )
    return [row for row in rows if row["qc"] != "CRITICAL"]


@contextmanager
def _set_aside(files: Sequence[Path]) -> Iterator[None]:
    """Take files out of the way; one that is not there again afterwards is put back."""
    moved = {}
    for file in files:
        if file.is_file():
            moved[file] = file.with_name(f".{file.name}.{uuid4().hex[:8]}.aside")
            os.replace(file, moved[file])
    try:
        yield
    finally:
        for file, aside in moved.items():
            if file.exists():
                aside.unlink()
            else:
                os.replace(aside, file)

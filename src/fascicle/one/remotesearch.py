"""Searching sessions and probe insertions, on a server or in the tables that came from it."""

from __future__ import annotations

from typing import Any

from fascicle.errors import SearchTermError
from fascicle.one import match, terms
from fascicle.one.insertions import InsertionsMixin
from fascicle.one.remote import Server, answer, in_parts, latest_first

_LOCAL_NAMES = {"project": "projects", "lab": "laboratory"}


class RemoteSearchMixin(Server, InsertionsMixin):
    """Searches a server; and the tables of a tag, where these were loaded."""

    def search_terms(self, query_type: str | None = None, endpoint: str | None = None) -> Any:
        """Return the terms that `search` takes.

        Parameters
        ----------
        query_type : {'local', 'remote'}, optional
            Where to search.
        endpoint : str, optional
            Of the server: ``'insertions'`` for the terms of `search_insertions`.

        Returns
        -------
        tuple of str, or None for an endpoint that is not searched here
        """
        self._check_query_type(query_type)
        if (query_type or self._default_query) != "remote":
            return super().search_terms("local", endpoint)
        fields = self._fields(endpoint or "sessions")
        if endpoint not in (None, "sessions"):
            return fields
        return tuple(dict.fromkeys((*self._search_terms, *(f for f in fields if f != "lab"))))

    def search(self, details: bool = False, query_type: str | None = None, **kwargs: Any) -> Any:
        """Return the sessions for which all terms hold, the latest first.

        In remote mode the server is asked, and its meaning of the terms holds: subject and
        laboratory are compared as a whole in any case of letters, task_protocol, projects and
        location need only have the text in them. In local mode, and once the tables of a tag were
        loaded, the tables answer, as `One.search` says.

        Parameters
        ----------
        dataset : str or list of str, optional
            Texts found in relative paths (``'alf/'``, ``'spikes.times'``); sessions must have a
            dataset for each.
        datasets : str or list of str, optional
            File names; sessions must have each.
        dataset_types : str or list of str, optional
            Types of datasets; sessions must have each.
        dataset_qc_lte : str, int or QC, optional
            Worst quality control accepted of these datasets.
        date_range : str, date, or list of two, optional
            A day, or first and last day; None is no bound.
        laboratory, subject, number : str, int or list, optional
            Any of the values.
        task_protocol, project, projects, location, users, … : optional
            All that ``one.search_terms(query_type='remote')`` lists.
        details : bool
            Also return the server's records, with the date.
        query_type : {'local', 'remote'}, optional
            Where to search; 'remote' asks the server in any case.
        **kwargs
            The terms above, and ``django`` for the server's own language.

        Returns
        -------
        list of uuid.UUID, or LazyId where the server answers page by page
            Session ids.
        list of dict, or LazyId
            With ``details``.

        Raises
        ------
        SearchTermError
            A term is unknown or ambiguous, or its value has no meaning; this is a ValueError.
        """
        self._check_query_type(query_type)
        if (query_type or self._default_query) == "remote":
            with self._asking("remote"):
                queries = [self._session_query(part) for part in in_parts(kwargs)]
                parts = [self._listed_by_server("sessions", q, "_merge_sessions") for q in queries]
            found = parts[0]
            if len(parts) > 1:
                found = latest_first(r for records, _ in parts for r in records), False
            eids, records = answer(*found)
            return (eids, records) if details else eids
        with self._asking("local"):
            if query_type is None and self._tag and not self._is_known_here(kwargs):
                return self._search_tag(details, kwargs)
            return super().search(details, **kwargs)

    def _is_known_here(self, given: dict[str, Any]) -> bool:
        try:
            terms.completed(given, self._search_terms)
        except SearchTermError:
            return False
        return True

    def _search_tag(self, details: bool, given: dict[str, Any]) -> Any:
        """Search the tables of a tag by terms that the server alone knows."""
        known = self.search_terms("remote")
        query = terms.completed(given, known, where="one.search_terms(query_type='remote')")
        local: dict[str, Any] = {}
        served: dict[str, Any] = {}
        for term, value in query.items():
            name = _LOCAL_NAMES.get(term, term)
            (local if name in self._search_terms else served)[
                name if name in self._search_terms else term
            ] = value
        there = set(self.search(query_type="remote", **served))
        found = super().search(details, **local)
        eids, records = found if details else (found, None)
        kept = [i for i, eid in enumerate(eids) if eid in there]
        some = [eids[i] for i in kept]
        if not details:
            return some
        return some, [records[i] for i in kept] if records is not None and kept else None

    def search_insertions(
        self, details: bool = False, query_type: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the probe insertions for which all terms hold, the latest first.

        Parameters
        ----------
        atlas_acronym, atlas_id, atlas_name : str or int, optional
            Brain region, at any level of the Allen tree.
        name, model, serial, session, subject, laboratory, number, task_protocol, project : optional
            As ``one.search_terms(query_type='remote', endpoint='insertions')`` lists them.
        dataset : str or list of str, optional
            Texts found in names of its datasets; each must be.
        datasets : str or list of str, optional
            File names of its datasets; each must be there.
        details : bool
            Also return the server's records.
        query_type : {'local', 'remote'}, optional
            Where to search; 'remote' asks the server in any case.
        **kwargs
            The terms above, and ``django`` for the server's own language.

        Returns
        -------
        list of uuid.UUID, or LazyId where the server answers page by page
            Ids of insertions.
        list of dict, or LazyId
            With ``details``.

        Raises
        ------
        SearchTermError
            A term is unknown or ambiguous, or its value has no meaning; this is a ValueError.
        """
        self._check_query_type(query_type)
        kind = query_type or self._default_query
        if kind == "local" and not (query_type is None and self._tag):
            with self._asking("local"):
                return super().search_insertions(details, **kwargs)
        if kind == "local" and self._catalogue.insertions():
            with self._asking("local"):
                return super().search_insertions(details, **kwargs)
        with self._asking("remote"):
            query = self._insertion_query(kwargs)
            if kind == "local":
                tagged = f"datasets__tags__name,{self._tag}"
                query["django"] = ",".join(filter(None, (query.get("django"), tagged)))
            records, paged = self._listed_by_server("insertions", query, "_merge_insertions")
        if kind == "local":
            records, paged = self._of_tag(records, query), False
        pids = _ids(records, paged)
        return (pids, records) if details else pids

    def _of_tag(self, records: Any, query: dict[str, Any]) -> list[Any]:
        """Return those insertions whose datasets that were asked for have the tag."""
        limit = int(terms.quality(query.get("dataset_qc_lte", "FAIL")))
        names = terms.texts("datasets", query.get("datasets", []))
        parts = terms.texts("dataset", query.get("dataset", []))
        kept = []
        for record in records:
            with self._asking("local"):
                contents = self._contents(self.to_eid(record["session"]))
            if contents is None:
                continue
            paths = [p for p in contents.visible(limit)[1] if _of_probe(p, record["name"])]
            files = {p.rpartition("/")[2] for p in paths}
            if set(names) <= files and all(any(t in p for p in paths) for t in parts):
                kept.append(record)
        return kept


def _of_probe(path: str, name: str) -> bool:
    folders = match.folders_of(path)[0].split("/")
    return name in folders or not any(f.startswith("probe") for f in folders)


def _ids(records: Any, paged: bool) -> Any:
    from fascicle.one.lazy import LazyId

    return LazyId(records) if paged else LazyId.ses2eid(list(records))

"""Finding sessions in the local index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fascicle.one import terms
from fascicle.one.base import Local
from fascicle.one.bunch import Bunch
from fascicle.one.revisions import warn

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue


class SearchMixin(Local):
    """Searches sessions."""

    _search_terms = terms.SESSION_TERMS

    def search_terms(self, query_type: str | None = None, endpoint: str | None = None) -> Any:
        """Return the terms that `search` takes.

        Parameters
        ----------
        query_type : {'local'}, optional
            Where to search.
        endpoint : {'sessions', 'insertions'}, optional
            ``'insertions'`` for the terms of `search_insertions`.

        Returns
        -------
        tuple of str, or None for an endpoint that is not searched here
        """
        self._check_query_type(query_type)
        if endpoint == "insertions":
            return terms.INSERTION_TERMS + self._search_terms
        return self._search_terms if endpoint in (None, "sessions") else None

    def search(self, details: bool = False, query_type: str | None = None, **kwargs: Any) -> Any:
        r"""Return the sessions for which all terms hold, the latest first.

        Terms may be shortened as long as they stay unique (``lab``, ``subj``, ``task``). With
        ``one.wildcards`` on, texts are regular expressions of which a match anywhere counts;
        with it off they are looked for as they are. Case matters.

        Parameters
        ----------
        dataset : str or list of str, optional
            Texts found in relative paths (``'alf/'``, ``'spikes.times'``); sessions must have a
            dataset for each.
        datasets : str or list of str, optional
            Regular expressions of whole file names; sessions must have a dataset for each.
        dataset_qc_lte : str, int or QC, optional
            Worst quality control accepted of these datasets ('FAIL' where not given); alone,
            sessions with any dataset this good.
        date_range : str, date, or list of two, optional
            A day, or first and last day; None is no bound.
        laboratory, subject, task_protocol, projects : str or list of str, optional
            Any of the texts is found.
        number : int or list of int, optional
            Number of the session on its day.
        details : bool
            Also return what the sessions table says of each.
        query_type : {'local'}, optional
            Where to search.
        **kwargs
            The terms above.

        Returns
        -------
        list of uuid.UUID
            Session ids.
        list of Bunch, or None where nothing is found
            With ``details``: lab, subject, date, number, task_protocol and projects.

        Raises
        ------
        SearchTermError
            A term is unknown or ambiguous, or its value has no meaning; this is a ValueError.

        Examples
        --------
        >>> one.search(subject="NYU-01", dataset=["trials.goCue_times", "wheel"])  # doctest: +SKIP
        >>> one.search(lab=["mainenlab", "zadorlab"], date=["2019-08-01", None])  # doctest: +SKIP
        """
        self._check_query_type(query_type)
        query = terms.completed(kwargs, self._search_terms)
        catalogue = self._catalogue
        rows = catalogue.rows(self._session_bits(catalogue, query))
        eids = catalogue.eids(rows)
        if not details:
            return eids
        if not rows:
            return [], None
        return eids, self._session_details(catalogue, rows)

    def _session_details(self, catalogue: Catalogue, rows: list[int]) -> list[Bunch]:
        frame = self._tables.sessions_if_touched()
        if frame is not None:  # it may have columns that the index does not know
            records = frame.loc[catalogue.eids(rows)].to_dict("records")
            return [Bunch({str(k): v for k, v in r.items()}) for r in records]
        return [session_bunch(catalogue, row) for row in rows]

    def _session_bits(self, catalogue: Catalogue, query: dict[str, Any]) -> int:
        """Return the set of sessions for which all terms of a query hold."""
        found = catalogue.everything
        for term, column in terms.COLUMNS.items():
            if term in query:
                self._warn_of_list(term, query[term])
                test = terms.contains(term, query[term], wildcards=self.wildcards)
                found &= catalogue.where(column, test)
        if "number" in query:
            found &= catalogue.where("number", terms.numbers(query["number"]).__contains__)
        if "date_range" in query:
            found &= catalogue.between(*terms.dates(query["date_range"]))
        qc = terms.quality(query.get("dataset_qc_lte", "FAIL"))
        tests = self._dataset_tests(query)
        for of, test in tests:
            if found:
                found &= catalogue.having(test, of=of, qc_lte=int(qc))
        if "datasets" in query and not tests and found:  # an empty list: any that is listed
            found &= catalogue.having(bool, of="path", qc_lte=50, exists=None)
        elif "dataset_qc_lte" in query and not tests and found:
            found &= catalogue.having_qc(int(qc))
        return found

    def _dataset_tests(self, query: dict[str, Any]) -> list[tuple[str, Callable[[str], object]]]:
        """Return what each dataset that is asked for must fulfil, by its name or its path."""
        tests = [
            ("name", terms.whole("datasets", text))
            for text in terms.texts("datasets", query.get("datasets", []))
        ]
        tests += [
            ("path", terms.part_of("dataset", text, wildcards=self.wildcards))
            for text in terms.texts("dataset", query.get("dataset", []))
        ]
        return tests

    def _warn_of_list(self, term: str, value: Any) -> None:
        if not self.wildcards and len(terms.as_list(value)) > 1:
            joined = "|".join(terms.texts(term, value))
            warn(
                f"with wildcards off, {term}={value!r} looks for the one text {joined!r}, as ONE "
                "does; set one.wildcards = True to find any of them"
            )

    def list_subjects(self) -> list[str]:
        """Return the subjects of all sessions, sorted."""
        subjects: list[str] = []
        self._catalogue.where("subject", subjects.append)  # no set of sessions is put together
        return sorted(subjects)


def session_bunch(catalogue: Catalogue, row: int) -> Bunch:
    """Return what the sessions table says of a row."""
    s = catalogue.session(row)
    return Bunch(
        lab=s.lab,
        subject=s.subject,
        date=s.date,
        number=s.number,
        task_protocol=s.task_protocol,
        projects=s.projects,
    )

"""Listing what sessions hold, from the index alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.alf.spec import QC
from fascicle.errors import ALFError
from fascicle.one import match, terms
from fascicle.one.base import Contents, Local, eid_or_id

if TYPE_CHECKING:
    import pandas as pd


class ListingMixin(Local):
    """Lists datasets, collections and revisions."""

    @eid_or_id
    def list_datasets(
        self,
        eid: Any = None,
        filename: match.FileName = None,
        collection: match.Text = None,
        revision: match.Text = None,
        qc: QC | int | str = QC.FAIL,
        ignore_qc_not_set: bool = False,
        details: bool = False,
        query_type: str | None = None,
        default_revisions_only: bool = False,
        keep_eid_index: bool = False,
    ) -> Any:
        """Return the datasets of a session, or of all of them.

        Parameters
        ----------
        eid : session identifier or list of them, optional
            Id, path, reference or record (also as ``id=``); all sessions where not given.
        filename : str, list of str or dict, optional
            Pattern of the file name, alternatives, or a dict with a pattern for each ALF part.
        collection, revision : str or list of str, optional
            Patterns; None is any, an empty text is none.
        qc : QC, int or str
            Worst quality control that is listed. CRITICAL is hidden unless asked for.
        ignore_qc_not_set : bool
            Leave out datasets whose quality was not assessed.
        details : bool
            Return the datasets table rather than paths.
        query_type : {'local'}, optional
            Where to look.
        default_revisions_only : bool
            Leave out what is not the default revision.
        keep_eid_index : bool
            With ``details``, index the table of one session by (eid, id).

        Returns
        -------
        list of str, or pandas.DataFrame with ``details``
            Paths relative to their sessions, sorted, each once; or rel_path, file_size, hash,
            exists, qc and default_revision, indexed by id, and for several or all sessions by
            (eid, id). A session that is not in the index has an empty table in either case, as in
            ONE.

        Raises
        ------
        ALFError
            ``default_revisions_only``, and the tables do not say which these are.
        ValueError
            ``eid`` is no identifier.
        """
        self._check_query_type(query_type)
        question = match.ask(filename, collection, revision, wildcards=self.wildcards)
        limit = terms.quality(qc)
        whole = eid is None or (isinstance(eid, str | list | dict) and not eid)
        catalogue = self._catalogue if whole else self._asked_catalogue
        if default_revisions_only and catalogue and not catalogue.has_default_revision:
            raise ALFError(
                "No default revisions specified",
                hint="the tables of this folder do not say which revisions are the default; "
                "leave default_revisions_only out",
            )
        if whole:
            assert catalogue is not None
            if details or ignore_qc_not_set or default_revisions_only:
                frame = self._all_datasets(
                    question, limit, ignore_qc_not_set, default_revisions_only
                )
                return frame if details else sorted(set(frame["rel_path"]))
            paths = catalogue.paths_with(qc_lte=int(limit))
            return [paths[i] for i in question.select(paths)] if not question.everything else paths
        found = self.to_eid(eid)
        several = isinstance(found, list)
        chosen = []
        for one_eid in dict.fromkeys(found) if several else [found]:
            contents = None if one_eid is None else self._contents(one_eid, catalogue)
            if contents is not None:
                listed = self._listed(
                    contents, question, limit, ignore_qc_not_set, default_revisions_only
                )
                chosen.append((contents, listed))
        if not chosen:
            return self._empty_frame(keep_eid_index or several)
        if not details:
            paths = [contents.paths[i] for contents, listed in chosen for i in listed]
            return sorted(set(paths)) if several else paths
        frames = [contents.datasets.frame().iloc[listed] for contents, listed in chosen]
        if not (keep_eid_index or several):
            return frames[0]
        import pandas as pd

        return pd.concat([with_eid(f, c.eid) for f, (c, _) in zip(frames, chosen, strict=True)])

    def _listed(
        self,
        contents: Contents,
        question: match.Filter,
        limit: QC,
        ignore_qc_not_set: bool = False,
        default_only: bool = False,
    ) -> list[int]:
        """Return the positions of a session's datasets that match."""
        positions, paths = contents.visible(int(limit))
        chosen = [positions[i] for i in question.select(paths)]
        if ignore_qc_not_set:
            chosen = [i for i in chosen if contents.qc[i]]
        if default_only and contents.default is not None:
            chosen = [i for i in chosen if contents.default[i]]
        return chosen

    def _all_datasets(
        self, question: match.Filter, limit: QC, ignore_qc_not_set: bool, default_only: bool
    ) -> pd.DataFrame:
        """Return the datasets table of all sessions, as far as it matches."""
        frame = self._catalogue.datasets_frame()
        paths = self._catalogue.paths()
        wanted = {paths[i] for i in question.select(paths)}
        keep = frame["rel_path"].isin(wanted) & (frame["qc"] <= limit.name)
        if ignore_qc_not_set:
            keep &= frame["qc"] != "NOT_SET"
        if default_only:
            keep &= frame["default_revision"]
        return frame[keep]

    def _empty_frame(self, with_eids: bool) -> pd.DataFrame:
        frame = self._catalogue.datasets_frame([])
        return frame if with_eids else frame.droplevel("eid")

    @eid_or_id
    def list_collections(
        self,
        eid: Any = None,
        filename: match.FileName = None,
        collection: match.Text = None,
        revision: match.Text = None,
        details: bool = False,
        query_type: str | None = None,
    ) -> Any:
        """Return the collections of a session, or of all.

        Parameters
        ----------
        eid, filename, collection, revision, query_type
            As for `list_datasets`.
        details : bool
            Return the datasets of each collection.

        Returns
        -------
        list of str, or dict of str to pandas.DataFrame with ``details``
            Sorted; the empty text stands for no collection.
        """
        return self._grouped(eid, filename, collection, revision, details, query_type, part=0)

    @eid_or_id
    def list_revisions(
        self,
        eid: Any = None,
        filename: match.FileName = None,
        collection: match.Text = None,
        revision: match.Text = None,
        details: bool = False,
        query_type: str | None = None,
    ) -> Any:
        """Return the revisions of a session's datasets, or of all.

        Parameters
        ----------
        eid, filename, collection, revision, query_type
            As for `list_datasets`.
        details : bool
            Return the datasets of each revision.

        Returns
        -------
        list of str, or dict of str to pandas.DataFrame with ``details``
            Sorted, the latest last; the empty text stands for no revision.
        """
        return self._grouped(eid, filename, collection, revision, details, query_type, part=1)

    def _grouped(
        self,
        eid: Any,
        filename: match.FileName,
        collection: match.Text,
        revision: match.Text,
        details: bool,
        query_type: str | None,
        *,
        part: int,
    ) -> Any:
        found = self.list_datasets(
            eid, filename, collection, revision, details=details, query_type=query_type
        )
        if not details:
            if not isinstance(found, list):  # the empty table of an unknown session
                return []
            return distinct(found, lambda path: match.folders_of(path)[part])
        names = [match.folders_of(path)[part] for path in found["rel_path"]]
        return dict(iter(found.groupby(names, sort=True)))


def distinct(paths: Sequence[str], of: Callable[[str], str]) -> list[str]:
    """Return the distinct values of a function of paths, sorted."""
    return sorted({of(path) for path in paths})


def with_eid(frame: pd.DataFrame, eid: UUID) -> pd.DataFrame:
    """Return a session's datasets indexed by (eid, id)."""
    import pandas as pd

    index = pd.MultiIndex.from_arrays([[eid] * len(frame), frame.index], names=["eid", "id"])
    return frame.set_axis(index, axis=0)

"""Finding probe insertions in the local index: by what they are, their session, or brain region."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fascicle.errors import NeedsServerError, RegionNotFound, SearchTermError
from fascicle.one import match, terms
from fascicle.one.bunch import Bunch
from fascicle.one.revisions import warn
from fascicle.one.search import SearchMixin

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue, Insertion

_TEXTS = ("model", "name", "serial")
_REGIONS = ("atlas_acronym", "atlas_id", "atlas_name")
#: What an Alyx can search insertions by, and the tables do not hold.
_REMOTE = (
    "json",
    "chronic_insertion",
    "tag",
    "django",
    "dataset_types",
    "no_coords",
    "experiment_number",
)


class InsertionsMixin(SearchMixin):
    """Searches probe insertions."""

    def search_insertions(
        self, details: bool = False, query_type: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the probe insertions for which all terms hold, the latest first.

        Parameters
        ----------
        atlas_acronym, atlas_id, atlas_name : str or int or list, optional
            Brain region, at any level of the Allen tree: insertions with a channel in it or in
            what lies below it; with a negative id, in its left half. A name is a part of names.
            Lists are alternatives.
        name, model, serial : str or list of str, optional
            Any of the texts is found.
        session : session identifier, optional
            Its insertions.
        dataset, datasets : str or list of str, optional
            As for `search`; datasets in the folder of another probe do not count.
        details : bool
            Also return what is known of each.
        query_type : {'local'}, optional
            Where to search.
        **kwargs
            The terms above, and those of `search` for the session.

        Returns
        -------
        list of uuid.UUID
            Ids of insertions.
        list of Bunch, or None where nothing is found
            With ``details``: id, name, model, serial, session, lab, subject, date, number, and
            with a region its channels by acronym.

        Raises
        ------
        SearchTermError
            A term is unknown or ambiguous, or its value has no meaning.
        RegionNotFound
            No brain region is called so; both are ValueErrors.
        NeedsServerError
            The term is known to a server alone.

        Examples
        --------
        >>> one.search_insertions(atlas_acronym="TH", datasets="spikes.times.npy")  # doctest: +SKIP
        """
        self._check_query_type(query_type)
        known = terms.INSERTION_TERMS + self._search_terms
        query = terms.completed(
            kwargs, known + _REMOTE, where='one.search_terms(endpoint="insertions")'
        )
        for term in _REMOTE:
            if term in query:
                raise NeedsServerError(
                    f"{term} is known to a server alone, and this is the local folder "
                    f"{self.cache_dir}",
                    hint=f"the local terms are {', '.join(known)}",
                )
        catalogue = self._catalogue
        found = self._session_bits(catalogue, query)
        if "session" in query:
            found &= self._bits_of(catalogue, query["session"])
        channels: dict[Any, dict[int, int]] = {}
        if any(term in query for term in _REGIONS):
            probes = self._in_regions(catalogue, query, found, channels)
        else:
            probes = catalogue.insertions(catalogue.rows(found))
        for term in _TEXTS:
            if term in query:
                self._warn_of_list(term, query[term])
                test = terms.contains(term, query[term], wildcards=self.wildcards)
                probes = [p for p in probes if test(getattr(p, term))]
        tests = self._dataset_tests(query)
        if tests:
            limit = int(terms.quality(query.get("dataset_qc_lte", "FAIL")))
            probes = self._with_datasets(catalogue, probes, tests, limit)
        probes.sort(key=lambda p: p.name, reverse=True)
        probes.sort(key=lambda p: p.row)
        pids = [p.pid for p in probes]
        if not details:
            return pids
        records = [insertion_record(catalogue, p, channels.get(p.pid)) for p in probes]
        return pids, records or None

    def _bits_of(self, catalogue: Catalogue, sessions: Any) -> int:
        out = 0
        for given in sessions if isinstance(sessions, list | tuple) else [sessions]:
            eid = self.to_eid(given)
            row = None if eid is None else catalogue.row(eid)
            if row is not None:
                out |= 1 << row
        return out

    def _in_regions(
        self,
        catalogue: Catalogue,
        query: dict[str, Any],
        sessions: int,
        channels: dict[Any, dict[int, int]],
    ) -> list[Insertion]:
        """Return the insertions in all regions asked for; fill in their channels there."""
        found: dict[Any, Insertion] | None = None
        rows = set(catalogue.rows(sessions))
        for term in _REGIONS:
            if term not in query:
                continue
            here = {}
            wanted = region_ids(term, query[term])
            left = {-i for i in wanted if i < 0}
            for side, ids in ((None, {i for i in wanted if i >= 0}), (-1, left)):
                for probe, counts in catalogue.insertions_in(ids, side=side) if ids else ():
                    if probe.row in rows and (found is None or probe.pid in found):
                        here[probe.pid] = probe
                        channels.setdefault(probe.pid, {}).update(counts)
            found = here
        self._tell_unknown(catalogue)
        return list((found or {}).values())

    def _tell_unknown(self, catalogue: Catalogue) -> None:
        unknown = catalogue.unknown_regions
        if unknown and (catalogue.root, unknown) not in _told:
            _told.add((catalogue.root, unknown))
            warn(
                f"regions unknown for {unknown} sessions: their channel files are not in "
                f"{self.cache_dir}, so a search by region cannot find them"
            )

    def _with_datasets(
        self,
        catalogue: Catalogue,
        probes: list[Insertion],
        tests: list[tuple[str, Callable[[str], object]]],
        limit: int,
    ) -> list[Insertion]:
        names: dict[int, set[str]] = {}
        for probe in catalogue.insertions({p.row for p in probes}):
            names.setdefault(probe.row, set()).add(probe.name)
        kept = []
        for probe in probes:
            contents = self._contents(catalogue.eids([probe.row])[0], catalogue)
            if contents is None:
                continue
            others = names[probe.row] - {probe.name}
            exists = contents.datasets.exists
            paths = [
                path
                for path, here, qc in zip(contents.paths, exists, contents.qc, strict=True)
                if here and qc <= limit and others.isdisjoint(match.folders_of(path)[0].split("/"))
            ]
            if all(
                any(test(p if of == "path" else p.rpartition("/")[2]) for p in paths)
                for of, test in tests
            ):
                kept.append(probe)
        return kept


#: Catalogues whose users were told that some regions are unknown.
_told: set[Any] = set()


def region_ids(term: str, value: Any) -> set[int]:
    """Return the ids of brain regions and of all that lies below them.

    Parameters
    ----------
    term : {'atlas_acronym', 'atlas_id', 'atlas_name'}
    value : str, int, or a list of these
        Regions; a name is a part of names, in any case. Negative ids are of the left hemisphere.

    Returns
    -------
    set of int
        Negative where the left hemisphere alone is meant.

    Raises
    ------
    RegionNotFound
        No region is called so.
    """
    from fascicle.atlas import Regions

    regions = Regions()
    out: set[int] = set()
    for item in terms.as_list(value):
        if item is None:
            raise SearchTermError(f"{term}=None is no brain region", hint=f"leave {term} out")
        if term == "atlas_name":
            part = str(item).casefold()
            named = [i for i in regions if part in regions.name(i).casefold()]
            if not named:
                regions.resolve(item)  # says what is nearest
                raise RegionNotFound(f"no brain region has {item!r} in its name")
            for i in named:
                out |= regions.descendants(i)
        else:
            ids, sign = _with_sign(term, item)
            out |= {sign * i for i in regions.descendants(ids)}
    return out


def _with_sign(term: str, item: Any) -> tuple[Any, int]:
    """Return what stands for a region, and -1 where its left half is meant."""
    if term != "atlas_id":
        return item, 1
    try:
        number = int(item)
    except (TypeError, ValueError):
        raise SearchTermError(
            f"atlas_id={item!r} is no number of a brain region",
            hint=f"atlas_acronym={str(item)!r} searches by acronym",
        ) from None
    return abs(number), -1 if number < 0 else 1


def insertion_record(
    catalogue: Catalogue, probe: Insertion, channels: dict[int, int] | None = None
) -> Bunch:
    """Return what is known of an insertion.

    Parameters
    ----------
    catalogue : Catalogue
    probe : Insertion
    channels : dict, optional
        Channels by signed CCF id, to be listed by acronym.
    """
    s = catalogue.session(probe.row)
    record = Bunch(
        probe.extra,
        id=str(probe.pid),
        name=probe.name,
        model=probe.model,
        serial=probe.serial,
        session=str(s.eid),
        session_info={
            "id": str(s.eid),
            "lab": s.lab,
            "subject": s.subject,
            "date": s.date.isoformat(),
            "number": s.number,
            "task_protocol": s.task_protocol,
            "projects": s.projects.split(",") if s.projects else [],
        },
        lab=s.lab,
        subject=s.subject,
        date=s.date,
        number=s.number,
    )
    if channels is not None:
        from fascicle.atlas import Regions

        regions = Regions()
        counts: dict[str, int] = {}
        for ccf, n in channels.items():
            acronym = regions.acronym(ccf)
            counts[acronym] = counts.get(acronym, 0) + n
        record["channels"] = counts
    return record

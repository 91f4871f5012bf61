"""From a probe insertion to its session and label, and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fascicle.one.base import Local, asks, eid_or_id


class ProbeIdsMixin(Local):
    """Converts identifiers of probe insertions."""

    @asks
    def pid2eid(
        self, pid: UUID | str, query_type: str | None = None
    ) -> tuple[UUID | None, str | None]:
        """Return session and label of a probe insertion.

        Parameters
        ----------
        pid : UUID or str
            Id of the insertion.
        query_type : {'local'}, optional
            Where to look.

        Returns
        -------
        uuid.UUID or None
            Session id; None where the insertion is unknown.
        str or None
            Label, such as ``'probe00'``.
        """
        self._check_query_type(query_type)
        catalogue = self._catalogue
        found = catalogue.insertion(pid)
        return (None, None) if found is None else (catalogue.eids([found.row])[0], found.name)

    @eid_or_id
    def eid2pid(
        self, eid: Any, query_type: str | None = None, details: bool = False, **kwargs: Any
    ) -> Any:
        """Return the probe insertions of a session.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        query_type : {'local'}, optional
            Where to look.
        details : bool
            Also return records.
        **kwargs
            Values that the insertions must have, for example ``name='probe00'``.

        Returns
        -------
        list of uuid.UUID, or None where there is none
        list of str, or None
            Labels.
        list of dict, or None
            With ``details``.
        """
        from fascicle.one.insertions import insertion_record

        self._check_query_type(query_type)
        found = self.to_eid(eid)
        catalogue = self._catalogue
        row = None if found is None else catalogue.row(found)
        probes = (
            sorted(catalogue.insertions([row]), key=lambda p: p.name) if row is not None else []
        )
        records = [insertion_record(catalogue, p) for p in probes]
        kept = [
            (p, r)
            for p, r in zip(probes, records, strict=True)
            if all(r.get(k) == v for k, v in kwargs.items())
        ]
        if not kept:
            return (None,) * (3 if details else 2)
        out = [p.pid for p, _ in kept], [p.name for p, _ in kept]
        return (*out, [dict(r) for _, r in kept]) if details else out

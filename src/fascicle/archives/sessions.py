"""The sessions that a search found: a table, and sessions that can be loaded."""

from __future__ import annotations

import html
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload
from uuid import UUID

from fascicle.archives.base import Archive
from fascicle.archives.explain import why_empty
from fascicle.archives.session import OpenSession
from fascicle.errors import SessionNotFound

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.catalogue import Catalogue

#: For each row of a catalogue, the insertions in the regions: pid, name, number of channels.
Sites: TypeAlias = "dict[int, list[tuple[UUID, str, int]]]"

_SHOWN = 20


class Found(NamedTuple):
    """What one archive has: rows of its catalogue, and where in the brain if that was asked."""

    archive: Archive
    catalogue: Catalogue
    rows: list[int]
    sites: Sites | None


class Sessions:
    """The sessions that `fascicle.find` found.

    It has a length, iterates over sessions ready to load, takes numbers and slices, and shows as
    a table. ``frame`` is that table, ``eids`` the ids alone; nothing is built before it is asked
    for. It pickles: after that, the archives are opened where it is used.

    Examples
    --------
    >>> found = fascicle.find(region="TH")  # doctest: +SKIP
    >>> for session in found:  # doctest: +SKIP
    ...     trials = session.load("trials", collection="alf")
    """

    def __init__(self, found: list[Found], terms: dict[str, Any] | None = None) -> None:
        self.parts = found
        self.terms = terms or {}
        self._frame: pd.DataFrame | None = None

    @property
    def archives(self) -> list[Archive]:
        """The archives that were asked."""
        return [found.archive for found in self.parts]

    @property
    def eids(self) -> list[UUID]:
        """The sessions' ids, in order."""
        return [eid for found in self.parts for eid in found.catalogue.eids(found.rows)]

    @property
    def frame(self) -> pd.DataFrame:
        """The sessions as a table.

        One row per session with ``archive``, ``eid`` (text), ``lab``, ``subject``, ``date``,
        ``number``, ``task_protocol`` and ``projects``; where an archive gives its sessions ids of
        its own, ``native_id`` (text, empty for sessions of others); after a search by region also
        ``n_insertions``, ``n_channels`` (recording sites in the region) and ``probes``.
        """
        if self._frame is None:
            self._frame = self._build()
        return self._frame

    @property
    def insertions(self) -> pd.DataFrame:
        """The probe insertions of the sessions, after a search by region those in it.

        One row per insertion with ``archive``, ``eid``, ``pid``, ``name``; after a search by
        region also ``n_channels``, the number of its recording sites in the region.
        """
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        columns = ["archive", "eid", "pid", "name"]
        by_region = any(found.sites is not None for found in self.parts)
        for archive, cat, positions, sites in self.parts:
            eids = dict(zip(positions, cat.eids(positions), strict=True))
            if sites is not None:
                for row in positions:
                    for pid, name, channels in sites[row]:
                        rows.append((archive.name, str(eids[row]), str(pid), name, channels))
                continue
            for insertion in cat.insertions(positions):
                eid = str(eids[insertion.row])
                rows.append((archive.name, eid, str(insertion.pid), insertion.name))
        return pd.DataFrame(rows, columns=[*columns, "n_channels"] if by_region else columns)

    def _build(self) -> pd.DataFrame:
        import pandas as pd

        parts = []
        native = any("native_ids" in found.catalogue.meta for found in self.parts)
        for archive, cat, rows, sites in self.parts:
            part = cat.sessions_frame(rows)
            part = part.rename_axis(None).reset_index(drop=True)
            part.insert(0, "archive", archive.name)
            part.insert(1, "eid", [str(eid) for eid in cat.eids(rows)])
            part = part.drop(columns=["id"], errors="ignore")
            if native:
                known = cat.meta.get("native_ids", {})
                part["native_id"] = [known.get(eid.hex, "") for eid in cat.eids(rows)]
            if sites is not None:
                here = [sites[row] for row in rows]
                part["n_insertions"] = [len(s) for s in here]
                part["n_channels"] = [sum(n for _, _, n in s) for s in here]
                part["probes"] = [", ".join(f"{name}: {n}" for _, name, n in s) for s in here]
            parts.append(part)
        filled = [part for part in parts if len(part)] or parts[:1]
        return pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0]

    # -- a sequence of sessions --------------------------------------------------------------

    def __len__(self) -> int:
        return sum(len(found.rows) for found in self.parts)

    def __iter__(self) -> Iterator[OpenSession]:
        for archive, cat, rows, _ in self.parts:
            for eid in cat.eids(rows):
                yield OpenSession(archive, eid)

    def __contains__(self, session: object) -> bool:
        if isinstance(session, OpenSession):
            session = session.eid
        return session in self.eids or session in [str(eid) for eid in self.eids]

    @overload
    def __getitem__(self, key: int) -> OpenSession: ...
    @overload
    def __getitem__(self, key: slice) -> Sessions: ...
    @overload
    def __getitem__(self, key: str) -> pd.Series[Any]: ...
    def __getitem__(self, key: int | slice | str) -> OpenSession | Sessions | pd.Series[Any]:
        """Return one session by number, some by a slice, or a column of the table by name."""
        if isinstance(key, str):
            return self.frame[key]
        if isinstance(key, slice):
            return self._take(range(len(self))[key])
        try:
            key = operator.index(key)
        except TypeError as error:
            raise TypeError(
                f"sessions are taken by number or by a slice, and not by a {type(key).__name__}; "
                "an archive opens one by its eid, and .frame takes masks"
            ) from error
        number = key + len(self) if key < 0 else key
        for archive, cat, rows, _ in self.parts:
            if 0 <= number < len(rows):
                return OpenSession(archive, cat.eids([rows[number]])[0])
            number -= len(rows)
        raise IndexError(f"there are {len(self)} sessions, so none has the number {key}")

    def _take(self, numbers: Sequence[int]) -> Sessions:
        parts, start = [], 0
        for archive, cat, rows, sites in self.parts:
            inside = [rows[n - start] for n in numbers if start <= n < start + len(rows)]
            parts.append(Found(archive, cat, inside, sites))
            start += len(rows)
        if len(numbers) > 1 and numbers[0] > numbers[-1]:
            parts.reverse()
        return Sessions(parts, self.terms)

    # -- how it shows ------------------------------------------------------------------------

    def __repr__(self) -> str:
        lines = [self._headline(), *self.why_empty()]
        if len(self):
            lines.append(self._head().to_string(index=False))
            if len(self) > _SHOWN:
                lines.append(f"… and {len(self) - _SHOWN} more: see .frame")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        title = f"<div><p>{html.escape(self._headline())}</p>"
        if not len(self):
            reasons = "".join(f"<p>{html.escape(reason)}</p>" for reason in self.why_empty())
            return f"{title}{reasons}</div>"
        more = f"<p>… and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        table = self._head().to_html(index=False, border=0)
        # Ids and dates have hyphens, which browsers break lines at.
        scrolled = f'<div style="overflow-x: auto; white-space: nowrap">{table}</div>'
        return f"{title}{scrolled}{more}</div>"

    def _headline(self) -> str:
        terms = ", ".join(f"{term}={value!r}" for term, value in self.terms.items())
        noun = "session" if len(self) == 1 else "sessions"
        return f"{len(self)} {noun}" + (f" with {terms}" if terms else "")

    def why_empty(self) -> list[str]:
        """Return why nothing was found, as far as single words are to blame.

        Returns
        -------
        list of str
            A sentence for each word of the search that no session has, with what is near it.
        """
        if len(self) or not self.terms:
            return []
        return why_empty((found.catalogue for found in self.parts), self.terms)

    def _head(self) -> pd.DataFrame:
        """Return the first rows; the archive is shown only where there are several."""
        frame = self[:_SHOWN].frame
        return frame.drop(columns="archive") if len(self.parts) == 1 else frame

    # -- copies ------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Keep ids rather than rows: the catalogue may have changed where this is unpickled."""
        parts = []
        for archive, cat, rows, sites in self.parts:
            eids = cat.eids(rows)
            places = None if sites is None else [sites[row] for row in rows]
            parts.append((archive, [eid.bytes for eid in eids], places))
        return {"parts": parts, "terms": self.terms}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.terms, self._frame, self.parts = state["terms"], None, []
        for archive, ids, places in state["parts"]:
            cat = archive.catalogue()
            rows = []
            for raw in ids:
                row = cat.row(UUID(bytes=raw))
                if row is None:
                    raise SessionNotFound(
                        f"session {UUID(bytes=raw)} is no longer in {archive.name}",
                        hint="search anew with fascicle.find()",
                    )
                rows.append(row)
            sites = None if places is None else dict(zip(rows, places, strict=True))
            self.parts.append(Found(archive, cat, rows, sites))

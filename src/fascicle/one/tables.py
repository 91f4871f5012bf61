"""The ``_cache`` of a ONE object: the index as pandas tables, made where they are asked for.

While nobody asks, the index answers all questions. Tables that were handed out may be changed by
whoever holds them, so from then on each question first compares them with what was handed out,
and once they differ they are the truth: an index in memory is made of them for each question.
That is slow, and meant for the code that has always changed these tables by hand.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.one.bunch import Bunch
from fascicle.one.handmade import datasets_by_id, folder_below, sessions_by_id

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.catalogue import Catalogue, Change

_FRAMES = ("datasets", "sessions", "insertions")


class Tables(MutableMapping[str, Any]):
    """Tables by name, and ``_meta``; items are attributes too.

    Parameters
    ----------
    index : Catalogue
        What the tables are made of.
    root : pathlib.Path
        Folder of the recordings.
    loaded : bool
        Whether there was anything to load.
    """

    def __init__(self, index: Catalogue, root: Path, *, loaded: bool = True) -> None:
        own = self.__dict__
        own["_index"] = index
        own["_root"] = root
        own["_made"] = {}
        own["_handed_out"] = {}
        own["_meta"] = _meta(index, loaded)

    # -- a mapping ---------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        if name == "_meta":
            return self.__dict__["_meta"]
        made = self.__dict__["_made"]
        if name not in made:
            if name not in self:
                raise KeyError(name)
            made[name] = self._frame(name)
            self.__dict__["_handed_out"][name] = made[name].copy()
        return made[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "_meta":
            self.__dict__["_meta"] = value
        else:
            self.__dict__["_made"][name] = value
            if name in _FRAMES:
                self._modified()

    def __delitem__(self, name: str) -> None:
        del self.__dict__["_made"][name]

    def __contains__(self, name: object) -> bool:
        if name in self.__dict__["_made"] or name in ("_meta", "datasets", "sessions"):
            return True
        return name == "insertions" and bool(self.__dict__["_index"].insertions())

    def __iter__(self) -> Iterator[str]:
        names = [n for n in _FRAMES if n in self]
        names += [n for n in self.__dict__["_made"] if n not in _FRAMES]
        return iter([*names, "_meta"])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no table {name!r}: there are {', '.join(self)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __repr__(self) -> str:
        return f"<tables {', '.join(self)}>"

    def copy(self) -> Bunch:
        """Return the tables as a Bunch."""
        return Bunch({name: self[name] for name in self})

    # -- what became of the tables -----------------------------------------------------------------

    @property
    def touched(self) -> bool:
        """Whether a table was handed out or set."""
        return bool(self.__dict__["_made"])

    @property
    def changed(self) -> bool:
        """Whether a table differs from what was handed out."""
        made, out = self.__dict__["_made"], self.__dict__["_handed_out"]
        return any(n in made and (n not in out or not _same(made[n], out[n])) for n in _FRAMES)

    def sessions_if_touched(self) -> pd.DataFrame | None:
        """Return the sessions table if somebody has it, since it may have columns of its own."""
        found: pd.DataFrame | None = self.__dict__["_made"].get("sessions")
        return None if found is None else sessions_by_id(found)

    def by_id(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return sessions and datasets indexed by UUIDs, however they were made."""
        return sessions_by_id(self["sessions"]), datasets_by_id(self["datasets"])

    def catalogue(self) -> Catalogue:
        """Return an index in memory of the tables as they are.

        Where the tables have no say it keeps what the index knows: regions, and odd folders.
        """
        from fascicle.catalogue import Change, frames
        from fascicle.catalogue.change import apply
        from fascicle.catalogue.columns import Columns
        from fascicle.catalogue.memory import in_memory
        from fascicle.catalogue.restore import columns_of

        was = columns_of(self.__dict__["_index"])
        probes = was.insertions
        if "insertions" in self.__dict__["_made"]:
            known = {p.pid: p for p in probes}
            probes = [known.get(p.pid, p) for p in frames.insertion_rows(self["insertions"])]
        sessions, datasets = self.by_id()
        rows = frames.session_rows(sessions), frames.dataset_rows(datasets), probes
        columns = apply(Change(*rows), Columns.empty())
        folders = {s.eid: s for s in was.sessions}
        for s in columns.sessions:
            old = folders.get(s.eid)
            if old is not None and (old.subject, old.date, old.number) == (
                s.subject,
                s.date,
                s.number,
            ):
                s.folder = old.folder
            else:
                place = f"{s.subject}/{s.date}/{s.number:03d}"
                s.folder = folder_below(self.__dict__["_root"], s.lab, place)
        columns.meta["has_default_revision"] = "default_revision" in datasets
        return in_memory(columns, root=self.__dict__["_root"])

    def difference(self, *, deletions: bool) -> Change:
        """Return what changed since the tables were handed out.

        Parameters
        ----------
        deletions : bool
            Whether rows that are gone are to be deleted.
        """
        from fascicle.catalogue import frames

        insertions = self["insertions"] if "insertions" in self.__dict__["_made"] else None
        change = frames.difference(self.__dict__["_index"], *self.by_id(), insertions)
        if not deletions:
            change.delete_sessions = change.delete_datasets = change.delete_insertions = ()
        return change

    def _modified(self) -> None:
        self.__dict__["_meta"]["modified_time"] = datetime.datetime.now()

    def _frame(self, name: str) -> pd.DataFrame:
        index: Catalogue = self.__dict__["_index"]
        if name == "sessions":
            return _sorted(index.sessions_frame())
        if name == "datasets":
            return _sorted(index.datasets_frame())
        return _sorted(insertions_frame(index))


def _meta(index: Catalogue, loaded: bool) -> dict[str, Any]:
    raw = {}
    for name, found in index.meta.get("tables", {}).items():
        origin = found.get("origin") or []
        raw[name] = {**found, "origin": {origin} if isinstance(origin, str) else set(origin)}
    dates = [found["date_created"] for found in raw.values() if found.get("date_created")]
    now = datetime.datetime.now()
    created = min(map(datetime.datetime.fromisoformat, dates)) if dates else None
    return {
        "created_time": created or (now if loaded else None),
        "loaded_time": now if loaded else None,
        "modified_time": None,
        "saved_time": None,
        "raw": {"datasets": {}, "sessions": {}} | raw,
    }


def _same(a: Any, b: pd.DataFrame) -> bool:
    return a is b or (len(a) == len(b) and bool(a.equals(b)))


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in the order of its ids, so that looking one up is fast."""
    import numpy as np

    keys = []
    for level in reversed(range(frame.index.nlevels)):
        raw = b"".join(u.bytes for u in frame.index.get_level_values(level))
        halves = np.frombuffer(raw, ">u8").reshape(-1, 2)
        keys += [halves[:, 1], halves[:, 0]]
    return frame.iloc[np.lexsort(keys)] if len(frame) > 1 else frame


def insertions_frame(index: Catalogue) -> pd.DataFrame:
    """Return a table of probe insertions, indexed by (eid, id)."""
    import pandas as pd

    probes = index.insertions()
    eids = index.eids([p.row for p in probes])
    keys = pd.MultiIndex.from_arrays([eids, [p.pid for p in probes]], names=["eid", "id"])
    rows = [{"name": p.name, "model": p.model, "serial": p.serial, **p.extra} for p in probes]
    return pd.DataFrame(rows, index=keys, columns=None if rows else ["name", "model", "serial"])


def empty_index(root: Path) -> Catalogue:
    """Return an index in memory that holds nothing."""
    from fascicle.catalogue.columns import Columns
    from fascicle.catalogue.memory import in_memory

    return in_memory(Columns.empty(), root=root)


def everything(tables: Tables) -> Any:
    """Return a change that puts all rows of some tables in."""
    from fascicle.catalogue import Change, frames

    insertions = tables.get("insertions")
    sessions, datasets = tables.by_id()
    return Change(
        frames.session_rows(sessions),
        frames.dataset_rows(datasets),
        [] if insertions is None else frames.insertion_rows(insertions),
    )


def apply_to(tables: Tables, change: Any) -> None:
    """Make a change in tables that were opened anew."""
    from fascicle.catalogue import frames
    from fascicle.catalogue.change import apply
    from fascicle.catalogue.memory import in_memory
    from fascicle.catalogue.restore import columns_of

    changed = in_memory(apply(change, columns_of(tables._index)), root=tables._root)
    tables["sessions"] = frames.sessions(changed)
    tables["datasets"] = frames.datasets(changed)

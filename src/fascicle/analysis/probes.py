"""Which session, probe and spike sorting are meant."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from uuid import UUID

from fascicle.alf import spec
from fascicle.archives.base import Archive, SessionName
from fascicle.archives.opening import open_archive
from fascicle.archives.session import OpenSession
from fascicle.errors import ALFObjectNotFound, NotFoundError, SessionNotFound, nearest

if TYPE_CHECKING:
    from fascicle.catalogue import Insertion

#: An archive, the place of one, or a session that is open already.
Where: TypeAlias = "Archive | str | os.PathLike[str] | OpenSession"

_PROBE = re.compile(r"alf/(probe\w*)(?:/(.+))?")

#: Where several sortings of a probe exist, the first of these is taken; names not listed come
#: after, in alphabetical order.
PREFERRED = ("iblsorter", "pykilosort", "kilosort4", "kilosort3", "kilosort2", "ks2_matlab", "")


class Sorting(NamedTuple):
    """One spike sorting of one probe.

    Attributes
    ----------
    probe : str
        The probe's name, e.g. ``probe00``; empty where spikes are not in a probe's folder.
    name : str
        The sorting's name, e.g. ``pykilosort``; empty where it lies in the probe's own folder.
    collection : str
        Where its files are.
    """

    probe: str
    name: str
    collection: str


def open_session(where: Where, session: SessionName | None = None) -> OpenSession:
    """Return the session that is meant by an archive and an id, or that is open already.

    Raises
    ------
    SessionNotFound
        If no id was given, or there is no such session.
    """
    if isinstance(where, OpenSession):
        return _with_names(where)
    archive = open_archive(where)
    if session is None:
        raise SessionNotFound(
            "no session was named", hint="give its eid after the archive, or an open session"
        )
    return _with_names(archive.open(session))


def _with_names(session: OpenSession) -> OpenSession:
    """Return a session of which the datasets have ALF names: within its NWB files if need be."""
    paths = session.datasets.rel_paths
    within = hasattr(session.archive, "within") and any(path.endswith(".nwb") for path in paths)
    return session.nwb if within else session


def open_insertion(
    where: Where, identity: SessionName | None = None
) -> tuple[OpenSession, Insertion | None]:
    """Return session and insertion; the insertion is None where the id is a session's.

    Parameters
    ----------
    where : Archive, path or OpenSession
        With an open session, the id is a probe's: its pid or its name.
    identity : str, uuid.UUID, …
        The id of an insertion, or whatever names a session.
    """
    if isinstance(where, OpenSession):
        where = _with_names(where)
        if identity is None:
            return where, None
        for one in where.insertions:
            if str(identity) in (str(one.pid), one.name):
                return where, one
        names = [one.name for one in where.insertions]
        raise NotFoundError(
            f"session {where.record.path} has no probe {str(identity)!r}",
            hint=nearest(str(identity), names) or f"its probes: {', '.join(names) or 'none'}",
        )
    if isinstance(identity, UUID) or (isinstance(identity, str) and spec.is_uuid_string(identity)):
        archive = open_archive(where)
        insertion = archive.catalogue().insertion(UUID(str(identity)))
        if insertion is not None:
            (eid,) = archive.catalogue().eids([insertion.row])
            return _with_names(OpenSession(archive, eid)), insertion
    return open_session(where, identity), None


def sortings(session: OpenSession) -> dict[str, list[Sorting]]:
    """Return the spike sortings of each probe of a session, the one to take first.

    Returns
    -------
    dict
        Probe name to its sortings, in order of preference. A sorting is a collection that says
        which unit each spike is of.
    """
    found: dict[str, list[Sorting]] = {}
    for collection in session.collections("spikes.clusters"):
        match = _PROBE.fullmatch(collection)
        probe, name = (match[1], match[2] or "") if match else ("", collection)
        found.setdefault(probe, []).append(Sorting(probe, name, collection))
    return {probe: sorted(found[probe], key=_preference) for probe in sorted(found)}


def choose_sorting(options: list[Sorting], name: str | None, session: OpenSession) -> Sorting:
    """Return the sorting with that name, or the preferred one.

    Raises
    ------
    NotFoundError
        If the probe has no sorting of that name.
    """
    if name is None:
        return options[0]
    for option in options:
        if name in (option.name, option.collection):
            return option
    listed = ", ".join(repr(option.name) for option in options)
    raise NotFoundError(
        f"{options[0].probe} of {session.record.path} has no spike sorting called {name!r}",
        hint=nearest(name, [o.name for o in options]) or f"sorting= one of {listed}",
    )


def of_probe(session: OpenSession, probe: str | None) -> dict[str, list[Sorting]]:
    """Return the sortings of one probe, or of all.

    Raises
    ------
    ALFObjectNotFound
        If there is none.
    """
    found = sortings(session)
    if probe is not None:
        found = {probe: found[probe]} if probe in found else {}
    if not found:
        of = f"probe {probe!r} of " if probe else ""
        raise ALFObjectNotFound(
            f"{of}{session.record.path} has no sorted spikes (spikes.clusters)",
            hint='fascicle.find(datasets="spikes.clusters") lists the sessions that do',
        )
    return found


def _preference(sorting: Sorting) -> tuple[int, str]:
    rank = PREFERRED.index(sorting.name) if sorting.name in PREFERRED else len(PREFERRED)
    return rank, sorting.name


def raw_collection(session: OpenSession, probe: str) -> str:
    """Return the collection of a probe's raw recording.

    Raises
    ------
    ALFObjectNotFound
        If there is none.
    """
    for collection in session.collections(["*.cbin", "*.bin"]):
        if collection.rpartition("/")[2] == probe:
            return collection
    raise ALFObjectNotFound(
        f"{session.record.path} has no raw recording of {probe!r}",
        hint='fascicle.find(datasets="*.ap.cbin") lists the sessions that do',
    )

"""Get: from sessions of any archive, or a whole release, to a plan that brings their files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace as changed
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from fascicle.archives.base import Archive, DatasetRef, Holder, Source
from fascicle.archives.kept import TABLES, Kept, Noted
from fascicle.archives.opening import default_archives, open_archive
from fascicle.archives.session import OpenSession
from fascicle.archives.sessions import Sessions
from fascicle.errors import ConfigurationError, SessionNotFound, WouldReplace, nearest

if TYPE_CHECKING:
    from fascicle.transfer import Item, Plan

#: What can be got: sessions, an archive or its place, the addresses of files.
What: TypeAlias = (
    "Sessions | OpenSession | Archive | str | os.PathLike[str] | Sequence[OpenSession | str]"
)
Verify: TypeAlias = Literal["ledger", "full", "size"]

_MANIFEST = re.compile(r"(.*_project_manifest_v[^/]*|manifest)\.json")
_FILE = re.compile(r"[^/]+\.[A-Za-z][A-Za-z0-9]{0,9}")
_LENGTHS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


class Wanted(NamedTuple):
    """Sessions of one archive; all that it has where eids is None."""

    archive: Archive
    eids: list[UUID] | None


def get(
    what: What,
    *,
    datasets: str | Sequence[str] | None = None,
    collection: str | None = None,
    revision: str | None = None,
    every_revision: bool = False,
    qc: str | int = "FAIL",
    to: str | os.PathLike[str] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    max_size: int | None = None,
    verify: Verify = "ledger",
    replace: bool = False,
    hash: str = "",
) -> Plan:
    """Say what it takes to have files here; ``get(…).run()`` brings them.

    Parameters
    ----------
    what : Sessions, OpenSession, sequence of them, Archive, or str
        Sessions, as `fascicle.find` found them or ``archive.open`` returned them; a whole archive,
        opened or as its place (``s3://bucket/project@1.0.0``, a folder, a zip, a manifest's URL);
        a session's id or reference, which the default archives are asked for; the address of a
        file (``https://…/x.npy``, ``s3://bucket/x.npy``), or several.
    datasets, collection, revision, every_revision, qc
        Which datasets of the sessions, as for ``session.list``.
    to : path-like, optional
        The folder to bring them to, as ``lab/Subjects/…``: it opens with `fascicle.open` and with
        ONE afterwards, the same ids included. By default each archive's own store. Files of which
        only the address is given need it.
    include, exclude : sequence of str
        Patterns (``*.npy``, ``*/alf/*``) for the path below the folder, or for the file's name.
    max_size : int, optional
        Leave out files larger than this, in bytes.
    verify : {'ledger', 'full', 'size'}
        How to tell whether a file that is here is whole; see `fascicle.transfer.make_plan`.
    replace : bool
        Replace files in ``to`` that have another content and that nobody fetched.
    hash : str
        Checksum of the one file whose address is given: hexadecimal digits of md5, sha1, sha256
        or sha512, or ``algorithm:digits``.

    Returns
    -------
    Plan
        Nothing is fetched before it is run. With ``to``, running it also enters what was brought
        into that folder's index.

    Raises
    ------
    SessionNotFound, NoIndexError, ConfigurationError
        If there is no such session or archive, or ``to`` is missing.
    WouldReplace
        If files of the user's own stand in the way.

    Examples
    --------
    >>> found = fascicle.find(region="TH", datasets="spikes.times")  # doctest: +SKIP
    >>> plan = fascicle.get(found[:3], datasets="spikes*", to="~/data")  # doctest: +SKIP
    >>> result = plan.run()  # doctest: +SKIP
    """
    from fascicle.transfer import Plan

    folder = None if to is None else Path(os.path.abspath(Path(to).expanduser()))
    addresses = file_addresses(what)
    if hash and len(addresses) != 1:
        raise ConfigurationError(
            "a hash can be given for one file alone", hint="name one address: https://host/x.npy"
        )
    if addresses:
        plans = [_plan_of_addresses(addresses, folder, hash, verify)]
    else:
        everything = datasets is None and collection is None and revision is None
        plans = []
        for wanted in as_wanted(what):
            if everything and wanted.eids is None:
                some = bool(include or exclude or max_size is not None)
                plans.append(_whole(wanted.archive, folder, verify, some=some))
                continue
            eids = wanted.archive.catalogue().eids() if wanted.eids is None else wanted.eids
            refs, notes = _refs(
                wanted.archive, eids, datasets, collection, revision, every_revision, qc
            )
            plans.append(_plan(wanted.archive, refs, folder, verify, notes))
    several = folder is not None and len(plans) > 1
    plan = _into_one(plans, folder) if several and folder else Plan.join(plans)
    plan = plan.select(include=include, exclude=exclude, max_size=max_size)
    if folder is not None and not replace:
        refuse_to_replace(plan, folder)
    return plan


# -- what is wanted -------------------------------------------------------------------------------


def file_addresses(what: object) -> list[str]:
    """Return the addresses of files that are meant; empty where archives or sessions are."""
    if isinstance(what, str):
        return [what] if is_file_address(what) else []
    if isinstance(what, Sequence) and what and all(isinstance(one, str) for one in what):
        words = [str(one) for one in what]
        if all(map(is_file_address, words)):
            return words
    return []


def is_file_address(text: str) -> bool:
    """Return whether an address is one of a file, and not one of an archive.

    That is what has a name with an ending, and is no manifest of a release.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https", "s3", "file") or (
        parts.scheme == "s3" and not parts.path.strip("/")
    ):
        return False
    name = unquote(parts.path.rpartition("/")[2])
    if "@" in name and not _FILE.fullmatch(name.rpartition("@")[2]):
        return False  # a version of a release
    return bool(_FILE.fullmatch(name)) and not _MANIFEST.fullmatch(name)


def as_wanted(what: What) -> list[Wanted]:
    """Return the sessions that are meant, archive by archive.

    Raises
    ------
    ConfigurationError, SessionNotFound, NoIndexError
        If it is nothing that can be got.
    """
    if isinstance(what, Sessions):
        return [Wanted(part.archive, part.catalogue.eids(part.rows)) for part in what.parts]
    if isinstance(what, OpenSession):
        return [Wanted(what.archive, [what.eid])]
    if isinstance(what, str | os.PathLike):
        return [_named(what)]
    if isinstance(what, Archive):
        return [Wanted(what, None)]
    groups: dict[str, Wanted] = {}
    whole: list[Wanted] = []
    if not isinstance(what, Iterable):
        raise ConfigurationError(
            f"{what!r} is nothing that can be got",
            hint="give sessions (fascicle.find), an archive, a place, or the address of a file",
        )
    for one in what:
        wanted = _named(one) if isinstance(one, str | os.PathLike) else None
        if isinstance(one, OpenSession):
            wanted = Wanted(one.archive, [one.eid])
        if wanted is None:
            raise ConfigurationError(
                f"{one!r} is no session", hint="give sessions: fascicle.find(…), archive.open(…)"
            )
        if wanted.eids is None:
            whole.append(wanted)
            continue
        known = groups.setdefault(wanted.archive.name, Wanted(wanted.archive, []))
        assert known.eids is not None
        known.eids.extend(eid for eid in wanted.eids if eid not in known.eids)
    return [*groups.values(), *whole]


def _named(what: str | os.PathLike[str]) -> Wanted:
    from fascicle.alf import spec

    text = os.fspath(what)
    a_place = "://" in text or os.path.exists(Path(text).expanduser())
    if not a_place and (spec.is_uuid_string(text) or re.fullmatch(r"\d{4}-\d\d-\d\d_.+", text)):
        missing: SessionNotFound | None = None
        for archive in default_archives():
            try:
                return Wanted(archive, [archive.open(text).eid])
            except SessionNotFound as error:
                missing = missing or error
        assert missing is not None
        raise missing
    return Wanted(open_archive(text), None)


def _refs(
    archive: Archive,
    eids: Sequence[UUID],
    datasets: str | Sequence[str] | None,
    collection: str | None,
    revision: str | None,
    every_revision: bool,
    qc: str | int,
) -> tuple[list[DatasetRef], list[str]]:
    """Return the datasets that are meant, and what to know about them."""
    refs: list[DatasetRef] = []
    n_lost = 0
    for eid in eids:
        session = OpenSession(archive, eid)
        paths = session.list(
            datasets,
            collection=collection,
            revision=revision,
            every_revision=every_revision,
            qc=qc,
        )
        held = session.datasets
        gone = {p for p, here in zip(held.rel_paths, held.exists, strict=True) if not here}
        n_lost += sum(path in gone for path in paths)
        refs += [DatasetRef(eid, path) for path in paths if path not in gone]
    notes = [f"{n_lost} datasets are listed by {archive.name}, which has no files of them"]
    notes = notes if n_lost else []
    if not refs and eids and isinstance(datasets, str):
        near = nearest(datasets, _words(OpenSession(archive, eids[0])))
        notes.append(f"no dataset is {datasets!r}" + (f": {near}" if near else ""))
    return refs, notes


def _words(session: OpenSession) -> set[str]:
    """Return how datasets of a session may be called: objects, and object.attribute."""
    from fascicle.alf import spec

    parts = (spec.parse_name(path.rpartition("/")[2]) for path in session.datasets.rel_paths)
    known = [part for part in parts if part is not None]
    return {p.object for p in known} | {f"{p.object}.{p.attribute}" for p in known}


# -- plans ----------------------------------------------------------------------------------------


def _plan(
    archive: Archive,
    refs: Sequence[DatasetRef],
    folder: Path | None,
    verify: Verify,
    notes: Sequence[str] = (),
) -> Plan:
    """Return the plan for datasets of one archive."""
    from fascicle.transfer import Item, Plan, make_plan

    if isinstance(archive, Holder):  # its datasets become files first
        made = archive.bring(refs)
        sources = [Source(path.as_uri(), size=path.stat().st_size) for path in made]
    else:
        sources = archive.locate(refs)
    if folder is None:
        store = archive.store
        if store is None:
            raise ConfigurationError(
                f"{archive.name} keeps no files on this machine", hint="name a folder with to="
            )
        targets = archive.targets(refs)
        if all(s.local_path() == t for s, t in zip(sources, targets, strict=True)):
            # A folder's own files: there is nothing to compare them with, and nothing to bring.
            items = [
                Item(source, target, "here" if target.is_file() else "missing")
                for source, target in zip(sources, targets, strict=True)
            ]
            return Plan(tuple(items), store, tuple(notes))
        after: tuple[Noted, ...] = ()
        if (learn := getattr(archive, "learn", None)) is not None:
            learn(targets)  # what other versions have
            after = (Noted(archive),)
        plan = make_plan(zip(sources, targets, strict=True), store=store, verify=verify)
        plan = _sized(archive, plan)
        return changed(plan, notes=(*plan.notes, *notes), after=after, who=_who(archive))
    cat = archive.catalogue()
    homes: dict[UUID, str] = {}
    pairs: list[tuple[Source, str]] = []
    places: dict[str, tuple[bytes, str]] = {}
    for ref, source in zip(refs, sources, strict=True):
        if ref.eid not in homes:
            row = cat.row(ref.eid)
            assert row is not None  # or locate would have raised
            homes[ref.eid] = cat.session(row).path
        place = normpath(f"{homes[ref.eid]}/{ref.path}")
        pairs.append((source, place))
        places[place] = ref.eid.bytes, ref.path
    plan = _sized(archive, make_plan(pairs, store=folder, verify=verify))
    kept = (Kept(archive, folder, places),) if places else ()
    return changed(plan, notes=(*plan.notes, *notes), after=kept, who=_who(archive))


def _who(archive: Archive) -> tuple[Any, ...]:
    """Return what says who asks, of an archive that answers only those who are known."""
    return (archive.headers,) if hasattr(archive, "headers") else ()


def _sized(archive: Archive, plan: Plan) -> Plan:
    """Return a plan with sizes that are not on record, where the archive can find them out."""
    sized = getattr(archive, "sized", None)
    return plan if sized is None else cast("Plan", sized(plan))


def _whole(archive: Archive, folder: Path | None, verify: Verify, *, some: bool) -> Plan:
    """Return the plan for everything that an archive has, its tables included.

    Where it is not to be all of it, or where the folder has tables of its own, the tables stay out
    and the folder's index gets the rows.
    """
    from fascicle.transfer import make_plan

    files = getattr(archive, "files", None)
    if folder is None or files is None:
        eids = archive.catalogue().eids()
        refs, notes = _refs(archive, eids, None, None, None, True, "CRITICAL")
        return _plan(archive, refs, folder, verify, notes)
    plan = _sized(archive, make_plan(files(), store=folder, verify=verify))
    tables = {folder / name for name in TABLES}
    complete = tables <= {item.target for item in plan.items}
    if complete and not some and not _has_own_tables(folder):
        return plan  # the tables say it all
    cat = archive.catalogue()
    places = {}
    for row, eid in enumerate(cat.eids()):
        home = cat.session(row).path
        for path in cat.datasets(row).rel_paths:
            places[normpath(f"{home}/{path}")] = eid.bytes, path
    items = tuple(item for item in plan.items if item.target not in tables)
    return changed(plan, items=items, after=(Kept(archive, folder, places),))


def _has_own_tables(folder: Path) -> bool:
    from fascicle.transfer import Ledger

    if not any((folder / name).exists() for name in TABLES):
        return False
    rows = (Ledger(folder).find(name) for name in TABLES)
    return not all(row is not None and row.brought for row in rows)


def _plan_of_addresses(
    addresses: Sequence[str], folder: Path | None, given: str, verify: Verify
) -> Plan:
    """Return the plan for files of which nothing but the address is known."""
    from fascicle.archives.sizes import with_lengths
    from fascicle.transfer import make_plan

    if folder is None:
        raise ConfigurationError(
            f"no folder was named for {addresses[0]}", hint='say where to put it: to="."'
        )
    digest, algorithm = _checksum(given)
    pairs = []
    for address in addresses:
        parts = urlsplit(address)
        version = ""
        if parts.scheme == "s3":
            version = parse_qs(parts.query).get("versionId", [""])[0]
            address = f"s3://{parts.netloc}{parts.path}"
        name = unquote(parts.path).rpartition("/")[2]
        pairs.append((Source(address, version, None, digest, algorithm), name))
    return with_lengths(make_plan(pairs, store=folder, verify=verify))


def _checksum(given: str) -> tuple[str, str]:
    """Return digits and algorithm of a checksum as a user types it."""
    if not given:
        return "", ""
    algorithm, colon, digits = given.rpartition(":")
    algorithm = algorithm if colon else _LENGTHS.get(len(digits), "")
    if not algorithm or not re.fullmatch(r"[0-9a-fA-F]+", digits):
        raise ConfigurationError(
            f"{given!r} is no checksum",
            hint="type the hexadecimal digits of an md5, sha1, sha256 or sha512, or name another "
            "algorithm: blake2b:1f3…",
        )
    whole = {name: n for n, name in _LENGTHS.items()}.get(algorithm, len(digits))
    if len(digits) != whole:
        raise ConfigurationError(
            f"{given!r} has {len(digits)} digits, and a whole {algorithm} has {whole}",
            hint="give all of them",
        )
    return digits.lower(), algorithm


def _into_one(plans: Sequence[Plan], folder: Path) -> Plan:
    """Return one plan of several for the same folder, each file once."""
    from fascicle.transfer import Plan

    items: dict[Path, Item] = {}
    notes: list[str] = []
    for plan in plans:
        notes += plan.notes
        for item in plan.items:
            known = items.setdefault(item.target, item)
            if known.source.hash != item.source.hash:
                notes.append(
                    f"{item.target} comes from {known.source.origin}; "
                    f"{item.source.origin} has another one"
                )
    after = tuple(call for plan in plans for call in plan.after)
    who = tuple(ask for plan in plans for ask in plan.who)
    return Plan(tuple(items.values()), folder, tuple(dict.fromkeys(notes)), after, who=who)


def refuse_to_replace(plan: Plan, folder: Path) -> None:
    """Refuse where files that nobody fetched would be lost."""
    from fascicle.transfer import Ledger
    from fascicle.transfer.ledger import relative

    ledger = Ledger(folder)
    own = []
    for item in plan.to_fetch:
        try:
            seen = os.stat(item.target)
        except OSError:
            continue
        if item.target.parent == folder and item.target.name in TABLES:
            continue  # what an index has is made again
        row = ledger.find(relative(item.target, folder))
        if row is None or not row.brought or not row.fits(seen):
            own.append(relative(item.target, folder))
    if own:
        shown = ", ".join(own[:3]) + (f" and {len(own) - 3} more" if len(own) > 3 else "")
        raise WouldReplace(
            f"files in {folder} are not what is to come, and were not fetched: {shown}",
            hint="choose another folder, leave them out with exclude=, or replace=True",
        )

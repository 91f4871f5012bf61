"""``fascicle ls`` and ``fascicle info``: what one session has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import NO, debug_option
from fascicle.cli.where import in_option, open_session

if TYPE_CHECKING:
    from fascicle.archives import OpenSession

_SHOWN = (
    *("eid", "native_id", "path", "lab", "subject", "date", "number"),
    *("task_protocol", "projects"),
)

_session = click.argument("session", metavar="SESSION")


@click.command(short_help="List the datasets of a SESSION.")
@_session
@click.argument("datasets", metavar="[DATASET]...", nargs=-1)
@click.option("--collection", metavar="NAME", help="Only this collection, e.g. 'alf/probe*'.")
@click.option("--revision", metavar="NAME", help="The last revision up to this one.")
@click.option("--all", "every_revision", is_flag=True, help="All revisions, whatever their QC.")
@click.option("-l", "--long", is_flag=True, help="With size, QC and id of each dataset.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_option
@debug_option
@click.pass_context
def ls(
    ctx: click.Context,
    session: str,
    datasets: Sequence[str],
    collection: str | None,
    revision: str | None,
    every_revision: bool,
    long: bool,
    as_json: bool,
    places: Sequence[str],
) -> None:
    """List the datasets of a SESSION, all or those that match a DATASET.

    SESSION is an id, a path ending in subject/date/number, or 2020-01-31_1_subject. DATASET is
    object.attribute, an object, a file name or a path, or a pattern with '*'. One revision of each
    is listed: the default one.

    \b
    Examples:
      fascicle ls 2019-08-11_1_CSH_ZAD_003
      fascicle ls EID spikes clusters -l
      fascicle ls EID --collection 'alf/probe*' --json
    """
    found = open_session(places, session)
    paths = found.list(
        list(datasets) or None,
        collection=collection,
        revision=revision,
        every_revision=every_revision,
        qc="CRITICAL" if every_revision else "FAIL",
    )
    if as_json:
        output.as_json(_details(found, paths))
    elif long:
        rows = _details(found, paths)
        output.table(
            ["size", "qc", "id", "path"],
            [
                [
                    "" if row["size"] is None else output.human_bytes(row["size"]),
                    row["qc"],
                    row["id"],
                    row["path"] if row["exists"] else f"{row['path']} (not here)",
                ]
                for row in rows
            ],
        )
    else:
        for path in paths:
            click.echo(path)
    if not paths:
        if not as_json:
            output.note(f"nothing of {found.record.path} matches")
        ctx.exit(NO)


def _hashes(session: OpenSession, paths: Sequence[str]) -> dict[str, str]:
    """Return the checksums that an archive has beside those of its index, as releases do."""
    from fascicle.archives.base import DatasetRef
    from fascicle.errors import FascicleError

    if "native_ids" not in session.archive.catalogue().meta:
        return {}
    try:
        sources = session.archive.locate([DatasetRef(session.eid, path) for path in paths])
    except FascicleError:
        return {}
    return {path: source.hash for path, source in zip(paths, sources, strict=True)}


def _details(session: OpenSession, paths: Sequence[str]) -> list[dict[str, Any]]:
    from fascicle.alf import spec

    held = session.datasets
    places = {path: position for position, path in enumerate(held.rel_paths)}
    hashes = _hashes(session, paths)
    rows = []
    for path in paths:
        n = places[path]
        rows.append(
            {
                "path": path,
                "id": str(held.ids[n]),
                "size": held.sizes[n],
                "hash": hashes.get(path) or held.hashes[n] or None,
                "qc": spec.QC(held.qc[n]).name,
                "default_revision": bool(held.default[n]),
                "exists": bool(held.exists[n]),
            }
        )
    return rows


@click.command(short_help="Say what a SESSION is: who, when, its probes and regions.")
@_session
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_option
@debug_option
def info(session: str, as_json: bool, places: Sequence[str]) -> None:
    """Say what a SESSION is: who, when, its collections, probes and brain regions.

    \b
    Examples:
      fascicle info 2019-08-11_1_CSH_ZAD_003
      fascicle info EID --json
    """
    found = open_session(places, session)
    facts = _facts(found)
    if as_json:
        output.as_json(facts)
        return
    for key in _SHOWN:
        if facts.get(key) not in ("", None):
            click.echo(f"{key:<14}{facts[key]}")
    click.echo(f"{'archive':<14}{facts['archive']}")
    click.echo(
        f"{'datasets':<14}{facts['datasets']:,}, "
        + (output.human_bytes(facts["bytes"]) if facts["bytes"] is not None else "size not known")
        + (f", {facts['missing']:,} not here" if facts["missing"] else "")
    )
    for collection, names in facts["collections"].items():
        click.echo(f"  {collection or '.'}: {', '.join(names)}")
    for probe in facts["insertions"]:
        click.echo(f"{'probe':<14}{probe['name']}  {probe['pid']}  {probe['model']}".rstrip())
        if probe["regions"]:
            listed = ", ".join(f"{region} {count}" for region, count in probe["regions"].items())
            click.echo(f"  channels per region: {listed}")


def _facts(session: OpenSession) -> dict[str, Any]:
    from fascicle.alf import spec

    record, held = session.record, session.datasets
    collections: dict[str, list[str]] = {}
    for collection in session.collections():
        names = [path.rpartition("/")[2] for path in session.list(collection=collection)]
        parts = ((name, spec.parse_name(name)) for name in names)
        # What is no object, as in releases of other forms, is shown by its name.
        collections[collection] = sorted({part.object if part else name for name, part in parts})
    native = session.archive.catalogue().meta.get("native_ids", {})
    known = [size for size in held.sizes if size is not None]
    return {
        "eid": str(record.eid),
        **({"native_id": native[record.eid.hex]} if record.eid.hex in native else {}),
        "path": record.path,
        "lab": record.lab,
        "subject": record.subject,
        "date": record.date.isoformat(),
        "number": record.number,
        "task_protocol": record.task_protocol,
        "projects": record.projects,
        "archive": session.archive.name,
        "datasets": len(held.rel_paths),
        "missing": sum(not here for here in held.exists),
        # Tables of some releases say no sizes: nothing is not 0.
        "bytes": sum(known) if known or not held.sizes else None,
        "collections": collections,
        "insertions": _insertions(session),
    }


def _insertions(session: OpenSession) -> list[dict[str, Any]]:
    from fascicle.atlas import Regions

    atlas, catalogue = Regions(), session.archive.catalogue()
    probes = []
    for insertion in session.insertions:
        counts: dict[str, int] = {}
        for region, count in catalogue.regions(insertion.pid).items():
            name = atlas.acronym(abs(region))  # both hemispheres together
            counts[name] = counts.get(name, 0) + count
        probes.append(
            {
                "name": insertion.name,
                "pid": str(insertion.pid),
                "model": insertion.model or "",
                "regions": dict(sorted(counts.items(), key=lambda item: -item[1])),
            }
        )
    return probes

"""``fascicle cache``: which fetched files lie on this machine, and what to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import NO, debug_option
from fascicle.cli.units import DAYS

if TYPE_CHECKING:
    from fascicle.archives.prune import Pruning
    from fascicle.archives.stores import StoreInfo

_stores = click.argument(
    "stores",
    metavar="[DIR]...",
    nargs=-1,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
@debug_option
def cache() -> None:
    """Show, clear and move the folders that fetched files are kept in.

    \b
    Examples:
      fascicle cache ls
      fascicle cache du ~/allen-cache
      fascicle cache prune --keep 1 --dry-run
      fascicle cache move ~/allen-cache /data/allen-cache
    """


def _named(stores: Sequence[Path]) -> list[Path]:
    from fascicle.archives.stores import known_stores

    return [store.absolute() for store in stores] or known_stores()


@cache.command("ls", short_help="List the stores on this machine.")
@_stores
@_json
@debug_option
@click.pass_context
def ls(ctx: click.Context, stores: Sequence[Path], as_json: bool) -> None:
    """List the stores on this machine: those of releases, ONE's folder, those of FASCICLE_ARCHIVES.

    With DIR (an AllenSDK cache, any folder) only these. Content that has several names is counted
    once; blocks that the file system shares cannot be seen, so that the disk may have more room
    than this says.

    \b
    Examples:
      fascicle cache ls
      fascicle cache ls ~/allen-cache --json
    """
    from fascicle.archives.stores import survey

    found = [survey(store) for store in _named(stores)]
    if as_json:
        output.as_json([_facts(info) for info in found])
    elif found:
        output.table(
            ["store", "kind", "versions", "files", "on disk", "parts", "last used"],
            [
                [
                    str(info.path),
                    info.kind,
                    ", ".join(info.versions),
                    f"{info.files:,}",
                    output.human_bytes(info.bytes + info.hidden + info.part_bytes),
                    str(info.parts or ""),
                    _day(info.last_used),
                ]
                for info in found
            ],
        )
        if any(info.parts for info in found):
            output.note("parts are of interrupted fetches: the same get goes on with them")
        if any(not info.keeps_access_times for info in found):
            output.note("last used: when files were written, since the disk notes no reading")
    else:
        output.note("no stores: nothing was fetched to this machine's default places")
    if not found:
        ctx.exit(NO)


def _facts(info: StoreInfo) -> dict[str, Any]:
    return {
        "store": str(info.path),
        "kind": info.kind,
        "projects": info.projects,
        "versions": info.versions,
        "files": info.files,
        "bytes": info.bytes,
        "hidden_bytes": info.hidden,
        "parts": info.parts,
        "part_bytes": info.part_bytes,
        "last_used": None
        if info.last_used is None
        else datetime.fromtimestamp(info.last_used).astimezone().isoformat(timespec="seconds"),
        "keeps_access_times": info.keeps_access_times,
    }


def _day(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).date().isoformat()


@cache.command("du", short_help="Say what versions or sessions take on disk.")
@_stores
@click.option(
    "--by",
    type=click.Choice(["version", "session"]),
    help="What to sum up (default: versions where a store has some, else sessions).",
)
@_json
@debug_option
def du(stores: Sequence[Path], by: str | None, as_json: bool) -> None:
    """Say what versions or sessions take on disk, the largest first.

    What a version shares with others by links is in its bytes, and again under 'shared': that much
    stays if it alone goes.

    \b
    Examples:
      fascicle cache du
      fascicle cache du ~/allen-cache --by session
      fascicle cache du --json
    """
    from fascicle.archives.stores import usage

    rows: list[dict[str, Any]] = []
    for store in _named(stores):
        for one in sorted(usage(store, by=by or ""), key=lambda one: (-one.bytes, one.name)):
            rows.append(
                {
                    "store": str(store),
                    "name": one.name or None,
                    "files": one.files,
                    "bytes": one.bytes,
                    "shared": one.shared,
                }
            )
    if as_json:
        output.as_json(rows)
        return
    several = len({row["store"] for row in rows}) > 1
    output.table(
        [*(["store"] if several else []), "on disk", "shared", "files", "what"],
        [
            [
                *([row["store"]] if several else []),
                output.human_bytes(row["bytes"]),
                output.human_bytes(row["shared"]) if row["shared"] else "",
                f"{row['files']:,}",
                row["name"] or "(other files)",
            ]
            for row in rows
        ],
    )


@cache.command("prune", short_help="Remove what can be fetched again.")
@_stores
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="Keep the newest N versions.")
@click.option("--version", "versions", metavar="V", multiple=True, help="Remove this version.")
@click.option(
    "--older-than", metavar="SPAN", type=DAYS, help="Remove files not used for so long: 90d, 1y."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@_json
@debug_option
def prune(
    stores: Sequence[Path],
    keep: int | None,
    versions: Sequence[str],
    older_than: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove what can be fetched again: parts older than a day, and files as the options say.

    Only files that were fetched go, and only while they are what was fetched: yours stay, and so do
    those that you have changed. What a version that stays has by a link stays too.

    \b
    Examples:
      fascicle cache prune                       parts of fetches that nobody went on with
      fascicle cache prune --keep 1 --dry-run    all versions but the newest
      fascicle cache prune ~/allen-cache --version 0.4.0
      fascicle cache prune --older-than 90d
    """
    from fascicle.archives.prune import plan_pruning

    plans = []
    for store in _named(stores):
        plan = plan_pruning(store, keep=keep, versions=versions, older_than=older_than)
        if not dry_run:
            plan.run()
        plans.append(plan)
    if as_json:
        output.as_json([_pruned(plan, dry_run=dry_run) for plan in plans])
        return
    for plan in plans:
        if dry_run:
            for removal in plan.removals:
                click.echo(f"{plan.store / removal.path}  ({removal.reason})")
        did = "would go" if dry_run else "removed"
        files = output.plural(len(plan.removals), "file")
        click.echo(f"{plan.store}: {files} {did}, {output.human_bytes(plan.bytes)}")
        if plan.kept:
            output.note(
                f"{output.plural(len(plan.kept), 'file')} of these versions stay, since they were "
                f"not fetched, or were changed since: {plan.kept[0]}"
            )


def _pruned(plan: Pruning, *, dry_run: bool) -> dict[str, Any]:
    return {
        "store": str(plan.store),
        "dry_run": dry_run,
        "versions": plan.versions,
        "bytes": plan.bytes,
        "removed": [removal._asdict() for removal in plan.removals],
        "kept": plan.kept,
    }


@cache.command("move")
@click.argument("src", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("dst", metavar="DST", type=click.Path(path_type=Path))
@click.option("--copy", is_flag=True, help="Copy and compare on the same file system too.")
@_json
@debug_option
def move(src: Path, dst: Path, copy: bool, as_json: bool) -> None:
    """Move the store SRC to DST, which must not exist or be empty.

    On one file system it is renamed. To another one its files are copied, compared with their
    checksums, and removed last; links between them, and the record that AllenSDK keeps of where
    files are, are set right. If it is interrupted, one of the two folders is whole, and the same
    command goes on.

    \b
    Examples:
      fascicle cache move ~/allen-cache /data/allen-cache
    """
    from fascicle.archives.move import move_store

    moved = move_store(src, dst, copy=copy, progress=output.wants_progress())
    if as_json:
        output.as_json({"from": str(src), "to": str(dst), **_asdict(moved)})
        return
    text = f"{dst}: {moved.how}"
    if moved.how == "copied":
        text += (
            f" {output.plural(moved.files, 'file')}, {output.human_bytes(moved.bytes)}, "
            f"{moved.verified:,} compared with their checksum on record"
        )
    click.echo(text)


def _asdict(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)

"""``fascicle get``: bring files here, from any archive."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import FAILED, NO, debug_option
from fascicle.cli.terms import search_options, search_terms
from fascicle.cli.units import BYTES
from fascicle.cli.where import chosen, in_option, open_session
from fascicle.errors import NotFoundError

if TYPE_CHECKING:
    from fascicle.archives import OpenSession
    from fascicle.transfer import Item, Plan, Result


@click.command(short_help="Bring files here, whole and verified.")
@click.argument("what", metavar="[WHAT]...", nargs=-1)
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to bring them to (default: the archive's own store on this machine; for "
    "addresses of files the current folder).",
)
@click.option(
    "--dataset",
    "datasets",
    metavar="NAME",
    multiple=True,
    help="Only these: object.attribute, an object, a file name or a path; any of several.",
)
@click.option("--collection", metavar="NAME", help="Only this collection, e.g. 'alf/probe*'.")
@click.option("--revision", metavar="NAME", help="The last revision up to this one.")
@click.option("--all-revisions", "every_revision", is_flag=True, help="All revisions of each.")
@click.option(
    "--qc",
    type=click.Choice(["NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL"], case_sensitive=False),
    default="fail",
    show_default=True,
    help="The worst quality control that a dataset may have.",
)
@click.option(
    "--include", metavar="GLOB", multiple=True, help="Only files whose name or path matches."
)
@click.option("--exclude", metavar="GLOB", multiple=True, help="No files that match.")
@click.option("--max-size", metavar="SIZE", type=BYTES, help="No file larger than this: 500M, 2G.")
@search_options
@click.option("--dry-run", is_flag=True, help="Only say what would be brought.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, file by file.")
@click.option(
    "--parallel", metavar="N", type=click.IntRange(min=1), help="Requests under way at once."
)
@click.option("--bandwidth", metavar="RATE", type=BYTES, help="Bytes per second at most: 20M.")
@click.option("--offline", is_flag=True, help="Use no network: what is here, and no more.")
@click.option(
    "--verify",
    type=click.Choice(["ledger", "full", "size"]),
    default="ledger",
    show_default=True,
    help="How to know that a file that is here is whole: verified once and looking the same, "
    "by its checksum, or by its size.",
)
@click.option(
    "--replace", "replaces", is_flag=True, help="Replace files of yours that are in the way."
)
@click.option(
    "--hash", metavar="HASH", default="", help="Checksum of the one file at an address: sha256:…"
)
@in_option
@debug_option
@click.pass_context
def get(
    ctx: click.Context,
    /,
    what: Sequence[str],
    to: Path | None,
    dry_run: bool,
    as_json: bool,
    parallel: int | None,
    bandwidth: int | None,
    offline: bool,
    places: Sequence[str],
    **options: Any,
) -> None:
    """Bring files here, whole and verified; what is here already is not fetched again.

    WHAT is a session (an id, a path ending in subject/date/number, 2020-01-31_1_subject), a whole
    release or folder (s3://bucket/project@1.0.0, DIR, x.zip, the URL of a manifest), or the
    address of a file. '-' reads them from stdin, one a line. Without WHAT, or with a release,
    options as of find choose sessions.

    \b
    Examples:
      fascicle get EID --in s3://bucket/project --dataset spikes --to ~/data
      fascicle get s3://bucket/project@1.0.0 --to ~/data --dry-run
      fascicle get s3://bucket/project --region VISp --max-size 2G
      fascicle find --region TH --ids | fascicle get - --dataset spikes.times --to ~/data
      fascicle get https://host/spikes.times.npy --hash sha256:9f86…

    A fetch that was interrupted goes on where it was when the same command is given again. The
    exit code is 3 if a file could not be brought (the others are), and 1 if nothing matches.
    """
    with _offline(offline):
        plan = _plan(ctx, what, to, places, options)
        if dry_run or not len(plan):
            _show(plan, as_json=as_json)
            if not len(plan):
                output.note("nothing matches")
                ctx.exit(NO)
            return
        for note in _notes(plan):
            output.note(note)
        try:
            result = _run(plan, parallel, bandwidth)
        except KeyboardInterrupt:
            output.note("what has come stays: the same command goes on from here")
            raise
    _report(plan, result, as_json=as_json, offline=offline)
    if result.failed or any("not all that follows" in note for note in result.notes):
        ctx.exit(FAILED)


def _plan(
    ctx: click.Context,
    what: Sequence[str],
    to: Path | None,
    places: Sequence[str],
    options: dict[str, Any],
) -> Plan:
    import fascicle
    from fascicle.archives.fetch import is_file_address
    from fascicle.cli.terms import NAMES

    terms = search_terms({name: options.pop(name) for name in NAMES})
    datasets = list(options.pop("datasets"))
    options["replace"] = options.pop("replaces")
    words = list(words_of(what))
    if not (words or terms or places):
        raise click.UsageError("say what: a session, a release, an address, or --in and a search")
    asked = {"datasets": datasets or None, "to": to, **options}
    files = [word for word in words if is_file_address(word)]
    if files:
        if len(files) < len(words) or terms:
            raise click.UsageError("addresses of files go alone, without sessions or a search")
        asked["to"] = to or Path.cwd()
        return fascicle.get(files, **asked)
    if terms:
        if any(_is_session(word) for word in words):
            raise click.UsageError("sessions are named or searched for, not both")
        return fascicle.get(fascicle.find(archives=words or chosen(places), **terms), **asked)
    wanted: list[OpenSession | str] = [
        open_session(places, word) if _is_session(word) else _place(word) for word in words
    ]
    return fascicle.get(wanted or list(chosen(places)), **asked)


def words_of(what: Sequence[str]) -> Iterator[str]:
    """Go through the words of a command, with the lines of stdin in place of ``-``."""
    for word in what:
        if word == "-":
            yield from filter(None, (line.strip() for line in sys.stdin))
        else:
            yield word


def _is_session(word: str) -> bool:
    """Return whether a word names a session rather than a place."""
    import re

    from fascicle.alf import spec

    if "://" in word:
        return False
    if re.fullmatch(r"\d+", word) and not os.path.exists(word):
        return True  # the id that a release gives it
    return (
        spec.is_uuid_string(word)
        or re.fullmatch(r"\d{4}-\d\d-\d\d_\d{1,3}_[^/]+", word) is not None
        or re.fullmatch(r"(.*/)?[^/]+/\d{4}-\d\d-\d\d/\d{1,3}/?", word.replace("\\", "/"))
        is not None
    )


def _place(word: str) -> str:
    """Return what is no name of a session, if it can be a place."""
    from fascicle.archives.roots import split_name

    if "://" not in word and not os.path.lexists(os.path.expanduser(split_name(word).place)):
        raise NotFoundError(
            f"{word!r} is neither a session nor a folder or ZIP file that is here",
            hint="'fascicle find --ids' lists sessions; a bucket begins with s3://",
        )
    return word


@contextmanager
def _offline(offline: bool) -> Iterator[None]:
    """Set the switch for all that asks for it, and leave the environment as it was."""
    before = os.environ.get("FASCICLE_OFFLINE")
    if offline:
        os.environ["FASCICLE_OFFLINE"] = "1"
    try:
        yield
    finally:
        if offline and before is None:
            del os.environ["FASCICLE_OFFLINE"]
        elif offline and before is not None:
            os.environ["FASCICLE_OFFLINE"] = before


def _run(plan: Plan, parallel: int | None, bandwidth: int | None) -> Result:
    from fascicle.transfer import Limits

    limits = Limits.from_environment()
    if bandwidth is not None:
        limits = replace(limits, bandwidth=bandwidth)
    return plan.run(parallel=parallel, limits=limits)


def _notes(plan: Plan) -> list[str]:
    return [*plan.notes, *(note for part in plan.parts for note in part.notes)]


# -- what is printed ------------------------------------------------------------------------------


def _show(plan: Plan, *, as_json: bool) -> None:
    """Print what would be brought."""
    free = {str(store): _free(store) for store in _stores(plan)}
    if as_json:
        output.as_json(
            {
                "stores": free,
                "files": len(plan),
                "here": len(plan.here),
                "to_fetch": len(plan.to_fetch),
                "bytes": plan.bytes,
                "unknown_sizes": plan.unknown_sizes,
                "seconds": plan.seconds(),
                "notes": _notes(plan),
                "items": [
                    {
                        "target": str(item.target),
                        "state": item.state,
                        "size": item.size,
                        "bytes": item.bytes,
                        "url": item.source.url,
                        "version": item.source.version or None,
                        "hash": item.source.hash or None,
                        "algorithm": item.source.algorithm or None,
                    }
                    for item in plan.items
                ],
            }
        )
        return
    click.echo(plan.describe())
    if len(plan) and (plan.bytes or not plan.unknown_sizes):
        known = sum(item.size or 0 for item in plan.items)
        click.echo(
            f"  {output.human_bytes(known)} in all, {output.human_bytes(plan.bytes)} to come"
        )
    for store, n_bytes in free.items():
        click.echo(f"  {output.human_bytes(n_bytes)} free on the disk of {store}")


def _stores(plan: Plan) -> list[Path]:
    return list(dict.fromkeys(part.store for part in plan.parts or (plan,)))


def _free(place: Path) -> int:
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def _length(item: Item) -> int | None:
    """Return the length of a file that is here."""
    try:
        return item.target.stat().st_size
    except OSError:  # gone since
        return item.size


def _report(plan: Plan, result: Result, *, as_json: bool, offline: bool) -> None:
    """Print what became of each file, and of all."""
    for outcome in result.failed:
        assert outcome.error is not None
        target, message = str(outcome.item.target), outcome.error.message
        output.note(message if message.startswith(f"{target} ") else f"{target}: {message}")
    for note in result.notes:
        if "not all that follows" not in note:  # that was a warning
            output.note(note)
    if as_json:
        output.as_json(
            {
                "stores": [str(store) for store in _stores(plan)],
                "files": len(result.items),
                "failed": len(result.failed),
                "bytes": result.bytes,
                "requests": result.requests,
                "seconds": result.seconds,
                "notes": list(result.notes),
                "items": [
                    {
                        "target": str(outcome.item.target),
                        "status": outcome.status,
                        "size": outcome.item.size if outcome.error else _length(outcome.item),
                        "url": outcome.item.source.url,
                        "error": outcome.error.message if outcome.error else None,
                        "kind": outcome.error.kind if outcome.error else None,
                    }
                    for outcome in result.items
                ],
            }
        )
        return
    where = ", ".join(map(str, _stores(plan)))
    click.echo(f"{where}: {result}")
    if result.failed:
        hints = {outcome.error.hint for outcome in result.failed if outcome.error is not None}
        # One reason for all: what to do about it. Of several, some may pass.
        hint = hints.pop() if len(hints) == 1 else ""
        if offline:
            hint = hint.replace("unset FASCICLE_OFFLINE", "leave out --offline")
        output.note(
            f"{output.plural(len(result.failed), 'file')} could not be brought: "
            + (hint or "the same command tries them again")
        )

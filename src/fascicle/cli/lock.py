"""``fascicle lock`` and ``fascicle sync``: record what an analysis uses, and have it elsewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import FAILED, NO, debug_option

if TYPE_CHECKING:
    from fascicle.archives.record import Use
    from fascicle.releases.syncing import Problem, Sync

DEFAULT = "fascicle.lock"
_GONE = ("archive", "version", "dataset", "content")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    default=DEFAULT,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The lock file to write.",
)
@click.option(
    "--record",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Run nothing: take what was recorded in this folder under FASCICLE_RECORD=DIR.",
)
@click.option(
    "--check",
    metavar="LOCK",
    is_flag=False,
    flag_value="fascicle.lock",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Run nothing: say whether all files of this lock are here, with that content "
    "(without a name: of fascicle.lock).",
)
@click.option(
    "--archive",
    "places",
    metavar="NAME=PLACE",
    multiple=True,
    help="With --check: where an archive of the lock is on this machine.",
)
@click.option("--keep-going", is_flag=True, help="Write the lock although the script failed.")
@click.option("--json", "as_json", is_flag=True, help="Print what was locked as JSON.")
@debug_option
@click.argument("script", metavar="[SCRIPT [ARGS]...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def lock(
    ctx: click.Context,
    /,
    target: Path,
    record: Path | None,
    check: Path | None,
    places: Sequence[str],
    keep_going: bool,
    as_json: bool,
    script: Sequence[str],
) -> None:
    """Run an analysis and write down exactly which files it used.

    SCRIPT is a Python file, or any command that starts one. Options of fascicle stand before it;
    what follows is its own, but for -o FILE.lock at the very end. It runs free of any lock, its
    processes included. Its exit code is passed on, and if it is not 0 no lock is written.

    \b
    Examples:
      fascicle lock analysis.py --mice 12
      fascicle lock -o figure2.lock figure2.py
      fascicle lock jupyter execute figure2.ipynb
      fascicle lock --record records/            what was recorded elsewhere: on a cluster, say
      fascicle lock --check                      is all of it here, and as it was?
    """
    if sum(map(bool, (record, check, script))) != 1:
        raise click.UsageError("Name a SCRIPT, or one of --record DIR and --check LOCK.")
    script, target = _output_at_end(script, target)
    if check:
        _check(ctx, check, places, as_json=as_json)
        return
    if record:
        _write(ctx, record, target, "", as_json=as_json)
        return
    folder = Path(tempfile.mkdtemp(prefix="fascicle-record-"))
    try:
        code, _ = run_recorded(script, folder)
        if code:
            output.note(f"{script[0]} ended with exit code {code}")
        if not code or keep_going:
            _write(ctx, folder, target, shlex.join(script), as_json=as_json)
        else:
            output.note("no lock was written: --keep-going writes it all the same")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if code:
        ctx.exit(code)


def run_recorded(
    script: Sequence[str], folder: Path, *, quiet: bool = False
) -> tuple[int, list[Use]]:
    """Run a script with its loads recorded; return its exit code, and what it loaded.

    Parameters
    ----------
    script : sequence of str
        A Python file, or a command, and its arguments.
    folder : pathlib.Path
        Where its processes write what they load.
    quiet : bool
        Send what it prints to stderr.
    """
    from fascicle.archives.record import read_uses

    name = script[0]
    a_file = name.endswith(".py") or (os.path.isfile(name) and not os.access(name, os.X_OK))
    if a_file and not os.path.isfile(name):
        raise click.UsageError(f"There is no script {name!r}.")
    if not a_file and shutil.which(name) is None:
        raise click.UsageError(f"There is no script and no command {name!r}.")
    command = [sys.executable, *script] if a_file else list(script)
    environment = os.environ | {"FASCICLE_RECORD": str(folder)}
    environment.pop("FASCICLE_LOCK", None)
    stdout = sys.stderr if quiet else None
    with subprocess.Popen(command, env=environment, stdout=stdout) as process:  # noqa: S603
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue  # the script got it too, and says how it ends
    return (128 - code if code < 0 else code), read_uses(folder)


def _write(ctx: click.Context, folder: Path, target: Path, command: str, *, as_json: bool) -> None:
    from fascicle.archives.record import read_uses
    from fascicle.formats.lock import read_lock
    from fascicle.releases.lock import write_lock

    uses = read_uses(folder)
    if not uses:
        output.note("nothing was loaded through fascicle: no lock was written")
        ctx.exit(NO)
    path = write_lock(uses, target, command=command)
    made = read_lock(path)
    if as_json:
        output.as_json(
            {
                "lock": str(path),
                "files": len(made),
                "bytes": made.bytes,
                "archives": [
                    {
                        "name": archive.name,
                        "kind": archive.kind,
                        "version": archive.version,
                        "sessions": len({f.session for f in archive.files if f.session}),
                        "files": len(archive.files),
                    }
                    for archive in made.archives
                ],
            }
        )
        return
    for archive in made.archives:
        n_sessions = len({file.session for file in archive.files if file.session})
        of = f" of {output.plural(n_sessions, 'session')}" if n_sessions else ""
        output.note(f"{archive.label}: {output.plural(len(archive.files), 'file')}{of}")
    output.note(f"{target} locks {output.human_bytes(made.bytes)}")


def _output_at_end(script: Sequence[str], target: Path) -> tuple[Sequence[str], Path]:
    """Take ``-o FILE.lock`` for ours where it comes last: there most would write it."""
    if len(script) > 2 and script[-2] in ("-o", "--output") and script[-1].endswith(".lock"):
        return script[:-2], Path(script[-1])
    return script, target


def _check(ctx: click.Context, file: Path, places: Sequence[str], *, as_json: bool) -> None:
    from fascicle.releases.lock import parse_places
    from fascicle.releases.syncing import sync

    found = sync(file, archives=parse_places(places))
    missing = [str(item.target) for item in found.missing]
    if as_json:
        output.as_json(
            {
                "lock": str(file),
                "here": len(found.plan.here),
                "missing": missing,
                "problems": [problem._asdict() for problem in found.problems],
            }
        )
    else:
        _say(found.problems)
        for target in missing:
            click.echo(f"{target}: not here as it was; fascicle sync brings it")
        click.echo(
            f"{output.plural(len(found.plan.here), 'file')} as it was"
            if len(found.plan.here) == 1
            else f"{len(found.plan.here):,} files as they were"
        )
    if missing or found.problems:
        ctx.exit(_exit_code(found.problems) or NO)


@click.command(short_help="Bring exactly the files of a lock here.")
@click.argument(
    "lock",
    metavar="[LOCK]",
    default=DEFAULT,
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to bring them to (default: each archive's own store on this machine).",
)
@click.option(
    "--archive",
    "places",
    metavar="NAME=PLACE",
    multiple=True,
    help="Where an archive of the lock is, as seen from here: '~/data=/mnt/lab'.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be brought, and what is gone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--parallel", metavar="N", type=click.IntRange(min=1), help="Requests under way at once."
)
@debug_option
@click.pass_context
def sync(
    ctx: click.Context,
    /,
    lock: Path,
    to: Path | None,
    places: Sequence[str],
    dry_run: bool,
    as_json: bool,
    parallel: int | None,
) -> None:
    """Bring exactly the files of a lock here, each with the content that it had.

    What is here is not fetched again. What no longer exists, or is no longer what it was, is
    named; everything else is brought.

    \b
    Examples:
      fascicle sync fascicle.lock
      fascicle sync fascicle.lock --to ~/data
      fascicle sync fascicle.lock --archive '~/data=/mnt/lab' --dry-run

    The exit code is 1 if some of it no longer exists or has changed, and 3 if some could not be
    fetched, or asked for.
    """
    from fascicle.releases.lock import parse_places
    from fascicle.releases.syncing import sync as look

    found = look(lock, to=to, archives=parse_places(places))
    if not dry_run:
        found = found.run(progress=None if output.wants_progress() else False, parallel=parallel)
    if as_json:
        output.as_json(_as_plain(found))
    else:
        _say(found.problems)
        click.echo(str(found.plan if found.result is None else found.result))
    if found.problems:
        ctx.exit(_exit_code(found.problems))


def _say(problems: Sequence[Problem]) -> None:
    for problem in problems:
        what = f"{problem.archive}: {problem.file}" if problem.file else problem.archive
        n_files = f" ({output.plural(problem.files, 'file')})" if not problem.file else ""
        hint = f" ({problem.hint})" if problem.hint else ""
        click.echo(f"{what}: {' '.join(problem.why.split())}{n_files}{hint}", err=True)


def _exit_code(problems: Sequence[Problem]) -> int:
    if any(problem.kind not in _GONE for problem in problems):
        return FAILED
    return NO if problems else 0


def _as_plain(found: Sync) -> dict[str, Any]:
    if found.result is None:
        files = [
            {"path": str(item.target), "state": item.state, "bytes": item.bytes}
            for item in found.plan.items
        ]
    else:
        files = [
            {"path": str(outcome.item.target), "state": outcome.status}
            for outcome in found.result.items
        ]
    return {
        "files": files,
        "bytes": found.plan.bytes if found.result is None else found.result.bytes,
        "problems": [problem._asdict() for problem in found.problems],
    }

"""``fascicle verify``: whether the files are those that the index describes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from fascicle.cli import output
from fascicle.cli.app import NO, debug_option
from fascicle.errors import NoIndexError

if TYPE_CHECKING:
    from fascicle.transfer import Check


class Expected(NamedTuple):
    """One file as the index describes it; size None and hash '' where it says nothing."""

    path: Path
    name: str
    size: int | None
    hash: str


class Difference(NamedTuple):
    """One file that is not as the index says."""

    path: str
    problem: str


@click.command(short_help="Compare the files under DIR with what is on record of them.")
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--hash/--no-hash",
    "hashes",
    default=True,
    show_default=True,
    help="Compare the contents with the recorded hashes, not only the sizes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@debug_option
@click.pass_context
def verify(ctx: click.Context, folder: Path, hashes: bool, as_json: bool) -> None:
    """Compare the files under DIR with what is on record of them: present, unchanged.

    On record is what the index of DIR says (sizes and hashes of datasets), and what fascicle noted
    of files that it fetched into DIR. Prints one line per file that differs. The exit code is 0 if
    none does and 1 otherwise.

    \b
    Examples:
      fascicle verify ~/data
      fascicle verify ~/data --no-hash      sizes alone: quick
      fascicle verify ~/data || echo "do not release this"
    """
    from fascicle.transfer import Ledger

    ledger = Ledger(folder.absolute())
    rows = ledger.rows()
    try:
        files = list(_expected(folder))
    except NoIndexError:
        if not rows:
            raise
        files = []
    differences = sorted(_differences(files, hashes=hashes))
    hashed = sum(1 for file in files if file.hash) if hashes else 0
    known = {file.name: file for file in files if hashes}
    # What was compared with the very checksum that the ledger has is not read again.
    left = [
        path
        for path, row in rows.items()
        if not ((file := known.get(path)) and (row.algorithm, row.hash) == ("md5", file.hash))
    ]
    fetched = _fetched(folder, left, hashes=hashes)
    named = {difference.path for difference in differences}
    differences += [
        difference for difference in fetched.differences if difference.path not in named
    ]
    if as_json:
        output.as_json(
            {
                "folder": str(folder),
                "files": len(files),
                "hashed": hashed,
                "fetched": len(rows),
                "fetched_verified": fetched.verified + len(rows) - len(left),
                "unverified": fetched.unverified,
                "differences": [difference._asdict() for difference in differences],
            }
        )
    else:
        for difference in differences:
            click.echo(f"{difference.path}: {difference.problem}")
        if files or not rows:
            click.echo(
                f"{output.plural(len(files), 'file')} on record, {hashed:,} with a hash compared: "
                f"{output.plural(len(differences), 'difference')}"
            )
        if rows:
            same = fetched.verified + len(rows) - len(left)
            click.echo(
                f"{output.plural(len(rows), 'file')} fetched, {same:,} verified: "
                f"{output.plural(len(fetched.differences), 'difference')}"
            )
        if hashes and hashed < len(files):
            unhashed = output.plural(len(files) - hashed, "file")
            output.note(
                f"{unhashed} without a hash on record, compared by size alone: "
                f"'fascicle index {folder} --hash' records them"
            )
        if fetched.unverified:
            output.note(
                f"{output.plural(fetched.unverified, 'file')} came without a checksum to hold them "
                "against"
            )
    if differences:
        ctx.exit(NO)


class Fetched(NamedTuple):
    """What was found of the files of a store that were fetched."""

    differences: list[Difference]
    verified: int = 0
    unverified: int = 0


_PROBLEMS = {
    "missing": "not here",
    "changed": "not what was fetched",
    "unreadable": "cannot be read",
}


def _fetched(folder: Path, paths: list[str], *, hashes: bool) -> Fetched:
    """Hold files to what the ledger has of them."""
    from fascicle.transfer import Ledger, verify_store

    if not paths:
        return Fetched([])
    if not hashes:
        rows = Ledger(folder).rows()
        found = []
        for path in sorted(paths):
            expected = Expected(folder / path, path, rows[path].size, "")
            if what := problem(expected, hashes=False):
                found.append(Difference(path, what))
        return Fetched(found)
    checks = verify_store(folder, paths=paths, progress=output.wants_progress())
    rewritten = {check.path for check in checks if _is_rewritten(folder, check)}
    return Fetched(
        [
            Difference(check.path, _PROBLEMS[check.status])
            for check in checks
            if check.status in _PROBLEMS and check.path not in rewritten
        ],
        sum(check.status == "verified" for check in checks),
        sum(check.status == "unverified" for check in checks),
    )


def _is_rewritten(folder: Path, check: Check) -> bool:
    """Return whether a table is one that the folder's index has written since it was fetched."""
    names = ("sessions.pqt", "datasets.pqt", "insertions.pqt")
    return (
        check.status == "changed"
        and check.path in names
        and (folder / ".fascicle" / "log").is_dir()
        and (folder / check.path).is_file()
    )


def _expected(folder: Path) -> Iterator[Expected]:
    from fascicle.catalogue import Catalogue

    catalogue = Catalogue.open(folder)
    for row in range(catalogue.n_sessions):
        session = catalogue.session(row).path
        datasets = catalogue.datasets(row)
        for rel_path, exists, size, digest in zip(
            datasets.rel_paths, datasets.exists, datasets.sizes, datasets.hashes, strict=True
        ):
            if exists:
                name = f"{session}/{rel_path}"
                yield Expected(folder / name, name, size, digest or "")


def _differences(files: list[Expected], *, hashes: bool) -> Iterator[Difference]:
    from concurrent.futures import ThreadPoolExecutor

    # Hashing leaves the interpreter's lock, so threads keep every core (or the disk) busy.
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        found: Iterable[str] = pool.map(lambda file: problem(file, hashes=hashes), files)
        if output.wants_progress():
            from tqdm import tqdm

            found = tqdm(found, total=len(files), unit="file", desc="verify")
        for file, what in zip(files, found, strict=True):
            if what:
                yield Difference(file.name, what)


def problem(file: Expected, *, hashes: bool = True) -> str:
    """Return how a file differs from what the index says of it, or an empty string."""
    import hashlib

    try:
        size = file.path.stat().st_size
        if file.size is not None and size != file.size:
            return f"{size:,} bytes, {file.size:,} on record"
        if hashes and file.hash:
            with file.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "md5").hexdigest()
            if digest != file.hash:
                return f"md5 {digest}, {file.hash} on record"
    except FileNotFoundError:
        return "not here"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""

"""``fascicle verify``: whether the files are those that the index describes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from fascicle.cli import output
from fascicle.cli.app import NO, debug_option


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


@click.command()
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
    """Compare the files under DIR with its index: present, of the recorded size and hash.

    Prints one line per file that differs. The exit code is 0 if none does and 1 otherwise.

    \b
    Examples:
      fascicle verify ~/data
      fascicle verify ~/data --no-hash      sizes alone: quick
      fascicle verify ~/data || echo "do not release this"
    """
    files = list(_expected(folder))
    differences = sorted(_differences(files, hashes=hashes))
    hashed = sum(1 for file in files if file.hash) if hashes else 0
    if as_json:
        output.as_json(
            {
                "folder": str(folder),
                "files": len(files),
                "hashed": hashed,
                "differences": [difference._asdict() for difference in differences],
            }
        )
    else:
        for difference in differences:
            click.echo(f"{difference.path}: {difference.problem}")
        click.echo(
            f"{output.plural(len(files), 'file')} on record, {hashed:,} with a hash compared: "
            f"{output.plural(len(differences), 'difference')}"
        )
        if hashes and hashed < len(files):
            unhashed = output.plural(len(files) - hashed, "file")
            output.note(
                f"{unhashed} without a hash on record, compared by size alone: "
                f"'fascicle index {folder} --hash' records them"
            )
    if differences:
        ctx.exit(NO)


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

"""``fascicle demo``: a synthetic lab, and a walk through it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from fascicle.cli import output
from fascicle.cli.app import debug_option


@click.command(short_help="Make a synthetic lab, and walk through find, load, serve, publish.")
@click.argument(
    "folder", metavar="[DIR]", default="demo", type=click.Path(file_okay=False, path_type=Path)
)
@click.option(
    "--size",
    type=click.Choice(["tiny", "small", "medium", "large"]),
    default="small",
    show_default=True,
    help="How many subjects and sessions.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed, the same lab.")
@debug_option
def demo(folder: Path, size: str, seed: int) -> None:
    """Make a synthetic lab in DIR (./demo by default); find, load, plot, serve and publish it.

    Each step is printed as the code that you would type.

    \b
    Examples:
      fascicle demo
      fascicle demo ~/lab --size medium --seed 7
    """
    from fascicle.demo import publishing, serving, walk

    figures = find_spec("matplotlib") is not None
    lacking, unserved = publishing.missing(), serving.missing()
    small = size in ("tiny", "small")  # the bucket is in memory
    walk(
        folder,
        size=size,
        seed=seed,
        figures=figures,
        publish=small and not lacking,
        serve=not unserved,
        say=click.echo,
    )
    if not figures:
        output.note("no figures: matplotlib is not installed (pip install 'fascicle[plot]')")
    if unserved:
        output.note(f"not served: {unserved} is not installed (pip install 'fascicle[hub]')")
    if not small:
        output.note("not published: the bucket of the demo is for labs of size tiny or small")
    elif lacking:
        output.note(
            f"not published: {lacking} is not installed (pip install 'fascicle[demo,publish]')"
        )

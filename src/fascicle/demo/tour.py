"""A walk through the synthetic lab: each step is shown as code, and the code shown is what runs."""

from __future__ import annotations

import ast
import contextlib
import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.demo import publishing, serving
from fascicle.demo.roster import SIZES, DemoError, get_size
from fascicle.demo.steps import Step

if TYPE_CHECKING:
    from fascicle.demo.roster import Size

Say = Callable[[str], object]


_MAKE = Step(
    "Make a synthetic lab: twelve mice, four labs, from first lessons to Neuropixels.",
    """\
from fascicle.demo import index_lab, make_lab
folder = make_lab({folder!r}, size={size}, seed={seed!r})""",
)

STEPS: tuple[Step, ...] = (
    Step(
        "Index it. (A folder of your own: fascicle.index(folder).)",
        "index_lab(folder)",
    ),
    Step(
        "Find the recordings in the thalamus. The atlas is inside: this asks no server.",
        """\
import fascicle
thalamus = fascicle.find(region="TH", datasets="spikes.times", archives=folder)
thalamus.frame[["subject", "date", "number", "n_channels", "probes"]]""",
    ),
    Step(
        "Open the newest one: its units and its trials, each as one table.",
        """\
from fascicle import analysis
session = thalamus[0]
trials = analysis.trials(session)
units = analysis.units(session, "probe00", good=True)
units.groupby("acronym").firing_rate.agg(["size", "median"]).round(1)""",
    ),
    Step(
        "Where its neurons are, and when they fire.",
        """\
from fascicle.demo import figures
spikes = session.load("spikes", collection="alf/probe00/pykilosort")
channels = session.load("channels", collection="alf/probe00/pykilosort")
bright = trials.stimOn_times[trials.signed_contrast == 100]  # gratings on the right
start = bright.iloc[len(bright) // 2] - 3
title = f"{session.subject} {session.date} probe00"
figure = figures.raster(spikes, channels, trials=trials, window=(start, start + 12), title=title)
figure.savefig(folder / "figures" / "raster.png")""",
        figures=True,
    ),
    Step(
        "The thalamic unit that a grating on the right excites most.",
        """\
from fascicle.atlas import Regions
thalamic = units[units.region_id.abs().isin(Regions().descendants("TH"))]

def response(unit):
    counts = analysis.align(analysis.spike_times(unit), bright, (-0.1, 0.2), bin=0.1)
    return (counts[:, 1:].mean() - counts[:, 0].mean()) / 0.1  # spikes per second

best = thalamic.loc[thalamic.apply(response, axis=1).idxmax()]
title = f"unit {best.cluster_id} in {best.acronym}, {session.subject} {session.date}"
figure = figures.psth(analysis.spike_times(best), trials, side="right", title=title)
figure.savefig(folder / "figures" / "psth.png")""",
        figures=True,
    ),
    Step(
        "A mouse that has learned: what it sees, and what it expects.",
        """\
import pandas as pd
nyu = fascicle.find(subject="NYU-01", task="*biased*", datasets="trials", archives=folder)
last = pd.concat([analysis.trials(session) for session in nyu[:10]])
title = f"NYU-01, last {len(nyu[:10])} sessions"
figures.psychometric(last, title=title).figure.savefig(folder / "figures" / "psychometric.png")""",
        figures=True,
    ),
    Step(
        "Its reaction times on one day, with the calls that ONE's users know.",
        """\
from fascicle.one import One
one = One(cache_dir=folder)
eids = one.search(subject="NYU-01", dataset=["trials.goCue_times", "trials.feedback_times"])
day = one.load_object(eids[1], "trials").to_df()
title = f"NYU-01 {one.eid2ref(eids[1]).date}"
figure = figures.reaction_times(day, title=title).figure
figure.savefig(folder / "figures" / "reaction_times.png")""",
        figures=True,
    ),
)


def walk(
    folder: Path | str,
    *,
    size: str | Size = "small",
    seed: int = 0,
    figures: bool = True,
    publish: bool = True,
    serve: bool = True,
    say: Say | None = None,
) -> list[Path]:
    """Make a synthetic lab, index it, find recordings, draw what is in them, serve it, publish it.

    Parameters
    ----------
    folder : path-like
        Where the lab goes: a new folder, or one that an earlier walk made.
    size, seed : str, int
        As for `make_lab`.
    figures : bool
        Draw and save figures (needs matplotlib).
    publish : bool
        Publish two versions into a bucket on this machine, and get them back (needs moto and
        obstore).
    serve : bool
        Serve it as a database, on this machine, and ask that (needs what ``fascicle[hub]`` brings).
    say : callable, optional
        Is given each line: the code of each step as one would type it, and what it answers.
        ``click.echo`` or ``print``; nothing is said otherwise.

    Returns
    -------
    list of pathlib.Path
        The figures, in ``folder/figures``.

    Raises
    ------
    DemoError
        If the folder holds something else, there is no such size, or matplotlib, moto, obstore or
        what the hub needs is missing.

    Examples
    --------
    >>> from fascicle.demo import walk
    >>> walk("demo-lab", size="tiny", say=print)  # doctest: +SKIP
    """
    if figures and find_spec("matplotlib") is None:
        raise DemoError(
            "figures need matplotlib, which is not installed",
            hint="pip install 'fascicle[plot]', or leave them out: figures=False",
        )
    if publish and (missing := publishing.missing()):
        raise DemoError(
            f"publishing needs {missing}, which is not installed",
            hint="pip install 'fascicle[demo,publish]', or leave it out: publish=False",
        )
    if serve and (missing := serving.missing()):
        raise DemoError(
            f"serving needs {missing}, which is not installed",
            hint="pip install 'fascicle[hub]', or leave it out: serve=False",
        )
    tell: Say = say if say is not None else lambda line: None
    root = Path(folder).expanduser()
    chosen = get_size(size)
    variables: dict[str, Any] = {}
    typed = repr(chosen.name)
    if chosen is not SIZES.get(chosen.name):  # a size of one's own has no name to type
        variables["size"], typed = chosen, "size"
    code = _MAKE.code.format(folder=str(folder), size=typed, seed=seed)
    first = _MAKE._replace(code=code)
    _do(first, variables, tell)
    steps = [step for step in STEPS if figures or not step.figures]
    if figures:
        (root / "figures").mkdir(exist_ok=True)
    for step in steps:
        _do(step, variables, tell)
    if serve:
        try:
            for step in serving.STEPS:
                _do(step, variables, tell)
        finally:
            serving.clear(variables)
    if publish:
        try:
            for step in publishing.STEPS:
                _do(step, variables, tell)
        finally:
            publishing.clear(variables)
    saved = sorted((root / "figures").glob("*.png")) if figures else []
    if saved:
        tell(f"# Figures: {', '.join(str(path) for path in saved)}")
    return saved


def _do(step: Step, variables: dict[str, Any], tell: Say) -> None:
    """Say a step, run it, and say the value of its last line and its warnings."""
    tell(f"# {step.what}")
    for number, line in enumerate(step.code.splitlines()):
        inside = number and (line.startswith(" ") or not line)
        tell(f"{'...' if inside else '>>>'} {line}".rstrip())
    tree = ast.parse(step.code)
    last = tree.body[-1]
    value = None
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        # The text is this module's own: running it is what makes the walk tell the truth.
        if isinstance(last, ast.Expr):
            tree.body.pop()
            exec(compile(tree, "<walk>", "exec"), variables)  # noqa: S102
            value = eval(compile(ast.Expression(last.value), "<walk>", "eval"), variables)  # noqa: S307
        else:
            exec(compile(tree, "<walk>", "exec"), variables)  # noqa: S102
    for line in printed.getvalue().splitlines():
        tell(line)
    for warning in caught:
        tell(f"{warning.category.__name__}: {warning.message}")
    if value is not None:
        tell(str(value))
    tell("")

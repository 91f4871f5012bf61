"""Write the file of a session of behavior alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fascicle.demo.vbn import common
from fascicle.demo.vbn.recording import Recording, plan_training
from fascicle.demo.vbn.timeline import Timeline, make_timeline
from fascicle.demo.vbn.tree import Tree, new_tree
from fascicle.errors import ConfigurationError


def write_behavior(
    path: Path | str,
    recording: Recording | None = None,
    *,
    seed: int = 0,
    presentations: int = 120,
    trials: int | None = None,
    backwards: bool = False,
    image_shape: tuple[int, int] = (60, 96),
    **about: Any,
) -> Path:
    """Write the file of a synthetic training: the task, running, licks and rewards.

    Parameters
    ----------
    path : path-like
        The file, which is replaced if it is there.
    recording : Recording, optional
        Which session; by default `plan_training` plans one.
    seed : int
        The same seed and sizes give the same bytes.
    presentations, trials : int
        How many flashes were shown, and how many trials they make.
    backwards : bool
        Whether the wheel's encoder was mounted the other way round.
    image_shape : tuple of int
        Rows and columns of the images.
    **about
        What else `plan_training` takes: numbers, stage, images, the mouse. With ``image_set=""``
        the mouse saw gratings, and the file has no templates.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ConfigurationError
        If the numbers do not fit together, or the session has probes.
    """
    plan = recording or plan_training(**about)
    if plan.probes:
        raise ConfigurationError(
            "a session with probes is more than behavior", hint="write_session writes it"
        )
    timeline = make_timeline(plan, presentations=presentations, trials=trials, seed=seed)
    identifier = str(plan.behavior_session_id)
    with new_tree(path, seed=f"{seed}/behavior/{identifier}") as tree:
        common.write_head(tree, plan, identifier, plan.session_type)
        common.write_task(tree, plan, len(timeline.frames), image_shape)
        common.write_running(tree, timeline, seed=seed, backwards=backwards)
        common.write_behavior(tree, timeline)
        common.write_trials(tree, plan, timeline, latency=True)
        common.write_presentations(tree, plan.stimulus_name, timeline, "stimulus_index")
        if plan.image_set:
            _write_shown(tree, plan, timeline)
    return Path(path)


def _write_shown(tree: Tree, plan: Recording, timeline: Timeline) -> None:
    """Write which image each flash showed."""
    columns = timeline.stimuli[plan.stimulus_name]
    path = f"/stimulus/presentation/{plan.stimulus_name}"
    tree.series(
        path,
        columns["image_index"].astype(np.uint64),
        columns["start_time"],
        unit="N/A",
        kind="core:IndexSeries",
    )
    tree.link(f"{path}/indexed_timeseries", f"/stimulus/templates/{plan.stimulus_name}")

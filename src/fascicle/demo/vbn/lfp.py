"""Write the file of one probe's LFP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn import common
from fascicle.demo.vbn.recording import Recording, chance, plan_recording
from fascicle.demo.vbn.session import write_electrodes, write_probes
from fascicle.demo.vbn.timeline import Timeline, make_timeline
from fascicle.demo.vbn.tree import Tree, new_tree
from fascicle.errors import ConfigurationError, nearest

Array = NDArray[Any]

_BLOCK = 1 << 15  # samples that are made at once
_CSD = "/processing/current_source_density/ecephys_csd"


def write_lfp(
    path: Path | str,
    recording: Recording | None = None,
    *,
    probe: str | int = "probeA",
    seed: int = 0,
    channels: int = 24,
    samples: int = 5_000,
    presentations: int = 333,
    trials: int | None = None,
    **about: Any,
) -> Path:
    """Write the LFP of one probe, with its current source density.

    Parameters
    ----------
    path : path-like
        The file; real ones are called ``probe_{id}_lfp.nwb``.
    recording : Recording, optional
        Of which session; by default that which `write_session` plans.
    probe : str or int
        Name or number of the probe.
    seed, presentations, trials
        As of the session, so that potentials follow its flashes.
    channels, samples : int
        How many channels, evenly along the probe, and how many samples of each.
    **about
        What else `plan_recording` takes.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ConfigurationError
        If there is no such probe, if it has no LFP, or less channels.
    """
    plan = recording or plan_recording(seed=seed, **about)
    names = [p.name for p in plan.probes]
    which = next((n for n, p in enumerate(plan.probes) if probe in (p.id, p.name)), None)
    if which is None:
        raise ConfigurationError(
            f"the session has no probe {probe!r}",
            hint=nearest(str(probe), names) or ", ".join(names),
        )
    own = plan.probes[which]
    if not own.has_lfp_data:
        raise ConfigurationError(f"{own.name} has no LFP")
    sites = np.flatnonzero(plan.channels["probe"] == which)
    if not 0 < channels <= len(sites):
        raise ConfigurationError(f"{channels} of {len(sites)} channels of {own.name}")
    sites = sites[np.arange(channels) * len(sites) // channels]
    timeline = make_timeline(plan, presentations=presentations, trials=trials, seed=seed)
    alone = replace(
        plan,
        probes=(own,),
        channels={**plan.channels, "probe": np.zeros_like(plan.channels["probe"])},
    )
    with new_tree(path, seed=f"{seed}/lfp/{own.id}") as tree:
        common.write_head(
            tree,
            plan,
            str(own.id),
            "LFP data and associated info for one probe",
            keywords=False,
        )
        tree.data("general/session_id", "None")
        write_probes(tree, alone)
        write_electrodes(tree, alone, sites)
        _write_csd(tree, channels, chance(seed, f"csd of {own.id}"))
        _write_potentials(tree, plan, own.id, own.lfp_sampling_rate, sites, samples, timeline, seed)
    return Path(path)


def _write_potentials(
    tree: Tree,
    plan: Recording,
    probe: int,
    rate: float,
    sites: Array,
    samples: int,
    timeline: Timeline,
    seed: int,
) -> None:
    times = timeline.span[0] + np.arange(samples) / rate
    name = f"probe_{probe}_lfp"
    tree.group(f"/acquisition/{name}", "core:LFP")
    series = f"/acquisition/{name}/{name}_data"
    tree.series(
        series,
        ((samples, len(sites)), np.float32),
        times,
        unit="volts",
        kind="core:ElectricalSeries",
    )
    tree.data(
        f"{series}/electrodes",
        np.arange(len(sites), dtype=np.int64),
        "hdmf-common:DynamicTableRegion",
        description=f"lfp channels on probe {probe}",
        table=tree.h5["general/extracellular_ephys/electrodes"].ref,
    )
    tree.link(f"/acquisition/{name}_data", series)
    data = tree.h5[f"{series}/data"]
    depth = plan.channels["vertical"][sites] / plan.channels["vertical"].max()
    for begin, block in _potentials(times, depth, timeline, chance(seed, f"lfp of {probe}")):
        data[begin : begin + len(block)] = block


def _potentials(
    times: Array, depth: Array, timeline: Timeline, draw: np.random.Generator
) -> Iterator[tuple[int, Array]]:
    """Go through blocks of samples: rhythms, answers to flashes that turn with depth, noise."""
    onsets = np.sort(np.concatenate([c["start_time"] for c in timeline.stimuli.values()]))
    waves = np.geomspace(1.0, 60.0, 12)
    phase = draw.uniform(0, 2 * np.pi, len(waves))
    lag = draw.normal(0, 1.0, (len(waves), 1)) * depth
    answer = np.cos(np.pi * depth * 1.5).astype(np.float32)
    for begin in range(0, len(times), _BLOCK):
        now = times[begin : begin + _BLOCK]
        block = draw.standard_normal((len(now), len(depth)), dtype=np.float32)
        block *= 2e-5
        for k, frequency in enumerate(waves):
            turn = 2 * np.pi * frequency * now + phase[k]
            size = 1.2e-4 / np.sqrt(frequency)
            block += np.outer(np.sin(turn), size * np.cos(lag[k])).astype(np.float32)
            block += np.outer(np.cos(turn), size * np.sin(lag[k])).astype(np.float32)
        last = onsets[np.maximum(np.searchsorted(onsets, now, side="right") - 1, 0)]
        since = np.maximum(now - last - 0.03, 0) / 0.035
        block += np.outer(-2.5e-4 * since * np.exp(1 - since), answer).astype(np.float32)
        yield begin, block


def _write_csd(tree: Tree, channels: int, draw: np.random.Generator) -> None:
    """Write sinks and sources after a flash, in 0.4 seconds around it."""
    times = np.arange(400) / 1000 - 0.1
    places = np.linspace(0, 3840, channels)
    after = np.maximum(times - 0.04, 0) / 0.03
    shape = np.sin(2 * np.pi * places / 900 + draw.uniform(0, 6)) * np.exp(
        -0.5 * ((places - 2900) / 500) ** 2
    )
    density = np.outer(after * np.exp(1 - after), shape) + draw.normal(0, 0.02, (400, channels))
    tree.group(
        "/processing/current_source_density",
        "core:ProcessingModule",
        description="Precalculated current source density",
    )
    tree.group(_CSD, "ndx-aibs-ecephys:EcephysCSD")
    tree.series(f"{_CSD}/current_source_density", density, times, unit="V/cm^2")
    tree.data(f"{_CSD}/virtual_electrode_x_positions", np.full(channels, 24.0), unit="um")
    tree.data(f"{_CSD}/virtual_electrode_y_positions", places, unit="um")

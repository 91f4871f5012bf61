"""Figures that a neuroscientist looks at first: raster, PSTH, psychometric curve, reaction times.

Each function takes what `fascicle.analysis` and ``session.load`` return and gives a matplotlib
``Figure`` (or draws into the axes it is given); nothing is shown, and pyplot is not needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fascicle.analysis import align, bin_centres
from fascicle.atlas import Regions
from fascicle.demo.roster import DemoError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

INK = "#333333"
BLOCKS = {0.8: "#1f6fb4", 0.5: "#6b6b6b", 0.2: "#d1572a"}  # probability of a stimulus on the left
GOOD, BAD = "#2a9d5c", "#c0392b"
CONTRASTS = ("#8c8c8c", "#86b4dc", "#4391c9", "#1a5fa6", "#082a5e")  # weak to strong


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DemoError(
            "figures need matplotlib, which is not installed", hint="pip install 'fascicle[plot]'"
        ) from None
    return Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")


def _tidy(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=INK)


def _own_axes(ax: Axes | None, width: float = 5.2, height: float = 4.0) -> Axes:
    return _figure(width, height).add_subplot() if ax is None else ax


# -- where the spikes are --------------------------------------------------------------------------


def raster(
    spikes: Mapping[str, Array],
    channels: Mapping[str, Array],
    *,
    trials: pd.DataFrame,
    window: tuple[float, float],
    title: str = "",
) -> Figure:
    """Show the spikes of a probe by depth, in the colours of the Allen atlas.

    Parameters
    ----------
    spikes : mapping
        ``times`` in seconds and ``depths`` in µm from the tip.
    channels : mapping
        ``localCoordinates`` (µm) and ``brainLocationIds_ccf_2017``.
    trials : pandas.DataFrame
        What `fascicle.analysis.trials` returns.
    window : tuple of float
        Which seconds of the session to show.
    title : str
        What stands above.

    Returns
    -------
    matplotlib.figure.Figure
        On the left the regions, in the middle the spikes of the window, on the right the mean
        response of all trials to the stimulus, by depth.
    """
    figure = _figure(11.5, 6.6)
    figure.set_layout_engine("none")  # the regions' names would be given a column of their own
    strip, main, side = figure.subplots(
        1, 3, sharey=True, width_ratios=[0.35, 7, 2.6],
        gridspec_kw={"left": 0.145, "right": 0.95, "bottom": 0.08, "top": 0.87, "wspace": 0.04},
    )  # fmt: skip
    along = channels["localCoordinates"][:, 1]
    ids = np.asarray(channels["brainLocationIds_ccf_2017"])
    colours = _colours(ids)
    _strip(strip, along, ids, colours)

    inside = (spikes["times"] >= window[0]) & (spikes["times"] < window[1])
    times, depths = spikes["times"][inside], spikes["depths"][inside]
    heights, first = np.unique(along, return_index=True)
    pitch = float(np.diff(heights).min()) / 2
    nearest = first[np.searchsorted(heights, depths - pitch).clip(max=heights.size - 1)]
    main.scatter(
        times, depths, c=colours[nearest] * 0.82, s=9, marker="|", linewidths=0.7, rasterized=True
    )
    _mark_trials(main, trials, window)
    main.set_xlim(*window)
    _tidy(main, "time in session (s)", "")
    main.tick_params(axis="y", left=False, labelleft=False)
    _response_by_depth(figure, side, spikes, trials, heights)
    strip.set_ylim(0, along.max() + 20)
    figure.suptitle(title, fontsize=11, color=INK, x=0.02, ha="left")
    return figure


def _colours(ids: Array) -> Array:
    """Return the Allen colour of each region as ``(n, 3)`` from 0 to 1; grey outside the brain."""
    from matplotlib.colors import to_rgb

    regions = Regions()
    known, of = np.unique(np.abs(ids), return_inverse=True)
    table = []
    for region in known.tolist():
        text = regions.colour(region) if region else "#dddddd"
        table.append(to_rgb(text if text.startswith("#") else f"#{text}"))
    result: Array = np.array(table)[of]
    return result


def _strip(ax: Axes, along: Array, ids: Array, colours: Array) -> None:
    """Draw the regions along the probe, named where they are thick enough for a name."""
    order = np.argsort(along, kind="stable")
    along, ids, colours = along[order], ids[order], colours[order]
    edges = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
    stops = np.append(edges[1:], ids.size)
    regions = Regions()
    for first, stop in zip(edges, stops, strict=True):
        low = along[first] - 10
        high = along[stop] - 10 if stop < ids.size else along[-1] + 10
        ax.bar(0, high - low, bottom=low, width=1, color=colours[first], edgecolor="white", lw=0.8)
        if high - low >= 75 and ids[first]:
            name = regions.acronym(abs(int(ids[first])))
            ax.text(-0.6, (low + high) / 2, name, ha="right", va="center", fontsize=7.5, color=INK)
    ax.set_xlim(-0.5, 0.5)
    ax.set_xticks([])
    ax.set_ylabel("distance from probe tip (µm)", labelpad=34)
    ax.tick_params(axis="y", pad=36, length=0, colors=INK)
    ax.spines[:].set_visible(False)


def _mark_trials(ax: Axes, trials: pd.DataFrame, window: tuple[float, float]) -> None:
    """Draw the stimulus onsets as lines, and rewards and errors as triangles above the spikes."""
    from matplotlib.lines import Line2D

    def within(name: str, rows: Array | None = None) -> Array:
        values = trials[name].to_numpy(float)
        values = values if rows is None else values[rows]
        chosen: Array = values[(values >= window[0]) & (values < window[1])]
        return chosen

    for time in within("stimOn_times"):
        ax.axvline(time, color=INK, lw=0.8, alpha=0.7, zorder=0)
    rewarded = trials["feedbackType"].to_numpy() > 0
    handles = [Line2D([], [], color=INK, lw=0.8, label="stimulus on")]
    for rows, colour, label in ((rewarded, GOOD, "reward"), (~rewarded, BAD, "error")):
        at = within("feedback_times", rows)
        style: dict[str, Any] = {"marker": "v", "color": colour, "ls": "none", "ms": 6}
        ax.plot(
            at, np.full(at.size, 1.012), transform=ax.get_xaxis_transform(), clip_on=False, **style
        )
        handles.append(Line2D([], [], label=label, **style))
    ax.legend(
        handles=handles,
        ncol=3,
        loc="lower right",
        bbox_to_anchor=(1, 1.02),
        frameon=False,
        fontsize=8,
    )


def _response_by_depth(
    figure: Figure, ax: Axes, spikes: Mapping[str, Array], trials: pd.DataFrame, heights: Array
) -> None:
    """Draw how the rate changes after the stimulus, by depth, in standard deviations of before."""
    window, step, bin = (-0.2, 0.5), 60.0, 0.01
    strong = trials[trials["signed_contrast"].abs() >= 25]
    events = strong["stimOn_times"].dropna().to_numpy()
    edges = np.arange(0, heights.max() + step, step)
    layer = np.digitize(spikes["depths"], edges) - 1
    centres = bin_centres(window, bin)
    rows = []
    for n in range(edges.size - 1):
        mean = align(spikes["times"][layer == n], events, window, bin=bin).mean(0) / bin
        mean = np.convolve(np.pad(mean, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        before = mean[centres < 0]
        rows.append((mean - before.mean()) / (before.std() + 0.5))
    image = ax.imshow(
        rows, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-15, vmax=15,
        extent=(*window, edges[0], edges[-1]), interpolation="nearest",
    )  # fmt: skip
    ax.axvline(0, color=INK, lw=0.8)
    ax.set_xticks([0, 0.2, 0.4])
    _tidy(ax, "time from stimulus (s)", "")
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.set_title("mean response,\ncontrast ≥ 25 %", fontsize=9, color=INK)
    bar = figure.colorbar(image, ax=ax, shrink=0.5, pad=0.03)
    bar.set_label("rate change (s.d. of baseline)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


# -- what a unit responds to -----------------------------------------------------------------------


def psth(
    times: ArrayLike,
    trials: pd.DataFrame,
    *,
    side: str = "right",
    event: str = "stimOn_times",
    window: tuple[float, float] = (-0.2, 0.6),
    bin: float = 0.01,
    title: str = "",
) -> Figure:
    """Show a unit's response to the stimulus, trial by trial and on average, split by contrast.

    Parameters
    ----------
    times : array-like
        Spike times in seconds.
    trials : pandas.DataFrame
        What `fascicle.analysis.trials` returns.
    side : {'right', 'left'}
        The stimuli of this side only; the other hemisphere sees them.
    event : str
        Which column of the trials to align to.
    window : tuple of float
        Seconds around the event.
    bin : float
        Seconds per bin; the mean is smoothed over three bins.
    title : str
        What stands above.

    Returns
    -------
    matplotlib.figure.Figure
        Above one line per trial, below the mean rate with its standard error.
    """
    figure = _figure(5.4, 6.2)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.25, 1], sharex=True)
    shown = trials[trials["side"].eq(side) & trials[event].notna()]
    contrast = shown["signed_contrast"].abs()
    spikes = np.sort(np.asarray(times, float))
    centres = bin_centres(window, bin)
    kernel = np.array([0.25, 0.5, 0.25])
    row, ticks = 0, []
    levels = sorted(contrast.unique())
    colours = CONTRASTS[-len(levels) :] if len(levels) <= len(CONTRASTS) else CONTRASTS[-1:] * 99
    for level, colour in zip(levels, colours, strict=False):
        events = shown.loc[contrast == level, event].to_numpy(float)
        counts = align(spikes, events, window, bin=bin)
        first, stop = np.searchsorted(spikes, events[None] + np.array(window)[:, None])
        trains = [spikes[a:b] - t for a, b, t in zip(first, stop, events, strict=True)]
        upper.eventplot(
            trains,
            lineoffsets=np.arange(row, row + len(trains)),
            colors=colour,
            lw=0.9,
            linelengths=0.9,
        )
        ticks.append((row + len(trains) / 2, f"{level:g} %"))
        row += len(trains) + 1
        smooth = np.array(
            [np.convolve(np.pad(r, 1, "edge"), kernel, "valid") for r in counts / bin]
        )
        mean = smooth.mean(0)
        error = smooth.std(0, ddof=1) / np.sqrt(len(smooth)) if len(smooth) > 1 else 0 * mean
        lower.fill_between(centres, mean - error, mean + error, color=colour, alpha=0.25, lw=0)
        lower.plot(centres, mean, color=colour, lw=1.6, label=f"{level:g} % (n = {len(events)})")
    for ax in (upper, lower):
        ax.axvline(0, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=0)
    upper.set_ylim(row, -1)
    upper.set_yticks(*zip(*ticks, strict=True)) if ticks else None
    upper.tick_params(axis="y", length=0)
    _tidy(upper, "", f"trials, by contrast on the {side}")
    upper.spines[["left", "bottom"]].set_visible(False)
    upper.tick_params(axis="x", length=0)
    _tidy(lower, "time from stimulus onset (s)", "firing rate (spikes/s)")
    lower.set_xlim(*window)
    lower.set_ylim(bottom=0)
    lower.legend(
        title="contrast (mean ± s.e.m.)",
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        loc="upper right",
    )
    figure.suptitle(title, fontsize=11, color=INK)
    figure.align_ylabels()
    return figure


# -- what the mouse does ---------------------------------------------------------------------------


def psychometric(trials: pd.DataFrame, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Show how often the mouse reports the right side, by contrast, for each block.

    Parameters
    ----------
    trials : pandas.DataFrame
        What `fascicle.analysis.trials` returns, of one session or of several together.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a figure of its own otherwise.
    title : str
        What stands above.

    Returns
    -------
    matplotlib.axes.Axes
        Points with 95 % (Wilson) intervals, and a fit: a cumulative Gaussian with two lapse rates.
    """
    ax = _own_axes(ax)
    chosen = trials[trials["choice"] != 0]
    fine = np.linspace(-100, 100, 401)
    for shift, (block, colour) in zip((-1.2, 0.0, 1.2), BLOCKS.items(), strict=True):
        rows = chosen[chosen["probabilityLeft"].round(2) == block]
        if len(rows) < 20:
            continue
        grouped = (rows["choice"] == -1).groupby(rows["signed_contrast"])
        x = grouped.mean().index.to_numpy(float)
        share, number = grouped.mean().to_numpy(float), grouped.size().to_numpy(float)
        low, high = _wilson(share, number)
        name = f"{100 * (1 - block):.0f} % right" if block != 0.5 else "unbiased"
        ax.errorbar(
            x + shift, 100 * share, yerr=100 * np.array([share - low, high - share]).clip(0),
            fmt="o", ms=4.5, color=colour, lw=1, label=f"{name} (n = {len(rows)})",
        )  # fmt: skip
        ax.plot(fine, 100 * _cumulative(fine, *_fit(x, share, number)), color=colour, lw=1.6)
    ax.axhline(50, color=INK, lw=0.6, ls=":", zorder=0)
    ax.axvline(0, color=INK, lw=0.6, ls=":", zorder=0)
    ax.set_ylim(-2, 102)
    ax.set_xticks([-100, -50, -25, 0, 25, 50, 100])
    _tidy(ax, "signed contrast (%), left < 0 < right", "choices to the right (%)")
    ax.legend(title="block", frameon=False, fontsize=8, title_fontsize=8, loc="upper left")
    ax.set_title(title, fontsize=11, color=INK)
    return ax


def _wilson(share: Array, number: Array, z: float = 1.96) -> tuple[Array, Array]:
    centre = (share + z**2 / (2 * number)) / (1 + z**2 / number)
    half = z / (1 + z**2 / number) * np.sqrt(share * (1 - share) / number + (z / (2 * number)) ** 2)
    return centre - half, centre + half


def _cumulative(x: Array, bias: Any, width: Any, low: Any, high: Any) -> Array:
    """Return a cumulative Gaussian from ``low`` to ``1 - high`` (tanh form, to 2 parts in 1000)."""
    u = (x - bias) / width
    phi = 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)))
    result: Array = low + (1 - low - high) * phi
    return result


def _fit(x: Array, share: Array, number: Array) -> tuple[float, float, float, float]:
    """Find the likeliest curve on a grid, then on a finer one around it."""
    spans = [(-40.0, 40.0), (np.log(2.0), np.log(80.0)), (0.0, 0.3), (0.0, 0.3)]
    best: tuple[float, ...] = ()
    for _ in range(3):
        axes = [np.linspace(*span, 11) for span in spans]
        bias, width, low, high = (g[..., None] for g in np.meshgrid(*axes, indexing="ij"))
        p = _cumulative(x, bias, np.exp(width), low, high).clip(1e-4, 1 - 1e-4)
        score = (number * (share * np.log(p) + (1 - share) * np.log(1 - p))).sum(-1)
        at = np.unravel_index(score.argmax(), score.shape)
        best = tuple(float(a[n]) for a, n in zip(axes, at, strict=True))
        steps = [(span[1] - span[0]) / 8 for span in spans]
        spans = [(b - s, b + s) for b, s in zip(best, steps, strict=True)]
        spans[2:] = [(max(0.0, a), b) for a, b in spans[2:]]
    return best[0], float(np.exp(best[1])), best[2], best[3]


def reaction_times(trials: pd.DataFrame, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Show the time from the go cue to the feedback by trial, and the blocks behind it.

    Parameters
    ----------
    trials : pandas.DataFrame
        What `fascicle.analysis.trials` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a figure of its own otherwise.
    title : str
        What stands above.

    Returns
    -------
    matplotlib.axes.Axes
        One point per trial on a logarithmic scale, and the running median of 31 trials.
    """
    import pandas as pd

    ax = _own_axes(ax, 7.6, 3.8)
    time = (trials["feedback_times"] - trials["goCue_times"]).to_numpy(float)
    number = np.arange(time.size)
    block = trials["probabilityLeft"].round(2).to_numpy(float)
    starts = np.flatnonzero(np.diff(block, prepend=np.nan) != 0)
    for first, stop in itertools.pairwise([*starts.tolist(), time.size]):
        if (colour := BLOCKS.get(float(block[first]))) and block[first] != 0.5:
            ax.axvspan(first, stop, color=colour, alpha=0.10, lw=0)
    correct = trials["feedbackType"].to_numpy() > 0
    ax.plot(number[correct], time[correct], ".", ms=4, color=GOOD, alpha=0.75, label="correct")
    ax.plot(number[~correct], time[~correct], ".", ms=4, color=BAD, alpha=0.75, label="error")
    median = pd.Series(time).rolling(31, center=True, min_periods=8).median()
    ax.plot(number, median, color=INK, lw=1.5, label="running median")
    ax.set_yscale("log")
    ax.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set_xlim(0, time.size)
    ax.set_ylim(max(0.08, float(np.nanmin(time)) * 0.8), float(np.nanmax(time)) * 1.3)
    _tidy(ax, "trial #", "reaction time (s)")
    ax.legend(ncol=3, frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1.0))
    ax.set_title(title, fontsize=11, color=INK, loc="left")
    return ax

"""How well a mouse does the task, trial by trial and as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

#: A response counts if it comes earlier than this after the change, in seconds.
_RESPONSE_WITHIN = 0.75
#: Trials before and after one that its reward rate is taken from.
_AROUND = 25
#: First trials, which have no reward rate.
_FIRST = 10
#: Trials, aborted ones apart, that rates are taken from.
_WINDOW = 100


def change_times(trials: pd.DataFrame) -> Floats:
    """Return the time of each trial's change in seconds, NaN where there is none."""
    for name in ("change_time_no_display_delay", "change_time"):
        if name in trials:
            times: Floats = trials[name].to_numpy(dtype="float64")
            return times
    import numpy as np

    return np.full(len(trials), np.nan)


def response_latencies(trials: pd.DataFrame, window_start: float) -> Floats:
    """Return the time from each change to the first lick that counts, in seconds.

    Parameters
    ----------
    trials : pandas.DataFrame
        As `BehaviorSession.trials` has them.
    window_start : float
        A lick counts if it comes later than this after the change.

    Returns
    -------
    numpy.ndarray
        (n_trials,); infinite where no lick counts.
    """
    import numpy as np

    changes = change_times(trials)
    latencies = np.full(len(trials), np.inf)
    for row, (licks, change) in enumerate(zip(trials["lick_times"], changes, strict=True)):
        after = np.atleast_1d(np.asarray(licks, dtype="float64")) - change
        counted = after[after > window_start]
        if len(counted):
            latencies[row] = counted[0]
    return latencies


def reward_rate(trials: pd.DataFrame, window_start: float) -> Floats:
    """Return the rewards per minute around each trial.

    Responses in time are counted from 25 trials before a trial until the 24th after it.

    Returns
    -------
    numpy.ndarray
        (n_trials,); NaN for the first ten.
    """
    import numpy as np

    starts = trials["start_time"].to_numpy(dtype="float64")
    n = len(starts)
    in_time = response_latencies(trials, window_start) < _RESPONSE_WITHIN
    before = np.concatenate([[0], np.cumsum(in_time)])
    rate = np.full(n, np.nan)
    row = np.arange(min(_FIRST, n), n)
    first, stop = np.maximum(row - _AROUND, 0), np.minimum(row + _AROUND, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate[row] = (before[stop] - before[first]) / (starts[stop - 1] - starts[first]) * 60
    rate[np.isinf(rate)] = np.nan
    return rate


def _rates(yes: np.ndarray[Any, Any], no: np.ndarray[Any, Any]) -> tuple[Floats, Floats]:
    """Return the share of yes among the last hundred, as it is and held off 0 and 1."""
    import numpy as np

    def last(flags: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        total = np.concatenate([[0], np.cumsum(flags)])
        stop = np.arange(1, len(flags) + 1)
        return np.asarray(total[stop] - total[np.maximum(stop - _WINDOW, 0)], dtype="float64")

    # A trial that is called both is a miss, or a correct reject.
    n_yes, n = last(yes & ~no), last(yes | no)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = n_yes / n
        least = 1 / (2 * n)
        held = np.minimum(np.maximum(raw, least), 1 - least)
    return raw, np.where(n > 0, held, np.nan)


def _normal_quantiles(shares: Floats) -> Floats:
    """Return where a normal distribution has these shares below it; NaN stays."""
    from statistics import NormalDist

    import numpy as np

    limit = 1 / _WINDOW
    shares = np.clip(shares, limit, 1 - limit)
    values, back = np.unique(shares, return_inverse=True)
    normal = NormalDist()
    found = [normal.inv_cdf(v) if v == v else np.nan for v in values.tolist()]
    return np.asarray(found, dtype="float64")[back]


def is_passive(trials: pd.DataFrame) -> bool:
    """Return whether a mouse only watched: no reward, and no lick."""
    import numpy as np

    return bool((trials["reward_volume"] == 0).all()) and all(
        np.size(licks) == 0 for licks in trials["lick_times"]
    )


def rolling_performance(trials: pd.DataFrame, window_start: float) -> pd.DataFrame:
    """Return rates over the last hundred trials; aborted trials have a reward rate alone."""
    import numpy as np
    import pandas as pd

    done = ~trials["aborted"].to_numpy(dtype=bool)

    def flags(name: str) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = trials[name].to_numpy(dtype=bool)[done]
        return found

    hit_raw, hit = _rates(flags("hit"), flags("miss"))
    false_raw, false = _rates(flags("false_alarm"), flags("correct_reject"))
    if is_passive(trials):
        dprime = np.zeros(len(hit))  # there is none to speak of
    else:
        dprime = _normal_quantiles(hit) - _normal_quantiles(false)
    columns = {"reward_rate": reward_rate(trials, window_start)}
    for name, values in {
        "hit_rate_raw": hit_raw,
        "hit_rate": hit,
        "false_alarm_rate_raw": false_raw,
        "false_alarm_rate": false,
        "rolling_dprime": dprime,
    }.items():
        columns[name] = np.full(len(trials), np.nan)
        columns[name][done] = values
    return pd.DataFrame(columns, index=trials.index)


def performance_metrics(
    trials: pd.DataFrame, rewards: pd.DataFrame, rolling: pd.DataFrame, threshold: float
) -> dict[str, int | float]:
    """Return the 23 numbers that sum a session up.

    Parameters
    ----------
    trials, rewards : pandas.DataFrame
        As a session has them.
    rolling : pandas.DataFrame
        What `rolling_performance` returns.
    threshold : float
        A trial counts as engaged if the rewards per minute around it are more than this.
    """
    engaged = rolling["reward_rate"] > threshold
    counts = {
        "trial_count": len(trials),
        "go_trial_count": trials["go"].sum(),
        "catch_trial_count": trials["catch"].sum(),
        "hit_trial_count": trials["hit"].sum(),
        "miss_trial_count": trials["miss"].sum(),
        "false_alarm_trial_count": trials["false_alarm"].sum(),
        "correct_reject_trial_count": trials["correct_reject"].sum(),
        "auto_reward_count": trials["auto_rewarded"].sum(),
        "earned_reward_count": trials["hit"].sum(),
        "total_reward_count": len(rewards),
    }
    metrics: dict[str, int | float] = {name: int(value) for name, value in counts.items()}
    metrics["total_reward_volume"] = float(rewards["volume"].sum())
    metrics["maximum_reward_rate"] = float(rolling["reward_rate"].max())
    metrics["engaged_trial_count"] = int(engaged.sum())
    for name, column in {
        "hit_rate": "hit_rate",
        "false_alarm_rate": "false_alarm_rate",
        "dprime": "rolling_dprime",
    }.items():
        metrics[f"mean_{name}"] = float(rolling[column].mean())
        if name != "dprime":
            metrics[f"mean_{name}_uncorrected"] = float(rolling[f"{column}_raw"].mean())
        metrics[f"mean_{name}_engaged"] = float(rolling.loc[engaged, column].mean())
    metrics["max_dprime"] = float(rolling["rolling_dprime"].max())
    metrics["max_dprime_engaged"] = float(rolling.loc[engaged, "rolling_dprime"].max())
    return metrics

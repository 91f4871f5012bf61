"""How well a mouse does, on made-up trials whose numbers can be told by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fascicle.allen import BehaviorEcephysSession
from fascicle.allen.eye import _dilated, _outliers
from fascicle.allen.performance import (
    performance_metrics,
    response_latencies,
    reward_rate,
    rolling_performance,
)

KEYS = [
    *("trial_count", "go_trial_count", "catch_trial_count", "hit_trial_count", "miss_trial_count"),
    *("false_alarm_trial_count", "correct_reject_trial_count", "auto_reward_count"),
    *("earned_reward_count", "total_reward_count", "total_reward_volume", "maximum_reward_rate"),
    *("engaged_trial_count", "mean_hit_rate", "mean_hit_rate_uncorrected"),
    *("mean_hit_rate_engaged", "mean_false_alarm_rate", "mean_false_alarm_rate_uncorrected"),
    *("mean_false_alarm_rate_engaged", "mean_dprime", "mean_dprime_engaged", "max_dprime"),
    "max_dprime_engaged",
]


def make_trials(kinds: str, **more: Any) -> pd.DataFrame:
    """Return trials of 6 s: hit, miss, false alarm, reject, aborted as h, m, f, r, a."""
    n = len(kinds)
    start = np.arange(n) * 6.0
    licks = pd.Series([np.array([])] * n, dtype=object)
    for row, kind in enumerate(kinds):
        if kind in "hf":
            licks.iloc[row] = np.array([start[row] + 3.1, start[row] + 3.4])
    changes = np.where(np.array([*kinds]) == "a", np.nan, start + 3)
    columns: dict[str, Any] = {
        "start_time": start,
        "change_time_no_display_delay": changes,
        "lick_times": licks,
        "reward_volume": [0.007 if k == "h" else 0.0 for k in kinds],
        "go": [k in "hm" for k in kinds],
        "catch": [k in "fr" for k in kinds],
        "auto_rewarded": False,
    }
    names = {"hit": "h", "miss": "m", "false_alarm": "f", "correct_reject": "r", "aborted": "a"}
    columns |= {name: [k == letter for k in kinds] for name, letter in names.items()}
    return pd.DataFrame(columns | more, index=pd.RangeIndex(n, name="trials_id"))


def test_the_first_lick_that_counts() -> None:
    trials = make_trials("hma")
    # The lick 0.1 s after the change is too early for the window from 0.15 s on.
    np.testing.assert_allclose(response_latencies(trials, 0.15), [0.4, np.inf, np.inf])
    np.testing.assert_allclose(response_latencies(trials, 0.0), [0.1, np.inf, np.inf])
    licks = pd.Series([3.2, 9.4, 0.0], dtype="float64")  # one each, as a plain column
    np.testing.assert_allclose(
        response_latencies(trials.assign(lick_times=licks), 0.15), [0.2, 0.4, np.inf]
    )


def test_reward_rate_looks_both_ways() -> None:
    trials = make_trials("h" * 30 + "m" * 40)
    rate = reward_rate(trials, 0.15)
    assert np.isnan(rate[:10]).all() and not np.isnan(rate[10:]).any()
    # Trial 30: hits in trials 5 to 29 of the 50 in [5, 55), whose starts span 49 times 6 s.
    assert rate[30] == pytest.approx(25 / (49 * 6) * 60)
    assert rate[69] == 0


def test_reward_rate_of_no_time_at_all() -> None:
    trials = make_trials("h" * 12).assign(start_time=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(reward_rate(trials, 0.15)).all()


def test_rates_are_held_off_the_ends() -> None:
    rolling = rolling_performance(make_trials("hhfra"), 0.15)
    assert list(rolling["hit_rate_raw"][:2]) == [1, 1]
    assert list(rolling["hit_rate"][:2]) == [0.5, 0.75]  # 1 - 1/2N
    assert np.isnan(rolling["false_alarm_rate"][0])
    assert rolling["false_alarm_rate"][3] == 0.5 == rolling["false_alarm_rate_raw"][3]
    assert rolling.loc[4].isna().all(), "aborted"
    # Z(0.75) - Z(0.5)
    assert rolling["rolling_dprime"][3] == pytest.approx(0.6744897501960817)


def test_a_hundred_trials_count() -> None:
    rolling = rolling_performance(make_trials("h" * 100 + "m" * 100), 0.15)
    assert rolling["hit_rate_raw"][99] == 1 and rolling["hit_rate_raw"][199] == 0
    assert rolling["hit_rate_raw"][149] == 0.5


def test_a_mouse_that_only_watches_has_no_dprime() -> None:
    trials = make_trials("mrmra")
    rolling = rolling_performance(trials, 0.15)
    assert list(rolling["rolling_dprime"][:4]) == [0] * 4
    licked = trials.copy()
    licked["lick_times"] = [np.array([5.0])] * len(licked)
    assert not (rolling_performance(licked, 0.15)["rolling_dprime"][1:4] == 0).all()


def test_metrics_of_a_session(session: BehaviorEcephysSession) -> None:
    metrics = session.get_performance_metrics()
    assert list(metrics) == KEYS
    assert {type(value) for value in metrics.values()} == {int, float}
    assert metrics["trial_count"] == len(session.trials)
    lower = session.get_performance_metrics(engaged_trial_reward_rate_threshold=-1)
    assert lower["engaged_trial_count"] >= metrics["engaged_trial_count"]


def test_metrics_of_few_trials_are_nan_without_a_warning() -> None:
    trials = make_trials("hm")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = performance_metrics(
            trials, pd.DataFrame({"volume": [0.1]}), rolling_performance(trials, 0.15), 2.0
        )
    assert np.isnan(metrics["maximum_reward_rate"]) and metrics["total_reward_volume"] == 0.1


def test_outliers_and_their_neighbours() -> None:
    values = np.r_[np.tile([0.0, 1.0], 50), 50.0, np.nan]
    assert list(np.flatnonzero(_outliers(values, 3))) == [100]
    assert not _outliers(np.ones(5), 3).any() and not _outliers(np.full(3, np.nan), 3).any()
    flags = np.array([0, 0, 0, 1, 0, 0, 0, 0], dtype=bool)
    assert list(np.flatnonzero(_dilated(flags, 2))) == [1, 2, 3, 4, 5]
    assert _dilated(flags, 0) is not flags and _dilated(flags, 99).all()


def test_blinks_take_shapes_away(session: BehaviorEcephysSession) -> None:
    eye = session.eye_tracking
    blink = eye["likely_blink"]
    assert 0 < blink.mean() < 0.5
    gone = [*(f"{p}_area" for p in ("eye", "pupil", "cr")), "eye_width", "pupil_height", "eye_phi"]
    assert eye.loc[blink, gone].isna().all(axis=None)
    assert eye.loc[~blink, ["eye_area", "pupil_area"]].notna().all(axis=None)
    assert eye.loc[blink, "eye_area_raw"].notna().any()
    assert eye.loc[blink, "cr_width"].notna().any()

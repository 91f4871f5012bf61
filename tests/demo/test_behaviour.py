"""Trials, wheel and licks: they hang together, and the mouse behaves like one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fascicle.demo.behaviour import (
    TIMEOUT,
    make_licks,
    make_trials,
    make_wheel,
    signed_contrast,
)


@pytest.fixture(scope="module")
def trials() -> dict[str, np.ndarray]:
    """Many trials of an expert, for what only shows on average."""
    return make_trials(np.random.default_rng(5), 6000)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("skill", "biased"), [(0.1, False), (0.6, False), (1.0, True)])
def test_events_of_a_trial_come_in_order(seed, skill, biased):
    t = make_trials(np.random.default_rng(seed), 200, skill=skill, biased=biased)
    start, stop = t["intervals"].T
    assert np.all(start[1:] > stop[:-1])
    chain = [start, t["stimOnTrigger_times"], t["stimOn_times"], t["goCueTrigger_times"]]
    chain += [t["goCue_times"], t["response_times"], t["feedback_times"], t["stimOff_times"], stop]
    for earlier, later in itertools.pairwise(chain):
        assert np.all(earlier < later)
    moved = t["choice"] != 0
    assert np.all(t["firstMovement_times"][moved] > t["stimOn_times"][moved])
    assert np.all(t["firstMovement_times"][moved] < t["response_times"][moved])
    assert np.all(np.isnan(t["firstMovement_times"][~moved]))
    assert np.all(t["response_times"] - t["stimOn_times"] <= TIMEOUT + 1e-9)


def test_feedback_follows_from_side_and_choice(trials):
    left = ~np.isnan(trials["contrastLeft"])
    assert np.all(left == np.isnan(trials["contrastRight"]))
    right_answer = np.where(left, 1, -1)  # clockwise brings a stimulus on the left to the centre
    rewarded = trials["choice"] == right_answer
    assert np.array_equal(trials["feedbackType"] > 0, rewarded)
    assert np.array_equal(trials["rewardVolume"] > 0, rewarded)
    assert np.array_equal(trials["included"], trials["choice"] != 0)


def test_blocks_are_those_of_the_task(trials):
    p = trials["probabilityLeft"]
    assert np.all(p[:90] == 0.5)
    assert set(np.unique(p[90:])) == {0.2, 0.8}
    edges = np.flatnonzero(np.diff(p[90:])) + 1
    lengths = np.diff(np.concatenate([[0], edges]))
    assert lengths.min() >= 20
    assert lengths.max() <= 100
    left = ~np.isnan(trials["contrastLeft"])
    for value in (0.2, 0.5, 0.8):
        assert left[p == value].mean() == pytest.approx(value, abs=0.12)


def test_psychometric_curve_rises_and_shifts_with_the_block(trials):
    contrast, right = signed_contrast(trials), trials["choice"] == -1
    done = trials["choice"] != 0
    for block in (0.2, 0.8):
        rows = done & (trials["probabilityLeft"] == block)
        curve = [right[rows & (contrast == c)].mean() for c in np.unique(contrast)]
        assert curve[0] < 0.08
        assert curve[-1] > 0.92
        assert np.all(np.diff(curve) > -0.06)
    faint = done & (np.abs(contrast) <= 0.0625)
    biased = [right[faint & (trials["probabilityLeft"] == p)].mean() for p in (0.2, 0.8)]
    assert biased[0] - biased[1] > 0.25  # where the right is likelier, it goes right


def test_weak_stimuli_take_longer(trials):
    time = trials["response_times"] - trials["stimOn_times"]
    contrast = np.abs(signed_contrast(trials))
    medians = [np.median(time[contrast == c]) for c in (1.0, 0.25, 0.0625, 0.0)]
    assert medians == sorted(medians)
    assert 0.2 < medians[0] < medians[-1] < 1.2


def test_a_mouse_learns():
    correct = [
        (
            make_trials(np.random.default_rng(1), 2000, skill=s, biased=False)["feedbackType"] > 0
        ).mean()
        for s in (0.05, 0.4, 1.0)
    ]
    assert correct == sorted(correct)
    assert correct[0] < 0.75
    assert correct[-1] > 0.8


def test_early_training_has_few_contrasts_and_repeats_easy_errors():
    t = make_trials(np.random.default_rng(2), 400, skill=0.1, biased=False)
    assert set(np.unique(np.abs(signed_contrast(t)))) == {0.5, 1.0}
    assert t["repNum"].max() > 1
    assert np.all(make_trials(np.random.default_rng(2), 100)["repNum"] == 1)


@pytest.mark.parametrize("seed", range(5))
def test_wheel_turns_the_way_of_the_choice(seed):
    rng = np.random.default_rng(seed)
    t = make_trials(rng, 150)
    made = make_wheel(rng, t)
    wheel, moves = made["wheel"], made["wheelMoves"]
    times, position = wheel["timestamps"], wheel["position"]
    assert np.all(np.diff(times) > 0)
    moved = t["choice"] != 0
    before = np.interp(t["firstMovement_times"][moved], times, position)
    after = np.interp(t["response_times"][moved], times, position)
    assert np.array_equal(np.sign(after - before), t["choice"][moved])
    assert np.all(moves["intervals"][:, 1] > moves["intervals"][:, 0])
    assert np.all(moves["intervals"][1:, 0] > moves["intervals"][:-1, 1])
    assert np.all(moves["peakAmplitude"] > 0)


def test_licks_follow_rewards():
    rng = np.random.default_rng(3)
    t = make_trials(rng, 300)
    licks = make_licks(rng, t)
    assert np.all(np.diff(licks) >= 0)
    rewards = t["feedback_times"][t["feedbackType"] > 0]
    last = np.searchsorted(rewards, licks) - 1
    since = licks - rewards[np.maximum(last, 0)]
    assert ((since > 0) & (since < 2)).mean() > 0.8

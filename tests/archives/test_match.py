"""What search terms match."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from fascicle.archives import match
from fascicle.errors import SearchTermError


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("NYU-01", ["NYU-01"], ["NYU-011", "nyu-01", "xNYU-01"]),
        ("NYU-*", ["NYU-01", "NYU-"], ["NYU"]),
        ("NYU-0?", ["NYU-01"], ["NYU-0", "NYU-011"]),
        ("[AB]*", ["Ax", "B"], ["C"]),
        ("re:NYU-\\d+", ["NYU-01"], ["NYU-01a", "x NYU-01"]),
        ("a.b", ["a.b"], ["axb"]),
        ("", [""], ["x"]),
    ],
)
def test_text(pattern: str, yes: list[str], no: list[str]) -> None:
    test = match.text(pattern)
    assert all(map(test, yes))
    assert not any(map(test, no))


def test_any_of_several() -> None:
    test = match.any_text(["a", "b*"])
    assert test("a") and test("bc") and not test("c")


@pytest.mark.parametrize(
    ("word", "path", "hit"),
    [
        ("spikes.times", "alf/probe00/#2024#/_phy_spikes.times_ephys.raw.npy", True),
        ("spikes.times", "alf/spikes.timesX.npy", False),
        ("spikes.times", "alf/xspikes.times.npy", False),
        ("_phy_spikes.times", "alf/_phy_spikes.times.npy", True),
        ("_ibl_spikes.times", "alf/_phy_spikes.times.npy", False),
        ("spikes.times.npy", "alf/spikes.times.npy", True),
        ("spikes.times.npy", "alf/_phy_spikes.times.npy", False),
        ("trials.goCue_times", "alf/_ibl_trials.goCue_times.npy", True),
        ("channels.brainLocationIds_ccf_2017", "channels.brainLocationIds_ccf_2017.npy", True),
        ("channels.brainLocationIds", "channels.brainLocationIds_ccf_2017.npy", True),
        ("spikes", "alf/spikes.times.npy", True),
        ("spike", "alf/spikes.times.npy", False),
        ("spikes.*", "alf/spikes.times.npy", True),
        ("*Camera.dlc", "alf/_ibl_leftCamera.dlc.pqt", True),
        ("*.cbin", "raw/_spikeglx_ephysData_g0_t0.imec0.ap.cbin", True),
        ("re:spikes\\.(times|amps)", "alf/spikes.amps.npy", True),
        ("alf/probe00/spikes.times.npy", "alf/probe00/spikes.times.npy", True),
        ("alf/probe00/spikes.times.npy", "alf/probe00/#r#/spikes.times.npy", True),
        ("alf/probe00/#r#/spikes.times.npy", "alf/probe00/#r#/spikes.times.npy", True),
        ("alf/probe00/#r#/spikes.times.npy", "alf/probe00/spikes.times.npy", False),
        ("alf/probe*/spikes.*", "alf/probe00/spikes.times.npy", True),
        ("alf/*", "raw/spikes.times.npy", False),
    ],
)
def test_datasets(word: str, path: str, hit: bool) -> None:
    pattern = match.dataset(word)
    value = path if pattern.of == "path" else path.rpartition("/")[2]
    assert pattern.test(value) is hit


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("2020-02-03", "2020-02-03", "2020-02-03"),
        ("2020-02", "2020-02-01", "2020-02-29"),
        ("2020", "2020-01-01", "2020-12-31"),
        (date(2020, 1, 2), "2020-01-02", "2020-01-02"),
        (datetime(2020, 1, 2, 3), "2020-01-02", "2020-01-02"),
        (("2020-02", "2021"), "2020-02-01", "2021-12-31"),
        (["2020-02-01", None], "2020-02-01", None),
        ((None, date(2020, 1, 2)), None, "2020-01-02"),
        (["2020"], "2020-01-01", None),
    ],
)
def test_dates(value: object, start: str | None, end: str | None) -> None:
    span = match.dates(value)
    assert tuple(d and d.isoformat() for d in span) == (start, end)


@pytest.mark.parametrize(
    "value", ["yesterday", "2020-13", "2020-02-30", 2020, ("2021", "2020"), (1, 2, 3), ()]
)
def test_no_dates(value: object) -> None:
    with pytest.raises(SearchTermError):
        match.dates(value)


def test_quality() -> None:
    assert [match.qc(v) for v in ("pass", "FAIL", 50, "NOT_SET")] == [10, 40, 50, 0]
    for value in ("good", 11, None):
        with pytest.raises(SearchTermError, match="NOT_SET"):
            match.qc(value)


def test_bad_expression() -> None:
    with pytest.raises(SearchTermError, match="not valid"):
        match.text("re:(")
    with pytest.raises(SearchTermError, match="no text"):
        match.text(5)  # type: ignore[arg-type]

"""The walk: it says what it runs, and draws figures that show the data."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from fascicle.archives import choosing
from fascicle.demo import (
    STEPS,
    DemoError,
    add_description,
    index_lab,
    make_lab,
    plan_lab,
    publishing,
    serving,
    walk,
)
from fascicle.demo.behaviour import make_trials


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    choosing._TOLD.clear()  # said once per process, perhaps to a test that came before
    lines: list[str] = []
    folder = tmp_path_factory.mktemp("walk") / "lab"
    return folder, walk(folder, size="tiny", say=lines.append), lines


def test_what_is_shown_is_python_that_runs(walked):
    folder, _, lines = walked
    code = "\n".join(line[4:] for line in lines if line.startswith((">>> ", "...")))
    ast.parse(code)
    assert f"make_lab({str(folder)!r}, size='tiny', seed=0)" in code
    for step in (*STEPS, *serving.STEPS, *publishing.STEPS):
        assert step.code.splitlines()[0] in code
    assert any("MFD_09" in line for line in lines)
    assert any('Multiple revisions: "", "2024-05-06"' in line for line in lines)


def test_the_walk_saves_four_figures(walked):
    folder, figures, _ = walked
    names = ["psth.png", "psychometric.png", "raster.png", "reaction_times.png"]
    assert [path.name for path in figures] == names
    for path in figures:
        assert path.parent == folder / "figures"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 20_000


def test_a_second_walk_goes_through_the_same_folder(walked):
    folder, _, lines = walked
    again: list[str] = []
    assert (
        walk(folder, size="tiny", figures=False, publish=False, serve=False, say=again.append) == []
    )
    assert not any("savefig" in line for line in again)
    assert [s for s in again if "Catalogue" in s] == [s for s in lines if "Catalogue" in s]


def test_a_walk_over_other_peoples_data_is_refused(tmp_path):
    (tmp_path / "real.npy").write_bytes(b"")
    with pytest.raises(DemoError, match="other things"):
        walk(tmp_path, size="tiny")


def test_the_lab_is_served_and_asked_over_http(walked):
    folder, _, lines = walked
    text = "\n".join(lines)
    assert re.search(r"^Connected to http://127\.0\.0\.1:\d+ as user", text, re.MULTILINE)
    assert re.search(r"^6 probes; [\d,]+ spikes of \S+ probe0[01]$", text, re.MULTILINE)
    assert not (folder / ".fascicle" / "hub").exists()


# -- publishing ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(walked):
    """Run the steps once more, and return their variables, with what lay where before the end."""
    import fascicle
    from fascicle.demo import tour

    folder, _, _ = walked
    variables = {"fascicle": fascicle, "folder": folder}
    try:
        for step in publishing.STEPS[:-1]:
            tour._do(step, variables, lambda line: None)
        yield variables
    finally:
        publishing.clear(variables)
    assert not variables["away"].exists()


TABLES = {
    "sessions.pqt",
    "datasets.pqt",
    "insertions.pqt",
    *(f"project_metadata/{name}.csv" for name in ("sessions", "datasets", "insertions")),
}


def test_only_what_changed_is_sent(published):
    ours, second, first = (published[name] for name in ("ours", "second", "first"))
    new = published["new"].path.relative_to(ours).as_posix()
    changed = published["file"].relative_to(ours).as_posix()
    sent = dict(second.files)
    data = {key: size for key, size in sent.items() if key not in TABLES and "manifest" not in key}
    files = [path for path in (ours / new).rglob("*") if path.is_file()]
    created = {path.relative_to(ours).as_posix(): path.stat().st_size for path in files}
    assert data == created | {changed: (ours / changed).stat().st_size}
    assert second.sent_bytes == sum(sent.values()) < first.sent_bytes / 50
    assert second.kept > 400


def test_only_what_changed_is_fetched(published):
    ours, got, update = (published[name] for name in ("ours", "got", "update"))
    theirs = published["away"] / "theirs"
    older, newer = theirs / "choice-task-1.0.0", theirs / "choice-task-1.1.0"

    def contents(root):
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    before, after = contents(older), contents(newer)
    fresh = {data for name, data in after.items() if name not in TABLES} - {*before.values()}
    assert update.ok and update.bytes == sum(map(len, fresh)) < got.bytes / 1000
    for name, data in after.items():
        if name not in TABLES:
            assert (ours / name).read_bytes() == data
    new, old = (published[name].path.relative_to(ours).as_posix() for name in ("new", "old"))
    assert any(name.startswith(new) for name in after)
    assert not any(name.startswith(old) for name in after)
    assert any(name.startswith(old) for name in before)  # who has the older version keeps it


def test_the_difference_is_said(walked, published):
    _, _, lines = walked
    text = "\n".join(lines)
    assert "choice-task 1.1.0: 15 created" in text and "1 changed (760 B → 760 B)" in text
    assert "~ alf/_ibl_trials.rewardVolume.npy" in text
    assert "choice-task 1.1.0 is in s3://our-lab/choice-task: 20 files, " in text
    assert "A synthetic lab (version 1.1.0)" in text
    assert re.search(r"^1\.1\.0: \d+ kB sent, \d+ kB fetched$", text, re.MULTILINE)


# -- the catalogue of the lab ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogue(walked):
    from fascicle.catalogue import Catalogue

    return Catalogue.open(walked[0])


def test_every_session_is_indexed_with_what_its_folder_cannot_say(catalogue):
    plans = {plan.path: plan for plan in plan_lab("tiny")}
    assert catalogue.n_sessions == len(plans)
    for row in range(catalogue.n_sessions):
        session = catalogue.session(row)
        plan = plans.pop(session.path)
        assert session.task_protocol == plan.task_protocol
        assert session.projects == ",".join(plan.projects)
        if plan.id:
            assert str(session.eid) == plan.id
    assert not plans


def test_quality_and_default_revisions_are_recorded(catalogue):
    row = catalogue.row_of(None, "SWC_038", plan_of("SWC_038").date, 1)
    quality = dict(zip(catalogue.datasets(row).rel_paths, catalogue.datasets(row).qc, strict=True))
    assert quality["alf/_ibl_bodyCamera.times.npy"] == 50
    assert quality["alf/licks.times.npy"] == 10
    assert catalogue.has_default_revision
    row = catalogue.row("5c6ea8ae-46d8-3bd4-a634-e881dd90b7ad")
    held = catalogue.datasets(row)
    default = dict(zip(held.rel_paths, held.default, strict=True))
    assert not default["alf/probe00/pykilosort/spikes.times.npy"]
    assert default["alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy"]
    assert default["alf/probe00/pykilosort/channels.mlapdv.npy"]
    assert default["alf/#2023-04-20#/licks.times.npy"]


def test_insertions_have_models_serials_and_regions(catalogue):
    plans = plan_lab("tiny")
    found = {(i.row, i.name): i for i in catalogue.insertions()}
    assert sorted(name for _, name in found) == sorted(q.name for p in plans for q in p.probes)
    assert all(i.model and i.serial for i in found.values())
    rh = catalogue.insertions_in([189])  # the rhomboid nucleus
    assert sorted(catalogue.session(i.row).subject for i, _ in rh) == ["MFD_09", "NYU-37"]
    assert catalogue.unknown_regions == 0


def test_a_default_revision_may_be_the_older(tmp_path):
    plan = next(p for p in plan_lab("small") if p.default_revisions)
    from dataclasses import replace

    lab = make_lab(tmp_path / "lab", size="tiny", sessions=[replace(plan, trials=30, units=5)])
    held = index_lab(lab).datasets(0)
    default = dict(zip(held.rel_paths, held.default, strict=True))
    assert default["alf/licks.times.npy"]
    assert not default["alf/#2023-04-20#/licks.times.npy"]


def test_describing_twice_changes_nothing(tmp_path):
    from fascicle.demo import read_description

    plans = [p for p in plan_lab("tiny") if p.kind == "legacy"]
    lab = make_lab(tmp_path / "lab", size="tiny", sessions=plans)
    once = index_lab(lab)
    twice = add_description(once, read_description(lab))
    assert twice.sessions_frame().equals(once.sessions_frame())
    assert twice.datasets_frame().equals(once.datasets_frame())


def plan_of(subject: str):
    return next(p for p in plan_lab("tiny") if p.subject == subject)


# -- figures ---------------------------------------------------------------------------------------


def frame(n: int = 600):
    import pandas as pd

    trials = make_trials(np.random.default_rng(4), n)
    trials.pop("intervals")
    table = pd.DataFrame(trials)
    left = table["contrastLeft"].notna()
    table["side"] = np.where(left, "left", "right")
    contrast = table["contrastRight"].fillna(0) - table["contrastLeft"].fillna(0)
    table["signed_contrast"] = 100 * contrast
    return table


def test_psth_shows_one_line_per_contrast():
    from fascicle.demo import figures

    trials = frame()
    on = trials["stimOn_times"].to_numpy()
    times = np.sort(np.concatenate([on + 0.1, on + 0.11, np.arange(0, on.max(), 0.5)]))
    figure = figures.psth(times, trials, side="left", title="a unit")
    upper, lower = figure.axes
    assert "left" in upper.get_ylabel()
    means = [line for line in lower.lines if len(line.get_xdata()) > 2]
    assert len(means) == 5
    for line in means:
        at = line.get_xdata()[np.argmax(line.get_ydata())]
        assert 0.08 < at < 0.13
    assert lower.get_ylabel() == "firing rate (spikes/s)"


def test_psychometric_fit_finds_the_curve_that_made_the_data():
    from fascicle.demo.figures import _cumulative, _fit

    x = np.array([-100, -25, -12.5, -6.25, 0, 6.25, 12.5, 25, 100.0])
    truth = (5.0, 14.0, 0.05, 0.1)
    bias, width, low, high = _fit(x, _cumulative(x, *truth), np.full(x.size, 500.0))
    assert bias == pytest.approx(5, abs=0.5)
    assert width == pytest.approx(14, rel=0.1)
    assert (low, high) == pytest.approx((0.05, 0.1), abs=0.01)


def test_psychometric_has_a_curve_per_block_and_draws_where_told():
    from matplotlib.figure import Figure

    from fascicle.demo import figures

    ax = Figure().add_subplot()
    assert figures.psychometric(frame(), ax=ax, title="x") is ax
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert [label.split(" (")[0] for label in labels] == ["20 % right", "unbiased", "80 % right"]
    # The curve of the block with more stimuli on the right lies above.
    curves = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 401]
    assert curves[2][200] > curves[0][200]


def test_reaction_times_are_those_of_the_tutorial():
    from fascicle.demo import figures

    trials = frame(200)
    ax = figures.reaction_times(trials)
    shown = np.concatenate([line.get_ydata() for line in ax.lines[:2]])
    assert np.sort(shown) == pytest.approx(
        np.sort((trials["feedback_times"] - trials["goCue_times"]).to_numpy())
    )
    assert ax.get_ylabel() == "reaction time (s)"


def test_no_figure_needs_pyplot(tmp_path):
    import subprocess
    import sys

    code = "import sys, fascicle.demo.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    code = "import sys, fascicle.demo; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_matplotlib(tmp_path, monkeypatch):
    import sys

    from click.testing import CliRunner

    from fascicle.cli.app import fascicle

    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("fascicle.demo.tour.find_spec", lambda name: None)
    monkeypatch.setattr("fascicle.cli.demo.find_spec", lambda name: None)
    monkeypatch.setattr("fascicle.demo.publishing.find_spec", lambda name: None)
    with pytest.raises(DemoError, match="matplotlib, which is not installed"):
        walk(tmp_path / "a", size="tiny")
    with pytest.raises(DemoError, match="moto, which is not installed"):
        walk(tmp_path / "a", size="tiny", figures=False)
    monkeypatch.setattr("fascicle.demo.serving.find_spec", lambda name: None)
    with pytest.raises(DemoError, match="django, which is not installed"):
        walk(tmp_path / "a", size="tiny", figures=False, publish=False)
    assert not (tmp_path / "a").exists()  # said before any work
    result = CliRunner().invoke(fascicle, ["demo", str(tmp_path / "b"), "--size", "tiny"])
    assert result.exit_code == 0 and "fascicle.find(" in result.stdout
    assert "no figures: matplotlib is not installed" in result.stderr
    assert "not served: django is not installed" in result.stderr
    assert "not published: moto is not installed" in result.stderr
    assert (tmp_path / "b" / "sessions.pqt").exists()

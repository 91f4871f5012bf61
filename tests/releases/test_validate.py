"""What is said of a folder before it is released."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fascicle.errors import CatalogueError
from fascicle.releases import RULES, Report, validate

from .labs import make_folder, save, tree

SESSION = "lab/Subjects/KS000/2020-01-01/001"


def found(folder: Path) -> dict[str, list[str]]:
    """Return the paths, or messages, of each rule that is about files."""
    report = validate(folder)
    return {
        name: [f.path or f.message for f in findings]
        for name, findings in report.by_rule().items()
        if name not in ("subjects", "sessions", "description")
    }


def test_a_good_folder(folder: Path) -> None:
    before = tree(folder)
    report = validate(folder)
    assert report.ok and not report.errors
    assert (report.n_sessions, report.n_datasets) == (3, 21)
    assert report.n_bytes == sum(p.stat().st_size for p in folder.rglob("*.npy"))
    assert found(folder) == {}
    assert tree(folder) == before, "nothing is written"
    assert "can be released" in str(report)


def test_a_good_lab(lab: Path) -> None:
    before = tree(lab)
    report = validate(lab)
    assert report.ok, str(report)
    assert tree(lab) == before


def test_real_data(shared: Path) -> None:
    for folder in ("alf_md5_exact", "alf_original", "alf_derived"):
        report = validate(shared / "data" / folder)
        assert isinstance(str(report), str) and report._repr_html_()
    assert validate(shared / "data" / "alf_md5_exact").ok


def _write(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_names(folder: Path) -> None:
    _write(folder / SESSION / "alf/notes.txt")
    _write(folder / SESSION / "alf/spike_train.npy")
    _write(folder / "loose.file.npy")
    _write(folder / SESSION / "alf/.DS_Store")
    _write(folder / SESSION / "alf/._spikes.times.npy")
    _write(folder / SESSION / "Thumbs.db")
    _write(folder / ".git/config")
    _write(folder / SESSION / "alf/_ibl_trials.choice.npy.tmp")
    _write(folder / SESSION / "alf/_ibl_trials.choice.bak")
    rules = found(folder)
    assert rules.pop("not-a-dataset") == [
        f"{SESSION}/alf/notes.txt",
        f"{SESSION}/alf/spike_train.npy",
        "loose.file.npy",
    ]
    assert sorted(rules.pop("system-file")) == sorted(
        [
            ".git/config",
            f"{SESSION}/Thumbs.db",
            f"{SESSION}/alf/.DS_Store",
            f"{SESSION}/alf/._spikes.times.npy",
        ]
    )
    assert rules.pop("temporary-file") == [
        f"{SESSION}/alf/_ibl_trials.choice.bak",
        f"{SESSION}/alf/_ibl_trials.choice.npy.tmp",
    ]
    assert not rules


def test_a_recording_in_a_wrong_folder_is_not_passed_over(folder: Path) -> None:
    lost = [
        "lab/Subjects/m+4/2024-01-02/001/alf/spikes.times.npy",
        "lab/Subjects/mouse 7/2024-01-02/001/alf/spikes.times.npy",
        "lab/Subjects/m-7/2024-13-02/001/alf/spikes.times.npy",
        f"{SESSION}/alf/probe 00/spikes.times.npy",
    ]
    for path in lost:
        save(folder / path, 3)
        _write((folder / path).with_name("notes.txt"))
        _write((folder / path).with_name(".DS_Store"))
    rules = found(folder)
    assert sorted(rules["bad-folder"]) == sorted(lost)
    assert len(rules["not-a-dataset"]) == len(rules["system-file"]) == 4
    report = validate(folder)
    assert not report.ok and "bad-folder (4)" in str(report)


def test_contents(folder: Path) -> None:
    alf = folder / SESSION / "alf"
    _write(alf / "a.empty.npy", b"")
    whole = save(alf / "b.cut.npy", 100).read_bytes()
    _write(alf / "b.cut.npy", whole[:-1])
    _write(alf / "c.head.npy", whole[:20])
    _write(alf / "d.other.npy", b"this is no array at all, whatever its name")
    np.save(alf / "e.objects.npy", np.array([{}, []], object), allow_pickle=True)
    _write(alf / "f.table.pqt", b"PAR1 nothing")
    assert found(folder) == {
        "empty-file": [f"{SESSION}/alf/a.empty.npy"],
        "truncated-file": [
            f"{SESSION}/alf/{name}" for name in ("b.cut.npy", "c.head.npy", "f.table.pqt")
        ],
        "bad-file": [f"{SESSION}/alf/d.other.npy"],
        "unsafe-file": [f"{SESSION}/alf/e.objects.npy"],
    }


def test_lengths(folder: Path) -> None:
    alf = folder / SESSION / "alf"
    save(alf / "_ibl_trials.response.npy", 11)
    pd.DataFrame({"a": range(9)}).to_parquet(alf / "_ibl_trials.table.pqt")
    save(alf / "wheel.position.npy", 1000)
    save(alf / "wheel.timestamps.npy", 7, 2)  # pairs of sample and time
    save(alf / "x.one.npy", 1)
    save(alf / "x.many.npy", 5)
    save(alf / "other/spikes.times.npy", 4)
    save(alf / "other/spikes.clusters.npy", 5)
    report = validate(folder)
    broken = report.by_rule()["inconsistent-lengths"]
    assert [f.path for f in broken] == [f"{SESSION}/alf", f"{SESSION}/alf/other"]
    assert "table 9" in broken[0].message and "response 11" in broken[0].message
    assert broken[1].message == "spikes: times 4, clusters 5"


def test_companions(folder: Path) -> None:
    raw = folder / SESSION / "raw_ephys_data/probe00"
    stem = "_spikeglx_ephysData_g0_t0.imec0.ap"
    _write(raw / f"{stem}.cbin")
    _write(raw / f"{stem}.ch")
    one = "11111111-1111-4111-8111-111111111111"
    _write(raw / f"_spikeglx_ephysData_g0_t1.imec0.ap.{one}.cbin")
    for ending in ("ch", "meta"):
        other = "22222222-2222-4222-8222-222222222222"
        _write(raw / f"_spikeglx_ephysData_g0_t1.imec0.ap.{other}.{ending}")
    save(folder / SESSION / "alf/probe01/spikes.times.npy", 4)
    save(folder / SESSION / "alf/leftCamera.timestamps.npy", 4)
    report = validate(folder)
    rules = report.by_rule()
    assert [(f.path, f.message) for f in rules["missing-companion"]] == [
        (f"{SESSION}/alf/probe01/spikes.times.npy", "no spikes.clusters beside it"),
        (f"{SESSION}/raw_ephys_data/probe00/{stem}.cbin", "no .meta beside it"),
    ]
    assert [f.message for f in rules["incomplete-object"]] == ["no other attribute beside it"]
    assert rules["incomplete-object"][0].path.endswith("leftCamera.timestamps.npy")
    assert not report.ok


def test_links_and_missing_files(folder: Path, tmp_path: Path) -> None:
    alf = folder / SESSION / "alf"
    outside = save(tmp_path / "outside/x.npy", 3)
    (alf / "a.link.npy").symlink_to(outside)
    (alf / "b.link.npy").symlink_to("_ibl_trials.choice.npy")
    (alf / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/x.data.npy").write_bytes(outside.read_bytes())
    (alf / "c.gone.npy").symlink_to("nothing")
    rules = found(folder)
    assert rules["link-outside"] == [
        f"{SESSION}/alf/a.link.npy",
        f"{SESSION}/alf/linked/x.data.npy",
    ]
    assert f"{SESSION}/alf/c.gone.npy" in rules["missing-file"]
    assert not any("b.link" in path for paths in rules.values() for path in paths)


def test_paths_for_every_system(folder: Path) -> None:
    save(folder / SESSION / "alf/Spikes.times.npy", 50)
    save(folder / SESSION / "alf/spikes.times.npy", 50)
    save(folder / SESSION / "con/x.data.npy", 50)
    save(folder / SESSION / ("a" * 240) / "x.data.npy", 3)
    rules = found(folder)
    assert rules["same-path"] == [f"{SESSION}/alf/spikes.times.npy"]
    assert rules["bad-path"] == [
        f"{SESSION}/{'a' * 240}/x.data.npy",
        f"{SESSION}/con/x.data.npy",
    ]


def test_subjects(folder: Path) -> None:
    def said() -> list[str]:
        return [f.message for f in validate(folder).by_rule().get("subjects", [])]

    assert len(said()) == 1 and "2 subjects" in said()[0]
    table = folder / "subjects.csv"
    table.write_text("Subject,Species,Sex,date_of_birth\nKS000,Mus musculus,M,2019-01-01\n")
    assert said() == ["nothing of KS001"]
    table.write_text("subject_id,species,sex,age\nKS000,mouse,male,P90D\nKS001,,x,\n")
    assert said() == [
        "no date of birth or age of KS001",
        "no species of KS001",
        "sex of KS001 is 'x': M, F, U or O",
    ]
    table.unlink()
    (folder / "subjects.yaml").write_text("KS000: {species: m, sex: F, dob: 1}\nKS001: {}\n")
    assert [s.split(" of ")[-1] for s in said()] == ["KS001"] * 3
    for text in ("[1, 2]", "- {a: 1}", "{", "x: &a [*a]"):
        (folder / "subjects.yaml").write_text(text)
        assert said()


def test_nothing_to_release(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = validate(tmp_path / "empty")
    assert [f.rule for f in report.errors] == ["no-sessions"]
    with pytest.raises(CatalogueError, match="no folder"):
        validate(tmp_path / "none")


def test_a_report_as_text_json_and_html(folder: Path) -> None:
    for k in range(9):
        _write(folder / SESSION / f"alf/a.x{k}.npy", b"")
    _write(folder / SESSION / "alf/<b>\n.txt")
    report = validate(folder)
    assert "and 4 more" in str(report) and "cannot be released: empty-file" in str(report)
    assert all(line.isprintable() for line in report.lines(shown=None))
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["errors"] == 9 and not plain["ok"]
    assert {f["rule"] for f in plain["findings"]} <= set(RULES)
    assert "<b>" not in report._repr_html_()
    assert report.blocking(["empty-file"]) == []
    again: Report = pickle.loads(pickle.dumps(report))
    assert again == report


def test_files_that_cannot_be_read(folder: Path) -> None:
    os.mkfifo(folder / SESSION / "alf/pipe.data.npy")
    assert found(folder) == {"not-a-dataset": [f"{SESSION}/alf/pipe.data.npy"]}


def test_many_sessions_are_looked_at_in_one_pass(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "many", sessions=28)
    assert validate(root).n_datasets == 28 * 7

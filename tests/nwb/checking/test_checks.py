"""The checks of a new file: what they find in one that is right, and in one that is made wrong."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.nwb.hostile import DEMO, SORTING, cut_down, is_behaviour, is_ephys

import fascicle
from fascicle.errors import ConversionError, ConversionWarning, MissingExtraError
from fascicle.nwb.checking import CHECKS, run_checks
from fascicle.nwb.checking.inspecting import inspect
from fascicle.nwb.checking.layout import check_layout
from fascicle.nwb.checking.readback import compare
from fascicle.nwb.checking.validating import validate
from fascicle.nwb.converting import convert
from fascicle.nwb.metadata import SessionMetadata
from fascicle.nwb.report import Report
from fascicle.nwb.writing.source import Source

NAME = "sub-MFD-09_ses-5c6ea8ae-46d8-3bd4-a634-e881dd90b7ad_behavior+ecephys.nwb"


@pytest.fixture(scope="module")
def lab(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with one session of one probe, trials, wheel, licks and a camera."""
    folder = tmp_path_factory.mktemp("checks") / "lab"
    cut_down(tiny_lab, folder, lambda path: is_ephys(path) or is_behaviour(path))
    fascicle.index(folder)
    return folder


@pytest.fixture(scope="module")
def source(lab: Path) -> Source:
    """Return the datasets of that session."""
    return Source(next(iter(fascicle.find(archives=[lab]))))


@pytest.fixture(scope="module")
def report(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report on its conversion with all checks; tests must not change the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        return convert(source.session, f"{tmp_path_factory.mktemp('out')}/", progress=False)


@pytest.fixture
def file(report: Report) -> Path:
    """Return the file that was made."""
    return Path(report.file)


@contextmanager
def changed(file: Path, folder: Path) -> Iterator[tuple[Path, h5py.File]]:
    """Give a copy of a file, open to be changed."""
    copy = Path(shutil.copy(file, folder / file.name))
    with h5py.File(copy, "r+") as h5:
        yield copy, h5


# -- one that is right -----------------------------------------------------------------------------


def test_a_file_that_is_right(report: Report, source: Source) -> None:
    assert report.ok and report.error == ""
    assert [check.name for check in report.checks] == list(CHECKS)
    assert all(check.seconds > 0 and check.said for check in report.checks)
    assert report.check("readback").checked == len(source.files) == len(report.took)
    assert "ndx-pose" in report.check("validate").said
    assert Report.read(report.file).to_dict() == report.to_dict()
    assert report.sizes["file"] == Path(report.file).stat().st_size
    assert {"fascicle", "pynwb", "nwb"} <= set(report.versions)


def test_progress_counts_all_bytes(file: Path, source: Source) -> None:
    seen: list[int] = []
    found = run_checks(file, source=source, target=file, check="readback", progress=seen.append)
    assert sum(seen) == sum(one.size or 0 for one in source.files)
    assert [check.name for check in found] == ["readback"]


# -- values ----------------------------------------------------------------------------------------


def _spoil(dataset: h5py.Dataset) -> None:
    """Change one value of an array."""
    if not dataset.size or (dataset.dtype.kind == "O" and h5py.check_ref_dtype(dataset.dtype)):
        return
    place = (dataset.shape[0] - 1,) if dataset.shape else ()
    value = dataset[place]
    if isinstance(value, bytes):
        dataset[place] = value + b"1"
    elif dataset.dtype.kind == "b" or h5py.check_enum_dtype(dataset.dtype):
        dataset[place] = np.logical_not(value)
    elif dataset.dtype.kind == "f":
        dataset[place] = np.where(np.isfinite(value), value * 1.001 + 0.25, 1.0)
    elif dataset.dtype.kind in "iu":
        dataset[place] = value ^ 1


def test_each_dataset_of_which_a_value_is_off_is_named(
    file: Path, source: Source, tmp_path: Path
) -> None:
    kept = ("specifications", "alf_datasets", "general/session", "general/subject")
    with changed(file, tmp_path) as (copy, h5):
        spoiled: list[h5py.Dataset] = []

        def look(name: str, item: Any) -> None:
            inner = name.rpartition("/")[2]
            if not isinstance(item, h5py.Dataset) or any(part in name for part in kept):
                return
            if inner not in ("id", "probe_name") and not inner.endswith("_index"):
                spoiled.append(item)

        h5.visititems(look)
        for item in spoiled:
            _spoil(item)
    check = compare(copy, source=source)
    assert not check.ok
    named = {finding.where for finding in check.findings}
    # What is kept as a word of its record, not as an array, is not touched by this.
    assert {one.path for one in source.files} - named <= {"alf/leftROIMotionEnergy.position.npy"}
    assert {finding.level for finding in check.findings} == {"mismatch"}


@pytest.mark.parametrize(
    ("place", "dataset"),
    [
        ("units/spike_times", "spikes.times"),
        ("units/spike_amplitudes_uV", "spikes.amps"),
        ("units/spike_times_index", "spikes"),
        ("units/probe_name", "clusters"),
        ("intervals/trials/gabor_stimulus_side", "trials.table"),
        ("processing/behavior/WheelPosition/timestamps", "wheel.timestamps"),
        ("general/extracellular_ephys/electrodes/allen_id", "channels.brainLocationIds"),
    ],
)
def test_one_value_is_found(
    file: Path, source: Source, tmp_path: Path, place: str, dataset: str
) -> None:
    with changed(file, tmp_path) as (copy, h5):
        _spoil(h5[place])
    check = compare(copy, source=source, name="new.nwb")
    assert any(dataset in finding.where for finding in check.findings), check.findings


def test_a_chunk_that_was_never_written(file: Path, source: Source, tmp_path: Path) -> None:
    """A file that was broken off reads as zeros there."""
    with changed(file, tmp_path) as (copy, h5):
        old = h5["units/spike_times"]
        attributes, shape, dtype = dict(old.attrs), old.shape, old.dtype
        values = old[: old.shape[0] // 2]
        del h5["units/spike_times"]
        new = h5["units"].create_dataset("spike_times", shape, dtype, chunks=(1000,))
        new[: len(values)] = values
        new.attrs.update(attributes)
    check = compare(copy, source=source)
    assert f"{SORTING}/spikes.times.npy" in {finding.where for finding in check.findings}


def test_records_that_are_wrong(file: Path, source: Source, tmp_path: Path) -> None:
    with changed(file, tmp_path) as (copy, h5):
        h5["processing/misc/alf_datasets/dataset"][2] = b"alf/made.up.npy"
    check = compare(copy, source=source)
    assert [str(f) for f in check.findings] == ["alf/made.up.npy: the session has no such dataset"]
    with changed(file, tmp_path) as (copy, h5):
        names = h5["processing/misc/alf_datasets/dataset"]
        names[1] = names[0]
    check = compare(copy, source=source, name="new.nwb")
    assert "stands there twice" in str(check.findings[0]) and "new.nwb" in str(check.findings[0])
    with changed(file, tmp_path) as (copy, h5):
        del h5["processing/misc/alf_datasets"]
    check = compare(copy, source=source)
    assert [f.text for f in check.findings] == [
        "the file says of no dataset of the session where it is"
    ]


def test_a_source_that_changes_meanwhile(file: Path, lab: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(lab, tmp_path / "lab"))
    held = Source(next(iter(fascicle.find(archives=[other]))))
    place = other / DEMO / "alf/licks.times.npy"
    np.save(place, np.load(place) + 1)
    (other / DEMO / "alf/_ibl_wheel.position.npy").write_bytes(b"gone")
    said = {f.where: f.text for f in compare(file, source=held).findings}
    assert set(said) == {"alf/licks.times.npy", "alf/_ibl_wheel.position.npy"}
    assert "cannot be read again" in said["alf/_ibl_wheel.position.npy"]


def test_only_what_was_asked_for_may_lose_digits(lab: Path, source: Source, tmp_path: Path) -> None:
    metadata = SessionMetadata.from_archive(lab, source.session.eid)
    for entry in metadata.objects:
        for item in entry.items:
            if item.name == "spike_amplitudes_uV":
                item.dtype = "float32"
    target = tmp_path / "narrow.nwb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        report = convert(metadata, target, archive=lab, check="readback", progress=False)
    assert report.ok
    with h5py.File(target) as h5:
        assert h5["units/spike_amplitudes_uV"].dtype == np.float32
    assert compare(target, source=source, metadata=metadata).ok
    strict = compare(target, source=source)
    assert {f.where for f in strict.findings} == {f"{SORTING}/spikes.amps.npy"}


def test_a_file_that_is_not_true_is_refused(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that goes wrong is caught, whatever may be let through beside."""
    from fascicle.nwb.writing import chunks

    right = chunks.shuffled

    def wrong(values: Any) -> Any:
        return right(np.ascontiguousarray(values[::-1]))

    monkeypatch.setattr(chunks, "shuffled", wrong)
    how: dict[str, Any] = {"check": "readback", "refuse": "mismatch", "progress": False}
    with pytest.raises(ConversionError, match="mismatch") as caught:
        convert(source.session, tmp_path / "x.nwb", **how)
    assert list(tmp_path.iterdir()) == []
    report = caught.value.report
    assert not report.ok and "no file" in report.headline
    assert any("spikes.times" in finding.where for finding in report.findings)


# -- schema, practice, names -----------------------------------------------------------------------


def test_what_breaks_the_schema(file: Path, tmp_path: Path) -> None:
    with changed(file, tmp_path) as (copy, h5):
        del h5["processing/behavior/WheelPosition/data"].attrs["conversion"]
        del h5["session_description"]
    check = validate(copy)
    assert not check.ok
    assert any("session_description" in str(finding) for finding in check.findings)
    assert {finding.level for finding in check.findings} == {"invalid"}


def test_tables_that_do_not_list_their_columns(file: Path, tmp_path: Path) -> None:
    with changed(file, tmp_path) as (copy, h5):
        trials = h5["intervals/trials"]
        trials.attrs["colnames"] = trials.attrs["colnames"][1:]
    found = validate(copy).findings
    assert [(f.level, f.where) for f in found] == [("invalid", "/intervals/trials")]
    assert "start_time" in found[0].text


def test_what_breaks_good_practice(file: Path, tmp_path: Path) -> None:
    with changed(file, tmp_path) as (copy, h5):
        del h5["general/subject/sex"]
        h5["processing/behavior/WheelPosition/data"].attrs["unit"] = "px"
    check = inspect(copy)
    levels = {finding.level for finding in check.findings}
    assert levels >= {"critical", "violation"} and not check.ok
    assert any("sex" in f.text for f in check.findings if f.level == "critical")
    assert [f.level for f in check.findings if "check_file_extension" in f.text] == []


def _no_column(h5: h5py.File) -> None:
    del h5["intervals/trials/start_time"]


def _no_sex(h5: h5py.File) -> None:
    del h5["general/subject/sex"]


def _other_schemas(h5: h5py.File) -> None:
    """Have the schemas of the file ask for what it has not."""
    core = h5["specifications/core"]
    place = f"{next(iter(core))}/nwb.file"
    text = core[place][()].decode()
    changed = text.replace('"name": "session_start_time"', '"name": "session_end_time"')
    changed = changed.replace('"name":"session_start_time"', '"name":"session_end_time"')
    assert changed != text
    core[place][()] = changed


def _no_schemas(h5: h5py.File) -> None:
    del h5["specifications"]
    del h5.attrs[".specloc"]


@pytest.mark.parametrize(
    ("change", "invalid"),
    [
        (lambda h5: None, False),
        (_no_column, True),
        (_no_sex, False),
        (_other_schemas, True),
        (_no_schemas, False),
    ],
)
def test_they_find_what_pynwb_and_nwbinspector_find(
    file: Path, tmp_path: Path, change: Any, invalid: bool
) -> None:
    """What is made once for all files that are alike is what they make for each."""
    import pynwb
    from nwbinspector import inspect_nwbfile, load_config

    with changed(file, tmp_path) as (copy, h5):
        change(h5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = pynwb.validate(path=str(copy))
        config = load_config(filepath_or_keyword="dandi")
        messages = list(inspect_nwbfile(nwbfile_path=str(copy), skip_validate=True, config=config))
    for name in ("first.nwb", "then.nwb"):  # what was made by a file that is gone by then
        copy = copy.rename(tmp_path / name)
        found = {one.text for one in validate(copy).findings if "colnames" not in one.text}
        assert found == {error.reason for error in errors}
        assert bool(found) == invalid
        levels = {"ERROR": "critical"}
        theirs = sorted(
            levels.get(m.importance.name, m.importance.name.lower().rpartition("_")[2])
            for m in messages
            if m.check_function_name != "check_file_extension"
        )
        assert sorted(one.level for one in inspect(copy).findings) == theirs


def test_without_nwbinspector(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nwbinspector", None)
    with pytest.raises(MissingExtraError, match="inspect"):
        inspect(file)


@pytest.mark.parametrize(
    ("target", "levels", "text"),
    [
        (f"sub-MFD-09/{NAME}", [], ""),
        ("sub-MFD-09/sub-MFD-09.nwb", [], ""),
        ("sub-MFD-09/sub-MFD-09_ses-x_ecephys.nwb", ["violation"], "the session x"),
        (f"elsewhere/{NAME}", ["violation"], "a folder sub-MFD-09"),
        ("sub-A/sub-A_ses-5c6ea8ae-46d8-3bd4-a634-e881dd90b7ad.nwb", ["violation"], "subject A"),
        ("sub-MFD-09/sub-MFD_09_ecephys.nwb", ["violation"], "DANDI takes names"),
        ("sub-MFD-09/sub-MFD-09_Ecephys.nwb", ["violation"], "DANDI takes names"),
        ("mine.nwb", ["suggestion"], "DANDI takes names"),
    ],
)
def test_names(file: Path, target: str, levels: list[str], text: str) -> None:
    check = check_layout(file, target=Path("/somewhere") / target)
    assert [finding.level for finding in check.findings] == levels
    assert text in " ".join(finding.text for finding in check.findings)


def test_without_a_subject(file: Path, tmp_path: Path) -> None:
    with changed(file, tmp_path) as (copy, h5):
        del h5["general/subject/subject_id"]
    check = check_layout(copy, target=Path(f"sub-MFD-09/{NAME}"))
    assert [finding.text for finding in check.findings] == ["the file names no subject"]

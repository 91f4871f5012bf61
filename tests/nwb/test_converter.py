"""The names of IBL's first converter, as its guide uses them: on a folder, and on a hub."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

from fascicle.archives.folder import FolderArchive
from fascicle.catalogue import index
from fascicle.errors import (
    ConfigurationError,
    ConversionWarning,
    MetadataError,
    SearchTermError,
    SessionNotFound,
    WouldReplace,
)
from fascicle.nwb.converter import Alyx2NWBConverter, Alyx2NWBMetadata
from fascicle.nwb.metadata import SessionMetadata
from fascicle.one import ONE, One, OneAlyx
from fascicle.oneibl.one import ONE as FirstONE
from fascicle.testing.hub import HubServer

PATH = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
SPECTROGRAM = ["_iblmic_audioSpectrogram.frequencies"]
#: Few datasets, so that a conversion takes a moment.
KEPT = ("_ibl_wheel.", "_ibl_wheelMoves.", "licks.", "_ibl_trials.")


@pytest.fixture(scope="module")
def small(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with one session of few datasets; tests must not change it."""
    lab = tmp_path_factory.mktemp("small") / "lab"
    alf = lab / PATH / "alf"
    alf.mkdir(parents=True)
    shutil.copy(tiny_lab / "_fascicle_lab.json", lab)
    for file in (tiny_lab / PATH / "alf").iterdir():
        if file.name.startswith(KEPT):
            shutil.copy(file, alf)
    index(lab)
    return lab


@pytest.fixture
def document(small: Path) -> SessionMetadata:
    """Return the document of its session."""
    return SessionMetadata.from_archive(small, PATH)


def convert(converter: Alyx2NWBConverter) -> Any:
    """Run a conversion; what it warns of is for its report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        return converter.run_conversion()


def left(folder: Path) -> list[str]:
    """Return the NWB files of a folder, and what is unfinished there."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".report.json", ".report.html"))
    )


# -- what is searched for --------------------------------------------------------------------------


def test_a_session_is_named(tiny_lab: Path) -> None:
    expected = SessionMetadata.from_archive(tiny_lab, PATH)
    eid = expected.eid
    for one in (
        One(tiny_lab),
        FirstONE(mode="local", cache_dir=str(tiny_lab), silent=True),
        tiny_lab,
    ):
        metadata = Alyx2NWBMetadata(eid=eid, one_obj=one)
        assert metadata.metadata == expected
        assert metadata.eid == eid
        metadata.complete_metadata["subject"]["sex"] = "F"
        assert metadata.metadata.subject["sex"] == "F"
        assert not any(problem.stops for problem in metadata.problems())
        assert "MFD_09" in repr(metadata)
        assert "MFD_09" in metadata._repr_html_()


def test_one_that_matches_is_taken(tiny_lab: Path) -> None:
    terms = {"subject": "MFD_09", "dataset_types": SPECTROGRAM}
    found = {
        Alyx2NWBMetadata(one_obj=one, **terms).metadata.source["session"]
        for one in (
            One(tiny_lab),
            FirstONE(mode="local", cache_dir=str(tiny_lab), silent=True),
            FolderArchive(tiny_lab),
            str(tiny_lab),
        )
    }
    assert found == {PATH}
    one = One(tiny_lab)
    assert Alyx2NWBMetadata(one_obj=one, subject="MFD_09", date_range="2023-10-19").eid


def test_several_that_match_are_listed(tiny_lab: Path) -> None:
    for one in (One(tiny_lab), tiny_lab):
        with pytest.raises(SearchTermError) as caught:
            Alyx2NWBMetadata(one_obj=one, dataset_types=SPECTROGRAM)
        said = str(caught.value)
        assert "2 sessions" in said
        for path in (PATH, "angelakilab/Subjects/NYU-37/2021-02-04/001"):
            eid = FolderArchive(tiny_lab).open(path).eid
            assert f"\n  {eid}  {path}" in said
        assert "Alyx2NWBMetadata(eid=" in caught.value.hint


def test_many_are_listed_in_part(tiny_lab: Path) -> None:
    with pytest.raises(SearchTermError, match=r"\d+ sessions of .* have lab="):
        Alyx2NWBMetadata(one_obj=One(tiny_lab), lab="")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"subject": "nobody"}, SessionNotFound, "no session of .* has subject='nobody'"),
        ({"eid": "00000000-0000-4000-8000-000000000000"}, SessionNotFound, "00000000"),
        ({"eid": PATH, "subject": "MFD_09"}, SearchTermError, "give either"),
        ({}, SearchTermError, "no session is named"),
        ({"sbject": "MFD_09"}, ValueError, "sbject"),
    ],
)
def test_what_names_no_session(
    tiny_lab: Path, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Alyx2NWBMetadata(one_obj=One(tiny_lab), **given)


def test_the_default_one_is_asked(tiny_lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fascicle.one

    monkeypatch.setattr(fascicle.one, "ONE", lambda: One(tiny_lab))
    assert Alyx2NWBMetadata(subject="MFD_09", number=1, dataset_types=SPECTROGRAM).eid


# -- metadata as files -----------------------------------------------------------------------------


def test_metadata_are_written(small: Path, tmp_path: Path) -> None:
    metadata = Alyx2NWBMetadata(eid=PATH, one_obj=small)
    for name, savetype in (("a.json", None), ("b", ".json"), ("c", "yaml")):
        path = metadata.write_metadata(tmp_path / name, savetype)
        assert SessionMetadata.read(path) == metadata.metadata
    with pytest.raises(MetadataError, match="neither"):
        metadata.write_metadata(tmp_path / "d")


# -- conversion ------------------------------------------------------------------------------------


def test_a_file_is_used_exactly(small: Path, document: SessionMetadata, tmp_path: Path) -> None:
    document.session["experimenter"] = ["Doe, Jane"]
    path, target = document.write(tmp_path / "a.json"), tmp_path / "there" / "mine.nwb"
    target.parent.mkdir()
    converter = Alyx2NWBConverter(nwb_metadata_file=path, saveloc=target)  # it says where it is
    report = convert(converter)
    assert left(target.parent) == ["mine.nwb"]
    assert report is converter.report is converter.write_nwb()
    assert Path(report.file) == converter.saveloc == target
    with h5py.File(target) as file:
        assert list(file["general/experimenter"].asstr()) == ["Doe, Jane"]
        assert "trials" in file["intervals"]
        assert "WheelPosition" in file["processing/behavior"]


def test_a_folder_gets_the_names_of_dandi(
    small: Path, document: SessionMetadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"sub-MFD-09/sub-MFD-09_ses-{document.eid}_behavior+ecephys.nwb"  # its probes are known
    convert(Alyx2NWBConverter(metadata_obj=document, saveloc=tmp_path, check=False))
    assert left(tmp_path) == [name]
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    convert(Alyx2NWBConverter(metadata_obj=document.to_dict(), check=False))
    assert left(here) == [name]


def test_an_existing_file_stays(document: SessionMetadata, tmp_path: Path) -> None:
    target = tmp_path / "a.nwb"
    target.write_bytes(b"somebody's work")
    with pytest.raises(WouldReplace) as caught:
        convert(Alyx2NWBConverter(metadata_obj=document, saveloc=target))
    assert isinstance(caught.value, FileExistsError)
    assert target.read_bytes() == b"somebody's work"
    convert(Alyx2NWBConverter(metadata_obj=document, saveloc=target, overwrite=True, check=False))
    with h5py.File(target) as file:
        assert "trials" in file["intervals"]


def test_what_is_switched_off_is_not_there(document: SessionMetadata, tmp_path: Path) -> None:
    entry = document.entry("LickTimes")
    assert entry is not None
    entry.on = False
    report = convert(
        Alyx2NWBConverter(metadata_obj=document, saveloc=tmp_path / "a.nwb", check=False)
    )
    assert "switched off" in report.left_out["alf/licks.times.npy"]
    with h5py.File(tmp_path / "a.nwb") as file:
        assert "LickTimes" not in file.get("events", {})


def test_write_nwb_converts_where_nothing_was(document: SessionMetadata, tmp_path: Path) -> None:
    converter = Alyx2NWBConverter(metadata_obj=document, saveloc=tmp_path / "a.nwb", check=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        converter.write_nwb()
        converter.write_nwb()
    assert left(tmp_path) == ["a.nwb"]


def test_metadata_that_lack_something_leave_no_file(
    document: SessionMetadata, tmp_path: Path
) -> None:
    document.subject["species"] = None
    with pytest.raises(MetadataError, match=r"subject\.species"):
        convert(Alyx2NWBConverter(metadata_obj=document, saveloc=tmp_path / "a.nwb"))
    assert left(tmp_path) == []


def test_a_converter_goes_by_one_document(document: SessionMetadata, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no metadata"):
        Alyx2NWBConverter(saveloc=tmp_path)
    with pytest.raises(ConfigurationError, match="both"):
        Alyx2NWBConverter(document.write(tmp_path / "a.json"), document)
    with pytest.raises(ConfigurationError, match="no metadata document"):
        Alyx2NWBConverter(metadata_obj="a.json")  # type: ignore[arg-type]
    with pytest.raises(MetadataError, match="cannot be read"):
        Alyx2NWBConverter(nwb_metadata_file=tmp_path / "none.json")


def test_another_archive_may_be_given(
    small: Path, document: SessionMetadata, tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copytree(small, tmp_path / "elsewhere"))
    document.source["archive"] = str(tmp_path / "gone")
    converter = Alyx2NWBConverter(
        metadata_obj=document, saveloc=tmp_path / "a.nwb", one_obj=One(elsewhere), check=False
    )
    convert(converter)
    assert (tmp_path / "a.nwb").exists()


def test_documents_of_the_first_converter_are_converted(
    small: Path, document: SessionMetadata, tmp_path: Path
) -> None:
    old = {
        "eid": document.eid,
        "NWBFile": {"session_description": "of old", "session_start_time": "2023-10-19T10:02:11"},
        "IBLSubject": {"nickname": "MFD_09"},
        "Trials": [
            {"name": "stimOn", "data": "trials.stimOn_times", "description": "the stimulus"},
            {"name": "start_time", "data": "trials.intervals", "description": ""},
        ],
    }
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    convert(
        Alyx2NWBConverter(
            nwb_metadata_file=path, saveloc=tmp_path / "a.nwb", one_obj=small, check=False
        )
    )
    with h5py.File(tmp_path / "a.nwb") as file:
        assert file["session_description"].asstr()[()] == "of old"
        columns = set(file["intervals/trials"])
        assert {"start_time", "gabor_stimulus_onset_time"} <= columns
        assert "feedback_time" not in columns
        stimulus = file["intervals/trials/gabor_stimulus_onset_time"]
        assert stimulus.attrs["description"] == "the stimulus"
        assert "WheelPosition" not in file.get("processing/behavior", {})


# -- on a hub, as the guide has it -----------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(tiny_lab: Path, made_hub: HubServer) -> Iterator[HubServer]:
    """Return a hub of the demo's lab."""
    with HubServer(tiny_lab, like=made_hub) as server:
        yield server


def test_the_guide(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = hub.users["test_user"]
    monkeypatch.setenv("FASCICLE_ALYX_URL", hub.url)
    monkeypatch.setenv("FASCICLE_ALYX_USER", user.name)
    monkeypatch.setenv("FASCICLE_ALYX_PASSWORD", user.password)
    one = FirstONE(user.name, user.password, hub.url, silent=True, cache_dir=tmp_path / "cache")
    eid = one.search(dataset_types=SPECTROGRAM)[0]

    metadata_object = Alyx2NWBMetadata(eid=eid, one_obj=one)
    json_save_loc = tmp_path / "path-to-save-json-file.json"
    metadata_object.write_metadata(json_save_loc)

    modern = OneAlyx(user.name, user.password, hub.url, cache_dir=tmp_path / "cache", silent=True)
    for given in (one, modern, None):
        with pytest.raises(SearchTermError, match="2 sessions") as caught:
            Alyx2NWBMetadata(one_obj=given, dataset_types=SPECTROGRAM)
        assert PATH in str(caught.value)
        subject = metadata_object.metadata.subject["subject_id"]
        metadata_obj = Alyx2NWBMetadata(one_obj=given, dataset_types=SPECTROGRAM, subject=subject)
        assert metadata_obj.eid == eid
    assert isinstance(ONE(), OneAlyx)

    # What it takes is brought from the hub: the wheel alone, here.
    metadata = SessionMetadata.read(json_save_loc)
    for entry in metadata.objects:
        entry.on = entry.part == "wheel"
    metadata.write(json_save_loc)
    nwb_saveloc = tmp_path / "nwb-save-path.nwb"
    converter = Alyx2NWBConverter(
        nwb_metadata_file=json_save_loc, saveloc=nwb_saveloc, one_obj=one, check=False
    )
    convert(converter)
    with h5py.File(nwb_saveloc) as file:
        assert file["general/session_id"].asstr()[()] == eid
        assert len(file["processing/behavior/WheelPosition/data"])
    assert os.listdir(tmp_path / "cache")

"""The metadata document: a mapping that is edited, written, read, and the same afterwards."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fascicle.errors import MetadataError
from fascicle.nwb.metadata import SessionMetadata, schema
from fascicle.nwb.writing.entries import Entry, Item

FULL: dict[str, Any] = {
    "source": {"archive": "/data", "session": "lab/Subjects/m/2023-10-19/001", "eid": "x"},
    "session": {
        "session_id": "x",
        "session_description": "choice world",
        "start_time": "2023-10-19T10:02:11",
        "timezone": "Europe/London",
        "experimenter": ["Doe, Jane"],
        "keywords": ["choice"],
        "lab": "mylab",
        "institution": "UCL",
        "extended_qc": {"behavior": 0, "on": True, "_task": 0.6394},
    },
    "subject": {
        "subject_id": "m",
        "species": "Mus musculus",
        "sex": "F",
        "date_of_birth": "2023-03-14",
        "age": "P219D",
        "weight": "21.3 g",
    },
    "probes": [{"label": "probe00", "trajectories": [{"provenance": "Planned", "x": -2500}]}],
    "objects": [
        {
            "nwb": "intervals/trials",
            "type": "TimeIntervals",
            "part": "trials",
            "collections": ["alf"],
            "items": [{"name": "start_time", "source": "trials.intervals", "unit": "s"}],
        }
    ],
}


def full() -> SessionMetadata:
    """Return a document that lacks nothing."""
    return SessionMetadata(FULL)


def test_it_lacks_nothing() -> None:
    assert full().problems() == []
    full().validate()


def test_what_is_not_said_is_there_and_empty() -> None:
    empty = SessionMetadata()
    assert list(empty) == ["format", "version", "source", "session", "subject", "probes", "objects"]
    assert empty.session["experimenter"] == []
    assert empty.subject["sex"] is None
    assert (
        full().probe("probe00") is full().probes[0] or full().probe("probe00") == full().probes[0]
    )
    assert full().probe("probe01") is None
    assert full().probes[0]["trajectories"][0]["y"] is None


def test_it_is_edited_as_a_mapping() -> None:
    metadata = full()
    metadata["subject"]["sex"] = "M"
    assert metadata.subject["sex"] == "M"
    metadata.objects[0].items[0].on = False
    assert metadata.to_dict()["objects"][0]["items"][0]["on"] is False
    metadata["objects"][0]["description"] = "all of them"
    metadata["objects"][0]["items"][0]["unit"] = "s"
    assert metadata.objects[0].description == metadata["objects"][0]["description"] == "all of them"
    with pytest.raises(KeyError):
        metadata["objects"][0]["descripton"] = ""
    with pytest.raises(KeyError):
        metadata["objects"][0]["_names"]
    metadata["objects"] = metadata.to_dict()["objects"]
    assert metadata.objects[0].items[0] == Item("start_time", "trials.intervals", "s", on=False)
    metadata["session"] = {"lab": "other"}
    assert metadata.session["lab"] == "other"
    assert metadata.session["timezone"] is None
    del metadata["probes"]
    assert metadata.probes == []
    assert metadata.entry("intervals/trials") is metadata.entry("trials") is metadata.objects[0]
    assert metadata.entry("nothing") is None


def test_copies_are_their_own() -> None:
    metadata = full()
    other = metadata.copy()
    assert other == metadata
    other.subject["sex"] = "M"
    other.objects[0].on = False
    assert other != metadata
    assert metadata.subject["sex"] == "F"
    assert pickle.loads(pickle.dumps(metadata)) == metadata
    assert metadata != "something else"
    with pytest.raises(TypeError):
        hash(metadata)


def test_defaults_are_not_shared() -> None:
    SessionMetadata().session["experimenter"].append("Doe, Jane")
    assert SessionMetadata().session["experimenter"] == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"sessions": {}}, "(?s)sessions: .*did you mean 'session'"),
        ({"format": "other"}, "format: 'other'"),
        ({"version": 2}, "version: 2"),
        ({"session": []}, "session: \\[\\] is no mapping"),
        ({"probes": {}}, "probes: "),
        ({"probes": ["probe00"]}, "probes\\[0\\]: 'probe00'"),
        ({"objects": {}}, "objects: "),
        ({"objects": [{"nwb": "units"}]}, "objects\\[0\\].type: it is missing"),
        ({"objects": [{"nwb": "u", "type": "t", "part": "p", "ons": 1}]}, "did you mean 'on'"),
        ({"objects": [{"nwb": "u", "type": "t", "part": "p", "on": "yes"}]}, "objects\\[0\\].on: "),
        ({"objects": [{"nwb": 3, "type": "t", "part": "p"}]}, "objects\\[0\\].nwb: 3 is no text"),
        (
            {"objects": [{"nwb": "u", "type": "t", "part": "p", "items": [{"name": "x"}]}]},
            "objects\\[0\\].items\\[0\\].source: it is missing",
        ),
        ({"objects": [{"nwb": "u", "type": "t", "part": "p", "items": 3}]}, "objects\\[0\\].items"),
        ({"objects": [{"nwb": "u", "type": "t", "part": "p", "settings": 3}]}, "settings"),
        (
            {"objects": [{"nwb": "u", "type": "t", "part": "p", "collections": "alf"}]},
            "collections",
        ),
        ({"objects": ["units"]}, "objects\\[0\\]: 'units'"),
        ({"session": {"json": object()}}, "cannot be in a metadata document"),
    ],
)
def test_what_is_no_document(document: dict[str, Any], said: str) -> None:
    with pytest.raises(MetadataError, match=said):
        SessionMetadata(document)


def test_there_are_no_other_sections() -> None:
    metadata = full()
    with pytest.raises(MetadataError, match="did you mean 'subject'"):
        metadata["subjects"] = {}
    with pytest.raises(KeyError):
        metadata["nothing"]
    with pytest.raises(KeyError):
        del metadata["nothing"]


def test_it_shows_what_is_missing() -> None:
    metadata = full()
    metadata.subject["sex"] = "<b>"
    shown = metadata._repr_html_()
    assert "subject.sex" in shown
    assert "<b>&quot;" not in shown
    assert "&lt;b&gt;" in shown
    assert "intervals/trials" in shown
    assert repr(metadata) == "<metadata of lab/Subjects/m/2023-10-19/001: 1 probes, 1 NWB objects>"


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "b.yml", "sub/a.JSON"])
def test_files_give_it_back(tmp_path: Path, name: str) -> None:
    metadata = full()
    path = metadata.write(tmp_path / name)
    assert SessionMetadata.read(path) == metadata
    first = path.read_bytes()
    metadata.write(path)
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == [path.name]


def test_any_reader_of_yaml_reads_ours(tmp_path: Path) -> None:
    metadata = full()
    text = metadata.write(tmp_path / "a.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == metadata.to_dict()  # by the rules of YAML 1.1
    assert "# Where the session is.\nsource:" in text


def test_a_file_says_what_is_needed_still(tmp_path: Path) -> None:
    metadata = full()
    metadata.subject["sex"] = None
    text = metadata.write(tmp_path / "a.yaml").read_text()
    assert "# Still needed before a conversion:\n#   subject.sex: it is needed" in text


_WORDS = (
    "on no Null ~ 1e5 1_000 10:30 0x1F 2023-01-01 # *x &x !t % @ ' = << .5 1. - + .inf 0o7 --- true"
)
_ODD = [
    *_WORDS.split(),
    "- a",
    "a: b",
    '"',
    " a",
    "a ",
    "\n",
    "\x85",
    "\u2028",
    "\ufeff",
    "a\n b\n\n",
    "\t",
]
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(_ODD),
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(
    said=PLAIN,
    description=TEXTS,
    names=st.lists(TEXTS, max_size=3),
    end=st.sampled_from(["json", "yaml"]),
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    said: Any,
    description: str,
    names: list[str],
    end: str,
) -> None:
    metadata = full()
    metadata.session["json"] = said
    metadata.session["keywords"] = names
    metadata.objects[0].description = description
    metadata.objects[0].settings = {"said": said}
    path = tmp_path_factory.getbasetemp() / f"any.{end}"
    assert SessionMetadata.read(metadata.write(path)) == metadata


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("session:\n  start_time: 2023-10-19T10:02:11\n", "2023-10-19T10:02:11"),
        ("session:\n  start_time: 2023-10-19 10:02:11\n", "2023-10-19 10:02:11"),
        ("session: {start_time: 10:02}\n", "10:02"),
        ("\ufeffsession: {start_time: no}\n", "no"),
    ],
)
def test_yaml_by_hand_is_what_one_expects(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    assert SessionMetadata.read(path).session["start_time"] == expected


@pytest.mark.parametrize("word", ["on", "'on'", '"on"'])
def test_on_is_a_word(tmp_path: Path, word: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"objects:\n- {{nwb: units, type: Units, part: units, {word}: false}}\n")
    assert SessionMetadata.read(path).objects == [Entry("units", "Units", "units", on=False)]


def test_on_may_have_been_taken_for_true() -> None:
    given = {"nwb": "units", "type": "Units", "part": "units", True: False}
    assert SessionMetadata({"objects": [given]}).objects[0].on is False


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "holds no mapping"),
        ("a.json", '{"session": {"lab": "a", "lab": "b"}}', "'lab' is there twice"),
        ("a.json", "[" * 100_000, "is no JSON"),
        ("a.yaml", "session: {lab: a, lab: b}", "'lab' is there twice"),
        ("a.yaml", "session: [", "is no YAML"),
        ("a.yaml", "a: &x [1]\nb: *x\n", "aliases"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "is no YAML"),
        ("a.yaml", "", "holds no mapping"),
        ("a.yaml", "sessoin: {}", "(?s)a.yaml: sessoin: .*did you mean 'session'"),
        ("a.txt", "", "neither"),
        ("nothing.json", None, "cannot be read"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(MetadataError, match=said) as caught:
        SessionMetadata.read(path)
    assert name in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(MetadataError, match="cannot be read"):
        SessionMetadata.read(path)


def test_an_earlier_file_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = full().write(tmp_path / "a.json")
    before = path.read_bytes()

    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    other = full()
    other.subject["sex"] = "M"
    with pytest.raises(MetadataError, match="cannot be written"):
        other.write(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.json"]


def test_half_characters_and_numbers_that_are_none() -> None:
    said = json.loads('{"a": "\\ud800", "b": NaN, "c": [Infinity]}')
    metadata = SessionMetadata({"session": {"json": said}})
    assert metadata.session["json"] == {"a": "?", "b": None, "c": [None]}


# -- the schema ------------------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(full().to_dict())
    Draft202012Validator(schema()).validate(SessionMetadata().to_dict())
    schema()["properties"].clear()
    assert schema()["properties"]  # a copy each time


def test_the_schema_knows_the_fields_that_documents_have() -> None:
    known, empty = schema()["properties"], SessionMetadata().to_dict()
    for section in ("source", "session", "subject"):
        assert list(known[section]["properties"]) == list(empty[section])
        assert all(one.get("description") for one in known[section]["properties"].values())
    probe = full().to_dict()["probes"][0]
    assert list(known["probes"]["items"]["properties"]) == list(probe)
    track = known["probes"]["items"]["properties"]["trajectories"]["items"]["properties"]
    assert list(track) == list(probe["trajectories"][0])
    entry = known["objects"]["items"]["properties"]
    assert set(entry) == set(Entry.__slots__)
    assert set(entry["items"]["items"]["properties"]) == set(Item.__slots__)

"""Templates, checks, and making names."""

from __future__ import annotations

import re
from uuid import UUID, uuid1, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fascicle.alf import spec
from fascicle.alf.readable import camel_case

from . import strategies as alf


@given(alf.session_parts, alf.folder_parts, alf.name_parts)
def test_templates_read_what_the_functions_read(
    session: dict[str, str], folder: dict[str, str], name: dict[str, str]
) -> None:
    assume(session["subject"] != "Subjects" or session["lab"])
    text = alf.join_name(name)
    found = spec.regex(spec.FILE_SPEC).fullmatch(text)
    assert found and found.groups("") == spec.parse_name(text)
    path = "/".join(filter(None, (alf.join_session(session), alf.join_folder(folder), text)))
    found = spec.regex().fullmatch(path)
    assert found
    groups = found.groupdict("")
    assert {k: groups[k] for k in (*session, *folder)} == session | folder


@given(st.text(alf.WORD + "._-\n", max_size=20))
def test_the_file_template_and_the_parser_accept_the_same(name: str) -> None:
    found = spec.regex(spec.FILE_SPEC).match(name)
    assert bool(found) == spec.is_valid(name)
    if found:
        assert found.groups("") == spec.parse_name(name)


def test_the_template_takes_linear_time() -> None:
    assert not spec.regex(spec.FILE_SPEC).match("a.b" + ".x" * 20_000 + "!")


def test_regex_takes_other_expressions_for_parts() -> None:
    pattern = spec.regex(spec.FILE_SPEC, object="trials", extra=None)
    assert pattern.match("_ibl_trials.a.npy")
    assert not pattern.match("_ibl_spikes.a.npy")
    assert re.match(".*" + spec.regex(spec.FULL_SPEC).pattern, "/d/x/2020-01-01/1/a/b.c.npy")
    assert spec.regex("{subject}-{{2}}").match("x-2") is None
    assert spec.regex("{date}{{2}}").pattern.endswith("{2}")
    for wrong in ({"spec": "{foo}"}, {"foo": "x"}):
        with pytest.raises(KeyError, match="Unknown field 'foo'"):
            spec.regex(**wrong)  # type: ignore[arg-type]


def test_describe_prints_the_pattern_and_points_at_the_part(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for part in spec.SPEC_DESCRIPTION:
        assert spec.describe(part, width=60) is None
        pattern, arrow, blank, title, *lines = capsys.readouterr().out.splitlines()
        assert pattern == spec.path_pattern()
        assert pattern[arrow.index("^") : arrow.rindex("^") + 1] == part
        assert (blank, title) == ("", part.upper())
        assert lines and all(len(line) <= 60 for line in lines)
    spec.describe()
    assert all(f"\n{p.upper()}\n" in capsys.readouterr().out for p in ["lab"])
    with pytest.raises(ValueError, match="did you mean 'timescale'"):
        spec.describe("timescales")


def test_session_paths() -> None:
    assert spec.is_session_path("/data/lab/Subjects/x/2020-01-01/001/")
    assert not spec.is_session_path("/data/lab/Subjects/x/2020-01-01")
    assert not spec.is_session_path("x y/2020-01-01/001")


def test_uuids() -> None:
    uuid = uuid4()
    for thing in (uuid, str(uuid), uuid.hex, uuid.bytes, uuid.int):
        assert spec.is_uuid(thing)
    assert not spec.is_uuid(uuid1())
    assert spec.is_uuid(uuid1(), (1,))
    for thing in (None, 1.5, "x", b"x", -1, True, [uuid]):
        assert not spec.is_uuid(thing)
    assert spec.is_uuid_string(str(uuid))
    for thing in (uuid, uuid.hex, str(UUID(int=0)), f"{{{uuid}}}", None):
        assert not spec.is_uuid_string(thing)


def test_qc() -> None:
    assert [q.name for q in sorted(spec.QC)] == ["NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL"]
    assert spec.QC.validate("fail") is spec.QC.validate(40) is spec.QC.validate("40")
    assert spec.QC.validate(spec.QC.PASS) is spec.QC.PASS
    for wrong in ("good", "", 45, "45", "²", None):
        with pytest.raises(ValueError, match="is not a valid QC"):
            spec.QC.validate(wrong)  # type: ignore[arg-type]


@given(alf.name_parts)
def test_names_that_are_made_are_valid(parts: dict[str, str]) -> None:
    assume(parts["object"].strip("_") and not parts["object"].startswith("_"))
    name = spec.to_alf(**parts)
    found = spec.parse_name(name)
    assert found
    assert (found.namespace, found.extension) == (parts["namespace"], parts["extension"])
    assert found.object == camel_case(parts["object"])
    assert spec.to_alf(**found._asdict()) == name or "_" in found.timescale + parts["attribute"]


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("spikes", "times", ".ssv"), "spikes.times.ssv"),
        (("spikes", "times", "npy", "ibl", "ephysClock"), "_ibl_spikes.times_ephysClock.npy"),
        (("spikes", "times", "npy", None, ("ephys clock", "minutes")),
         "spikes.times_ephysClock_minutes.npy"),
        (("wheel", "timestamps", "npy", "ibl", "bpod", ("raw", "v12")),
         "_ibl_wheel.timestamps_bpod.raw.v12.npy"),
        (("a", "stim on_times", "npy", None, None, "raw.v12"), "a.stimOn_times.raw.v12.npy"),
        (("channels", "_phy_ids", "csv"), "channels._phy_ids.csv"),
    ],
)  # fmt: skip
def test_names_of_parts(parts: tuple[str, ...], name: str) -> None:
    assert spec.to_alf(*parts) == name


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (("a.b", "c", "npy"), "the object is 'a.b'"),
        (("a", "c", "npy", "x_y"), "extra underscores: 'x_y'"),
        (("_a", "c", "npy"), "Objects must not start with an underscore"),
        (("", "c", "npy"), "An object and an attribute must be provided"),
        (("a", "c", "npy", None, None, "x y"), "its extra part 'x y' contains a space"),
        (("a", "c-d", "npy"), "its attribute 'c-d' contains '-'"),
        (("a", "c", "npy", None, ("x", "y.z")), "the timescale is 'y.z'"),
    ],
)
def test_parts_that_make_no_name_are_refused(parts: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        spec.to_alf(*parts)
    with pytest.raises(TypeError, match="extension"):
        spec.to_alf("a", "b", "")


def test_readable_words() -> None:
    assert spec.readableALF("sparseNoise") == "sparse noise"
    assert spec.readableALF("someROIDataset", capitalize=True) == "Some ROI dataset"
    assert spec.readableALF("") == ""

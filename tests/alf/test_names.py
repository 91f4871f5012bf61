"""Names, folders and sessions are taken apart, and anything else is refused with a reason."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fascicle.alf.names import (
    FolderParts,
    NameParts,
    SessionParts,
    is_date,
    name_problem,
    parse_folder,
    parse_name,
    parse_session,
)

from . import strategies as alf

UUID = "2622b17c-9408-4910-99cb-abf16d9225b9"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("spikes.times.npy", ("", "spikes", "times", "", "", "npy")),
        ("_ibl_trials.goCue_times.npy", ("ibl", "trials", "goCue_times", "", "", "npy")),
        ("_ibl_trials.goCue_times_bpod.csv", ("ibl", "trials", "goCue_times", "bpod", "", "csv")),
        ("spikes.times_ephysClock.raw.npy", ("", "spikes", "times", "ephysClock", "raw", "npy")),
        ("channels._phy_ids.csv", ("", "channels", "_phy_ids", "", "", "csv")),
        ("x._phy_ids_times_a_b.c.d", ("", "x", "_phy_ids_times", "a_b", "c", "d")),
        (f"a.b.{UUID}.metadata.json", ("", "a", "b", "", f"{UUID}.metadata", "json")),
        ("_spikeglx_ephysData_g0_t0.imec0.ap.cbin",
         ("spikeglx", "ephysData_g0_t0", "imec0", "", "ap", "cbin")),
        ("a.b_times.npy", ("", "a", "b_times", "", "", "npy")),
        ("a.b_timestamps.npy", ("", "a", "b", "timestamps", "", "npy")),
        ("a.b_times_.npy", ("", "a", "b", "times_", "", "npy")),
        ("a.b_timesx.npy", ("", "a", "b", "timesx", "", "npy")),
        ("a.b__.npy", ("", "a", "b", "_", "", "npy")),
        ("a_b.c.npy", ("", "a_b", "c", "", "", "npy")),
        # What starts with an underscore and has no whole namespace is all object.
        ("_foo.bar.npy", ("", "_foo", "bar", "", "", "npy")),
        ("__a__b.c.npy", ("", "__a__b", "c", "", "", "npy")),
        ("_ab_.c.npy", ("", "_ab_", "c", "", "", "npy")),
        ("_ab__.c.npy", ("ab", "_", "c", "", "", "npy")),
        ("_é_x.a.npy", ("", "_é_x", "a", "", "", "npy")),
        ("a.b..c.npy", ("", "a", "b", "", ".c", "npy")),
    ],
)  # fmt: skip
def test_parts_of_names(name: str, parts: tuple[str, ...]) -> None:
    assert parse_name(name) == NameParts(*parts)
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "it is empty"),
        ("notes.txt", "it has 2 of at least 3 parts: object.attribute.extension"),
        ("README", "it has 1 of at least 3 parts"),
        ("alf/a.b.npy", "it is a path, not a file name"),
        ("alf\\a.b.npy", "it is a path, not a file name"),
        (".DS_Store.x.y", "it starts with a period, as hidden files do"),
        ("a b.c.npy", "its object 'a b' contains a space"),
        ("a-b.c.npy", "its object 'a-b' contains '-'"),
        ("a.b-c.npy", "its attribute 'b-c' contains '-'"),
        ("a.é.npy", "its attribute 'é' has letters other than a-z"),
        ("a._b.npy", "its attribute '_b' starts with an underscore"),
        ("a.b_.npy", "its attribute 'b_' ends with an underscore"),
        ("a..npy", "its attribute is empty"),
        ("a.b.", "its extension is empty"),
        ("a.b..npy", "two periods stand between the attribute and the extension"),
        ("a.b.npy\n", r"its extension 'npy\n' contains '\n'"),
        ("a.b.c d.npy", "its extra part 'c d' contains a space"),
        ("a.b.n-y", "its extension 'n-y' contains '-'"),
        ("a.b.npy~", "its extension 'npy~' contains '~'"),
        ("a\ud800.b.npy", r"its object 'a\ud800' contains '\ud800'"),
    ],
)
def test_other_names_are_refused_with_a_reason(name: str, problem: str) -> None:
    assert parse_name(name) is None
    assert name_problem(name).startswith(problem)


@given(alf.name_parts)
@example({"namespace": "a", "object": "_", "attribute": "b", "timescale": "_",
          "extra": "", "extension": "_"})  # fmt: skip
def test_parts_make_a_name_and_the_name_gives_the_parts(parts: dict[str, str]) -> None:
    # These two could be read either way; the convention gives precedence to what is tried first.
    assume(parts["namespace"] or not re.match("_[a-zA-Z0-9]+_.", parts["object"]))
    clock = re.match("(times|intervals)(_.|$)", parts["timescale"])
    assume(not (clock and not re.search("_(times|intervals)$", parts["attribute"])))
    name = alf.join_name(parts)
    assert parse_name(name) == NameParts(**parts)
    assert name_problem(name) == ""


@given(st.text(alf.WORD + "._-", max_size=30) | st.text(max_size=20))
def test_any_text_gives_its_own_parts_or_a_reason(name: str) -> None:
    parts = parse_name(name)
    assert (parts is None) == bool(name_problem(name))
    if parts is not None:
        assert alf.join_name(parts._asdict()) == name


def check_bad_names(n: int, seed: int) -> None:
    rng = random.Random(seed)
    refused = 0
    for _ in range(n):
        name = alf.spoil(alf.random_name(rng), rng)
        parts = parse_name(name)
        if parts is None:
            refused += 1
            problem = name_problem(name)
            assert problem and problem.isprintable() and len(problem) < 200
        else:
            assert alf.join_name(parts._asdict()) == name
    assert refused > n / 2


def test_spoiled_names_get_a_clear_answer() -> None:
    check_bad_names(20_000, seed=0)


@pytest.mark.long
def test_a_million_spoiled_names_get_a_clear_answer() -> None:
    check_bad_names(1_000_000, seed=1)


@pytest.mark.parametrize(
    "text", ["a", "_", ".", "a.", "_a", "a_", "a-", "_times", "é.", "a/", "#a", "a#/"]
)
@pytest.mark.parametrize("start", ["", "a.b.", "a.b", "_a_", "a.b_times"])
@pytest.mark.parametrize("end", ["", "!", ".npy", ".npy\n"])
def test_long_texts_take_linear_time(start: str, text: str, end: str) -> None:
    """With expressions that go back over what they took this would run for years."""
    name = start + text * 50_000 + end
    assert (parse_name(name) is None) == bool(name_problem(name))
    parse_folder(name)
    parse_session(name)


@pytest.mark.parametrize(
    ("folder", "parts"),
    [
        ("", ("", "")),
        ("alf", ("alf", "")),
        ("alf/probe00/#2024-05-06#", ("alf/probe00", "2024-05-06")),
        ("#v1.0.0#", ("", "v1.0.0")),
        ("alf/.hidden/..x", ("alf/.hidden/..x", "")),
    ],
)
def test_parts_of_folders(folder: str, parts: tuple[str, str]) -> None:
    assert parse_folder(folder) == FolderParts(*parts)


@pytest.mark.parametrize(
    "folder",
    ["/alf", "alf/", "a//b", "/", ".", "..", "alf/..", "../alf", "a/./b", "a b", "a#b#", "#a",
     "##", "#a#/", "#a#/b", "a/#b#/c", "#a#/#b#", "a\\b", "alf\n", "#a#\n"],
)  # fmt: skip
def test_other_folders_are_refused(folder: str) -> None:
    assert parse_folder(folder) is None


@given(alf.folder_parts)
def test_folder_parts_come_back(parts: dict[str, str]) -> None:
    assert parse_folder(alf.join_folder(parts)) == FolderParts(**parts)


@given(st.text("ab.#/- ", max_size=12))
def test_any_folder_gives_its_own_parts_or_none(folder: str) -> None:
    parts = parse_folder(folder)
    if parts is not None:
        assert alf.join_folder(parts._asdict()) == folder


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001",
         ("zadorlab", "CSH_ZAD_003", "2019-08-11", "001")),
        ("Subjects/x/2020-01-01/1", ("", "x", "2020-01-01", "1")),
        ("NYU-01.b/2020-02-29/010", ("", "NYU-01.b", "2020-02-29", "010")),
        ("Subjects/2020-02-29/010", ("", "Subjects", "2020-02-29", "010")),
    ],
)  # fmt: skip
def test_parts_of_sessions(path: str, parts: tuple[str, ...]) -> None:
    assert parse_session(path) == SessionParts(*parts)


@pytest.mark.parametrize(
    "path",
    ["", "x", "x/2020-01-01", "2020-01-01/001", "x/2019-02-29/001", "x/2020-13-01/001",
     "x/0000-01-01/001", "x/2020-01-01/1234", "x/2020-01-01/", "/x/2020-01-01/001",
     "x/2020-01-01/001/", "x/2020-01-01/001/alf", "x y/2020-01-01/001", "../2020-01-01/001",
     "a-b/Subjects/x/2020-01-01/001", "lab/x/2020-01-01/001", "x/2020-1-1/001",
     "x/2020-01-01/²", "x/2020-01-01/٠٠١", "x/٢٠٢٠-01-01/001", "x/2020-01-01/001\n"],
)  # fmt: skip
def test_other_sessions_are_refused(path: str) -> None:
    assert parse_session(path) is None


@given(alf.session_parts)
def test_session_parts_come_back(parts: dict[str, str]) -> None:
    assert parse_session(alf.join_session(parts)) == SessionParts(**parts)


def test_a_date_is_written_in_one_way() -> None:
    assert is_date("2020-02-29")
    for text in ["2019-02-29", "20200229", "2020-W01-1", "2020-2-9", "", "2020-02-2²"]:
        assert not is_date(text)

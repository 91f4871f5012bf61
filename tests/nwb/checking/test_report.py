"""Reports: what they say, as text, as JSON, as HTML, and through processes."""

from __future__ import annotations

import html.parser
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from fascicle.errors import BadFileError, ConfigurationError, ConversionError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.checking import CHECKS, Check, Finding, chosen
from fascicle.nwb.report import Report, Taken, beside, how, refuse_if_bad
from fascicle.nwb.writing.draft import Note


@pytest.fixture
def report() -> Report:
    inspect = Check(
        "inspect",
        [
            Finding("suggestion", "/trials", "make it boolean"),
            Finding("violation", "/x", "<no> unit"),
        ],
        85,
        "85 rules",
        1.5,
        0.5,
    )
    inspect.sort()
    return Report(
        session="lab/Subjects/Škoda/2024-01-02/001",
        eid="5c6ea8ae-46d8-3bd4-a634-e881dd90b7ad",
        archive="lab",
        file="/out/sub-S/sub-S_ses-5c.nwb",
        took=[Taken("alf/a.b.npy", "units", ("depth",), "ALF = 1e-06 × file", "<f8", "md5:0")],
        left_out={f"alf/x.y{i}.npy": "nobody wants it" for i in range(9)},
        others=["alf/#2020#/a.b.npy"],
        notes=[
            Note("warning", "alf/a.b.npy", "two rows\nare missing"),
            Note("info", "", "made up"),
        ],
        problems=["subject.sex: is missing"],
        checks=[Check("readback", [], 1, "all values of 1 dataset", 0.1, 0.1), inspect],
        sizes={"source": 10, "file": 2_000_000},
        seconds={"build": 1.25, "total": 2.0},
        versions={"fascicle": "0"},
    )


def test_what_it_says(report: Report) -> None:
    assert not report.ok
    assert [f.level for f in report.findings] == ["violation", "suggestion"]
    assert [n.text for n in report.warnings] == ["two rows\nare missing"]
    text = str(report)
    assert text.splitlines()[0] == report.headline
    for said in (
        "sub-S_ses-5c.nwb: 1 datasets, 2.0 MB, 9 left out, 1 warnings: 1 findings",
        "inspect: 85 rules: 1 violation, 1 suggestion (2 s)",
        "violation: /x: <no> unit",
        "alf/a.b.npy: two rows are missing",
        "alf/a.b.npy -> /units: depth (ALF = 1e-06 × file)",
        "left out (9)",
        "and 4 more",
        "subject.sex: is missing",
    ):
        assert said in text
    assert "and 4 more" not in "\n".join(report.lines(shown=None))
    found = report.check("inspect")
    assert found is not None and not found.ok
    found.findings = found.at("suggestion")
    assert report.ok and "ok (readback, inspect)" in report.headline
    assert "unchecked" in Report(file="x.nwb").headline
    assert "no file: because" in Report(session="s", error="because\nof that").headline


def test_there_and_back(report: Report, tmp_path: Path) -> None:
    report.file = str(tmp_path / "sub-S_ses-5c.nwb")
    saved = report.write()
    assert saved == tmp_path / "sub-S_ses-5c.report.json" == beside(report.file)
    assert json.loads(saved.read_text("utf-8"))["ok"] is False
    for place in (saved, report.file):
        assert Report.read(place) == report
    assert pickle.loads(pickle.dumps(report)) == report
    assert [p.name for p in tmp_path.iterdir()] == [saved.name]
    other = tmp_path / "elsewhere.json"
    assert report.write(other) == other


def test_what_is_none(tmp_path: Path, report: Report) -> None:
    place = tmp_path / "a.report.json"
    given = report.to_dict()
    for text in ("", "[]", "{}", '{"format": "other"}', json.dumps({**given, "took": 3})):
        place.write_text(text)
        with pytest.raises(BadFileError):
            Report.read(place)
    with pytest.raises(FileNotFoundError):
        Report.read(tmp_path / "none.nwb")


def test_a_failed_write_leaves_what_was_there(report: Report, tmp_path: Path) -> None:
    place = report.write(tmp_path / "a.json")
    before = place.read_bytes()
    report.sizes["file"] = object()  # type: ignore[assignment]
    with pytest.raises(TypeError):
        report.write(place)
    assert place.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


class _Closed(html.parser.HTMLParser):
    """Follows that each tag is closed, and what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [name for name, _ in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html(report: Report, tmp_path: Path) -> None:
    report.notes.append(Note("warning", "<script>", "<b>&"))
    place = report.write_html(tmp_path / "r.html")
    for text in (place.read_text("utf-8"), report._repr_html_()):
        page = _Closed()
        page.feed(text)
        assert not page.open and not page.fetched
        assert "&lt;script&gt;" in text and "&lt;no&gt; unit" in text and "<script>" not in text
    assert place.read_text("utf-8").startswith("<!doctype html>")


def test_what_refuses_a_file(report: Report) -> None:
    def bad(level: str) -> Report:
        report.error = ""
        report.checks = [Check("readback", [Finding(level, "alf/a.npy", "it is off")])]
        return report

    refused = {
        "mismatch": {"mismatch"},
        "critical": {"mismatch", "invalid", "critical"},
        "violation": {"mismatch", "invalid", "critical", "violation"},
    }
    for refuse, levels in refused.items():
        for level in ("mismatch", "invalid", "critical", "violation", "suggestion"):
            if level not in levels:
                refuse_if_bad(bad(level), refuse=refuse)
                assert not report.error
                continue
            with pytest.raises(ConversionError, match=r"alf/a\.npy: it is off") as caught:
                refuse_if_bad(bad(level), refuse=refuse)
            assert caught.value.report is report and report.error and not report.ok
            assert ("refuse='mismatch'" in caught.value.hint) == (level != "mismatch")
    with pytest.raises(ConfigurationError, match="refuse"):
        refuse_if_bad(report, refuse="nothing")


def test_a_refusal_comes_out_of_a_worker_with_its_report() -> None:
    report = Report(session="s", checks=[Check("readback", [Finding("mismatch", "a", "b")])])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool, pytest.raises(ConversionError) as caught:
        pool.submit(refuse_if_bad, report).result()
    assert caught.value.report.check("readback").findings[0].where == "a"


def test_which_checks() -> None:
    assert chosen(True) == CHECKS
    assert chosen(False) == chosen(()) == ()
    assert chosen("inspect") == ("inspect",)
    assert chosen(["layout", "readback"]) == ("readback", "layout")
    with pytest.raises(ConfigurationError, match="readbak") as caught:
        chosen(["readbak"])
    assert "readback" in caught.value.hint


def test_how_values_were_made() -> None:
    assert how(Value("unit", "units", ("depth",))) == ""
    assert how(Value("unit", "units", ("a",), factor=1e-6)) == "ALF = 1e-06 × file"
    assert how(Value("unit", "units", ("a",), offset=-2.0)) == "ALF = file -2"
    assert (
        how(Value("row", "t", ("c",), rule="contrast", words={"a": 1})) == "by contrast, as words"
    )

"""What a document has to say before a conversion, and how: each rule names its field."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from fascicle.errors import MetadataError
from fascicle.nwb.metadata import Problem, SessionMetadata

from .test_document import full


def changed(**fields: Any) -> SessionMetadata:
    """Return a full document with fields changed: ``session__timezone="UTC"``."""
    metadata = full()
    for name, value in fields.items():
        section, _, field = name.partition("__")
        metadata[section][field] = value
    return metadata


def found(metadata: SessionMetadata) -> dict[str, Problem]:
    """Return the problems by field, the worst of each."""
    return {problem.field: problem for problem in reversed(metadata.problems())}


@pytest.mark.parametrize(
    "field",
    [
        "session.session_description",
        "session.start_time",
        "session.timezone",
        "subject.subject_id",
        "subject.species",
        "subject.sex",
    ],
)
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_what_is_needed_is_asked_for(field: str, empty: str | None) -> None:
    section, _, name = field.partition(".")
    metadata = full()
    metadata[section][name] = empty
    if name == "species" and empty == "  ":
        return  # no binomial
    if name == "sex" and empty == "  ":
        return  # none of the four
    assert found(metadata)[field].severity == "ask"
    with pytest.raises(MetadataError, match=field):
        metadata.validate()


def test_age_or_date_of_birth_is_needed() -> None:
    assert found(changed(subject__age=None)) == {}
    assert found(changed(subject__date_of_birth=None)) == {}
    asked = found(changed(subject__age=None, subject__date_of_birth=None))
    assert asked["subject.age"].severity == "ask"


WRONG: list[tuple[str, Any, str, str]] = [
    # -- times
    ("session.timezone", "Europe/Atlantis", "error", "no time zone of the IANA"),
    ("session.timezone", 3, "error", "3 is no text"),
    ("session.start_time", "yesterday", "error", "no time of ISO 8601, e.g. 2023"),
    ("session.start_time", "2023-13-01T10:00:00", "error", "no time of ISO 8601"),
    ("session.start_time", "2023-10-19", "error", "no time of ISO 8601"),
    ("session.start_time", "2023-03-26T01:30:00", "error", "does not exist in Europe/London"),
    ("session.start_time", "2023-10-29T01:30:00", "ask", "was twice in Europe/London"),
    ("session.start_time", "2023-10-19T10:02:11+05:00", "error", "write 2023-10-19T06:02:11"),
    ("session.start_time", "2023-10-19T09:02:11Z", "error", "write 2023-10-19T10:02:11"),
    ("session.start_time", "2223-10-19T10:02:11", "error", "in the future"),
    ("session.start_time", "1723-10-19T10:02:11", "error", "before there were"),
    ("session.end_time", "2023-10-19T10:02:10", "error", "before the session began"),
    ("session.end_time", "noon", "error", "no time of ISO 8601"),
    # -- the session
    ("session.session_id", "a/b", "error", "slash"),
    ("session.session_id", None, "advice", "no id"),
    ("session.experimenter", "Doe, Jane", "error", "is no list"),
    ("session.experimenter[0]", ["Jane Doe"], "error", "'Jane Doe' is not in the form"),
    ("session.experimenter[1]", ["Doe, Jane", "jane"], "error", "(last name, first name)"),
    ("session.experimenter[0]", [3], "error", "3 is no text"),
    ("session.experimenter", [], "advice", "nobody is named"),
    ("session.experimenter", ["Doe, Jane", "Doe, Jane"], "error", "there twice"),
    ("session.keywords", [], "advice", "none"),
    ("session.keywords", ["a", "a"], "error", "there twice"),
    ("session.keywords[0]", [""], "error", "empty"),
    ("session.institution", None, "advice", "not named"),
    ("session.lab", None, "advice", "not named"),
    ("session.number", "one", "error", '"one" is no whole number'),
    ("session.extended_qc", [], "error", "is no mapping"),
    ("session.tiemzone", "x", "error", "did you mean 'timezone'"),
    # -- the animal
    ("subject.subject_id", "a/b", "error", "write 'a-b'"),
    ("subject.species", "Laboratory mouse", "ask", "write Mus musculus"),
    ("subject.species", "Laboratory unicorn", "ask", "no binomial"),
    ("subject.species", "mus musculus", "ask", "write Mus musculus"),
    ("subject.sex", "male", "error", "write M"),
    ("subject.sex", "X", "error", "none of M, F, U"),
    ("subject.age", "P30", "error", "'P30' is no ISO 8601 duration, e.g. P90D"),
    ("subject.age", "30 weeks", "error", "no ISO 8601 duration"),
    ("subject.age", "P100D", "error", "are 219 days, write P219D"),
    ("subject.age", "P30W", "error", "write P219D"),
    ("subject.age", "P300D/P200D", "error", "ends before it begins"),
    ("subject.age", "P300D/soon", "error", "no ISO 8601 duration"),
    ("subject.age", "P3000Y", "error", "older than any animal"),
    ("subject.date_of_birth", "14/03/2023", "error", "no date, e.g. 2023-03-14"),
    ("subject.date_of_birth", "2023-02-30", "error", "no date"),
    ("subject.date_of_birth", "2023-10-20", "error", "after the session"),
    ("subject.date_of_birth", "1023-10-20", "error", "years before the session"),
    ("subject.date_of_birth", "2223-10-20", "error", "in the future"),
    ("subject.weight", "21.3", "error", "no weight with its unit, e.g. 21.3 g"),
    ("subject.weight", "21.3g", "error", "no weight with its unit"),
    ("subject.weight", "heavy", "error", "no weight"),
    ("subject.weight", "0 g", "error", "weighs nothing"),
    ("subject.weight", 21.3, "error", "21.3 is no text"),
    ("subject.weight", None, "advice", "not known"),
    ("subject.more", [], "error", "is no mapping"),
    ("session.session_description", "a\0b", "error", "NUL"),
    ("session.keywords", ["a", "b\0"], "error", "NUL"),
]


@pytest.mark.parametrize(("field", "value", "severity", "said"), WRONG)
def test_each_rule_names_its_field(field: str, value: Any, severity: str, said: str) -> None:
    section, _, name = field.partition(".")
    metadata = full()
    metadata[section][name.partition("[")[0]] = value
    problem = found(metadata)[field]
    assert said in str(problem)
    assert problem.severity == severity
    if severity == "advice":
        metadata.validate()
    else:
        with pytest.raises(MetadataError) as caught:
            metadata.validate()
        assert f"\n  {problem}" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session.start_time", "2023-10-19T10:02"),
        ("session.start_time", "2023-10-19 10:02:11.123456"),
        ("session.start_time", "2023-10-19T10:02:11+01:00"),
        ("session.timezone", "UTC"),  # somebody wrote it
        ("session.end_time", "2023-10-19T11:00:00"),
        ("session.experimenter", ["O'Neil-Smith Jr., Anne Marie", "Ångström, Søren"]),
        ("subject.age", "P31W"),
        ("subject.age", "P200D/P230D"),
        ("subject.age", "P200D/"),
        ("subject.age", "P7M"),
        ("subject.species", "Peromyscus leucopus"),
        ("subject.species", "http://purl.obolibrary.org/obo/NCBITaxon_10090"),
        ("subject.sex", "O"),
        ("subject.weight", "0.0213 kg"),
    ],
)
def test_what_is_right(field: str, value: Any) -> None:
    section, _, name = field.partition(".")
    metadata = full()
    metadata[section][name] = value
    assert metadata.problems() == []


def test_an_hour_that_was_twice_is_told_apart_by_its_offset() -> None:
    metadata = changed(
        session__start_time="2023-10-29T01:50:00+01:00",
        session__end_time="2023-10-29T01:10:00+00:00",  # 20 minutes later
        subject__age=None,
    )
    metadata.source["session"] = None
    assert metadata.problems() == []
    assert metadata.start.isoformat() == "2023-10-29T01:50:00+01:00"
    metadata.session["end_time"] = "2023-10-29T01:40:00+01:00"
    assert "before the session began" in found(metadata)["session.end_time"].text
    metadata.session["start_time"] = "2023-10-29T01:50:00"
    asked = found(metadata)["session.start_time"]
    assert "2023-10-29T01:50:00+01:00 or 2023-10-29T01:50:00+00:00" in asked.hint
    with pytest.raises(MetadataError, match="was twice"):
        _ = metadata.start


def test_the_start_is_a_moment() -> None:
    assert full().start.isoformat() == "2023-10-19T10:02:11+01:00"
    with pytest.raises(MetadataError, match=r"session\.timezone"):
        _ = changed(session__timezone=None).start
    with pytest.raises(MetadataError, match=r"session\.start_time"):
        _ = changed(session__start_time="soon").start


def test_dates_may_be_set_as_such() -> None:
    metadata = changed(
        session__start_time=datetime(2023, 10, 19, 10, 2, 11),
        subject__date_of_birth=date(2023, 3, 14),
    )
    assert metadata.problems() == []
    assert metadata.start == full().start


def test_users_are_named_where_nobody_else_is() -> None:
    metadata = changed(session__experimenter=[], session__users=["maxwell"])
    problem = found(metadata)["session.experimenter"]
    assert "users alone: maxwell" in problem.text
    assert not problem.stops
    metadata.session.update(experimenter=["Doe, Jane"], users=["jane", "maxwell"])
    problem = found(metadata)["session.experimenter"]
    assert "not all are named of the users jane, maxwell" in problem.text
    assert not problem.stops
    metadata.session["users"] = ["jane"]
    assert metadata.problems() == []


def test_the_folder_may_say_another_day() -> None:
    metadata = changed(session__start_time="2023-10-20T00:02:11", subject__age=None)
    problem = found(metadata)["session.start_time"]
    assert "its folder says another day: lab/Subjects/m/2023-10-19/001" in problem.text
    assert not problem.stops


def test_a_birth_tomorrow_is_in_the_future() -> None:
    tomorrow = date.today() + timedelta(1)
    metadata = changed(subject__date_of_birth=tomorrow.isoformat())
    assert "future" in found(metadata)["subject.date_of_birth"].text
    metadata = changed(session__start_time=(datetime.now() + timedelta(2)).isoformat())
    metadata.subject["age"] = None
    assert "future" in found(metadata)["session.start_time"].text


@pytest.mark.parametrize(
    ("probes", "field", "said"),
    [
        ([{"label": "a"}, {"label": "a"}], "probes[1].label", "there twice"),
        ([{"label": None}], "probes[0].label", "needs one"),
        ([{"label": "a/b"}], "probes[0].label", "slash"),
        ([{"label": "a", "x": 1}], "probes[0].x", "no such field"),
        ([{"label": "a", "trajectories": [{"x": "far"}]}], "probes[0].trajectories[0].x", "no num"),
        ([{"label": "a", "trajectories": [{"w": 1}]}], "probes[0].trajectories[0].w", "no such"),
    ],
)
def test_probes(probes: list[dict[str, Any]], field: str, said: str) -> None:
    metadata = full()
    metadata["probes"] = probes
    assert said in str(found(metadata)[field])


def test_objects() -> None:
    metadata = full()
    entry = metadata.objects[0]
    entry.items.append(entry.items[0])
    entry.items[0].dtype = "float3"
    problems = found(metadata)
    assert "no type of numbers" in problems["objects[0].items[0].dtype"].text
    assert "there twice" in problems["objects[0].items[1].name"].text
    metadata = full()
    metadata.objects[0].type = "Trials"
    problem = found(metadata)["objects[0].type"]
    assert "'Trials'" in problem.text
    assert metadata.copy().objects[0].part in problem.text
    metadata = full()
    metadata["objects"] = [*metadata.objects, *metadata.objects]
    assert "there twice" in found(metadata)["objects[1].nwb"].text
    metadata.objects[1] = metadata.copy().objects[1]
    metadata.objects[1].on = False
    assert metadata.problems() == []
    metadata.objects[0].part = "trails"
    assert "did you mean 'trials'" in found(metadata)["objects[0].part"].hint
    metadata.objects[0].nwb = "/units"
    assert "no path" in found(metadata)["objects[0].nwb"].text


def test_the_worst_comes_first() -> None:
    metadata = changed(subject__sex=None, session__lab=None, subject__weight="heavy")
    severities = [problem.severity for problem in metadata.problems()]
    assert severities == ["error", "ask", "advice"]
    with pytest.raises(MetadataError) as caught:
        metadata.validate()
    assert "session.lab" not in str(caught.value)
    assert "metadata of lab/Subjects/m/2023-10-19/001 are not complete" in str(caught.value)


ODD: list[Any] = [3, 0, -1.5, True, "x", "", [], [3], [None], [[1]], ["", "x"], {}, {"a": 1}, None]


@pytest.mark.parametrize("section", ["source", "session", "subject", "probe", "track"])
def test_whatever_stands_there_is_a_problem_and_no_crash(section: str) -> None:
    def held(metadata: SessionMetadata) -> dict[str, Any]:
        probe = metadata.probes[0]
        track: dict[str, Any] = probe["trajectories"][0]
        if section in ("probe", "track"):
            return probe if section == "probe" else track
        found: dict[str, Any] = metadata[section]
        return found

    for name in held(full()):
        for value in ODD:
            metadata = full()
            held(metadata)[name] = value
            for problem in metadata.problems():
                assert problem.field
                assert problem.text
            with suppress(MetadataError):
                metadata.validate()
                assert metadata.start
            assert metadata._repr_html_()
            assert repr(metadata)

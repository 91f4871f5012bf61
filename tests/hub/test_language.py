"""The query language of ``django=``: what it finds, what it refuses, and that it only reads."""

from __future__ import annotations

import ast
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fascicle.errors import SearchTermError
from fascicle.hub.rest.language import MOST_TERMS, Number, parse, split
from fascicle.hub.rest.patterns import LONGEST, compiled

from .world import run_endless

REST = Path(__file__).parents[2] / "src/fascicle/hub/rest"
FORBIDDEN = ("password", "token", "digest", "email", "last_login", "loginfailure", "permission")

# -- the text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " "])
def test_nothing_is_no_condition(text: str) -> None:
    assert parse(text) == []


def test_fields_and_values_come_in_pairs() -> None:
    one, two = parse("subject__nickname,KS020,~number__in,[1, 2]")
    assert (one.names, one.value, one.turned) == (("subject", "nickname"), "KS020", False)
    assert (two.names, two.value, two.turned) == (("number", "in"), ["1", "2"], True)
    assert isinstance(two.value[0], Number)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("('a',)", ["a"]),  # as ONE sends one id
        ("['a', \"b\"]", ["a", "b"]),
        ("['a,b', 'it\\'s']", ["a,b", "it's"]),
        ("[None, True, false, -1.5e3]", [None, True, False, "-1.5e3"]),
        ("[[1, 2], (3,)]", [["1", "2"], ["3"]]),
        ("[]", []),
        ("[ ]", []),
        ("[']']", ["]"]),
    ],
)
def test_lists_are_of_literals(raw: str, value: Any) -> None:
    assert parse(f"x__in,{raw}")[0].value == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "pairs"),
        ("a,1,", "pairs"),
        ("a,1,a,2", "twice"),
        ("a__in,[b, c]", "quoted"),
        ("a__in,['b'", "closed"),
        ("a__in,['b]", "closed"),
        ("a__in,['b' 'c']", "comma"),
        ("a__in,[1]x", "follows"),
        ("a__in,[__import__('os')]", "quoted"),
        ("a__in,[1+1]", "comma"),
        ("a__in,[(lambda: 1)()]", "quoted"),
        ("a__in,['\\x41']", "escape"),
        ("a,\ud800", "half a character"),
        (",1", "no field"),
        ("~,1", "no field"),
        ("a____b,1", "no field"),
        ("1+1,2", "no field"),
        ("a(),1", "no field"),
        ("a__in," + "[" * 50 + "]" * 50, "deeper"),
        (",".join(f"a{i},1" for i in range(MOST_TERMS + 1)), "more than"),
    ],
)
def test_what_is_malformed_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(SearchTermError, match=said) as caught:
        parse(text)
    assert "field,value" in caught.value.hint


def test_commas_in_brackets_do_not_part() -> None:
    assert split("a,[1,2],b,(3,4)") == ["a", "[1,2]", "b", "(3,4)"]


def test_a_pattern_keeps_its_brackets() -> None:
    assert parse("name__regex,[ab]")[0].value == "[ab]"


def test_nothing_here_evaluates() -> None:
    for path in REST.rglob("*.py"):
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert not names & {"eval", "exec", "compile", "literal_eval", "__import__"}, path


# -- patterns --------------------------------------------------------------------------------------

_PIECE = st.sampled_from(
    [
        "a",
        "b",
        "A",
        ".",
        "[ab]",
        "[^a]",
        r"\d",
        r"\W",
        "1",
        "(a|b)",
        "(?:ab|)",
        "[a-c_]",
        r"\.",
        " ",
    ]
)
_TIMES = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "*?", "{0,}"])
_PATTERN = st.lists(st.tuples(_PIECE, _TIMES), min_size=1, max_size=6).map(
    lambda pairs: "".join(piece + times for piece, times in pairs)
)


@given(_PATTERN, st.booleans(), st.booleans(), st.text("aAbB1._ c", max_size=10), st.booleans())
@settings(max_examples=400, deadline=None)
def test_patterns_find_what_pythons_find(
    pattern: str, begin: bool, end: bool, text: str, ignore: bool
) -> None:
    import re

    ours = f"{'^' * begin}{pattern}{'$' * end}"
    python = f"{'^' * begin}{pattern}{chr(92) + 'Z' if end else ''}"
    expected = re.search(python, text, re.IGNORECASE if ignore else 0) is not None
    assert bool(compiled(ours, ignore).search(text)) is expected


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*)*x{200}", "((a?){50}a{50})+$", "(.*a){12}(.{0,150}b){3}c"],
)
def test_no_pattern_runs_long(pattern: str) -> None:
    began = time.perf_counter()
    compiled(pattern).search("a" * 5000 + "!")
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "[", "a**", "*a", "(?=a)", "(?!a)", "(?<!a)b", r"(a)\1", r"\b", "a{300}",
     "a{2,1}", "^*", "(+)", "a|?", "{2}", "[b-a]", "\\", "((a{200}){200}){200}", r"\A", r"\pL",
     "a" * (LONGEST + 1)],
)  # fmt: skip
def test_patterns_that_are_none_or_too_large_are_refused(pattern: str) -> None:
    with pytest.raises(SearchTermError):
        compiled(pattern)


# -- what it finds ---------------------------------------------------------------------------------


@pytest.fixture
def lab(tables: Any, few_rounds: None) -> Any:
    """Return the models, with two sessions."""
    from fascicle.hub import models as m

    lab = m.Lab.objects.create(name="lab1")
    user = m.LabMember.objects.create_user("Ann", "ann@x.org", "hidden-1234")
    subject = m.Subject.objects.create(nickname="S1", lab=lab)
    one, _ = (
        m.Session.objects.create(
            subject=subject,
            lab=lab,
            number=n,
            start_time=datetime(2020 + n, 3, 4, 5),
            task_protocol=task,
            extended_qc=qc,
            qc=n * 30,
        )
        for n, task, qc in (
            (0, "Habituation_100%", {"x": 1.0, "y": "text", "deep": {"k": [1, 2]}, "null": None}),
            (1, "training", {"x": 2, "flag": True}),
        )
    )
    one.users.add(user)
    tag = m.Tag.objects.create(name="t1")
    for name, collection in (("spikes.times.npy", "alf/probe00"), ("wheel.position.npy", "alf")):
        dataset = m.Dataset.objects.create(name=name, collection=collection, session=one)
        dataset.tags.add(tag)
    m.ProbeInsertion.objects.create(session=one, name="probe00", serial="1919000000")
    return m


def found(model: Any, text: str) -> int:
    from fascicle.hub.rest.conditions import to_query

    rows = model.objects.filter(*to_query(model, text))
    assert len(rows) == len({row.pk for row in rows})
    return len(rows)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 2),
        ("number,0", 1),
        ("number,0.0", 1),
        ("number,0.5", 0),
        ("number__gt,-0.5", 2),
        ("number__lt,0.5", 1),
        ("number__in,[0, 1, 7]", 2),
        ("number__in,[]", 0),
        ("~number__in,[]", 2),
        ("qc,NOT_SET", 1),
        ("qc,30", 1),
        ("qc,warning", 1),
        ("qc__in,['WARNING', 0]", 2),
        ("qc__lt,WARNING", 1),
        ("subject__nickname,S1", 2),
        ("subject__nickname,s1", 0),
        ("subject__nickname__iexact,s1", 2),
        ("task_protocol__contains,Habit", 1),
        ("task_protocol__contains,habit", 0),
        ("task_protocol__icontains,habit", 1),
        ("task_protocol__startswith,t", 1),
        ("task_protocol__startswith,T", 0),
        ("task_protocol__endswith,100%", 1),
        ("task_protocol__endswith,_%", 0),
        ("task_protocol__contains,%", 1),
        ("task_protocol__endswith,", 2),
        ("task_protocol__regex,^[a-z]+$", 1),
        ("task_protocol__iregex,^[a-z]+", 2),
        ("task_protocol__regex,(?i)^HABIT", 1),
        ("start_time__date,2020-03-04", 1),
        ("start_time__date__gte,2021-01-01", 1),
        ("start_time__gte,2021-01-01", 1),
        ("start_time__lt,2021-01-01T00:00:00+02:00", 1),
        ("start_time__year,2020", 1),
        ("start_time__month__in,[3, 4]", 2),
        ("start_time__week_day,4", 1),
        ("start_time__hour__gte,5", 2),
        ("start_time__range,['2020-01-01', '2020-12-31']", 1),
        ("start_time__date__range,('2020-01-01', '2021-12-31')", 2),
        ("date,2020-03-04", 1),
        ("end_time,None", 2),
        ("~end_time,2020-01-01", 2),  # what has no value is not among those left out
        ("end_time__isnull,True", 2),
        ("end_time__isnull,0", 2),
        ("extended_qc__x,1", 1),
        ("extended_qc__x,1.0", 1),
        ("extended_qc__x__gt,1.5", 1),
        ("extended_qc__x__in,[1, 2]", 2),
        ("~extended_qc__x,1", 1),
        ("~extended_qc__y,text", 1),
        ("~extended_qc__nothing,1", 2),
        ("extended_qc__flag,True", 1),
        ("extended_qc__y,text", 1),
        ("extended_qc__y__contains,ex", 1),
        ("extended_qc__y__contains,EX", 0),
        ("extended_qc__y__icontains,EX", 1),
        ("extended_qc__y__gt,0", 0),  # text is no number
        ("extended_qc__y__regex,^te.t$", 1),
        ("extended_qc__null,None", 1),
        ("extended_qc__has_key,y", 1),
        ("extended_qc__deep__k__0,1", 1),
        ("extended_qc__deep__has_key,k", 1),
        ("extended_qc__y__isnull,True", 1),
        ("json,None", 2),
        ("users__username,Ann", 1),
        ("~users__username,Ann", 1),
        ("users,None", 1),
        ("lab__name__in,['lab1', 'lab2']", 2),
        ("probe_insertion__serial,1919000000", 1),
        ("probe_insertion__serial__in,[1919000000]", 1),
        ("data_dataset_session_related__tags__name,t1", 1),
        # each for itself: another dataset may meet each
        ("data_dataset_session_related__name,spikes.times.npy,"
         "data_dataset_session_related__collection,alf", 1),
    ],
)  # fmt: skip
def test_what_it_finds_among_sessions(lab: Any, text: str, count: int) -> None:
    expected = {"end_time__isnull,0": 0}.get(text, count)
    assert found(lab.Session, text) == expected


def test_ids_as_clients_send_them(lab: Any) -> None:
    eid = lab.Session.objects.get(number=0).pk
    sid = lab.Subject.objects.get().pk
    for text in (f"pk,{eid}", f"id,{eid.hex}", f"pk__in,('{eid}',)", f"id__in,['{eid}', '{eid}']"):
        assert found(lab.Session, text) == 1
    assert found(lab.Session, f"subject,{sid}") == 2
    assert found(lab.Session, f"subject_id,{sid},pk,http://x/sessions/{eid}") == 1


def test_relations_of_other_tables(lab: Any) -> None:
    assert found(lab.Lab, "session__data_dataset_session_related__tags__name,t1") == 1
    assert found(lab.Lab, "session__number__gte,0") == 1
    assert found(lab.BrainRegion, "parent__acronym,TH") > 1
    assert found(lab.BrainRegion, "pk__in,[549, 997]") == 2
    assert found(lab.TrajectoryEstimate, "provenance,Histology track") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nofield,1", "Choices are: .*subject"),
        ("subject__nofield,1", "Choices are: .*nickname"),
        ("users__password,x", "Choices are"),
        ("users__password__startswith,pbkdf2", "Choices are"),
        ("users__email,x", "Choices are"),
        ("users__last_login__gt,2020-01-01", "Choices are"),
        ("users__is_superuser,True", "Choices are"),
        ("users__tokens__digest,x", "Choices are"),
        ("users__groups__name,x", "Choices are"),
        ("users__user_permissions__codename,x", "Choices are"),
        ("users__allowed_users__username,x", "Choices are"),
        ("subject__responsible_user__password__contains,a", "Choices are"),
        ("users__logentry__object_repr,x", "Choices are"),
        ("number,abc", "number is expected"),
        ("number," + "9" * 30, "too large"),
        ("number,1e999", "too large"),
        ("number,nan", "number is expected"),
        ("number__contains,1", "it has|cannot be asked"),
        ("qc,GOOD", "WARNING|warning"),
        ("pk,foo", "UUID"),
        ("pk__in,['foo']", "UUID"),
        ("number,[1]", "a list is for"),
        ("number__range,[1]", "two values"),
        ("number__isnull,maybe", "True or False"),
        ("number__gt,None", "neither smaller"),
        ("start_time,yesterday", "time is expected"),
        ("start_time__date,2020-02-30", "day is expected"),
        ("start_time__year,99999", "1 to 9998"),
        ("start_time__foo,1", "cannot be asked"),
        ("task_protocol__regex,*", "cannot be used"),
        ("task_protocol__regex," + "a" * 201, "200"),
        ("extended_qc__gt,1", "write extended_qc__key__gt"),
        ("extended_qc__x__gt,None", "neither smaller"),
        ("subject__lab__subjects__lab__subjects__lab__subjects__lab__name,x", "too many relations"),
    ],
)
def test_what_it_refuses_names_what_is_allowed(lab: Any, text: str, said: str) -> None:
    from fascicle.hub.rest.conditions import to_query

    with pytest.raises(SearchTermError, match=said) as caught:
        to_query(lab.Session, text)
    assert len(str(caught.value)) < 2000


def test_every_name_that_may_be_asked_is_there_and_none_is_secret(tables: Any) -> None:
    from django.apps import apps

    from fascicle.hub.rest.reachable import REACHABLE

    for table, listed in REACHABLE.items():
        model = apps.get_model("hub", table)
        for name in listed.split():
            field = model._meta.get_field(name)
            assert name not in ("password", "email", "last_login", "tokens", "groups")
            if field.is_relation:
                assert field.related_model.__name__ in REACHABLE, (table, name)
    for secret in ("Token", "LoginFailure", "Setting", "SessionChange"):
        assert secret not in REACHABLE


# -- fuzzing ---------------------------------------------------------------------------------------

CANARY = "/tmp/fascicle-language-canary"
_WORDS = """
subject lab users session name nickname number qc json extended_qc pk id start_time date year in
exact iexact contains regex iregex gt lte range isnull has_key data_dataset_session_related tags
probe_insertion trajectory_estimate channels brain_region parent acronym file_records
data_repository projects username serial collection password tokens digest email groups
user_permissions last_login is_superuser logentry _meta __class__ objects of_kind 0 x
"""
_NAMES = st.sampled_from(_WORDS.split())
_FIELD = st.one_of(
    st.lists(_NAMES, min_size=1, max_size=7).map("__".join),
    st.text(max_size=20),
).flatmap(lambda name: st.sampled_from([name, f"~{name}"]))
_VALUE = st.one_of(
    st.sampled_from(
        [
            "None", "True", "false", "1", "1.5", "-3", "1e400", "nan", "inf", "9" * 40, "", "PASS",
            "2020-01-01", "2020-13-45", "0000-00-00", "2020-01-01T00:00:00+99:99", "\x00", "'", '"',
            "[1, 2]", "['a', 'b']", "('a',)", "[None]", "[[1], 2]", "[]", "[True]", "[nan]", "%",
            "(a+)+$", "(a|a)*b" * 20, "[^", "(?=x)", ".*" * 90, "{{}}", "${jndi}", "' OR 1=1 --",
            "11111111-1111-4111-8111-111111111111", "🦊", "\ud800",
            f"__import__('pathlib').Path('{CANARY}').touch()",
            f"[__import__('pathlib').Path('{CANARY}').touch()]",
            f"[open('{CANARY}', 'w')]", "[().__class__.__bases__]", "[1]*10**9", "[9**9**9]",
        ]
    ),
    st.text(max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none())).map(repr),
    st.datetimes().map(str),
    st.uuids().map(str),
)  # fmt: skip
_EXPRESSION = st.one_of(
    st.lists(st.tuples(_FIELD, _VALUE), min_size=1, max_size=4).map(
        lambda pairs: ",".join(f"{field},{value}" for field, value in pairs)
    ),
    st.text(max_size=80),
)
_TABLES = "Session Dataset ProbeInsertion Subject Lab LabMember Channel TrajectoryEstimate Note"
_MODELS = st.sampled_from(_TABLES.split())


def _fuzz(lab: Any, model: str, text: str) -> None:
    from django.db import OperationalError, connection, transaction

    from fascicle.hub.rest.conditions import to_query
    from fascicle.hub.rest.lookups import time_limit

    asked: list[str] = []

    def look(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        asked.append(sql.lower())
        return execute(sql, params, many, context)

    table = getattr(lab, model)
    began = time.perf_counter()
    try:
        rows = table.objects.filter(*to_query(table, text)).order_by().values_list("pk")
        with transaction.atomic(), connection.execute_wrapper(look), time_limit(2):
            list(rows[:10])
    except SearchTermError as error:
        assert str(error)
    except OperationalError as error:
        assert "interrupted" in str(error) or "timeout" in str(error)
    assert time.perf_counter() - began < 4
    assert not [sql for sql in asked for word in FORBIDDEN if word in sql]
    assert not Path(CANARY).exists()


@given(_MODELS, _EXPRESSION)
@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_expression_does_anything_but_read_what_is_listed(
    lab: Any, model: str, text: str
) -> None:
    _fuzz(lab, model, text)


@pytest.mark.long
@given(_MODELS, _EXPRESSION)
@settings(
    max_examples=100_000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_expression_of_very_many_does_anything_but_read(lab: Any, model: str, text: str) -> None:
    _fuzz(lab, model, text)


def test_a_statement_is_stopped(lab: Any) -> None:
    from django.db import OperationalError, connection

    from fascicle.hub.rest.lookups import time_limit

    began = time.perf_counter()
    with pytest.raises(OperationalError), time_limit(0.2), connection.cursor() as cursor:
        run_endless(cursor, 0.2)
    assert time.perf_counter() - began < 5

"""Facts in the forms that NWB wants, and times as clocks of a lab showed them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.nwb.metadata import facts

LONDON, PACIFIC, SAO_PAULO = (
    ZoneInfo(name) for name in ("Europe/London", "America/Los_Angeles", "America/Sao_Paulo")
)


@pytest.mark.parametrize(
    ("said", "species"),
    [
        ("Laboratory mouse", "Mus musculus"),
        ("mouse", "Mus musculus"),
        ("Mus musculus", "Mus musculus"),
        ("mus_musculus", "Mus musculus"),
        (" House  Mouse ", "Mus musculus"),
        ("rat", "Rattus norvegicus"),
        ("Human", "Homo sapiens"),
        ("rhesus macaque", "Macaca mulatta"),
        ("Cynomolgus monkey", "Macaca fascicularis"),
        ("marmoset", "Callithrix jacchus"),
        ("http://purl.obolibrary.org/obo/NCBITaxon_10090",) * 2,
        ("macaque", None),  # which one?
        ("monkey", None),
        ("Laboratory unicorn", None),
        ("", None),
        (None, None),
    ],
)
def test_species_are_known_by_their_usual_names(said: str | None, species: str | None) -> None:
    assert facts.species_of(said) == species


@pytest.mark.parametrize(
    ("said", "fine"),
    [
        ("Mus musculus", True),
        ("Peromyscus leucopus", True),  # not in any list of ours
        ("Mustela putorius furo", True),
        ("http://purl.obolibrary.org/obo/NCBITaxon_10090", True),
        ("Laboratory mouse", False),
        ("Spiny mouse", False),
        ("mus musculus", False),
        ("Mus Musculus", False),
        ("mouse", False),
        ("Mus", False),
        ("Homo sapiens!", False),
    ],
)
def test_binomials_are_told_from_english(said: str, fine: bool) -> None:
    assert facts.is_species(said) is fine


@pytest.mark.parametrize(
    ("said", "sex"),
    [
        ("M", "M"),
        ("f", "F"),
        ("Male", "M"),
        ("FEMALE", "F"),
        ("unknown", "U"),
        ("o", "O"),
        ("", None),
        (None, None),
        ("X", None),
    ],
)
def test_sexes(said: str | None, sex: str | None) -> None:
    assert facts.sex_of(said) == sex


@given(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.integers(0, 4000))
def test_an_age_is_the_days_between(birth: date, days: int) -> None:
    age = facts.age_of(birth, birth + timedelta(days))
    assert age is not None
    assert facts.days_of(age) == (days, days)
    assert age.endswith("W") is (days > 0 and days % 7 == 0)


def test_there_is_no_age_before_birth() -> None:
    assert facts.age_of(date(2020, 1, 2), date(2020, 1, 1)) is None


@pytest.mark.parametrize(
    "text", ["P", "PT", "P30", "30D", "P3D2W", "P-3D", "p3d", "", "P3DT", "P3D "]
)
def test_what_is_no_duration(text: str) -> None:
    assert facts.days_of(text) is None


@pytest.mark.parametrize(
    ("text", "days"), [("P90D", 90), ("P2W", 14), ("P1Y", 365), ("P3M", 91), ("P1DT12H", 1.5)]
)
def test_durations(text: str, days: float) -> None:
    found = facts.days_of(text)
    assert found is not None
    assert found[0] <= days <= found[1]


@given(st.floats(0.001, 5000))
def test_weights_have_their_unit(grams: float) -> None:
    said = facts.weight_of(grams)
    assert said is not None
    assert facts.WEIGHT.fullmatch(said)
    assert float(said.split()[0]) == pytest.approx(grams, abs=1e-6)


@pytest.mark.parametrize("grams", [0, -3, None, "", "heavy", float("nan"), float("inf")])
def test_what_is_no_weight(grams: object) -> None:
    assert facts.weight_of(grams) is None


def test_the_weight_of_the_day_is_the_last_before() -> None:
    weighings = [
        {"date_time": "2023-10-19T18:00:00", "weight": 24.25},
        {"date_time": "2023-10-19T08:00:00", "weight": 24.5},
        {"date_time": "2023-10-20T08:00:00", "weight": 25},
        {"date_time": None, "weight": 3},
        "nothing",
    ]
    assert facts.weight_at(datetime(2023, 10, 19, 10), weighings) == "24.5 g"
    assert facts.weight_at(datetime(2023, 10, 19, 19), weighings) == "24.25 g"
    assert facts.weight_at(datetime(2023, 10, 19, 7), weighings) == "24.5 g"
    assert facts.weight_at(datetime(2023, 10, 18, 7), weighings) is None


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("Jane", "Doe", "Doe, Jane"),
        (" Anne  Marie", "O'Neil-Smith Jr.", "O'Neil-Smith Jr., Anne Marie"),
        ("Søren", "Ångström", "Ångström, Søren"),
        ("", "Doe", None),
        ("Jane", None, None),
        ("J4ne!", "Doe", None),
        ("11", "11", None),
    ],
)
def test_people(first: str | None, last: str | None, said: str | None) -> None:
    assert facts.person_of(first, last) == said


@pytest.mark.parametrize(
    ("protocol", "task"),
    [
        ("_iblrig_tasks_ephysChoiceWorld6.4.2", "ephysChoiceWorld"),
        ("_iblrig_tasks_biasedChoiceWorld8.9.0", "biasedChoiceWorld"),
        ("choice_world_passive", "choice_world_passive"),
        ("_iblrig_tasks_ephysChoiceWorld6.5.2.dev0", "ephysChoiceWorld"),
        ("", ""),
    ],
)
def test_tasks_without_rig_and_version(protocol: str, task: str) -> None:
    assert facts.task_of(protocol) == task


# -- times -----------------------------------------------------------------------------------------


def test_zones_have_their_names_in_the_iana_database() -> None:
    assert facts.zone_of("Europe/London") == LONDON
    for name in (
        "Europe/Atlantis",
        "",
        "../../etc/passwd",
        "Europe",
        "/etc/passwd",
        "BST+1",
        "é",
        "localtime",
        "right/UTC",
    ):
        assert facts.zone_of(name) is None, name


def test_clocks_skip_an_hour_and_show_another_twice() -> None:
    assert facts.readings(datetime(2023, 3, 26, 1, 30), LONDON) == []
    twice = facts.readings(datetime(2023, 10, 29, 1, 30), LONDON)
    assert [one.utcoffset() for one in twice] == [timedelta(hours=1), timedelta(0)]
    assert len(facts.readings(datetime(2023, 10, 29, 2, 30), LONDON)) == 1


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_a_moment_is_found_by_what_clocks_showed(utc: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    local = utc.replace(tzinfo=UTC).astimezone(zone)
    found = facts.readings(local.replace(tzinfo=None), zone)
    assert utc.replace(tzinfo=UTC) in [one.astimezone(UTC) for one in found]
    moment = facts.moment_of(local.isoformat(), zone)  # the offset says which
    assert moment is not None
    assert moment.astimezone(UTC) == utc.replace(tzinfo=UTC)


def test_a_moment_that_is_not_clear_is_none() -> None:
    assert facts.moment_of("2023-10-29T01:30:00", LONDON) is None
    assert facts.moment_of("2023-03-26T01:30:00", LONDON) is None
    first = facts.moment_of("2023-10-29T01:30:00+01:00", LONDON)
    assert first is not None
    assert first.astimezone(UTC) == datetime(2023, 10, 29, 0, 30, tzinfo=UTC)
    assert facts.moment_of("2023-10-29T01:30:00+05:00", LONDON) is None
    assert facts.moment_of("soon", LONDON) is None


def test_days_may_begin_later_than_at_midnight() -> None:
    assert (
        facts.midnight_of(date(2018, 11, 4), SAO_PAULO).isoformat() == "2018-11-04T01:00:00-02:00"
    )
    assert facts.midnight_of(date(2018, 7, 4), PACIFIC).isoformat() == "2018-07-04T00:00:00-07:00"


@pytest.mark.parametrize(
    ("said", "zone", "local"),
    [
        ("2023-10-19T10:02:11.123456", None, "2023-10-19T10:02:11.123456"),
        ("2023-10-19 10:02:11", "Europe/London", "2023-10-19T10:02:11"),
        ("2023-10-19T09:02:11Z", "Europe/London", "2023-10-19T10:02:11"),
        ("2023-10-19T09:02:11+00:00", None, "2023-10-19T09:02:11+00:00"),
        ("2023-10-29T00:30:00Z", "Europe/London", "2023-10-29T01:30:00+01:00"),
        ("yesterday", None, None),
        (None, None, None),
    ],
)
def test_times_of_databases_become_those_of_clocks(
    said: str | None, zone: str | None, local: str | None
) -> None:
    assert facts.local_time(said, zone) == local


@given(st.text(max_size=40))
def test_no_text_harms(text: str) -> None:
    for function in (facts.species_of, facts.sex_of, facts.time_of, facts.day_of, facts.days_of):
        function(text)
    assert facts.zone_of(text) is None or re.fullmatch(r"[\w/+\-]+", text)
    facts.is_species(text)
    facts.task_of(text)

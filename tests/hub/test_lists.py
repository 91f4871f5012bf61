"""Lists of the hub: pages, order, what is said of parameters without meaning, methods, errors."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .asking import Asker

pytestmark = pytest.mark.usefixtures("django_hub")


@pytest.fixture
def ask(django_hub: Any) -> Asker:
    return Asker()


def resources() -> list[Any]:
    from fascicle.hub.rest.resources import resources

    return list(resources())


def test_a_page_has_the_rows_that_are_asked_for_and_the_addresses_of_its_neighbours(
    ask: Asker,
) -> None:
    every = ask.ids("/sessions", projects="ibl")
    page = ask.json("/sessions", projects="ibl", limit=5, offset=5)
    assert page["count"] == len(every) > 12
    assert [row["id"] for row in page["results"]] == every[5:10]
    follow = urlsplit(page["next"])
    assert f"{follow.scheme}://{follow.netloc}{follow.path}" == "http://127.0.0.1/sessions"
    assert parse_qs(follow.query) == {"projects": ["ibl"], "limit": ["5"], "offset": ["10"]}
    assert parse_qs(urlsplit(page["previous"]).query) == {"projects": ["ibl"], "limit": ["5"]}
    last = ask.json("/sessions", projects="ibl", limit=10, offset=len(every) - 3)
    assert [row["id"] for row in last["results"]] == every[-3:]
    assert last["next"] is None and last["count"] == len(every)
    beyond = ask.json("/sessions", projects="ibl", offset=len(every) + 50)
    assert (beyond["results"], beyond["next"], beyond["count"]) == ([], None, len(every))


@pytest.mark.parametrize(
    "given", [{"limit": "x"}, {"limit": "-1"}, {"limit": "0"}, {"offset": "1.5"}, {"limit": "٣"},
              {"offset": "-7"}, {"limit": "9" * 400}, {"offset": ""}]
)  # fmt: skip
def test_limits_and_offsets_that_are_none_are_ignored(ask: Asker, given: dict[str, str]) -> None:
    every = ask.json("/channels")
    assert len(every["results"]) == 250
    assert ask.json("/channels", **given)["results"] == every["results"]


def test_a_page_has_at_most_a_thousand_rows(ask: Asker) -> None:
    page = ask.json("/channels", limit=5000)
    assert len(page["results"]) == 1000 and page["count"] > 2000
    assert "limit=1000&offset=1000" in page["next"]


def test_pages_of_every_list_have_each_row_once(ask: Asker) -> None:
    for resource in resources():
        if resource.name == "channels" or "list" not in resource.actions:
            continue
        whole = ask.rows(f"/{resource.name}", limit=1000)
        parts = ask.rows(f"/{resource.name}", limit=max(3, len(whole) // 4))
        assert parts == whole, resource.name


def test_channels_come_in_the_order_of_the_probe(ask: Asker) -> None:
    rows = ask.rows("/channels", limit=700)
    places = [(r["trajectory_estimate"], r["axial"], r["lateral"], r["id"]) for r in rows]
    assert len(set(places)) == len(places)
    assert places == sorted(places)


def test_sessions_come_latest_first(ask: Asker) -> None:
    times = [row["start_time"] for row in ask.rows("/sessions")]
    assert times == sorted(times, reverse=True) and len(times) > 10


def test_parameters_without_meaning_are_named_and_change_nothing(ask: Asker) -> None:
    answer = ask.get("/sessions", subjct="KS", lab="zadorlab", nonsense="ü\n")
    assert answer.status_code == 200
    assert answer.json()["results"] == ask.json("/sessions", lab="zadorlab")["results"]
    said = answer.headers["Alyx-API-Notice"]
    assert "'subjct' (did you mean 'subject'?)" in said and "'nonsense'" in said
    assert "Alyx-API-Notice" not in ask.get("/sessions", lab="zadorlab", limit=3).headers


def test_a_name_that_is_no_parameter_may_be_anything(ask: Asker) -> None:
    answer = ask.get("/tags", **{"ü\r\nSet-Cookie: x=1": "1", "x" * 3000: "2"})
    assert answer.status_code == 200
    said = answer.headers["Alyx-API-Notice"]
    assert said.isascii() and "\n" not in said and len(said) <= 500


def test_parameters_without_a_value_are_ignored(ask: Asker) -> None:
    assert (
        ask.json("/sessions", lab="", users="", django="")["count"]
        == ask.json("/sessions")["count"]
    )


def test_null_characters_are_refused(ask: Asker) -> None:
    for name, path in (("subject", "/sessions"), ("django", "/sessions"), ("name", "/datasets")):
        assert ask.refused(path, **{name: "a\x00b"})


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        ("/insertions", {"session": "foo"}, {"session": ["Enter a valid UUID."]}),
        ("/sessions", {"number": "one"}, {"number": ["Enter a number."]}),
        ("/sessions", {"number": "9" * 60}, {"number": ["Enter a number."]}),
        ("/sessions", {"number": "nan"}, {"number": ["Enter a number."]}),
        ("/sessions", {"number": "1.5"}, {"number": ["Enter a whole number."]}),
        ("/datasets", {"date": "2020-13-45"}, {"date": ["Enter a valid date."]}),
    ],
)
def test_values_that_mean_nothing_are_refused_with_their_parameter(
    ask: Asker, path: str, query: dict[str, str], body: dict[str, list[str]]
) -> None:
    assert ask.refused(path, **query) == body


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/sessions", {"date_range": "2020-01-01"}),
        ("/sessions", {"dataset_types": "spikes.times,nope.nope"}),
        ("/sessions", {"qc": "FINE"}),
        ("/sessions", {"datasets": "spikes.times.npy", "dataset_qc_lte": "FINE"}),
        ("/sessions", {"users": ",".join(map(str, range(100)))}),
        ("/trajectories", {"provenance": "Guessed"}),
        ("/sessions", {"django": "nofield,1"}),
        ("/sessions", {"django": "subject__nickname"}),
        ("/sessions", {"django": "number,1,number,2"}),
        ("/users", {"django": "password__startswith,pbkdf2"}),
        ("/sessions", {"extended_qc": "behavior"}),
    ],
)
def test_what_alyx_fails_at_is_refused_with_a_message(
    ask: Asker, path: str, query: dict[str, str]
) -> None:
    body = ask.refused(path, **query)
    text = str(body.get("detail") or body)
    assert len(text) > 10 and "Traceback" not in text


def test_rows_that_are_not_there(ask: Asker) -> None:
    for resource in resources():
        title = resource.title
        key = {"uuid": str(uuid.uuid4()), "int": "99999999", "str": "no such thing"}[resource.kind]
        if "read" not in resource.actions:
            continue
        answer = ask.get(f"/{resource.name}/{key}")
        assert answer.status_code == 404, resource.name
        assert answer.json() == {
            "detail": f"No {title} matches the given query.",
            "status_code": 404,
        }


@pytest.mark.parametrize(
    "path", ["/nope", "/sessions/", "/sessions/foo", "/brain-regions/x", "/sessions/1/2"]
)
def test_addresses_that_are_not_there_are_a_page(ask: Asker, path: str) -> None:
    answer = ask.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"Not Found" in answer.content


def test_methods_that_an_address_does_not_have(ask: Asker) -> None:
    key = ask.ids("/sessions")[0]
    answer = ask.client.post(f"/sessions/{key}", {}, "application/json")
    assert answer.status_code == 405
    assert answer.json() == {"detail": 'Method "POST" not allowed.', "status_code": 405}
    assert answer.headers["Allow"] == "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
    answer = ask.client.delete("/sessions")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    answer = ask.client.options("/sessions")
    assert (answer.status_code, answer.headers["Allow"]) == (200, "GET, POST, HEAD, OPTIONS")


def test_head_has_the_length_of_get_and_no_body(ask: Asker) -> None:
    whole = ask.get("/sessions", limit=3)
    head = ask.client.head("/sessions?limit=3")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert int(whole.headers["Content-Length"]) == len(whole.content)


def test_every_row_of_a_list_can_be_asked_for_by_its_key(ask: Asker) -> None:
    for resource in resources():
        if not {"list", "read"} <= resource.actions:
            continue
        for row in ask.rows(f"/{resource.name}", limit=1000)[:40]:
            key = row.get("url") or f"/{resource.name}/{row[resource.lookup]}"
            found = ask.json(key)
            both = {name for name in row if name in found} - {"datasets"}
            assert {name: found[name] for name in both} == {name: row[name] for name in both}


def test_me_says_who_asks(ask: Asker) -> None:
    assert ask.json("/me")["username"] == "asker"
    assert ask.client.post("/me").status_code == 405

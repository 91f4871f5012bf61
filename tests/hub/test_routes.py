"""Every address of a hub: what it says to nobody, and what one who may only read may do there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fascicle.testing.hub import Answer, HubServer

#: Addresses that need no login, and why.
OPEN = {
    "auth-token": "where a client gets its token",
    "api/schema": "clients read it before they log in",
    "docs": "the same for people",
    "docs/": "the same for people",
    "login": "the login",
    "logout": "ends a login",
    "admin/login/": "the login of the admin",
}
#: Addresses outside of Django: files, styles and scripts.
BESIDES = {"data/<path>": "closed", "static/<path>": "open"}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
#: Where one who may only read may POST, since it changes nothing of the lab's.
OWN = {"auth-token", "login", "logout", "admin/login/", "admin/logout/"}

_ROUTES = """
from django.urls import URLPattern, get_resolver
def walk(patterns, before=""):
    for p in patterns:
        here = before + str(p.pattern)
        if isinstance(p, URLPattern):
            yield here
        else:
            yield from walk(p.url_patterns, here)
result = sorted(set(walk(get_resolver().url_patterns)))
"""
_EXAMPLES = {
    "uuid": "5309f06c-e73e-4037-97fd-4e89762e7080",
    "int": "1",
    "slug": "hub",
    "str": "cortexlab",
    "path": "a/b",
}


@pytest.fixture(scope="module")
def routes(hub: HubServer) -> list[str]:
    """Return all patterns of the hub's addresses."""
    found: list[str] = hub.run(_ROUTES)
    return found


def example(route: str) -> str:
    """Return an address that a pattern matches."""
    found = re.sub(r"\(\?P<\w+>(\w+)\)", r"\1", route)  # one of listed words, as Django's admin
    found = re.sub(r"\(\?P<\w+>.*?\)(?=\$|/|\.|$)", "auth", found)
    found = re.sub(r"<(?:(\w+):)?\w+>", lambda m: _EXAMPLES.get(m[1] or "str", "x"), found)
    found = re.sub(r"\^|\$$|\\Z", "", found).replace("\\.", ".")
    assert not re.search(r"[<>()^$\\]", found), route
    return "/" + found


def is_page(route: str) -> bool:
    return route == "" or route.startswith(("admin", "page"))


def says_403(answer: Answer) -> bool:
    return (
        answer.status == 403
        and answer.type == "application/json"
        and answer.json
        == {"detail": "Authentication credentials were not provided.", "status_code": 403}
    )


def goes_to_login(answer: Answer) -> bool:
    return answer.status == 302 and "/login" in answer.headers.get("Location", "")


def test_each_address_wants_a_login(hub: HubServer, routes: list[str]) -> None:
    assert len(routes) > 60
    wrong = []
    for route in routes:
        if route in OPEN:
            continue
        answer = hub.get(example(route))
        good = goes_to_login(answer) if is_page(route) else says_403(answer)
        if not good:
            wrong.append(f"{route}: {answer.status} {answer.text[:100]}")
        for method in CHANGING:
            answer = hub.ask(method, example(route), {})
            if answer.status not in (403, 405) and not goes_to_login(answer):
                wrong.append(f"{method} {route}: {answer.status} {answer.text[:100]}")
    assert not wrong, "\n".join(wrong)


def test_the_open_addresses_are_those_that_are_listed(hub: HubServer, routes: list[str]) -> None:
    assert set(OPEN) <= set(routes)
    for route in OPEN:
        answer = hub.get(example(route))
        assert answer.status in (200, 302, 405), (route, answer.status)
        assert not says_403(answer)


def test_files_want_a_login(hub: HubServer) -> None:
    for path in ("/data/", "/data/a/b.npy", "/data/aggregates/x"):
        answer = hub.get(path)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
        for method in CHANGING:
            assert hub.ask(method, path, {}).status in (401, 403, 405)


def test_styles_are_open(hub: HubServer) -> None:
    assert hub.get("/static/admin/css/base.css").status == 200
    assert hub.get("/static/%2e%2e/settings.py").status == 404
    assert hub.get("/static/nothing.css").status == 404


@pytest.mark.parametrize("token", ["abc", "0" * 40, "x" * 5000, "é", "a b", "'; DROP TABLE"])
def test_a_wrong_token_is_told_from_none(hub: HubServer, token: str) -> None:
    answer = hub.ask(
        "GET", "/sessions", headers={"Authorization": f"Token {token}".encode().decode("latin-1")}
    )
    assert (answer.status, answer.json) == (403, {"detail": "Invalid token.", "status_code": 403})


def test_one_who_reads_writes_nowhere(hub: HubServer, routes: list[str]) -> None:
    token = hub.token("reader")
    before = _counts(hub)
    wrong = []
    for route in routes:
        if route in OWN:
            continue
        for method in CHANGING:
            answer = hub.ask(method, example(route), {"name": "x", "nickname": "x"}, token=token)
            if answer.status not in (403, 405) and not goes_to_login(answer):
                wrong.append(f"{method} {route}: {answer.status} {answer.text[:100]}")
    assert not wrong, "\n".join(wrong)
    assert _counts(hub) == before


def test_one_who_reads_does_not_change_by_reading(hub: HubServer, routes: list[str]) -> None:
    """``check-protected`` is a GET with a body that names a user, who joins a session in Alyx."""
    token = hub.token("reader")
    session = hub.get("/sessions?limit=1", token=token).json["results"][0]
    path = f"{session['subject']}/{session['start_time'][:10]}/{session['number']:03d}/alf"
    before = hub.get(f"/sessions/{session['id']}", token=token).json["users"]
    body = {"created_by": "reader", "path": path, "filenames": ["spikes.times.npy"]}
    answer = hub.ask("GET", "/check-protected", body, token=token)
    assert answer.status in (200, 403)
    assert hub.get(f"/sessions/{session['id']}", token=token).json["users"] == before


def test_each_address_answers_who_may(hub: HubServer, routes: list[str]) -> None:
    """Nothing fails with an error of the server, whatever is asked of it."""
    token = hub.token("boss")
    wrong = []
    for route in routes:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = hub.ask(method, example(route), token=token)
            if answer.status >= 500:
                wrong.append(f"{method} {route}: {answer.status}")
            length = answer.headers.get("Content-Length")
            if method == "GET" and answer.status == 200 and length is None:
                wrong.append(f"{route}: no Content-Length")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "path",
    [
        "/data/../../../../etc/passwd",
        "/data/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/data/..%2f..%2f..%2fetc%2fpasswd",
        "/data//etc/passwd",
        "/data/.fascicle/hub/secret",
        "/data/.fascicle/hub/hub.sqlite3",
        "/data/sessions.pqt",
        "/data/%00",
        "/data/" + "a" * 5000,
        "/data/lab/Subjects/../../../etc/passwd",
        "/data/lab/Subjects/x/2020-01-01/001/../../../../../../etc/passwd",
        "/uploaded/../secret",
        "/uploaded/%2e%2e/secret",
        "/uploaded//etc/passwd",
        "/static/%2e%2e/%2e%2e/settings.py",
        "/cache/..%2f..%2fsecret.zip",
    ],
)
def test_no_address_leads_out_of_its_folder(hub: HubServer, path: str) -> None:
    answer = _raw(hub, path, hub.token("boss"))
    assert answer in (301, 302, 400, 403, 404, 405, 414, 431), (path, answer)


def _raw(hub: HubServer, path: str, token: str) -> int:
    """Ask for a path as it stands: clients tidy dots away before they ask."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.putheader("Authorization", f"Token {token}")
    connection.endheaders()
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def _counts(hub: HubServer) -> Any:
    return hub.run(
        "from django.apps import apps\n"
        "result = {m.__name__: m.objects.count() for m in apps.get_app_config('hub').get_models()"
        " if m.__name__ not in ('Token', 'LoginFailure')}"
    )

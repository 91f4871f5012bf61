"""Logins and tokens: who is let in, who has to wait, and who may only read."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from .inside import PASSWORD, Api, make_users

FORM = "application/x-www-form-urlencoded"
MISSING = {"detail": "Authentication credentials were not provided.", "status_code": 403}
INVALID = {"detail": "Invalid token.", "status_code": 403}


pytestmark = pytest.mark.usefixtures("few_rounds")


@pytest.fixture
def users(tables: Any) -> tuple[Any, Any, Any]:
    return make_users(PASSWORD)


def log_in(name: str, password: str, **more: Any) -> Any:
    data = urlencode({"username": name, "password": password})
    return Api().client.post("/auth-token", data, content_type=FORM, **more)


# -- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [FORM, "application/json", "multipart/form-data"])
def test_a_login_gives_a_token_and_nothing_else(users: Any, form: str) -> None:
    data: Any = {"username": "test_user", "password": PASSWORD}
    client = Api().client
    if form == FORM:
        answer = client.post("/auth-token", urlencode(data), content_type=form)
    elif form == "application/json":
        answer = client.post("/auth-token", data, content_type=form)
    else:
        answer = client.post("/auth-token", data)
    assert answer.status_code == 200
    assert list(answer.json()) == ["token"]
    api = Api()
    api.token = answer.json()["token"]
    assert api.get("/me")["username"] == "test_user"


@pytest.mark.parametrize(("name", "password"), [("test_user", "no"), ("nobody", PASSWORD)])
def test_a_bad_login_says_what_clients_look_for(users: Any, name: str, password: str) -> None:
    answer = log_in(name, password)
    assert answer.status_code == 400
    assert answer.json() == {
        "non_field_errors": ["Unable to log in with provided credentials."],
        "status_code": 400,
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b"{bad", 400),
        (b'{"username": 1, "password": null}', 400),
        (b'{"username": "", "password": ""}', 400),
        (b'{"username": "a\\u0000b", "password": "x"}', 400),
        (b'{"username": "\\ud800", "password": "x"}', 400),
        (b"[" * 100_000, 413),
        (b"\xff\xfe", 400),
    ],
)
def test_a_login_that_is_malformed_is_refused(users: Any, body: bytes, status: int) -> None:
    answer = Api().ask("POST", "/auth-token", body)
    assert answer.status_code == status
    assert answer.json()["status_code"] == status


def test_a_login_is_a_post(users: Any) -> None:
    answer = Api().ask("GET", "/auth-token")
    assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")


def test_only_the_hash_of_a_token_is_kept(users: Any) -> None:
    from django.db import connection

    from fascicle.hub.models import Token

    token = log_in("test_user", PASSWORD).json()["token"]
    row = Token.objects.get()
    assert row.digest == hashlib.sha256(token.encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM hub_token")
        assert token not in repr(cursor.fetchall())
    assert token not in repr(vars(row))


def test_a_token_ends(users: Any) -> None:
    from fascicle.hub.models import Token
    from fascicle.hub.rest.tokens import issue, revoke

    member, _, _ = users
    expired, revoked, barred = (Api(member) for _ in range(3))
    assert revoke(token=revoked.token) == 1
    assert revoked.get("/me") == INVALID
    assert barred.get("/me")["username"] == "test_user"
    latest = Token.objects.filter(user=member).order_by("expires")
    latest.update(expires=datetime.now() - timedelta(seconds=1))
    assert expired.get("/me") == INVALID
    issue(member)  # what expired is swept away
    assert Token.objects.filter(user=member).count() == 1
    api = Api(member)
    member.is_active = False
    member.save()
    assert api.get("/me") == INVALID
    with pytest.raises(ValueError, match="which"):
        revoke()


def test_a_token_for_ever(users: Any) -> None:
    from fascicle.hub.models import Token
    from fascicle.hub.rest.tokens import issue

    issue(users[0], "a rig", days=0)
    assert Token.objects.get(label="a rig").expires is None


def test_the_time_of_use_is_noted_but_not_with_each_request(users: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from fascicle.hub.models import Token

    api = Api(users[0])
    api.get("/me")
    noted = Token.objects.get().last_used
    assert noted is not None
    with CaptureQueriesContext(
        connection,
    ) as asked:
        api.get("/me")
    assert Token.objects.get().last_used == noted
    assert len(asked) == 1  # who it is: one statement for each request


# -- without a login -------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "Token", "Token ", "Token x", "Bearer x", "Nonsense y"])
def test_nobody_is_told_nothing(users: Any, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = Api().ask("GET", "/sessions", **headers)
    assert answer.status_code == 403
    assert answer.json() in (MISSING, INVALID)
    assert answer.json() == (INVALID if header.startswith(("Token", "Bearer")) else MISSING)


@pytest.mark.parametrize("path", ["/", "/pages/sessions.json", "/admin/", "/admin/hub/token/"])
def test_pages_lead_to_the_login(users: Any, path: str) -> None:
    answer = Api().ask("GET", path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=/")


def test_a_browser_is_led_to_the_login_from_anywhere(users: Any) -> None:
    answer = Api().ask("GET", "/sessions?lab=a&x=b", Accept="text/html,*/*")
    assert answer.status_code == 302
    assert answer["Location"] == "/login?next=/sessions%3Flab%3Da%26x%3Db"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/sessions", "/notes", "/register-file", "/nothing", "/uploaded/a"]
)
def test_no_method_gets_by(users: Any, path: str, method: str) -> None:
    assert Api().ask(method, path, {}).status_code == 403


@pytest.mark.parametrize("path", ["/api/schema", "/docs", "/login"])
def test_what_is_open(users: Any, path: str) -> None:
    assert Api().ask("GET", path).status_code == 200
    # a token that ended is no reason to hide what anybody may see
    assert Api().ask("GET", path, Authorization="Token x").status_code == 200


def test_a_release_is_open_if_it_is_public_and_the_lab_says_so(users: Any) -> None:
    from fascicle.hub.models import Tag
    from fascicle.hub.rest.auth import is_open

    Tag.objects.create(name="both", public=True, open=True)
    Tag.objects.create(name="public", public=True)
    Tag.objects.create(name="open", open=True)
    for name, opened in (("both", True), ("public", False), ("open", False), ("none", False)):
        for path in (f"/cache/info/{name}", f"/cache/info/{name}/", f"/cache/{name}.zip"):
            assert is_open(path) is opened, path
    for path in (
        "/cache/info",
        "/cache.zip",
        "/cache/info/both/../x",
        "/sessions",
        "/catalogue/info",
    ):
        assert not is_open(path)


# -- passwords are guessed slowly ------------------------------------------------------------------


def test_a_user_has_to_wait_after_failures_even_with_the_right_password(users: Any) -> None:
    from fascicle.hub.models import LoginFailure
    from fascicle.hub.rest.throttling import MOST_BY_USER, WINDOW

    api = Api(users[0])
    for _ in range(MOST_BY_USER):
        assert log_in("test_user", "no").status_code == 400
    answer = log_in("Test_User", PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= WINDOW.total_seconds()
    assert api.get("/me")["username"] == "test_user"  # tokens are no guesses
    assert log_in("boss", PASSWORD).status_code == 200  # nor are others
    LoginFailure.objects.update(at=datetime.now() - WINDOW)
    assert log_in("test_user", PASSWORD).status_code == 200


def test_an_address_has_to_wait_whoever_it_tries(users: Any) -> None:
    from fascicle.hub.rest.throttling import MOST_BY_ADDRESS

    for n in range(MOST_BY_ADDRESS):
        assert log_in(f"user{n}", "no", REMOTE_ADDR="10.0.0.9").status_code == 400
    assert log_in("boss", PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 429
    assert log_in("boss", PASSWORD, REMOTE_ADDR="10.0.0.8").status_code == 200


def test_a_header_that_anybody_can_send_is_no_address(users: Any) -> None:
    from fascicle.hub.models import LoginFailure

    log_in("boss", "no", REMOTE_ADDR="10.0.0.9", headers={"X-Forwarded-For": "1.2.3.4"})
    assert LoginFailure.objects.filter(who="address:10.0.0.9").exists()


def test_a_success_forgives_the_users_failures(users: Any) -> None:
    from fascicle.hub.models import LoginFailure

    for _ in range(3):
        log_in("test_user", "no")
    assert LoginFailure.objects.filter(who="user:test_user").count() == 3
    assert log_in("test_user", PASSWORD).status_code == 200
    assert not LoginFailure.objects.filter(who="user:test_user").exists()


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
def test_the_pages_logins_are_throttled_too(users: Any, path: str) -> None:
    from fascicle.hub.rest.throttling import MOST_BY_USER

    client = Api().client
    for _ in range(MOST_BY_USER):
        assert client.post(path, {"username": "boss", "password": "no"}).status_code in (200, 302)
    answer = client.post(path, {"username": "boss", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


def test_all_guesses_at_the_same_time_count(users: Any) -> None:
    """An attempt is written down before its password is looked at."""
    from django.contrib.auth import authenticate

    from fascicle.hub.models import LoginFailure

    seen = []

    class Spy(dict):  # the request's environment, read in the middle of the attempt
        def get(self, key: str, default: Any = None) -> Any:
            seen.append(LoginFailure.objects.count())
            return super().get(key, default)

    class Request:
        META = Spy(REMOTE_ADDR="10.0.0.1")

    assert authenticate(Request(), username="boss", password="no") is None
    assert LoginFailure.objects.count() == 2
    assert seen


# -- names and passwords with each request ---------------------------------------------------------


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_basic_logins(users: Any) -> None:
    api = Api()
    assert api.get("/me", Authorization=basic("boss", PASSWORD))["username"] == "boss"
    assert api.get("/me", Authorization=basic("boss", PASSWORD))["username"] == "boss"
    token = Api(users[0]).token
    assert api.get("/me", Authorization=basic("test_user", token))["username"] == "test_user"
    for shown in (basic("boss", "no"), basic("boss", token), "Basic ???", "Basic /w==", "Basic"):
        assert api.ask("GET", "/me", Authorization=shown).status_code == 403


def test_a_password_that_was_changed_is_forgotten_at_once(users: Any) -> None:
    _, boss, _ = users
    api = Api()
    assert api.ask("GET", "/me", Authorization=basic("boss", PASSWORD)).status_code == 200
    boss.set_password("quite-another-1")
    boss.save()
    assert api.ask("GET", "/me", Authorization=basic("boss", PASSWORD)).status_code == 403


# -- who may only read, and browsers ---------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/sessions", "/tags/x", "/register-file", "/notes", "/new-download"]
)
def test_who_may_only_read_writes_nothing(users: Any, method: str, path: str) -> None:
    answer = Api(users[2]).ask(method, path, {})
    assert answer.status_code == 403
    assert "permission" in answer.json()["detail"]


def test_who_may_only_read_reads(users: Any) -> None:
    api = Api(users[2])
    assert api.ask("GET", "/sessions").status_code == 200
    assert api.ask("HEAD", "/sessions").status_code == 200
    assert api.get("/me")["is_public_user"] is True


def test_a_session_of_a_browser_writes_only_from_our_own_pages(users: Any) -> None:
    from django.test import Client

    client = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    assert client.login(username="test_user", password=PASSWORD)
    assert client.get("/sessions").status_code == 200
    for path in ("/tags", "/register-file", "/labs"):
        answer = client.post(path, {"name": "x"}, content_type="application/json")
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith("CSRF Failed")
    client.get("/login")
    token = client.cookies["csrftoken"].value
    answer = client.post(
        "/tags", {"name": "x"}, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert answer.status_code == 201


def test_a_token_needs_no_such_proof(users: Any) -> None:
    Api(users[0], enforce_csrf_checks=True).send("POST", "/tags", {"name": "x"})


def test_secrets_are_in_no_answer(users: Any) -> None:
    api = Api(users[0])
    for path in ("/users", "/users/boss", "/me", "/users?username=boss"):
        text = api.ask("GET", path).content.decode()
        for word in ("password", "pbkdf2", "digest", "token"):
            assert word not in text
    for path in ("/users?password=x", "/users?tokens=x", "/users?django=password__startswith,p"):
        answer = api.ask("GET", path)
        assert answer.status_code == 400 or "ignored" in answer["Alyx-API-Notice"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/tags/%00", None, 404),
        ("POST", "/tags", b'{"name": "a\\u0000"}', 400),
        ("POST", "/tags", b'{"name": "\\ud800"}', 400),
        ("POST", "/tags", b'{"name": NaN}', 400),
        ("POST", "/tags", b"\xff", 400),
        ("POST", "/tags", b"[" * 50_000, 400),
        ("POST", "/register-file", b'{"path": "\\u0000", "labs": ["\\ud800"]}', 400),
        ("GET", "/sessions?limit=%00&subject=%00", None, 400),
    ],
)
def test_what_no_database_takes_is_refused(
    users: Any, method: str, path: str, body: bytes | None, status: int
) -> None:
    assert Api(users[0]).ask(method, path, body).status_code == status


def test_the_log_says_nothing_of_passwords(
    users: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(12):
        log_in("test_user", "hunter2-typo")
    log_in("boss", PASSWORD)
    said = caplog.text + "".join(capfd.readouterr())
    assert "hunter2" not in said
    assert PASSWORD not in said

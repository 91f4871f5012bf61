"""Pages for people: the login, the sessions, one session, and the admin's forms."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client as WsgiClient

from fascicle.hub.config import HubConfig

PASSWORD = "correct horse battery"
HIDDEN = (
    b"pbkdf2_sha256$",  # the hash of a password
    b"digest",
)


@pytest.fixture
def client(django_hub: HubConfig) -> Callable[..., Any]:
    """Return a function that returns a browser, logged in as an admin, a member or nobody."""
    from django.test import Client

    from fascicle.hub.models import LabMember

    def make(who: str = "", **options: Any) -> Any:
        browser = Client(HTTP_HOST="localhost", **options)
        if who:
            user = LabMember(
                username=f"a-{who}",
                password="!no-password",  # none works, and none takes time to hash
                is_superuser=who == "admin",
                is_staff=who != "public",
                is_public_user=who == "public",
            )
            user.save()
            browser.force_login(user)
        return browser

    return make


def first_session() -> Any:
    from django.db.models import Count

    from fascicle.hub.models import Session

    counted = Session.objects.annotate(n=Count("data_dataset_session_related"))
    return counted.order_by("-n", "pk").first()


# -- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/pages/sessions.json", "/admin/"])
def test_pages_need_a_login(client: Callable[..., Any], path: str) -> None:
    answer = client().get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(("/login?next=", "/admin/login/"))


def test_a_login_leads_where_one_was_going(client: Callable[..., Any]) -> None:
    from fascicle.hub.users import add_user

    add_user("anna", PASSWORD)
    browser = client(enforce_csrf_checks=True)
    page = browser.get("/login?next=/pages/sessions.json")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    assert token is not None
    sent = {"username": "anna", "password": PASSWORD, "next": "/pages/sessions.json"}
    assert browser.post("/login", sent).status_code == 403  # without the page's token
    answer = browser.post("/login", sent | {"csrfmiddlewaretoken": token[1]})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/pages/sessions.json")
    assert browser.get("/pages/sessions.json").json()["n_sessions"]
    assert browser.get("/logout").headers["Location"] == "/"
    assert browser.get("/").status_code == 200  # a link of another site logs nobody out


def test_a_wrong_password_says_no_more_than_that(client: Callable[..., Any]) -> None:
    answer = client().post("/login", {"username": "admin", "password": "wrong"})
    assert answer.status_code == 200
    assert "do not go together" in answer.content.decode()
    assert "wrong" not in answer.content.decode()


def test_a_login_leads_to_no_other_site(client: Callable[..., Any]) -> None:
    from fascicle.hub.users import add_user

    add_user("anna", PASSWORD)
    sent = {"username": "anna", "password": PASSWORD, "next": "https://evil.example/"}
    assert client().post("/login", sent).headers["Location"] == "/"


def test_logging_out_ends_the_session(client: Callable[..., Any]) -> None:
    browser = client("member")
    assert browser.post("/logout").status_code == 302
    assert browser.get("/").status_code == 302


def test_the_start_lists_sessions(client: Callable[..., Any]) -> None:
    from fascicle.hub.models import Session

    session = first_session()
    browser = client("public")
    page = browser.get("/").content.decode()
    assert f"/pages/sessions/{session.pk}" in page
    assert "Enter data" not in page
    found = browser.get("/pages/sessions.json").json()
    assert found["n_sessions"] == found["totals"]["sessions"] == Session.objects.count()
    row = next(row for row in found["sessions"] if row["id"] == str(session.pk))
    assert row["subject"] == session.subject.nickname
    assert row["n_datasets"] == session.n


@pytest.mark.parametrize(
    "query",
    [
        "lab=none",
        "subject=<script>alert(1)</script>",
        "since=2022-02-30",
        "until=tomorrow",
        "page=99",
        "page=-1",
        "project=%00",
        "task=%25_",
    ],
)
def test_any_search_is_answered(client: Callable[..., Any], query: str) -> None:
    answer = client("member").get(f"/?{query}")
    assert answer.status_code == 200
    assert b"<script>" not in answer.content


def test_a_search_narrows_the_list(client: Callable[..., Any]) -> None:
    session = first_session()
    browser = client("member")
    term = {"subject": session.subject.nickname, "since": session.date, "until": session.date}
    found = browser.get("/pages/sessions.json", term).json()
    assert [row["id"] for row in found["sessions"]] == [str(session.pk)]


def test_a_session_shows_its_datasets_and_probes(client: Callable[..., Any]) -> None:
    session = first_session()
    browser = client("member")
    page = browser.get(f"/pages/sessions/{session.pk}").content.decode()
    found = browser.get(f"/pages/sessions/{session.pk}.json").json()
    assert len(found["datasets"]) == session.n
    assert found["bytes"] == sum(row["size"] for row in found["datasets"])
    assert found["insertions"] and found["insertions"][0]["name"] in page
    for row in found["datasets"]:
        assert row["name"] in page
    lab = session.lab.name
    assert found["datasets"][0]["path"].startswith(f"{lab}/Subjects/{session.subject.nickname}/")


def test_no_session_of_that_id(client: Callable[..., Any]) -> None:
    browser = client("member")
    missing = "/pages/sessions/00000000-0000-4000-8000-000000000000"
    assert browser.get(missing).status_code == 404
    assert browser.get(f"{missing}.json").status_code == 404
    assert browser.post("/").status_code == 405


@pytest.mark.parametrize(("path", "most"), [("/", 14), ("/pages/sessions/{}", 12)])
def test_pages_ask_a_fixed_number_of_questions(
    client: Callable[..., Any], path: str, most: int
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = client("member")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert browser.get(path.format(first_session().pk)).status_code == 200
    assert len(asked) <= most + 2, [query["sql"][:120] for query in asked]


# -- the application around Django ----------------------------------------------------------------


@pytest.fixture
def wsgi(django_hub: HubConfig) -> Iterator[WsgiClient]:
    """Return a client of the whole application."""
    from fascicle.hub.wsgi import make_application, warm_up

    warm_up(make_application(django_hub))
    return WsgiClient(make_application(django_hub))


def test_static_files_come_from_their_folders_alone(wsgi: WsgiClient) -> None:
    for path in ("hub/style.css", "admin/css/base.css"):
        with wsgi.get(f"/static/{path}") as answer:
            assert answer.status_code == 200 and answer.mimetype == "text/css"
            assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert wsgi.head("/static/hub/style.css").data == b""
    tag = {"If-None-Match": answer.headers["ETag"]}
    assert wsgi.get("/static/admin/css/base.css", headers=tag).status_code == 304
    assert wsgi.post("/static/hub/style.css").status_code == 405
    for path in ("../settings.py", "%2e%2e/settings.py", "/etc/passwd", "hub", "hub/", "", "\0"):
        assert wsgi.get(f"/static/{path}").status_code == 404, path


def test_a_body_that_is_too_large_is_not_read(wsgi: WsgiClient, django_hub: HubConfig) -> None:
    length = int(django_hub.upload_mb * 1e6) + 1
    answer = wsgi.post("/auth-token", environ_overrides={"CONTENT_LENGTH": str(length)})
    assert answer.status_code == 413
    assert answer.json is not None and answer.json["status_code"] == 413


def test_a_name_that_is_not_ours_is_refused(wsgi: WsgiClient) -> None:
    assert wsgi.get("/login", headers={"Host": "evil.example"}).status_code == 400
    assert wsgi.get("/login", headers={"Host": "localhost:8000"}).status_code == 200


# -- the admin ------------------------------------------------------------------------------------


def _tables(browser: Any) -> list[str]:
    page = browser.get("/admin/").content.decode()
    return sorted(set(re.findall(r'href="/admin/hub/(\w+)/"', page)))


def test_all_pages_of_the_admin_are_there(client: Callable[..., Any]) -> None:
    browser = client("admin")
    tables = _tables(browser)
    assert {"subject", "session", "weighing", "wateradministration", "note"} <= set(tables)
    assert not {"token", "loginfailure", "setting", "group"} & set(tables)
    for table in tables:
        page = browser.get(f"/admin/hub/{table}/?q=a")
        assert page.status_code == 200, table
        page = browser.get(f"/admin/hub/{table}/")
        assert browser.get(f"/admin/hub/{table}/add/").status_code in (200, 403), table
        row = re.search(rf"/admin/hub/{table}/([^/\"]+)/change/", page.content.decode())
        if row is not None:
            change = browser.get(f"/admin/hub/{table}/{row[1]}/change/")
            assert change.status_code == 200, table
            for hidden in HIDDEN[1:]:
                assert hidden not in change.content, table


def test_tokens_are_nowhere_in_the_admin(client: Callable[..., Any]) -> None:
    from fascicle.hub.models import LabMember
    from fascicle.hub.tokens import digest, new_token

    browser = client("admin")
    member = LabMember.objects.get(username="a-admin")
    text = new_token(member)
    page = browser.get(f"/admin/hub/labmember/{member.pk}/change/").content.decode()
    assert text not in page and digest(text) not in page and member.password not in page


def test_a_member_enters_but_does_not_administer(client: Callable[..., Any]) -> None:
    from fascicle.hub.models import LabMember

    browser = client("member")
    assert browser.get("/admin/hub/weighing/add/").status_code == 200
    assert browser.get("/admin/hub/labmember/add/").status_code == 403
    assert browser.get("/admin/hub/tag/add/").status_code == 403
    admin = LabMember.objects.get(username="admin")
    page = browser.get(f"/admin/hub/labmember/{admin.pk}/change/").content.decode()
    assert "is_superuser" not in page and "pbkdf2" not in page
    assert browser.post(f"/admin/hub/labmember/{admin.pk}/change/", {}).status_code == 403
    assert browser.get(f"/admin/hub/labmember/{admin.pk}/password/").status_code == 403


def test_who_may_only_read_does_not_enter_the_admin(client: Callable[..., Any]) -> None:
    browser = client("public")
    assert browser.get("/admin/").status_code == 302
    assert browser.post("/admin/hub/weighing/add/", {}).status_code == 403


def _blank(*names: str, **filled: Any) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for name in names:
        form |= {f"{name}-TOTAL_FORMS": "0", f"{name}-INITIAL_FORMS": "0"}
    return form | filled


NOTES = "hub-note-content_type-object_id"


def test_a_subject_with_a_first_weight_is_entered(client: Callable[..., Any]) -> None:
    from fascicle.hub.models import Lab, Subject

    lab = Lab.objects.first()
    browser = client("member")
    form = _blank("water_administrations", NOTES, "weighings") | {
        "weighings-TOTAL_FORMS": "1",
        "weighings-0-date_time_0": "2024-05-01",
        "weighings-0-date_time_1": "09:30",
        "weighings-0-weight": "21.4",
        "nickname": "mouse_1",
        "lab": str(lab.pk),
        "sex": "F",
        "birth_date": "2024-02-01",
        "protocol_number": "1",
        "reference_weight": "0",
        "genotype": "[]",
    }
    answer = browser.post("/admin/hub/subject/add/", form)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    subject = Subject.objects.get(nickname="mouse_1")
    weighing = subject.weighings.get()
    assert (weighing.weight, weighing.user.username) == (21.4, "a-member")
    assert str(weighing.date_time) == "2024-05-01 09:30:00"
    again = browser.post("/admin/hub/subject/add/", form)
    assert "already exists" in again.content.decode()
    bad = browser.post("/admin/hub/subject/add/", form | {"nickname": "a/../b"})
    assert "valid value" in bad.content.decode()


def _session_form(subject: Any, **more: Any) -> dict[str, Any]:
    names = ("probe_insertion", "wateradmin_session_related", NOTES)
    return _blank(*names) | {
        "subject": str(subject.pk),
        "start_time_0": "2024-05-01",
        "start_time_1": "10:00:00",
        "qc": "0",
        **more,
    }


def test_a_session_is_entered_with_the_next_number_and_an_id_from_its_place(
    client: Callable[..., Any],
) -> None:
    from uuid import UUID

    from fascicle.catalogue import identity
    from fascicle.hub.generation import current
    from fascicle.hub.models import Session, SessionChange, Subject

    browser = client("member")
    subject = Subject.objects.first()
    before = current()
    for _ in range(2):
        answer = browser.post("/admin/hub/session/add/", _session_form(subject))
        assert answer.status_code == 302, answer.content.decode()[:3000]
    first, second = Session.objects.filter(date="2024-05-01").order_by("number")
    assert (first.number, second.number) == (1, 2)
    assert first.lab == subject.lab
    expected = identity.session_id(subject.lab.name, subject.nickname, "2024-05-01", 1)
    assert first.pk == UUID(bytes=expected)
    assert second.parent_session == first
    assert current() > before
    assert SessionChange.objects.filter(eid=first.pk).exists()
    same = browser.post("/admin/hub/session/add/", _session_form(subject, number="2"))
    assert "There is a session of this subject, day and number." in same.content.decode()


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.mark.parametrize(
    ("data", "kept"), [(PNG, True), (b"<svg onload=alert(1)>", False), (b"MZ", False)]
)
def test_a_note_with_an_image(client: Callable[..., Any], data: bytes, kept: bool) -> None:
    from fascicle.hub.models import Note, Subject

    browser = client("member")
    subject = Subject.objects.first()
    form = _session_form(subject) | {
        f"{NOTES}-TOTAL_FORMS": "1",
        f"{NOTES}-0-date_time_0": "2024-05-01",
        f"{NOTES}-0-date_time_1": "10:00",
        f"{NOTES}-0-text": "a <b>bold</b> remark",
        f"{NOTES}-0-picture": io.BytesIO(data),
    }
    answer = browser.post("/admin/hub/session/add/", form)
    assert answer.status_code == (302 if kept else 200)
    if not kept:
        assert "not an image" in answer.content.decode()
        return
    note = Note.objects.get(text__contains="remark")
    assert note.user.username == "a-member"
    image = browser.get(f"/uploaded/{note.image}")
    assert image.headers["Content-Type"] == "image/png" and image.getvalue() == PNG
    page = browser.get(f"/pages/sessions/{note.object_id}").content.decode()
    assert "a &lt;b&gt;bold&lt;/b&gt; remark" in page and note.image in page


def test_what_is_part_of_the_paths_of_files_stands(client: Callable[..., Any]) -> None:
    browser = client("admin")
    session = first_session()
    page = browser.get(f"/admin/hub/session/{session.pk}/change/").content.decode()
    assert 'name="subject"' not in page and 'name="number"' not in page
    page = browser.get(f"/admin/hub/subject/{session.subject.pk}/change/").content.decode()
    assert 'name="lab"' not in page


def test_a_session_with_protected_files_is_not_deleted(client: Callable[..., Any]) -> None:
    from fascicle.hub.models import Session, Tag

    browser = client("admin")
    session = first_session()
    tag = Tag.objects.create(name="kept", protected=True)
    session.data_dataset_session_related.first().tags.add(tag)
    answer = browser.post(f"/admin/hub/session/{session.pk}/delete/", {"post": "yes"}, follow=True)
    assert "protected tag" in answer.content.decode()
    assert Session.objects.filter(pk=session.pk).exists()
    both = {"action": "delete_selected", "_selected_action": [str(session.pk)], "post": "yes"}
    answer = browser.post("/admin/hub/session/", both, follow=True)
    assert Session.objects.filter(pk=session.pk).exists()


def test_a_password_changed_in_the_admin_ends_tokens(client: Callable[..., Any]) -> None:
    from fascicle.hub.rest.tokens import member_of
    from fascicle.hub.tokens import new_token
    from fascicle.hub.users import add_user

    browser = client("admin")
    anna = add_user("anna", PASSWORD)
    text = new_token(anna)
    sent = {"password1": f"{PASSWORD} 2", "password2": f"{PASSWORD} 2", "usable_password": "true"}
    assert browser.post(f"/admin/hub/labmember/{anna.pk}/password/", sent).status_code == 302
    anna.refresh_from_db()
    assert anna.check_password(f"{PASSWORD} 2") and member_of(text) is None


def test_a_user_is_made_in_the_admin(client: Callable[..., Any]) -> None:
    from fascicle.hub.models import LabMember

    browser = client("admin")
    form = {"username": "otto", "password1": PASSWORD, "password2": PASSWORD}
    form |= {"usable_password": "true"} | _blank("lab_membership")
    answer = browser.post("/admin/hub/labmember/add/", form)
    assert answer.status_code == 302, re.findall(r"errorlist[^<]*<li>([^<]+)", str(answer.content))
    assert LabMember.objects.get(username="otto").check_password(PASSWORD)

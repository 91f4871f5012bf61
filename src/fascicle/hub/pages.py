"""Pages for people: a login, the sessions, one session. Each page's data are also JSON."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from fascicle.hub.models import (
    QC,
    Dataset,
    InsertionRegion,
    Lab,
    Note,
    ProbeInsertion,
    Project,
    Session,
    Subject,
)
from fascicle.hub.paths import natural_path

ROWS = 50
TERMS = ("lab", "subject", "project", "task", "since", "until")


class Logout(LogoutView):
    """Ends a browser's session; only a form of ours can, so that no other site does."""

    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Lead back to the start, which has the form."""
        return HttpResponseRedirect("/")


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Show the sessions, newest first, and what the hub has altogether."""
    return render(request, "hub/start.html", _start(request) | {"terms": _terms(request)})


@require_safe
def start_json(request: HttpRequest) -> HttpResponse:
    """Answer what the start page shows."""
    found = _start(request)
    page = found.pop("page")
    del found["labs"], found["projects"]
    return _json(
        found
        | {
            "page": page.number,
            "pages": page.paginator.num_pages,
            "n_sessions": page.paginator.count,
        }
    )


@require_safe
def session(request: HttpRequest, eid: UUID) -> HttpResponse:
    """Show one session."""
    return render(request, "hub/session.html", _session(eid))


@require_safe
def session_json(request: HttpRequest, eid: UUID) -> HttpResponse:
    """Answer what the page of a session shows."""
    return _json(_session(eid))


def forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form came from elsewhere, or that the browser keeps no cookies."""
    return render(request, "hub/forgery.html", {"reason": reason}, status=403)


def _json(value: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(value), content_type="application/json")


def _terms(request: HttpRequest) -> dict[str, str]:
    return {term: request.GET.get(term, "").replace("\0", "").strip()[:200] for term in TERMS}


def _start(request: HttpRequest) -> dict[str, Any]:
    terms = _terms(request)
    paginator = Paginator(_found(terms), ROWS)
    page = paginator.get_page(request.GET.get("page"))
    return {
        "totals": _totals(),
        "labs": list(Lab.objects.values_list("name", flat=True)),
        "projects": list(Project.objects.values_list("name", flat=True)),
        "page": page,
        "sessions": _rows(list(page.object_list)),
    }


def _found(terms: dict[str, str]) -> QuerySet[Any]:
    found = Session.objects.order_by("-start_time", "pk")
    if terms["lab"]:
        found = found.filter(lab__name=terms["lab"])
    if terms["subject"]:
        found = found.filter(subject__nickname__icontains=terms["subject"])
    if terms["project"]:
        found = found.filter(projects__name=terms["project"])
    if terms["task"]:
        found = found.filter(task_protocol__icontains=terms["task"])
    if since := _day(terms["since"]):
        found = found.filter(date__gte=since)
    if until := _day(terms["until"]):
        found = found.filter(date__lte=until)
    return found


def _day(text: str) -> date | None:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:  # a 30th of February
        return None


def _totals() -> dict[str, int]:
    files = Dataset.objects.aggregate(n=Count("pk"), size=Sum("file_size"))
    return {
        "sessions": Session.objects.count(),
        "subjects": Subject.objects.count(),
        "insertions": ProbeInsertion.objects.count(),
        "datasets": files["n"],
        "bytes": files["size"] or 0,
    }


def _rows(sessions: list[Any]) -> list[dict[str, Any]]:
    ids = [session.pk for session in sessions]
    rows = Session.objects.filter(pk__in=ids).values_list(
        "pk", "subject__nickname", "lab__name", "date", "number", "task_protocol", "n_trials", "qc"
    )
    by_id = {row[0]: row for row in rows}
    n_datasets = dict(
        Dataset.objects.filter(session__in=ids)
        .order_by()
        .values_list("session")
        .annotate(n=Count("pk"))
    )
    projects: dict[UUID, list[str]] = {}
    pairs = Session.projects.through.objects.filter(session__in=ids).order_by("project__name")
    for eid, name in pairs.values_list("session_id", "project__name"):
        projects.setdefault(eid, []).append(name)
    regions = _regions(Q(insertion__session__in=ids), "insertion__session_id")
    out = []
    for eid in ids:
        _, subject, lab, day, number, task, n_trials, qc = by_id[eid]
        out.append(
            {
                "id": eid,
                "lab": lab or "",
                "subject": subject,
                "date": day,
                "number": number,
                "projects": projects.get(eid, []),
                "task": task,
                "n_trials": n_trials,
                "qc": QC(qc).label,
                "n_datasets": n_datasets.get(eid, 0),
                "regions": regions.get(eid, []),
            }
        )
    return out


def _regions(condition: Q, key: str) -> dict[UUID, list[str]]:
    """Return the acronyms of regions that a key has channels in, most channels first."""
    counts: dict[UUID, dict[str, int]] = {}
    found = InsertionRegion.objects.filter(condition).values_list(
        key, "region__acronym", "n_channels"
    )
    for owner, acronym, n in found:
        of = counts.setdefault(owner, {})
        of[acronym] = of.get(acronym, 0) + n
    return {
        owner: sorted(of, key=lambda acronym: (-of[acronym], acronym))
        for owner, of in counts.items()
    }


def _session(eid: UUID) -> dict[str, Any]:
    found = Session.objects.filter(pk=eid).select_related("subject", "lab", "location").first()
    if found is None:
        raise Http404(f"there is no session {eid}")
    lab = found.lab.name if found.lab else ""
    datasets = _datasets(found, lab)
    return {
        "id": found.pk,
        "lab": lab,
        "subject": found.subject.nickname,
        "date": found.date,
        "number": found.number,
        "start_time": found.start_time,
        "end_time": found.end_time,
        "users": list(found.users.values_list("username", flat=True)),
        "projects": list(found.projects.values_list("name", flat=True)),
        "procedures": list(found.procedures.values_list("name", flat=True)),
        "task": found.task_protocol,
        "location": found.location.name if found.location else "",
        "n_trials": found.n_trials,
        "n_correct_trials": found.n_correct_trials,
        "qc": QC(found.qc).label,
        "narrative": found.narrative,
        "insertions": _insertions(eid),
        "datasets": datasets,
        "bytes": sum(row["size"] or 0 for row in datasets),
        "notes": list(
            Note.objects.filter(object_id=eid).values(
                "date_time", "user__username", "text", "image"
            )
        ),
    }


def _insertions(eid: UUID) -> list[dict[str, Any]]:
    regions = _regions(Q(insertion__session=eid), "insertion_id")
    rows = ProbeInsertion.objects.filter(session=eid).order_by("name")
    return [
        {
            "id": pid,
            "name": name,
            "model": model or "",
            "serial": serial,
            "regions": regions.get(pid, []),
        }
        for pid, name, model, serial in rows.values_list("pk", "name", "model__name", "serial")
    ]


def _datasets(found: Session, lab: str) -> list[dict[str, Any]]:
    rows = (
        Dataset.objects.filter(session=found)
        .order_by("collection", "revision__name", "name")
        .values_list(
            "pk",
            "collection",
            "revision__name",
            "name",
            "dataset_type__name",
            "file_size",
            "qc",
            "online",
            "default_dataset",
        )
    )
    out = []
    for pk, collection, revision, name, kind, size, qc, online, default in rows:
        where = natural_path(
            found.subject.nickname, found.date, found.number, collection, revision, name
        )
        out.append(
            {
                "id": pk,
                "collection": collection,
                "revision": revision or "",
                "name": name,
                "type": kind or "",
                "size": size,
                "qc": QC(qc).label,
                "default": default,
                "path": f"{lab}/Subjects/{where}",
                "here": online,
            }
        )
    return out


def denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that a page is not for this user."""
    return render(request, "hub/denied.html", {"why": exception or PermissionDenied()}, status=403)


page_paths = [
    path("", start, name="start"),
    path("login", LoginView.as_view(template_name="hub/login.html"), name="login"),
    path("logout", Logout.as_view(), name="logout"),
    path("pages/sessions.json", start_json, name="start-json"),
    path("pages/sessions/<uuid:eid>", session, name="session-page"),
    path("pages/sessions/<uuid:eid>.json", session_json, name="session-page-json"),
]

"""An Alyx in memory: a real HTTP server with the answers that registration and loading need.

Tests make it break on purpose (`SmallAlyx.fail`) and look at what it was sent (`SmallAlyx.asked`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

TOKEN = "0123456789abcdef0123456789abcdef01234567"
KEYS = {
    "labs": "name",
    "projects": "name",
    "tags": "name",
    "revisions": "name",
    "data-repository": "name",
    "data-formats": "name",
    "dataset-types": "name",
    "locations": "name",
    "water-type": "name",
    "subjects": "nickname",
    "users": "username",
}
WRITES = ("sessions", "weighings", "water-administrations", "subjects", "revisions")
TABLES = (*KEYS, "sessions", "datasets", "weighings", "water-administrations", "insertions")
SESSION_TERMS = (
    *("subject", "dataset_types", "datasets", "dataset_qc_lte", "number", "users", "date_range"),
    *("lab", "task_protocol", "location", "projects", "project", "procedures", "tag", "qc"),
    *("performance_gte", "performance_lte", "atlas_acronym", "atlas_name", "atlas_id"),
    *("histology", "json", "extended_qc", "type", "id", "nickname", "django", "limit", "offset"),
)
LISTED = ("id", "subject", "start_time", "number", "lab", "projects", "url", "task_protocol")


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int = 0


@dataclass
class Fault:
    """An answer to give in place of the right one; none at all where its status is 0."""

    method: str
    path: str
    status: int
    body: Any
    times: int
    when: Callable[[Asked], bool]


@dataclass
class SmallAlyx:
    """The tables, and what was asked."""

    tables: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in TABLES}
    )
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    protected: set[tuple[str, str, str]] = field(default_factory=set)
    folder: Path | None = None
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        body: Any = None,
        *,
        times: int = 1,
        when: Callable[[Asked], bool] = lambda asked: True,
    ) -> None:
        """Answer the next requests of a kind with an error."""
        self.faults.append(Fault(method, path, status, body, times, when))

    def posted(self, path: str) -> list[Any]:
        """Return the bodies that were posted to a path."""
        return [a.body for a in self.asked if a.method == "POST" and a.path == path]

    def add(self, table: str, **record: Any) -> dict[str, Any]:
        """Put a record into a table."""
        self.tables[table].append(record)
        return record

    def add_session(self, lab: str, subject: str, date: str, number: int, **more: Any) -> Any:
        """Put a session into its table."""
        eid = more.pop("id", None) or str(uuid4())
        start = date if "T" in date else f"{date}T10:00:00"
        record = {
            "id": eid,
            "subject": subject,
            "start_time": start,
            "number": number,
            "lab": lab,
            "projects": [],
            "url": f"{self.url}/sessions/{eid}",
            "task_protocol": "",
            "users": [],
            "location": None,
            "procedures": [],
            "type": "Experiment",
            "end_time": None,
            "narrative": "",
            "parent_session": None,
            "n_trials": None,
            "n_correct_trials": None,
            "extended_qc": None,
            "qc": "NOT_SET",
            "json": None,
            "auto_datetime": "2026-11-20T10:17:53.267251",
            "notes": [],
            "wateradmin_session_related": [],
            "field_of_view": [],
            "probe_insertion": [],
        }
        return self.add("sessions", **{**record, **{k: v for k, v in more.items() if k in record}})

    def add_dataset(
        self, session: dict[str, Any], path: str, *, size: int | None, md5: str, **more: Any
    ) -> dict[str, Any]:
        """Put a dataset into its table; ``path`` is relative to the session."""
        folder, _, name = path.rpartition("/")
        parts = [p for p in folder.split("/") if p]
        revision = next((p.strip("#") for p in parts if p.startswith("#")), "")
        did = more.pop("id", None) or str(uuid4())
        stem, _, extension = name.rpartition(".")
        day = session["start_time"][:10]
        place = f"{session['lab']}/Subjects/{session['subject']}/{day}/{session['number']:03d}"
        where = f"{place}/{folder}/" if folder else f"{place}/"
        record = {
            "id": did,
            "name": name,
            "dataset_type": more.pop("dataset_type", None) or self.type_of(name),
            "data_url": f"{self.url}/data/{where}{stem}.{did}.{extension}",
            "url": f"{self.url}/datasets/{did}",
            "file_size": size,
            "hash": md5,
            "version": "",
            "collection": "/".join(p for p in parts if not p.startswith("#")),
            "revision": revision,
            "default_revision": "True",
            "qc": "NOT_SET",
            "session": session["id"],
            **more,
        }
        return self.add("datasets", **record)

    def type_of(self, name: str) -> str | None:
        """Return the dataset type whose pattern a file name fits."""
        for kind in self.tables["dataset-types"]:
            pattern = kind["filename_pattern"] or f"*{kind['name']}.*"
            if fnmatch(name, pattern):
                return str(kind["name"])
        return None

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Return status and body for a request."""
        for fault in self.faults:
            if (fault.method, fault.path) == (asked.method, asked.path) and fault.when(asked):
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault.status, fault.body
        head, _, key = asked.path.strip("/").partition("/")
        special = getattr(self, f"_{asked.method.lower()}_{head.replace('-', '_')}", None)
        if special is not None:
            return special(asked, key)  # type: ignore[no-any-return]
        if head not in self.tables:
            return 404, {"detail": "Not found.", "status_code": 404}
        if asked.method == "POST" and head in WRITES:
            record = {**asked.body, "url": f"{self.url}/{head}/{uuid4()}"}
            self.tables[head].append(record)
            return 201, record
        if asked.method != "GET":
            return 405, {"detail": "Method not allowed.", "status_code": 405}
        if key:
            found = [r for r in self.tables[head] if str(r.get(KEYS.get(head, "id"))) == key]
            if not found:
                return 404, {"detail": f"No {head} matches the given query.", "status_code": 404}
            return 200, found[0]
        rows = self.tables[head]
        query = {k: v for k, v in asked.query.items() if k not in ("limit", "offset", "django")}
        rows = [r for r in rows if all(str(r.get(k)) == v for k, v in query.items())]
        return 200, self._page(asked, rows)

    def _page(self, asked: Asked, rows: list[Any]) -> dict[str, Any]:
        limit, offset = int(asked.query.get("limit", 250)), int(asked.query.get("offset", 0))
        following = None
        if offset + limit < len(rows):
            rest = {**asked.query, "limit": str(limit), "offset": str(offset + limit)}
            text = "&".join(f"{k}={v}" for k, v in rest.items())
            following = f"{self.url}{asked.path}?{text}"
        return {
            "count": len(rows),
            "next": following,
            "previous": None,
            "results": rows[offset : offset + limit],
        }

    def _get_api(self, asked: Asked, key: str) -> tuple[int, Any]:
        return 200, schema()

    def _post_auth_token(self, asked: Asked, key: str) -> tuple[int, Any]:
        if asked.body.get("password") != "secret":
            text = "Unable to log in with provided credentials."
            return 400, {"non_field_errors": [text], "status_code": 400}
        return 200, {"token": TOKEN}

    def _get_me(self, asked: Asked, key: str) -> tuple[int, Any]:
        return 200, {"username": "test_user"}

    def _get_cache(self, asked: Asked, key: str) -> tuple[int, Any]:
        return 404, {"detail": "Not found.", "status_code": 404}

    def _get_sessions(self, asked: Asked, key: str) -> tuple[int, Any]:
        if key:
            for record in self.tables["sessions"]:
                if record["id"] == key:
                    return 200, {**record, "data_dataset_session_related": self.datasets_of(key)}
            text = "No Session matches the given query."
            return 404, {"detail": text, "status_code": 404}
        rows = [r for r in self.tables["sessions"] if self._fits(r, asked.query)]
        rows.sort(key=lambda r: r["start_time"], reverse=True)
        return 200, self._page(asked, [{k: r[k] for k in LISTED} for r in rows])

    def datasets_of(self, eid: str) -> list[dict[str, Any]]:
        """Return a session's datasets as its detail has them."""
        rows = [d for d in self.tables["datasets"] if d["session"] == eid and d.get("exists", True)]
        return [{k: v for k, v in d.items() if k not in ("session", "exists")} for d in rows]

    def _fits(self, record: dict[str, Any], query: dict[str, str]) -> bool:
        for term, value in query.items():
            own = record.get(term)
            if term in ("subject", "lab", "type"):
                fits = str(own).casefold() == value.casefold()
            elif term in ("task_protocol", "location"):
                fits = value.casefold() in str(own or "").casefold()
            elif term in ("projects", "project", "procedures"):
                fits = any(value.casefold() in v.casefold() for v in record.get(term, []))
            elif term == "users":
                fits = set(value.split(",")) <= set(record["users"])
            elif term == "dataset_types":
                have = {d["dataset_type"] for d in self.datasets_of(record["id"])}
                fits = set(value.split(",")) <= have
            elif term == "datasets":
                have = {d["name"] for d in self.datasets_of(record["id"])}
                fits = set(value.split(",")) <= have
            elif term == "date_range":
                first, last = value.split(",")
                fits = first[:10] <= record["start_time"][:10] <= last[:10]
            elif term == "number":
                fits = record["number"] == int(value)
            elif term in ("performance_gte", "performance_lte"):
                if not record["n_trials"]:
                    return False
                percent = 100 * record["n_correct_trials"] / record["n_trials"]
                fits = percent >= float(value) if term.endswith("gte") else percent <= float(value)
            else:
                continue
            if not fits:
                return False
        return True

    def _post_sessions(self, asked: Asked, key: str) -> tuple[int, Any]:
        body = dict(asked.body)
        if not any(s["nickname"] == body["subject"] for s in self.tables["subjects"]):
            text = f"Object with nickname={body['subject']} does not exist."
            return 400, {"subject": [text], "status_code": 400}
        day = body.pop("start_time")
        lab, subject, number = body.pop("lab", "lab"), body.pop("subject"), body.pop("number")
        record = self.add_session(lab, subject, day, int(number), **body)
        return 201, {**record, "data_dataset_session_related": []}

    def _patch_sessions(self, asked: Asked, key: str) -> tuple[int, Any]:
        for record in self.tables["sessions"]:
            if record["id"] == key:
                record.update(asked.body)
                return 200, {**record, "data_dataset_session_related": self.datasets_of(key)}
        return 404, {"detail": "No Session matches the given query.", "status_code": 404}

    _put_sessions = _patch_sessions

    def _details(self, body: dict[str, Any]) -> tuple[bool, list[Any]]:
        """Return whether any file is protected, and the details in the server's form."""
        details, any_protected = [], False
        for filename in body["filenames"]:
            folder, _, name = f"{body['path']}/{filename}".rpartition("/")
            parts = folder.split("/")
            asked_revision = next((p.strip("#") for p in parts if p.startswith("#")), "")
            place = "/".join(p for p in parts if not p.startswith("#"))
            known = [
                (revision, (place, name, revision) in self.protected)
                for where, other, revision in self._known()
                if (where, other) == (place, name)
            ]
            if (place, name, asked_revision) in self.protected:
                any_protected = True
            details.append({filename: [{r: p} for r, p in known]})
        return any_protected, details

    def _known(self) -> list[tuple[str, str, str]]:
        rows = {(d["place"], d["name"], d["revision"]) for d in self.tables["datasets"]}
        return sorted(rows | self.protected)

    def _get_check_protected(self, asked: Asked, key: str) -> tuple[int, Any]:
        bad, details = self._details(asked.body)
        if bad:
            return 200, {
                "status_code": 403,
                "error": "One or more datasets is protected",
                "details": details,
            }
        return 200, {"status_code": 200, "details": details}

    def _post_register_file(self, asked: Asked, key: str) -> tuple[int, Any]:
        body = asked.body
        bad, details = self._details(body)
        if bad and body.get("check_protected"):
            return 403, {
                "status_code": 403,
                "error": "One or more datasets is protected",
                "details": details,
            }
        for filename in body["filenames"]:
            if self.type_of(filename.rpartition("/")[2]) is None:
                text = f'No dataset type found for filename "{filename}"'
                return 500, {"status_code": 500, "detail": text}
        answers = []
        for i, filename in enumerate(body["filenames"]):
            folder, _, name = f"{body['path']}/{filename}".rpartition("/")
            parts = folder.split("/")
            revision = next((p.strip("#") for p in parts if p.startswith("#")), "")
            place = "/".join(p for p in parts if not p.startswith("#"))
            record = {
                "id": str(uuid4()),
                "name": name,
                "place": place,
                "session": None,
                "file_size": body["filesizes"][i],
                "hash": body["hashes"][i],
                "subject": parts[0],
                "created_by": body["created_by"],
                "dataset_type": self.type_of(name),
                "collection": "/".join(place.split("/")[3:]),
                "revision": revision,
                "default": body.get("default", True),
                "qc": 0,
                "file_records": [],
            }
            self.tables["datasets"].append(record)
            answers.append(record)
        return 201, answers


def schema() -> dict[str, Any]:
    """Return an OpenAPI document of the tables."""
    paths: dict[str, Any] = {}
    for table in TABLES:
        terms = SESSION_TERMS if table == "sessions" else ["name", "limit", "offset", "django"]
        parameters = [{"name": t, "in": "query", "schema": {"type": "string"}} for t in terms]
        body = {
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{table}"}}}
        }
        key = KEYS.get(table, "id")
        paths[f"/{table}"] = {
            "get": {"operationId": f"{table}_list", "description": "", "parameters": parameters},
            "post": {"operationId": f"{table}_create", "description": "", "requestBody": body},
        }
        one = [{"name": key, "in": "path", "required": True, "schema": {"type": "string"}}]
        paths[f"/{table}/{{{key}}}"] = {
            "get": {"operationId": f"{table}_retrieve", "description": "", "parameters": one},
            "put": {"operationId": f"{table}_update", "parameters": one, "requestBody": body},
            "patch": {
                "operationId": f"{table}_partial_update",
                "parameters": one,
                "requestBody": body,
            },
            "delete": {"operationId": f"{table}_destroy", "parameters": one},
        }
    for name, verb in (("register-file", "post"), ("check-protected", "get")):
        paths[f"/{name}"] = {verb: {"operationId": name, "description": "", "parameters": []}}
    components = {table: {"type": "object", "properties": {}} for table in TABLES}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Alyx", "version": "3.6.1"},
        "paths": paths,
        "components": {"schemas": components},
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    alyx: SmallAlyx

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _do(self) -> None:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.headers.get("Content-Type", "").startswith("application/x-www-form"):
            body: Any = {k: v[0] for k, v in parse_qs(text).items()}
        else:
            body = json.loads(text) if text else None
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path.startswith("/data/"):
            self._file(parts.path)
            return
        asked = Asked(self.command, parts.path, query, body)
        with self.alyx.lock:
            self.alyx.asked.append(asked)
            asked.status, answer = self.alyx.answer(asked)
        if not asked.status:  # it breaks off
            self.close_connection = True
            return
        self._send(asked.status, json.dumps(answer).encode(), "application/json")

    def _file(self, path: str) -> None:
        assert self.alyx.folder is not None
        folder, _, name = path.removeprefix("/data/").rpartition("/")
        stem, identifier, extension = name.rsplit(".", 2)
        UUID(identifier)
        file = self.alyx.folder / folder / f"{stem}.{extension}"
        self.alyx.asked.append(Asked(self.command, path, {}, None, 200 if file.exists() else 404))
        if not file.exists():
            self._send(404, b"no such file", "text/plain")
            return
        self._send(200, file.read_bytes(), "application/octet-stream")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _do


@contextmanager
def small_alyx(**kwargs: Any) -> Iterator[SmallAlyx]:
    """Run a server on a free port of this machine."""
    alyx = SmallAlyx(**kwargs)
    handler = type("Handler", (_Handler,), {"alyx": alyx})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    alyx.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield alyx
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

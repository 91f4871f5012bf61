"""A server that answers what the public Alyx once answered, from the recorded files."""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd

PUBLIC = "https://openalyx.internationalbrainlab.org"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Recorded:
    """What was recorded: answers by their query, datasets and insertions by their ids.

    Parameters
    ----------
    data : pathlib.Path
        The folder of real data.
    """

    def __init__(self, data: Path) -> None:
        self.answers: dict[str, Any] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.insertions: dict[str, dict[str, Any]] = {}
        self.url = ""
        self.asked: list[str] = []
        for query, answer in self._all(data / "alyx_rest_openalyx"):
            if query:
                self.answers[query] = answer
            for record in answer.get("results", [answer]) if isinstance(answer, dict) else []:
                if str(record.get("url", "")).startswith(f"{PUBLIC}/datasets/"):
                    self.datasets[record["url"][-36:]] = record
                if "session_info" in record:
                    self.insertions[record["id"]] = record
        tables = data / "one_cache_openalyx"
        self.info = json.loads((tables / "cache_info.json").read_text())
        self.sessions = pd.read_parquet(tables / "sessions.pqt")
        self.rows = pd.read_parquet(tables / "datasets.pqt")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name in ("sessions.pqt", "datasets.pqt", "cache_info.json"):
                archive.write(tables / name, name)
        self.zip = out.getvalue()

    def _all(self, folder: Path) -> Iterator[tuple[str, Any]]:
        for path in sorted((folder / "examples").glob("*.json")):
            yield _query_of(path.stem), json.loads(path.read_text())[0]
        everything = folder / "rest_cache.tar.gz"
        if not everything.exists():
            return
        queries: dict[str, str] = {}
        with (folder / "index.csv").open(newline="") as file:
            for row in csv.reader(file):
                queries[row[0].rpartition("/")[2]] = row[-1] if len(row) > 1 else ""
        with tarfile.open(everything) as archive:
            for member in archive:
                file_ = archive.extractfile(member)
                if file_ is not None:
                    name = member.name.rpartition("/")[2]
                    yield unquote(queries.get(name, "")), json.loads(file_.read())[0]

    def answer(self, query: str) -> Any:
        """Return the answer to a query, None where there is none."""
        path = query.partition("?")[0]
        if query in self.answers:
            return self.answers[query]
        if path == "/datasets":
            found = [self.datasets[i] for i in _ID.findall(query) if i in self.datasets]
            return {"count": len(found), "next": None, "previous": None, "results": found}
        if path.startswith("/datasets/"):
            return self.datasets.get(path[-36:])
        if path.startswith("/insertions/"):
            return self.insertions.get(path[-36:])
        if path == "/insertions":
            of = [r for r in self.insertions.values() if r["session"] in query]
            return {"count": len(of), "next": None, "previous": None, "results": of}
        if path.rstrip("/") == "/cache/info":
            return {**self.info, "location": f"{self.url}/tables.zip"}
        if path.startswith("/sessions/"):
            return self.session(path[-36:])
        return None

    def session(self, eid: str) -> Any:
        """Return the record of a session, put together of the recorded tables."""
        if eid not in self.sessions.index:
            return None
        row = self.sessions.loc[eid]
        place = f"{row.lab}/Subjects/{row.subject}/{row.date}/{row.number:03d}"
        rows = self.rows.loc[[eid]] if eid in self.rows.index.get_level_values(0) else []
        datasets = []
        for (_, did), d in rows.iterrows() if len(rows) else ():
            stem, _, extension = d.rel_path.rpartition(".")
            datasets.append(
                {
                    "id": did,
                    "name": d.rel_path.rpartition("/")[2],
                    "data_url": f"https://ibl.flatironinstitute.org/public/{place}/{stem}.{did}."
                    f"{extension}",
                    "file_size": None if pd.isna(d.file_size) else int(d.file_size),
                    "hash": d.hash,
                    "default_revision": str(bool(d.default_revision)),
                    "qc": str(d.qc) if "qc" in d else "NOT_SET",
                }
            )
        return {
            "id": eid,
            "subject": row.subject,
            "start_time": f"{row.date}T10:00:00",
            "number": int(row.number),
            "lab": row.lab,
            "projects": [p for p in row.projects.split(",") if p],
            "task_protocol": row.task_protocol,
            "data_dataset_session_related": datasets,
        }


def _query_of(name: str) -> str:
    if name == "docs_coreapi_schema":
        return "/docs"
    if name.startswith("insertions_list_session_"):
        return f"/insertions?session={name[-36:]}"
    if name.startswith("insertions_read_"):
        return f"/insertions/{name[-36:]}"
    if name.startswith("data-repository_read_"):
        return f"/data-repository/{name.removeprefix('data-repository_read_')}"
    return ""


@contextmanager
def replaying(recorded: Recorded) -> Iterator[str]:
    """Run a server with what was recorded, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send(200, b'{"token": "0"}')

        def do_GET(self) -> None:
            query = unquote(self.path)
            recorded.asked.append(query)
            if query == "/tables.zip":
                self.send(200, recorded.zip, "application/zip")
                return
            answer = recorded.answer(query)
            if answer is None:
                self.send(404, b'{"detail": "Not found.", "status_code": 404}')
            else:
                self.send(200, json.dumps(answer).encode())

        def send(self, status: int, content: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorded.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield recorded.url
    finally:
        server.shutdown()
        server.server_close()

"""A small Alyx with what loading from it needs: tables of tags, buckets, files of no session."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.one.small_alyx import Asked, SmallAlyx, _Handler, schema

SESSION = "lab/Subjects/KS1/2020-01-02/001"


@dataclass
class ServedLab(SmallAlyx):
    """A small Alyx with files; ``tables_of`` are the tables that it offers, by tag."""

    tables_of: dict[str, bytes] = field(default_factory=dict)
    info: dict[str, dict[str, Any]] = field(default_factory=dict)
    eid: str = ""

    def add_file(self, path: str, content: Any = None, **more: Any) -> dict[str, Any]:
        """Put a file of the one session on the server; its record may say something else."""
        assert self.folder is not None
        session = next(s for s in self.tables["sessions"] if s["id"] == self.eid)
        file = self.folder / SESSION / path
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.arange(10) if content is None else content)
        data = file.read_bytes()
        size = more.pop("size", len(data))
        md5 = more.pop("md5", hashlib.md5(data).hexdigest())
        return self.add_dataset(session, path, size=size, md5=md5, **more)

    def record_of(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a dataset as its own endpoint has it."""
        own = row.get("file_records")
        record = {
            "data_repository": "lab",
            "data_repository_path": "/lab/Subjects/",
            "relative_path": "",
            "data_url": row["data_url"],
            "exists": True,
        }
        session = row["session"]
        return {
            **{k: v for k, v in row.items() if k not in ("id", "data_url")},
            "session": f"{self.url}/sessions/{session}" if session else None,
            "default_dataset": True,
            "file_records": [record] if own is None else own,
            "tags": row.get("tags", []),
        }

    def _get_datasets(self, asked: Asked, key: str) -> tuple[int, Any]:
        rows = self.tables["datasets"]
        if key:
            found = [r for r in rows if r["id"] == key]
            missing = {"detail": "Not found.", "status_code": 404}
            return (200, self.record_of(found[0])) if found else (404, missing)
        django = asked.query.get("django", "")
        if django.startswith("session__isnull"):
            rows = [r for r in rows if r["session"] is None]
        elif "id__in" in django:
            ids = re.findall(r"[0-9a-f-]{36}", django)
            rows = [r for r in rows if r["id"] in ids]
        return 200, self._page(asked, [self.record_of(r) for r in rows])

    def _get_api(self, asked: Asked, key: str) -> tuple[int, Any]:
        document = schema()
        known = document["paths"]["/datasets"]["get"]["parameters"]
        known += [{"name": n, "in": "query", "schema": {}} for n in ("exists", "session")]
        return 200, document

    def _get_cache(self, asked: Asked, key: str) -> tuple[int, Any]:
        tag = key.partition("/")[2]
        if tag not in self.info:
            return 404, {"detail": "Not found.", "status_code": 404}
        return 200, self.info[tag]

    def offer(self, tag: str, rows: list[dict[str, Any]], **more: Any) -> None:
        """Offer tables of some datasets."""
        about = {
            "date_created": "2024-10-04 12:43",
            "origin": "lab",
            "min_api_version": "2.7",
            "database_tags": [tag] if tag else [],
        }
        location = {"location": f"{self.url}/zips/{tag or 'all'}.zip"}
        self.info[tag] = {**about, **location, **more}
        session = next(s for s in self.tables["sessions"] if s["id"] == self.eid)
        sessions = pd.DataFrame(
            {
                "lab": [session["lab"]],
                "subject": [session["subject"]],
                "date": [pd.Timestamp(session["start_time"][:10]).date()],
                "number": np.array([session["number"]], np.uint16),
                "task_protocol": [""],
                "projects": [""],
            },
            index=pd.Index([self.eid], name="id"),
        )
        index = pd.MultiIndex.from_tuples([(self.eid, r["id"]) for r in rows], names=["eid", "id"])
        paths = [_inside(r) for r in rows]
        datasets = pd.DataFrame(
            {
                "rel_path": paths,
                "file_size": pd.array([r["file_size"] for r in rows], "UInt64"),
                "hash": [r["hash"] for r in rows],
                "exists": True,
                "qc": "NOT_SET",
                "default_revision": True,
            },
            index=index,
        )
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, frame in (("sessions", sessions), ("datasets", datasets)):
                table = pa.Table.from_pandas(frame)
                meta = {**(table.schema.metadata or {}), b"one_metadata": json.dumps(about)}
                sink = io.BytesIO()
                pq.write_table(table.replace_schema_metadata(meta), sink)
                archive.writestr(f"{name}.pqt", sink.getvalue())
            archive.writestr("cache_info.json", json.dumps(about))
        self.tables_of[tag or "all"] = out.getvalue()


def _inside(row: dict[str, Any]) -> str:
    parts = [row["collection"], f"#{row['revision']}#" if row["revision"] else "", row["name"]]
    return "/".join(filter(None, parts))


class _Files(_Handler):
    alyx: ServedLab

    def _do(self) -> None:
        if self.path.startswith("/zips/"):
            name = self.path.removeprefix("/zips/").removesuffix(".zip")
            content = self.alyx.tables_of.get(name)
            self.alyx.asked.append(Asked(self.command, self.path, {}, None, 200))
            self._send(404 if content is None else 200, content or b"", "application/zip")
        elif self.path.startswith("/data/"):
            self._file(unquote(self.path))
        else:
            super()._do()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _do


@contextmanager
def served_lab(folder: Path) -> Iterator[ServedLab]:
    """Run a server with one session on a free port of this machine."""
    lab = ServedLab(folder=folder)
    handler = type("Handler", (_Files,), {"alyx": lab})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    lab.url = f"http://127.0.0.1:{server.server_address[1]}"
    lab.eid = lab.add_session("lab", "KS1", "2020-01-02", 1)["id"]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield lab
    finally:
        server.shutdown()
        server.server_close()


def new_id() -> str:
    """Return an id."""
    return str(uuid4())

"""Answers that are kept: for whom, how long, and by how many at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from fascicle.alyx import AlyxClient
from fascicle.alyx.responses import Responses

from .conftest import PASSWORD, FakeAlyx, Said, client_of


def counting(server: FakeAlyx) -> None:
    n = iter(range(1_000_000))
    server.fallback = lambda asked: Said({"n": next(n)})


def test_an_answer_is_good_for_a_while(server: FakeAlyx, tmp_path: Path) -> None:
    counting(server)
    alyx = client_of(server, tmp_path)
    assert alyx.default_expiry == timedelta(minutes=5)
    assert alyx.rest_cache_dir == tmp_path / "cache" / ".rest"
    assert alyx.get("/x") == alyx.get("/x") == {"n": 0}
    assert alyx.get("/y", expires=True) == {"n": 1}
    assert alyx.get("/y") == {"n": 2}
    assert alyx.get("/z", expires=timedelta(seconds=-1)) == {"n": 3}
    assert alyx.get("/z") == {"n": 4}
    other = client_of(server, tmp_path)
    assert other.get("/x") == {"n": 0}
    for mode in ("*", "get"):
        other.cache_mode = mode
        assert other.get("/x") == {"n": 0}
    other.cache_mode = None
    assert other.get("/x") == {"n": 5}
    other.cache_mode, other.default_expiry = "GET", None
    assert other.get("/x") == {"n": 6}


def test_an_empty_list_is_an_answer(server: FakeAlyx, tmp_path: Path) -> None:
    server.routes["GET", "/x"] = Said([])
    alyx = client_of(server, tmp_path)
    assert alyx.get("/x") == alyx.get("/x") == []
    assert len(server.asked("/x")) == 1


def test_each_user_and_server_apart(server: FakeAlyx, tmp_path: Path) -> None:
    counting(server)
    server.users["other"] = (PASSWORD, "another-token")
    mine, theirs = client_of(server, tmp_path), client_of(server, tmp_path, username="other")
    assert (mine.get("/x"), theirs.get("/x")) == ({"n": 0}, {"n": 1})
    second = FakeAlyx()
    second.start()
    second.fallback = lambda asked: Said({"n": "second"})
    elsewhere = client_of(second, tmp_path)
    assert elsewhere.get("/x") == {"n": "second"}
    mine.clear_rest_cache()
    assert theirs.get("/x") == {"n": 2}
    second.stop()
    assert elsewhere.get("/x") == {"n": "second"}


def test_what_is_written_makes_answers_old(server: FakeAlyx, tmp_path: Path) -> None:
    counting(server)
    alyx, other = client_of(server, tmp_path), client_of(server, tmp_path)
    server.routes["GET", "/api/schema"] = lambda asked: Said({"paths": {}, "n": len(server.log)})
    schema = alyx.get("/api/schema")
    assert alyx.get("/x") == other.get("/x") == {"n": 0}
    other.patch("/x", data={"a": 1})
    assert alyx.get("/x") == {"n": 2}
    assert alyx.get("/x") == {"n": 2}
    assert alyx.get("/api/schema") == schema


def test_a_harmed_file_is_none(server: FakeAlyx, tmp_path: Path) -> None:
    counting(server)
    alyx = client_of(server, tmp_path)
    alyx.get("/x")
    (file,) = alyx.rest_cache_dir.iterdir()
    for n, text in enumerate(['{"answer', "[]", "", '{"format": 1}', "\udcff"]):
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert alyx.get("/x") == {"n": n + 1}
        assert json.loads(file.read_text())["answer"] == {"n": n + 1}


def test_a_folder_that_cannot_be_written(server: FakeAlyx, tmp_path: Path) -> None:
    counting(server)
    alyx = client_of(server, tmp_path)
    (tmp_path / "cache").mkdir()
    alyx.rest_cache_dir.write_text("a file")
    assert [alyx.get("/x"), alyx.get("/x")] == [{"n": 0}, {"n": 1}]
    alyx.clear_rest_cache()


def test_only_our_own_answers_go(tmp_path: Path) -> None:
    theirs = tmp_path / "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    theirs.write_text("[[], '2026-01-01']")
    ours = Responses(tmp_path, "https://a.org", "me")
    ours.keep("/x", 1, asked=0.0, seconds=1.0)
    ours.note_write()
    assert all(path.is_file() for path in tmp_path.iterdir())  # ONE takes all of it for files
    Responses(tmp_path, "https://b.org", "me").clear()
    assert len(list(tmp_path.iterdir())) == 3
    ours.clear()
    assert list(tmp_path.iterdir()) == [theirs]


def test_logout(server: FakeAlyx, tmp_path: Path) -> None:
    counting(server)
    alyx = client_of(server, tmp_path)
    alyx.get("/x")
    alyx.logout()
    assert not alyx.is_logged_in
    assert alyx.user is None
    assert not list(alyx.rest_cache_dir.iterdir())
    alyx.logout()


MANY = """
import random, sys, warnings
from fascicle.alyx import AlyxClient
warnings.simplefilter("error")
url, folder, seed = sys.argv[1:]
alyx = AlyxClient(url, "test_user", silent=True, cache_dir=folder)
random.seed(int(seed))
for i in range(200):
    n = random.randrange(40)
    if i % 50 == 49:
        assert alyx.post("/x", data={"n": n})["n"] == n
    if i % 90 == 89:
        alyx.clear_rest_cache()
    got = alyx.get(f"/x/{n}")
    assert got["path"] == f"/x/{n}" and len(got["text"]) == 20000, got
"""


def test_many_processes_share_a_folder(server: FakeAlyx, tmp_path: Path) -> None:
    def answer(asked: Any) -> Said:
        if asked.method == "POST":
            return Said(asked.data, 201)
        return Said({"path": asked.path, "text": "x" * 20_000})

    server.fallback = answer
    client_of(server, tmp_path)
    command = [sys.executable, "-c", MANY, server.url, str(tmp_path / "cache")]
    running = [
        subprocess.Popen(
            [*command, str(seed)], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        for seed in range(16)
    ]
    told = [process.communicate(timeout=240)[1] for process in running]
    assert not any(told), next(filter(None, told))[-3000:]
    assert not any(process.returncode for process in running)
    names = [path.name for path in (tmp_path / "cache" / ".rest").iterdir()]
    assert not [name for name in names if name.startswith(".")]
    assert server.logins == 1


def test_a_client_reads_no_answer_of_one(tmp_path: Path, server: FakeAlyx) -> None:
    counting(server)
    alyx = AlyxClient(server.url, "test_user", PASSWORD, cache_dir=tmp_path, silent=True)
    alyx.rest_cache_dir.mkdir()
    import hashlib

    name = hashlib.sha1(b"/x").hexdigest()
    (alyx.rest_cache_dir / name).write_text('[{"n": "old"}, "2099-01-01T00:00:00"]')
    assert alyx.get("/x") == {"n": 0}

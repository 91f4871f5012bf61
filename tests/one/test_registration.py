"""Sessions, files, weights and water enter a database, and no file is ever lost on the way."""

from __future__ import annotations

import datetime as dt
import errno
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fascicle.alyx import AlyxClient
from fascicle.errors import (
    ALFError,
    ALFInvalid,
    ALFWarning,
    AlyxSubjectNotFound,
    ChangedFile,
    ConfigurationError,
    HTTPError,
    ServerError,
)
from fascicle.one import filegroups, revising
from fascicle.one.alyx import OneAlyx
from fascicle.one.registration import RegistrationClient, RegistrationError, get_dataset_type
from fascicle.testing.hub import HubServer

from . import registration_probe
from .small_alyx import SmallAlyx, small_alyx

SRC = Path(__file__).resolve().parents[2] / "src"
SESSION = "lab1/Subjects/SUB1/2020-01-02/001"
PLACE = "SUB1/2020-01-02/001/alf"
TODAY = dt.date.today().isoformat()


@pytest.fixture(autouse=True)
def _today() -> None:
    """Say anew what day it is: tests may run on after midnight."""
    global TODAY
    TODAY = dt.date.today().isoformat()


TYPES = {
    "spikes.times": "",
    "spikes.clusters": None,
    "wheel.position": "*wheel.position*",
    "_iblrig_taskData.raw": "_iblrig_taskData.raw.*",
}


def fill(alyx: SmallAlyx) -> SmallAlyx:
    for name, pattern in TYPES.items():
        alyx.add("dataset-types", name=name, filename_pattern=pattern or "")
    for extension in (".npy", ".jsonable"):
        alyx.add("data-formats", name=extension[1:], file_extension=extension)
    for lab in ("lab1", "lab2"):
        alyx.add("labs", name=lab)
    for subject in ("SUB1", "SUB2"):
        alyx.add("subjects", nickname=subject, lab="lab1")
    for user in ("test_user", "ann"):
        alyx.add("users", username=user)
    return alyx


@pytest.fixture
def alyx() -> Iterator[SmallAlyx]:
    with small_alyx() as server:
        yield fill(server)


@pytest.fixture
def client(alyx: SmallAlyx, tmp_path: Path) -> RegistrationClient:
    login = {"username": "test_user", "password": "secret"}
    rest = AlyxClient(base_url=alyx.url, **login, silent=True, cache_dir=tmp_path / "cache")
    one = SimpleNamespace(
        alyx=rest,
        cache_dir=tmp_path / "cache",
        to_eid=lambda session: session["id"] if isinstance(session, dict) else session,
    )
    return RegistrationClient(one)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def write(path: Path, content: bytes = b"abc") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# -- dataset types ---------------------------------------------------------------------------------


def types(**patterns: str | None) -> list[dict[str, Any]]:
    return [{"name": n.replace("__", "."), "filename_pattern": p} for n, p in patterns.items()]


@pytest.mark.parametrize(
    ("name", "patterns", "expected"),
    [
        ("spikes.times.npy", {"spikes__times": ""}, "spikes.times"),
        ("/a/b/_ns_spikes.times_clock.x.npy", {"spikes__times": None}, "spikes.times"),
        ("Wheel.Position.npy", {"p": "*wheel.position*"}, "p"),
        ("readme.txt", {"r": "README*"}, "r"),
    ],
)
def test_the_type_of_a_file(name: str, patterns: dict[str, str | None], expected: str) -> None:
    assert get_dataset_type(name, types(**patterns))["name"] == expected


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ({"other": ""}, "No dataset type found"),
        ({"spikes__times": "x*"}, "No dataset type found"),
        ({"spikes__times": "", "x": "spikes*"}, "Multiple matching.*spikes.times, x"),
    ],
)
def test_a_file_of_no_type_or_several(patterns: dict[str, str | None], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        get_dataset_type("spikes.times.npy", types(**patterns))


# -- files -----------------------------------------------------------------------------------------


def test_files_of_several_sessions(
    client: RegistrationClient, alyx: SmallAlyx, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a = write(root / SESSION / "alf/spikes.times.npy")
    b = write(root / SESSION / "alf/probe00/spikes.clusters.npy", b"more")
    g = write(root / "lab2/Subjects/SUB2/2020-01-03/002/raw/_iblrig_taskData.raw.jsonable")
    odd = write(root / SESSION / "alf/foo.bar.npy")
    with caplog.at_level(logging.WARNING):
        records = client.register_files(
            [odd, g, a, b, a], versions=["0", "1", "2", "3", "2"], qc=["PASS"] * 4 + ["PASS"]
        )
    assert records[0] is None
    assert [r["name"] for r in records[1:]] == [g.name, a.name, b.name, a.name]
    assert "foo.bar.npy is left out: no dataset type fits it" in caplog.text
    first, second = alyx.posted("/register-file")
    assert (first["path"], first["labs"]) == ("SUB2/2020-01-03/002", "lab2")
    assert first["versions"] == ["1"]
    assert second["filenames"] == ["alf/spikes.times.npy", "alf/probe00/spikes.clusters.npy"]
    assert second["versions"] == ["2", "3"]
    assert second["qc"] == ["PASS", "PASS"]
    assert second["filesizes"] == [3, 4]
    assert second["hashes"][0] == "900150983cd24fb0d6963f7d28e17f72"  # md5 of abc


def test_a_single_file_gives_a_single_record(client: RegistrationClient, root: Path) -> None:
    file = write(root / SESSION / "alf/spikes.times.npy")
    assert client.register_files(str(file))["dataset_type"] == "spikes.times"
    assert client.register_files(write(root / SESSION / "alf/foo.bar.npy")) is None


def test_versions_must_be_as_many_as_files(client: RegistrationClient, root: Path) -> None:
    files = [write(root / SESSION / f"alf/spikes.{x}.npy") for x in ("times", "clusters")]
    with pytest.raises(ConfigurationError, match="3 values are given as versions, and 2 files"):
        client.register_files(files, versions=["1", "2", "3"])


def test_nothing_is_sent_where_a_file_is_missing(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    here = write(root / SESSION / "alf/spikes.times.npy")
    gone = root / "lab1/Subjects/SUB1/2020-01-03/002/alf/spikes.times.npy"
    with pytest.raises(FileNotFoundError):
        client.register_files([here, gone])
    assert not alyx.posted("/register-file")


def test_the_user_of_a_file_that_is_no_sessions(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    files = [
        write(root / "aggregates/Subjects/lab1/SUB1" / name)
        for name in ("spikes.times.npy", "sub/#2020-01-01#/spikes.times.npy")
    ]
    more = {"content_type": "subject", "object_id": "1"}
    (body,) = client.register_files(files, dry=True, **more)
    assert body["path"] == "Subjects/lab1/SUB1"
    assert body["filenames"] == ["spikes.times.npy", "sub/#2020-01-01#/spikes.times.npy"]
    assert "labs" not in body
    one = client.register_files(files[1], dry=True, **more)
    assert (one["path"], one["filenames"]) == (
        "Subjects/lab1/SUB1/sub",
        ["#2020-01-01#/spikes.times.npy"],
    )
    assert not alyx.posted("/register-file")


def test_hashing_takes_little_memory_and_notices_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    big = tmp_path / "big"
    with open(big, "wb") as file:
        file.truncate(200 << 20)
    tracemalloc.start()
    sizes, (digest,) = filegroups.sizes_and_hashes([big], progress=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (sizes, digest) == ([200 << 20], "3566de3a97906edb98d004d6b947ae9b")
    assert peak < 8 << 20
    assert filegroups.sizes_and_hashes([big], max_size=1) == (sizes, [None])

    def fstat(descriptor: int, real: Any = os.fstat) -> os.stat_result:
        os.utime(big)  # as a program does that still writes it
        return real(descriptor)

    monkeypatch.setattr(filegroups.os, "fstat", fstat)
    with pytest.raises(ChangedFile, match="changed while it was read"):
        filegroups.sizes_and_hashes([big])


# -- what is protected -----------------------------------------------------------------------------


def test_a_protected_file_becomes_a_revision(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    protected = write(root / SESSION / "alf/spikes.times.npy")
    other = write(root / SESSION / "alf/spikes.clusters.npy")
    records = client.register_files([protected, other])
    assert [r["revision"] for r in records] == [TODAY, ""]
    assert set(tree(root)) == {
        f"{SESSION}/alf/#{TODAY}#/spikes.times.npy",
        f"{SESSION}/alf/spikes.clusters.npy",
    }
    first, second = alyx.posted("/register-file")
    assert (first["check_protected"], second["check_protected"]) == (True, False)
    assert second["filenames"] == [f"alf/#{TODAY}#/spikes.times.npy", "alf/spikes.clusters.npy"]
    assert os.stat(root / SESSION / f"alf/#{TODAY}#/spikes.times.npy").st_nlink == 1


def test_each_time_there_is_another_revision(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    for n, letter in enumerate(["", "a", "b"]):
        file = write(root / SESSION / "alf/spikes.times.npy", b"x" * n)
        assert client.register_files(file)["revision"] == f"{TODAY}{letter}"
    assert sorted(tree(root).values()) == [b"", b"x", b"xx"]


def test_a_protected_revision_gets_the_next_letter(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    for revision in ("2021-01-01", "2021-01-01a"):
        alyx.protected.add((PLACE, "spikes.times.npy", revision))
    file = write(root / SESSION / "alf/#2021-01-01#/spikes.times.npy")
    assert client.register_files([file])[0]["revision"] == "2021-01-01b"


def test_a_file_that_is_there_is_never_replaced(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    file = write(root / SESSION / "alf/spikes.times.npy", b"new")
    write(root / SESSION / f"alf/#{TODAY}#/spikes.times.npy", b"of nobody knows whom")
    assert client.register_files(file)["revision"] == f"{TODAY}a"
    assert sorted(tree(root).values()) == [b"new", b"of nobody knows whom"]


@pytest.mark.parametrize("link", [True, False], ids=["links", "no links"])
def test_a_refused_revision_leaves_files_where_they_were(
    client: RegistrationClient,
    alyx: SmallAlyx,
    root: Path,
    link: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not link:
        monkeypatch.setattr(revising.os, "link", no_links)
    alyx.protected = {(PLACE, "spikes.times.npy", ""), (PLACE, "spikes.clusters.npy", "")}
    alyx.fail(
        "POST", "/register-file", 400, {"error": "no"}, when=lambda a: not a.body["check_protected"]
    )
    files = [write(root / SESSION / f"alf/spikes.{x}.npy") for x in ("times", "clusters")]
    before = tree(root)
    with pytest.raises(HTTPError) as caught:
        client.register_files(files)
    assert caught.value.status == 400
    assert "all are where they were" in "".join(caught.value.__notes__)
    assert tree(root) == before
    assert not any(p.name.startswith("#") for p in root.rglob("*"))
    records = client.register_files(files)
    assert [r["revision"] for r in records] == [TODAY, TODAY]
    assert {p.rsplit("/", 2)[1] for p in tree(root)} == {f"#{TODAY}#"}


def no_links(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("status", [500, 502, 0])
@pytest.mark.parametrize("link", [True, False], ids=["links", "no links"])
def test_a_server_that_breaks_off_leaves_every_file_and_says_where(
    client: RegistrationClient,
    alyx: SmallAlyx,
    root: Path,
    link: bool,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not link:
        monkeypatch.setattr(revising.os, "link", no_links)
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    alyx.fail("POST", "/register-file", status, {"detail": "?"}, when=not_checked)
    file = write(root / SESSION / "alf/spikes.times.npy")
    with pytest.raises((HTTPError, ServerError)) as caught:
        client.register_files(file)
    moved = root / SESSION / f"alf/#{TODAY}#/spikes.times.npy"
    assert moved.read_bytes() == b"abc"
    assert f"{moved} is the file, and {'at' if link else 'no longer at'} {file}" in "".join(
        caught.value.__notes__
    )
    assert file.exists() == link
    # What was begun is taken up again, under either name.
    again = client.register_files(file if link else moved)
    assert again["revision"] == TODAY
    assert list(tree(root)) == [f"{SESSION}/alf/#{TODAY}#/spikes.times.npy"]


def not_checked(asked: Any) -> bool:
    return not asked.body["check_protected"]


def test_another_refusal_moves_nothing(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    alyx.fail("POST", "/register-file", 403, {"detail": "you may only read", "status_code": 403})
    file = write(root / SESSION / "alf/spikes.times.npy")
    with pytest.raises(HTTPError):
        client.register_files(file)
    assert list(tree(root)) == [f"{SESSION}/alf/spikes.times.npy"]
    assert len(alyx.posted("/register-file")) == 1


@pytest.mark.parametrize("details", [[], None, [{"other.times.npy": [{"": True}]}]])
def test_a_refusal_that_does_not_say_which_file_is_obeyed(
    client: RegistrationClient, alyx: SmallAlyx, root: Path, details: Any
) -> None:
    refusal = {"error": "One or more datasets is protected", "details": details}
    alyx.fail("POST", "/register-file", 403, refusal)
    file = write(root / SESSION / "alf/spikes.times.npy")
    with pytest.raises(HTTPError):
        client.register_files(file)
    assert len(alyx.posted("/register-file")) == 1
    assert list(tree(root)) == [f"{SESSION}/alf/spikes.times.npy"]


def test_an_error_says_which_sessions_are_registered(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    files = [
        write(root / f"lab1/Subjects/SUB1/2020-01-0{n}/001/alf/spikes.times.npy") for n in (1, 2, 3)
    ]
    alyx.fail(
        "POST",
        "/register-file",
        400,
        {"error": "no"},
        when=lambda a: a.body["path"] == "SUB1/2020-01-02/001",
    )
    with pytest.raises(HTTPError) as caught:
        client.register_files(files)
    notes = "".join(caught.value.__notes__)
    assert "of SUB1/2020-01-02/001 no file was registered; of these, all: SUB1/2020-01-01/001" in (
        notes
    )


def test_a_program_that_is_killed_loses_nothing(
    client: RegistrationClient, alyx: SmallAlyx, root: Path, tmp_path: Path
) -> None:
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    file = write(root / SESSION / "alf/spikes.times.npy")
    asked, killed = threading.Event(), threading.Event()

    def stall(request: Any) -> bool:
        if request.body["check_protected"]:
            return False
        asked.set()
        return killed.wait(30)

    alyx.fail("POST", "/register-file", 503, {"detail": "too late"}, when=stall)
    run = subprocess.Popen(
        [sys.executable, "-c", _REGISTER, alyx.url, str(tmp_path / "other"), str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert asked.wait(30)
    run.kill()
    run.wait()
    killed.set()
    moved = root / SESSION / f"alf/#{TODAY}#/spikes.times.npy"
    assert file.read_bytes() == moved.read_bytes() == b"abc"
    assert client.register_files(file)["revision"] == TODAY
    assert list(tree(root)) == [f"{SESSION}/alf/#{TODAY}#/spikes.times.npy"]


_REGISTER = """
import sys
from types import SimpleNamespace
from fascicle.alyx import AlyxClient
from fascicle.one.registration import RegistrationClient

url, cache, file = sys.argv[1:]
alyx = AlyxClient(url, "test_user", "secret", silent=True, cache_dir=cache)
RegistrationClient(SimpleNamespace(alyx=alyx)).register_files(file)
"""


def test_a_link_still_leads_to_its_file(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    store = write(root / "annex/1234", b"large")
    link = root / SESSION / "alf/spikes.times.npy"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(store, link.parent))
    assert client.register_files(link)["revision"] == TODAY
    moved = root / SESSION / f"alf/#{TODAY}#/spikes.times.npy"
    assert moved.is_symlink() and moved.read_bytes() == b"large"
    assert not os.path.lexists(link)


@pytest.mark.parametrize("link", [True, False], ids=["links", "no links"])
def test_processes_that_register_the_same_file(
    client: RegistrationClient,
    alyx: SmallAlyx,
    root: Path,
    link: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not link:
        monkeypatch.setattr(revising.os, "link", no_links)
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    for _ in range(5):
        file = write(root / SESSION / "alf/spikes.times.npy")
        barrier, done, failed = threading.Barrier(4), threading.Event(), []
        seen: set[bytes] = set()

        def register(file: Path = file, barrier: Any = barrier, failed: Any = failed) -> None:
            barrier.wait()
            try:
                client.register_files(file)
            except FileNotFoundError as error:  # another was done before this one began
                failed.append(error)

        def watch(done: threading.Event = done, seen: set[bytes] = seen) -> None:
            while not done.is_set():
                for path in root.rglob("*.npy"):
                    with suppress(FileNotFoundError):
                        seen.add(path.read_bytes())

        threads = [threading.Thread(target=register) for _ in range(4)]
        watcher = threading.Thread(target=watch)
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        watcher.join()
        assert seen <= {b"abc"}  # under each of its names it is whole
        assert len(failed) < 4
    assert list(tree(root).values()) == [b"abc"] * 5


def test_protection_is_told(client: RegistrationClient, alyx: SmallAlyx, root: Path) -> None:
    alyx.protected = {(PLACE, "spikes.times.npy", "")}
    file = write(root / SESSION / "alf/spikes.times.npy")
    answer = client.check_protected_files(file)
    assert answer["status_code"] == 403
    assert answer["details"] == [{"alf/spikes.times.npy": [{"": True}]}]
    assert answer["shared_path"] == root / SESSION
    alyx.protected.clear()  # asked again, not answered from what was kept
    assert client.check_protected_files([file])[0]["status_code"] == 200


# -- sessions --------------------------------------------------------------------------------------


def test_a_session_and_its_files(client: RegistrationClient, alyx: SmallAlyx, root: Path) -> None:
    write(root / SESSION / "alf/spikes.times.npy")
    write(root / SESSION / "alf/notes.txt")
    session, records = client.register_session(root / SESSION, projects="p", procedures=["a", "b"])
    assert records is not None
    assert [r["name"] for r in records] == ["spikes.times.npy"]
    assert session["data_dataset_session_related"] == records
    (body,) = alyx.posted("/sessions")
    assert body == {
        "subject": "SUB1",
        "users": ["test_user"],
        "type": "Experiment",
        "number": 1,
        "projects": ["p"],
        "procedures": ["a", "b"],
        "lab": "lab1",
        "start_time": "2020-01-02T00:00:00",
    }


def test_a_known_session_keeps_what_is_not_given(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    known = alyx.add_session(
        "lab1", "SUB1", "2020-01-02T10:11:12", 1, users=["ann"], narrative="long", type="Base"
    )
    session, _ = client.register_session(root / SESSION, file_list=False, n_trials=5)
    assert session["id"] == known["id"]
    assert (session["start_time"], session["users"]) == ("2020-01-02T10:11:12", ["ann"])
    assert (session["n_trials"], session["type"]) == (5, "Base")
    again, _ = client.register_session(root / SESSION, file_list=False)
    assert again["id"] == known["id"]
    assert not alyx.posted("/sessions")


def test_files_of_a_folder_without_a_lab_go_to_the_sessions_lab(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    write(root / "SUB2/2020-01-05/003/alf/spikes.times.npy")
    client.register_session(root / "SUB2/2020-01-05/003", lab="lab2")
    assert alyx.posted("/register-file")[0]["labs"] == "lab2"


@pytest.mark.parametrize(
    ("path", "kwargs", "error", "words"),
    [
        (SESSION, {"lab": "lab2"}, RegistrationError, 'not the lab of the session.s path, "lab1"'),
        (SESSION, {"start_time": "2020-01-03"}, AssertionError, "not on the day"),
        (SESSION, {"end_time": "zz"}, ValueError, "is no date"),
        (SESSION, {"users": ["ann", "zed"]}, ALFError, '"zed" does not exist in users'),
        ("lab1/Subjects/SUBX/2020-01-02/001", {}, AlyxSubjectNotFound, "SUBX"),
        ("lab1/Subjects/SUB1", {}, ALFInvalid, "no folder of a session"),
    ],
)
def test_what_contradicts_itself_is_refused(
    client: RegistrationClient,
    alyx: SmallAlyx,
    root: Path,
    path: str,
    kwargs: Any,
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        client.register_session(root / path, **kwargs)
    assert not alyx.posted("/sessions")


def test_a_new_session_is_new_here_and_in_the_database(
    client: RegistrationClient, alyx: SmallAlyx, root: Path
) -> None:
    alyx.add_session("lab1", "SUB1", "2020-03-03", 4)
    path, eid = client.create_new_session("SUB1", root, "2020-03-03T11:12", projects="p")
    assert path == root / "SUB1/2020-03-03/005"
    assert path.is_dir()
    body = alyx.posted("/sessions")[0]
    assert (body["number"], body["start_time"]) == (5, "2020-03-03T11:12:00")
    assert str(eid) == alyx.tables["sessions"][-1]["id"]
    path, eid = client.create_new_session("SUB1", root, "2020-03-03", register=False)
    assert (path.name, eid) == ("006", None)
    path, _ = client.create_new_session("SUB2")
    assert path == client.one.cache_dir / f"SUB2/{TODAY}/001"


def test_flags_go_once_their_sessions_are_registered(
    client: RegistrationClient, alyx: SmallAlyx, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flags = [
        write(root / path / "create_me.flag", b"")
        for path in (
            "lab1/Subjects/SUB1/2020-01-02/001",
            "lab1/Subjects/SUBX/2020-01-02/001",
            "lab1/Subjects/SUB2/2020-01-02/001",
            "rubbish",
        )
    ]
    write(flags[0].parent / "alf/spikes.times.npy")
    sessions = [f.parent for f in (flags[0], flags[2], flags[1])]
    with caplog.at_level(logging.WARNING):
        assert client.create_sessions(root, dry=True) == (sessions, [None] * 3)
    assert "rubbish/create_me.flag is in no folder of a session" in caplog.text
    assert all(f.exists() for f in flags)
    with pytest.raises(AlyxSubjectNotFound) as caught:
        client.create_sessions(root, register_files=True)
    assert str(flags[1]) in "".join(caught.value.__notes__)
    assert [f.exists() for f in flags] == [False, True, False, True]
    assert len(alyx.posted("/sessions")) == 2
    alyx.add("subjects", nickname="SUBX")
    paths, records = client.create_sessions(str(root))
    assert paths == [flags[1].parent]
    assert records[0]["subject"] == "SUBX"


# -- weights and water -----------------------------------------------------------------------------


def test_weight_and_water(client: RegistrationClient, alyx: SmallAlyx) -> None:
    client.register_weight("SUB1", 23.5, dt.date(2020, 1, 2))
    assert alyx.posted("/weighings") == [
        {
            "subject": "SUB1",
            "date_time": "2020-01-02T00:00:00",
            "user": "test_user",
            "weight": 23.5,
        }
    ]
    session = alyx.add_session("lab1", "SUB1", "2020-01-02", 1)
    client.register_water_administration(
        "SUB1", 1.25, date_time="2020-01-02T03:04:05", session=session, user="ann", adlib=True
    )
    assert alyx.posted("/water-administrations") == [
        {
            "subject": "SUB1",
            "date_time": "2020-01-02T03:04:05",
            "user": "ann",
            "water_administered": 1.25,
            "water_type": "Water",
            "adlib": True,
            "session": session["id"],
        }
    ]
    with pytest.warns(UserWarning, match="hydrogel: the database has no such thing"):
        client.register_water_administration("SUB1", 1, hydrogel=True)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_no_weight_and_no_water(client: RegistrationClient, alyx: SmallAlyx, value: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        client.register_weight("SUB1", value)
    with pytest.raises(ValueError, match="above 0"):
        client.register_water_administration("SUB1", value)
    with pytest.raises(AlyxSubjectNotFound):
        client.register_weight("SUBX", 20)
    with pytest.raises(ALFError):
        client.register_weight("SUB1", 20, user="zed")
    assert not alyx.posted("/weighings")


def test_members(client: RegistrationClient, alyx: SmallAlyx) -> None:
    alyx.add("data-repository", name="rep1")
    assert client.assert_exists("rep1", "repositories") == {"name": "rep1"}
    alyx.fail("GET", "/labs/lab1", 500, {"detail": "no"})
    with pytest.raises(HTTPError):
        client.assert_exists("lab1", "labs")


def test_letters_of_revisions_follow_each_other_when_sorted() -> None:
    found: list[str] = ["2020-01-01"]
    for _ in range(80):
        found.append(revising.next_revision("2020-01-01", found))
    assert found == sorted(found)
    assert len(set(found)) == 81


# -- a hub -----------------------------------------------------------------------------------------


def test_from_the_rig_to_another_users_analysis(
    lab_copy: Path, made_hub: HubServer, tmp_path: Path
) -> None:
    with HubServer(lab_copy, like=made_hub) as hub:
        login = {"username": "test_user", "password": hub.users["test_user"].password}
        rig = OneAlyx(**login, base_url=hub.url, cache_dir=tmp_path / "rig", silent=True)
        client = RegistrationClient(rig)
        path, eid = client.create_new_session("flowers", lab_copy / "mrsicflogellab/Subjects")
        save(path / "alf/spikes.times.npy", 5)
        save(path / "alf/_ibl_wheel.position.npy", 6)
        _, records = client.register_session(path, n_trials=4, projects="karolina_opto")
        assert records is not None
        assert [r["dataset_type"] for r in records] == ["wheel.position", "spikes.times"]
        rig.alyx.rest("tags", "create", data={"name": "kept", "protected": True})
        for record in records:
            rig.alyx.rest("datasets", "partial_update", id=record["id"], data={"tags": ["kept"]})
        assert client.check_protected_files(path / "alf/spikes.times.npy")["status_code"] == 403
        for n, letter in ((7, ""), (8, "a")):
            save(path / "alf/spikes.times.npy", n)
            record = client.register_files(path / "alf/spikes.times.npy")
            assert record["revision"] == f"{TODAY}{letter}"
        client.register_weight("flowers", 23.4)
        client.register_water_administration("flowers", 1.2, session=path)

        desk = OneAlyx(**login, base_url=hub.url, cache_dir=tmp_path / "desk", silent=True)
        assert desk.search(subject="flowers", number=1)[0] == eid
        details = desk.get_details(eid, full=True)
        assert (details["n_trials"], details["projects"]) == (4, ["karolina_opto"])
        assert [w["water_administered"] for w in details["wateradmin_session_related"]] == [1.2]
        assert {
            f"alf/#{TODAY}#/spikes.times.npy",
            f"alf/#{TODAY}a#/spikes.times.npy",
            "alf/_ibl_wheel.position.npy",
        } <= set(desk.list_datasets(eid))
        with pytest.warns(ALFWarning, match=f'took "{TODAY}a" for alf/spikes.times.npy'):
            assert len(desk.load_dataset(eid, "spikes.times.npy")) == 8
        assert len(desk.load_dataset(eid, "spikes.times.npy", revision=TODAY)) == 7


def save(path: Path, n: int) -> None:
    path.parent.mkdir(exist_ok=True)
    np.save(path, np.arange(n))


# -- the official ONE's registration ---------------------------------------------------------------


@pytest.mark.peer
def test_what_is_sent_is_what_the_official_registration_sends(
    one_python: Path, tmp_path: Path
) -> None:
    ours, sent = run_probe(one_python, "fascicle.one.registration", tmp_path / "ours")
    theirs, expected = run_probe(one_python, "one.registration", tmp_path / "theirs")
    different = [
        f"{call}\n  ONE-api:  {a}\n  fascicle: {b}"
        for call, a, b in zip(registration_probe.CALLS, theirs, ours, strict=True)
        if not same(a, b)
    ]
    assert not different, "\n".join(different)
    assert sorted(sent, key=repr) == sorted(expected, key=repr)
    assert len(sent) >= 9


def run_probe(python: Path, module: str, folder: Path) -> tuple[list[Any], list[Any]]:
    """Return what calls gave, and all that was sent to be kept."""
    (folder / "home").mkdir(parents=True)
    with small_alyx() as alyx:
        fill(alyx).add("data-repository", name="rep1", data_url="")
        alyx.protected = {(PLACE, "spikes.times.npy", "")}
        run = subprocess.run(
            [str(python), registration_probe.__file__, module, alyx.url, str(folder / "data")],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"HOME": str(folder / "home"), "PYTHONPATH": str(SRC)},
        )
        assert run.returncode == 0, run.stderr[-3000:]
        kept = ("/sessions", "/register-file", "/weighings", "/water-administrations")
        sent = [
            (
                a.path,
                {**a.body, **({"number": int(a.body["number"])} if "number" in a.body else {})},
            )
            for a in alyx.asked
            if a.method in ("POST", "PUT", "PATCH") and a.path.startswith(kept)
        ]
    return json.loads(run.stdout.splitlines()[-1]), sent  # theirs prints sessions too


def same(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, dict) and "error" in theirs:
        # The class that theirs raise, or the builtin one that it is.
        kinds = [k for k in theirs["error"] if k not in ("Exception", "BaseException", "object")]
        return isinstance(ours, dict) and any(k in ours.get("error", ()) for k in kinds)
    return bool(theirs == ours)

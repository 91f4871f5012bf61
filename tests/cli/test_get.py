"""``fascicle get`` as it is typed: from folders, from S3, by address, offline, interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from fascicle.archives import FolderArchive
from fascicle.cli.app import fascicle
from fascicle.releases import publish
from fascicle.testing.s3 import S3Server


def invoke(*args: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args], input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def server(made_lab: Path) -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket("lab-bucket")
        about = {"title": "A lab", "license": "CC-BY-4.0", "authors": ["A. B."]}
        target = "s3://lab-bucket/lab"
        publish(made_lab, version="1.0.0", to=target, endpoint=server.url, progress=False, **about)
        yield server


@pytest.fixture
def release(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    return "s3://lab-bucket/lab"


def test_dry_run_says_what_would_come_and_writes_nothing(release: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    asked = ("get", release, "--region", "TH", "--dataset", "spikes.times", "--to", to)
    code, out, _ = invoke(*asked, "--dry-run")
    assert code == 0 and not to.exists()
    assert re.search(r"7 to fetch", out) and "from s3" in out and "free on the disk" in out
    code, out, _ = invoke(*asked, "--dry-run", "--json")
    facts = json.loads(out)
    assert facts["files"] == facts["to_fetch"] == len(facts["items"]) == 7
    assert facts["bytes"] == sum(item["bytes"] for item in facts["items"]) > 0
    assert facts["stores"][str(to)] > 0


def test_get_then_get_again(release: str, tmp_path: Path) -> None:
    asked = ("get", release, "--region", "TH", "--dataset", "spikes.times", "--to", tmp_path)
    code, out, err = invoke(*asked)
    assert code == 0 and "7 fetched" in out, err
    code, out, _ = invoke(*asked, "--json")
    assert code == 0 and {i["status"] for i in json.loads(out)["items"]} == {"here"}
    code, out, _ = invoke("find", "--in", tmp_path, "--region", "TH", "--ids")
    assert code == 0 and len(out.split()) == 4
    code, out, _ = invoke("verify", tmp_path)
    assert code == 0 and "7 files fetched, 7 verified: 0 differences" in out


def test_sessions_by_name_and_from_a_pipe(lab: Path, tmp_path: Path) -> None:
    eids = invoke("find", "--region", "TH", "--ids")[1]
    first = eids.split()[0]
    code, _, err = invoke("get", first, "--dataset", "trials", "--to", tmp_path / "a")
    assert code == 0, err
    assert FolderArchive(tmp_path / "a").catalogue().n_sessions == 1
    session = FolderArchive(lab).open(first)
    reference = f"{session.date}_{session.number}_{session.subject}"
    for name in (reference, session.record.path, str(session.path)):
        assert invoke("get", name, "--to", tmp_path / "b", "--dry-run")[0] == 0
    code, _, err = invoke("get", "-", "--dataset", "trials", "--to", tmp_path / "c", stdin=eids)
    assert code == 0, err
    assert FolderArchive(tmp_path / "c").catalogue().n_sessions == len(eids.split())
    code, _, err = invoke("get", "2020-01-01_1_nobody", "--to", tmp_path / "d")
    assert code == 3 and "nobody" in err


def test_choices(lab: Path, tmp_path: Path) -> None:
    asked = ("get", "--in", lab, "--to", tmp_path, "--dry-run", "--json")
    every = json.loads(invoke(*asked)[1])["items"]
    small = json.loads(invoke(*asked, "--max-size", "10k")[1])["items"]
    assert 0 < len(small) < len(every) and all(item["size"] <= 10_000 for item in small)
    some = invoke(*asked, "--include", "*trials*", "--exclude", "*.pqt")[1]
    names = [Path(item["target"]).name for item in json.loads(some)["items"]]
    assert names and all("trials" in n and not n.endswith(".pqt") for n in names)
    probes = json.loads(invoke(*asked, "--collection", "alf/probe00*")[1])["items"]
    assert probes and all("/alf/probe00" in item["target"] for item in probes)


def test_nothing_matches(lab: Path, tmp_path: Path) -> None:
    code, _, err = invoke("get", "--in", lab, "--dataset", "nothing", "--to", tmp_path)
    assert code == 1 and "nothing matches" in err
    code, _, err = invoke("get", "--in", lab, "--subject", "nobody", "--to", tmp_path)
    assert code == 1 and "nothing matches" in err


def test_what_is_not_understood(lab: Path, tmp_path: Path) -> None:
    assert invoke("get")[0] == 2
    assert invoke("get", "https://host/a.npy", "--region", "TH")[0] == 2
    assert invoke("get", "2020-01-01_1_me", "--region", "TH")[0] == 2
    assert invoke("get", "--in", lab, "--max-size", "large")[0] == 2
    assert invoke("get", "--in", lab, "--bandwidth", "0")[0] == 2


def test_bad_files_are_named_and_the_others_stay(copied_lab: Path, tmp_path: Path) -> None:
    invoke("index", copied_lab, "--hash")
    edited = next(copied_lab.rglob("*trials.choice*.npy"))
    data = bytearray(edited.read_bytes())
    data[-1] ^= 1
    edited.write_bytes(data)
    code, out, err = invoke("get", copied_lab, "--to", tmp_path / "to")
    assert code == 3 and edited.name in err and "1 failed" in out
    assert "1 file could not be brought" in err
    assert FolderArchive(tmp_path / "to").catalogue().n_datasets == 29


def test_names_that_lead_nowhere(release: str, lab: Path, tmp_path: Path) -> None:
    """Each is told what is wrong with it, and what to type next."""
    code, _, err = invoke("get", "no-such", "--in", release, "--to", tmp_path / "to")
    assert code == 3 and "'no-such' is neither a session nor a folder" in err
    for wrong in ("1.0", "first"):
        code, _, err = invoke("get", f"{release}@{wrong}", "--to", tmp_path / "to")
        assert code == 3 and f"'{wrong}' behind the @" in err and f"{release}@1.1.0" in err
    code, _, err = invoke("get", f"{lab}@1.0", "--to", tmp_path / "to")
    assert code == 3 and "'1.0' behind the @" in err
    code, _, err = invoke("find", "--in", tmp_path / "no-such")
    assert code == 3 and "there is no folder" in err and "fascicle index" not in err
    code, _, err = invoke(
        "get", "http://localhost:1/a.npy", "--hash", "sha256:9f86", "--to", tmp_path / "to"
    )
    assert code == 3 and "has 4 digits, and a whole sha256 has 64" in err
    assert not (tmp_path / "to").exists()


def test_a_file_of_ones_own_is_in_the_way(copied_lab: Path, tmp_path: Path) -> None:
    invoke("index", copied_lab, "--hash")
    first = next(copied_lab.rglob("*trials.choice*.npy"))
    own = tmp_path / "to" / first.relative_to(copied_lab)
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    code, _, err = invoke("get", copied_lab, "--to", tmp_path / "to")
    assert code == 3 and own.read_bytes() == b"mine" and "not fetched" in err
    assert invoke("get", copied_lab, "--to", tmp_path / "to", "--replace")[0] == 0


def test_offline(release: str, tmp_path: Path) -> None:
    asked = ("get", release, "--region", "TH", "--dataset", "spikes.times", "--to", tmp_path)
    assert invoke(*asked)[0] == 0
    assert invoke(*asked, "--offline")[0] == 0
    assert "FASCICLE_OFFLINE" not in os.environ
    code, _, err = invoke(*asked, "--dataset", "trials", "--offline")
    assert code == 3 and "offline" in err and "leave out --offline" in err


def test_a_target_that_cannot_be_made(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, _, err = invoke("get", "--in", lab, "--dataset", "trials", "--to", tmp_path / "file/x")
    assert code == 3 and "file/x" in err


# -- addresses ------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    class Slow(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def copyfile(self, source, outputfile) -> None:  # type: ignore[no-untyped-def]
            while block := source.read(100_000):
                outputfile.write(block)
                time.sleep(0.01)

    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "a.npy").write_bytes(b"x" * 70_000)
    (folder / "large.bin").write_bytes(os.urandom(20_000_000))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=folder))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_by_its_address(
    web: str, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("get", f"{web}/a.npy")[0] == 0  # into the current folder
    assert (tmp_path / "a.npy").read_bytes() == b"x" * 70_000
    code, _, err = invoke("get", f"{web}/a.npy", "--to", tmp_path / "to", "--hash", "0" * 64)
    assert code == 3 and "sha256" in err and not (tmp_path / "to/a.npy").exists()
    code, out, err = invoke("get", "s3://lab-bucket/lab/sessions.pqt", "--to", tmp_path / "s3")
    assert code == 0 and "1 fetched" in out, err


def test_what_a_second_try_cannot_mend_is_not_said_to_need_one(web: str, tmp_path: Path) -> None:
    code, _, err = invoke("get", f"{web}/no-such.npy", "--to", tmp_path / "to")
    assert code == 3 and "no such file there" in err
    assert "the record may be out of date" in err and "tries them again" not in err


def test_interrupted_and_continued(web: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fascicle", "get", f"{web}/large.bin", "--to", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--bandwidth", "8M"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for _ in range(400):
        if any(p.stat().st_size for p in tmp_path.glob(".large*.part")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in err
    assert not (tmp_path / "large.bin").exists()
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "large.bin").read_bytes() == (tmp_path / "web/large.bin").read_bytes()


def test_killed_and_continued(release: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    command = [sys.executable, "-m", "fascicle", "get", release, "--to", str(to)]
    for wait in (0.8, 1.2, 1.6):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(wait)
        process.kill()
        process.wait()
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    code, out, _ = invoke("verify", to)
    assert code == 0 and "0 differences" in out


def test_verify_finds_what_was_harmed_in_a_store_without_an_index(web: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    invoke("get", f"{web}/a.npy", "--to", to)
    code, out, err = invoke("verify", to)
    assert code == 0 and "without a checksum" in err
    (to / "a.npy").write_bytes(b"short")
    code, out, _ = invoke("verify", to, "--json")
    facts = json.loads(out)
    assert code == 1 and facts["fetched"] == 1
    assert facts["differences"] == [{"path": "a.npy", "problem": "not what was fetched"}]
    (to / "a.npy").unlink()
    assert "not here" in invoke("verify", to)[1]


def test_a_version_is_cited_with_the_address_of_its_release(release: str) -> None:
    """The version is said apart, and alike by both commands."""
    for command in (("cite",), ("release", "cite")):
        code, out, err = invoke(*command, f"{release}@1.0.0")
        first = out.partition("\n")[0]
        assert code == 0 and "(version 1.0.0)" in first and first.endswith(release), out + err

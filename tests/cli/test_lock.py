"""``fascicle lock``, ``sync`` and ``cite``, as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import fascicle
from fascicle.formats.lock import read_lock

from .conftest import Run

SCRIPT = """\
import multiprocessing, sys
import fascicle

def wheel(eid):
    return len(fascicle.open(sys.argv[1]).open(eid).load("wheel")["position"])

if __name__ == "__main__":
    found = fascicle.find(archives=sys.argv[1], datasets=["wheel.position", "trials.table"])
    eid = str(found[0].eid)
    print(len(found[0].load("trials").to_df()), "trials")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*pool.map(wheel, [eid]), "samples")
    for word in sys.argv[2:]:
        found[0].load(word)
    sys.exit(7 if "fail" in sys.argv[0] else 0)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "analysis.py"
    file.write_text(SCRIPT)
    (tmp_path / "fail.py").write_text(SCRIPT)
    return file


@pytest.fixture
def lock(lab: Path, script: Path, run: Run) -> Path:
    done = run("lock", "-o", script.with_suffix(".lock"), script, lab)
    assert done.returncode == 0, done.stderr
    return script.with_suffix(".lock")


def test_locks_what_a_script_loads(lab: Path, script: Path, run: Run, tmp_path: Path) -> None:
    done = run("lock", script, lab, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trials" in done.stdout and "samples" in done.stdout  # its own words alone
    made = read_lock(tmp_path / "fascicle.lock")
    names = {file.path.rpartition("/")[2] for _, file in made.files()}
    assert {"_ibl_trials.table.pqt", "_ibl_wheel.position.npy"} <= names  # its child's too
    assert f"{lab}: {len(made)} files of 1 session" in done.stderr
    assert "fascicle.lock locks" in done.stderr
    assert made.command == f"{script} {lab}"
    assert tomllib.loads((tmp_path / "fascicle.lock").read_text())["format"] == 1


def test_passes_on_how_a_script_ends(lab: Path, script: Path, run: Run, tmp_path: Path) -> None:
    done = run("lock", "fail.py", lab, cwd=tmp_path)
    assert done.returncode == 7
    assert "ended with exit code 7" in done.stderr and "--keep-going" in done.stderr
    assert not (tmp_path / "fascicle.lock").exists()
    done = run("lock", "--keep-going", "fail.py", lab, cwd=tmp_path)
    assert done.returncode == 7
    assert len(read_lock(tmp_path / "fascicle.lock")) > 2


def test_options_behind_the_script_are_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text("import sys\nprint(sys.argv[1:])\n")
    done = run("lock", "show.py", "-o", "x", "--json", "--help", cwd=tmp_path)
    assert done.stdout.strip() == "['-o', 'x', '--json', '--help']"
    assert done.returncode == 1
    assert "nothing was loaded through fascicle" in done.stderr
    assert not (tmp_path / "fascicle.lock").exists()


def test_any_command_can_be_locked(lab: Path, run: Run, tmp_path: Path) -> None:
    code = (
        "import fascicle, sys;"
        "fascicle.find(archives=sys.argv[1], datasets='wheel.position')[0].load('wheel')"
    )
    done = run("lock", sys.executable, "-c", code, lab, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(read_lock(tmp_path / "fascicle.lock")) >= 2
    done = run("lock", "no-such-command", cwd=tmp_path)
    assert done.returncode == 2 and "no-such-command" in done.stderr


def test_locks_anew_although_held(
    lock: Path, lab: Path, script: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(read_lock(lock))
    monkeypatch.setenv("FASCICLE_LOCK", str(lock))
    done = run("lock", "-o", lock, script, lab, "wheelMoves")
    assert done.returncode == 0, done.stderr
    assert len(read_lock(lock)) > before


def test_the_output_may_stand_at_the_end(lab: Path, script: Path, run: Run, tmp_path: Path) -> None:
    done = run("lock", script, lab, "-o", tmp_path / "last.lock")
    assert done.returncode == 0, done.stderr
    assert len(read_lock(tmp_path / "last.lock"))
    done = run("lock", "-o", tmp_path / "of-ours.lock", script, lab, "-o", "wheelMoves")
    assert done.returncode, "the script does not know of -o, which is its own there"
    assert not (tmp_path / "of-ours.lock").exists()


def test_a_record_of_elsewhere(
    lab: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASCICLE_RECORD", str(tmp_path / "records"))
    (session, *_) = fascicle.find(archives=lab, datasets="wheel.position")
    session.load("wheel")
    done = run("load", str(session.eid), "trials", "--in", lab)
    assert done.returncode == 0, done.stderr
    monkeypatch.delenv("FASCICLE_RECORD")
    done = run("lock", "--record", tmp_path / "records", "-o", tmp_path / "x.lock", "--json")
    said = json.loads(done.stdout)
    assert said["files"] == len(session.list("wheel")) + len(session.list("trials"))
    assert said["archives"][0] | {"name": ""} == {
        "name": "",
        "kind": "folder",
        "version": "",
        "sessions": 1,
        "files": said["files"],
    }


def test_one_of_three(run: Run, lock: Path, script: Path, tmp_path: Path) -> None:
    for words in ([], ["--check", lock, script], ["--check", lock, "--record", tmp_path]):
        done = run("lock", *words)
        assert done.returncode == 2 and "Name a SCRIPT" in done.stderr


def test_under_the_lock(lock: Path, lab: Path, script: Path, run: Run) -> None:
    environment = os.environ | {"FASCICLE_LOCK": str(lock)}

    def play(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), str(lab), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    assert play().returncode == 0
    refused = play("wheelMoves")
    assert refused.returncode == 1
    assert "LockedError" in refused.stderr and "unset FASCICLE_LOCK" in refused.stderr
    (session, *_) = fascicle.find(archives=lab, datasets=["wheel.position", "trials.table"])
    os.environ["FASCICLE_LOCK"] = str(lock)
    try:
        done = run("load", str(session.eid), "wheelMoves", "--in", lab)
    finally:
        del os.environ["FASCICLE_LOCK"]
    assert done.returncode == 3 and "is not in the lock" in done.stderr


def test_checks_a_lock(lock: Path, lab: Path, run: Run, tmp_path: Path) -> None:
    n_files = len(read_lock(lock))
    done = run("lock", "--check", lock)
    assert (done.returncode, done.stdout) == (0, f"{n_files} files as they were\n")
    command = [sys.executable, "-m", "fascicle", "lock", "--check"]
    shutil.copy(lock, tmp_path / "fascicle.lock")
    for words, code in ([], 0), (["--archive", f"{lab}={tmp_path / 'nowhere'}", "--json"], 1):
        here = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True)
        assert here.returncode == code, here.stderr
    here = subprocess.run(
        [sys.executable, "-m", "fascicle", "sync", "--dry-run"], cwd=tmp_path, capture_output=True
    )
    assert here.returncode == 0, here.stderr
    copy = tmp_path / "copy"
    (session, *_) = fascicle.find(archives=lab, datasets=["wheel.position", "trials.table"])
    shutil.copytree(session.path, copy / session.record.path)
    fascicle.index(copy)
    moved = ["--archive", f"{lab}={copy}"]
    assert run("lock", "--check", lock, *moved).returncode == 0
    (copy / session.record.path / "alf/_ibl_wheel.position.npy").write_bytes(b"other")
    (copy / session.record.path / "alf/_ibl_wheel.timestamps.npy").unlink()
    done = run("lock", "--check", lock, *moved)
    assert done.returncode == 1
    assert f"{n_files - 2} files as they were" in done.stdout
    assert "_ibl_wheel.position.npy: its content is no longer what it was" in done.stderr
    assert "_ibl_wheel.timestamps.npy: its file is not there" in done.stderr
    said = json.loads(run("lock", "--check", lock, *moved, "--json").stdout)
    assert sorted(p["kind"] for p in said["problems"]) == ["content", "dataset"]


def test_syncs(lock: Path, lab: Path, script: Path, run: Run, tmp_path: Path) -> None:
    there = tmp_path / "there"
    done = run("sync", lock, "--to", there, "--dry-run")
    assert done.returncode == 0 and "to fetch" in done.stdout
    assert not there.exists()
    done = run("sync", lock, "--to", there, "--parallel", "4")
    assert done.returncode == 0, done.stderr
    assert f"{len(read_lock(lock))} fetched" in done.stdout
    done = run("sync", lock, "--to", there, "--json")
    assert {file["state"] for file in json.loads(done.stdout)["files"]} == {"here"}
    os.environ["FASCICLE_LOCK"] = str(lock)
    try:
        played = subprocess.run(
            [sys.executable, str(script), str(there)], capture_output=True, text=True
        )
    finally:
        del os.environ["FASCICLE_LOCK"]
    assert played.returncode == 0, played.stderr


def test_says_what_is_gone(lock: Path, run: Run, tmp_path: Path) -> None:
    text = lock.read_text()
    other = tmp_path / "other.lock"
    other.write_text(text.replace("_ibl_wheel.position.npy", "_ibl_wheel.nothing.npy"))
    done = run("sync", other, "--to", tmp_path / "to")
    assert done.returncode == 1
    assert "_ibl_wheel.nothing.npy: the session no longer has it" in done.stderr
    assert f"{len(read_lock(lock)) - 1} fetched" in done.stdout  # and everything else is here
    other.write_text(text.replace(read_lock(lock).archives[0].name, str(tmp_path / "nowhere")))
    done = run("sync", other)
    assert done.returncode == 1
    assert "the archive is not there" in done.stderr and "--archive" in done.stderr
    assert f"({len(read_lock(lock))} files)" in done.stderr
    other.write_text(text.replace("alf/_ibl_wheel", "../../../../../../wheel"))
    done = run("sync", other, "--to", tmp_path / "to2")
    assert done.returncode == 3 and "leads up, out of the folder" in done.stderr
    assert not (tmp_path / "to2").exists()
    done = run("sync", lock, "--archive", "nonsense")
    assert done.returncode == 3 and "~/data=/mnt/data" in done.stderr


def test_cites(lock: Path, lab: Path, script: Path, run: Run, tmp_path: Path) -> None:
    done = run("cite", lock)
    assert done.returncode == 0, done.stderr
    assert "a folder without a version or a DOI" in done.stdout
    for words in ([lock, "--format", "json"], [lock, "--format=json"], ["--format", "json", lock]):
        (row,) = json.loads(run("cite", *words).stdout)
        assert (row["kind"], row["files"]) == ("folder", len(read_lock(lock)))
    done = run("cite", "--format", "cff", script, lab)
    assert done.returncode == 0, done.stderr
    assert [r["type"] for r in yaml.safe_load(done.stdout)["references"]] == ["data"]
    assert "samples" in done.stderr  # what the script prints is no citation
    assert run("cite", tmp_path / "fail.py", lab).returncode == 7
    assert run("cite", lock, "nonsense").returncode == 2
    shutil.copy(lock, tmp_path / "fascicle.lock")
    assert run("cite", cwd=tmp_path).stdout == run("cite", lock).stdout
    nothing = run("cite", cwd=tmp_path / "..")
    assert nothing.returncode == 3 and "cannot be read" in nothing.stderr
    assert run("cite", lab).stdout.startswith(str(lab))


def test_cites_a_release(copied_lab: Path, run: Run, tmp_path: Path) -> None:
    from fascicle.releases.publishing import publish

    fascicle.index(copied_lab)
    publish(
        copied_lab,
        version="1.2.0",
        to=tmp_path / "out",
        project="mice",
        title="Mice",
        authors=["Lovelace, Ada"],
        license="CC-BY-4.0",
        doi="10.5281/zenodo.42",
        progress=False,
    )
    done = run("cite", f"{tmp_path / 'out'}@1.2.0", "--format", "bibtex")
    assert done.returncode == 0, done.stderr
    assert "doi = {10.5281/zenodo.42}" in done.stdout and "version = {1.2.0}" in done.stdout
    document = yaml.safe_load(run("cite", "--format", "cff", tmp_path / "out").stdout)
    assert (document["cff-version"], document["version"]) == ("1.2.0", "1.2.0")

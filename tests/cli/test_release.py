"""``fascicle release``: create, validate, list, diff, notes, verify, cite."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from fascicle.cli.app import fascicle
from fascicle.testing.s3 import S3Server


def invoke(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def released(copied_lab: Path, tmp_path: Path) -> Path:
    """Return a folder with two versions; a file changed, one went and one came."""
    to = tmp_path / "rel"
    options = ["--title", "Choices", "--author", "Lovelace, Ada", "--license", "CC-BY-4.0"]
    code, _, err = invoke(
        "release", "create", copied_lab, "--version", "1.0.0", "--to", to, *options
    )
    assert code == 0, err
    files = sorted(copied_lab.rglob("*.npy"))
    np.save(files[0], np.zeros_like(np.load(files[0])))
    files[1].unlink()
    np.save(files[2].with_name("_ibl_trials.new.npy"), np.load(files[2]) + 1)
    assert invoke("release", "create", copied_lab, "--version", "1.1.0", "--to", to)[0] == 0
    return to


def test_create(copied_lab: Path, tmp_path: Path) -> None:
    to = tmp_path / "rel"
    command = ["release", "create", copied_lab, "--version", "1.0.0", "--to", to]
    code, out, err = invoke(*command, "--dry-run")
    assert code == 0, err
    assert "would go to" in out and not to.exists()
    assert "and 14 more" in out
    code, out, err = invoke(*command, "--project", "the-task", "--parallel", "2")
    assert code == 0, err
    assert "30 datasets of 2 sessions" in out and "can be released" in out
    assert f"the-task 1.0.0 is in {to}: 34 files" in out
    assert "manifest: the-task_project_manifest_v1.0.0.json" in out
    assert f"fascicle get {to}@1.0.0 --to DIR" in out
    assert f"fascicle release cite {to}@1.0.0" in out
    assert "nothing was sent" in invoke(*command)[1]
    code, out, _ = invoke(*command[:-4], "--version", "1.1.0", "--to", to, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["sent"] == {"files": 0, "bytes": 0}
    assert facts["kept"]["files"] == 34 and facts["report"]["ok"]


def test_create_what_cannot_be(copied_lab: Path, tmp_path: Path) -> None:
    next(copied_lab.rglob("*choice.npy")).write_bytes(b"")
    to = tmp_path / "rel"
    command = ["release", "create", copied_lab, "--version", "1.0.0", "--to", to]
    code, out, err = invoke(*command)
    assert code == 3 and "error empty-file (1)" in out
    assert "add --allow empty-file" in err and not to.exists()
    code, out, _ = invoke(*command, "--json")
    assert code == 3 and not json.loads(out)["published"]
    assert invoke(*command, "--allow", "empty-file", "--bandwidth", "50M")[0] == 0
    code, _, err = invoke(*command, "--allow", "emptyfile")
    assert code == 3 and "did you mean 'empty-file'" in err
    code, _, err = invoke(*command[:4], "0.9.0", *command[5:], "--allow", "empty-file")
    assert code == 3 and "newer than 0.9.0" in err and "1.1.0" in err
    assert invoke("release", "create", copied_lab, "--to", to)[0] == 2


def test_validate(copied_lab: Path) -> None:
    code, out, _ = invoke("release", "validate", copied_lab)
    assert code == 0 and "can be released" in out
    for path in list(copied_lab.rglob("*choice.npy")):
        path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = invoke("release", "validate", copied_lab, "--all")
    assert code == 1 and "error truncated-file (2)" in out
    code, out, _ = invoke("release", "validate", copied_lab, "--json")
    assert code == 1 and json.loads(out)["errors"] == 2
    assert not (copied_lab / "sessions.pqt").exists(), "nothing is written"


def test_list(released: Path) -> None:
    code, out, _ = invoke("release", "list", released)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["version", "1.0.0", "1.1.0"]
    facts = json.loads(invoke("release", "list", released, "--json")[1])
    assert [v["files"] for v in facts["versions"]] == [30, 30]


def test_diff(released: Path) -> None:
    code, out, _ = invoke("release", "diff", released, "1.0.0", "1.1.0")
    assert code == 0
    head = out.splitlines()[0]
    assert "1 created" in head and "1 deleted" in head and "1 changed" in head
    assert sum(line.strip().startswith("+ ") for line in out.splitlines()) == 1
    both = invoke("release", "diff", f"{released}@1.0.0", f"{released}@1.1.0")[1]
    assert both == out == invoke("release", "diff", released)[1]
    short = invoke("release", "diff", released, "1.0.0", "--summary")[1]
    assert len(short) < len(out) and "alf/trials: 1 created" in short
    facts = json.loads(invoke("release", "diff", released, "--json")[1])
    assert facts["counts"] == {"created": 1, "deleted": 1, "changed": 1, "renamed": 0}
    assert invoke("release", "diff", released, "--html")[1].startswith("<table>")
    manifests = sorted((released / "manifests").iterdir())
    assert invoke("release", "diff", *manifests)[1].splitlines()[0] == head
    code, _, err = invoke("release", "diff", released, "1.0.0", "9.9.9")
    assert code == 3 and "no release '9.9.9'" in err
    assert invoke("release", "diff", released, "a", "b", "c")[0] == 3


def test_notes(released: Path) -> None:
    code, out, _ = invoke("release", "notes", released)
    assert code == 0 and out.startswith("## copy 1.1.0 (")
    assert "Since 1.0.0. Sessions: 1 changed." in out
    assert out == invoke("release", "notes", released, "1.0.0", "1.1.0")[1]
    first = invoke("release", "notes", f"{released}@1.0.0")[1]
    assert "The first version. Sessions: 2 added." in first


def test_verify(released: Path) -> None:
    for version in ("@1.0.0", "@1.1.0", ""):
        code, out, _ = invoke("release", "verify", f"{released}{version}")
        assert code == 0 and "all are as the manifest says" in out
    path = next((released / "zadorlab").rglob("*feedbackType.npy"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, out, _ = invoke("release", "verify", released)
    assert code == 1 and path.name in out and "1 are not" in out
    assert invoke("release", "verify", released, "--quick")[0] == 0
    path.unlink()
    code, out, _ = invoke("release", "verify", released, "--quick", "--json")
    facts = json.loads(out)
    assert code == 1 and [w["state"] for w in facts["wrong"]] == ["missing"]


def test_cite(released: Path) -> None:
    code, out, _ = invoke("release", "cite", f"{released}@1.1.0")
    assert code == 0 and out.startswith("Lovelace, A. (")
    assert yaml.safe_load(invoke("release", "cite", released, "--format", "cff")[1])["authors"]
    assert json.loads(invoke("release", "cite", released, "--format", "datacite")[1])["titles"]
    assert invoke("release", "cite", released, "--format", "bibtex")[1].startswith("@misc{")
    assert invoke("release", "cite", released, "--format", "word")[0] == 2


def test_a_bucket(copied_lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    with S3Server() as server:
        server.make_bucket("our-lab")
        at = ["--endpoint", server.url]
        command = ["release", "create", copied_lab, "--to", "s3://our-lab/task", *at]
        code, out, err = invoke(*command, "--version", "1.0.0")
        assert code == 0, err
        assert "task 1.0.0 is in s3://our-lab/task: 34 files" in out
        code, out, err = invoke("release", "verify", "s3://our-lab/task", *at)
        assert code == 0, out + err
        code, out, err = invoke("release", "verify", "s3://our-lab/task@1.0.0", "--quick", *at)
        assert code == 0, out + err
        server.delete("our-lab", "task/sessions.pqt")
        assert invoke("release", "verify", "s3://our-lab/task", *at)[0] == 0, "a version stays"
        code, out, err = invoke("release", "list", "s3://our-lab/task", *at)
        assert code == 0 and "1.0.0" in out
        code, out, err = invoke("release", "notes", "s3://our-lab/task", *at)
        assert code == 0 and "30 files" in out
        assert invoke("release", "cite", "s3://our-lab/task", *at)[1].count("s3://our-lab/task")
        code, _, err = invoke("release", "list", "s3://nobodys-bucket/task", *at)
        assert code == 3 and err

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from fascicle.cli.app import fascicle


def invoke(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args])
    return result.exit_code, result.stdout, result.stderr


def test_index_says_what_is_there_and_what_changed(copied_lab: Path) -> None:
    code, out, _ = invoke("index", copied_lab)
    assert code == 0
    assert "2 sessions, 30 datasets (30 new, 0 changed, 0 gone)" in out
    next(copied_lab.rglob("*choice.npy")).unlink()
    assert "29 datasets (0 new, 0 changed, 1 gone)" in invoke("index", copied_lab)[1]


def test_explain_lists_what_was_left_out(copied_lab: Path) -> None:
    (copied_lab / "notes.txt").write_text("no dataset")
    (next(copied_lab.rglob("alf")) / "figure.png").write_bytes(b"1")
    code, out, err = invoke("index", copied_lab)
    assert code == 0 and "figure.png" not in out
    assert "2 files left out: --explain" in err
    lines = invoke("index", copied_lab, "--explain")[1].splitlines()
    assert any(line.startswith("notes.txt: ") for line in lines)
    assert any("alf/figure.png: " in line for line in lines)


def test_index_as_json(copied_lab: Path) -> None:
    code, out, _ = invoke("index", copied_lab, "--json", "--no-regions")
    facts = json.loads(out)
    assert code == 0
    assert (facts["sessions"], facts["datasets"], facts["added"]) == (2, 30, 30)
    assert set(facts["seconds"]) and facts["rejected"] == []


def test_hash_and_lab(copied_lab: Path) -> None:
    (copied_lab / "zadorlab/Subjects/CSH_ZAD_003").rename(copied_lab / "CSH_ZAD_003")
    (copied_lab / "zadorlab/Subjects").rmdir()
    (copied_lab / "zadorlab").rmdir()
    assert invoke("index", copied_lab, "--hash", "--lab", "zadorlab")[0] == 0
    code, out, _ = invoke("find", "--in", copied_lab, "--lab", "zadorlab", "--ids")
    assert code == 0 and len(out.split()) == 2
    code, out, _ = invoke("ls", out.split()[0], "--in", copied_lab, "--json")
    assert all(len(row["hash"]) == 32 for row in json.loads(out))


def test_new_ids_forgets_the_ids_on_record(copied_lab: Path) -> None:
    invoke("index", copied_lab)
    first = invoke("find", "--in", copied_lab, "--ids")[1]
    assert invoke("index", copied_lab, "--new-ids")[0] == 0
    # Derived ids are stable, so a folder whose ids were all derived keeps them.
    assert invoke("find", "--in", copied_lab, "--ids")[1] == first


def test_a_folder_that_does_not_exist_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    code, _, err = invoke("index", tmp_path / "nowhere")
    assert code == 2 and "does not exist" in err


def test_each_file_left_out_takes_one_line(copied_lab: Path) -> None:
    (copied_lab / "two\nlines.npy").touch()
    lines = invoke("index", copied_lab, "--explain")[1].splitlines()
    assert lines[0].startswith("two\\nlines.npy: not in a session folder")
    assert lines[1].endswith("; 1 file is no dataset")

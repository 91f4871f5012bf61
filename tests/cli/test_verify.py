from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from fascicle.cli.app import fascicle


def invoke(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args])
    return result.exit_code, result.stdout, result.stderr


def test_an_untouched_folder_agrees(copied_lab: Path) -> None:
    invoke("index", copied_lab, "--hash")
    code, out, err = invoke("verify", copied_lab)
    assert code == 0 and err == ""
    assert out == "30 files on record, 30 with a hash compared: 0 differences\n"


def test_each_kind_of_difference_is_found(copied_lab: Path) -> None:
    invoke("index", copied_lab, "--hash")
    alf = copied_lab / "zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001/alf"
    edited = alf / "_ibl_trials.choice.npy"
    content = bytearray(edited.read_bytes())
    content[-1] ^= 1
    edited.write_bytes(content)
    with (alf / "_ibl_trials.repNum.npy").open("ab") as file:
        file.write(b"x")
    (alf / "_ibl_trials.included.npy").unlink()
    code, out, _ = invoke("verify", copied_lab)
    lines = out.splitlines()
    assert code == 1 and len(lines) == 4
    problems = {line.partition(": ")[0].rpartition(".")[0][-8:]: line for line in lines[:3]}
    assert "md5" in problems["s.choice"]
    assert "bytes" in problems["s.repNum"]
    assert "not here" in problems["included"]
    assert lines[3].endswith("3 differences")


def test_sizes_alone_do_not_read_the_files(copied_lab: Path) -> None:
    invoke("index", copied_lab, "--hash")
    edited = next(copied_lab.rglob("*choice.npy"))
    content = bytearray(edited.read_bytes())
    content[-1] ^= 1
    edited.write_bytes(content)
    assert invoke("verify", copied_lab, "--no-hash")[0] == 0
    code, out, _ = invoke("verify", copied_lab, "--json")
    facts = json.loads(out)
    assert code == 1
    assert (facts["files"], facts["hashed"], len(facts["differences"])) == (30, 30, 1)


def test_files_without_a_hash_are_said_to_be_so(copied_lab: Path) -> None:
    invoke("index", copied_lab)
    code, _, err = invoke("verify", copied_lab)
    assert code == 0 and "30 files without a hash on record" in err and "--hash" in err


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path: Path) -> None:
    code, _, err = invoke("verify", tmp_path)
    assert code == 3 and err.count("\n") == 1 and "fascicle index" in err

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import fascicle as package
from fascicle.cli.app import fascicle


def invoke(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.filterwarnings("ignore::fascicle.errors.IncompleteWarning")
@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ([], {}),
        (["--subject", "NYU-01"], {"subject": "NYU-01"}),
        (["--subject", "NYU-*", "--lab", "angelakilab"], {"subject": "NYU-*"}),
        (["--lab", "zadorlab", "--lab", "angelakilab"], {"lab": ["zadorlab", "angelakilab"]}),
        (["--date", "2019-08-11"], {"date": "2019-08-11"}),
        (["--date", "2019-08..2020"], {"date": ("2019-08", "2020")}),
        (["--date", "..2019-03"], {"date": (None, "2019-03")}),
        (["--number", "1"], {"number": 1}),
        (
            ["--dataset", "spikes.times", "--dataset", "trials"],
            {"datasets": ["spikes.times", "trials"]},
        ),
        (["--region", "TH", "--hemisphere", "right"], {"region": "TH", "hemisphere": "right"}),
        (["--qc", "PASS"], {"qc": "PASS"}),
        (["--task", "*ephys*"], {"task": "*ephys*"}),
        (["--project", "*brainwide*"], {"project": "*brainwide*"}),
    ],
)
def test_find_prints_what_fascicle_find_returns(
    lab: Path, options: list[str], terms: dict[str, object]
) -> None:
    expected = [str(eid) for eid in package.find(archives=[lab], **terms).eids]
    code, out, _ = invoke("find", *options, "--ids")
    assert out.split() == expected
    assert code == (0 if expected else 1)
    code, out, _ = invoke("find", *options, "--json")
    assert [row["eid"] for row in json.loads(out)] == expected


def test_the_table_has_a_row_per_session_and_no_empty_columns(lab: Path) -> None:
    code, out, err = invoke("find", "--subject", "NYU-01")
    header, *rows = out.splitlines()
    assert code == 0
    assert header.split()[:4] == ["eid", "lab", "subject", "date"]
    assert all("NYU-01" in row for row in rows)
    assert err.strip() == f"{len(rows)} sessions"


def test_a_search_by_region_counts_channels_per_probe(lab: Path) -> None:
    _, out, _ = invoke("find", "--region", "TH", "--json")
    for row in json.loads(out):
        assert row["n_channels"] > 0 and "probe0" in row["probes"]


def test_nothing_found_is_exit_code_1(lab: Path) -> None:
    assert invoke("find", "--subject", "nobody") == (
        1,
        "",
        "nothing found\nno subject is 'nobody'\n",
    )
    assert invoke("find", "--subject", "nobody", "--ids") == (1, "", "")
    assert invoke("find", "--subject", "nobody", "--json") == (1, "[]\n", "")


def test_several_archives_have_a_column_of_their_own(lab: Path, copied_lab: Path) -> None:
    invoke("index", copied_lab)
    _, out, _ = invoke("find", "--in", lab, "--archive", copied_lab, "--date", "2019-08-11")
    header, *rows = out.splitlines()
    assert header.split()[0] == "archive"
    assert len(rows) == 2 and rows[0].startswith(str(lab)) and rows[1].startswith(str(copied_lab))


def test_the_current_folder_is_asked_if_it_is_indexed(
    made_lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FASCICLE_ARCHIVES", raising=False)
    monkeypatch.chdir(made_lab)
    assert invoke("find", "--subject", "NYU-01", "--ids")[0] == 0


def test_without_any_archive_the_hint_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FASCICLE_ARCHIVES", raising=False)
    monkeypatch.chdir(tmp_path)
    code, out, err = invoke("find")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "--in ARCHIVE" in err and "fascicle index" in err


def test_a_region_that_does_not_exist_is_one_line_with_the_nearest(lab: Path) -> None:
    code, out, err = invoke("find", "--region", "Talamus")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "Thalamus" in err


def test_a_date_that_is_none_is_one_line(lab: Path) -> None:
    code, _, err = invoke("find", "--date", "yesterday")
    assert code == 3 and err.count("\n") == 1 and "'yesterday' is no date" in err


def test_find_says_which_word_matches_nothing(lab: Path) -> None:
    code, out, err = invoke("find", "--subject", "NYU-1", "--dataset", "spiks.times")
    assert (code, out) == (1, "")
    assert "no subject is 'NYU-1': did you mean" in err and "'NYU-01'" in err
    assert "no dataset is 'spiks.times': did you mean 'spikes.times'" in err

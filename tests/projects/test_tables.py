"""Tables as parsed, as the project's own reader has them, and as we have them."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fascicle.archives.ids import MAX_WORDS, ids_of_frame, read_ids, write_ids
from fascicle.archives.tables import copy_name, enrich, finish, join, literal, read_parsed
from fascicle.errors import BadFileError, ConfigurationError
from fascicle.formats.project import parse_config
from fascicle.projects import TableConfig, known_projects, load_config

CSV = """id,words,whole,some,mixed,flag,when,list,code
1,a,10,1.0,True,True,2020-01-02 03:04:05.678,"['x', 'y']",007
2,,11,,,False,2020-01-02 03:04:05,[],008
3,b,12,3.0,False,True,,,
"""
CONFIG = TableConfig(
    "t",
    index="id",
    integers=("some",),
    texts=("code",),
    lists=("list",),
    dates=("when",),
    order=("whole", "words", "absent"),
)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(CSV)
    return path


def parsed(csv: Path, folder: Path) -> pd.DataFrame:
    return read_parsed("copy", [folder], lambda: csv, CONFIG)


def test_a_copy_is_what_was_parsed(csv: Path, tmp_path: Path) -> None:
    first = parsed(csv, tmp_path / "copies")
    assert (tmp_path / "copies" / "copy.parquet").is_file()
    csv.unlink()
    again = parsed(csv, tmp_path / "copies")
    pd.testing.assert_frame_equal(first, again)
    assert [type(v) for v in first["mixed"]] == [type(v) for v in again["mixed"]]
    assert math.isnan(again["mixed"].iloc[1]) and math.isnan(again["words"].iloc[1])


def test_a_table_of_several_kinds_has_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 3)
    frame = pd.DataFrame({"a": [1, "x", 2.5]}, dtype=object)
    from fascicle.archives.tables import _write_copy

    assert not _write_copy(tmp_path / "copies" / "x.parquet", frame)
    assert not list(tmp_path.rglob("*.part"))


def test_where_no_copy_can_be_written(csv: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    frame = read_parsed("copy", [tmp_path / "file", tmp_path / "mine"], lambda: csv, CONFIG)
    assert len(frame) == 3 and (tmp_path / "mine" / "copy.parquet").is_file()


def test_what_is_no_table(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe\x00", b'a\n"1\n'):
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        with pytest.raises(BadFileError, match="no table"):
            read_parsed("copy", [], lambda path=path: path, CONFIG)  # type: ignore[misc]


def test_the_types_of_the_projects_reader(csv: Path, tmp_path: Path) -> None:
    raw = parsed(csv, tmp_path)
    before = raw.copy(deep=True)
    frame = finish(raw, CONFIG)
    pd.testing.assert_frame_equal(raw, before)
    assert frame.index.name == "id" and list(frame.columns[:2]) == ["whole", "words"]
    assert list(frame.columns[2:]) == ["some", "mixed", "flag", "when", "list", "code"]
    assert str(frame["some"].dtype) == "Int64" and frame["some"].isna().tolist() == [0, 1, 0]
    assert frame["code"].iloc[0] == "007" and frame["list"].iloc[0] == "['x', 'y']"


def test_our_types(csv: Path, tmp_path: Path) -> None:
    frame = enrich(finish(parsed(csv, tmp_path), CONFIG), CONFIG)
    assert frame["list"].iloc[0] == ["x", "y"] and frame["list"].iloc[1] == []
    assert pd.isna(frame["list"].iloc[2])
    assert frame["when"].iloc[1] == pd.Timestamp("2020-01-02 03:04:05")
    assert pd.isna(frame["when"].iloc[2])


def test_lists_and_dates_of_the_projects_reader() -> None:
    config = TableConfig("t", literals=("a",), utc_dates=("when",))
    frame = pd.DataFrame(
        {"a": ["[1, 2]", "7", "Sst-IRES-Cre", None], "when": ["2020-01-02 03:04:05.6"] * 4}
    )
    done = finish(frame, config)
    assert done["a"].tolist()[:3] == [[1, 2], 7, "Sst-IRES-Cre"]
    assert str(done["when"].iloc[0].tz) == "UTC"


@pytest.mark.parametrize("text", ["__import__('os')", "[" * 2000, "a b", "", "f()", "1 +", "\0"])
def test_text_that_is_no_value_stays_text(text: str) -> None:
    assert literal(text) == text


def test_joined_columns() -> None:
    left = TableConfig("units", links={"probe": "probes"})
    right = TableConfig("probes", prefix="probe_", links={"session": "sessions"})
    units = pd.DataFrame({"probe": [1, 2, 9], "n": [5, 6, 7]}, index=[10, 11, 12])
    probes = pd.DataFrame(
        {"name": ["A", "B"], "probe_n": [3, 4], "session": [1, 1]}, index=pd.Index([1, 2], name="p")
    )
    found = join(units, left, {"probes": (probes, right)})
    assert list(found.columns) == ["probe", "n", "probe_name", "probe_n", "probe_session"]
    assert found["probe_name"].tolist()[:2] == ["A", "B"]
    assert str(found["probe_n"].dtype) == "Int64" and found.index.tolist() == [10, 11, 12]


def test_a_copy_has_one_name_for_one_way_of_parsing() -> None:
    other = TableConfig("t", texts=("x",))
    assert copy_name("ab" * 64, CONFIG) != copy_name("ab" * 64, other)
    assert copy_name("ab" * 64, other) == copy_name("ab" * 64, TableConfig("u", texts=("x",)))


# -- ids ----------------------------------------------------------------------------------------


def test_ids_of_columns_of_all_kinds(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": [5, 3, 9, 7],
            "word": ["a", None, "b", "a"],
            "flag": [True, False, True, True],
            "other_id": [1.0, None, 2.0, 1.0],
            "value": [0.5, 1.5, 2.5, 3.5],
            "name": ["530862", "530863", "7", "x"],
        }
    )
    assert write_ids(tmp_path / "ids", frame)
    assert write_ids(tmp_path / "ids", frame)  # a second writer is content with the first
    table = frame.set_index("id")
    for where in (
        {},
        {"word": "a"},
        {"word": ["a", "b"]},
        {"word": "c"},
        {"flag": True},
        {"flag": False},
        {"other_id": 1},
        {"other_id": [1, 2], "word": "a", "flag": True},
        {"id": 9},
        {"other_id": float("inf")},
    ):
        found = read_ids(tmp_path / "ids", "id", where)
        assert found is not None and found == ids_of_frame(table, where), where
    asked: list[tuple[dict[str, Any], list[int]]] = [
        ({"word": None}, [3]),
        ({"word": [None, "b"]}, [3, 9]),
        ({"other_id": float("nan")}, [3]),
        ({"other_id": [pd.NA, 2]}, [3, 9]),
        ({"flag": 0}, [3]),
        ({"flag": np.True_, "word": "a"}, [5, 7]),
        ({"other_id": "1"}, [5, 7]),
        ({"other_id": 2.0}, [9]),
        ({"other_id": 1.5}, []),
        ({"id": "word"}, []),
        ({"id": np.array([3, 9])}, [3, 9]),
        ({"id": table.index[:2]}, [5, 3]),
        ({"id": range(5, 8)}, [5, 7]),
        ({"name": 530862}, [5]),
        ({"name": ["530863", 7]}, [3, 9]),
    ]
    for some, rows in asked:
        assert list(read_ids(tmp_path / "ids", "id", some) or []) == rows, some
        assert list(ids_of_frame(table, some)) == rows, some
        other = table.astype({"other_id": "Int64", "word": object})
        assert list(ids_of_frame(other, some)) == rows, some
    assert read_ids(tmp_path / "ids", "id", {"value": 0.5}) is None
    assert list(ids_of_frame(table, {"value": 0.5})) == [5]
    assert read_ids(tmp_path / "none", "id", {}) is None
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("damage", ["columns.json", "0", "1"])
def test_damaged_ids_are_not_believed(tmp_path: Path, damage: str) -> None:
    frame = pd.DataFrame({"id": [5, 3], "word": ["a", "b"]})
    write_ids(tmp_path / "ids", frame)
    file = tmp_path / "ids" / damage
    file.write_bytes(file.read_bytes()[:3])
    assert read_ids(tmp_path / "ids", "id", {"word": "a"}) is None


def test_columns_of_too_many_words_are_left_out(tmp_path: Path) -> None:
    n = MAX_WORDS + 1
    write_ids(tmp_path / "ids", pd.DataFrame({"id": range(n), "w": [f"w{k}" for k in range(n)]}))
    assert read_ids(tmp_path / "ids", "id", {"w": "w1"}) is None


def test_ids_need_neither_pandas_nor_numpy(tmp_path: Path) -> None:
    write_ids(tmp_path / "ids", pd.DataFrame({"id": [5, 3], "word": ["a", "b"]}))
    code = (
        "import sys; from pathlib import Path; from fascicle.projects import ProjectCache\n"
        "from fascicle.archives.ids import read_ids\n"
        f"print(read_ids(Path({str(tmp_path / 'ids')!r}), 'id', {{'word': 'b'}})[0])\n"
        "print({'pandas', 'numpy', 'pyarrow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["3", "set()"]


# -- descriptions -------------------------------------------------------------------------------


@pytest.mark.parametrize("project", known_projects())
def test_known_projects(project: str) -> None:
    config = load_config(project)
    assert config.project == project and config.bucket and config.title
    assert config.sessions in config.tables
    assert load_config(config) is config
    for table in config.tables.values():
        assert set(table.links.values()) <= set(config.tables)
        assert not table.file_elsewhere or table.file_elsewhere in table.links
    assert config.table("unheard of") == TableConfig("unheard of")


GOOD = 'project = "p"\ntitle = "T"\nbucket = "bucket"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("project = ", "not TOML"),
        ("", "lacks project"),
        (GOOD + "buket = 1\n", "did you mean 'bucket'"),
        (GOOD + "region = 1\n", "should be str"),
        (GOOD + 'versions = ["1.0.0"]\n', "versions"),
        (GOOD + 'versions = ["1.0.0", "x"]\n', "versions"),
        (GOOD + "tables = 1\n", "sections"),
        (GOOD + "[tables]\nunits = 1\n", "section"),
        (GOOD + "[tables.units]\nindx = 'a'\n", "did you mean 'index'"),
        (GOOD + "[tables.units]\nlists = 'a'\n", "should be tuple"),
        (GOOD + "[tables.units]\nlinks = 'a'\n", "should be Mapping"),
        (GOOD.replace('"p"', '"../p"'), "name"),
    ],
)
def test_descriptions_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_config(text)


def test_a_description_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        GOOD + '[common]\nindex = "id"\n[tables.units]\nprefix = "u"\n'
    )
    config = load_config(tmp_path / "p.toml")
    assert config.tables["units"].index == "id" and config.tables["units"].prefix == "u"
    with pytest.raises(ConfigurationError, match="did you mean 'visual-coding-ophys'"):
        load_config("visual-coding-ophis")

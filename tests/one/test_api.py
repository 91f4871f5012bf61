from __future__ import annotations

import importlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fascicle.one
from fascicle.errors import CatalogueError, ConfigurationError
from fascicle.one import ONE, One, params
from fascicle.one.alyx import OneAlyx

FILES = {"lab/Subjects/s1/2020-01-01/001/alf/_ibl_trials.choice.npy": [1, 2]}


@pytest.fixture
def folder(make: Any) -> Path:
    return make(FILES).cache_dir


@pytest.fixture(autouse=True)
def _forget() -> Any:
    ONE.cache_clear()
    yield
    ONE.cache_clear()


# -- setup -----------------------------------------------------------------------------------------


def test_setup_never_asks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    one = One.setup(folder, hash_files=False)
    assert repr(one) == f"One (offline, {folder})"
    eids = one.search()
    again = One.setup(str(folder))  # brings it up to date
    assert again.search() == eids
    monkeypatch.chdir(folder)
    assert One.setup(silent=True).search() == eids


def test_setup_notices_what_is_new(folder: Path) -> None:
    import numpy as np

    eids = One(folder).search()
    np.save(folder / "lab/Subjects/s1/2020-01-01/001/alf/_ibl_trials.extra.npy", [1])
    one = One.setup(folder, silent=True)
    assert one.search() == eids
    assert len(one.list_datasets(eids[0])) == 2


def test_setup_options(make: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    one = make(
        {"s1/2020-01-01/001/a.b.npy": [1]}, lab="mylab", hash_ids=True, out_dir=tmp_path / "out"
    )
    assert (tmp_path / "out" / "sessions.pqt").exists()
    assert not (one.cache_dir / "sessions.pqt").exists()
    (eid,) = one.search(lab="mylab")
    assert one.load_dataset(eid, "a.b.npy").tolist() == [1]
    with pytest.raises(CatalogueError, match="no folder"):
        One.setup(tmp_path / "missing", silent=True)


# -- opening ---------------------------------------------------------------------------------------


def test_open(folder: Path) -> None:
    one = One(cache_dir=str(folder))
    assert one.cache_dir == folder
    assert one.mode == "local"
    assert one.offline
    assert one.wildcards
    assert One(folder, wildcards=False).wildcards is False
    assert One.uuid_filenames is False


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"No cache tables found in .*\n.*One\.setup"):
        one = One(tmp_path)
    assert one.search() == []
    assert one.search(dataset="spikes", lab="x", number=1, date="2020-01-01") == []
    assert one.list_datasets() == one.list_subjects() == one.list_collections() == []
    assert one.search_insertions(name="x") == []
    assert one.eid2path("11111111-1111-4111-8111-111111111111") is None
    assert not any(tmp_path.iterdir())


def test_the_default_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params.setup("https://alyx.mylab.org", cache_dir=folder)
    assert One().cache_dir == folder


@pytest.mark.parametrize("mode", ["remote", "auto", "refresh"])
def test_other_modes(folder: Path, mode: str) -> None:
    with pytest.raises(ValueError, match=r"asks a server|not recognized"):
        One(folder, mode=mode)
    if mode != "remote":
        with pytest.raises(ValueError, match="not recognized"):
            ONE(cache_dir=folder, mode=mode)


def test_there_is_no_server_to_ask(folder: Path) -> None:
    one = One(folder)
    assert not hasattr(one, "alyx")
    with pytest.raises(AttributeError, match="no server is connected"):
        _ = one.alyx
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = one.nonsense


def test_factory(folder: Path) -> None:
    one = ONE(cache_dir=folder)
    assert isinstance(one, One)
    assert ONE(cache_dir=folder) is one
    assert ONE(mode="local", cache_dir=folder) is not one
    ONE.cache_clear()
    assert ONE(cache_dir=folder) is not one
    assert ONE.version == one.version
    assert ONE(cache_dir=folder, wildcards=False).wildcards is False
    with pytest.raises(TypeError, match="unexpected argument 'foo'"):
        ONE(cache_dir=folder, foo=1)


@pytest.mark.parametrize(
    "given",
    [{}, {"base_url": "https://alyx.mylab.org"}, {"mode": "remote"}, {"wildcards": False}],
)
def test_without_a_folder_a_server_is_meant(given: dict[str, Any], tmp_path: Path) -> None:
    one = ONE(**given, silent=True)
    assert isinstance(one, OneAlyx)
    assert (one.mode, one.offline) == ("remote", False)
    assert not list(tmp_path.iterdir())  # nothing was asked, and nothing written


def test_the_folder_of_a_server(folder: Path) -> None:
    ONE.setup("https://alyx.mylab.org", silent=True, cache_dir=folder)
    one = ONE(cache_dir=folder)
    assert isinstance(one, OneAlyx)
    assert len(one.search(query_type="local")) == 1
    assert len(ONE(cache_dir=folder, mode="local").search()) == 1
    assert ONE(mode="local").cache_dir == folder


# -- what is not loaded ----------------------------------------------------------------------------

COLD = """
import sys
from fascicle.one import One
one = One(cache_dir=sys.argv[1])
eids = one.search(subject="s1", dataset="trials", date=["2020-01-01", None], number=1)
one.search(datasets=".*choice.*", dataset_qc_lte="PASS", details=True)
assert one.list_datasets(eids[0], "*choice*") and one.list_collections(eids[0])
one.eid2path(eids), one.path2eid(one.eid2path(eids[0])), one.list_datasets(), one.list_subjects()
print(*sorted({"numpy", "pandas", "pyarrow"} & set(sys.modules)))
one.load_object(eids[0], "trials")
print(*sorted({"pandas", "pyarrow"} & set(sys.modules)))
"""


def test_answers_of_ids_and_paths_load_no_tables(folder: Path) -> None:
    command = [sys.executable, "-c", COLD, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["", ""]


# -- module paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("one.api", ["ONE", "One", "OneAlyx"]),
        ("one.params", ["CACHE_DIR_DEFAULT", "get", "setup", "get_cache_dir", "default"]),
        ("one.util", ["filter_datasets", "parse_id", "index_last_before", "autocomplete"]),
        ("one.converters", ["ConversionMixin", "datasets2records", "path_from_dataset"]),
        ("one.alf.spec", ["is_valid", "QC", "is_uuid_string"]),
        ("one.alf.path", ["ALFPath", "get_session_path"]),
        ("one.alf.io", ["load_object", "AlfBunch"]),
        ("one.alf.exceptions", ["ALFObjectNotFound", "ALFWarning"]),
    ],
)
def test_module_paths(module: str, names: list[str]) -> None:
    found = importlib.import_module(f"fascicle.{module}")
    for name in names:
        assert hasattr(found, name)


def test_public_names() -> None:
    assert set(fascicle.one.__all__) == {"ONE", "One", "OneAlyx"}


# -- settings --------------------------------------------------------------------------------------


def test_params() -> None:
    assert Path(params.CACHE_DIR_DEFAULT).parts[-2:] == ("Downloads", "ONE")
    assert params.get_cache_dir() == Path.home() / "Downloads" / "ONE"
    assert params.get_default_client() is None
    caches = params.setup("alyx.mylab.org:8000/x", username="me", cache_dir="data")
    assert caches.DEFAULT == "alyx.mylab.org_8000_x"
    par = params.get(silent=True)
    assert par.ALYX_URL == "https://alyx.mylab.org:8000/x"
    assert par.ALYX_LOGIN == "me"
    assert par.CACHE_DIR == "data"
    assert params.get(username="you").ALYX_LOGIN == "you"
    assert params.get_default_client(include_schema=False) == "alyx.mylab.org_8000_x"
    assert params.get_cache_dir() == Path("data")
    path = params.get_params_dir() / ".alyx.mylab.org_8000_x"
    assert json.loads(path.read_text())["ALYX_LOGIN"] == "me"
    assert json.loads((path.parent / ".caches").read_text())["CLIENT_MAP"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    params.setup("https://other.org", make_default=True)
    assert params.get_default_client() == "https://other.org"
    with pytest.warns(UserWarning, match="already the folder"):
        params.setup("https://third.org", cache_dir="data")
    with pytest.raises(ConfigurationError, match="no folder is known"):
        params.get_cache_dir("https://unknown.org")
    with pytest.raises(AssertionError):
        params.check_cache_conflict("data")
    params.delete_params("https://third.org")
    with pytest.warns(UserWarning, match="not found"):
        params.delete_params("https://third.org")
    params.delete_params()
    assert not params.get_params_dir().exists()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_of_the_public_server() -> None:
    par = params.get()
    assert par.ALYX_URL == params.default().ALYX_URL == "https://openalyx.internationalbrainlab.org"
    assert par.CACHE_DIR.endswith("openalyx.internationalbrainlab.org")
    assert par.set("X", 1).as_dict()["X"] == 1
    with pytest.raises(ConfigurationError, match="no address"):
        params.setup("ftp://x.org")


def test_damaged_settings_say_where(tmp_path: Path) -> None:
    folder = params.get_params_dir()
    folder.mkdir()
    (folder / ".caches").write_text("{")
    with pytest.raises(ConfigurationError, match=r"\.caches"):
        params.get()


def test_setup_of_the_wrong_folder_says_so(make: Any) -> None:
    one = make({"lab/Subjects/s1/2020-01-01/001/alf/a.b.npy": [1]})
    with pytest.warns(RuntimeWarning, match=r"No sessions found in .*s1: of 1 files") as caught:
        assert One.setup(one.cache_dir / "lab/Subjects/s1", silent=True).search() == []
    assert "lab/Subjects/subject/yyyy-mm-dd/number" in str(caught[0].message)

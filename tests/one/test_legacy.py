"""The verbs of ONE's first interface, on a hub, on a server that misbehaves, and on a folder."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fascicle import one as modern
from fascicle.errors import (
    ALFWarning,
    ConfigurationError,
    NeedsServerError,
    SearchTermError,
    SessionNotFound,
)
from fascicle.ibllib.misc import pprint
from fascicle.oneibl.one import ONE, SessionData
from fascicle.testing.hub import HubServer

from .small_alyx import SmallAlyx, small_alyx

EID = "cf264653-2deb-44cb-aa84-89b82507028a"
PLACE = "mrsicflogellab/Subjects/clns0730/2018-08-24/001/alf"
TERMS = [
    "dataset_types",
    "date_range",
    "lab",
    "location",
    "number",
    "performance_gte",
    "performance_lte",
    "subject",
    "task_protocol",
    "users",
]
#: What the tutorial of 2018 lists.
LISTED = [
    "_ibl_lickPiezo.raw",
    "_ibl_lickPiezo.timestamps",
    "_ibl_wheel.position",
    "channels.brainLocation",
    "channels.probe",
    "channels.rawRow",
    "channels.site",
    "channels.sitePositions",
    "clusters._phy_annotation",
    "clusters.depths",
    "clusters.peakChannel",
    "clusters.probes",
    "clusters.templateWaveforms",
    "clusters.waveformDuration",
    "eye.area",
    "eye.blink",
    "eye.timestamps",
    "eye.xyPos",
    "licks.times",
    "probes.description",
    "probes.insertion",
    "probes.rawFilename",
    "probes.sitePositions",
    "spikes.amps",
    "spikes.clusters",
    "spikes.depths",
    "spikes.times",
    "spontaneous.intervals",
    "unknown",
]
SIX = ["data", "dataset_id", "local_path", "dataset_type", "url", "eid"]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """Let no object of another test be handed out again."""
    modern.ONE.cache_clear()
    yield
    modern.ONE.cache_clear()


@pytest.fixture(scope="module")
def hub(lab_folder: Path, made_hub: HubServer) -> Iterator[HubServer]:
    with HubServer(lab_folder, like=made_hub) as server:
        yield server


@pytest.fixture
def one(hub: HubServer, tmp_path: Path) -> ONE:
    token = hub.token("test_user")  # a password is slow to check
    return connect(hub, token=token, cache_dir=tmp_path / "cache")


def connect(hub: HubServer, **kwargs: Any) -> ONE:
    if "token" not in kwargs:
        kwargs["password"] = hub.users["test_user"].password
    return ONE(username="test_user", base_url=hub.url, silent=True, **kwargs)


@pytest.fixture
def folder(lab_folder: Path) -> ONE:
    return ONE(mode="local", cache_dir=lab_folder)


# -- the tutorial ----------------------------------------------------------------------------------


def test_search_terms_are_the_ten_of_the_class_and_of_an_object(folder: ONE) -> None:
    assert ONE.search_terms() == folder.search_terms() == TERMS


def test_search(one: ONE, capsys: pytest.CaptureFixture[str]) -> None:
    eid = one.search(users="olivier", date_range=["2018-08-24", "2018-08-24"])
    assert eid == [EID]
    assert type(eid) is list and type(eid[0]) is str
    pprint(eid)
    assert capsys.readouterr().out == f'[\n    "{EID}"\n]\n'
    eid, details = one.search(
        users="olivier", date_range=["2018-08-24", "2018-08-24"], details=True
    )
    assert eid == [EID]
    assert [type(d) for d in details] == [dict]
    assert details[0]["subject"] == "clns0730"
    assert one.search(users=["test_user", "olivier"]) == [EID]
    assert len(one.search(users=["olivier"])) == 3


def test_plural_and_singular_are_the_same(one: ONE) -> None:
    flowers = one.search(subject="flowers")
    assert len(flowers) == 2
    for word in ("subjects", "Subjects".lower()):
        assert one.search(**{word: "flowers"}) == flowers
        assert one.search(**{word: ["flowers"]}) == flowers
    assert one.search(user="olivier") == one.search(users="olivier")
    assert one.search(labs="zadorlab") == one.search(lab="zadorlab") != []
    assert one.search(dataset_type="_ibl_lickPiezo.raw") == [EID]
    assert one.search(dataset_types=["_ibl_lickPiezo.raw", "spikes.times"]) == [EID]
    assert one.search(task="SparseNoise") == one.search(task_protocols="SparseNoise") == [EID]
    assert set(one.search(performance_gte=50)) & set(one.search(performance_lte=50)) == set()
    assert EID in one.search(location="mrsicflogellab_rig", number=1)
    with pytest.raises(SearchTermError, match="subject is given twice"):
        one.search(subject="flowers", subjects="flowers")
    with pytest.raises(ValueError, match="foo"):
        one.search(foo=1)


def test_search_gives_all_pages(hub: HubServer, one: ONE) -> None:
    eids = one.search()
    assert len(eids) == len(set(eids)) == one.alyx.rest("sessions", "list").__len__()
    assert one.search(limit=2) == eids


def test_list_of_a_session(one: ONE, capsys: pytest.CaptureFixture[str]) -> None:
    assert one.list(EID) == LISTED
    assert one.list([EID]) == LISTED
    whole = one.list(EID, "all")
    assert type(whole) is dict
    assert set(whole["users"]) == {"olivier", "test_user"}
    assert len(whole["data_dataset_session_related"]) == 29
    assert one.list(EID, "users") == whole["users"]
    assert one.list(EID, "subjects") == "clns0730"
    d = one.list(EID, details=True)
    print(d)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "29 datasets"
    assert shown[1].split() == ["dataset_type", "dataset_id", "data_url"]
    assert len(shown) == 31
    assert sorted(d.dataset_type) == LISTED
    assert {len(column) for _, column in d.items()} == {29}
    assert all(i in u for i, u in zip(d.dataset_id, d.data_url, strict=True))
    assert d[0].dataset_id == d["dataset_id"][0]
    with pytest.raises(SearchTermError, match="a session has no 'colour'"):
        one.list(EID, "colour")
    with pytest.raises(SessionNotFound):
        one.list("11111111-1111-4111-8111-111111111111")


def test_list_of_the_database(hub: HubServer, one: ONE) -> None:
    subjects = sorted({s["subject"] for s in one.alyx.rest("sessions", "list")})
    for words, expected in {
        ("subjects", "subject"): subjects,
        ("labs", "lab"): ["angelakilab", "churchlandlab_ucla", "mrsicflogellab", "zadorlab"],
        ("users", "user"): sorted(u["username"] for u in one.alyx.rest("users", "list")),
        ("dataset-types", "dataset_types", "dataset-type"): sorted(
            t["name"] for t in one.alyx.rest("dataset-types", "list")
        ),
    }.items():
        for word in words:
            assert one.list(None, word) == expected
    assert {"olivier", "test_user"} <= set(one.list(None, "users"))
    assert set(LISTED) <= {*one.list(), "unknown"}
    with pytest.raises(SearchTermError, match="'user_names' cannot be listed"):
        one.list(None, "user_names")


def test_load_in_order_with_an_empty_list_for_what_is_missing(one: ONE, lab_folder: Path) -> None:
    types = ["clusters.templateWaveforms", "clusters.probes", "clusters.depths"]
    files = [lab_folder / PLACE / f"{t}.npy" for t in types]
    wf, pr, d = one.load(EID, dataset_types=types)
    for got, file in zip((wf, pr, d), files, strict=True):
        np.testing.assert_array_equal(got, np.load(file).squeeze())
    with pytest.warns(ALFWarning, match=r"thisDataset.IveJustMadeUp: there is none to load"):
        t, empty, cl = one.load(
            EID, dataset_types=["clusters.probes", "thisDataset.IveJustMadeUp", "clusters.depths"]
        )
    assert empty == []
    np.testing.assert_array_equal(t, pr)
    np.testing.assert_array_equal(cl, d)
    for alone in ("clusters.depths", ["clusters.depths"]):
        (again,) = one.load([EID], dataset_types=alone)
        np.testing.assert_array_equal(again, d)
    (table,) = one.load(EID, dtypes="probes.insertion")
    assert isinstance(table, pd.DataFrame)


def test_the_dataclass(one: ONE, hub: HubServer, lab_folder: Path) -> None:
    types = ["clusters.templateWaveforms", "clusters.probes", "clusters.depths"]
    data = one.load(EID, dataset_types=types, dclass_output=True)
    assert data.keys() == [name for name, _ in data.items()] == SIX
    assert {len(column) for column in data.values()} == {3}
    assert len(data) == 3
    assert data.dataset_type == data["dataset_type"] == types
    assert data.eid == [EID] * 3
    for path, name, content in zip(data.local_path, types, data.data, strict=True):
        assert Path(path).read_bytes() == (lab_folder / PLACE / f"{name}.npy").read_bytes()
        np.testing.assert_array_equal(content, np.load(path).squeeze())
        assert path == str(one.modern.cache_dir / PLACE / f"{name}.npy")
    for url, identifier in zip(data.url, data.dataset_id, strict=True):
        assert url.startswith(f"{hub.url}/data/") and identifier in url
    assert "data" in data and "colour" not in data
    with pytest.raises(KeyError, match="there is data, dataset_id"):
        data["colour"]
    assert [row.dataset_type for row in data] == types
    assert repr(data).startswith("3 datasets\ndataset_type")


def test_everything_of_a_session(one: ONE) -> None:
    eid = one.search(subjects="flowers")
    data = one.load(eid[0])
    assert data["dataset_type"] == data.dataset_type
    assert sorted(data.dataset_type) == one.list(eid[0])
    assert all(Path(p).is_file() for p in data.local_path)
    assert one.load(eid[0], "__all__").dataset_id == data.dataset_id


def test_several_files_of_a_type_are_a_list(one: ONE, lab_folder: Path) -> None:
    eid = next(e for e in one.search(dataset_types="spikes.times") if two_probes(one, e))
    with pytest.warns(ALFWarning) as told:
        spikes, table = one.load(eid, ["spikes.times", "trials.table"])
    (text,) = [str(w.message) for w in told]
    assert text.startswith("spikes.times: 2 files are of this type, in alf/probe00")
    assert told[0].filename == __file__
    assert isinstance(table, pd.DataFrame)
    with pytest.warns(ALFWarning):
        paths = one.load(eid, "spikes.times", download_only=True)[0]
    assert ["probe00" in p for p in paths] == [True, False]
    for got, path in zip(spikes, paths, strict=True):
        np.testing.assert_array_equal(got, np.load(path))


def two_probes(one: ONE, eid: str) -> bool:
    return len(one.list(eid, "probe_insertion")) == 2


def test_one_revision_is_loaded_and_nothing_critical(one: ONE) -> None:
    rows = [(e, row) for e in one.search() for row in one.list(e, details=True)]
    eid, _ = next((e, r) for e, r in rows if not r.default_revision)
    (path,) = one.load(eid, "licks.times", download_only=True)
    known = {r.revision: r.default_revision for e, r in rows if e == eid and "licks" in r.name}
    assert len(known) == 2
    assert known[next((r for r in known if r and f"#{r}#" in path), "")] is True
    eid, row = next((e, r) for e, r in rows if r.qc == "CRITICAL")
    with pytest.warns(ALFWarning, match="its quality is CRITICAL"):
        data = one.load(eid, row.dataset_type, dclass_output=True)
    assert row.dataset_id not in data.dataset_id


def test_files_are_fetched_once_and_again_if_told(one: ONE, capfd: Any) -> None:
    (path,) = one.load(EID, "clusters.depths", download_only=True)
    before = Path(path).stat().st_ino
    one.load(EID, "clusters.depths", download_only=True)
    assert Path(path).stat().st_ino == before
    Path(path).write_bytes(b"x" * Path(path).stat().st_size)
    one.load(EID, "clusters.depths", clobber=True)
    known = next(row for row in one.list(EID, details=True) if row.name == Path(path).name)
    assert hashlib.md5(Path(path).read_bytes()).hexdigest() == known.hash
    assert [p.name for p in Path(path).parent.iterdir()] == ["clusters.depths.npy"]


def test_offline_takes_what_is_here(one: ONE, hub: HubServer) -> None:
    depths = one.load(EID, "clusters.depths")[0]
    one.modern.load_cache()
    with pytest.warns(ALFWarning, match="clusters.probes: there is none"):
        here, gone = one.load(EID, ["clusters.depths", "clusters.probes"], offline=True)
    np.testing.assert_array_equal(here, depths)
    assert gone == []


# -- settings --------------------------------------------------------------------------------------


def settings() -> dict[str, bytes]:
    return {
        p.name: p.read_bytes()
        for p in (*Path.home().glob(".one*"), *Path.home().glob(".one/.*"))
        if p.is_file()
    }


def test_a_single_use_changes_nothing_that_is_saved(hub: HubServer, tmp_path: Path) -> None:
    ONE.setup("https://alyx.elsewhere.org", cache_dir=tmp_path / "elsewhere", username="me")
    before = settings()
    assert before
    assert connect(hub).search(subject="flowers")
    assert settings() == before


def test_saved_settings(hub: HubServer, tmp_path: Path) -> None:
    ONE.setup(hub.url, cache_dir=tmp_path / "saved", username="test_user")
    one = ONE(password=hub.users["test_user"].password, silent=True)
    assert one.search(subject="flowers")
    assert one.modern.cache_dir == tmp_path / "saved"


def test_settings_of_the_first_interface(hub: HubServer, tmp_path: Path) -> None:
    old = {
        "ALYX_URL": hub.url,
        "ALYX_LOGIN": "test_user",
        "ALYX_PWD": hub.users["test_user"].password,
        "CACHE_DIR": str(tmp_path / "FlatIronCache"),
        "HTTP_DATA_SERVER": "https://ibl.flatironinstitute.org",
    }
    file = Path.home() / ".one_params"
    file.write_text(json.dumps(old))
    one = ONE(silent=True)
    assert one.search(subject="flowers")
    assert one.modern.cache_dir == tmp_path / "FlatIronCache"
    assert one.load(EID, "clusters.depths")[0].size  # not from the server that is another lab's
    assert json.loads(file.read_text()) == old
    assert old["ALYX_PWD"] not in repr(one)
    of_files = {"HTTP_DATA_SERVER_LOGIN": "test_user", "HTTP_DATA_SERVER_PWD": old["ALYX_PWD"]}
    file.write_text(json.dumps(old | {"HTTP_DATA_SERVER": f"{hub.url}/data/"} | of_files))
    modern.ONE.cache_clear()
    one = ONE(silent=True, mode="remote")
    assert one.load(EID, "clusters.probes")[0].size
    assert one.alyx._par["HTTP_DATA_SERVER_LOGIN"] == "test_user"
    modern.ONE.cache_clear()
    file.write_text("no json")
    with pytest.raises(ConfigurationError, match="are no JSON"):
        ONE(silent=True)
    # What was set up since then is what counts.
    ONE.setup(hub.url, cache_dir=tmp_path / "new", username="test_user")
    assert ONE(password=old["ALYX_PWD"], silent=True).modern.cache_dir == tmp_path / "new"


# -- servers that do not have what they list -------------------------------------------------------


@pytest.fixture
def alyx(tmp_path: Path) -> Iterator[SmallAlyx]:
    with small_alyx(folder=tmp_path / "server") as server:
        yield server


def test_what_a_server_lists_and_does_not_have(alyx: SmallAlyx, tmp_path: Path) -> None:
    session = alyx.add_session("lab", "S1", "2020-01-02", 1)
    place = tmp_path / "server/lab/Subjects/S1/2020-01-02/001/alf"
    place.mkdir(parents=True)
    for n, name in enumerate(("a.times", "b.times")):
        file = place / f"{name}.npy"
        np.save(file, np.arange(3) + n)  # a file of the same bytes would be taken in its place
        digest = hashlib.md5(file.read_bytes()).hexdigest()
        size = file.stat().st_size
        alyx.add_dataset(session, f"alf/{name}.npy", size=size, md5=digest, dataset_type=name)
    file.unlink()
    login = {"username": "test_user", "password": "secret", "base_url": alyx.url}
    one = ONE(**login, silent=True, cache_dir=tmp_path / "cache")
    with pytest.warns(ALFWarning) as told:
        a, b = one.load(session["id"], ["a.times", "b.times"])
    assert any(str(w.message).startswith("b.times: there is none to load") for w in told)
    np.testing.assert_array_equal(a, np.arange(3))
    assert b == []
    # What is here is put back where it cannot be fetched again.
    (path,) = one.load(session["id"], "a.times", download_only=True)
    (place / "a.times.npy").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.load(session["id"], "a.times", clobber=True)
    np.testing.assert_array_equal(np.load(path), np.arange(3))


# -- folders ---------------------------------------------------------------------------------------


def test_a_folder_by_the_first_two_parts_of_names(folder: ONE, lab_folder: Path) -> None:
    here = sorted({".".join(p.name.split(".")[:2]) for p in (lab_folder / PLACE).glob("*.*.*")})
    assert folder.list(EID) == here
    assert folder.search(subject="flowers") == folder.search(subjects=["flowers"])
    assert len(folder.search(subject="flowers")) == 2
    assert folder.search(subject="flower") == []  # exactly, as a database has it
    assert folder.search(dataset_types=["_ibl_lickPiezo.raw", "spikes.times"]) == [EID]
    eids, details = folder.search(date_range=["2018-08-24", "2018-08-24"], details=True)
    assert (eids, details[0]["subject"]) == ([EID], "clns0730")
    assert folder.list(None, "labs") == sorted(p.parent.name for p in lab_folder.glob("*/Subjects"))
    assert "flowers" in folder.list(None, "subjects")
    assert set(here) <= set(folder.list(None, "dataset-types"))
    whole = folder.list(EID, "all")
    assert json.loads(json.dumps(whole))["number"] == 1
    assert len(whole["data_dataset_session_related"]) == 29
    assert folder.list(EID, "projects") == ["karolina_opto"]
    with pytest.raises(NeedsServerError, match="users"):
        folder.search(users="olivier")
    with pytest.raises(NeedsServerError, match="users"):
        folder.list(None, "users")


def test_a_folder_loads(folder: ONE, lab_folder: Path) -> None:
    with pytest.warns(ALFWarning, match="made.up: there is none"):
        depths, none, wheel = folder.load(EID, ["clusters.depths", "made.up", "wheel.position"])
    assert none == []
    np.testing.assert_array_equal(depths, np.load(lab_folder / PLACE / "clusters.depths.npy"))
    assert wheel.size  # _ibl_wheel.position.npy, without its namespace
    data = folder.load(EID)
    assert len(data) == 29
    assert folder.load(EID, []) == []
    assert data.url == [None] * 29
    with pytest.raises(SearchTermError, match="takes one session, and was given 2"):
        folder.load([EID, EID], "clusters.depths")
    with pytest.raises(TypeError, match="colour"):
        folder.load(EID, colour=1)


def test_what_came_later_is_there_too(folder: ONE) -> None:
    assert folder.eid2ref(EID).subject == "clns0730"
    assert folder.modern.mode == folder.mode == "local"
    with pytest.raises(AttributeError, match="alyx"):
        folder.alyx.rest("sessions", "list")
    assert repr(copy.copy(folder)) == repr(folder)


# -- imports ---------------------------------------------------------------------------------------


def test_names_are_imported_in_no_time() -> None:
    code = (
        "import sys; from fascicle.ibllib.misc import pprint; import fascicle.oneibl; "
        "assert not {'pandas', 'numpy', 'fascicle.one'} & set(sys.modules); "
        "from fascicle.oneibl.one import ONE; "
        "assert not {'pandas', 'pyarrow', 'pycurl'} & set(sys.modules), set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pprint_shows_what_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    pprint(SessionData(eid=[EID]))
    shown = json.loads(capsys.readouterr().out)
    assert (list(shown), shown["eid"]) == (SIX, [EID])
    pprint({"path": Path("a/b"), "µ": 1})
    assert capsys.readouterr().out == '{\n    "path": "a/b",\n    "µ": 1\n}\n'

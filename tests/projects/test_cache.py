"""A project's releases in a real S3 endpoint: versions, tables, files, and what can go wrong."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pandas as pd
import pytest

from fascicle.demo.release import BUCKET, DemoRelease, make_release
from fascicle.errors import (
    BehaviorCloudCacheVersionException,
    ConfigurationError,
    HashMismatch,
    IncompleteWarning,
    ManifestError,
    MissingLocalManifestWarning,
    NotFoundError,
    NotHereError,
    OfflineError,
    OutdatedManifestWarning,
    RecordNotFound,
    RemoteNotFound,
    ServerError,
    StaticCacheError,
    VersionNotFound,
)
from fascicle.projects import ProjectCache, VisualBehaviorNeuropixelsProjectCache
from fascicle.testing.s3 import S3Server

from .conftest import name

Cache = VisualBehaviorNeuropixelsProjectCache
VERSIONS = [name(v) for v in ("0.1.0", "0.2.0", "0.3.0", "0.10.0")]
LATEST = VERSIONS[-1]
TABLES = ("ecephys_sessions", "behavior_sessions", "probes", "channels", "units")

pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Cache:
    return Cache.from_s3_cache(folder)


def load(cache: ProjectCache, version: str) -> None:
    with pytest.warns(OutdatedManifestWarning):
        cache.load_manifest(name(version))


# -- opening --------------------------------------------------------------------------------------


def test_the_first_opening_brings_the_newest_tables(cache: Cache, folder: Path) -> None:
    assert cache.current_manifest() == LATEST
    assert cache.manifest.version == "0.10.0"
    for table in TABLES:
        assert (folder / f"{cache.config.project}-0.10.0/project_metadata/{table}.csv").is_file()
    assert (folder / "_manifest_last_used.txt").read_text() == LATEST
    record = json.loads((folder / "_downloaded_data.json").read_text())
    assert len(record) == 5
    for path, digest in record.items():
        assert hashlib.blake2b(Path(path).read_bytes()).hexdigest() == digest
    assert "0.10.0" in repr(cache)


def test_lazy_opening_brings_a_table_when_it_is_asked_for(folder: Path) -> None:
    cache = Cache.from_s3_cache(folder, metadata="lazy")
    metadata = folder / f"{cache.config.project}-0.10.0" / "project_metadata"
    assert not metadata.exists()
    cache.get_probe_table()
    assert [path.name for path in metadata.iterdir()] == ["probes.csv"]
    with pytest.raises(ConfigurationError, match="metadata"):
        Cache.from_s3_cache(folder, metadata="some")  # type: ignore[arg-type]


def test_the_version_loaded_last_is_loaded_again(cache: Cache, folder: Path) -> None:
    load(cache, "0.2.0")
    with pytest.warns(OutdatedManifestWarning, match=r"as it was last time.*0\.10\.0"):
        again = Cache.from_s3_cache(folder)
    assert again.current_manifest() == name("0.2.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.load_manifest(name("0.1.0"))  # told once of this newest version


def test_a_version_that_is_no_more(cache: Cache, folder: Path) -> None:
    (folder / "_manifest_last_used.txt").write_text(name("7.0.0"))
    with pytest.warns(UserWarning, match=r"7\.0\.0"):
        assert Cache.from_s3_cache(folder).current_manifest() == LATEST


def test_an_older_version_was_the_newest_here(
    server: S3Server, tmp_path: Path, folder: Path
) -> None:
    server.make_bucket("growing-release")

    def put(key: str, content: bytes) -> str:
        return server.put("growing-release", key, content)

    make_release(put, bucket="growing-release", versions=("0.1.0",))
    cache = Cache.from_s3_cache(folder, "growing-release")
    assert cache.list_manifest_file_names() == [name("0.1.0")]
    make_release(put, bucket="growing-release", versions=("0.1.0", "0.2.0"))
    assert cache.latest_manifest_file() == name("0.2.0")  # a live cache sees what is new
    with pytest.warns(OutdatedManifestWarning, match="newer than"):
        cache.load_latest_manifest()
    assert cache.current_manifest() == name("0.2.0")
    (folder / "_manifest_last_used.txt").unlink()
    server.put("growing-release", f"{cache.config.project}/manifests/README.json", b"no manifest")
    assert Cache.from_s3_cache(folder, "growing-release").current_manifest() == name("0.2.0")


def test_another_bucket_for_manifests(server: S3Server, release: DemoRelease, folder: Path) -> None:
    server.make_bucket("mirror-of-manifests")
    cache = Cache.from_s3_cache(folder, metadata="lazy")
    text = (folder / LATEST).read_bytes()
    server.put("mirror-of-manifests", f"{release.project}/manifests/{LATEST}", text)
    other = Cache.from_s3_cache(folder.parent / "other", "mirror-of-manifests")
    assert other.list_manifest_file_names() == [LATEST]
    assert other.get_unit_table().equals(cache.get_unit_table())  # from where manifests say


def test_files_that_nobody_recorded(cache: Cache, folder: Path) -> None:
    (folder / "_downloaded_data.json").unlink()
    with pytest.warns(MissingLocalManifestWarning, match="construct_local_manifest"):
        again = Cache.from_local_cache(folder)
    again.construct_local_manifest()
    record = json.loads((folder / "_downloaded_data.json").read_text())
    assert set(record.values()) == {e.file_hash for e in cache.manifest.metadata_files.values()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Cache.from_local_cache(folder)


MANY = """
import sys
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache
cache = Cache.from_s3_cache(sys.argv[1])
print(len(cache.get_unit_table()), cache.download_data(0).stat().st_size)
"""


def test_several_processes_open_one_folder(endpoint: str, folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", MANY, str(folder)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=60) for process in running]
    found = [out.split() for out, _ in answers]
    assert {tuple(of[:1]) for of in found} == {("60",)}, answers
    size = Cache.from_local_cache(folder).download_data(0).stat().st_size
    assert {int(of[1]) for of in found} == {size}, answers
    assert not list(folder.rglob("*.part"))
    assert len(Cache.from_local_cache(folder).get_unit_table()) == 60


def test_each_table_has_a_bar(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FASCICLE_PROGRESS")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    Cache.from_s3_cache(folder)
    shown = capfd.readouterr().err
    for table in TABLES:
        assert f"{table}.csv: 100%" in shown


# -- without a network ----------------------------------------------------------------------------


def test_offline_what_is_here_works(
    cache: Cache, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    again = Cache.from_s3_cache(folder)
    assert again.get_unit_table().equals(cache.get_unit_table())
    assert again.list_manifest_file_names() == [LATEST]
    with pytest.raises(OfflineError):
        again.download_data(0)
    with pytest.raises(VersionNotFound):
        again.load_manifest(name("0.1.0"))
    with pytest.raises(OfflineError):
        Cache.from_s3_cache(folder.parent / "empty")


def test_a_server_that_is_gone(cache: Cache, folder: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    with pytest.warns(IncompleteWarning, match="only the 1 releases"):
        again = Cache.from_s3_cache(folder, endpoint_url=nowhere)
    assert len(again.get_unit_table()) == len(cache.get_unit_table())
    with pytest.raises(ServerError):
        Cache.from_s3_cache(folder.parent / "empty", endpoint_url=nowhere)


def test_a_local_cache(cache: Cache, folder: Path) -> None:
    local = Cache.from_local_cache(folder)
    assert local.current_manifest() == LATEST
    for table in TABLES:
        pd.testing.assert_frame_equal(local.get_table(table), cache.get_table(table))
    with pytest.raises(NotHereError, match=r"session_\d+\.nwb"):
        local.download_data(0)
    with pytest.raises(NotHereError, match="such as"):
        local.plan()
    with pytest.raises(VersionNotFound):
        local.load_manifest(name("0.1.0"))
    (folder / f"{cache.config.project}-0.10.0/project_metadata/units.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"units\.csv"):
        Cache.from_local_cache(folder)
    lazy = Cache.from_local_cache(folder, metadata="lazy")
    assert len(lazy.get_probe_table()) == 12
    with pytest.raises(FileNotFoundError):
        lazy.get_unit_table()
    with pytest.raises(NotHereError):
        Cache.from_local_cache(folder.parent / "empty")
    assert not (folder.parent / "empty").exists()


def test_a_folder_that_was_moved(cache: Cache, folder: Path, tmp_path: Path) -> None:
    load(cache, "0.3.0")
    folder.rename(tmp_path / "moved")
    with pytest.warns(OutdatedManifestWarning):
        moved = Cache.from_local_cache(tmp_path / "moved")
    assert moved.get_unit_table().equals(cache.get_unit_table())


def test_an_older_version_can_be_deleted(cache: Cache, folder: Path) -> None:
    load(cache, "0.2.0")
    cache.load_manifest(name("0.3.0"))
    shutil.rmtree(folder / f"{cache.config.project}-0.2.0")
    with pytest.warns(OutdatedManifestWarning):
        again = Cache.from_local_cache(folder)
    assert len(again.get_behavior_session_table()) == 11


def test_a_mirrored_bucket(release: DemoRelease, cache: Cache, tmp_path: Path) -> None:
    root = tmp_path / "mounted"
    shutil.copytree(tmp_path / "cache" / f"{release.project}-0.10.0", root / release.project)
    (root / release.project / "manifests").mkdir()
    shutil.copy(tmp_path / "cache" / LATEST, root / release.project / "manifests")
    before = sorted(root.rglob("*"))
    static = Cache.from_local_cache(root, use_static_cache=True)
    pd.testing.assert_frame_equal(static.get_unit_table(), cache.get_unit_table())
    assert static.list_manifest_file_names() == static.list_all_downloaded_manifests() == [LATEST]
    with pytest.raises(StaticCacheError):
        static.compare_manifests(LATEST, LATEST)
    assert sorted(root.rglob("*")) == before
    with pytest.raises(NotHereError):
        Cache.from_local_cache(tmp_path, use_static_cache=True)


READ_ONLY = """
import os, sys, warnings
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache
warnings.simplefilter("ignore")
folder, other = sys.argv[1:]
for cache in (Cache.from_local_cache(other), Cache.from_s3_cache(other)):
    cache.get_unit_table(), cache.ids("units")  # the interpreter may lie where nobody may read
if os.geteuid() == 0:
    os.setuid(65534)
try:
    open(folder + "/probe", "w")
except PermissionError:
    pass
else:
    sys.exit("the folder can be written")
for cache in (Cache.from_local_cache(folder), Cache.from_s3_cache(folder)):
    print(len(cache.get_unit_table()), len(cache.ids("units")))
    cache.load_manifest("0.2.0")
    print(len(cache.get_unit_table()))
"""


def test_a_folder_that_cannot_be_written(cache: Cache) -> None:
    load(cache, "0.2.0")
    cache.load_latest_manifest()
    # pytest closes its folders to others, and root may write anywhere.
    with tempfile.TemporaryDirectory(prefix="fascicle-test-") as name:
        folder = Path(name) / "cache"
        cache_folder = cache.data_path(0)["local_path"].parents[2]
        shutil.copytree(cache_folder, folder)
        shutil.rmtree(folder / ".fascicle" / "tables", ignore_errors=True)
        Path(name).chmod(0o755)
        mine = Path(name) / "mine"
        mine.mkdir()
        mine.chmod(0o777)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        env = os.environ | {"FASCICLE_CACHE": str(mine), "HOME": str(mine)}
        command = [sys.executable, "-c", READ_ONLY, str(folder), str(cache_folder)]
        run = subprocess.run(command, capture_output=True, text=True, env=env)
        assert run.returncode == 0, run.stderr[-2000:]
        assert run.stdout.split() == ["60", "60", "43"] * 2
        assert len(list(mine.rglob("*.parquet"))) == 2
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


# -- versions -------------------------------------------------------------------------------------


def test_versions_are_listed_as_versions(cache: Cache) -> None:
    assert cache.list_manifest_file_names() == VERSIONS
    assert cache.latest_manifest_file() == LATEST
    assert cache.list_all_downloaded_manifests() == [LATEST]
    assert cache.latest_downloaded_manifest_file() == LATEST


def test_going_to_another_version(cache: Cache) -> None:
    newest = cache.get_unit_table()
    with pytest.warns(OutdatedManifestWarning, match=r"not the newest.*0\.10\.0"):
        cache.load_manifest("0.2.0")
    assert cache.current_manifest() == name("0.2.0")
    assert list(newest.columns).index("quality") and "quality" not in cache.get_unit_table()
    cache.load_latest_manifest()
    assert "quality" in cache.get_unit_table()
    assert cache.list_all_downloaded_manifests() == [name("0.2.0"), LATEST]


def test_a_manifest_that_was_cut_short_is_fetched_again(cache: Cache, folder: Path) -> None:
    whole = (folder / LATEST).read_bytes()
    (folder / LATEST).write_bytes(whole[:1000])
    with pytest.raises(ManifestError, match="not JSON"):
        Cache.from_local_cache(folder)
    assert Cache.from_s3_cache(folder).manifest == cache.manifest
    assert (folder / LATEST).read_bytes() == whole


def test_an_unknown_version(cache: Cache) -> None:
    with pytest.raises(VersionNotFound, match=r"0\.4\.0"):
        cache.load_manifest(name("0.4.0"))
    with pytest.raises(ValueError, match="did you mean"):
        cache.load_manifest("visual-behavior-neuropixel_project_manifest_v0.1.0.json")
    assert cache.current_manifest() == LATEST


def test_a_version_that_this_reader_does_not_know(server: S3Server, folder: Path) -> None:
    server.make_bucket("far-future")

    def put(key: str, content: bytes) -> str:
        content = content.replace(b'"manifest_version": "0.2.0"', b'"manifest_version": "10.0.0"')
        return server.put("far-future", key.replace("_v0.2.0.json", "_v10.0.0.json"), content)

    make_release(put, bucket="far-future", versions=("0.1.0", "0.2.0"))
    with pytest.raises(BehaviorCloudCacheVersionException, match=r"10\.0\.0.*AllenSDK 2\.13\.5"):
        Cache.from_s3_cache(folder, "far-future")
    (folder / "_manifest_last_used.txt").write_text(name("0.1.0"))
    with pytest.warns(OutdatedManifestWarning):
        cache = Cache.from_s3_cache(folder, "far-future")
    with pytest.raises(BehaviorCloudCacheVersionException):
        cache.load_latest_manifest()
    assert cache.current_manifest() == name("0.1.0")
    assert (folder / "_manifest_last_used.txt").read_text() == name("0.1.0")


def test_comparing_versions_does_not_load_them(cache: Cache) -> None:
    text = cache.compare_manifests(name("0.1.0"), name("0.2.0"))
    assert text == (
        f"Changes going from\n{name('0.1.0')}\nto\n{name('0.2.0')}\n\n"
        "project_metadata/units.csv changed\n"
    )
    assert cache.current_manifest() == LATEST
    assert cache.compare_manifests("0.1.0", "0.1.0") == "The two manifests are equivalent"
    summary = cache.summarize_comparison("0.3.0", "0.10.0")
    changes = [line.split()[1] for _, line in summary["data_changes"]]
    # The new session brings files of its probes' LFP.
    assert changes[:2] == ["deleted", "renamed"] and set(changes[2:]) == {"created"}
    with pytest.raises(VersionNotFound):
        cache.compare_manifests("0.1.0", "9.9.9")


# -- tables ---------------------------------------------------------------------------------------


def test_the_tables_of_the_contract(cache: Cache) -> None:
    sessions = cache.get_ecephys_session_table(filter_abnormalities=False)
    assert sessions.index.name == "ecephys_session_id"
    assert list(sessions.columns) == [
        "behavior_session_id",
        "date_of_acquisition",
        "equipment_name",
        "session_type",
        "mouse_id",
        "genotype",
        "sex",
        "project_code",
        "age_in_days",
        "unit_count",
        "probe_count",
        "channel_count",
        "structure_acronyms",
        "image_set",
        "prior_exposures_to_image_set",
        "session_number",
        "experience_level",
        "prior_exposures_to_omissions",
        "file_id",
        "abnormal_histology",
        "abnormal_activity",
    ]
    for column in ("unit_count", "probe_count", "channel_count", "prior_exposures_to_image_set"):
        assert str(sessions[column].dtype) == "Int64"
    assert isinstance(sessions["structure_acronyms"].iloc[0], str)
    assert isinstance(sessions["date_of_acquisition"].iloc[0], str)
    behavior = cache.get_behavior_session_table()
    assert behavior.index.name == "behavior_session_id" and behavior.shape[1] == 14
    assert str(behavior["ecephys_session_id"].dtype) == "Int64"
    assert cache.get_probe_table().index.name == "ecephys_probe_id"
    assert cache.get_channel_table().index.name == "ecephys_channel_id"
    units = cache.get_unit_table()
    assert units.index.name == "unit_id" and units.shape == (60, 35)
    assert str(cache.get_channel_table()["unit_count"].dtype) == "int64"


def test_abnormal_sessions_are_left_out(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    table = cache.get_ecephys_session_table(filter_abnormalities=False)
    table["abnormal_activity"] = [None, "[1]", None, None]
    cache._frames["ecephys_sessions"] = table
    assert len(cache.get_ecephys_session_table()) == 3


def test_a_table_is_ones_own(cache: Cache) -> None:
    table = cache.get_unit_table()
    table["snr"] = 0.0
    table.iloc[0, 0] = -1
    assert not (cache.get_unit_table()["snr"] == 0).any()
    assert (cache.get_unit_table().iloc[:, 0] > 0).all()


def test_the_second_opening_reads_a_copy(
    cache: Cache, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {table: cache.get_table(table) for table in TABLES}
    copies = sorted((folder / ".fascicle" / "tables").glob("*.parquet"))
    assert len(copies) == 5

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a table was parsed again")

    monkeypatch.setattr(pd, "read_csv", refuse)
    again = Cache.from_s3_cache(folder)
    for table in TABLES:
        pd.testing.assert_frame_equal(again.get_table(table), first[table])


def test_a_copy_that_is_damaged_is_made_again(cache: Cache, folder: Path) -> None:
    first = cache.get_unit_table()
    for copy in (folder / ".fascicle" / "tables").glob("*.parquet"):
        copy.write_bytes(copy.read_bytes()[:100])
    pd.testing.assert_frame_equal(Cache.from_local_cache(folder).get_unit_table(), first)


def test_lists_and_times(cache: Cache) -> None:
    sessions = cache.table("ecephys_sessions")
    assert isinstance(sessions["structure_acronyms"].iloc[0], list)
    assert sessions["date_of_acquisition"].dtype.kind == "M"
    assert len(sessions) == 4  # nothing is left out


def test_joined_tables(cache: Cache) -> None:
    units = cache.table("units", join=["channels", "probes", "ecephys_sessions"])
    plain = cache.get_unit_table()
    assert units.index.equals(plain.index)
    assert list(units.columns[: plain.shape[1]]) == list(plain.columns)
    probes, channels = cache.get_probe_table(), cache.get_channel_table()
    for unit in units.index[::7]:
        row = units.loc[unit]
        assert row["probe_name"] == probes.loc[row["ecephys_probe_id"], "name"]
        channel = channels.loc[row["ecephys_channel_id"]]
        assert row["channel_probe_channel_number"] == channel["probe_channel_number"]
    assert units["session_type"].notna().all() and "session_genotype" in units
    assert cache.table("units", join="probes").shape == (60, 44)
    with pytest.raises(ConfigurationError, match="do not belong"):
        cache.table("units", join="behavior_sessions")


def test_rows_that_belong_to_none_keep_whole_numbers(cache: Cache) -> None:
    joined = cache.table("behavior_sessions", join="ecephys_sessions")
    assert str(joined["session_mouse_id"].dtype) == "Int64"
    assert joined["session_mouse_id"].isna().sum() == 8


def test_unknown_tables(cache: Cache) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'units'"):
        cache.get_table("unit")


def test_ids(cache: Cache, folder: Path) -> None:
    units = cache.get_unit_table()
    session = int(units["ecephys_session_id"].iloc[0])
    for again in (cache, Cache.from_local_cache(folder)):
        assert list(again.ids("units")) == list(units.index)
        found = again.ids("units", ecephys_session_id=session, structure_acronym=["VISp", "CA1"])
        keep = (units["ecephys_session_id"] == session) & units["structure_acronym"].isin(
            ["VISp", "CA1"]
        )
        assert list(found) == list(units.index[keep])
        assert list(again.ids("units", valid_data=True)) == list(units.index[units["valid_data"]])
        assert list(again.ids("units", spread=units["spread"].iloc[0])) == list(
            units.index[units["spread"] == units["spread"].iloc[0]]
        )
        assert not again.ids("units", structure_acronym="none of these")
        with pytest.raises(ValueError, match="snr"):
            again.ids("units", snt=3)


# -- files ----------------------------------------------------------------------------------------


def test_data_files_are_fetched_and_verified(cache: Cache, folder: Path) -> None:
    where = cache.data_path(0)
    assert not where["exists"]
    path = cache.download_data(0)
    assert path == where["local_path"] and cache.data_path("0")["exists"]
    assert hashlib.blake2b(path.read_bytes()).hexdigest() == where["file_attributes"].file_hash
    assert str(path) in json.loads((folder / "_downloaded_data.json").read_text())
    assert cache.metadata_path("units")["exists"]
    assert cache.download_metadata("units").name == "units.csv"
    with pytest.raises(NotFoundError, match="file_id"):
        cache.download_data(77)


def test_a_plan_says_what_is_missing(cache: Cache) -> None:
    plan = cache.plan()
    assert len(plan) == len(cache.manifest.data_files) and not plan.here
    cache.plan([0, 1]).run(progress=False).raise_for_failed()
    assert len(cache.plan().here) == 2
    assert Path(cache.data_path(0)["local_path"]).is_file()


def test_a_plan_knows_the_sizes_that_the_bucket_lists(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = cache.plan()
    assert plan.unknown_sizes == 0 and plan.bytes > 0
    result = plan.run(progress=False)
    assert all(o.item.target.stat().st_size == o.item.size for o in result.items)
    other = Cache.from_s3_cache(tmp_path / "other", metadata="lazy")
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    assert other.plan([0]).unknown_sizes == 1


def test_equal_files_of_versions_are_fetched_once(cache: Cache) -> None:
    load(cache, "0.2.0")
    cache.load_manifest(name("0.3.0"))
    plan = cache.plan([2])
    assert [item.state for item in plan.items] == ["missing"]
    old = cache.download_data(2)
    cache.load_latest_manifest()
    assert [item.state for item in cache.plan([2]).items] == ["known"]
    new = cache.download_data(2)
    assert new != old and new.read_bytes() == old.read_bytes() and not new.is_symlink()


def test_the_file_of_a_row(cache: Cache) -> None:
    sessions = cache.get_ecephys_session_table(filter_abnormalities=False)
    behavior = cache.get_behavior_session_table()
    session = sessions.index[2]
    assert cache.file_id("ecephys_sessions", session) == "2"
    assert cache.file_id("behavior_sessions", sessions.loc[session, "behavior_session_id"]) == "2"
    own = behavior.index[behavior["file_id"] >= 1000][0]
    assert cache.file_id("behavior_sessions", own) == "1000"
    none = behavior.index[(behavior["file_id"] < 0) & behavior["ecephys_session_id"].isna()][0]
    for record in (none, 123):
        with pytest.raises(RecordNotFound):
            cache.file_id("behavior_sessions", record)
    with pytest.raises(RuntimeError):
        cache.file_id("ecephys_sessions", 123)


def test_a_file_that_was_cut_short_is_fetched_again(cache: Cache, folder: Path) -> None:
    # AllenSDK takes such a file for whole.
    path = cache.download_metadata("units")
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(HashMismatch, match="cut short"):
        Cache.from_local_cache(folder).get_unit_table()
    assert len(Cache.from_s3_cache(folder).get_unit_table()) == 60
    assert path.read_bytes() == content


def test_a_file_that_is_not_what_the_manifest_says(server: S3Server, folder: Path) -> None:
    server.make_bucket("wrong-release")

    def put(key: str, content: bytes) -> str:
        return server.put("wrong-release", key, content[:-1] if "units" in key else content)

    make_release(put, bucket="wrong-release", versions=("0.1.0",))
    with pytest.raises(HashMismatch):
        Cache.from_s3_cache(folder, "wrong-release")
    assert not list(folder.rglob("units.csv"))
    lazy = Cache.from_s3_cache(folder, "wrong-release", metadata="lazy")
    assert len(lazy.get_probe_table()) == 9


# -- the object -----------------------------------------------------------------------------------


def test_it_pickles(cache: Cache) -> None:
    cache.get_unit_table()
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.current_manifest() == LATEST
    pd.testing.assert_frame_equal(copy.get_unit_table(), cache.get_unit_table())
    assert len(pickle.dumps(cache)) < 100_000


def test_any_project(folder: Path, tmp_path: Path) -> None:
    general = ProjectCache.from_s3_cache(folder, project="visual-behavior-neuropixels")
    assert general.get_table("units").shape == (60, 35)
    own = tmp_path / "own.toml"
    own.write_text(
        f'project = "visual-behavior-neuropixels"\ntitle = "Ours"\nbucket = "{BUCKET}"\n'
        '[tables.units]\nindex = "unit_id"\n'
    )
    cache = ProjectCache.from_s3_cache(folder, project=own)
    assert cache.get_table("units").index.name == "unit_id"
    assert cache.get_table("probes").index.name is None  # nobody said what it is known by
    with pytest.raises(ConfigurationError, match="which project"):
        ProjectCache.from_s3_cache(folder)


def test_the_real_manifest_and_the_real_table_of_probes(
    server: S3Server, shared: Path, folder: Path
) -> None:
    real = shared / "data" / "allen" / "visual_behavior_neuropixels"
    server.make_bucket("real-release")

    def put(key: str, content: bytes, *, version_id: str = "") -> str:
        return server.put("real-release", key, content, version_id=version_id)

    # Its addresses name the project's own bucket, which this server does not have with these files.
    probes_csv = "visual-behavior-neuropixels/project_metadata/probes.csv"
    bytes_ = (real / "visual-behavior-neuropixels-0.3.0/project_metadata/probes.csv").read_bytes()
    release = make_release(put, real=real, versions=("0.3.0",))
    assert release.tables["0.3.0"] == {"probes": bytes_}
    cache = Cache.from_s3_cache(folder, "real-release", metadata="lazy")
    assert (folder / name("0.3.0")).read_bytes() == (real / name("0.3.0")).read_bytes()
    entry = cache.manifest.metadata_files["probes"]
    server.put(BUCKET, probes_csv, bytes_, version_id=entry.version_id)
    server.put(BUCKET, probes_csv, b"a newer version, which nobody asks for")
    probes = cache.get_probe_table()
    assert probes.shape == (905, 9)
    assert int(probes["unit_count"].sum()) == 319_013
    assert int(probes["channel_count"].sum()) == 347_520
    assert hashlib.blake2b(bytes_).hexdigest() == entry.file_hash
    assert cache.download_metadata("probes").read_bytes() == bytes_
    assert cache.table("probes")["structure_acronyms"].iloc[0][:2] == ["CA1", "DG"]
    assert len(cache.plan()) == 153
    with pytest.raises(RemoteNotFound, match=r"units\.csv"):
        cache.get_unit_table()  # the real one is not there, and nothing else will do

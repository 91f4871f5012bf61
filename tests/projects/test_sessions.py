"""Sessions of a release: brought here, read where they are, many at once."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fascicle
from fascicle.allen import BehaviorEcephysSession, BehaviorSession, VBNBehaviorSession
from fascicle.demo.release import make_release
from fascicle.errors import (
    ConfigurationError,
    FascicleError,
    IncompleteWarning,
    NotHereError,
    OfflineError,
    OutdatedManifestWarning,
    RecordNotFound,
)
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache
from fascicle.testing.s3 import S3Server
from fascicle.transfer import Result

from .conftest import name

pytestmark = pytest.mark.usefixtures("endpoint")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.from_s3_cache(tmp_path / "cache")


@pytest.fixture
def recording(cache: Cache) -> int:
    """Return a recording with LFP."""
    probes = cache.get_probe_table()
    return int(probes["ecephys_session_id"][probes["file_id"] >= 0].iloc[0])


def files(cache: Cache) -> list[Path]:
    return sorted(Path(cache._versions.store.root).rglob("*.nwb"))


# -- one session ----------------------------------------------------------------------------------


def test_a_recording_is_brought_here(cache: Cache, recording: int) -> None:
    session = cache.get_ecephys_session(ecephys_session_id=recording)
    assert type(session) is BehaviorEcephysSession
    assert session.metadata["ecephys_session_id"] == recording
    row = cache.get_ecephys_session_table(filter_abnormalities=False).loc[recording]
    assert session.behavior_session_id == row["behavior_session_id"]
    assert session.metadata["mouse_id"] == str(row["mouse_id"])
    units = cache.get_unit_table()
    assert set(session.spike_times) == set(units.index[units["ecephys_session_id"] == recording])
    assert [path.name for path in files(cache)] == [f"ecephys_session_{recording}.nwb"]


def test_units_have_what_the_table_alone_has(cache: Cache, recording: int) -> None:
    session = cache.get_ecephys_session(recording)
    assert "waveform_halfwidth" not in session.nwb.units
    table, units = cache.get_unit_table(), session.get_units(nan_metrics="drop")
    expected = table.loc[units.index, "waveform_halfwidth"]
    np.testing.assert_array_equal(units["waveform_halfwidth"], expected)
    again = pickle.loads(pickle.dumps(session))
    pd.testing.assert_frame_equal(again.get_units(nan_metrics="drop"), units)


def test_columns_of_a_table(cache: Cache, tmp_path: Path) -> None:
    names = ["ecephys_session_id", "snr"]
    parsed = cache.columns("units", names)
    table = cache.get_unit_table()[names]
    for some in (parsed, cache.columns("units", names)):
        pd.testing.assert_frame_equal(some, table)
    again = Cache.from_s3_cache(tmp_path / "cache")  # which finds the copy that was made
    pd.testing.assert_frame_equal(again.columns("units", names), table)
    for opened in (cache, again):
        assert opened.columns("units", ["snr", "nothing"]) is None
        assert opened.columns("nothing", names) is None
    lazy = Cache.from_s3_cache(tmp_path / "lazy", metadata="lazy")
    assert lazy.columns("units", names) is None, "nothing is fetched for it"


def test_what_the_table_of_probes_says_of_lfp(cache: Cache, recording: int) -> None:
    session = cache.get_ecephys_session(recording)
    table = cache.get_probe_table()
    table = table[table["ecephys_session_id"] == recording]
    probes = session.probes.loc[table.index]
    assert list(probes["has_lfp_data"]) == list(table["has_lfp_data"])
    with_lfp = probes[probes["has_lfp_data"]]
    assert list(with_lfp["lfp_sampling_rate"]) == list(
        table["lfp_sampling_rate"][table["has_lfp_data"]]
    )
    assert probes["lfp_sampling_rate"][~probes["has_lfp_data"]].isna().all()


def test_lfp_is_brought_when_it_is_asked_for(cache: Cache, recording: int) -> None:
    session = cache.get_ecephys_session(recording)
    table = cache.get_probe_table()
    probe = int(
        table.index[(table["ecephys_session_id"] == recording) & (table["file_id"] >= 0)][0]
    )
    assert len(files(cache)) == 1
    lfp = pickle.loads(pickle.dumps(session)).get_lfp(probe)
    assert lfp is not None and lfp.dims == ("time", "channel")
    assert {path.name for path in files(cache)} == {
        f"ecephys_session_{recording}.nwb",
        f"probe_{probe}_lfp.nwb",
    }
    csd = session.get_current_source_density(probe)
    assert csd is not None and csd.shape[1] > 0


def test_a_release_without_files_of_lfp(cache: Cache, recording: int) -> None:
    session = cache.get_ecephys_session(recording)
    cache._frames["probes"] = cache.get_table("probes").drop(columns="file_id")
    without = cache.get_ecephys_session(recording)
    assert session.probes["has_lfp_data"].any() and not without.probes["has_lfp_data"].any()
    assert without.get_lfp(int(without.probes.index[0])) is None
    cache._frames["probes"] = session._links.lfp.cache.get_table("probes").assign(  # type: ignore[attr-defined]
        file_id=-999, has_lfp_data=True
    )
    lost = cache.get_ecephys_session(recording)
    with pytest.raises(NotHereError, match="has LFP"):
        lost.get_lfp(int(lost.probes.index[0]))


def test_a_training_and_the_behaviour_of_a_recording(cache: Cache, recording: int) -> None:
    table = cache.get_behavior_session_table()
    own = int(table.index[table["file_id"] >= 0][0])
    training = cache.get_behavior_session(behavior_session_id=own)
    assert type(training) is BehaviorSession and training.behavior_session_id == own
    inside = int(table.index[table["ecephys_session_id"] == recording][0])
    behaviour = cache.get_behavior_session(inside)
    assert behaviour.behavior_session_id == inside
    assert not isinstance(behaviour, VBNBehaviorSession)
    assert len(behaviour.trials) == len(cache.get_ecephys_session(recording).trials)


@pytest.mark.parametrize("unknown", [1, -999, 0])
def test_no_such_session(cache: Cache, unknown: int) -> None:
    for ask in (cache.get_ecephys_session, cache.get_behavior_session):
        with pytest.raises(RecordNotFound, match=str(unknown)) as caught:
            ask(unknown)
        assert isinstance(caught.value, RuntimeError)


def test_sessions_without_a_file(cache: Cache, recording: int) -> None:
    sessions = cache.get_table("ecephys_sessions")
    for missing in (-999, np.nan):
        cache._frames["ecephys_sessions"] = sessions.assign(file_id=missing)
        with pytest.raises(RecordNotFound, match="no file"):
            cache.get_ecephys_session(recording)
    cache._frames["ecephys_sessions"] = pd.concat([sessions, sessions])
    with pytest.raises(RecordNotFound, match="2 rows"):
        cache.get_ecephys_session(recording)
    table = cache.get_behavior_session_table()
    alone = table.index[(table["file_id"] < 0) & table["ecephys_session_id"].isna()]
    with pytest.raises(RecordNotFound, match="no file"):
        cache.get_behavior_session(int(alone[0]))


def test_a_session_stays_with_its_version(cache: Cache, recording: int) -> None:
    first = int(cache.get_ecephys_session_table(filter_abnormalities=False).index[0])
    new = cache.get_ecephys_session(first)
    with pytest.warns(OutdatedManifestWarning):
        cache.load_manifest(name("0.2.0"))
    old = cache.get_ecephys_session(first)
    unit = next(iter(new.spike_times))
    assert not np.array_equal(new.spike_times[unit], old.spike_times[unit]), "it was corrected"
    assert new._links.lfp.cache.current_manifest() == name("0.10.0")  # type: ignore[attr-defined]


# -- without bringing a file ----------------------------------------------------------------------


def test_ranges_are_read_where_the_file_is(cache: Cache, recording: int) -> None:
    streamed = cache.get_ecephys_session(recording, stream=True)
    units = streamed.get_units(nan_metrics="drop")
    unit = int(units.index[3])
    spikes = streamed.spike_times[unit]
    assert not files(cache)
    traffic = streamed.nwb.traffic
    assert 0 < traffic.bytes_read < traffic.size
    again = pickle.loads(pickle.dumps(streamed))
    np.testing.assert_array_equal(again.spike_times[unit], spikes)
    whole = cache.get_ecephys_session(recording)
    np.testing.assert_array_equal(whole.spike_times[unit], spikes)
    pd.testing.assert_frame_equal(whole.get_units(nan_metrics="drop"), units)
    pd.testing.assert_frame_equal(whole.stimulus_presentations, streamed.stimulus_presentations)
    assert whole.nwb.traffic.requests == 0
    here = cache.get_ecephys_session(recording, stream=True)
    assert len(here.licks) > 0 and here.nwb.traffic.requests == 0


def test_lfp_by_ranges(cache: Cache, recording: int) -> None:
    table = cache.get_probe_table()
    probe = int(
        table.index[(table["ecephys_session_id"] == recording) & (table["file_id"] >= 0)][0]
    )
    streamed = cache.get_ecephys_session(recording, stream=True)
    lfp = streamed.get_lfp(probe)
    assert lfp is not None and not files(cache)
    assert lfp.equals(cache.get_ecephys_session(recording).get_lfp(probe))


def test_behaviour_by_ranges(cache: Cache) -> None:
    table = cache.get_behavior_session_table()
    own = int(table.index[table["file_id"] >= 0][0])
    assert len(cache.get_behavior_session(own, stream=True).trials) > 0
    assert not files(cache)


def test_offline(cache: Cache, recording: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.get_ecephys_session(recording)
    other = int(cache.get_ecephys_session_table(filter_abnormalities=False).index[-1])
    assert other != recording
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    for opened in (
        Cache.from_s3_cache(cache._versions.store.root),
        Cache.from_local_cache(cache._versions.store.root),
    ):
        for stream in (False, True):
            session = opened.get_ecephys_session(recording, stream=stream)
            assert len(session.trials) > 0 and len(session.get_units(nan_metrics="drop")) > 0
            with pytest.raises((OfflineError, NotHereError)):
                opened.get_ecephys_session(other, stream=stream).trials
        assert isinstance(opened.prefetch([recording]), Result)


ELSEWHERE = """
import sys
from fascicle.errors import NotEnoughDisk
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache
"""
READ_ONLY = (
    ELSEWHERE
    + """
cache = Cache.from_local_cache(sys.argv[1])
session = cache.get_ecephys_session(int(sys.argv[2]))
print(len(session.licks) > 0, [o.status for o in cache.prefetch([int(sys.argv[2])]).items])
"""
)
LITTLE_ROOM = (
    ELSEWHERE
    + """
cache = Cache.from_s3_cache(sys.argv[1])
try:
    cache.prefetch()
except NotEnoughDisk as error:
    print(error.kind, len(list(cache._versions.store.root.rglob("*.nwb"))))
"""
)


def in_a_mount(mount: str, code: str, *arguments: object) -> str:
    """Return what code prints where the folder that is its first argument is mounted anew."""
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    command += ["sh", "-c", f'{mount} && exec "$@"', str(arguments[0]), sys.executable, "-c", code]
    run = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_folder_that_cannot_be_written(cache: Cache, recording: int) -> None:
    cache.get_ecephys_session(recording)
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'
    printed = in_a_mount(mount, READ_ONLY, cache._versions.store.root, recording)
    assert printed.strip() == "True ['here']"


def test_what_was_used_is_recorded(cache: Cache, recording: int, tmp_path: Path) -> None:
    """Files that are read by ranges count as used, like those that are brought here."""
    with fascicle.recording() as streamed:
        cache.get_ecephys_session(recording, stream=True)
    with fascicle.recording() as brought:
        cache.get_ecephys_session(recording)
    file_hash = cache.manifest.data_files[cache.file_id("ecephys_sessions", recording)].file_hash
    for record in (streamed, brought):
        assert file_hash in {use.hash for use in record.uses}
    lock = streamed.lock(tmp_path / "used.lock")
    assert file_hash in lock.read_text()


# -- many -----------------------------------------------------------------------------------------


def test_the_loop_of_the_tutorial(cache: Cache) -> None:
    ecephys_sessions = cache.get_ecephys_session_table()
    filtered_ecephys_sessions = ecephys_sessions.dropna(subset=["file_id"])
    for ecephys_session_id, _ in filtered_ecephys_sessions.iterrows():
        cache.get_ecephys_session(ecephys_session_id=ecephys_session_id)
    assert len(files(cache)) == len(filtered_ecephys_sessions)


def test_prefetch_is_the_loop(cache: Cache, tmp_path: Path) -> None:
    result = cache.prefetch()
    assert isinstance(result, Result) and not result.failed and not result.notes
    table = cache.get_ecephys_session_table()
    assert len(result.items) == len(table) == len(files(cache))
    assert {o.status for o in result.items} == {"fetched"}
    again = cache.prefetch()
    assert isinstance(again, Result) and {o.status for o in again.items} == {"here"}
    assert again.bytes == 0
    record = (Path(cache._versions.store.root) / "_downloaded_data.json").read_text()
    assert all(str(path.resolve()) in record for path in files(cache))


def test_prefetch_of_some(cache: Cache, recording: int) -> None:
    result = cache.prefetch([recording, recording], lfp=True)
    n_lfp = len(cache._probe_rows(recording)[1])
    assert len(result.items) == 1 + n_lfp and n_lfp > 0
    table = cache.get_ecephys_session_table(filter_abnormalities=False)
    assert len(cache.prefetch(table.iloc[:2]).items) == 2
    assert len(cache.prefetch([]).items) == 0
    with pytest.raises(RecordNotFound):
        cache.prefetch([recording, 5])


def test_prefetch_keeps_within_a_size(cache: Cache) -> None:
    table = cache.get_ecephys_session_table(filter_abnormalities=False)
    assert len(table) >= 3
    plan = cache.plan(cache.file_id("ecephys_sessions", i) for i in table.index)
    sizes = [item.size for item in plan.items]
    assert all(sizes)
    most = sizes[0] + sizes[1]
    for _ in range(2):  # what is here counts too, so that a second run brings no more
        with pytest.warns(IncompleteWarning, match=f"2 of {len(table)} sessions"):
            result = cache.prefetch(table.index, max_bytes=most)
        assert len(result.items) == 2 and len(files(cache)) == 2
        assert "do not fit" in result.notes[0]
    with pytest.warns(IncompleteWarning, match="0 of"):
        assert not cache.prefetch(table.index, max_bytes=0).items
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(cache.prefetch(table.index, max_bytes=sum(sizes)).items) == len(table)
    with pytest.raises(ConfigurationError):
        cache.prefetch(max_bytes=-1)


def test_prefetch_looks_at_the_disk_first(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=72m tmpfs "$0"'
    assert in_a_mount(mount, LITTLE_ROOM, tmp_path) == "not-enough-disk 0\n"


def test_prefetch_goes_on(cache: Cache) -> None:
    ids = cache.get_ecephys_session_table(filter_abnormalities=False).index
    cache.get_ecephys_session(int(ids[0]))
    result = cache.prefetch(ids)
    assert [o.status for o in result.items] == ["here"] + ["fetched"] * (len(ids) - 1)


def test_a_file_that_was_cut_short_is_fetched_again(cache: Cache, recording: int) -> None:
    cache.get_ecephys_session(recording)
    path = files(cache)[0]
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:5000])
    session = cache.get_ecephys_session(recording)
    assert len(session.get_units(nan_metrics="drop")) > 0
    assert path.read_bytes() == whole


def test_a_missing_object_fails_alone(server: S3Server, tmp_path: Path) -> None:
    server.make_bucket("release-with-a-hole")

    def put(key: str, content: bytes) -> str:
        if key.endswith("session_1044385384.nwb"):
            return "null"
        return server.put("release-with-a-hole", key, content)

    make_release(put, bucket="release-with-a-hole", versions=("0.1.0",))
    cache = Cache.from_s3_cache(tmp_path / "cache", "release-with-a-hole")
    result = cache.prefetch()
    assert [o.item.target.name for o in result.failed] == ["ecephys_session_1044385384.nwb"]
    assert len(result.ok) == len(result.items) - 1 > 0
    with pytest.raises(FascicleError):
        result.raise_for_failed()

"""Sessions that lie elsewhere: little is fetched, and it is counted."""

from __future__ import annotations

import gc
import io
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.nwb.against import compare
from tests.nwb.make import make_long

from fascicle import nwb
from fascicle.errors import (
    AccessDenied,
    BadFileError,
    ChangedRemote,
    OfflineError,
    RemoteNotFound,
    ServerError,
    TransferError,
)
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.collecting import no_collecting
from fascicle.testing import S3Server
from fascicle.testing.gate import Gate
from fascicle.transfer import Access, Source

BLOCK = 16 << 10


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that pynwb wrote in line: 400 units, 400,000 spikes, between other arrays."""
    return make_long(tmp_path_factory.mktemp("long") / "long.nwb")


@pytest.fixture(params=["curl", "urllib3"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FASCICLE_TRANSPORT", request.param)
    return str(request.param)


def test_all_of_it_is_the_same(everything: Path, serve, quick) -> None:
    here = nwb.read(everything)
    with nwb.read(serve(everything), limits=quick, block_size=4096) as there:
        assert list(there.series) == list(here.series)
        for name in ("units", "electrodes", "trials", "epochs", "flashes_presentations"):
            pd.testing.assert_frame_equal(there.table(name), here.table(name))
        with pytest.warns(UserWarning, match="EnumData"):
            assert compare(there, there.nwb())["series"] == 9
    here.close()


def test_little_is_fetched(long: Path, serve, server, quick, transport) -> None:
    truth = nwb.read(long)
    with nwb.read(serve(long), limits=quick, block_size=BLOCK) as session:
        opened = session.traffic
        assert opened.requests == len(server.log) <= 6
        units = session.units
        pd.testing.assert_frame_equal(units, truth.units)
        assert session.traffic.requests <= opened.requests + 16
        np.testing.assert_array_equal(session.spike_times[40], truth.spike_times[40])
        last = session.traffic
        assert last.requests == len(server.log) <= 30
        assert last.bytes_read < 800_000 < last.size == long.stat().st_size
        session.units, session.spike_times[40], session.trials
        before = session.traffic.requests
        session.units, session.spike_times[40], session.trials
        assert session.traffic.requests <= before + 1
        assert f"{session.traffic.requests} requests" in repr(session)
    truth.close()


def test_what_is_large_comes_in_parts_at_once(long: Path, serve, server, quick, transport) -> None:
    truth = nwb.read(long)
    with nwb.read(serve(long), limits=quick) as session:
        wide = session.series["wide"]
        server.most_at_once = 0
        np.testing.assert_array_equal(wide.data[:], truth.series["wide"].data[:])
        assert server.most_at_once > 1
        everywhere = session.spike_times.all()
        assert all(np.array_equal(everywhere[u], truth.spike_times[u]) for u in (1, 200, 399))
    truth.close()


class Elsewhere(io.FileIO):
    """A file whose bytes another thread brings, in which garbage could be collected."""

    collected: list[bool]

    def readinto(self, buffer: Any, /) -> int:
        def bring() -> None:
            self.collected.append(gc.isenabled())

        thread = threading.Thread(target=bring)
        thread.start()
        thread.join()
        return super().readinto(buffer)


def test_no_garbage_is_collected_while_another_thread_brings_bytes(long: Path) -> None:
    """Garbage of h5py's would wait for the lock that the reader holds, and the reader for it."""
    Elsewhere.collected = []
    with NwbFile(lambda: Elsewhere(long), name="elsewhere") as file:
        assert file.array("/units/id").size == 400
    assert Elsewhere.collected and not any(Elsewhere.collected)
    assert gc.isenabled()
    with no_collecting(), no_collecting():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collecting():
            pass
        assert not gc.isenabled()  # as it was
    finally:
        gc.enable()


def test_time_slices_read_little(long: Path, serve, quick) -> None:
    with nwb.read(serve(long), limits=quick, block_size=BLOCK) as session:
        wide = session.series["wide"]
        before = session.traffic.bytes_read
        found = wide.between(2000, 2001)
        assert found.timestamps[0] == 2000 and len(found.data) == 1001
        assert session.traffic.bytes_read - before < 1_000_000 < wide.data.nbytes


def test_a_server_without_ranges(everything: Path, server, quick, transport) -> None:
    server.put("/x.nwb", everything.read_bytes(), ranges=False)
    with nwb.read(server.base + "/x.nwb", limits=quick) as session:
        assert len(session.units) == 12 and len(session.spike_times.all()) == 12
        assert session.traffic.requests == 1


def test_faults_are_outlived(long: Path, serve, server, quick, transport) -> None:
    address = serve(long)
    route = server.routes[f"/{long.name}"]
    truth = nwb.read(long)
    with nwb.read(address, limits=quick, block_size=BLOCK) as session:
        route.statuses = [503, 429]
        route.cut_at = [1000, 20, 0]
        pd.testing.assert_frame_equal(session.units, truth.units)
        route.cut_at = [100, 200, 300]
        np.testing.assert_array_equal(session.series["wide"].data[:], truth.series["wide"].data[:])
    truth.close()


def test_a_server_that_fails_is_what_the_error_is_about(long: Path, serve, server, quick) -> None:
    with nwb.read(serve(long), limits=quick, block_size=BLOCK) as session:
        route = server.routes[f"/{long.name}"]
        route.statuses = [500] * 60
        with pytest.raises(ServerError, match="500"):
            session.spike_times[40]
        route.statuses = []
        assert len(session.spike_times[40]) == 1000  # and it goes on where it was


def test_a_file_that_changes(long: Path, serve, server, quick) -> None:
    address = serve(long)
    session = nwb.read(address, limits=quick, block_size=BLOCK)
    packed = pickle.dumps(session)
    server.put(f"/{long.name}", long.read_bytes() + b"more")
    with pytest.raises(ChangedRemote):
        session.units
    session.close()
    with pytest.raises(ChangedRemote):
        pickle.loads(packed).units


def test_what_cannot_be_read(everything: Path, server, quick, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(RemoteNotFound):
        nwb.read(server.base + "/none.nwb", limits=quick)
    server.put("/page.nwb", b"<html>not found</html>" * 100)
    with pytest.raises(BadFileError, match=r"page\.nwb is no HDF5 file"):
        nwb.read(server.base + "/page.nwb", limits=quick)
    server.put("/empty.nwb", b"")
    with pytest.raises(BadFileError, match=r"empty\.nwb has no bytes"):
        nwb.read(server.base + "/empty.nwb", limits=quick)
    server.put("/cut.nwb", everything.read_bytes()[:200_000])
    with pytest.raises(BadFileError, match=r"cut\.nwb is cut off"):
        nwb.read(server.base + "/cut.nwb", limits=quick)
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError):
        nwb.read(server.base + "/cut.nwb", limits=quick)
    with pytest.raises(RemoteNotFound, match="no file"):
        nwb.read(tmp_path / "none.nwb")
    with pytest.raises(BadFileError, match="is a folder"):
        nwb.read(tmp_path)
    zarr = tmp_path / "x.nwb.zarr"
    zarr.mkdir()
    with pytest.raises(BadFileError, match="Zarr is not read"):
        nwb.read(zarr)


def test_versions_of_an_s3_bucket(everything: Path, long: Path, quick, monkeypatch) -> None:
    with S3Server() as s3:
        s3.make_bucket("lab-data")
        old = s3.put("lab-data", "a/ses 1.nwb", everything.read_bytes())
        s3.put("lab-data", "a/ses 1.nwb", long.read_bytes())
        place = "s3://lab-data/a/ses 1.nwb"
        with nwb.read(place, endpoint=s3.url, limits=quick) as session:
            assert len(session.units) == 400 and 0 < session.traffic.bytes_read < session.file.size
        with nwb.read(place, version=old, endpoint=s3.url, limits=quick) as session:
            assert len(session.units) == 12
            with pickle.loads(pickle.dumps(session)) as again:
                assert len(again.units) == 12
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        with nwb.read(Source(place, version=old), limits=quick) as session:
            assert session.metadata["identifier"] == "everything"
        with pytest.raises(RemoteNotFound):
            nwb.read("s3://lab-data/none.nwb", limits=quick)


def test_credentials_are_used_and_never_pickled(everything: Path, quick, monkeypatch) -> None:
    with S3Server() as s3, Gate(s3.url, key="me", secret="hush-hush") as gate:
        s3.make_bucket("lab-data")
        s3.put("lab-data", "x.nwb", everything.read_bytes())
        access = Access(endpoint=gate.url, key="me", secret="hush-hush")
        session = nwb.read("s3://lab-data/x.nwb", access=access, limits=quick)
        assert len(session.units) == 12
        packed = pickle.dumps(session)
        assert b"hush" not in packed
        session.close()
        with pytest.raises(AccessDenied):
            pickle.loads(packed).units
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
        with pickle.loads(packed) as again:
            assert len(again.units) == 12


def test_many_threads_share_a_session(everything: Path, serve, quick) -> None:
    for place in (everything, serve(everything)):
        with nwb.read(place, limits=quick, block_size=4096) as session:
            units = list(session.units.index)
            ready = threading.Barrier(8)

            def work(k: int, session=session, ready=ready, units=units) -> float:
                ready.wait()
                total = 0.0
                for unit in units[k % 3 :] + units[: k % 3]:
                    total += float(session.spike_times[unit].sum())
                    total += len(session.trials) + len(session.column("waveforms")[unit])
                return round(total, 6)

            with ThreadPoolExecutor(8) as pool:
                assert len(set(pool.map(work, range(8)))) == 1


def test_a_session_goes_to_other_processes(everything: Path, serve, quick) -> None:
    for place in (everything, serve(everything)):
        session = nwb.read(place, limits=quick)
        packed = pickle.dumps(session)
        session.close()
        code = "import pickle, sys; s = pickle.load(sys.stdin.buffer); print(len(s.units))"
        run = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True)
        assert (run.returncode, run.stdout.strip()) == (0, b"12"), run.stderr.decode()


FORK = """
import os, sys
from fascicle import nwb

session = nwb.read(sys.argv[1])
units = list(session.units.index)
truth = {u: session.spike_times[u].sum() for u in units[:4]}
pids = []
for k in range(3):
    pid = os.fork()
    if pid == 0:
        same = all(session.spike_times[u].sum() == truth[u] for u in units[:4])
        same = same and len(session.spike_times.all()) == len(units)
        sys.exit(0 if same else 3)  # the interpreter goes as it does with files left open
    pids.append(pid)
    assert session.spike_times[units[5]].shape == (300,)
for pid in pids:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert session.series["steady"].data[:].shape == (4000, 3)
kept = [session, session.spike_times, session.series["steady"].data]
kept.append(session.file.dataset("units/id"))
"""


def test_a_fork_reads_on_and_files_may_stay_open(everything: Path, serve) -> None:
    for place in (everything, serve(everything)):
        run = subprocess.run([sys.executable, "-c", FORK, str(place)], capture_output=True)
        assert run.returncode == 0, run.stderr.decode()


def test_a_member_of_a_zip_file(everything: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as whole:
        whole.write(everything, "a/x.nwb")
    with nwb.read(f"zip://{tmp_path}/x.zip!/a/x.nwb") as session:
        assert len(session.units) == 12 and session.traffic.requests == 0
    with nwb.read(everything.as_uri()) as session:
        assert len(session.units) == 12
    with pytest.raises(TransferError):
        nwb.read(f"zip://{tmp_path}/x.zip!/a/none.nwb")

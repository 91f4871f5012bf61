"""Recordings to open: ``python -m benchmarks.recordings FOLDER {real,small}``.

``files/session.nwb`` is a session of Visual Behavior Neuropixels in its true layout, as large as
real ones; ``files/inline.nwb`` is what pynwb writes by itself: compressed, in chunks, and with each
table where it was written rather than at the beginning.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fascicle.demo.vbn.session import SIZES, write_session

#: Units and spikes of the file that pynwb writes.
INLINE = {"real": (2_000, 20_000_000), "small": (100, 200_000)}


def main(folder: Path, size: str) -> None:
    """Write both."""
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    write_session(files / "session.nwb", seed=1, **SIZES[size])
    write_inline(files / "inline.nwb", *INLINE[size])
    folder.joinpath(".complete").touch()


def write_inline(path: Path, n_units: int, n_spikes: int) -> None:
    """Let pynwb write units with spikes, trials and a wheel."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.common import VectorData, VectorIndex
    from pynwb import NWBHDF5IO, NWBFile, TimeSeries
    from pynwb.misc import Units

    def packed(data: np.ndarray) -> H5DataIO:
        return H5DataIO(data, compression="gzip", shuffle=True, chunks=True)

    rng, seconds = np.random.default_rng(2), 3600.0
    nwb = NWBFile(
        session_description="made for a benchmark",
        identifier="inline",
        session_start_time=datetime(2026, 1, 2, tzinfo=UTC),
    )
    wheel = packed(np.cumsum(rng.normal(size=int(seconds * 1000))))
    nwb.add_acquisition(TimeSeries(name="wheel", data=wheel, unit="cm", rate=1000.0))
    for start in np.arange(0.0, seconds, 8.0):
        nwb.add_trial(start_time=start, stop_time=start + 6.0)

    ends = np.linspace(0, n_spikes, n_units + 1).astype("uint64")[1:]
    times = rng.uniform(0, seconds, n_spikes)
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        times[begin:end].sort()
    columns = []
    for name, data in (("spike_times", times), ("spike_amplitudes", rng.normal(size=n_spikes))):
        column = VectorData(name=name, description=name, data=packed(data))
        columns += [VectorIndex(name=f"{name}_index", data=ends, target=column), column]
    for name in ("firing_rate", "depth", "amplitude", "snr", "drift", "presence_ratio"):
        columns.append(VectorData(name=name, description=name, data=rng.uniform(size=n_units)))
    names = [c.name for c in columns if not isinstance(c, VectorIndex)]
    about = {"name": "units", "description": "synthetic", "colnames": names}
    nwb.units = Units(columns=columns, id=np.arange(n_units), **about)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

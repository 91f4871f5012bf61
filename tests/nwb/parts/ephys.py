"""Sessions with probes, made for one test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tests.nwb.parts.sessions import converted, make_session, offered
from tests.nwb.same import difference

from fascicle.archives.session import OpenSession
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.load import load_file
from fascicle.nwb.report import Report
from fascicle.nwb.writing.entries import Entry

PARTS = ("probes", "units", "other")
SORTING = "alf/probe00/pykilosort"
#: What takes long: not where only values matter.
QUICK = ("readback",)


def channels(n: int = 8, folder: str = SORTING, name: str = "channels") -> dict[str, Any]:
    """Return channels in two columns, from white matter to the thalamus."""
    k = np.arange(n)
    return {
        f"{folder}/{name}.localCoordinates.npy": np.stack([k % 2 * 32.0, k // 2 * 100.0], axis=1),
        f"{folder}/{name}.mlapdv.npy": np.stack([-k * 10 + 35, k * 0 - 2000, k - 4000], axis=1),
        f"{folder}/{name}.brainLocationIds_ccf_2017.npy": np.resize([0, 733, 1009, 997], n),
        f"{folder}/{name}.rawInd.npy": k,
    }


def spikes(
    n: int = 400, ids: Any = (0, 1, 2), folder: str = SORTING, seed: int = 3
) -> dict[str, Any]:
    """Return spikes at whole samples of 30 kHz, sorted; where they are few, many coincide."""
    rng = np.random.default_rng(seed)
    samples = np.sort(rng.integers(30, 3000 if n < 1000 else n * 100, n))
    return {
        f"{folder}/spikes.times.npy": samples / 30000,
        f"{folder}/spikes.clusters.npy": rng.choice(np.asarray(ids), n).astype(np.int32),
        f"{folder}/spikes.amps.npy": rng.gamma(2, 4e-5, n),
        f"{folder}/spikes.depths.npy": rng.uniform(0, 400, n).astype(np.float32),
        f"{folder}/spikes.samples.npy": samples,
    }


def clusters(n: int = 4, folder: str = SORTING) -> dict[str, Any]:
    """Return clusters, one row each."""
    k = np.arange(n)
    return {
        f"{folder}/clusters.channels.npy": k * 2,
        f"{folder}/clusters.depths.npy": k * 100.0,
        f"{folder}/clusters.amps.npy": k * 1e-5 + 1e-4,
        f"{folder}/clusters.peakToTrough.npy": k / 10 - 0.1,
    }


class Converted:
    """A session, its NWB file, and what the conversion said."""

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, Any],
        *,
        check: tuple[str, ...] = QUICK,
        edit: Any = None,
    ) -> None:
        self.session: OpenSession = make_session(folder / "lab", files)
        self.entries: list[Entry] = offered(self.session, PARTS)
        if edit is not None:
            edit({entry.nwb: entry for entry in self.entries})
        self.path = folder / "session.nwb"
        self.report: Report = converted(self.session, self.path, self.entries, check=check)

    def array(self, place: str) -> Any:
        """Return a dataset of the file; texts as such."""
        with h5py.File(self.path) as file:
            values = file[place]
            text = h5py.check_string_dtype(values.dtype) is not None
            return (values.asstr() if text else values)[()]

    def attribute(self, place: str, name: str) -> Any:
        """Return an attribute of an object of the file."""
        with h5py.File(self.path) as file:
            return file[place].attrs[name]

    def names(self, place: str) -> set[str]:
        """Return what a group of the file holds; nothing where it is none."""
        with h5py.File(self.path) as file:
            return set(file[place]) if place in file else set()

    def train(self, column: str, unit: int) -> Any:
        """Return a unit's values of a ragged column."""
        ends = [0, *self.array(f"units/{column}_index").tolist()]
        return self.array(f"units/{column}")[ends[unit] : ends[unit + 1]]

    def check(self) -> None:
        """Check that each dataset comes back as it was, or is left out with a reason."""
        taken = {one.dataset for one in self.report.took}
        assert taken | self.report.left_out.keys() == set(self.session.list())
        with NwbFile(self.path) as file:
            view = AlfView(file)
            for path in sorted(taken):
                said = difference(view.read(path), load_file(self.session.file(path)))
                assert not said, f"{path}: {said}"

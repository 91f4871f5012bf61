"""Sessions with raw recordings: a few channels, a few chunks."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import fascicle
from fascicle.demo.raw import write_cbin
from fascicle.errors import ConversionWarning
from fascicle.nwb.converting import convert

RATE = 30000.0
SESSION = "lab/Subjects/mouse/2024-03-05/001"
FACTS = """
session: {start_time: "2024-03-05T10:02:11", timezone: Europe/London, session_description: a test}
subject: {species: Mus musculus, sex: F, age: P90D}
"""
STEM = "_spikeglx_ephysData_g0_t0"


def probe_meta(channels: int, *, gains: list[int] | None = None, rate: float = RATE) -> str:
    """Return what SpikeGLX says of a Neuropixels 1.0 with its first channels saved."""
    gains = gains or [500] * channels
    sites = "".join(f"({n} 0 0 {gain} 250 1)" for n, gain in enumerate(gains))
    lf = rate < 5000
    counted = f"0,{channels},1" if lf else f"{channels},0,1"
    saved = f"384:{383 + channels},768" if lf else f"0:{channels - 1},768"
    return (
        f"acqApLfSy=384,384,1\nimAiRangeMax=0.6\nimAiRangeMin=-0.6\nimDatPrb_type=0\n"
        f"imSampRate={rate:g}\nnSavedChans={channels + 1}\n"
        f"snsApLfSy={counted}\n"
        f"snsSaveChanSubset={saved}\ntypeThis=imec\n~imroTbl=(0,{channels}){sites}\n"
    )


def nidq_meta(analog: int, words: int = 1, rate: float = RATE) -> str:
    """Return what SpikeGLX says of auxiliary inputs."""
    return (
        f"acqMnMaXaDw=0,0,{analog},{words}\nniAiRangeMax=5\nniAiRangeMin=-5\nniMAGain=1\n"
        f"niMNGain=200\nniSampRate={rate:g}\nnSavedChans={analog + words}\n"
        f"snsMnMaXaDw=0,0,{analog},{words}\nsnsSaveChanSubset=all\ntypeThis=nidq\n"
    )


@dataclass
class Rig:
    """A folder of one session."""

    lab: Path

    @property
    def session(self) -> Path:
        return self.lab / SESSION

    def probe(self, name: str = "probe00") -> Path:
        folder = self.session / "raw_ephys_data" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def channels(self, raw_ind: list[int], name: str = "probe00") -> None:
        """Write the table of channels, in the order of these columns of the recording."""
        self.save(f"alf/{name}/channels.rawInd.npy", np.array(raw_ind))
        self.save(f"alf/{name}/channels.brainLocationIds_ccf_2017.npy", np.full(len(raw_ind), 997))
        places = np.array([[16.0 * (c % 2), 20.0 * (c // 2)] for c in raw_ind])
        self.save(f"alf/{name}/channels.localCoordinates.npy", places)

    def save(self, path: str, values: np.ndarray) -> None:
        file = self.session / path
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values)

    def write(
        self, data: np.ndarray, meta: str, *, stream: str = "imec0.ap", packed: bool = True,
        rate: float = RATE, chunk: float = 0.05, probe: str = "probe00",
    ) -> Path:  # fmt: skip
        """Write a recording and its description."""
        folder = self.session / "raw_ephys_data" if stream == "nidq" else self.probe(probe)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{STEM}.{stream}.{'cbin' if packed else 'bin'}"
        if meta:
            file.with_suffix(".meta").write_text(meta)
        if packed:
            write_cbin(file, data, sample_rate=rate, chunk_seconds=chunk)
        else:
            data.tofile(file)
        return file

    def points(self, values: Any, ending: str = "sync", stream: str = "probe00/.imec0") -> None:
        folder, _, name = stream.rpartition(".")
        self.save(f"raw_ephys_data/{folder}{STEM}.{name}.{ending}.npy", np.array(values))

    def wire(self, digital: dict[str, Any], analog: dict[str, Any]) -> None:
        said = {"SYSTEM": "3B", "SYNC_WIRING_DIGITAL": digital, "SYNC_WIRING_ANALOG": analog}
        path = self.session / "raw_ephys_data" / f"{STEM}.nidq.wiring.json"
        path.write_text(json.dumps(said))

    def converted(self, **options: Any) -> tuple[h5py.File, Any]:
        """Return the NWB file, open, and the report."""
        target = self.lab.parent / "out.nwb"
        self.session.joinpath("session.yaml").write_text(FACTS)
        fascicle.index(self.lab)
        (session,) = fascicle.find(archives=[self.lab])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConversionWarning)
            report = convert(
                session, target, check=False, incomplete=True, overwrite=True, progress=False,
                **options,
            )  # fmt: skip
        return h5py.File(target), report


@contextmanager
def nwb_of(rig: Rig, **options: Any) -> Iterator[tuple[h5py.File, Any]]:
    """Return the NWB file and the report, and close it at the end."""
    file, report = rig.converted(**options)
    with file:
        yield file, report


def samples(n: int, channels: int, seed: int = 0) -> np.ndarray:
    """Return counts, and a last column that alternates."""
    rng = np.random.default_rng(seed)
    data = rng.integers(-512, 512, (n, channels + 1)).astype(np.int16)
    data[:, -1] = np.where(np.arange(n) // 700 % 2, 64, 0)
    return data

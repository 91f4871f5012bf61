"""ONE's tables at the size of a large archive, written as ONE's own tools write them."""

from __future__ import annotations

import json
import uuid
from datetime import date, timedelta
from pathlib import Path

import numpy as np

OBJECTS = {
    "trials": "choice contrastLeft contrastRight feedbackType feedback_times goCueTrigger_times "
    "goCue_times included intervals probabilityLeft repNum response_times rewardVolume "
    "stimOnTrigger_times stimOn_times",
    "wheel": "position timestamps velocity",
    "wheelMoves": "intervals peakAmplitude type",
    "licks": "times",
    "leftCamera": "dlc times features ROIMotionEnergy",
    "rightCamera": "dlc times features ROIMotionEnergy",
    "bodyCamera": "dlc times ROIMotionEnergy",
    "passiveGabor": "table",
    "passiveStims": "table",
}
PROBE = {
    "spikes": "times clusters amps depths templates samples",
    "clusters": "channels depths amps peakToTrough uuids metrics waveforms waveformsChannels",
    "channels": "localCoordinates rawInd mlapdv brainLocationIds_ccf_2017",
    "templates": "waveforms waveformsChannels amps",
    "waveforms": "templates traces channels table",
}


def paths(n: int) -> tuple[list[str], int]:
    """Return ``n`` distinct relative paths; the first ones are those that most sessions have."""
    common = [f"alf/_ibl_{o}.{a}.npy" for o, names in OBJECTS.items() for a in names.split()]
    for probe in ("probe00", "probe01"):
        for revision in ("", "#2024-05-06#/"):
            folder = f"alf/{probe}/pykilosort/{revision}"
            common += [f"{folder}{o}.{a}.npy" for o, names in PROBE.items() for a in names.split()]
    rare = [
        f"raw_{kind}_data/task_{k // 7:04d}/_iblrig_{kind}{k % 7}.raw{k}.ssv"
        for k in range(n)
        for kind in ("behavior", "video")
    ]
    return (common + rare)[:n], len(common)


def write(folder: Path, *, sessions: int, datasets: int, distinct: int = 16_000) -> Path:
    """Write ``sessions.pqt`` and ``datasets.pqt``."""
    if (folder / ".complete").exists():
        return folder
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    eids = sorted(str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(sessions))
    labs = np.array([f"lab{k:02d}lab" for k in range(12)])
    subjects = np.array([f"SUB_{k:04d}" for k in range(max(sessions // 80, 20))])
    days = [date(2018, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 2500, sessions)]
    subject = rng.integers(0, len(subjects), sessions)
    frame = pd.DataFrame(
        {
            "lab": labs[subject % 12],
            "subject": subjects[subject],
            "date": days,
            "number": rng.integers(1, 4, sessions).astype(np.uint16),
            "task_protocol": rng.choice(
                ["_iblrig_tasks_ephysChoiceWorld6.4.2", "training"], sessions
            ),
            "projects": rng.choice(
                ["ibl_neuropixel_brainwide_01", "churchland,other", ""], sessions
            ),
        },
        index=pd.Index(eids, name="id"),
    )
    _save(folder / "sessions.pqt", pa.Table.from_pandas(frame))
    names, common = paths(distinct)
    per = datasets // sessions
    writer = None
    for a in range(0, sessions, 4000):
        block = eids[a : a + 4000]
        rows = []
        for _ in block:
            head = (
                rng.permutation(common)[: int(per * 0.8)]
                if common < per * 0.8 * 1.5
                else rng.choice(common, int(per * 0.8), replace=False)
            )
            tail = rng.integers(common, distinct, per - len(head))
            rows.append(np.unique(np.concatenate([head, tail])))
        counts = [len(r) for r in rows]
        n = sum(counts)
        ids = np.array([str(uuid.UUID(bytes=b)) for b in _chunks(rng.bytes(16 * n))])
        ids = np.concatenate([np.sort(p) for p in np.split(ids, np.cumsum(counts)[:-1])])
        table = pd.DataFrame(
            {
                "rel_path": np.array(names, object)[np.concatenate(rows)],
                "file_size": pd.array(rng.integers(0, 1 << 30, n), "UInt64"),
                "hash": [b.hex() for b in _chunks(rng.bytes(16 * n))],
                "exists": rng.random(n) > 0.01,
                "qc": pd.Categorical.from_codes(
                    rng.choice(5, n, p=[0.6, 0.3, 0.05, 0.03, 0.02]),
                    ["NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL"],
                    ordered=True,
                ),
                "default_revision": rng.random(n) > 0.1,
            },
            index=pd.MultiIndex.from_arrays([np.repeat(block, counts), ids], names=["eid", "id"]),
        )
        arrow = _stamp(pa.Table.from_pandas(table))
        writer = writer or pq.ParquetWriter(folder / "datasets.pqt", arrow.schema)
        writer.write_table(arrow.cast(writer.schema))
    writer.close()
    (folder / ".complete").touch()
    return folder


def _chunks(raw: bytes) -> list[bytes]:
    return [raw[i : i + 16] for i in range(0, len(raw), 16)]


def _stamp(table):
    meta = {"date_created": "2026-01-01 12:00", "origin": "alyx", "min_api_version": "3.0.0"}
    return table.replace_schema_metadata(
        {**table.schema.metadata, "one_metadata": json.dumps(meta).encode()}
    )


def _save(path: Path, table) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_stamp(table), path)


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]), sessions=int(sys.argv[2]), datasets=int(sys.argv[3]))

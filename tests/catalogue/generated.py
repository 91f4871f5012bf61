"""Random catalogues as ONE-shaped pandas tables."""

from __future__ import annotations

import datetime
import random
import uuid
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pandas as pd

QC = ("NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL")
QC_VALUE = dict(zip(QC, (0, 10, 30, 40, 50), strict=True))
PATHS = [
    f"{collection}{revision}{name}"
    for collection in ("", "alf/", "alf/probe00/", "alf/probe00/pykilosort/", "raw_video_data/")
    for revision in ("", "#2024-01-01#/", "#2024-05-06#/")
    for name in ("spikes.times.npy", "spikes.clusters.npy", "_ibl_trials.goCue_times.npy")
]
QC_TYPE = pd.CategoricalDtype(list(QC), ordered=True)


class Frames(NamedTuple):
    """Tables in ONE's form."""

    sessions: pd.DataFrame
    datasets: pd.DataFrame
    insertions: pd.DataFrame


@st.composite
def frames(draw: st.DrawFn, max_sessions: int = 12, salt: int = 0) -> Frames:
    """Return tables with few distinct values, so that each question has several answers."""
    rng = random.Random(draw(st.integers(0, 2**32)) * 2 + salt)

    def new_id() -> uuid.UUID:
        return uuid.UUID(int=rng.getrandbits(128))

    session = st.tuples(
        st.sampled_from(["", "labA", "labB"]),
        st.sampled_from(["s1", "s2", "S1", "CSH_ZAD_003"]),
        st.dates(datetime.date(2019, 12, 30), datetime.date(2020, 1, 3)),
        st.integers(1, 3),
        st.sampled_from(["", "ephys", "training_1"]),
        st.sampled_from(["", "brainwide", "brainwide,other", "µ"]),
    )
    places = draw(st.lists(session, max_size=max_sessions, unique_by=lambda s: s[:4]))
    eids = [new_id() for _ in places]
    names = ["lab", "subject", "date", "number", "task_protocol", "projects"]
    sessions = pd.DataFrame(places, columns=names, index=pd.Index(eids, name="id", dtype=object))
    sessions = sessions.astype({"number": "uint16"})
    dataset = st.tuples(
        st.one_of(st.none(), st.integers(0, 2**40)),
        st.one_of(st.just(""), st.binary(min_size=16, max_size=16).map(bytes.hex), st.just("odd")),
        st.booleans(),
        st.sampled_from(QC),
        st.booleans(),
    )
    rows: list[tuple[Any, ...]] = []
    for eid in eids:
        for path in draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=8)):
            rows.append((eid, new_id(), path, *draw(dataset)))
    columns = ["eid", "id", "rel_path", "file_size", "hash", "exists", "qc", "default_revision"]
    datasets = pd.DataFrame(rows, columns=columns).set_index(["eid", "id"])
    datasets = datasets.astype(
        {"file_size": "UInt64", "qc": QC_TYPE, "exists": bool, "default_revision": bool}
    )
    probes = [
        (eid, new_id(), name, draw(st.sampled_from(["", "3B2"])), "", draw(st.integers(0, 9)))
        for eid in eids
        for name in draw(st.sets(st.sampled_from(["probe00", "probe01"])))
    ]
    insertions = pd.DataFrame(
        probes, columns=["eid", "id", "name", "model", "serial", "n_units"]
    ).set_index(["eid", "id"])
    return Frames(sessions, datasets, insertions)


def ordered(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return sessions in the order of ONE's results."""
    keyed = sessions.assign(_id=[i.bytes for i in sessions.index])
    keyed["_date"] = [-d.toordinal() for d in keyed["date"]]
    keyed = keyed.sort_values("_id", kind="stable")
    keyed = keyed.sort_values("number", ascending=False, kind="stable")
    keyed = keyed.sort_values("subject", ascending=False, kind="stable")
    return keyed.sort_values("_date", kind="stable").drop(columns=["_id", "_date"])

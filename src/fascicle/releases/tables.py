"""The tables of a release: ONE's, those of probes with their regions, and the same as text.

They hold what is published and nothing else, sessions lie where the convention has them, and the
same rows always give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.catalogue import Catalogue
    from fascicle.catalogue.columns import Columns, InsertionRow

#: Where the tables lie in a release, by their keys in the manifest.
PLACES = {
    "sessions": "project_metadata/sessions.csv",
    "datasets": "project_metadata/datasets.csv",
    "insertions": "project_metadata/insertions.csv",
    "sessions.pqt": "sessions.pqt",
    "datasets.pqt": "datasets.pqt",
    "insertions.pqt": "insertions.pqt",
}
#: What the tables of ONE say of where they come from.
ORIGIN = "fascicle"


class Row(NamedTuple):
    """A dataset on its way into a release.

    Attributes
    ----------
    number : int
        Its place in the columns that it was read from.
    path : str
        Where it lies in the release.
    source : str
        Where it lies in the published folder.
    """

    number: int
    path: str
    source: str


class Contents:
    """What a folder's index says that a release could hold.

    Parameters
    ----------
    catalogue : Catalogue

    Attributes
    ----------
    rows : list of Row
        The datasets that exist, by path.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        from fascicle.catalogue.restore import columns_of
        from fascicle.catalogue.schema import EXISTS, session_folder

        self.columns: Columns = columns_of(catalogue)
        c = self.columns
        homes = [session_folder(s.lab, s.subject, s.date, s.number) for s in c.sessions]
        rows = []
        for k, (session, path, flag) in enumerate(
            zip(c.session.tolist(), c.path.tolist(), c.flags.tolist(), strict=True)
        ):
            found = c.sessions[session]
            if flag & EXISTS and found.listed:
                rel = c.paths[path]
                rows.append(Row(k, f"{homes[session]}/{rel}", f"{found.path}/{rel}"))
        self.rows = sorted(rows, key=lambda row: row.path)

    def session_of(self, row: Row) -> str:
        """Return the folder of a dataset's session in the release."""
        path = self.columns.paths[self.columns.path[row.number]]
        return row.path[: -len(path) - 1]

    def chosen(self, rows: Sequence[Row], files: Mapping[str, Any]) -> Columns:
        """Return columns with some datasets alone, with sizes and md5 as their files have them.

        Parameters
        ----------
        rows : sequence of Row
        files : mapping
            What is known of each file (``size``, ``md5``) by its path in the release.
        """
        import numpy as np

        from fascicle.catalogue.schema import EXISTS, EXISTS_AWS, HAS_HASH, ODD_HASH

        c = self.columns
        numbers = np.array([row.number for row in rows], np.intp)
        out = c.take(numbers)
        out.odd_hashes = {}
        kept = np.unique(out.session)
        place = np.full(len(c.sessions), -1, np.int32)
        place[kept] = np.arange(len(kept), dtype=np.int32)
        sessions = [replace(c.sessions[k], folder="") for k in kept.tolist()]
        eids = {s.eid for s in sessions}
        records = out.records.copy()
        found = [files[row.path] for row in rows]
        records["size"] = np.array([f.size for f in found], np.int64)
        raw = b"".join(bytes.fromhex(f.md5) for f in found)
        records["hash"] = np.frombuffer(raw, "V16")
        keep = np.uint8(0xFF & ~(HAS_HASH | ODD_HASH | EXISTS_AWS))
        return replace(
            out,
            sessions=sessions,
            session=place[out.session],
            records=records,
            flags=(out.flags & keep) | np.uint8(EXISTS | HAS_HASH),
            stats=None,
            insertions=sorted(
                (replace(p, source="") for p in c.insertions if p.eid in eids),
                key=lambda p: (p.eid, p.name, p.pid),
            ),
            meta={"has_default_revision": bool(c.meta.get("has_default_revision"))},
        )


def one_tables(columns: Columns, *, dates: Mapping[str, str]) -> dict[str, bytes]:
    """Return ONE's two tables, and that of the probes beside them.

    Parameters
    ----------
    columns : Columns
        What is published.
    dates : mapping of str to str
        When each (``sessions.pqt``, …) was made, as ONE's readers want to know.
    """
    from fascicle.catalogue import export

    said = {
        name.removesuffix(".pqt"): {"date_created": day, "origin": ORIGIN}
        for name, day in dates.items()
    }
    columns = replace(columns, meta={**columns.meta, "tables": said})
    with tempfile.TemporaryDirectory(prefix="fascicle-") as folder:
        export.write(columns, Path(folder), {"release": 1})
        names = ("sessions.pqt", "datasets.pqt")
        out = {name: Path(folder, name).read_bytes() for name in names}
    if columns.insertions:
        out["insertions.pqt"] = _insertions_table(columns.insertions, said["insertions"])
    return out


def _insertions_table(rows: Sequence[InsertionRow], one: Mapping[str, str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from fascicle.catalogue.export import pandas_metadata
    from fascicle.catalogue.restore import as_json

    region = pa.struct([("ccf", pa.int32()), ("side", pa.int8()), ("channels", pa.int32())])
    names = sorted({key for row in rows for key in row.extra} - {"regions"})
    data: dict[str, Any] = {
        "name": pa.array([row.name for row in rows], pa.string()),
        "model": pa.array([row.model for row in rows], pa.string()),
        "serial": pa.array([row.serial for row in rows], pa.string()),
    }
    for name in names:
        values = [row.extra.get(name) for row in rows]
        try:
            data[name] = pa.array(values)
        except (pa.ArrowException, TypeError, ValueError):  # of several kinds
            data[name] = pa.array([as_json({name: v}) for v in values], pa.string())
    data["regions"] = pa.array(
        [
            None
            if row.regions is None
            else [{"ccf": c, "side": s, "channels": n} for c, s, n in sorted(row.regions)]
            for row in rows
        ],
        pa.list_(region),
    )
    data["eid"] = pa.array([str(UUID(bytes=row.eid)) for row in rows], pa.string())
    data["id"] = pa.array([str(UUID(bytes=row.pid)) for row in rows], pa.string())
    table = pa.table(data)
    index = pandas_metadata(["eid", "id"], table)
    about = {"one_metadata": json.dumps(one), "pandas": json.dumps(index)}
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), sink)
    return sink.getvalue()


def text_tables(columns: Columns, rows: Sequence[Row]) -> dict[str, bytes]:
    """Return the tables as comma-separated text, for readers of whatever kind.

    Parameters
    ----------
    columns : Columns
        What is published.
    rows : sequence of Row
        The same datasets, in the order of ``file_id``.
    """
    from fascicle.catalogue.schema import DEFAULT, QC_MASK, QC_NAMES, QC_SHIFT

    eids = [str(UUID(bytes=s.eid)) for s in columns.sessions]
    sessions, flags = columns.session.tolist(), columns.flags.tolist()
    sizes, md5 = columns.records["size"].tolist(), _hex(columns.records["hash"])
    ids = _uuids(columns.records["id"])
    count, weight = [0] * len(eids), [0] * len(eids)
    datasets = []
    for k, row in enumerate(rows):
        n = sessions[k]
        count[n] += 1
        weight[n] += sizes[k]
        qc = QC_NAMES[(flags[k] & QC_MASK) >> QC_SHIFT]
        line = [k, eids[n], ids[k], row.path, columns.paths[columns.path[k]], sizes[k], md5[k], qc]
        datasets.append([*line, bool(flags[k] & DEFAULT)])
    acronyms = _acronyms(columns.insertions)
    held: dict[bytes, set[str]] = {}
    for probe in columns.insertions:
        held.setdefault(probe.eid, set()).update(acronyms.get(probe.pid, ()))
    probes = Counter(probe.eid for probe in columns.insertions)
    out = {
        "sessions": _csv(
            "eid lab subject date number task_protocol projects path "
            "dataset_count file_size probe_count structure_acronyms",
            (
                [
                    eids[k],
                    s.lab,
                    s.subject,
                    s.date.isoformat(),
                    s.number,
                    s.task_protocol,
                    s.projects,
                    s.path,
                    count[k],
                    weight[k],
                    probes[s.eid],
                    str(sorted(held.get(s.eid, ()))),
                ]
                for k, s in sorted(enumerate(columns.sessions), key=lambda pair: pair[1].path)
            ),
        ),
        "datasets": _csv(
            "file_id eid id path rel_path file_size hash qc default_revision", datasets
        ),
    }
    if columns.insertions:
        out["insertions"] = _csv(
            "pid eid name model serial channel_count structure_acronyms",
            (
                [
                    UUID(bytes=p.pid),
                    UUID(bytes=p.eid),
                    p.name,
                    p.model,
                    p.serial,
                    "" if p.regions is None else sum(n for _, _, n in p.regions),
                    "" if p.regions is None else str(sorted(acronyms[p.pid])),
                ]
                for p in columns.insertions
            ),
        )
    return out


def _acronyms(rows: Iterable[InsertionRow]) -> dict[bytes, set[str]]:
    from fascicle.atlas import Regions

    atlas = Regions()
    return {
        row.pid: {str(atlas.acronym(ccf)) for ccf, _, _ in row.regions}
        for row in rows
        if row.regions is not None
    }


def _hex(raw: NDArray[np.void]) -> list[str]:
    text = raw.tobytes().hex()
    return [text[k : k + 32] for k in range(0, len(text), 32)]


def _uuids(raw: NDArray[np.void]) -> list[str]:
    return [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in _hex(raw)]


def _csv(header: str, rows: Iterable[Sequence[object]]) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(header.split())
    writer.writerows(rows)
    return sink.getvalue().encode()

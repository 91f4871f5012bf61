"""Convert a session to NWB: ``convert.py JSON``.

The task has ``way``, ``lab`` (a folder with one session) and ``target``. ``fascicle`` converts,
with the checks ``check``. ``pynwb`` builds the same objects with all arrays in memory, and lets
pynwb write them with gzip and shuffle. ``h5py`` writes the arrays of the file ``like``, which it
has read before, as fast as chunks can be packed. ``isal`` does nothing but to pack the samples of
a raw recording, and to unpack them where they are packed. Imports are done before the time runs,
and told apart.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import time
import warnings
from pathlib import Path

IMPORTS = (
    *("pandas", "pyarrow.parquet", "h5py", "yaml", "isal.isal_zlib", "pynwb", "ndx_pose"),
    *("ndx_anatomical_localization", "fascicle.one", "fascicle.load", "fascicle.formats.nwb.alf"),
)
PACKAGES = ("fascicle.nwb.parts", "fascicle.nwb.writing", "fascicle.nwb.metadata")
CHECKING = ("fascicle.nwb.checking",)


def import_all(names, packages) -> None:
    for name in names:
        importlib.import_module(name)
    for name in packages:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            importlib.import_module(module.name)


def session_of(lab: str):
    import fascicle

    (session,) = fascicle.find(archives=[lab])
    return session


def by_fascicle(task: dict):
    """Convert; return what is to be done while the clock runs."""
    from fascicle.nwb.converting import convert

    import_all((), CHECKING)
    session = session_of(task["lab"])

    def work() -> dict:
        report = convert(
            session, task["target"], check=tuple(task["check"]) or False, progress=False
        )
        checks = {one.name: (one.cpu_seconds, one.ok, str(one)) for one in report.checks}
        return {"checks": checks, "left_out": len(report.left_out), "parts": report.seconds}

    return work


def by_pynwb(task: dict):
    """Build the same objects, with arrays in place of what comes later; pynwb writes them."""
    from functools import cached_property

    import numpy as np
    import pynwb
    from hdmf.backends.hdf5 import H5DataIO

    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing import building, skeleton
    from fascicle.nwb.writing.draft import Options
    from fascicle.nwb.writing.later import Later
    from fascicle.nwb.writing.source import Source

    def whole(later):
        later.values = np.empty(later.shape, later.dtype)
        options = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "chunks": True}
        return H5DataIO(data=later.values, **(options if all(later.shape) else {}))

    whole_io = cached_property(whole)
    whole_io.__set_name__(Later, "io")
    Later.io = whole_io
    session = session_of(task["lab"])

    def work() -> dict:
        metadata = SessionMetadata.from_archive(session.archive, session.eid)
        source = Source(session)
        options = Options(raw=False)
        plan = building.plan_of(metadata, options)
        draft, _ = building.build(plan, metadata, source, options)
        skeleton.add_records(draft)
        for job in draft.jobs:
            for later, rows in job.blocks():
                first = getattr(later, "filled", 0)
                later.filled = first + len(rows)
                later.values[first : later.filled] = rows
        with pynwb.NWBHDF5IO(task["target"], "w") as io:
            io.write(draft.nwb)
        return {}

    return work


def by_h5py(task: dict):
    """Write the arrays of a file, read before, by h5py alone."""
    import h5py
    import numpy as np
    from isal import isal_zlib

    arrays = {}
    with h5py.File(task["like"]) as file:

        def keep(name, item) -> None:
            if isinstance(item, h5py.Dataset):
                arrays[name] = (item[()], item.chunks, item.shuffle, item.dtype)

        file.visititems(keep)

    def work() -> dict:
        with h5py.File(task["target"], "w") as file:
            for name, (values, chunks, shuffle, dtype) in arrays.items():
                if chunks is None or len(chunks) > 1 or dtype.kind not in "fiub":
                    packing = {"compression": "gzip", "shuffle": True} if chunks else {}
                    file.create_dataset(name, data=values, dtype=dtype, chunks=chunks, **packing)
                    continue
                made = file.create_dataset(
                    name, values.shape, dtype, chunks=chunks, compression="gzip", shuffle=shuffle
                )
                for first in range(0, len(values), chunks[0]):
                    rows = values[first : first + chunks[0]]
                    if len(rows) < chunks[0]:
                        rows = np.concatenate([rows, np.zeros(chunks[0] - len(rows), dtype)])
                    octets = rows.view(np.uint8).reshape(-1, dtype.itemsize)
                    octets = np.ascontiguousarray(octets.T) if shuffle else octets
                    made.id.write_direct_chunk((first,), isal_zlib.compress(octets, 1))
        return {}

    return work


def by_isal(task: dict):
    """Pack samples that are cut into chunks already; where they were packed, unpack these first."""
    import numpy as np
    from isal import isal_zlib

    from fascicle.load import open_cbin

    (file,) = (f for f in Path(task["lab"]).rglob("*.ap.*bin") if f.suffix in (".cbin", ".bin"))
    recording = open_cbin(file)
    block = recording[:300_000, :384]
    tiles = [
        np.ascontiguousarray(block[first : first + 15_000, left : left + 64])
        for first in range(0, len(block), 15_000)
        for left in range(0, 384, 64)
    ]
    packed = []
    if file.suffix == ".cbin":
        said = json.loads(file.with_suffix(".ch").read_text())
        last = [n for n, bound in enumerate(said["chunk_bounds"]) if bound <= len(block)][-1]
        whole, ends = file.read_bytes(), said["chunk_offsets"]
        packed = [whole[ends[n] : ends[n + 1]] for n in range(last)]

    def work() -> dict:
        for chunk in packed:
            isal_zlib.decompressobj().decompress(chunk)
        for tile in tiles:
            isal_zlib.compress(tile, 3)
        return {"bytes": len(block) * recording.shape[1] * 2}

    return work


WAYS = {"fascicle": by_fascicle, "pynwb": by_pynwb, "h5py": by_h5py, "isal": by_isal}


def main(task: dict) -> None:
    from peak import forget, peak

    warnings.simplefilter("ignore")
    began = time.process_time()
    import_all(IMPORTS, PACKAGES)
    imports = time.process_time() - began
    work = WAYS[task["way"]](task)
    target = Path(task["target"])
    target.unlink(missing_ok=True)
    before = peak()
    forget()
    wall, cpu = time.perf_counter(), time.process_time()
    said = work()
    said |= {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    said |= {"imports": imports, "memory": peak(), "before": before}
    said["size"] = target.stat().st_size if target.exists() else 0
    os.sync()  # what was written is not the next one's to pay for
    print(json.dumps({"event": "answer", **said}), flush=True)


main(json.loads(sys.argv[1]))

"""Damage sound files at random, and see that loading them ends in a value or in our own error."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from fascicle.errors import FascicleError
from fascicle.load import load_file

# A run's share of each format, since some take a hundred times longer than others.
SHARE = {
    "npy": 0.5,
    "json": 0.2,
    "jsonable": 0.1,
    "npz": 0.08,
    "cbin": 0.05,
    "meta": 0.03,
    "csv": 0.01,
    "tsv": 0.01,
    "yaml": 0.01,
    "pqt": 0.01,
}


def sound_files() -> dict[str, list[bytes]]:
    """Return a few sound files of each format, as bytes."""
    arrays = [
        np.arange(5.0),
        np.arange(12, dtype=np.int16).reshape(3, 4),
        np.asfortranarray(np.ones((2, 3), np.uint8)),
        np.array(["a", "bc"]),
        np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
        np.zeros((0, 3)),
        np.array(3.0),
    ]
    files: dict[str, list[bytes]] = {"npy": [saved(np.save, a) for a in arrays]}
    files["npz"] = [
        saved(np.savez, arrays[0]),
        saved(lambda f, _: np.savez_compressed(f, a=arrays[1], b=arrays[3]), None),
    ]
    table = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, np.nan, 2], "c": ["x", "yy", None]})
    files["pqt"] = [saved(lambda f, t: t.to_parquet(f), t) for t in (table, table[["a"]])]
    files["csv"] = [table.to_csv(index=False).encode()]
    files["tsv"] = [table.to_csv(index=False, sep="\t").encode()]
    value = {"a": [1, 2.5, None, True], "b": {"c": "text \u00b5", "d": -1e300}}
    files["json"] = [json.dumps(value).encode(), b'[1, {"columns": ["x"]}]']
    files["jsonable"] = [b"".join(json.dumps(value).encode() + b"\n" for _ in range(3))]
    files["yaml"] = [b"a: &x {b: 1, c: [1, 2]}\nd: {<<: *x, e: 2020-01-01}\nf: 'text'\n"]
    files["meta"] = [META]
    files["cbin"] = [zlib.compress(b"\0" * 400) + zlib.compress(b"\1" * 200)]
    return files


META = b"""acqApLfSy=384,384,1
imAiRangeMax=0.6
imDatPrb_type=0
imSampRate=30000.39
nSavedChans=3
snsApLfSy=2,0,1
snsSaveChanSubset=0:1,768
typeThis=imec
~imroTbl=(0,384)(0 0 0 500 250 1)(1 0 0 500 250 1)
"""


def saved(save, value) -> bytes:
    buffer = io.BytesIO()
    save(buffer, value)
    return buffer.getvalue()


def damage(data: bytes, dice: random.Random) -> bytes:
    """Return a copy with one to four random wounds."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(out) + 1)
        kind = dice.randrange(7)
        if kind == 0:
            del out[at:]
        elif kind == 1 and out:
            out[at % len(out)] ^= 1 << dice.randrange(8)
        elif kind == 2 and out:
            out[at % len(out)] = dice.randrange(256)
        elif kind == 3:
            out[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 4:
            del out[at : at + dice.randrange(1, 9)]
        elif kind == 5:
            out[at : at + 4] = struct.pack("<I", dice.choice((0, 1, 2**31 - 1, 2**32 - 1)))
        elif kind == 6:
            digits = str(dice.choice((0, -1, 10**9, 2**63, 10**30))).encode()
            found = [i for i, b in enumerate(out) if chr(b).isdigit()]
            if found:
                place = dice.choice(found)
                out[place : place + 1] = digits
    return bytes(out)


def run(folder: Path, cases: int, seed: int) -> Counter[str]:
    """Load that many damaged files; return how often each outcome came.

    Anything but a value or an error of ours that names the file is raised.
    """
    dice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    files = sound_files()
    layout = json.dumps(
        {
            "dtype": "int16",
            "n_channels": 2,
            "sample_rate": 100.0,
            "chunk_bounds": [0, 100, 150],
            "chunk_offsets": [0, len(zlib.compress(b"\0" * 400)), len(files["cbin"][0])],
            "chunk_order": "F",
            "do_time_diff": True,
            "do_spatial_diff": False,
        }
    ).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, share in SHARE.items():
            path = folder / f"object.attribute.{kind}"
            for _ in range(max(int(cases * share), 20)):
                data = damage(dice.choice(files[kind]), dice)
                path.write_bytes(data)
                if kind == "cbin":
                    hurt = damage(layout, dice) if dice.random() < 0.7 else layout
                    path.with_suffix(".ch").write_bytes(hurt)
                    path.with_suffix(".meta").write_bytes(
                        damage(META, dice) if dice.random() < 0.3 else META
                    )
                try:
                    value = load_file(path)
                    if kind == "cbin":
                        value[:]
                        value.volts(0, 10)
                        value.sync(140)
                    outcomes[f"{kind}: a value"] += 1
                except FascicleError as error:
                    assert "object.attribute" in str(error), (kind, data, error)
                    outcomes[f"{kind}: {type(error).__name__}"] += 1
                except BaseException as error:
                    error.add_note(f"seed {seed}, {kind}: {data!r}")
                    raise
    return outcomes

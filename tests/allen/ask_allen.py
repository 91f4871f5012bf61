"""Runs in the peer's environment too: asks sessions, and describes what they answer.

Arguments: a JSON file with steps, and a folder for the answers. A step has the name of a class, the
path of a file, keywords for opening it, and an expression of ``session``. Arrays lie beside the
answers, so that they are compared bit by bit.
"""

from __future__ import annotations

import datetime
import json
import math
import sys
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd


class Teller:
    """Describes values; arrays are kept apart."""

    def __init__(self):
        self.arrays = {}

    def keep(self, array):
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def tell(self, value):
        if isinstance(value, pd.DataFrame):
            return self.frame(value)
        if type(value).__name__ == "DataArray":
            return {
                "is": "DataArray",
                "name": value.name,
                "dims": list(value.dims),
                "values": self.tell(value.values),
                "coords": {str(k): self.tell(v.values) for k, v in sorted(value.coords.items())},
                "coord dims": {str(k): list(v.dims) for k, v in sorted(value.coords.items())},
            }
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                return {"is": "objects", "values": [self.tell(v) for v in value.ravel()]}
            return {
                "is": "array",
                "dtype": str(value.dtype),
                "shape": list(value.shape),
                "values": self.keep(value),
            }
        if isinstance(value, Mapping):
            return {"is": "dict", "values": {str(k): self.tell(v) for k, v in value.items()}}
        if type(value).__name__ == "Coordinates":
            return {"is": "Coordinates", "values": [float(v) for v in value], "text": str(value)}
        return self.plain(value)

    def plain(self, value):
        if isinstance(value, (list, tuple)):
            return {"is": type(value).__name__, "values": [self.tell(v) for v in value]}
        if isinstance(value, datetime.datetime):
            value = value.astimezone(datetime.UTC).isoformat()
            return {"is": "datetime", "value": value}
        if isinstance(value, uuid.UUID):
            return {"is": "UUID", "value": str(value)}
        if value is None or isinstance(value, (bool, str)):
            return {"is": type(value).__name__, "value": value}
        if isinstance(value, (bool, np.bool_)):
            return {"is": "bool", "value": bool(value)}
        if isinstance(value, (int, np.integer)):
            return {"is": "int", "value": int(value)}
        if isinstance(value, (float, np.floating)):
            value = float(value)
            return {"is": "float", "value": None if math.isnan(value) else value}
        if value is pd.NA:
            return {"is": "NA"}
        if isinstance(value, type):
            return {"is": "class", "value": value.__name__}
        return {"is": "other", "value": type(value).__name__}

    def frame(self, frame):
        return {
            "is": "DataFrame",
            "columns": [str(c) for c in frame.columns],
            "index name": frame.index.name,
            "index": self.column(pd.Series(frame.index.to_numpy(), dtype=frame.index.dtype)),
            "values": {str(c): self.column(frame[c]) for c in frame.columns},
        }

    def column(self, column):
        kind = str(column.dtype)
        if kind == "object":
            return {"kind": kind, "values": [self.tell(v) for v in column]}
        if kind == "boolean":
            values = [None if v is pd.NA else bool(v) for v in column]
            return {"kind": kind, "values": [self.plain(v) for v in values]}
        return {"kind": kind, "values": self.tell(column.to_numpy())}


def ask(home, steps, folder):
    """Return the answers to all steps; sessions are opened once."""
    teller, opened, answers = Teller(), {}, []
    for cls, path, options, step in steps:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                key = (cls, path, json.dumps(options))
                if key not in opened:
                    opened[key] = home(cls, path, options)
                    caught.clear()
                value = teller.tell(eval(step, {"session": opened[key], "dict": dict}))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                value = {"is": "error", "kinds": [k.__name__ for k in type(error).__mro__]}
                value["text"] = str(error)
        named = [[w.category.__name__, str(w.message)] for w in caught]
        answers.append({"value": value, "warnings": named})
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", **teller.arrays)
    (folder / "answers.json").write_text(json.dumps(answers))
    return answers


def theirs(cls, path, options):
    """Open a session with AllenSDK."""
    from allensdk.brain_observatory.behavior.behavior_session import BehaviorSession
    from allensdk.brain_observatory.ecephys._probe import ProbeWithLFPMeta
    from allensdk.brain_observatory.ecephys.behavior_ecephys_session import (
        BehaviorEcephysSession,
        VBNBehaviorSession,
    )

    classes = {
        "BehaviorSession": BehaviorSession,
        "BehaviorEcephysSession": BehaviorEcephysSession,
        "VBNBehaviorSession": VBNBehaviorSession,
    }
    options = dict(options)
    if "probe_meta" in options:
        options["probe_meta"] = {
            name: ProbeWithLFPMeta(lfp_csd_filepath=Path(place), lfp_sampling_rate=rate)
            for name, (place, rate) in options["probe_meta"].items()
        }
    return classes[cls].from_nwb_path(path, **options)


if __name__ == "__main__":
    steps_file, into = sys.argv[1:]
    ask(theirs, json.loads(Path(steps_file).read_text()), into)

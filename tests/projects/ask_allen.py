"""Runs in the peer's environment: asks the real AllenSDK, and prints its answers as JSON.

Arguments: the kind of cache, its folder, and a JSON list of steps. Each step is an expression of
``cache``; what it returns is described, warnings included.
"""

from __future__ import annotations

import json
import math
import sys
import warnings

import numpy as np
import pandas as pd


def plain(value):
    if isinstance(value, pd.DataFrame):
        return {
            "index": [plain(v) for v in value.index],
            "index name": value.index.name,
            "columns": list(value.columns),
            "kinds": [kind(value[c]) for c in value.columns],
            "values": {c: [plain(v) for v in value[c]] for c in value.columns},
        }
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items() if k != "file_attributes"}
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return str(value)


def kind(column):
    """The type of a column; text has one name, whatever pandas calls it."""
    name = str(column.dtype)
    if name in ("object", "str", "string"):
        words = [type(v).__name__ for v in column if not (isinstance(v, float) and math.isnan(v))]
        return "object: " + ", ".join(sorted(set(words)))
    return "datetime64[UTC]" if name.startswith("datetime64[") and "UTC" in name else name


def answer(cache, step):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = plain(eval(step, {"cache": cache}))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            value = {"error": [k.__name__ for k in type(error).__mro__]}
    names = sorted({w.category.__name__ for w in caught if "Manifest" in w.category.__name__})
    return {"value": value, "warnings": names}


def run(make, steps):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache = make()
    names = sorted({w.category.__name__ for w in caught if "Manifest" in w.category.__name__})
    return [{"value": None, "warnings": names}, *(answer(cache, step) for step in steps)]


if __name__ == "__main__":
    which, project, folder, steps = sys.argv[1:]
    from allensdk.brain_observatory.behavior import behavior_project_cache as home

    cls = getattr(home, project)
    ways = {
        "s3": lambda: cls.from_s3_cache(folder),
        "local": lambda: cls.from_local_cache(folder),
        "static": lambda: cls.from_local_cache(folder, use_static_cache=True),
    }
    print("ANSWERS" + json.dumps(run(ways[which], json.loads(steps))))

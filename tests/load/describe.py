"""Turn loaded values into plain ones, in our process and in the peer's, so that they compare.

Run as a script by the peer's python: loads every object and file below the folders given with
``one.alf.io`` and writes a pickle of plain values to the last argument.
"""

import pickle
import sys
from pathlib import Path

import numpy as np


def plain(value):
    """Return a nested tuple of plain Python values that says all about a loaded one."""
    if isinstance(value, np.lib.npyio.NpzFile):
        return ("npz", {k: plain(value[k]) for k in value.files})
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return ("array", "object", value.shape, [scalar(v) for v in value.ravel()])
        return ("array", value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
    kind = type(value).__name__
    if kind == "DataFrame":
        return ("table", {str(c): plain(column(value.iloc[:, i])) for i, c in columns(value)})
    if kind == "Series":
        return ("series", str(value.name), plain(column(value)))
    if isinstance(value, dict):
        return ("dict", {str(k): plain(v) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return ("list", [plain(v) for v in value])
    if isinstance(value, Path):
        return ("path", str(value))
    return ("value", scalar(value))


def columns(table):
    return list(enumerate(table.columns))


def column(series):
    """Return a column as an array; text as objects, whatever pandas calls it."""
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy()
    return series.to_numpy(dtype=object)


def scalar(value):
    if value is None or value != value:
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return scalar(value.item())
    return str(value)


def everything(io, folders):
    """Load each file, and each object of each folder, and tell what came of it."""
    found = {}
    for folder in map(Path, folders):
        for place in sorted({p.parent for p in folder.rglob("*") if p.is_file()}):
            objects = set()
            for file in sorted(place.iterdir()):
                if file.suffix == ".txt" or not file.is_file():
                    continue
                found["file", str(file)] = attempt(io.load_file_content, file)
                if len(parts := file.name.split(".")) > 2:
                    objects.add(parts[0].rpartition("_")[2])
            for obj in sorted(objects):
                for short in (False, True):
                    key = ("object", str(place), obj, short)
                    found[key] = attempt(io.load_object, place, obj, short_keys=short)
    return found


def attempt(load, *args, **options):
    try:
        return plain(load(*args, **options))
    except Exception as error:  # noqa: BLE001 - whichever it is, it is compared
        return ("error", type(error).__name__, [k.__name__ for k in type(error).__mro__])


if __name__ == "__main__":
    import one.alf.io

    with open(sys.argv[-1], "wb") as out:
        pickle.dump(everything(one.alf.io, sys.argv[1:-1]), out)

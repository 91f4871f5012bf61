"""Ask a ONE object many questions and write the answers as JSON; runs on ONE-api and on fascicle.

    python probe.py {one.api | fascicle.one} FOLDER QUESTIONS.json

A question is an expression in which ``one`` is the object and ``e`` a list of session ids. An
answer is a plain value, or ``{"error": [names of the error's classes]}``.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
import json
import logging
import sys
import warnings
from pathlib import PurePath
from uuid import UUID


def plain(value, root):
    """Return a value in a form that JSON keeps and that shows every bit of an array."""
    import numpy as np
    import pandas as pd

    def inner(v):
        return plain(v, root)

    if isinstance(value, UUID):
        return f"uuid {value}"
    if isinstance(value, PurePath):
        text = value.as_posix()
        return f"path {text.removeprefix(root.rstrip('/') + '/')}"
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date):
        return f"date {value.isoformat()[:10]}"
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return ["objects", [inner(v) for v in value.tolist()]]
        data = hashlib.md5(np.ascontiguousarray(value).tobytes()).hexdigest()
        return ["array", str(value.dtype), list(value.shape), data]
    if isinstance(value, pd.DataFrame):
        return ["frame", {str(c): inner(value[c]) for c in sorted(value.columns, key=str)}]
    if isinstance(value, pd.Series):
        return ["series", [inner(v) for v in value.tolist()]]
    if isinstance(value, dict):
        return {str(k): inner(v) for k, v in sorted(value.items(), key=lambda kv: str(kv[0]))}
    if isinstance(value, (list, tuple)):
        return [inner(v) for v in value]
    if value is pd.NA or value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return "nan" if value != value else float(value)
    return repr(value)


def hash_in_little_memory():
    """Let ONE-api read files by the mebibyte to hash them; with its 256 each file takes 0.1 s."""
    hashfile = importlib.import_module("iblutil.io.hashfile")
    assert hashfile.BUF_SIZE == 2**28
    hashfile.BUF_SIZE = 2**20


def answer(one, eids, question, root):
    """Return the answer to a question, or the classes of the error that it raised."""
    try:
        value = eval(question, {"one": one, "e": eids, "UUID": UUID, "datetime": datetime})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        known = [c.__name__ for c in type(error).__mro__]
        return {"error": known, "text": f"{type(error).__name__}: {error}"}
    return plain(value, root)


def ask(module, folder, questions, **kwargs):
    """Return the answers of one implementation."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = importlib.import_module(module).One(cache_dir=folder, **kwargs)
        eids = one.search()
        return [answer(one, eids, q, str(folder)) for q in questions]


def main():
    module, folder, questions = sys.argv[1:]
    if module == "one.api":
        hash_in_little_memory()
    with open(questions) as file:
        asked = json.load(file)
    json.dump(ask(module, folder, asked), sys.stdout)


if __name__ == "__main__":
    main()

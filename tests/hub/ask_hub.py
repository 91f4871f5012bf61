"""Ask a hub many questions through a ONE client; runs on ONE-api and on fascicle.

    python ask_hub.py {one | fascicle} TASK.json

The task has the hub's ``url``, a ``user`` with ``password``, the ``setup`` lines that the hub
prints (for ONE-api) and the ``questions``, each a name and Python code: an expression, or
statements that leave their answer in ``result``. An answer is a plain value, or
``{"error": [names of the error's classes]}``; the warnings that it raised go with it.
"""

from __future__ import annotations

import ast
import datetime
import getpass
import importlib
import json
import logging
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "one"))
from probe import hash_in_little_memory, plain

MODULES = {
    "one": {
        "api": "one.api",
        "registration": "one.registration",
        "webclient": "one.webclient",
        "spec": "one.alf.spec",
        "params": "one.params",
    },
    "fascicle": {
        "api": "fascicle.one",
        "registration": "fascicle.one.registration",
        "webclient": "fascicle.one.webclient",
        "spec": "fascicle.alf.spec",
        "params": "fascicle.one.params",
    },
}


class Lazy:
    """Modules that are imported when a question names them."""

    def __init__(self, names):
        self._names = names

    def __getattr__(self, name):
        return importlib.import_module(self._names[name])


def answer(code, names, root):
    """Return the answer to a question, or the classes of the error that it raised."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            body = ast.parse(code).body
            if len(body) == 1 and isinstance(body[0], ast.Expr):
                value = eval(code, names)
            else:
                names.pop("result", None)
                exec(code, names)
                value = names.get("result")
            found = {"answer": plain(value, root)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            known = [c.__name__ for c in type(error).__mro__]
            found = {"error": known, "text": f"{type(error).__name__}: {error}"}
    # That revisions are mixed we tell once for a session, ONE-api whenever it comes across it.
    left_out = {"DeprecationWarning", "ResourceWarning", "ALFWarning"}
    return {**found, "warnings": sorted({w.category.__name__ for w in caught} - left_out)}


def main():
    which, file = sys.argv[1:]
    with open(file) as stream:
        task = json.load(stream)
    logging.disable(logging.CRITICAL)
    modules = Lazy(MODULES[which])
    home = Path.home()
    names = {"m": modules, "UUID": UUID, "datetime": datetime, "Path": Path, "home": home}
    names |= {"s": SimpleNamespace(), "url": task["url"], "f": SimpleNamespace(**task["facts"])}
    if which == "one":
        hash_in_little_memory()
        getpass.getpass = lambda *_, **__: task["token"]
        exec("\n".join(task["setup"]), {})
    login = {"base_url": task["url"], "username": task["user"], "password": task["password"]}
    one = modules.api.ONE(**login, silent=True)
    names |= {"one": one, "alyx": one.alyx, "login": login}
    root = str(one.cache_dir)
    with open(task["out"], "w", buffering=1) as stream:  # by lines: what was answered until it died
        for name, code in task["questions"]:
            print(json.dumps({"name": name, **answer(code, names, root)}), file=stream)


if __name__ == "__main__":
    main()

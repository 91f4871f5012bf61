"""Import a module: ``importing.py MODULE``."""

from __future__ import annotations

import sys
from importlib import import_module
from time import perf_counter, process_time

before = set(sys.modules)
cpu, wall = process_time(), perf_counter()
import_module(sys.argv[1])
cpu, wall = process_time() - cpu, perf_counter() - wall
loaded = set(sys.modules) - before

import json  # noqa: E402

from peak import peak  # noqa: E402

heavy = [m for m in ("numpy", "pandas", "pyarrow") if m in loaded]
print(
    json.dumps(
        {
            "event": "answer",
            "cpu": cpu,
            "wall": wall,
            "modules": len(loaded),
            "heavy": heavy,
            "memory": peak(),
        }
    ),
    flush=True,
)

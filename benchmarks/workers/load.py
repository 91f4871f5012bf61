"""Load an object of many sessions: ``load.py JSON``."""

from __future__ import annotations

import json
import logging
import sys
from time import perf_counter


def main(task: dict) -> None:
    """Load the trials of sessions, each for the first time."""
    if task["which"] == "fascicle":
        from fascicle.one import One
    else:
        from one.api import One

        logging.disable(logging.WARNING)
    one = One(cache_dir=task["folder"], tables_dir=task["tables"])
    eids = sorted(map(str, one.search()))
    options = task["options"]
    one.load_object(eids[0], "trials", **options)
    times = []
    for eid in eids[1 : 1 + task["repeats"]]:
        start = perf_counter()
        trials = one.load_object(eid, "trials", **options)
        times.append(perf_counter() - start)
    from peak import peak

    print(
        json.dumps(
            {
                "event": "answer",
                "times": times,
                "memory": peak(),
                "arrays": len(trials),
                "files": len(one.list_datasets(eid)),
            }
        ),
        flush=True,
    )


main(json.loads(sys.argv[1]))

"""Open a folder of a project, and give its five tables or the ids of some: ``project.py JSON``."""

from __future__ import annotations

import json
import sys
from time import perf_counter

TABLES = ("ecephys_session", "behavior_session", "probe", "channel", "unit")


def main(task: dict) -> None:
    if task["which"] == "fascicle":
        from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache
    else:
        from allensdk.brain_observatory.behavior.behavior_project_cache import (
            VisualBehaviorNeuropixelsProjectCache as Cache,
        )
    if task["ids"]:
        cache = Cache.from_local_cache(task["folder"])
        if task["which"] == "fascicle":
            found = cache.ids("units", structure_acronym="VISp")
        else:
            units = cache.get_unit_table()
            found = units.index[units["structure_acronym"] == "VISp"]
        said = {"found": len(found), "sum": int(sum(map(int, found)))}
        print(json.dumps({"event": "answer", **said}), flush=True)
        return
    import pandas  # noqa: F401 - what every user of tables has imported

    times, rows = [], {}
    for _ in range(task["repeats"]):
        start = perf_counter()
        cache = Cache.from_local_cache(task["folder"])
        tables = [getattr(cache, f"get_{name}_table")() for name in TABLES]
        times.append(perf_counter() - start)
        rows = {name: list(t.shape) for name, t in zip(TABLES, tables, strict=True)}
        del cache, tables
    from peak import peak

    said = {"times": times, "rows": rows, "memory": peak()}
    print(json.dumps({"event": "answer", **said}), flush=True)


main(json.loads(sys.argv[1]))

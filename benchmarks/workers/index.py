"""Index a folder: ``index.py JSON``."""

from __future__ import annotations

import json
import sys
from time import perf_counter


def main(task: dict) -> None:
    """Index, and tell how long it took from the call to the tables on disk."""
    more = {}
    if task["which"] == "fascicle":
        from fascicle.catalogue import index

        start = perf_counter()
        report = index(task["folder"], tables_dir=task["tables"], hash_files=task["hashed"])
        took = perf_counter() - start
        more = {
            "steps": report.seconds,
            "changed": report.changed,
            "datasets": report.n_datasets,
            "insertions": report.n_insertions,
        }
    else:
        from one.alf.cache import make_parquet_db

        start = perf_counter()
        made = make_parquet_db(task["folder"], out_dir=task["tables"], hash_files=task["hashed"])
        took = perf_counter() - start
        import pyarrow.parquet as pq

        more = {"datasets": pq.read_metadata(made[1]).num_rows}
    from peak import peak

    print(json.dumps({"event": "answer", "seconds": took, "memory": peak(), **more}), flush=True)


main(json.loads(sys.argv[1]))

"""One of many programs that share a folder: asks a server, and compares each answer.

It is given a JSON file: where the server is, the folder, what the answers are, and how many
questions to ask.
"""

from __future__ import annotations

import json
import os
import random
import sys
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from fascicle.errors import ALFWarning
from fascicle.one import OneAlyx, params


def first(one: Any, eid: str) -> str:
    """Return an object that a session has."""
    return "trials" if one.list_datasets(eid, "*trials*") else "wheel"


#: Questions whose answers the folder behind the server knows, too.
QUESTIONS: dict[str, Callable[[Any, str, str], Any]] = {
    "search": lambda one, eid, kind: sorted(map(str, one.search(query_type=kind))),
    "dataset": lambda one, eid, kind: sorted(
        map(str, one.search(dataset="spikes.times", query_type=kind))
    ),
    "list": lambda one, eid, kind: one.list_datasets(eid, query_type=kind),
    "qc": lambda one, eid, kind: one.list_datasets(eid, qc="PASS", query_type=kind),
    "collections": lambda one, eid, kind: sorted(one.list_collections(eid, query_type=kind)),
    "revisions": lambda one, eid, kind: sorted(one.list_revisions(eid, query_type=kind)),
    "sizes": lambda one, eid, kind: int(
        one.list_datasets(eid, details=True, query_type=kind)["file_size"].sum()
    ),
    "path": lambda one, eid, kind: one.eid2path(eid).session_path_short(),
    "keys": lambda one, eid, kind: sorted(one.load_object(eid, first(one, eid), query_type=kind)),
    "files": lambda one, eid, kind: [
        sha256(path.read_bytes()).hexdigest()
        for path in one.load_object(eid, first(one, eid), download_only=True, query_type=kind)
    ],
}


def answers(one: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Return the answers to all questions, for every session."""
    return {
        name: {str(eid): ask(one, str(eid), kind) for eid in one.search(query_type=kind)}
        for name, ask in QUESTIONS.items()
    }


def work(task: dict[str, Any], which: int) -> None:
    """Ask, each time another question, and now and then change what is shared."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ALFWarning)
    chance = random.Random(which)

    def connect() -> OneAlyx:
        folder, user = task["folder"], task["user"]
        return OneAlyx(user, task["password"], task["url"], cache_dir=folder, silent=True)

    one = connect()
    one.load_cache()
    known = task["answers"]
    changes: list[Callable[[], object]] = [
        lambda: one.load_cache(clobber=True),
        lambda: one.save_cache(),
        lambda: one.alyx.clear_rest_cache(),
        lambda: params.setup(task["url"], silent=True, cache_dir=task["folder"]),
        lambda: params.get(task["url"], silent=True).CACHE_DIR,
    ]
    for n in range(task["n"]):
        name = chance.choice(list(QUESTIONS))
        eid = chance.choice(sorted(known[name]))
        kind = chance.choice(["remote", "remote", "local"])
        said = QUESTIONS[name](one, eid, kind)
        assert said == known[name][eid], f"{name} of {eid}, {kind}: {said}, not {known[name][eid]}"
        if n % 10 == which % 10:
            chance.choice(changes)()
        if n % 25 == which % 25:
            one.load_cache(tag=task["tag"], clobber=chance.random() < 0.5)
            assert sorted(map(str, one.search())) == task["tagged"]
            one.load_cache()
        if n % 40 == which % 40:
            one = connect()
            one.load_cache()


if __name__ == "__main__":
    os.environ.pop("FASCICLE_OFFLINE", None)
    work(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]))

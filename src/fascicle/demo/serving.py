"""A part of the walk: the lab is served as a database, and asked over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from fascicle.demo.steps import Step


def missing() -> str:
    """Return the name of a package that is needed and not installed, or an empty string."""
    needed = ("django", "gunicorn", "orjson", "psycopg", "re2", "werkzeug")
    return next((name for name in needed if find_spec(name) is None), "")


def clear(variables: Mapping[str, Any]) -> None:
    """Stop the hub and remove what was fetched from it, also where a step went wrong."""
    if "hub" in variables:
        variables["hub"].stop()
    if "fetched" in variables:
        shutil.rmtree(variables["fetched"], ignore_errors=True)


STEPS: tuple[Step, ...] = (
    Step(
        "Serve it as the lab's database, at a free port. (By yourself: fascicle serve FOLDER.)",
        """\
from fascicle.testing import HubServer
hub = HubServer(folder, users=()).start()""",
    ),
    Step(
        "Connect to it as ONE's users do; who is in the thalamus it knows, files come over HTTP.",
        """\
import shutil, tempfile
from fascicle.one import ONE
fetched = tempfile.mkdtemp()
remote = ONE(base_url=hub.url, username="intbrainlab", password="international", cache_dir=fetched)
probes = remote.search_insertions(atlas_acronym="TH", datasets="spikes.times.npy")
eid, name = remote.pid2eid(probes[0])
theirs = remote.load_object(eid, "spikes", collection=f"alf/{name}/pykilosort")
f"{len(probes)} probes; {len(theirs.times):,} spikes of {remote.eid2ref(eid).subject} {name}\"""",
    ),
    Step(
        "The hub was only for this walk.",
        """\
hub.stop()
shutil.rmtree(fetched)""",
    ),
)

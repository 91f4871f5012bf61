"""The namespaces that a file carries: NWB's own as they were released, the extensions as ours.

The extensions in ``extensions.yaml`` are written from what the files show: names, types and shapes
of what lies in them.
"""

from __future__ import annotations

import json
import lzma
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import h5py

NWB_VERSION = "2.7.0"
_HERE = Path(__file__).parent


@lru_cache(maxsize=1)
def namespaces() -> dict[str, dict[str, dict[str, str]]]:
    """Return the text of each source, by namespace and version."""
    with lzma.open(_HERE / "nwb_schemas.json.xz", "rt", encoding="utf-8") as file:
        held: dict[str, dict[str, dict[str, str]]] = json.load(file)
    return held | _extensions()


def _extensions() -> dict[str, dict[str, dict[str, str]]]:
    known: dict[str, Any] = yaml.safe_load((_HERE / "extensions.yaml").read_text("utf-8"))
    made = {}
    for name, extension in known.items():
        source = f"{name}.extension"
        namespace = {
            "name": name,
            "doc": extension["doc"],
            "version": extension["version"],
            "author": ["The fascicle developers"],
            "contact": ["synthetic files, see the documentation of fascicle.demo.vbn"],
            "schema": [
                {"namespace": "core"},
                {"source": source},
            ],
        }
        made[name] = {
            extension["version"]: {
                "namespace": json.dumps({"namespaces": [namespace]}),
                source: json.dumps({"groups": extension["types"]}),
            }
        }
    return made


def write_specifications(file: h5py.File) -> None:
    """Write all namespaces below ``/specifications``, where readers look for them."""
    root = file.create_group("specifications")
    for name, versions in namespaces().items():
        for version, sources in versions.items():
            group = root.create_group(f"{name}/{version}")
            for source, text in sources.items():
                group[source] = text
    file.attrs[".specloc"] = root.ref

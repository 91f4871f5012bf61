"""Judge the small files that tests make, many times: what is alike for all of them is made once.

`pynwb.validate` reads the schemas that lie in a file and builds their validators for each file
anew, and nwbinspector reads them once more: that takes many times as long as to look at what a
small file holds. The schemas here are those of the file too, and the rules are those of DANDI; what
fascicle itself calls is tested in `checking/`, and for whole sessions in `test_dandi.py`.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import h5py

from fascicle.nwb.checking.results import Check, Finding

_LEVELS = {"BEST_PRACTICE_SUGGESTION": "suggestion", "BEST_PRACTICE_VIOLATION": "violation"}
#: The validators of a set of schemas, by name and version.
_VALIDATORS: dict[frozenset[tuple[str, str]], list[Any]] = {}


def judge(path: Path) -> list[Check]:
    """Return what the schemas in a file, and nwbinspector for DANDI, have to say of it."""
    from hdmf.build import BuildManager
    from nwbinspector import inspect_nwbfile_object
    from pynwb import NWBHDF5IO, get_type_map

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that others import
        manager = BuildManager(get_type_map(copy=False))
        with NWBHDF5IO(path, "r", manager=manager) as io:
            builder = io.read_builder()
            errors = [e for one in _validators(path) for e in one.validate(builder)]
            try:
                messages = list(inspect_nwbfile_object(io.read(), checks=_rules()))
                unread = []
            except Exception as error:  # noqa: BLE001 - what cannot be read is found to be bad
                messages, unread = [], [Finding("critical", "", f"cannot be read: {error!r}")]
    invalid = [Finding("invalid", str(e.location or e.name), str(e.reason)) for e in errors]
    found = [
        Finding(
            _LEVELS.get(m.importance.name, "critical"),
            str(m.location),
            f"{m.check_function_name}: {m.message}",
        )
        for m in messages
    ]
    return [Check("validate", invalid + _unlisted(path)), Check("inspect", unread + found)]


@cache
def _rules() -> list[Any]:
    from nwbinspector import configure_checks, load_config

    return list(configure_checks(config=load_config(filepath_or_keyword="dandi")))


def _validators(path: Path) -> list[Any]:
    """Return validators of the schemas that lie in a file, as `pynwb.validate` makes them."""
    from hdmf.validate import ValidatorMap
    from pynwb.validation import get_cached_namespaces_to_validate

    with h5py.File(path) as h5:
        held = h5["specifications"]
        schemas = frozenset((name, version) for name in held for version in held[name])
    if schemas not in _VALIDATORS:
        names, manager, _ = get_cached_namespaces_to_validate(path=str(path))
        catalog = manager.namespace_catalog
        _VALIDATORS[schemas] = [ValidatorMap(catalog.get_namespace(name)) for name in names]
    assert _VALIDATORS[schemas]
    return _VALIDATORS[schemas]


def _unlisted(path: Path) -> list[Finding]:
    """Find columns that their tables do not list, which no validator looks for."""
    found: list[Finding] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and "colnames" in item.attrs:
            kinds = {k: v.attrs.get("neurodata_type") for k, v in item.items() if k != "id"}
            held = {
                k
                for k, kind in kinds.items()
                if isinstance(item[k], h5py.Dataset) and kind not in (None, "VectorIndex")
            }
            if held != set(item.attrs["colnames"]):
                found.append(Finding("invalid", name, f"columns {held}"))

    with h5py.File(path) as h5:
        h5.visititems(look)
    return found

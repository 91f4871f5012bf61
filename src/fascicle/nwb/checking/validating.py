"""Check a new file against the NWB schema, and against those of the extensions that lie in it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from fascicle.nwb.checking.results import Check, Finding
from fascicle.nwb.checking.schemas import judges_of


def validate(file: Path) -> Check:
    """Check a file as `pynwb.validate` does, with the schemas that are cached in it.

    Parameters
    ----------
    file : pathlib.Path

    Returns
    -------
    Check
        Each error is a finding of the level ``invalid``.
    """
    import h5py

    with warnings.catch_warnings():
        # That schemas of the file are of other versions than those installed is no harm here.
        warnings.simplefilter("ignore")
        errors = _errors(file)
    findings = [
        Finding("invalid", str(error.location or error.name), str(error.reason)) for error in errors
    ]
    # Others, such as hdmf-common, are part of the core's own schema.
    with h5py.File(file, "r") as h5:
        findings += _columns(h5)
        more = sorted(name for name in h5.get("specifications", ()) if name.startswith("ndx-"))
    said = f"against the NWB schema{''.join(f', {name}' for name in more)}"
    return Check("validate", list(dict.fromkeys(findings)), len(more) + 1, said)


def _errors(file: Path) -> list[Any]:
    """Return what `pynwb.validate` finds, with validators that are made once for many files."""
    import pynwb
    from hdmf.build import BuildManager

    types, validators = judges_of(file)
    if not validators:
        return list(pynwb.validate(path=str(file)))
    with pynwb.NWBHDF5IO(str(file), "r", manager=BuildManager(types)) as io:
        builder = io.read_builder()
        return [error for one in validators for error in one.validate(builder)]


def _columns(h5: Any) -> list[Finding]:
    """Find tables that do not list their columns, which no validator looks at."""
    import h5py

    found: list[Finding] = []

    def look(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Group) or "colnames" not in item.attrs:
            return
        listed = set(map(_text, item.attrs["colnames"]))
        held = {
            column
            for column, one in item.items()
            if column != "id"
            and isinstance(one, h5py.Dataset)
            and _text(one.attrs.get("neurodata_type")) not in ("VectorIndex", "")
        }
        if listed != held:
            wrong = ", ".join(sorted(listed ^ held))
            text = f"its colnames and its columns differ: {wrong}"
            found.append(Finding("invalid", f"/{name}", text))

    h5.visititems(look)
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")

"""Check a new file against the NWB schema, and against those of the extensions that lie in it."""

from __future__ import annotations

import warnings
from pathlib import Path

from fascicle.nwb.checking.results import Check, Finding


def validate(file: Path) -> Check:
    """Check a file by `pynwb.validate`, with the schemas that are cached in it.

    Parameters
    ----------
    file : pathlib.Path

    Returns
    -------
    Check
        Each error is a finding of the level ``invalid``.
    """
    import h5py
    import pynwb

    with warnings.catch_warnings():
        # That schemas of the file are of other versions than those installed is no harm here.
        warnings.simplefilter("ignore")
        errors = pynwb.validate(path=str(file))
    findings = [
        Finding("invalid", str(error.location or error.name), str(error.reason)) for error in errors
    ]
    # Others, such as hdmf-common, are part of the core's own schema.
    with h5py.File(file, "r") as h5:
        more = sorted(name for name in h5.get("specifications", ()) if name.startswith("ndx-"))
    said = f"against the NWB schema{''.join(f', {name}' for name in more)}"
    return Check("validate", findings, len(more) + 1, said)

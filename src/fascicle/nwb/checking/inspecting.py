"""Hold a new file against good practice, as DANDI does: nwbinspector with its configuration."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fascicle.errors import MissingExtraError
from fascicle.nwb.checking.results import Check, Finding
from fascicle.nwb.checking.schemas import types_of

#: Levels by nwbinspector's names for them; an error is a check that could not be made.
_LEVELS = {
    "ERROR": "critical",
    "PYNWB_VALIDATION": "invalid",
    "CRITICAL": "critical",
    "BEST_PRACTICE_VIOLATION": "violation",
    "BEST_PRACTICE_SUGGESTION": "suggestion",
}


#: About the name for the time being; `layout` looks at the one in the end.
_NOT_YET = ("check_file_extension",)
_EXTERNAL = "check_image_series_external_file_valid"


def inspect(file: Path, *, beside: Collection[str] = ()) -> Check:
    """Check a file by nwbinspector with its configuration for DANDI.

    Parameters
    ----------
    file : pathlib.Path
        In the folder where it is going to be: files that it names are looked for from there.
    beside : collection of str
        Files that it names and that are not there yet.

    Returns
    -------
    Check
        Each message is a finding of the level ``critical``, ``violation`` or ``suggestion``.

    Raises
    ------
    MissingExtraError
        If nwbinspector is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that others import
        try:
            from nwbinspector import configure_checks, load_config
        except ImportError as error:
            raise MissingExtraError(
                f"to inspect a file takes a library that is not installed ({error})",
                hint='pip install "fascicle[convert]", or leave out the check "inspect"',
            ) from None
        checks = configure_checks(
            config=load_config(filepath_or_keyword="dandi"), ignore=list(_NOT_YET)
        )
        try:
            found = _messages(file, checks)
        except Exception as error:  # noqa: BLE001  # whatever pynwb and hdmf make of a harmed file
            text = " ".join(f"{type(error).__name__}: {error}".split())
            unread = Finding("critical", "", f"pynwb cannot read it: {text}")
            return Check("inspect", [unread], len(checks))
    said = f"{len(checks)} rules of nwbinspector for DANDI"
    coming = [f"'{name}'" for name in beside]
    findings = [
        _finding(message)
        for message in found
        if message.check_function_name != _EXTERNAL
        or not any(name in message.message for name in coming)
    ]
    return Check("inspect", list(dict.fromkeys(findings)), len(checks), said)


def _messages(file: Path, checks: list[Any]) -> list[Any]:
    """Return what nwbinspector says of a file; the schema is another check."""
    from hdmf.build import BuildManager
    from nwbinspector import inspect_nwbfile_object
    from pynwb import NWBHDF5IO

    manager = BuildManager(types_of(file))
    with NWBHDF5IO(str(file), "r", manager=manager) as io:
        return list(inspect_nwbfile_object(io.read(), checks=checks))


def _finding(message: Any) -> Finding:
    level = _LEVELS.get(message.importance.name, "critical")
    where = str(message.location or "")
    name = str(message.object_name or "")
    if name and name not in where:
        where = f"{where.rstrip('/')}/{name}"
    text = " ".join(str(message.message).split())
    if message.importance.name == "ERROR":  # its last line is what went wrong
        text = str(message.message).strip().splitlines()[-1]
    return Finding(level, where, f"{text} ({message.check_function_name})")

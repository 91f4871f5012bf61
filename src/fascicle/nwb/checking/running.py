"""Run the checks of a new NWB file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.nwb.checking.results import Check, chosen

if TYPE_CHECKING:
    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing.source import Source

#: Called with the bytes that were compared since the last call.
Progress = Callable[[int], None]


def run_checks(
    file: Path,
    *,
    source: Source,
    target: Path,
    metadata: SessionMetadata | None = None,
    beside: Sequence[tuple[Path, str]] = (),
    check: bool | str | Sequence[str] = True,
    progress: Progress | None = None,
) -> list[Check]:
    """Check a new NWB file.

    Parameters
    ----------
    file : pathlib.Path
        As it lies now, perhaps under a name for the time being.
    source : Source
        The datasets that it was made of.
    target : pathlib.Path
        Where it is going to be.
    metadata : SessionMetadata, optional
        What was asked for: only items with a ``dtype`` may lose digits.
    beside : sequence of tuple
        Files that are going to be copied beside it, and their names there.
    check : bool, str or sequence of str
        All checks, none, or names out of `CHECKS`:

        ``readback``
            Each value that the file gives back as ALF is compared with that of its dataset.
        ``validate``
            The file against the NWB schema and the extensions' in it.
        ``inspect``
            The file against good practice, by nwbinspector with its configuration for DANDI.
        ``layout``
            Its name and folder, and what it must say of its subject, as DANDI wants them.
    progress : callable, optional
        Called with the number of bytes that were compared since the last call.

    Returns
    -------
    list of Check
        In the order of `CHECKS`; what is found is said, not raised.

    Raises
    ------
    ConfigurationError
        If there is no check of a name.
    MissingExtraError
        If nwbinspector is to be asked and is not installed.
    """
    from fascicle.nwb.checking import inspecting, layout, readback, validating

    names = {str(name): Path(held) for held, name in beside}
    checks: dict[str, Callable[[], Check]] = {
        "readback": lambda: readback.compare(
            file,
            source=source,
            name=target.name,
            metadata=metadata,
            beside=names,
            progress=progress,
        ),
        "validate": lambda: validating.validate(file),
        "inspect": lambda: inspecting.inspect(file, beside=names),
        "layout": lambda: layout.check_layout(file, target=target),
    }
    done = []
    for name in chosen(check):
        start, cpu = time.perf_counter(), time.process_time()
        found = checks[name]()
        found.seconds = time.perf_counter() - start
        found.cpu_seconds = time.process_time() - cpu
        found.sort()
        done.append(found)
    return done

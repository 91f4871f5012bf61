"""What lies outside a session's file: its probes' LFP, and what a release's tables add."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.allen.base import open_file
from fascicle.errors import NotHereError

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.allen.electrodes import ProbeFacts
    from fascicle.formats.nwb import NwbFile


@dataclass(frozen=True)
class Links:
    """What lies outside a session's file. Functions have to pickle if the session is to.

    Attributes
    ----------
    lfp : callable
        Returns the file of a probe's LFP, by what is known of it: a path, an address, or a function
        that opens it; None if it is not known.
    probes : mapping or None
        By id of a probe: ``has_lfp_data`` and ``lfp_sampling_rate``, where a table says that.
    unit_metrics : callable or None
        Returns metrics of units that the file lacks, by unit.
    """

    lfp: Callable[[ProbeFacts], Any]
    probes: Mapping[int, Mapping[str, Any]] | None = None
    unit_metrics: Callable[[], pd.DataFrame | None] | None = None

    @classmethod
    def beside(cls, place: str = "", named: Mapping[str, Any] | None = None) -> Links:
        """Return links to files of LFP: those that are named by probe, others beside a file.

        Parameters
        ----------
        place : str
            Path or address of the session's file; empty if it has none.
        named : mapping, optional
            By name of the probe.
        """
        return cls(_Beside(place, dict(named or {})))

    def has_lfp(self, probe: ProbeFacts) -> bool:
        """Return whether a probe has LFP."""
        return probe.has_lfp_data

    def open_lfp(self, probe: ProbeFacts) -> NwbFile:
        """Return the file with a probe's LFP.

        Raises
        ------
        NotHereError
            If it is not known where that is.
        """
        place = self.lfp(probe)
        if place is None:
            raise NotHereError(
                f"{probe.name} has LFP, but probe_{probe.id}_lfp.nwb is not beside the session",
                hint="open the session by a project's cache, or name the file: "
                f"probe_meta={{{probe.name!r}: PATH}}",
            )
        return open_file(place)


@dataclass(frozen=True)
class _Beside:
    """Looks for a probe's file among those that are named, and where the session's file is."""

    place: str
    named: Mapping[str, Any]

    def __call__(self, probe: ProbeFacts) -> Any:
        if probe.name in self.named:
            given = self.named[probe.name]
            given = getattr(given, "lfp_csd_filepath", given)  # AllenSDK's own record of it
            return given() if callable(given) else given
        if not self.place:
            return None
        name = f"probe_{probe.id}_lfp.nwb"
        if "://" in self.place:
            return f"{self.place.rpartition('/')[0]}/{name}"
        beside = os.path.join(os.path.dirname(os.path.abspath(self.place)), name)
        return beside if os.path.isfile(beside) else None

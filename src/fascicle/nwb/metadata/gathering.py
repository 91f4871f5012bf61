"""Facts from several places, the first that says something being right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fascicle.nwb.metadata.fields import plain


@dataclass(slots=True)
class Facts:
    """What has been found out of a session so far.

    Places are asked in the order of how far they are believed: what was said first stays.

    Attributes
    ----------
    session, subject : dict
        By the fields of the document.
    probes : dict
        By label.
    weighings : list of dict
        ``date_time`` and ``weight`` (g), as a database has them.
    reference_weight : float or None
        In grams.
    narrative : str
        What somebody wrote of the session.
    """

    session: dict[str, Any] = field(default_factory=dict)
    subject: dict[str, Any] = field(default_factory=dict)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    weighings: list[Any] = field(default_factory=list)
    reference_weight: Any = None
    narrative: str = ""

    def of_session(self, **said: Any) -> None:
        """Add what a place says of the session."""
        _add(self.session, said)

    def of_subject(self, **said: Any) -> None:
        """Add what a place says of the animal; ``more`` is added to field by field."""
        more = said.pop("more", None)
        _add(self.subject, said)
        if isinstance(more, Mapping):
            _add(self.subject.setdefault("more", {}), more)

    def of_probe(self, label: str, **said: Any) -> None:
        """Add what a place says of a probe; trajectories by their provenance."""
        probe = self.probes.setdefault(label, {"label": label})
        found = rows(said.get("trajectories"))
        kept = rows(probe.get("trajectories"))
        have = {str(one.get("provenance")) for one in kept}
        kept += [plain(one) for one in found if str(one.get("provenance")) not in have]
        kept.sort(key=_certainty)
        if kept:
            said["trajectories"] = probe["trajectories"] = kept
        _add(probe, said)


#: How a track may be known, the vaguest first.
PROVENANCES = ("Planned", "Micro-manipulator", "Histology track", "Ephys aligned histology track")


def _certainty(track: Mapping[str, Any]) -> tuple[int, str]:
    name = str(track.get("provenance"))
    return (PROVENANCES.index(name) if name in PROVENANCES else len(PROVENANCES), name)


def _add(section: dict[str, Any], said: Mapping[str, Any]) -> None:
    for key, value in said.items():
        if is_said(value) and not is_said(section.get(key)):
            section[key] = plain(value)


def is_said(value: Any) -> bool:
    """Return whether a value says anything: not None, an empty text or a dash, list or mapping."""
    if isinstance(value, str):
        return bool(value.strip().strip("-"))
    return value is not None and value != [] and value != {} and value != ()


def texts(value: Any) -> list[str]:
    """Return a list of texts: of a list, or of one text that holds several after commas."""
    if isinstance(value, str):
        value = value.split(",")
    listed = value if isinstance(value, list | tuple) else []
    found = [str(one).strip() for one in listed if one is not None]
    return list(dict.fromkeys(one for one in found if one))


def rows(value: Any) -> list[dict[str, Any]]:
    """Return the mappings of a list; whatever else there is says nothing."""
    listed = value if isinstance(value, list | tuple) else []
    return [dict(one) for one in listed if isinstance(one, Mapping)]

"""Which sessions have what: one call, one table."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fascicle.alf import spec
from fascicle.archives import match
from fascicle.archives.search import find
from fascicle.archives.sessions import Sessions

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.alf.spec import NameParts

Test = Callable[["NameParts"], bool]

_VIDEO = frozenset({"mp4", "avi", "mkv", "mj2", "mov"})
_POSE = frozenset({"dlc", "lightningPose", "pose"})


def _is_camera(parts: NameParts) -> bool:
    return "camera" in parts.object.casefold()


#: Kinds of data in the order of the table's columns: what a file's name must be like.
KINDS: dict[str, Test] = {
    "trials": lambda p: p.object == "trials",
    "wheel": lambda p: p.object == "wheel",
    "licks": lambda p: p.object == "licks",
    "spikes": lambda p: p.object == "spikes" and p.attribute == "times",
    "lfp": lambda p: p.extension in {"cbin", "bin"} and p.extra.rpartition(".")[2] == "lf",
    "raw_ap": lambda p: p.extension in {"cbin", "bin"} and p.extra.rpartition(".")[2] == "ap",
    "histology": lambda p: (
        p.object in {"channels", "electrodeSites"} and p.attribute in {"brainLocationIds", "mlapdv"}
    ),
    "video": lambda p: p.extension in _VIDEO,
    "pose": lambda p: _is_camera(p) and p.attribute in _POSE,
    "pupil": lambda p: (
        (_is_camera(p) and p.attribute == "features")
        or p.object in {"eye", "pupil"}
        or p.attribute.casefold().startswith("pupil")
    ),
    "motion_energy": lambda p: p.attribute.casefold().endswith("motionenergy"),
    "passive": lambda p: p.object.startswith("passive"),
    "audio": lambda p: p.object.startswith("audio") or p.extension in {"flac", "wav"},
    "photometry": lambda p: p.object.startswith("photometry"),
    "imaging": lambda p: p.object.startswith("mpci"),
}


def availability(sessions: Sessions | None = None, **terms: Any) -> pd.DataFrame:
    """Return which sessions have which kinds of data.

    Parameters
    ----------
    sessions : Sessions, optional
        The result of a search. Without it, ``terms`` are searched for.
    **terms
        Search terms and ``archives``, as for `fascicle.find`.

    Returns
    -------
    pandas.DataFrame
        One row per session: ``archive``, ``eid``, ``lab``, ``subject``, ``date``, ``number``, then
        one boolean column per kind: trials, wheel, licks, spikes, lfp, raw_ap, histology, video,
        pose, pupil, motion_energy, passive, audio, photometry, imaging. Datasets whose quality
        control says CRITICAL do not count.

    Raises
    ------
    SearchTermError, RegionNotFound, NoIndexError, ConfigurationError
        As for `fascicle.find`.

    Examples
    --------
    >>> table = fascicle.availability(lab="zadorlab")  # doctest: +SKIP
    >>> table[table.spikes & table.pose]  # doctest: +SKIP
    """
    import pandas as pd

    if sessions is not None and terms:
        given = ", ".join(f"{term}=" for term in terms)
        raise TypeError(f"{given} given beside sessions: search with one or the other")
    found = find(**terms) if sessions is None else sessions
    parts = [found.frame[["archive", "eid", "lab", "subject", "date", "number"]]]
    columns: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    qc = match.qc("FAIL")
    for archive_part in found.parts:
        cat, rows = archive_part.catalogue, archive_part.rows
        for kind, test in KINDS.items():
            having = set(cat.rows(cat.having(_on_name(test), of="name", qc_lte=qc)))
            columns[kind] += [row in having for row in rows]
    parts.append(pd.DataFrame(columns, dtype=bool, index=parts[0].index))
    return pd.concat(parts, axis=1)


# Every kind looks at the same names.
_parse = lru_cache(maxsize=100_000)(spec.parse_name)


def _on_name(test: Test) -> Callable[[str], bool]:
    def on_name(name: str) -> bool:
        parts = _parse(name)
        return parts is not None and test(parts)

    return on_name

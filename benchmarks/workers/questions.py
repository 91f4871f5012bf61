"""What is asked: the same words to both, since both offer the ONE interface.

Each question comes in variants ``k``, so that a warm answer is an answer to something new and not
one kept from before. ``about`` names sessions and subjects of the tables.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

#: How many variants differ from each other.
VARIANTS = 20
_NAMES = """
spikes.times.npy _ibl_trials.choice.npy clusters.metrics.npy _ibl_wheel.position.npy
channels.brainLocationIds_ccf_2017.npy _ibl_leftCamera.dlc.npy _ibl_trials.goCue_times.npy
spikes.clusters.npy spikes.depths.npy clusters.channels.npy clusters.waveforms.npy
channels.mlapdv.npy templates.amps.npy waveforms.traces.npy _ibl_wheel.velocity.npy
_ibl_licks.times.npy _ibl_rightCamera.times.npy _ibl_bodyCamera.times.npy
_ibl_passiveGabor.table.npy _ibl_trials.intervals.npy
"""
NAMES = _NAMES.split()
PATTERNS = [
    r"_ibl_(left|right)Camera\.(dlc|times)\.npy",
    r"spikes\.(times|clusters)\.npy",
    r"_ibl_trials\.(stim|goCue).*_times\.npy",
    r".*\.(localCoordinates|mlapdv)\..*",
    *(rf"_iblrig_(behavior|video)[0-3]\.raw{k}\d*\.ssv" for k in range(10, 26)),
]


def _pick(values: list[Any], k: int) -> Any:
    return values[k % len(values)]


def subject(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Sessions of a subject."""
    return one.search(subject=_pick(about["subjects"], k))


def lab_date(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Sessions of a lab in half a year."""
    first = date(2019, 1, 1) + timedelta(days=50 * k)
    last = first + timedelta(days=180)
    return one.search(lab=f"lab{k % 12:02d}lab", date=[first.isoformat(), last.isoformat()])


def dataset(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Sessions that have a dataset."""
    return one.search(datasets=_pick(NAMES, k))


def two_datasets(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Sessions that have both of two datasets."""
    return one.search(datasets=[_pick(NAMES, k), _pick(NAMES, k + 1)])


def regex(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Sessions that have a dataset whose name matches."""
    return one.search(datasets=_pick(PATTERNS, k))


def session_paths(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Datasets of a session."""
    return one.list_datasets(_pick(about["eids"], k))


def all_paths(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Distinct datasets of all sessions."""
    return one.list_datasets()


def session_frame(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Datasets of a session as a table."""
    return one.list_datasets(_pick(about["eids"], k), details=True)


def full_details(one: Any, k: int, about: dict[str, Any]) -> Any:
    """A session and its datasets joined to one table."""
    return one.get_details(_pick(about["eids"], k), full=True)


def all_frame(one: Any, k: int, about: dict[str, Any]) -> Any:
    """Datasets of all sessions as a table."""
    return one.list_datasets(details=True)


def same(answer: Any) -> list[Any]:
    """Return what must be equal in two answers: how many, and a digest of which."""
    from hashlib import md5

    if hasattr(answer, "columns"):
        return [len(answer), int(answer["file_size"].sum())]
    text = "\n".join(sorted(map(str, answer)))
    return [len(answer), md5(text.encode()).hexdigest()]

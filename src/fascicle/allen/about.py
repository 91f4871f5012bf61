"""What a session is: its mouse, its rig, its task."""

from __future__ import annotations

import re
import uuid
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError

if TYPE_CHECKING:
    from fascicle.formats.nwb import NwbFile

_ABOUT = "/general/metadata"
_SUBJECT = "/general/subject"
_TASK = "/general/task_parameters"


def read_behavior_session_id(file: NwbFile) -> int:
    """Return the id of the session as one of behaviour."""
    return int(_needed(file, _ABOUT, "behavior_session_id"))


def read_ecephys_session_id(file: NwbFile) -> int:
    """Return the id of the recording."""
    return int(file.value("/identifier"))


def read_metadata(file: NwbFile) -> dict[str, Any]:
    """Return what is known of a session as one of behaviour: 14 entries."""
    about, subject = file.attrs(_ABOUT), file.attrs(_SUBJECT)
    identifier = _text(about.get("behavior_session_uuid"))
    genotype = file.value(f"{_SUBJECT}/genotype")
    lines = subject.get("driver_line")
    return {
        "equipment_name": about.get("equipment_name"),
        "sex": file.value(f"{_SUBJECT}/sex"),
        "age_in_days": _days(file.value(f"{_SUBJECT}/age")),
        "stimulus_frame_rate": _number(about.get("stimulus_frame_rate")),
        "session_type": about.get("session_type"),
        "date_of_acquisition": datetime.fromisoformat(file.value("/session_start_time")),
        "reporter_line": _text(subject.get("reporter_line")),
        "cre_line": _cre_line(genotype),
        "behavior_session_uuid": uuid.UUID(identifier) if identifier else None,
        "driver_line": None if lines is None else sorted(_listed(lines)),
        "mouse_id": file.value(f"{_SUBJECT}/subject_id"),
        "project_code": about.get("project_code", "Not Available"),
        "full_genotype": genotype,
        "behavior_session_id": read_behavior_session_id(file),
    }


def _needed(file: NwbFile, path: str, name: str) -> Any:
    attrs = file.attrs(path)
    if name not in attrs:
        raise BadFileError(
            f"{file.name}: {path} has no {name}",
            hint="is it a session of Visual Behavior Neuropixels? fascicle.nwb.read opens any file",
        )
    return attrs[name]


def _text(value: Any) -> str | None:
    """Return text, None where the file says that there is none."""
    return None if value in (None, "None") else str(value)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in value]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _days(age: str) -> int | None:
    """Return the days of an age such as ``P148D``."""
    found = re.search(r"\d+", age) if age.startswith("P") else None
    return int(found[0]) if found else None


def _cre_line(genotype: str) -> str | None:
    first, semicolon, _ = genotype.partition(";")
    if not semicolon:
        warnings.warn(
            f"the genotype {genotype!r} does not say what the Cre line is", stacklevel=5
        )  # fmt: skip
        return None
    return first.replace("/wt", "")


def read_task_parameters(file: NwbFile) -> dict[str, Any]:
    """Return what the task was: 13 entries, durations in seconds and volumes in ml."""
    task = file.attrs(_TASK)

    def seconds(name: str) -> list[float]:
        # They are text in the files that the project released.
        return [float(value) for value in _needed(file, _TASK, name)]

    session_type = task.get("session_type")
    frames = task.get("n_stimulus_frames")
    return {
        "auto_reward_volume": _number(task.get("auto_reward_volume")),
        "blank_duration_sec": seconds("blank_duration_sec"),
        "image_set": _image_set(session_type),
        "n_stimulus_frames": None if frames is None else int(frames),
        "omitted_flash_fraction": _number(task.get("omitted_flash_fraction")),
        "response_window_sec": seconds("response_window_sec"),
        "reward_volume": _number(task.get("reward_volume")),
        "session_type": session_type,
        "stimulus": task.get("stimulus"),
        "stimulus_distribution": task.get("stimulus_distribution"),
        "stimulus_duration_sec": _number(task.get("stimulus_duration_sec")),
        "stimulus_name": task.get("stimulus_name"),
        "task": task.get("task"),
    }


def _image_set(session_type: str | None) -> str | None:
    """Return ``images_G`` of ``EPHYS_1_images_G_5uL_reward``, or ``gratings``."""
    parts = (session_type or "").split("_")
    if parts[2:3] == ["images"] and len(parts) > 3:
        return f"images_{parts[3]}"
    return "gratings" if parts[2:3] == ["gratings"] else None

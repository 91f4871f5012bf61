"""Cameras and microphones as devices of the file, made when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.nwb.parts.placing import titled

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft

_SIDES = {
    "left": "Camera that sees the animal from its left",
    "right": "Camera that sees the animal from its right",
    "body": "Camera that sees the animal's body from above",
    "tail": "Camera that sees the animal's tail",
}


def camera(draft: Draft, name: str) -> Any:
    """Return the device of a camera.

    Parameters
    ----------
    draft : Draft
    name : str
        Of the ALF object: ``leftCamera``.
    """
    side = name.removesuffix("Camera")
    said = _SIDES.get(side, f"The camera {name}")
    return _device(draft, titled(name), said)


def microphone(draft: Draft) -> Any:
    """Return the device that hears the animal."""
    return _device(draft, "Microphone", "Microphone beside the animal")


def _device(draft: Draft, name: str, description: str) -> Any:
    if name not in draft.nwb.devices:
        draft.nwb.create_device(name=name, description=description)
    return draft.nwb.devices[name]

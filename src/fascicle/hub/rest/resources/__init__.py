"""All resources of the hub, in the order in which they are looked for."""

from __future__ import annotations

from typing import Any

from fascicle.hub.rest.resource import Resource


def resources() -> tuple[Resource, ...]:
    """Return all resources; those that are asked for most come first."""
    from fascicle.hub.rest import notes
    from fascicle.hub.rest.resources import (
        datasets,
        downloads,
        histology,
        insertions,
        later,
        names,
        people,
        sessions,
        subjects,
    )

    modules: Any = (sessions, datasets, insertions, histology, subjects, people, names)
    modules += (notes, downloads, later)
    return tuple(resource for module in modules for resource in module.RESOURCES)

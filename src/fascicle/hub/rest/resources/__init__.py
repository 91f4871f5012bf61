"""All resources of the hub, in the order in which they are looked for."""

from __future__ import annotations

from fascicle.hub.rest.resource import Resource


def resources() -> tuple[Resource, ...]:
    """Return all resources; those that are asked for most come first."""
    from fascicle.hub.rest.resources import (
        datasets,
        histology,
        insertions,
        later,
        names,
        people,
        sessions,
    )

    modules = (sessions, datasets, insertions, histology, people, names, later)
    return tuple(resource for module in modules for resource in module.RESOURCES)

"""The Allen Institute's project caches: versioned releases in a bucket, under the verbs they have.

::

    from fascicle.projects import VisualBehaviorNeuropixelsProjectCache

    cache = VisualBehaviorNeuropixelsProjectCache.from_s3_cache("~/vbn_cache")
    units = cache.get_unit_table()

A project is described by data (`fascicle.projects.load_config`), not by a class: `ProjectCache`
serves any release that is laid out this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.errors import (
        BehaviorCloudCacheVersionException,
        MissingLocalManifestWarning,
        OutdatedManifestWarning,
    )
    from fascicle.formats.project import ProjectConfig, TableConfig, known_projects, load_config
    from fascicle.projects.allen import (
        VisualBehaviorNeuropixelsProjectCache,
        VisualBehaviorOphysProjectCache,
    )
    from fascicle.projects.cache import ProjectCache

_HOMES = {
    "ProjectCache": "fascicle.projects.cache",
    "VisualBehaviorNeuropixelsProjectCache": "fascicle.projects.allen",
    "VisualBehaviorOphysProjectCache": "fascicle.projects.allen",
    "ProjectConfig": "fascicle.formats.project",
    "TableConfig": "fascicle.formats.project",
    "known_projects": "fascicle.formats.project",
    "load_config": "fascicle.formats.project",
    "OutdatedManifestWarning": "fascicle.errors",
    "MissingLocalManifestWarning": "fascicle.errors",
    "BehaviorCloudCacheVersionException": "fascicle.errors",
}

__all__ = [  # noqa: RUF022 - in the order of use
    "VisualBehaviorNeuropixelsProjectCache",
    "VisualBehaviorOphysProjectCache",
    "ProjectCache",
    "ProjectConfig",
    "TableConfig",
    "known_projects",
    "load_config",
    "OutdatedManifestWarning",
    "MissingLocalManifestWarning",
    "BehaviorCloudCacheVersionException",
]

__getattr__, __dir__ = attach(__name__, _HOMES)

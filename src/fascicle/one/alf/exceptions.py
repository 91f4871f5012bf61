"""What ``one.alf.exceptions`` offers: the same classes that all of fascicle raises."""

from ...errors import (
    ALFError,
    ALFInvalid,
    ALFMultipleCollectionsFound,
    ALFMultipleObjectsFound,
    ALFMultipleRevisionsFound,
    ALFObjectNotFound,
    ALFWarning,
    AlyxSubjectNotFound,
)

__all__ = [
    "ALFError",
    "ALFInvalid",
    "ALFMultipleCollectionsFound",
    "ALFMultipleObjectsFound",
    "ALFMultipleRevisionsFound",
    "ALFObjectNotFound",
    "ALFWarning",
    "AlyxSubjectNotFound",
]

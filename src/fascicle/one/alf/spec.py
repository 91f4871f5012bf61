"""What ``one.alf.spec`` offers, under its names."""

from ...alf.readable import camel_case as _dromedary
from ...alf.spec import (
    COLLECTION_SPEC,
    FILE_SPEC,
    FULL_SPEC,
    QC,
    REL_PATH_SPEC,
    SESSION_SPEC,
    SPEC_DESCRIPTION,
    describe,
    is_session_path,
    is_uuid,
    is_uuid_string,
    is_valid,
    path_pattern,
    readableALF,
    regex,
    to_alf,
)

__all__ = [
    "COLLECTION_SPEC",
    "FILE_SPEC",
    "FULL_SPEC",
    "QC",
    "REL_PATH_SPEC",
    "SESSION_SPEC",
    "SPEC_DESCRIPTION",
    "_dromedary",
    "describe",
    "is_session_path",
    "is_uuid",
    "is_uuid_string",
    "is_valid",
    "path_pattern",
    "readableALF",
    "regex",
    "to_alf",
]

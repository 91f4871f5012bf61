"""What ``one.alf.path`` offers, under its names."""

from ...alf import spec
from ...alf.path import (
    ALFPath,
    PosixALFPath,
    PureALFPath,
    PurePosixALFPath,
    PureWindowsALFPath,
    WindowsALFPath,
    add_uuid_string,
    ensure_alf_path,
    filename_parts,
    folder_parts,
    full_path_parts,
    get_alf_path,
    get_session_path,
    padded_sequence,
    rel_path_parts,
    remove_uuid_string,
    session_path_parts,
    without_revision,
)
from ...alf.spec import COLLECTION_SPEC, FILE_SPEC, REL_PATH_SPEC, SESSION_SPEC
from ...errors import ALFInvalid

__all__ = [
    "COLLECTION_SPEC",
    "FILE_SPEC",
    "REL_PATH_SPEC",
    "SESSION_SPEC",
    "ALFInvalid",
    "ALFPath",
    "PosixALFPath",
    "PureALFPath",
    "PurePosixALFPath",
    "PureWindowsALFPath",
    "WindowsALFPath",
    "add_uuid_string",
    "ensure_alf_path",
    "filename_parts",
    "folder_parts",
    "full_path_parts",
    "get_alf_path",
    "get_session_path",
    "padded_sequence",
    "rel_path_parts",
    "remove_uuid_string",
    "session_path_parts",
    "spec",
    "without_revision",
]

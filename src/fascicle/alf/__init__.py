"""The ALF naming convention as pure text: what a path means, and how to make a valid one.

Nothing here reads or writes, but for :meth:`ALFPath.iter_datasets` and the checks of
:class:`ALFPath` that ask the disk whether a name is a folder.
"""

from . import spec
from .path import ALFPath, PureALFPath, PurePosixALFPath, PureWindowsALFPath

__all__ = ["ALFPath", "PureALFPath", "PurePosixALFPath", "PureWindowsALFPath", "spec"]

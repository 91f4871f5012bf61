"""The most memory that this process has had, whatever its parent had."""

from __future__ import annotations

import contextlib
import sys


def peak() -> int:
    """Return the peak of resident memory in bytes.

    On Linux ``ru_maxrss`` is no use: it begins with what the parent had when it forked.
    """
    try:
        with open("/proc/self/status") as f:
            (kilobytes,) = (line.split()[1] for line in f if line.startswith("VmHWM"))
        return int(kilobytes) * 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )


def forget() -> None:
    """Begin the peak anew at what is used now, where the system can do that."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as f:
        f.write("5")

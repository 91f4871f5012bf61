"""What the numbers were measured on."""

from __future__ import annotations

import mmap
import os
import platform
from pathlib import Path


def describe() -> dict[str, str]:
    """Return processor, cores, memory and system."""
    out = {
        "cpu": platform.processor() or platform.machine(),
        "cores": str(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ),
        "system": f"{platform.system()} {platform.release()}",
    }
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            out["cpu"] = line.partition(":")[2].strip()
            break
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            out["memory"] = f"{int(line.split()[1]) * 1024 / 1e9:.0f} GB"
    if hasattr(os, "getloadavg"):
        out["load at the start"] = f"{os.getloadavg()[0]:.1f}"
    return out


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def touch_memory(size: int) -> None:
    """Use memory and give it back: a virtual machine takes pages away that nobody used of late.

    Who comes first after a pause would pay for that, and nobody else.
    """
    with mmap.mmap(-1, size) as memory:
        memory[:: mmap.PAGESIZE] = b"1" * (size // mmap.PAGESIZE)

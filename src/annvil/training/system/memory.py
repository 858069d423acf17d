"""How much memory this process may still take."""

from __future__ import annotations

import math
import os
from pathlib import Path

_LIMITS = (  # of a container: what it may take, and what it takes
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def available_bytes() -> float:
    """Bytes that can be taken without swapping: of the machine, or of the container if it has less; inf if unknown."""
    return min(_of_the_machine(), *(_of_a_container(most, taken) for most, taken in _LIMITS))


def _of_the_machine() -> float:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024.0
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):
        return math.inf


def _of_a_container(most: Path, taken: Path) -> float:
    try:
        return max(0.0, float(most.read_text(encoding="ascii")) - float(taken.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such limit; version 2 writes "max" for none
        return math.inf

"""How much memory is free, so that a population is cut to what fits."""

from __future__ import annotations

import os
from pathlib import Path

UNKNOWN = 4 << 30
"""Bytes, where the system does not say (assumed)."""

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int:
    """Bytes that can be had without swapping: what the system has free, within the limit of the container."""
    found = [_of_system(meminfo), _of_container(cgroup)]
    return max(1, min([value for value in found if value is not None], default=UNKNOWN))


def _of_system(meminfo: Path) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:  # macOS and others: all there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _of_container(cgroup: Path) -> int | None:
    try:
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        held = dict(line.split() for line in (cgroup / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(held.get("inactive_file", 0))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return None

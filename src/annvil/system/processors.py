"""Processors of the machine that this process may use."""

from __future__ import annotations

import os


def allowed_cores() -> int:
    """How many the system lets it run on; all there are where it does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

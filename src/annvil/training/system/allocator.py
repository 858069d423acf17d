"""Memory that is let go between two operations stays with the process, so that the next one finds it.

The C library of most Linux systems (glibc) returns large blocks to the system at once and asks for new ones, which the
system has to clear page by page. For a step that makes large results, such as a convolutional network's, that took
between a fifth and half of the time (docs/decisions/0019-convolutions.md). It can be told not to, from within.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

LARGE_STEP = 4 << 20
"""Bytes between the operations of a step from which keeping is worth it (assumed; glibc keeps small blocks itself)."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # their numbers in <malloc.h>
_KEPT = 1 << 30  # larger blocks than this still come from the system and go back to it
_USUAL = 32 << 20  # what glibc's own thresholds rise to when left alone; the trim threshold to twice as much


@contextmanager
def freed_memory_kept() -> Iterator[bool]:
    """Keep freed memory until the end, when it goes back to the system; whether that can be asked for here."""
    library = _glibc()
    if library is None:
        yield False
        return
    library.mallopt(_MMAP_THRESHOLD, _KEPT)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield True
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL)
        library.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library of this process, or None where it is another one."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None

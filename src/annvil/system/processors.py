"""Processors of the machine that this process may use, and how many of them numeric libraries use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def allowed_cores() -> int:
    """How many the system lets it run on; all there are where it does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def bounded_threads(most: int) -> Iterator[None]:
    """Inside, BLAS uses one thread and OpenMP at most so many; 0 leaves OpenMP as it is.

    BLAS threads wait for each other by spinning: on busy cores a solver with two of them took 26 s where one took 0.5
    (measured on 2 cores). OpenMP is kept from that by its passive waiting, but small fits are quicker on one thread of
    it, too.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits={"blas": 1, "openmp": most} if most else {"blas": 1}):
        yield

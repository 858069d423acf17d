"""Processors of the machine that this process may use, and how many of them numeric libraries use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal


def allowed_cores() -> int:
    """How many the system lets it run on; all there are where it does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def processor_type() -> str:
    """The type of processor, as Linux names it, or else Python."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def bfloat16_units() -> Literal["tiles", "vectors", ""]:
    """What the processor has for products in bfloat16: AMX tiles, vector instructions, or nothing that is known of.

    By the flags that Linux and macOS tell, without PyTorch: it is asked before there is any need of that.
    """
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "hw.optional.arm.FEAT_BF16"]
        with suppress(OSError, subprocess.TimeoutExpired):
            told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=2).stdout
            return "vectors" if told.strip() == "1" else ""
    flags = _flags()
    return "tiles" if "amx_bf16" in flags else "vectors" if flags & {"avx512_bf16", "bf16"} else ""


_SETS = {
    "sse4_2": "SSE4.2",
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512F",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_fp16": "AVX-512 FP16",
    "amx_tile": "AMX",
    "amx_int8": "AMX-INT8",
    "amx_bf16": "AMX-BF16",
    "asimd": "NEON",
    "sve": "SVE",
    "sve2": "SVE2",
    "bf16": "BF16",
    "i8mm": "I8MM",
}
"""Flags of Linux, and what people call them."""


def instruction_sets() -> tuple[str, ...]:
    """Those that numeric libraries choose their kernels by, as far as Linux tells; elsewhere none."""
    flags = _flags()
    return tuple(name for flag, name in _SETS.items() if flag in flags)


def _flags() -> frozenset[str]:
    """What Linux says that the processor can; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return frozenset()
    lines = (line for line in text.splitlines() if line.lower().startswith(("flags", "features")))
    return frozenset(next(lines, "").split())


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

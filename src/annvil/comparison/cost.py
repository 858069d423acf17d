"""What a model costs where it will run: measured on the exported graph, from raw row to prediction."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from annvil.comparison.results import Cost
from annvil.models.contract import Fitted

MOST_CALLS, MOST_SECONDS = 200, 0.3
"""A latency is taken over so many calls or so long, whichever ends first (assumed: enough for a steady median)."""

PARITY_ROWS = 2000
PARITY_VALUES = 20_000_000
"""Values (rows × numbers of a row) looked at at most, so that large pictures do not take minutes (assumed)."""


def measure_cost(
    fitted: Fitted, size_bytes: int, one: Callable[[], object], many: Callable[[], object], n_many: int
) -> Cost:
    """Size, latency and throughput of a model as a bundle would hold it.

    ``one`` predicts for one raw row, ``many`` for a batch of ``n_many``. Fit times are left at zero: they belong to the
    folds.
    """
    p50, p95 = latency_ms(one)
    batch_ms, _ = latency_ms(many)
    return Cost(
        fit_seconds=0.0,
        core_seconds=0.0,
        fits=len(fitted.tried),
        n_parameters=fitted.n_parameters,
        size_bytes=size_bytes,
        latency_ms_p50=p50,
        latency_ms_p95=p95,
        rows_per_second=n_many / (batch_ms / 1000),
    )


def parity_rows(n_values: int, most: int = PARITY_ROWS) -> int:
    """How many rows of so many values are predicted twice, by the graph and in memory."""
    return max(1, min(most, PARITY_VALUES // max(n_values, 1)))


def latency_ms(call: Callable[[], object]) -> tuple[float, float]:
    """Median and 95th percentile of a call, in milliseconds, after one call to warm up."""
    call()
    taken: list[float] = []
    end = time.perf_counter() + MOST_SECONDS
    while len(taken) < MOST_CALLS and (len(taken) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return float(np.median(taken)), float(np.quantile(taken, 0.95))


class MemoryMeter:
    """Growth of resident memory between entering and leaving, in MB (10^6 bytes); None where it cannot be told.

    On Linux the kernel's high-water mark is reset at the start. Elsewhere the process's own mark is read, so that only
    growth beyond any earlier peak is seen, which understates.
    """

    grown_mb: float | None = None

    def __enter__(self) -> MemoryMeter:
        self._resettable = _reset_peak()
        self._before = _resident_bytes() if self._resettable else _peak_bytes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        peak = _peak_bytes()
        if peak is not None and self._before is not None:
            self.grown_mb = max(0.0, (peak - self._before) / 1e6)


def _reset_peak() -> bool:
    """Whether the high-water mark could be set back to the present (Linux, proc(5) on clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status_bytes(name: str) -> float | None:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _resident_bytes() -> float | None:
    return _status_bytes("VmRSS:")


def _peak_bytes() -> float | None:
    peak = _status_bytes("VmHWM:")
    if peak is not None or sys.platform == "win32":
        return peak
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit

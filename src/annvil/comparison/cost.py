"""What a model costs where it will run: measured on the exported graph, from raw row to prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from annvil.comparison.results import Cost, Standing
from annvil.models.members import Fitted

MOST_CALLS, MOST_SECONDS = 100, 0.1
"""A latency is taken over so many calls or so long, whichever ends first (assumed: enough for a steady median)."""

EXPLAINING_SHARE = 0.08
"""Most of the budget that is kept for explaining what ships (assumed: two maps of a cheap kind in a minute)."""

REFITTING_SHARE = 0.15
"""Most of it that is kept for refits (assumed: a dozen of a model of 1.5 s, in two minutes)."""

PARITY_ROWS = 2000
PARITY_VALUES = 20_000_000
"""Values (rows × numbers of a row) looked at at most, so that rows of many values do not take minutes (assumed)."""

LEAST_FOR_REPORT, MOST_FOR_REPORT = 0.9, 30.0
"""Seconds that importances and report take: of a small table on a quiet machine (measured: 0.5), erring slow, longer on
a busy one; and at most (assumed)."""


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


def seconds_for_report(share: float, slowness: float) -> float:
    """What is kept for importances and the report: ``share`` seconds, but no less and no more than they ever take."""
    return min(MOST_FOR_REPORT, max(LEAST_FOR_REPORT * slowness, share))


def seconds_to_explain(
    passes: int, cost: Cost | None, budget_seconds: float, refits: int = 0, readable: Cost | None = None
) -> float:
    """What is kept of a budget for so many predictions of a model, by the throughput that was measured, and for refits
    of it and of the best model that a person can read, where that is another; 0 where nothing was measured."""
    predicting = passes / cost.rows_per_second if cost is not None and cost.rows_per_second else 0.0
    fitting = sum(refits * one.fit_seconds / max(1, one.fits) for one in (cost, readable) if one is not None)
    return min(EXPLAINING_SHARE * budget_seconds, predicting) + min(REFITTING_SHARE * budget_seconds, fitting)


def readable_cost(standings: Sequence[Standing], ships: str) -> Cost | None:
    """Of the best judged contender that a person can read, where that is not the one that ships."""
    best = next((one for one in standings if one.explainable and one.rung is not None), None)
    return None if best is None or best.contender == ships else best.cost


PREDICTING_SLACK = 1.5
"""What ships may be larger, or the machine busier, than when its throughput was measured (assumed)."""


def seconds_to_predict(rows: int, cost: Cost | None) -> float:
    """What is kept for predictions that must be made, by the throughput that was measured; 0 where it was not."""
    return PREDICTING_SLACK * rows / cost.rows_per_second if cost is not None and cost.rows_per_second else 0.0


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

"""Whether a series has a season, by autocorrelation at the periods that the calendar offers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annvil.tasks.base import FloatArray

LEAST = 0.3
"""Autocorrelation from which on a period is taken for a season (assumed; noise of 100 steps has .1)."""

NEAR = 0.9
"""The shortest period that has so much of the best one's autocorrelation is the season: a week holds seven days."""

LONGEST_SEASON = 200
"""Steps of a season that a window can hold several of (assumed); longer periods are described by waves."""

MOST_SERIES, MOST_STEPS = 50, 5_000
"""Series that are looked at, and last steps of each (assumed)."""


def find_seasons(series: Sequence[FloatArray], periods: Sequence[float]) -> tuple[int, tuple[float, ...], float]:
    """Steps of the season (1: there is none), the longer periods that fit twice into the longest series, and the
    autocorrelation at the season.

    Parameters
    ----------
    series : without gaps, ``(steps,)`` each
    periods : candidates in steps, ascending
    """
    lengths = [len(one) for one in series]
    longest = max(lengths)
    chosen = [series[k] for k in np.argsort([-n for n in lengths], kind="stable")[:MOST_SERIES]]
    short = [round(p) for p in periods if p <= LONGEST_SEASON and 2.5 * p <= longest]
    found = {period: _autocorrelation(chosen, period) for period in short if period > 1}
    best = max(found.values(), default=0.0)
    season = next((p for p, r in found.items() if r >= LEAST and r >= NEAR * best), 1)
    long = tuple(p for p in periods if p > LONGEST_SEASON and 2 * p <= longest)
    return season, long, found.get(season, 0.0)


def _autocorrelation(series: Sequence[FloatArray], period: int) -> float:
    """Mean over series of the autocorrelation at a period, of what a moving mean over the period leaves."""
    found = []
    for values in series:
        values = values[-MOST_STEPS:]
        if len(values) < 2.5 * period:
            continue
        sums = np.cumsum(np.concatenate([[0.0], values]))
        trend = (sums[period:] - sums[:-period]) / period
        rest = values[period // 2 :][: len(trend)] - trend
        one, other = rest[period:], rest[:-period]
        size = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
        found.append(float(np.sum(one * other)) / size if size > 0 else 0.0)
    return float(np.mean(found)) if found else 0.0

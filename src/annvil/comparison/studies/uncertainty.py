"""How sure one may be of a score or a difference: by the rows it was measured on, and by the chance of a training.

Scores are one minus a mean loss per test row. The rows are the same on both sides, so differences are taken
row by row. Where the same network was trained several times, what it varies by is part of the uncertainty:
two trainings of one network on one data set differ, and a test that looks at the rows alone calls that a finding.

This is not the verdict's contrast (`annvil.comparison.contrast`), whose evidence are scores of several test folds: a
study has one division of the rows and several trainings on it, so what is paired are rows, not folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

RESAMPLES = 500
"""Bootstrap samples of an interval (assumed: a dozen lie beyond each end)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether 0 lies outside."""
        return not self.low <= 0.0 <= self.high


def score_interval(losses: FloatArray) -> Estimate:
    """One minus the mean loss ``(n_rows,)``: Wilson's interval for losses of 0 and 1, else that of the mean."""
    n, mean = len(losses), float(losses.mean())
    if np.isin(losses, (0.0, 1.0)).all():
        from scipy.stats import binomtest

        ends = binomtest(n - int(losses.sum()), n).proportion_ci(method="wilson")
        return Estimate(1 - mean, float(ends.low), float(ends.high))
    half = 1.959964 * float(losses.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    return Estimate(1 - mean, 1 - mean - half, 1 - mean + half)


def gain(
    first: Sequence[FloatArray], second: Sequence[FloatArray], groups: IntArray, chance: tuple[float, int] = (0.0, 0)
) -> Estimate:
    """How much better the second side scores than the first: mean loss of the first minus that of the second.

    Parameters
    ----------
    first, second : losses ``(n_rows,)`` of each training of a side, on the same rows
    groups : rows of one group count as one piece of evidence, int64 ``(n_rows,)``
    chance : variance of a score between trainings that differ by their seed alone, and its degrees of freedom
        (`between_trainings`); (0, 0) where that is not known, and then not part of the interval

    Notes
    -----
    Variance of the mean difference over rows, by groups, plus that of trainings; Student's t with Welch's and
    Satterthwaite's degrees of freedom. For losses of 0 and 1 each kind of disagreement gets half a row more
    (Agresti and Min, Statistics in Medicine 24, 2005), so that no disagreement at all is not certainty.
    """
    from scipy.special import stdtrit

    differences = np.mean(first, axis=0) - np.mean(second, axis=0)
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=differences)
    n, mean = len(differences), float(differences.mean())
    counted = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
    squares = float(np.square(sums - sums.mean()).sum()) + (1.0 if counted else 0.0)
    of_rows = squares / (n + (2 if counted else 0)) ** 2
    variance, freedom = chance
    of_trainings = variance * (1 / len(first) + 1 / len(second)) if freedom else 0.0
    total = of_rows + of_trainings
    if total == 0.0:
        return Estimate(mean, mean, mean)
    spread = of_rows**2 / max(len(sums) - 1, 1) + (of_trainings**2 / freedom if freedom else 0.0)
    half = float(stdtrit(max(total**2 / spread, 1.0), 0.975)) * math.sqrt(total)
    return Estimate(mean, mean - half, mean + half)


def between_trainings(sides: Sequence[Sequence[FloatArray]]) -> tuple[float, int]:
    """Variance of the score between trainings of one kind, pooled over the sides, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for side in sides:
        scores = [float(losses.mean()) for losses in side]
        if len(scores) > 1:
            squares += float(np.var(scores, ddof=1)) * (len(scores) - 1)
            freedom += len(scores) - 1
    return (squares / freedom if freedom else 0.0), freedom


def resampled(groups: IntArray, seed: int, n: int = RESAMPLES) -> FloatArray:
    """Weights of the rows in bootstrap samples of whole groups, float64 ``(n, n_rows)``; rows add up to 1."""
    _, numbers = np.unique(groups, return_inverse=True)
    n_groups = int(numbers.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n)
    weights = drawn[:, numbers].astype(np.float64)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def rows_to_reach(sizes: Sequence[int], scores: FloatArray, wanted: float) -> float:
    """Training rows with which a learning curve reaches a score, linear in the logarithm of the rows.

    A dip is passed over: more rows count as no worse. Infinite where it is never reached; 0 where the smallest
    size reaches it already (fewer would too, how few is not known).
    """
    best = np.maximum.accumulate(np.asarray(scores, dtype=np.float64))
    if best[0] >= wanted:
        return 0.0
    if best[-1] < wanted:
        return math.inf
    place = int(np.argmax(best >= wanted))
    between = slice(place - 1, place + 1)
    return float(np.exp(np.interp(wanted, best[between], np.log(sizes[between]))))

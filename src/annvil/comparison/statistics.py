"""How sure one may be that one side scores better than the other, from scores on the same test folds.

Folds of one data set share training rows, so the plain t-test is far too sure of itself: on two equal learners and
5 x 5-fold cross-validation it names a winner on 41-44% of data sets (measured: ``benchmarks/verdict.py``). Both methods
here widen it by the same amount, the part of rows that is tested:

- Bayesian correlated t-test: G. Corani, A. Benavoli, "A Bayesian approach for comparing cross-validated algorithms on
  multiple data sets", Machine Learning 100 (2015); A. Benavoli et al., "Time for a change: a tutorial for comparing
  multiple classifiers through Bayesian analysis", JMLR 18 (2017), section 3. The posterior of the mean difference is
  a Student t with N - 1 degrees of freedom, location the mean of the N differences, and squared scale
  ``(1/N + rho / (1 - rho)) s2`` with ``rho = n_test / (n_test + n_train)``, so ``rho / (1 - rho) = n_test / n_train``.
- corrected resampled t-test: C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52
  (2003): the same scale, read as a test.

With time-ordered splits the folds differ in how much they train on, and neither derivation covers that; the ratio of
mean sizes is used and the caveat is said beside the result (`verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.power_law import EXTRAPOLATION
from annvil.comparison.results import Posterior
from annvil.comparison.student import student_cdf, student_quantile
from annvil.text.quantities import round_up

LARGEST_FACTOR = 100.0
"""More than this many times the rows at hand is no reasonable answer to "how many rows would tell" (assumed)."""


ROWS_COUNT = 4.0
"""Degrees of freedom that the variance between test rows adds to that between folds (assumed; see `ROWS_SHARE`)."""

ROWS_SHARE = 1.5
"""The variance of a fold's difference, as a multiple of what comes from the rows that are tested: fits differ, too
(assumed; the false verdicts on equal learners are measured by ``benchmarks/verdict.py``)."""


def correlated_posterior(
    differences: Sequence[float], *, overlap: float, worth: float, row_variance: float | None = None
) -> Posterior | None:
    """Belief about the mean difference given one difference per test fold, or None with fewer than two folds.

    Parameters
    ----------
    differences : first side minus second, signed so that positive favours the first
    overlap : rho above, of folds of one data set; 0 where the differences are independent
    worth : half width of the region of practical equivalence, in the same unit, > 0
    row_variance : of one difference, as the test rows alone tell it (`jackknife_variance`); None: unknown. Few folds
        say little of their own variance; many test rows say much of the part that comes from them. The two are pooled
        as a scaled inverse chi-squared prior and a sample are (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6):
        a departure from the paper, where folds are all there is

    Notes
    -----
    Without any variance the posterior is a point: whichever of the three regions holds the mean has probability 1.
    """
    if len(differences) < 2:
        return None
    d = np.asarray(differences, dtype=np.float64)
    df, variance = float(len(d) - 1), float(d.var(ddof=1))
    if row_variance:
        variance = (df * variance + ROWS_COUNT * ROWS_SHARE * row_variance) / (df + ROWS_COUNT)
        df += ROWS_COUNT
    scale = math.sqrt((1.0 / len(d) + overlap / (1.0 - overlap)) * variance)
    return _posterior(d, scale, df, worth)


def posterior_of_rows(
    differences: Sequence[float], without_parts: Sequence[Sequence[float]], *, worth: float
) -> Posterior:
    """Belief about the mean difference of these fits from the rows that were tested, how fits differ left aside.

    Parameters
    ----------
    differences : one for each test fold, which share no rows
    without_parts : the difference of each fold without each of several parts of its rows (`jackknife_variance`)
    """
    d = np.asarray(differences, dtype=np.float64)
    variance = sum(jackknife_variance(parts) for parts in without_parts) / len(d) ** 2
    df = sum(len(parts) - 1 for parts in without_parts)
    return _posterior(d, math.sqrt(variance), float(df), worth)


def _posterior(d: NDArray[np.float64], scale: float, df: float, worth: float) -> Posterior:
    """A Student t around the mean of the differences."""
    mean = float(d.mean())
    p_first, p_equal, p_second = region_probabilities(mean, scale, df, worth)
    reach = scale * student_quantile(0.975, df)
    return Posterior(
        mean=mean,
        scale=scale,
        df=df,
        worth=worth,
        p_first=p_first,
        p_equal=p_equal,
        p_second=p_second,
        low=mean - reach,
        high=mean + reach,
        corrected_p=_two_sided(mean, scale, df),
        differences=tuple(float(x) for x in d),
    )


def jackknife_variance(without: Sequence[float]) -> float:
    """Variance of a statistic from its values without each of several parts of the rows, of equal size.

    The delete-a-group jackknife: B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9
    (1981).

    >>> round(jackknife_variance([0.9, 1.0, 1.1]), 4)
    0.0133
    """
    values = np.asarray(without, dtype=np.float64)
    return float((len(values) - 1) * values.var())


def region_probabilities(mean: float, scale: float, df: float, worth: float) -> tuple[float, float, float]:
    """P(difference > worth), P(within), P(difference < -worth) under a Student t; they sum to 1."""
    if scale == 0.0:
        return float(mean > worth), float(abs(mean) <= worth), float(mean < -worth)
    above = student_cdf((mean - worth) / scale, df)
    below = student_cdf((-mean - worth) / scale, df)
    return above, max(0.0, 1.0 - above - below), below


def _two_sided(mean: float, scale: float, df: float) -> float:
    """p-value of "no difference" in the corrected resampled t-test."""
    if scale == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return 2.0 * student_cdf(-abs(mean) / scale, df)


def rows_that_would_tell(
    posterior: Posterior,
    n_rows: int,
    *,
    confidence: float = 0.95,
    gap_change: Callable[[float], float] | None = None,
) -> int | None:
    """Rows with which the posterior would probably reach ``confidence`` in one region; None if not within reach.

    An extrapolation, not a promise: the scale is taken to shrink with the square root of the rows and the difference
    to stay, or to move by ``gap_change(factor)`` as the learning curves say (never beyond `EXTRAPOLATION` times the
    rows). The answer is rounded up to two digits; beyond `LARGEST_FACTOR` times the rows at hand it is None.
    """
    if max(posterior.p_first, posterior.p_equal, posterior.p_second) >= confidence:
        return n_rows
    for factor in np.geomspace(1.05, LARGEST_FACTOR, 120):
        mean = posterior.mean
        if gap_change is not None:
            mean += gap_change(min(float(factor), EXTRAPOLATION))
        regions = region_probabilities(mean, posterior.scale / math.sqrt(factor), posterior.df, posterior.worth)
        if max(regions) >= confidence:
            return round_up(factor * n_rows)
    return None

"""Ridge regression on many features, for several answers, penalties and folds at once, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg  # with its own BLAS, whose threads are bounded for all fits only if it is there before

from annvil.models.linear_fits import CHUNK_ROWS, Coefficients
from annvil.tasks.base import FloatArray, IntArray

SMALLEST = 1e-30
"""Mean square of features that never move: their fit is the mean of the answers."""


class Ridge:
    """Minimises ``|Y - F W - b|² + penalty · |W|²`` on any of the rows, with free intercepts ``b``.

    Products of features are made once for all rows; those of some rows are a part of them (where there are more
    features than rows), or what is left without the other rows. Then a fit is one Cholesky factor of the smaller size.

    Parameters
    ----------
    features : float32 ``(n_rows, n_features)``
    answers : float64 ``(n_rows, n_answers)``
    """

    def __init__(self, features: NDArray[np.float32], answers: FloatArray) -> None:
        self._features, self._answers = features, np.asarray(answers, dtype=np.float64)
        n_rows, n_features = features.shape
        self._wide = n_features > n_rows
        if self._wide:
            self._products = np.zeros((n_rows, n_rows))
            for start in range(0, n_features, CHUNK_ROWS // 16):
                block = features[:, start : start + CHUNK_ROWS // 16].astype(np.float64)
                self._products += block @ block.T
        else:
            self._sums = self._summed(np.arange(n_rows))

    def _summed(self, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Products of features with features and with answers, and sums of features, over rows."""
        n_features, n_answers = self._features.shape[1], self._answers.shape[1]
        products, moments = np.zeros((n_features, n_features)), np.zeros((n_features, n_answers))
        total = np.zeros(n_features)
        for start in range(0, len(rows), CHUNK_ROWS):
            chosen = rows[start : start + CHUNK_ROWS]
            block = self._features[chosen].astype(np.float64)
            products += block.T @ block
            moments += block.T @ self._answers[chosen]
            total += block.sum(axis=0)
        return products, moments, total

    def fit(self, rows: IntArray, penalties: Sequence[float]) -> list[Coefficients]:
        """Of these rows, for each penalty; these are parts of the mean square of the rows' centred features."""
        answers = self._answers[rows]
        middle = answers.mean(axis=0)
        if self._wide:
            products = self._products[np.ix_(rows, rows)]
            mean = products.mean(axis=0)
            products = products - mean - mean[:, None] + mean.mean()
            features = self._features[rows].astype(np.float64)
            means = features.mean(axis=0)
            features -= means
            right = answers - middle
        else:
            others = np.setdiff1d(np.arange(len(self._features)), rows)
            all_products, all_moments, all_sums = self._sums
            products, moments, total = all_products.copy(), all_moments, all_sums
            if len(others):
                less = self._summed(others)
                products, moments, total = products - less[0], moments - less[1], total - less[2]
            means = total / len(rows)
            products -= np.outer(total, means)
            right = moments - np.outer(total, middle)
        size = max(float(np.trace(products)) / len(rows), SMALLEST)
        found = []
        for penalty in penalties:
            solved = _solve(products, penalty * size, right)
            slopes = features.T @ solved if self._wide else solved
            found.append(Coefficients(slopes, middle - means @ slopes))
        return found


def _solve(products: FloatArray, penalty: float, right: FloatArray) -> FloatArray:
    system = products.copy()
    system.flat[:: len(system) + 1] += penalty
    factor = linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, right, check_finite=False))

"""The arithmetic of linear fits: a ridge path from one decomposition, logistic regression by the solver that suits."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.models.logistic_solvers import lbfgs_logistic, newton_logistic
from annvil.tasks.base import FloatArray, IntArray

NEWTON_PARAMETERS = 500
"""Up to so many coefficients Newton's method (one Cholesky factor a step) beats L-BFGS; measured on 2 cores."""

NEWTON_OF_SEVERAL = 100
"""… of more than two classes, up to so many: the curvature has a block for every pair of classes (26 classes of 2,000
rows: 0.85 s, L-BFGS 0.13; measured)."""

CURVED_FEATURES = 500
"""Up to so many features L-BFGS begins with their curvature (assumed); scikit-learn's takes more."""

MOST_STEPS = 500
"""Of scikit-learn's L-BFGS."""

CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class Coefficients:
    """``slopes`` float64 ``(n_features, n_outputs)`` and ``intercepts`` ``(n_outputs,)``."""

    slopes: FloatArray
    intercepts: FloatArray


class RidgePath:
    """Ridge regression for any penalty after one symmetric eigendecomposition.

    Minimises ``|y - X w - b|² + penalty |w|²`` with a free intercept. Of the two equivalent forms, normal equations
    ``(n_features, n_features)`` and kernel ``(n_rows, n_rows)``, the smaller is decomposed.

    Parameters
    ----------
    features : float32 ``(n_rows, n_features)``
    y : float64 ``(n_rows,)``
    """

    def __init__(self, features: NDArray[Any], y: FloatArray) -> None:
        y = np.asarray(y, dtype=np.float64).reshape(-1)
        n_rows, n_features = features.shape
        self._means = features.mean(axis=0, dtype=np.float64)
        self._mean_y = float(y.mean())
        self._wide = n_features > n_rows
        if self._wide:
            self._centred = features - self._means
            values, vectors = np.linalg.eigh(self._centred @ self._centred.T)
            self._projected = vectors.T @ (y - self._mean_y)
        else:
            gram = np.zeros((n_features, n_features))
            moment = np.zeros(n_features)
            for start in range(0, n_rows, CHUNK_ROWS):  # a float64 copy of everything would double the memory
                block = features[start : start + CHUNK_ROWS] - self._means
                gram += block.T @ block
                moment += block.T @ (y[start : start + CHUNK_ROWS] - self._mean_y)
            values, vectors = np.linalg.eigh(gram)
            self._projected = vectors.T @ moment
        self._values, self._vectors = np.maximum(values, 0.0), vectors

    def coefficients(self, penalty: float) -> Coefficients:
        """The solution for one penalty, ``penalty > 0``."""
        solved = self._vectors @ (self._projected / (self._values + penalty))
        slopes = self._centred.T @ solved if self._wide else solved
        intercept = self._mean_y - float(self._means @ slopes)
        return Coefficients(slopes[:, None], np.array([intercept]))


def fit_logistic(
    features: NDArray[Any], y: IntArray, n_classes: int, penalty: float, weights: FloatArray | None
) -> tuple[Coefficients, bool]:
    """Multinomial logistic regression, and whether the solver converged.

    Minimises ``sum of log-loss + penalty/2 |w|²`` (scikit-learn's ``C`` is ``1 / penalty``).

    Parameters
    ----------
    features : float32 ``(n_rows, n_features)``
    y : class codes; classes below ``n_classes`` that no row has get a probability of about ``1 / n_rows``
    weights : per class ``(n_classes,)``, or None
    """
    present = np.unique(y)
    n_rows, n_features = features.shape
    slopes = np.zeros((n_features, n_classes))
    intercepts = np.full(n_classes, -np.log(n_rows + 1.0))
    if len(present) == 1:
        intercepts[present] = 0.0
        return Coefficients(slopes, intercepts), True
    row_weights = None if weights is None else weights[y]
    found, converged = _solve(features, np.searchsorted(present, y), len(present), penalty, row_weights)
    if len(present) == 2:
        slopes[:, present[1]] = found[:-1, 0]
        intercepts[present] = 0.0, found[-1, 0]
    else:
        slopes[:, present] = found[:-1]
        intercepts[present] = found[-1]
    absent = np.setdiff1d(np.arange(n_classes), present)
    intercepts[absent] += intercepts[present].max()
    return Coefficients(slopes, intercepts), converged


def fit_labels(features: NDArray[Any], y: IntArray, penalty: float) -> tuple[Coefficients, bool]:
    """A logistic regression for each label of ``y`` 0 and 1 ``(n_rows, n_labels)``; whether all solvers converged.

    The penalty is the same for all; a label that no row or every row has is predicted so, less one row in doubt.
    """
    fits = [fit_logistic(features, y[:, k], 2, penalty, None) for k in range(y.shape[1])]
    slopes = np.stack([fit.slopes[:, 1] - fit.slopes[:, 0] for fit, _ in fits], axis=1)
    intercepts = np.array([fit.intercepts[1] - fit.intercepts[0] for fit, _ in fits])
    return Coefficients(slopes, intercepts), all(converged for _, converged in fits)


def _solve(
    features: NDArray[Any], y: IntArray, n_classes: int, penalty: float, row_weights: FloatArray | None
) -> tuple[FloatArray, bool]:
    """Coefficients as `newton_logistic` gives them, by the solver that suits their number."""
    n_features = features.shape[1]
    n_coefficients = (n_features + 1) * (1 if n_classes == 2 else n_classes)
    if n_coefficients <= (NEWTON_PARAMETERS if n_classes == 2 else NEWTON_OF_SEVERAL):
        return newton_logistic(features, y, n_classes, penalty, row_weights)
    if n_classes > 2 and n_features <= CURVED_FEATURES:
        return lbfgs_logistic(features, y, n_classes, penalty, row_weights)
    return _by_scikit_learn(features, y, penalty, row_weights)


def _by_scikit_learn(
    features: NDArray[Any], y: IntArray, penalty: float, row_weights: FloatArray | None
) -> tuple[FloatArray, bool]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0 / penalty, tol=1e-6, max_iter=MOST_STEPS)
    small = features.size <= 5_000_000  # float64 costs nothing there and converges further
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(features.astype(np.float64) if small else features, y, sample_weight=row_weights)
    for warning in caught:
        if not issubclass(warning.category, (ConvergenceWarning, RuntimeWarning)):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return np.concatenate([model.coef_.T, model.intercept_[None, :]]), converged

"""Linear fits whose slopes keep a sign: what a promised direction asks of coefficients of rising features.

L-BFGS-B (Byrd, Lu, Nocedal and Zhu 1995, SIAM Journal on Scientific Computing 16) on the penalised losses of
`annvil.models.linear_fits`: a bound is kept exactly, not by a penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.models.linear_fits import Coefficients
from annvil.tasks.base import FloatArray, IntArray

MOST_STEPS = 1000


class BoundedRidge:
    """As `annvil.models.linear_fits.RidgePath`, with the sign of ``signs`` ``(n_features,)``: 1, -1, or 0 for any."""

    def __init__(self, features: NDArray[Any], y: FloatArray, signs: IntArray) -> None:
        y = np.asarray(y, dtype=np.float64).reshape(-1)
        self._means, self._mean_y, self._signs = features.mean(axis=0, dtype=np.float64), float(y.mean()), signs
        centred = features - self._means
        self._gram, self._moment = centred.T @ centred, centred.T @ (y - self._mean_y)

    def coefficients(self, penalty: float) -> Coefficients:
        """The solution for one penalty, ``penalty > 0``."""

        def cost(slopes: FloatArray) -> tuple[float, FloatArray]:
            pulled = self._gram @ slopes + penalty * slopes
            return float(slopes @ (0.5 * pulled - self._moment)), pulled - self._moment

        slopes, _ = _minimised(cost, self._signs)
        return Coefficients(slopes[:, None], np.array([self._mean_y - float(self._means @ slopes)]))


def fit_bounded_logistic(
    features: NDArray[Any], y: IntArray, penalty: float, weights: FloatArray | None, signs: IntArray
) -> tuple[Coefficients, bool]:
    """Logistic regression of two classes, both with a row, as `annvil.models.linear_fits.fit_logistic` minimises it,
    and whether the solver converged. ``signs`` are of the slopes of the second class."""
    features, one = features.astype(np.float64), y == 1
    each = np.ones(len(y)) if weights is None else weights[y]

    def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
        slopes, intercept = parameters[:-1], parameters[-1]
        scores = features @ slopes + intercept
        loss = float(each @ np.logaddexp(0.0, np.where(one, -scores, scores)))
        surplus = each * (0.5 * (1 + np.tanh(scores / 2)) - one)
        slope = np.append(features.T @ surplus + penalty * slopes, surplus.sum())
        return loss + 0.5 * penalty * float(slopes @ slopes), slope

    found, converged = _minimised(cost, np.append(signs, 0))
    slopes = np.stack([np.zeros(len(signs)), found[:-1]], axis=1)
    return Coefficients(slopes, np.array([0.0, found[-1]])), converged


def _minimised(cost: Callable[[FloatArray], tuple[float, FloatArray]], signs: IntArray) -> tuple[FloatArray, bool]:
    from scipy.optimize import minimize

    bounds = [(0.0 if sign > 0 else None, 0.0 if sign < 0 else None) for sign in signs]
    options = {"maxiter": MOST_STEPS, "ftol": 1e-12, "gtol": 1e-7}
    found = minimize(cost, np.zeros(len(signs)), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x), bool(found.success)

"""Logistic regression in NumPy alone: there without scikit-learn, which finds the same coefficients.

The problem has one answer. Importing scikit-learn takes two seconds, and the first simple model must stand before that.

Newton's method for two classes; for more, L-BFGS that begins with the curvature of the inputs, so that their scales do
not matter: scikit-learn's begins with none and takes 384 steps (5.5 s) on 16,000 rows of 26 classes with columns of
unlike spread, this 107 (1.1 s; of equal spread 120 and 115; measured).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import FloatArray, IntArray

_Part = tuple[FloatArray, FloatArray, FloatArray]  # inputs and a 1, truth, weights

MOST_STEPS, MOST_LBFGS_STEPS, MOST_HALVINGS = 100, 500, 30
"""Newton's method needs about ten steps."""

REMEMBERED = 10
"""Steps from which L-BFGS learns the curvature (its authors' and SciPy's usual number)."""

TOLERANCE, LBFGS_TOLERANCE = 1e-8, 1e-6
"""Largest slope of the mean log-loss at which it has converged: one step more than 1e-6 takes."""

PART_VALUES = 250_000
"""Values of a part of the rows: 2 MB stay in the processor's cache, so that a step is a product, not memory traffic."""

KEPT_VALUES = 5_000_000
"""Up to so many values are kept in float64; a copy of more would double the memory."""


def newton_logistic(
    features: NDArray[np.floating], y: IntArray, n_classes: int, penalty: float, row_weights: FloatArray | None
) -> tuple[FloatArray, bool]:
    """Coefficients ``(n_features + 1, k)``, the intercepts last, and whether they converged.

    Minimises ``sum of weighted log-loss + penalty/2 |slopes|²``. Of two classes ``k`` is 1, the score of the second;
    of more it is ``n_classes``, and slopes and intercepts add up to 0 over the classes.

    Parameters
    ----------
    features : ``(n_rows, n_features)``
    y : codes ``(n_rows,)``; every class of ``range(n_classes)`` occurs
    row_weights : float64 ``(n_rows,)``, or None for 1
    """
    problem = _Problem(features, y, n_classes, penalty, np.ones(len(y)) if row_weights is None else row_weights)
    at = np.zeros((features.shape[1] + 1, problem.n_scores))
    loss = problem.loss(at)
    for _ in range(MOST_STEPS):
        slope, curvature = problem.slope_and_curvature(at)
        if np.abs(slope).max() <= TOLERANCE * problem.total_weight:
            return at, True
        step = _solved(curvature, slope.T.ravel()).reshape(problem.n_scores, -1).T
        gain, length = float(np.sum(slope * step)), 1.0
        for _ in range(MOST_HALVINGS):
            after = at - length * step
            if (then := problem.loss(after)) <= loss - 1e-4 * length * gain:
                break
            length /= 2
        else:
            return at, bool(np.abs(slope).max() <= 1e3 * TOLERANCE * problem.total_weight)  # rounding is all there is
        at, loss = after, then
    return at, False


def lbfgs_logistic(
    features: NDArray[np.floating], y: IntArray, n_classes: int, penalty: float, row_weights: FloatArray | None
) -> tuple[FloatArray, bool]:
    """The same for three classes and more by L-BFGS.

    J. Nocedal, S. Wright, Numerical Optimization, 2nd ed., algorithm 7.4. It begins with the curvature at equal
    probabilities, which is the same for all classes: one inverse of a matrix ``(n_features + 1)²``.
    """
    problem = _Problem(features, y, n_classes, penalty, np.ones(len(y)) if row_weights is None else row_weights)
    at = np.zeros((features.shape[1] + 1, problem.n_scores))
    inverse = np.asarray(np.linalg.inv(problem.curvature_of_equals()), dtype=np.float64)
    loss, slope = problem.loss_and_slope(at)
    steps: deque[tuple[FloatArray, FloatArray, float]] = deque(maxlen=REMEMBERED)
    for _ in range(MOST_LBFGS_STEPS):
        if np.abs(slope).max() <= LBFGS_TOLERANCE * problem.total_weight:
            return at, True
        direction = _two_loops(slope, steps, inverse)
        gain, length = float(np.sum(slope * direction)), 1.0
        for _ in range(MOST_HALVINGS):
            after = at - length * direction
            then, slope_then = problem.loss_and_slope(after)
            if then <= loss - 1e-4 * length * gain:
                break
            length /= 2
        else:
            return at, bool(np.abs(slope).max() <= 100 * LBFGS_TOLERANCE * problem.total_weight)
        step, change = after - at, slope_then - slope
        if (product := float(np.sum(step * change))) > 0.0:
            steps.append((step, change, product))
        at, loss, slope = after, then, slope_then
    return at, False


def _two_loops(
    slope: FloatArray, steps: deque[tuple[FloatArray, FloatArray, float]], inverse: FloatArray
) -> FloatArray:
    """The slope times what is known of the inverse curvature."""
    shares = []
    for step, change, product in reversed(steps):
        shares.append(float(np.sum(step * slope)) / product)
        slope = slope - shares[-1] * change
    result = inverse @ slope
    if steps:
        _, change, product = steps[-1]
        result *= product / float(np.sum(change * (inverse @ change)))
    for (step, change, product), share in zip(steps, reversed(shares), strict=True):
        result += (share - float(np.sum(change * result)) / product) * step
    return result


def _solved(curvature: FloatArray, slope: FloatArray) -> FloatArray:
    """Newton's step; where rounding has left no positive curvature, that of the least length."""
    try:
        factor = np.linalg.cholesky(curvature)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(curvature, slope, rcond=None)[0])
    return np.asarray(np.linalg.solve(factor.T, np.linalg.solve(factor, slope)))


class _Problem:
    """Penalised log-loss, its slope and its curvature, one part of the rows after another."""

    def __init__(
        self, features: NDArray[np.floating], y: IntArray, n_classes: int, penalty: float, weights: FloatArray
    ) -> None:
        self._features, self._y, self._weights, self._penalty = features, y, weights, penalty
        self.n_scores = 1 if n_classes == 2 else n_classes
        self.total_weight = float(weights.sum())
        self._n_rows = max(1, min(len(y), PART_VALUES // (features.shape[1] + 1)))  # of a part
        self._kept = list(self._made()) if features.size <= KEPT_VALUES else None

    def _parts(self) -> Iterable[_Part]:
        return self._made() if self._kept is None else self._kept

    def _made(self) -> Iterator[_Part]:
        for start in range(0, len(self._y), self._n_rows):
            here = slice(start, start + self._n_rows)
            block = self._features[here]
            inputs = np.concatenate([block, np.ones((len(block), 1))], axis=1, dtype=np.float64)
            truth = self._y[here, None] == (1 if self.n_scores == 1 else np.arange(self.n_scores))
            yield inputs, truth.astype(np.float64), self._weights[here]

    def loss(self, at: FloatArray) -> float:
        """The sum over rows, and the penalty."""
        total = self._penalty / 2 * float(np.sum(at[:-1] ** 2))
        for inputs, truth, weights in self._parts():
            scores = inputs @ at
            top = np.maximum(scores.max(axis=1), 0.0) if self.n_scores == 1 else scores.max(axis=1)
            powers = np.exp(scores - top[:, None]).sum(axis=1) + (np.exp(-top) if self.n_scores == 1 else 0.0)
            total += float(weights @ (top + np.log(powers) - np.sum(truth * scores, axis=1)))
        return total

    def loss_and_slope(self, at: FloatArray) -> tuple[float, FloatArray]:
        """Both from one product; of several classes."""
        loss, slope = self._penalty / 2 * float(np.sum(at[:-1] ** 2)), self._penalty * at
        slope[-1] = 0.0
        for inputs, truth, weights in self._parts():
            scores = inputs @ at
            scores -= scores.max(axis=1, keepdims=True)
            of_truth = np.sum(truth * scores, axis=1)
            np.exp(scores, out=scores)
            totals = scores.sum(axis=1)
            loss += float(weights @ (np.log(totals) - of_truth))
            scores /= totals[:, None]
            scores -= truth
            slope += inputs.T @ (scores * weights[:, None])
        return loss, slope

    def curvature_of_equals(self) -> FloatArray:
        """That of one class where all are equally probable ``(n_features + 1, n_features + 1)``."""
        curvature = np.diag(np.full(self._features.shape[1] + 1, self._penalty))
        curvature[-1, -1] = 0.0
        for inputs, _, weights in self._parts():
            root = inputs * np.sqrt(weights / self.n_scores)[:, None]
            curvature += root.T @ root
        return curvature

    def slope_and_curvature(self, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives ``(n_features + 1, k)``, and second ones with all coefficients of a class after each other.

        Intercepts of several classes may all be shifted: a term that is 0 where they add up to 0 forbids it.
        """
        n, k = at.shape
        weighted = np.empty((self._n_rows, n))  # made once: fresh memory costs more than the product
        slope = self._penalty * at
        slope[-1] = 0.0
        curvature = np.zeros((k, n, k, n))
        for inputs, truth, weights in self._parts():
            shares = self._shares(inputs @ at)
            slope += inputs.T @ ((shares - truth) * weights[:, None])
            for a in range(k):
                weight = np.sqrt(shares[:, a] * (1.0 - shares[:, a]) * weights)
                root = np.multiply(inputs, weight[:, None], out=weighted[: len(inputs)])
                curvature[a, :, a, :] += root.T @ root  # symmetric: half the work
                for b in range(a):
                    weight = shares[:, a] * shares[:, b] * weights
                    np.multiply(inputs, weight[:, None], out=weighted[: len(inputs)])
                    curvature[a, :, b, :] -= inputs.T @ weighted[: len(inputs)]
        for a in range(k):
            for b in range(a):
                curvature[b, :, a, :] = curvature[a, :, b, :]
            curvature[a, range(n - 1), a, range(n - 1)] += self._penalty
        if k > 1:
            curvature[:, -1, :, -1] += self.total_weight / k
        return slope, curvature.reshape(k * n, k * n)

    def _shares(self, scores: FloatArray) -> FloatArray:
        if self.n_scores == 1:
            return 0.5 * (1.0 + np.tanh(scores / 2))
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

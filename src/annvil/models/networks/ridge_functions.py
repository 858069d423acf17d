"""Sums of ridge functions, fitted by penalised Gauss-Newton steps: shapes, offsets and directions at once.

What first-order training leaves of a network of projections is slow to finish: steep ends of shapes and small turns of
directions take thousands of epochs. Given directions, shapes are a convex problem, and the turns that improve them
follow from their derivatives (projection pursuit: Friedman & Stuetzle 1981, whose step for a direction is this one). So
some steps of Gauss and Newton for everything end at the optimum that training only approaches. All in float64.

Shapes are hidden layers of tanh units at quantiles of the projection, with a straight line beside them; the penalty of
roughness is the mean square of their second derivative, in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from annvil.models.networks.orthonormal import leaving, retracted
from annvil.tasks.base import FloatArray, IntArray

STEPS, FEWEST_STEPS = 30, 4
"""Most and fewest Gauss-Newton steps (measured: 6 to 15 reach `ENOUGH`)."""

ENOUGH = 1e-6
"""Relative gain of the penalised loss below which the steps end (assumed)."""

STEP_SIZES = (1.0, 0.4, 0.1, 0.03)
"""Parts of a step that are tried, the first that gains being made (assumed)."""

UNITS = 14
"""Tanh units of a shape (assumed: the penalty, not their number, sets how smooth it is)."""

RIDGE = 1e-6
"""Of heights and lines, as a share of a row's loss (assumed): enough to tell collinear units apart."""

FIRST_SMOOTHNESS, SMOOTHNESS = 1e-3, (1e-7, 1e2)
"""Where it begins, and its limits (assumed: beyond them a shape of deviation 1 is free, or a line)."""

FIRST_SHRINKAGE, SHRINKAGE = 1e-4, (1e-7, 1.0)
"""The same of offsets (assumed)."""

CHUNK = 4096
"""Rows at a time (assumed: their derivatives stay in the cache)."""


@dataclass(frozen=True)
class Rows:
    """Prepared rows of a fit, float64: ``x (n, d)`` is projected, ``others (n, q)`` have offsets.

    ``y (n,)`` are numbers, or with ``logistic`` the classes 0 and 1; ``weights (n,)`` have mean 1.
    """

    x: FloatArray
    others: FloatArray
    y: FloatArray
    weights: FloatArray
    logistic: bool

    def take(self, rows: IntArray) -> Rows:
        """Those rows; their weights have mean 1 again."""
        weights = self.weights[rows]
        return Rows(self.x[rows], self.others[rows], self.y[rows], weights / weights.mean(), self.logistic)

    def chunks(self) -> Iterator[Rows]:
        """The same, some rows at a time; weights as they are."""
        for start in range(0, len(self.x), CHUNK):
            part = slice(start, start + CHUNK)
            yield Rows(self.x[part], self.others[part], self.y[part], self.weights[part], self.logistic)


@dataclass(frozen=True)
class Ridges:
    """``bias + sum_j f_j(x w_j) + others @ offsets``.

    ``f_j(z) = lines_j z + sum_m heights_jm tanh(slopes_jm z + shifts_jm)``

    Attributes
    ----------
    directions : the w_j as columns ``(d, k)``, orthonormal, 0 where ``support (d, k)`` is
    slopes, shifts, heights : ``(k, units)``
    lines : ``(k,)``
    smoothness : weights of the mean square second derivatives ``(k,)``, as a share of a row's loss
    shrinkage : weight of the offsets' squares, likewise
    """

    directions: FloatArray
    support: FloatArray
    slopes: FloatArray
    shifts: FloatArray
    heights: FloatArray
    lines: FloatArray
    offsets: FloatArray
    bias: float
    smoothness: FloatArray
    shrinkage: float

    @classmethod
    def of(cls, directions: FloatArray, support: FloatArray, rows: Rows) -> Ridges:
        """Flat shapes, with units where the projections of the rows lie."""
        k, z = directions.shape[1], rows.x @ directions
        centres = np.quantile(z, (np.arange(UNITS) + 0.5) / UNITS, axis=0).T
        spread = np.maximum(z.std(axis=0), 1e-6)[:, None]
        slopes = 1 / np.maximum(2 * np.gradient(centres, axis=1), 0.25 * spread)
        return cls(
            directions,
            support,
            slopes,
            -slopes * centres,
            np.zeros((k, UNITS)),
            np.zeros(k),
            np.zeros(rows.others.shape[1]),
            0.0,
            np.full(k, FIRST_SMOOTHNESS),
            FIRST_SHRINKAGE,
        )

    @property
    def k(self) -> int:
        """Projections."""
        return int(self.directions.shape[1])

    def units(self, z: FloatArray) -> FloatArray:
        """Of projections ``(n, k)``: ``(n, k, units)``."""
        return np.asarray(np.tanh(z[:, :, None] * self.slopes + self.shifts))

    def shapes(self, z: FloatArray) -> FloatArray:
        """``f_j`` of projections ``(n, k)``, the same shape."""
        return np.asarray(np.einsum("nkm,km->nk", self.units(z), self.heights) + z * self.lines)

    def scores(self, rows: Rows) -> FloatArray:
        """``(n,)``."""
        parts = [
            self.shapes(part.x @ self.directions).sum(axis=1) + part.others @ self.offsets + self.bias
            for part in rows.chunks()
        ]
        return np.concatenate(parts)

    def bends(self, units: FloatArray) -> FloatArray:
        """Second derivatives of the units, of their shape."""
        return np.asarray(-2 * self.slopes**2 * (units * (1 - units * units)))


def fit_ridges(start: Ridges, rows: Rows, *, turns: bool = True, steps: int = STEPS) -> Ridges:
    """The ridges of least penalised loss near ``start``, each as smooth as the rows ask for.

    The loss is half the squared error, or the cross-entropy. How smooth is set in every step by restricted maximum
    likelihood (the update of Wood & Fasiolo 2017, Biometrics 73: 1071-1081): so a line becomes a line, and a steep
    shape stays steep; and so is how far offsets are drawn to 0. With ``turns`` directions may turn within their
    support; else only the rest is fitted.
    """
    best = start
    for number in range(steps):
        step, smoothness, shrinkage = _step(best, rows, turns)
        least, found, gain = _penalised(best, rows), best, 0.0
        for size in STEP_SIZES:
            candidate = step(size)
            value = _penalised(candidate, rows)
            if value < least:
                found, gain = candidate, least - value
                break
        best = replace(found, smoothness=smoothness, shrinkage=shrinkage)
        if number >= FEWEST_STEPS and gain < ENOUGH * max(abs(least), 1e-12):
            break
    return best


def row_losses(rows: Rows, scores: FloatArray) -> FloatArray:
    """Of every row: half the squared error, or the cross-entropy."""
    if rows.logistic:
        return np.asarray(np.logaddexp(0.0, scores) - rows.y * scores)
    return np.asarray(0.5 * (rows.y - scores) ** 2)


def _penalised(ridges: Ridges, rows: Rows) -> float:
    total, rough = 0.0, np.zeros(ridges.k)
    for part in rows.chunks():
        z = part.x @ ridges.directions
        units = ridges.units(z)
        shapes = np.einsum("nkm,km->nk", units, ridges.heights) + z * ridges.lines
        scores = shapes.sum(axis=1) + part.others @ ridges.offsets + ridges.bias
        total += float(part.weights @ row_losses(part, scores))
        rough += part.weights @ np.einsum("nkm,km->nk", ridges.bends(units), ridges.heights) ** 2
    small = (ridges.heights**2).sum() + (ridges.lines**2).sum()
    drawn = 0.5 * ridges.shrinkage * float((ridges.offsets**2).sum())
    value = (total + 0.5 * float(rough @ ridges.smoothness)) / len(rows.x) + 0.5 * RIDGE * float(small) + drawn
    return value if np.isfinite(value) else float("inf")


@dataclass
class _Sums:
    """Over all rows, each by its weight: Hessian and gradient of the loss, the roughness of shapes, squared errors."""

    hessian: FloatArray
    gradient: FloatArray
    roughness: FloatArray  # (k, units, units)
    squares: float


def _sums(ridges: Ridges, rows: Rows, places: IntArray) -> _Sums:
    """Coefficients are heights, lines, offsets, the bias, and turns at ``places``, pairs of column and row."""
    n, k = len(rows.x), ridges.k
    size = k * UNITS + k + rows.others.shape[1] + 1 + len(places)
    sums = _Sums(np.zeros((size, size)), np.zeros(size), np.zeros((k, UNITS, UNITS)), 0.0)
    for part in rows.chunks():
        z = part.x @ ridges.directions
        units = ridges.units(z)
        shapes = np.einsum("nkm,km->nk", units, ridges.heights) + z * ridges.lines
        scores = shapes.sum(axis=1) + part.others @ ridges.offsets + ridges.bias
        blocks = [units.reshape(len(z), -1), z, part.others, np.ones((len(z), 1))]
        if len(places):
            rises = np.einsum("nkm,km->nk", 1 - units * units, ridges.slopes * ridges.heights) + ridges.lines
            blocks.append(rises[:, places[:, 0]] * part.x[:, places[:, 1]])
        jacobian, weights = np.concatenate(blocks, axis=1), part.weights / n
        chances = 1 / (1 + np.exp(-np.clip(scores, -30, 30))) if rows.logistic else scores
        curvature = np.maximum(chances * (1 - chances), 1e-4) if rows.logistic else np.ones(len(z))
        sums.hessian += (jacobian * (weights * curvature)[:, None]).T @ jacobian
        sums.gradient += jacobian.T @ (weights * (part.y - chances))
        sums.squares += float(weights @ (part.y - chances) ** 2)
        bends = ridges.bends(units).transpose(1, 2, 0)  # (k, units, n)
        sums.roughness += (bends * weights) @ bends.transpose(0, 2, 1)
    return sums


def _step(ridges: Ridges, rows: Rows, turns: bool) -> tuple[Callable[[float], Ridges], FloatArray, float]:
    """The step as a function of how much of it is made, and the smoothness and shrinkage to go on with."""
    k = ridges.k
    places = np.argwhere(ridges.support.T > 0) if turns else np.empty((0, 2), dtype=np.int64)
    sums = _sums(ridges, rows, places)
    hessian, gradient = sums.hessian, sums.gradient
    n_heights = k * UNITS
    n_own = n_heights + k + rows.others.shape[1]
    for j in range(k):
        part = slice(j * UNITS, (j + 1) * UNITS)
        rough = ridges.smoothness[j] * sums.roughness[j]
        hessian[part, part] += rough
        gradient[part] -= rough @ ridges.heights[j]
    own = np.concatenate([ridges.heights.ravel(), ridges.lines, ridges.offsets])
    diagonal = np.einsum("ii->i", hessian)
    ridge = np.full(n_own, RIDGE)
    ridge[n_heights + k :] = ridges.shrinkage
    diagonal[:n_own] += ridge
    gradient[:n_own] -= ridge * own
    diagonal += 1e-10 * diagonal.mean()
    if len(places):  # damped (Levenberg-Marquardt), and along the manifold
        diagonal[n_own + 1 :] *= 1 + 1e-3
        away = leaving(ridges.directions, places)
        hessian[n_own + 1 :, n_own + 1 :] += 10 * diagonal.max() * away.T @ away
    inverse = _inverse(hessian)
    change = inverse @ gradient
    noise = 1.0 if rows.logistic else sums.squares / max(1 - len(change) / len(rows.x), 0.1)
    smoothness = _smoothness(ridges, sums.roughness, inverse, noise / len(rows.x))
    part, offsets = slice(n_heights + k, n_own), ridges.offsets
    free = len(offsets) - ridges.shrinkage * float(np.trace(inverse[part, part]))
    shrinkage = _next(ridges.shrinkage, noise / len(rows.x), free, float(offsets @ offsets), SHRINKAGE)

    def made(size: float) -> Ridges:
        moved, directions = own + size * change[:n_own], ridges.directions
        if len(places):
            turn = np.zeros_like(directions)
            turn[places[:, 1], places[:, 0]] = size * change[n_own + 1 :]
            directions = retracted(directions, turn, ridges.support)
        return replace(
            ridges,
            directions=directions,
            heights=moved[:n_heights].reshape(k, UNITS),
            lines=moved[n_heights : n_heights + k],
            offsets=moved[n_heights + k :],
            bias=ridges.bias + size * float(change[n_own]),
        )

    return made, smoothness, shrinkage


def _inverse(matrix: FloatArray) -> FloatArray:
    """Of a symmetric matrix; where it has none, that of its large part."""
    try:
        found = np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        found = np.full_like(matrix, np.nan)
    return found if np.isfinite(found).all() else np.asarray(np.linalg.pinv(matrix, rcond=1e-12, hermitian=True))


def _smoothness(ridges: Ridges, roughness: FloatArray, inverse: FloatArray, noise: float) -> FloatArray:
    """For every shape ``noise (units - smoothness tr(H^-1 R)) / c'Rc``, at most 30 times what it was or the reverse."""
    made = []
    for j, (rough, now) in enumerate(zip(roughness, ridges.smoothness, strict=True)):
        part = slice(j * UNITS, (j + 1) * UNITS)
        free = UNITS - now * float(np.sum(inverse[part, part] * rough))
        bent = float(ridges.heights[j] @ rough @ ridges.heights[j])
        made.append(_next(float(now), noise, free, bent, SMOOTHNESS))
    return np.array(made)


def _next(now: float, noise: float, free: float, size: float, limits: tuple[float, float]) -> float:
    return float(np.clip(np.clip(noise * max(free, 1e-3) / size, now / 30, now * 30), *limits)) if size > 0 else now

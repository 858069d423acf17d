"""From trained directions to few and sparse ones: forms of a network of projections that the inner splits choose from.

A sum of ridge functions is not unique where shapes are straight: lines along several directions are one line along
their sum. So straight ones are merged, which leaves what is bent in directions of its own and at most one line beside
it. Then projections are kept that make up a share of the contributions (Yang et al. prune so: the top 95%), small
weights are set to 0, and the rest is made orthonormal again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from annvil.models.networks.orthonormal import orthonormal
from annvil.models.networks.ridge_functions import Ridges, Rows, fit_ridges, row_losses
from annvil.tasks.base import FloatArray

Forms = tuple[tuple[float, float], ...]

FORMS: Forms = ((1.0, 0.0), (0.99, 0.05), (0.97, 0.1), (0.95, 0.2))
"""Shares of the contributions that are kept, and parts of a projection's largest weight below which others become 0."""

NOTHING = 0.01
"""Part of a projection's largest weight below which a weight that was fitted is 0 in any form (assumed)."""

FEW_FORMS: Forms = (FORMS[0], FORMS[2])
"""Of a fit that has no time for all."""

STRAIGHT = 0.03
"""Share of all contributions' deviations up to which what of a shape is no line counts as none (assumed)."""

MOST_ROTATED, LEAST_ERRORS = 3, 4.0
"""Pairs of projections that are turned by 45 degrees at most, and standard errors by which their product must be missed
(assumed)."""

MOST_TURNED = 250
"""Weights that may turn in Gauss-Newton steps (assumed: their number to the second power is what a step costs)."""


@dataclass(frozen=True)
class Start:
    """Directions ``(d, k)``, orthonormal, 0 where the ``support`` is.

    ``small`` is the part of a projection's largest weight below which others count as 0.
    """

    directions: FloatArray
    support: FloatArray
    small: float = 0.0

    def fitted(self, rows: Rows, steps: int = 12) -> Ridges:
        """Shapes, offsets and, where there are not too many weights, directions for these rows.

        Weights that became ``small`` beside the largest of their projection are set to 0, and the rest fitted again.
        """
        turns = bool(self.support.sum() <= MOST_TURNED)
        found = fit_ridges(Ridges.of(self.directions, self.support, rows), rows, turns=turns, steps=steps)
        kept = self.support * _large(found.directions, self.small)
        if not turns or np.array_equal(kept, self.support):
            return found
        directions = orthonormal(found.directions, kept)
        if directions is None:
            return found
        return fit_ridges(replace(found, directions=directions, support=kept), rows, steps=max(2, steps // 2))


def forms_of(directions: FloatArray, rows: Rows, forms: Forms = FORMS) -> list[Start]:
    """Starts for fits with fewer and fewer weights, without repeats; those without a solution are left out.

    ``directions (d, k)`` were trained; ``rows`` are those that they were trained on.
    """
    everywhere = np.ones_like(directions)
    first = fit_ridges(Ridges.of(directions, everywhere, rows), rows, turns=False, steps=6)
    for _ in range(MOST_ROTATED):
        rotated = _rotated(first, rows)
        if rotated is None:
            break
        first = rotated
    columns, sizes = _merged(first, rows)
    share = np.cumsum(sizes) / max(sizes.sum(), 1e-300)
    found: list[Start] = []
    for kept, small in forms:
        k = int(min(len(sizes), np.sum(share < kept - 1e-9) + 1))
        support = _large(columns[:, :k], small)
        solved = orthonormal(columns[:, :k], support)
        if solved is None or any(np.array_equal(support, one.support) for one in found):
            continue
        found.append(Start(solved, support, max(small, NOTHING)))
    return found


def _large(directions: FloatArray, small: float) -> FloatArray:
    """1 where a weight is at least the part ``small`` of the largest of its column, else 0."""
    return np.asarray(np.abs(directions) >= small * np.abs(directions).max(axis=0)).astype(np.float64)


def _rotated(ridges: Ridges, rows: Rows) -> Ridges | None:
    """The two projections whose product is missed most, turned by 45 degrees and fitted; None where that is no gain.

    ``a² + b²`` is a saddle on the way to ``(a + b)²``: no small turn gains anything there, so it stays unfound.
    """
    if ridges.k < 2 or ridges.directions.size > MOST_TURNED:
        return None
    z, scores = rows.x @ ridges.directions, ridges.scores(rows)
    z = (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-12)
    missed = rows.weights * (rows.y - (1 / (1 + np.exp(-np.clip(scores, -30, 30))) if rows.logistic else scores))
    products = (z * missed[:, None]).T @ z
    spread = np.sqrt((z**2 * missed[:, None] ** 2).T @ z**2)
    errors = np.triu(np.abs(products) / np.maximum(spread, 1e-12), 1)
    i, j = np.unravel_index(int(errors.argmax()), errors.shape)
    if errors[i, j] < LEAST_ERRORS:
        return None
    directions = ridges.directions.copy()
    directions[:, [i, j]] = directions[:, [i, j]] @ (np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2))
    found = fit_ridges(Ridges.of(directions, ridges.support, rows), rows, steps=8)
    before, after = (rows.weights @ row_losses(rows, one) for one in (scores, found.scores(rows)))
    return found if after < before else None


def _merged(ridges: Ridges, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Directions whose shapes are bent, one for all lines; deviations of their contributions, the largest first."""
    z = rows.x @ ridges.directions
    z = z - np.average(z, axis=0, weights=rows.weights)
    shapes = ridges.shapes(rows.x @ ridges.directions)
    shapes = shapes - np.average(shapes, axis=0, weights=rows.weights)
    spread = np.maximum(np.average(z**2, axis=0, weights=rows.weights), 1e-12)
    lines = np.average(z * shapes, axis=0, weights=rows.weights) / spread
    sizes = np.sqrt(np.average(shapes**2, axis=0, weights=rows.weights))
    bent = np.sqrt(np.average((shapes - lines * z) ** 2, axis=0, weights=rows.weights))
    straight = bent <= STRAIGHT * sizes.sum()
    columns, deviations = [*ridges.directions[:, ~straight].T], [*sizes[~straight]]
    along = ridges.directions[:, straight] @ lines[straight]
    length = float(np.linalg.norm(along))
    if length > 0:
        columns.append(along / length)
        deviations.append(float(np.sqrt(np.average((z[:, straight] @ lines[straight]) ** 2, weights=rows.weights))))
    if not columns:
        columns, deviations = [ridges.directions[:, 0]], [0.0]
    order = np.argsort(-np.array(deviations), kind="stable")
    return np.stack(columns, axis=1)[:, order], np.array(deviations)[order]


def settled(ridges: Ridges, rows: Rows) -> Ridges:
    """The same sum with the largest contribution first and the largest weight of every projection positive."""
    order = np.argsort(-ridges.shapes(rows.x @ ridges.directions).std(axis=0), kind="stable")
    directions = ridges.directions[:, order]
    sign = np.where(directions[np.abs(directions).argmax(axis=0), np.arange(len(order))] < 0, -1.0, 1.0)
    return Ridges(
        directions * sign,
        ridges.support[:, order],
        ridges.slopes[order] * sign[:, None],
        ridges.shifts[order],
        ridges.heights[order],
        ridges.lines[order] * sign,
        ridges.offsets,
        ridges.bias,
        ridges.smoothness[order],
        ridges.shrinkage,
    )

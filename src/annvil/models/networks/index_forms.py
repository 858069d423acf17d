"""From trained directions to few and sparse ones: forms of a network of projections that the inner splits choose from.

A sum of ridge functions is not unique where shapes are straight: lines along several directions are one line along
their sum. So straight ones are merged, which leaves what is bent in directions of its own and at most one line beside
it. Then projections are kept that make up a share of the contributions (Yang et al. prune so: the top 95%), small
weights are set to 0, and the rest is made orthonormal again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.models.networks.orthonormal import orthonormal
from annvil.models.networks.ridge_functions import Ridges, Rows, fit_ridges
from annvil.tasks.base import FloatArray

Forms = tuple[tuple[float, float], ...]

FORMS: Forms = ((1.0, 0.0), (0.99, 0.05), (0.97, 0.1), (0.95, 0.2))
"""Shares of the contributions that are kept, and parts of a projection's largest weight below which others become 0."""

FEW_FORMS: Forms = (FORMS[0], FORMS[2])
"""Of a fit that has no time for all."""

STRAIGHT = 0.03
"""Share of all contributions' deviations up to which what of a shape is no line counts as none (assumed)."""

MOST_TURNED = 250
"""Weights that may turn in Gauss-Newton steps (assumed: their number to the second power is what a step costs)."""


@dataclass(frozen=True)
class Start:
    """Directions ``(d, k)``, orthonormal, 0 where the ``support`` is."""

    directions: FloatArray
    support: FloatArray

    def fitted(self, rows: Rows, steps: int = 12) -> Ridges:
        """Shapes, offsets and, where there are not too many weights, directions for these rows."""
        turns = self.support.sum() <= MOST_TURNED
        return fit_ridges(Ridges.of(self.directions, self.support, rows), rows, turns=bool(turns), steps=steps)


def forms_of(directions: FloatArray, rows: Rows, forms: Forms = FORMS) -> list[Start]:
    """Starts for fits with fewer and fewer weights, without repeats; those without a solution are left out.

    ``directions (d, k)`` were trained; ``rows`` are those that they were trained on.
    """
    everywhere = np.ones_like(directions)
    first = fit_ridges(Ridges.of(directions, everywhere, rows), rows, turns=False, steps=6)
    columns, sizes = _merged(first, rows)
    share = np.cumsum(sizes) / max(sizes.sum(), 1e-300)
    found: list[Start] = []
    for kept, small in forms:
        k = int(min(len(sizes), np.sum(share < kept - 1e-9) + 1))
        support = (np.abs(columns[:, :k]) >= small * np.abs(columns[:, :k]).max(axis=0)).astype(np.float64)
        solved = orthonormal(columns[:, :k], support)
        if solved is None or any(np.array_equal(support, one.support) for one in found):
            continue
        found.append(Start(solved, support))
    return found


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

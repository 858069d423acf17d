"""A generalised additive model of splines: a smooth curve of every number, an effect of every category, their sum.

Hastie and Tibshirani 1990, "Generalized additive models"; the smoothness is chosen as the linear model's penalty is.
"""

from __future__ import annotations

from annvil.models.jobs import Shape
from annvil.models.linear import Linear
from annvil.preparation import SplinePreparation
from annvil.preparation.splines import MOST_CURVES

MOST_VALUES = 300_000_000
"""Prepared numbers of all rows (assumed: 1.2 GB, and as much again while they are made)."""


class SplineAdditive(Linear):
    """Logistic or ridge regression on splines of numbers and on categories."""

    name = "spline-gam"
    title = "Spline additive model"
    preparation = SplinePreparation
    features_a_number = 2 + MOST_CURVES

    def declines(self, shape: Shape) -> str | None:
        """Where the splines of all rows would not go into memory."""
        if shape.n_rows * shape.n_numbers * self.features_a_number > MOST_VALUES:
            return "A spline additive model sits out: splines of so many rows and columns would take several GB."
        return None

"""What the recommended contender said of rows that its fold had not seen: all that is counted is counted in these."""

from __future__ import annotations

import numpy as np

from annvil.comparison.results import Comparison
from annvil.comparison.store import Store
from annvil.tasks.base import FloatArray, IntArray

MOST_HELD_OUT = 20_000
"""Rows that are kept of more (assumed: shares are then known to a third of a point)."""


def held_out_predictions(comparison: Comparison, store: Store) -> tuple[IntArray, FloatArray]:
    """Row numbers and outputs over the test folds of the first repeat; of more than `MOST_HELD_OUT` some, drawn."""
    contender = comparison.verdict.recommended
    folds = [fold for fold in comparison.folds if fold.contender == contender and not fold.repeat]
    parts = [store.predictions(contender, fold.job, fold.rung) for fold in folds]
    rows, outputs = (np.concatenate(each) for each in zip(*parts, strict=True))
    if len(rows) > MOST_HELD_OUT:
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), MOST_HELD_OUT, replace=False))
        rows, outputs = rows[chosen], outputs[chosen]
    return rows, outputs

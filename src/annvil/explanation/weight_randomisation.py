"""Whether contributions are those of what a network learnt: they must become others when its weights are shuffled.

Adebayo et al., "Sanity checks for saliency maps" (NeurIPS 2018, arXiv 1810.03292, section 3). Ranks are those of signed
contributions, column beside column within each row: their sizes agree for any network (0.10 to 0.30 in the mean,
measured on five tables), because a column that is far from its mean in a row moves every network more (their section
5).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from annvil.attribution.integrated_gradients import Integrated, integrated_gradients
from annvil.bundle.effects import Check
from annvil.data.table import Table
from annvil.explanation.faithfulness import RELY, by_column, rank_correlation
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray

MOST_ALIKE = 0.2
"""Mean rank correlation up to which contributions count as the network's own."""

SHUFFLINGS, FEWEST = 20, 10
"""Networks with shuffled weights, and how many must be had before time is over. Their correlations scatter by 0.2 to
0.3 (measured, few columns most), so the mean of 20 is known to 0.07: none of 25 networks failed by chance, of 10
shufflings 2 did."""

FEW_ROWS = 40
"""Rows that are looked at (assumed: networks scatter more than rows)."""

COARSE = 0.02
"""What contributions of shuffled networks may miss, as a part of the range of scores (assumed: ranks need no more)."""


def weight_randomisation(
    fitted: Fitted, rows: Table, explain: Callable[[Fitted], FloatArray | None], is_over: Callable[[], bool]
) -> Check | None:
    """The test of contributions of columns ``(n_rows, n_columns)``, which ``explain`` makes of a model.

    None of models without weights that can be shuffled, without contributions, of one column, and where time is over.

    Parameters
    ----------
    rows : whose contributions they are
    is_over : asked before each network
    """
    own, found = explain(fitted), []
    if own is None or own.shape[1] < 2 or not rows.n_rows:
        return None
    for seed in range(SHUFFLINGS):
        other = None if is_over() else fitted.shuffled(seed)
        others = None if other is None else explain(other)
        if others is None:
            break
        found.append(np.mean([rank_correlation(a, b) for a, b in zip(own, others, strict=True)]))
    if len(found) < FEWEST:
        return None
    value = float(np.mean(found))
    passed = value <= MOST_ALIKE
    how = f"mean rank correlation {value:z.2f} over {len(found)} networks, at most {MOST_ALIKE} is asked"
    said = f"With shuffled weights contributions become others ({how})."
    if not passed:
        said = f"{RELY} contributions of columns: with shuffled weights they stay much the same ({how})."
    return Check("weight randomisation", value, MOST_ALIKE, passed, said)


def contributions_of(fitted: Fitted, rows: Table, score: int, start: Table) -> FloatArray | None:
    """What each column adds to one of the explained scores ``(n_rows, n_columns)``: by the terms of a sum, by
    integrated gradients from the mean point of ``start`` otherwise; None of a model that has neither."""
    additive = fitted.additive()
    if additive is not None:
        parts = additive.contributions(rows)[:, :, score] - additive.contributions(start)[:, :, score].mean(axis=0)
        return by_column(parts, [term.columns for term in additive.terms], rows.names)
    found = along_gradients(fitted, rows, start)
    return None if found is None else found.contributions[:, :, score]


def along_gradients(fitted: Fitted, rows: Table, start: Table, tolerance: float = COARSE) -> Integrated | None:
    """Integrated gradients in memory, of a model that has some."""
    gradients = fitted.gradients(start)
    if gradients is None:
        return None
    at = gradients.at
    return integrated_gradients(lambda which, shares: at(rows.take(which), shares), rows.n_rows, tolerance)

"""Whether an explanation of rows of columns may be believed: tests with a number, a threshold and a sentence each.

Deletion: columns are set to what is typical, those first that are said to speak most for the score, and the score must
fall faster than in random orders (Petsiuk, Das and Saenko, RISE, BMVC 2018, arXiv 1806.07421, section 4.2).
The fall is signed: what speaks for the score is taken away, so that what speaks against it cannot hide it.
Stability: models of other draws of the same rows must rank the terms alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from annvil.bundle.effects import Check
from annvil.data.table import Table
from annvil.explanation.effects import Curve, importance
from annvil.explanation.refits import FEWEST_REFITS
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.ranks import average_ranks

LEAST_ERRORS = 2.0
"""Standard errors over rows by which the fall must be larger than at random."""

LEAST_AGREEMENT = 0.7
"""Mean rank correlation of importances that refits must reach with the model (assumed)."""

MOST_DEFECT = 1e-3
"""Part of the range of scores by which contributions may miss the prediction."""

ROUNDING = 1e-6
"""Part below which nobody need look at what is missed (assumed): sums in float32 miss some 1e-7."""

ORDERS, STEPS, MOST_ROWS = 4, 5, 80
"""Random orders, numbers of columns that are taken away, and rows (assumed: some 2,000 predictions)."""

RELY = "Do not rely on"
"""How a failure begins."""


def additivity(missed: FloatArray, scores: FloatArray) -> Check:
    """Of what contributions and base value miss of each row's score, and the scores: ``(n_rows, n_explained)``."""
    value = float(np.abs(missed).max(initial=0.0) / max(float(np.ptp(scores)), 1e-12))
    passed = value <= MOST_DEFECT
    missed_part = "but for rounding" if value < ROUNDING else f"but for {value:.1g} of the range of scores"
    how = f"contributions and base value add up to the score {missed_part}"
    said = how.capitalize() + "." if passed else f"{RELY} contributions as parts of a sum: {how}."
    return Check("additivity", value, MOST_DEFECT, passed, said)


def deletion(
    scores: Callable[[Table], FloatArray], rows: Table, contributions: FloatArray, *, seed: int = 0
) -> Check | None:
    """Whether taking away the columns that are said to speak most for a score makes it fall faster than others do.

    None where there is no order to test: of one column, of few rows, or where nothing changes the score.

    Parameters
    ----------
    scores : of rows one score each, float64 ``(n_rows,)``
    rows, contributions : what is explained, and what each column is said to contribute ``(n_rows, n_columns)``
    """
    chosen = np.unique(np.linspace(0, rows.n_rows - 1, min(rows.n_rows, MOST_ROWS)).astype(np.int64))
    typical, rows, contributions = typical_row(rows), rows.take(chosen), contributions[chosen]
    n_rows, n_columns = contributions.shape
    if n_columns < 2 or n_rows < 10:
        return None
    random = np.random.default_rng(seed)
    orders = [np.argsort(-contributions, axis=1, kind="stable")]
    orders += [np.argsort(random.random((n_rows, n_columns)), axis=1) for _ in range(ORDERS)]
    counts = np.unique(np.linspace(1, n_columns - 1, STEPS).round().astype(np.int64))
    gone = np.stack([np.argsort(order, axis=1) < count for order in orders for count in counts])
    found = scores(_without(rows, typical, gone.reshape(-1, n_columns)))
    falls = (scores(rows)[None] - found.reshape(len(orders), len(counts), n_rows)).mean(axis=1)
    gains = falls[0] - falls[1:].mean(axis=0)
    spread = float(gains.std(ddof=1))
    if spread <= 1e-9 * max(1.0, float(np.abs(falls).max())):
        return None
    value = float(gains.mean() / (spread / np.sqrt(n_rows)))
    passed = value >= LEAST_ERRORS
    how = (
        f"set to what is typical in the order of their contributions, columns take {value:.1f} standard errors more "
        f"from the score than in random order ({n_rows} rows)"
    )
    said = how.capitalize() + "." if passed else f"{RELY} the order of contributions: {how}."
    return Check("deletion", value, LEAST_ERRORS, passed, said)


def stability(curves: Sequence[Curve], refits: Sequence[Sequence[Curve]]) -> Check | None:
    """Whether models of other draws of the same rows rank the terms alike; None of fewer than three terms."""
    if len(curves) < 3 or len(refits) < FEWEST_REFITS:
        return None
    own = importances(curves)
    value = float(np.mean([rank_correlation(own, importances(one)) for one in refits]))
    passed = value >= LEAST_AGREEMENT
    how = f"{len(refits)} models of other draws of the same rows"
    agreement = f"mean rank correlation {value:.2f}, at least {LEAST_AGREEMENT} expected"
    said = f"{how.capitalize()} rank what matters alike ({agreement})."
    if not passed:
        said = f"{RELY} the order of importance: {how} rank otherwise ({agreement})."
    return Check("stability", value, LEAST_AGREEMENT, passed, said)


def importances(curves: Sequence[Curve]) -> FloatArray:
    """How far each term moves the score that it moves most."""
    return np.array([float(importance(curve).max(initial=0.0)) for curve in curves])


def rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Spearman's; of equal values each has their mean rank. 0 where one side has equal values only."""
    a, b = (average_ranks(values) - (len(values) + 1) / 2 for values in (one, other))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm else 0.0


def typical_row(rows: Table) -> Table:
    """One row of medians and most frequent categories, as no row need be; what most rows miss is missing."""
    columns = []
    for column in rows.columns:
        known = column.values[~column.missing]
        value: float = -1 if column.field.is_text else np.nan
        if len(known) * 2 >= len(column.values):
            middle = np.bincount(known).argmax() if column.field.is_text else np.quantile(known, 0.5, method="lower")
            value = float(middle)
        columns.append(replace(column, values=np.array([value], dtype=column.values.dtype)))
    return replace(rows, columns=tuple(columns), n_rows=1)


def by_column(contributions: FloatArray, terms: Sequence[Sequence[str]], names: Sequence[str]) -> FloatArray:
    """What each column contributes ``(n_rows, n_columns)``, of terms ``(n_rows, n_terms)``: columns share alike."""
    shares = [[(name in columns) / max(1, len(columns)) for name in names] for columns in terms]
    return np.asarray(contributions @ np.array(shares).reshape(len(terms), len(names)))


def _without(rows: Table, typical: Table, gone: IntArray) -> Table:
    """The rows over and over, as often as it takes, each with those columns at what is typical."""
    repeated = rows.take(np.tile(np.arange(rows.n_rows), len(gone) // rows.n_rows))
    columns = [
        replace(column, values=np.where(gone[:, place], typical.columns[place].values[0], column.values))
        for place, column in enumerate(repeated.columns)
    ]
    return replace(repeated, columns=tuple(columns))

"""Preparation for linear models (and distances): every column on the same footing, nothing curved but the skewed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from annvil.data.table import Table
from annvil.preparation.base import NothingPart, Part, Preparation, Scaling
from annvil.preparation.categories import (
    TextColumn,
    about_columns,
    lookup_part,
    missing_columns,
    one_hot,
    plus_minus_one,
    text_columns,
)
from annvil.preparation.learning import cycles, normal_scores, standardised, summarise, unscaled
from annvil.task import Task

LEAST_ROWS = 3
"""Levels in fewer rows are pooled (measured: 10 costs linear models up to 0.05 of R² and 0.03 of log loss on tables
with many levels, 1 and 2 gain nothing)."""

MOST_COLUMNS = 100
"""Most one-hot columns per category (assumed, for memory; 300 gained 0.02 of R² on one table of 23)."""


class LinearPreparation(Preparation):
    """Standardised numbers with medians and indicators for missing ones, one-hot categories with rare levels pooled.

    Columns with a skewness beyond 1 also come as normal scores: a line in the values and a line in the ranks. Measured
    on 23 public tables (5 folds, up to 6000 rows, logistic or ridge regression): R² of concrete strength 0.61 → 0.82,
    log loss of shoppers' purchases 0.299 → 0.251, better on 17 and worse by at most 0.004 on the others. Robust scaling
    with a smooth clip instead of standardising helps half of them a little more, but bends what is truly a line.
    """

    @classmethod
    def fit(
        cls,
        inputs: Table,
        *,
        scaling: Scaling = "robust",
        y: NDArray[Any] | None = None,
        task: Task | None = None,
        seed: int = 0,
    ) -> LinearPreparation:
        """The preparation that these training rows ask for; the target is not looked at.

        ``scaling="none"`` leaves numbers as they are, without normal scores.
        """
        parts: list[Part] = []
        n_continuous = 0
        summary = summarise(inputs, cyclic=True)
        if summary is not None:
            curves = normal_scores(summary) if scaling == "robust" else None
            scaled = standardised(summary) if scaling == "robust" else unscaled(summary)
            cyclic = cycles(inputs)
            parts += [part for part in (scaled, curves, cyclic) if part is not None]
            n_continuous = len(summary.source.features)
        columns = text_columns(inputs)
        if columns:
            parts.append(_categories(columns))
        return cls(inputs.schema, tuple(parts or [NothingPart()]), n_continuous=n_continuous)


def _categories(columns: Sequence[TextColumn]) -> Part:
    two = [column for column in columns if column.n_levels <= 2]
    more = [column for column in columns if column.n_levels > 2]
    lookups = [plus_minus_one(column) for column in two]
    lookups += [one_hot(column, least=LEAST_ROWS, most=MOST_COLUMNS) for column in more]
    pooled = f"one-hot, levels in fewer than {LEAST_ROWS} rows and beyond {MOST_COLUMNS} columns pooled"
    about = [*about_columns(two, "as -1 or +1"), *about_columns(more, pooled), *missing_columns(columns)]
    return lookup_part(lookups, about)

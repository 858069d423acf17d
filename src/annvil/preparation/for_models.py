"""What each family of models takes: preparations for linear models (and distances), for networks and for trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from annvil.data.table import Table
from annvil.preparation.base import Asked, FloatMatrix, NothingPart, Part, Preparation, with_levels
from annvil.preparation.categories import (
    LookupPart,
    TextColumn,
    about_columns,
    embedding_codes,
    lookup_part,
    missing_columns,
    one_hot,
    plus_minus_one,
    text_columns,
)
from annvil.preparation.column_statistics import (
    NumberSummary,
    as_they_are,
    cycles,
    normal_scores,
    robustly_scaled,
    standardised,
    summarise,
    unscaled,
)
from annvil.preparation.numbers import CurvePart
from annvil.preparation.splines import spline_curves
from annvil.preparation.target_encoding import target_means

LEAST_ROWS = 3
"""Levels in fewer rows are pooled for linear models (measured: 10 costs up to 0.04 of R² and 0.025 of log loss on
tables with many levels, 1 and 2 gain nothing)."""

MOST_COLUMNS = 100
"""Most one-hot columns per category for linear models (assumed, for memory; 300 gained 0.02 of R² on one table of
23)."""

MOST_ONE_HOT = 8
"""Categories with more levels are embedded (RealMLP-TD, arXiv 2407.04491: at most 8, missing not counted), or become
target means for trees (assumed)."""

ONE_HOT_HEIGHT = 2 / (1 + (2 / 3) ** 2) ** 0.5
"""What RealMLP's robust scale and smooth clip make of a 1 in a one-hot column whose quartiles are 0: 1.664. Its shift
by the median is left out, since it would move unknown levels away from zero."""


class LinearPreparation(Preparation):
    """Standardised numbers with medians and indicators for missing ones, one-hot categories with rare levels pooled.

    Columns with a skewness beyond 1 also come as normal scores: a line in the values and a line in the ranks. Measured
    on 23 public tables (5 folds, up to 6000 rows, logistic or ridge regression with the penalty searched, one seed), R²
    or log loss against standardising alone and pooling below 10 rows: better on 17, worse by at most 0.004 on 4; most
    on concrete strength (0.61 → 0.82) and shoppers' purchases (0.299 → 0.251). Robust scaling with a smooth clip in
    place of standardising gained a little on 12 of them, but bends what is truly a line. Normal scores of *all* numbers
    gained more on most tables with many rows (0.06 of log loss on letters) and lost on small ones (0.02 on 300 rows by
    19 columns): that would be another model, no longer a line.

    The target is not looked at. ``scaling="none"`` leaves numbers as they are, without normal scores.
    """

    @classmethod
    def _learnt(cls, inputs: Table, asked: Asked) -> tuple[Self, None]:
        parts: list[Part] = []
        summary = summarise(inputs, cyclic=True)
        if summary is not None:
            robust = asked.get("scaling", "robust") == "robust"
            scaled = standardised(summary) if robust else unscaled(summary)
            others = cls._curves(summary, asked) if robust else None, cycles(inputs)
            parts += [scaled, *(part for part in others if part is not None)]
        pooled = f"one-hot, levels in fewer than {LEAST_ROWS} rows and beyond {MOST_COLUMNS} columns pooled"
        parts += _looked_up(text_columns(inputs), pooled, least=LEAST_ROWS, most=MOST_COLUMNS)
        n_continuous = 0 if summary is None else summary.n_columns
        return cls(inputs.schema, tuple(parts or [NothingPart()]), n_continuous=n_continuous), None

    @classmethod
    def _curves(cls, summary: NumberSummary, asked: Asked) -> CurvePart | None:
        """What of numbers goes into the model beside the numbers themselves."""
        return normal_scores(summary)

    @property
    def without_tails(self) -> tuple[int, ...]:
        """Of each number or date the place of its feature; of a skewed one that of its (last) curve."""
        places, start = list(range(self.n_continuous)), 0
        for part in self.parts:
            if isinstance(part, CurvePart):
                for offset, column in enumerate(part.columns):
                    places[column] = start + offset
            start += len(part.features)
        return tuple(places)


class SplinePreparation(LinearPreparation):
    """As for linear models, with spline curves of every number in place of the normal scores of skewed ones."""

    @classmethod
    def _curves(cls, summary: NumberSummary, asked: Asked) -> CurvePart | None:
        return spline_curves(summary, asked.get("monotone", ()))


class NetworkPreparation(Preparation):
    """RealMLP's preparation (Holzmüller et al. 2024, arXiv 2407.04491, section 3.1), with missing values added.

    Numbers, days and days between dates: median to 0, distance of the quartiles to 1, smooth clip at ±3; the day of the
    year, the weekday and the minute of the day (or month and hour, where those tell as much) as sine and cosine; two
    levels as ±1; up to 8 levels one-hot, an unknown one zero everywhere; more levels as codes for a trained embedding.
    Departures: a missing number becomes the median and is marked in an indicator column, and a missing category is a
    level of its own where training rows have one (RealMLP refuses the former and gives the latter a zero vector).

    The target is not looked at. ``scaling="none"`` leaves numbers as they are.
    """

    @classmethod
    def _learnt(cls, inputs: Table, asked: Asked) -> tuple[Self, None]:
        parts: list[Part] = []
        summary = summarise(inputs, cyclic=True)
        if summary is not None:
            robust = asked.get("scaling", "robust") == "robust"
            cyclic = cycles(inputs)
            parts += [robustly_scaled(summary) if robust else unscaled(summary), *([] if cyclic is None else [cyclic])]
        small, large = _small_and_large(inputs)
        parts += _looked_up(small, "one-hot", height=ONE_HOT_HEIGHT)
        coded = embedding_codes(large) if large else None
        n_continuous = 0 if summary is None else summary.n_columns
        return cls(inputs.schema, tuple(parts or [NothingPart()]), coded, n_continuous), None


class TreePreparation(Preparation):
    """Numbers and dates unscaled with missing values kept, categories as 0 to 8 columns or as target means.

    Trees learn from what `fit_transform` returns: there each row's target means come from other rows, which ``seed``
    deals to the folds of the cross-fitting. ``y`` and ``task`` are needed when a category has more than 8 levels;
    ``scaling`` changes nothing, since trees see only the order of numbers.
    """

    @classmethod
    def _learnt(cls, inputs: Table, asked: Asked) -> tuple[Self, FloatMatrix | None]:
        summary = summarise(inputs, cyclic=False)
        parts: list[Part] = [] if summary is None else [as_they_are(summary)]
        small, large = _small_and_large(inputs)
        parts += _looked_up(small, "one-hot", keeps_missing=True)
        cross_fitted = None
        if large:
            y, task = asked.get("y"), asked.get("task")
            assert y is not None, "categories with many levels need the target"
            assert task is not None, "the target needs its meaning"
            lookups, cross_fitted = target_means(large, y, task, asked.get("seed", 0))
            names = with_levels({column.name: column.n_levels for column in large})
            what = "as smoothed target means, for each training row from other rows; unknown levels as the mean."
            parts.append(LookupPart(lookups, (f"{names} {what}",)))
        n_continuous = 0 if summary is None else summary.n_columns
        return cls(inputs.schema, tuple(parts or [NothingPart()]), n_continuous=n_continuous), cross_fitted


def _small_and_large(inputs: Table) -> tuple[list[TextColumn], list[TextColumn]]:
    columns = text_columns(inputs)
    small = [column for column in columns if column.n_levels <= MOST_ONE_HOT]
    return small, [column for column in columns if column.n_levels > MOST_ONE_HOT]


def _looked_up(columns: Sequence[TextColumn], what: str, *, keeps_missing: bool = False, **how: Any) -> list[Part]:
    """A part for columns of two levels as -1 and +1 and of more as `one_hot` makes them; none without columns."""
    if not columns:
        return []
    two = [column for column in columns if column.n_levels <= 2]
    more = [column for column in columns if column.n_levels > 2]
    lookups = [plus_minus_one(column, keeps_missing=keeps_missing) for column in two]
    lookups += [one_hot(column, **how) for column in more]
    signs = "as -1 or +1, missing values stay missing" if keeps_missing else "as -1 or +1"
    missing = missing_columns(more if keeps_missing else columns)
    return [lookup_part(lookups, [*about_columns(two, signs), *about_columns(more, what), *missing])]

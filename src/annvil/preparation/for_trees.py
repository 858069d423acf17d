"""Preparation for trees: numbers as they are, small categories one-hot, large ones as cross-fitted target means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from annvil.data.table import Table
from annvil.preparation.base import NothingPart, Part, Preparation, Prepared, Scaling, some
from annvil.preparation.categories import (
    LookupPart,
    TextColumn,
    about_columns,
    lookup_part,
    missing_columns,
    one_hot,
    plus_minus_one,
    text_columns,
)
from annvil.preparation.column_statistics import as_they_are, summarise
from annvil.preparation.target_encoding import target_means
from annvil.tasks.base import Task

MOST_ONE_HOT = 8
"""Categories with more levels become target means (assumed, as in `NetworkPreparation`)."""


class TreePreparation(Preparation):
    """Numbers and dates unscaled with missing values kept, categories as 0 to 8 columns or as target means.

    Trees learn from what `fit_transform` returns: there each row's target means come from other rows.
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
    ) -> TreePreparation:
        """The preparation for new rows; ``y`` and ``task`` are needed when a category has more than 8 levels.

        ``scaling`` changes nothing: trees see only the order of numbers.
        """
        return cls.fit_transform(inputs, scaling=scaling, y=y, task=task, seed=seed)[0]

    @classmethod
    def fit_transform(
        cls,
        inputs: Table,
        *,
        scaling: Scaling = "robust",
        y: NDArray[Any] | None = None,
        task: Task | None = None,
        seed: int = 0,
    ) -> tuple[TreePreparation, Prepared]:
        """The preparation for new rows, and the training rows with cross-fitted target means.

        ``seed`` deals the rows to the folds of the cross-fitting.
        """
        parts: list[Part] = []
        summary = summarise(inputs, cyclic=False)
        if summary is not None:
            parts.append(as_they_are(summary))
        columns = text_columns(inputs)
        small = [column for column in columns if column.n_levels <= MOST_ONE_HOT]
        large = [column for column in columns if column.n_levels > MOST_ONE_HOT]
        if small:
            parts.append(_small_categories(small))
        n_continuous = 0 if summary is None else len(summary.source.features)
        if not large:
            fitted = cls(inputs.schema, tuple(parts or [NothingPart()]), n_continuous=n_continuous)
            return fitted, fitted.transform(inputs)
        assert y is not None, "categories with many levels need the target"
        assert task is not None, "the target needs its meaning"
        lookups, cross_fitted = target_means(large, y, task, seed)
        names = some([f"{column.name} ({column.n_levels} levels)" for column in large])
        about = f"{names} as smoothed target means, for each training row from other rows; unknown levels as the mean."
        fitted = cls(inputs.schema, (*parts, LookupPart(lookups, (about,))), n_continuous=n_continuous)
        prepared = fitted.transform(inputs)
        prepared.numbers[:, -cross_fitted.shape[1] :] = cross_fitted
        return fitted, prepared


def _small_categories(columns: Sequence[TextColumn]) -> Part:
    two = [column for column in columns if column.n_levels <= 2]
    more = [column for column in columns if column.n_levels > 2]
    lookups = [plus_minus_one(column, keeps_missing=True) for column in two] + [one_hot(column) for column in more]
    about = [
        *about_columns(two, "as -1 or +1, missing values stay missing"),
        *about_columns(more, "one-hot"),
        *missing_columns(more),
    ]
    return lookup_part(lookups, about)

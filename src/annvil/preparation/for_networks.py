"""Preparation for networks, after RealMLP: robust scale, smooth clip, small categories one-hot, large ones as codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from annvil.data.table import Table
from annvil.preparation.base import NothingPart, Part, Preparation, Scaling
from annvil.preparation.categories import (
    TextColumn,
    about_columns,
    embedding_codes,
    lookup_part,
    missing_columns,
    one_hot,
    plus_minus_one,
    text_columns,
)
from annvil.preparation.column_statistics import cycles, robustly_scaled, summarise, unscaled
from annvil.tasks.base import Task

MOST_ONE_HOT = 8
"""Categories with more levels are embedded (RealMLP-TD, arXiv 2407.04491: at most 8, missing not counted)."""

ONE_HOT_HEIGHT = 2 / (1 + (2 / 3) ** 2) ** 0.5
"""What RealMLP's robust scale and smooth clip make of a 1 in a one-hot column whose quartiles are 0: 1.664. Its shift
by the median is left out, since it would move unknown levels away from zero."""


class NetworkPreparation(Preparation):
    """RealMLP's preparation (Holzmüller et al. 2024, arXiv 2407.04491, section 3.1), with missing values added.

    Numbers and days: median to 0, distance of the quartiles to 1, smooth clip at ±3; months, weekdays and hours as sine
    and cosine; two levels as ±1; up to 8 levels one-hot, an unknown one zero everywhere; more levels as codes for a
    trained embedding. Departures: a missing number becomes the median and is marked in an indicator column, and a
    missing category is a level of its own where training rows have one (RealMLP refuses the former and gives the latter
    a zero vector).
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
    ) -> NetworkPreparation:
        """The preparation that these training rows ask for; the target is not looked at.

        ``scaling="none"`` leaves numbers as they are.
        """
        parts: list[Part] = []
        n_continuous = 0
        summary = summarise(inputs, cyclic=True)
        if summary is not None:
            parts.append(robustly_scaled(summary) if scaling == "robust" else unscaled(summary))
            n_continuous = len(summary.source.features)
            cyclic = cycles(inputs)
            parts += [] if cyclic is None else [cyclic]
        columns = text_columns(inputs)
        small = [column for column in columns if column.n_levels <= MOST_ONE_HOT]
        large = [column for column in columns if column.n_levels > MOST_ONE_HOT]
        if small:
            parts.append(_small_categories(small))
        coded = embedding_codes(large) if large else None
        return cls(inputs.schema, tuple(parts or [NothingPart()]), coded, n_continuous)


def _small_categories(columns: Sequence[TextColumn]) -> Part:
    two = [column for column in columns if column.n_levels <= 2]
    more = [column for column in columns if column.n_levels > 2]
    lookups = [plus_minus_one(column) for column in two] + [one_hot(column, height=ONE_HOT_HEIGHT) for column in more]
    about = [*about_columns(two, "as -1 or +1"), *about_columns(more, "one-hot"), *missing_columns(columns)]
    return lookup_part(lookups, about)

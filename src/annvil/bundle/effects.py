"""What a model's terms do, as data: curves, pairs and projections with their bands, what was tested, what is said."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from annvil.tasks.base import FloatArray


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an effect is drawn over.

    Attributes
    ----------
    column : its name; of a projection its name for people
    kind : of the column: "number", "datetime", "category", "boolean"; or "projection"
    values : of numbers, dates (seconds since 1970-01-01 UTC) and projections, ascending
    levels : of categories and booleans, the most frequent first
    density : shares of rows: of each level, or of equal bins from the first value to the last
    missing : share of rows without a value
    """

    column: str
    kind: str
    values: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    density: tuple[float, ...] = ()
    missing: float = 0.0

    def __len__(self) -> int:
        return len(self.levels or self.values)


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one term adds to a score, 0 on average over the rows.

    Attributes
    ----------
    axes : one, or two of a pairwise interaction
    output : what it is added to: "log-odds of 'yes'", or the target
    method : "exact" (the model is a sum), "accumulated local effects" or "partial dependence"
    values : along the axis; of a pair row by row, the second axis running faster
    low, high : pointwise 95% band over refits, of the same length; empty where there were none
    missing : value, and low and high where there are bands, of rows without a value; empty where none miss it
    lines : along an axis of numbers or dates, the same of single summary points, which are no rows (individual
        conditional expectation); empty where the model is a sum: they would all be the same line
    certain : share of rows where refits agree about the sign; None without bands, and of what acts on few rows only
    importance : standard deviation of what it adds over the rows
    columns, features, weights : of a projection; the columns are those that its features are made of
    mistrust : why it should not be relied on; empty where nothing speaks against it
    """

    axes: tuple[Axis, ...]
    output: str
    method: Literal["exact", "accumulated local effects", "partial dependence"]
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    missing: tuple[float, ...] = ()
    lines: tuple[tuple[float, ...], ...] = ()
    certain: float | None = None
    importance: float = 0.0
    columns: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    mistrust: str = ""

    @property
    def name(self) -> str:
        """For people: ``"age"``, ``"age × income"``."""
        return " × ".join(axis.column for axis in self.axes)

    def grid(self, values: tuple[float, ...] | None = None) -> FloatArray:
        """``values``, or others of the effect such as ``low``, in the shape of its axes."""
        return np.array(self.values if values is None else values).reshape([len(axis) for axis in self.axes])


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test of whether an explanation may be believed; ``said``: what was found, and what a failure means."""

    name: str
    value: float
    threshold: float
    passed: bool
    said: str

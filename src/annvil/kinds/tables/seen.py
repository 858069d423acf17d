"""What a model's training rows held, column by column, and what is told of rows to predict that hold something else.

A model answers whatever it is asked; only the training rows say where its answers have a ground. Kept are the range of
numbers and dates and the categories, never a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.convert import LARGEST
from annvil.data.readers.dates import date_text
from annvil.data.table import Column, Field, Table
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed, quoted
from annvil.text.quantities import number, part_of

MARGIN = 0.1
"""How far beyond the range seen a number may lie untold, in parts of the range (assumed: the largest of new rows is
usually a little larger than that of the training rows)."""

MOST_LEVELS = 1_000
"""Categories of a column that are kept (assumed: in columns of more, new ones are the rule)."""

MOST_CHARACTERS = 1 << 19
"""Of all categories together, so that a manifest stays small (assumed)."""

MOST_NAMED = 4
"""Columns and categories that are named in a notice."""

Bound = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What training rows held in a column: nothing known by default.

    Attributes
    ----------
    range : smallest and largest number, or date in seconds since 1970
    levels : categories, sorted
    """

    range: tuple[Bound, Bound] | None = None
    levels: tuple[str, ...] | None = None


def seen_in(table: Table) -> tuple[Seen, ...]:
    """What these rows hold, for every column in order."""
    left, found = MOST_CHARACTERS, []
    for column in table.columns:
        one = _levels(column, left) if column.field.is_text else _range(column)
        left -= sum(map(len, one.levels or ()))
        found.append(one)
    return tuple(found)


def _range(column: Column) -> Seen:
    present = column.values[~np.isnan(column.values)]
    return Seen(range=(float(present.min()), float(present.max()))) if len(present) else Seen()


def _levels(column: Column, most_characters: int) -> Seen:
    counts = np.bincount(column.values + 1, minlength=len(column.levels) + 1)[1:]
    levels = sorted(level for level, n in zip(column.levels, counts.tolist(), strict=True) if n)
    if len(levels) > MOST_LEVELS or sum(map(len, levels)) > most_characters:
        return Seen()
    try:
        "".join(levels).encode()
    except UnicodeEncodeError:  # half a character, which JSON cannot hold
        return Seen()
    return Seen(levels=tuple(levels))


class SeenRows:
    """What training rows held, made ready for comparing rows with it."""

    def __init__(self, fields: Sequence[Field], seen: Sequence[Seen]) -> None:
        self.fields, self.seen = tuple(fields), tuple(seen)

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Below and above which numbers and dates are told, ``(n_numbers,)`` each; infinite where nothing is known."""
        ranges = [one.range for field, one in zip(self.fields, self.seen, strict=True) if not field.is_text]
        low, high = np.array([found or (-np.inf, np.inf) for found in ranges]).reshape(-1, 2).T
        margin = MARGIN * (high - low)
        return low - margin, high + margin

    @cached_property
    def levels(self) -> dict[str, frozenset[str]]:
        """Categories of each column of which they are known."""
        known = zip(self.fields, self.seen, strict=True)
        return {field.name: frozenset(one.levels) for field, one in known if one.levels is not None}

    def notices(self, table: Table) -> Iterator[str]:
        """What is unlike the training rows, a sentence for each way of being so.

        Parameters
        ----------
        table : of these fields
        """
        if outside := [self._outside(table, place) for place in self._columns_outside(table)]:
            yield f"Out of the range of the training data: {listed(outside, MOST_NAMED)}."
        unseen = {column.name: rows for column in table.columns if (rows := self._unseen(column)) is not None}
        if unseen:
            told = [self._new_levels(column, unseen[column.name]) for column in table.columns if column.name in unseen]
            yield f"Unseen categories, of which the model has learnt nothing: {listed(told, MOST_NAMED)}."
        if len(self.levels) > 1 and len(unseen) and (n := self._nothing_known(table, unseen)):
            yield f"No category is known to the model in {part_of(n, table.n_rows, 'row')}."
        if n := _all_missing(table):
            yield f"Every value is missing in {part_of(n, table.n_rows, 'row')}: the prediction rests on nothing."

    def _columns_outside(self, table: Table) -> list[int]:
        numbers = table.numbers()
        low, high = self.bounds
        if not numbers.size:
            return []
        outside = (numbers < low) | (numbers > high)
        return np.flatnonzero(outside.any(axis=0)).tolist() if outside.any() else []

    def _outside(self, table: Table, place: int) -> str:
        column = [column for column in table.columns if not column.field.is_text][place]
        one = self.seen[table.columns.index(column)]
        assert one.range is not None
        below, above = column.values < self.bounds[0][place], column.values > self.bounds[1][place]
        rows = below | above
        farthest = float(column.values[above].max() if above.any() else column.values[below].min())
        low, high, far = (_shown(value, column.field) for value in (*one.range, farthest))
        between = f"{low} to {high}" if low != high else f"always {low}"
        return f"{quoted(column.name)}{_where(rows)} ({far}; training {between})"

    def _unseen(self, column: Column) -> NDArray[np.bool_] | None:
        """Rows whose category is new, bool ``(n_rows,)``; None where there are none."""
        known = self.levels.get(column.name)
        if known is None or known.issuperset(column.levels):
            return None
        new = np.array([*(level not in known for level in column.levels), False])
        rows = new[column.values]
        return rows if rows.any() else None

    def _new_levels(self, column: Column, rows: NDArray[np.bool_]) -> str:
        names = [quoted(column.levels[code]) for code in np.unique(column.values[rows])]
        more = ", …" * (len(names) > MOST_NAMED)
        return f"{quoted(column.name)}{_where(rows)} ({', '.join(names[:MOST_NAMED])}{more})"

    def _nothing_known(self, table: Table, unseen: dict[str, NDArray[np.bool_]]) -> int:
        """Rows in which all categories are new, or missing."""
        rows = np.any(list(unseen.values()), axis=0)
        for column in table.columns:
            if column.name in self.levels:
                rows &= unseen.get(column.name, False) | column.missing
        return int(rows.sum())


def _all_missing(table: Table) -> int:
    rows = np.ones(table.n_rows, dtype=bool)
    for column in table.columns:
        rows &= column.missing
        if not rows.any():
            return 0
    return int(rows.sum())


def _where(rows: NDArray[np.bool_]) -> str:
    """How many rows, where there is more than one: ``" in 3 of 1,000 rows"``."""
    return f" in {part_of(int(rows.sum()), len(rows), 'row')}" if len(rows) > 1 else ""


def _shown(value: float, field: Field) -> str:
    if field.kind == "datetime":
        return date_text(value)[:10]
    return number(value)

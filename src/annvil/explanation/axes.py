"""Over which values of a column its effect is looked at, and tables in which one column runs through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.bundle.effects import Axis
from annvil.data.table import Column, Table
from annvil.tasks.base import FloatArray

POINTS = 31
"""Values of a column of numbers (assumed)."""

TAIL = 0.01
"""Share of rows at either end that an axis leaves out: single extreme values would squeeze all others (assumed)."""

MOST_LEVELS = 40
"""Categories that are looked at, at most, the most frequent (assumed)."""

FEWEST_OF_LEVEL, SHARE_OF_LEVEL = 20, 0.05
"""Rows that a category must have, or this share of few: of fewer nothing is known, and they may be persons (assumed; as
`annvil.attribution.background` has it)."""

BINS = 24
"""Bins of the density of rows under an axis (assumed)."""


def axis_of(column: Column, points: int = POINTS, *, by_rows: bool = False) -> Axis | None:
    """The values of a column that are looked at (`places`); None of a column without two of them."""
    known = column.values[~column.missing]
    missing = 1 - len(known) / max(1, len(column.values))
    if column.field.is_text:
        counts = np.bincount(known, minlength=len(column.levels)).astype(np.float64)
        least = min(FEWEST_OF_LEVEL, max(2, SHARE_OF_LEVEL * len(column.values)))
        order = [int(code) for code in np.argsort(-counts, kind="stable") if counts[code] >= least]
        order = order[:MOST_LEVELS]
        if len(order) < 2:
            return None
        levels = tuple(column.levels[code] for code in order)
        return Axis(column.name, column.kind, (), levels, tuple((counts[order] / len(column.values)).tolist()), missing)
    values = places(known, points, by_rows=by_rows)
    if len(values) < 2:
        return None
    return Axis(
        column.name, column.kind, tuple(values.tolist()), (), density(known, values, len(column.values)), missing
    )


def places(known: FloatArray, points: int = POINTS, *, by_rows: bool = False) -> FloatArray:
    """The distinct values where there are few, else places within the range of all but the extreme ones, ascending:
    half of them evenly spaced over the range and half over the rows, or all over the rows (``by_rows``)."""
    distinct = np.unique(known)
    if len(distinct) < 2:
        return np.asarray(distinct)
    low, high = np.quantile(known, [TAIL, 1 - TAIL])
    if low == high:
        low, high = distinct[[0, -1]]
    distinct = distinct[(distinct >= low) & (distinct <= high)]
    if len(distinct) <= points // 2:
        return np.asarray(distinct)
    inside, half = known[(known >= low) & (known <= high)], points if by_rows else points // 2 + 1
    wanted = np.quantile(inside, np.linspace(0, 1, half))
    if not by_rows:
        wanted = np.concatenate([np.linspace(low, high, half), wanted])
    if np.all(known == np.round(known)):
        wanted = np.round(wanted)
    return _apart(np.unique(wanted))


def _apart(values: FloatArray) -> FloatArray:
    """Without values that lie so near to the one before that nobody sees the difference."""
    least = (values[-1] - values[0]) / 1000
    kept = [True, *(b - a > least for a, b in pairwise(values))]
    return np.asarray(values[kept])


def density(known: FloatArray, values: FloatArray, n_rows: int) -> tuple[float, ...]:
    """Shares of the rows in equal bins between the first and the last of ``values``."""
    counts, _ = np.histogram(known, BINS, (float(values[0]), float(values[-1])))
    return tuple((counts / max(1, n_rows)).tolist())


def laid_out(table: Table, grids: Sequence[Sequence[Axis]]) -> tuple[Table, list[slice]]:
    """A table in which the columns of one grid after another run through its values, all others as in the first row.

    A grid of one axis ends with a row that misses the value, where rows do; of two, the second runs faster; of none
    there are no rows. The second result is where the rows of each grid are.
    """
    blocks = [_block(table, axes) for axes in grids]
    ends = np.cumsum([0, *(len(next(iter(block.values()), ())) for block in blocks)])
    spans = [slice(int(a), int(b)) for a, b in pairwise(ends)]
    columns = []
    for column in table.columns:
        values = np.repeat(column.values[:1], ends[-1])
        for block, span in zip(blocks, spans, strict=True):
            if column.name in block:
                values[span] = block[column.name]
        columns.append(replace(column, values=values))
    return replace(table, columns=tuple(columns), n_rows=int(ends[-1])), spans


def _block(table: Table, axes: Sequence[Axis]) -> dict[str, NDArray[Any]]:
    by_name = {column.name: column for column in table.columns}
    each = [stored(by_name[axis.column], axis, missing=len(axes) == 1) for axis in axes]
    if len(each) < 2:
        return {axis.column: one for axis, one in zip(axes, each, strict=True)}
    first, second = each
    return {axes[0].column: np.repeat(first, len(second)), axes[1].column: np.tile(second, len(first))}


def stored(column: Column, axis: Axis, *, missing: bool = False) -> NDArray[Any]:
    """The values of an axis as the column stores them; with ``missing`` and rows that miss it, that at the end."""
    if column.field.is_text:
        found = [column.levels.index(level) for level in axis.levels]
        return np.array([*found, -1] if missing and axis.missing else found, dtype=column.values.dtype)
    return np.array([*axis.values, np.nan] if missing and axis.missing else axis.values)


def at_rows(column: Column, axis: Axis, effect: FloatArray) -> FloatArray:
    """What an effect along an axis (the last value of rows that miss it, where there are such) is at each row.

    Between values in a straight line, beyond the axis as at its end; 0 for categories that are not on it.
    """
    if column.field.is_text:
        found = np.zeros(len(column.levels) + 1)
        found[stored(column, axis, missing=True)] = effect
        return np.asarray(found[column.values])
    along = np.interp(column.values, axis.values, effect[: len(axis)])
    return np.where(column.missing, effect[-1] if axis.missing else 0.0, along)

"""Effects of any model, from its predictions alone.

Of numbers and dates: accumulated local effects (Apley and Zhu, "Visualizing the effects of predictor variables in black
box supervised learning models", Journal of the Royal Statistical Society B 82(4), 2020, section 2): how predictions of
the rows in a small interval change from its one end to its other, averaged, and summed up along the axis. Rows are
moved within their interval only, so that columns which go together are not torn apart, as partial dependence does. Of
categories, which have no order to move along: partial dependence (Friedman, Annals of Statistics 29(5), 2001, section
8.2), the mean prediction when all rows have that category; and so of a missing value, beside what rows have.

Beside them the predictions of single points as one column changes (individual conditional expectation: Goldstein,
Kapelner, Bleich and Pitkin, Journal of Computational and Graphical Statistics 24(1), 2015): lines that are not parallel
show that a column acts together with others. They are centred as the effect is, over the rows, not at one end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from annvil.bundle.effects import Axis
from annvil.data.table import Column, Table
from annvil.explanation.axes import at_rows, axis_of, stored
from annvil.explanation.effects import Curve
from annvil.tasks.base import FloatArray

MOST_COLUMNS, SCREENED_ROWS = 60, 20
"""Columns that are looked at, and rows by which they are chosen where there are more (assumed: nobody reads more)."""

LINES = 8
"""Single points whose lines are drawn (assumed)."""

CELLS = 10_000_000
"""Values of a table that a model is asked about at once while columns are chosen (assumed: 80 MB)."""

Scores = Callable[[Table], FloatArray]
"""Of rows the scores that are explained, float64 ``(n_rows, n_explained)``."""

LOCAL_POINTS = 21
"""Ends of intervals of a column (assumed)."""

LOCAL_ROWS, DEPENDENCE_ROWS, DEPENDENCE_CALLS = 800, 150, 2000
"""Rows whose local changes are averaged, rows whose categories are changed, and predictions of a column of many
(assumed)."""


@dataclass(frozen=True)
class LocalLayout:
    """Rows that are asked about: one table for all columns, so that a model is called once.

    Attributes
    ----------
    columns, axes : those with an effect to look at; what stands for the data
    sample : rows that the model is asked about, columns in the same order
    asked, spans : these with one column changed after another, and where those of each column are among them
    """

    columns: tuple[Column, ...]
    axes: tuple[Axis, ...]
    sample: Table
    asked: Table
    spans: tuple[slice, ...]

    @classmethod
    def of(cls, rows: Table, *, most: int = LOCAL_ROWS, names: Sequence[str] | None = None, seed: int = 0) -> Self:
        """For these rows, of which at most so many are asked about, and these columns (`screened`) or all; the axes are
        those of all rows."""
        looked_at = [one for one in rows.columns if names is None or one.name in names]
        pairs = [(column, axis_of(column, LOCAL_POINTS, by_rows=True)) for column in looked_at]
        found = [(column, axis) for column, axis in pairs if axis is not None]
        random = np.random.default_rng(seed)
        sample = rows.take(np.sort(random.permutation(rows.n_rows)[:most]))
        blocks = [_asked(_column(sample, column.name), axis) for column, axis in found]
        ends = np.cumsum([0, *(len(places) for places, _ in blocks)])
        asked = sample.take(np.concatenate([places for places, _ in blocks]) if blocks else np.arange(0))
        spans = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        for (column, _), (_, values), span in zip(found, blocks, spans, strict=True):
            changed = _column(asked, column.name).values.copy()
            changed[span] = values
            asked = asked.with_column(replace(column, values=changed))
        return cls(tuple(c for c, _ in found), tuple(a for _, a in found), sample, asked, spans)

    def curves(self, scores: Scores) -> list[Curve]:
        """The effect of each column on the scores of a model."""
        found, here = scores(self.asked), scores(self.sample)
        curves = []
        for column, axis, span in zip(self.columns, self.axes, self.spans, strict=True):
            effect = _effect(_column(self.sample, column.name), axis, found[span], here)
            at = np.stack([at_rows(column, axis, one) for one in effect.T], axis=1)
            total = _total(_column(self.sample, column.name), found[span], here)
            curves.append(Curve((axis,), effect - at.mean(axis=0), at - at.mean(axis=0), total=total))
        return curves


def with_lines(curves: Sequence[Curve], rows: Table, points: Table, scores: Scores) -> list[Curve]:
    """The curves of numbers and dates with those of single points ``points``, at most `LINES` of them, the first."""
    points = points.take(slice(0, LINES))
    grids = [axis.values if len(curve.axes) == 1 else () for curve in curves for axis in curve.axes[:1]]
    wanted = [np.repeat(np.array(values), points.n_rows) for values in grids]
    ends = np.cumsum([0, *map(len, wanted)])
    asked = points.take(np.tile(np.arange(points.n_rows), int(ends[-1]) // max(1, points.n_rows)))
    for curve, values, start in zip(curves, wanted, ends, strict=False):
        if len(values):
            column = _column(asked, curve.axes[0].column)
            changed = column.values.copy()
            changed[start : start + len(values)] = values
            asked = asked.with_column(replace(column, values=changed))
    found = scores(asked) if asked.n_rows else np.empty((0, 0))
    made = []
    for curve, values, start in zip(curves, wanted, ends, strict=False):
        lines = None
        if len(values):
            part = found[start : start + len(values)].reshape(len(values) // points.n_rows, points.n_rows, -1)
            lines = _centred(part.transpose(1, 0, 2), curve.axes[0], rows)
        made.append(replace(curve, lines=lines))
    return made


def _centred(lines: FloatArray, axis: Axis, rows: Table) -> FloatArray:
    """Lines ``(n_lines, n_points, n_explained)``, each 0 on average over the rows that have a value."""
    column = _column(rows, axis.column)
    known = column.values[~column.missing]
    means = [[np.interp(known, axis.values, line[:, k]).mean() for k in range(lines.shape[2])] for line in lines]
    return np.asarray(lines - np.array(means)[:, None, :])


def screened(rows: Table, scores: Scores) -> tuple[str, ...]:
    """The columns to look at: all, or of very many those that change the scores most where rows swap their values."""
    if len(rows.columns) <= MOST_COLUMNS:
        return rows.names
    few = rows.take(np.linspace(0, rows.n_rows - 1, min(rows.n_rows, SCREENED_ROWS)).astype(np.int64))
    here, at_once = scores(few), max(1, CELLS // (few.n_rows * len(rows.columns)))
    changes: list[float] = []
    for start in range(0, len(rows.columns), at_once):
        part = rows.columns[start : start + at_once]
        asked = few.take(np.tile(np.arange(few.n_rows), len(part)))
        for place, column in enumerate(part):
            swapped = _column(asked, column.name).values.copy()
            span = slice(place * few.n_rows, (place + 1) * few.n_rows)
            swapped[span] = np.roll(swapped[span], few.n_rows // 2)
            asked = asked.with_column(replace(column, values=swapped))
        found = scores(asked).reshape(len(part), *here.shape)
        changes += np.abs(found - here).mean(axis=(1, 2)).tolist()
    kept = set(np.argsort(-np.array(changes), kind="stable")[:MOST_COLUMNS].tolist())
    return tuple(name for place, name in enumerate(rows.names) if place in kept)


def _column(table: Table, name: str) -> Column:
    return table.columns[table.names.index(name)]


def _asked(column: Column, axis: Axis) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Rows, and the values that the column gets in them."""
    if column.field.is_text:
        levels = stored(column, axis, missing=True)
        rows = _some(len(column.values), DEPENDENCE_CALLS // len(levels))
        some = _some(len(column.values))
        others = column.values[np.random.default_rng(len(some)).permutation(some)]
        return np.concatenate([np.tile(rows, len(levels)), some]), np.concatenate(
            [np.repeat(levels, len(rows)), others]
        )
    inside, interval = _intervals(column, axis)
    ends = np.array(axis.values)
    without = _some(len(column.values)) if axis.missing else np.arange(0)
    places = np.concatenate([inside, inside, without])
    return places, np.concatenate([ends[interval], ends[interval + 1], np.full(len(without), np.nan)])


def _intervals(column: Column, axis: Axis) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows within the axis, and the interval each lies in, the first with its lower end; where none lies in an
    interval, the row that is nearest to it."""
    ends = np.array(axis.values)
    inside = np.flatnonzero((column.values >= ends[0]) & (column.values <= ends[-1]))
    interval = np.maximum(np.searchsorted(ends, column.values[inside]) - 1, 0)
    empty = np.setdiff1d(np.arange(len(ends) - 1), interval)
    known = np.flatnonzero(~column.missing)
    away = np.abs(column.values[known][None] - (ends[empty] + ends[empty + 1])[:, None] / 2)
    nearest = known[away.argmin(axis=1)] if len(empty) and len(known) else np.arange(0)
    return np.concatenate([inside, nearest]), np.concatenate([interval, empty[: len(nearest)]])


def _effect(column: Column, axis: Axis, found: FloatArray, here: FloatArray) -> FloatArray:
    """Along the axis, and last of a missing value where rows miss it, not yet centred, ``(n, n_explained)``."""
    if column.field.is_text:
        n_levels = len(axis) + bool(axis.missing)
        of_levels = found[: -len(_some(len(column.values)))]
        effect = of_levels.reshape(n_levels, -1, found.shape[1]).mean(axis=1)
        shares = np.array([*axis.density, axis.missing][:n_levels])
        return np.asarray(effect - shares @ effect / shares.sum())  # 0 is the mean: what is not on the axis is there
    inside, interval = _intervals(column, axis)
    changes = found[len(inside) : 2 * len(inside)] - found[: len(inside)]
    counts = np.bincount(interval, minlength=len(axis) - 1)[:, None]
    sums = np.zeros((len(axis) - 1, found.shape[1]))
    np.add.at(sums, interval, changes)
    effect = np.concatenate([np.zeros((1, found.shape[1])), np.cumsum(sums / np.maximum(counts, 1), axis=0)])
    if not axis.missing:
        return effect
    known = ~column.missing
    along = np.stack([np.interp(column.values[known], axis.values, one) for one in effect.T], axis=1)
    some = _some(len(column.values))
    apart = found[2 * len(inside) :].mean(axis=0) - here[some[~column.missing[some]]].mean(axis=0)
    return np.concatenate([effect, [along.mean(axis=0) + apart]])


def _total(column: Column, found: FloatArray, here: FloatArray) -> FloatArray | None:
    """Of categories how far they move scores, rare ones too, which are on no axis: root of half the mean square of the
    change when rows swap them (Jansen, Computer Physics Communications 117, 1999); of a sum the standard deviation."""
    if not column.field.is_text:
        return None
    some = _some(len(column.values))
    return np.asarray(np.sqrt(np.square(found[-len(some) :] - here[some]).mean(axis=0) / 2))


def _some(n_rows: int, most: int = DEPENDENCE_ROWS) -> NDArray[np.int64]:
    """Rows whose categories are changed: evenly spread."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, DEPENDENCE_ROWS, most)).astype(np.int64))

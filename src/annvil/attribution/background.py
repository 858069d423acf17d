"""A background that reveals no person: summary points of groups of rows.

Rows are cut into groups at the median of the direction in which they differ most, the widest group first, as long as
both halves have `FEWEST` members: multivariate microaggregation (Domingo-Ferrer and Mateo-Sanz, IEEE Transactions on
Knowledge and Data Engineering 14(1), 2002) by the cuts of LeFevre, DeWitt and Ramakrishnan, "Mondrian multidimensional
k-anonymity" (ICDE 2006). A point stands for one group: its numbers are means, rounded as the data are, with extreme
values held within the percentiles 1 and 99; its texts are those that most of the group have, of those that `FEWEST`
members of all have. Departures: cuts follow principal directions; a point like which there are few rows is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import FloatArray, IntArray

FEWEST = 20
"""Members of a group, and of all that must have a text for it to be shown (assumed; 3 to 10 are usual)."""

MOST = 32
"""Points at most (assumed: every explanation calls the model for each of them)."""

ENOUGH_ROWS = 5_000
"""Rows that are looked at, drawn evenly; more hardly move a mean of a group."""

SAID = (
    f"Summary points, none of them a row of the data: means and most frequent values of groups of at least {FEWEST} "
    "rows, or of all where there are fewer."
)


@dataclass(frozen=True)
class Values:
    """One feature of the rows.

    Attributes
    ----------
    values : float64 with NaN where missing, or int codes with -1 where missing, ``(n_rows,)``
    levels : what the codes stand for; None of numbers
    unit : what numbers are rounded to
    """

    values: NDArray[Any]
    levels: tuple[str, ...] | None = None
    unit: float = 0.0

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Bool ``(n_rows,)``."""
        return np.asarray(np.isnan(self.values) if self.levels is None else self.values < 0)

    def take(self, rows: IntArray) -> Values:
        """Those of some rows."""
        return Values(self.values[rows], self.levels, self.unit)


Point = tuple[float | str | None, ...]


def summary_points(
    features: Sequence[Values], members: IntArray | None = None, seed: int = 0
) -> tuple[list[Point], FloatArray]:
    """Points with a value of each feature (None where it is missing), and their weights, which add up to 1.

    Parameters
    ----------
    features : of at least one row
    members : whose rows they are, int64 ``(n_rows,)``: then members are counted, not rows
    """
    n_rows = len(features[0].values)
    rows = np.arange(n_rows)
    if n_rows > ENOUGH_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(n_rows, ENOUGH_ROWS, replace=False))
        features = [one.take(rows) for one in features]
    who = rows if members is None else members[rows]
    groups = _groups(_matrix(features), who)
    shown = [_shown(one, who) for one in features]
    columns = [_summarised(one, allowed, groups, who) for one, allowed in zip(features, shown, strict=True)]
    points = []
    for number, point in enumerate(zip(*columns, strict=True)):
        points.append(_like_nobody(list(point), features, shown, groups[number]))
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    return points, sizes / sizes.sum()


def _matrix(features: Sequence[Values]) -> FloatArray:
    """Rows as numbers of like spread: ranks of numbers, one column for each frequent level, one for what is missing."""
    found = []
    for one in features:
        missing = one.missing
        if one.levels is None:
            values = one.values.astype(np.float64)
            present = np.sort(values[~missing])
            ranks = np.searchsorted(present, values) + np.searchsorted(present, values, side="right")
            found.append(np.where(missing, 0.5, ranks / max(2 * len(present), 1)))
        else:
            counts = np.bincount(one.values[~missing].astype(np.int64), minlength=len(one.levels))
            frequent = [level for level in np.argsort(-counts, kind="stable")[:8] if counts[level] >= FEWEST]
            found += [(one.values == level) / 2.0 for level in frequent]
        if missing.any():
            found.append(missing / 2.0)
    return np.stack([np.asarray(one, dtype=np.float64) for one in found], axis=1)


def _groups(matrix: FloatArray, who: IntArray) -> list[IntArray]:
    """Rows of each group."""
    waiting: list[IntArray] = [np.arange(len(matrix))]
    whole: list[IntArray] = []
    while waiting and len(waiting) + len(whole) < MOST:
        spreads = [float(matrix[group].var(axis=0).sum()) * len(group) for group in waiting]
        group = waiting.pop(int(np.argmax(spreads)))
        halves = _halves(matrix[group])
        if all(len(np.unique(who[group[half]])) >= FEWEST for half in halves):
            waiting += [group[half] for half in halves]
        else:
            whole.append(group)
    return sorted(waiting + whole, key=lambda group: int(group[0]))


def _halves(matrix: FloatArray) -> tuple[IntArray, IntArray]:
    """Below and above the median of the first principal direction; rows that are alike stay together."""
    centred = matrix - matrix.mean(axis=0)
    direction = centred[np.argmax((centred**2).sum(axis=1))]
    for _ in range(20):  # the power method: any direction near the widest will do
        direction = centred.T @ (centred @ direction)
        size = float(np.linalg.norm(direction))
        if size == 0:
            return np.arange(len(matrix)), np.arange(0)
        direction = direction / size
    along = np.round(centred @ direction, 9)
    low = along <= np.median(along)
    low = low if not low.all() else along < along.max()
    return np.flatnonzero(low), np.flatnonzero(~low)


def _shown(one: Values, who: IntArray) -> NDArray[np.bool_]:
    """Levels that may be shown: enough members have them, or where there are few members, most of them."""
    if one.levels is None:
        return np.empty(0, dtype=bool)
    n_members = len(np.unique(who))
    n_levels = len(one.levels) + 1
    pairs = np.unique(np.unique(who, return_inverse=True)[1] * n_levels + one.values.astype(np.int64) + 1)
    counts = np.bincount(pairs % n_levels, minlength=n_levels)[1:]
    return counts >= (FEWEST if n_members >= FEWEST else n_members // 2 + 1)


def _summarised(
    one: Values, allowed: NDArray[np.bool_], groups: Sequence[IntArray], who: IntArray
) -> list[float | str | None]:
    if one.levels is not None:
        return [_most_frequent(one, allowed, group) for group in groups]
    values, missing = one.values.astype(np.float64), one.missing
    if missing.all():
        return [None] * len(groups)
    values = np.clip(values, *np.quantile(values[~missing], [0.01, 0.99]))
    n_enough = min(FEWEST, len(np.unique(who)))
    overall = float(values[~missing].mean()) if len(np.unique(who[~missing])) >= n_enough else None
    means: list[float | str | None] = []
    for group in groups:
        present = group[~missing[group]]
        if 2 * len(present) < len(group):
            means.append(None)
            continue
        mean = float(values[present].mean()) if len(np.unique(who[present])) >= n_enough else overall
        means.append(mean if mean is None else _rounded(mean, one.unit))
    return means


def _rounded(value: float, unit: float) -> float:
    return round(round(value / unit) * unit, 9) if unit > 0 else value


def _most_frequent(one: Values, allowed: NDArray[np.bool_], group: IntArray) -> str | None:
    assert one.levels is not None
    counts = _counts(one, group)
    n_missing = len(group) - counts.sum()
    counts = np.where(allowed, counts, 0)
    return one.levels[int(counts.argmax())] if counts.max(initial=0) > max(n_missing, 0) / 2 else None


def _counts(one: Values, group: IntArray) -> IntArray:
    codes = one.values[group].astype(np.int64)
    return np.bincount(codes[codes >= 0], minlength=len(one.levels or ()))


def _of_few(point: Sequence[float | str | None], features: Sequence[Values]) -> bool:
    """Whether there are rows that are this point, and fewer than are enough."""
    like = np.ones(len(features[0].values), dtype=bool)
    for value, one in zip(point, features, strict=True):
        if value is None:
            like &= one.missing
        else:
            like &= one.values == (value if one.levels is None else one.levels.index(str(value)))
        if not like.any():
            return False
    return int(like.sum()) < FEWEST


def _like_nobody(
    point: list[float | str | None], features: Sequence[Values], shown: Sequence[NDArray[np.bool_]], group: IntArray
) -> Point:
    """The point; where few rows happen to be like it, with a mean unrounded, the next frequent text, or no value."""
    if not _of_few(point, features):
        return tuple(point)
    for j, one in enumerate(features):
        if one.levels is None and point[j] is not None and len(group) > 1:
            moved = float(np.nanmean(one.values[group].astype(np.float64)))
            other: Point = (*point[:j], moved, *point[j + 1 :])
            if not _of_few(other, features):
                return other
    for j, one in enumerate(features):
        if one.levels is None:
            continue
        counts = np.where(shown[j], _counts(one, group), -1)
        for level in np.argsort(-counts, kind="stable"):
            other = (*point[:j], one.levels[level], *point[j + 1 :])
            if counts[level] >= 0 and not _of_few(other, features):
                return other
    return (None,) * len(point)

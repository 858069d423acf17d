"""The smallest change of a row that makes a model say what is wanted, found by calling the model.

Wachter, Mittelstadt and Russell, "Counterfactual explanations without opening the black box" (Harvard Journal of Law &
Technology 31, 2018): near, and therefore short. Few features come before small steps: one feature is tried at all its
values, then pairs on a grid, then as many as it takes, greedily. What is found is shrunk feature by feature as far as
the model allows. Values stay within what the training had; rows unlike its summary points are the last choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from annvil.attribution.shapley import Feeds
from annvil.tasks.base import FloatArray

Value = float | str

Goal = Callable[[Feeds], tuple[NDArray[np.bool_], FloatArray]]
"""Of rows: whether the model says what is wanted, and how near it is to that (more is nearer), both ``(n_rows,)``."""

STEPS, PAIR_STEPS = 32, 12
"""Values that are tried between smallest and largest of a number, alone and in pairs (assumed)."""

MOST_PAIRED = 8
"""Features that are tried in pairs: those that alone come nearest (assumed)."""

HALVINGS = 24
"""Halvings of the way back to the value that a number had."""

UNLIKE = 1.5
"""How much farther from the nearest summary point than these are from one another a plausible row may be (assumed)."""


@dataclass(frozen=True)
class Changeable:
    """A feature that may be changed.

    Attributes
    ----------
    input, place : where its value stands
    low, high, spread : of numbers: the range seen, and what a step is measured in
    unit : what numbers are multiples of: 1 of whole ones; 0: round enough for the spread
    levels : of texts, those that may be proposed; None of numbers
    """

    input: str
    place: int
    low: float = 0.0
    high: float = 0.0
    spread: float = 0.0
    unit: float = 0.0
    levels: tuple[str, ...] | None = None

    def value_in(self, feeds: Feeds) -> Value:
        """That of a single row."""
        value: Value = feeds[self.input][0, self.place]
        return value

    def rounded(self, value: float) -> float:
        """The nearest number that may be proposed."""
        size = self.spread or (self.high - self.low) or 1.0
        unit = self.unit or 10.0 ** (floor(log10(size)) - 1)
        return float(np.clip(round(round(value / unit) * unit, 9), self.low, self.high))

    def distance(self, old: Value, new: Value) -> float:
        """Of one change: in spreads of numbers, 1 of texts and of what was missing."""
        if isinstance(old, str) or isinstance(new, str) or old != old:
            return 1.0
        return abs(new - old) / (self.spread or (self.high - self.low) or 1.0)

    def values(self, steps: int, old: Value) -> list[Value]:
        """What is tried, without the value it has."""
        found: list[Value] = list(self.levels or ())
        if self.levels is None and self.high > self.low:
            found = [self.rounded(value) for value in np.linspace(self.low, self.high, steps)]
        return [value for value in dict.fromkeys(found) if value != old]


Change = dict[int, Value]
"""New values by the number of the feature."""


@dataclass(frozen=True)
class Changed:
    """What was found: ``reached``: whether the model says what is wanted then; if not, the nearest that was found.

    ``plausible``: whether the changed row is no more unlike the summary points than rows are.
    """

    change: Change
    reached: bool
    plausible: bool


def smallest_change(
    row: Feeds, goal: Goal, features: Sequence[Changeable], allowed: Sequence[int], points: Feeds
) -> Changed:
    """The smallest change of one row in the features ``allowed`` that reaches the goal.

    Parameters
    ----------
    features : all, so that rows can be compared
    points : summary points
    """
    search = _Search(row, goal, features, list(allowed), points)
    for tried in (search.one(), search.two(), search.many()):
        if tried is not None:
            return tried
    best = search.nearest
    return Changed(best, False, search.is_plausible(best))


class _Search:
    def __init__(
        self, row: Feeds, goal: Goal, features: Sequence[Changeable], allowed: list[int], points: Feeds
    ) -> None:
        self.row, self.goal, self.features, self.allowed = row, goal, features, allowed
        self.old = [feature.value_in(row) for feature in features]
        n_points = len(next(iter(points.values())))
        self.points = [[points[one.input][i, one.place] for one in features] for i in range(n_points)]
        self.nearest: Change = {}
        self._closest = float(goal(row)[1][0])  # what comes no nearer than the row itself is no step towards the goal
        self._gain: dict[int, float] = {}

    def tried(self, changes: Sequence[Change]) -> tuple[NDArray[np.bool_], FloatArray]:
        """The goal of each change; the nearest of all is remembered."""
        feeds = {name: np.repeat(array, len(changes), axis=0) for name, array in self.row.items()}
        for i, change in enumerate(changes):
            for j, value in change.items():
                feeds[self.features[j].input][i, self.features[j].place] = value
        met, near = self.goal(feeds)
        if len(near) and near.max() > self._closest:
            self._closest, self.nearest = float(near.max()), dict(changes[int(near.argmax())])
        return met, near

    def size(self, change: Change) -> float:
        """Of a change: the sum over its features."""
        return sum(self.features[j].distance(self.old[j], value) for j, value in change.items())

    def one(self) -> Changed | None:
        changes: list[Change] = [
            {j: value} for j in self.allowed for value in self.features[j].values(STEPS, self.old[j])
        ]
        if not changes:
            return None
        met, near = self.tried(changes)
        for change, found in zip(changes, near, strict=True):
            (j,) = change
            self._gain[j] = max(self._gain.get(j, -np.inf), float(found))
        return self._best([change for change, reached in zip(changes, met, strict=True) if reached])

    def two(self) -> Changed | None:
        paired = sorted(self._gain, key=lambda j: -self._gain[j])[:MOST_PAIRED]
        changes: list[Change] = [
            {a: first, b: second}
            for a, b in combinations(paired, 2)
            for first in self.features[a].values(PAIR_STEPS, self.old[a])
            for second in self.features[b].values(PAIR_STEPS, self.old[b])
        ]
        if not changes:
            return None
        met, _ = self.tried(changes)
        return self._best([change for change, reached in zip(changes, met, strict=True) if reached])

    def many(self) -> Changed | None:
        """The feature that comes nearest, then the next on top of it, until the goal is reached or nothing helps."""
        change: Change = {}
        closest = -np.inf
        for _ in self.allowed:
            further: list[Change] = [
                {**change, j: value}
                for j in self.allowed
                if j not in change
                for value in self.features[j].values(STEPS, self.old[j])
            ]
            if not further:
                return None
            met, near = self.tried(further)
            if met.any():
                return self._best([one for one, reached in zip(further, met, strict=True) if reached])
            if near.max() <= closest:
                return None
            closest, change = float(near.max()), further[int(near.argmax())]
        return None

    def _best(self, reached: list[Change]) -> Changed | None:
        """The smallest of each set of features, shrunk; plausible ones first."""
        smallest: dict[tuple[int, ...], Change] = {}
        for change in sorted(reached, key=lambda one: (not self.is_plausible(one), self.size(one))):
            smallest.setdefault(tuple(sorted(change)), change)
        shrunk = [self.shrunk(change) for change in list(smallest.values())[: 2 * MOST_PAIRED]]
        ranked = sorted(shrunk, key=lambda one: (not self.is_plausible(one), len(one), self.size(one)))
        return Changed(ranked[0], True, self.is_plausible(ranked[0])) if ranked else None

    def shrunk(self, change: Change) -> Change:
        """Without what is not needed, and every number as near to what it was as the goal allows."""
        for j in list(change):
            less = {other: value for other, value in change.items() if other != j}
            if less and self.tried([less])[0][0]:
                change = less
        for j, value in list(change.items()):
            old = self.old[j]
            if isinstance(value, str) or isinstance(old, str) or old != old:
                continue
            near, far = old, value
            for _ in range(HALVINGS):
                middle = self.features[j].rounded((near + far) / 2)
                if middle in (near, far):
                    break
                if self.tried([{**change, j: middle}])[0][0]:
                    far = middle
                else:
                    near = middle
            change = {**change, j: far}
        return change

    def is_plausible(self, change: Change) -> bool:
        """No farther from the nearest summary point than the row was, or than rows are from them."""
        new = [change.get(j, old) for j, old in enumerate(self.old)]
        return bool(self._apart(new) <= self._usual)

    @cached_property
    def _usual(self) -> float:
        apart = [min((self._between(a, b) for b in self.points if b is not a), default=0.0) for a in self.points]
        return max(UNLIKE * max(apart, default=0.0), self._apart(self.old)) + 1e-12

    def _apart(self, row: Sequence[Value]) -> float:
        return min(self._between(row, point) for point in self.points)

    def _between(self, a: Sequence[Value], b: Sequence[Value]) -> float:
        """Gower's distance: of texts 1 where they differ, of numbers the part of the range."""
        total = 0.0
        for one, x, y in zip(self.features, a, b, strict=True):
            if isinstance(x, str) or isinstance(y, str):
                total += float(x != y)
            elif x == x and y == y:
                total += min(1.0, abs(x - y) / ((one.high - one.low) or 1.0))
        return total

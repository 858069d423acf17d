"""The leaves of a tree as rules: which values of which columns lead there, in the user's own units and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from annvil.models.terms import Rule
from annvil.models.trees_onnx import AveragedForest
from annvil.preparation import TreePreparation
from annvil.preparation.base import Feature
from annvil.preparation.calendar import DAY, EARLIEST, LATEST
from annvil.preparation.categories import MISSING, Lookup, LookupPart
from annvil.preparation.numbers import ScaledPart
from annvil.text.phrases import quoted
from annvil.text.quantities import number

MOST_NAMED = 4
"""Texts of a condition that are named one by one (assumed); of more, the rest is counted."""


@dataclass(frozen=True)
class _Interval:
    """What is left of a column of numbers on the way down a tree."""

    low: float = -np.inf
    high: float = np.inf
    missing: bool = True

    def narrowed(self, threshold: float, *, left: bool, missing: bool) -> _Interval:
        low, high = (self.low, min(self.high, threshold)) if left else (max(self.low, threshold), self.high)
        return _Interval(low, high, self.missing and missing)


@dataclass
class _Way:
    """The path to a node: of each number the interval, of each category the slots of its lookup that lead here."""

    numbers: dict[int, _Interval] = field(default_factory=dict)
    slots: dict[int, NDArray[np.bool_]] = field(default_factory=dict)


def rules_of(
    preparation: TreePreparation, forest: AveragedForest, n_rows: Sequence[int], lacking: Sequence[int]
) -> tuple[Rule, ...]:
    """The rules of the only tree of ``forest``, the leaves from left to right.

    Parameters
    ----------
    n_rows : training rows of every node
    lacking : prepared columns that training rows miss values of; of others nothing is said about where missing ones go
    """
    numbers, lookups = _readers(preparation)
    trees, rules = forest.trees, []

    def walk(node: int, way: _Way) -> None:
        if trees.is_leaf[node]:
            said = tuple(_told(way, numbers, lookups))
            rules.append(Rule(said, forest.values[node].astype(np.float64) + forest.base, int(n_rows[node])))
            return
        for left in (True, False):
            below = int(trees.left[node] if left else trees.right[node])
            walk(below, _further(way, node, left=left))

    def _further(way: _Way, node: int, *, left: bool) -> _Way:
        feature, threshold = int(trees.feature[node]), float(trees.threshold[node])
        missing = bool(trees.missing_left[node]) == left
        further = _Way(dict(way.numbers), dict(way.slots))
        if feature in numbers:
            before = way.numbers.get(feature, _Interval(missing=feature in lacking))
            further.numbers[feature] = before.narrowed(threshold, left=left, missing=missing)
        elif feature in lookups:
            place, lookup, column = lookups[feature]
            values = lookup.table[:, column]
            goes = np.where(np.isnan(values), missing, (values <= threshold) == left)
            further.slots[place] = way.slots.get(place, np.ones(len(values), dtype=bool)) & goes
        return further

    walk(0, _Way())
    return tuple(rules)


Numbers = Mapping[int, tuple[Feature, float, bool]]
Lookups = Mapping[int, tuple[int, Lookup, int]]


def _readers(preparation: TreePreparation) -> tuple[Numbers, Lookups]:
    """Of each prepared column that is a number: its feature, what was subtracted, whether it is a date in days; of each
    that comes from a category: the place of its lookup, the lookup, and which of its columns."""
    numbers: dict[int, tuple[Feature, float, bool]] = {}
    lookups: dict[int, tuple[int, Lookup, int]] = {}
    start = 0
    for part in preparation.parts:
        if isinstance(part, ScaledPart):
            dates = range(len(part.source.plain), len(part.source.plain) + len(part.source.dates))
            for i, feature in enumerate(part.source.features):
                numbers[start + i] = feature, float(part.center[i]), i in dates
        elif isinstance(part, LookupPart):
            at = start
            for lookup in part.lookups:
                for column in range(lookup.table.shape[1]):
                    lookups[at + column] = at, lookup, column
                at += lookup.table.shape[1]
        start += len(part.features)
    return numbers, lookups


def _told(way: _Way, numbers: Numbers, lookups: Lookups) -> list[str]:
    told = []
    for place, interval in way.numbers.items():
        feature, center, is_date = numbers[place]
        told.append(_of_number(feature, interval, center, is_date=is_date))
    for place, kept in way.slots.items():
        told.append(_of_category(lookups[place][1], kept))
    return [one for one in told if one]


def _of_number(feature: Feature, interval: _Interval, center: float, *, is_date: bool) -> str:
    """``"age > 54.5"``, ``"40 < age ≤ 54.5"``, ``"age > 54.5 or missing"``."""
    name = feature.source if is_date else feature.name
    low, high = (_date(end + center) if is_date else number(end + center, 6) for end in (interval.low, interval.high))
    if interval.low == -np.inf and interval.high == np.inf:
        return f"{name} is not missing"
    if interval.low >= interval.high:
        return f"{name} is missing"
    if interval.low == -np.inf:
        said = f"{name} ≤ {high}"
    else:
        said = f"{name} > {low}" if interval.high == np.inf else f"{low} < {name} ≤ {high}"
    return f"{said} or missing" if interval.missing else said


def _date(days: float) -> str:
    if not np.isfinite(days):
        return ""
    return f"{datetime.fromtimestamp(min(max(days * DAY, EARLIEST), LATEST), UTC):%Y-%m-%d}"


def _of_category(lookup: Lookup, kept: NDArray[np.bool_]) -> str:
    """``"colour is 'red' or 'blue'"``, or what it is not, whichever is shorter; nothing where all texts lead here."""
    name = lookup.features[0].source
    inside = [text for text, slot in lookup.slots.items() if kept[slot]]
    outside = [text for text, slot in lookup.slots.items() if not kept[slot]]
    if not outside:
        return "" if kept[lookup.unknown] else f"{name} is a text that was seen in training"
    if not inside:
        return _is_not(name, outside)
    if len(inside) <= len(outside) or not kept[lookup.unknown]:
        return f"{name} is {_texts(inside)}"
    return _is_not(name, outside)


def _is_not(name: str, texts: Sequence[str]) -> str:
    return f"{name} is {'none of' if len(texts) > 1 else 'not'} {_texts(texts)}"


def _texts(texts: Sequence[str]) -> str:
    named = ["missing" if text == MISSING else quoted(text, 24) for text in texts]
    if len(named) > MOST_NAMED:
        return f"{', '.join(named[: MOST_NAMED - 1])} or one of {len(named) - MOST_NAMED + 1} more"
    return f"{', '.join(named[:-1])} or {named[-1]}" if len(named) > 1 else named[0]

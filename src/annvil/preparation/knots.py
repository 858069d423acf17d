"""Columns on knots: where a row lies between the points at which an additive model knows the effect of a column.

A number lies between two knots, in proportion; a category is a level; a missing value is a level of its own. So a row
is, for every column, two places and a share (a *hat function* at each knot), and an effect that is known at the knots
is a piecewise linear curve. A second, coarser choice among the same knots serves pairs of columns: what is linear
between coarse knots is so between the fine ones, so that parts of a pair's effect can be moved to a main effect
without loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.data.table import Table
from annvil.onnx.builder import Graph, Value
from annvil.preparation.base import some
from annvil.preparation.categories import MISSING, TextColumn, slots_of, text_columns, write_slots
from annvil.preparation.column_statistics import summarise
from annvil.preparation.numbers import HUGE, NumberSource
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.quantities import plain_count

LEAST_ROWS = 3
"""Levels in fewer rows are pooled, as for linear models (`annvil.preparation.for_models.LEAST_ROWS`)."""

SPIKE = 0.05
"""A value with this share of the rows (and that of two knots) gets a knot on both sides, so that a curve can jump there
(assumed); the other knots are quantiles of the rest."""

MOST_LEVELS = 1000
"""Most levels of a category (assumed, for memory)."""


@dataclass(frozen=True)
class Knots:
    """One prepared column.

    Attributes
    ----------
    name : for people; columns : the input columns it comes from
    points : of a number its knots, float64 increasing, at least two; of a category empty
    slots : of a category, text → slot from 0
    n_slots : places of its effect: knots and one for missing, or levels and one for all others
    coarse : int64 ``(n_slots,)``: of a category, the coarse slot of each slot; of a number, for coarse knots their
        place among the coarse ones, -1 for the others; the last is missing
    """

    name: str
    columns: tuple[str, ...]
    points: FloatArray
    slots: Mapping[str, int]
    n_slots: int
    coarse: IntArray

    @property
    def is_number(self) -> bool:
        """Whether it has an order."""
        return len(self.points) > 0

    @property
    def coarse_points(self) -> FloatArray:
        """Of a number, the knots that serve pairs."""
        return np.asarray(self.points[self.coarse[:-1] >= 0])

    @property
    def n_coarse(self) -> int:
        """Places of its effect in a pair."""
        return int(self.coarse.max()) + 1

    def refinement(self) -> FloatArray:
        """From coarse values to those at all slots, float64 ``(n_slots, n_coarse)``."""
        if not self.is_number:
            return np.eye(self.n_coarse)[self.coarse]
        fine = np.zeros((self.n_slots, self.n_coarse))
        for place in range(self.n_coarse - 1):
            hat = np.eye(self.n_coarse - 1)[place]
            fine[:-1, place] = np.interp(self.points, self.coarse_points, hat)
        fine[-1, -1] = 1.0
        return fine


Where = tuple[IntArray, FloatArray]
"""Lower place int64 and share of the next one float64, both ``(n_rows, n_columns)``."""


@dataclass(frozen=True)
class KnotPreparation:
    """All columns on knots.

    Attributes
    ----------
    source : how numbers are read, None without numbers
    positions : of category columns among the table's texts
    knots : of the numbers that ``source`` reads, then of the categories
    """

    source: NumberSource | None
    positions: tuple[int, ...]
    knots: tuple[Knots, ...]

    @classmethod
    def fit(cls, inputs: Table, *, most: int, coarse: int, undivided: Sequence[str] = ()) -> KnotPreparation:
        """At most ``most`` knots or levels a column, ``coarse`` in pairs; no target is looked at.

        Of dates named in ``undivided`` only the days count, so that their effect is one curve.
        """
        summary = summarise(inputs, cyclic=False)
        knots = []
        source = None
        if summary is not None:
            source = _undivided(summary.source, inputs, undivided)
            owners = _columns_of(source, inputs)
            read = summary.values[:, [summary.source.features.index(feature) for feature in source.features]]
            for feature, columns, values in zip(source.features, owners, read.T, strict=True):
                knots.append(_of_numbers(feature.name, columns, values, most, coarse))
        texts = text_columns(inputs)
        knots += [_of_levels(column, MOST_LEVELS, coarse) for column in texts]
        return cls(source, tuple(column.position for column in texts), tuple(knots))

    def chosen(self, places: Sequence[int]) -> KnotPreparation:
        """The same with some of the columns only, ``places`` increasing."""
        n_numbers = 0 if self.source is None else len(self.source.features)
        positions = tuple(self.positions[place - n_numbers] for place in places if place >= n_numbers)
        return replace(self, positions=positions, knots=tuple(self.knots[place] for place in places))

    def place(self, inputs: Table) -> tuple[Where, Where]:
        """Where every row lies: among all slots, and among the coarse ones."""
        values = None if self.source is None else np.clip(self.source.read(inputs.numbers()), -HUGE, HUGE)
        texts = [column for column in inputs.columns if column.field.is_text]
        names = {} if self.source is None else {f.name: i for i, f in enumerate(self.source.features)}
        shape = (inputs.n_rows, len(self.knots))
        fine = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        coarse = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        positions = iter(self.positions)
        for j, knots in enumerate(self.knots):
            if knots.is_number:
                assert values is not None
                column = values[:, names[knots.name]]
                fine[0][:, j], fine[1][:, j] = _between(column, knots.points)
                coarse[0][:, j], coarse[1][:, j] = _between(column, knots.coarse_points)
            else:
                fine[0][:, j] = slots_of(texts[next(positions)], knots.slots, knots.n_slots - 1)
                coarse[0][:, j] = knots.coarse[fine[0][:, j]]
        return fine, coarse

    def write_hats(self, graph: Graph, numbers: Value, texts: Value, place: int, *, coarse: bool) -> Value:
        """The hat functions of one column as nodes: float64 ``(n_rows, n_slots)``, or of its coarse slots."""
        knots = self.knots[place]
        if not knots.is_number:
            position = self.positions[place - sum(one.is_number for one in self.knots)]
            column = graph.op("Gather", texts, graph.constant(np.int64(position)), axis=1)
            slot = write_slots(graph, column, knots.slots, knots.n_slots - 1)
            table = np.eye(knots.n_coarse)[knots.coarse] if coarse else np.eye(knots.n_slots)
            return graph.op("Gather", graph.constant(table), slot, axis=0)
        assert self.source is not None
        at = [feature.name for feature in self.source.features].index(knots.name)
        value = graph.columns(self.source.write(graph, numbers), [at])
        points = knots.coarse_points if coarse else knots.points
        missing = graph.op("IsNaN", value)
        inside = graph.op("Clip", value, graph.constant(points[0]), graph.constant(points[-1]))
        known = graph.op("Where", missing, graph.constant(points[0]), inside)
        climbed = graph.op("Div", graph.op("Sub", known, graph.constant(points[:-1])), graph.constant(np.diff(points)))
        climbed = graph.op("Clip", climbed, graph.constant(0.0), graph.constant(1.0))
        nothing = graph.cast(missing, "float64")
        there = graph.op("Sub", graph.constant(1.0), nothing)
        # The hat at a knot: how far the piece before it was climbed, less how far the piece after it.
        rising = graph.concat([there, graph.op("Mul", climbed, there)])
        falling = graph.concat([graph.op("Mul", climbed, there), graph.op("Mul", nothing, graph.constant(0.0))])
        return graph.concat([graph.op("Sub", rising, falling), nothing])

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        numbers = [knots.name for knots in self.knots if knots.is_number]
        categories = [knots.name for knots in self.knots if not knots.is_number]
        told = []
        if numbers:
            most = max(len(knots.points) for knots in self.knots if knots.is_number)
            told.append(
                f"{some(numbers)}: an effect at up to {plain_count(most, 'value')} each, straight lines between them, "
                "constant outside; a missing value has an effect of its own."
            )
        if categories:
            told.append(
                f"{some(categories)}: an effect for every level; levels in fewer than {LEAST_ROWS} rows share one, "
                "which is that of unknown ones."
            )
        return tuple(told)


def _between(values: FloatArray, points: FloatArray) -> Where:
    """Lower knot and share of the next, ``(n_rows,)`` each; missing values at the place after the last knot."""
    missing = np.isnan(values)
    known = np.where(missing, points[0], values)
    lower = np.clip(np.searchsorted(points, known, side="right") - 1, 0, len(points) - 2)
    share = np.clip((known - points[lower]) / np.diff(points)[lower], 0.0, 1.0)
    return np.where(missing, len(points), lower), np.where(missing, 0.0, share)


def _of_numbers(name: str, columns: tuple[str, ...], values: FloatArray, most: int, coarse: int) -> Knots:
    values = np.sort(values[~np.isnan(values)])
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > most:
        spikes = np.flatnonzero(counts >= max(SPIKE, 2 / most) * len(values))
        others = np.repeat(np.delete(distinct, spikes), np.delete(counts, spikes))
        wanted = np.unique(np.quantile(others, np.linspace(0, 1, max(most - 3 * len(spikes), 4)), method="nearest"))
        beside = np.unique(np.clip(np.concatenate([spikes - 1, spikes, spikes + 1]), 0, len(distinct) - 1))
        distinct = np.union1d(wanted, distinct[beside])
    if len(distinct) < 2 or distinct[-1] - distinct[0] <= 1e-12 * max(1.0, abs(distinct[-1])):
        first = float(distinct[0]) if len(distinct) else 0.0
        distinct = np.array([first, first + max(1.0, abs(first))])
    places = np.unique(np.round(np.linspace(0, len(distinct) - 1, min(coarse, len(distinct)))).astype(np.int64))
    coarsely = np.full(len(distinct) + 1, -1, dtype=np.int64)
    coarsely[places] = np.arange(len(places))
    coarsely[-1] = len(places)
    return Knots(name, columns, np.asarray(distinct, dtype=np.float64), {}, len(distinct) + 1, coarsely)


def _of_levels(column: TextColumn, most: int, coarse: int) -> Knots:
    order = np.argsort(-column.counts, kind="stable")
    kept = [int(i) for i in order if column.counts[i] >= LEAST_ROWS or column.levels[i] == MISSING][: most - 1]
    slots = {column.levels[i]: slot for slot, i in enumerate(kept)}
    coarsely = np.minimum(np.arange(len(kept) + 1), max(coarse - 1, 1))
    coarsely[-1] = min(len(kept), max(coarse - 1, 1))
    return Knots(column.name, (column.name,), np.empty(0), slots, len(kept) + 1, coarsely)


def _columns_of(source: NumberSource, inputs: Table) -> list[tuple[str, ...]]:
    """The input columns of every number that is read: two of a difference, else one."""
    fields = inputs.number_fields
    found: list[tuple[str, ...]] = [(feature.source,) for feature in source.features]
    first = len(source.plain) + len(source.dates)
    for place, pair in enumerate(source.differences):
        found[first + place] = tuple(fields[source.dates[one]].name for one in pair)
    return found


def _undivided(source: NumberSource, inputs: Table, names: Sequence[str]) -> NumberSource:
    """Without differences and parts of the calendar of some dates."""
    if not names:
        return source
    fields = inputs.number_fields
    free = {place for place, at in enumerate(source.dates) if fields[at].name not in names}
    owners = _columns_of(source, inputs)
    whole = len(source.plain) + len(source.dates)
    differences = tuple(pair for pair in source.differences if free.issuperset(pair))
    parts = tuple((part, tuple(place for place in places if place in free)) for part, places in source.parts)
    features = [
        feature
        for place, (feature, columns) in enumerate(zip(source.features, owners, strict=True))
        if place < whole or not set(names).intersection(columns)
    ]
    parts = tuple((part, places) for part, places in parts if places)
    return NumberSource(source.plain, source.dates, differences, parts, tuple(features))

"""An additive network as it is shipped: tables that rows are looked up in, in float64, in memory and in a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from annvil.data.table import Table
from annvil.models.members import BaseMember
from annvil.models.networks.additive_tables import EffectTables
from annvil.models.terms import Additive, Term
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling
from annvil.preparation.categories import write_slots
from annvil.preparation.knots import KnotPreparation
from annvil.preparation.numbers import HUGE
from annvil.tasks.base import FloatArray
from annvil.tasks.link import Link

ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class AdditiveMember(BaseMember):
    """A sum of effects.

    Attributes
    ----------
    knots : of all columns that were prepared
    tables : scores in the target's unit for regression; of two classes the one score is that of the second
    target : holds predictions of a regression within the range of the training rows; None for classes
    link : from scores to probabilities
    monotone : +1 or -1 for the columns whose effect may only rise or only fall
    """

    knots: KnotPreparation
    tables: EffectTables
    target: TargetScaling | None
    link: Link
    monotone: Mapping[str, int] = field(default_factory=dict)

    def predict(self, inputs: Table) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        return self.said(self._base + self._parts(inputs).sum(axis=1))

    def said(self, scores: FloatArray) -> FloatArray:
        """Outputs of scores ``(n_rows, n_scores)``."""
        scores = self._wide(scores) if scores.shape[-1] == len(self.tables.base) else scores
        if self.target is None:
            return self.link.apply(scores)
        return np.asarray(np.clip(scores, self.target.low, self.target.high))

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same as nodes, float64."""
        summed = graph.op(
            "ReduceSum", self._write_parts(graph, numbers, texts), graph.constant([1], "int64"), keepdims=0
        )
        scores = graph.op("Add", summed, graph.constant(self._base))
        if self.target is None:
            return self.link.write(graph, scores)
        return graph.op("Clip", scores, graph.constant(self.target.low), graph.constant(self.target.high))

    def additive(self) -> Additive:
        """A term for each column, and for each pair of columns, that has an effect; without the target's limits."""
        terms = tuple(self._terms)
        assign = np.zeros((len(self._owners), len(terms)))
        for part, owner in enumerate(self._owners):
            if owner in self._terms:  # otherwise it is 0 throughout
                assign[part, self._terms[owner]] = 1.0

        def contributions(inputs: Table) -> FloatArray:
            return np.asarray(np.einsum("npk,pt->ntk", self._parts(inputs), assign))

        def write(graph: Graph, numbers: Value, texts: Value) -> Value:
            parts = graph.op("Transpose", self._write_parts(graph, numbers, texts), perm=[0, 2, 1])
            return graph.op("Transpose", graph.op("MatMul", parts, graph.constant(assign)), perm=[0, 2, 1])

        return Additive(tuple(Term(columns) for columns in terms), self._base, contributions, write)

    def shuffled(self, seed: int) -> AdditiveMember:
        """The same of tables that know nothing."""
        return replace(self, tables=self.tables.shuffled(np.random.default_rng(seed)))

    @property
    def columns_with_effect(self) -> set[str]:
        """Names of the input columns that matter."""
        return {name for term in self._terms for name in term}

    # --- parts: columns with an effect, then pairs -----------------------------------------------------------------

    @cached_property
    def _used(self) -> tuple[int, ...]:
        """Columns with an effect of their own; the first where none has."""
        return tuple(j for j, effect in enumerate(self.tables.effects) if np.any(effect)) or (0,)

    @cached_property
    def _owners(self) -> tuple[tuple[str, ...], ...]:
        """The input columns of every part."""
        columns = [one.columns for one in self.knots.knots]
        pairs = [tuple(dict.fromkeys((*columns[a], *columns[b]))) for a, b in self.tables.pairs]
        return (*(columns[j] for j in self._used), *pairs)

    @cached_property
    def _terms(self) -> dict[tuple[str, ...], int]:
        """Place of every term by its columns; parts of the same columns (a date's day and weekday) are one."""
        there = [np.any(self.tables.effects[j]) for j in self._used] + [True] * len(self.tables.pairs)
        names = dict.fromkeys(owner for owner, any_effect in zip(self._owners, there, strict=True) if any_effect)
        return {name: place for place, name in enumerate(names)}

    @cached_property
    def _base(self) -> FloatArray:
        return self._wide(self.tables.base)

    def _wide(self, values: FloatArray) -> FloatArray:
        """One score for each output: of two classes, 0 for the first."""
        if self.target is not None or values.shape[-1] > 1:
            return values
        return np.concatenate([np.zeros_like(values), values], axis=-1)

    def _parts(self, inputs: Table) -> FloatArray:
        """What every part adds, float64 ``(n_rows, n_parts, n_outputs)``."""
        found = []
        for first in range(0, max(inputs.n_rows, 1), ROWS_AT_ONCE):
            fine, coarse = self.knots.place(inputs.take(slice(first, first + ROWS_AT_ONCE)))
            columns = self.tables.of_columns(fine)[:, list(self._used)]
            found.append(np.concatenate([columns, self.tables.of_pairs(coarse)], axis=1))
        return self._wide(np.concatenate(found))

    def _write_parts(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same as nodes."""
        writer = _Writer(self.knots, graph, numbers, texts)
        blocks = [writer.columns(self._used, [self._wide(effect) for effect in self.tables.effects])]
        if self.tables.pairs:
            blocks.append(writer.pairs({pair: self._wide(grid) for pair, grid in self.tables.pairs.items()}))
        stacked = blocks[0] if len(blocks) == 1 else graph.op("Concat", *blocks, axis=0)
        return graph.op("Transpose", stacked, perm=[1, 0, 2])

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns, in sentences."""
        told = [
            f"{name!r}: its effect may only {'rise' if sign > 0 else 'fall'}." for name, sign in self.monotone.items()
        ]
        return (*self.knots.describe(), *told)

    @property
    def n_parameters(self) -> int:
        """Learnt values."""
        return self.tables.n_numbers


class _Writer:
    """Nodes for rows on knots: however many numbers there are, they are one array."""

    def __init__(self, knots: KnotPreparation, graph: Graph, numbers: Value, texts: Value) -> None:
        self.knots, self.graph, self.numbers, self.texts = knots, graph, numbers, texts
        self.n_numbers = sum(one.is_number for one in knots.knots)

    def columns(self, used: tuple[int, ...], effects: list[FloatArray]) -> Value:
        """What columns add: float64 ``(n_used, n_rows, n_outputs)``."""
        blocks = []
        chosen = [j for j in used if j < self.n_numbers]
        if chosen:
            climbed, missing = self._climbed(chosen, [self.knots.knots[j].points for j in chosen])
            width = max(len(self.knots.knots[j].points) for j in chosen) - 1
            rises = np.zeros((len(chosen), width, effects[0].shape[1]))
            for place, j in enumerate(chosen):
                rise = np.diff(effects[j][:-1], axis=0)
                rises[place, : len(rise)] = rise
            known = self.graph.op("MatMul", climbed, self.graph.constant(rises))
            known = self.graph.op("Add", known, self.graph.constant(np.stack([effects[j][:1] for j in chosen])))
            absent = self.graph.constant(np.stack([effects[j][-1:] for j in chosen]))
            blocks.append(self.graph.op("Where", missing, absent, known))
        for j in used:
            if j >= self.n_numbers:
                found = self.graph.op("Gather", self.graph.constant(effects[j]), self._slot(j), axis=0)
                blocks.append(self.graph.op("Unsqueeze", found, self.graph.constant([0], "int64")))
        return blocks[0] if len(blocks) == 1 else self.graph.op("Concat", *blocks, axis=0)

    def pairs(self, grids: dict[tuple[int, int], FloatArray]) -> Value:
        """What pairs add: float64 ``(n_pairs, n_rows, n_outputs)``."""
        graph = self.graph
        used = sorted({j for pair in grids for j in pair})
        width = max(self.knots.knots[j].n_coarse for j in used)
        place = {j: at for at, j in enumerate(used)}
        hats = self._coarse_hats(used, width)
        n_outputs = next(iter(grids.values())).shape[-1]
        table = np.zeros((len(grids), width, width, n_outputs))
        for at, grid in enumerate(grids.values()):
            table[at, : grid.shape[0], : grid.shape[1]] = grid
        left, right = (
            graph.op("Gather", hats, graph.constant([place[pair[side]] for pair in grids], "int64"), axis=0)
            for side in (0, 1)
        )
        rows = graph.op("MatMul", left, graph.constant(table.reshape(len(grids), width, width * n_outputs)))
        rows = graph.op("Reshape", rows, graph.constant([len(grids), -1, width, n_outputs], "int64"))
        each = graph.op("Mul", rows, graph.op("Unsqueeze", right, graph.constant([3], "int64")))
        return graph.op("ReduceSum", each, graph.constant([2], "int64"), keepdims=0)

    def _coarse_hats(self, used: list[int], width: int) -> Value:
        """Hat functions of the coarse slots: float64 ``(n_used, n_rows, width)``."""
        graph, blocks = self.graph, []
        chosen = [j for j in used if j < self.n_numbers]
        if chosen:
            climbed, missing = self._climbed(chosen, [self.knots.knots[j].coarse_points for j in chosen])
            # A hat is how far the piece before its knot was climbed, less how far the one after it.
            steps = max(len(self.knots.knots[j].coarse_points) for j in chosen) - 1
            change = np.zeros((len(chosen), steps, width))
            start, absent = np.zeros((len(chosen), 1, width)), np.zeros((len(chosen), 1, width))
            for at, j in enumerate(chosen):
                n = len(self.knots.knots[j].coarse_points)
                start[at, 0, 0] = absent[at, 0, n] = 1.0
                change[at, np.arange(n - 1), np.arange(n - 1)] = -1.0
                change[at, np.arange(n - 1), np.arange(1, n)] = 1.0
            known = graph.op("Add", graph.op("MatMul", climbed, graph.constant(change)), graph.constant(start))
            blocks.append(graph.op("Where", missing, graph.constant(absent), known))
        for j in used:
            if j >= self.n_numbers:
                table = np.eye(width)[self.knots.knots[j].coarse]
                found = graph.op("Gather", graph.constant(table), self._slot(j), axis=0)
                blocks.append(graph.op("Unsqueeze", found, graph.constant([0], "int64")))
        return blocks[0] if len(blocks) == 1 else graph.op("Concat", *blocks, axis=0)

    def _slot(self, j: int) -> Value:
        """The slot of a category, int64 ``(n_rows,)``."""
        one = self.knots.knots[j]
        position = self.knots.positions[j - self.n_numbers]
        column = self.graph.op("Gather", self.texts, self.graph.constant(np.int64(position)), axis=1)
        return write_slots(self.graph, column, one.slots, one.n_slots - 1)

    def _climbed(self, chosen: list[int], points: list[FloatArray]) -> tuple[Value, Value]:
        """How far each piece between knots was climbed, ``(n, n_rows, most pieces)``, and what is missing."""
        graph, source = self.graph, self.knots.source
        assert source is not None
        width = max(map(len, points))
        start, gap = np.full((len(chosen), width - 1), HUGE * 4), np.ones((len(chosen), width - 1))
        for at, one in enumerate(points):
            start[at, : len(one) - 1], gap[at, : len(one) - 1] = one[:-1], np.diff(one)
        values = graph.columns(source.write(graph, self.numbers), chosen)
        missing = graph.op("IsNaN", values)
        inside = graph.op("Clip", values, graph.constant(-HUGE), graph.constant(HUGE))
        known = graph.op("Where", missing, graph.constant(0.0), inside)
        far = graph.op("Sub", graph.op("Unsqueeze", known, graph.constant([2], "int64")), graph.constant(start))
        climbed = graph.op("Clip", graph.op("Div", far, graph.constant(gap)), graph.constant(0.0), graph.constant(1.0))
        turned = graph.op("Transpose", climbed, perm=[1, 0, 2])
        absent = graph.op("Unsqueeze", graph.op("Transpose", missing, perm=[1, 0]), graph.constant([2], "int64"))
        return turned, absent

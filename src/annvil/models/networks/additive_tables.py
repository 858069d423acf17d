"""What additive networks come to: a table for every column and pair, averaged, made unique, and shortened.

A score is a sum in many ways: a constant can move between effects, and what a pair says of one of its columns alone can
be said by that column. Only one way is kept (functional analysis of variance; Lengerich et al. 2020, "Purifying
interaction effects with the functional ANOVA", with the density of the training rows): effects of columns are 0 on
average over the training rows, and a pair's table is what weighted two-way analysis leaves over, 0 on average in every
row and column of the table. What is taken from a pair goes to its columns, so that scores stay what they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.preparation.knots import KnotPreparation, Where
from annvil.tasks.base import FloatArray

Pair = tuple[int, int]


@dataclass(frozen=True)
class Density:
    """Where the training rows lie: shares of the slots of each column, and of the cells of each pair."""

    slots: tuple[FloatArray, ...]
    cells: dict[Pair, FloatArray]

    @classmethod
    def of(cls, knots: KnotPreparation, fine: Where, coarse: Where, pairs: Collection[Pair]) -> Density:
        """Of rows that were placed."""
        n_rows = len(fine[0])
        slots = []
        for j, one in enumerate(knots.knots):
            at, share = fine[0][:, j], fine[1][:, j]
            weighed = np.bincount(at, 1 - share, one.n_slots + 1) + np.bincount(at + 1, share, one.n_slots + 1)
            slots.append(weighed[:-1] / n_rows)
        cells = {}
        for a, b in pairs:
            shape = knots.knots[a].n_coarse, knots.knots[b].n_coarse
            mass = np.zeros((shape[0] + 1, shape[1] + 1))
            for da in (0, 1):
                for db in (0, 1):
                    weight = _side(coarse[1][:, a], da) * _side(coarse[1][:, b], db)
                    np.add.at(mass, (coarse[0][:, a] + da, coarse[0][:, b] + db), weight)
            cells[a, b] = mass[:-1, :-1] / n_rows
        return cls(tuple(slots), cells)


def _side(share: FloatArray, upper: int) -> FloatArray:
    return share if upper else 1 - share


@dataclass(frozen=True)
class EffectTables:
    """Effects at knots.

    Attributes
    ----------
    base : float64 ``(n_scores,)``
    effects : of each column ``(n_slots, n_scores)``
    pairs : of each pair of columns ``(n_coarse, n_coarse, n_scores)``
    """

    base: FloatArray
    effects: tuple[FloatArray, ...]
    pairs: dict[Pair, FloatArray]

    @classmethod
    def mean(cls, tables: Sequence[EffectTables]) -> EffectTables:
        """Of tables on the same knots; a pair that one of them has not is 0 there."""
        n = len(tables)
        pairs: dict[Pair, FloatArray] = {}
        for one in tables:
            for pair, grid in one.pairs.items():
                pairs[pair] = pairs.get(pair, 0.0) + grid / n
        effects = tuple(np.mean(parts, axis=0) for parts in zip(*(one.effects for one in tables), strict=True))
        return cls(np.mean([one.base for one in tables], axis=0), effects, pairs)

    def shuffled(self, random: np.random.Generator) -> EffectTables:
        """Tables that know nothing: the values of each in another order, with signs drawn anew."""

        def one(table: FloatArray) -> FloatArray:
            return np.asarray(random.permutation(table) * random.choice([-1.0, 1.0], table.shape))

        return replace(self, effects=tuple(map(one, self.effects)), pairs={k: one(v) for k, v in self.pairs.items()})

    def purified(self, knots: KnotPreparation, density: Density) -> EffectTables:
        """The same scores in the one way that is kept; slots without a training row have no effect."""
        base, effects = self.base.copy(), [effect.copy() for effect in self.effects]
        grids = {}
        for (a, b), grid in self.pairs.items():
            cells = density.cells[a, b]
            left, right = _two_way(grid, cells)
            grid = grid - left[:, None] - right[None, :]
            grid[cells.sum(axis=1) == 0] = 0.0
            grid[:, cells.sum(axis=0) == 0] = 0.0
            grids[a, b] = grid
            effects[a] += knots.knots[a].refinement() @ left
            effects[b] += knots.knots[b].refinement() @ right
        for effect, mass in zip(effects, density.slots, strict=True):
            level = mass @ effect
            effect -= level
            effect[mass == 0] = 0.0
            base += level
        return EffectTables(base, tuple(effects), grids)

    def kept(self, columns: Collection[int], pairs: Collection[Pair]) -> EffectTables:
        """With no effect of all others."""
        effects = tuple(effect if j in columns else np.zeros_like(effect) for j, effect in enumerate(self.effects))
        return replace(self, effects=effects, pairs={pair: self.pairs[pair] for pair in self.pairs if pair in pairs})

    def of_columns(self, fine: Where) -> FloatArray:
        """What each column adds to rows, ``(n_rows, n_columns, n_scores)``."""
        at, share = fine
        out = np.empty((*at.shape, len(self.base)))
        for j, effect in enumerate(self.effects):
            padded = np.concatenate([effect, effect[-1:]])
            out[:, j] = (1 - share[:, j, None]) * padded[at[:, j]] + share[:, j, None] * padded[at[:, j] + 1]
        return out

    def of_pairs(self, coarse: Where) -> FloatArray:
        """What each pair adds to rows, ``(n_rows, n_pairs, n_scores)``."""
        at, share = coarse
        out = np.zeros((len(at), len(self.pairs), len(self.base)))
        for place, ((a, b), grid) in enumerate(self.pairs.items()):
            padded = np.pad(grid, ((0, 1), (0, 1), (0, 0)))
            for da in (0, 1):
                for db in (0, 1):
                    weight = _side(share[:, a], da) * _side(share[:, b], db)
                    out[:, place] += weight[:, None] * padded[at[:, a] + da, at[:, b] + db]
        return out

    @property
    def n_numbers(self) -> int:
        """Learnt values, those that are 0 throughout not counted."""
        parts = [self.base, *self.effects, *self.pairs.values()]
        return sum(part.size for part in parts if np.any(part))


def _two_way(grid: FloatArray, cells: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Row and column values that explain most of a grid ``(a, b, k)`` under weights ``(a, b)``: least squares.

    Of the many that do (a constant may go either way) the shortest.
    """
    rows, columns = cells.sum(axis=1), cells.sum(axis=0)
    matrix = np.block([[np.diag(rows), cells], [cells.T, np.diag(columns)]])
    answers = np.concatenate([np.einsum("ab,abk->ak", cells, grid), np.einsum("ab,abk->bk", cells, grid)])
    found = np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ answers
    return found[: len(rows)], found[len(rows) :]

"""Shapley values of single predictions against a background of weighted points.

The value of a set of features is the mean score of rows that have the explained row's values in it and a background
point's elsewhere: the interventional game of Lundberg and Lee, "A unified approach to interpreting model predictions"
(NeurIPS 2017), as Janzing, Minorics and Blöbaum argue for (AISTATS 2020). Where all sets can be called they are, and
the values are exact. Otherwise orders are drawn and features taken over one by one in each (Castro, Gómez and Tejada,
Computers & Operations Research 36, 2009), every order together with its reverse: antithetic sampling (Mitchell, Cooper,
Frank and Holmes, JMLR 23(43), 2022), which is exact already for sums of functions of one and of two features.

Each background point is a stratum with orders of its own. So what each order adds up to is the score of the row less
that of the point, and whatever the draw, contributions add up to the score less the base value: no sum is corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import FloatArray, IntArray

Feeds = dict[str, NDArray[Any]]
"""Rows as arrays ``(n_rows, n_places)`` by the name of the input."""

Score = Callable[[Feeds], FloatArray]
"""Of rows: float64 ``(n_rows, n_scores)``."""

MOST_PAIRS = 8
"""Orders with their reverses that a background point is given at most (assumed: errors are then below a quarter of
those of one pair)."""

FEWEST_POINTS = 8
"""Points of the background that remain where each call is dear (assumed)."""

BLOCK_VALUES = 1 << 20
"""Values of rows that are made at once, for memory."""

ROUNDING = 1e-9
"""Errors below this part of a row's largest contribution are those of arithmetic."""

MOST_SETS = 1 << 13
"""Sets of features that are called one by one at most."""


@dataclass(frozen=True)
class Attribution:
    """Contributions and their standard errors, float64 ``(n_rows, n_features, n_scores)``; ``base`` ``(n_scores,)``.

    ``base`` and the contributions of a row add up to its score. Errors are those of the draw of orders: 0 where the
    values are exact.
    """

    contributions: FloatArray
    errors: FloatArray
    base: FloatArray


@dataclass(frozen=True)
class Game:
    """Whose predictions are explained, against what.

    Attributes
    ----------
    score : the model
    points : the background, as rows are
    weights : of the points, adding up to 1
    places : of each feature: the input and the place in it
    """

    score: Score
    points: Feeds
    weights: FloatArray
    places: Sequence[tuple[str, int]]

    def differs(self, rows: Feeds) -> NDArray[np.bool_]:
        """In which features each row is another than each point, bool ``(n_rows, n_points, n_features)``."""
        found = []
        for name, place in self.places:
            ours, theirs = rows[name][:, place][:, None], self.points[name][:, place][None]
            same = np.asarray(ours == theirs, dtype=bool)
            if self.points[name].dtype != object:
                same |= np.isnan(ours) & np.isnan(theirs)
            found.append(~same)
        return np.stack(found, axis=2)

    def mixed(self, rows: Feeds, which: IntArray, point: IntArray, taken: NDArray[np.bool_]) -> FloatArray:
        """Scores of ``rows[which]`` with the values of ``points[point]`` in features that are not ``taken``.

        ``which`` and ``point`` are int64 ``(n,)``, ``taken`` is bool ``(n, n_features)``; float64 ``(n, n_scores)``.
        """
        feeds = {name: array[point] for name, array in self.points.items()}
        for j, (name, place) in enumerate(self.places):
            chosen = taken[:, j]
            feeds[name][chosen, place] = rows[name][which[chosen], place]
        return self.score(feeds)


def shapley(game: Game, rows: Feeds, evaluations: int, seed: int = 0) -> Attribution:
    """Shapley values of the scores of ``rows``; a row's do not hang on the others.

    Parameters
    ----------
    evaluations : calls of the model that a row is worth; the least that is done may be more
    seed : of the orders
    """
    n_rows, n_features = len(next(iter(rows.values()))), len(game.places)
    game = _thinned(game, evaluations // (2 * max(n_features - 1, 1)))
    at_points = game.score(game.points)
    base = np.asarray(game.weights @ at_points)
    method = _by_sets if len(game.weights) << min(n_features, 40) <= min(evaluations, MOST_SETS) else _by_orders
    width = max(1, BLOCK_VALUES // max(1, n_features**2))
    parts = [
        method(game, {name: array[start : start + width] for name, array in rows.items()}, at_points, evaluations, seed)
        for start in range(0, n_rows, width)
    ]
    shape = (0, n_features, len(base))
    contributions = np.concatenate([np.zeros(shape), *(one for one, _ in parts)])
    errors = np.concatenate([np.zeros(shape), *(one for _, one in parts)])
    rounding = ROUNDING * np.abs(contributions).max(axis=1, keepdims=True, initial=0.0)
    return Attribution(contributions, np.where(errors > rounding, errors, 0.0), base)


def _thinned(game: Game, most: int) -> Game:
    """At most so many points, but no fewer than `FEWEST_POINTS`: the heaviest of each run of like scores, for it."""
    n, most = len(game.weights), max(most, FEWEST_POINTS)
    if n <= most:
        return game
    order = np.argsort(game.score(game.points)[:, 0], kind="stable")
    stratum = np.minimum((np.cumsum(game.weights[order]) - game.weights[order] / 2) * most, most - 1).astype(np.int64)
    runs = [order[stratum == number] for number in np.unique(stratum)]
    kept = np.array([run[np.argmax(game.weights[run])] for run in runs])
    weights = np.array([game.weights[run].sum() for run in runs])
    return Game(game.score, {name: array[kept] for name, array in game.points.items()}, weights, game.places)


def _by_sets(
    game: Game, rows: Feeds, at_points: FloatArray, evaluations: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """All sets of features, those that differ in nothing called once."""
    n_features, differs = len(game.places), game.differs(rows)
    sets = np.arange(1 << n_features)
    bits = 1 << np.arange(n_features)
    of_row = np.zeros((len(differs), len(sets), at_points.shape[1]))
    for point, weight in enumerate(game.weights):
        keys = sets[None] & (differs[:, point] @ bits)[:, None]  # (n_rows, n_sets)
        needed = np.zeros(keys.shape, dtype=bool)
        np.put_along_axis(needed, keys, True, axis=1)
        which, which_set = np.nonzero(needed)
        taken = (which_set[:, None] & bits[None]) > 0
        values = np.zeros((*keys.shape, at_points.shape[1]))
        values[which, which_set] = game.mixed(rows, which, np.full(len(which), point), taken)
        of_row += weight * np.take_along_axis(values, keys[..., None], axis=1)
    size = np.bitwise_count(sets)
    share = 1 / (n_features * np.array([_binomial(n_features - 1, k) for k in range(n_features)]))
    found = np.zeros((len(differs), n_features, at_points.shape[1]))
    for j, bit in enumerate(bits):
        without = sets[(sets & bit) == 0]
        gain = of_row[:, without | bit] - of_row[:, without]
        found[:, j] = np.einsum("s,rsk->rk", share[size[without]], gain)
    return found, np.zeros_like(found)


def _binomial(n: int, k: int) -> float:
    from math import comb

    return float(comb(n, k))


def _by_orders(
    game: Game, rows: Feeds, at_points: FloatArray, evaluations: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Drawn orders and their reverses, so many of each point as the evaluations allow."""
    n_features, differs, at_rows = len(game.places), game.differs(rows), game.score(rows)
    n_pairs = evaluations // (2 * max(n_features - 1, 1) * len(game.weights))
    n_pairs = min(max(n_pairs, 1), MOST_PAIRS)
    total = np.zeros((len(differs), n_features, at_points.shape[1]))
    variance = np.zeros_like(total)
    for point, weight in enumerate(game.weights):
        random = np.random.default_rng([seed, point])
        pairs = []
        for _ in range(n_pairs):
            order = random.permutation(n_features)
            walks = [
                _walk(game, rows, point, one, differs[:, point], at_points[point], at_rows)
                for one in (order, order[::-1])
            ]
            pairs.append((walks[0] + walks[1]) / 2)
        mean = np.mean(pairs, axis=0)
        total += weight * mean
        if n_pairs > 1:
            variance += weight**2 * np.var(pairs, axis=0, ddof=1) / n_pairs
        else:  # of one pair only its halves are known: too large an error, as they err in opposite directions
            variance += weight**2 * ((walks[0] - walks[1]) / 2) ** 2
    return total, np.sqrt(variance)


def _walk(
    game: Game,
    rows: Feeds,
    point: int,
    order: IntArray,
    differs: NDArray[np.bool_],
    at_point: FloatArray,
    at_rows: FloatArray,
) -> FloatArray:
    """What each feature adds when they are taken over in that order ``(n_rows, n_features, n_scores)``.

    The model is called only after a step that changes the row, and not after the last: that is the row itself.
    """
    changes = differs[:, order]  # (n_rows, n_steps)
    n_steps = len(order)
    last = np.where(changes.any(axis=1), n_steps - 1 - changes[:, ::-1].argmax(axis=1), -1)
    called = changes & (np.arange(n_steps) != last[:, None])
    which, step = np.nonzero(called)
    rank = np.empty(n_steps, dtype=np.int64)
    rank[order] = np.arange(n_steps)
    values = np.empty((len(changes), n_steps + 1, at_rows.shape[1]))
    values[:, 0] = at_point
    values[which, step + 1] = game.mixed(rows, which, np.full(len(which), point), rank[None] <= step[:, None])
    reached = np.flatnonzero(last >= 0)
    values[reached, last[reached] + 1] = at_rows[reached]
    known = np.maximum.accumulate(np.where(changes, np.arange(1, n_steps + 1), 0), axis=1)
    before = np.concatenate([np.zeros((len(known), 1), dtype=np.int64), known[:, :-1]], axis=1)
    each = np.arange(len(known))[:, None]
    gains = np.where(changes[..., None], values[each, known] - values[each, before], 0.0)
    found = np.empty_like(gains)
    found[:, order] = gains
    return found

"""Which pairs of columns matter, on the residuals of the main effects, before any network is trained.

The idea of FAST (Lou et al. 2013, "Accurate intelligible models with pairwise interactions"), which GAMI-Net and EBM
use: fit the main effects, then ask of each pair how much a table of its residuals would explain. Departures: main
effects by a few rounds of Newton steps on slots, one column after another; a table of up to `SIDE` × `SIDE` cells with
shrunken means rather than one cut in each direction; the degrees of freedom that it spends are taken from its gain.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

SIDE = 8
"""Cells of a column in the table of a pair (assumed)."""

ROUNDS = 6
"""Rounds over all columns (assumed: what is left does not change the order of the pairs)."""

MOST_ROWS = 20_000
"""Rows that pairs are looked for among, at most."""

MOST_PARENTS = 24
"""Only pairs of the strongest columns are tried (assumed): 276 pairs."""

SHRINKAGE = 5.0
"""Rows with no effect that every slot or cell is mixed with."""

TINY = 1e-12


def rank_pairs(
    slots: IntArray, cells: IntArray, y: FloatArray, weights: FloatArray, n_scores: int, eligible: IntArray
) -> list[tuple[int, int]]:
    """Pairs of columns, the most promising first.

    Parameters
    ----------
    slots : of main effects, int64 ``(n_rows, n_columns)``; cells : the same among at most `SIDE`
    y : class codes where ``n_scores`` is at least 2, values otherwise
    weights : of the rows ``(n_rows,)``
    eligible : columns that may be in a pair
    """
    gradient, curvature, strength = _residuals(slots, y, weights, n_scores)
    strongest = eligible[np.argsort(-strength[eligible], kind="stable")[:MOST_PARENTS]]
    pairs = [(int(a), int(b)) for a, b in combinations(sorted(strongest.tolist()), 2)]
    gains = [_gain(cells[:, a], cells[:, b], gradient, curvature) for a, b in pairs]
    return [pairs[i] for i in np.argsort(-np.asarray(gains), kind="stable")] if pairs else []


def _residuals(
    slots: IntArray, y: FloatArray, weights: FloatArray, n_scores: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gradient and curvature of each row's loss ``(n_rows, k)`` after the main effects, and each column's strength."""
    n_rows, n_columns = slots.shape
    classes = n_scores >= 2
    k = n_scores if n_scores > 2 else 1
    answers = (y[:, None] == (np.arange(k) if k > 1 else 1)).astype(np.float64) if classes else y[:, None].astype(float)
    start = np.average(answers, axis=0, weights=weights)
    scores = np.tile(np.log(np.clip(start, 1e-6, 1) / np.clip(1 - start, 1e-6, 1)) if classes else start, (n_rows, 1))
    spread = 1.0 if classes else float(np.average((answers - start) ** 2, axis=0, weights=weights)[0]) + TINY
    n_slots = slots.max(axis=0) + 1
    for _ in range(ROUNDS):
        for column in range(n_columns):
            gradient, curvature = _slopes(answers, scores, weights, classes, spread)
            at, size = slots[:, column], int(n_slots[column])
            for score in range(k):
                top = np.bincount(at, gradient[:, score], size)
                step = top / (
                    np.bincount(at, curvature[:, score], size) + SHRINKAGE * (0.25 if classes else 1 / spread)
                )
                scores[:, score] += step[at]
    return *_slopes(answers, scores, weights, classes, spread), _strengths(slots, scores, weights)


def _strengths(slots: IntArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """How much of the scores' variance each column's slots tell apart."""
    centred = scores - np.average(scores, axis=0, weights=weights)
    found = np.zeros(slots.shape[1])
    for column, at in enumerate(slots.T):
        mass = np.bincount(at, weights) + 1e-9
        found[column] = sum(float((np.bincount(at, weights * one) ** 2 / mass).sum()) for one in centred.T)
    return found


def _slopes(
    answers: FloatArray, scores: FloatArray, weights: FloatArray, classes: bool, spread: float
) -> tuple[FloatArray, FloatArray]:
    if not classes:
        return (answers - scores) * weights[:, None] / spread, np.tile(weights[:, None] / spread, (1, scores.shape[1]))
    if scores.shape[1] == 1:
        shares = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
    else:
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
    return (answers - shares) * weights[:, None], np.maximum(shares * (1 - shares), 1e-6) * weights[:, None]


def _gain(first: IntArray, second: IntArray, gradient: FloatArray, curvature: FloatArray) -> float:
    """What shrunken means of the cells explain, less what as many cells of noise would."""
    width = int(second.max()) + 1
    cell = first * width + second
    size = (int(first.max()) + 1) * width
    gain = 0.0
    for g, h in zip(gradient.T, curvature.T, strict=True):
        noise = float(g @ g) / max(float(h.sum()), 1e-12)
        top, below = np.bincount(cell, g, size), np.bincount(cell, h, size)
        prior = SHRINKAGE * float(h.mean())
        gain += float((top**2 / (below + prior)).sum()) / max(noise, 1e-12) - float((below / (below + prior)).sum())
    return gain

"""Integrated gradients: the derivative of a score along the straight way to a row, added up column by column.

Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks" (ICML 2017, arXiv 1703.01365). What the columns
add up to is the score of the row minus that of the start, whatever the network (completeness). Their paper takes 20 to
300 equal steps; here each piece of the way has a Gauss-Legendre rule, and is halved for the rows where what the rule
finds is not the difference of the scores at its ends: networks of bends are smooth nowhere, but bend in few places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Slopes = Callable[[IntArray, FloatArray], tuple[FloatArray, FloatArray]]
"""Of rows and shares of their way, both ``(n,)``: slopes ``(n, n_columns, n_explained)`` and scores ``(n,
n_explained)``."""

PIECES, NODES = 4, 8
"""Pieces of the way before any is halved, and nodes of the rule on each: 32 at least (assumed)."""

HALVINGS = 9
"""Most halvings of a piece (assumed)."""

TOLERANCE = 5e-4
"""Share of the largest difference between start and rows that a row may miss: half of what is promised."""

AT_ONCE = 4096
"""Points of one call (assumed)."""


@dataclass(frozen=True)
class Integrated:
    """What the columns add to the score of the start.

    Attributes
    ----------
    contributions : float64 ``(n_rows, n_columns, n_explained)``
    base, scores : of the start and of the rows, float64 ``(n_explained,)`` and ``(n_rows, n_explained)``
    """

    contributions: FloatArray
    base: FloatArray
    scores: FloatArray

    @property
    def missing(self) -> FloatArray:
        """What is missing to completeness: float64 ``(n_rows, n_explained)``, in units of the score."""
        return np.asarray(np.abs(self.base + self.contributions.sum(axis=1) - self.scores))


def integrated_gradients(slopes: Slopes, n_rows: int, tolerance: float = TOLERANCE) -> Integrated:
    """The contributions of ``n_rows`` rows, at least one.

    A piece is halved, at most `HALVINGS` times, while it misses more of the difference of the scores at its ends than
    its part of ``tolerance`` × the largest difference between start and row. Parts add up as the errors of bends do,
    one sign as likely as the other.
    """
    nodes, weights = _gauss_legendre(NODES)
    inside = np.concatenate([nodes, [0.0, 1.0]])
    rows = np.repeat(np.arange(n_rows), PIECES)
    starts, width = np.tile(np.arange(PIECES) / PIECES, n_rows), 1 / PIECES
    n_pieces = np.full(n_rows, PIECES)
    done: list[tuple[IntArray, FloatArray]] = []
    base = scores = allowed = np.empty(0)
    for halving in range(HALVINGS + 1):
        places = starts[:, None] + width * inside
        slope, score = _in_calls(slopes, np.repeat(rows, len(inside)), places.ravel())
        slope, score = (values.reshape(*places.shape, *values.shape[1:]) for values in (slope, score))
        found = width * np.einsum("n,pnce->pce", weights, slope[:, :NODES])
        first, last = score[:, -2], score[:, -1]
        if halving == 0:
            base, scores = first[0], last[PIECES - 1 :: PIECES]
            allowed = tolerance * np.abs(scores - base).max(axis=0)
        off = np.abs(found.sum(axis=1) - (last - first))
        again = (off > allowed / np.sqrt(n_pieces[rows, None])).any(axis=1) & (halving < HALVINGS)
        done.append((rows[~again], found[~again]))
        np.add.at(n_pieces, rows[again], 1)
        rows, width = np.repeat(rows[again], 2), width / 2
        starts = (starts[again, None] + np.array([0.0, width])).ravel()
        if not len(rows):
            break
    contributions = np.zeros((n_rows, *done[0][1].shape[1:]))
    for at, found in done:
        np.add.at(contributions, at, found)
    return Integrated(contributions, base, scores)


def _in_calls(slopes: Slopes, rows: IntArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    parts = [slopes(rows[at : at + AT_ONCE], shares[at : at + AT_ONCE]) for at in range(0, len(rows), AT_ONCE)]
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])


def _gauss_legendre(n: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on 0 to 1, from the eigenvalues of the Jacobi matrix (Golub and Welsch 1969).

    NumPy has them too, in a package whose import takes longer than the explanation.
    """
    k = np.arange(1, n)
    beside = np.diag(k / np.sqrt(4.0 * k**2 - 1), 1)
    values, vectors = np.linalg.eigh(beside + beside.T)
    return (values + 1) / 2, vectors[0] ** 2

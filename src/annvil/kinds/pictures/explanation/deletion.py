"""What covering the squares that a map marks takes from the output: `annvil.explanation.deletion` for pictures.

Departures: squares instead of pixels, since single pixels covered at random are noise that ruins any network's
prediction by itself; and a random order is that of the map itself, moved over the edges by a random way and mirrored or
not (as in the toroidal shifts of spatial statistics: Lotwick and Silverman, JRSS B 44(3), 1982), so that smooth maps
are compared with smooth ones: among orders of independent squares, smooth noise passed 22 times of 100.

Measured on 500 networks written by hand (`tests/kinds/pictures/explanation/test_power.py`), both tests together: maps
of what the answer is known to rest on pass for 97.4% of the pictures (88% of detectors', 99.8% of all others'),
integrated gradients and occlusion, where they are right by construction, for 100% and 98%; maps of noise for 3.4%, of
smooth noise for 3.4%, and the contrast of the picture for none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from annvil.explanation.deletion import Deletion, curves
from annvil.kinds.pictures.explanation.saliency import Pixels, Saliency, plain
from annvil.tasks.base import FloatArray, IntArray

SQUARES_ACROSS = 7
"""Squares along the shorter side (assumed: 4 × 4 pixels of a picture of 28 × 28)."""


def deletions(
    losses: Callable[[Pixels], FloatArray],
    pixels: Pixels,
    saliencies: Sequence[Saliency],
    *,
    of_number: bool = False,
    least: float = 0.0,
    seed: int = 0,
) -> tuple[Deletion, ...]:
    """The curve of each map beside those of random orders: its own, moved and mirrored at random.

    Parameters
    ----------
    losses : pictures ``(n, height, width, channels)`` → ``(n,)``, how much of the output is lost: 0 for the picture as
        it is, 1 for all of a class's probability; of a number its distance
    pixels : uint8 ``(height, width, channels)``
    of_number : whether the output is a number: what is large counts, whatever its sign, and distances are divided by
        the largest
    least : distances of a number up to this are rounding, no effect
    seed : of the random orders
    """
    square = _squares(pixels.shape[0], pixels.shape[1])

    def lost(order: IntArray, counts: IntArray) -> FloatArray:
        return losses(_covered(pixels, square, order, counts))

    marks = [_means(saliency, square) for saliency in saliencies]
    return curves(lost, marks, partial(_moved, square), of_number=of_number, least=least, seed=seed, thing="picture")


def _means(saliency: Saliency, square: IntArray) -> FloatArray:
    """What the map says of each square ``(n_squares,)``."""
    return np.bincount(square.ravel(), weights=saliency.values.ravel()) / np.bincount(square.ravel())


def _moved(square: IntArray, random: np.random.Generator) -> IntArray:
    """Where each square's mark is taken from when a map is moved at random, over the edges, and perhaps mirrored."""
    grid = np.unique(square).reshape(int(square[-1, -1] // (square[0, -1] + 1)) + 1, -1)
    down, right = divmod(int(random.integers(1, max(2, grid.size))), grid.shape[1])
    moved = np.roll(grid, (down, right), axis=(0, 1))
    for axis in (0, 1):
        moved = np.flip(moved, axis) if random.random() < 0.5 else moved
    return moved.ravel()


def _squares(height: int, width: int) -> IntArray:
    """The number of each pixel's square ``(height, width)``."""
    side = max(1, round(min(height, width) / SQUARES_ACROSS))
    rows, columns = np.arange(height) // side, np.arange(width) // side
    return rows[:, None] * int(columns[-1] + 1) + columns


def _covered(pixels: Pixels, square: IntArray, order: IntArray, counts: IntArray) -> Pixels:
    """The picture with the first 0, …, all squares of an order covered ``(len(counts), height, width, channels)``."""
    turn = np.empty(len(order), dtype=np.int64)
    turn[order] = np.arange(len(order))
    covers = turn[square][None] < counts[:, None, None]
    return np.where(covers[..., None], plain(pixels), pixels)

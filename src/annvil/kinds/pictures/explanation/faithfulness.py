"""Whether a saliency map can be trusted: two tests that a map must pass, and what is said when it fails.

*Weights shuffled.* A map that hardly changes when the network's knowledge is destroyed shows the picture, not the
network (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, arXiv 1810.03292, section 3). Every weight
tensor is shuffled in itself, so that layers keep their scales; running statistics are taken anew from the picture.
Spearman's rank correlation of the signed maps must be at most 0.2 in the mean over some shufflings. Signed, because
integrated gradients are a product with the picture: their sizes would agree for any network (their section 5).

*Deletion.* Squares are covered in the order of the map, most important first and then least important first, and the
output must fall faster in the first order than in the second, by more than in 95% of random orders (deletion: Petsiuk,
Das and Saenko, RISE, BMVC 2018, arXiv 1806.07421, section 4.2; both directions: Samek et al., IEEE TNNLS 28(11), 2017).
Departures: squares instead of pixels, since single pixels covered at random are noise that ruins any network's
prediction by itself; and the comparison by rank, since areas are skewed. Measured on 40 pictures of clothes: a map of
noise passes for 5 in 100 pictures, occlusion for 85; by the first direction alone for 57.

A map of what differs from the border passes the second test on many data, and fails the first: hence both.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annvil.kinds.pictures.explanation.saliency import Pixels, Saliency, plain
from annvil.tasks.base import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import nn

MOST_ALIKE = 0.2
"""Rank correlation with maps of shuffled networks up to which a map counts as the network's own."""

BY_CHANCE = 0.05
"""Share of random orders that may be as good as that of the map."""

SHUFFLINGS = 5
"""Networks with shuffled weights (assumed)."""

ORDERS = 20
"""Random orders of squares; each counts forward and backward, so that 40 stand beside the map's own (assumed)."""

SQUARES_ACROSS = 7
"""Squares along the shorter side (assumed: 4 × 4 pixels of a picture of 28 × 28)."""

COVERINGS = 8
"""Steps of a deletion curve, in each of which about an eighth of the squares is covered (assumed)."""


@dataclass(frozen=True)
class Deletion:
    """What is left of an output as squares are covered, 1 before the first.

    Of a class it is the share of its probability; of a number 1 less the distance from it, in parts of the largest.

    Attributes
    ----------
    covered : shares of the squares ``(n_points,)``, from 0 to 1
    first, last : what is left when the squares that a map marks most, or least, are covered first ``(n_points,)``
    random : the same in random orders and their reverse, ``(2 n_orders, n_points)``
    of_number : whether the output is a number
    """

    covered: FloatArray
    first: FloatArray
    last: FloatArray
    random: FloatArray
    of_number: bool = False

    @property
    def gap(self) -> float:
        """The area between both curves: large where the map is right."""
        return self._area(self.last) - self._area(self.first)

    @property
    def random_gaps(self) -> FloatArray:
        """The gap of each random order, and of each order's reverse."""
        orders, reverses = np.split(self._areas, 2)
        gaps = reverses - orders
        return np.concatenate([gaps, -gaps])

    @property
    def gain(self) -> float:
        """The mean area under random curves less that under the map's own."""
        return float(self._areas.mean()) - self._area(self.first)

    @property
    def by_chance(self) -> float:
        """Share of orders, the random ones and this one, whose gap is as large: how probable that is by chance."""
        gaps = self.random_gaps
        return float((1 + np.sum(gaps >= self.gap)) / (1 + len(gaps)))

    @property
    def passed(self) -> bool:
        """Whether the map's order is better than chance, and what it marks most is what the output rests on."""
        return self.by_chance <= BY_CHANCE and self.gain > 0

    def in_words(self) -> str:
        """What is left on average, over all shares that are covered, in the three kinds of orders."""
        areas = (self._area(self.first), self._area(self.last), float(self._areas.mean()))
        most, least, chance = (f"{max(0.0, 1 - area if self.of_number else area):.0%}" for area in areas)
        how = "Covered bit by bit, from what it marks most to what it marks least, the picture"
        if self.of_number:
            compared = (
                f"{how} moves the value by {most} of the farthest it was moved, on average; in reverse by {least}, in "
                f"random order by {chance}."
            )
        else:
            compared = (
                f"{how} keeps {most} of the probability on average; in reverse {least}, in random order {chance}."
            )
        return compared if self.passed else f"Its order is no better than chance. {compared}"

    def _area(self, curve: FloatArray) -> float:
        return float(np.trapezoid(curve, self.covered))

    @property
    def _areas(self) -> FloatArray:
        """Under each random curve."""
        return np.asarray(np.trapezoid(self.random, self.covered, axis=1))


@dataclass(frozen=True)
class CheckedMap:
    """A map and what its tests found.

    Attributes
    ----------
    saliency : the map
    deletion : what covering squares does
    alike : mean rank correlation with the maps of shuffled networks; None where no weights were at hand to shuffle
    """

    saliency: Saliency
    deletion: Deletion
    alike: float | None

    @property
    def shows_something(self) -> bool:
        """Whether the map differs from place to place."""
        return bool(np.ptp(self.saliency.values) > 0)

    @property
    def trusted(self) -> bool:
        """Whether the map passed every test that could be made."""
        return all(passed for passed, _ in self._tests())

    @property
    def changes_when_shuffled(self) -> bool:
        """Whether the map becomes another with shuffled weights; also where there were none to shuffle."""
        return self.alike is None or self.alike <= MOST_ALIKE

    def sentences(self) -> tuple[str, ...]:
        """What the tests found, for people; the conclusion first."""
        failed = [said for passed, said in self._tests() if not passed]
        if failed:
            return ("Do not trust this map.", *failed)
        return ("This map passed its tests.", *(said for _, said in self._tests()))

    def _tests(self) -> list[tuple[bool, str]]:
        if not self.shows_something:
            return [(False, "It is the same everywhere.")]
        if self.alike is None:
            said = "No weights were at hand to shuffle, so that only this test was made."
        elif self.changes_when_shuffled:
            said = f"With shuffled weights the map becomes another (rank correlation {self.alike:z.2f})."
        else:
            said = (
                f"With shuffled weights it stays much the same (rank correlation {self.alike:.2f}, at most "
                f"{MOST_ALIKE} is asked): it shows the picture more than what the network learnt."
            )
        return [(self.deletion.passed, self.deletion.in_words()), (self.changes_when_shuffled, said)]


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's correlation of two maps; 0 where one of them is constant."""
    from scipy.stats import rankdata

    if not np.ptp(a) or not np.ptp(b):
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def shuffled(network: nn.Module, pixels: Pixels, seed: int) -> nn.Module:
    """A copy of the network without its knowledge: each parameter shuffled, running statistics those of ``pixels``.

    Parameters
    ----------
    pixels : uint8 ``(height, width, channels)``, the picture to be explained
    """
    import torch
    from torch import nn

    other = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in other.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
        norms = [module for module in other.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        if norms:
            other(torch.from_numpy(np.stack([pixels, pixels[:, ::-1]])))  # a mirror image: one value has no variance
    return other.eval()


def alike_when_shuffled(
    network: nn.Module,
    pixels: Pixels,
    saliency: Saliency,
    explain: Callable[[nn.Module], Saliency | None],
) -> float:
    """Mean rank correlation of a map with those of networks without knowledge; ``explain`` makes one of a network."""
    found = []
    for seed in range(SHUFFLINGS):
        other = explain(shuffled(network, pixels, seed))
        found.append(0.0 if other is None else rank_correlation(saliency.values, other.values))
    return float(np.mean(found))


def deletions(
    losses: Callable[[Pixels], FloatArray],
    pixels: Pixels,
    saliencies: Sequence[Saliency],
    *,
    of_number: bool = False,
    seed: int = 0,
) -> tuple[Deletion, ...]:
    """The curve of each map beside those of random orders, which are the same for all maps.

    Parameters
    ----------
    losses : pictures ``(n, height, width, channels)`` → ``(n,)``, how much of the output is lost: 0 for the picture as
        it is, 1 for all of a class's probability; of a number its distance
    pixels : uint8 ``(height, width, channels)``
    of_number : whether the output is a number: what is large counts, whatever its sign, and distances are divided by
        the largest
    seed : of the random orders
    """
    square = _squares(pixels.shape[0], pixels.shape[1])
    n_squares = int(square.max()) + 1
    counts = np.unique(np.linspace(0, n_squares, min(COVERINGS, n_squares) + 1).round().astype(np.int64))
    random = np.random.default_rng(seed)
    orders = [_order(saliency, square, not of_number) for saliency in saliencies]
    orders += [random.permutation(n_squares) for _ in range(ORDERS)]
    orders = [*orders, *(order[::-1] for order in orders)]
    lost = np.array([losses(_covered(pixels, square, order, counts)) for order in orders])
    left = 1 - lost / (float(lost.max()) or 1.0) if of_number else 1 - lost
    forward, backward = left[: len(left) // 2], left[len(left) // 2 :]
    n = len(saliencies)
    chance = np.concatenate([forward[n:], backward[n:]])
    return tuple(Deletion(counts / n_squares, forward[i], backward[i], chance, of_number) for i in range(n))


def _order(saliency: Saliency, square: IntArray, signed: bool) -> IntArray:
    """Squares by the mean of the map in them, the most important first."""
    sums = np.bincount(square.ravel(), weights=saliency.values.ravel()) / np.bincount(square.ravel())
    return np.argsort(-(sums if signed else np.abs(sums)), kind="stable")


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

"""What covering the parts that a map marks takes from the output, beside random orders of parts.

Parts are covered in the order of the map, most important first and then least important first, and the output must
fall faster in the first order than in the second, by more than in 96% of random orders, and clearly (deletion: Petsiuk,
Das and Saenko, RISE, BMVC 2018, arXiv 1806.07421, section 4.2; both directions: Samek et al., IEEE TNNLS 28(11), 2017).
Where no order takes much from the output there is no effect that a map could be right about: the map is neither passed
nor failed, but untestable, and not to be relied on. What the parts are, how they are covered and how a map is moved at
random is for a kind of data to say. The comparison is by rank, since areas are skewed; and a random order is that of
the map itself, moved, so that smooth maps are compared with smooth ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from annvil.tasks.base import FloatArray, IntArray

BY_CHANCE = 0.04
"""Share of orders, random ones and the map's own, that may be as good as this."""

ORDERS = 30
"""Random orders of parts; each counts forward and backward, so that 60 stand beside the map's own, which must be
first or second: by chance 2 of 61 are, 3.3%. (First of 41, 2.4%, failed 1 of 15 right maps: one moved by a part may
be as good.)"""

LEAST_EFFECT = 0.1
"""Share of the output that covering parts, in some order, must change for there to be anything to test (assumed)."""

LEAST_GAIN = 0.05
"""Share of the output that the map's order takes, averaged over what is covered, and that it takes beyond random ones
(assumed: of 100% and 104% left nobody would say that they differ; maps that are right reach 0.17 to 0.5)."""

ROUNDING = 1e-4
"""Distances of a number, in parts of it, that rounding in float32 may make (assumed)."""

COVERINGS = 10
"""Steps of a deletion curve: short at both ends, where the parts are that an order puts first or last (with equal
steps, right maps of a detector passed for 84 inputs of 100 instead of 93)."""


Lost = Callable[[IntArray, IntArray], FloatArray]
"""An order of parts ``(n_parts,)`` and counts ``(n,)`` → what of the output is lost when so many of it are covered."""


@dataclass(frozen=True)
class Deletion:
    """What is left of an output as parts are covered, 1 before the first.

    Of a class it is the share of its probability; of a number 1 less the distance from it, in parts of the largest.

    Attributes
    ----------
    covered : shares of the parts ``(n_points,)``, from 0 to 1
    first, last : what is left when the parts that a map marks most, or least, are covered first ``(n_points,)``
    random : the same in random orders and their reverse, ``(2 n_orders, n_points)``
    of_number : whether the output is a number
    thing : what parts of are covered
    """

    covered: FloatArray
    first: FloatArray
    last: FloatArray
    random: FloatArray
    of_number: bool = False
    thing: str = "input"

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
    def effect(self) -> float:
        """The largest share of the output that any covering takes or adds."""
        return float(max(np.abs(1 - curve).max() for curve in (self.first, self.last, self.random)))

    @property
    def taken(self) -> float:
        """The mean share of the output that covering what the map marks most takes; negative where it adds."""
        return 1 - self._area(self.first)

    @property
    def has_effect(self) -> bool:
        """Whether covering parts matters at all: otherwise there is nothing to test a map by."""
        return self.effect >= LEAST_EFFECT

    @property
    def passed(self) -> bool:
        """Whether the order is clearly better than chance: what the map marks most is what the output rests on."""
        return self.has_effect and self.by_chance <= BY_CHANCE and min(self.gain, self.taken) >= LEAST_GAIN

    def in_words(self) -> str:
        """What is left on average, over all shares that are covered, in the three kinds of orders."""
        if not self.has_effect:
            if self.of_number:
                return "Whatever is covered, the value stays the same: there is no effect to test a map by."
            taken = f"{max(0.01, ceil(100 * self.effect) / 100):.0%}"
            return (
                f"Covering any part of the {self.thing}, or all of it, changes the probability by at most {taken} of "
                "it: there is no effect to test a map by."
            )
        areas = (self._area(self.first), self._area(self.last), float(self._areas.mean()))
        most, least, chance = (f"{max(0.0, 1 - area if self.of_number else area):.0%}" for area in areas)
        how = f"Covered bit by bit, from what it marks most to what it marks least, the {self.thing}"
        if self.of_number:
            compared = (
                f"{how} moves the value by {most} of the farthest it was moved, on average; in reverse by {least}, in "
                f"random order by {chance}."
            )
        else:
            compared = (
                f"{how} keeps {most} of the probability on average; in reverse {least}, in random order {chance}."
            )
        if self.passed:
            return compared
        if self.taken < LEAST_GAIN:
            return f"Covering what it marks most takes hardly anything. {compared}"
        by_chance = self.by_chance > BY_CHANCE or self.gain <= 0
        return f"Its order is {'no' if by_chance else 'hardly'} better than chance. {compared}"

    def _area(self, curve: FloatArray) -> float:
        return float(np.trapezoid(curve, self.covered))

    @property
    def _areas(self) -> FloatArray:
        """Under each random curve."""
        return np.asarray(np.trapezoid(self.random, self.covered, axis=1))


def curves(
    losses: Lost,
    marks: Sequence[FloatArray],
    moved: Callable[[np.random.Generator], IntArray],
    *,
    of_number: bool = False,
    least: float = 0.0,
    seed: int = 0,
    thing: str = "input",
) -> tuple[Deletion, ...]:
    """The curve of each map beside those of random orders: its own, moved at random.

    Parameters
    ----------
    losses : see `Lost`: 0 as it is, 1 for all of a class's probability; of a number its distance
    marks : of each map what it says of each part ``(n_parts,)``
    moved : for each part, where its mark is taken from when a map is moved at random
    of_number : whether the output is a number: what is large counts, whatever its sign, and distances are divided by
        the largest
    least : distances of a number up to this are rounding, no effect
    seed : of the random orders
    thing : what parts of are covered
    """
    n_parts = len(marks[0])
    half = 2 * np.linspace(0, 0.5, COVERINGS // 2 + 1) ** 2
    shares = np.concatenate([half, 1 - half[-2::-1]])
    counts = np.unique((n_parts * shares).round().astype(np.int64))
    random = np.random.default_rng(seed)
    places = [np.arange(n_parts), *(moved(random) for _ in range(ORDERS))]
    orders = []
    for marked in marks:
        orders += [_order(marked[place] if not of_number else np.abs(marked[place]), random) for place in places]
    orders += [order[::-1] for order in orders]
    lost = np.empty((len(orders), len(counts)))
    lost[:, [0, -1]] = losses(orders[0], counts[[0, -1]])  # the same in every order
    if len(counts) > 2:
        lost[:, 1:-1] = [losses(order, counts[1:-1]) for order in orders]
    largest = float(lost.max())
    left = 1 - lost / (largest if largest > least else np.inf) if of_number else 1 - lost
    forward, backward = left.reshape(2, len(marks), len(places), len(counts))
    return tuple(
        Deletion(counts / n_parts, most[0], fewest[0], np.concatenate([most[1:], fewest[1:]]), of_number, thing)
        for most, fewest in zip(forward, backward, strict=True)
    )


def _order(marked: FloatArray, random: np.random.Generator) -> IntArray:
    """Parts, the most important first; what is marked alike comes as chance has it."""
    turn = random.permutation(len(marked))
    return np.asarray(turn[np.argsort(-marked[turn], kind="stable")])

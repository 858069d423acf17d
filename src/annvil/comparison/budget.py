"""Who may use how much of the race's time: the same for every family, however many contenders it sends.

What a frugal family cannot use (a linear model has tried all its penalties) raises the level for the rest; within a
family its contenders share in the same way. Contenders tell by their plans what they can use: arithmetic, no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annvil.models.contract import FAMILIES, Contender, Effort, Shape

SHORTEST_SCALE = 0.5
"""Training shorter than this part of the recipe is no fair trial (assumed)."""

PLENTY = 1e7
"""Seconds that satisfy any contender (115 days): what it plans for them is the most it can use."""


@dataclass(frozen=True)
class Shared:
    """The race's time shared out: per family the limit (the same for all), per contender its effort and seconds."""

    allowances: dict[str, float]
    efforts: dict[str, Effort]
    seconds: dict[str, float]

    def everyone_trains(self, least: float) -> bool:
        """Whether nobody's training is shorter than that part of its recipe."""
        return all(effort.scale >= least for effort in self.efforts.values())


def in_order(contenders: Iterable[Contender]) -> list[Contender]:
    """Contenders in the order they run; registry order within a family."""
    return sorted(contenders, key=lambda contender: FAMILIES.index(contender.family))


def shared_with(contender: Contender, entrants: Iterable[Contender]) -> str | None:
    """The entrant whose fits this one looks at again instead of making its own, if any."""
    name = contender.traits.shares_fits_with
    return name if any(other.name == name for other in entrants) else None


def share_out_race(
    entrants: Sequence[Contender], shape: Shape, n_jobs: int, n_inner: int, race_seconds: float
) -> Shared:
    """Allowances, efforts and seconds of a race of ``n_jobs`` fits, each with ``n_inner`` inner folds.

    A contender that shares another's fits gets the same effort and no seconds of its own.
    """
    sharing = {c.name: other for c in entrants if (other := shared_with(c, entrants)) is not None}
    payers = [c for c in entrants if c.name not in sharing]
    needs = {c.name: most_useful_seconds(c, shape, n_jobs, n_inner) for c in payers}
    families: dict[str, list[Contender]] = {}
    for contender in payers:
        families.setdefault(contender.family, []).append(contender)
    competing = {family: mates for family, mates in families.items() if family != "dummy"}
    level = water_level([sum(needs[c.name] for c in mates) for mates in competing.values()], race_seconds)
    limits: dict[str, float] = {}
    for mates in families.values():
        limits |= dict.fromkeys([c.name for c in mates], water_level([needs[c.name] for c in mates], level))
    efforts = {c.name: c.plan(shape, n_jobs, n_inner, limits[c.name]) for c in payers}
    return Shared(
        allowances=dict.fromkeys(competing, round(level, 2)),
        efforts={c.name: efforts[sharing.get(c.name, c.name)] for c in entrants},
        seconds={c.name: 0.0 if c.name in sharing else min(needs[c.name], limits[c.name]) for c in entrants},
    )


def most_useful_seconds(contender: Contender, shape: Shape, n_jobs: int, n_inner: int) -> float:
    """The least time with which the contender plans as much as with all the time in the world (by bisection, ±2%)."""
    most = contender.plan(shape, n_jobs, n_inner, PLENTY)
    low, high = 1e-3, PLENTY
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        if contender.plan(shape, n_jobs, n_inner, middle) == most:
            high = middle
        else:
            low = middle
    return high


def water_level(needs: Sequence[float], total: float) -> float:
    """The level L with ``sum(min(L, need)) = total``: the same limit for all, when those that need less spend less.

    When all needs together are less than ``total``, the level is what would be left for the neediest.

    >>> water_level([1.0, 100.0, 100.0], 21.0)
    10.0
    """
    left = total
    for taken, need in enumerate(sorted(needs)):
        level = left / (len(needs) - taken)
        if need >= level or taken == len(needs) - 1:
            return level
        left -= need
    return total


def without_the_starved(
    entrants: Sequence[Contender], shape: Shape, n_jobs: int, race_seconds: float
) -> tuple[list[Contender], dict[str, str]]:
    """Entrants that could all be trained properly with one inner holdout, and why the others stay out.

    A family that cannot train all its contenders sends fewer: the one cut shortest leaves, its time goes to its mates,
    until nobody is cut too short or one is left. Whoever shares the fits of one that left, leaves too.
    """
    kept, left_out = list(entrants), dict[str, str]()
    while True:
        shared = share_out_race(kept, shape, n_jobs, 1, race_seconds)
        starved = [c for c in kept if shared.efforts[c.name].scale < SHORTEST_SCALE and shared.seconds[c.name] > 0]
        starved = [c for c in starved if _has_mates(c, kept)]
        if not starved:
            return kept, left_out
        worst = min(reversed(starved), key=lambda c: shared.efforts[c.name].scale)
        leaving = [c for c in kept if c is worst or shared_with(c, kept) == worst.name]
        kept = [c for c in kept if c not in leaving]
        reason = "The budget is too short to train it properly beside the others of its family."
        left_out |= dict.fromkeys([c.name for c in leaving], reason)


def _has_mates(contender: Contender, entrants: Sequence[Contender]) -> bool:
    """Whether another contender of the family would train on its own."""
    return any(
        other is not contender and other.family == contender.family and shared_with(other, entrants) is None
        for other in entrants
    )

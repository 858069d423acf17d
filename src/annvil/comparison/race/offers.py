"""What could be done next, and what each is worth: a small model of how far more effort carries.

Worth is counted in units of the comparison's ``worth`` (the gain that would justify a network), so that a better model
to ship and a surer answer can be weighed against each other; whoever chooses divides by the expected seconds.

- *The next rung of a contender* is worth the improvement of the best model that is expected of it, and, while the
  answer is open, the chance that it moves the two sides nearer to or further from each other by ``worth``. What a rung
  adds is taken from what the last one added, less than that (`DECAY`), and shrunk where that may be chance; of a
  contender with a single rung it is a part of what there is to learn (`UNKNOWN_GAIN`).
- *The next rungs together* are weighed as well, with the seconds of all: a small step may lead to a larger gain.
- *The first rung of a dear contender* whose side stands already is worth what a contender of which nothing is known may
  add: it may be as far ahead of the best as it may be behind.
- *A further repeat* of the best of both sides is worth part of what is still open, less with every repeat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DECAY = 0.6
"""A rung gains this part of what the one below it gained (assumed: errors fall like powers of effort)."""

UNKNOWN_GAIN = 0.1
"""What a second rung may gain, as a part of what the best contender knows beyond the dummy (assumed)."""

MOST_OF_THE_ERROR = 0.5
"""No rung is expected to take away more than this part of the error that is left (assumed)."""

OPEN_SHARE = 0.5
"""Value of certainly moving the answer from one region to the next, in units of worth (assumed)."""

REPEAT_SHARE = 0.25
"""Part of what is open that a second repeat may close (assumed: five more folds narrow the posterior by a fifth)."""

CLOSE = 2.0
"""Contenders within so many ``worth`` of the best of their side are repeated with it (assumed)."""


@dataclass(frozen=True)
class Entrant:
    """A contender as the race sees it.

    Attributes
    ----------
    side : "network", "simple" or "dummy"
    rung_scores : of every complete rung, the metric on the folds of the first repeat, signed so that more is better
    n_rungs : of its ladder
    repeats : complete repeats of its highest complete rung
    stopped : whether it failed, so that it goes no further
    """

    name: str
    side: str
    rung_scores: tuple[tuple[float, ...], ...]
    n_rungs: int
    repeats: int
    stopped: bool

    @property
    def mean(self) -> float:
        """Of the highest complete rung."""
        return float(np.mean(self.rung_scores[-1]))

    @property
    def has_more(self) -> bool:
        """Whether there is a rung left to climb."""
        return not self.stopped and len(self.rung_scores) < self.n_rungs


@dataclass(frozen=True)
class Offer:
    """Something to do next: the first or next rung of a contender, or its next repeat; in units of worth.

    ``rungs`` are climbed for that value, of which the next is the first; ``gain`` is what they are expected to add.
    """

    contender: str
    what: str  # "first", "rung" or "repeat"
    value: float
    why: str
    rungs: int = 1
    gain: float = 0.0


@dataclass(frozen=True)
class View:
    """The race at one moment.

    Attributes
    ----------
    entrants : those that have a complete rung
    worth : in units of the metric
    uncertainty : 1 - the largest probability of the verdict; 0 once the answer is certain
    most_repeats : that may be bought
    ceiling : the best there can be, signed as the scores are: 1 of a score, 0 of an error
    """

    entrants: Mapping[str, Entrant]
    worth: float
    uncertainty: float
    most_repeats: int
    ceiling: float = 1.0

    @property
    def best(self) -> float:
        """The best mean of all."""
        return max((one.mean for one in self.entrants.values()), default=0.0)

    @property
    def floor(self) -> float:
        """Of the dummy, or the worst where it has none."""
        dummies = [one.mean for one in self.entrants.values() if one.side == "dummy"]
        return min(dummies or [one.mean for one in self.entrants.values()], default=0.0)

    def of_side(self, side: str) -> list[Entrant]:
        """Its entrants, the best first."""
        return sorted((one for one in self.entrants.values() if one.side == side), key=lambda one: -one.mean)

    def expected_gain(self, entrant: Entrant) -> float:
        """What the next rung is expected to add to the mean; 0 where there is none."""
        if not entrant.has_more or entrant.side == "dummy":
            return 0.0
        most = MOST_OF_THE_ERROR * max(0.0, self.ceiling - entrant.mean)
        if len(entrant.rung_scores) < 2:
            return min(most, UNKNOWN_GAIN * max(0.0, self.best - self.floor))
        steps = np.subtract(entrant.rung_scores[-1], entrant.rung_scores[-2])
        gain = max(0.0, float(steps.mean()))
        noise = float(steps.var(ddof=1)) / len(steps) if len(steps) > 1 else 0.0
        trust = gain**2 / (gain**2 + noise) if gain > 0 else 0.0
        return min(most, DECAY * gain * trust)

    def expected_climb(self, entrant: Entrant) -> tuple[float, ...]:
        """What the next rung, the next two, … are expected to add to the mean; nothing where the next adds nothing."""
        first, gained, climb = self.expected_gain(entrant), 0.0, []
        if first <= 0.0:
            return ()
        for step in range(entrant.n_rungs - len(entrant.rung_scores)):
            most = MOST_OF_THE_ERROR * max(0.0, self.ceiling - entrant.mean - gained)
            gained += min(most, DECAY**step * first)
            climb.append(gained)
        return tuple(climb)

    def improves(self, entrant: Entrant) -> bool:
        """Whether it cannot be called beaten yet: the next rung is expected to gain more than half of worth."""
        return self.expected_gain(entrant) > self.worth / 2

    def improving(self) -> frozenset[str]:
        """Contenders that are not at their end."""
        return frozenset(name for name, one in self.entrants.items() if self.improves(one))

    # -- offers ----------------------------------------------------------------------------------------------------

    def rung_offers(self, entrant: Entrant) -> list[Offer]:
        """The next rung, the next two, …; none where the next would be worth nothing."""
        return [self._rung_offer(entrant, rungs, gain) for rungs, gain in enumerate(self.expected_climb(entrant), 1)]

    def _rung_offer(self, entrant: Entrant, rungs: int, gain: float) -> Offer:
        spread = max(gain, self.worth / 4)
        ahead = expected_excess(entrant.mean + gain - self.best, spread) / self.worth
        moves = self._chance_to_move(entrant, gain, spread) if self.uncertainty else 0.0
        title = "may become the best" if entrant.mean < self.best else "is the best and may still improve"
        why = title if ahead >= OPEN_SHARE * moves else "may change the answer"
        why += f" in {rungs} steps" if rungs > 1 else ""
        return Offer(entrant.name, "rung", ahead + OPEN_SHARE * moves, why, rungs, gain)

    def spare_offer(self, entrant: Entrant) -> Offer | None:
        """The next rung of whoever is not expected to gain by it, for time that nothing better can use."""
        if not entrant.has_more or entrant.side == "dummy":
            return None
        value = expected_excess(entrant.mean - self.best, self.worth) / self.worth
        return Offer(entrant.name, "rung", value, "there is time for it")

    def first_offer(self, contender: str) -> Offer:
        """The first rung of a contender of whose side somebody stands."""
        spread = max(UNKNOWN_GAIN * max(0.0, self.best - self.floor), self.worth / 4)
        return Offer(contender, "first", expected_excess(0.0, spread) / self.worth, "nothing is known of it yet")

    def _chance_to_move(self, entrant: Entrant, gain: float, spread: float) -> float:
        """The chance that its side comes within worth of the other, or gets ahead by worth."""
        other = self.of_side("simple" if entrant.side == "network" else "network")
        if not other:
            return 1.0
        gap = entrant.mean - other[0].mean
        borders = [border for border in (-self.worth, self.worth) if border > gap]
        return max((_above((gap + gain - border) / spread) for border in borders[:1]), default=0.0)

    def repeat_offers(self) -> list[Offer]:
        """A further repeat of the best of both sides, while the answer is open."""
        finalists = self.finalists()
        done = min((one.repeats for one in finalists), default=0)
        if not self.uncertainty or done >= self.most_repeats or not done:
            return []
        value = REPEAT_SHARE * self.uncertainty / done / len(finalists)
        why = f"repeat {done + 1} narrows the answer"
        return [Offer(one.name, "repeat", value, why) for one in finalists if one.repeats == done]

    def finalists(self) -> list[Entrant]:
        """Of each side those near its best; nobody where a side is empty."""
        found: list[Entrant] = []
        for side in ("simple", "network"):
            ranked = self.of_side(side)
            found += [one for one in ranked if one.mean >= ranked[0].mean - CLOSE * self.worth]
        return found if len({one.side for one in found}) == 2 else []


def expected_excess(mean: float, spread: float) -> float:
    """E[max(0, x)] of x normal with that mean and spread > 0.

    >>> round(expected_excess(0.0, 1.0), 4), round(expected_excess(-5.0, 1.0), 4)
    (0.3989, 0.0)
    """
    z = mean / spread
    return mean * _above(z) + spread * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _above(z: float) -> float:
    """P(Z > -z) of a standard normal."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def best_per_second(offers: Sequence[tuple[Offer, float]]) -> tuple[Offer, float] | None:
    """The offer with most value a second, of ``(offer, seconds)``; the earlier of equals."""
    return max(offers, key=lambda pair: pair[0].value / pair[1], default=None)

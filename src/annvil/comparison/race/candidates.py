"""What could be done next in a race, and the seconds each piece of work is expected to take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import Unit
from annvil.comparison.race.fitting import Fitting
from annvil.comparison.race.offers import Entrant, Offer, View
from annvil.comparison.race.records import Records
from annvil.comparison.results import Posterior
from annvil.models.contract import Contender

OF_NETWORKS = "torch"
LOADING_SECONDS = {OF_NETWORKS: 2.5, "sklearn.ensemble": 2.0, "sklearn.tree": 1.5, "scipy.optimize": 0.5}
"""How long libraries take that are loaded only when somebody needs them (measured): the first model, which needs none,
stands seconds earlier."""

SIDES = ("network", "simple")

DEAR = 0.1
"""A first training that takes more than this part of the budget waits its turn where its side stands already (assumed):
one that took a third of a minute left the best model of the table at its quickest form (measured)."""

MOST_TRIES = 2
"""So often one unit is begun in one sitting (assumed): what was cut twice will not fit."""


@dataclass
class Candidates:
    """The units that may come next.

    Attributes
    ----------
    use_all : whether time is spent on the model to ship even when the answer is certain
    tries : how often each unit was begun in this sitting
    """

    records: Records
    costs: CostModel
    fitting: Fitting
    use_all: bool
    tries: dict[Unit, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._contenders = {contender.name: contender for contender in self.records.contenders}

    def may_try(self, unit: Unit) -> bool:
        """Whether it was not begun too often in this sitting."""
        return self.tries.get(unit, 0) < MOST_TRIES

    # -- seconds ---------------------------------------------------------------------------------------------------

    def seconds(self, unit: Unit) -> float:
        """What a unit is expected to take; folds that a cut left are there."""
        share = self.fitting.share_missing(unit, self._contenders[unit.contender])
        return self.costs.seconds(unit) * max(share, 0.05)

    def library(self, unit: Unit) -> str:
        """What is to be loaded before that is fitted; empty where it is there."""
        contender = self._contenders[unit.contender]
        library = OF_NETWORKS if contender.family == "network" else contender.traits.library
        return "" if library in sys.modules else library

    def loading(self, unit: Unit) -> float:
        """Seconds until its library is there: nobody's own time."""
        return self.costs.slowness * LOADING_SECONDS.get(self.library(unit), 0.0)

    def gives_a_model(self, unit: Unit) -> bool:
        """Whether it is what gives the shortest budgets a model at all: guessing, and the first simple one."""
        family = self._contenders[unit.contender].family
        return unit.rung == 0 and (family == "dummy" or (family != "network" and not self._simple_stands()))

    def _simple_stands(self) -> bool:
        return any(
            one.family not in ("dummy", "network") and self.records.rung_scores(one.name)
            for one in self._contenders.values()
        )

    def kept_for_central(self, unit: Unit, left: float) -> float:
        """Of the seconds that are left, those for first trainings that the answer hangs on, other than this.

        Where there is not enough for all, the dearest that fits goes first: a cheap one finds its place later.
        """
        waiting = [(self.seconds(one) + self.loading(one), one) for one in map(_first, self.central_untried())]
        kept = for_others = 0.0
        for seconds, one in sorted(waiting, key=lambda pair: -pair[0]):
            if kept + seconds <= left:
                kept += seconds
                for_others += seconds if one.contender != unit.contender else 0.0
        return for_others

    # -- first rungs -----------------------------------------------------------------------------------------------

    def central_untried(self) -> list[str]:
        """Central contenders that compete and have had no first training yet."""
        names = self.records.entrants.ladders
        return [name for name in names if self._contenders[name].traits.central and self._is_untried(name)]

    def _is_untried(self, name: str) -> bool:
        return self.records.judged(name) is None and not self.records.has_failed(name)

    def sharers(self) -> Iterator[tuple[Unit, str]]:
        """Whoever only looks at the fits of another, as soon as these are there and still in memory."""
        for name in self.records.entrants.ladders:
            owner = self.costs.owner(name)
            if owner == name or self.records.has_failed(name):
                continue
            rung, mine = self.records.judged(owner), self.records.judged(name)
            if rung is None:
                continue
            upto = -1 if mine is None else mine
            why = f"looks again at the networks of {self._contenders[owner].title}"
            if upto < rung:
                yield Unit("fit", name, upto + 1), why
            elif self.records.repeats(name, rung) < self.records.repeats(owner, rung):
                yield Unit("fit", name, rung, self.records.repeats(name, rung)), why

    def first_rungs(self) -> Iterator[tuple[Unit, str]]:
        """The cheapest fair training of everybody: what a cut left unfinished, then the cheap ones.

        Networks wait until a simple model stands: a machine that is ten times slower than expected, which nothing has
        shown yet, would load their library and cut them, and the run would end with the baseline alone.
        """
        waiting = [
            Unit("fit", name)
            for name in self.records.entrants.ladders
            if not self._shares(name) and self._is_untried(name)
        ]
        simple = self._simple_stands()

        def place(unit: Unit) -> tuple[bool, bool, bool, float]:
            contender = self._contenders[unit.contender]
            begun = self.fitting.share_missing(unit, contender) < 1
            waits = contender.family == "network" and not simple
            return unit.contender != "dummy", waits, not begun, self.seconds(unit) + self.loading(unit)

        for unit in sorted(waiting, key=place):
            yield unit, "the first fair training of everybody"

    def _shares(self, name: str) -> bool:
        return self.costs.owner(name) != name

    def may_wait(self, unit: Unit, budget: float) -> bool:
        """Whether a first rung is so dear that it is weighed against what else the time could do."""
        contender = self._contenders[unit.contender]
        if contender.traits.central or self._shares(unit.contender) or unit.rung or unit.repeat:
            return False
        if self.fitting.share_missing(unit, contender) < 1 or self.seconds(unit) <= DEAR * budget:
            return False
        mates = [one for one in self._contenders.values() if _side(one) == _side(contender)]
        return any(self.records.rung_scores(one.name) for one in mates)

    # -- higher rungs and repeats -----------------------------------------------------------------------------------

    def offers(self, view: View, posterior: Posterior | None) -> Iterator[tuple[Offer, float]]:
        """Rungs and repeats that are worth something now, with their seconds; first rungs that have waited, too."""
        for unit, _ in self.first_rungs() if view.entrants else ():
            if self.may_try(unit):
                yield view.first_offer(unit.contender), self.seconds(unit) + self.loading(unit)
        settled = not view.uncertainty and posterior is not None
        for entrant in view.entrants.values():
            if self._shares(entrant.name):
                continue
            for offer in view.rung_offers(self._with_sharers(view, entrant)):
                if self.may_try(self.unit_of(offer)) and not (
                    settled and not self._still_matters(view, entrant, offer.gain)
                ):
                    yield offer, self._seconds_of(offer)
        if settled or not any(view.improves(one) for one in view.finalists()):
            yield from self._repeats(view)

    def leftovers(self, view: View) -> Iterator[tuple[Offer, float]]:
        """While the answer is open: rungs of which nothing is expected, and repeats of whoever may still improve."""
        if not view.uncertainty:
            return
        for entrant in view.entrants.values():
            offer = None if self._shares(entrant.name) else view.spare_offer(entrant)
            if offer is not None and self.may_try(self.unit_of(offer)):
                yield offer, self._seconds_of(offer)
        yield from self._repeats(view)

    def _repeats(self, view: View) -> Iterator[tuple[Offer, float]]:
        for offer in view.repeat_offers():
            if not self._shares(offer.contender) and self.may_try(self.unit_of(offer)):
                yield offer, self._seconds_of(offer)

    def _seconds_of(self, offer: Offer) -> float:
        """Of all that it means: the next unit, and the rungs behind it."""
        unit = self.unit_of(offer)
        behind = (Unit("fit", unit.contender, unit.rung + step) for step in range(1, offer.rungs))
        return self.seconds(unit) + sum(self.costs.seconds(one) for one in behind)

    def _with_sharers(self, view: View, entrant: Entrant) -> Entrant:
        """The entrant, or whoever looks at its fits and is better: a rung serves both."""
        mates = [one for one in view.entrants.values() if self.costs.owner(one.name) == entrant.name]
        best = max([entrant, *mates], key=lambda one: one.mean)
        return replace(best, name=entrant.name) if len(best.rung_scores) == len(entrant.rung_scores) else entrant

    def _still_matters(self, view: View, entrant: Entrant, gain: float) -> bool:
        """Once the answer is certain: whether that gain may improve what ships, or un-settle who lost.

        Where there is time, nobody is beaten on a first rung alone (how far its best climbs is then known), nor on
        fewer rungs than who beats it: a side that stopped a step earlier by chance lost one table in twenty for it
        (measured: `benchmarks/verdict.py`, sequence).
        """
        leaders = [of[0] for of in map(view.of_side, SIDES) if of]
        if entrant in leaders and len(entrant.rung_scores) < max(2, *(len(one.rung_scores) for one in leaders)):
            return True
        if self.use_all:
            return entrant.mean + gain >= view.best
        return gain > view.worth / 2 and entrant.mean + 2 * gain >= view.best - view.worth

    def unit_of(self, offer: Offer) -> Unit:
        """The piece of work that an offer means now."""
        if offer.what == "first":
            return Unit("fit", offer.contender)
        rung = self.records.judged(offer.contender)
        assert rung is not None
        if offer.what == "rung":
            return Unit("fit", offer.contender, rung + 1)
        return Unit("fit", offer.contender, rung, self.records.repeats(offer.contender, rung))


def _first(contender: str) -> Unit:
    return Unit("fit", contender)


def _side(contender: Contender) -> str:
    """For whom it stands: a network, the dummy, or a simple model."""
    return contender.family if contender.family in ("dummy", "network") else "simple"

"""The anytime race: what is worth most comes next, and the clock only decides how far the sequence gets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from annvil.comparison.contrast import pair
from annvil.comparison.problem import Problem
from annvil.comparison.race.candidates import Candidates
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import Ending, Unit
from annvil.comparison.race.fitting import Fitting
from annvil.comparison.race.offers import Entrant, Offer, View, best_per_second
from annvil.comparison.race.records import Records
from annvil.comparison.race.team import TeamMaker
from annvil.comparison.race.telling import Telling
from annvil.comparison.request import Listener, Request
from annvil.comparison.results import Posterior
from annvil.comparison.verdict import kind_of, network_against_simple
from annvil.errors import RequestError
from annvil.models.jobs import Deadline
from annvil.tasks.metrics import resolve_worth

SLACK, LEAST_SECONDS = 4.0, 2.0
"""How many times its expected seconds a unit may take before it is cut, and so many more (assumed)."""

FAIR_SHARE = 0.5
"""No unit is cut before it had this part of the time that was left (assumed)."""

LEAST_KEPT = 0.8
"""Seconds that are kept for a quick fit to ship and the report in any case (measured)."""


@dataclass
class Clock:
    """Time since the run began, as told by whoever runs it (`Request.spent_seconds`) and counted on from there."""

    before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def spent_seconds(self) -> float:
        """Seconds so far."""
        return self.before + time.monotonic() - self.started


@dataclass
class Race(Telling):
    """All contenders over all replicates of one problem.

    Attributes
    ----------
    worth : in units of the metric, known once the dummy has been scored
    latest_end : seconds of the run at which it is over at the latest, by what is known now; None without a clock
    kept_plainly : seconds for the plainest form of what comes after the race
    likely_end : the same when all that seems worth doing is done; None while not everybody had a first rung
    """

    problem: Problem
    records: Records
    request: Request
    costs: CostModel
    listener: Listener
    clock: Clock
    notices: list[str] = field(default_factory=list)
    latest_end: Callable[[], float | None] = lambda: None
    kept_plainly: Callable[[], float] = lambda: 0.0
    likely_end: float | None = None

    def __post_init__(self) -> None:
        self.fitting = Fitting(self.problem, self.records, self.show)
        self.team = TeamMaker(self.problem, self.records, self.fitting.replicates)
        self.candidates = Candidates(self.records, self.costs, self.fitting, self.request.use_all)
        self.contenders = {contender.name: contender for contender in self.records.contenders}

    # -- what is known now -----------------------------------------------------------------------------------------

    @property
    def worth(self) -> float:
        """In units of the metric; a share of the dummy's score where nothing was asked."""
        return resolve_worth(self.request.metric, self.request.worth, self._dummy_score())

    def _dummy_score(self) -> float:
        for contender in self.records.contenders:
            if contender.family == "dummy" and (scores := self.records.rung_scores(contender.name)):
                return sum(scores[-1]) / len(scores[-1])
        return 0.0

    def posterior(self) -> Posterior | None:
        """Belief about network and simple side so far."""
        standings = self.records.standings()
        paired = pair(self.records.all_folds(), standings, self.request.metric)
        return network_against_simple(paired, standings, self.worth).posterior if paired.results else None

    def view(self, posterior: Posterior | None) -> View:
        """What offers are made from."""
        certain = kind_of(posterior, self.request.confidence) != "cannot tell"
        surest = 0.0 if posterior is None else max(posterior.p_first, posterior.p_equal, posterior.p_second)
        sign = 1.0 if self.request.metric.greater_is_better else -1.0
        entrants = {}
        for name, ladder in self.records.entrants.ladders.items():
            scores = self.records.rung_scores(name)
            if scores:
                family = self.contenders[name].family
                side = family if family in ("dummy", "network") else "simple"
                signed = tuple(tuple(sign * score for score in rung) for rung in scores)
                repeats = self.records.repeats(name, len(scores) - 1)
                entrants[name] = Entrant(name, side, signed, len(ladder), repeats, self.records.has_failed(name))
        uncertainty = 0.0 if certain else 1.0 - surest
        ceiling = 1.0 if self.request.metric.greater_is_better else 0.0
        view = View(entrants, self.worth, uncertainty, self.records.entrants.plan.repeats, ceiling)
        self.records.improving = view.improving()
        return view

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self, kept: Callable[[], float], for_extras: float, kept_plainly: Callable[[], float] | None = None) -> str:
        """Units until the answer is certain and nothing more is to be gained, or until time is over; why it ended.

        Parameters
        ----------
        kept : seconds that what comes after the race needs, by what is known at that moment
        for_extras : further seconds that are kept once everybody has had a first fair training
        kept_plainly : seconds for the plainest form of what comes after; default: ``kept``
        """
        self.kept_plainly = kept_plainly or kept
        self.latest_end = lambda: self.request.budget_seconds - kept()
        while True:
            self._make_team()
            found = self._next(kept, for_extras)
            if isinstance(found, str):
                self._make_team(finally_=True)
                self.show()
                return found
            unit, why, seconds = found
            left = self.left(self._kept_beside(unit, kept))
            self.do(unit, why, seconds, Deadline(self._limit(unit, seconds, left)))

    def _limit(self, unit: Unit, expected: float, left: float) -> float:
        """Seconds after which a unit is cut: well after it was expected to end, unless others wait for a first rung."""
        waiting = sum(self.costs.at_best(other) for other, _ in self.candidates.first_rungs() if other != unit)
        fair = max(FAIR_SHARE * left, left - waiting)
        return min(left, max(SLACK * expected + LEAST_SECONDS, fair))

    def follow(self, units: Sequence[Unit]) -> str:
        """These units in this order, however long they take.

        Raises
        ------
        RequestError
            When somebody is to be fitted who does not compete here, or so high.
        """
        ladders = self.records.entrants.ladders
        unknown = [u for u in units if u.contender not in ladders or u.rung >= len(ladders[u.contender])]
        if unknown:
            raise RequestError(
                f"The run to be followed fitted {unknown[0].contender} (step {unknown[0].rung + 1}), which does not "
                "compete here: it was asked of other data, with other options or another version."
            )
        done = set(self.records.log.complete)
        for unit in units:
            if unit.what == "fit" and unit not in done:
                why, seconds = "as in the log that is followed", self.candidates.seconds(unit)
                self.do(unit, why, seconds, Deadline(math.inf))
        self._make_team(finally_=True)
        self.view(self.posterior())
        self.show()
        return "the log that was followed ended here"

    def do(self, unit: Unit, why: str, expected: float, deadline: Deadline) -> Ending:
        """One fit unit, from its line in the log to the last."""
        contender = self.contenders[unit.contender]
        if library := self.candidates.library(unit):
            import_module(library)
        log, started = self.records.log, time.monotonic()
        self.candidates.tries[unit] = self.candidates.tries.get(unit, 0) + 1
        log.begin(unit, why, expected)
        ending = self.fitting.fit(unit, contender, deadline)
        log.end(ending, time.monotonic() - started)
        self.costs.see(list(log)[-1])
        if ending == "failed":
            self.tell_failure(contender, unit)
        return ending

    def _make_team(self, *, finally_: bool = False) -> None:
        self.attempt("There is no team of models", lambda: self.team.refresh(finally_=finally_))

    def _next(self, kept: Callable[[], float], for_extras: float) -> tuple[Unit, str, float] | str:
        """The next unit, why, and the seconds it is expected to take; or why there is none."""
        candidates, begun = self.candidates, self.records.log.open
        if begun is not None and begun.unit.what == "fit":
            return begun.unit, begun.why, candidates.seconds(begun.unit)
        for unit, why in (*candidates.sharers(), *candidates.first_rungs()):
            seconds = candidates.seconds(unit)
            if candidates.may_wait(unit, self.request.budget_seconds):
                continue
            if seconds <= self._room_for(unit, kept) and candidates.may_try(unit):
                return unit, why, seconds
        posterior = self.posterior()
        view = self.view(posterior)
        offers = list(candidates.offers(view, posterior))
        affordable = [pair for pair in offers if pair[1] <= self.left(kept() + for_extras)]
        next_ones = (seconds for offer, seconds in affordable if offer.rungs == 1)
        self.likely_end = self.clock.spent_seconds + sum(next_ones)
        if (found := best_per_second(affordable)) is not None:
            return self._begun(found[0])
        waiting = [unit for unit, _ in candidates.first_rungs()]
        for unit in waiting:
            at_best = self.costs.at_best(unit) + candidates.loading(unit)
            central = self.contenders[unit.contender].traits.central
            if at_best <= self.left(self.kept_plainly() if central else kept()) and not candidates.tries.get(unit):
                return unit, "nothing else fits, and this may", candidates.seconds(unit)
        leftovers = list(candidates.leftovers(view))
        fitting = [] if for_extras else [pair for pair in leftovers if pair[1] <= self.left(kept())]
        if (found := best_per_second(fitting)) is not None:
            return self._begun(found[0])
        if offers or waiting or leftovers:
            return "the time was used"
        return "more effort is not expected to change the answer or the model"

    def _begun(self, offer: Offer) -> tuple[Unit, str, float]:
        """The piece of work that an offer begins with."""
        unit = self.candidates.unit_of(offer)
        return unit, offer.why, self.candidates.seconds(unit)

    def _room_for(self, unit: Unit, kept: Callable[[], float]) -> float:
        """Seconds that a first rung may take: first trainings that the answer hangs on go before a finer model to ship.

        A reserve for the bag that would ship once left a convolutional network a tenth of a second short.
        """
        loading = self.candidates.loading(unit)
        if self.candidates.gives_a_model(unit):
            return self.left(self._least_kept(kept)) - loading
        for_central = self.left(self.kept_plainly()) - loading
        reserved = self.candidates.kept_for_central(unit, for_central)
        room = self.left(self._kept_beside(unit, kept)) - loading
        return min(room, for_central - reserved) if reserved else room

    def _kept_beside(self, unit: Unit, kept: Callable[[], float]) -> float:
        """What is kept while that is fitted: less where it is what gives the shortest budgets a model at all."""
        if self.candidates.gives_a_model(unit):
            return self._least_kept(kept)
        central = self.contenders[unit.contender].traits.central
        return self.kept_plainly() if unit.rung == 0 and central else kept()

    def _least_kept(self, kept: Callable[[], float]) -> float:
        return min(LEAST_KEPT * self.costs.slowness, kept())

    def left(self, kept: float) -> float:
        """Seconds until the budget ends, but for those that are kept, and those that the team takes in the end."""
        return self.request.budget_seconds - self.clock.spent_seconds - kept - self.team.seconds

    def show(self, running: str = "") -> None:
        """Hand the table to the listener."""
        self.listener.standings(self.records.standings(running), self.clock.spent_seconds)

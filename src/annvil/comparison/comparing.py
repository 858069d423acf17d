"""One comparison from plan to verdict: the race, learning curves, the effect of preparation, the answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from annvil.comparison.ablation import MOST_ROWS, Step, measure_step, steps_for
from annvil.comparison.fingerprint import fingerprint
from annvil.comparison.learning_curves import describe_curve, find_crossing, measure_curve, plan_curve
from annvil.comparison.problem import Problem
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import DecisionLog, Unit
from annvil.comparison.race.final import Final, plan_final
from annvil.comparison.race.plan import Entrants, make_plan
from annvil.comparison.race.racing import Clock, Race
from annvil.comparison.race.records import Records
from annvil.comparison.race.so_far import Teller, evidence_of
from annvil.comparison.request import Listener, Quiet, Request
from annvil.comparison.results import NO_SIDE, Ablation, Comparison, Crossing, FinalFit, LearningCurve, Standing
from annvil.comparison.store import Store
from annvil.comparison.verdict import judge
from annvil.errors import RequestError
from annvil.models.contract import Contender, Deadline, Effort, Json
from annvil.models.team import TEAM
from annvil.text.phrases import listed, named

T = TypeVar("T")

CURVE_SHARE, ABLATION_SHARE = 0.1, 0.04
"""Most of the budget that learning curves and the effect of preparation may take (assumed)."""

NO_CURVES_BELOW = 20.0
"""Shorter budgets (seconds) go into the race alone: curves and ablation would be cut anyway (assumed)."""

REPORT_SHARE, LEAST_FOR_REPORT, MOST_FOR_REPORT = 0.03, 1.2, 30.0
"""Part of the budget kept for what follows the fit to ship (importance, report; measured: 1.1 s of 3,400
photographs, 1.5 s of 1,000 rows)."""

REPORT_FOR_A_MILLION = 0.05
"""More of it is kept as rows grow to a million: the checks of the bundle and the importances see more of them."""

FINAL_SLACK = 1.5
"""The fit to ship is given so many times its expected seconds: it must not be cut."""

FINAL_SHARE = 0.15
"""Part of the budget that is kept for a fit to ship beyond its plainest form: a bag of five on all rows is often worth
more than another rung (3 to 5% of the error on four tables; measured)."""


def compare(
    problem: Problem,
    contenders: Sequence[Contender],
    request: Request,
    store: Store,
    listener: Listener | None = None,
) -> Comparison:
    """Every contender on the same folds with growing effort, learning curves, the effect of preparation, the verdict.

    Parameters
    ----------
    problem : what is compared on
    contenders : who competes, the dummy first
    request : metric, worth, budget, seed
    store : where results are kept; what it holds of the same comparison is not done again
    listener : whoever shows how it goes; nobody by default

    Raises
    ------
    RequestError
        When the store holds another comparison.
    OutOfTime
        When the budget ended before any contender was scored.
    """
    request = request if store.folds() is None else replace(request, folds=store.folds())
    entrants = make_plan(problem, contenders, request)
    store.open(fingerprint(problem, contenders, request, entrants))
    log = DecisionLog(store.decisions)
    records = Records((*contenders, TEAM), entrants, request.metric, store, log)
    costs = CostModel({c.name: c for c in contenders}, entrants.ladders, entrants.plan.outer_folds)
    costs.see_all(log)
    race = Race(problem, records, request, costs, listener or Quiet(), Clock(request.spent_seconds))
    log.tell = Teller(race).tell
    return _Comparing(request, race).run()


@dataclass(frozen=True)
class _Comparing:
    """The stages; each keeps what it finds and is passed over when it is there already."""

    request: Request
    race: Race

    @property
    def entrants(self) -> Entrants:
        return self.race.records.entrants

    def run(self) -> Comparison:
        race, follow = self.race, self.request.follow
        race.listener.stage("Comparing")
        if follow is None and not len(race.records.log):
            self._check_budget()
        ended = race.run(self._kept, self._kept_for_extras()) if follow is None else race.follow(follow)
        standings = race.records.standings(over=True)
        curves = self._curves(standings)
        ablations = self._ablations(standings)
        if follow is None and ended.startswith("the time"):  # what the extras left
            ended = race.run(self._kept, 0.0)
            standings = race.records.standings(over=True)
        race.tell_what_was_not_done()
        return self._answer(standings, curves, ablations, ended)

    def _check_budget(self) -> None:
        """Refuse a budget with which not even the cheapest model could be compared with guessing, before any work."""
        race, spent = self.race, self.race.clock.spent_seconds
        seconds = sorted(race.costs.seconds(Unit("fit", name)) for name in self.entrants.ladders)
        least = spent + sum(seconds[:2]) + self._report_seconds()
        if least > self.request.budget_seconds:
            raise RequestError(
                f"A budget of {self.request.budget_seconds:g} s is too short here: reading and loading took "
                f"{spent:.1f} s. The smallest that can be kept now is about {math.ceil(1.2 * least)} s."
            )

    def _answer(
        self,
        standings: tuple[Standing, ...],
        curves: tuple[LearningCurve, ...],
        ablations: tuple[Ablation, ...],
        ended: str,
    ) -> Comparison:
        race, plan = self.race, self.entrants.plan
        evidence = evidence_of(race, curves, self._crossing(standings, curves), over=True)
        standings, verdict = evidence.standings, judge(evidence)
        return Comparison(
            metric=self.request.metric.name,
            worth=race.worth,
            plan=plan,
            standings=standings,
            folds=evidence.folds,
            curves=curves,
            ablations=ablations,
            verdict=verdict,
            notices=tuple(race.notices),
            spent_seconds=self._spent(standings),
            crossing=evidence.crossing,
            ended=ended,
            final=self._decide_final(verdict.recommended),
        )

    def _spent(self, standings: Sequence[Standing]) -> dict[str, float]:
        spent: dict[str, float] = {}
        for standing in standings:
            if standing.family == "team":  # it has no fits of its own
                continue
            spent[standing.family] = round(spent.get(standing.family, 0.0) + standing.used_seconds, 3)
        return spent

    # -- what is kept for what follows -----------------------------------------------------------------------------

    def _kept(self) -> float:
        """Seconds for the fit to ship of whoever leads, and for what follows it."""
        leader = self._best(self.race.records.standings())
        final = 0.0 if leader is None else FINAL_SLACK * self._final(leader.name, kept=True).expected_seconds
        return final + self._report_seconds()

    def _report_seconds(self) -> float:
        budget = self.request.budget_seconds
        share = REPORT_SHARE + REPORT_FOR_A_MILLION * min(1.0, self.entrants.plan.n_rows / 1e6)
        return min(MOST_FOR_REPORT, max(LEAST_FOR_REPORT, share * budget))

    def _final(self, name: str, *, kept: bool = False) -> Final:
        """The fit to ship: with what is left, or (``kept``) with no more of it than is kept for it."""
        race, budget = self.race, self.request.budget_seconds
        left = budget - race.clock.spent_seconds - self._report_seconds()
        seconds = (min(left, FINAL_SHARE * budget) if kept else left) / FINAL_SLACK
        return plan_final(race.contenders[name], race.records, race.costs, seconds, self.request.follow or ())

    def _decide_final(self, name: str) -> FinalFit:
        """The fit to ship, with its line in the log: who follows it cannot know how much time was left."""
        log, final = self.race.records.log, self._final(name)
        for unit in final.units:
            if unit not in log.complete[-len(final.units) :]:
                log.begin(unit, "ships", final.expected_seconds)
                log.end("complete", 0.0)
        return final.fit

    def _kept_for_extras(self) -> float:
        """Seconds for learning curves and ablation, where there can be any."""
        budget = self.request.budget_seconds
        if budget < NO_CURVES_BELOW:
            return 0.0
        return (CURVE_SHARE if self.entrants.plan.curve_sizes else 0.0) * budget + ABLATION_SHARE * budget

    # -- who is looked at more closely -----------------------------------------------------------------------------

    def _best(self, standings: Sequence[Standing], *, network: bool | None = None) -> Contender | None:
        """The best contender by its mean (standings are sorted), of a side or of all, the dummy apart if it can be."""
        if network is None:
            return self._first(standings, lambda s: s.family != "dummy") or self._first(standings, lambda s: True)
        return self._first(standings, lambda s: s.family not in NO_SIDE and (s.family == "network") == network)

    def _first(self, standings: Sequence[Standing], asked: Callable[[Standing], bool]) -> Contender | None:
        return next((self.race.contenders[s.contender] for s in standings if s.means and asked(s)), None)

    def _linear(self, standings: Sequence[Standing]) -> Contender | None:
        return self._first(standings, lambda s: s.family == "linear")

    def _effort(self, contender: Contender) -> tuple[Effort, Callable[[int], float]]:
        """What the search chose on the first fold, as long as it was judged; seconds of one fit, by inner folds."""
        records = self.race.records
        rung = records.judged(contender.name)
        assert rung is not None
        configuration: dict[str, Json] = dict(records.of_repeat(contender.name, rung, 0)[0].configuration)
        judged = self.entrants.ladders[contender.name][rung].effort
        effort = replace(judged, candidates=1, configuration=configuration, rows=None)
        return effort, lambda inner: self.race.costs.of_one_candidate(contender.name, rung, inner)

    # -- learning curves -------------------------------------------------------------------------------------------

    def _curves(self, standings: Sequence[Standing]) -> tuple[LearningCurve, ...]:
        """Of the best contender of each side, and of the linear model; the cheap ones first."""
        rows = self.race.problem.words.rows
        if self._is_short or not self.entrants.plan.curve_sizes:
            self.race.tell(f"There are no learning curves: there is too little time, or there are too few {rows}.")
            return ()
        best = [self._linear(standings), self._best(standings, network=False), self._best(standings, network=True)]
        chosen = list({c.name: c for c in best if c is not None}.values())
        store = self.race.records.store
        missing = [c for c in chosen if store.curve(c.name) is None and self._is_asked(Unit("curve", c.name))]
        if missing:
            self.race.listener.stage("Learning curves")
        share = CURVE_SHARE * self.request.budget_seconds
        unmeasured: list[str] = []
        for place, contender in enumerate(missing):
            left = min(share, self.race.left(self._kept()))
            took = self._measure_curve(contender, max(0.0, left / (len(missing) - place)))
            if took is None:
                unmeasured.append(named(contender.title))
            share -= took or 0.0
        if unmeasured:
            self.race.tell(f"There was no time for the learning curve of {listed(unmeasured)}.")
        curves = (store.curve(contender.name) for contender in chosen)
        return tuple(curve for curve in curves if curve is not None)

    @property
    def _is_short(self) -> bool:
        """Whether there is time for the race alone; who follows a log does what it holds."""
        return self.request.follow is None and self.request.budget_seconds < NO_CURVES_BELOW

    def _is_asked(self, unit: Unit) -> bool:
        return self.request.follow is None or unit in self.request.follow

    def _measure_curve(self, contender: Contender, seconds: float) -> float | None:
        """Measure it if it fits into so many seconds; the seconds it took, None where it does not fit."""
        race, plan = self.race, self.entrants.plan
        effort, one_fit = self._effort(contender)
        following = self.request.follow is not None
        planned = plan_curve(
            plan.curve_sizes, self.entrants.shape.n_rows, effort, one_fit, math.inf if following else seconds
        )
        if planned is None:
            return None
        folds, metric = race.fitting.replicates(0), self.request.metric
        deadline = Deadline(math.inf if following else 2 * planned.expected_seconds + 1)
        anchors, took = self._logged(
            Unit("curve", contender.name),
            "would more rows help",
            planned.expected_seconds,
            lambda: race.attempt(
                f"{contender.title} has no learning curve",
                lambda: measure_curve(contender, race.problem, folds, metric, planned, deadline),
            ),
        )
        if anchors is not None:
            curve = describe_curve(contender, anchors, metric, self.request.seed, race.problem.words)
            race.records.store.keep_curve(curve)
        return took

    def _logged(self, unit: Unit, why: str, expected: float, work: Callable[[], T | None]) -> tuple[T | None, float]:
        """The work, with its two lines in the log; and the seconds it took."""
        log, started = self.race.records.log, time.monotonic()
        log.begin(unit, why, expected)
        found = work()
        took = time.monotonic() - started
        log.end("failed" if found is None else "complete", took)
        return found, took

    def _crossing(self, standings: Sequence[Standing], curves: Sequence[LearningCurve]) -> Crossing | str:
        """Where the curves of the best of both sides would meet, or why that is not said; empty without curves."""
        best = [self._best(standings, network=one) for one in (True, False)]
        by_name = {curve.contender: curve for curve in curves}
        sides = [by_name[contender.name] for contender in best if contender is not None and contender.name in by_name]
        if len(sides) < 2:
            return "the learning curve of one side only was measured" if curves else ""
        means = {s.contender: s.means[self.request.metric.name] for s in standings if s.means}
        ahead = self.request.metric.gain(*(means[side.contender] for side in sides))
        network, simple = sides
        at_hand = self.entrants.plan.curve_sizes[-1]
        return find_crossing(network, simple, at_hand, ahead, self.request.seed, self.race.problem.words)

    # -- the effect of preparation ---------------------------------------------------------------------------------

    def _ablations(self, standings: Sequence[Standing]) -> tuple[Ablation, ...]:
        """Of the linear model and the best network."""
        if self._is_short:
            return ()
        best = [c for c in (self._linear(standings), self._best(standings, network=True)) if c is not None]
        chosen = [(c, dict(self._effort(c)[0].configuration or {})) for c in best]
        steps = list(steps_for(self.race.problem, chosen))
        store, left = self.race.records.store, ABLATION_SHARE * self.request.budget_seconds
        units = {step.name: Unit("ablation", step.contender.name, step=step.name) for step in steps}
        missing = [s for s in steps if store.ablation(s.name) is None and self._is_asked(units[s.name])]
        if missing:
            self.race.listener.stage("What preparation is worth")
        unmeasured: dict[str, list[str]] = {}
        for step in missing:
            took = self._measure_step(step, units[step.name], min(left, self.race.left(self._kept())))
            if took is None:
                unmeasured.setdefault(step.what, []).append(named(step.contender.title))
            left -= took or 0.0
        if unmeasured:
            told = "; ".join(f"{what} ({listed(whom)})" for what, whom in unmeasured.items())
            self.race.tell(f"There was no time to measure the effect of {told}.")
        found = (store.ablation(step.name) for step in steps)
        return tuple(ablation for ablation in found if ablation is not None)

    def _measure_step(self, step: Step, unit: Unit, seconds: float) -> float | None:
        """Measure it if it fits into so many seconds; the seconds it took, None where it does not fit."""
        race, folds = self.race, self.race.fitting.replicates(0)
        _, one_fit = self._effort(step.contender)
        share = min(1.0, MOST_ROWS / self.entrants.shape.n_rows)
        expected = 2 * len(folds) * one_fit(1) * share * max(1, step.with_it.candidates)
        following = self.request.follow is not None
        if expected > seconds and not following:
            return None
        deadline = Deadline(math.inf if following else 2 * expected + 1)
        found, took = self._logged(
            unit,
            "what preparation is worth",
            expected,
            lambda: race.attempt(
                f"What {step.what} does for {step.contender.title} was not measured",
                lambda: measure_step(step, race.problem, folds, self.request.metric, deadline),
            ),
        )
        if found is not None:
            race.records.store.keep_ablation(step.name, found)
        return took

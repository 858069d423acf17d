"""One comparison from plan to verdict: the race, learning curves, the effect of preparation, the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from annvil.comparison.cost import readable_cost, seconds_for_report, seconds_to_explain, seconds_to_predict
from annvil.comparison.evidence import Evidence
from annvil.comparison.extras import Extras
from annvil.comparison.fingerprint import fingerprint
from annvil.comparison.price import price_of
from annvil.comparison.problem import Problem
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import DecisionLog, Unit
from annvil.comparison.race.final import Final, plan_final
from annvil.comparison.race.plan import Entrants, make_plan
from annvil.comparison.race.racing import Clock, Race
from annvil.comparison.race.records import Records
from annvil.comparison.race.so_far import Teller, evidence_of
from annvil.comparison.request import Listener, Quiet, Request, check_budget
from annvil.comparison.results import Ablation, Comparison, FinalFit, Standing
from annvil.comparison.store import Store
from annvil.comparison.verdict import judge
from annvil.models.contract import Contender
from annvil.models.team import TEAM

REPORT_SHARE = 0.03
"""Part of the budget that a race keeps for what follows the fit to ship (measured on a quiet machine: 0.5 s of 300
rows, 1.1 s of 3,400 photographs); `seconds_for_report` knows the least and the most."""

REPORT_FOR_A_MILLION = 0.05
"""More of it is kept as rows grow to a million: the checks of the bundle and the importances see more of them."""

FINAL_SLACK, CLIMBING_SLACK = 1.5, 1.25
"""The fit to ship is given so many times its expected seconds: it must not be cut. Less where it is a long training of
a kind that this run has measured (assumed)."""

FINAL_SHARE = 0.15
"""Part of the budget that is kept for a fit to ship beyond its plainest form: a bag of five on all rows is often worth
more than another rung (3 to 5% of the error on four tables; measured)."""

CLIMBING_SHARE = 0.5
"""The same for whoever only gains by longer training (`Traits.climbs_to_ship`; assumed): a rung of three folds costs as
much as a fit to ship that stands two rungs higher."""


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
    readable = all(c.traits.explainable or c.family == "dummy" for c in contenders)
    # An average of models that can be read cannot, and words have no average.
    team = () if readable or not problem.task.averages else (TEAM,)
    records = Records((*contenders, *team), entrants, request.metric, store, log)
    costs = CostModel({c.name: c for c in contenders}, entrants.ladders, entrants.plan.outer_folds, request.slowness)
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
        extras = Extras(self.request, race, self._kept)
        race.listener.stage("Comparing")
        if follow is None and not len(race.records.log):
            self._check_budget()
        ended = race.run(self._kept, extras.seconds(), self._kept_plainly) if follow is None else race.follow(follow)
        extras = replace(extras, early=not ended.startswith("the time"))
        standings = race.records.standings(over=True)
        curves = extras.curves(standings)
        ablations = extras.ablations(standings)
        if follow is None and ended.startswith("the time"):  # what the extras left
            ended = race.run(self._kept, 0.0, self._kept_plainly)
            standings = race.records.standings(over=True)
        race.tell_what_was_not_done()
        evidence = evidence_of(race, curves, extras.crossing(standings, curves), over=True)
        return self._answer(evidence, ablations, ended)

    def _check_budget(self) -> None:
        """Refuse a budget with which not even the cheapest model could be compared with guessing, before any work."""
        race, spent = self.race, self.race.clock.spent_seconds
        first = (Unit("fit", name) for name in self.entrants.ladders)
        seconds = sorted(race.costs.seconds(unit) + race.candidates.loading(unit) for unit in first)
        least = spent + sum(seconds[:2]) + self._report_seconds()
        check_budget(self.request.budget_seconds, least, f"reading and loading took {spent:.1f} s")

    def _answer(self, evidence: Evidence, ablations: tuple[Ablation, ...], ended: str) -> Comparison:
        race, verdict, price = self.race, judge(evidence), price_of(evidence)
        if price.kind != "not applicable":
            verdict = replace(verdict, sentences=(*verdict.sentences, price.sentence))
        return Comparison(
            metric=self.request.metric.name,
            worth=race.worth,
            plan=evidence.plan,
            standings=evidence.standings,
            folds=evidence.folds,
            curves=evidence.curves,
            ablations=ablations,
            verdict=verdict,
            notices=tuple(race.notices),
            spent_seconds=self._spent(evidence.standings),
            crossing=evidence.crossing,
            ended=ended,
            final=self._decide_final(verdict.recommended),
            price=price,
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
        return self._kept_with(finely=True)

    def _kept_plainly(self) -> float:
        """The same with the plainest fit to ship, of which nothing is explained."""
        return self._kept_with(finely=False)

    def _kept_with(self, *, finely: bool) -> float:
        scored = [s for s in self.race.records.standings() if s.means]
        leader = next((s for s in scored if s.family != "dummy"), scored[0] if scored else None)
        final = 0.0 if leader is None else self._for_final(leader.contender, finely=finely)
        return final + self._report_seconds(leader if finely else None)

    def _for_final(self, name: str, *, finely: bool) -> float:
        """Seconds for the fit to ship: for its plainest form, or for as fine a one as its share of the budget allows.

        Whoever gets better with every second of it has the whole share, up to what the top of the ladder would take.
        """
        share = CLIMBING_SHARE if self._climbs(name) else FINAL_SHARE
        most = share * self.request.budget_seconds if finely else 0.0
        if finely and self._climbs(name):
            return min(most, self._slack(name) * self._final_within(name, math.inf).expected_seconds)
        return self._slack(name) * self._final(name, most).expected_seconds

    def _climbs(self, name: str) -> bool:
        return self.race.contenders[name].traits.climbs_to_ship

    def _slack(self, name: str) -> float:
        return CLIMBING_SLACK if self._climbs(name) else FINAL_SLACK

    def _report_seconds(self, ships: Standing | None = None) -> float:
        """Seconds for all that follows the fit to ship of that contender."""
        budget = self.request.budget_seconds
        known, readable = self.race.problem.economics, None
        if ships is not None and known.refits_to_explain:
            readable = readable_cost(self.race.records.standings(), ships.contender)
        explaining = (
            0.0
            if ships is None
            else seconds_to_explain(known.passes_to_explain, ships.cost, budget, known.refits_to_explain, readable)
        )
        checking = 0.0 if ships is None else seconds_to_predict(self.request.rows_after, ships.cost)
        share = REPORT_SHARE + REPORT_FOR_A_MILLION * min(1.0, self.entrants.plan.n_rows / 1e6)
        return explaining + checking + seconds_for_report(share * budget, self.race.costs.slowness)

    def _final(self, name: str, most: float = math.inf) -> Final:
        """The fit to ship with what is left, but no more than so many seconds."""
        race, budget = self.race, self.request.budget_seconds
        ships = next((s for s in race.records.standings() if s.contender == name), None)
        left = budget - race.clock.spent_seconds - self._report_seconds(ships)
        return self._final_within(name, min(left, most) / self._slack(name))

    def _final_within(self, name: str, seconds: float) -> Final:
        race = self.race
        return plan_final(race.contenders[name], race.records, race.costs, seconds, self.request.follow or ())

    def _decide_final(self, name: str) -> FinalFit:
        """The fit to ship, with its line in the log: who follows it cannot know how much time was left."""
        log, final = self.race.records.log, self._final(name)
        for unit in final.units:
            if unit not in log.complete[-len(final.units) :]:
                log.begin(unit, "ships", final.expected_seconds)
                log.end("complete", 0.0)
        return final.fit

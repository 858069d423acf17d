"""One comparison from plan to verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annvil.comparison.ablation import Step, measure_step, steps_for
from annvil.comparison.budget import in_order, shared_with
from annvil.comparison.cross_validation import SLACK, Clock, Race
from annvil.comparison.evidence import Evidence
from annvil.comparison.fingerprint import fingerprint
from annvil.comparison.leaderboard import Records
from annvil.comparison.learning_curves import (
    describe_curve,
    find_crossing,
    measure_curve,
    plan_curve,
    share_curve_seconds,
)
from annvil.comparison.plan import Schedule, make_schedule
from annvil.comparison.problem import Problem, Replicate
from annvil.comparison.request import Listener, Quiet, Request
from annvil.comparison.results import (
    Ablation,
    Comparison,
    Crossing,
    LearningCurve,
    Standing,
)
from annvil.comparison.store import Store
from annvil.comparison.verdict import judge
from annvil.models.contract import Contender, Deadline, Json
from annvil.tasks.metrics import resolve_worth


def compare(
    problem: Problem,
    contenders: Sequence[Contender],
    request: Request,
    store: Store,
    listener: Listener | None = None,
) -> Comparison:
    """Every contender on the same folds, learning curves, the effect of preparation, and the verdict.

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
    schedule = make_schedule(problem, contenders, request)
    store.open(fingerprint(problem, contenders, request, schedule))
    records = Records(contenders, schedule, request.metric, store)
    race = Race(
        problem.drawn(schedule.plan.n_rows_used, schedule.plan.seed),
        records,
        listener or Quiet(),
        Clock(request.spent_seconds),
    )
    for sentence in schedule.plan.sentences[3:]:
        race.tell(sentence)
    return _Comparing(request, race).run()


@dataclass(frozen=True)
class _Comparing:
    """The stages after the plan; each keeps what it finds and is passed over when it is there already."""

    request: Request
    race: Race

    @property
    def schedule(self) -> Schedule:
        return self.race.records.schedule

    def run(self) -> Comparison:
        share, race, metric = self.schedule.plan.share_seconds, self.race, self.request.metric
        race.run(self._deadline(share["curves"] + share["ablation"] + share["reserve"]))
        standings = race.records.standings(over=True)
        worth = resolve_worth(metric, self.request.worth, self._dummy_score(standings))
        curves = self._curves(standings, self._deadline(share["ablation"] + share["reserve"]))
        crossing = self._crossing(standings, curves)
        ablations = self._ablations(standings, self._deadline(share["reserve"]))
        evidence = Evidence(
            metric=metric,
            worth=worth,
            confidence=self.request.confidence,
            plan=self.schedule.plan,
            standings=standings,
            folds=race.records.all_folds(),
            curves=curves,
            crossing=crossing,
            base_rate=race.problem.economics.base_rate(self.schedule.plan.n_rows),
            time_ordered=race.problem.ordered,
            words=race.problem.words,
        )
        verdict = judge(evidence)
        return Comparison(
            metric=metric.name,
            worth=worth,
            plan=self.schedule.plan,
            standings=standings,
            folds=evidence.folds,
            curves=curves,
            ablations=ablations,
            verdict=verdict,
            notices=tuple(race.notices),
            spent_seconds=self._spent(),
            crossing=crossing,
        )

    def _deadline(self, kept_seconds: float) -> Deadline:
        """The moment by which the stage must end so that what comes after it keeps its share."""
        return Deadline(self.request.budget_seconds - kept_seconds - self.race.clock.spent_seconds)

    def _dummy_score(self, standings: Sequence[Standing]) -> float:
        name = self.request.metric.name
        return next((s.means[name] for s in standings if s.family == "dummy" and s.means), 0.0)

    def _spent(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for contender in self.race.records.contenders:
            if shared_with(contender, self.race.records.contenders) is not None:
                continue  # its fits are counted with their owner
            seconds = sum(fold.fit_seconds for fold in self.race.records.folds(contender.name))
            spent[contender.family] = spent.get(contender.family, 0.0) + seconds
        return {family: round(seconds, 3) for family, seconds in spent.items()}

    # -- who is looked at more closely -----------------------------------------------------------------------------

    def _best(self, standings: Sequence[Standing], *, network: bool) -> Contender | None:
        """The best contender of a side by its mean (standings are sorted), the dummy apart."""
        return self._first(standings, lambda s: s.family != "dummy" and (s.family == "network") == network)

    def _linear(self, standings: Sequence[Standing]) -> Contender | None:
        return self._first(standings, lambda s: s.family == "linear")

    def _first(self, standings: Sequence[Standing], asked: Callable[[Standing], bool]) -> Contender | None:
        by_name = {contender.name: contender for contender in self.race.records.contenders}
        scored = (s for s in standings if s.means and s.state != "failed")
        return next((by_name[s.contender] for s in scored if asked(s)), None)

    def _configuration(self, contender: Contender) -> dict[str, Json]:
        """What the search chose on the first fold."""
        return dict(self.race.records.folds(contender.name)[0].configuration)

    def _first_folds(self) -> list[Replicate]:
        return self.race.problem.replicates(self.schedule.plan.design)[0]

    # -- learning curves -------------------------------------------------------------------------------------------

    def _curves(self, standings: Sequence[Standing], deadline: Deadline) -> tuple[LearningCurve, ...]:
        """Of the best contender of each side, and of the linear model; the cheap ones first."""
        if not self.schedule.plan.curve_sizes:
            too_few = f"there is too little time, or there are too few {self.race.problem.words.rows}."
            self.race.tell(f"There are no learning curves: {too_few}")
            return ()
        best = [self._linear(standings), self._best(standings, network=False), self._best(standings, network=True)]
        chosen = in_order({c.name: c for c in best if c is not None}.values())
        store = self.race.records.store
        missing = [c for c in chosen if store.curve(c.name) is None]
        if missing and deadline.passed:
            self.race.tell("There was no time for learning curves.")
        elif missing:
            self.race.listener.stage("Learning curves")
            share = self.schedule.plan.share_seconds["curves"]
            seconds = share_curve_seconds(chosen, self.schedule, share)
            for place, contender in enumerate(missing):
                waiting = sum(seconds[c.name] for c in missing[place:])
                part = min(1.0, SLACK * seconds[contender.name] / waiting)
                limit = deadline if place == len(missing) - 1 else Deadline(part * deadline.left)
                self._measure_curve(contender, seconds[contender.name], limit)
        curves = (store.curve(contender.name) for contender in chosen)
        return tuple(curve for curve in curves if curve is not None)

    def _measure_curve(self, contender: Contender, seconds: float, deadline: Deadline) -> None:
        configuration = self._configuration(contender)
        planned = plan_curve(contender, self.race.problem, self.schedule, seconds, configuration)
        metric, problem, folds = self.request.metric, self.race.problem, self._first_folds()
        anchors = self.race.attempt(
            f"{contender.title} has no learning curve",
            lambda: measure_curve(contender, problem, folds, metric, planned, deadline),
        )
        if anchors is not None:
            curve = describe_curve(contender, anchors, metric, self.request.seed, self.race.problem.words)
            self.race.records.store.keep_curve(curve)

    def _crossing(self, standings: Sequence[Standing], curves: Sequence[LearningCurve]) -> Crossing | None:
        network, simple = self._best(standings, network=True), self._best(standings, network=False)
        by_name = {curve.contender: curve for curve in curves}
        if network is None or simple is None or not {network.name, simple.name} <= by_name.keys():
            return None
        titles = {s.contender: s.title for s in standings}
        pair = by_name[network.name], by_name[simple.name]
        return find_crossing(*pair, self.request.metric, self.request.seed, titles, self.race.problem.words)

    # -- the effect of preparation ---------------------------------------------------------------------------------

    def _ablations(self, standings: Sequence[Standing], deadline: Deadline) -> tuple[Ablation, ...]:
        """Of the linear model and the best network."""
        if not self.schedule.plan.share_seconds["ablation"]:
            return ()
        best = [self._linear(standings), self._best(standings, network=True)]
        steps = list(steps_for(self.race.problem, [(c, self._configuration(c)) for c in best if c is not None]))
        store = self.race.records.store
        missing = [step for step in steps if store.ablation(step.name) is None]
        if missing and deadline.passed:
            self.race.tell("There was no time to measure what each step of preparation is worth.")
        elif missing:
            self.race.listener.stage("What preparation is worth")
            for step in missing:
                self._measure_step(step, self.schedule.plan.share_seconds["ablation"] / len(steps), deadline)
        found = (store.ablation(step.name) for step in steps)
        return tuple(ablation for ablation in found if ablation is not None)

    def _measure_step(self, step: Step, seconds: float, deadline: Deadline) -> None:
        metric, problem, folds = self.request.metric, self.race.problem, self._first_folds()
        found = self.race.attempt(
            f"What {step.what} does for {step.contender.title} was not measured",
            lambda: measure_step(step, problem, folds, metric, self.schedule, seconds, deadline),
        )
        if found is not None:
            self.race.records.store.keep_ablation(step.name, found)

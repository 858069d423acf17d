"""What is measured beside the race: learning curves, where they meet, and the effect of steps of preparation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from annvil.comparison.ablation import MOST_ROWS, Step, measure_step, steps_for
from annvil.comparison.learning_curves import describe_curve, find_crossing, measure_curve, plan_curve
from annvil.comparison.race.decisions import Unit
from annvil.comparison.race.plan import Entrants, why_no_curves
from annvil.comparison.race.racing import Race
from annvil.comparison.request import Request
from annvil.comparison.results import NO_SIDE, Ablation, Crossing, LearningCurve, Standing
from annvil.models.contract import Contender
from annvil.models.jobs import Deadline, Effort, Json
from annvil.tasks.metrics import Metric
from annvil.text.phrases import listed, named
from annvil.text.words import Words

T = TypeVar("T")

CURVE_SHARE, ABLATION_SHARE = 0.1, 0.04
"""Most of the budget that learning curves and the effect of preparation may take (assumed)."""

WHERE_THE_RACE_ENDED_EARLY = 3.0
"""So many times those shares may be used where the race left time over: "no time" would not be true (assumed)."""

NO_CURVES_BELOW = 20.0
"""Shorter budgets (seconds) go into the race alone: curves and ablation would be cut anyway (assumed)."""


@dataclass(frozen=True)
class Extras:
    """Each keeps what it finds and is passed over when it is there already.

    Attributes
    ----------
    kept : seconds for the fit to ship and what follows it, by what is known at that moment
    early : whether the race ended before its time
    """

    request: Request
    race: Race
    kept: Callable[[], float]
    early: bool = False

    @property
    def entrants(self) -> Entrants:
        """Who competes."""
        return self.race.records.entrants

    def seconds(self) -> float:
        """Seconds for learning curves and ablation, where there can be any."""
        budget = self.request.budget_seconds
        if budget < NO_CURVES_BELOW:
            return 0.0
        return (CURVE_SHARE if self.entrants.plan.curve_sizes else 0.0) * budget + ABLATION_SHARE * budget

    def _effort(self, contender: Contender) -> tuple[Effort, Callable[[int], float]]:
        """What the search chose on the first fold, as long as it was judged; seconds of one fit, by inner folds."""
        records = self.race.records
        rung = records.judged(contender.name)
        assert rung is not None
        configuration: dict[str, Json] = dict(records.of_repeat(contender.name, rung, 0)[0].configuration)
        judged = self.entrants.ladders[contender.name][rung].effort
        effort = replace(judged, candidates=1, configuration=configuration, rows=None)
        whole = self.entrants.shape.n_rows
        more_rows = whole / min(whole, judged.rows or whole)
        return effort, lambda inner: more_rows * self.race.costs.of_one_candidate(contender.name, rung, inner)

    # -- learning curves -------------------------------------------------------------------------------------------

    def curves(self, standings: Sequence[Standing]) -> tuple[LearningCurve, ...]:
        """Of the best contender of each side, and of the linear model; the cheap ones first."""
        too_few = why_no_curves(self.race.problem, self.entrants.plan)
        if too_few or self._is_short:
            too_short = f"a budget below {NO_CURVES_BELOW:g} s goes into the race alone"
            self.race.tell(f"There are no learning curves: {too_few or too_short}.")
            return ()
        best = [_linear(standings), _best_of(standings, network=False), _best_of(standings, network=True)]
        chosen = list({s.contender: self.race.contenders[s.contender] for s in best if s is not None}.values())
        store = self.race.records.store
        missing = [c for c in chosen if store.curve(c.name) is None and self._is_asked(Unit("curve", c.name))]
        if missing:
            self.race.listener.stage("Learning curves")
        share = self._most(CURVE_SHARE)
        unmeasured: list[str] = []
        for place, contender in enumerate(missing):
            left = min(share, self.race.left(self.kept()))
            took = self._measure_curve(contender, max(0.0, left / (len(missing) - place)))
            if took is None:
                unmeasured.append(named(contender.title))
            share -= took or 0.0
        if unmeasured:
            self.race.tell(f"There was no time for the learning curve of {listed(unmeasured)}.")
        curves = (store.curve(contender.name) for contender in chosen)
        return tuple(curve for curve in curves if curve is not None)

    def _most(self, share: float) -> float:
        return share * self.request.budget_seconds * (WHERE_THE_RACE_ENDED_EARLY if self.early else 1.0)

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

    def crossing(self, standings: Sequence[Standing], curves: Sequence[LearningCurve]) -> Crossing | str:
        """`crossing_of` this run's curves."""
        if not curves:
            return ""
        at_hand, words = self.entrants.plan.curve_sizes[-1], self.race.problem.words
        return crossing_of(standings, curves, self.request.metric, at_hand, self.request.seed, words)

    # -- the effect of preparation ---------------------------------------------------------------------------------

    def ablations(self, standings: Sequence[Standing]) -> tuple[Ablation, ...]:
        """Of the linear model and the best network."""
        if self._is_short:
            return ()
        best = [s for s in (_linear(standings), _best_of(standings, network=True)) if s is not None]
        contenders = [self.race.contenders[s.contender] for s in best]
        chosen = [(c, dict(self._effort(c)[0].configuration or {})) for c in contenders]
        steps = list(steps_for(self.race.problem, chosen))
        store, left = self.race.records.store, self._most(ABLATION_SHARE)
        units = {step.name: Unit("ablation", step.contender.name, step=step.name) for step in steps}
        missing = [s for s in steps if store.ablation(s.name) is None and self._is_asked(units[s.name])]
        if missing:
            self.race.listener.stage("What preparation is worth")
        unmeasured: dict[str, list[str]] = {}
        for step in missing:
            took = self._measure_step(step, units[step.name], min(left, self.race.left(self.kept())))
            if took is None:
                unmeasured.setdefault(step.what, []).append(named(step.contender.title))
            left -= took or 0.0
        if unmeasured:
            told = listed([f"{what} ({listed(whom)})" for what, whom in unmeasured.items()])
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


def crossing_of(
    standings: Sequence[Standing],
    curves: Sequence[LearningCurve],
    metric: Metric,
    at_hand: int,
    seed: int,
    words: Words,
) -> Crossing | str:
    """Where the curves of both sides would meet, or why that is not said.

    Of each side the best of those that have a curve: the best of all may have become it afterwards. That the curve of
    a third cannot be continued is no reason.
    """
    by_name = {curve.contender: curve for curve in curves}
    measured = [s for s in standings if s.contender in by_name]
    best = [_best_of(measured, network=one) for one in (True, False)]
    sides = [standing for standing in best if standing is not None]
    if len(sides) < 2:
        return "the learning curve of one side only was measured"
    for standing in sides:
        if why := by_name[standing.contender].why_not:
            return f"the learning curve of {named(standing.title)} is not extrapolated ({why})"
    network, simple = (by_name[standing.contender] for standing in sides)
    ahead = metric.gain(*(standing.means[metric.name] for standing in sides))
    return find_crossing(network, simple, at_hand, ahead, seed, words)


def _best_of(standings: Sequence[Standing], *, network: bool) -> Standing | None:
    """The best of a side; standings are sorted."""
    return _first(standings, lambda s: s.family not in NO_SIDE and (s.family == "network") == network)


def _linear(standings: Sequence[Standing]) -> Standing | None:
    return _first(standings, lambda s: s.family == "linear")


def _first(standings: Sequence[Standing], asked: Callable[[Standing], bool]) -> Standing | None:
    return next((s for s in standings if s.means and asked(s)), None)

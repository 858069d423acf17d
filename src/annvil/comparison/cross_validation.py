"""The race: every contender on the same folds, each result on disk as soon as it is there.

Within a repeat the cheap contenders run first, so that there is an answer early; the first repeat is run by all before
a second begins. A contender that fails is named and the others go on.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from annvil.comparison.budget import in_order
from annvil.comparison.leaderboard import Records
from annvil.comparison.problem import Problem, Replicate, Scored
from annvil.comparison.request import Listener
from annvil.comparison.results import FoldResult, call_key, fold_key
from annvil.comparison.store import Outcome, ShippedCost, finite_prefix, plain
from annvil.errors import AnnvilError
from annvil.models.contract import Contender, Context, Deadline, Effort, Fitted
from annvil.models.networks.searches import Searches
from annvil.system.memory import PeakMemory

T = TypeVar("T")

RAISE_BUGS = "ANNVIL_RAISE_BUGS"
"""With this environment variable set, an exception we did not foresee is raised, not recorded (the suite does so)."""

SLACK = 1.5
"""How far a contender may exceed its planned part of the time left before it is cut (assumed)."""

LEAST_SECONDS = 2.0
"""Nobody's limit is set below this while there is time at all (assumed): imports alone may take a second."""


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
class Race:
    """All contenders over all replicates of one problem.

    Attributes
    ----------
    problem : what was drawn for the comparison
    records : the store, the plan and the metric
    notices : what was said aloud, in order
    searches : networks that several contenders look at, while they are in memory
    """

    problem: Problem
    records: Records
    listener: Listener
    clock: Clock
    notices: list[str] = field(default_factory=list)
    searches: Searches = field(default_factory=Searches)

    def run(self, deadline: Deadline) -> None:
        """Fill the store with results until all are there or the deadline has passed."""
        schedule = self.records.schedule
        entrants = in_order(c for c in self.records.contenders if c.name in schedule.efforts)
        for repeat, folds in enumerate(self.problem.replicates(schedule.plan.design)):
            if repeat and not self._worth_beginning(repeat, deadline):
                self.tell(f"There was time for {repeat} of the {schedule.plan.repeats} planned repeats.")
                return
            self.listener.stage(f"Comparing, repeat {repeat + 1} of {schedule.plan.repeats}")
            for place, contender in enumerate(entrants):
                limit = self._limit(entrants[place:], deadline)
                self._call(contender, call_key(repeat), folds, Deadline(limit))
                self._say_if_not_shippable(contender)
        self.show()

    def tell(self, notice: str) -> None:
        """Say it and keep it, once."""
        if notice not in self.notices:
            self.notices.append(notice)
            self.listener.notice(notice)

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """What the work returns, or None when it fails; that is said, and recorded when it is our own bug."""
        try:
            return work()
        except AnnvilError as error:
            self.tell(f"{what}: {error}")
        except Exception as error:
            if os.environ.get(RAISE_BUGS):
                raise
            self.records.store.log_problem(f"{what}\n{traceback.format_exc()}")
            problems = self.records.store.problems
            self.tell(f"{what}: {type(error).__name__}: {error}. The traceback is in {problems}.")
        return None

    def show(self, running: str = "") -> None:
        """Hand the table to the listener."""
        self.listener.standings(self.records.standings(running), self.clock.spent_seconds)

    def _say_if_not_shippable(self, contender: Contender) -> None:
        shipped = self.records.store.cost(contender.name)
        if shipped is not None and shipped.problem:
            self.tell(f"{contender.title} cannot be shipped, its export failed: {shipped.problem}")

    # -- time ------------------------------------------------------------------------------------------------------

    def _limit(self, waiting: Sequence[Contender], deadline: Deadline) -> float:
        """Seconds for the first of those waiting: its planned part of what is left, with slack.

        Whoever shares the fits of another is planned to need none; after an interruption it may have to make them, and
        may take what is left.
        """
        seconds = self.records.schedule.seconds
        if seconds[waiting[0].name] == 0.0:
            return deadline.left
        planned = sum(seconds[contender.name] for contender in waiting)
        part = seconds[waiting[0].name] / planned if planned else 1.0
        return min(deadline.left, max(LEAST_SECONDS, SLACK * part * deadline.left))

    def _worth_beginning(self, repeat: int, deadline: Deadline) -> bool:
        """Whether the repeat has begun already, or would end in time if it takes as long as the one before."""
        store, names = self.records.store, list(self.records.schedule.efforts)
        plan = self.records.schedule.plan

        def results(of: int) -> list[FoldResult]:
            keys = [fold_key(of, fold) for fold in range(plan.outer_folds)]
            found = (store.result(name, key) for name in names for key in keys)
            return [result for result in found if result is not None]

        return bool(results(repeat)) or deadline.left >= sum(result.fit_seconds for result in results(repeat - 1))

    # -- one contender, one repeat ---------------------------------------------------------------------------------

    def _call(self, contender: Contender, call: str, folds: Sequence[Replicate], deadline: Deadline) -> None:
        store = self.records.store
        outcome = store.outcome(contender.name, call)
        if outcome is None:
            first = store.outcome(contender.name, call_key(0))
            if first is not None and first.state == "failed":
                return
            self.show(running=contender.name)
            outcome = self._attempt(contender, call, folds, deadline)
            store.keep_outcome(contender.name, call, outcome)
            self.show()
        if outcome.state == "failed":
            more = f" The traceback is in {store.problems}." if outcome.bug else ""
            self.tell(f"{contender.title} failed and was left out: {outcome.reason}.{more}".replace("..", "."))
        elif outcome.state == "cut short":
            self.tell(f"{contender.title} was cut short: {outcome.reason}.")

    def _attempt(self, contender: Contender, call: str, folds: Sequence[Replicate], deadline: Deadline) -> Outcome:
        """Fit and score; what goes wrong becomes the outcome. A KeyboardInterrupt passes: the store is always whole."""
        try:
            return self._fit_and_keep(contender, call, folds, deadline)
        except AnnvilError as error:
            return Outcome("failed", str(error))
        except Exception as error:
            if os.environ.get(RAISE_BUGS):
                raise
            self.records.store.log_problem(f"{contender.name}, {call}\n{traceback.format_exc()}")
            return Outcome("failed", f"{type(error).__name__}: {error}", bug=True)

    def _fit_and_keep(self, contender: Contender, call: str, folds: Sequence[Replicate], deadline: Deadline) -> Outcome:
        store, effort = self.records.store, self.records.schedule.efforts[contender.name]
        missing = [fold for fold in folds if store.result(contender.name, fold.job.key, effort.rung) is None]
        # Networks train their jobs as one population, on whose size last bits may hang where settings differ: all of
        # it again, then.
        asked = list(folds) if missing and contender.family == "network" else missing
        context = Context(
            deadline.left, folder=store.checkpoint(contender.name, call, effort.rung), searches=self.searches
        )
        fits = iter(contender.fit(self.problem.data, [fold.job for fold in asked], effort, context) if asked else ())
        cut_short = False
        for done, fold in enumerate(asked):
            with PeakMemory() as memory:
                fitted = next(fits, None)
            if fitted is None:
                return Outcome("cut short", f"{done} of {len(asked)} folds were fitted in its time")
            cut_short |= fitted.cut_short
            self._keep(contender, fold, fitted, effort, memory.grown / 1e6)
            self.show(running=contender.name)
        next(fits, None)  # lets the contender tidy up behind its last result
        if cut_short:
            return Outcome("cut short", "time limit reached before tuning finished")
        return Outcome("finished")

    def _keep(
        self, contender: Contender, fold: Replicate, fitted: Fitted, effort: Effort, grown_mb: float | None
    ) -> None:
        scored = self.problem.score(fitted, fold.test, self.records.metric)
        if fold.repeat == fold.fold == 0:
            self._keep_cost(contender, fold, fitted, scored, grown_mb)
        result = fold_result(contender, fold, fitted, effort, scored)
        self.records.store.keep_result(result, self.problem.numbers[fold.test], scored.outputs)

    def _keep_cost(
        self, contender: Contender, fold: Replicate, fitted: Fitted, scored: Scored, grown_mb: float | None
    ) -> None:
        """Measure the model as it would be shipped; one that cannot be exported stays in the race, and it is said."""
        store = self.records.store
        if store.cost(contender.name) is not None:
            return
        try:
            graph, shipped = self.problem.ship(fitted, fold.test, scored.outputs)
        except Exception as error:
            if os.environ.get(RAISE_BUGS):
                raise
            store.log_problem(f"{contender.name}, export\n{traceback.format_exc()}")
            graph, shipped = b"", ShippedCost(None, None, f"{type(error).__name__}: {error}")
        if shipped.cost is not None:
            shipped = replace(shipped, cost=replace(shipped.cost, peak_memory_mb=grown_mb))
        store.keep_cost(contender.name, shipped, graph)


def fold_result(contender: Contender, fold: Replicate, fitted: Fitted, effort: Effort, scored: Scored) -> FoldResult:
    """The record of one fit."""
    return FoldResult(
        contender=contender.name,
        job=fold.job.key,
        repeat=fold.repeat,
        fold=fold.fold,
        n_train=len(fold.job.rows),
        n_test=len(fold.test),
        scores=scored.scores,
        inner_score=scored.inner_score,
        configuration=plain(fitted.configuration),
        summary=fitted.summary,
        tried=tuple(plain(entry) for entry in fitted.tried),
        fit_seconds=fitted.fit_seconds,
        core_seconds=fitted.core_seconds,
        n_parameters=fitted.n_parameters,
        history={name: finite_prefix(values) for name, values in fitted.history.items()},
        notes=fitted.notes,
        threshold=scored.threshold,
        overlap=fold.overlap,
        rung=effort.rung,
    )

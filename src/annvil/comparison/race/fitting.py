"""One piece of the race: a contender fits all folds of a repeat with the effort of a rung; results are kept at once."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from annvil.comparison.problem import Problem, Replicate, Scored
from annvil.comparison.race.decisions import Ending, Unit
from annvil.comparison.race.records import Records
from annvil.comparison.results import Design, FoldResult, call_key, fold_key
from annvil.comparison.store import Outcome, Predicted, ShippedCost, finite_prefix, plain
from annvil.errors import AnnvilError
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Deadline, Effort
from annvil.models.members import Fitted
from annvil.models.networks.searches import Searches
from annvil.system.memory import PeakMemory
from annvil.system.processors import bounded_threads

T = TypeVar("T")

MOST_INNER_VALUES = 1_000_000
"""Out-of-fold predictions (rows × outputs) of a fit that are kept (assumed: enough for weights; 4 MB)."""

RAISE_BUGS = "ANNVIL_RAISE_BUGS"
"""With this environment variable set, an exception we did not foresee is raised, not recorded (the suite does so)."""


@dataclass
class Fitting:
    """Fits and keeps.

    Attributes
    ----------
    show : draws the table while the contender of that name works
    searches : networks that several contenders look at, while they are in memory
    """

    problem: Problem
    records: Records
    show: Callable[[str], None]
    searches: Searches = field(default_factory=Searches)
    _replicates: dict[tuple[int, int], list[Replicate]] = field(default_factory=dict)

    def replicates(self, repeat: int, inner_folds: int = 1, rows: int | None = None) -> list[Replicate]:
        """The folds of a repeat, their jobs cut to at most ``rows`` training rows."""
        key = repeat, inner_folds
        if key not in self._replicates:
            plan = self.records.entrants.plan
            design = Design(plan.outer_folds, repeat + 1, inner_folds, plan.seed)
            self._replicates[key] = self.problem.replicates(design)[repeat]
        folds = self._replicates[key]
        if rows is None:
            return folds
        smaller = self.problem.smaller
        return [replace(fold, job=smaller(fold.job, fold.job.key, rows, inner_folds, fold.job.seed)) for fold in folds]

    def fit(self, unit: Unit, contender: Contender, deadline: Deadline) -> Ending:
        """Fit and score; what goes wrong becomes the outcome. A KeyboardInterrupt passes: the store is always whole."""
        effort = self.records.entrants.ladders[contender.name][unit.rung].effort
        folds = self.replicates(unit.repeat, effort.inner_folds, effort.rows)
        call = call_key(unit.repeat)
        try:
            with bounded_threads(0):
                outcome = self._fit_and_keep(contender, call, effort, folds, deadline)
        except AnnvilError as error:
            outcome = Outcome("failed", str(error))
        except Exception as error:
            if os.environ.get(RAISE_BUGS):
                raise
            self.records.store.log_problem(f"{contender.name}, rung {unit.rung}, {call}\n{traceback.format_exc()}")
            outcome = Outcome("failed", f"{type(error).__name__}: {error}", bug=True)
        self.records.store.keep_outcome(contender.name, call, outcome, unit.rung)
        return {"finished": "complete", "cut short": "cut short"}.get(outcome.state, "failed")  # type: ignore[return-value]

    def _fit_and_keep(
        self, contender: Contender, call: str, effort: Effort, folds: Sequence[Replicate], deadline: Deadline
    ) -> Outcome:
        store = self.records.store
        missing = [fold for fold in folds if not self.is_done(contender.name, fold.job.key, effort.rung)]
        asked = list(folds) if missing and contender.traits.trains_together else missing
        folder = store.checkpoint(contender.name, call, effort.rung)
        context = Context(deadline.left, folder=folder, searches=self.searches)
        fits = iter(contender.fit(self.problem.data, [fold.job for fold in asked], effort, context) if asked else ())
        cut_short = False
        for done, fold in enumerate(asked):
            with PeakMemory() as memory:
                fitted = next(fits, None)
            if fitted is None:
                return Outcome(
                    "cut short", f"{done} of {len(asked)} folds {'was' if done == 1 else 'were'} fitted in its time"
                )
            cut_short |= fitted.cut_short
            self._keep(contender, fold, fitted, effort, memory.grown / 1e6)
            self.show(contender.name)
        next(fits, None)  # lets the contender tidy up behind its last result
        return Outcome("cut short", "time limit reached before tuning finished") if cut_short else Outcome("finished")

    def share_missing(self, unit: Unit, contender: Contender) -> float:
        """The part of a unit's folds that is still to be fitted."""
        if contender.traits.trains_together:
            return 1.0
        n_folds = self.records.entrants.plan.outer_folds
        keys = [fold_key(unit.repeat, fold) for fold in range(n_folds)]
        return 1 - sum(self.is_done(contender.name, key, unit.rung) for key in keys) / n_folds

    def is_done(self, contender: str, job: str, rung: int) -> bool:
        """Whether that fit is there, and whole."""
        result = self.records.store.result(contender, job, rung)
        return result is not None and not result.cut_short

    def _keep(
        self, contender: Contender, fold: Replicate, fitted: Fitted, effort: Effort, grown_mb: float | None
    ) -> None:
        scored = self.problem.score(fitted, fold.test, self.records.metric)
        if fold.repeat == fold.fold == 0:
            self._keep_cost(contender, effort.rung, fold, fitted, scored, grown_mb)
        result = fold_result(contender, fold, fitted, effort, scored)
        self.records.store.keep_result(result, fold.test, scored.outputs, self._inner(fitted))

    def _inner(self, fitted: Fitted) -> Predicted:
        """Out-of-fold predictions, of which teams are made: of many rows a part, the same for everybody."""
        known = np.flatnonzero(np.isfinite(fitted.out_of_fold).all(axis=1))
        rows, most = fitted.job.rows, MOST_INNER_VALUES // max(1, fitted.out_of_fold.shape[1])
        if len(known) > most:
            order = np.random.default_rng(0).permutation(self.problem.size.n)
            known = known[np.argsort(order[rows[known]])[:most]]
        known = known[np.argsort(rows[known])]
        return Predicted(rows[known], fitted.out_of_fold[known])

    def _keep_cost(
        self, contender: Contender, rung: int, fold: Replicate, fitted: Fitted, scored: Scored, grown_mb: float | None
    ) -> None:
        """Measure the model as it would be shipped; one that cannot be exported stays in the race, and it is said."""
        store = self.records.store
        try:
            graph, shipped = self.problem.ship(fitted, fold.test, scored.outputs)
        except Exception as error:
            if os.environ.get(RAISE_BUGS):
                raise
            store.log_problem(f"{contender.name}, export\n{traceback.format_exc()}")
            graph, shipped = b"", ShippedCost(None, None, f"{type(error).__name__}: {error}")
        if shipped.cost is not None:
            shipped = replace(shipped, cost=replace(shipped.cost, peak_memory_mb=grown_mb))
        store.keep_cost(contender.name, shipped, graph, rung)


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
        without_part=scored.without_part,
        cut_short=fitted.cut_short,
    )

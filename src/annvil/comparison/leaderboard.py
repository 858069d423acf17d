"""The table: every contender's scores and cost, from the records in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.comparison.plan import Schedule
from annvil.comparison.results import Cost, FoldResult, Standing, State, call_key, fold_key
from annvil.comparison.store import Store
from annvil.models.contract import Contender
from annvil.tasks.metrics import Metric


@dataclass(frozen=True)
class Records:
    """The race as it lies in the store, and how to read it."""

    contenders: Sequence[Contender]
    schedule: Schedule
    metric: Metric
    store: Store

    def folds(self, contender: str) -> list[FoldResult]:
        """The contender's results in order of repeat and fold."""
        plan = self.schedule.plan
        keys = [fold_key(r, f) for r in range(plan.repeats) for f in range(plan.outer_folds)]
        found = (self.store.result(contender, key) for key in keys)
        return [result for result in found if result is not None]

    def all_folds(self) -> tuple[FoldResult, ...]:
        """Results of every contender, in registry order."""
        return tuple(result for contender in self.contenders for result in self.folds(contender.name))

    def standings(self, running: str = "", *, over: bool = False) -> tuple[Standing, ...]:
        """Best first by the mean of the metric; those without a score after them, the dummy last.

        ``running`` names the contender at work; ``over`` says that no more results will come.
        """
        rows = [self.standing(contender, running, over) for contender in self.contenders]
        sign = -1 if self.metric.greater_is_better else 1

        def place(row: Standing) -> tuple[bool, bool, float]:
            mean = row.means.get(self.metric.name)
            return row.family == "dummy", mean is None, 0.0 if mean is None else sign * mean

        return tuple(sorted(rows, key=place))

    def standing(self, contender: Contender, running: str = "", over: bool = False) -> Standing:
        """One row of the table."""
        folds = self.folds(contender.name)
        state, reason = self._state(contender.name, len(folds), running, over)
        shipped = self.store.cost(contender.name)
        names = folds[0].scores if folds else {}
        values = {name: np.array([fold.scores[name] for fold in folds]) for name in names}
        return Standing(
            contender=contender.name,
            title=contender.title,
            family=contender.family,
            state=state,
            reason=reason,
            per_fold=tuple(fold.scores[self.metric.name] for fold in folds),
            means={name: float(value.mean()) for name, value in values.items()},
            spreads={name: float(value.std(ddof=1)) if len(value) > 1 else 0.0 for name, value in values.items()},
            summary=folds[0].summary if folds else "",
            cost=_cost(folds, shipped.cost if shipped else None),
            allowance_seconds=self.schedule.plan.allowance_seconds.get(contender.family, 0.0),
            parity=shipped.parity if shipped else None,
        )

    def _state(self, name: str, n_folds: int, running: str, over: bool) -> tuple[State, str]:
        if name in self.schedule.declined:
            return "declined", self.schedule.declined[name]
        plan = self.schedule.plan
        outcomes = [self.store.outcome(name, call_key(repeat)) for repeat in range(plan.repeats)]
        for state in ("failed", "cut short"):
            for outcome in outcomes:
                if outcome is not None and outcome.state == state:
                    return outcome.state, outcome.reason
        if name == running:
            return "running", ""
        if n_folds == plan.outer_folds * plan.repeats or (over and n_folds):
            return "finished", ""
        return ("cut short", "no time was left for it") if over else ("waiting", "")


def _cost(folds: Sequence[FoldResult], shipped: Cost | None) -> Cost | None:
    """Mean cost of fitting over the folds, beside the measurements of the exported model where there are any."""
    if not folds:
        return None
    cost = shipped or Cost(0.0, 0.0, len(folds[0].tried), folds[0].n_parameters)
    return replace(
        cost,
        fit_seconds=float(np.mean([fold.fit_seconds for fold in folds])),
        core_seconds=float(np.mean([fold.core_seconds for fold in folds])),
    )

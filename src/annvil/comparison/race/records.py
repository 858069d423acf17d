"""The race as it lies in the store: which rungs are complete, who is judged by which, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from annvil.comparison.race.decisions import DecisionLog, Unit
from annvil.comparison.race.plan import Entrants
from annvil.comparison.results import Cost, FoldResult, Standing, State, call_key, fold_key
from annvil.comparison.store import Store
from annvil.models.contract import Contender
from annvil.models.team import agreed_weights
from annvil.tasks.metrics import Metric

NO_TIME = "no time was left for it"
"""Of whom nothing was begun."""


@dataclass
class Records:
    """Store, log and plan together, and how to read them.

    Attributes
    ----------
    improving : contenders of which more effort is expected to gain much (`annvil.comparison.race.offers`)
    """

    contenders: Sequence[Contender]
    entrants: Entrants
    metric: Metric
    store: Store
    log: DecisionLog
    improving: frozenset[str] = field(default_factory=frozenset)

    # -- rungs -----------------------------------------------------------------------------------------------------

    def repeats(self, contender: str, rung: int) -> int:
        """So many repeats of that rung are complete, counted from the first."""
        done = 0
        while self._is_complete(contender, rung, done):
            done += 1
        return done

    def _is_complete(self, contender: str, rung: int, repeat: int) -> bool:
        outcome = self.store.outcome(contender, call_key(repeat), rung)
        return outcome is not None and outcome.state == "finished"

    def judged(self, contender: str) -> int | None:
        """The highest complete rung; more effort is better until shown otherwise, and no test row chooses it."""
        rung = -1
        while self._is_complete(contender, rung + 1, 0):
            rung += 1
        return rung if rung >= 0 else None

    def has_failed(self, contender: str) -> bool:
        """Whether its last fit ended with an error: it goes no further."""
        return self._failure(contender) is not None

    def _failure(self, contender: str) -> str | None:
        rung = self.judged(contender)
        outcome = self.store.outcome(contender, call_key(0), 0 if rung is None else rung + 1)
        return outcome.reason if outcome is not None and outcome.state == "failed" else None

    # -- results ---------------------------------------------------------------------------------------------------

    def folds(self, contender: str) -> list[FoldResult]:
        """Results of the judged rung, all of its complete repeats, in order of repeat and fold."""
        rung = self.judged(contender)
        if rung is None:
            return []
        return [
            result
            for repeat in range(self.repeats(contender, rung))
            for result in self.of_repeat(contender, rung, repeat)
        ]

    def of_repeat(self, contender: str, rung: int, repeat: int) -> list[FoldResult]:
        """Results of one repeat of one rung."""
        keys = [fold_key(repeat, fold) for fold in range(self.entrants.plan.outer_folds)]
        found = (self.store.result(contender, key, rung) for key in keys)
        return [result for result in found if result is not None]

    def all_folds(self) -> tuple[FoldResult, ...]:
        """Judged results of every contender, in registry order."""
        return tuple(result for contender in self.contenders for result in self.folds(contender.name))

    def rung_scores(self, contender: str) -> list[tuple[float, ...]]:
        """Of every complete rung, the chosen metric on the folds of the first repeat."""
        judged = self.judged(contender)
        rungs = [] if judged is None else [self.of_repeat(contender, rung, 0) for rung in range(judged + 1)]
        return [tuple(fold.scores[self.metric.name] for fold in folds) for folds in rungs]

    # -- the table -------------------------------------------------------------------------------------------------

    def standings(self, running: str = "", *, over: bool = False) -> tuple[Standing, ...]:
        """Best first by the mean of the metric; those without a score after them, the dummy last.

        ``running`` names the contender at work; ``over`` says that no more results will come.
        """
        shown = [c for c in self.contenders if c.family != "team" or self.judged(c.name) is not None]
        rows = [self.standing(contender, running, over) for contender in shown]
        sign = -1 if self.metric.greater_is_better else 1

        def place(row: Standing) -> tuple[bool, bool, float]:
            mean = row.means.get(self.metric.name)
            return row.family == "dummy", mean is None, 0.0 if mean is None else sign * mean

        return tuple(sorted(rows, key=place))

    def standing(self, contender: Contender, running: str = "", over: bool = False) -> Standing:
        """One row of the table: scores on the folds of the first repeat, which all contenders have.

        Further repeats are bought for a few; they narrow the differences (`annvil.comparison.contrast`), and in a
        table of means they would set scores beside each other that are not of the same folds.
        """
        name = contender.name
        rung = self.judged(name)
        folds = [] if rung is None else self.of_repeat(name, rung, 0)
        state, reason = self._state(name, rung, running, over)
        shipped = None if rung is None else self.store.cost(name, rung)
        names = folds[0].scores if folds else {}
        values = {metric: np.array([fold.scores[metric] for fold in folds]) for metric in names}
        return Standing(
            contender=name,
            title=contender.title,
            family=contender.family,
            state=state,
            reason=reason,
            per_fold=tuple(fold.scores[self.metric.name] for fold in folds),
            means={metric: float(value.mean()) for metric, value in values.items()},
            spreads={metric: float(value.std(ddof=1)) if len(value) > 1 else 0.0 for metric, value in values.items()},
            summary=folds[0].summary if folds else "",
            cost=_cost(folds, shipped.cost if shipped else None),
            parity=shipped.parity if shipped else None,
            rung=rung,
            rungs=tuple(one.what for one in self.entrants.ladders.get(name, ())),
            rung_means=tuple(float(np.mean(scores)) for scores in self.rung_scores(name)),
            rung_seconds=self._rung_seconds(contender, rung),
            used_seconds=round(sum(one.seconds for one in self.log if _is_fit(one.unit, name)), 3),
            still_improves=name in self.improving,
            members=self.members(contender),
            explainable=contender.traits.explainable,
        )

    def _rung_seconds(self, contender: Contender, judged: int | None) -> tuple[float, ...]:
        """What was used until each complete rung was complete, by the contender and by whose fits it looks at."""
        workers = {contender.name, contender.traits.shares_fits_with or contender.name}
        used, reached = 0.0, {}
        for one in self.log:
            if one.unit.what == "fit" and one.unit.contender in workers:
                used += one.seconds
                if one.unit.contender == contender.name and one.unit.repeat == 0:
                    reached[one.unit.rung] = round(used, 3)
        return tuple(reached.get(rung, 0.0) for rung in range(-1 if judged is None else judged + 1))

    def members(self, contender: Contender) -> dict[str, float]:
        """Members of a team with their weights, the heaviest first; nobody has other members."""
        if contender.family != "team":
            return {}
        return agreed_weights([fold.configuration["members"] for fold in self.folds(contender.name)])

    def _state(self, name: str, rung: int | None, running: str, over: bool) -> tuple[State, str]:
        if name in self.entrants.declined:
            return "skipped", self.entrants.declined[name]
        if name == running:
            return "running", ""
        failure = self._failure(name)
        if rung is not None:
            return "finished", "" if failure is None else f"a longer training failed: {failure}"
        if failure is not None:
            return "failed", failure
        outcome = self.store.outcome(name, call_key(0), 0)
        if outcome is not None:
            return "cut short", outcome.reason
        return ("cut short", NO_TIME) if over else ("waiting", "")


def _is_fit(unit: Unit, contender: str) -> bool:
    return unit.what == "fit" and unit.contender == contender


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

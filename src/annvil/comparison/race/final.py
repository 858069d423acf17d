"""How the model that ships is fitted: on all rows, with what the folds agreed on, as a bag where that helps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.comparison.problem import Problem
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import Unit
from annvil.comparison.race.records import Records
from annvil.comparison.results import FinalFit, FoldResult
from annvil.models.contract import Contender, Json, Rung

BAGGED = 5
"""Inner folds of the fit to ship where members are averaged: each row teaches four of five members."""


@dataclass(frozen=True)
class Final:
    """A fit to ship and the seconds that it is expected to take."""

    fit: FinalFit
    expected_seconds: float

    @property
    def unit(self) -> Unit:
        """As it stands in the log of decisions."""
        return Unit("ship", self.fit.contender, self.fit.rung, step=f"{self.fit.inner_folds} inner folds")


def plan_final(
    contender: Contender,
    problem: Problem,
    records: Records,
    costs: CostModel,
    seconds: float,
    follow: Sequence[Unit] = (),
) -> Final:
    """The fit to ship that fits into ``seconds``; the plainest where none does.

    The settings are those that did best over all folds; whoever only gains by longer training (`Traits.climbs_to_ship`)
    goes as high on its ladder as the time allows. What a log that is followed decided on is taken in any case.
    """
    plan, judged = records.entrants.plan, records.judged(contender.name)
    assert judged is not None
    ladder = contender.ladder(problem.shape(plan.n_rows))
    folds = records.of_repeat(contender.name, judged, 0)
    chosen = agreed_configuration(folds)
    choices = []
    rungs = range(judged, len(ladder)) if contender.traits.climbs_to_ship else [min(judged, len(ladder) - 1)]
    for number in rungs:
        rung = ladder[number]
        for inner in sorted({rung.effort.inner_folds, BAGGED if contender.traits.bags else rung.effort.inner_folds}):
            expected = _expected(contender, rung, inner, costs, searched=chosen is None)
            configuration = _with_rung(chosen, rung) if contender.traits.climbs_to_ship else chosen
            candidates = rung.effort.candidates if chosen is None else 1
            fit = FinalFit(contender.name, number, candidates, rung.effort.scale, inner, configuration)
            choices.append(Final(fit, expected))
    decided = [choice for unit in reversed(follow) for choice in choices if choice.unit == unit]
    if decided:
        return decided[0]
    fitting = [choice for choice in choices if choice.expected_seconds <= seconds]
    return fitting[-1] if fitting else choices[0]


def _expected(contender: Contender, rung: Rung, inner: int, costs: CostModel, *, searched: bool) -> float:
    """A fit on all rows, from the arithmetic and what this contender took so far."""
    factor = costs.factor(costs.owner(contender.name))
    per_candidate = rung.core_seconds / (1 if searched else max(1, rung.effort.candidates) ** 0.5)
    return factor * per_candidate * inner / rung.effort.inner_folds


def _with_rung(chosen: Mapping[str, Json] | None, rung: Rung) -> dict[str, Json] | None:
    """The folds' choice, as long and as large as the rung says."""
    given = dict(rung.effort.configuration or {})
    return {**(chosen or {}), **given} or None


def agreed_configuration(folds: Sequence[FoldResult]) -> dict[str, Json] | None:
    """Of the candidates that every fold tried, the one with the best mean selection loss, lower being better.

    None where a fold's choice is not among what it tried (an average of candidates), or where folds tried different
    candidates: then the fit to ship searches once more.
    """
    losses: dict[str, list[float]] = {}
    for fold in folds:
        tried = {json.dumps(entry.get("configuration"), sort_keys=True): entry.get("score") for entry in fold.tried}
        if json.dumps(fold.configuration, sort_keys=True) not in tried:
            return None
        for key, score in tried.items():
            losses.setdefault(key, []).append(float("inf") if score is None else float(score))
    common = {key: float(np.mean(found)) for key, found in losses.items() if len(found) == len(folds)}
    best: dict[str, Json] | None = json.loads(min(common, key=lambda key: common[key])) if common else None
    return best

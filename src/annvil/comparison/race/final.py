"""How the model that ships is fitted: on all rows, with what the folds agreed on, as a bag where that helps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import Unit
from annvil.comparison.race.records import Records
from annvil.comparison.results import FinalFit, FoldResult
from annvil.models.contract import Contender
from annvil.models.jobs import Json, Rung

EXPORTING = 0.4
"""Seconds of the export and its check (measured)."""

BAGGED = 5
"""Inner folds of the fit to ship where members are averaged: each row teaches four of five members."""


STRETCHES = (1.0, 1.25, 1.5, 1.75)
"""Lengths between two rungs for whoever only gains by longer training: neighbours differ by about two."""

PARTS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""Rows between those of a first rung and all, for the same: of 60,000 rows all cost five times a sample of 10,000,
and a minute of three was left over (measured)."""


@dataclass(frozen=True)
class Final:
    """A fit to ship and the seconds that it is expected to take; ``stretch`` is its length, of that of its rung."""

    fit: FinalFit
    expected_seconds: float
    stretch: float = 1.0

    @property
    def units(self) -> list[Unit]:
        """As it stands in the log of decisions, member by member."""
        return [_unit_of(fit, self.stretch) for fit in self.fit.members or (self.fit,)]


def _unit_of(fit: FinalFit, stretch: float = 1.0) -> Unit:
    longer = f", {stretch:g} times as long" if stretch > 1 else ""
    rows = "all data" if fit.rows is None else f"a sample of {fit.rows:,}"
    inner = f"{fit.inner_folds} inner folds" if fit.inner_folds > 1 else "one holdout"
    return Unit("ship", fit.contender, fit.rung, step=f"{inner}, {rows}{longer}")


def plan_final(
    contender: Contender,
    records: Records,
    costs: CostModel,
    seconds: float,
    follow: Sequence[Unit] = (),
) -> Final:
    """The fit to ship that fits into ``seconds``; the plainest where none does.

    The settings are those that did best over all folds; whoever only gains by longer training (`Traits.climbs_to_ship`)
    goes as high on its ladder as the time allows. Members of a team share it. What a log that is followed decided on is
    taken in any case.
    """
    if contender.family == "team":
        return _plan_team(contender, records, costs, seconds, follow)
    judged = records.judged(contender.name)
    assert judged is not None
    ladder = records.entrants.ladders[contender.name]
    chosen = agreed_configuration(records.of_repeat(contender.name, judged, 0))
    climbs = contender.traits.climbs_to_ship
    factor = (
        _training_factor(records, judged, ladder[judged], contender.name)
        if climbs
        else costs.factor(costs.owner(contender.name))
    )
    last = len(ladder) if climbs else judged + 1
    choices = [
        _choice(contender, ladder[number], chosen, inner, rows, stretch, factor, records, costs)
        for number in range(judged, last)
        for inner in _inner_folds(contender, ladder[number])
        for rows in _rows(ladder[number].effort.rows, records.entrants.plan.n_rows if climbs else 0)
        for stretch in (STRETCHES if climbs and rows is None else STRETCHES[:1])
    ]
    decided = [choice for unit in reversed(follow) for choice in choices if choice.units == [unit]]
    if decided:
        return decided[0]
    fitting = [choice for choice in choices if choice.expected_seconds <= seconds]
    return fitting[-1] if fitting else choices[0]


def _training_factor(records: Records, judged: int, rung: Rung, contender: str) -> float:
    """How many times its arithmetic a training took, tests left out: those of 20,000 rows were a third of a fold.

    Whoever climbs does that by much, and by the seconds of whole folds too little of the time would be used.
    """
    seconds = [fold.fit_seconds for fold in records.of_repeat(contender, judged, 0)]
    return float(np.mean(seconds)) / rung.core_seconds


def _rows(judged: int | None, most: int) -> list[int | None]:
    """Those of the rung, more of them below ``most``, and all."""
    between = [] if judged is None else [round(part * judged) for part in PARTS if part * judged < most]
    return list(dict.fromkeys((judged, *between, None)))


def _inner_folds(contender: Contender, rung: Rung) -> list[int]:
    """Those of the rung, and a bag of five where members are averaged."""
    own = rung.effort.inner_folds
    return sorted({own, max(own, BAGGED)} if contender.traits.bags else {own})


def _choice(
    contender: Contender,
    rung: Rung,
    chosen: Mapping[str, Json] | None,
    inner: int,
    rows: int | None,
    stretch: float,
    factor: float,
    records: Records,
    costs: CostModel,
) -> Final:
    """One way to fit what ships, and its seconds: arithmetic times what was seen, by rows and members."""
    effort, n_rows = rung.effort, records.entrants.plan.n_rows
    same = None if chosen is None else dict(chosen)
    configuration = _with_rung(chosen, rung) if contender.traits.climbs_to_ship else same
    candidates = effort.candidates if chosen is None else 1
    fit = FinalFit(contender.name, effort.rung, candidates, effort.scale * stretch, inner, configuration, rows)
    learnt = min(effort.rows or n_rows, records.entrants.shape.n_rows)
    more_rows = (n_rows if rows is None else min(rows, n_rows)) / learnt
    fewer = 1 if chosen is None else max(1, effort.candidates) ** 0.5
    fitting = factor * rung.core_seconds * more_rows * stretch
    seconds = EXPORTING * costs.slowness + fitting / fewer * inner / effort.inner_folds
    return Final(fit, seconds, stretch)


def _plan_team(
    contender: Contender, records: Records, costs: CostModel, seconds: float, follow: Sequence[Unit]
) -> Final:
    """Every member at its plainest at least; what is left then goes to the heaviest first."""
    weights, named = records.members(contender), {c.name: c for c in records.contenders}
    plans = {name: plan_final(named[name], records, costs, 0.0, follow) for name in weights}
    for name in weights:
        left = seconds - sum(plan.expected_seconds for other, plan in plans.items() if other != name)
        plans[name] = plan_final(named[name], records, costs, left, follow)
    ladders = records.entrants.ladders
    cheap_first = sorted(
        weights, key=lambda name: ladders[name][min(plans[name].fit.rung, len(ladders[name]) - 1)].core_seconds
    )
    members = tuple(replace(plans[name].fit, weight=weights[name]) for name in cheap_first)
    whole = FinalFit(contender.name, 0, 1, 1.0, 1, {"members": weights}, members=members)
    return Final(whole, sum(plan.expected_seconds for plan in plans.values()))


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

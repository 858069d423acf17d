"""The team of contenders, made of what the store holds: a pure function of it, so no decision is written down.

In every outer fold of the first repeat, weights come from the out-of-fold predictions of the members' judged rungs, on
the rows that all of them predicted; the team's predictions for the test rows are those of its members, averaged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from annvil.comparison.problem import Problem, Replicate, Scored
from annvil.comparison.race.records import Records
from annvil.comparison.results import Cost, FoldResult, call_key
from annvil.comparison.store import Outcome, Predicted, ShippedCost
from annvil.models.team import TEAM, agreed_weights, describe_members, team_weights
from annvil.onnx.averaging import averaged
from annvil.tasks.base import IntArray

FEWEST_ROWS = 20
"""With fewer common out-of-fold rows there are no weights to choose (assumed)."""

MOST_VALUES = 100_000
"""Predictions (rows × outputs) of a member that choose the weights (assumed): more would only take longer."""

SHARE_OF_TIME = 0.05
"""While the race goes on, teams are made only as often as keeps their part of the time below this (assumed)."""


@dataclass(frozen=True)
class FoldTeam:
    """The team of one outer fold: weights and judged rungs by member, and what its predictions are worth."""

    fold: Replicate
    weights: dict[str, float]
    rungs: dict[str, int]
    scored: Scored


@dataclass
class TeamMaker:
    """Keeps the team's results up to date.

    Attributes
    ----------
    replicates : the folds of a repeat
    seconds : what the last team took to make; 0 before there was one
    """

    problem: Problem
    records: Records
    replicates: Callable[[int], Sequence[Replicate]]
    seconds: float = 0.0
    _ended: float = 0.0
    _made_of: tuple[dict[str, int], bool] | None = None

    def refresh(self, *, finally_: bool = False) -> None:
        """Make it anew where a member has changed; unless ``finally_``, only if it has been a while, and no graph."""
        if TEAM not in self.records.contenders:
            return
        started = time.monotonic()
        members = self._candidates()
        if self._made_of in ((members, finally_), (members, True)):
            return
        if not finally_ and started - self._ended < self.seconds / SHARE_OF_TIME:
            return
        self._made_of = members, finally_
        try:
            self._make(members, with_graph=finally_)
        except Exception:
            self.records.store.forget(TEAM.name)
            raise
        finally:
            self._ended = time.monotonic()
            self.seconds = self._ended - started

    def _make(self, members: Mapping[str, int], *, with_graph: bool) -> None:
        folds = self.replicates(0) if members else ()
        teams = [team for fold in folds if (team := self._team_of(fold, members))]
        weights = agreed_weights([team.weights for team in teams])
        if len(teams) < self.records.entrants.plan.outer_folds or len(weights) < 2:
            self.records.store.forget(TEAM.name)  # there is no team, or it would be one contender alone
        else:
            self._keep(teams, weights, members, with_graph=with_graph)

    def _candidates(self) -> dict[str, int]:
        """Contenders that may be members with their judged rungs: those that could be shipped, of two families or more.

        None at all where there is one family.
        """
        found, families = {}, set()
        for contender in self.records.contenders:
            rung = None if contender.family in ("dummy", "team") else self.records.judged(contender.name)
            shipped = None if rung is None else self.records.store.cost(contender.name, rung)
            if rung is not None and shipped is not None and shipped.cost is not None:
                found[contender.name] = rung
                families.add(contender.family)
        return found if len(families) > 1 else {}

    def _team_of(self, fold: Replicate, members: Mapping[str, int]) -> FoldTeam | None:
        """The team of one fold, or None where members have too few rows in common."""
        store, key = self.records.store, fold.job.key
        found = {name: store.inner_predictions(name, key, rung) for name, rung in members.items()}
        inner = {name: predicted for name, predicted in found.items() if predicted is not None}
        if len(inner) < 2:
            return None
        common = reduce(partial(np.intersect1d, assume_unique=True), [one.rows for one in inner.values()])
        if len(common) < FEWEST_ROWS:
            return None
        rows = common
        outputs = [one.outputs[np.searchsorted(one.rows, common)] for one in inner.values()]
        some = _some(len(rows), max(FEWEST_ROWS, MOST_VALUES // outputs[0].shape[1]))
        weights = team_weights(
            [one[some] for one in outputs], lambda mean: self.problem.row_losses(Predicted(rows[some], mean))
        )
        tested = [store.predictions(name, key, members[name]).outputs for name in inner]
        scored = self.problem.score_outputs(
            Predicted(fold.test, np.einsum("m,mro->ro", weights, tested)),
            Predicted(rows, np.einsum("m,mro->ro", weights, outputs)),
            self.records.metric,
        )
        chosen = {name: float(weight) for name, weight in zip(inner, weights, strict=True) if weight > 0}
        return FoldTeam(fold, chosen, {name: members[name] for name in chosen}, scored)

    # -- what is kept ----------------------------------------------------------------------------------------------

    def _keep(
        self,
        teams: Sequence[FoldTeam],
        weights: Mapping[str, float],
        rungs: Mapping[str, int],
        *,
        with_graph: bool,
    ) -> None:
        store, members = self.records.store, {name: rungs[name] for name in weights}
        for team in teams:
            result = self._result(team, weights, members)
            if store.result(TEAM.name, result.job) != result:
                store.keep_result(result, team.fold.test, team.scored.outputs)
        first, graph = teams[0], b""
        graphs = [store.graph(name, rung) or b"" for name, rung in first.rungs.items()] if with_graph else []
        if graphs and all(graphs):
            graph = averaged(graphs, list(first.weights.values()))
        store.keep_cost(TEAM.name, self._cost(weights, members), graph)
        store.keep_outcome(TEAM.name, call_key(0), Outcome("finished"))

    def _result(self, team: FoldTeam, weights: Mapping[str, float], members: Mapping[str, int]) -> FoldResult:
        """Its seconds and numbers are those of all ``members`` of the team that ships."""
        fold, store = team.fold, self.records.store
        theirs = [one for name, rung in members.items() if (one := store.result(name, fold.job.key, rung))]
        titles = {contender.name: contender.title for contender in self.records.contenders}
        return FoldResult(
            contender=TEAM.name,
            job=fold.job.key,
            repeat=fold.repeat,
            fold=fold.fold,
            n_train=len(fold.job.rows),
            n_test=len(fold.test),
            scores=team.scored.scores,
            inner_score=team.scored.inner_score,
            configuration={"members": team.weights, "rungs": team.rungs},
            summary=describe_members(weights, titles),
            tried=(),
            fit_seconds=sum(one.fit_seconds for one in theirs),
            core_seconds=sum(one.core_seconds for one in theirs),
            n_parameters=sum(one.n_parameters for one in theirs),
            threshold=team.scored.threshold,
            overlap=fold.overlap,
            without_part=team.scored.without_part,
        )

    def _cost(self, weights: Mapping[str, float], members: Mapping[str, int]) -> ShippedCost:
        """The sums over its members; the parity is at most the weighted sum of theirs."""
        shipped = [self.records.store.cost(name, rung) for name, rung in members.items()]
        costs = [one.cost for one in shipped if one is not None and one.cost is not None]
        parities = [0.0 if one is None else one.parity or 0.0 for one in shipped]
        slowness = [1 / cost.rows_per_second for cost in costs if cost.rows_per_second]
        cost = Cost(
            fit_seconds=0.0,  # of the folds
            core_seconds=0.0,
            fits=sum(cost.fits for cost in costs),
            n_parameters=sum(cost.n_parameters for cost in costs),
            size_bytes=sum(cost.size_bytes or 0 for cost in costs),
            latency_ms_p50=sum(cost.latency_ms_p50 or 0.0 for cost in costs),
            latency_ms_p95=sum(cost.latency_ms_p95 or 0.0 for cost in costs),
            rows_per_second=1 / sum(slowness) if slowness else None,
            peak_memory_mb=max((cost.peak_memory_mb or 0.0 for cost in costs), default=None),
        )
        return ShippedCost(cost, float(np.dot(list(weights.values()), parities)))


def _some(n: int, most: int) -> IntArray:
    """Places of at most so many of ``n`` rows, int64, ascending."""
    everything = np.arange(n, dtype=np.int64)
    return everything if n <= most else np.sort(np.random.default_rng(0).permutation(everything)[:most])

"""A team: contenders of different families, averaged with weights that their out-of-fold predictions chose.

Networks, trees and linear models err differently, so an average of them is often better than the best of them; on
tables that is worth as much as any of the methods (Erickson et al. 2025, TabArena, arXiv 2506.16791). The weights are
chosen in every fold of the comparison by greedy selection (`annvil.models.selection.choose_greedily`), and the team is
judged on the outer folds as everybody is. It costs what its members cost together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.contract import BaseContender, Family
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import choose_greedily
from annvil.models.stepping import Stepper
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import inside, listed

ROUNDS = 24
"""Most additions (assumed); with replacement, so that weights are multiples of a share."""

MOST_MEMBERS = 4
"""Most different members (assumed): the size and latency of the model grow with each."""

LEAST_WEIGHT = 0.1
"""Members with less are left out (assumed): they cost as much as the others and change little."""


class Team(BaseContender):
    """What stands for the team in the table: it fits nothing, but is made of what others fitted."""

    name, title = "team", "Team of models"
    family: Family = "team"

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """None of its own."""
        return ()

    def fit(self, dataset: Dataset[Any], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Nothing; members are fitted by those whose they are (`joined`)."""
        return iter(())


TEAM = Team()


AS_ROWS, NEAR = 200, 2.0
"""Equal weights of the members that cannot be told from the best count as so many rows: where rows are few, weights
chosen by them are mostly chance (measured on 14 tables, see decision 0077). They can be told apart where their losses
differ by so many standard errors."""


def team_weights(outputs: Sequence[FloatArray], row_losses: Any) -> FloatArray:
    """Weights ``(n_members,)`` under which the average of ``outputs`` has the least mean loss; few are not zero.

    The fewer the rows, the more they are drawn towards equal weights of the best members (`AS_ROWS`).

    Parameters
    ----------
    outputs : out of fold, of every member, of one shape
    row_losses : of averaged outputs, the losses of all rows
    """
    chosen = choose_greedily(
        outputs,
        lambda mean: float(np.mean(row_losses(mean))),
        range(len(outputs)),
        rounds=ROUNDS,
        most_distinct=MOST_MEMBERS,
    )
    n = len(outputs[0])
    weights = (n * chosen + AS_ROWS * _equal_weights([row_losses(one) for one in outputs])) / (n + AS_ROWS)
    least = np.sort(weights)[-MOST_MEMBERS:][0]
    return without_small_ones(np.where(weights >= least, weights, 0.0))


def _equal_weights(losses: Sequence[FloatArray]) -> FloatArray:
    """Of the members that cannot be told from the best by the losses of rows, at most `MOST_MEMBERS`."""
    means = [float(np.mean(one)) for one in losses]
    ranked = np.argsort(means, kind="stable")
    best, n = losses[ranked[0]], len(losses[0])
    behind = {int(place): losses[place] - best for place in ranked}
    near = [m for m, more in behind.items() if more.mean() <= NEAR * more.std() / math.sqrt(n)][:MOST_MEMBERS]
    weights = np.zeros(len(losses))
    weights[near] = 1 / len(near)
    return weights


def without_small_ones(weights: FloatArray) -> FloatArray:
    """Those of at least `LEAST_WEIGHT`, adding up to 1 again; the largest alone where there are none."""
    kept = np.where(weights >= min(LEAST_WEIGHT, weights.max()), weights, 0.0)
    return np.asarray(kept / kept.sum())


def agreed_weights(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Weights of the team that ships, the heaviest first: the mean over folds, small ones left out.

    ``folds`` name the members of each with their weights; of none, there are none.
    """
    names = sorted({name for weights in folds for name in weights})
    if not names:
        return {}
    means = without_small_ones(np.mean([[weights.get(name, 0.0) for name in names] for weights in folds], axis=0))
    found = {name: float(weight) for name, weight in zip(names, means, strict=True) if weight > 0}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def describe_members(weights: Mapping[str, float], titles: Mapping[str, str]) -> str:
    """The members in words: "60% boosted trees and 40% dense network"."""
    heaviest_first = sorted(weights.items(), key=lambda item: -item[1])
    return listed([f"{weight:.0%} {inside(titles[name])}" for name, weight in heaviest_first])


@dataclass(frozen=True)
class Teammate(BaseMember):
    """A finished model of another contender as a member."""

    title: str
    fitted: Fitted

    def predict(self, inputs: Any) -> FloatArray:
        """What it predicts alone."""
        return self.fitted.predict(inputs)

    def write(self, graph: Graph, *raw: Value) -> Value:
        """The whole of it."""
        return self.fitted.write(graph, *raw)

    def stepper(self) -> Stepper | None:
        """As it steps alone."""
        return self.fitted.stepper()

    @property
    def n_parameters(self) -> int:
        """Of all of its networks or trees."""
        return self.fitted.n_parameters

    def describe_preparation(self) -> tuple[str, ...]:
        """Its own, with its name."""
        return tuple(f"{self.title}: {sentence}" for sentence in self.fitted.preparation)


@dataclass
class FittedTeam(Fitted):
    """Members of different contenders: each prepares in its own way."""

    @property
    def preparation(self) -> tuple[str, ...]:
        """What is done to raw values, member by member."""
        return tuple(sentence for member in self.members for sentence in member.describe_preparation())


def joined(fitted: Sequence[Fitted], weights: Sequence[float], titles: Mapping[str, str]) -> FittedTeam:
    """One model of several, each with the rows that it had time for; ``titles`` by the name of their contender."""
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    members = {one.contender: float(share) for one, share in zip(fitted, shares, strict=True)}
    most = max(fitted, key=lambda one: len(one.job.rows))
    return FittedTeam(
        contender=TEAM.name,
        job=most.job,
        task=most.task,
        members=tuple(Teammate(titles[one.contender], one) for one in fitted),
        calibration=None,
        out_of_fold=_out_of_fold(fitted, shares, most.job.rows),
        configuration={"members": members},
        summary=describe_members(members, titles),
        fit_seconds=sum(one.fit_seconds for one in fitted),
        core_seconds=sum(one.core_seconds for one in fitted),
        weights=shares,
        notes=tuple(f"{titles[one.contender]}: {note}" for one in fitted for note in one.notes),
        cut_short=any(one.cut_short for one in fitted),
    )


def _out_of_fold(fitted: Sequence[Fitted], shares: FloatArray, rows: IntArray) -> FloatArray:
    """The members' mean where all of them know a row of ``rows``, NaN elsewhere; where they share none, the heaviest's.

    Members that learnt from a part of the rows know few of them.
    """
    each = np.full((len(fitted), len(rows), fitted[0].out_of_fold.shape[1]), np.nan)
    for own, one in zip(each, fitted, strict=True):
        known = np.isin(one.job.rows, rows)
        own[np.searchsorted(rows, one.job.rows[known])] = one.out_of_fold[known]
    mean = np.einsum("m,mro->ro", shares, each)
    heaviest: FloatArray = each[int(np.argmax(shares))]
    return np.asarray(mean) if np.isfinite(mean).all(axis=1).any() else heaviest

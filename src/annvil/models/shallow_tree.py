"""One shallow tree: a few rules that a person can read, each with the share or the mean of what it holds for.

CART (Breiman et al. 1984) by scikit-learn, grown best leaf first; inner splits choose how many leaves. What a leaf says
is its share drawn a little towards that of all rows, and corrected as out-of-fold predictions ask for: the correction
is written into the leaves, so that the rules say what is predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.extra_trees import ForestMember
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, first_rows, ladder_of, row_steps
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import Fitted
from annvil.models.rules import rules_of
from annvil.models.selection import Candidate, best_of, fitted_with, try_candidates
from annvil.models.terms import Rule
from annvil.models.trees_onnx import averaged_forest_of
from annvil.preparation import TreePreparation
from annvil.tasks.base import FloatArray, IntArray, Task

SMOOTHING = 2.0
"""So many rows with the overall answer are added to every leaf (assumed): one of few rows says neither 0 nor 1."""

MOST_CLASSES = 40
"""Above, no few leaves can tell classes apart (assumed)."""


@dataclass(frozen=True)
class Shallow:
    """One candidate: how many leaves at most, and the fewest rows of one (a share of all, and a number)."""

    leaves: int
    share: float = 0.01
    least: int = 5

    def describe(self) -> str:
        """For people."""
        return f"up to {self.leaves} leaves of at least {self.share:.0%} of the rows"


TREES = (Shallow(8), Shallow(4), Shallow(16), Shallow(12), Shallow(8, 0.03), Shallow(6), Shallow(2))
"""The candidates in the order in which they are tried; a person still reads 16 rules (assumed)."""


@dataclass(frozen=True)
class ShallowTreeMember(ForestMember):
    """A tree with its preparation.

    Attributes
    ----------
    n_rows : training rows of every node
    lacking : prepared columns that training rows miss values of
    """

    n_rows: tuple[int, ...] = ()
    lacking: tuple[int, ...] = ()

    def rules(self) -> tuple[Rule, ...]:
        """One for each leaf."""
        return rules_of(self.preparation, self.forest, self.n_rows, self.lacking)


class ShallowTree(BaseContender):
    """A decision tree of few leaves on numbers, small categories and target-encoded large ones."""

    name = "rule-tree"
    title = "Shallow tree"
    family: Family = "trees"
    traits = Traits(explainable=True, library="sklearn.tree")

    def __init__(self, monotone: Mapping[str, int] | None = None) -> None:
        self.monotone = dict(monotone or {})

    def declines(self, shape: Shape) -> str | None:
        """Several labels, and very many classes."""
        if shape.task.n_questions > 1:
            return "A shallow tree sits out where several labels are asked for: few rules answer one question."
        if shape.n_outputs > MOST_CLASSES:
            return f"A shallow tree sits out above {MOST_CLASSES} classes: few rules cannot tell them apart."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """A few sizes on one holdout, then all of them on five folds."""

        def rung(candidates: int, inner: int, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            effort = Effort(candidates, inner_folds=inner, rows=rows)
            return Rung(effort, (1 + inner * candidates) * _seconds_per_fit(shape, n_rows), describe_effort(effort))

        parts = [rung(2, 1, rows) for rows in row_steps(shape.n_rows, first_rows(shape.n_numbers + shape.n_texts))]
        return ladder_of([*parts, rung(2, 1), rung(len(TREES), 5)])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Search on the inner splits, then one tree on all rows, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset, job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()

        def fit_split(candidate: Candidate, number: int) -> tuple[None, FloatArray]:
            split = job.inner[number]
            member = self._grown(dataset, split.train, candidate, effort, job.seed + number + 1)
            return None, member.predict(dataset.inputs.take(split.test))

        trials, _ = try_candidates(dataset, job, _candidates(effort), fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        member = self._grown(dataset, job.rows, best.candidate, effort, job.seed)
        if best.calibration is not None:
            member = _corrected(member, best.calibration.apply)
        summary = f"{best.candidate.words}; it has {int(member.forest.trees.is_leaf.sum())}"
        return fitted_with(self.name, dataset, job, trials, (member,), watch, running, summary=summary, corrected=True)

    def _grown(
        self, dataset: Dataset, rows: IntArray, candidate: Candidate, effort: Effort, seed: int
    ) -> ShallowTreeMember:
        """A tree on these rows."""
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        task, y = dataset.task, dataset.y[rows]
        preparation, prepared = TreePreparation.fit_transform(
            dataset.inputs.take(rows),
            scaling=effort.options.scaling,
            y=y,
            task=task,
            seed=seed % 2**31,
            monotone=self.monotone.keys(),
        )
        features = np.where(np.isnan(prepared.numbers).all(axis=0), np.float32(0), prepared.numbers)
        size = Shallow(**candidate.configuration)
        kind = DecisionTreeClassifier if task.predicts_probabilities else DecisionTreeRegressor
        model = kind(
            max_leaf_nodes=size.leaves,
            min_samples_leaf=min(max(size.least, int(size.share * len(rows))), max(1, len(rows) // 2)),
            monotonic_cst=preparation.signs(self.monotone) if self.monotone else None,
            random_state=seed % 2**31,
        )
        model.fit(features, y)
        counts = np.asarray(model.tree_.n_node_samples)
        forest = averaged_forest_of(
            SimpleNamespace(estimators_=[model]), [self._leaves(task, model, y, counts)], np.zeros(task.n_outputs)
        )
        lacking = np.flatnonzero(np.isnan(prepared.numbers).any(axis=0))
        return ShallowTreeMember(preparation, forest, tuple(counts.tolist()), tuple(lacking.tolist()))

    def _leaves(self, task: Task, model: Any, y: NDArray[Any], counts: IntArray) -> FloatArray:
        """What nodes say, ``(n_nodes, n_outputs)``: the mean or the shares, with `SMOOTHING`.

        Where leaves are in order, all are drawn equally to the overall answer: one of few rows must not pass another.
        """
        shares = np.asarray(model.tree_.value)[:, 0, :]  # of the classes there, or the mean
        if task.predicts_probabilities:
            there, shares = shares, np.zeros((len(shares), task.n_outputs))
            shares[:, np.asarray(model.classes_, dtype=np.int64)] = there
        n = np.full(len(counts), counts[0]) if self.monotone else counts
        constant = np.asarray(task.constant(y), dtype=np.float64)
        return np.asarray((shares * n[:, None] + SMOOTHING * constant) / (n[:, None] + SMOOTHING))


def _candidates(effort: Effort) -> list[Candidate]:
    if effort.configuration is not None:
        chosen: tuple[Shallow, ...] = (Shallow(**effort.configuration),)
    else:
        chosen = TREES[: effort.candidates]
    return [Candidate(asdict(one), one.describe()) for one in chosen]


def _corrected(member: ShallowTreeMember, correct: Any) -> ShallowTreeMember:
    """The tree with the correction written into its leaves."""
    forest, leaves = member.forest, member.forest.trees.is_leaf
    values = forest.values.copy()
    values[leaves] = correct(forest.values[leaves].astype(np.float64))
    return replace(member, forest=replace(forest, values=values))


def _seconds_per_fit(shape: Shape, n_rows: int) -> float:
    """One tree on one core, on the slow side (measured: 300 to 40,000 rows)."""
    n_columns = shape.n_numbers + 2 * shape.n_texts
    return float(0.03 + 6e-8 * n_rows * np.log2(max(2, n_rows)) * max(1, n_columns))

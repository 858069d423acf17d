"""Extra trees: many trees with random thresholds, averaged (Geurts et al. 2006, Machine Learning 63).

Each tree sees all rows; what differs is where it cuts. Inner splits choose and calibrate; then one forest is grown on
all rows of the job, as averages of forests are forests. Departures: probabilities are mixed with a little of the
class frequencies (`SMOOTHING`), for an average of pure leaves says 0 of what it has not seen; and leaves are few enough
that the model can be shipped (`MOST_LEAVES`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.contract import BaseContender, Family
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, first_rows, ladder_of, row_steps
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, best_of, fitted_with, try_candidates
from annvil.models.trees_onnx import AveragedForest, averaged_forest_of, write_averaged_forest
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TreePreparation
from annvil.tasks.base import FloatArray, IntArray, Task

TREES = 100
"""Trees of a forest (scikit-learn's default)."""

MOST_LEAVES = 400_000
"""Of a whole forest (assumed: about 20 MB as a graph)."""

SMOOTHING = 0.005
"""Weight of the class frequencies beside the trees' votes: half a tree's."""

MOST_OUTPUTS = 40
"""Classes or labels up to which leaves hold their shares of each (assumed: beyond, the model grows large)."""


@dataclass(frozen=True)
class Forestry:
    """One candidate: the share of the columns that a split may look at, and the fewest rows of a leaf."""

    features: float
    min_leaf: int

    def describe(self) -> str:
        """For people."""
        leaf = f"leaves of at least {self.min_leaf}"
        return f"{TREES} trees, {self.features:.0%} of the columns a split, {leaf}"


FORESTS = (Forestry(0.5, 2), Forestry(1.0, 1), Forestry(0.25, 5), Forestry(1.0, 5), Forestry(0.5, 1))
"""The candidates in the order in which they are tried."""


@dataclass(frozen=True)
class ForestMember(BaseMember):
    """A forest with its preparation."""

    preparation: TreePreparation
    forest: AveragedForest

    def predict(self, inputs: Table) -> FloatArray:
        """Probabilities ``(n_rows, n_outputs)`` or values ``(n_rows, 1)``."""
        return self.forest.predict(self.preparation.transform(inputs).numbers)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """One ensemble node."""
        features, _ = self.preparation.write(graph, numbers, texts)
        return write_averaged_forest(graph, features, self.forest)

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns."""
        return tuple(self.preparation.describe())

    @property
    def n_parameters(self) -> int:
        """A column and a threshold for each inner node, values for each leaf."""
        return self.forest.n_parameters


class ExtraTrees(BaseContender):
    """An average of randomised trees on numbers and target-encoded categories."""

    name = "extra-trees"
    title = "Extra trees"
    family: Family = "trees"

    def __init__(self, monotone: Mapping[str, int] | None = None) -> None:
        self.monotone = dict(monotone or {})  # 1 or -1 by column: predictions rise or fall with it

    def declines(self, shape: Shape) -> str | None:
        """Very many classes or labels: every leaf holds a share of each."""
        if shape.n_outputs > MOST_OUTPUTS:
            return f"Extra trees sit out above {MOST_OUTPUTS} classes or labels: every leaf would hold a share of each."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One candidate on one holdout, then all of them on five folds."""

        def rung(candidates: int, inner: int, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            effort = Effort(candidates, inner_folds=inner, rows=rows)
            return Rung(effort, (1 + inner * candidates) * _seconds_per_fit(shape, n_rows), describe_effort(effort))

        parts = [rung(1, 1, rows) for rows in row_steps(shape.n_rows, first_rows(shape.n_numbers + shape.n_texts))]
        return ladder_of([*parts, rung(1, 1), rung(len(FORESTS), 1), rung(len(FORESTS), 5)])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Search on the inner splits, then one forest on all rows, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset, job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()

        def fit_split(candidate: Candidate, number: int) -> tuple[None, FloatArray]:
            split = job.inner[number]
            seed = job.seed + number + 1
            member = _grown(dataset, split.train, candidate, effort, seed, running.threads, self.monotone)
            return None, member.predict(dataset.inputs.take(split.test))

        trials, _ = try_candidates(dataset, job, _candidates(effort), fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        members = (_grown(dataset, job.rows, best.candidate, effort, job.seed, running.threads, self.monotone),)
        return fitted_with(self.name, dataset, job, trials, members, watch, running)


def _candidates(effort: Effort) -> list[Candidate]:
    chosen = FORESTS[: effort.candidates]
    if effort.configuration is not None:
        chosen = (Forestry(float(effort.configuration["features"]), int(effort.configuration["min_leaf"])),)
    return [Candidate(asdict(forest), forest.describe()) for forest in chosen]


def _grown(
    dataset: Dataset,
    rows: IntArray,
    candidate: Candidate,
    effort: Effort,
    seed: int,
    threads: int,
    monotone: Mapping[str, int],
) -> ForestMember:
    """A forest on these rows."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    task, y = dataset.task, dataset.y[rows]
    preparation, prepared = TreePreparation.fit_transform(
        dataset.inputs.take(rows),
        scaling=effort.options.scaling,
        y=y,
        task=task,
        seed=seed % 2**31,
        monotone=monotone.keys(),
    )
    features = np.where(np.isnan(prepared.numbers).all(axis=0), np.float32(0), prepared.numbers)
    kind = ExtraTreesClassifier if task.predicts_probabilities else ExtraTreesRegressor
    leaves = MOST_LEAVES // TREES
    model = kind(
        n_estimators=TREES,
        max_features=candidate.configuration["features"],
        min_samples_leaf=candidate.configuration["min_leaf"],
        max_leaf_nodes=leaves if len(rows) > leaves else None,
        random_state=seed % 2**31,
        n_jobs=threads or None,
        monotonic_cst=preparation.signs(monotone) if monotone else None,
    )
    model.fit(features, y)
    return ForestMember(preparation, averaged_forest_of(model, *_leaves(task, model, y)))


def _leaves(task: Task, model: Any, y: NDArray[Any]) -> tuple[list[FloatArray], FloatArray]:
    """What the leaves of each tree say, ``(n_nodes, n_outputs)``, and what is added to their mean."""
    values = [tree.tree_.value for tree in model.estimators_]  # (n_nodes, answers, classes of each)
    if not task.predicts_probabilities:
        return [value[:, 0, :] for value in values], np.zeros(1)
    constant = np.asarray(task.constant(y), dtype=np.float64)
    if task.one_class_a_row:
        said = [np.zeros((len(value), task.n_outputs)) for value in values]
        for own, value in zip(said, values, strict=True):
            own[:, np.asarray(model.classes_, dtype=np.int64)] = value[:, 0, :]
    else:
        there = [1 if len(classes) > 1 else int(classes[0]) for classes in _classes_of(model)]
        columns = [1 if len(classes) > 1 else 0 for classes in _classes_of(model)]
        said = [
            np.stack([value[:, k, column] * one for k, (column, one) in enumerate(zip(columns, there, strict=True))], 1)
            for value in values
        ]
    return [(1 - SMOOTHING) * value for value in said], SMOOTHING * constant


def _classes_of(model: Any) -> list[NDArray[Any]]:
    """Those of each label; a single label comes without a list around it."""
    return list(model.classes_) if isinstance(model.classes_, list) else [model.classes_]


def _seconds_per_fit(shape: Shape, n_rows: int) -> float:
    """One forest on one core, on the slow side (measured: 400 to 40,000 rows)."""
    n_columns = shape.n_numbers + 2 * shape.n_texts
    return float(0.25 + 1.1e-8 * TREES * n_rows * np.log2(max(2, n_rows)) * max(1, n_columns))

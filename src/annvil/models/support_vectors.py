"""Support vectors: classes told apart in pairs by what lies nearest to the border (Cortes and Vapnik 1995).

A kernel machine with radial basis functions, one for each pair of classes (`sklearn.svm.SVC`). What its pairs say is
summed for each class, each pair up to its margin, and becomes probabilities by a softmax whose temperature the inner
splits teach, as for every other contender; not by Platt's method, which trains five times more and disagrees with the
votes. The graph holds the support vectors: their distances are one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, best_of, try_candidates
from annvil.onnx.builder import Graph, Value
from annvil.preparation import LinearPreparation
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.link import SOFTMAX

MOST_ROWS = 12_000
"""Rows beyond which the time, which grows with their square, is better spent elsewhere (assumed)."""

MOST_CLASSES = 60
"""Classes beyond which there are too many pairs (assumed: 1,770 of them)."""

SHARPNESS = 2.0
"""Of the softmax of summed margins, before calibration (assumed: calibration finds the rest)."""

MARGIN = 1.0
"""A pair counts up to here: the margin of its own support vectors."""

COSTS = (10.0, 3.0, 100.0, 1.0)
WIDTHS = (1.0, 0.3)
"""Candidates: the price of a row on the wrong side, and factors on gamma, whose 1 is 1 / (columns × variance)."""


@dataclass(frozen=True)
class Pairs:
    """What was learnt: which side of each pair of classes a row lies on, and how far.

    Attributes
    ----------
    points : support vectors, float64 ``(n, columns)``
    weights : of each in each pair, float64 ``(n, pairs)``; ``intercepts (pairs,)``
    gamma : of the kernel exp(-gamma × squared distance)
    classes : codes that occurred in training, ascending; ``n_classes`` there are
    """

    points: FloatArray
    weights: FloatArray
    intercepts: FloatArray
    gamma: float
    classes: IntArray
    n_classes: int

    @property
    def votes(self) -> FloatArray:
        """What a pair's margin says for each class, 1 and -1: float64 ``(pairs, n_classes)``."""
        found = np.zeros((len(self.intercepts), self.n_classes))
        for pair, (first, second) in enumerate(combinations(self.classes.tolist(), 2)):
            found[pair, first], found[pair, second] = 1.0, -1.0
        return found

    @property
    def absent(self) -> FloatArray:
        """Added to scores: classes that never occurred are last, float64 ``(n_classes,)``."""
        found = np.full(self.n_classes, -2.0 * self.n_classes)
        found[self.classes] = 0.0
        return found

    def outputs(self, features: FloatArray) -> FloatArray:
        """Probabilities ``(n, n_classes)``."""
        squares = (features**2).sum(axis=1)[:, None] + (self.points**2).sum(axis=1) - 2 * features @ self.points.T
        margins = np.exp(-self.gamma * np.maximum(squares, 0.0)) @ self.weights + self.intercepts
        scores = np.clip(margins, -MARGIN, MARGIN) @ self.votes + self.absent
        return np.asarray(SOFTMAX.apply(SHARPNESS * scores))


@dataclass(frozen=True)
class SupportVectorMember(BaseMember):
    """Pairs of classes behind a preparation."""

    preparation: LinearPreparation
    pairs: Pairs

    def predict(self, inputs: Table) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)``."""
        return self.pairs.outputs(_features(self.preparation, inputs))

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same in float64."""
        prepared, _ = self.preparation.write(graph, numbers, texts)
        x, of = graph.cast(prepared, "float64"), self.pairs
        products = graph.op("MatMul", x, graph.constant(np.ascontiguousarray(-2.0 * of.points.T)))
        own = graph.op("ReduceSumSquare", x, graph.constant([1], "int64"), keepdims=1)
        squares = graph.op("Add", graph.op("Add", products, own), graph.constant((of.points**2).sum(axis=1)[None]))
        squares = graph.op("Max", squares, graph.constant(0.0))
        kernel = graph.op("Exp", graph.op("Mul", squares, graph.constant(-of.gamma)))
        margins = graph.op("Add", graph.op("MatMul", kernel, graph.constant(of.weights)), graph.constant(of.intercepts))
        clipped = graph.op("Clip", margins, graph.constant(-MARGIN), graph.constant(MARGIN))
        scores = graph.op("Add", graph.op("MatMul", clipped, graph.constant(of.votes)), graph.constant(of.absent))
        return SOFTMAX.write(graph, graph.op("Mul", scores, graph.constant(SHARPNESS)))

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns."""
        return tuple(self.preparation.describe())

    @property
    def n_parameters(self) -> int:
        """Support vectors, their weights, and what is added."""
        return int(self.pairs.points.size + self.pairs.weights.size + self.pairs.intercepts.size)


class SupportVectors(BaseContender):
    """A kernel machine for classes, on small data. Contenders are sorted into families by how they learn; it is a
    memory of rows, as neighbours are."""

    name = "support-vectors"
    title = "Support vectors"
    family: Family = "neighbours"
    traits = Traits(scales=True, library="sklearn.svm")

    def declines(self, shape: Shape) -> str | None:
        """Numbers and several labels, many rows or classes."""
        if not shape.task.one_class_a_row:
            return "Support vectors sit out where the answer is not one class."
        if shape.n_rows > MOST_ROWS or shape.n_outputs > MOST_CLASSES:
            return f"Support vectors would take long for more than {MOST_ROWS:,} examples or {MOST_CLASSES} classes."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One candidate, some and all of them on one holdout, then all on five folds."""

        def rung(candidates: int, inner: int) -> Rung:
            n_fits = 1 + inner * candidates
            effort = Effort(candidates, inner_folds=inner)
            return Rung(effort, n_fits * _seconds_per_fit(shape), describe_effort(effort))

        most = len(COSTS) * len(WIDTHS)
        return ladder_of([rung(1, 1), rung(4, 1), rung(most, 1), rung(most, 5)])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Search on the inner splits, then one fit on all rows, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset, job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        grown = partial(_fitted, dataset, effort=effort)

        def fit_split(candidate: Candidate, number: int) -> tuple[None, FloatArray]:
            split = job.inner[number]
            return None, grown(split.train, candidate).predict(dataset.inputs.take(split.test))

        trials, _ = try_candidates(dataset, job, _candidates(effort), fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        return Fitted(
            contender=self.name,
            job=job,
            task=dataset.task,
            members=(grown(job.rows, best.candidate),),
            calibration=best.calibration,
            out_of_fold=best.out_of_fold,
            configuration=best.candidate.configuration,
            summary=best.candidate.words,
            tried=tuple(trial.to_json() for trial in trials),
            fit_seconds=watch.seconds,
            core_seconds=watch.core_seconds,
            cut_short=running.cut_short,
        )


def _candidates(effort: Effort) -> list[Candidate]:
    if effort.configuration is not None:
        return [_candidate(float(effort.configuration["cost"]), float(effort.configuration["width"]))]
    return [_candidate(cost, width) for width in WIDTHS for cost in COSTS][: effort.candidates]


def _candidate(cost: float, width: float) -> Candidate:
    return Candidate({"cost": cost, "width": width}, f"cost {cost:g}, gamma {width:g} times the usual")


def _fitted(dataset: Dataset, rows: IntArray, candidate: Candidate, effort: Effort) -> SupportVectorMember:
    """Learnt from these rows."""
    inputs, y = dataset.inputs.take(rows), dataset.y[rows]
    preparation = LinearPreparation.fit(inputs, y=y, scaling=effort.options.scaling, task=dataset.task)
    features = _features(preparation, inputs)
    gamma = float(candidate.configuration["width"]) / (features.shape[1] * max(features.var(), 1e-12))
    cost = float(candidate.configuration["cost"])
    return SupportVectorMember(preparation, pairs_of(features, y, cost, gamma, dataset.task.n_outputs))


def pairs_of(features: FloatArray, y: NDArray[Any], cost: float, gamma: float, n_classes: int) -> Pairs:
    """Scikit-learn's machine as a product; of one class alone, no pairs."""
    from sklearn.svm import SVC

    classes = np.unique(y).astype(np.int64)
    if len(classes) < 2:
        nothing = np.zeros((0, features.shape[1]))
        return Pairs(nothing, np.zeros((0, 0)), np.zeros(0), gamma, classes, n_classes)
    machine = SVC(C=cost, gamma=gamma, cache_size=300).fit(features, y)
    n_vectors, found = machine.n_support_, list(combinations(range(len(classes)), 2))
    bounds = np.concatenate([[0], np.cumsum(n_vectors)])
    dual = machine.dual_coef_
    weights = np.zeros((len(machine.support_), len(found)))
    for pair, (one, other) in enumerate(found):
        of_one, of_other = slice(*bounds[one : one + 2]), slice(*bounds[other : other + 2])
        weights[of_one, pair] = dual[other - 1, of_one]  # a class's vectors lack a row for the class itself
        weights[of_other, pair] = dual[one, of_other]
    intercepts = np.array(machine.intercept_, dtype=np.float64)
    if len(classes) == 2:  # there scikit-learn turns the sign, so that the second class is above 0
        weights, intercepts = -weights, -intercepts
    points = np.array(machine.support_vectors_, dtype=np.float64)
    return Pairs(points, weights, intercepts, gamma, classes, n_classes)


def _features(preparation: LinearPreparation, inputs: Table) -> FloatArray:
    return np.asarray(preparation.transform(inputs).numbers, dtype=np.float64)


def _seconds_per_fit(shape: Shape) -> float:
    """Preparation and one fit, on the slow side (0.5 s for 2,000 rows of 274 columns and ten classes, measured)."""
    n, columns = shape.n_rows, shape.n_numbers + shape.n_levels + 1
    return 0.02 + 5e-5 * columns + n * n * (1e-9 * columns + 2e-8)

"""The linear contender: logistic regression for classes, ridge regression for numbers, the penalty searched.

Inner splits choose the penalty; then one model is fitted again on all rows of the job, because one set of coefficients
is the cheapest thing to ship and a linear model gains next to nothing from averaging over folds. Out-of-fold
predictions come from the inner fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.bounded_fits import BoundedRidge, fit_bounded_logistic
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, first_rows, ladder_of, row_steps
from annvil.models.linear_fits import Coefficients, RidgePath, fit_labels, fit_logistic
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted, as_outputs
from annvil.models.selection import Candidate, best_of, fitted_with, try_candidates
from annvil.models.terms import Additive, Term
from annvil.onnx.builder import Graph, Value
from annvil.preparation import LinearPreparation, Preparation, TargetScaling, class_weights, is_imbalanced
from annvil.tasks.base import FloatArray, IntArray, Task
from annvil.tasks.link import SOFTMAX, Link

PENALTIES = (1.0, 10.0, 0.1, 100.0, 0.01, 1000.0, 0.001, 10_000.0)
"""Weights of the squared norm, in the order in which they are tried: the textbook value first, then outwards."""

SEARCH_ROWS = 50_000
"""Most training rows of an inner fit (assumed): more hardly move the choice of the penalty. The last fit sees all."""

Prepare = Callable[..., Preparation]
"""Of training rows and their answers ``y``."""


@dataclass(frozen=True)
class LinearMember(BaseMember):
    """Prepared inputs times coefficients, through the link or back to target units."""

    preparation: Preparation
    fit: Coefficients
    target: TargetScaling | None  # for regression
    link: Link = SOFTMAX

    def predict(self, inputs: Table) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        return _outputs(self.fit, self.target, self.link, self.preparation.transform(inputs).numbers)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same in float64."""
        prepared, _ = self.preparation.write(graph, numbers, texts)
        product = graph.op("MatMul", graph.cast(prepared, "float64"), graph.constant(self.fit.slopes))
        scores = graph.op("Add", product, graph.constant(self.fit.intercepts))
        return self.link.write(graph, scores) if self.target is None else self.target.write(graph, scores)

    def additive(self) -> Additive:
        """A term for each column that prepared features come from; without `TargetScaling`'s limits."""
        sources = [feature.source for feature in self.preparation.features]
        columns = list(dict.fromkeys(sources))
        place = np.array([columns.index(source) for source in sources])
        by_term = np.zeros((len(columns), *self.fit.slopes.shape))  # (n_terms, n_features, n_outputs)
        by_term[place, np.arange(len(sources))] = self.fit.slopes * self._unit
        flat = by_term.transpose(1, 0, 2).reshape(len(sources), -1)

        def contributions(inputs: Table) -> FloatArray:
            features = self.preparation.transform(inputs).numbers.astype(np.float64)
            return np.asarray((features @ flat).reshape(len(features), len(columns), -1))

        def write(graph: Graph, numbers: Value, texts: Value) -> Value:
            prepared, _ = self.preparation.write(graph, numbers, texts)
            product = graph.op("MatMul", graph.cast(prepared, "float64"), graph.constant(flat))
            return graph.op(
                "Reshape", product, graph.constant([-1, len(columns), flat.shape[1] // len(columns)], "int64")
            )

        base = self.fit.intercepts * self._unit + (0.0 if self.target is None else self.target.mean)
        return Additive(tuple(Term((name,)) for name in columns), base, contributions, write)

    @property
    def _unit(self) -> float:
        """Of the scores: that of the target."""
        return 1.0 if self.target is None else self.target.scale

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns."""
        return tuple(self.preparation.describe())

    @property
    def n_parameters(self) -> int:
        """Slopes and intercepts; two classes need one set, two labels two."""
        n_features, n_outputs = self.fit.slopes.shape
        return int((n_features + 1) * (1 if n_outputs == 2 and self.link == SOFTMAX else n_outputs))


class Linear(BaseContender):
    """Logistic regression (one for each of several labels) or ridge regression on scaled numbers and categories."""

    name = "linear"
    title = "Linear model"
    family: Family = "linear"
    traits = Traits(
        scales=True, weights_classes=True, explainable=True, library=""
    )  # L-BFGS for many coefficients imports its own
    preparation: type[Preparation] = LinearPreparation
    features_a_number = 2  # that its preparation makes at most, but for a few

    def __init__(self, monotone: Mapping[str, int] | None = None) -> None:
        self.monotone = dict(monotone or {})  # 1 or -1 by column: predictions rise or fall with it
        if monotone:
            self.traits = replace(self.traits, library="scipy.optimize")  # of solvers with bounds

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One penalty, a few and all of them on one holdout, then all on five folds."""

        def rung(candidates: int, inner: int, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            each = _seconds_per_fit(shape, min(n_rows, SEARCH_ROWS), self.features_a_number)
            seconds = inner * candidates * each + _seconds_per_fit(shape, n_rows, self.features_a_number)
            effort = Effort(candidates, inner_folds=inner, rows=rows)
            return Rung(effort, seconds, describe_effort(effort, "penalty", "penalties"))

        values = (self.features_a_number * shape.n_numbers // 2 + shape.n_levels) * shape.n_outputs
        parts = [rung(1, 1, rows) for rows in row_steps(shape.n_rows, first_rows(values))]
        whole = [rung(1, 1), rung(3, 1), rung(len(PENALTIES), 1), rung(len(PENALTIES), 5)]
        return ladder_of([*parts, *whole])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Search on the inner splits, then one fit on all rows, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset, job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        prepare = partial(
            self.preparation.fit, scaling=effort.options.scaling, task=dataset.task, monotone=self.monotone.keys()
        )
        search = _InnerFits(dataset, job, prepare, self.monotone)
        candidates = _candidates(dataset, job, effort)
        trials, _ = try_candidates(dataset, job, candidates, search.fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        member, converged = _fit_rows(dataset, job.rows, best.candidate, prepare, self.monotone)
        notes = (*search.notes, *(() if converged else ("The solver stopped before it had converged.",)))
        return fitted_with(self.name, dataset, job, trials, (member,), watch, running, notes=notes)


def _candidates(dataset: Dataset, job: Job, effort: Effort) -> list[Candidate]:
    if effort.configuration is not None:
        given = effort.configuration
        return [_candidate(dataset.task, float(given["penalty"]), bool(given["class_weighted"]))]
    plain = [_candidate(dataset.task, penalty, False) for penalty in PENALTIES]
    task = dataset.task
    if effort.options.imbalance == "auto" and is_imbalanced(dataset.y[job.rows], task):
        plain[3:3] = [_candidate(task, 1.0, True)]
        plain[6:6] = [_candidate(task, 10.0, True)]
    return plain[: effort.candidates]


def _candidate(task: Task, penalty: float, class_weighted: bool) -> Candidate:
    words = ("logistic" if task.predicts_probabilities else "ridge") + f" regression, penalty {penalty:g}"
    words += ", classes weighted" if class_weighted else ""
    return Candidate({"penalty": penalty, "class_weighted": class_weighted}, words, class_weighted)


class _InnerFits:
    """Fits on inner splits; what does not hang on the candidate (preparation, decomposition) is made once a split."""

    def __init__(self, dataset: Dataset, job: Job, prepare: Prepare, monotone: Mapping[str, int]) -> None:
        self._dataset, self._job, self._fit_preparation, self._monotone = dataset, job, prepare, monotone
        self._made: dict[int, Any] = {}
        self.notes: tuple[str, ...] = ()

    def fit_split(self, candidate: Candidate, number: int) -> tuple[None, FloatArray]:
        """Outputs for the split's test rows (no member: the final one is fitted on all rows)."""
        if number not in self._made:
            self._made[number] = self._prepare(number)
        train, test, y, target, path, signs = self._made[number]
        task = self._dataset.task
        if path is not None:
            fit = path.coefficients(candidate.configuration["penalty"])
        else:
            fit, _ = _logistic(task, train, y, candidate, signs)
        return None, _outputs(fit, target, task.link, test)

    def _prepare(self, number: int) -> tuple[Any, ...]:
        split, task = self._job.inner[number], self._dataset.task
        rows = split.train
        if len(rows) > SEARCH_ROWS:
            generator = np.random.default_rng([self._job.seed, number])
            rows = np.sort(generator.choice(rows, SEARCH_ROWS, replace=False))
            self.notes = (f"The penalty was chosen on a sample of {SEARCH_ROWS:,}; the final fit uses all.",)
        inputs, y = self._dataset.inputs.take(rows), self._dataset.y[rows]
        preparation = self._fit_preparation(inputs, y=y)
        train = preparation.transform(inputs).numbers
        test = preparation.transform(self._dataset.inputs.take(split.test)).numbers
        target, signs = TargetScaling.of(task, y), preparation.signs(self._monotone)
        if target is None:
            return train, test, y, None, None, signs
        return None, test, None, target, _path(train, target, y, signs), signs


def _fit_rows(
    dataset: Dataset, rows: IntArray, candidate: Candidate, prepare: Prepare, monotone: Mapping[str, int]
) -> tuple[LinearMember, bool]:
    """The chosen model on all rows, and whether its solver converged."""
    inputs, y, task = dataset.inputs.take(rows), dataset.y[rows], dataset.task
    preparation = prepare(inputs, y=y)
    train = preparation.transform(inputs).numbers
    target, signs = TargetScaling.of(task, y), preparation.signs(monotone)
    if target is None:
        fit, converged = _logistic(task, train, y, candidate, signs)
        return LinearMember(preparation, fit, None, task.link), converged
    path = _path(train, target, y, signs)
    return LinearMember(preparation, path.coefficients(candidate.configuration["penalty"]), target), True


def _path(train: NDArray[Any], target: TargetScaling, y: NDArray[Any], signs: IntArray) -> RidgePath | BoundedRidge:
    scaled = np.asarray(target.transform(y), dtype=np.float64)
    return BoundedRidge(train, scaled, signs) if signs.any() else RidgePath(train, scaled)


def _logistic(
    task: Task, train: NDArray[Any], y: NDArray[Any], candidate: Candidate, signs: IntArray
) -> tuple[Coefficients, bool]:
    if not task.one_class_a_row:
        return fit_labels(train, y, candidate.configuration["penalty"])
    weights = class_weights(y, task.n_outputs) if candidate.class_weighted else None
    if signs.any() and len(np.unique(y)) == 2:
        return fit_bounded_logistic(train, y, candidate.configuration["penalty"], weights, signs)
    return fit_logistic(train, y, task.n_outputs, candidate.configuration["penalty"], weights)


def _outputs(fit: Coefficients, target: TargetScaling | None, link: Link, features: NDArray[Any]) -> FloatArray:
    scores = features.astype(np.float64) @ fit.slopes + fit.intercepts
    if target is not None:
        return as_outputs(target.inverse(scores))
    return link.apply(scores)


def _seconds_per_fit(shape: Shape, n_rows: int, features_a_number: int) -> float:
    """Preparation and one fit, on the slow side (measured on one core)."""
    n_columns = features_a_number * shape.n_numbers + shape.n_levels + 1
    if not shape.task.predicts_probabilities:
        smaller = float(min(n_columns, n_rows))
        return 0.01 + 3e-5 * n_columns + 3e-9 * n_rows * n_columns * math.sqrt(smaller) + 2e-9 * smaller**3
    n_fits = shape.task.n_questions
    n_coefficients = n_columns * (1 if n_fits > 1 or shape.n_outputs == 2 else shape.n_outputs)
    one = 0.02 + 3e-5 * n_columns + 1e-7 * n_rows * n_coefficients + 1e-9 * min(n_coefficients, 500) ** 3
    return n_fits * one

"""A data set as a problem: rows are divided, by group, time or class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.cost import measure_cost, parity_rows
from annvil.comparison.problem import UNKNOWN, Economics, Replicate, Scored, Size
from annvil.comparison.results import Design, fold_key
from annvil.comparison.store import Predicted, ShippedCost
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.data.seeds import derived_seed
from annvil.data.splits import inner_splits, most_time_folds, nested_subset, outer_splits
from annvil.models.jobs import Job, Shape
from annvil.models.members import Fitted, as_outputs
from annvil.tasks.base import Decision, FloatArray, IntArray, Targets, Task
from annvil.tasks.metrics import Metric
from annvil.text.words import ROWS, Words

UNEQUAL = 1.5
"""Classes are called unequal when the largest has this many times the rows of the smallest (assumed)."""

FINAL = 1_000_000
"""Place of the final fit among the seeds of a run: behind every repeat."""

PARTS = 20
"""Parts of the test rows that are left out in turn (assumed: enough for a variance; a metric is computed so often)."""

BATCH_ROWS = 1000
"""Rows of a batch whose throughput is measured."""


@dataclass(frozen=True)
class DataProblem:
    """A data set as a problem: rows are divided, by group, time or class."""

    data: Dataset[Inputs]
    words: Words = ROWS
    economics: Economics = UNKNOWN

    @property
    def task(self) -> Task:
        """What is asked."""
        return self.data.task

    @property
    def size(self) -> Size:
        """Rows."""
        return Size(self.data.n_rows, self.words.rows)

    @property
    def ordered(self) -> bool:
        """Whether training rows precede test rows."""
        return self.data.time is not None

    def digest(self) -> dict[str, Any]:
        """The data, the task and the columns."""
        return {
            "the data": data_digest(self.data),
            "the task": self.task.to_json(),
            "the columns": [list(column) for column in self.data.inputs.form.columns],
        }

    def shape(self, n: int) -> Shape:
        """Sizes of a training part of ``n`` rows."""
        return Shape(
            n_rows=n,
            n_numbers=self.data.inputs.n_values,
            n_texts=self.data.inputs.n_texts,
            n_levels=self.data.inputs.n_levels,
            task=self.task,
            form=self.data.inputs.form,
        )

    def most_folds(self, wanted: int) -> int:
        """One per group when the user's groups are fewer; by time, as many as there are moments for."""
        if self.data.time is not None:
            return most_time_folds(self.data.time, wanted, self.data.known_at)
        if not self.data.grouped:
            return wanted
        return max(2, min(wanted, len(np.unique(self.data.groups))))

    def describe_split(self) -> str:
        """By time, by groups, or at random."""
        if self.ordered:
            return f"by time: earlier {self.words.rows} train, later {self.words.rows} test"
        if self.data.grouped:
            return "by groups: no group on both sides"
        return self.task.dealing

    def replicates(self, design: Design) -> list[list[Replicate]]:
        """Test folds of the data set."""
        found = []
        for repeat, splits in enumerate(outer_splits(self.data, design.folds, design.repeats, design.seed)):
            folds = []
            for fold, split in enumerate(splits):
                seed = derived_seed(design.seed, repeat, fold)
                job = self._job(fold_key(repeat, fold), split.train, design.inner_folds, seed)
                folds.append(Replicate(job, split.test, repeat, fold))
            found.append(folds)
        return found

    def smaller(self, job: Job, key: str, n: int, inner_folds: int, seed: int) -> Job:
        """Nested subsets of the rows."""
        rows = job.rows if n >= len(job.rows) else np.sort(nested_subset(self.data, job.rows, n, seed))
        return self._job(key, rows, inner_folds, seed)

    def final(self, n: int, inner_folds: int, seed: int) -> Job:
        """Fit it with the contender's effort of the race to search once more, or with the configuration of a fold."""
        return self._job("final", self._drawn(n, seed), inner_folds, derived_seed(seed, FINAL))

    def _drawn(self, n: int, seed: int) -> IntArray:
        """``n`` of the rows, int64, ascending; all of them where there are no more."""
        everything = np.arange(self.data.n_rows, dtype=np.int64)
        return everything if n >= len(everything) else np.sort(nested_subset(self.data, everything, n, seed))

    def _job(self, key: str, rows: IntArray, inner_folds: int, seed: int) -> Job:
        return Job(key, rows, inner_splits(self.data, rows, inner_folds, seed), seed)

    def score(self, fitted: Fitted, test: IntArray, metric: Metric) -> Scored:
        """Predictions for the rows ``test``, and what they are worth."""
        outputs = as_outputs(fitted.predict(self.data.inputs.take(test)))
        known = np.isfinite(fitted.out_of_fold).all(axis=1)
        inner = Predicted(fitted.job.rows[known], fitted.out_of_fold[known])
        return self.score_outputs(Predicted(test, outputs), inner, metric)

    def score_outputs(self, tested: Predicted, inner: Predicted, metric: Metric) -> Scored:
        """What given predictions are worth."""
        (test, outputs), truth, task = tested, self.data.truth, self.task
        if not np.isfinite(outputs).all():
            raise FloatingPointError("it predicted values that are not finite")
        inner_y = truth(inner.rows)
        threshold = task.choose(metric, inner_y, inner.outputs)
        return Scored(
            outputs=outputs,
            scores=task.scores(truth(test), outputs, threshold),
            inner_score=metric.score(inner_y, inner.outputs, threshold),
            error=metric.error(metric.score(truth(test), outputs, threshold)),
            threshold=threshold,
            without_part=self.without_part(test, outputs, metric, threshold),
        )

    def row_losses(self, predicted: Predicted) -> FloatArray:
        """Those of the task."""
        return self.task.row_losses(self.data.truth(predicted.rows), predicted.outputs)

    def without_part(
        self, test: IntArray, outputs: FloatArray, metric: Metric, threshold: Decision
    ) -> tuple[float, ...]:
        """The metric without each of `PARTS` parts of the test rows, whole groups; () where there are too few."""
        groups, place = np.unique(self.data.groups[test], return_inverse=True)
        if len(groups) < 2 * PARTS:
            return ()
        random = np.random.default_rng(len(groups))  # the same parts for whoever predicts these rows
        part = (random.permutation(len(groups)) % PARTS)[place]
        truth = Targets.of(self.data.truth(test))
        return tuple(metric.score(truth.take(part != k), outputs[part != k], threshold) for k in range(PARTS))

    def ship(self, fitted: Fitted, test: IntArray, outputs: FloatArray) -> tuple[bytes, ShippedCost]:
        """The exported graph; parity is the largest absolute difference on the first 2000 rows of ``test``."""
        from annvil.bundle import Predictor, export

        inputs = self.data.inputs
        graph = export(fitted, inputs.form, self.task)
        predictor = Predictor.from_graph(graph, inputs.form, self.task)
        n_rows = parity_rows(inputs.n_values)
        rows = inputs.take(test[:n_rows])
        parity = float(np.max(np.abs(predictor.raw(rows) - outputs[:n_rows]), initial=0.0))
        row = rows.raw_row(0)
        batch = rows.take(slice(0, BATCH_ROWS))
        cost = measure_cost(
            fitted, len(graph), lambda: predictor.outputs(row), lambda: predictor.raw(batch), batch.n_rows
        )
        return graph, ShippedCost(cost, parity)

    def has_numbers(self) -> bool:
        """Whether a column holds numbers or dates."""
        return any(kind in ("number", "datetime") for _, kind in self.data.inputs.form.columns)

    def has_unequal_classes(self) -> bool:
        """Whether one class has many more rows than another; labels have thresholds of their own instead."""
        if not self.task.one_class_a_row:
            return False
        counts = np.bincount(self.data.y, minlength=self.task.n_outputs)
        return bool(counts.max() >= UNEQUAL * max(1, counts.min()))


def data_digest(dataset: Dataset[Inputs]) -> str:
    """BLAKE2b of everything the comparison can see: inputs, target, groups, time, context."""
    digest = hashlib.blake2b(dataset.inputs.digest().encode(), digest_size=20)
    for array in _arrays(dataset):
        digest.update(str((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _arrays(dataset: Dataset[Inputs]) -> Iterator[NDArray[Any]]:
    yield dataset.y
    yield dataset.groups
    if dataset.time is not None:
        yield dataset.time
    if dataset.known_at is not None:
        yield dataset.known_at
    yield from dataset.context.values()

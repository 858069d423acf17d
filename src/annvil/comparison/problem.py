"""All that a comparison may know of what is compared on: how much there is of it, how it is divided, what is scored.

The comparison never looks at rows. It asks a `Problem` for *replicates* (fits to make, each with what judges it), for
smaller fits of learning curves, and for the score of a fit; it hands contenders `Problem.data` without a look at it.
`DataProblem` is the problem of a data set, whatever its kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.cost import measure_cost, parity_rows
from annvil.comparison.results import Design, fold_key
from annvil.comparison.store import ShippedCost
from annvil.data.dataset import Dataset, Inputs
from annvil.data.seeds import derived_seed
from annvil.data.splits import inner_splits, nested_subset, outer_splits
from annvil.models.contract import Fitted, Job, Shape, as_outputs
from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.metrics import Metric
from annvil.text.words import ROWS, Words

OUTER_FOLDS = 5
"""Test folds per repeat."""

UNEQUAL = 1.5
"""Classes are called unequal when the largest has this many times the rows of the smallest (assumed)."""


@dataclass(frozen=True)
class Size:
    """How much there is to learn from: ``n`` of a ``unit``: 891 rows, 1,000,000 steps."""

    n: int
    unit: str

    def __str__(self) -> str:
        return f"{self.n:,} {self.unit}"


@dataclass(frozen=True)
class Replicate:
    """One fit of the race, and what judges it.

    Attributes
    ----------
    job : the fit
    test : what judges it, int64
    repeat, fold : its place
    """

    job: Job
    test: IntArray
    repeat: int
    fold: int

    @property
    def overlap(self) -> float:
        """Correlation of the scores of two replicates, which learn from shared rows: the part of rows that is tested.

        rho of the correlated t-test (`annvil.comparison.statistics`); 0 where replicates are independent.
        """
        return len(self.test) / (len(self.test) + len(self.job.rows))


@dataclass(frozen=True)
class Scored:
    """What a fit says of what judges it.

    Attributes
    ----------
    outputs : float64 ``(n_test, n_outputs)``
    scores : by every metric of the task
    inner_score : by the chosen metric, on out-of-fold predictions inside the training rows
    error : the chosen metric on the test rows, as an error: lower is better
    threshold : chosen on the out-of-fold predictions
    """

    outputs: FloatArray
    scores: dict[str, float]
    inner_score: float
    error: float
    threshold: Decision


def _nothing_known(n_rows: int) -> str:
    return ""


@dataclass(frozen=True)
class Economics:
    """What a kind of data costs and is worth, before looking at it.

    Attributes
    ----------
    base_rate : of a number of rows, one sentence with its sources: how often networks are worth it on such data
    fewest_folds : where fits are dear, test folds with which more contenders can be trained properly; rows are left
        out, too, rather than a contender. None: fits are not
    """

    base_rate: Callable[[int], str] = _nothing_known
    fewest_folds: int | None = None


class Problem(Protocol):
    """What is compared on.

    Attributes
    ----------
    data : what contenders are given; the comparison hands it on
    task : what is asked
    words : what things are called
    economics : what is known before looking
    """

    @property
    def data(self) -> Any: ...
    @property
    def task(self) -> Task: ...
    @property
    def words(self) -> Words: ...
    @property
    def economics(self) -> Economics: ...

    @property
    def size(self) -> Size:
        """How much there is."""

    @property
    def numbers(self) -> IntArray:
        """Where each row of this problem stands in the whole one, int64 ``(size.n,)``."""

    @property
    def ordered(self) -> bool:
        """Whether replicates follow time: they differ in size, and cannot be repeated in another order."""

    def digest(self) -> dict[str, Any]:
        """What identifies it, JSON-able; each entry is named as a user would name what differs."""

    def shape(self, n: int) -> Shape:
        """Sizes of a training part of ``n`` rows, for contenders to plan with."""

    def most_folds(self, wanted: int) -> int:
        """Test folds: as many as wanted, or fewer where it cannot be divided so often."""

    def describe_split(self) -> str:
        """How test rows are set apart, for people."""

    def drawn(self, n: int, seed: int) -> Problem:
        """The problem on ``n`` of its rows; itself where that is all."""

    def replicates(self, design: Design) -> list[list[Replicate]]:
        """Every fit of the race: ``[repeat][fold]``."""

    def smaller(self, job: Job, key: str, n: int, inner_folds: int, seed: int) -> Job:
        """A fit on ``n`` of the job's rows; for one seed a smaller one's lie inside a larger one's."""

    def final(self, n: int, inner_folds: int, seed: int) -> Job:
        """The fit to ship, on ``n`` of the rows (those of `drawn`), with inner splits as in the race."""

    def score(self, fitted: Fitted, test: IntArray, metric: Metric) -> Scored:
        """The fit on ``test``, decided with the threshold that its own out-of-fold predictions chose.

        Raises
        ------
        FloatingPointError
            When it predicts values that are not finite.
        """

    def ship(self, fitted: Fitted, test: IntArray, outputs: FloatArray) -> tuple[bytes, ShippedCost]:
        """The model as it would be shipped and what it costs; ``outputs`` are those in memory for ``test``."""

    def has_numbers(self) -> bool:
        """Whether there are numbers on scales of their own, so that scaling them can matter."""

    def has_unequal_classes(self) -> bool:
        """Whether weighting classes can matter."""


@dataclass(frozen=True)
class DataProblem:
    """A data set as a problem: rows are divided, by group, time or class.

    ``rows`` are given for part of a data set (`drawn`): where each of its rows stands in the whole.
    """

    data: Dataset[Inputs]
    words: Words = ROWS
    economics: Economics = Economics()
    rows: IntArray | None = None

    @property
    def numbers(self) -> IntArray:
        """Row numbers in the whole data set."""
        return np.arange(self.data.n_rows, dtype=np.int64) if self.rows is None else self.rows

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
        """One per group when the user's groups are fewer."""
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

    def drawn(self, n: int, seed: int) -> Self:
        """Rows in proportion to classes, whole groups; by time the latest."""
        if n >= self.data.n_rows:
            return self
        rows = self._drawn(n, seed)
        return replace(self, data=self.data.take(rows), rows=self.numbers[rows])

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
        if not np.isfinite(outputs).all():
            raise FloatingPointError("it predicted values that are not finite")
        y, task, known = self.data.y, self.task, np.isfinite(fitted.out_of_fold).all(axis=1)
        inner_y, inner_outputs = y[fitted.job.rows[known]], fitted.out_of_fold[known]
        threshold = task.choose(metric, inner_y, inner_outputs)
        return Scored(
            outputs=outputs,
            scores=task.scores(y[test], outputs, threshold),
            inner_score=metric.score(inner_y, inner_outputs, threshold),
            error=metric.error(metric.score(y[test], outputs, threshold)),
            threshold=threshold,
        )

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


FINAL = 1_000_000
"""Place of the final fit among the seeds of a run: behind every repeat."""

BATCH_ROWS = 1000
"""Rows of a batch whose throughput is measured."""


def data_digest(dataset: Dataset[Inputs]) -> str:
    """BLAKE2b of everything the comparison can see: inputs, target, groups, time."""
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

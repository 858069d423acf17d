"""Small contenders with known skill, and data for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from annvil.comparison.race.fitting import RAISE_BUGS
from annvil.data.dataset import Dataset
from annvil.data.table import Table, table_from_columns
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.members import BaseMember, Fitted
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray
from annvil.tasks.union import make_task


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAISE_BUGS, "1")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # hundreds of small files; no power fails here


@dataclass(frozen=True)
class Slopes(BaseMember):
    """Probabilities (or values) from a weighted sum of number columns."""

    slopes: FloatArray
    intercept: float
    is_classification: bool

    def predict(self, inputs: Table) -> FloatArray:
        score = inputs.numbers() @ self.slopes + self.intercept
        if not self.is_classification:
            return score[:, None]
        positive = 1 / (1 + np.exp(-4 * score))
        return np.stack([1 - positive, positive], axis=1)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        product = graph.op("MatMul", numbers, graph.constant(self.slopes[:, None]))
        score = graph.op("Add", product, graph.constant(np.array([[self.intercept]])))
        if not self.is_classification:
            return score
        positive = graph.op("Sigmoid", graph.op("Mul", score, graph.constant(4.0)))
        return graph.concat([graph.op("Sub", graph.constant(1.0), positive), positive])

    @property
    def n_parameters(self) -> int:
        return len(self.slopes) + 1


@dataclass
class Toy(BaseContender):
    """Ridge regression on some of the number columns, with everything about it to be set.

    ``seconds`` is what a job of the first rung is said to take, each further rung takes twice as long. ``columns`` are
    those of the only rung, or of every rung, so that it improves as it climbs. ``before`` is called before each fit
    with the job (to fail, to wait, to interrupt).
    """

    name: str
    family: Family
    columns: tuple[int, ...] | tuple[tuple[int, ...], ...]
    title: str = ""
    seconds: float = 1e-3
    before: Callable[[Job], None] = lambda job: None
    declined: str | None = None
    traits: Traits = field(default_factory=lambda: Traits(scales=True, weights_classes=True))
    asked: list[tuple[str, Effort]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.title = self.title or self.name.replace("-", " ").capitalize()

    def declines(self, shape: Shape) -> str | None:
        return self.declined

    @property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """The columns of every rung."""
        climbs = bool(self.columns) and isinstance(self.columns[0], tuple)
        return self.columns if climbs else (self.columns,)  # type: ignore[return-value]

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        rungs = range(len(self.steps))
        return tuple(
            Rung(Effort(rung=k, inner_folds=3), self.seconds * 2**k, f"columns {self.steps[k]}") for k in rungs
        )

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        running = context.begin()
        for job in jobs:
            if running.is_over():
                return
            self.asked.append((job.key, effort))
            self.before(job)
            out_of_fold = np.full((len(job.rows), dataset.task.n_outputs), np.nan)
            for split in job.inner:
                known = np.isin(job.rows, split.test)
                member = self._learn(dataset, split.train, effort)
                out_of_fold[known] = member.predict(dataset.inputs.take(job.rows[known]))
            yield Fitted(
                contender=self.name,
                job=job,
                task=dataset.task,
                members=(self._learn(dataset, job.rows, effort),),
                calibration=None,
                out_of_fold=out_of_fold,
                configuration={"penalty": np.float64(1.0)},
                summary="ridge, penalty 1",
                tried=({"what": "ridge, penalty 1", "score": float("nan")},),
                fit_seconds=0.01 * len(self.steps[effort.rung]),
                core_seconds=0.01 * len(self.steps[effort.rung]),
                history={"validation_loss": (1.0, 0.5, float("nan"))},
            )

    def _learn(self, dataset: Dataset, rows: np.ndarray, effort: Effort) -> Slopes:
        X = dataset.inputs.take(rows).numbers()
        y = 2.0 * dataset.y[rows] - 1 if dataset.task.predicts_probabilities else dataset.y[rows]
        columns = self.steps[effort.rung]
        X = X[:, columns]
        centre = X.mean(axis=0)
        solution = np.linalg.solve((X - centre).T @ (X - centre) + np.eye(X.shape[1]), (X - centre).T @ (y - y.mean()))
        slopes = np.zeros(dataset.inputs.take(rows[:1]).numbers().shape[1])
        slopes[list(columns)] = solution
        return Slopes(slopes, float(y.mean() - centre @ solution), dataset.task.predicts_probabilities)


def made_dataset(n_rows: int = 120, n_columns: int = 4, seed: int = 0, *, regression: bool = False) -> Dataset:
    """Number columns of which each adds as much to the target as the others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns))
    score = X.sum(axis=1) / np.sqrt(n_columns) + 0.5 * rng.normal(size=n_rows)
    table = table_from_columns([(f"x{j}", "number", X[:, j]) for j in range(n_columns)])
    if regression:
        return Dataset(table, score, make_task("regression", "y"), np.arange(n_rows))
    return Dataset(table, (score > 0).astype(np.int64), make_task("binary", "y", ("no", "yes")), np.arange(n_rows))


@pytest.fixture
def dataset() -> Dataset:
    return made_dataset()


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    return made_dataset


@pytest.fixture
def toy() -> type[Toy]:
    return Toy


@pytest.fixture
def guess() -> Toy:
    """The dummy: no column at all."""
    return Toy("dummy", "dummy", ())


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    return tmp_path / "race"

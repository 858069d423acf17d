"""Nearest neighbours, as a smooth local average: what similar rows did, this row will do.

Weights fall with the squared distance and reach zero a little beyond the k-th neighbour (adaptive bandwidth; kernels
``(1 - d²/h²)^p``: Epanechnikov for p = 1, triweight for p = 3). Unlike a vote of exactly k rows this is continuous, so
rows at equal distance are treated alike and the exported graph cannot disagree over ties. Class frequencies enter as
one pseudo-row, so that no probability is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, PreparationOptions, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, best_of, fitted_with, try_candidates
from annvil.onnx.builder import Graph, Value
from annvil.preparation import LinearPreparation
from annvil.tasks.base import FloatArray, IntArray

MOST_ROWS = 20_000
MOST_COLUMNS = 200
"""Above these the training rows weigh too much to ship and distances take too long (assumed)."""

KERNELS = ((10, 1), (30, 3), (5, 1), (30, 1), (3, 1), (100, 3), (100, 1), (2, 1))
"""(k, power) in the order in which they are tried."""

REACH = 1.1
"""Squared bandwidth over squared distance of the k-th neighbour: rows in a tie for it keep a weight of 1 - 1/1.1."""

BLOCK = 2_000_000
"""Distances held at once: 16 MB of float64."""


@dataclass(frozen=True)
class Kernel:
    """Number of neighbours that set the bandwidth, and how steeply weights fall."""

    k: int
    power: int


@dataclass(frozen=True)
class Memory:
    """The training rows.

    Attributes
    ----------
    points : float32 ``(n_rows, n_features)``
    answers : float64 ``(n_rows, n_outputs)``: classes and labels as 0/1 columns, or values
    prior : ``(n_outputs,)``: frequencies of classes or labels, added as one pseudo-row; None for regression
    """

    points: NDArray[np.float32]
    answers: FloatArray
    prior: FloatArray | None

    @property
    def smallest(self) -> float:
        """Added to the squared bandwidth, so that identical rows have one."""
        return 1e-9 * float(np.mean(np.square(self.points, dtype=np.float64)) * self.points.shape[1]) + 1e-12

    def outputs(self, queries: NDArray[np.float32], kernels: Sequence[Kernel]) -> list[FloatArray]:
        """For each kernel, outputs ``(n_queries, n_outputs)``; distances are measured once for all of them."""
        points = self.points.astype(np.float64)
        norms = np.square(points).sum(axis=1)
        reach = [min(kernel.k, len(points)) - 1 for kernel in kernels]
        step = max(1, BLOCK // len(points))
        found: list[list[FloatArray]] = [[] for _ in kernels]
        for start in range(0, max(len(queries), 1), step):
            block = queries[start : start + step].astype(np.float64)
            distances = np.square(block).sum(axis=1)[:, None] + norms - 2.0 * (block @ points.T)
            np.maximum(distances, 0.0, out=distances)
            ordered = np.partition(distances, sorted(set(reach)), axis=1)
            for kernel, position, parts in zip(kernels, reach, found, strict=True):
                bandwidth = REACH * ordered[:, position : position + 1] + self.smallest
                parts.append(self._average(np.maximum(1.0 - distances / bandwidth, 0.0) ** kernel.power))
        return [np.concatenate(parts) for parts in found]

    def _average(self, weights: FloatArray) -> FloatArray:
        total = weights.sum(axis=1, keepdims=True)
        if self.prior is None:
            return np.asarray(weights @ self.answers / total)
        return np.asarray((weights @ self.answers + self.prior) / (total + 1.0))


@dataclass(frozen=True)
class NeighboursMember(BaseMember):
    """Prepared training rows and a kernel."""

    preparation: LinearPreparation
    memory: Memory
    kernel: Kernel

    def predict(self, inputs: Table) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        return self.memory.outputs(self.preparation.transform(inputs).numbers, [self.kernel])[0]

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same in float64; the training rows are stored as float32 constants."""
        prepared, _ = self.preparation.write(graph, numbers, texts)
        queries = graph.cast(prepared, "float64")
        points = self.memory.points
        norms = np.square(points.astype(np.float64)).sum(axis=1)[None, :]
        columns = graph.cast(graph.constant(np.ascontiguousarray(points.T)), "float64")
        products = graph.op("Mul", graph.op("MatMul", queries, columns), graph.constant(-2.0))
        squares = graph.op("ReduceSumSquare", queries, graph.constant([1], "int64"), keepdims=1)
        distances = graph.op("Add", graph.op("Add", products, squares), graph.constant(norms))
        distances = graph.op("Max", distances, graph.constant(0.0))
        k = min(self.kernel.k, len(points))
        nearest, _ = graph.ops("TopK", distances, graph.constant([k], "int64"), n_outputs=2, axis=1, largest=0)
        farthest = graph.columns(nearest, [k - 1])
        bandwidth = graph.op("Mul", farthest, graph.constant(REACH))
        bandwidth = graph.op("Add", bandwidth, graph.constant(self.memory.smallest))
        weights = graph.op("Sub", graph.constant(1.0), graph.op("Div", distances, bandwidth))
        weights = graph.op("Max", weights, graph.constant(0.0))
        if self.kernel.power != 1:
            weights = graph.op("Pow", weights, graph.constant(float(self.kernel.power)))
        return self._write_average(graph, weights)

    def _write_average(self, graph: Graph, weights: Value) -> Value:
        total = graph.op("ReduceSum", weights, graph.constant([1], "int64"), keepdims=1)
        summed = graph.op("MatMul", weights, graph.constant(self.memory.answers))
        if self.memory.prior is not None:
            summed = graph.op("Add", summed, graph.constant(self.memory.prior))
            total = graph.op("Add", total, graph.constant(1.0))
        return graph.op("Div", summed, total)

    def describe_preparation(self) -> tuple[str, ...]:
        """What is done to columns."""
        return tuple(self.preparation.describe())

    @property
    def n_parameters(self) -> int:
        """Stored numbers: the training rows and their answers."""
        return int(self.memory.points.size + len(self.memory.points))


class Neighbours(BaseContender):
    """Local averages over similar rows, on small data."""

    name = "neighbours"
    title = "k-nearest neighbours"
    family: Family = "neighbours"
    traits = Traits(scales=True)

    def declines(self, shape: Shape) -> str | None:
        """On many rows or many columns."""
        if shape.n_rows > MOST_ROWS:
            return f"It would have to carry all training data, and these are more than {MOST_ROWS:,}."
        if shape.n_numbers + shape.n_levels > MOST_COLUMNS:
            return f"With more than {MOST_COLUMNS} prepared columns everything is equally far."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """A few kernels on one holdout, then all of them on five folds; distances are the same for all.

        Measured on one core: 6 to 13 ns a pair of rows for distances, 9 ns for each kernel. Scoring costs as much as
        searching: the test rows of a fold are a quarter of its training rows.
        """

        def rung(candidates: int, inner: int) -> Rung:
            pairs, scored = shape.n_rows**2 * (0.8 if inner > 1 else 0.16), shape.n_rows**2 * 0.25
            distances = 0.05 + (pairs + scored) * (8e-9 + 1e-10 * (shape.n_numbers + shape.n_levels))
            kernels = candidates * (pairs * 10e-9 + 1e-3) + scored * 10e-9
            effort = Effort(candidates, inner_folds=inner)
            return Rung(effort, distances + kernels, describe_effort(effort, "kernel"))

        return ladder_of([rung(3, 1), rung(len(KERNELS), 5)])

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Choose the kernel on the inner splits, then remember all rows, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset, job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        candidates = _candidates(effort)
        kernels = [_kernel(candidate) for candidate in candidates]
        made: dict[int, list[FloatArray]] = {}

        def fit_split(candidate: Candidate, number: int) -> tuple[None, FloatArray]:
            if number not in made:
                split = job.inner[number]
                preparation, memory = _remember(dataset, split.train, effort.options)
                queries = preparation.transform(dataset.inputs.take(split.test)).numbers
                made[number] = memory.outputs(queries, kernels)
            return None, made[number][candidates.index(candidate)]

        trials, _ = try_candidates(dataset, job, candidates, fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        preparation, memory = _remember(dataset, job.rows, effort.options)
        members = (NeighboursMember(preparation, memory, _kernel(best.candidate)),)
        return fitted_with(self.name, dataset, job, trials, members, watch, running)


def _candidates(effort: Effort) -> list[Candidate]:
    chosen = KERNELS[: effort.candidates]
    if effort.configuration is not None:
        chosen = ((int(effort.configuration["k"]), int(effort.configuration["power"])),)
    fall = {1: "distance-weighted", 3: "strongly distance-weighted"}
    return [Candidate({"k": k, "power": power}, f"{k} neighbours, {fall[power]}") for k, power in chosen]


def _kernel(candidate: Candidate) -> Kernel:
    return Kernel(candidate.configuration["k"], candidate.configuration["power"])


def _remember(dataset: Dataset, rows: IntArray, options: PreparationOptions) -> tuple[LinearPreparation, Memory]:
    inputs, y, task = dataset.inputs.take(rows), dataset.y[rows], dataset.task
    preparation = LinearPreparation.fit(inputs, scaling=options.scaling, y=y, task=task)
    points = np.asarray(preparation.transform(inputs).numbers, dtype=np.float32)
    return preparation, Memory(points, task.indicators(y), task.constant(y) if task.predicts_probabilities else None)

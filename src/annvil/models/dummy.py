"""The dummy: predicts without looking at the inputs. What does not beat it has learnt nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.ladder import ladder_of
from annvil.models.measurement import Stopwatch
from annvil.models.members import BaseMember, Fitted
from annvil.models.selection import Candidate, judge
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray


@dataclass(frozen=True)
class ConstantMember(BaseMember):
    """The same outputs for every row: ``outputs`` float64 ``(n_outputs,)``."""

    outputs: FloatArray

    def predict(self, inputs: Inputs) -> FloatArray:
        """``outputs`` once per row."""
        return np.tile(self.outputs, (inputs.n_rows, 1))

    def write(self, graph: Graph, *raw: Value) -> Value:
        """A constant, repeated as often as the first raw input has rows."""
        n_rows = graph.op("Shape", raw[0], start=0, end=1)
        shape = graph.op("Concat", n_rows, graph.constant([len(self.outputs)], "int64"), axis=0)
        return graph.op("Expand", graph.constant(self.outputs[None, :]), shape)

    @property
    def n_parameters(self) -> int:
        """One per output."""
        return len(self.outputs)


class Dummy(BaseContender):
    """Frequencies of classes or labels (with Laplace's +1, so that none is impossible), or the mean of the target."""

    name = "dummy"
    title = "Baseline"
    family: Family = "dummy"
    traits = Traits(library="")

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Nothing to choose, so one rung."""
        return ladder_of([Rung(Effort(), 1e-3 + 1e-8 * shape.n_rows)])

    def fit(self, dataset: Dataset[Inputs], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One constant per job. It costs nothing, so the deadline only ends it between jobs."""
        words, running = dataset.task.constant_words, context.begin()
        for job in jobs:
            if running.is_over():
                return
            watch = Stopwatch()
            predictions = [
                ConstantMember(dataset.task.constant(dataset.y[split.train])).predict(dataset.inputs.take(split.test))
                for split in job.inner
            ]
            trial = judge(dataset, job, predictions, Candidate({}, words))
            member = ConstantMember(dataset.task.constant(dataset.y[job.rows]))
            yield Fitted(
                contender=self.name,
                job=job,
                task=dataset.task,
                members=(member,),
                calibration=trial.calibration,
                out_of_fold=trial.out_of_fold,
                configuration={},
                summary=words,
                tried=(trial.to_json(),),
                fit_seconds=watch.seconds,
                core_seconds=watch.core_seconds,
            )

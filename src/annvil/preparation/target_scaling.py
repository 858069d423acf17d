"""The target of a regression on a scale that networks and solvers like, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annvil.onnx.builder import Graph, Value
from annvil.preparation.numbers import SMALLEST_SPREAD
from annvil.tasks.base import FloatArray, Task
from annvil.text.quantities import number


@dataclass(frozen=True)
class TargetScaling:
    """Mean to 0, standard deviation to 1; on the way back, held within the range of the training rows.

    RealMLP's treatment (Holzmüller et al. 2024, arXiv 2407.04491, section 3.1): predictions outside of what was ever
    seen are nearly always the model's fault.
    """

    mean: float
    scale: float
    low: float
    high: float

    @classmethod
    def fit(cls, y: FloatArray) -> TargetScaling:
        """From training targets, float64 ``(n_rows,)``, all finite; a constant target keeps a scale of 1."""
        low, high = float(y.min()), float(y.max())
        size = max(abs(low), abs(high)) or 1.0
        relative = y / size  # so that squares neither overflow nor vanish
        mean, scale = float(relative.mean()) * size, float(relative.std()) * size
        if low == high or scale <= SMALLEST_SPREAD:
            mean, scale = low, 1.0
        return cls(mean, scale, low, high)

    @classmethod
    def of(cls, task: Task, y: FloatArray) -> TargetScaling | None:
        """`fit` of a number; None where probabilities are predicted, which need no scale."""
        return None if task.predicts_probabilities else cls.fit(y)

    def transform(self, y: FloatArray) -> NDArray[np.float32]:
        """Scaled targets, float32 of the same shape."""
        return np.asarray((y - self.mean) / self.scale, dtype=np.float32)

    def inverse(self, values: NDArray[np.floating]) -> FloatArray:
        """Values in the target's unit, float64 of the same shape, within the training range."""
        return np.asarray(np.clip(np.asarray(values, dtype=np.float64) * self.scale + self.mean, self.low, self.high))

    def write(self, graph: Graph, value: Value) -> Value:
        """`inverse` as nodes of a graph: any float type → float64."""
        scaled = graph.op("Mul", graph.cast(value, "float64"), graph.constant(self.scale))
        moved = graph.op("Add", scaled, graph.constant(self.mean))
        return graph.op("Clip", moved, graph.constant(self.low), graph.constant(self.high))

    def describe(self) -> str:
        """One sentence for people."""
        return (
            f"Target: mean {number(self.mean)} to 0, standard deviation {number(self.scale)} to 1; predictions are "
            f"held between {number(self.low)} and {number(self.high)}, the range of the training data."
        )

"""The task whose answer is a number."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.link import Identity
from annvil.tasks.metrics import Metric
from annvil.tasks.regression_metrics import REGRESSION_METRICS
from annvil.tasks.targets import Examples
from annvil.text.quantities import digits, number

STRATA = 10
"""Strata of a number, with equal counts."""


class Regression(Task, frozen=True, tag="regression"):
    """A number; ``y`` is float64 ``(n_rows,)``, outputs are ``(n_rows, 1)``."""

    kind: ClassVar[str] = "regression"
    answers: ClassVar[str] = "numbers"
    n_classes: ClassVar[range] = range(1)
    predicts_probabilities: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = REGRESSION_METRICS
    link: ClassVar[Identity] = Identity()
    errors: ClassVar[tuple[str, ...]] = ("residuals",)
    share_right: ClassVar[str] = "R²"
    dealing: ClassVar[str] = "random"
    constant_words: ClassVar[str] = "the mean of the target"

    @property
    def output_names(self) -> tuple[str, ...]:
        return (self.target,)

    def row_losses(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """Squared error, in squared target units."""
        return np.asarray((outputs[:, 0] - y) ** 2)

    def decide(self, outputs: FloatArray, decision: Decision = None) -> FloatArray:
        """The values ``(n_rows,)``."""
        return outputs[:, 0]

    def describe(self, y: NDArray[Any]) -> str:
        return "a number"

    def answer(self, y: Any) -> str:
        return number(float(y))

    def written(self, y: NDArray[Any]) -> list[tuple[str, ...]]:
        return [(repr(float(value)),) for value in y.tolist()]

    def shares_wrong(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """The squared error as a part of the variance."""
        return self.row_losses(y, outputs) / (float(np.var(y)) or 1.0)

    def error_sentence(self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, how: str) -> str:
        half, most = (digits(float(np.quantile(np.abs(y - outputs[:, 0]), q)), 3) for q in (0.5, 0.9))
        return f"Half of the predictions are off by {half} or less, nine in ten by {most} or less."

    def examples(
        self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, most_mistakes: int, most: int
    ) -> Examples:
        """The largest errors; none is wrong or right."""
        order = np.argsort(-np.abs(outputs[:, 0] - y), kind="stable")[:most].astype(np.int64)
        captions = tuple(f"{number(y[i])}, predicted {number(outputs[i, 0])}" for i in order)
        return Examples(order, captions, np.zeros(len(order), dtype=bool), (f"The largest errors among {rows}.",))

    def strata(self, y: NDArray[Any]) -> IntArray:
        """Intervals of the target with equal counts."""
        cuts = np.unique(np.quantile(y, np.linspace(0, 1, STRATA + 1)[1:-1]))
        return np.unique(np.searchsorted(cuts, y, side="right"), return_inverse=True)[1]

    def scale(self, y: NDArray[Any]) -> float:
        return float(np.std(y)) or 1.0

    def indicators(self, y: NDArray[Any]) -> FloatArray:
        return np.asarray(y, dtype=np.float64)[:, None]

    def constant(self, y: NDArray[Any]) -> FloatArray:
        return np.array([np.mean(y)], dtype=np.float64)

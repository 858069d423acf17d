"""The task whose answer is how a series goes on."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.forecast_metrics import FORECAST_METRICS, scaled_errors
from annvil.tasks.link import Identity
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Examples, Targets
from annvil.text.quantities import digits, number

LONGEST_HORIZON = 4096
"""Steps ahead (assumed): every step is an output."""


class Forecast(Task, frozen=True, tag="forecast"):
    """The next ``horizon`` values; ``y`` and outputs are float64 ``(n_rows, horizon)``, a row is an origin.

    Attributes
    ----------
    horizon : steps ahead
    """

    horizon: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_HORIZON)] = 1

    kind: ClassVar[str] = "forecast"
    answers: ClassVar[str] = "forecasts"
    n_classes: ClassVar[range] = range(1)
    predicts_probabilities: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = FORECAST_METRICS
    link: ClassVar[Identity] = Identity()
    errors: ClassVar[tuple[str, ...]] = ()
    share_right: ClassVar[str] = "R²"
    dealing: ClassVar[str] = "random"
    constant_words: ClassVar[str] = "the mean of the target"

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"{self.target} in {k} step{'s' * (k > 1)}" for k in range(1, self.horizon + 1))

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "horizon": self.horizon}

    def row_losses(self, y: Targets | NDArray[Any], outputs: FloatArray) -> FloatArray:
        """Mean squared error over the steps, each divided by the row's scale, so that no series outweighs others."""
        return np.asarray(np.mean(scaled_errors(Targets.of(y), outputs) ** 2, axis=1))

    def decide(self, outputs: FloatArray, decision: Decision = None) -> FloatArray:
        """The values ``(n_rows, horizon)``."""
        return outputs

    def columns(self, outputs: FloatArray, decision: Decision = None) -> list[tuple[str, list[Any]]]:
        """One column for each step."""
        return [(name, outputs[:, k].tolist()) for k, name in enumerate(self.output_names)]

    def describe(self, y: NDArray[Any]) -> str:
        return f"the next {self.horizon} steps" if self.horizon > 1 else "the next step"

    def answer(self, y: Any) -> str:
        return ", ".join(number(float(value)) for value in y)

    def written(self, y: NDArray[Any]) -> list[tuple[str, ...]]:
        return [(" ".join(repr(float(value)) for value in row),) for row in y.tolist()]

    def shares_wrong(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """The squared error as a part of the variance."""
        return np.asarray(np.mean((outputs - y) ** 2, axis=1) / (float(np.var(y)) or 1.0))

    def error_sentence(self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, how: str) -> str:
        half, most = (digits(float(np.quantile(np.abs(y - outputs), q)), 3) for q in (0.5, 0.9))
        return f"Half of the forecast values are off by {half} or less, nine in ten by {most} or less."

    def examples(
        self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, most_mistakes: int, most: int
    ) -> Examples:
        """The largest errors; none is wrong or right."""
        off = np.mean(np.abs(outputs - y), axis=1)
        order = np.argsort(-off, kind="stable")[:most].astype(np.int64)
        captions = tuple(f"off by {number(off[i])} on average" for i in order)
        return Examples(order, captions, np.zeros(len(order), dtype=bool), (f"The largest errors among {rows}.",))

    def strata(self, y: NDArray[Any]) -> IntArray:
        """One: origins are divided by time."""
        return np.zeros(len(y), dtype=np.int64)

    def scale(self, y: NDArray[Any]) -> float:
        return float(np.std(y)) or 1.0

    def indicators(self, y: NDArray[Any]) -> FloatArray:
        return np.asarray(y, dtype=np.float64)

    def constant(self, y: NDArray[Any]) -> FloatArray:
        return np.asarray(np.mean(y, axis=0), dtype=np.float64)

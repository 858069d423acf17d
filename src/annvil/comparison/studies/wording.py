"""Scores, differences and counts of a study in words."""

from __future__ import annotations

import math

from annvil.comparison.studies.uncertainty import Estimate
from annvil.tasks.base import Task
from annvil.text.phrases import outside
from annvil.text.quantities import digits, minus


class Scale:
    """How the scores of a task are written: accuracy in percent, R² as it is."""

    def __init__(self, task: Task) -> None:
        self._in_percent = task.predicts_probabilities
        self.name = task.share_right
        self.unit = 100.0 if task.predicts_probabilities else 1.0
        self.axis = f"{outside(self.name)}{' in percent' if task.predicts_probabilities else ''}"
        self.better = "is right more often" if task.predicts_probabilities else "explains more"

    def score(self, value: float) -> str:
        """``"97.0%"`` or ``"0.913"``."""
        return f"{100 * value:.1f}%" if self._in_percent else minus(f"{value:.3f}")

    def with_interval(self, estimate: Estimate) -> str:
        """``"97.0% (95.1% to 98.2%)"``."""
        return f"{self.score(estimate.value)} ({self.score(estimate.low)} to {self.score(estimate.high)})"

    def difference(self, value: float, *, signed: bool = True, unit: bool = True) -> str:
        """``"+2.3 points"``, or of R² ``"+0.023"``."""
        sign = "+" if signed else ""
        if not self._in_percent:
            return minus(f"{value + 0.0:{sign}.3f}")
        text = minus(f"{100 * value:{sign}z.1f}").replace("+0.0", "0.0")
        return f"{text} points" if unit else text

    def change(self, estimate: Estimate) -> str:
        """``"+2.3 points (95% interval +1.4 to +3.1)"``."""
        low, high = (self.difference(end, unit=False) for end in (estimate.low, estimate.high))
        return f"{self.difference(estimate.value)} (95% interval {low} to {high})"


def count(number: float) -> str:
    """Large numbers with three digits: ``"26,826"``, ``"5.92 million"``, ``"1.2 billion"``."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= 0.9995 * size:
            return f"{digits(number / size, 3)} {name}"
    return f"{number:,.0f}"


def seconds(value: float) -> str:
    """``"21 µs"``, ``"1.3 ms"``, ``"2.4 s"``, ``"3 min 20 s"``."""
    if value >= 59.5:
        return f"{round(value) // 60} min {round(value) % 60} s"
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{digits(float(f'{value / size:.2g}'), 3)} {name}"
    return "below 1 µs"


def many(number: float) -> str:
    """A number of rows that was estimated, with two digits: ``"180"``, ``"1,400"``."""
    if number <= 0:
        return "0"
    step = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return f"{round(number / step) * step:,.0f}"

"""What is explained: a saved model, asked for what speaks for one of its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from annvil.bundle import Predictor
from annvil.tasks.base import FloatArray, Task

SMALLEST = 1e-12
"""Probabilities below it count as this when their logarithm is taken."""


@dataclass(frozen=True)
class ExplainedModel(ABC):
    """A saved model of things of one kind, given as arrays whose first axis counts them; ``predictor``: at work."""

    predictor: Predictor

    @abstractmethod
    def outputs(self, things: Any) -> FloatArray:
        """Probabilities or values ``(n, n_outputs)``."""

    @property
    def task(self) -> Task:
        """The question it answers."""
        return self.predictor.task

    def decided(self, outputs: FloatArray) -> int:
        """Which output is explained unless asked otherwise: the class that the model decides for, or the value."""
        return self.task.foremost(outputs, self.predictor.manifest.info.threshold)

    def output_named(self, label: str) -> int:
        """The output of a class.

        Raises
        ------
        RequestError
            When there is none of that name.
        """
        return self.task.output_named(label)

    def scores(self, output: int) -> Callable[[Any], FloatArray]:
        """Log-odds of a class, or the value: without a ceiling, so that small losses of a certain model show."""

        def log_odds(things: Any) -> FloatArray:
            return self.task.log_odds(self.outputs(things), output, SMALLEST)

        return log_odds

    def losses(self, thing: Any, output: int) -> Callable[[Any], FloatArray]:
        """What others lose against ``thing``: share of a class's probability, or distance from the value."""
        whole = self.outputs(thing[None])[0, output]
        of_class = self.task.predicts_probabilities

        def lost(others: Any) -> FloatArray:
            found: FloatArray = whole - self.outputs(others)[:, output]
            return found / max(whole, SMALLEST) if of_class else np.abs(found)

        return lost

"""Tasks whose answer is exactly one class."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.calibration import SMALLEST, VectorScaling, calibrate_classes
from annvil.tasks.class_metrics import (
    BINARY_METRICS,
    class_metrics,
    decide,
    nearest_to_even,
    possible_cuts,
    present,
)
from annvil.tasks.link import SOFTMAX, Softmax
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Certainty, Examples, mistakes_first
from annvil.text.phrases import listed, shorten
from annvil.text.quantities import count, percent

_OF_MORE = tuple(sorted(class_metrics(present, 1), key=lambda metric: metric.name != "accuracy"))


class Classification(Task, frozen=True):
    """What tasks of two and of more classes share; ``y`` is int64 codes ``(n_rows,)`` into ``classes``."""

    answers: ClassVar[str] = "classes"
    one_class_a_row: ClassVar[bool] = True
    constant_words: ClassVar[str] = "class frequencies"
    link: ClassVar[Softmax] = SOFTMAX

    def row_losses(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """Log-loss in nats."""
        chosen = outputs[np.arange(len(y)), np.asarray(y, dtype=np.int64)]
        return np.asarray(-np.log(np.clip(chosen, SMALLEST, 1.0)))

    def decide(self, outputs: FloatArray, decision: Decision = None) -> IntArray:
        """Codes of the likeliest class; of two with a threshold, the positive one from there on."""
        return decide(outputs, decision)

    def said(self, outputs: FloatArray, decision: Decision = None) -> NDArray[Any]:
        one_type = len(set(map(type, self.classes))) == 1
        return np.asarray(np.array(self.classes, None if one_type else object)[self.decide(outputs, decision)])

    def columns(self, outputs: FloatArray, decision: Decision = None) -> list[tuple[str, list[Any]]]:
        return super().columns(outputs, decision) + probability_columns(self, outputs)

    def counts(self, y: NDArray[Any]) -> IntArray:
        return np.bincount(y, minlength=len(self.classes))

    def describe(self, y: NDArray[Any]) -> str:
        return f"{len(self.classes)} classes: {counted_classes(self, y)}"

    def answer(self, y: Any) -> str:
        return str(self.classes[int(y)])

    def right(self, y: NDArray[Any], outputs: FloatArray, decision: Decision = None) -> NDArray[np.bool_]:
        return np.asarray(self.decide(outputs, decision) == y)

    def shares_wrong(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """1 where the likeliest class is another."""
        return np.asarray(self.decide(outputs) != y, dtype=np.float64)

    def foremost(self, outputs: FloatArray, decision: Decision = None) -> int:
        """The class decided for."""
        return int(self.decide(outputs[None], decision)[0])

    def log_odds(self, outputs: FloatArray, output: int, smallest: float) -> FloatArray:
        # The others are added up, not taken from 1: in float32 a probability next to 1 has lost what it lacks.
        others = np.delete(outputs, output, axis=1).sum(axis=1)
        return np.asarray(np.log(np.maximum(outputs[:, output], smallest)) - np.log(np.maximum(others, smallest)))

    def certainty(self, y: NDArray[Any], outputs: FloatArray) -> Certainty:
        """Of the class predicted, whether it was right."""
        happened = outputs.argmax(axis=1) == y
        return Certainty(outputs.max(axis=1), happened, "probability of the class predicted", "how often it was right")

    def examples(
        self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, most_mistakes: int, most: int
    ) -> Examples:
        """The surer of what is wrong, the graver."""
        decided = self.decide(outputs, decision)
        sure, wrong = outputs[np.arange(len(y)), decided], decided != y
        order = mistakes_first(wrong, sure, most_mistakes, most)
        names = [shorten(label) for label in self.classes]
        captions = tuple(
            f"{names[y[i]]}{f', predicted {names[decided[i]]}' if wrong[i] else ''} ({percent(sure[i], brief=True)})"
            for i in order
        )
        brackets = "In brackets: the model's probability."
        if n_wrong := int(wrong.sum()):
            were, first = ("was", "it comes") if n_wrong == 1 else ("were", "the most certain mistakes come")
            said = f"Of {rows}, {n_wrong:,} {were} misclassified; {first} first."
            brackets = f"The others are drawn at random from those classified correctly. {brackets}"
        else:
            said = f"All {rows} were classified correctly; these are drawn at random."
        return Examples(order, captions, wrong[order], (said, brackets))

    def strata(self, y: NDArray[Any]) -> IntArray:
        """The classes."""
        return np.unique(y, return_inverse=True)[1]

    def indicators(self, y: NDArray[Any]) -> FloatArray:
        return np.asarray(np.eye(self.n_outputs)[y])

    def constant(self, y: NDArray[Any]) -> FloatArray:
        """Frequencies, with Laplace's +1."""
        counts = np.bincount(y, minlength=self.n_outputs) + 1.0
        return np.asarray(counts / counts.sum())

    def calibrate(
        self, y: NDArray[Any], out_of_fold: FloatArray, *, class_weighted: bool = False
    ) -> VectorScaling | None:
        return calibrate_classes(y, out_of_fold, class_weighted)


class Binary(Classification, frozen=True, tag="binary"):
    """Two classes, of which ``classes[1]`` is the positive one."""

    kind: ClassVar[str] = "binary"
    n_classes: ClassVar[range] = range(2, 3)
    metrics: ClassVar[tuple[Metric, ...]] = BINARY_METRICS
    errors: ClassVar[tuple[str, ...]] = ("confusion", "rates", "reliability")

    def check_decision(self, decision: Decision) -> str | None:
        return super().check_decision(decision) if isinstance(decision, tuple) else None

    def choose(self, metric: Metric, y: NDArray[Any], outputs: FloatArray) -> float | None:
        """The threshold on the positive class's probability, for metrics that it serves; None for rows of one class.

        All cuts between neighbouring probabilities are tried; of equally good ones the nearest to 0.5 is taken.
        """
        if not metric.tunes_threshold or len(present(y)) < 2:
            return None
        found, alarms, cuts = possible_cuts(y, outputs[:, 1])
        n_positive, n_rows = float((y == 1).sum()), float(len(y))
        if metric.name == "f1":
            value = 2 * found / (alarms + n_positive)
        else:
            rejected = (n_rows - n_positive) - (alarms - found)
            value = (found / n_positive + rejected / (n_rows - n_positive)) / 2
        return nearest_to_even(value, cuts)

    def certainty(self, y: NDArray[Any], outputs: FloatArray) -> Certainty:
        """Of the positive class, whether it was there."""
        positive = self.classes[1]
        return Certainty(
            outputs[:, 1], y == 1, f"predicted probability of “{positive}”", f"how often it was “{positive}”"
        )


class Multiclass(Classification, frozen=True, tag="multiclass"):
    """Any number of classes."""

    kind: ClassVar[str] = "multiclass"
    metrics: ClassVar[tuple[Metric, ...]] = _OF_MORE
    errors: ClassVar[tuple[str, ...]] = ("confusion", "often", "reliability")


def probability_columns(task: Task, outputs: FloatArray) -> list[tuple[str, list[Any]]]:
    """``probability_CLASS`` for each class or label."""
    return [(f"probability_{label}", outputs[:, number].tolist()) for number, label in enumerate(task.classes)]


def counted_classes(task: Task, y: NDArray[Any]) -> str:
    """Classes or labels with their numbers of rows, some of many."""
    return listed([f"{label} ({count(n)})" for label, n in zip(task.classes, task.counts(y), strict=True)], 6)

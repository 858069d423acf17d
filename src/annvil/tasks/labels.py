"""The task whose answer is any number of labels at once."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.calibration import SMALLEST, LabelScaling, calibrate_labels
from annvil.tasks.classification import Binary, counted_classes, probability_columns
from annvil.tasks.label_metrics import LABEL_METRICS, decide_labels, label_thresholds
from annvil.tasks.link import Sigmoid
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Certainty, Examples, mistakes_first
from annvil.text.phrases import shorten
from annvil.text.quantities import count


class Labels(Task, frozen=True, tag="multilabel"):
    """Several labels at once; ``y`` is int64 0 and 1 ``(n_rows, n_labels)``."""

    kind: ClassVar[str] = "multilabel"
    answers: ClassVar[str] = "several labels at once"
    metrics: ClassVar[tuple[Metric, ...]] = LABEL_METRICS
    link: ClassVar[Sigmoid] = Sigmoid()
    errors: ClassVar[tuple[str, ...]] = ("labels", "reliability")
    share_right: ClassVar[str] = "share of labels that are right"
    right_words: ClassVar[str] = "all labels right for"
    constant_words: ClassVar[str] = "label frequencies"

    def check_decision(self, decision: Decision) -> str | None:
        fits = isinstance(decision, tuple) and len(decision) == len(self.classes)
        return None if fits else super().check_decision(decision)

    def row_losses(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """The log-losses of all labels added up: the nats of the row, as for classes."""
        chosen = np.where(y == 1, outputs, 1.0 - outputs)
        return np.asarray(-np.log(np.clip(chosen, SMALLEST, 1.0)).sum(axis=1))

    def choose(self, metric: Metric, y: NDArray[Any], outputs: FloatArray) -> Decision:
        """A threshold for each label, chosen for the label's F1 (see `label_thresholds`), also where the metric judges
        the ranking alone and so has no preference; None for metrics of decisions that probabilities of one half serve
        best."""
        if not len(y) or (metric.needs_decision and not metric.tunes_threshold):
            return None
        return label_thresholds(y, outputs, together=metric.name == "micro_f1")

    def decide(self, outputs: FloatArray, decision: Decision = None) -> IntArray:
        """0 and 1 for each label, in the order of ``classes``."""
        return decide_labels(outputs, decision)

    def columns(self, outputs: FloatArray, decision: Decision = None) -> list[tuple[str, list[Any]]]:
        """Labels are written in one cell with a bar between, ``cat|dog``, as they are read; none leaves it empty."""
        name = "labels" if self.target == ", ".join(map(str, self.classes)) else self.target  # of a column for each
        said = self.decide(outputs, decision)
        cells = ["|".join(str(self.classes[k]) for k in row.nonzero()[0]) for row in said]
        return [(f"predicted_{name}", cells), *probability_columns(self, outputs)]

    def counts(self, y: NDArray[Any]) -> IntArray:
        return np.asarray(y.sum(axis=0), dtype=np.int64)

    def describe(self, y: NDArray[Any]) -> str:
        return f"{len(self.classes)} labels: {counted_classes(self, y)}"

    def answer(self, y: Any) -> str:
        return ", ".join(str(self.classes[k]) for k in np.flatnonzero(y)) or "none"

    def written(self, y: NDArray[Any]) -> list[tuple[str, ...]]:
        return [tuple(map(str, row)) for row in y.tolist()]

    def shares_wrong(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """The share of its labels that are told wrongly."""
        return np.asarray(np.mean(self.decide(outputs) != y, axis=1))

    def foremost(self, outputs: FloatArray, decision: Decision = None) -> int:
        """The likeliest label."""
        return int(outputs.argmax())

    def log_odds(self, outputs: FloatArray, output: int, smallest: float) -> FloatArray:
        chosen = outputs[:, output]
        return np.asarray(np.log(np.maximum(chosen, smallest)) - np.log(np.maximum(1 - chosen, smallest)))

    def right(self, y: NDArray[Any], outputs: FloatArray, decision: Decision = None) -> NDArray[np.bool_]:
        """Those whose labels are all right."""
        return np.asarray((self.decide(outputs, decision) == y).all(axis=1))

    def error_sentence(self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, how: str) -> str:
        return f"All labels are right for {count(self.right(y, outputs, decision).sum())} of {rows}; {how}."

    def certainty(self, y: NDArray[Any], outputs: FloatArray) -> Certainty:
        """Of every label of every row."""
        predicted, observed = "predicted probability of a label", "how often the label was there"
        return Certainty(outputs.ravel(), y.ravel() == 1, predicted, observed, "answers")

    def examples(
        self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, most_mistakes: int, most: int
    ) -> Examples:
        """Those with the least likely truth first: the surer of what is wrong, and the more of it, the graver."""
        said, wrong = self.decide(outputs, decision), ~self.right(y, outputs, decision)
        order = mistakes_first(wrong, self.row_losses(y, outputs), most_mistakes, most)
        names = np.array([shorten(label) for label in self.classes], dtype=object)
        captions = []
        for i in order:
            missed, surplus = names[(y[i] == 1) & (said[i] == 0)], names[(y[i] == 0) & (said[i] == 1)]
            parts = [", ".join(names[y[i] == 1]) or "no label"]
            parts += [f"missed {', '.join(missed)}"] if len(missed) else []
            parts += [f"wrongly predicted {', '.join(surplus)}"] if len(surplus) else []
            captions.append("; ".join(parts))
        told: tuple[str, ...] = (f"All labels of {rows} were correct; these are drawn at random.",)
        if n_wrong := int(wrong.sum()):
            have, first = ("has", "it comes") if n_wrong == 1 else ("have", "the gravest come")
            told = (
                f"Of {rows}, {n_wrong:,} {have} a label missed or wrongly predicted; {first} first.",
                "The others are drawn at random from those classified correctly.",
            )
        return Examples(order, tuple(captions), wrong[order], told)

    def strata(self, y: NDArray[Any]) -> IntArray:
        """The rarest of the labels that a row has."""
        rarest_first = np.argsort(y.sum(axis=0), kind="stable")
        found = np.where(y.any(axis=1), rarest_first[y[:, rarest_first].argmax(axis=1)], y.shape[1])
        return np.unique(found, return_inverse=True)[1]

    def indicators(self, y: NDArray[Any]) -> FloatArray:
        return y.astype(np.float64)

    def constant(self, y: NDArray[Any]) -> FloatArray:
        """Frequencies, with Laplace's +1."""
        return np.asarray((y.sum(axis=0) + 1.0) / (len(y) + 2.0))

    @property
    def n_questions(self) -> int:
        return len(self.classes)

    def questions(self, y: NDArray[Any]) -> tuple[tuple[Binary, NDArray[Any]], ...]:
        """Of each label, whether it is there."""
        return tuple((Binary(str(label), (f"no {label}", label)), y[:, k]) for k, label in enumerate(self.classes))

    def calibrate(
        self, y: NDArray[Any], out_of_fold: FloatArray, *, class_weighted: bool = False
    ) -> LabelScaling | None:
        return calibrate_labels(y, out_of_fold)

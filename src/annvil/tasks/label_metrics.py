"""Scores and decisions where any number of labels is right at once.

Truth is int64 0 and 1 ``(n_rows, n_labels)``, outputs are a probability for each label, float64 of the same shape;
every label is a question of its own. Averages over labels weigh labels equally ("macro"). As absent classes are left
out of averages over classes, a label that no row has is left out of them, and from ROC AUC one that every row has;
where none is left, ROC AUC is 0.5 and the others are 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.class_metrics import (
    BINARY_METRICS,
    EVEN,
    SMALLEST_PROBABILITY,
    nearest_to_even,
    possible_cuts,
    rank_auc,
)
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Decision, FloatArray, IntArray, Targets

FEWEST_WITH_LABEL = 5
"""A label on fewer rows keeps the threshold of one half: a cut between so few would follow chance (assumed)."""


def decide_labels(outputs: FloatArray, decision: Decision = None) -> IntArray:
    """Said labels as 0 and 1 ``(n_rows, n_labels)``: those whose probability reaches their threshold."""
    return np.asarray(outputs >= (EVEN if decision is None else np.asarray(decision)), dtype=np.int64)


def label_thresholds(y: IntArray, outputs: FloatArray, *, together: bool = False) -> tuple[float, ...]:
    """A threshold for each label under which its F1 is best on these (out-of-fold) rows.

    Yang, "A study of thresholding strategies for text categorization" (SIGIR 2001), SCut, with its warning heeded:
    labels on fewer than `FEWEST_WITH_LABEL` rows keep one half. A label on few rows is seldom likelier than not, so
    one half for all would never say it. ``together``: one threshold for all labels, for F1 of all decisions together.
    """
    if together:
        return (_best_for_f1(y.ravel(), outputs.ravel()),) * int(y.shape[1])
    return tuple(_best_for_f1(y[:, k], outputs[:, k]) for k in range(y.shape[1]))


def _best_for_f1(y: NDArray[Any], probability: FloatArray) -> float:
    n_positive = int(y.sum())
    if n_positive < FEWEST_WITH_LABEL:
        return EVEN
    found, alarms, cuts = possible_cuts(y, probability)
    return nearest_to_even(2 * found / (alarms + n_positive), cuts)


# -- scores, each ``(targets, outputs, decision)`` → number ------------------------------------------------------------


def roc_auc(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """Macro ROC AUC; 0.5 where no label is both there and not there."""
    y = targets.y
    areas = [rank_auc(y[:, k] == 1, outputs[:, k]) for k in range(y.shape[1]) if 0 < y[:, k].sum() < len(y)]
    return float(np.mean(areas)) if areas else 0.5


def mean_average_precision(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """Average precision averaged over the labels that some row has; 0 where none has one."""
    y = targets.y
    there = np.flatnonzero(y.any(axis=0))
    return float(np.mean([average_precision(y[:, k], outputs[:, k]) for k in there])) if len(there) else 0.0


def average_precision(y: IntArray, scores: FloatArray) -> float:
    """Precision weighted by the recall each cut adds, as scikit-learn has it (whose checks take a hundred times as
    long, and a bootstrap asks thousands of times). At least one row must have the label."""
    found, alarms, _ = possible_cuts(y, scores)
    return float(np.sum(np.diff(found, prepend=0.0) * found / alarms) / found[-1])


def macro_f1(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """F1 averaged over the labels that some row has; 0 where none has one."""
    y, said = targets.y, decide_labels(outputs, decision)
    there = y.any(axis=0)
    return float(np.mean(_f1((y & said).sum(axis=0), y.sum(axis=0) + said.sum(axis=0))[there])) if there.any() else 0.0


def micro_f1(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """F1 of all decisions together."""
    y, said = targets.y, decide_labels(outputs, decision)
    return float(_f1((y & said).sum(), y.sum() + said.sum()))


def _f1(both: Any, sizes: Any) -> Any:
    return 2 * both / np.maximum(sizes, 1)


def subset_accuracy(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """The part of rows whose labels are all right."""
    return float(np.mean((targets.y == decide_labels(outputs, decision)).all(axis=1)))


def hamming_loss(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """The part of decisions that are wrong."""
    return float(np.mean(targets.y != decide_labels(outputs, decision)))


def log_loss(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """Binary log loss averaged over rows and labels, in nats."""
    chosen = np.where(targets.y == 1, outputs, 1.0 - outputs)
    return float(-np.mean(np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))))


def brier(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """Squared distance of probability and truth averaged over rows and labels."""
    return float(np.mean((outputs - targets.y) ** 2))


_OF_CLASSES = {metric.name: metric for metric in BINARY_METRICS}

LABEL_METRICS = (
    replace(_OF_CLASSES["average_precision"], compute=mean_average_precision),
    replace(_OF_CLASSES["roc_auc"], compute=roc_auc),
    replace(_OF_CLASSES["f1"], compute=macro_f1),
    replace(_OF_CLASSES["log_loss"], compute=log_loss),
    replace(_OF_CLASSES["brier"], compute=brier),
    Metric(
        "micro_f1",
        "micro F1",
        True,
        "F1 of all labels together, so that labels on many {rows} count more.",
        micro_f1,
        needs_decision=True,
        tunes_threshold=True,
    ),
    Metric(
        "subset_accuracy",
        "subset accuracy",
        True,
        "The part of {rows} whose labels are all right, none missing and none too many.",
        subset_accuracy,
        needs_decision=True,
    ),
    Metric(
        "hamming_loss",
        "Hamming loss",
        False,
        "The part of all yes-or-no answers, one for each {row} and label, that are wrong.",
        hamming_loss,
        needs_decision=True,
    ),
)
"""Those of classes that ask for no class, label by label, and those of labels alone; the first is the default."""


# -- one label at a time -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelScores:
    """How one label is told.

    Attributes
    ----------
    n_with, n_said, n_right : rows that have it, for which it was said, and both
    threshold : from this probability on it is said
    roc_auc, average_precision : None where rows with it, or without it, are missing
    """

    n_with: int
    n_said: int
    n_right: int
    threshold: float
    roc_auc: float | None
    average_precision: float | None

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where it is neither there nor said."""
        return float(_f1(self.n_right, self.n_with + self.n_said))


def scores_of_labels(y: IntArray, outputs: FloatArray, decision: Decision = None) -> tuple[LabelScores, ...]:
    """`LabelScores` of every label, in order."""
    said = decide_labels(outputs, decision)
    cuts = np.broadcast_to(EVEN if decision is None else np.asarray(decision), (y.shape[1],))
    return tuple(
        LabelScores(
            n_with=int(y[:, k].sum()),
            n_said=int(said[:, k].sum()),
            n_right=int((y[:, k] & said[:, k]).sum()),
            threshold=float(cuts[k]),
            roc_auc=rank_auc(y[:, k] == 1, outputs[:, k]) if 0 < y[:, k].sum() < len(y) else None,
            average_precision=average_precision(y[:, k], outputs[:, k]) if y[:, k].any() else None,
        )
        for k in range(y.shape[1])
    )

"""Scores and decisions where exactly one class is right.

Truth is int64 codes ``(n_rows,)`` into the classes, outputs are float64 ``(n_rows, n_classes)`` probabilities. Where a
textbook definition breaks down these rules hold, so that a fold without some class counts for nobody:

- a class absent from the rows is left out of averages over classes (ROC AUC, average precision, balanced accuracy, F1);
- ROC AUC of rows that hold one class only is 0.5; average precision without a positive row is 0;
- F1 of a class that is neither there nor predicted is 0.

Of two classes ROC AUC, average precision and F1 are those of the positive one; of more they are averages over classes
that weigh classes equally ("macro", one class against the rest).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.metrics import Metric
from annvil.tasks.ranks import average_ranks
from annvil.tasks.targets import Decision, FloatArray, IntArray, Targets

SMALLEST_PROBABILITY = 1e-15
"""Probabilities are kept this far from 0 and 1 in log loss (assumed; scikit-learn used it until 1.3)."""

EVEN = 0.5
"""From this probability on something is said unless another threshold was chosen for it."""

Judged = Callable[[NDArray[Any]], IntArray]
"""Of the truth: the classes whose scores are averaged."""


def decide(outputs: FloatArray, decision: Decision = None) -> IntArray:
    """Decided classes, int64 ``(n_rows,)``: the likeliest; of two with a threshold, the positive one from there on."""
    if decision is not None and outputs.shape[1] == 2:
        return np.asarray(outputs[:, 1] >= decision, dtype=np.int64)
    return np.asarray(outputs.argmax(axis=1), dtype=np.int64)


def present(y: NDArray[Any]) -> IntArray:
    """The classes that some row has."""
    return np.unique(y).astype(np.int64)


def positive(y: NDArray[Any]) -> IntArray:
    """The second of two classes."""
    return np.array([1])


def possible_cuts(y: NDArray[Any], probability: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of every cut between neighbouring probabilities: right alarms, alarms, and where it lies; the highest first."""
    order = np.argsort(-probability, kind="stable")
    ranked, positive = probability[order], (y[order] == 1).astype(np.float64)
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1)
    below = np.append(ranked[last_of_ties[:-1] + 1], 0.0)
    return np.cumsum(positive)[last_of_ties], last_of_ties + 1.0, (ranked[last_of_ties] + below) / 2


def nearest_to_even(value: FloatArray, cuts: FloatArray) -> float:
    """The best cut; of equally good ones the nearest to one half."""
    best = np.flatnonzero(value >= value.max() - 1e-12)
    return float(cuts[best[np.argmin(np.abs(cuts[best] - EVEN))]])


def roc_auc(judged: Judged, targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    y = targets.y
    if len(present(y)) < 2:
        return 0.5
    return float(np.mean([rank_auc(y == k, outputs[:, k]) for k in judged(y)]))


def rank_auc(positive: NDArray[np.bool_], scores: FloatArray) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half.

    scikit-learn's function checks its input for 2-7 ms a call (measured), and importance asks for it 3000 times.
    """
    n_positive = int(positive.sum())
    n_pairs = n_positive * (len(positive) - n_positive)
    return float((average_ranks(scores)[positive].sum() - n_positive * (n_positive + 1) / 2) / n_pairs)


def average_precision(judged: Judged, targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    y = targets.y
    return float(np.mean([_average_precision(y == k, outputs[:, k]) for k in judged(y)]))


def _average_precision(positive: NDArray[np.bool_], scores: FloatArray) -> float:
    """Precision at every cut, weighed by the recall that it adds; 0 where nothing is to be found."""
    if not positive.any():
        return 0.0
    hits, alarms, _ = possible_cuts(positive, scores)
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / alarms) / hits[-1])


def accuracy(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.mean(decide(outputs, decision) == targets.y))


def balanced_accuracy(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    y, decided = targets.y, decide(outputs, decision)
    return float(np.mean([np.mean(decided[y == k] == k) for k in present(y)]))


def f1(judged: Judged, targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    y, decided = targets.y, decide(outputs, decision)
    each = [2 * np.sum((y == k) & (decided == k)) / max(1, np.sum(y == k) + np.sum(decided == k)) for k in judged(y)]
    return float(np.mean(each))


def log_loss(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    shares = np.clip(outputs / outputs.sum(axis=1, keepdims=True), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(np.log(shares[np.arange(len(targets.y)), targets.y])))


def brier(parts: int, targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """Brier's (1950) sum over classes for several classes; half of it, the usual form, for two."""
    truth = np.zeros_like(outputs)
    truth[np.arange(len(targets.y)), targets.y] = 1.0
    return float(np.mean(np.sum((outputs - truth) ** 2, axis=1))) / parts


def class_metrics(judged: Judged, parts: int) -> tuple[Metric, ...]:
    """The metrics of tasks whose scores are about the ``judged`` classes; Brier's sum is divided by ``parts``."""
    return (
        Metric(
            "roc_auc",
            "ROC AUC",
            True,
            "The chance that a random {row} of the class gets a higher score than a random other one: 0.5 is guessing, "
            "1 is perfect.",
            partial(roc_auc, judged),
        ),
        Metric("accuracy", "accuracy", True, "The part of {rows} that are put into the right class.", accuracy, True),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            True,
            "The part of {rows} put into the right class, averaged over classes, so that rare classes count as much.",
            balanced_accuracy,
            needs_decision=True,
            tunes_threshold=True,
        ),
        Metric(
            "f1",
            "F1",
            True,
            "Harmonic mean of precision (how many alarms are right) and recall (how many cases are found).",
            partial(f1, judged),
            needs_decision=True,
            tunes_threshold=True,
        ),
        Metric(
            "average_precision",
            "average precision",
            True,
            "Precision averaged over all recalls: how clean the top of the ranking is, when the class is rare.",
            partial(average_precision, judged),
        ),
        Metric(
            "log_loss",
            "log loss",
            False,
            "How surprised the predicted probabilities are by the truth; being sure and wrong costs most.",
            log_loss,
        ),
        Metric(
            "brier",
            "Brier score",
            False,
            "Mean squared distance between predicted probabilities and what happened.",
            partial(brier, parts),
        ),
    )


BINARY_METRICS = class_metrics(positive, 2)

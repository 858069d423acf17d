"""How predictions are scored: one definition of each metric, used by search, race, curves, report and bundle.

Outputs are what every model returns: float64 ``(n_rows, n_classes)`` probabilities, or ``(n_rows, 1)`` values. The
truth is int64 codes into ``task.classes``, or float64 values; of several labels at once int64 0 and 1
``(n_rows, n_classes)``, whose scores are in `annvil.tasks.label_metrics`.

Every score is a finite number on any non-empty set of rows. Where a textbook definition breaks down these rules hold,
so that a fold without some class counts for nobody:

- a class absent from the rows is left out of averages over classes (ROC AUC, average precision, balanced accuracy, F1);
- ROC AUC of rows that hold one class only is 0.5; average precision without a positive row is 0;
- F1 of a class that is neither there nor predicted is 0;
- R² on rows whose truth is constant is 1 if every prediction is exact, else 0 (as scikit-learn has it).

Averages over classes weigh classes equally ("macro", one class against the rest).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import RequestError, did_you_mean
from annvil.tasks import label_metrics as label_scores
from annvil.tasks.label_metrics import decide_labels, label_thresholds, nearest_to_even, possible_cuts
from annvil.tasks.task import FloatArray, IntArray, Task, TaskKind, Threshold

Score = Callable[[Task, NDArray[Any], FloatArray, IntArray], float]
"""(task, truth, outputs, decided classes) → score; the decided classes are empty for regression."""

CLASSIFICATION: tuple[TaskKind, ...] = ("binary", "multiclass")
LABELS: tuple[TaskKind, ...] = ("multilabel",)
ALL_CLASSES = CLASSIFICATION + LABELS
REGRESSION: tuple[TaskKind, ...] = ("regression",)

SMALLEST_PROBABILITY = 1e-15
"""Probabilities are kept this far from 0 and 1 in log loss (assumed; scikit-learn used it until 1.3)."""

WORTH_OF_A_SCORE = 0.01
"""Default `worth` of scores that end at 1: one point. The region of Benavoli et al. (2017), section 3."""

WORTH_OF_AN_ERROR = 0.01
"""Default `worth` of errors, as a part of the dummy's error (assumed, by analogy with one point)."""


@dataclass(frozen=True)
class Metric:
    """A way to score predictions.

    Attributes
    ----------
    name : what ``--metric`` takes, such as ``"roc_auc"``
    title : for people, such as ``"ROC AUC"``
    kinds : the tasks it is defined for
    greater_is_better : scores are, errors are not
    needs_decision : whether it judges decided classes rather than probabilities or values
    tunes_threshold : whether the threshold of a binary decision (or of each label) is chosen on out-of-fold
        predictions when this metric is the chosen one
    explanation : one sentence for the report
    """

    name: str
    title: str
    kinds: tuple[TaskKind, ...]
    greater_is_better: bool
    explanation: str
    compute: Score = field(repr=False)
    needs_decision: bool = False
    tunes_threshold: bool = False

    def score(self, task: Task, y: NDArray[Any], outputs: FloatArray, threshold: Threshold = None) -> float:
        """The score of ``outputs`` ``(n_rows, n_outputs)`` against the truth ``y`` ``(n_rows,)``; always finite."""
        if task.several:
            return float(self.compute(task, y, outputs, decide_labels(outputs, threshold)))
        decided = decide(outputs, threshold) if task.is_classification else np.empty(0, dtype=np.int64)
        return float(self.compute(task, y, outputs, decided))

    def error(self, score: float) -> float:
        """The score turned so that less is better: one minus a score, an error as it is."""
        return 1.0 - score if self.greater_is_better else score

    def gain(self, first: float, second: float) -> float:
        """How much better the first score is; positive means better, whatever the metric."""
        return first - second if self.greater_is_better else second - first

    def tells(self, difference: float, *, sign: bool = False) -> str:
        """A difference in words: scores in points (hundredths), errors in their own unit.

        >>> METRICS["roc_auc"].tells(0.0031, sign=True), METRICS["rmse"].tells(512.3)
        ('+0.31 points', '512.3')
        """
        value = 100 * difference if self.greater_is_better else difference
        text = _digits(value, sign)
        if not self.greater_is_better:
            return text
        return f"{text} point" if text.lstrip("+-") == "1" else f"{text} points"

    def shows(self, score: float) -> str:
        """A score for people, such as ``"0.913"`` or ``"2.4e+04"``."""
        return f"{round(score, 3) + 0.0:.3f}" if self.greater_is_better else _digits(score, False)


def _digits(value: float, sign: bool) -> str:
    """Few digits: enough to tell values apart, no more than can be read."""
    size = abs(value)
    if size == 0:
        return "0"
    places = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 0.095 else 3 if size >= 0.0095 else 4
    text = f"{value:+,.{places}f}" if sign else f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text and places > 1 else text


def decide(outputs: FloatArray, threshold: Threshold = None) -> IntArray:
    """Decided classes, int64 ``(n_rows,)``: the likeliest; of two with a threshold, the positive one from there on.

    Several labels are decided by `annvil.tasks.label_metrics.decide_labels`.
    """
    if threshold is not None and outputs.shape[1] == 2:
        return np.asarray(outputs[:, 1] >= threshold, dtype=np.int64)
    return np.asarray(outputs.argmax(axis=1), dtype=np.int64)


def _present(y: NDArray[Any]) -> IntArray:
    return np.unique(y).astype(np.int64)


def _roc_auc(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    classes = _present(y)
    if len(classes) < 2:
        return 0.5
    if task.kind == "binary":
        return _rank_auc(y == 1, outputs[:, 1])
    return float(np.mean([_rank_auc(y == k, outputs[:, k]) for k in classes]))


def _rank_auc(positive: NDArray[np.bool_], scores: FloatArray) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half.

    scikit-learn's function checks its input for 2-7 ms a call (measured), and importance asks for it 3000 times.
    """
    from scipy.stats import rankdata

    n_positive = int(positive.sum())
    n_pairs = n_positive * (len(positive) - n_positive)
    return float((rankdata(scores)[positive].sum() - n_positive * (n_positive + 1) / 2) / n_pairs)


def _average_precision(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    from sklearn.metrics import average_precision_score

    classes = [1] if task.kind == "binary" else list(_present(y))
    return float(np.mean([average_precision_score(y == k, outputs[:, k]) if np.any(y == k) else 0.0 for k in classes]))


def _accuracy(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    return float(np.mean(decided == y))


def _balanced_accuracy(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    return float(np.mean([np.mean(decided[y == k] == k) for k in _present(y)]))


def _f1(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    from sklearn.metrics import f1_score

    classes = [1] if task.kind == "binary" else list(_present(y))
    return float(np.mean(f1_score(y, decided, labels=classes, average=None, zero_division=0.0)))


def _log_loss(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    shares = np.clip(outputs / outputs.sum(axis=1, keepdims=True), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(np.log(shares[np.arange(len(y)), y])))


def _brier(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    """Brier's (1950) sum over classes for several classes; half of it, the usual form, for two."""
    truth = np.zeros_like(outputs)
    truth[np.arange(len(y)), y] = 1.0
    total = float(np.mean(np.sum((outputs - truth) ** 2, axis=1)))
    return total / 2 if task.kind == "binary" else total


def _or_of_labels(of_classes: Score, of_labels: Callable[[IntArray, FloatArray, IntArray], float]) -> Score:
    """The first for one class a row, the second for several labels."""

    def score(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
        return of_labels(y, outputs, decided) if task.several else of_classes(task, y, outputs, decided)

    return score


def _of_labels(of_labels: Callable[[IntArray, FloatArray, IntArray], float]) -> Score:
    return lambda task, y, outputs, decided: of_labels(y, outputs, decided)


def _r2(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    residual = float(np.sum((y - outputs[:, 0]) ** 2))
    total = float(np.sum((y - np.mean(y)) ** 2))
    if total == 0.0:
        return 1.0 if residual == 0.0 else 0.0
    return 1.0 - residual / total


def _rmse(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    return float(np.sqrt(np.mean((y - outputs[:, 0]) ** 2)))


def _mae(task: Task, y: NDArray[Any], outputs: FloatArray, decided: IntArray) -> float:
    return float(np.mean(np.abs(y - outputs[:, 0])))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "roc_auc",
            "ROC AUC",
            ALL_CLASSES,
            True,
            "How often a {row} of the class is ranked above a {row} without it: 0.5 is guessing, 1 is perfect.",
            _or_of_labels(_roc_auc, label_scores.roc_auc),
        ),
        Metric(
            "accuracy",
            "accuracy",
            CLASSIFICATION,
            True,
            "The part of {rows} that are put into the right class.",
            _accuracy,
            needs_decision=True,
        ),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            CLASSIFICATION,
            True,
            "The part of {rows} put into the right class, averaged over classes, so that rare classes count as much.",
            _balanced_accuracy,
            needs_decision=True,
            tunes_threshold=True,
        ),
        Metric(
            "f1",
            "F1",
            ALL_CLASSES,
            True,
            "Harmonic mean of precision (how many alarms are right) and recall (how many cases are found).",
            _or_of_labels(_f1, label_scores.macro_f1),
            needs_decision=True,
            tunes_threshold=True,
        ),
        Metric(
            "average_precision",
            "average precision",
            ALL_CLASSES,
            True,
            "Precision averaged over all recalls: how clean the top of the ranking is, when the class is rare.",
            _or_of_labels(_average_precision, label_scores.mean_average_precision),
        ),
        Metric(
            "log_loss",
            "log loss",
            ALL_CLASSES,
            False,
            "How surprised the predicted probabilities are by the truth; being sure and wrong costs most.",
            _or_of_labels(_log_loss, label_scores.log_loss),
        ),
        Metric(
            "brier",
            "Brier score",
            ALL_CLASSES,
            False,
            "Mean squared distance between predicted probabilities and what happened.",
            _or_of_labels(_brier, label_scores.brier),
        ),
        Metric(
            "micro_f1",
            "micro F1",
            LABELS,
            True,
            "F1 of all labels together, so that labels on many {rows} count more.",
            _of_labels(label_scores.micro_f1),
            needs_decision=True,
            tunes_threshold=True,
        ),
        Metric(
            "subset_accuracy",
            "subset accuracy",
            LABELS,
            True,
            "The part of {rows} whose labels are all right, none missing and none too many.",
            _of_labels(label_scores.subset_accuracy),
            needs_decision=True,
        ),
        Metric(
            "hamming_loss",
            "Hamming loss",
            LABELS,
            False,
            "The part of all yes-or-no answers, one for each {row} and label, that are wrong.",
            _of_labels(label_scores.hamming_loss),
            needs_decision=True,
        ),
        Metric(
            "r2",
            "R²",
            REGRESSION,
            True,
            "The part of the target's variance that is explained: 0 is predicting the mean, 1 is perfect.",
            _r2,
        ),
        Metric(
            "rmse",
            "RMSE",
            REGRESSION,
            False,
            "Root of the mean squared error, in the target's unit; large errors weigh most.",
            _rmse,
        ),
        Metric("mae", "MAE", REGRESSION, False, "Mean distance from the truth, in the target's unit.", _mae),
    )
}

DEFAULTS: dict[TaskKind, str] = {
    "binary": "roc_auc",
    "multiclass": "accuracy",
    "regression": "r2",
    "multilabel": "average_precision",
}


def metrics_for(kind: TaskKind) -> tuple[Metric, ...]:
    """Every metric of such tasks, in the order of the scores table."""
    return tuple(metric for metric in METRICS.values() if kind in metric.kinds)


def default_metric(task: Task) -> Metric:
    """The metric used when none is named: ROC AUC for two classes, accuracy for more, R² for numbers, mean
    average precision for several labels at once."""
    return METRICS[DEFAULTS[task.kind]]


def metric_named(name: str, task: Task) -> Metric:
    """The metric of that name; hyphens, spaces and capitals do not matter.

    Raises
    ------
    RequestError
        When there is none of that name, or it is not defined for the task.
    """
    known = [metric.name for metric in metrics_for(task.kind)]
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    metric = METRICS.get(key)
    if metric is None:
        raise RequestError(f"No metric is called {name!r}.{did_you_mean(key, known)} Choose from {', '.join(known)}.")
    if task.kind not in metric.kinds:
        what = "several labels at once" if task.several else "classes" if task.is_classification else "numbers"
        raise RequestError(f"{metric.title} does not score {what}; for this task choose from {', '.join(known)}.")
    return metric


def score_all(task: Task, y: NDArray[Any], outputs: FloatArray, threshold: Threshold = None) -> dict[str, float]:
    """Every metric of the task by name; all finite.

    ``threshold`` decides for the positive class of a binary task (None: the likelier class), and for each label.
    """
    return {metric.name: metric.score(task, y, outputs, threshold) for metric in metrics_for(task.kind)}


def resolve_worth(metric: Metric, asked: float | None, dummy_score: float) -> float:
    """The gain that would justify a network, in units of the metric.

    As asked for; by default one point (0.01) of a score, or 1% of the dummy's error.

    Raises
    ------
    RequestError
        When what was asked for is not a positive number.
    """
    if asked is not None:
        if not np.isfinite(asked) or asked <= 0:
            raise RequestError(f"worth must be a positive number in units of {metric.title}; got {asked!r}.")
        return float(asked)
    if metric.greater_is_better:
        return WORTH_OF_A_SCORE
    # A dummy without error (a constant target) leaves nothing to gain; any positive number will do.
    return WORTH_OF_AN_ERROR * dummy_score if dummy_score > 0 else WORTH_OF_AN_ERROR


def best_threshold(metric: Metric, task: Task, y: NDArray[Any], outputs: FloatArray) -> Threshold:
    """The threshold on the positive class's probability that serves ``metric`` best on these (out-of-fold) rows.

    None where no threshold is to be chosen: more than two classes, a metric without one, or rows of one class only.
    All cuts between neighbouring probabilities are tried; of equally good ones the nearest to 0.5 is taken.

    Several labels have one each, chosen for the label's F1 (see `label_thresholds`), also where the metric judges the
    ranking alone and so has no preference; None for metrics of decisions that probabilities of one half serve best.
    """
    if task.several:
        if not len(y) or (metric.needs_decision and not metric.tunes_threshold):
            return None
        return label_thresholds(y, outputs, together=metric.name == "micro_f1")
    if task.kind != "binary" or not metric.tunes_threshold or len(_present(y)) < 2:
        return None
    found, alarms, cuts = possible_cuts(y, outputs[:, 1])
    n_positive, n_rows = float((y == 1).sum()), float(len(y))
    if metric.name == "f1":
        value = 2 * found / (alarms + n_positive)
    else:
        rejected = (n_rows - n_positive) - (alarms - found)
        value = (found / n_positive + rejected / (n_rows - n_positive)) / 2
    return nearest_to_even(value, cuts)

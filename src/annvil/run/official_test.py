"""The score on the rows that the source itself keeps apart for testing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.bundle import load
from annvil.comparison.results import Comparison
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.models.contract import Deadline
from annvil.report.summaries import wilson
from annvil.tasks.base import Decision, FloatArray
from annvil.tasks.metrics import Metric
from annvil.text.words import Words

RESAMPLES = 400
"""Bootstrap samples of an interval (assumed: the ends of a 95% interval rest on ten of them each)."""

ROWS_AT_ONCE = 1024


def official_test(
    dataset: Dataset[Inputs],
    comparison: Comparison,
    model: Path,
    threshold: Decision,
    deadline: Deadline,
    words: Words,
) -> tuple[str, ...]:
    """One sentence on the shipped model's score on the test set of the source; empty where it has none.

    The verdict never rests on it. Accuracy has Wilson's interval; any other metric the percentiles of a bootstrap over
    the rows (Efron, Annals of Statistics 7, 1979). Copies of training rows among the test rows count as they are: the
    audit tells of them.
    """
    test = dataset.official_test
    if test is None or not test.n_rows:
        return ()
    of_test = f"the {words.count(test.n_rows, 'test')} kept apart by the source"
    predictor, parts = load(model), []
    for start in range(0, test.n_rows, ROWS_AT_ONCE):
        if deadline.passed:
            return (f"The budget ended before the model was tried on {of_test}.",)
        parts.append(predictor.raw(test.inputs.take(slice(start, start + ROWS_AT_ONCE))))
    outputs = np.concatenate(parts)
    metric = dataset.task.metric(comparison.metric)
    scores = []
    if metric.name != "accuracy":
        score = metric.shows(metric.score(test.y, outputs, threshold))
        ends = _bootstrap(metric, test.y, outputs, threshold, deadline)
        scores.append(
            f"{metric.title} {score} ({_interval(*map(metric.shows, ends)) if ends else 'no time to say how sure'})"
        )
    right = dataset.task.right(test.y, outputs, threshold)
    if right is not None:
        hits = int(right.sum())
        interval = _interval(*(f"{end:.1%}" for end in wilson(hits, test.n_rows)))
        scores.append(f"{dataset.task.right_words} {hits / test.n_rows:.1%} ({interval})")
    return (f"On {of_test}: {', '.join(scores)}.",)


def _interval(low: str, high: str) -> str:
    return f"95% interval {low} to {high}"


def _bootstrap(
    metric: Metric, y: NDArray[Any], outputs: FloatArray, threshold: Decision, deadline: Deadline
) -> tuple[float, float] | None:
    """The 2.5% and 97.5% points of the score over rows drawn again; None when the deadline passed first."""
    random = np.random.default_rng(0)
    scores = []
    for _ in range(RESAMPLES):
        if deadline.passed:
            return None
        rows = random.integers(0, len(y), len(y))
        scores.append(metric.score(y[rows], outputs[rows], threshold))
    low, high = np.quantile(scores, (0.025, 0.975))
    return float(low), float(high)

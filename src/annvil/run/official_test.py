"""The score on the rows that the source itself keeps apart for testing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.bundle import load
from annvil.comparison.results import Comparison
from annvil.comparison.score_interval import score_interval
from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.form import Inputs
from annvil.models.jobs import Deadline
from annvil.report.summaries import wilson
from annvil.tasks.base import Decision, FloatArray
from annvil.tasks.metrics import Metric
from annvil.text.words import Words

RESAMPLES = 400
"""Bootstrap samples of an interval (assumed: the ends of a 95% interval rest on ten of them each)."""

ROWS_AT_ONCE = 1024


def n_tested(dataset: Dataset[Inputs]) -> int:
    """Rows of the source's own test."""
    return 0 if dataset.official_test is None else dataset.official_test.n_rows


def official_test(
    dataset: Dataset[Inputs],
    comparison: Comparison,
    model: Path,
    threshold: Decision,
    deadline: Deadline,
    words: Words,
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """One sentence on the shipped model's score on the test set of the source, and a finding where that is surely worse
    than the folds say; both empty where there is none.

    The verdict never rests on it. Accuracy has Wilson's interval; any other metric the percentiles of a bootstrap over
    the rows (Efron, Annals of Statistics 7, 1979). Copies of training rows among the test rows count as they are: the
    audit tells of them.
    """
    test = dataset.official_test
    if test is None or not test.n_rows:
        return (), ()
    of_test = f"the {words.count(test.n_rows, 'test')} kept apart by the source"
    predictor, parts = load(model), []
    for start in range(0, test.n_rows, ROWS_AT_ONCE):
        if deadline.passed:
            return (f"The budget ended before the model was tried on {of_test}.",), ()
        parts.append(predictor.raw(test.inputs.take(slice(start, start + ROWS_AT_ONCE))))
    outputs = np.concatenate(parts)
    metric = dataset.task.metric(comparison.metric)
    score, right = metric.score(test.y, outputs, threshold), dataset.task.right(test.y, outputs, threshold)
    hits = 0 if right is None else int(right.sum())
    is_accuracy = metric.name == "accuracy" and right is not None
    ends = wilson(hits, test.n_rows) if is_accuracy else _bootstrap(metric, test.y, outputs, threshold, deadline)
    sure = _interval(*map(metric.shows, ends)) if ends else "no time to say how sure"
    scores = [f"{metric.title} {metric.shows(score)} ({sure})"]
    if right is not None and not is_accuracy:
        interval = _interval(*(f"{end:.1%}" for end in wilson(hits, test.n_rows)))
        scores.append(f"{dataset.task.right_words} {hits / test.n_rows:.1%} ({interval})")
    sentence = f"On {of_test}: {', '.join(scores)}."
    return (sentence,), tuple(_surely_worse(comparison, metric, ends, sentence, words) if ends else ())


def _surely_worse(
    comparison: Comparison, metric: Metric, ends: tuple[float, float], sentence: str, words: Words
) -> Iterator[Finding]:
    """A finding where the interval on the test set lies wholly on the worse side of that of the folds."""
    chosen = next(s for s in comparison.standings if s.contender == comparison.verdict.recommended)
    folds = score_interval(comparison, chosen)
    if folds is None:
        return
    (_, best), (fold_worst, fold_best) = (sorted(pair, key=metric.error, reverse=True) for pair in (ends, folds))
    if metric.gain(fold_worst, best) > 0:
        mean = metric.shows(chosen.means[metric.name])
        yield Finding(
            "worse on the source's own test",
            "serious",
            (),
            f"{sentence} The folds say {mean} ({_interval(metric.shows(fold_worst), metric.shows(fold_best))}).",
            f"New {words.rows} may be like that test rather than like those that were learnt from: trust the worse "
            "score until it is known how the two differ.",
        )


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

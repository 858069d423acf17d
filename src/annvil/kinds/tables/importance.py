"""Which columns the recommended contender relies on."""

from __future__ import annotations

from typing import Any

from annvil.bundle import Predictor
from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.explanation.permutation import Importance, importance
from annvil.kinds.found import Found
from annvil.tasks.base import FloatArray

IMPORTANCE_ROWS = 2000
"""Held-out rows on which it is measured, at most."""


def importance_of_columns(found: Found) -> tuple[tuple[Importance, ...], int]:
    """Permutation importance of the recommended contender's first fold on that fold's test rows, and how many rows.

    The model that is shipped has seen every row; the one of the first fold has not seen these. It is at hand as the
    graph that the comparison measured. Empty when that fold or graph is missing, and of the baseline.
    """
    dataset: Dataset = found.dataset
    comparison, store = found.comparison, found.store
    contender = comparison.verdict.recommended
    rung = found.rung(contender)
    graph, result = store.graph(contender, rung), store.result(contender, FIRST_FOLD, rung)
    if graph is None or result is None or contender == "dummy":
        return (), 0
    rows, _ = store.predictions(contender, FIRST_FOLD, rung)
    predictor = Predictor.from_graph(graph, dataset.inputs.form, dataset.task)
    metric = dataset.task.metric(comparison.metric)

    def score(y: Any, outputs: FloatArray) -> float:
        return metric.score(y, outputs, result.threshold)

    importances = importance(
        predictor.raw,
        dataset.inputs.take(rows),
        dataset.y[rows],
        score,
        metric.greater_is_better,
        seed=comparison.plan.seed,
        rows_cap=IMPORTANCE_ROWS,
        groups=dataset.groups[rows],
        should_stop=lambda: found.deadline.passed,
    )
    return importances, min(len(rows), IMPORTANCE_ROWS)

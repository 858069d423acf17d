"""What each channel is worth to a model: the score lost when it comes from another series."""

from __future__ import annotations

from typing import Any

import numpy as np

from annvil.bundle import Predictor
from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.explanation.permutation import Importance, importance_of
from annvil.kinds.found import Found
from annvil.kinds.series.series import Series, Store
from annvil.tasks.base import FloatArray, IntArray

MOST_ROWS = 500
"""Held-out series on which it is measured, at most (assumed: some thousand predictions)."""


def importance_of_channels(found: Found) -> tuple[Importance, ...]:
    """Permutation importance of the recommended contender's first fold on that fold's test series, the most important
    channel first; nothing where there is one channel, no graph, or no time."""
    dataset: Dataset[Series] = found.dataset
    contender = found.comparison.verdict.recommended
    rung = found.rung(contender)
    graph, result = found.store.graph(contender, rung), found.store.result(contender, FIRST_FOLD, rung)
    form = dataset.inputs.form
    if graph is None or result is None or contender == "dummy" or form.n_channels < 2:
        return ()
    rows, _ = found.store.predictions(contender, FIRST_FOLD, rung)
    metric = dataset.task.metric(found.comparison.metric)

    def score(y: Any, outputs: FloatArray) -> float:
        return metric.score(y, outputs, result.threshold)

    return importance_of(
        Predictor.from_graph(graph, form, dataset.task).raw,
        dataset.inputs.take(rows),
        form.channels,
        with_channel_of,
        dataset.y[rows],
        score,
        metric.greater_is_better,
        seed=found.comparison.plan.seed,
        rows_cap=MOST_ROWS,
        groups=dataset.groups[rows],
        should_stop=lambda: found.deadline.passed,
    )


def with_channel_of(series: Series, channel: int, donors: IntArray) -> Series:
    """The same series with one channel of others, stretched to their own length."""
    lengths = series.lengths
    parts = [series.one(row).T.copy() for row in range(series.n_rows)]
    for values, donor in zip(parts, donors.tolist(), strict=True):
        given = series.one(donor)[channel]
        if len(given) != len(values):
            given = np.interp(np.linspace(0, 1, len(values)), np.linspace(0, 1, len(given)), given)
        values[:, channel] = given
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n_missing = series.store.n_missing[series.index]
    store = Store(np.concatenate(parts), starts, series.form, series.names(), n_missing)
    return Series(store, np.arange(len(parts)))

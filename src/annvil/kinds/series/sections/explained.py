"""What a run of series shows of its model: which part of a series matters, and which channel."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from annvil.comparison.held_out import held_out_predictions
from annvil.data.dataset import Dataset
from annvil.kinds.found import Found
from annvil.kinds.series.explanation.channels import importance_of_channels
from annvil.kinds.series.explanation.explain import Explanation, Subject, explain_series, open_subject
from annvil.kinds.series.explanation.occlusion import PASSES
from annvil.kinds.series.sections.drawing import GRID
from annvil.kinds.series.series import Series
from annvil.plots.charts.panels import Line, Panel, Panels
from annvil.sections import Rows, Section
from annvil.tasks.base import IntArray
from annvil.tasks.metric_index import METRICS
from annvil.text.phrases import outside, shorten
from annvil.text.quantities import told

MOST_EXPLAINED, MOST_SHOWN, MOST_WRONG = 24, 4, 2
"""Series whose maps are made, how many are drawn, and how many of those may be mistakes (assumed)."""

FEWEST_EXPLAINED = 3
"""Of fewer nothing is said of the model (assumed)."""

WEAK = 0.5
"""Share of maps that must pass for the model's map to be relied on (assumed)."""


def explained(found: Found) -> Iterator[Section]:
    """Nothing after the deadline, and nothing of a model that learnt nothing."""
    contender, deadline = found.comparison.verdict.recommended, found.deadline
    if deadline.passed or contender == "dummy":
        return
    again = f"annvil explain {found.place} SERIES"
    subject = open_subject(found.model)
    dataset: Dataset[Series] = found.dataset
    rows, outputs = held_out_predictions(found.comparison, found.store)
    wrong = dataset.task.shares_wrong(dataset.y[rows], outputs)
    chosen = rows[_spread(dataset, rows, wrong)]
    made = _maps(found, subject, dataset, chosen)
    if len(made) < FEWEST_EXPLAINED:
        said = f"The budget ended before it was found out which part of a series matters. For that of one: {again}"
        yield Section("which-part-matters", "Which part of a series matters", (said,), order=20)
    else:
        yield _which_part(made, again)
    yield from _channels(found)


def _spread(dataset: Dataset[Series], rows: IntArray, wrong: np.ndarray) -> IntArray:
    """The gravest mistakes first, then series of one class after another."""
    gravest = np.argsort(-wrong, kind="stable")[:MOST_WRONG]
    gravest = gravest[wrong[gravest] > 0.5] if dataset.task.predicts_probabilities else gravest
    strata = dataset.task.strata(dataset.y[rows])
    turn = np.empty(len(rows), dtype=np.int64)
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        turn[own] = np.arange(len(own))
    rest = np.setdiff1d(np.lexsort((strata, turn)), gravest, assume_unique=False)
    rest = rest[np.lexsort((strata[rest], turn[rest]))]
    return np.concatenate([gravest, rest])[:MOST_EXPLAINED]


def _maps(found: Found, subject: Subject, dataset: Dataset[Series], rows: IntArray) -> list[Explanation]:
    """As many as there is time for."""
    one = np.nan_to_num(dataset.inputs.one(int(rows[0])))
    began = time.monotonic()
    subject.outputs(np.repeat(one[None], 16, axis=0))
    took = (time.monotonic() - began) / 16 * PASSES
    made: list[Explanation] = []
    for row in rows.tolist():
        if found.deadline.left < took:
            break
        began = time.monotonic()
        made.append(explain_series(subject, dataset.inputs.one(row), name=""))
        took = time.monotonic() - began
    return made


def _which_part(made: Sequence[Explanation], again: str) -> Section:
    passed, testable = sum(one.trusted for one in made), sum(one.deletion.has_effect for one in made)
    n = len(made)
    if not testable:
        first = "These maps cannot be tested: whatever is covered, the model says the same of these series."
    elif passed >= WEAK * n:
        first = f"Of {n} maps, {passed} passed the test: what they mark is what the model relies on."
    else:
        first = (
            f"Do not trust these maps: {passed} of {n} passed the test; the others are not clearly better than chance."
        )
    how = (
        "A window of steps is covered by a straight line, or by the mean of the channel; what the model's answer loses "
        "by it is what the steps are worth. The test covers what a map marks, and compares that with the same map "
        "moved at random."
    )
    seen = "The model has learnt from these series; it may look elsewhere in new ones."
    sentences = (first, how, seen, f"For one series: {again}")
    charts = [_mean_map(made), *(one.chart(f"explained-{place}") for place, one in enumerate(made[:MOST_SHOWN]))]
    return Section("which-part-matters", "Which part of a series matters", sentences, charts=tuple(charts), order=20)


def _mean_map(made: Sequence[Explanation]) -> Panels:
    """What steps are worth on average, for each class that is explained, over the length of the series."""
    equal = len({len(one.importance) for one in made}) == 1
    grid = np.arange(len(made[0].importance), dtype=np.float64) if equal else np.linspace(0, 1, GRID)
    lines = []
    labels = sorted({one.label for one in made})
    for place, label in enumerate(labels[:6]):
        maps = [one.importance for one in made if one.label == label]
        laid = [one if equal else np.interp(grid, np.linspace(0, 1, len(one)), one) for one in maps]
        mean = np.mean(laid, axis=0)
        lines.append(Line(tuple(grid.tolist()), tuple(mean.tolist()), shorten(f"{label} ({len(maps)})"), place))
    axis = "step" if equal else "share of the length"
    what = "What steps are worth on average"
    caption = "Mean loss of log-odds" if made[0].task.predicts_probabilities else "Mean change of the value"
    caption += " where a step is covered; in brackets: series."
    return Panels("mean-map", what, caption, (Panel(tuple(lines)),), axis, height=150)


def _channels(found: Found) -> Iterator[Section]:
    measured = importance_of_channels(found)
    if not measured:
        return
    metric = METRICS[found.comparison.metric]
    rows = tuple(
        (one.column, told(metric, one.mean), f"{told(metric, one.low)} to {told(metric, one.high)}") for one in measured
    )
    matter = [one.column for one in measured if one.low > 0]
    said = f"Most of what the model says rests on {matter[0]}." if matter else "No channel alone can be told to matter."
    how = (
        "Each channel is taken from another series in turn, on series that the model had not seen; channels that say "
        "the same share their worth."
    )
    table = Rows(("Channel", f"{outside(metric.title)} lost", "95% interval"), rows)
    yield Section("which-channel-matters", "Which channel matters", (said, how), tables=(table,), order=22)

"""What the recommended model relies on: the chart of permutation importances, or why there is none."""

from __future__ import annotations

from functools import partial

from annvil.plots.charts.intervals import interval_bars
from annvil.report.figure import Figure, estimates, figure
from annvil.report.view import ReportView
from annvil.tasks.metric_index import METRICS
from annvil.text.phrases import outside
from annvil.text.quantities import part_of, plain_count

MOST_IMPORTANCES = 20


def importance_figure(view: ReportView) -> Figure | None:
    """The most important columns; None where shuffling changed nothing, or nothing was measured."""
    metric = METRICS[view.comparison.metric]
    if not _matters(view):
        return None
    ranked = sorted(view.importance, key=lambda one: -one.mean)[:MOST_IMPORTANCES]
    shown = estimates([(one.column, one.mean, one.low, one.high) for one in ranked])
    caption = (
        f"How much worse the predictions become when one column is shuffled, with the 95% interval; an interval that "
        f"reaches zero means the column may not matter to this model. {_measured(view)}"
    )
    axis = f"{outside(metric.title)} {'lost' if metric.greater_is_better else 'gained'}"
    draw = partial(interval_bars, shown, axis, "Importance of the input columns")
    return figure("importance", "Permutation importance of each column", caption, draw)


def no_importance(view: ReportView) -> str:
    """What is said where no column alone changed anything: a chart of zeros says less."""
    if not view.importance or _matters(view):
        return ""
    return f"Shuffling one column alone changed nothing. {_measured(view)}"


def _matters(view: ReportView) -> bool:
    """Whether shuffling any column changed anything."""
    return any(one.mean or one.low or one.high for one in view.importance)


def _measured(view: ReportView) -> str:
    """Which columns, on how many rows; of what there was no time for nothing is known."""
    used = max(sum(note.used for note in view.columns), len(view.importance))
    columns = part_of(len(view.importance), used, "column")
    rows = f" on {plain_count(view.importance_rows, 'row')} that the model had not seen" if view.importance_rows else ""
    left = " Nothing is known of the others." if len(view.importance) < used else ""
    return f"Measured for {columns}{rows}.{left}"

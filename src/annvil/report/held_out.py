"""How the recommended model errs on held-out rows: figures, tables and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from annvil.plots.charts.confusion import MOST_CLASSES, confusion
from annvil.plots.charts.reliability import reliability
from annvil.plots.charts.residuals import residuals
from annvil.report import summaries
from annvil.report.figure import Figure, figure
from annvil.report.view import HeldOut, ReportView
from annvil.tasks.base import IntArray
from annvil.tasks.label_metrics import scores_of_labels
from annvil.text.phrases import outside
from annvil.text.quantities import count, percent

MOST_DOTS = 1500


def errors(view: ReportView) -> dict[str, Any] | None:
    """Figures, tables and a sentence on how the recommended model errs on held-out rows."""
    held_out, task = view.held_out, view.task
    if held_out is None or len(held_out.y) == 0:
        return None
    shown = [draw(view, held_out) for name, draw in _FIGURES.items() if name in task.errors]
    rows = view.words.count(len(held_out.y))
    return {
        "figures": [one for one in shown if one is not None],
        **{name: fill(view, held_out) if name in task.errors else [] for name, fill in _ERROR_TABLES.items()},
        "sentence": task.error_sentence(held_out.y, held_out.outputs, held_out.threshold, rows, held_out.how),
    }


def _confusion_counts(view: ReportView, held_out: HeldOut) -> IntArray:
    """Held-out rows of each true class (first axis) by predicted class."""
    decided = view.task.decide(held_out.outputs, held_out.threshold)
    return summaries.confusion_counts(held_out.y, decided, len(view.task.classes))


def _confusion(view: ReportView, held_out: HeldOut) -> Figure | None:
    """What each class was taken for; None with more classes than a page holds."""
    classes = [str(c) for c in view.task.classes]
    if len(classes) > MOST_CLASSES:
        return None
    counts = _confusion_counts(view, held_out)
    right, everything = int(np.trace(counts)), int(counts.sum())
    caption = (
        f"{count(right)} of {count(everything)} held-out {view.words.rows} were put into the right class "
        f"({percent(right / everything)}); {held_out.how}."
    )
    if held_out.threshold is not None:
        caption += f" “{classes[1]}” is predicted from a probability of {held_out.threshold:.2f} on."
    draw = partial(confusion, counts.tolist(), classes, words=view.words)
    return figure("confusion", "Confusion matrix", caption, draw)


def _reliability(view: ReportView, held_out: HeldOut) -> Figure:
    """Whether predicted probabilities come true."""
    of = view.task.certainty(held_out.y, held_out.outputs)
    answers = of.answers or view.words.rows
    bins = summaries.reliability_bins(of.probability, of.happened)
    off = sum(not one.low <= one.predicted <= one.high for one in bins)
    caption = (
        "Marks on the dashed line mean that predicted probabilities can be taken at their word; upright bars are 95% "
        f"intervals, and {len(bins) - off} of {len(bins)} contain the line. "
        f"Below, how many {answers} were given which probability."
    )
    tenths = np.histogram(of.probability, bins=10, range=(0.0, 1.0))[0].tolist()
    draw = partial(reliability, bins, tenths, of.predicted, of.observed, counted=answers)
    return figure("reliability", "Calibration: can the probabilities be trusted?", caption, draw)


def _residuals(view: ReportView, held_out: HeldOut) -> Figure:
    """Predicted against observed."""
    n_rows = len(held_out.y)
    rows = summaries.spread_rows(n_rows, MOST_DOTS)
    caption = f"Each dot is a {view.words.row}; on the line, prediction and observation are the same. " + (
        f"{outside(held_out.how)}."
        if len(rows) == n_rows
        else f"{count(len(rows))} of {count(n_rows)} {view.words.rows} are drawn; {held_out.how}."
    )
    predicted, observed = held_out.outputs[rows, 0].tolist(), held_out.y[rows].tolist()
    draw = partial(residuals, predicted, observed, view.task.target, words=view.words)
    return figure("residuals", "Predicted and observed", caption, draw)


def _rates(view: ReportView, held_out: HeldOut) -> list[Any]:
    """Sensitivity, specificity and predictive values of two classes."""
    negative, positive = map(str, view.task.classes)
    return summaries.binary_rates(_confusion_counts(view, held_out), negative, positive, view.words)


def _often(view: ReportView, held_out: HeldOut) -> list[Any]:
    """The most frequent confusions, where the classes are too many for a matrix."""
    classes = [str(c) for c in view.task.classes]
    if len(classes) <= MOST_CLASSES:
        return []
    return summaries.frequent_confusions(_confusion_counts(view, held_out), classes)


def _labels(view: ReportView, held_out: HeldOut) -> list[Any]:
    """Every label, the worst told first: several at once have no confusion matrix."""
    each = scores_of_labels(held_out.y, held_out.outputs, held_out.threshold)
    order = sorted(range(len(each)), key=lambda k: (each[k].f1, each[k].n_with))
    return [(str(view.task.classes[k]), each[k]) for k in order]


_FIGURES: Mapping[str, Callable[[ReportView, HeldOut], Figure | None]] = {
    "confusion": _confusion,
    "reliability": _reliability,
    "residuals": _residuals,
}
"""Figures that show how a model errs, by the names that tasks use (`annvil.tasks.base.Task.errors`)."""

_ERROR_TABLES = {"rates": _rates, "often": _often, "labels": _labels}
"""Tables that show how a model errs, by the names that tasks use."""

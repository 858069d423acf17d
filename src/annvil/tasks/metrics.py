"""How predictions are scored: what a metric is, and what all tasks share of it.

The metrics of a task are with it: `annvil.tasks.class_metrics`, `annvil.tasks.label_metrics`,
`annvil.tasks.regression_metrics`. Every score is a finite number on any non-empty set of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import RequestError
from annvil.tasks.targets import Decision, FloatArray, Targets
from annvil.text.quantities import places_beside, to_places, with_spread

Compute = Callable[[Targets, FloatArray, Decision], float]

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
    greater_is_better : scores are, errors are not
    needs_decision : whether it judges decided classes rather than probabilities or values
    tunes_threshold : whether the decision is chosen on out-of-fold predictions when this metric is the chosen one
    explanation : one sentence for the report
    compute : the score of targets, outputs and a decision
    """

    name: str
    title: str
    greater_is_better: bool
    explanation: str
    compute: Compute = field(repr=False)
    needs_decision: bool = False
    tunes_threshold: bool = False

    def score(self, y: Targets | NDArray[Any], outputs: FloatArray, decision: Decision = None) -> float:
        """The score of ``outputs`` ``(n_rows, n_outputs)`` against the truth, with its context or alone; finite."""
        return float(self.compute(Targets.of(y), outputs, decision))

    def error(self, score: float) -> float:
        """The score turned so that less is better: one minus a score, an error as it is."""
        return 1.0 - score if self.greater_is_better else score

    def gain(self, first: float, second: float) -> float:
        """How much better the first score is; positive means better, whatever the metric."""
        return first - second if self.greater_is_better else second - first

    def tells(self, difference: float, *, sign: bool = False) -> str:
        """A difference as the field writes it, in the metric's own unit; a score's as exact as the score is shown.

        >>> from annvil.tasks.metric_index import METRICS
        >>> METRICS["roc_auc"].tells(0.0031, sign=True), METRICS["rmse"].tells(512.3)
        ('+0.003', '512.3')
        """
        if not self.greater_is_better:
            return _digits(difference, sign)
        places = 2 if abs(difference - round(difference, 2)) < 1e-9 else 3 if abs(difference) >= 0.00095 else 4
        shown = round(difference, places)
        return f"{shown:{'+' if sign else ''}.{places}f}" if shown else "0"

    def compares(self, first: float, second: float, low: float | None = None, high: float | None = None) -> str:
        """Two scores and their difference, first minus second, with its interval where there is one.

        >>> from annvil.tasks.metric_index import METRICS
        >>> METRICS["roc_auc"].compares(0.861, 0.867, -0.018, 0.006)
        '0.861 vs 0.867, -0.006 [-0.018, +0.006]'
        >>> METRICS["rmse"].compares(28_450.0, 29_100.0)
        '28,450 vs 29,100, -650'
        >>> METRICS["roc_auc"].compares(0.8455, 0.8459)  # the sign says who is ahead
        '0.846 vs 0.846, -0.000'
        """
        places = 3
        if not self.greater_is_better:
            places = _places(max(abs(first), abs(second)))
            places += abs(first - second) < 10 * 10.0**-places
        gap, *ends = (f"{d + 0.0:+,.{places}f}" for d in (first - second, low, high) if d is not None)
        one, other = (f"{round(score, places) + 0.0:,.{places}f}" for score in (first, second))
        told = f"{one} vs {other}, {gap}"
        return f"{told} [{', '.join(ends)}]" if ends else told

    def shows_mean(self, mean: float, spread: float | None) -> str:
        """A mean over folds with its standard deviation, where there is one: ``"0.871 ± 0.021"``, everywhere alike."""
        return with_spread(mean, spread, 3 if self.greater_is_better else None)

    def shows_interval(self, mean: float, spread: float | None, low: float, high: float) -> str:
        """A mean over folds with an interval, as exact as `shows_mean` is of it.

        >>> from annvil.tasks.metric_index import METRICS
        >>> mae = METRICS["mae"]
        >>> mae.shows_mean(12_287.3, 2_680.0), mae.shows_interval(12_287.3, 2_680.0, 7_289.0, 17_286.0)
        ('12,290 ± 2,680', '12,290 [7,290, 17,290]')
        """
        places = 3 if self.greater_is_better else places_beside(mean, spread)
        shown, *ends = (to_places(value, places) for value in (mean, low, high))
        return f"{shown} [{', '.join(ends)}]"

    def shows(self, score: float) -> str:
        """A score for people, such as ``"0.913"`` or ``"28,450"``."""
        places = 3 if self.greater_is_better else places_beside(score, None)
        return f"{round(score, places) + 0.0:,.{places}f}"


def _digits(value: float, sign: bool) -> str:
    """Few digits: enough to tell values apart, no more than can be read."""
    if value == 0:
        return "0"
    places = _places(abs(value))
    text = f"{value:{'+' if sign else ''},.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text and places > 1 else text


def _places(size: float) -> int:
    return 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 0.095 else 3 if size >= 0.0095 else 4


def resolve_worth(metric: Metric, asked: float | None, dummy_score: float) -> float:
    """The gain that would justify a network, in units of the metric.

    As asked for; by default 0.01 of a score, or 1% of the dummy's error.

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

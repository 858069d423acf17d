"""Scores of forecasts: truth is float64 ``(n_rows, horizon)``, outputs have the same shape; a row is an origin.

The context of the targets holds ``scale`` ``(n_rows,)``: the mean error of repeating the last season inside all that is
known of the row's series at its origin (Hyndman and Koehler 2006, "Another look at measures of forecast
accuracy"). Without it errors are in the target's unit.
"""

from __future__ import annotations

import numpy as np

from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Decision, FloatArray, Targets

SCALE = "scale"
"""Name of the scale in the context of targets."""


def scaled_errors(targets: Targets, outputs: FloatArray) -> FloatArray:
    """Errors ``(n_rows, horizon)``, outputs minus truth, divided by the scale of the row."""
    errors = outputs - targets.y
    scale = targets.context.get(SCALE)
    return errors if scale is None else np.asarray(errors / scale[:, None])


def _mase(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.mean(np.abs(scaled_errors(targets, outputs))))


def _rmse(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.sqrt(np.mean((targets.y - outputs) ** 2)))


def _mae(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.mean(np.abs(targets.y - outputs)))


def _smape(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """In percent, from 0 to 200; a truth and a forecast of 0 have no error."""
    sizes = np.abs(targets.y) + np.abs(outputs)
    return float(200.0 * np.mean(np.abs(targets.y - outputs) / np.where(sizes > 0, sizes, 1.0)))


FORECAST_METRICS = (
    Metric(
        "mase",
        "MASE",
        False,
        "Mean error, divided by that of repeating the last season one season ahead: below 1 is better than that.",
        _mase,
    ),
    Metric(
        "rmse", "RMSE", False, "Root of the mean squared error, in the target's unit; large errors weigh most.", _rmse
    ),
    Metric("mae", "MAE", False, "Mean distance from the truth, in the target's unit.", _mae),
    Metric(
        "smape", "sMAPE", False, "Mean distance in percent of the mean of truth and forecast, from 0 to 200.", _smape
    ),
)


def pinball(y: FloatArray, quantiles: FloatArray, levels: FloatArray) -> float:
    """Mean quantile loss, in the target's unit: of ``quantiles`` ``(..., n_levels)`` of ``y`` ``(...)``.

    >>> pinball(np.array([1.0]), np.array([[0.0, 2.0]]), np.array([0.25, 0.75]))
    0.25
    """
    behind = y[..., None] - quantiles
    return float(np.mean(np.maximum(levels * behind, (levels - 1.0) * behind)))

"""Scores of numbers: truth is float64 ``(n_rows,)``, outputs are ``(n_rows, 1)``."""

from __future__ import annotations

import numpy as np

from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Decision, FloatArray, Targets


def _r2(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    """On rows whose truth is constant 1 if every prediction is exact, else 0, as scikit-learn has it."""
    y = targets.y
    residual = float(np.sum((y - outputs[:, 0]) ** 2))
    total = float(np.sum((y - np.mean(y)) ** 2))
    if total == 0.0:
        return 1.0 if residual == 0.0 else 0.0
    return 1.0 - residual / total


def _rmse(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.sqrt(np.mean((targets.y - outputs[:, 0]) ** 2)))


def _mae(targets: Targets, outputs: FloatArray, decision: Decision) -> float:
    return float(np.mean(np.abs(targets.y - outputs[:, 0])))


REGRESSION_METRICS = (
    Metric(
        "r2",
        "R²",
        True,
        "The part of the target's variance that is explained: 0 is predicting the mean, 1 is perfect.",
        _r2,
    ),
    Metric(
        "rmse",
        "RMSE",
        False,
        "Root of the mean squared error, in the target's unit; large errors weigh most.",
        _rmse,
    ),
    Metric("mae", "MAE", False, "Mean distance from the truth, in the target's unit.", _mae),
)

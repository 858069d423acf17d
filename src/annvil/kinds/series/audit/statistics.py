"""A few numbers of every series: what can be told without looking at its course."""

from __future__ import annotations

import numpy as np

from annvil.kinds.series.series import Series
from annvil.tasks.base import FloatArray

NAMES = ("mean", "standard deviation", "smallest value", "largest value", "first value", "last value")


def statistics(series: Series) -> FloatArray:
    """`NAMES` of every channel, float64 ``(n_rows, channels, 6)``; NaN of a channel without values."""
    made = np.empty((series.n_rows, series.form.n_channels, len(NAMES)))
    for row in range(series.n_rows):
        values = series.one(row).astype(np.float64)
        made[row, :, 0] = values.mean(axis=1)
        made[row, :, 1] = values.std(axis=1)
        made[row, :, 2] = values.min(axis=1)
        made[row, :, 3] = values.max(axis=1)
        made[row, :, 4] = values[:, 0]
        made[row, :, 5] = values[:, -1]
    return made

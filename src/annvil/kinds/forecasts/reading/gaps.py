"""Missing values of a series, filled from its neighbours."""

from __future__ import annotations

import numpy as np

from annvil.tasks.base import FloatArray


def without_gaps(values: FloatArray) -> tuple[FloatArray, int]:
    """The series ``(steps,)`` with missing values on the line between their neighbours, the nearest one at its ends,
    and how many they were. Of no value at all it stays NaN.

    >>> without_gaps(np.array([np.nan, 1.0, np.nan, 3.0]))
    (array([1., 1., 2., 3.]), 2)
    """
    missing = np.isnan(values)
    n = int(missing.sum())
    if not n or n == len(values):
        return values, n
    steps = np.arange(len(values))
    values = values.copy()
    values[missing] = np.interp(steps[missing], steps[~missing], values[~missing])
    return values, n

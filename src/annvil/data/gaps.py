"""Missing values of a series, filled from its neighbours, whichever kind of data the series is of."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=np.floating[Any])


def without_gaps(values: NDArray[F]) -> tuple[NDArray[F], int]:
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

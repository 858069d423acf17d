"""How lopsided numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_VARIANCE = 1e-30
"""Columns that vary less, in proportion to their size, are rounding errors; their skewness means nothing (assumed)."""


def skewness(values: NDArray[Any]) -> float:
    """The third standardised moment of finite floats ``(n,)`` but for their NaN; 0 of a constant, and of no values.

    Values are divided by the largest of them first, so that no power of them overflows.

    >>> skewness(np.array([1.0, 1.0, 1.0, 5.0])) > 1, skewness(np.array([3e200, 3e200, np.nan]))
    (True, 0.0)
    """
    known = values[~np.isnan(values)]
    largest = np.abs(known).max(initial=0)
    if not largest:
        return 0.0
    centred = known / largest
    centred -= centred.mean()
    squares = centred * centred
    variance = squares.mean()
    return float((squares * centred).mean() / variance**1.5) if variance > SMALLEST_VARIANCE else 0.0

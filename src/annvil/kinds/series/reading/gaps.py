"""Missing values of series: on the line between their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annvil.data.gaps import without_gaps
from annvil.tasks.base import IntArray


def series_without_gaps(values: NDArray[np.float32], starts: IntArray) -> tuple[NDArray[np.float32], IntArray]:
    """Series one behind the other with missing values on the line between their neighbours, at the ends as the nearest,
    and how many each had; a channel of a series without any value stays NaN.

    Parameters
    ----------
    values : float32 ``(steps of all series, channels)``, NaN where a value is missing
    starts : int64 ``(n + 1,)``, see `annvil.kinds.series.series.Store`

    >>> series_without_gaps(np.array([[1, np.nan, 3]], dtype="float32").T, np.array([0, 3]))[0].ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    missing = np.isnan(values)
    counts = np.concatenate([[0], np.cumsum(missing.sum(axis=1))])[starts]
    n_missing = np.diff(counts).astype(np.int64)
    if not counts[-1]:
        return values, n_missing
    values = values.copy()
    for row in np.flatnonzero(n_missing).tolist():
        start, stop = starts[row : row + 2]
        for channel in values[start:stop].T:
            channel[:] = without_gaps(channel)[0]
    return values, n_missing

"""Whether a source holds series: told by options, names and shapes; of files, only arrays are opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.numpy_files import NUMPY_SUFFIXES, read_numpy
from annvil.data.readers.opened import Opened
from annvil.errors import DataError

OPTIONS = ("series", "steps", "channels")
"""Whoever gives one of these says that the source holds series."""

LONG = 8
"""An array of steps is so many times longer than it has channels (assumed); pictures are not."""


def is_series(opened: Opened) -> str | None:
    """Why a source holds series, completing "it is …", or None."""
    source, path = opened.source, opened.path
    if any(opened.given.get(name) for name in OPTIONS):
        return "a table of series" if path is not None and path.suffix.lower() not in NUMPY_SUFFIXES else "series"
    if isinstance(source, tuple) and len(source) == 2:
        return "arrays of series" if are_series(source[0]) else None
    if path is not None and path.suffix.lower() == ".npz" and path.is_file():
        try:
            return "a file of series" if any(map(_are_stacked, read_numpy(path).values())) else None
        except DataError:
            return None  # damaged: told by whoever reads it
    return None


def are_series(X: Any) -> bool:
    """Whether these are series ``(n, channels, time)``, or a list of ``(channels, time)``, rather than pictures."""
    if isinstance(X, (list, tuple)):
        some = [one for one in X[:20] if hasattr(one, "__array__") and not hasattr(one, "getexif")]
        if not X or len(some) < len(X[:20]):
            return False
        arrays = [np.asarray(one) for one in some]
        axes = {array.ndim for array in arrays}
        if axes == {1}:
            return all(array.dtype.kind in "fiu" for array in arrays) and len({*map(len, X)}) > 1
        return axes == {2} and len({len(one) for one in arrays}) == 1 and _are_numbers_of_steps(arrays)
    return hasattr(X, "__array__") and getattr(X, "ndim", 0) == 3 and _are_stacked(np.asarray(X))


def _are_stacked(array: NDArray[Any]) -> bool:
    return array.ndim == 3 and array.size > 0 and _are_numbers_of_steps([array[:200]])


def _are_numbers_of_steps(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether arrays ``(…, channels, time)`` hold measurements: floats, and far more steps than channels, or gaps."""
    if not all(array.dtype.kind == "f" for array in arrays):
        return False
    long = all(array.shape[-1] >= LONG * array.shape[-2] for array in arrays)
    return long or any(bool(np.isnan(array).any()) for array in arrays)

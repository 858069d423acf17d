"""Arrays that a model is given → uint8, by the values and what the model learnt from, never by type or company.

What a value means is decided for each picture by the range that the form knows, so that a picture alone is read as in
a batch, and as the same values in another type:

===========================  ====================================================================================
the model learnt from        a picture means
===========================  ====================================================================================
uint8, files (no range)      0 to 255; of floats up to 1, fractions
0 to 1                       up to 1, fractions; else 0 to 255
0 to 255, not of uint8       0 to 255; fractions are refused
any other range              that range, whatever the type; values far outside are refused
===========================  ====================================================================================

Floats that could be either are refused, as are a picture of fractions among pictures that hold none.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import BLOCK_BYTES
from annvil.kinds.pictures.reading.decoding import Pixels, scaled

TOLERANCE = 1e-3
"""Fractions may exceed 0 to 1 by so much, as interpolation makes them (assumed)."""

UNSURE = 4.0
"""Floats with fractions whose greatest value lies above 1 and below this are neither surely 0 to 1 nor 0 to 255."""


def blocks_of(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """An array of pictures in parts of `BLOCK_BYTES`, each with the number of its first picture."""
    step = max(1, BLOCK_BYTES // max(1, prod(array.shape[1:]) * array.dtype.itemsize))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]


def learnt_range(array: NDArray[Any]) -> tuple[float, float]:
    """Values of training pictures that become 0 and 255; 0 and 0 for uint8, of which only 0 and 1 have a range."""
    if array.dtype == np.uint8 and any(block.max() > 1 for _, block in blocks_of(array)):
        return 0.0, 0.0
    if array.dtype.kind == "b":
        return 0.0, 1.0
    low, high = np.inf, -np.inf
    for start, block in blocks_of(array):
        if array.dtype.kind == "f" and not np.isfinite(block).all():
            bad = start + int(np.flatnonzero(~np.isfinite(block).all(axis=(1, 2, 3)))[0])
            raise DataError(f"Picture {bad + 1} of the array holds values that are not finite numbers.")
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 127 < high <= 255:
        return 0.0, 255.0
    return min(low, 0.0) if low <= 1 else low, high


def eight_bits(pictures: NDArray[Any], form: PictureForm, first: int = 0) -> Pixels:
    """Pictures ``(n, height, width, channels)`` as uint8; ``first`` is the number of the first one, for messages.

    Raises
    ------
    DataError
        Where values are not finite, or not in the range that the model learnt from.
    """
    if pictures.dtype.kind == "b":
        return pictures.astype(np.uint8) * np.uint8(255)
    if pictures.dtype == np.uint8 and (not form.has_range or form.high == 255):
        return pictures
    flat = pictures.reshape(len(pictures), -1)
    low, high = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
    _refuse(~np.isfinite(low + high), first, "holds values that are not finite numbers.")
    if form.has_range and (form.low, form.high) not in ((0.0, 1.0), (0.0, 255.0)):
        spread = form.high - form.low
        far = (low < form.low - spread) | (high > form.high + spread)
        _refuse(far, first, _outside(form.low, form.high), low, high)
        return scaled(pictures.astype(np.float64), form)
    floats = pictures.dtype.kind == "f"
    small = (low >= -TOLERANCE) & (high <= 1 + TOLERANCE)
    fractions = small & (floats or form.high == 1) & (high > 0)
    if form.high == 255:
        odd = fractions & (flat != np.rint(flat)).any(axis=1)
        _refuse(odd, first, "Multiply fractions by 255: the model learnt from values of 0 to 255.", low, high)
        fractions = np.zeros_like(fractions)
    others = ~fractions & ((high > 0) | (low < -TOLERANCE))
    _refuse(others & ((low < 0) | (high > 255)), first, _outside(0, 255), low, high)
    if floats and (unsure := others & (high < UNSURE)).any():
        unsure &= (flat != np.rint(flat)).any(axis=1)
        _refuse(unsure, first, "Pass 0 to 1 or 0 to 255, or uint8: it could be either.", low, high)
    if fractions.any() and others.any():
        _refuse(fractions, first, "Other pictures beside it hold 0 to 255: bring all to one range.", low, high)
    scale = np.where(fractions, 255.0, 1.0).reshape(-1, 1, 1, 1)
    pixels: Pixels = np.rint(np.clip(pictures * scale, 0, 255)).astype(np.uint8)
    return pixels


def _outside(low: float, high: float) -> str:
    return f"The model learnt from values of {low:.6g} to {high:.6g}: bring the pictures to that range."


def _refuse(bad: NDArray[np.bool_], first: int, what: str, low: Any = None, high: Any = None) -> None:
    """Raise where a picture is bad, naming the first one and its range."""
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        holds = "" if low is None else f"holds values from {low[at]:.6g} to {high[at]:.6g}. "
        raise DataError(f"Picture {first + at + 1} of the array {holds}{what}")

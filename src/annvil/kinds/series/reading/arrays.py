"""Series from arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.found import end_to_end, without_padding
from annvil.kinds.series.reading.step_columns import ONE
from annvil.kinds.series.series import Series, Store, Values
from annvil.tasks.base import IntArray


def series_from_arrays(
    given: Any, form: SeriesForm | None = None, names: Sequence[str] | None = None, said: tuple[str, ...] = ()
) -> Series:
    """Series over copies of the given values.

    Parameters
    ----------
    given : see `flat`
    form : of series that are to be predicted; default: one of these channels and lengths
    names : of each series; default: ``"series 1"`` and so on

    Raises
    ------
    DataError
        Where a series has no steps, other channels than the rest, or infinite values.
    """
    values, lengths = flat(given, channels=None if form is None else form.n_channels)
    if form is None:
        form = SeriesForm(named_channels(values.shape[1]), int(lengths.min()), int(lengths.max()))
    names = [f"series {place + 1}" for place in range(len(lengths))] if names is None else names
    return Series(Store.of(values, end_to_end(lengths), form, names, said), np.arange(len(lengths)))


def named_channels(n: int) -> tuple[str, ...]:
    """Names for channels that have none."""
    return (ONE,) if n == 1 else tuple(f"channel {place + 1}" for place in range(n))


def renamed(series: Series, channels: Sequence[str]) -> Series:
    """The same series with other names of channels."""
    store = series.store
    form = replace(store.form, channels=tuple(channels))
    return Series(
        Store(store.values, store.starts, form, store.names, store.n_missing, store.said), np.array(series.index)
    )


def flat(
    given: Any, lengths: NDArray[Any] | None = None, where: str = "the array", *, channels: int | None = None
) -> tuple[Values, IntArray]:
    """Series one behind the other, float32 ``(steps of all, channels)``, and how many steps each has, int64 ``(n,)``.

    Parameters
    ----------
    given : ``(n, channels, time)``; ``(n, time)`` for one channel; or a list of arrays ``(channels, time)`` or
        ``(time,)`` of different lengths. NaN where a value is missing; steps without any value at the end of a series
        of an array do not count
    lengths : how many steps of each series of an array count; default: all
    channels : how many there must be

    Raises
    ------
    DataError
        Where there are none, or shapes or values cannot be.
    """
    array = _as_array(given)
    if array is not None and array.ndim in (2, 3) and array.size:
        whole = _numbers(array, where)
        whole = (whole[:, None] if whole.ndim == 2 else whole).transpose(0, 2, 1)
        _refuse_infinite(np.any(np.isinf(whole), axis=(1, 2)), where)
        if lengths is not None:
            found = np.asarray(lengths).astype(np.int64).ravel()
            if len(found) != len(whole) or not ((found >= 1) & (found <= whole.shape[1])).all():
                raise DataError(f"The lengths of {where} must be from 1 to {whole.shape[1]}, one for each series.")
            values = whole[np.arange(whole.shape[1]) < found[:, None]]
        else:
            values, found = without_padding(whole)
    else:
        if array is not None and array.size and array.dtype != object:
            raise DataError(f"{where.capitalize()} has {array.ndim} axes; series have three: (n, channels, time).")
        parts = [two_axes(one, place) for place, one in enumerate(given)]
        if not parts:
            raise DataError("There are no series: the array is empty.")
        counts = {len(one) for one in parts}
        if len(counts) > 1:
            raise DataError(f"Series have {', '.join(map(str, sorted(counts)))} channels; all need the same.")
        found = np.array([one.shape[1] for one in parts], dtype=np.int64)
        values = np.concatenate([one.T for one in parts]).astype(np.float32, copy=False)
    if channels is not None and values.shape[1] != channels:
        raise DataError(f"Series have {values.shape[1]} channels; the model needs {channels}.")
    return np.ascontiguousarray(values), found


def _as_array(given: Any) -> NDArray[Any] | None:
    """An array of any library; None of a list."""
    return None if isinstance(given, (list, tuple)) or not hasattr(given, "__array__") else np.asarray(given)


def _numbers(given: Any, where: str) -> Values:
    try:
        with np.errstate(over="ignore"):
            return np.asarray(given).astype(np.float32)
    except (TypeError, ValueError):
        raise DataError(f"The values of {where} are not numbers.") from None


def _refuse_infinite(bad: NDArray[np.bool_], where: str) -> None:
    if bad.any():
        raise DataError(
            f"Series {int(np.argmax(bad)) + 1} of {where} holds infinite values, or some beyond float32; leave them "
            "empty (NaN) if they are unknown."
        )


def two_axes(one: Any, place: int) -> Values:
    """Values of one series ``(channels, steps)``."""
    where = f"series {place + 1}"
    values = _numbers(one, where)
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{where.capitalize()} has the shape {np.shape(one)}; it must be (channels, time) or (time,).")
    if np.isinf(values).any():
        raise DataError(f"{where.capitalize()} holds infinite values, or some beyond float32.")
    return values

"""Series from arrays in memory: values that are missing are filled here, whatever the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.series import Series, Store, Values


def series_from_arrays(
    given: Any, form: SeriesForm | None = None, names: Sequence[str] | None = None, said: tuple[str, ...] = ()
) -> Series:
    """Series over copies of the given values.

    Parameters
    ----------
    given : ``(n, channels, time)``, ``(n, time)`` for one channel, or a list of arrays ``(channels, time)`` or
        ``(time,)`` of different lengths; NaN where a value is missing
    form : of series that are to be predicted; default: one of these channels and lengths
    names : of each series; default: ``"series 1"`` and so on

    Raises
    ------
    DataError
        Where a series has no steps, other channels than the rest, or infinite values.
    """
    found = [_two_axes(one, place) for place, one in enumerate(given)]
    if not found:
        raise DataError("There are no series: the array is empty.")
    counts = {len(one) for one in found}
    if len(counts) > 1 or (form is not None and counts != {form.n_channels}):
        wanted = f"the model needs {form.n_channels}" if form is not None else "all need the same"
        raise DataError(f"Series have {', '.join(map(str, sorted(counts)))} channels; {wanted}.")
    lengths = np.array([one.shape[1] for one in found], dtype=np.int64)
    if form is None:
        n = counts.pop()
        channels = ("value",) if n == 1 else tuple(f"channel {place + 1}" for place in range(n))
        form = SeriesForm(channels, int(lengths.min()), int(lengths.max()))
    names = [f"series {place + 1}" for place in range(len(found))] if names is None else names
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.concatenate([one.T for one in found]).astype(np.float32, copy=False)
    return Series(Store.of(values, starts, form, names, said), np.arange(len(found)))


def renamed(series: Series, channels: Sequence[str]) -> Series:
    """The same series with other names of channels."""
    store = series.store
    form = replace(store.form, channels=tuple(channels))
    return Series(
        Store(store.values, store.starts, form, store.names, store.n_missing, store.said), np.array(series.index)
    )


def _two_axes(one: Any, place: int) -> Values:
    """Values of one series ``(channels, steps)``."""
    where = f"series {place + 1}"
    try:
        values: NDArray[Any] = np.asarray(one, dtype=np.float32)
    except (TypeError, ValueError):
        raise DataError(f"The values of {where} are not numbers.") from None
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{where.capitalize()} has the shape {np.shape(one)}; it must be (channels, time) or (time,).")
    if np.isinf(values).any():
        raise DataError(f"{where.capitalize()} holds infinite values, or some beyond float32.")
    return values

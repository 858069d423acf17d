"""From regular series to a data set: the origins from which they are forecast, with what scores each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.kinds.forecasts.form import Covariate, ForecastForm
from annvil.kinds.forecasts.histories import Histories, Store
from annvil.kinds.forecasts.reading.regular import Regular
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.forecast import Forecast
from annvil.tasks.forecast_metrics import SCALE

MOST_ROWS = 40_000
"""Origins of a data set (assumed): neighbours share nearly all of their windows, so more teach little."""

MOST_VALUES = 1 << 24
"""Values of all windows and answers together (assumed: 134 MB, where a contender holds them at once)."""

FEWEST_ORIGINS = 8
"""Origins with fewer of which nothing can be compared (assumed)."""


def dataset_of(
    store: Store, source: Source, notes: Sequence[ColumnNote] = (), filled: NDArray[np.bool_] | None = None
) -> Dataset[Histories]:
    """All origins of these series (`origins`), with their answers and all that scores them.

    ``filled`` are values that were missing: they rest on the next measured one. So no origin lies at one of them, and
    an answer that ends at one is known only when that is.
    """
    form = store.form
    if filled is None:
        filled = np.zeros(len(store.values), dtype=bool)
    inputs = origins(store, filled)
    moments = inputs.moments.astype(np.float64)
    steps = np.arange(len(filled))
    measured = np.minimum.accumulate(np.where(filled, len(filled), steps)[::-1])[::-1]
    ends = store.starts[inputs.series] + inputs.origin + form.horizon - 1
    return Dataset(
        inputs=inputs,
        y=inputs.answers(),
        task=Forecast(form.target, horizon=form.horizon),
        groups=np.unique(inputs.moments // form.horizon, return_inverse=True)[1].astype(np.int64),
        time=moments,
        known_at=moments + form.horizon + (measured - steps)[ends],
        context={SCALE: inputs.scales()},
        notes=tuple(notes),
        source=source,
    )


def origins(store: Store, filled: NDArray[np.bool_]) -> Histories:
    """Every measured origin with enough history before it and all of its horizon known after it; of very many, moments
    at equal distances that meet every phase of the season, the last ones among them."""
    form = store.form
    known = known_lengths(store)
    first = np.minimum(_fewest_steps(form.season, form.horizon), np.maximum(known - form.horizon - FEWEST_ORIGINS, 1))
    counts = np.maximum(known - form.horizon - first + 1, 0)
    most = min(MOST_ROWS, MOST_VALUES // (form.window + form.horizon))
    stride = max(1, -(-int(counts.sum()) // most))
    while stride > 1 and gcd(stride, form.season) > 1 and form.season > 1:
        stride += 1
    series = np.repeat(np.arange(len(known)), counts)
    origin = np.concatenate([np.arange(n) + f for n, f in zip(counts.tolist(), first.tolist(), strict=True)])
    moment = store.first[series] + origin - 1
    kept = ((int(moment.max(initial=0)) - moment) % stride == 0) & ~filled[store.starts[series] + origin - 1]
    return Histories(store, series[kept].astype(np.int64), origin[kept].astype(np.int64))


def known_lengths(store: Store) -> IntArray:
    """Steps of each series up to its last known value."""
    return np.array([len(part) for part in parts_of(store.values, store.starts)], dtype=np.int64)


def store_of(regular: Regular, form: ForecastForm, said: tuple[str, ...] = ()) -> Store:
    """Regular series as a store of that form."""
    n = int(regular.starts[-1])

    def together(group: Sequence[Covariate]) -> FloatArray:
        parts = [regular.covariates[one.name] for one in group]
        return np.concatenate(parts, axis=1) if parts else np.empty((n, 0))

    return Store(
        values=regular.values,
        starts=regular.starts,
        first=regular.first,
        names=regular.names,
        known=together(form.known),
        past=together(form.past),
        statics=together(form.statics)[regular.starts[:-1]],
        form=form,
        said=said,
    )


def parts_of(values: FloatArray, starts: IntArray) -> list[FloatArray]:
    """Of each series what is known of it."""
    parts = [values[begin:end] for begin, end in pairwise(starts.tolist())]
    return [part[: int(np.isfinite(part).sum())] for part in parts]


def _fewest_steps(season: int, horizon: int) -> int:
    """Known values before the first origin: two seasons, and some where there is none."""
    return max(2 * season, 8)

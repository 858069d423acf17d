"""Series as the rooms above see them where they are forecast: a row is an origin, up to which a series is known.

All rows share one `Store` of regular series; `Histories` are two whole numbers a row, so that folds, subsets and
batches cost nothing but their numbers. What lies behind the origin of a row is never shown to a model, but for columns
that are known ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.form import Arrays
from annvil.data.gaps import without_gaps
from annvil.kinds.forecasts.form import HARMONICS, ForecastForm
from annvil.tasks.base import FloatArray, IntArray

BLOCK_VALUES = 1 << 22
"""Values of windows made at once where rows are gone through (assumed: 32 MB)."""

LEAST = 1e-9
"""The smallest swing of a history, in parts of its largest value: what is constant has no scale of its own."""


@dataclass(frozen=True, eq=False)
class Store:
    """Values of all series, one behind the other, and what is known of each.

    Attributes
    ----------
    values : float64 ``(steps of all series,)``; NaN only behind the last known value
    starts : int64 ``(n_series + 1,)``: series ``i`` has the steps from ``starts[i]`` on, up to ``starts[i + 1]``
    first : int64 ``(n_series,)``: the moment of its first step, by the frequency of the form
    names : of each series
    known, past : float64 ``(steps of all series, …)``, finite
    statics : float64 ``(n_series, …)``, finite
    form : of the series
    said : sentences on what was made of the source
    """

    values: FloatArray
    starts: IntArray
    first: IntArray
    names: Sequence[str]
    known: FloatArray
    past: FloatArray
    statics: FloatArray
    form: ForecastForm
    said: tuple[str, ...] = ()

    @property
    def lengths(self) -> IntArray:
        """Steps of each series."""
        return np.diff(self.starts)

    @cached_property
    def swung(self) -> FloatArray:
        """Sum of the distances to the last season, of the steps before each step ``(steps of all series + 1,)``."""
        season = self.form.season
        off = np.zeros(len(self.values) + 1)
        away = np.abs(self.values[season:] - self.values[:-season])
        place = np.arange(len(away)) + season
        begins = np.repeat(self.starts[:-1], self.lengths)[place] if len(away) else place
        off[place + 1] = np.where((place - begins >= season) & np.isfinite(away), away, 0.0)
        return np.cumsum(off)

    @cached_property
    def digest(self) -> bytes:
        """What tells stores apart."""
        key = blake2b(repr((self.form.columns, self.form.horizon, self.form.window)).encode(), digest_size=20)
        for part in (self.values, self.starts, self.first, self.known, self.past, self.statics):
            key.update(np.ascontiguousarray(part).data)
        return key.digest()


@dataclass(frozen=True)
class Histories:
    """Origins in series of one form: the inputs of a data set.

    Attributes
    ----------
    series : int64 ``(n_rows,)``: which series
    origin : int64 ``(n_rows,)``: steps of that series that are known, at least 1
    """

    store: Store
    series: IntArray
    origin: IntArray

    @property
    def n_rows(self) -> int:
        """Number of origins."""
        return len(self.series)

    @property
    def form(self) -> ForecastForm:
        """What a model asks."""
        return self.store.form

    def take(self, rows: IntArray | slice) -> Histories:
        """The rows asked for, in the order asked for; no value is copied."""
        return replace(self, series=self.series[rows], origin=self.origin[rows])

    def windows(self, length: int | None = None) -> FloatArray:
        """The last ``length`` values (default: the form's) before the origin, float64 ``(n_rows, length)``.

        Where a history is shorter, its first season is repeated before it; one shorter than a season, its first value.
        """
        return self.store.values[self._places(length or self.form.window)]

    def _places(self, length: int, ahead: int = 0) -> IntArray:
        at = self.origin[:, None] - length + np.arange(length + ahead)
        if len(at) and at.min() < 0:
            season = self.form.season
            whole = np.where(self.origin[:, None] >= season, at % season, 0)
            at = np.where(at < 0, whole, at)
        return np.asarray(self.store.starts[self.series][:, None] + at)

    def answers(self) -> FloatArray:
        """The values behind the origins ``(n_rows, horizon)``; NaN where they are not known."""
        at = self.origin[:, None] + np.arange(self.form.horizon)
        inside = at < self.store.lengths[self.series][:, None]
        places = self.store.starts[self.series][:, None] + np.where(inside, at, 0)
        return np.where(inside, self.store.values[places], np.nan)

    def known(self) -> FloatArray:
        """Columns known ahead, of the window and the steps after it ``(n_rows, window + horizon, …)``."""
        return self.store.known[self._places(self.form.window, self.form.horizon)]

    def past(self) -> FloatArray:
        """Columns known up to the origin, of the window ``(n_rows, window, …)``."""
        return self.store.past[self._places(self.form.window)]

    @property
    def moments(self) -> IntArray:
        """The last known moment of each row, in steps of the frequency."""
        return self.store.first[self.series] + self.origin - 1

    def phases(self) -> FloatArray:
        """Where the origin lies in the long periods: sines and cosines ``(n_rows, n_phases)``."""
        if not self.form.periods:
            return np.empty((self.n_rows, 0))
        angles = 2 * np.pi * self.moments[:, None] / np.asarray(self.form.periods)
        waves = (np.arange(HARMONICS) + 1)[None, :, None] * angles[:, None, :]
        both = np.stack([np.sin(waves), np.cos(waves)], axis=1)
        return np.asarray(both.reshape(self.n_rows, -1))

    def scales(self) -> FloatArray:
        """Mean distance to the last season over all that is known at the origin ``(n_rows,)``, positive: what errors
        are divided by (`annvil.tasks.forecast_metrics`). Series that never change have the scale of their value, or 1.
        """
        begin = self.store.starts[self.series]
        n = np.maximum(self.origin - self.form.season, 1)
        mean = (self.store.swung[begin + self.origin] - self.store.swung[begin]) / n
        last = np.abs(self.store.values[begin + self.origin - 1])
        return np.where(mean > LEAST * last, mean, np.where(last > 0, last, 1.0))

    def blocks(self, length: int | None = None) -> Iterator[tuple[slice, Histories]]:
        """All rows in order, as many at a time as fit into `BLOCK_VALUES` with windows of that length."""
        step = max(1, BLOCK_VALUES // max(1, length or self.form.window))
        for start in range(0, self.n_rows, step):
            rows = slice(start, min(start + step, self.n_rows))
            yield rows, self.take(rows)

    def names(self) -> list[str]:
        """Which series each row is of."""
        return [self.store.names[one] for one in self.series.tolist()]

    @property
    def n_values(self) -> int:
        """Numbers that a model is given for one row."""
        return self.form.n_values

    @property
    def n_texts(self) -> int:
        """None: covariates of texts are numbers by now."""
        return 0

    @property
    def n_levels(self) -> int:
        """None, as `n_texts`."""
        return 0

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What a saved graph takes for these rows."""
        made: dict[str, Callable[[], FloatArray]] = {
            "history": self.windows,
            "phase": self.phases,
            "known": self.known,
            "past": self.past,
            "statics": lambda: self.store.statics[self.series],
        }
        return {spec.name: made[spec.name]() for spec in self.form.graph_inputs()}

    def raw_row(self, row: int) -> dict[str, Any]:
        """One origin as a user would hand it to a saved model."""
        form, store = self.form, self.store
        length = int(min(self.origin[row], form.window))
        begin = int(store.starts[self.series[row]] + self.origin[row]) - length
        moment = self.moments[row : row + 1] - length + 1
        written = form.frequency.written(moment)[0]
        found: dict[str, Any] = {
            "history": store.values[begin : begin + length].tolist(),
            "start": written if form.frequency.is_dated else float(written),
        }
        for group, values, ahead in ((form.known, store.known, form.horizon), (form.past, store.past, 0)):
            at = 0
            for one in group:
                found[one.name] = _cells(one.levels, values[begin : begin + length + ahead, at : at + one.width])
                at += one.width
        at = 0
        for one in form.statics:
            cell = store.statics[self.series[row] : self.series[row] + 1, at : at + one.width]
            found[one.name] = _cells(one.levels, cell)[0]
            at += one.width
        return found

    def with_holes(self, share: float, random: np.random.Generator) -> Histories:
        """A copy with about that share of the values missing, filled as in reading, by the line between neighbours."""
        values = self.store.values.copy()
        for begin, end in zip(self.store.starts[:-1], self.store.starts[1:], strict=True):
            part = values[begin:end]
            part[random.random(len(part)) < share] = np.nan
            values[begin:end] = without_gaps(part)[0]
        return replace(self, store=replace(self.store, values=values))

    def digest(self) -> str:
        """Hexadecimal digits that change with any value, the form, or the order of rows."""
        key = blake2b(self.store.digest, digest_size=20)
        key.update(np.ascontiguousarray(self.series).data)
        key.update(np.ascontiguousarray(self.origin).data)
        return key.hexdigest()

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything as arrays by name, and names as JSON-able values."""
        store = self.store
        arrays: Arrays = {"series": self.series, "origin": self.origin}
        arrays |= {name: np.ascontiguousarray(getattr(store, name)) for name in _ARRAYS}
        names = [name.encode("utf-8", "replace").decode() for name in store.names]
        return arrays, {"names": names, "said": store.said}

    @classmethod
    def from_arrays(cls, form: ForecastForm, arrays: Arrays, described: dict[str, Any]) -> Histories:
        """What `to_arrays` gave."""
        parts = {name: arrays[name] for name in _ARRAYS}
        store = Store(**parts, names=described["names"], form=form, said=tuple(described["said"]))
        return cls(store, arrays["series"], arrays["origin"])


_ARRAYS = ("values", "starts", "first", "known", "past", "statics")


def _cells(levels: Sequence[str], values: FloatArray) -> list[Any]:
    """Covariates as they were written: numbers, or the level whose number is 1."""
    if not levels:
        return list(values[:, 0].tolist())
    return [levels[int(row.argmax())] if row.any() else None for row in values]

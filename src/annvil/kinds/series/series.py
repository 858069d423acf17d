"""Series as the rooms above see them: float32 values in the order of time, of one or more channels, of any length.

All rows of a data set share one `Store`; `Series` is a list of row numbers into it, so that folds, subsets and batches
cost nothing but their numbers. Values that are missing inside a series lie on the straight line between their
neighbours, and at its ends as the nearest; a channel that has none at all is NaN, which every model takes for the mean
of the channel. What was filled is remembered (`Store.n_missing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from annvil.data.form import Arrays
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.gaps import series_without_gaps
from annvil.tasks.base import IntArray

Values = NDArray[np.float32]

BLOCK_VALUES = 1 << 21
"""Values looked at together where series are gone through one after another (assumed: small beside any memory)."""


@dataclass(frozen=True, eq=False)
class Store:
    """Values of all series, one behind the other, and what is known of each.

    Attributes
    ----------
    values : float32 ``(steps of all series, channels)``, finite but for channels of a series without any value
    starts : int64 ``(n + 1,)``: series ``i`` has the steps from ``starts[i]`` on, up to ``starts[i + 1]``
    form : channels, lengths and layout
    names : of each series
    n_missing : values of each series that were missing, int64 ``(n,)``
    said : sentences on what was made of the source
    recordings : of each series, which recording it is cut from, where that was looked for
      (`annvil.kinds.series.reading.overlaps`), int64 ``(n,)``
    """

    values: Values
    starts: IntArray
    form: SeriesForm
    names: Sequence[str]
    n_missing: IntArray
    said: tuple[str, ...] = ()
    recordings: IntArray | None = None

    @classmethod
    def of(
        cls, values: Values, starts: IntArray, form: SeriesForm, names: Sequence[str], said: tuple[str, ...] = ()
    ) -> Store:
        """A store of values of which some may be missing (NaN): they are filled here, whatever the source."""
        filled, n_missing = series_without_gaps(values, starts)
        return cls(filled, starts, form, names, n_missing, said)

    @cached_property
    def digests(self) -> list[bytes]:
        """What tells series apart."""
        values = np.ascontiguousarray(self.values)
        bounds = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        return [blake2b(values[start:stop].data, digest_size=16).digest() for start, stop in bounds]


@dataclass(frozen=True)
class Series:
    """Series of one form: the inputs of a data set.

    >>> from annvil.kinds.series.reading.arrays import series_from_arrays
    >>> series = series_from_arrays([np.zeros((2, 5)), np.ones((2, 7))])
    >>> series.form.describe(), series.lengths.tolist(), series.padded()[0].shape
    ('2 channels × 5 to 7 steps', [5, 7], (2, 2, 7))
    """

    store: Store
    index: IntArray

    @property
    def n_rows(self) -> int:
        """Number of series."""
        return len(self.index)

    @property
    def form(self) -> SeriesForm:
        """Channels, lengths and layout."""
        return self.store.form

    @property
    def lengths(self) -> IntArray:
        """Steps of each series, int64 ``(n_rows,)``."""
        return self.store.starts[self.index + 1] - self.store.starts[self.index]

    def take(self, rows: IntArray | slice) -> Series:
        """The rows asked for, in the order asked for; no value is copied."""
        return replace(self, index=self.index[rows])

    def one(self, row: int) -> Values:
        """Values of one series ``(channels, steps)``."""
        start, stop = self.store.starts[self.index[row] : self.index[row] + 2]
        return self.store.values[start:stop].T

    def padded(self, longest: int | None = None) -> tuple[Values, IntArray]:
        """Values ``(n_rows, channels, longest)``, zeros behind the end of each series, and lengths ``(n_rows,)``.

        ``longest`` is that of these rows unless given; then it must not be less.
        """
        lengths = self.lengths
        longest = int(lengths.max(initial=1)) if longest is None else longest
        shape = (self.n_rows, longest, self.form.n_channels)
        if self.n_rows and (lengths == longest).all():
            places = self.store.starts[self.index, None] + np.arange(longest)
            return np.ascontiguousarray(self.store.values[places].transpose(0, 2, 1)), lengths
        values = np.zeros(shape, dtype=np.float32)
        inside = np.arange(longest) < lengths[:, None]
        begins = np.repeat(self.store.starts[self.index] - np.cumsum(lengths) + lengths, lengths)
        values[inside] = self.store.values[begins + np.arange(len(begins))]
        return np.ascontiguousarray(values.transpose(0, 2, 1)), lengths

    def blocks(self, n_values: int = BLOCK_VALUES) -> Iterator[tuple[slice, Series]]:
        """All series in order, a block at a time: its rows, and the series themselves."""
        step = max(1, n_values // max(1, self.form.n_channels * int(self.lengths.max(initial=1))))
        for start in range(0, self.n_rows, step):
            rows = slice(start, min(start + step, self.n_rows))
            yield rows, self.take(rows)

    def names(self) -> list[str]:
        """What each series is called."""
        return [self.store.names[row] for row in self.index.tolist()]

    @property
    def n_values(self) -> int:
        """Values of the longest series: channels × steps."""
        return self.form.n_values

    @property
    def n_texts(self) -> int:
        """Series hold no texts."""
        return 0

    @property
    def n_levels(self) -> int:
        """Series hold no texts."""
        return 0

    def raw_row(self, row: int) -> dict[str, list[float]]:
        """One series as a user would hand it to a saved model: a list of values for every channel."""
        return {name: values.tolist() for name, values in zip(self.form.channels, self.one(row), strict=True)}

    def with_holes(self, share: float, random: np.random.Generator) -> Series:
        """A copy with about that share of its values missing, filled as in reading; channels may lose all of theirs."""
        parts = [self.one(row).T.copy() for row in range(self.n_rows)]
        for values in parts:
            values[random.random(values.shape) < share] = np.nan
            values[:, random.random(values.shape[1]) < share / 4] = np.nan
        starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        store = Store.of(np.concatenate(parts or [self.store.values[:0]]), starts, self.form, self.names())
        return Series(store, np.arange(self.n_rows))

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What a saved graph takes for these rows: ``values`` float32 ``(n_rows, channels, time)`` and ``lengths``."""
        values, lengths = self.padded()
        return {"values": values, "lengths": lengths}

    def digest(self) -> str:
        """Hexadecimal digits that change with any value, the channels, or the order of rows."""
        key = blake2b(repr(self.form.channels).encode(), digest_size=20)
        for row in self.index.tolist():
            key.update(self.store.digests[row])
        return key.hexdigest()

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """These series as arrays by name, and what describes them beside the form as JSON-able values."""
        lengths = self.lengths
        parts = [self.one(row).T for row in range(self.n_rows)]
        arrays: Arrays = {
            "values": np.concatenate(parts) if parts else self.store.values[:0],
            "lengths": lengths,
            "n_missing": self.store.n_missing[self.index],
        }
        names = [name.encode("utf-8", "replace").decode() for name in self.names()]
        return arrays, {"names": names, "said": self.store.said}

    @classmethod
    def from_arrays(cls, form: SeriesForm, arrays: Arrays, described: dict[str, Any]) -> Series:
        """Series of that form from what `to_arrays` gave."""
        starts = np.concatenate([[0], np.cumsum(arrays["lengths"])]).astype(np.int64)
        said = tuple(described["said"])
        store = Store(arrays["values"], starts, form, described["names"], arrays["n_missing"], said)
        return cls(store, np.arange(len(starts) - 1))


def form_with_ranges(series: Series) -> SeriesForm:
    """The form of these series with the smallest and largest value of each of their channels."""
    low = np.full(series.form.n_channels, np.inf)
    high = -low
    for row in range(series.n_rows):
        one = series.one(row)
        low = np.fmin(low, one.min(axis=1))
        high = np.fmax(high, one.max(axis=1))
    if not np.isfinite(high - low).all():
        return series.form
    return changed(series.form, low=tuple(low.tolist()), high=tuple(high.tolist()))

"""Windows cut from one recording: the end of one is the beginning of another.

Where a recording is cut into windows that overlap, as is usual with sensors, a model tested on a window has seen half
of it in training. Nothing in the file says so, but the values do. The beginning of every series is looked for inside
all others by a rolling hash; what is found is compared value by value up to the end of the shorter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annvil.data.groups import number_groups
from annvil.kinds.series.series import Series, Store, Values
from annvil.tasks.base import IntArray

STEPS = 16
"""Steps that two series must have in common (assumed); `FEWER` where half of the series have fewer than four times as
many."""

FEWER = 8
BLOCK_STEPS = 1 << 20

_ODD = np.uint64(0x9E3779B97F4A7C15)
_BASE = np.uint64(0x100000001B3)


def recordings(series: Series) -> IntArray:
    """Equal numbers for series that overlap, directly or through others, int64 ``(n_rows,)``; those that the store
    knows already, if it does."""
    if series.store.recordings is not None:
        return number_groups(series.store.recordings[series.index])
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = series.n_rows
    one, other = _links(series)
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(n, n))
    return number_groups(connected_components(links, directed=False)[1])


def _links(series: Series) -> tuple[list[int], list[int]]:
    """Pairs of rows of which one begins inside the other."""
    store, lengths = series.store, series.lengths
    k = STEPS if np.median(lengths) >= 4 * STEPS else FEWER
    rows = np.flatnonzero(lengths >= 2 * k)
    if len(rows) < 2:
        return [], []
    begins = store.starts[series.index[rows]]
    keys = _keys(store.values[(begins[:, None] + np.arange(k)).ravel()])
    heads = _windows(keys, k)[::k]
    distinct = 1 + np.count_nonzero(np.diff(np.sort(keys.reshape(-1, k), axis=1), axis=1), axis=1)
    moving = 2 * distinct > k  # what stands still is alike everywhere
    rows, begins, heads = rows[moving], begins[moving], heads[moving]
    known, first = np.unique(heads, return_index=True)
    ones: list[int] = []
    others: list[int] = []
    for block in _blocks(lengths):
        for row, at, begin in _met(series, block, known, k):
            head = int(rows[first[at]])
            if head != row and _same(store, int(begin), int(series.index[row]), int(series.index[head])):
                ones.append(row)
                others.append(head)
    return ones, others


def _blocks(lengths: IntArray) -> list[NDArray[np.int64]]:
    """Rows together of about `BLOCK_STEPS`."""
    parts = np.cumsum(lengths) // BLOCK_STEPS
    return [np.flatnonzero(parts == part) for part in np.unique(parts)]


def _met(series: Series, block: IntArray, known: NDArray[np.uint64], k: int) -> list[tuple[int, int, int]]:
    """Rows of a block in which a beginning is met: which of those known, and at which step of the store."""
    some = series.take(block)
    lengths = some.lengths
    offsets = np.repeat(some.store.starts[some.index] - np.cumsum(lengths) + lengths, lengths)
    steps = offsets + np.arange(len(offsets))
    if len(steps) < k:
        return []
    windows = _windows(_keys(some.store.values[steps]), k)
    at = np.searchsorted(known, windows).clip(max=max(0, len(known) - 1))
    of_row = np.repeat(np.arange(len(block)), lengths)
    hit = (
        (known[at] == windows) & (of_row[: len(windows)] == of_row[k - 1 :]) if len(known) else np.zeros(0, dtype=bool)
    )
    places = np.flatnonzero(hit)
    return list(zip(block[of_row[places]].tolist(), at[places].tolist(), steps[places].tolist(), strict=True))


def _same(store: Store, begin: int, row: int, head: int) -> bool:
    """Whether series ``head`` of the store is what ``row`` holds from step ``begin`` on, as far as both go."""
    start, stop = store.starts[head : head + 2].tolist()
    n = min(int(store.starts[row + 1]) - begin, stop - start)
    return np.array_equal(store.values[begin : begin + n], store.values[start : start + n], equal_nan=True)


def _keys(values: Values) -> NDArray[np.uint64]:
    """A number for every step ``(steps, channels)`` that hardly two different ones share."""
    keys = np.zeros(len(values), dtype=np.uint64)
    for channel in values.T:
        bits = np.where(np.isnan(channel), np.float32(np.nan), channel + np.float32(0)).view(np.uint32)
        keys = (keys ^ bits.astype(np.uint64)) * _ODD
        keys ^= keys >> np.uint64(29)
    return keys


def _windows(keys: NDArray[np.uint64], k: int) -> NDArray[np.uint64]:
    """The same for every ``k`` steps in a row."""
    made = np.zeros(len(keys) - k + 1, dtype=np.uint64)
    for step in range(k):
        made = made * _BASE + keys[step : len(keys) - k + 1 + step]
    return made

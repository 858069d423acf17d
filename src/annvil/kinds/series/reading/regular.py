"""Steps of series on one regular grid: duplicates, gaps and uneven sampling dealt with, and told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.errors import DataError
from annvil.kinds.series.reading.moments import Moments, by_calendar
from annvil.kinds.series.series import Values
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

NEAR = 0.05
"""Parts of the distance of two steps by which a moment may be off the grid and still is on it (assumed: what clocks
and rounding do)."""

MADE_UP = 0.5
"""A series of which more than this part would be interpolated is refused (assumed)."""

REPEATED = 0.05
"""Up to this part of the steps of a series may lie at one moment with other values: their mean is taken (assumed)."""


@dataclass(frozen=True)
class Regular:
    """Series whose steps are equally far apart: ``values`` and ``lengths`` as of `annvil.kinds.series.series.Store`;
    ``every`` is the distance, None where no series has two steps."""

    values: Values
    lengths: IntArray
    every: float | None
    said: tuple[str, ...]


def regular(values: Values, codes: IntArray, moments: Moments, names: list[str], rows: IntArray, where: str) -> Regular:
    """Series from rows in any order of time.

    Parameters
    ----------
    values : ``(n_rows, channels)``, series after series
    codes : the series of each row, ascending
    rows : the number of each row in the source, for messages

    Raises
    ------
    DataError
        Where moments of a series repeat with other values, or too little of it would be measured.
    """
    said: list[str] = []
    times = by_calendar(moments, codes)
    within = codes[1:] == codes[:-1]
    back = within & (times[1:] < times[:-1])
    if back.any():
        order = np.lexsort((times, codes))
        values, times, rows = values[order], times[order], rows[order]
        n = len(np.unique(codes[1:][back]))
        said.append(f"The rows of {plain_count(n, 'series', 'series')} are not in the order of time: they are sorted.")
    else:
        order = np.arange(len(times))
    values, codes, times, kept, told = _once(values, codes, times, order, moments, names, rows, where, bool(back.any()))
    said += told
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(names)))]).astype(np.int64)
    apart = np.diff(times)[codes[1:] == codes[:-1]]
    if not len(apart):
        return Regular(values, np.diff(starts), None, tuple(said))
    every = float(np.median(apart))
    if np.abs(apart - every).max() <= NEAR * every:
        return Regular(values, np.diff(starts), every, tuple(said))
    parts: list[Values] = []
    lacking = uneven = 0
    for row, name in enumerate(names):
        start, stop = starts[row : row + 2]
        part, on_grid = _on_grid(values[start:stop], (times[start:stop] - times[start]) / every)
        if len(part) - (stop - start) > MADE_UP * len(part) and len(part) > 2:
            wide = start + int(np.argmax(np.diff(times[start:stop])))
            raise DataError(
                f"{where}: series {short_name(name)!r} has {stop - start:,} steps where {len(part):,} would lie at the "
                f"usual distance, and none between {moments.text(int(kept[wide]))} and "
                f"{moments.text(int(kept[wide + 1]))} of {moments.name!r}; cut it there, or bring all series to one "
                "distance."
            )
        lacking += len(part) - int(stop - start) if on_grid else 0
        uneven += not on_grid
        parts.append(part)
    if lacking:
        said.append(f"{plain_count(lacking, 'moment')} without a row: values there are interpolated.")
    if uneven:
        said.append(
            f"The steps of {plain_count(uneven, 'series', 'series')} are not equally far apart: they are resampled by "
            f"linear interpolation, one every {every:.6g}{' seconds' * moments.dated}."
        )
    return Regular(np.concatenate(parts), np.array([*map(len, parts)], dtype=np.int64), every, tuple(said))


def _once(
    values: Values,
    codes: IntArray,
    times: FloatArray,
    order: IntArray,
    moments: Moments,
    names: list[str],
    rows: IntArray,
    where: str,
    back: bool,
) -> tuple[Values, IntArray, FloatArray, IntArray, list[str]]:
    """Every moment of a series once; the last array is where in ``moments`` each row stands."""
    again = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    if not again.any():
        return values, codes, times, order, []
    other = again & ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))).all(axis=1)
    share = np.bincount(codes[1:][other], minlength=len(names)) / np.bincount(codes, minlength=len(names)).clip(1)
    if (share > REPEATED).any():
        bad = int(np.argmax(share > REPEATED))
        at = int(np.flatnonzero(other & (codes[1:] == bad))[0])
        going = "time goes backwards, and " if back else ""
        raise DataError(
            f"{where}: in series {short_name(names[bad])!r} {going}{moments.text(int(order[at]))} of {moments.name!r} "
            f"comes twice with different values (rows {rows[at] + 1} and {rows[at + 1] + 1}), as do "
            f"{int((other & (codes[1:] == bad)).sum()) - 1:,} more; give each recording a name of its own."
        )
    first = np.concatenate([[True], ~again])
    begins = np.flatnonzero(first)
    there = ~np.isnan(values)
    sums = np.add.reduceat(np.where(there, values, 0).astype(np.float64), begins, axis=0)
    counts = np.add.reduceat(there.astype(np.int64), begins, axis=0)
    means = np.where(counts, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
    said = f"{plain_count(int(again.sum()), 'row repeats', 'rows repeat')} the moment of another of the same series: "
    said += "the mean is taken where values differ." if other.any() else "the copies are left out."
    return means, codes[first], times[first], order[first], [said]


def _on_grid(values: Values, places: FloatArray) -> tuple[Values, bool]:
    """The series at 0, 1, … from its values at these places, and whether all of them lie on the grid: then places
    without a value are NaN, otherwise everything lies on the lines between what was measured."""
    nearest = np.rint(places).astype(np.int64)
    n = int(nearest[-1]) + 1
    if (np.abs(places - nearest) <= NEAR).all() and (np.diff(nearest) > 0).all():
        if n > 4 * len(values):
            return np.broadcast_to(np.float32(np.nan), (n, values.shape[1])), True  # refused: nothing is made
        grid = np.full((n, values.shape[1]), np.nan, dtype=np.float32)
        grid[nearest] = values
        return grid, True
    if n > 4 * len(values):
        return np.broadcast_to(np.float32(np.nan), (n, values.shape[1])), False
    grid = np.full((n, values.shape[1]), np.nan, dtype=np.float32)
    for channel, column in zip(grid.T, values.T, strict=True):
        there = ~np.isnan(column)
        if there.any():
            channel[:] = np.interp(np.arange(n), places[there], column[there])
    return grid, False

"""Rows with stamps → regular series: one value a step, gaps filled, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annvil.data.frequency import DAY, Frequency, find_frequency
from annvil.data.gaps import without_gaps
from annvil.errors import DataError
from annvil.kinds.forecasts.reading.long_table import Long
from annvil.tasks.base import FloatArray, IntArray

MOST_FILLED = 0.5
"""Share of a series that may be missing and filled (assumed): with more it is the filling that would be learnt."""


@dataclass(frozen=True)
class Regular:
    """Series on the grid of their frequency, one behind the other.

    Attributes
    ----------
    values : float64, NaN behind the last known value of a series
    filled : bool, the values that were missing before the last known one of their series
    covariates : by name ``(steps, width)``, finite
    first, starts, names : as `annvil.kinds.forecasts.histories.Store` has them
    """

    values: FloatArray
    filled: NDArray[np.bool_]
    covariates: Mapping[str, FloatArray]
    starts: IntArray
    first: IntArray
    names: tuple[str, ...]
    frequency: Frequency
    said: tuple[str, ...]


def make_regular(
    long: Long,
    target: FloatArray,
    covariates: Mapping[str, FloatArray],
    where: str,
    *,
    asked: str | None = None,
    frequency: Frequency | None = None,
) -> Regular:
    """Series on one grid.

    Parameters
    ----------
    target, covariates : of the rows of ``long``; NaN where missing
    asked : the frequency as the user names it; default: found out
    frequency : of a model that is to predict; then it is not found out

    Raises
    ------
    DataError
        Where time goes back or stands still, or nothing repeats in it: with file, series and stamp.
    """
    zones = long.said
    long, order, turned = _in_order(long, where)
    long, kept, merged = _without_autumn_hour(long, where)
    order = order[kept]
    said = (*zones, *turned, *merged)
    starts = np.searchsorted(long.series, np.arange(len(long.names) + 1))
    if frequency is None:
        frequency = find_frequency(long.stamps, starts, dated=long.dated, asked=asked)
    if frequency is None:
        raise DataError(_no_frequency(long, starts, where))
    steps = frequency.positions(long.stamps)
    on_grid = frequency.lie_on_it(long.stamps)
    return _laid_out(
        long, steps, on_grid, target[order], {k: v[order] for k, v in covariates.items()}, frequency, said, where
    )


def shown_stamp(stamp: float, dated: bool) -> str:
    """A stamp in a message."""
    if not dated:
        return f"{stamp:.15g}"
    text = str(np.datetime64(int(stamp), "s")).replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _in_order(long: Long, where: str) -> tuple[Long, IntArray, tuple[str, ...]]:
    """Rows by series and time, and where they stood in the table."""
    order = np.argsort(long.series, kind="stable")
    series, stamps = long.series[order], long.stamps[order]
    same = series[1:] == series[:-1]
    distances = np.diff(stamps)
    said: tuple[str, ...] = ()
    if same.any() and (distances[same] < 0).all():
        order = np.lexsort((long.stamps, long.series))
        series, stamps = long.series[order], long.stamps[order]
        distances = np.diff(stamps)
        said = ("the newest rows came first; they were turned round",)
    back = np.flatnonzero(same & (distances < 0))
    if len(back):
        at = int(back[0]) + 1
        raise DataError(
            f"Time goes back in {where}{_named(long, int(series[at]))}: {shown_stamp(stamps[at], long.dated)} (row "
            f"{order[at] + 1}) comes after {shown_stamp(stamps[at - 1], long.dated)}. Sort the rows by time, or name "
            "the columns that tell series apart (--series)."
        )
    return Long(series, long.names, stamps, long.dated), order, said


def _named(long: Long, code: int) -> str:
    return f", series {long.names[code]!r}" if len(long.names) > 1 else ""


def _without_autumn_hour(long: Long, where: str) -> tuple[Long, IntArray, tuple[str, ...]]:
    """Without stamps that repeat because clocks were set back: between one and four at night on a Sunday, October or
    November (or April, in the south), no more than four a day. Any other repetition is refused."""
    twice = np.flatnonzero((np.diff(long.stamps) == 0) & (np.diff(long.series) == 0)) + 1
    everything = np.arange(len(long.stamps))
    if not len(twice):
        return long, everything, ()
    stamps = long.stamps[twice]
    days = np.floor(stamps / DAY).astype(np.int64)
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    at_night = (stamps % DAY >= 3600) & (stamps % DAY < 4 * 3600) & ((days + 3) % 7 == 6)
    is_autumn = at_night & np.isin(month, (4, 10, 11)) if long.dated else np.zeros(len(twice), dtype=bool)
    if not is_autumn.all():
        at = int(twice[~is_autumn][0])
        raise DataError(
            f"{where}{_named(long, int(long.series[at]))} has more than one row for "
            f"{shown_stamp(long.stamps[at], long.dated)}. Leave one of them out, or name the columns that tell series "
            "apart (--series)."
        )
    kept = np.setdiff1d(everything, twice)
    n = len(twice)
    said = f"{n} step{'s' * (n > 1)} that came twice because clocks were set back: the first of each was kept"
    return Long(long.series[kept], long.names, long.stamps[kept], long.dated), kept, (said,)


def _no_frequency(long: Long, starts: IntArray, where: str) -> str:
    distances = np.diff(long.stamps)
    inside = np.ones(len(distances), dtype=bool)
    inside[starts[1:-1] - 1] = False
    if not inside.any():
        right = "; are the columns of --series right?" if len(long.names) > 1 else "."
        return f"{where} has no series of two steps, so nothing can be forecast{right}"
    sizes, counts = np.unique(distances[inside], return_counts=True)
    usual = float(sizes[counts.argmax()])
    at = int(np.flatnonzero(inside & (distances != usual))[0]) + 1
    step = (
        f"{usual:g}"
        if not long.dated
        else f"{usual / DAY:g} day{'s' * (usual != DAY)}"
        if usual >= DAY
        else f"{usual:g} s"
    )
    here, before = (shown_stamp(long.stamps[k], long.dated) for k in (at, at - 1))
    return (
        f"The steps of {where}{_named(long, int(long.series[at]))} have no frequency: most often they are {step} "
        f"apart, but {here} comes after {before}. Say the frequency (--frequency 1h), or give a table with one row "
        "a step."
    )


def _laid_out(
    long: Long,
    steps: IntArray,
    on_grid: NDArray[np.bool_],
    target: FloatArray,
    covariates: Mapping[str, FloatArray],
    frequency: Frequency,
    said: tuple[str, ...],
    where: str,
) -> Regular:
    if not on_grid.all():
        at = int(np.flatnonzero(~on_grid)[0])
        n = int((~on_grid).sum())
        such = f"such as {shown_stamp(long.stamps[at], long.dated)}, moved to the nearest step"
        said += (f"{n} stamp{'s' * (n > 1)} off the grid ({frequency.describe()}), {such}",)
    begins = np.searchsorted(long.series, np.arange(len(long.names) + 1))
    first, last = steps[begins[:-1]], steps[begins[1:] - 1]
    lengths = last - first + 1
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = starts[long.series] + steps - first[long.series]
    if len(np.unique(place)) < len(place):
        at = int(np.flatnonzero(np.diff(place) == 0)[0]) + 1
        raise DataError(
            f"{where}{_named(long, int(long.series[at]))} has two rows for one step ({frequency.describe()}), at "
            f"{shown_stamp(long.stamps[at - 1], long.dated)} and {shown_stamp(long.stamps[at], long.dated)}. "
            "Keep one row a step, or say another frequency (--frequency)."
        )
    if int(lengths.sum()) * MOST_FILLED > len(place) and int(lengths.max()) > 10:
        code = int((lengths - np.diff(begins)).argmax())
        raise DataError(
            f"{where}{_named(long, code)} has {np.diff(begins)[code]:,} rows where {lengths[code]:,} steps "
            f"({frequency.describe()}) lie between {shown_stamp(long.stamps[begins[code]], long.dated)} and "
            f"{shown_stamp(long.stamps[begins[code + 1] - 1], long.dated)}: more than half would be filled. Say the "
            "frequency (--frequency)."
        )
    values = np.full(int(starts[-1]), np.nan)
    values[place] = target
    others = {}
    for name, cells in covariates.items():
        others[name], n_lost = _spread(cells, place, starts)
        if n_lost:
            said += (f"{n_lost:,} missing value{'s' * (n_lost > 1)} of {name!r} filled by the one before",)
    filled, values = _filled(values, starts, long.names, where)
    if n_filled := int(filled.sum()):
        said += (f"{n_filled:,} missing value{'s' * (n_filled > 1)} filled by the line between neighbours",)
    return Regular(values, filled, others, starts, first.astype(np.int64), long.names, frequency, said)


def _filled(
    values: FloatArray, starts: IntArray, names: Sequence[str], where: str
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Which values were missing up to the last known one of each series, and all values; what lies behind stays NaN.

    Raises
    ------
    DataError
        Where a series has no value, or fewer than are missing between them.
    """
    filled = np.zeros(len(values), dtype=bool)
    for name, begin, end in zip(names, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        known = np.flatnonzero(np.isfinite(values[begin:end]))
        if not len(known):
            one = f", series {name!r}," if len(names) > 1 else ""
            raise DataError(f"The target of {where}{one} has no value at all; leave that series out.")
        part = slice(begin, begin + int(known[-1]) + 1)
        filled[part] = np.isnan(values[part])
        if filled[part].mean() > MOST_FILLED and part.stop - part.start > 10:
            one = f", series {name!r}," if len(names) > 1 else ""
            raise DataError(
                f"The target of {where}{one} has {len(known):,} values for {part.stop - part.start:,} steps: more than "
                "half would be filled. Say a longer distance of steps (--frequency), or leave that series out."
            )
        values[part], _ = without_gaps(values[part])
    return filled, values


def _spread(cells: FloatArray, place: IntArray, starts: IntArray) -> tuple[FloatArray, int]:
    """Covariates on the grid ``(steps, width)``: what is missing is what was before it, or comes after; 0 without. And
    in how many steps that was so."""
    spread = np.full((int(starts[-1]), cells.shape[1]), np.nan)
    spread[place] = cells
    n_lost = int(np.isnan(spread).any(axis=1).sum())
    steps = np.arange(len(spread))
    begin = np.repeat(starts[:-1], np.diff(starts))
    for column in spread.T:
        known = np.isfinite(column)
        before = np.maximum.accumulate(np.where(known, steps, -1))
        after = np.minimum.accumulate(np.where(known, steps, len(spread))[::-1])[::-1]
        end = begin + np.repeat(np.diff(starts), np.diff(starts))
        taken = np.where(before >= begin, before, np.where(after < end, after, -1))
        column[:] = np.where(taken >= 0, column[np.maximum(taken, 0)], 0.0)
    return spread, n_lost

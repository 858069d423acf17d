"""The moment of each step: read from a column, freed from summer time, put in order."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from annvil.data.frequency import DAY, find_frequency
from annvil.data.readers.dates import date_text
from annvil.data.readers.moment_columns import read_moment_column
from annvil.data.readers.raw import RawColumn
from annvil.errors import DataError
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

TIME_NAMES = ("t", "time", "timestamp", "datetime", "date", "moment", "when", "step", "zeit", "seconds", "ms")
"""Names of columns that are taken for the moment of a step unasked, where they grow within every series."""

HOUR = 3600.0
MONTH = 2629746.0
"""Seconds of a month on average over 400 years."""

_ZONED = re.compile(r".*\d(Z|[+-]\d\d:?\d\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Moments:
    """Of every row, float64: seconds since 1970 UTC where ``dated``, otherwise in the column's own unit; ``local``
    where they are written without a time zone."""

    name: str
    values: FloatArray
    dated: bool
    local: bool = False

    def text(self, row: int) -> str:
        """The moment of a row, for people."""
        value = float(self.values[row])
        return date_text(value) if self.dated else f"{value:.10g}"


def read_moments(raw: RawColumn, missing: Collection[str], where: str, names: list[str], codes: IntArray) -> Moments:
    """Moments from a column of dates, times or numbers; ``names[codes]`` are the series of the rows.

    Raises
    ------
    DataError
        Where a row has none.
    """
    parsed, dated = read_moment_column(raw, missing, where, digits=True)
    gaps = np.flatnonzero(~np.isfinite(parsed.values))
    if len(gaps):
        row = int(gaps[0])
        more = f", as have {plain_count(len(gaps) - 1, 'more row')}" if len(gaps) > 1 else ""
        whose = short_name(names[codes[row]])
        raise DataError(
            f"{where}: row {row + 1}, of series {whose!r}, has no moment in {raw.name!r}{more}; "
            "every step needs its own. Fill it in, or leave out the row."
        )
    local = dated and not any(_ZONED.fullmatch(level) for level in raw.levels[:100])
    return Moments(raw.name, parsed.values, dated, local)


def without_summer_time(moments: Moments, codes: IntArray) -> tuple[Moments, int]:
    """Local moments as they passed, and how many changes of the clock were undone; rows come series after series, each
    in the order of the file.

    A change is told by a Sunday night on which the clock goes an hour back, or leaves one out, between two steps that
    are at most an hour apart everywhere else.
    """
    values = moments.values
    apart = np.diff(values)
    within = codes[1:] == codes[:-1]
    if not moments.local or not within.any():
        return moments, 0
    every = float(np.median(apart[within]))
    if not 0 < every <= HOUR:
        return moments, 0
    days, seconds = np.divmod(values[:-1], DAY)
    night = within & ((days + 4) % 7 == 0) & (seconds < 5 * HOUR)  # 1970 began on a Thursday
    shift = np.where(night & (np.abs(apart - (every - HOUR)) < every / 100), HOUR, 0.0)
    shift -= np.where(night & (np.abs(apart - (every + HOUR)) < every / 100), HOUR, 0.0)
    if not shift.any():
        return moments, 0
    total = np.concatenate([[0.0], np.cumsum(shift)])
    first = np.concatenate([[True], ~within])
    since = total - np.repeat(total[first], np.diff(np.append(np.flatnonzero(first), len(total))))
    return replace(moments, values=values + since), int(np.count_nonzero(shift))


def by_calendar(moments: Moments, codes: IntArray) -> FloatArray:
    """Moments as they are; months and workdays as equally long ones (`annvil.data.frequency`), since a step is then one
    of them, however many days it has. ``codes`` are the series of the rows, ascending."""
    values = moments.values
    if not moments.dated or len(values) < 2:
        return values
    order = np.lexsort((values, codes))
    first = np.diff(values[order], prepend=np.nan) != 0
    first |= np.diff(codes[order], prepend=-1) != 0
    kept = order[first]
    starts = np.append(np.flatnonzero(np.diff(codes[kept], prepend=-1)), len(kept)).astype(np.int64)
    found = find_frequency(values[kept], starts, dated=True) if len(kept) > 1 else None
    unit = {"month": MONTH, "workday": DAY}.get(found.unit) if found is not None else None
    return values if found is None or unit is None else np.asarray(found.exact(values) * found.every * unit)

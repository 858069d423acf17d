"""Parts of dates from seconds since 1970, from year to minute, by one formula that runs on arrays and in ONNX graphs.

The civil calendar from a day number follows Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2021),
`civil_from_days`; here days are counted from 1 March of the year 0, so that no operand is negative and truncating
division (ONNX) is floor division (Python). Times are UTC in the Gregorian calendar, extended to the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partialmethod
from typing import Any, Literal

import numpy as np

from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray

CalendarPart = Literal["year", "month", "day of the year", "weekday", "hour", "minute of the day"]

PARTS: tuple[CalendarPart, ...] = ("year", "month", "day of the year", "weekday", "hour", "minute of the day")
CYCLES: dict[CalendarPart, tuple[int, int]] = {
    "month": (1, 12),
    "day of the year": (1, 366),
    "weekday": (0, 7),
    "hour": (0, 24),
    "minute of the day": (0, 1440),
}
"""First value and length of the parts that come round again; Monday is 0, and every year counts as a leap year, so that
1 March is day 61 of each and the first days of months take twelve values."""

DAY = 86_400
DAYS_BEFORE_1970 = 719_468  # since 1 March of the year 0
FINER: dict[CalendarPart, tuple[CalendarPart, float]] = {
    "month": ("day of the year", 366.0 * DAY),
    "hour": ("minute of the day", 1.0 * DAY),
}
"""What tells all that a part tells, and perhaps more, and the seconds after which it comes round again."""

EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""Years 1 to 9999; times outside are taken for the nearest of these."""


def calendar_part(part: CalendarPart, seconds: FloatArray) -> IntArray:
    """The part of each time, int64 of the same shape; a missing time (NaN) gives that of 1970-01-01."""
    known = np.where(np.isnan(seconds), 0.0, seconds)
    whole = np.floor(np.clip(known, EARLIEST, LATEST)).astype(np.int64)
    return np.asarray(_part(part, whole + DAYS_BEFORE_1970 * DAY))


def write_calendar_part(graph: Graph, part: CalendarPart, seconds: Value) -> Value:
    """`calendar_part` as nodes of a graph: float64 seconds → int64 of the same shape."""
    known = graph.op("Where", graph.op("IsNaN", seconds), graph.constant(0.0), seconds)
    inside = graph.op("Clip", known, graph.constant(EARLIEST), graph.constant(LATEST))
    whole = graph.cast(graph.op("Floor", inside), "int64")
    since: Any = _GraphInteger(graph, whole)
    written: _GraphInteger = _part(part, since + DAYS_BEFORE_1970 * DAY)
    return written.value


def _part(part: CalendarPart, seconds: Any) -> Any:
    """The part of whole seconds since 1 March of the year 0 (an int64 array, or a `_GraphInteger`)."""
    days = seconds // DAY
    if part == "hour":
        return seconds % DAY // 3600
    if part == "minute of the day":
        return seconds % DAY // 60
    if part == "weekday":
        return (days + 2) % 7  # 1 March of the year 0 was a Wednesday
    era, day = days // 146_097, days % 146_097  # 400 years
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day_of_year = day - (year * 365 + year // 4 - year // 100)
    if part == "day of the year":
        return (day_of_year + 60) % 366 + 1  # 29 February comes last, if at all: the others have the same day each year
    month = (day_of_year * 5 + 2) // 153  # 0 is March
    if part == "month":
        return (month + 2) % 12 + 1
    return era * 400 + year + month // 10


@dataclass(frozen=True)
class _GraphInteger:
    """A non-negative int64 value of a graph that is computed with like an array."""

    graph: Graph
    value: Value

    def _apply(self, kind: str, other: int | _GraphInteger) -> _GraphInteger:
        operand = other.value if isinstance(other, _GraphInteger) else self.graph.constant(np.int64(other))
        return _GraphInteger(self.graph, self.graph.op(kind, self.value, operand))

    __add__, __sub__ = partialmethod(_apply, "Add"), partialmethod(_apply, "Sub")
    __mul__, __floordiv__ = partialmethod(_apply, "Mul"), partialmethod(_apply, "Div")
    __mod__ = partialmethod(_apply, "Mod")

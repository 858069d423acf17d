"""Which distance the moments of a series have, found out from its stamps: from seconds to years, by the calendar.

A moment is a whole number of steps since an origin of its frequency (`Frequency.positions`), so that what is done with
series counts steps and knows no calendar; `Frequency.stamps` leads back.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.errors import RequestError
from annvil.tasks.base import FloatArray, IntArray

DAY = 86_400.0

REGULAR = 0.9
"""Share of distances that must be whole numbers of steps, and half of them one step (assumed): else the series has no
frequency."""

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": DAY, "week": 7 * DAY}
_NAMES = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), ("second", 1)),
    **dict.fromkeys(("min", "minute", "minutes", "t"), ("minute", 1)),
    **dict.fromkeys(("h", "hour", "hours", "hourly"), ("hour", 1)),
    **dict.fromkeys(("d", "day", "days", "daily"), ("day", 1)),
    **dict.fromkeys(("w", "week", "weeks", "weekly"), ("week", 1)),
    **dict.fromkeys(("mo", "m", "ms", "me", "month", "months", "monthly"), ("month", 1)),
    **dict.fromkeys(("q", "qs", "qe", "quarter", "quarters", "quarterly"), ("month", 3)),
    **dict.fromkeys(("y", "a", "ys", "ye", "year", "years", "yearly"), ("month", 12)),
    **dict.fromkeys(("b", "business", "business days", "workdays"), ("workday", 1)),
}
_ASKED = re.compile(r"\s*(\d*)\s*([A-Za-z][A-Za-z ]*?)\s*")

Unit = Literal["second", "month", "workday", "number"]


class Frequency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The distance of two steps.

    Attributes
    ----------
    unit : "second" for any fixed time, "month" for months, quarters and years, "workday" from Monday to Friday,
        "number" for moments that are numbers and no dates
    every : units from step to step
    phase : of fixed times and numbers, the moment of position 0; of workdays and months the seconds after midnight
    day : of months, the day on which they are stamped; 31 is the last one, whichever that is
    month : of quarters and years, which of their months is stamped, from 0
    """

    unit: Unit
    every: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    phase: float = 0.0
    day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1
    month: int = 0

    def exact(self, stamps: FloatArray) -> FloatArray:
        """Steps since the origin, whole numbers where a stamp lies on the grid, float64 ``(n,)``.

        Stamps are seconds since 1970 (UTC), or numbers.
        """
        if self.unit == "month":
            days = np.floor(stamps / DAY).astype(np.int64).astype("datetime64[D]")
            months = days.astype("datetime64[M]")
            first, last = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
            due = np.minimum(first + (self.day - 1), last)
            off = np.abs((days - due).astype(np.int64)) + np.abs(stamps % DAY - self.phase) / DAY
            position = (months.astype(np.int64) - self.month) / self.every
            return np.asarray(position + np.where(off > 0, 1e-3, 0.0))
        if self.unit == "workday":
            days = np.floor(stamps / DAY).astype(np.int64).astype("datetime64[D]")
            position = np.busday_count(np.datetime64("1970-01-01"), days).astype(np.float64)
            off = ~np.is_busday(days) | (stamps % DAY != self.phase)
            return np.asarray(position + np.where(off, 0.5, 0.0))
        return np.asarray((stamps - self.phase) / self.every)

    def positions(self, stamps: FloatArray) -> IntArray:
        """The nearest steps, int64."""
        return np.floor(self.exact(stamps) + 0.5).astype(np.int64)

    def lie_on_it(self, stamps: FloatArray) -> NDArray[np.bool_]:
        """Which stamps are whole numbers of steps from each other."""
        steps = self.exact(stamps)
        return np.asarray(np.abs(steps - np.round(steps)) < 1e-4)

    def stamps(self, positions: IntArray) -> FloatArray:
        """Seconds since 1970, or numbers, of steps; the inverse of `positions`."""
        positions = np.asarray(positions, dtype=np.int64)
        if self.unit == "month":
            months = (positions * int(self.every) + self.month).astype("datetime64[M]")
            first, last = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
            days = np.minimum(first + (self.day - 1), last)
            return np.asarray(days.astype(np.int64) * DAY + self.phase)
        if self.unit == "workday":
            days = np.busday_offset(np.datetime64("1970-01-01"), positions, roll="forward")
            return np.asarray(days.astype(np.int64) * DAY + self.phase)
        return np.asarray(positions * self.every + self.phase)

    @property
    def is_dated(self) -> bool:
        """Whether its stamps are dates."""
        return self.unit != "number"

    def moments(self, positions: IntArray) -> NDArray[Any]:
        """Stamps as ``datetime64[us]``, or numbers: whole ones where all of them are."""
        stamps = self.stamps(positions)
        if self.is_dated:
            return np.round(stamps * 1e6).astype(np.int64).astype("datetime64[us]")
        return stamps if np.any(stamps % 1) else stamps.astype(np.int64)

    def written(self, positions: IntArray) -> list[str]:
        """Stamps as ISO 8601 writes them, no more than days where steps begin at midnight; numbers as they are."""
        stamps = self.stamps(positions)
        if not self.is_dated:
            return [repr(int(one) if float(one).is_integer() else float(one)) for one in stamps.tolist()]
        whole_days = self.unit != "second" or not self.every % DAY
        if whole_days and not self.phase % DAY:
            return [str(one) for one in np.floor(stamps / DAY).astype(np.int64).astype("datetime64[D]")]
        unit, factor = ("s", 1) if not np.any(stamps % 1) else ("us", 1_000_000)
        moments = np.round(stamps * factor).astype(np.int64).astype(f"datetime64[{unit}]")
        return [str(one).replace("T", " ") for one in moments]

    def describe(self) -> str:
        """In words.

        >>> Frequency("second", 3600.0).describe(), Frequency("month", 3).describe(), Frequency("workday").describe()
        ('hourly', 'quarterly', 'every workday')
        """
        if self.unit == "workday":
            return "every workday"
        if self.unit == "number":
            return f"every {self.every:g}"
        if self.unit == "month":
            named = {1: "monthly", 3: "quarterly", 12: "yearly"}
            ends = " (on the last day)" if self.day == 31 else ""
            return named.get(int(self.every), f"every {self.every:g} months") + ends
        named_seconds = {1.0: "every second", 60.0: "every minute", 3600.0: "hourly", DAY: "daily", 7 * DAY: "weekly"}
        if self.every in named_seconds:
            return named_seconds[self.every]
        unit = next((name for name, size in reversed(_SECONDS.items()) if not self.every % size), "second")
        return f"every {self.every / _SECONDS[unit]:g} {unit}s"

    def seasons(self) -> tuple[float, ...]:
        """Steps of the calendar's periods, ascending: what may be a season; fractions where they are no whole number.

        >>> Frequency("second", 3600.0).seasons()
        (24.0, 168.0, 8766.0)
        """
        if self.unit == "month":
            return (12.0 / self.every,) if self.every < 12 else ()
        if self.unit == "workday":
            return (5.0, 261.0)
        if self.unit == "number":
            return (4.0, 7.0, 12.0, 24.0, 52.0)
        found = [period / self.every for period in (60.0, 3600.0, DAY, 7 * DAY, 365.25 * DAY)]
        return tuple(steps for steps in found if steps >= 2 and (steps > 300 or abs(steps - round(steps)) < 1e-6))


def asked_frequency(text: str) -> tuple[Unit, float]:
    """Unit and size of a frequency as people write it: "15min", "1h", "daily", "business", "month", "quarter".

    >>> asked_frequency("15min"), asked_frequency("quarter")
    (('second', 900.0), ('month', 3))

    Raises
    ------
    RequestError
        When it is none that is known.
    """
    match = _ASKED.fullmatch(text)
    name = None if match is None else _NAMES.get(match[2].lower())
    if match is None or name is None or match[1] == "0":
        raise RequestError(
            f"--frequency {text!r} is not known; say for example 15min, 1h, 1d, 1w, month, quarter, year or workdays."
        )
    unit, size = name
    times = int(match[1] or 1) * size
    if unit in _SECONDS:
        return "second", times * _SECONDS[unit]
    return ("month" if unit == "month" else "workday"), times


def find_frequency(stamps: FloatArray, starts: IntArray, *, dated: bool, asked: str | None = None) -> Frequency | None:
    """The frequency that series share, or None where there is none.

    Parameters
    ----------
    stamps : of all series one behind the other, ascending inside each, without repetition
    starts : where each begins, int64 ``(n_series + 1,)``
    dated : whether stamps are seconds since 1970
    asked : what the user says it is (`asked_frequency`); only its phase is then found out
    """
    distances = np.diff(stamps)
    inside = np.ones(len(distances), dtype=bool)
    inside[starts[1:-1] - 1] = False
    distances = distances[inside]
    if asked is not None:
        unit, size = asked_frequency(asked)
        return _with_phase(unit, size, stamps)
    if not len(distances):
        return None
    candidates = _of_the_calendar(stamps, distances) if dated else []
    sizes, counts = np.unique(np.round(distances, 6), return_counts=True)
    plain = _with_phase("second" if dated else "number", float(sizes[counts.argmax()]), stamps)
    return next((one for one in [*candidates, plain] if _fits(one, stamps, inside)), None)


def _of_the_calendar(stamps: FloatArray, distances: FloatArray) -> list[Frequency]:
    """Frequencies of months and workdays that such stamps may have."""
    if np.any(stamps % DAY != stamps[0] % DAY):
        return []
    usual = float(np.median(distances)) / DAY
    if usual >= 28:
        months = max(1, round(usual / 30.4375))
        # a few months are missing where distances vary by more than months do
        return [
            _with_phase("month", size, stamps) for size in dict.fromkeys((months, 1)) if size in (1, 2, 3, 4, 6, 12)
        ]
    days = np.floor(stamps / DAY).astype(np.int64)
    weekday = (days + 3) % 7
    return [_with_phase("workday", 1, stamps)] if usual == 1 and len(days) >= 10 and not (weekday >= 5).any() else []


def _with_phase(unit: Unit, size: float, stamps: FloatArray) -> Frequency:
    """The frequency whose grid goes through these stamps."""
    first = float(stamps[0])
    if unit == "month":
        days = np.floor(stamps / DAY).astype(np.int64).astype("datetime64[D]")
        months = days.astype("datetime64[M]")
        day_of_month = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
        is_last = days + 1 == (months + 1).astype("datetime64[D]")
        day = 31 if is_last.mean() > REGULAR and day_of_month.max() > 28 else int(np.bincount(day_of_month).argmax())
        cycle = int(np.bincount(months.astype(np.int64) % int(size)).argmax())
        return Frequency("month", size, first % DAY, day, cycle)
    if unit == "workday":
        return Frequency("workday", 1.0, first % DAY)
    return Frequency(unit, size, first % size)


def _fits(frequency: Frequency, stamps: FloatArray, inside: NDArray[np.bool_]) -> bool:
    """Whether nearly all stamps lie on its grid, and most neighbours are one step apart."""
    steps = np.diff(frequency.exact(stamps))[inside]
    on = frequency.lie_on_it(stamps)
    whole = np.abs(steps - np.round(steps)) < 1e-4
    return bool(on.mean() >= REGULAR and whole.mean() >= REGULAR and (np.round(steps) == 1).mean() >= REGULAR / 2)

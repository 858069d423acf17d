"""Dates and times from texts and numbers, as seconds since 1970-01-01 UTC.

A column is read in one `DateStyle` throughout, learnt from all of its values. Where day and month could be exchanged
(``03/04/2021``), every value of the column decides together, and the choice is said; what stays open after that is read
day first when the separator is a dot, month first when it is a slash (the customs of the countries that write so; an
assumption, said aloud). What one value means later follows from that value and the style alone.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: i + 1 for i, name in enumerate(_NAMES)}
_ZONE = r"(?P<zone>\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})(?:\[[\w/+-]+\])?)?"
_CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d{1,9})?))?\s*(?P<ap>[AaPp][Mm])?"
_TIME = r"(?:[T ,]+" + _CLOCK + _ZONE + r")?"


@dataclass(frozen=True)
class DateStyle:
    """One way to write dates."""

    name: str  # for people: "year-month-day"
    pattern: re.Pattern[str]

    def seconds(self, text: str) -> float | None:
        """Seconds since 1970-01-01 UTC, or None where the text is not a date in this format."""
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        part = match.groupdict()
        try:
            month = _MONTHS[part["mon"][:3].lower()] if part.get("mon") else int(part["m"])
            year = int(part["y"])
            if len(part["y"]) == 2:
                year += 2000 if year < 70 else 1900  # the convention of POSIX strptime
            hour, minute = int(part["H"] or 0), int(part["M"] or 0)
            if part["ap"]:
                if not 1 <= hour <= 12:
                    return None
                hour = hour % 12 + (12 if part["ap"].lower() == "pm" else 0)
            second = float((part["S"] or "0").replace(",", "."))
            datetime(year, month, int(part["d"] or 1), hour, minute, min(int(second), 59))  # refuses 30 February
            whole = timegm((year, month, int(part["d"] or 1), hour, minute, 0))
        except (ValueError, KeyError, TypeError):
            return None
        return whole + second - _offset(part["zone"])


def _offset(zone: str | None) -> int:
    """Seconds east of UTC."""
    zone = (zone or "").strip().partition("[")[0]
    if not zone or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_YY, _MON = r"(?P<y>\d{4}|\d{2})", r"(?P<mon>[A-Za-z]{3,9})\.?"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?"

_DAYS = {
    "year-month-day": _Y + r"(?P<sep>[-/.])" + _M + r"(?P=sep)" + _D,
    "year-month": _Y + "-" + r"(?P<m>\d{2})" + r"(?P<d>(?!))?",
    "day.month.year": _D + r"\." + _M + r"\." + _YY,
    "month/day/year": _M + r"(?P<sep>[-/])" + _D + r"(?P=sep)" + _YY,
    "day/month/year": _D + r"(?P<sep>[-/])" + _M + r"(?P=sep)" + _YY,
    "day month-name year": _WEEKDAY + _D + r"[-\s.]+" + _MON + r"[-\s,]+" + _YY,
    "month-name day year": _WEEKDAY + _MON + r"\s+" + _D + r"(?:st|nd|rd|th)?,?\s+" + _Y,
}

DATE_STYLES = {name: DateStyle(name, re.compile(day + _TIME)) for name, day in _DAYS.items()}


_EXCHANGEABLE = ("month/day/year", "day/month/year")


class LearntDates(NamedTuple):
    """A column's style, its seconds (None where a text is no date in it), and what has to be told about it."""

    style: str
    seconds: list[float | None]
    said: tuple[str, ...] = ()
    contradictory: bool = False  # every text is a date, but no style serves all


def learn_date_style(texts: Sequence[str]) -> LearntDates:
    """The style that reads most of a column's texts, and what they are in it; an empty name where none reads any."""
    best = LearntDates("", [None] * len(texts))
    for style in DATE_STYLES.values():
        if 2 * _understood([style.seconds(text) for text in texts[:50]]) < len(texts[:50]):
            continue
        found = [style.seconds(text) for text in texts]
        if _understood(found) > _understood(best.seconds):
            best = LearntDates(style.name, found)
        if _understood(found) == len(texts):
            break
    if not best.style:
        return best
    if None in best.seconds:
        every = all(any(style.seconds(text) is not None for style in DATE_STYLES.values()) for text in texts)
        return best._replace(contradictory=every)
    return best._replace(said=(*_open_order(texts, best), *_open_zone(texts, best.style)))


def _understood(found: Sequence[float | None]) -> int:
    return sum(value is not None for value in found)


def _open_order(texts: Sequence[str], learnt: LearntDates) -> tuple[str, ...]:
    """What to tell where day and month can be exchanged in every value."""
    if learnt.style not in _EXCHANGEABLE:
        return ()
    (other,) = {*_EXCHANGEABLE} - {learnt.style}
    exchanged = [DATE_STYLES[other].seconds(text) for text in texts]
    if None in exchanged or exchanged == learnt.seconds:
        return ()
    at = next(i for i, seconds in enumerate(exchanged) if seconds != learnt.seconds[i])
    read = date_text(learnt.seconds[at] or 0.0)
    return (f"day and month can be exchanged in all of them: {texts[at]} read as {read}; if wrong, write dates so",)


def _open_zone(texts: Sequence[str], style: str) -> tuple[str, ...]:
    found = [DATE_STYLES[style].pattern.fullmatch(text) for text in texts]
    zoned = [bool(match and match["zone"]) for match in found]
    return ("times without a zone count as UTC",) if any(zoned) and not all(zoned) else ()


def parse_date(text: str, style: str = "") -> float | None:
    """Seconds since 1970 UTC of one text in a column of that style, or None.

    A date in another format is still a date where it can be read in one way only: never with day and month exchanged,
    and where the style does not tell which comes first, only if the text does (``31/12/1999``).

    >>> [date_text(parse_date(text)) for text in ("2021-03-04", "31/12/1999", "4 March 2021", "20210304")]
    ['2021-03-04', '1999-12-31', '2021-03-04', '2021-03-04']
    >>> parse_date("03/04/2021"), parse_date("12/31/2021", "day/month/year")
    (None, None)
    """
    text = text.strip()
    if style in DATE_STYLES and (found := DATE_STYLES[style].seconds(text)) is not None:
        return found
    for other in DATE_STYLES.values():
        if other.name not in _EXCHANGEABLE and (found := other.seconds(text)) is not None:
            return found
    if style not in _EXCHANGEABLE:
        readings = {DATE_STYLES[name].seconds(text) for name in _EXCHANGEABLE} - {None}
        if len(readings) == 1:
            return readings.pop()
    return number_seconds(float(text)) if _DIGITS.fullmatch(text) else None


_DIGITS = re.compile(r"-?\d{4,20}(\.\d+)?", re.ASCII)
_UNITS = (1.0, 1e3, 1e6, 1e9)
_NEAREST, _FARTHEST = 1e8, 4.2e9  # seconds: 1973 to 2103, and 1836 to 1966; so no two units overlap
_EXCEL_EPOCH = -25569 * 86400  # 30 December 1899; serials from 20000 (1954) to 80000 (2119)


def number_seconds(value: float) -> float | None:
    """Seconds since 1970 UTC of a date given as a number, or None where its size leaves open which unit it has.

    Seconds, milliseconds, microseconds and nanoseconds since 1970 (from 1973 to 2103, and as far before 1970), digits
    such as 20210304, 202103 and 20210304050607, years from 1800 to 2200, and days as Excel counts them.

    >>> [date_text(number_seconds(v)) for v in (1614816000, 1614816000e3, 1614816000e9, 20210304, 44259, 2021)]
    ['2021-03-04', '2021-03-04', '2021-03-04', '2021-03-04', '2021-03-04', '2021-01-01']
    >>> number_seconds(86400.0)
    """
    if np.isnan(value):
        return value
    if 20000 <= value <= 80000:
        return value * 86400 + _EXCEL_EPOCH
    digits = f"{value:.0f}" if value == np.floor(value) and abs(value) < 1e15 else ""
    if len(digits) in (4, 6, 8, 14) and 1800 <= int(digits[:4]) <= 2200:
        parts = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, len(digits), 2))]
        try:
            return float(timegm(datetime(*[*parts, 1, 1][: max(len(parts), 3)]).timetuple()))  # type: ignore[arg-type]
        except ValueError:
            pass
    return next((value / unit for unit in _UNITS if _NEAREST <= abs(value / unit) <= _FARTHEST), None)


def date_seconds(value: Any) -> float | None:
    """Seconds since 1970 UTC of a Python or NumPy date; NaN for NaT, None for anything else.

    A time without a zone counts as UTC.
    """
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT
            return float("nan")
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.timestamp()
    if isinstance(value, date):
        return float(timegm(value.timetuple()))
    if isinstance(value, np.datetime64):
        return float("nan") if np.isnat(value) else float(value.astype("datetime64[us]").astype(np.int64)) / 1e6
    return None


def date_text(seconds: float) -> str:
    """ISO 8601 for a message or an example: ``2021-03-04`` or ``2021-03-04 05:06:07``."""
    moment = np.datetime64(round(seconds * 1e6), "us")
    text = str(moment.astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(" 00:00:00")

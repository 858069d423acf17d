"""Dates and times from texts, as seconds since 1970-01-01 UTC.

A column is read in one format throughout. Where day and month could be exchanged (``03/04/2021``), every value of the
column decides together, and the choice is said; what stays open after that is read day first when the separator is a
dot, month first when it is a slash (the customs of the countries that write so; an assumption, said aloud).
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: i + 1 for i, name in enumerate(_NAMES)}
_ZONE = r"(?P<zone>\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}))?"
_CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d{1,9})?))?\s*(?P<ap>[AaPp][Mm])?"
_TIME = r"(?:[T ,]+" + _CLOCK + _ZONE + r")?"


@dataclass(frozen=True)
class DateFormat:
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
    zone = (zone or "").strip()
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

FORMATS = tuple(DateFormat(name, re.compile(day + _TIME)) for name, day in _DAYS.items())


def parse_date(text: str) -> float | None:
    """Seconds since 1970 UTC of one text, in the first format that fits, or None."""
    return next((seconds for form in FORMATS if (seconds := form.seconds(text)) is not None), None)


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

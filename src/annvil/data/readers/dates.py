"""Dates and times from texts and numbers, as seconds since 1970-01-01 UTC.

A column is read in one `DateStyle` throughout, learnt from all of its values (`annvil.data.readers.learn_dates`). Where
day and month could be exchanged (``03/04/2021``), every value of the column decides together, and the choice is said;
what stays open after that is read day first when the separator is a dot, month first when it is a slash (the customs of
the countries that write so; an assumption, said aloud). What one value means later follows from that value and the
style alone. Months, quarters and weeks count as their first day.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = (  # English, German, French, Spanish, Italian, Dutch, Portuguese; by their first letters
    "jan ene gen",
    "feb fév fev",
    "mar mär mrz maa",
    "apr avr abr",
    "may mai mag mei",
    "jun juin giu",
    "jul juil lug",
    "aug aoû aou ago",
    "sep set",
    "oct okt ott out",
    "nov",
    "dec dez déc dic",
)
_MONTHS = {name: i + 1 for i, names in enumerate(_NAMES) for name in names.split()}
_ZONES = {"MEZ": 1, "MESZ": 2, "CET": 1, "CEST": 2, "JST": 9}
_ZONES |= {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}  # RFC 5322, 4.3
_ZONE = rf"(?P<zone>\s*(?:Z|UTC|GMT|{'|'.join(_ZONES)}|[+-]\d{{2}}:?\d{{2}}|[+-]\d{{2}})(?:\[[\w/+-]+\])?)?"
_CLOCK = (
    r"(?P<H>\d{1,2})(?P<colon>[:.])(?P<M>\d{2})(?:(?P=colon)(?P<S>\d{2}(?:[.,]\d{1,9})?))?"
    r"\s*(?P<ap>[AaPp]\.?[Mm]\.?)?(?:\s*Uhr)?"
)
_TIME = r"(?:[T ,:]+" + _CLOCK + _ZONE + r")?"


@dataclass(frozen=True)
class DateStyle:
    """One way to write dates."""

    name: str  # for people: "year-month-day"
    pattern: re.Pattern[str]

    def match(self, text: str) -> re.Match[str] | None:
        """The parts of the text, or None where it is not written so."""
        plain = text if text.isascii() else text.translate(_SIGNS).strip()
        return self.pattern.fullmatch(_SPACED.sub(r"\1.\2.\3", plain) if ". " in plain or plain[-1:] == "." else plain)

    def seconds(self, text: str) -> float | None:
        """Seconds since 1970-01-01 UTC, or None where the text is not a date in this format."""
        match = self.match(text)
        if match is None:
            return None
        part = match.groupdict()
        try:
            day = _day(part)
            hour, minute = int(part.get("H") or 0), int(part.get("M") or 0)
            second = float((part.get("S") or "0").replace(",", "."))
            if part.get("ap"):
                if not 1 <= hour <= 12:
                    return None
                hour = hour % 12 + (12 if part["ap"][0] in "pP" else 0)
            if (hour, minute, second) != (24, 0, 0):  # the end of a day (ISO 8601)
                time(hour, minute, min(int(second), 59))  # refuses 12:61
        except (ValueError, KeyError):
            return None
        return without_end(timegm(day.timetuple()) + 3600 * hour + 60 * minute + second - _offset(part.get("zone")))


def _day(part: dict[str, str | None]) -> date:
    """The day that the parts of a date name; ValueError and KeyError where there is none, such as 30 February."""
    year = int(part["y"] or 0)
    if len(part["y"] or "") == 2:
        year += 2000 if year < 70 else 1900  # the convention of POSIX strptime
    if week := part.get("w"):
        return date.fromisocalendar(year, int(week), int(part["d"] or 1))
    name = (part.get("mon") or "").lower()
    if name:
        month = _MONTHS[name[:4]] if name[:4] in _MONTHS else _MONTHS[name[:3]]
    elif quarter := part.get("q"):
        month = 3 * int(quarter) - 2
    else:
        month = int(part["m"] or 0)
    return date(year, month, int(part.get("d") or 1))


NEVER = 253402214400.0
"""31 December 9999, from which on a date means that there is none: the last one that databases keep."""


ENDLESS = "dates of the year 9999 read as missing"


def without_end(seconds: float) -> float:
    """The moment, NaN where it is one that means "without an end" (9999-12-31)."""
    return seconds if seconds < NEVER else float("nan")


def _offset(zone: str | None) -> int:
    """Seconds east of UTC."""
    zone = (zone or "").strip().partition("[")[0]
    if zone in _ZONES:
        return 3600 * _ZONES[zone]
    if not zone or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_YY, _MON = r"(?P<y>\d{4}|\d{2})", r"(?P<mon>[^\W\d_]{3,10})\.?"
_WEEKDAY = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi|Do|Fr|Sa|So|Montag|Diens|Mitt|Donn|Frei|Sams|Sonn)[a-z]*\.?,?\s+)?"
)

_PATTERNS = {
    "year-month-day": _Y + r"(?P<sep>[-/.:])" + _M + r"(?P=sep)" + _D + _TIME,
    "year-month": _Y + r"-(?P<m>\d{2})",
    "day.month.year": _WEEKDAY + _D + r"\." + _M + r"\." + _YY + _TIME,
    "month/day/year": _M + r"(?P<sep>[-/])" + _D + r"(?P=sep)" + _YY + _TIME,
    "day/month/year": _D + r"(?P<sep>[-/])" + _M + r"(?P=sep)" + _YY + _TIME,
    "day month-name year": _WEEKDAY + _D + r"[-/\s.]*" + _MON + r"[-/\s,]*" + _YY + _TIME,
    "month-name day year": _WEEKDAY + _MON + r"\s+" + _D + r"(?:st|nd|rd|th)?,?\s+" + _Y + _TIME,
    "month-name day time year": _WEEKDAY + _MON + r"\s+" + _D + r"\s+" + _CLOCK + _ZONE + r"\s+" + _Y,
    "yearmonthday": _Y + r"(?P<m>\d{2})(?P<d>\d{2})T(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2}(?:[.,]\d{1,9})?)?" + _ZONE,
    "month/year": r"(?P<m>\d{1,2})[/.-]" + _Y,
    "month-name year": _MON + r"[-/\s.,]*" + _YY,
    "year quarter": _Y + r"[\s/-]*Q(?P<q>[1-4])",
    "quarter year": r"Q(?P<q>[1-4])[\s/-]*" + _YY,
    "year week": _Y + r"-?W(?P<w>\d{2})(?:-?(?P<d>[1-7]))?",
}

DATE_STYLES = {name: DateStyle(name, re.compile(pattern)) for name, pattern in _PATTERNS.items()}

_SIGNS = str.maketrans({"年": "-", "月": "-", "日": "", "\u00a0": " ", "\u202f": " "})
_SPACED = re.compile(r"(\d{4})\. ?(\d{1,2})\. ?(\d{1,2})\.?(?!\d)")
"""As in Korea and Hungary: ``2021. 12. 31.``"""


EXCHANGEABLE = ("month/day/year", "day/month/year")


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
        if other.name not in EXCHANGEABLE and (found := other.seconds(text)) is not None:
            return found
    if style not in EXCHANGEABLE:
        readings = {DATE_STYLES[name].seconds(text) for name in EXCHANGEABLE} - {None}
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
    digits = f"{value:.0f}" if value == np.floor(value) and abs(value) < 1e15 else _month_year(value)
    if digits in ("0", "99991231", "99991231235959"):  # SAP's 00000000, and dates without an end
        return float("nan")
    if len(digits) in (4, 6, 8, 14) and 1800 <= int(digits[:4]) <= 2200:
        parts = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, len(digits), 2))]
        try:
            return float(timegm(datetime(*[*parts, 1, 1][: max(len(parts), 3)]).timetuple()))  # type: ignore[arg-type]
        except ValueError:
            pass
    return next((value / unit for unit in _UNITS if _NEAREST <= abs(value / unit) <= _FARTHEST), None)


def _month_year(value: float) -> str:
    """The digits 202103 of a month that was written 03.2021 and read as a number; "" of any other fraction."""
    month, year = divmod(round(value * 1e4), 10_000)
    is_one = 1 <= month <= 12 and 1900 <= year <= 2100 and abs(value * 1e4 - round(value * 1e4)) < 1e-6
    return f"{year}{month:02d}" if is_one else ""


FEWEST_DATES = 20
"""Different numbers from which on they may be dates in digits; of six digits 12% are months by chance (assumed)."""


def digits_of_dates(values: NDArray[np.float64]) -> bool:
    """Whether all numbers are dates written in digits: 20210304, 202103, 20210304050607, or 03.2021 as 3.2021.

    Two years at least, since a year and a counter (20210101 to 20210131) can be a number of documents.
    """
    distinct = np.unique(values[~np.isnan(values) & (values != 0)])
    low, high = (distinct[0], distinct[-1]) if len(distinct) >= FEWEST_DATES else (0.0, 0.0)
    whole = bool(np.all(distinct == np.floor(distinct)))
    if not any(first <= low and high < last for first, last in (_RANGES if whole else _RANGES[:1])):
        return False
    texts = [f"{value:.0f}" if whole else _month_year(value) for value in distinct.tolist()]
    return len({text[:4] for text in texts}) > 1 and all(
        text and number_seconds(float(text)) is not None for text in texts
    )


_RANGES = ((1.0, 13.0), (190001.0, 210100.0), (19000101.0, 1e8), (19000101000000.0, 1e14))
"""Of months as numbers with four decimals, and of 6, 8 and 14 digits; with 99991231 among those of 8."""


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

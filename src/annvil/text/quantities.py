"""Quantities as people read them."""

from __future__ import annotations

import re
from math import ceil, floor, log10
from typing import Protocol

from annvil.errors import RequestError

_HYPHEN_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
_EMPTY_DECIMAL = re.compile(r"\.0\b(?!\d)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_PART_OF_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([hms])")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def count(number: float) -> str:
    """``"12,345"``."""
    return f"{number:,.0f}"


def minus(text: str) -> str:
    """The text with hyphens before digits as minus signs."""
    return _HYPHEN_MINUS.sub("−", text)


def digits(number: float, significant: int = 2) -> str:
    """A number with at most so many significant digits, never in exponents: ``"0.0021"``, ``"31,000"``, ``"2"``."""
    if number == 0:
        return "0"
    places = significant - 1 - floor(log10(abs(number)))
    text = f"{round(number, places):,.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value: float, significant: int = 4) -> str:
    """A value of the user's, as exact as it need be; an exponent only where it would be too long to read.

    >>> number(2014.0), number(2_065_902.0), number(0.25), number(3e-9)
    ('2014', '2,066,000', '0.25', '3e-09')
    """
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{significant}g}"
    text = digits(value, significant)
    plain = text.replace(",", "")
    return text if abs(float(plain)) >= 10_000 else plain  # four digits may be a year


def round_up(number: float) -> int:
    """Two leading digits, upwards.

    >>> round_up(3412.5), round_up(7.2)
    (3500, 8)
    """
    step = int(10 ** max(0, floor(log10(max(number, 1.0))) - 1))
    return ceil(number / step) * step


def tiny(number: float) -> str:
    """A small difference: ``"0.012"``, ``"2.4 × 10⁻⁷"``, ``"0"``."""
    if number == 0 or abs(number) >= 1e-4:
        return digits(number)
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"


def seconds(value: float) -> str:
    """``"0.4 ms"``, ``"2.1 s"``, ``"3 min 20 s"``, ``"2 h 5 min"``."""
    if value < 0.9995:
        return f"{digits(1000 * value)} ms" if value > 0 else "0 s"
    if value < 59.5:
        return f"{digits(value)} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def seconds_of(budget: object) -> float:
    """Seconds of a time written as ``"90"``, ``"60s"``, ``"2m"``, ``"1h30m"`` or given as a number; more than 0.

    >>> seconds_of("1h30m"), seconds_of("2m"), seconds_of(45)
    (5400.0, 120.0, 45.0)

    Raises
    ------
    RequestError
        For anything else.
    """
    found: float | None = None
    if isinstance(budget, str):
        text = budget.strip().lower()
        parts = _PART_OF_TIME.findall(text)
        if re.fullmatch(r"\d+(\.\d+)?", text):
            found = float(text)
        elif parts and _PART_OF_TIME.sub("", text).strip() == "":
            found = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    elif isinstance(budget, int | float) and not isinstance(budget, bool):
        found = float(budget)
    if found is None:
        raise RequestError(f"The budget {budget!r} is not a time. Write it as 60s, 2m, 1h30m, or plain seconds.")
    if not found > 0:
        raise RequestError(f"The budget of {found:g} s is too short; it must be more than 0.")
    return found


def size(n_bytes: float) -> str:
    """``"310 kB"``, ``"1.2 MB"``; 1 kB is 1000 bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.9995 * factor:
            value = n_bytes / factor
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{digits(value)} {unit}"
    return f"{n_bytes:.0f} bytes"


def megabytes(value: float) -> str:
    """Memory, whose measurement is coarse: ``"41 MB"``, ``"below 1 MB"``, ``"1.2 GB"``."""
    return "below 1 MB" if value < 1 else f"{value:.0f} MB" if value < 999.5 else f"{digits(value / 1000)} GB"


def percent(share: float, brief: bool = False) -> str:
    """A share: no more digits than it deserves, and only what is whole or nothing reads so; ``brief`` for captions.

    >>> [percent(p) for p in (0.5, 0.034, 0.996, 0.99999, 0.0)], percent(0.99999, brief=True)
    (['50%', '3%', '99.6%', 'more than 99.9%', '0%'], '>99.9%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    if share < 0.001:
        return "<0.1%" if brief else "less than 0.1%"
    if share > 0.999:
        return ">99.9%" if brief else "more than 99.9%"
    return f"{share:.1%}" if share < 0.0095 or share > 0.9905 else f"{share:.0%}"


def probability(p: float, brief: bool = False) -> str:
    """As `percent`; what is believed is never certain, whatever rounding makes of it.

    >>> probability(1.0), probability(0.0)
    ('more than 99.9%', 'less than 0.1%')
    """
    return percent(min(max(p, 1e-9), 1 - 1e-9), brief)


def times(ratio: float) -> str:
    """A ratio above 1 for people: ``"1.5"``, ``"40"``."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def plain_count(number: int, singular: str, plural: str | None = None) -> str:
    """``"1 row"``, ``"12,000 rows"``."""
    return f"{count(number)} {singular if number == 1 else plural or singular + 's'}"


def part_of(n: int, total: int, singular: str, plural: str | None = None) -> str:
    """How many of all: ``"3 of 1,000 rows"``, ``"all 5 rows"``, and of one thing ``"the row"``."""
    if total == 1:
        return f"the {singular}"
    return f"{f'all {total:,}' if n == total else f'{n:,} of {total:,}'} {plural or singular + 's'}"


def with_spread(mean: float, spread: float | None, places: int | None = None) -> str:
    """``"0.871 ± 0.021"``, ``"28,450 ± 1,660"``: rounded so that two or three digits of the spread are left.

    At least three decimals of a mean below 2, unless ``places`` says how many; the mean alone without a spread.
    """
    places = places_beside(mean, spread) if places is None else places
    spread_text = "" if spread is None else f" ± {to_places(spread, places)}"
    return f"{to_places(mean, places)}{spread_text}"


def places_beside(mean: float, spread: float | None) -> int:
    """Decimals of `with_spread`; negative for tens and more."""
    places = 3
    if spread is None and abs(mean) >= 2:
        places = max(0, 3 - floor(log10(abs(mean))))
    elif spread:
        leading = floor(log10(spread))
        places = 2 - leading if leading >= 2 else min(max(0, 1 - leading), 4)
    return max(places, 3) if abs(mean) < 2 else places


def to_places(value: float, places: int) -> str:
    """Rounded to so many decimals, or to tens and more where negative: ``"−0.010"``, ``"28,450"``; nothing is −0."""
    return minus(f"{round(value, places) + 0.0:,.{max(0, places)}f}")


class Telling(Protocol):
    """A metric, as far as a difference of it is told."""

    def tells(self, difference: float, *, sign: bool = False) -> str:
        """The difference with its unit."""


def told(metric: Telling, difference: float, signed: bool = False) -> str:
    """A difference with its unit: ``"+0.002"``; of errors in the unit of the target: ``"−500"``."""
    return minus(_EMPTY_DECIMAL.sub("", metric.tells(difference, sign=signed)))

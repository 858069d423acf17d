"""Times as people write them."""

from __future__ import annotations

import re

from annvil.errors import RequestError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([hms])")


def seconds_of(budget: object) -> float:
    """Seconds of a time written as ``"90"``, ``"60s"``, ``"2m"``, ``"1h30m"`` or given as a number; more than 0.

    >>> seconds_of("1h30m"), seconds_of("2m"), seconds_of(45)
    (5400.0, 120.0, 45.0)

    Raises
    ------
    RequestError
        For anything else.
    """
    seconds: float | None = None
    if isinstance(budget, str):
        text = budget.strip().lower()
        parts = _PART.findall(text)
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif parts and _PART.sub("", text).strip() == "":
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    elif isinstance(budget, int | float) and not isinstance(budget, bool):
        seconds = float(budget)
    if seconds is None:
        raise RequestError(f"The budget {budget!r} is not a time. Write it as 60s, 2m, 1h30m, or plain seconds.")
    if not seconds > 0:
        raise RequestError(f"The budget of {seconds:g} s is too short; it must be more than 0.")
    return seconds

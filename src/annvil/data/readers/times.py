"""Clock times and durations from texts, as seconds."""

from __future__ import annotations

import re

LONGEST = 60
"""Characters of a time, or of a number with its unit (assumed); patterns stay quick on any text."""

_CLOCK = re.compile(r"([+-]?)(?:(\d+) days?,? )?(\d{1,4}):(\d\d)(?::(\d\d(?:[.,]\d{1,9})?))?(?:\s?([AaPp])\.?[Mm]\.?)?")
_DAYS = re.compile(r"([+-]?)(\d+) days?")
_LAP = re.compile(r"([+-]?)(\d{1,4}):(\d\d[.,]\d{1,9})")
"""Minutes and seconds, which a fraction tells from hours and minutes: Excel's own format ``mm:ss.0``."""
_SPOKEN = re.compile(
    r"([+-]?)(?=.*\d\s*(?:h|std|hours?|hrs?|min)|\d+\s*d[a-z]*\s+\d)"
    r"(?:(\d+)\s*(?:days?|d|tage?)[\s,]*)?(?:(\d+)\s*(?:hours?|hrs?|h|std\.?)[\s,]*)?"
    r"(?:(\d{1,4})\s*(?:minutes?|mins?\.?|m)?[\s,]*)?(?:(\d{1,4}(?:[.,]\d+)?)\s*(?:seconds?|secs?|s))?",
    re.IGNORECASE,
)
"""Several units one after the other, each with its name, such as ``1h 30m``; minutes alone may lack it (``1h30``)."""
_ISO = re.compile(
    r"([+-]?)P(?=.)" + "".join(rf"(?:(\d+(?:[.,]\d+)?){unit})?" for unit in "WD")
    + r"(?:T(?=\d)" + "".join(rf"(?:(\d+(?:[.,]\d+)?){unit})?" for unit in "HMS") + ")?"
)  # fmt: skip


def parse_time(text: str) -> float | None:
    """Seconds of a clock time (since midnight) or a duration, or None.

    ``h:mm`` and ``h:mm:ss``, with "am" and "pm" too; ISO 8601 durations of weeks to seconds (a year or a month has no
    fixed length); what pandas writes, ``1 days 02:03:04``; minutes and seconds with a fraction; units in words.

    >>> [parse_time(t) for t in ("14:30", "1:02:03", "2:30 pm", "PT1H30M", "1 days 00:00:01", "24:61")]
    [52200.0, 3723.0, 52200.0, 5400.0, 86401.0, None]
    >>> [parse_time(t) for t in ("1:23.5", "1h 30m", "1h30", "2 hours 5 min", "5m", "90 min")]
    [83.5, 5400.0, 5400.0, 7500.0, None, None]
    """
    text = text.strip()
    if len(text) > LONGEST:
        return None
    if found := _CLOCK.fullmatch(text):
        sign, days, hours, minutes, rest, half = found.groups()
        hour, second = int(hours), float((rest or "0").replace(",", "."))
        if int(minutes) > 59 or second >= 60 or (half and not 1 <= hour <= 12) or (half and (days or sign)):
            return None
        if half:
            hour = hour % 12 + (12 if half in "pP" else 0)
        size = 86400 * int(days or 0) + 3600 * hour + 60 * int(minutes) + second
    elif found := _DAYS.fullmatch(text):
        sign, size = found[1], 86400.0 * int(found[2])
    elif found := _ISO.fullmatch(text):
        sign, parts = found[1], found.groups()[1:]
        units = (604800, 86400, 3600, 60, 1)
        size = sum(float(n.replace(",", ".")) * unit for n, unit in zip(parts, units, strict=True) if n)
    elif found := _LAP.fullmatch(text):
        sign, rest = found[1], float(found[3].replace(",", "."))
        if rest >= 60:
            return None
        size = 60 * int(found[2]) + rest
    elif (found := _SPOKEN.fullmatch(text)) and sum(part is not None for part in found.groups()[1:]) > 1:
        sign, days, hours, minutes, rest = found.groups()
        size = 86400 * int(days or 0) + 3600 * int(hours or 0) + 60 * int(minutes or 0)
        size += float((rest or "0").replace(",", "."))
    else:
        return None
    return -float(size) if sign == "-" else float(size)

"""Numbers from texts: one `NumberStyle` for a whole column, learnt from all of its values.

What a text means follows from the text and the style alone, so a row means the same alone, in a list and in a file.
Understood in every style: groups of three digits divided by spaces (thin and no-break ones too) or apostrophes, signs,
the minus behind a number or parentheses of accountants, currency signs and codes. What could change a number's size
is only understood where it was learnt: the sign before the decimals, per cent, "1.2K", times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from annvil.text.phrases import quoted

Decimal = Literal["point", "comma"]
Habit = Literal["", "point", "comma"]
"""The sign before the decimals in the rest of the source; empty where nothing tells."""


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written; `name` is what `annvil.data.table.Field.style` stores.

    Attributes
    ----------
    comma : whether decimals follow a comma (``1.234,5``) rather than a point (``1,234.5``)
    percent : whether a per cent sign may follow that only names the unit: "12%" is 12
    fraction : whether a per cent sign may follow that divides by 100: "12%" is 0.12, as it stands beside "0.12"
    suffix : whether K, M, B, bn … multiply: "1.2K" is 1200
    time : whether values are clock times or durations, as seconds: "14:30" is 52200, "PT1H" is 3600
    """

    comma: bool = False
    percent: bool = False
    fraction: bool = False
    suffix: bool = False
    time: bool = False

    @property
    def name(self) -> str:
        """The names of what is true, such as ``"comma percent"``; empty for plain numbers with a decimal point."""
        return " ".join(field.name for field in fields(self) if getattr(self, field.name))


@lru_cache(maxsize=256)
def number_style(name: str) -> NumberStyle:
    """The style of that name.

    Raises
    ------
    ValueError
        Where there is no such style.

    >>> number_style("comma percent").name
    'comma percent'
    """
    words = name.split()
    known = [field.name for field in fields(NumberStyle)]
    if words != [word for word in known if word in words]:
        raise ValueError(f"no style of numbers is called {name!r}")
    return NumberStyle(**dict.fromkeys(words, True))


class Written(NamedTuple):
    """One number as it was written."""

    value: float
    percent: bool = False
    suffix: str = ""
    currency: str = ""
    parentheses: bool = False


_CODES = (
    "USD EUR GBP JPY CNY INR CHF CAD AUD NZD SEK NOK DKK ISK PLN CZK HUF RON BGN RUB UAH TRY ILS ZAR BRL MXN ARS CLP "
    "COP PEN SGD HKD TWD KRW THB IDR MYR PHP VND AED SAR EGP NGN KES PKR BDT LKR"
).replace(" ", "|")
_CURRENCY = rf"(?:(?:US|CA|AU|NZ|HK|NT|MX|[ACSR])?\$|[€£¥₹₩₽₺₫฿₪₱₦₴₿₡₵₸]|{_CODES}|kr\.?|zł|Kč|Ft|Fr\.|Rs\.?)"
_SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "Mn": 1e6, "Mio": 1e6, "Mio.": 1e6}
_SUFFIXES |= {"B": 1e9, "bn": 1e9, "Bn": 1e9, "Mrd": 1e9, "Mrd.": 1e9, "tn": 1e12, "Tn": 1e12}
_MORE = "|".join(map(re.escape, sorted(_SUFFIXES, key=len, reverse=True)))


def _body(point: str, group: str, *, indian: bool) -> str:
    """Digits: no group follows a leading zero, so that "0,875" is never 875."""
    more = rf"|[1-9]\d?(?:{group}\d\d)+{group}\d{{3}}(?:{point}\d*)?" if indian else ""
    grouped = "|".join(rf"[1-9]\d{{0,2}}(?:{sign}\d{{3}})+(?:{point}\d*)?" for sign in (group, " ", "'"))
    return rf"(?:{grouped}{more}|\d+(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"


def _dressed(body: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<open>\()?\s*(?P<sign>[+-])?\s*(?:(?P<first>{_CURRENCY}|%)\s*)?(?P<within>\()?(?P<inner>[+-])?(?P<body>{body})"
        rf"\s*(?P<suffix>{_MORE})?\s*(?P<last>{_CURRENCY}|%)?\s*(?P<minus>-)?\s*(?P<close>\))?\s*(?P<outer>{_CURRENCY}|%)?",
        re.ASCII,
    )


_POINT_BODY, _COMMA_BODY = _body(r"\.", ",", indian=True), _body(",", r"\.", indian=False)
_PLAIN = re.compile(rf"[+-]?{_POINT_BODY}", re.ASCII), re.compile(rf"[+-]?{_COMMA_BODY}", re.ASCII)
_DRESSED = _dressed(_POINT_BODY), _dressed(_COMMA_BODY)
_PURE = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DELETE = {False: str.maketrans("", "", ", '"), True: str.maketrans(",", ".", ". '")}
_SAME = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " "})
_SAME |= str.maketrans({"\u2019": "'", "\u02bc": "'"})


def written(text: str, *, comma: bool) -> Written | None:
    """What stands in a text that is a number in some style with that decimal sign, or None."""
    text = text.strip()
    if not text.isascii():
        text = text.translate(_SAME).strip()
    if _PLAIN[comma].fullmatch(text):
        return Written(float(text.translate(_DELETE[comma])))
    if _INFINITE.fullmatch(text):
        return Written(float(text))
    found = _DRESSED[comma].fullmatch(text)
    if found is None:
        return None
    part = found.groupdict()
    signs = [sign for sign in (part["sign"], part["inner"], part["minus"], part["open"], part["within"]) if sign]
    dress = [sign for sign in (part["first"], part["last"], part["outer"]) if sign]
    percent = "%" in dress
    if len(signs) > 1 or ("(" in signs) != bool(part["close"]) or (percent and len(dress) > 1):
        return None
    size = float(part["body"].translate(_DELETE[comma])) * _SUFFIXES.get(part["suffix"] or "", 1.0)
    value = -size if signs and signs[0] in "-(" else size
    return Written(value, percent, part["suffix"] or "", "" if percent else "".join(dress[:1]), "(" in signs)


_CLOCK = re.compile(r"([+-]?)(?:(\d+) days?,? )?(\d{1,4}):(\d\d)(?::(\d\d(?:[.,]\d{1,9})?))?(?:\s?([AaPp])\.?[Mm]\.?)?")
_DAYS = re.compile(r"([+-]?)(\d+) days?")
_ISO = re.compile(
    r"([+-]?)P(?=.)" + "".join(rf"(?:(\d+(?:[.,]\d+)?){unit})?" for unit in "WD")
    + r"(?:T(?=\d)" + "".join(rf"(?:(\d+(?:[.,]\d+)?){unit})?" for unit in "HMS") + ")?"
)  # fmt: skip


def parse_time(text: str) -> float | None:
    """Seconds of a clock time (since midnight) or a duration, or None.

    ``h:mm`` and ``h:mm:ss``, with "am" and "pm" too; ISO 8601 durations of weeks to seconds (a year or a month has no
    fixed length); what pandas writes, ``1 days 02:03:04``.

    >>> [parse_time(t) for t in ("14:30", "1:02:03", "2:30 pm", "PT1H30M", "1 days 00:00:01", "24:61")]
    [52200.0, 3723.0, 52200.0, 5400.0, 86401.0, None]
    """
    text = text.strip()
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
    else:
        return None
    return -float(size) if sign == "-" else float(size)


def parse_number(text: str, style: str = "") -> float | None:
    """The number a text stands for in the style of that name, or None.

    >>> parse_number("1,234.5"), parse_number("1.234,5", "comma"), parse_number("12 %", "percent")
    (1234.5, 1234.5, 12.0)
    >>> parse_number("12 kg"), parse_number("0,875"), parse_number("12%"), parse_number("12%", "fraction")
    (None, None, None, 0.12)
    """
    known = number_style(style)
    if known.time:
        return parse_time(text)
    found = written(text, comma=known.comma)
    if found is None or (found.suffix and not known.suffix):
        return None
    if found.percent:
        return found.value / 100 if known.fraction else found.value if known.percent else None
    return found.value


class Learnt(NamedTuple):
    """A style, and what has to be told about it: what was open and how it was decided."""

    style: NumberStyle
    said: tuple[str, ...] = ()
    contradictory: bool = False  # every text is a number, but no decimal sign serves all


def learn_number_style(texts: Sequence[str], habit: Habit = "") -> Learnt:
    """The style that all of a column's texts share; ``habit`` decides what they leave open.

    Evidence is a text that is a number with one decimal sign only ("1,5", "0.125", "1.234.567"). Where there is none,
    and none in the rest of the source, "1.100" and "1,100" are read with a decimal point, and that is said.
    """
    if all(map(_PURE.fullmatch, texts)) and habit != "comma" and not _all_open(texts):
        return Learnt(NumberStyle())
    read = [(written(text, comma=False), written(text, comma=True)) for text in texts]
    only_point = sum(point is not None and comma is None for point, comma in read)
    only_comma = sum(comma is not None and point is None for point, comma in read)
    if not any(point or comma for point, comma in read):
        times = bool(texts) and all(parse_time(text) is not None for text in texts)
        said = ("times and durations read as seconds",) if times else ()
        return Learnt(NumberStyle(time=times), said)
    neither = any(point is None and comma is None for point, comma in read)
    comma = only_comma > only_point or (only_comma == only_point and habit == "comma")
    undecided = not only_point and not only_comma and not habit
    style, more = _dress(texts, [pair[comma] for pair in read], NumberStyle(comma=comma))
    return Learnt(
        style,
        (*(_open_decimals(texts, read) if undecided else ()), *more),
        bool(only_point and only_comma and not neither),
    )


_OPEN = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)


def _all_open(texts: Iterable[str]) -> bool:
    """Whether some text among plain numbers has a point, and each such point could divide thousands."""
    pointed = [text for text in texts if "." in text or "e" in text or "E" in text]
    return bool(pointed) and all(map(_OPEN.fullmatch, pointed))


def _open_decimals(texts: Sequence[str], read: Sequence[tuple[Written | None, Written | None]]) -> list[str]:
    for text, (point, comma) in zip(texts, read, strict=True):
        if point and comma and point.value != comma.value:
            either, other = f"{point.value:.10g}", f"{comma.value:.10g}"
            said = f"whether {quoted(text)} is {either} or {other} cannot be told from the values; read as {either}"
            return [f"{said}: if that is wrong, give the column without signs between thousands"]
    return []


def _dress(texts: Sequence[str], read: Sequence[Written | None], style: NumberStyle) -> tuple[NumberStyle, list[str]]:
    """The style with what else was seen, and what to tell of it."""
    seen = [(text, found) for text, found in zip(texts, read, strict=True) if found is not None]
    said = []
    if any(found.suffix for _, found in seen) and len(seen) == len(texts):
        text, found = next(pair for pair in seen if pair[1].suffix)
        style = replace(style, suffix=True)
        said.append(f"{quoted(text)} read as {found.value:.10g}")
    signs = [(text, found) for text, found in seen if found.percent]
    bare = [abs(found.value) for _, found in seen if not found.percent]
    if signs:
        text, found = max(signs, key=lambda pair: abs(pair[1].value))
        fraction = bool(bare) and max(bare) <= 1 < abs(found.value)
        style = replace(style, fraction=fraction, percent=not fraction)
        if bare:
            value = found.value / 100 if fraction else found.value
            said.append(f"per cent beside bare numbers: {quoted(text)} read as {value:.10g}")
    if found_negative := next((pair for pair in seen if pair[1].parentheses), None):
        said.append(f"{quoted(found_negative[0])} read as {found_negative[1].value:.10g}")
    currencies = sorted({found.currency for _, found in seen if found.currency})
    if len(currencies) > 1:
        said.append(f"amounts in {' and '.join(currencies[:3])} read as they stand, not converted")
    return style, said


def decimal_habit(columns: Iterable[Sequence[str]]) -> Habit:
    """The decimal sign of a source, from columns of texts: where one has evidence of it and none of the other."""
    seen: set[Habit] = set()
    for texts in columns:
        read = [(written(text, comma=False), written(text, comma=True)) for text in texts]
        numbers = sum(bool(point or comma) for point, comma in read)
        only_comma = sum(comma is not None and point is None for point, comma in read)
        only_point = sum(point is not None and comma is None for point, comma in read)
        if 2 * numbers > len(texts) and only_comma != only_point:
            seen.add("comma" if only_comma > only_point else "point")
    return seen.pop() if len(seen) == 1 else ""

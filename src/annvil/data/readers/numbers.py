"""Numbers from texts: one `NumberStyle` for a whole column (learnt by `annvil.data.readers.learn_numbers`).

What a text means follows from the text and the style alone, so a row means the same alone, in a list and in a file.
Understood in every style: groups of three digits divided by spaces (thin and no-break ones too) or apostrophes, signs,
the minus behind a number or parentheses of accountants, "12,-" without cents, currency signs and codes, the digits of
other scripts. What could change a number's size is only understood where it was learnt: the sign before the decimals,
per cent, "1.2K", times, limits ("<0.1"), a unit ("12 kg").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from annvil.data.readers.times import LONGEST, parse_time


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
    limit : whether some are only known to be below, above or about a number: "<0.1" is 0.1, "~12" is 12
    unit : the unit that may follow, without blanks: "12 kg" is 12
    """

    comma: bool = False
    percent: bool = False
    fraction: bool = False
    suffix: bool = False
    time: bool = False
    limit: bool = False
    unit: str = ""

    @property
    def name(self) -> str:
        """What is true, such as ``"comma percent"``, and the unit as ``"unit=kg"``; empty for plain numbers with a
        decimal point."""
        words = [flag for flag in _FLAGS if getattr(self, flag)]
        return " ".join([*words, *([_UNIT_IS + self.unit] if self.unit else [])])


_FLAGS = ("comma", "percent", "fraction", "suffix", "time", "limit")
_UNIT_IS = "unit="


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
    unit = words.pop().removeprefix(_UNIT_IS) if words and words[-1].startswith(_UNIT_IS) else ""
    style = NumberStyle(unit=unit, **{flag: flag in words for flag in _FLAGS})
    if style.name != name or (unit and not _UNIT.fullmatch(unit)):
        raise ValueError(f"no style of numbers is called {name!r}")
    return style


class Written(NamedTuple):
    """One number as it was written."""

    value: float
    percent: bool = False
    suffix: str = ""
    currency: str = ""
    parentheses: bool = False
    limit: str = ""
    unit: str = ""


_CODES = (
    "USD EUR GBP JPY CNY INR CHF CAD AUD NZD SEK NOK DKK ISK PLN CZK HUF RON BGN RUB UAH TRY ILS ZAR BRL MXN ARS CLP "
    "COP PEN SGD HKD TWD KRW THB IDR MYR PHP VND AED SAR EGP NGN KES PKR BDT LKR"
).replace(" ", "|")
_CURRENCY = rf"(?:(?:US|CA|AU|NZ|HK|NT|MX|[ACSR])?\$|[€£¥₹₩₽₺₫฿₪₱₦₴₿₡₵₸]|{_CODES}|kr\.?|zł|Kč|Ft|Fr\.|Rs\.?)"
_SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "Mn": 1e6, "Mio": 1e6, "Mio.": 1e6}
_SUFFIXES |= {"B": 1e9, "bn": 1e9, "Bn": 1e9, "Mrd": 1e9, "Mrd.": 1e9, "tn": 1e12, "Tn": 1e12}
_SUFFIXES |= {"thousand": 1e3, "Tsd": 1e3, "Tsd.": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SUFFIXES |= {"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_MORE = "|".join(map(re.escape, sorted(_SUFFIXES, key=len, reverse=True)))


def _body(point: str, group: str, *, indian: bool) -> str:
    """Digits: no group follows a leading zero, so that "0,875" is never 875; a dash in place of decimals is none."""
    rest = rf"(?:{point}(?:--?|\d*))?"
    more = rf"|[1-9]\d?(?:{group}\d\d)+{group}\d{{3}}{rest}" if indian else ""
    grouped = "|".join(rf"[1-9]\d{{0,2}}(?:{sign}\d{{3}})+{rest}" for sign in (group, " ", "'"))
    return rf"(?:{grouped}{more}|\d+{rest}|{point}\d+)(?:[eE][+-]?\d+)?"


def _dressed(body: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<open>\()?\s*(?P<sign>[+-])?\s*(?:(?P<first>{_CURRENCY}|%)\s*)?(?P<within>\()?(?P<inner>[+-])?(?P<body>{body})"
        rf"\s*(?P<suffix>{_MORE})?\s*(?P<last>{_CURRENCY}|%)?\s*(?P<minus>-)?\s*(?P<close>\))?\s*(?P<outer>{_CURRENCY}|%)?",
        re.ASCII,
    )


_POINT_BODY, _COMMA_BODY = _body(r"\.", ",", indian=True), _body(",", r"\.", indian=False)
_PLAIN = re.compile(rf"[+-]?{_POINT_BODY}", re.ASCII), re.compile(rf"[+-]?{_COMMA_BODY}", re.ASCII)
_DRESSED = _dressed(_POINT_BODY), _dressed(_COMMA_BODY)
PURE = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DELETE = {False: str.maketrans("", "", ", '"), True: str.maketrans(",", ".", ". '")}
_SAME = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " "})
_SAME |= str.maketrans({"\u2007": " ", "\u2019": "'", "\u02bc": "'", "\u066b": ".", "\u066c": ",", "\u066a": "%"})
_SAME |= {zero + digit: str(digit) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for digit in range(10)}
_SAME |= {0xFEE0 + ord(sign): sign for sign in "+-.,%$"}  # full-width, as in tables from East Asia


_BLANKS = re.compile(r"\s+")
_APART = re.compile(r"\d\s{2,}\d")
"""Two numbers. Elsewhere runs of blanks count as one (``$    1,234.50``): they could be divided among the parts of the
pattern in so many ways that a text of a thousand would take hours."""


def written(text: str, *, comma: bool) -> Written | None:
    """What stands in a text that is a number in some style with that decimal sign, or None."""
    text = _spelt(text)
    if _PLAIN[comma].fullmatch(text):
        return Written(_size(text, comma))
    if _INFINITE.fullmatch(text):
        return Written(float(text))
    if len(text) > LONGEST or _APART.search(text):
        return None
    found = _DRESSED[comma].fullmatch(_BLANKS.sub(" ", text))
    if found is None:
        return None
    part = found.groupdict()
    signs = [sign for sign in (part["sign"], part["inner"], part["minus"], part["open"], part["within"]) if sign]
    dress = [sign for sign in (part["first"], part["last"], part["outer"]) if sign]
    percent = "%" in dress
    if len(signs) > 1 or ("(" in signs) != bool(part["close"]) or (percent and len(dress) > 1):
        return None
    size = _size(part["body"], comma) * _SUFFIXES.get(part["suffix"] or "", 1.0)
    value = -size if signs and signs[0] in "-(" else size
    return Written(value, percent, part["suffix"] or "", "" if percent else "".join(dress[:1]), "(" in signs)


def _spelt(text: str) -> str:
    """The text in plain digits and signs, without Excel's apostrophe before texts and India's ``/-`` behind amounts."""
    text = text.strip()
    text = text if text.isascii() else text.translate(_SAME).strip()
    text = text.removesuffix("/-")
    return text[1:] if text[:1] == "'" and text[1:2].isdigit() else text


def _size(text: str, comma: bool) -> float:
    return float(text.translate(_DELETE[comma]).rstrip("-"))


_UNIT = re.compile(r"(?:[°µ\"'‰]|[^\W\d_])[^\W\d_°µ/%\"'^.²³·-]*(?:[°µ/%\"'^.²³·-][^\W\d_²³]*){0,3}[23]?")
_LOOSE = re.compile(
    rf"(?P<limit>[<>]=?|[≤≥~≈±]|ca\.|c\.)?\s*(?P<number>.*?\d[^\w]*?)\s*(?P<unit>{_UNIT.pattern}(?:\s[^\W\d_]+)?)?"
)
_BOOKED = {"CR", "DR", "S", "H"}
"""What book-keepers write for a sign: no unit."""


def loosely(text: str, *, comma: bool) -> Written | None:
    """A number behind a limit or before a unit, or in another of the ways that `written` knows."""
    if (plain := written(text, comma=comma)) is not None:
        return plain
    match = _LOOSE.fullmatch(_spelt(text)) if len(text) <= LONGEST else None
    found = written(match["number"], comma=comma) if match else None
    if match is None or found is None or found.percent or len(match["unit"] or "") > 12:
        return None
    unit = "".join((match["unit"] or "").split())
    return None if unit.upper() in _BOOKED else found._replace(limit=match["limit"] or "", unit=unit)


def parse_number(text: str, style: str = "") -> float | None:
    """The number a text stands for in the style of that name, or None.

    >>> parse_number("1,234.5"), parse_number("1.234,5", "comma"), parse_number("12 %", "percent")
    (1234.5, 1234.5, 12.0)
    >>> parse_number("12 kg"), parse_number("0,875"), parse_number("12%"), parse_number("12%", "fraction")
    (None, None, None, 0.12)
    >>> parse_number("12 kg", "unit=kg"), parse_number("12 g", "unit=kg"), parse_number("<0.1", "limit")
    (12.0, None, 0.1)
    """
    known = number_style(style)
    if known.time:
        return parse_time(text)
    read = loosely if known.limit or known.unit else written
    found = read(text, comma=known.comma)
    if found is None or (found.suffix and not known.suffix) or (found.limit and not known.limit):
        return None
    if found.unit not in ("", known.unit):
        return None
    if found.percent:
        return found.value / 100 if known.fraction else found.value if known.percent else None
    return found.value

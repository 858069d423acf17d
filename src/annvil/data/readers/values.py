"""How a value becomes text or number: one spelling for one meaning, at training and at prediction alike.

A category may arrive as ``3``, ``3.0``, ``"3"`` or ``"03"`` depending on the file format and the reader.
`canonical_text` gives all four the same text, so that a model trained on a CSV file also understands a frame or a dict.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from annvil.data.readers.beginnings import BEGINNINGS, beginning
from annvil.data.readers.dates import date_seconds, date_text
from annvil.text.safe import tidy

MISSING_TEXTS = frozenset(
    {"", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None", "NaN", "nan", "-nan", "-NaN", "NaT", "?"}
)
"""Texts that mean "no value" everywhere, spelt exactly so: what pandas recognises, with the question mark of the UCI
repository. Lower-case ``none`` is not among them: in tables it is as often an answer ("other debtors: none")."""

MISSING_NUMBERS = frozenset(
    {"", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nan", "-nan", "nat", "nil", "n.a.", "n/d", "?", "??"}
    | {"-", "--", "---", "–", "—", ".", "..", "...", "*", "missing", "unknown", "not available"}
    | {"#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!", "#bezug!", "#wert!", "#zahl!", "#nv", "#valeur!"}
    | {
        "(null)",
        "\\n",
        ":",
        "-.-",
        "n.d.",
        "nd",
        "n.a",
        "na.",
        "n/v",
        "n.v.",
        "k.a.",
        "k. a.",
        "keine angabe",
        "s/d",
        "unk",
    }
    | {"no data", "nodata", "not applicable", "not reported", "unbekannt", "(missing)", "[null]", "(blank)", "1.#qnan"}
    | {"1.#ind", "-1.#ind", "1.#ind00", "-1.#ind00", "nan(ind)", "-nan(ind)"}
    | {"0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "00/00/0000"}  # MySQL, SAP: no date
)
"""Texts, in lower case, that mean "no value" where every other value is a number or a date: there ``-`` cannot be an
answer, as it is in a column of blood groups."""

_TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "off"})

_PLAIN = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@lru_cache(maxsize=4096)
def canonical_word(text: str) -> str:
    """The one spelling of a text: trimmed; missing → ``""``; ``"True"`` → ``"true"``; a number as `canonical_text` has
    it.

    >>> [canonical_word(t) for t in (" a ", "NA", "TRUE", "03", "3.0", "1.50", "-0")]
    ['a', '', 'true', '3', '3', '1.5', '0']
    """
    text = tidy(text)
    if text in MISSING_TEXTS:
        return ""
    first = text[:1]
    if first in "tTfF" and text.lower() in ("true", "false"):
        return text.lower()
    match = _PLAIN.fullmatch(text) if first in "+-.0123456789" else None
    if match is None or not text.isascii():
        return text
    sign, digits, exponent = match.groups()
    if exponent:
        return canonical_text(float(text)) if math.isfinite(float(text)) else text
    whole, _, fraction = digits.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"-{number}" if sign == "-" and number != "0" else number


def canonical_text(value: Any) -> str:
    """The text of a category, the empty string where the value is missing.

    ``3.0`` → ``"3"``, ``True`` → ``"true"``, ``None``, NaN and the `MISSING_TEXTS` → ``""``, dates → ISO 8601; a text
    that is a plain number gets the spelling of that number, so that ``"03"``, ``3`` and ``3.0`` are one category.
    """
    if isinstance(value, str):
        return canonical_word(value)
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if math.isnan(number):
            return ""
        if math.isinf(number):
            return "inf" if number > 0 else "-inf"
        if number == int(number) and abs(number) < 2**53:
            return str(int(number))
        return canonical_word(format(Decimal(repr(number)), "f"))
    if isinstance(value, (dt.date, np.datetime64)):
        seconds = date_seconds(value)
        return "" if seconds is None or math.isnan(seconds) else date_text(seconds)
    if isinstance(value, dt.time):
        return value.isoformat()
    if isinstance(value, (dt.timedelta, np.timedelta64)):
        return canonical_text(np.timedelta64(value) / np.timedelta64(1, "s"))  # NaN where missing
    if isinstance(value, bytes):
        return canonical_word(value.decode("utf-8", "replace"))
    return canonical_word(str(value))


CATEGORY_STYLES = ("written", "decimals", *BEGINNINGS)
"""How categories are spelt that were texts, some of them numbers, or of which the beginning counts; see
`category_text`."""


def category_text(value: Any, style: str = "") -> str:
    """The text of a category in a column of that style, the empty string where it is missing.

    Without a style categories were numbers, or no text of theirs is one: all spellings of a number are one category.
    Where they were texts, a text stands as it was written, since 3.1 and 3.10 may be two versions; with the style
    "decimals", of columns that a program wrote from floats, "3.0" is the number 3, as another source gives it. In the
    styles of `annvil.data.readers.beginnings` only the beginning counts.

    >>> [category_text(v, "written") for v in ("3.10", "01234", 3.0, "3.0", "TRUE", "NA")]
    ['3.10', '01234', '3', '3.0', 'true', '']
    >>> [category_text(v, "decimals") for v in ("3.0", "3.10", "3", 3)], category_text("3.10")
    (['3', '3.10', '3', '3'], '3.1')
    >>> [category_text(v, "letters") for v in ("C85", "113803", 7, None)]
    ['C', 'none', 'none', '']
    """
    if style in BEGINNINGS:
        if not (text := canonical_text(value)):
            return ""
        begun = beginning(tidy(value) if isinstance(value, str) else text, style)
        return begun if canonical_text(begun) else f"{begun}."  # the series NA is not a missing value
    if not style or not isinstance(value, str):
        return canonical_text(value)
    word = tidy(value)
    is_a_word = canonical_word(word) in ("", "true", "false")
    return canonical_word(word) if is_a_word or (style == "decimals" and _of_a_float(word)) else word


def _of_a_float(text: str) -> bool:
    return text.isascii() and _PLAIN.fullmatch(text) is not None and text == repr(float(text))


def category_style(texts: Iterable[str]) -> str:
    """The style of a column of categories that were texts."""
    numbers = [text for text in texts if text.isascii() and _PLAIN.fullmatch(text)]
    return "" if not numbers else "decimals" if all(map(_of_a_float, numbers)) else "written"


_ZEROS = re.compile(r"\.0*$")


def respelt(texts: Iterable[str], *, comma: bool = False, strictly: bool = True) -> tuple[str, str] | None:
    """The first two texts that are one number spelt differently, "3.1" and "3.10": versions, say, rather than numbers.

    Not counted: a plus, signs between thousands; unless ``strictly``, zeros alone behind the decimal sign (1 and 1.0).

    >>> respelt(["1", "3.1", "3.10"]), respelt(["01", "1"]), respelt(["1", "1.0"], strictly=False)
    (('3.1', '3.10'), ('01', '1'), None)
    """
    seen: dict[float, tuple[str, str]] = {}
    for text in texts:
        bare = text.strip().replace(",", ".") if comma else text.strip()
        if bare.isascii() and _PLAIN.fullmatch(bare) and (value := float(bare)):
            key = bare.lstrip("+") if strictly else _ZEROS.sub("", bare.lstrip("+"))
            first, its_key = seen.setdefault(value, (text.strip(), key))
            if its_key != key:
                return first, text.strip()
    return None


GIVEN = "given"
"""The style of a boolean column that tells only whether there is a value."""


def boolean_text(value: Any, style: str = "") -> str:
    """Like `canonical_text`, but every spelling of yes and no becomes ``"true"`` or ``"false"``; in the style `GIVEN`
    any value is ``"true"``.

    >>> [boolean_text(v) for v in ("Yes", "n", 1, 0.0, True, None, "perhaps")]
    ['true', 'false', 'true', 'false', 'true', '', 'perhaps']
    >>> [boolean_text(v, GIVEN) for v in ("C85", "no", 7, None, "NA")]
    ['true', 'true', 'true', '', '']
    """
    text = canonical_text(value)
    if style == GIVEN:
        return "true" if text else ""
    yes = means_yes(text)
    return text if yes is None else "true" if yes else "false"


def means_yes(text: str) -> bool | None:
    """Whether a text is a spelling of yes (True), of no (False) or of neither (None)."""
    lowered = text.strip().lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else None


def is_missing_number(text: str) -> bool:
    """Whether a text among numbers or dates means "no value"."""
    return text.strip().lower() in MISSING_NUMBERS

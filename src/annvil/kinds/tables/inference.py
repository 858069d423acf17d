"""What kind of values a column holds, judged from all of them, with the reason in words.

The rules, first match decides:

1. no value: *empty*; one value and no gap: *constant*; lists or records: left out as *text*
2. what the user asked for
3. booleans, and texts that are all a spelling of yes or no (both must occur): *boolean*
4. dates, texts that are all dates in one format, and numbers that are dates in digits (20210304): *datetime*
5. numbers, and texts that are numbers in one style (`annvil.data.readers.numbers`): *number*, unless they look like an
   identifier: whole numbers that never repeat and are exactly those from one to another, or that the name calls an id.
   A column with fractions is never an identifier.
6. texts that hardly repeat (on average less than twice): free *text* when long or of several words, else *identifier*;
   how they begin stays as a *category* where that repeats (``AX-1234``, ``C85``); else, where some rows have one and
   others none, whether there is one stays as a *boolean*: gaps often tell
7. other texts: *category*

Whole numbers with few values stay numbers; ``kinds={"column": "category"}`` makes them categories. Where they look like
codes (`annvil.data.integer_codes`), models get them as both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import cast, get_args

import numpy as np

from annvil.data.readers.convert import (
    Parsed,
    as_category,
    as_column,
    category_field,
    long_numbers,
    read_dates,
    read_numbers,
    refuse_infinite,
    refuse_odd,
    wanted_of,
)
from annvil.data.readers.dates import date_text, digits_of_dates
from annvil.data.readers.learn_numbers import Habit
from annvil.data.readers.raw import DURATIONS, RawColumn
from annvil.data.readers.values import MISSING_TEXTS, canonical_text, means_yes, respelt
from annvil.data.table import Column, Field, Kind
from annvil.errors import RequestError, did_you_mean
from annvil.kinds.tables.identifiers import REPEATED_ID, identifier_reason, many_for_an_id, names_an_id
from annvil.kinds.tables.judged import Judged, asking, empty_or_constant, examples_of, kept, left_out
from annvil.kinds.tables.rare_texts import TELLING_GAPS, by_beginning, by_examples, hardly_repeats, whether_given
from annvil.tasks.base import FloatArray
from annvil.text.phrases import quoted

NUMERIC_SHARE = 0.95
"""With at least this share of numbers the rest is taken for typing errors, and asked about rather than guessed."""

MOST_WORDS = 5
"""So many different words among numbers may stand for unknown values rather than make the column one of texts
(assumed)."""


def judge(
    raw: RawColumn, *, asked: Kind | None = None, missing: Collection[str] = (), habit: Habit = "", where: str
) -> Judged:
    """Decide the kind of one column and convert its values.

    Raises
    ------
    DataError
        Where a column asked to be numbers or dates, or consisting of them by 95% and more, holds other texts; where
        numbers are infinite.
    """
    if raw.storage == "nested":
        return left_out(raw, "text", "holds lists, records or bytes, which models of tables cannot use", 0, 0)
    if raw.about_unique is not None:
        return by_examples(raw)
    if asked is not None:
        return _as_asked(raw, asked, missing, habit, where)
    if raw.storage in ("number", "boolean", "date"):
        return _typed(raw, missing, where)
    return _texts(raw, missing, habit, where)


def _typed(raw: RawColumn, missing: Collection[str], where: str) -> Judged:
    """Columns whose source said what they hold."""
    if raw.storage == "boolean":
        column = as_category(raw, Field(raw.name, "boolean"))
        return empty_or_constant(raw, column) or kept(raw, column, "true and false")
    if raw.storage == "date":
        dates = read_dates(raw)
        column = Column(Field(raw.name, "datetime", raw.style), dates.values)
        reason = f"dates, {raw.style}" if raw.style else "dates"
        return empty_or_constant(raw, column) or kept(raw, column, "; ".join([reason, *dates.said]))
    what = "durations or times of day, in seconds" if raw.style == DURATIONS else "numbers"
    return _numbers(raw, read_numbers(raw, missing=missing), what, where)


def _texts(raw: RawColumn, missing: Collection[str], habit: Habit, where: str) -> Judged:
    column = as_category(raw, category_field(raw), missing=missing)
    flat = empty_or_constant(raw, column)
    if (long := long_numbers(raw, missing)) and len({*map(float, long.levels)}) < len(long.levels):
        return flat or _categories(raw, column, missing)  # as float64 different ones would be one number
    if {means_yes(level) for level in column.levels} == {True, False} and not all(map(str.isdigit, column.levels)):
        words = " and ".join(sorted({t for t in raw.levels if means_yes(t) is not None}, key=str.lower)[:4])
        return kept(raw, as_category(raw, Field(raw.name, "boolean"), missing=missing), f"two answers, {words}")
    numbers = read_numbers(raw, missing=missing, habit=habit)
    n_present = int(np.sum(column.values >= 0))
    n_numbers = int(np.sum(~np.isnan(numbers.values)))
    n_odd = int(np.isin(raw.values, numbers.odd).sum())
    if n_numbers and not n_odd:
        comma = "comma" in numbers.style.split()
        comma_said = " with a decimal comma" if comma else ""
        pair = respelt(raw.levels, comma=comma) if raw.label == "str" else None
        if pair and len(np.unique(numbers.values[~np.isnan(numbers.values)])) == 1:
            return kept(raw, column, f"{len(column.levels)} different texts, all of one number")
        if pair:
            one = f"{quoted(pair[0])} and {quoted(pair[1])} are read as one number; to keep them apart, ask for it"
            numbers = replace(numbers, said=(*numbers.said, f"{one}: {asking(raw.name, 'category')}"))
        plain = raw.tokens or raw.label == "int"
        return _numbers(raw, numbers, "numbers" if plain else f"numbers written as text{comma_said}", where)
    if numbers.contradictory:
        refuse_odd(raw, numbers, where, wanted_of(Field(raw.name, "number", numbers.style or "point")))
    dates = read_dates(raw, missing=missing)
    if len(dates.odd) == 0 and np.any(~np.isnan(dates.values)):
        column = Column(Field(raw.name, "datetime", dates.style), dates.values)
        reason = "; ".join([f"dates, {dates.style}", *dates.said])
        return empty_or_constant(raw, column) or kept(raw, column, reason, dates.tokens)
    if flat is not None:
        return flat
    if dates.contradictory:
        refuse_odd(raw, dates, where, wanted_of(Field(raw.name, "datetime", dates.style)))
    if n_numbers >= NUMERIC_SHARE * (n_numbers + n_odd) and len(np.unique(numbers.values)) > 10:
        refuse_odd(raw, numbers, where, "a number")
    if (~np.isnan(dates.values)).sum() >= NUMERIC_SHARE * n_present and n_present:
        refuse_odd(raw, dates, where, "a date")
    return _categories(raw, column, missing, _numbers_beside(raw, numbers))


def _numbers_beside(raw: RawColumn, numbers: Parsed) -> str:
    """What to tell of a column in which a few words stand among many numbers; empty where it is none."""
    if not 0 < len(numbers.odd) <= MOST_WORDS or len(np.unique(numbers.values)) <= 10 * len(numbers.odd):
        return ""
    n_odd, words = int(np.isin(raw.values, numbers.odd).sum()), [raw.levels[code] for code in numbers.odd]
    if n_odd > np.sum(~np.isnan(numbers.values)):
        return ""
    return (
        f"numbers beside {' and '.join(map(quoted, words[:3]))} ({n_odd} rows): to read them as numbers, say that "
        f"these mean an unknown value: missing={words[:3]!r}"
    )


def _categories(raw: RawColumn, column: Column, missing: Collection[str], beside: str = "") -> Judged:
    """Texts that are nothing but texts; ``beside``: what else may be said of them."""
    n_levels, n_present = len(column.levels), int(np.sum(column.values >= 0))
    hardly = hardly_repeats(column.levels, n_present)
    if hardly is not None and beside:
        hardly = hardly[0], beside
    elif hardly is not None and hardly[0] == "identifier" and (begun := by_beginning(raw, column, missing)):
        return begun
    if hardly is not None and TELLING_GAPS[0] <= 1 - n_present / len(raw.values) <= TELLING_GAPS[1]:
        return whether_given(raw, hardly[1], n_levels, missing)
    if hardly is not None:
        gaps = len(raw.values) - n_present
        return left_out(raw, *hardly, gaps, n_levels, column.levels[:3], keep="category")
    if names_an_id(raw.name, strictly=True) and many_for_an_id(n_levels, n_present):
        why = REPEATED_ID.format(n=n_levels, name=raw.name)
        return left_out(raw, "identifier", why, 0, n_levels, keep="category")
    tokens = {text: 1 for text in raw.levels if text in MISSING_TEXTS or text in missing}
    return kept(raw, column, "; ".join([f"{n_levels} different texts", *([beside] if beside else [])]), tokens)


def _numbers(raw: RawColumn, parsed: Parsed, reason: str, where: str) -> Judged:
    values = parsed.values
    column = Column(Field(raw.name, "number", parsed.style), values)
    flat = empty_or_constant(raw, column, parsed.tokens)
    if flat is not None:
        return flat
    if not parsed.style and digits_of_dates(values):
        return _dates_in_digits(raw, values)
    refuse_infinite(raw.name, values, where)
    why = identifier_reason(raw.name, values)
    if why:
        gaps = int(np.isnan(values).sum())
        return left_out(raw, "identifier", why, gaps, len(values) - gaps, examples_of(column), keep="number")
    return kept(raw, column, "; ".join([reason, *parsed.said]), parsed.tokens)


def _dates_in_digits(raw: RawColumn, values: FloatArray) -> Judged:
    """Of numbers that all are dates in digits."""
    column = Column(Field(raw.name, "datetime"), read_dates(RawColumn(raw.name, "number", values)).values)
    at = int(np.flatnonzero(~column.missing)[0])
    said = f"dates in digits, {canonical_text(float(values[at]))} read as {date_text(column.values[at])}"
    if np.any(column.missing & ~np.isnan(values)):
        said += "; 0 and dates of the year 9999 read as missing"
    return kept(raw, column, f"{said}; if they are numbers, ask for it: {asking(raw.name, 'number')}")


def _as_asked(raw: RawColumn, asked: Kind, missing: Collection[str], habit: Habit, where: str) -> Judged:
    parsed = Parsed(np.empty(0))
    if asked == "number" and raw.storage in ("number", "text"):
        parsed = read_numbers(raw, missing=missing, habit=habit)
    elif asked == "datetime":
        parsed = read_dates(raw, missing=missing)
    spec = category_field(raw) if asked == "category" else Field(raw.name, asked, parsed.style)
    column = as_column(raw, spec, missing=missing, where=where)
    return empty_or_constant(raw, column) or kept(raw, column, "; ".join(["as asked", *parsed.said]))


def check_kind(column: str, kind: str) -> Kind:
    """The kind that the user asked for, or an error that names the four."""
    known = get_args(Kind)
    if kind not in known:
        raise RequestError(
            f"Column {column!r} cannot be read as {kind!r}; kinds are {', '.join(known)}.{did_you_mean(kind, known)}"
        )
    return cast(Kind, kind)

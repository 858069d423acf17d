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
   where some rows have one and others none, whether there is one stays as a *boolean*: gaps often tell
7. other texts: *category*

Whole numbers with few values stay numbers; ``kinds={"column": "category"}`` makes them categories. Where they look like
codes (`annvil.data.integer_codes`), models get them as both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast, get_args

import numpy as np

from annvil.data.dataset import ColumnNote, LeftOut
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
from annvil.data.readers.values import GIVEN, MISSING_TEXTS, canonical_text, means_yes, respelt
from annvil.data.table import Column, Field, Kind
from annvil.errors import RequestError, did_you_mean
from annvil.kinds.tables.identifiers import FEW_ROWS, REPEATED_ID, identifier_reason, many_for_an_id, names_an_id
from annvil.tasks.base import FloatArray
from annvil.text.phrases import quoted

NUMERIC_SHARE = 0.95
"""With at least this share of numbers the rest is taken for typing errors, and asked about rather than guessed."""

MOST_WORDS = 5
"""So many different words among numbers may stand for unknown values rather than make the column one of texts
(assumed)."""

TELLING_GAPS = (0.02, 0.98)
"""Shares of gaps between which it may tell something whether there is a value (assumed)."""


@dataclass(frozen=True)
class Judged:
    """A column with what was made of it; ``column`` is None where it is left out."""

    note: ColumnNote
    column: Column | None


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
        return _left_out(raw, "text", "holds lists, records or bytes, which models of tables cannot use", 0, 0)
    if raw.about_unique is not None:
        return _by_examples(raw)
    if asked is not None:
        return _as_asked(raw, asked, missing, habit, where)
    if raw.storage in ("number", "boolean", "date"):
        return _typed(raw, missing, where)
    return _texts(raw, missing, habit, where)


def _typed(raw: RawColumn, missing: Collection[str], where: str) -> Judged:
    """Columns whose source said what they hold."""
    if raw.storage == "boolean":
        column = as_category(raw, Field(raw.name, "boolean"))
        return _empty_or_constant(raw, column) or _kept(raw, column, "true and false")
    if raw.storage == "date":
        dates = read_dates(raw)
        column = Column(Field(raw.name, "datetime", raw.style), dates.values)
        reason = f"dates, {raw.style}" if raw.style else "dates"
        return _empty_or_constant(raw, column) or _kept(raw, column, "; ".join([reason, *dates.said]))
    what = "durations or times of day, in seconds" if raw.style == DURATIONS else "numbers"
    return _numbers(raw, read_numbers(raw, missing=missing), what, where)


def _texts(raw: RawColumn, missing: Collection[str], habit: Habit, where: str) -> Judged:
    column = as_category(raw, category_field(raw), missing=missing)
    flat = _empty_or_constant(raw, column)
    if (long := long_numbers(raw, missing)) and len({*map(float, long.levels)}) < len(long.levels):
        return flat or _categories(raw, column, missing)  # as float64 different ones would be one number
    if {means_yes(level) for level in column.levels} == {True, False} and not all(map(str.isdigit, column.levels)):
        words = " and ".join(sorted({t for t in raw.levels if means_yes(t) is not None}, key=str.lower)[:4])
        return _kept(raw, as_category(raw, Field(raw.name, "boolean"), missing=missing), f"two answers, {words}")
    numbers = read_numbers(raw, missing=missing, habit=habit)
    n_present = int(np.sum(column.values >= 0))
    n_numbers = int(np.sum(~np.isnan(numbers.values)))
    n_odd = int(np.isin(raw.values, numbers.odd).sum())
    if n_numbers and not n_odd:
        comma = "comma" in numbers.style.split()
        comma_said = " with a decimal comma" if comma else ""
        pair = respelt(raw.levels, comma=comma) if raw.label == "str" else None
        if pair and len(np.unique(numbers.values[~np.isnan(numbers.values)])) == 1:
            return _kept(raw, column, f"{len(column.levels)} different texts, all of one number")
        if pair:
            one = f"{quoted(pair[0])} and {quoted(pair[1])} are read as one number; to keep them apart, ask for it"
            numbers = replace(numbers, said=(*numbers.said, f"{one}: {_asking(raw.name, 'category')}"))
        plain = raw.tokens or raw.label == "int"
        return _numbers(raw, numbers, "numbers" if plain else f"numbers written as text{comma_said}", where)
    if numbers.contradictory:
        refuse_odd(raw, numbers, where, wanted_of(Field(raw.name, "number", numbers.style or "point")))
    dates = read_dates(raw, missing=missing)
    if len(dates.odd) == 0 and np.any(~np.isnan(dates.values)):
        column = Column(Field(raw.name, "datetime", dates.style), dates.values)
        reason = "; ".join([f"dates, {dates.style}", *dates.said])
        return _empty_or_constant(raw, column) or _kept(raw, column, reason, dates.tokens)
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
    hardly = _hardly_repeats(column.levels, n_present)
    if hardly is not None and beside:
        hardly = hardly[0], beside
    if hardly is not None and TELLING_GAPS[0] <= 1 - n_present / len(raw.values) <= TELLING_GAPS[1]:
        return _whether_given(raw, hardly[1], n_levels, missing)
    if hardly is not None:
        gaps = len(raw.values) - n_present
        return _left_out(raw, *hardly, gaps, n_levels, column.levels[:3], keep="category")
    if names_an_id(raw.name, strictly=True) and many_for_an_id(n_levels, n_present):
        why = REPEATED_ID.format(n=n_levels, name=raw.name)
        return _left_out(raw, "identifier", why, 0, n_levels, keep="category")
    tokens = {text: 1 for text in raw.levels if text in MISSING_TEXTS or text in missing}
    return _kept(raw, column, "; ".join([f"{n_levels} different texts", *([beside] if beside else [])]), tokens)


def _hardly_repeats(levels: tuple[str, ...], n_present: int) -> tuple[LeftOut, str] | None:
    """Why texts are no category, or None where they repeat at least twice on average."""
    if n_present < FEW_ROWS or 2 * len(levels) <= n_present:
        return None
    words = float(np.mean([len(text.split()) for text in levels[:5000]]))
    length = float(np.mean([len(text) for text in levels[:5000]]))
    many = f"{len(levels)} different texts in {n_present} rows"
    if words >= 3 or length >= 40:
        return "text", f"free text: {many}, {words:.0f} words on average; models of tables cannot read it"
    return "identifier", f"{many}: they hardly repeat, too rarely to learn from single ones"


def _whether_given(raw: RawColumn, reason: str, n_unique: int, missing: Collection[str]) -> Judged:
    """Of texts that hardly repeat, which rows have one. No examples: they may be names and addresses of persons."""
    column = as_category(raw, Field(raw.name, "boolean", GIVEN), missing=missing)
    said = f"{reason}; models get only whether there is one"
    return Judged(ColumnNote(raw.name, "boolean", True, said, int(column.missing.sum()), n_unique), column)


def _by_examples(raw: RawColumn) -> Judged:
    """A column of a long file whose texts nearly all differ, judged by a thousand of them."""
    n_unique = raw.about_unique or 0
    kind, reason = _hardly_repeats(raw.levels, len(raw.levels)) or ("text", "texts that hardly repeat")
    reason = reason.replace(
        f"{len(raw.levels)} different texts in {len(raw.levels)} rows", f"about {n_unique} different texts"
    )
    return _left_out(raw, kind, reason, 0, n_unique, raw.levels[:3], keep="category")


def _numbers(raw: RawColumn, parsed: Parsed, reason: str, where: str) -> Judged:
    values = parsed.values
    column = Column(Field(raw.name, "number", parsed.style), values)
    flat = _empty_or_constant(raw, column, parsed.tokens)
    if flat is not None:
        return flat
    if not parsed.style and digits_of_dates(values):
        return _dates_in_digits(raw, values)
    refuse_infinite(raw.name, values, where)
    why = identifier_reason(raw.name, values)
    if why:
        gaps = int(np.isnan(values).sum())
        return _left_out(raw, "identifier", why, gaps, len(values) - gaps, _examples(column), keep="number")
    return _kept(raw, column, "; ".join([reason, *parsed.said]), parsed.tokens)


def _dates_in_digits(raw: RawColumn, values: FloatArray) -> Judged:
    """Of numbers that all are dates in digits."""
    column = Column(Field(raw.name, "datetime"), read_dates(RawColumn(raw.name, "number", values)).values)
    at = int(np.flatnonzero(~column.missing)[0])
    said = f"dates in digits, {canonical_text(float(values[at]))} read as {date_text(column.values[at])}"
    if np.any(column.missing & ~np.isnan(values)):
        said += "; 0 and dates of the year 9999 read as missing"
    return _kept(raw, column, f"{said}; if they are numbers, ask for it: {_asking(raw.name, 'number')}")


def _as_asked(raw: RawColumn, asked: Kind, missing: Collection[str], habit: Habit, where: str) -> Judged:
    parsed = Parsed(np.empty(0))
    if asked == "number" and raw.storage in ("number", "text"):
        parsed = read_numbers(raw, missing=missing, habit=habit)
    elif asked == "datetime":
        parsed = read_dates(raw, missing=missing)
    spec = category_field(raw) if asked == "category" else Field(raw.name, asked, parsed.style)
    column = as_column(raw, spec, missing=missing, where=where)
    return _empty_or_constant(raw, column) or _kept(raw, column, "; ".join(["as asked", *parsed.said]))


def _empty_or_constant(raw: RawColumn, column: Column, tokens: dict[str, int] | None = None) -> Judged | None:
    """The column left out because it tells nothing, or None. A single value with gaps is kept: the gaps may tell."""
    gaps = column.missing
    n_missing = int(gaps.sum())
    if n_missing == len(gaps):
        said = f" (only {', '.join(map(repr, list(tokens)[:3]))})" if tokens else ""
        return _left_out(raw, "empty", f"no value in any row{said}", n_missing, 0)
    present = column.values[~gaps]
    if n_missing == 0 and bool(np.all(present == present[0])):
        return _left_out(raw, "constant", "the same value in every row", 0, 1)
    return None


def _examples(column: Column) -> tuple[str, ...]:
    """Up to three values as texts, in order of rows."""
    head = column.values[~column.missing][:200].tolist()
    distinct = list(dict.fromkeys(head))[:3]
    if column.field.is_text:
        return tuple(column.levels[code] for code in distinct)
    if column.kind == "datetime":
        return tuple(date_text(value) for value in distinct)
    return tuple(canonical_text(value) for value in distinct)


def _kept(raw: RawColumn, column: Column, reason: str, tokens: dict[str, int] | None = None) -> Judged:
    n_missing = int(column.missing.sum())
    if tokens:
        reason += f"; {' and '.join(map(repr, list(tokens)[:3]))} read as missing"
    n_unique = len(column.levels) if column.field.is_text else len(np.unique(column.values[~column.missing]))
    note = ColumnNote(raw.name, column.kind, True, reason, n_missing, n_unique, _examples(column))
    return Judged(note, column)


def _left_out(
    raw: RawColumn,
    kind: LeftOut,
    reason: str,
    n_missing: int,
    n_unique: int,
    examples: tuple[str, ...] = (),
    *,
    keep: Kind | None = None,
) -> Judged:
    """The column with the reason why it is left out and, where it could be used, the kind to ask for."""
    if keep is not None:
        reason += f"; to keep it, ask for it: {_asking(raw.name, keep)}"
    return Judged(ColumnNote(raw.name, kind, False, reason, n_missing, n_unique, tuple(examples)), None)


def _asking(name: str, kind: Kind) -> str:
    return f"kinds={{{name!r}: {kind!r}}} (--as {name}={kind})"


def check_kind(column: str, kind: str) -> Kind:
    """The kind that the user asked for, or an error that names the four."""
    known = get_args(Kind)
    if kind not in known:
        raise RequestError(
            f"Column {column!r} cannot be read as {kind!r}; kinds are {', '.join(known)}.{did_you_mean(kind, known)}"
        )
    return cast(Kind, kind)

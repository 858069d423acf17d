"""Raw columns → columns of a known kind: the same way for training data and for rows to predict."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from annvil.data.readers.dates import DATE_STYLES, ENDLESS, NEVER, date_text, number_seconds, parse_date
from annvil.data.readers.learn_dates import learn_date_style
from annvil.data.readers.learn_numbers import Habit, learn_number_style
from annvil.data.readers.numbers import number_style, parse_number
from annvil.data.readers.raw import DURATIONS, EXACT, RawColumn, merge_levels
from annvil.data.readers.values import (
    CATEGORY_STYLES,
    GIVEN,
    boolean_text,
    canonical_text,
    category_style,
    category_text,
    is_missing_number,
)
from annvil.data.table import Column, Field
from annvil.errors import DataError, name_rows
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import quoted

_BOOLEANS = ("false", "true")

LARGEST = 1e30
"""Numbers beyond this are refused: models add up float32 numbers, which end at 3e38, and squares in float64."""


@dataclass(frozen=True)
class Parsed:
    """What texts became when read as numbers or dates.

    ``values``: float64 ``(n_rows,)`` with NaN for missing and for ``odd``; ``odd``: codes of the levels that could not
    be read; ``tokens``: words for "missing" met, with their count; ``style``: see `Field.style`; ``said``: what was
    open and how it was decided; ``contradictory``: whether all texts could be read, but not in one style.
    """

    values: FloatArray
    odd: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    tokens: dict[str, int] = field(default_factory=dict)
    style: str = ""
    said: tuple[str, ...] = ()
    contradictory: bool = False


def _blanks(raw: RawColumn, missing: Collection[str]) -> list[bool]:
    """Which levels mean "no value" among numbers or dates."""
    return [text in missing or is_missing_number(text) for text in raw.levels]


def read_numbers(
    raw: RawColumn, *, missing: Collection[str] = (), style: str | None = None, habit: Habit = ""
) -> Parsed:
    """The column as numbers: its texts in the style of that name or, where it is None, in the one learnt from them."""
    if raw.storage == "boolean":
        return Parsed(np.where(raw.values < 0, np.nan, raw.values))
    if raw.storage != "text":
        own = raw.style if raw.storage == "number" else ""
        return Parsed(_without(raw.values, missing), tokens=dict(raw.tokens), style=own, said=raw.said)
    if raw.label in ("int", "float"):  # numbers as Python writes them: categories, digits beyond what float64 holds
        numbers = np.array([*map(float, raw.levels), np.nan])
        return Parsed(_without(numbers[raw.values], missing))
    blank = _blanks(raw, missing)
    said: tuple[str, ...] = ()
    contradictory = False
    if style is None:
        some = [text for text, gap in zip(raw.levels, blank, strict=True) if not gap]
        learnt, said, contradictory = learn_number_style(some, habit)
        style = learnt.name
    found = [None if gap else parse_number(text, style) for text, gap in zip(raw.levels, blank, strict=True)]
    parsed = _parsed(raw, found, blank, style)
    return replace(parsed, values=_without(parsed.values, missing), said=said, contradictory=contradictory)


def long_numbers(raw: RawColumn, missing: Collection[str]) -> RawColumn | None:
    """Whole numbers of 16 and more digits as Python writes them, where all texts are some: they name something, and
    float64 cannot tell all of them apart. None where the column is none of these."""
    if raw.storage != "text":
        return None
    present = ["" if level in missing or is_missing_number(level) else level for level in raw.levels]
    if not any(len(level) > 15 for level in present) or not all(map(_WHOLE.fullmatch, filter(None, present))):
        return None
    if max(abs(int(level)) for level in present if level) < EXACT:
        return None
    codes, levels = merge_levels(raw.values, [level and str(int(level)) for level in present])
    return replace(raw, values=codes, levels=levels, label="int")


_WHOLE = re.compile(r"-?\d{1,100}", re.ASCII)  # Python refuses integers of 4,300 digits


def read_dates(raw: RawColumn, *, missing: Collection[str] = (), style: str | None = None) -> Parsed:
    """The column as seconds since 1970 UTC: its texts in the style of that name or, where it is None, in the one
    learnt from them; numbers by their size (`dates.number_seconds`)."""
    if raw.storage == "date":
        endless = raw.values >= NEVER
        said = (ENDLESS,) if endless.any() else ()
        return Parsed(np.where(endless, np.nan, raw.values), style=raw.style, said=(*raw.said, *said))
    if raw.storage in ("number", "boolean"):
        numbers, codes = np.unique(read_numbers(raw, missing=missing).values, return_inverse=True)
        found = [number_seconds(float(value)) for value in numbers]
        texts = tuple(canonical_text(float(value)) for value in numbers)
        as_texts = RawColumn(raw.name, "text", codes.reshape(-1).astype(np.int32), texts)
        return _parsed(as_texts, found, [False] * len(texts), raw.style)
    if raw.storage != "text":
        return Parsed(read_numbers(raw, missing=missing).values)
    blank = _blanks(raw, missing)
    if style is not None:
        known = [None if gap else parse_date(text, style) for text, gap in zip(raw.levels, blank, strict=True)]
        return _parsed(raw, known, blank, style)
    learnt = learn_date_style([text for text, gap in zip(raw.levels, blank, strict=True) if not gap])
    seconds = iter(learnt.seconds)
    parsed = _parsed(raw, [None if gap else next(seconds) for gap in blank], blank, learnt.style)
    return replace(parsed, said=learnt.said, contradictory=learnt.contradictory)


def _parsed(raw: RawColumn, found: list[float | None], blank: list[bool], style: str) -> Parsed:
    lookup = np.array([np.nan if value is None else value for value in found] + [np.nan])
    odd = np.array([i for i, v in enumerate(found) if v is None and not blank[i]], dtype=np.int64)
    counts = np.bincount(raw.values[raw.values >= 0], minlength=len(raw.levels))
    tokens = {text: int(n) for text, gap, n in zip(raw.levels, blank, counts.tolist(), strict=True) if gap and n}
    return Parsed(lookup[raw.values], odd, tokens, style)


def _without(values: FloatArray, missing: Collection[str]) -> FloatArray:
    """Numbers with those that the user declared missing (such as -999) turned into NaN."""
    gaps = [number for number in map(parse_number, missing) if number is not None]
    return np.where(np.isin(values, gaps), np.nan, values) if gaps else values


def as_category(raw: RawColumn, spec: Field, *, missing: Collection[str] = ()) -> Column:
    """The column as texts in the style of ``spec`` (`category_text`); a boolean's as "true" and "false"."""
    spell: Callable[[Any], str] = partial(boolean_text if spec.kind == "boolean" else category_text, style=spec.style)
    kept_as_texts = raw.label in ("int", "float") and raw.storage == "text"  # numbers, in whatever way they are kept
    if kept_as_texts and spec.style != GIVEN:
        spell = canonical_text
    if raw.storage in ("text", "boolean"):
        codes, levels = merge_levels(raw.values, ["" if text in missing else spell(text) for text in raw.levels])
    else:
        values = _without(raw.values, missing) if raw.storage == "number" else raw.values
        present = ~np.isnan(values)
        distinct, inverse = np.unique(values[present], return_inverse=True)
        say = date_text if raw.storage == "date" and spec.style != GIVEN else spell
        codes = np.full(len(values), -1, dtype=np.int32)
        codes[present] = inverse
        codes, levels = merge_levels(codes, [say(float(value)) for value in distinct])
    if spec.kind == "boolean" and set(levels) <= set(_BOOLEANS):
        lookup = np.array([_BOOLEANS.index(level) for level in levels] + [-1], dtype=np.int32)
        return Column(spec, lookup[codes], _BOOLEANS)
    return sort_levels(Column(spec, codes.astype(np.int32, copy=False), levels))


def category_field(raw: RawColumn) -> Field:
    """The field of a column whose values are categories, in the style that its texts ask for."""
    return Field(raw.name, "category", category_style(raw.levels) if raw.label == "str" else "")


def sort_levels(column: Column) -> Column:
    """The column with its levels in alphabetical order, so that codes do not depend on the order of rows."""
    order = sorted(range(len(column.levels)), key=column.levels.__getitem__)
    if order == list(range(len(order))):
        return column
    lookup = np.append(np.argsort(order), -1).astype(np.int32)
    return Column(column.field, lookup[column.values], tuple(column.levels[i] for i in order))


def as_column(raw: RawColumn, spec: Field, *, missing: Collection[str] = (), where: str) -> Column:
    """The raw column as the kind that ``spec`` names, its texts read in the style of ``spec``.

    Raises
    ------
    DataError
        Where a text is no number or date although one is needed, or a number is infinite; rows and texts are named.
    """
    if raw.storage == "nested":
        raise DataError(
            f"Column {raw.name!r} of {where} holds lists or records; a {spec.kind} column needs plain values."
        )
    if spec.is_text:
        return as_category(raw, spec, missing=missing)
    spans = raw.storage == "number" and raw.style == DURATIONS
    if spans and DURATIONS not in spec.style.split():
        wanted = "dates" if spec.kind == "datetime" else "plain numbers"
        raise DataError(
            f"Column {raw.name!r} of {where} holds durations or times of day where {wanted} are expected; give them in "
            "the unit of the rows that were learnt from, such as seconds: .dt.total_seconds() of pandas and Polars."
        )
    if spec.kind == "datetime":
        parsed = read_dates(raw, missing=missing, style=spec.style)
    elif raw.storage == "date":
        raise DataError(f"Column {raw.name!r} of {where} holds dates where numbers are expected.")
    else:
        parsed = read_numbers(raw, missing=missing, style=spec.style)
    refuse_odd(raw, parsed, where, wanted_of(spec))
    refuse_infinite(raw.name, parsed.values, where)
    return Column(spec, parsed.values)


_STYLES = {"datetime": (*DATE_STYLES,), "category": CATEGORY_STYLES, "boolean": (GIVEN,)}


def known_style(spec: Field) -> bool:
    """Whether the style of a column is one that its kind has."""
    if spec.kind != "number":
        return spec.style in ("", *_STYLES[spec.kind])
    try:
        return number_style(spec.style).name == spec.style
    except ValueError:
        return False


_WANTED = {
    "point": "with a decimal point",
    "comma": "with a decimal comma",
    "time": "of seconds, written as 14:30 or PT1H30M",
}


def wanted_of(spec: Field) -> str:
    """What a value should have been, for messages.

    >>> wanted_of(Field("x", "number", "comma percent")), wanted_of(Field("x", "datetime", "day/month/year"))
    ('a number with a decimal comma', 'a date written day/month/year')
    """
    if spec.kind == "datetime":
        return f"a date written {spec.style}" if spec.style else "a date that can be read in one way only"
    unit = next((f"in {word.removeprefix('unit=')}" for word in spec.style.split() if word.startswith("unit=")), "")
    said = [said for word, said in _WANTED.items() if word in spec.style.split()]
    return " ".join(["a number", *said, *([unit] if unit else [])])


def refuse_odd(raw: RawColumn, parsed: Parsed, where: str, wanted: str, *, any_kind: bool = True) -> None:
    """Raise where texts could not be read, naming rows and texts and what to do; ``any_kind``: the column may hold
    categories as well."""
    if not len(parsed.odd):
        return
    if raw.storage == "text":
        rows = np.flatnonzero(np.isin(raw.values, parsed.odd))
        texts = [raw.levels[code] for code in dict.fromkeys(raw.values[rows].tolist())]
    else:  # numbers that are no dates
        given = read_numbers(raw).values
        rows = np.flatnonzero(np.isnan(parsed.values) & ~np.isnan(given))
        texts = [canonical_text(value) for value in dict.fromkeys(given[rows].tolist())]
    if not len(rows):
        return
    shown = ", ".join(quoted(text) for text in texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
    else_kind = f", if the column holds categories, kinds={{{raw.name!r}: 'category'}}" if any_kind else ""
    raise DataError(
        f"Column {raw.name!r} of {where} has {len(rows)} {'values that are' if len(rows) > 1 else 'value that is'} "
        f"not {wanted} ({name_rows(rows.tolist(), len(rows))}: {shown}); if they mean that the value is unknown, pass "
        f"missing={texts[:3]!r}{else_kind}, or mend them."
    )


def refuse_infinite(name: str, values: FloatArray, where: str) -> None:
    """Raise where a number is infinite or beyond `LARGEST`, naming rows."""
    rows = np.flatnonzero(np.abs(values) > LARGEST)
    if len(rows):
        infinite = bool(np.isinf(values[rows]).all())
        what = "infinite values" if infinite else f"numbers beyond ±{LARGEST:.0e}, which models cannot compute with,"
        raise DataError(
            f"Column {name!r} of {where} has {what} ({name_rows(rows[:5].tolist(), len(rows))}); "
            "replace or rescale them, or leave them empty if they are unknown."
        )

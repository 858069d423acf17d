"""Columns as a source gave them, before anything is decided about them.

Every reader (CSV, Parquet, a frame, …) ends here, so that everything after it (kinds, task, conforming) is the same for
all of them. Texts are held as codes into their distinct values: judging a column of a million rows means judging its
few distinct texts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from numbers import Number
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Source
from annvil.data.readers.dates import date_seconds
from annvil.data.readers.learn_numbers import Habit, decimal_habit
from annvil.data.readers.values import canonical_text
from annvil.errors import DataError
from annvil.text.safe import tidy

Storage = Literal["number", "date", "boolean", "text", "nested"]
LabelType = Literal["int", "float", "bool", "str"]

EXACT = 2.0**53
"""Integers beyond this cannot all be told apart in float64."""

DURATIONS = "time"
"""The style of columns of durations: see `annvil.data.readers.numbers.NumberStyle`."""

MOST_COLUMNS = 10_000
"""More columns than this are refused from the header alone: no contender could learn from them in minutes (assumed)."""


@dataclass(frozen=True)
class RawColumn:
    """One column of the source.

    Attributes
    ----------
    storage : "number" and "date" (seconds since 1970 UTC): float64 with NaN for missing. "boolean" and "text": int32
        codes into ``levels``, -1 for missing (booleans: ``("false", "true")``). "nested": lists, records, bytes; no
        values.
    levels : distinct texts, trimmed, as the user wrote them; words such as "NA" are still among them
    label : type of the user's values, for class labels
    tokens : words found in place of numbers, already turned into NaN, with their count
    about_unique : roughly how many distinct texts there are, when only some rows' texts were kept because nearly all of
        a long column's texts differ; then ``values`` is empty and ``levels`` are examples
    style : how texts were written that the reader turned into values itself (see `Field.style`); "time" where the
        source holds durations or times of day, which are seconds here
    said : what the source left open about the values, and how the reader decided it
    """

    name: str
    storage: Storage
    values: NDArray[Any]
    levels: tuple[str, ...] = ()
    label: LabelType = "str"
    tokens: Mapping[str, int] = field(default_factory=dict)
    about_unique: int | None = None
    style: str = ""
    said: tuple[str, ...] = ()

    def take(self, rows: NDArray[np.int64]) -> RawColumn:
        """The values of the rows asked for."""
        return replace(self, values=self.values[rows]) if len(self.values) else self


@dataclass(frozen=True)
class RawTable:
    """All columns of the source, in its order; ``decimal_comma``: whether the file writes 1,5 for one and a half, as
    its reader found out."""

    columns: tuple[RawColumn, ...]
    n_rows: int
    source: Source
    decimal_comma: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def habit(self) -> Habit:
        """The decimal sign that the source uses where it leaves no doubt."""
        if self.decimal_comma:
            return "comma"
        return decimal_habit(column.levels[:2000] for column in self.columns if column.storage == "text")

    def __getitem__(self, name: str) -> RawColumn:
        return next(column for column in self.columns if column.name == name)


def refuse_repeated_names(names: Sequence[str], where: str) -> None:
    """Raise where a name occurs twice: nothing could say which of the columns is meant."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        shown = ", ".join(repr(name) for name in twice[:5]) + (" and others" if len(twice) > 5 else "")
        raise DataError(f"{where} has more than one column named {shown}; give every column its own name.")


def refuse_header(names: Sequence[str], where: str) -> None:
    """Raise where the columns of a file are too many, or a name occurs twice."""
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{where} has {len(names)} columns; Annvil reads at most {MOST_COLUMNS}. Keep those that matter."
        )
    refuse_repeated_names(names, where)


def encode_texts(texts: Iterable[str | None]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes and distinct texts in order of first appearance; blank and None become -1."""
    index: dict[Any, int] = {}
    codes = np.array([index.setdefault(text, len(index)) for text in texts], dtype=np.int32)
    return merge_levels(codes, ["" if text is None else tidy(str(text)) for text in index])


def merge_levels(codes: NDArray[np.int32], new: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes and levels after level ``i`` was respelt ``new[i]``: equal spellings become one level, ``""`` is -1."""
    levels = tuple(dict.fromkeys(text for text in new if text))
    if len(levels) == len(new):
        return codes, levels
    index = {text: code for code, text in enumerate(levels)} | {"": -1}
    lookup = np.array([*(index[text] for text in new), -1], dtype=np.int32)  # the last one answers code -1
    return lookup[codes], levels


def column_from_array(name: str, values: NDArray[Any]) -> RawColumn:
    """A column from a one-dimensional NumPy array of any type."""
    code = values.dtype.kind
    if isinstance(values, np.ma.MaskedArray):
        return column_from_values(name, [None if v is np.ma.masked else v for v in values])
    if code == "b":
        return RawColumn(name, "boolean", values.astype(np.int32), ("false", "true"), "bool")
    if code in "iu" and beyond_exact(values):
        return column_from_values(name, values.tolist())
    if code in "iuf":
        return RawColumn(name, "number", values.astype(np.float64), label="float" if code == "f" else "int")
    if code in "mM":
        kind = "datetime64[us]" if code == "M" else "timedelta64[us]"
        seconds = np.where(np.isnat(values), np.nan, values.astype(kind).astype(np.int64) / 1e6)
        return RawColumn(name, "date", seconds) if code == "M" else durations(name, seconds)
    if code in "UST":
        return column_from_texts(name, values.astype(str).tolist())
    if code == "O":
        return column_from_values(name, values.tolist())
    return nested(name)


def column_from_texts(name: str, texts: Iterable[str | None]) -> RawColumn:
    """A column from texts, None where missing."""
    return RawColumn(name, "text", *encode_texts(texts))


def booleans(name: str, values: Iterable[Any]) -> RawColumn:
    """A column of Python's or NumPy's booleans; anything else is missing."""
    codes = [int(value) if isinstance(value, (bool, np.bool_)) else -1 for value in values]
    return RawColumn(name, "boolean", np.array(codes, dtype=np.int32), ("false", "true"), "bool")


def durations(name: str, seconds: NDArray[Any]) -> RawColumn:
    """A column of durations or times of day, from their seconds."""
    return RawColumn(name, "number", seconds, label="float", style=DURATIONS)


def nested(name: str) -> RawColumn:
    """A column of lists, records or bytes."""
    return RawColumn(name, "nested", np.empty(0))


def column_from_values(name: str, values: Sequence[Any]) -> RawColumn:
    """A column from Python values of any types: of one kind if they are, otherwise as texts."""
    types = {type(value) for value in values} - {type(None)}
    if float in types and len(types) > 1 and all(v != v for v in values if type(v) is float):
        values = [None if v != v else v for v in values]  # NaN is how pandas writes a gap among values of any type
        types -= {float}
    if all(issubclass(t, str) for t in types):
        return column_from_texts(name, values)
    if any(issubclass(t, (list, tuple, dict, set, bytes, bytearray, np.ndarray)) for t in types):
        return nested(name)
    present = types - {t for t in types if t.__name__ in _PANDAS_GAPS}
    if all(issubclass(t, (bool, np.bool_)) for t in present):
        return booleans(name, values)
    if all(issubclass(t, (dt.timedelta, np.timedelta64)) for t in present):  # NumPy counts its own among the integers
        gap = np.timedelta64("NaT")
        spans = [np.timedelta64(v) if isinstance(v, (dt.timedelta, np.timedelta64)) else gap for v in values]
        return column_from_array(name, np.array(spans).astype("timedelta64[us]"))
    if all(issubclass(t, (int, float, np.number, Decimal, Fraction, Number)) for t in present):
        if any(issubclass(t, (complex, np.complexfloating)) for t in present):
            return nested(name)
        whole = all(issubclass(t, (int, np.integer)) for t in present)
        numbers = np.array([*map(as_float, values)], dtype=np.float64)
        if beyond_exact(numbers) and not np.isinf(numbers).any():
            there = [None if np.isnan(number) else v for v, number in zip(values, numbers, strict=True)]
            if all(v is None or isinstance(v, (int, np.integer)) or _is_whole(v) for v in there):
                return of_digits(column_from_texts(name, [None if v is None else str(int(v)) for v in there]))
        return RawColumn(name, "number", numbers, label="int" if whole else "float")
    if all(issubclass(t, (dt.date, np.datetime64, float)) for t in present):
        seconds = [date_seconds(v) for v in values]
        if all(s is not None or is_gap(v) for s, v in zip(seconds, values, strict=True)):
            return RawColumn(name, "date", np.array([np.nan if s is None else s for s in seconds]))
    return column_from_texts(name, [v if isinstance(v, str) else canonical_text(v) for v in values])


_PANDAS_GAPS = ("NAType", "NaTType")


def is_gap(value: Any) -> bool:
    """Whether a Python value means "no value": None, NaN and the two of pandas."""
    return value is None or type(value).__name__ in _PANDAS_GAPS or (isinstance(value, float) and value != value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (Decimal, Fraction)) and value == int(value)


def of_digits(column: RawColumn) -> RawColumn:
    """A column of texts that are whole numbers, known as such: as float64 they would not all be told apart."""
    return replace(column, label="int")


def beyond_exact(numbers: NDArray[Any]) -> bool:
    """Whether some number is too large to be told apart from its neighbours in float64; infinity is not."""
    if numbers.dtype.kind == "f":
        numbers = numbers[np.isfinite(numbers)]
    return bool(len(numbers)) and bool(max(numbers.max(), -int(numbers.min())) >= EXACT)


def as_float(value: Any) -> float:
    """The value as float64: NaN where missing, infinity where an integer is too large."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def table_in_memory(columns: Sequence[RawColumn], n_rows: int, name: str, details: str = "") -> RawTable:
    """A table that did not come from a file; its fingerprint is SHA-256 over names and values."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(repr((column.name, column.storage, column.levels)).encode())
        digest.update(np.ascontiguousarray(column.values).tobytes())
    n_bytes = sum(column.values.nbytes for column in columns)
    return RawTable(tuple(columns), n_rows, Source(name, None, digest.hexdigest(), n_bytes, details))

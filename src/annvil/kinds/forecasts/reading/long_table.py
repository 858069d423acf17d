"""A table with one row a step: which column is what, as numbers, and which rows belong to which series."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.data.readers.convert import (
    as_category,
    category_field,
    read_numbers,
    refuse_infinite,
    refuse_odd,
)
from annvil.data.readers.dates import parse_date
from annvil.data.readers.moment_columns import read_moment_column
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.forecasts.form import BETWEEN, Covariate
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import listed, quoted

MOST_LEVELS = 50
"""Texts of a covariate that become a number each (assumed); columns with more are left out."""


_OFFSET = re.compile(r":\d\d(\.\d+)? ?[+-](?!00:?00$)\d\d:?\d\d$")
"""The end of a moment in a zone that is not UTC."""

SOME_TEXTS = 50
"""Different texts of a column by which it is taken for one of dates, or of a zone (assumed)."""


@dataclass(frozen=True)
class Long:
    """Rows of all series in the order of the table.

    Attributes
    ----------
    series : int64 ``(n,)``: which series, numbered by their first row
    names : of each
    stamps : float64 ``(n,)``: the moment of a row, in seconds since 1970 where ``dated``
    """

    series: IntArray
    names: tuple[str, ...]
    stamps: FloatArray
    dated: bool
    said: tuple[str, ...] = ()


def column_of(raw: RawTable, name: str, role: str) -> RawColumn:
    """A column that was named in an option.

    Raises
    ------
    RequestError
        Where there is none of that name, with the nearest.
    """
    if name not in raw.names:
        hint = did_you_mean(name, raw.names) or f" Its columns are {listed([quoted(one) for one in raw.names], 12)}."
        raise RequestError(f"{raw.source.name} has no column {quoted(name)} ({role}).{hint}")
    return raw[name]


def read_rows(
    raw: RawTable, time: str | None, series: Sequence[str], missing: Collection[str], *, dated: bool = False
) -> Long:
    """Who each row is about, and when; ``dated``: moments are dates for the model that is to predict."""
    where = raw.source.name
    names, codes = _series_of(raw, series, missing)
    if time is None:
        order = np.argsort(codes, kind="stable")
        begins = np.searchsorted(codes[order], np.arange(len(names)))
        stamps = np.empty(raw.n_rows)
        stamps[order] = np.arange(raw.n_rows) - np.repeat(begins, np.diff([*begins, raw.n_rows]))
        return Long(codes, names, stamps, dated=False)
    column = column_of(raw, time, "time")
    parsed, dated = read_moment_column(column, missing, where, dated=dated, digits=True)
    lost = np.flatnonzero(~np.isfinite(parsed.values))
    if len(lost):
        one = _of(names, codes[lost[0]])
        raise DataError(
            f"The time column {time!r} of {where} has no value in row {lost[0] + 1}{one}; every step needs one."
        )
    zoned = column.storage == "text" and any(map(_OFFSET.search, column.levels[:SOME_TEXTS]))
    return Long(codes, names, parsed.values, dated, ("moments are in UTC, not in their own zones",) * zoned)


def _of(names: Sequence[str], code: int) -> str:
    return f" (series {names[code]!r})" if len(names) > 1 else ""


def _series_of(raw: RawTable, series: Sequence[str], missing: Collection[str]) -> tuple[tuple[str, ...], IntArray]:
    if not series:
        return (raw.source.name,), np.zeros(raw.n_rows, dtype=np.int64)
    texts: list[list[str]] = []
    for name in series:
        column = column_of(raw, name, "series")
        found = as_category(column, category_field(column), missing=missing)
        if (found.values < 0).any():
            row = int(np.flatnonzero(found.values < 0)[0]) + 1
            raise DataError(f"Column {name!r} of {raw.source.name} names no series in row {row}; every step needs one.")
        texts.append([found.levels[code] for code in found.values.tolist()])
    index: dict[tuple[str, ...], int] = {}
    codes = np.array([index.setdefault(key, len(index)) for key in zip(*texts, strict=True)], dtype=np.int64)
    return tuple(BETWEEN.join(key) for key in index), codes


def time_in(raw: RawTable, names: Sequence[str]) -> str | None:
    """The only one of these columns whose texts are dates; None where there is none, or several."""
    found = [
        name
        for name in names
        if raw[name].storage == "date" or (raw[name].storage == "text" and _all_dates(raw[name].levels[:SOME_TEXTS]))
    ]
    return found[0] if len(found) == 1 else None


def _all_dates(texts: Sequence[str]) -> bool:
    return len(texts) > 1 and all(parse_date(text) is not None for text in texts)


def read_target(raw: RawTable, name: str, missing: Collection[str]) -> FloatArray:
    """The numbers to forecast, NaN where there is none."""
    column = column_of(raw, name, "target")
    parsed = read_numbers(column, missing=missing, habit=raw.habit)
    refuse_odd(column, parsed, raw.source.name, "a number", any_kind=False)
    if not np.isfinite(parsed.values).any():
        raise DataError(
            f"The target {name!r} of {raw.source.name} holds no number; a forecast needs a history of them."
        )
    refuse_infinite(name, parsed.values, raw.source.name)
    return parsed.values


def read_covariate(
    raw: RawColumn, missing: Collection[str], habit: str, given: Covariate | None = None
) -> tuple[Covariate, FloatArray] | None:
    """What a column becomes: ``(n, width)`` numbers, NaN where there is no value; None where it holds neither numbers
    nor few different texts. ``given`` is what it was when a model learnt from it."""
    if raw.storage in ("nested", "date"):
        return None
    numbers = read_numbers(raw, missing=missing, habit="comma" if habit == "comma" else "")
    if (given is None and not len(numbers.odd)) or (given is not None and not given.levels):
        values = np.where(np.isfinite(numbers.values), numbers.values, np.nan)
        return (Covariate(raw.name), values[:, None]) if np.isfinite(values).any() or given is not None else None
    column = as_category(raw, category_field(raw), missing=missing)
    if given is None and not 1 < len(column.levels) <= MOST_LEVELS:
        return None
    levels = tuple(sorted(column.levels)) if given is None else given.levels
    texts = np.array([*column.levels, ""])[column.values]
    return Covariate(raw.name, levels), (texts[:, None] == np.array(levels)[None, :]).astype(np.float64)

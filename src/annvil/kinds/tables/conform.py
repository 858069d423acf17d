"""Raw rows to predict → a table with exactly the columns a model was trained on.

Values go the same way as at reading (`convert`), so that a model trained on a CSV file understands a frame, a dict or
an array. One row given as a dict takes a short cut: a server asks for one row at a time.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from annvil.data.readers.convert import LARGEST, as_column, wanted_of
from annvil.data.readers.dates import date_text, number_seconds, parse_date
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.frames import table_from_arrays
from annvil.data.readers.numbers import parse_number
from annvil.data.readers.raw import DURATIONS, RawColumn, RawTable, column_from_values
from annvil.data.readers.values import boolean_text, canonical_text, category_text, is_missing_number
from annvil.data.table import Column, Field, Table
from annvil.errors import DataError, did_you_mean
from annvil.text.phrases import quoted
from annvil.text.quantities import plain_count
from annvil.text.safe import composed, some_names

Schema = tuple[Field, ...]


def conform(
    source: Any, schema: Schema, *, where: str = "the rows to predict", missing: Collection[str] = ()
) -> tuple[Table, tuple[str, ...]]:
    """A table with the columns of ``schema`` in its order, and notices for people.

    Parameters
    ----------
    source : a frame, a dict of columns, a list of dicts, one row as a dict or a Series, a 2-D array with exactly the
        columns of the schema, a `Table` such as ``read(…).inputs``, or a path
    where : what to call the rows in messages
    missing : what the user declared missing when training (`Table.missing`)

    Raises
    ------
    DataError
        Where columns lack, or a value is neither missing nor of its column's kind; rows and values are named.
    """
    source = _named(source)
    if isinstance(source, Mapping) and _is_one_row(source, schema):
        return _one_row(source, schema, where, missing)
    if isinstance(source, list) and len(source) == 1 and isinstance(source[0], Mapping):
        return _one_row(source[0], schema, where, missing)
    if isinstance(source, Table):
        return _reordered(source, schema, where)
    raw = _raw(source, schema)
    by_name = {column.name: column for column in raw.columns}
    notices = _compare_names(by_name, schema, where)
    columns = []
    for spec in schema:
        column = by_name[spec.name]
        learnt = spec
        if raw.decimal_comma and spec.kind == "number" and column.storage == "text" and "comma" not in spec.style:
            learnt = Field(spec.name, spec.kind, f"comma {spec.style}".strip())  # the file's numbers are read so too
        if (counts := _counts_of_durations(column, spec)) and raw.source.path:
            raise DataError(
                f"Column {spec.name!r} of {where} holds plain numbers ({counts}) where the model learnt durations or "
                f"times of day, and {raw.source.name} does not say their unit; write them as 14:30 or PT1H30M."
            )
        columns.append(replace(as_column(column, learnt, missing=missing, where=where), field=spec))
        notices = (*notices, *_told(column, spec, raw))
    return Table(tuple(columns), raw.n_rows), notices


def _told(column: RawColumn, spec: Field, raw: RawTable) -> tuple[str, ...]:
    """Notices about values whose reading the model's training did not settle."""
    if counts := _counts_of_durations(column, spec):
        return (f"Column {spec.name!r} holds durations as numbers ({counts}), which are read as seconds.",)
    if spec.kind == "datetime" and column.storage == "number" and not np.isnan(column.values).all():
        first = float(column.values[~np.isnan(column.values)][0])
        return (_date_told(spec.name, first),)
    if raw.decimal_comma and spec.kind == "number" and "comma" not in spec.style.split():
        return (f"Column {spec.name!r} is read with a decimal comma, as {raw.source.name} writes numbers.",)
    return ()


def _counts_of_durations(column: RawColumn, spec: Field) -> str:
    """An example of plain numbers where durations are expected; empty where there are none."""
    if DURATIONS not in spec.style.split() or column.storage != "number" or column.style == DURATIONS:
        return ""
    present = column.values[~np.isnan(column.values)]
    return f"{present[0]:.10g}" if len(present) else ""


def _date_told(name: str, value: float) -> str:
    return f"Column {name!r} holds dates as numbers: {value:.10g} read as {date_text(number_seconds(value) or 0.0)}."


def _reordered(table: Table, schema: Schema, where: str) -> tuple[Table, tuple[str, ...]]:
    """A table that was read before, its columns in the order of the schema."""
    by_name = {column.name: column for column in table.columns}
    notices = _compare_names(by_name, schema, where)
    for spec in schema:
        if by_name[spec.name].kind != spec.kind:
            raise DataError(
                f"{where} hold {spec.name!r} as {by_name[spec.name].kind}, but the model learnt it as {spec.kind}; "
                f"read them with kinds={{{spec.name!r}: {spec.kind!r}}}."
            )
    return Table(tuple(by_name[spec.name] for spec in schema), table.n_rows), notices


def _raw(source: Any, schema: Schema) -> RawTable:
    if isinstance(source, np.ndarray) or (isinstance(source, (list, tuple)) and not _are_records(source)):
        array = np.asarray(source)
        if array.ndim != 2 or array.shape[1] != len(schema):
            shape = " × ".join(map(str, array.shape))
            raise DataError(
                f"An array of shape {shape} does not fit the {len(schema)} columns of the model "
                f"({', '.join(repr(spec.name) for spec in schema[:5])}{', …' * (len(schema) > 5)}); "
                "pass one row per case, or a frame with column names."
            )
        return table_from_arrays(array, names=[spec.name for spec in schema])
    from annvil.data.readers.opened import read_raw

    texts = {spec.name for spec in schema if spec.kind == "category" or (spec.kind == "number" and spec.style)}
    return read_raw(source, Wanted(whole={spec.name for spec in schema}, texts=texts))


def _are_records(source: list[Any] | tuple[Any, ...]) -> bool:
    return bool(source) and all(isinstance(row, Mapping) for row in source)


def _named(source: Any) -> Any:
    """Dicts with texts as keys, as columns are named; a Series of pandas with the names as its index is a row."""
    if isinstance(source, Mapping):
        plain = all(isinstance(key, str) and key.isascii() for key in source)
        return source if plain else {composed(str(key)): value for key, value in source.items()}
    if isinstance(source, list) and source and all(isinstance(row, Mapping) for row in source):
        return [_named(row) for row in source]
    is_series = hasattr(source, "index") and hasattr(source, "to_dict") and not hasattr(source, "columns")
    return _named(source.to_dict()) if is_series else source


def _is_one_row(source: Mapping[Any, Any], schema: Schema) -> bool:
    """Whether a dict holds values rather than columns of values: its first column that the model knows decides."""
    return next((_is_value(source[spec.name]) for spec in schema if spec.name in source), False)


def _is_value(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not hasattr(value, "__len__")


def _compare_names(given: Collection[str], schema: Schema, where: str) -> tuple[str, ...]:
    """Notices about columns that are ignored; raises where columns lack."""
    wanted = {spec.name for spec in schema}
    lacking = [spec.name for spec in schema if spec.name not in given]
    extra = [name for name in given if name not in wanted]
    if lacking:
        subject = f"column{'s' * (len(lacking) > 1)} {some_names(lacking, 5)} {'are' if len(lacking) > 1 else 'is'}"
        raise DataError(f"The {subject} missing from {where}.{did_you_mean(lacking[0], extra)}")
    if not extra:
        return ()
    ignored = plain_count(len(extra), "column")
    return (f"Ignored {ignored} that the model does not use: {some_names(extra, 5)}.",)


def _one_row(
    row: Mapping[Any, Any], schema: Schema, where: str, missing: Collection[str]
) -> tuple[Table, tuple[str, ...]]:
    columns = []
    for spec in schema:
        try:
            value = row[spec.name]
        except KeyError:
            _compare_names([str(key) for key in row], schema, where)
            raise
        if spec.is_text:
            columns.append(_text(value, spec, where, missing))
        else:
            is_plain = type(value) is float and spec.kind == "number" and not missing
            number = value if is_plain else _number(value, spec, where, missing)
            if abs(number) > LARGEST:
                raise DataError(
                    f"Column {spec.name!r} of {where} is {number:.3g}; pass a number, or None if it is unknown."
                )
            columns.append(Column(spec, np.array([number], dtype=np.float64)))
    notices = _compare_names([str(key) for key in row], schema, where) if len(row) > len(schema) else ()
    return Table(tuple(columns), 1), notices


_FIRST = np.zeros(1, dtype=np.int32)
_GAP = np.full(1, -1, dtype=np.int32)


def _text(value: Any, spec: Field, where: str, missing: Collection[str]) -> Column:
    if not _is_value(value):
        raise DataError(f"Column {spec.name!r} of {where} holds {quoted(repr(value))}; a category is one plain value.")
    text = boolean_text(value, spec.style) if spec.kind == "boolean" else category_text(value, spec.style)
    known = text and text not in missing and not (isinstance(value, str) and value.strip() in missing)
    return Column(spec, _FIRST, (text,)) if known else Column(spec, _GAP)


def _number(value: Any, spec: Field, where: str, missing: Collection[str]) -> float:
    """A number or date as float64, NaN where missing."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        if text in missing or is_missing_number(text):
            return math.nan
        found = parse_date(text, spec.style) if spec.kind == "datetime" else parse_number(text, spec.style)
    elif isinstance(value, (int, float)):
        found = number_seconds(_as_float(value)) if spec.kind == "datetime" else _as_float(value)
    elif not _is_value(value):
        found = None
    else:  # the way of a whole column
        found = float(as_column(column_from_values(spec.name, [value]), spec, missing=missing, where=where).values[0])
    if found is None:
        raise DataError(f"Column {spec.name!r} of {where} is {quoted(str(value))}, which is not {wanted_of(spec)}.")
    return math.nan if missing and canonical_text(found) in missing else found


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf

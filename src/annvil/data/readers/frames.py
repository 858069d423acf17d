"""Frames, dicts of columns, records and arrays → `RawTable`. NumPy, narwhals and the standard library only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from annvil.data.readers.raw import (
    LabelType,
    RawColumn,
    RawTable,
    booleans,
    column_from_array,
    column_from_texts,
    column_from_values,
    is_gap,
    nested,
    refuse_repeated_names,
    table_in_memory,
)
from annvil.errors import DataError, RequestError


def table_from_frame(frame: Any, name: str = "data frame") -> RawTable:
    """A pandas, Polars, PyArrow, Modin, DuckDB… frame (whatever narwhals understands) as raw columns."""
    import narwhals as nw

    if type(frame).__module__.startswith("pandas"):  # narwhals refuses repeated names in words of its own
        refuse_repeated_names([str(label) for label in frame.columns], f"The {name}")
    wrapped = nw.from_native(frame, pass_through=True)
    if isinstance(wrapped, nw.LazyFrame):
        wrapped = wrapped.collect()
    if not isinstance(wrapped, nw.DataFrame):
        raise RequestError(
            f"Cannot read a {type(frame).__name__} as a table: pass a path, a pandas, Polars or PyArrow frame, "
            "a dict of columns, or arrays (X, y)."
        )
    names = [str(label) for label in wrapped.columns]
    refuse_repeated_names(names, f"The {name}")
    columns = list(map(column_from_series, names, wrapped.iter_columns()))
    return table_in_memory(columns, len(wrapped), name)


def column_from_series(name: str, series: Any) -> RawColumn:
    """One narwhals Series as a raw column."""
    import narwhals as nw

    dtype = series.dtype
    if dtype == nw.Boolean:
        return booleans(name, series.to_list())
    if dtype.is_numeric():
        exotic = dtype in (nw.Int128, nw.UInt128)  # which NumPy does not have
        as_values = dtype.is_decimal() or exotic or (dtype.is_integer() and series.null_count())
        column = column_from_array(name, np.array(series.to_list(), dtype=object) if as_values else series.to_numpy())
        if column.storage == "number" or column.label == "int":
            return column
        return RawColumn(name, "number", np.full(len(series), np.nan))  # of objects without a value
    if dtype == nw.String:
        return column_from_texts(name, [v if isinstance(v, str) else None for v in series.to_list()])
    if dtype in (nw.Categorical, nw.Enum):
        return _categories(name, series.to_list())
    if dtype in (nw.Datetime, nw.Date, nw.Duration):
        moments = np.asarray(series.to_numpy())
        return column_from_array(name, moments if moments.dtype.kind in "mM" else moments.astype(object))
    if dtype in (nw.List, nw.Array, nw.Struct, nw.Binary):
        return nested(name)
    return column_from_values(name, [_span(value) for value in series.to_list()])


def _span(value: Any) -> Any:
    """Arrow's ``MonthDayNano``, of which DuckDB makes intervals, as a duration; a month has no fixed length."""
    if type(value).__name__ != "MonthDayNano" or value.months:
        return value
    return dt.timedelta(days=value.days, microseconds=value.nanoseconds / 1000)


def _categories(name: str, values: Sequence[Any]) -> RawColumn:
    """A column of categories, which may be numbers and booleans, too, in pandas and Arrow."""
    there = [None if is_gap(value) else value for value in values]
    types = {type(value) for value in there} - {type(None)}
    label = _LABELS.get(types.pop(), "str") if len(types) == 1 else "str"
    return replace(column_from_texts(name, [None if v is None else str(v) for v in there]), label=label)


_LABELS: dict[type, LabelType] = {bool: "bool", int: "int", float: "float"}


def table_from_mapping(columns: Mapping[Any, Any], name: str = "dict of columns") -> RawTable:
    """A dict from name to a sequence of values."""
    names = [str(key) for key in columns]
    refuse_repeated_names(names, f"The {name}")
    made = []
    for key, values in zip(names, columns.values(), strict=True):
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise RequestError(f"Column {key!r} of the {name} is one value; give a list with one value per row.")
        made.append(column_from_any(key, values))
    lengths = {column: len(values) for column, values in zip(names, columns.values(), strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{column!r} has {n}" for column, n in list(lengths.items())[:5])
        raise DataError(f"The columns of the {name} differ in length: {shown}.")
    return table_in_memory(made, next(iter(lengths.values()), 0), name)


def column_from_any(name: str, values: Any) -> RawColumn:
    """A raw column from a list, a NumPy array, or a Series of any library."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise RequestError(f"Column {name!r} has {values.ndim} dimensions; a column has one.")
        return column_from_array(name, values)
    if isinstance(values, (list, tuple, range)):
        return column_from_values(name, list(values))
    import narwhals as nw

    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return column_from_series(name, series)
    return column_from_values(name, values.to_pylist() if hasattr(values, "to_pylist") else list(values))  # of Arrow


def table_from_records(records: Sequence[Mapping[str, Any]], name: str = "list of records") -> RawTable:
    """A list of dicts, one per row; a key that a row lacks is a missing value there.

    Only the values that are there are looked at: a thousand rows of a few keys each, all different, are few values.
    """
    there: dict[str, tuple[list[int], list[Any]]] = {}
    for row, record in enumerate(records):
        for key, value in record.items():
            rows, values = there.setdefault(key, ([], []))
            rows.append(row)
            values.append(value)
    n = len(records)
    columns = [_spread(column_from_values(str(key), values), rows, n) for key, (rows, values) in there.items()]
    return table_in_memory(columns, n, name)


def _spread(column: RawColumn, rows: Sequence[int], n_rows: int) -> RawColumn:
    """The column with its values at these rows, and none at the others."""
    if len(rows) == n_rows or column.storage == "nested":
        return column
    values = np.full(n_rows, np.nan if column.values.dtype.kind == "f" else -1, dtype=column.values.dtype)
    values[rows] = column.values
    return replace(column, values=values)


def target_column(y: Any) -> Any:
    """The values of y ``(n_rows,)`` out of a frame of one column, an array ``(n_rows, 1)`` or a list of such rows.

    Raises
    ------
    RequestError
        Of a dict, whose keys would be taken for the target, and of a frame of several columns.
    """
    if isinstance(y, Mapping):
        raise RequestError("y is a dict, whose keys would be the target: pass its values as a list or an array.")
    if isinstance(y, (list, tuple)) and y and all(isinstance(row, (list, tuple)) and len(row) == 1 for row in y):
        return [row[0] for row in y]
    if isinstance(y, np.ndarray):
        return y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
    if not hasattr(y, "columns") and not hasattr(y, "column_names"):
        return y
    import narwhals as nw

    frame = nw.from_native(y, eager_only=True)
    if len(frame.columns) != 1:
        raise RequestError(
            f"y has {len(frame.columns)} columns ({', '.join(map(repr, frame.columns[:5]))}); a target is one. Of "
            "several labels at once pass an array of 0 and 1 (n_rows, n_labels), or name the columns: target=[...]."
        )
    return frame[frame.columns[0]].to_native()


LABEL_COLUMN = "label "
"""Begins the names of the columns of a matrix y."""


def table_from_arrays(X: Any, y: Any = None, names: Sequence[str] | None = None) -> RawTable:
    """Arrays ``X (n_rows, n_columns)`` and optionally ``y (n_rows,)``; columns are named x0, x1, …, and target.

    Of several labels ``y (n_rows, n_labels)`` has a column each, named "label 1", "label 2", …
    """
    table = np.asarray(X)
    if table.ndim != 2:
        raise RequestError(f"X has {table.ndim} dimensions; a table has two: (n_rows, n_columns).")
    names = [f"x{i}" for i in range(table.shape[1])] if names is None else names
    columns = [column_from_array(column, table[:, i]) for i, column in enumerate(names)]
    if y is not None:
        y = target_column(y)
        if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] > 1:
            columns += [column_from_array(f"{LABEL_COLUMN}{k + 1}", y[:, k]) for k in range(y.shape[1])]
        else:
            columns.append(column_from_any("target", y if hasattr(y, "__len__") else list(y)))
        if len(y) != len(table):
            raise DataError(f"X has {len(table)} rows and y has {len(y)}; they must be equal.")
    return table_in_memory(columns, len(table), "arrays")

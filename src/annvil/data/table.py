"""A table: columns of names and kinds, with their values.

Values are held column by column in two storages: float64 with NaN for missing (numbers; dates as seconds since
1970-01-01 UTC), and int32 codes into a tuple of texts with -1 for missing (categories and booleans). Codes only save
memory: what a model knows of a category is learnt inside the training rows of a fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.data.form import Arrays, Form
from annvil.data.plugins import form_class
from annvil.tasks.base import FloatArray, IntArray

Kind = Literal["number", "category", "boolean", "datetime"]
"""Kinds of columns a model may use."""


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and kind of one input column: what a saved model asks of a raw row.

    ``style`` says how texts were written that stand for values, so that new rows are read as the training rows were:
    the name of a `annvil.data.readers.numbers.NumberStyle`, such as ``"comma"`` for numbers with a decimal comma, or of
    a `annvil.data.readers.dates.DateStyle`, such as ``"day/month/year"``; usually empty.
    """

    name: str
    kind: Kind
    style: str = ""

    @property
    def is_text(self) -> bool:
        """Whether values are categories (texts) rather than numbers."""
        return self.kind in ("category", "boolean")


def table_form(fields: Sequence[Field], missing: Sequence[str] = ()) -> Form:
    """The form of rows of these columns: texts in ``missing`` mean "no value" in them, beside the usual ones."""
    make: Any = form_class("tables")
    form: Form = make(tuple(fields), tuple(missing))
    return form


@dataclass(frozen=True)
class Column:
    """One input column with its values.

    Attributes
    ----------
    field : name and kind
    values : float64 ``(n_rows,)`` with NaN for missing, or int32 codes ``(n_rows,)`` with -1 for missing
    levels : texts the codes stand for; empty for numbers and dates
    """

    field: Field
    values: NDArray[Any]
    levels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name in the file."""
        return self.field.name

    @property
    def kind(self) -> Kind:
        """The column's kind."""
        return self.field.kind

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value, bool ``(n_rows,)``."""
        return self.values < 0 if self.field.is_text else np.isnan(self.values)

    def texts(self) -> NDArray[np.object_]:
        """Category texts as objects ``(n_rows,)``, the empty string where missing."""
        return np.asarray(np.array([*self.levels, ""], dtype=object)[self.values])


@dataclass(frozen=True)
class Table:
    """Input columns of equal length, in a fixed order.

    ``missing`` are texts that the user declared to mean "no value", beside the usual ones; new rows need the same.
    """

    columns: tuple[Column, ...]
    n_rows: int
    missing: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """What a saved model asks of a raw row."""
        return table_form(self.schema, self.missing)

    @property
    def schema(self) -> tuple[Field, ...]:
        """Names and kinds in order."""
        return tuple(column.field for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def take(self, rows: IntArray | slice) -> Self:
        """The rows asked for, in the order asked for."""
        columns = tuple(replace(column, values=column.values[rows]) for column in self.columns)
        n_rows = len(range(*rows.indices(self.n_rows))) if isinstance(rows, slice) else len(rows)
        return replace(self, columns=columns, n_rows=n_rows)

    def with_column(self, column: Column) -> Self:
        """The table with the column of that name replaced."""
        return replace(self, columns=tuple(column if c.name == column.name else c for c in self.columns))

    @cached_property
    def number_fields(self) -> tuple[Field, ...]:
        """Fields stored as numbers (numbers and dates), in schema order: the columns of `numbers`."""
        return tuple(f for f in self.schema if not f.is_text)

    @cached_property
    def text_fields(self) -> tuple[Field, ...]:
        """Fields stored as texts (categories and booleans), in schema order: the columns of `texts`."""
        return tuple(f for f in self.schema if f.is_text)

    def numbers(self) -> FloatArray:
        """Numbers and dates, float64 ``(n_rows, n_numbers)``: the graph input of that name."""
        chosen = [c.values for c in self.columns if not c.field.is_text]
        return np.stack(chosen, axis=1) if chosen else np.empty((self.n_rows, 0))

    def texts(self) -> NDArray[np.object_]:
        """Categories, objects ``(n_rows, n_texts)`` with ``""`` for missing: the graph input of that name."""
        chosen = [c.texts() for c in self.columns if c.field.is_text]
        return np.stack(chosen, axis=1) if chosen else np.empty((self.n_rows, 0), dtype=object)

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What a saved graph takes for these rows: ``numbers`` and ``texts``."""
        return {"numbers": self.numbers(), "texts": self.texts()}

    @property
    def n_values(self) -> int:
        """Columns of numbers and dates."""
        return len(self.number_fields)

    @property
    def n_texts(self) -> int:
        """Columns of texts."""
        return len(self.text_fields)

    @property
    def n_levels(self) -> int:
        """Categories in all columns of texts together."""
        return sum(len(column.levels) for column in self.columns)

    def raw_row(self, row: int) -> dict[str, Any]:
        """One row as a user would write it: a dict of column name → value, None where missing."""
        values: dict[str, Any] = {}
        for column in self.columns:
            if column.missing[row]:
                values[column.name] = None
            elif column.field.is_text:
                values[column.name] = column.levels[column.values[row]]
            elif column.kind == "datetime":
                values[column.name] = datetime.fromtimestamp(float(column.values[row]), UTC).replace(tzinfo=None)
            else:
                values[column.name] = float(column.values[row])
        return values

    def with_holes(self, share: float, random: np.random.Generator) -> Self:
        """A copy with about that share of its values missing."""
        columns = []
        for column in self.columns:
            values = column.values.copy()
            values[random.random(self.n_rows) < share] = -1 if column.field.is_text else np.nan
            columns.append(replace(column, values=values))
        return replace(self, columns=tuple(columns))

    def digest(self) -> str:
        """Hexadecimal digits that change with any value, name or the order of rows (BLAKE2b, about 1 GB/s)."""
        key = blake2b(digest_size=20)
        for column in self.columns:
            key.update(str((column.values.dtype.str, column.values.shape)).encode())
            key.update(np.ascontiguousarray(column.values).data)
            key.update("\0".join((column.name, *column.levels)).encode())
        return key.hexdigest()

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """The values as arrays by name, and what describes them beside the form as JSON-able values."""
        arrays = {f"column/{i}": np.ascontiguousarray(column.values) for i, column in enumerate(self.columns)}
        return arrays, {"levels": [column.levels for column in self.columns], "n_rows": self.n_rows}


def table_from_columns(columns: Iterable[tuple[str, Kind, Sequence[Any] | NDArray[Any]]]) -> Table:
    """A table from plain values, for tests and estimators: numbers as floats, categories as texts or None.

    >>> table = table_from_columns([("age", "number", [1, 2]), ("sex", "category", ["f", None])])
    >>> table.numbers().tolist(), table.texts().tolist()
    ([[1.0], [2.0]], [['f'], ['']])
    """
    made = []
    n_rows = 0
    for name, kind, values in columns:
        spec = Field(name, kind)
        if spec.is_text:
            present = ["" if v is None else str(v) for v in values]
            levels = tuple(sorted({*present} - {""}))
            index = {level: code for code, level in enumerate(levels)} | {"": -1}
            made.append(Column(spec, np.array([index[v] for v in present], dtype=np.int32), levels))
        else:
            made.append(Column(spec, np.asarray(values, dtype=np.float64)))
        n_rows = len(made[-1].values)
    return Table(tuple(made), n_rows)

"""A table as the models see it, and the question put to it.

Values are held column by column in two storages: float64 with NaN for missing (numbers; dates as seconds since
1970-01-01 UTC), and int32 codes into a tuple of texts with -1 for missing (categories and booleans). Codes only save
memory: what a model knows of a category is learnt inside the training rows of a fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from annvil.task import FloatArray, IntArray, Task

Kind = Literal["number", "category", "boolean", "datetime"]
"""Kinds of columns a model may use."""

LeftOut = Literal["text", "identifier", "constant", "duplicate", "empty", "dropped", "role"]
"""Reasons why a column of the file is not used (``role``: it is the target, the groups or the time)."""


@dataclass(frozen=True)
class Field:
    """Name and kind of one input column: what a saved model asks of a raw row.

    ``style`` says how texts were written that stand for values, so that new rows are read as the training rows were:
    ``"comma"`` for numbers with a decimal comma, the name of a date format such as ``"day/month/year"``; usually empty.
    """

    name: str
    kind: Kind
    style: str = ""

    @property
    def is_text(self) -> bool:
        """Whether values are categories (texts) rather than numbers."""
        return self.kind in ("category", "boolean")


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
        levels: NDArray[np.object_] = np.array([*self.levels, ""], dtype=object)
        texts: NDArray[np.object_] = levels[self.values]
        return texts


@dataclass(frozen=True)
class Table:
    """Input columns of equal length, in a fixed order."""

    columns: tuple[Column, ...]
    n_rows: int

    @property
    def schema(self) -> tuple[Field, ...]:
        """Names and kinds in order."""
        return tuple(column.field for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def take(self, rows: IntArray | slice) -> Table:
        """The rows asked for, in the order asked for."""
        columns = tuple(replace(column, values=column.values[rows]) for column in self.columns)
        n_rows = len(range(*rows.indices(self.n_rows))) if isinstance(rows, slice) else len(rows)
        return Table(columns, n_rows)

    def with_column(self, column: Column) -> Table:
        """The table with the column of that name replaced."""
        return Table(tuple(column if c.name == column.name else c for c in self.columns), self.n_rows)

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


@dataclass(frozen=True)
class ColumnNote:
    """What was made of one column of the file, for people: every column of the file has one, in file order."""

    name: str
    kind: Kind | LeftOut
    used: bool
    reason: str
    n_missing: int
    n_unique: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where the data came from, and how to know it again."""

    name: str
    path: str | None
    sha256: str
    n_bytes: int
    details: str = ""  # for people: delimiter, encoding, decimal sign, compression


@dataclass(frozen=True)
class Dataset:
    """Inputs, target and roles of the rows: what every room above `data` receives.

    Attributes
    ----------
    inputs : the table models learn from
    y : int64 codes into ``task.classes`` ``(n_rows,)``, or float64 values for regression
    task : the question
    groups : int64 ``(n_rows,)``: rows of one group stay on one side of every split. Always set: where the user named no
        groups, identical input rows share a group, so that a duplicate never sits on both sides.
    grouped : whether the user named the groups (then scores are for unseen groups)
    time : float64 ``(n_rows,)`` or None; when set, training rows always precede test rows
    notes : one per column of the file
    source : where it came from
    missing : texts that the user declared to mean "no value", beside the usual ones; new rows need the same
    """

    inputs: Table
    y: NDArray[Any]
    task: Task
    groups: IntArray
    grouped: bool = False
    time: FloatArray | None = None
    notes: tuple[ColumnNote, ...] = ()
    source: Source = field(default_factory=lambda: Source("data", None, "", 0))
    missing: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.inputs.n_rows

    def take(self, rows: IntArray) -> Dataset:
        """The rows asked for, in the order asked for."""
        time = None if self.time is None else self.time[rows]
        return replace(self, inputs=self.inputs.take(rows), y=self.y[rows], groups=self.groups[rows], time=time)


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
            present = [None if v is None or v == "" else str(v) for v in values]
            levels = tuple(sorted({v for v in present if v is not None}))
            index = {level: code for code, level in enumerate(levels)}
            codes = np.array([-1 if v is None else index[v] for v in present], dtype=np.int32)
            made.append(Column(spec, codes, levels))
        else:
            made.append(Column(spec, np.asarray(values, dtype=np.float64)))
        n_rows = len(made[-1].values)
    return Table(tuple(made), n_rows)

"""A data set as the models see it: inputs, and the question put to them.

Inputs of one kind of data are one class that satisfies `Inputs`: `Table` here, pictures in `annvil.kinds.pictures`. The
rooms that do not care which it is ask for no more than `Inputs`; contenders are written for one of them.

Values of a table are held column by column in two storages: float64 with NaN for missing (numbers; dates as seconds
since 1970-01-01 UTC), and int32 codes into a tuple of texts with -1 for missing (categories and booleans). Codes only
save memory: what a model knows of a category is learnt inside the training rows of a fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from annvil.kinds.pictures.form import ImageForm
from annvil.tasks.base import FloatArray, IntArray, Task

Kind = Literal["number", "category", "boolean", "datetime", "image"]
"""Kinds of columns a model may use; a column of pictures stands alone."""

LeftOut = Literal["text", "identifier", "constant", "duplicate", "empty", "dropped", "role"]
"""Reasons why a column of the file is not used (``role``: it is the target, the groups or the time)."""


@dataclass(frozen=True)
class Field:
    """Name and kind of one input column: what a saved model asks of a raw row.

    ``style`` says how texts were written that stand for values, so that new rows are read as the training rows were:
    ``"comma"`` for numbers with a decimal comma, the name of a date format such as ``"day/month/year"``; usually empty.
    ``form`` is the size, channels and resize policy of pictures, None for every other kind.
    """

    name: str
    kind: Kind
    style: str = ""
    form: ImageForm | None = None

    @property
    def is_text(self) -> bool:
        """Whether values are categories (texts) rather than numbers."""
        return self.kind in ("category", "boolean")


class Inputs(Protocol):
    """What every kind of inputs offers to rooms that need not know which kind it is."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def schema(self) -> tuple[Field, ...]:
        """What a saved model asks of a raw row."""

    def take(self, rows: IntArray | slice) -> Self:
        """The rows asked for, in the order asked for."""

    def feeds(self) -> dict[str, NDArray[Any]]:
        """The arrays that a saved graph takes for these rows, by the names that `graph_inputs` gives."""

    def digest(self) -> str:
        """Hexadecimal digits that change with any value, name or the order of rows."""

    def raw_row(self, row: int) -> Any:
        """One row as a user would hand it to a saved model."""

    def with_holes(self, share: float, random: np.random.Generator) -> Self:
        """A copy with about that share of its values missing: what a graph must survive as the model in memory does."""

    @property
    def n_values(self) -> int:
        """Numbers (and dates) of a row, or values of a picture."""

    @property
    def n_levels(self) -> int:
        """Categories in all columns of texts together."""


@dataclass(frozen=True)
class GraphInput:
    """One input of a saved graph: its name, NumPy type, and sizes after the rows; a name is a size of any value."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


Unit = Literal["row", "picture"]


def unit_of(schema: Sequence[Field]) -> Unit:
    """What one of the things is called that a model of this schema predicts."""
    return "picture" if any(field.kind == "image" for field in schema) else "row"


def graph_inputs(schema: Sequence[Field]) -> tuple[GraphInput, ...]:
    """What a graph for this schema takes: numbers and texts of a table, or pixels of pictures.

    >>> [spec.shape for spec in graph_inputs((Field("age", "number"), Field("sex", "category")))]
    [(1,), (1,)]
    """
    if len(schema) == 1 and schema[0].form is not None:
        return (GraphInput("pixels", "uint8", ("height", "width", schema[0].form.channels)),)
    n_texts = sum(spec.is_text for spec in schema)
    return GraphInput("numbers", "float64", (len(schema) - n_texts,)), GraphInput("texts", "string", (n_texts,))


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

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What a saved graph takes for these rows: ``numbers`` and ``texts``."""
        return {"numbers": self.numbers(), "texts": self.texts()}

    @property
    def n_values(self) -> int:
        """Columns of numbers and dates."""
        return len(self.number_fields)

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

    def with_holes(self, share: float, random: np.random.Generator) -> Table:
        """A copy with about that share of its values missing."""
        columns = []
        for column in self.columns:
            values = column.values.copy()
            values[random.random(self.n_rows) < share] = -1 if column.field.is_text else np.nan
            columns.append(replace(column, values=values))
        return Table(tuple(columns), self.n_rows)

    def digest(self) -> str:
        """Hexadecimal digits that change with any value, name or the order of rows (BLAKE2b, about 1 GB/s)."""
        key = blake2b(digest_size=20)
        for column in self.columns:
            key.update(str((column.values.dtype.str, column.values.shape)).encode())
            key.update(np.ascontiguousarray(column.values).data)
            key.update("\0".join((column.name, *column.levels)).encode())
        return key.hexdigest()


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


if TYPE_CHECKING:
    from typing_extensions import TypeVar

    In = TypeVar("In", bound=Inputs, covariant=True, default=Table)
else:
    from typing import TypeVar

    In = TypeVar("In")


@dataclass(frozen=True)
class Dataset(Generic[In]):
    """Inputs, target and roles of the rows: what every room above `data` receives.

    ``Dataset`` alone means a table, ``Dataset[Images]`` pictures, ``Dataset[Inputs]`` either.

    Attributes
    ----------
    inputs : what models learn from
    y : int64 codes into ``task.classes`` ``(n_rows,)``, float64 values for regression, or int64 0 and 1
        ``(n_rows, n_classes)`` where a row may have several labels
    task : the question
    groups : int64 ``(n_rows,)``: rows of one group stay on one side of every split. Always set: where the user named no
        groups, identical input rows share a group, so that a duplicate never sits on both sides.
    grouped : whether the user named the groups (then scores are for unseen groups)
    time : float64 ``(n_rows,)`` or None; when set, training rows always precede test rows
    notes : one per column of the file
    source : where it came from
    missing : texts that the user declared to mean "no value", beside the usual ones; new rows need the same
    official_test : rows that the source itself keeps apart for testing (a folder ``test/``), as a data set of the same
        classes. They are no rows of this one: nothing here trains, splits or chooses by them.
    """

    inputs: In
    y: NDArray[Any]
    task: Task
    groups: IntArray
    grouped: bool = False
    time: FloatArray | None = None
    notes: tuple[ColumnNote, ...] = ()
    source: Source = field(default_factory=lambda: Source("data", None, "", 0))
    missing: tuple[str, ...] = ()
    official_test: Dataset[In] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.inputs.n_rows

    def take(self, rows: IntArray) -> Self:
        """The rows asked for, in the order asked for; the official test stays whole."""
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

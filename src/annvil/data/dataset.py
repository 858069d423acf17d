"""A data set as the models see it: inputs, and the question put to them.

Inputs of one kind of data are one class that satisfies `annvil.data.form.Inputs`, such as `annvil.data.table.Table`.
The rooms that do not care which it is ask for no more; contenders are written for one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, Self

from numpy.typing import NDArray

from annvil.data.form import Inputs
from annvil.tasks.base import FloatArray, IntArray, Targets, Task

LeftOut = Literal["text", "identifier", "constant", "duplicate", "empty", "dropped", "role"]
"""Reasons why a column of the file is not used (``role``: it is the target, the groups or the time)."""


@dataclass(frozen=True)
class ColumnNote:
    """What was made of one column of the file, for people: every column of the file has one, in file order."""

    name: str
    kind: str  # what its values are, or why it is left out (`LeftOut`)
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

    from annvil.data.table import Table

    In = TypeVar("In", bound=Inputs, covariant=True, default=Table)
else:
    from typing import TypeVar

    In = TypeVar("In")


@dataclass(frozen=True)
class Dataset(Generic[In]):
    """Inputs, target and roles of the rows: what every room above `data` receives.

    ``Dataset`` alone means a table, ``Dataset[Inputs]`` any kind of inputs.

    Attributes
    ----------
    inputs : what models learn from
    y : int64 codes into ``task.classes`` ``(n_rows,)``, float64 values for regression, or int64 0 and 1
        ``(n_rows, n_classes)`` where a row may have several labels, or float64 ``(n_rows, horizon)`` for forecasts
    task : the question
    groups : int64 ``(n_rows,)``: rows of one group stay on one side of every split. Always set: where the user named no
        groups, identical input rows share a group, so that a duplicate never sits on both sides.
    grouped : whether the user named the groups (then scores are for unseen groups)
    time : float64 ``(n_rows,)`` or None; when set, training rows always precede test rows
    known_at : float64 ``(n_rows,)`` in the unit of ``time``, or None: when the answer of a row is known, where that is
        later than the row itself; nobody may learn from it before
    context : what scoring a row needs beside its answer, arrays by name (`annvil.tasks.targets.Targets`)
    notes : one per column of the file
    source : where it came from
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
    official_test: Dataset[In] | None = None
    known_at: FloatArray | None = None
    context: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.inputs.n_rows

    def take(self, rows: IntArray) -> Self:
        """The rows asked for, in the order asked for; the official test stays whole."""
        time = None if self.time is None else self.time[rows]
        known_at = None if self.known_at is None else self.known_at[rows]
        context = {name: values[rows] for name, values in self.context.items()}
        inputs, y, groups = self.inputs.take(rows), self.y[rows], self.groups[rows]
        return replace(self, inputs=inputs, y=y, groups=groups, time=time, known_at=known_at, context=context)

    def truth(self, rows: IntArray | slice = slice(None)) -> Any:
        """What scores these rows: their answers, or `Targets` where they have context."""
        return Targets(self.y, self.context).take(rows) if self.context else self.y[rows]

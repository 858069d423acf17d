"""What a saved model asks of raw input: one contract for every kind of data.

A form says which arrays the graph of a saved model takes, brings whatever a user hands over into them, and describes
itself to whoever builds a request. Each kind of data has one class of forms, a frozen msgspec struct tagged with the
kind's name; a bundle stores it as it is, and `annvil.data.plugins` finds the class of a form that was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import IntArray

if TYPE_CHECKING:
    from annvil.onnx.builder import Graph, Value

Arrays = dict[str, NDArray[Any]]
"""Arrays by name."""


@dataclass(frozen=True)
class GraphInput:
    """One input of a saved graph: its name, NumPy type, and sizes after the rows; a name is a size of any value."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Inputs(Protocol):
    """What every kind of inputs offers to rooms that need not know which kind it is."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def form(self) -> Form:
        """What a saved model asks of a raw row."""

    def take(self, rows: IntArray | slice) -> Self:
        """The rows asked for, in the order asked for."""

    def feeds(self) -> dict[str, NDArray[Any]]:
        """The arrays that a saved graph takes for these rows, by the names that `Form.graph_inputs` gives."""

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
    def n_texts(self) -> int:
        """Columns of texts."""

    @property
    def n_levels(self) -> int:
        """Categories in all columns of texts together."""

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything as arrays by name, and JSON-able values beside them; `Form.from_arrays` is its inverse."""


@dataclass(frozen=True)
class Conformed:
    """Raw input that was brought into a form, and sentences for people about what was made of it."""

    inputs: Inputs
    notices: tuple[str, ...] = ()


class InputNotice(UserWarning):
    """Something about the rows given to a model that does not stop it, such as columns it does not use."""


@runtime_checkable
class Form(Protocol):
    """What a saved model asks of raw input.

    Implementations are frozen msgspec structs with ``tag_field="kind"`` and the kind's name as their tag.
    """

    kind: ClassVar[str]

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and kind of everything that one raw row holds, in order."""

    @property
    def n_values(self) -> int:
        """Values of one row, for whoever must bound the memory of a call."""

    def graph_inputs(self) -> tuple[GraphInput, ...]:
        """The arrays that a saved graph takes, in order."""

    def enter(self, graph: Graph) -> tuple[Value, ...]:
        """Add these inputs to a graph; returns the values that a model of this form writes itself from."""

    def conform(self, raw: Any, where: str) -> Conformed:
        """Whatever a user hands over as inputs of exactly this form; ``where`` names it in messages.

        Raises
        ------
        DataError
            Where something lacks or cannot be read.
        """

    def json_schema(self) -> dict[str, Any]:
        """One raw row as JSON, in JSON Schema (draft 2020-12): whatever it allows, `conform` takes."""

    def check(self) -> str | None:
        """Why a form that was read from a file is inconsistent, completing "it contradicts itself: …"; else None."""

    def from_arrays(self, arrays: Arrays, described: dict[str, Any]) -> Inputs:
        """Inputs of this form from what their ``to_arrays`` gave."""

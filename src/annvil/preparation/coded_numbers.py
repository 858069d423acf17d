"""Number columns whose values are codes, given to models a second time as categories."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from annvil.data.integer_codes import LARGEST, is_code
from annvil.data.table import Column, Field, Table
from annvil.onnx.builder import ML, Graph, Value
from annvil.tasks.base import IntArray

ABSENT = "?"
"""Text of a missing code: being missing is a level, told apart from the number's own indicator."""

NEW = "new"
"""Text of a code that training rows do not have."""

_NEVER = -(2**60)
"""No code: what a missing one is looked up as; a number with a fraction is looked up as another that is none."""


@dataclass(frozen=True)
class CodedNumbers:
    """Columns of numbers that also come as texts, after the table's own; the numbers stay as they are.

    Attributes
    ----------
    positions : among the table's numbers
    names : of the columns
    values : per column, the codes of the training rows, increasing
    """

    positions: tuple[int, ...]
    names: tuple[str, ...]
    values: tuple[IntArray, ...]

    @classmethod
    def find(cls, inputs: Table, but: Collection[str] = ()) -> Self:
        """Those that `is_code` recognises among the training rows, but for those names."""
        numbers = inputs.numbers()
        fields = enumerate(inputs.number_fields)
        places = [
            i
            for i, field in fields
            if field.kind == "number" and field.name not in but and is_code(field.name, numbers[:, i])
        ]
        known = [np.unique(numbers[~np.isnan(numbers[:, i]), i]).astype(np.int64) for i in places]
        return cls(tuple(places), tuple(inputs.number_fields[i].name for i in places), tuple(known))

    def added(self, inputs: Table) -> Table:
        """The table with the texts as further columns."""
        if not self.positions:
            return inputs
        numbers = inputs.numbers()
        columns = []
        for position, name, known in zip(self.positions, self.names, self.values, strict=True):
            seen = numbers[:, position]
            place = np.minimum(np.searchsorted(known, seen), len(known) - 1)
            codes = np.where(known[place] == seen, place, len(known) + 1 - np.isnan(seen))
            columns.append(Column(Field(name, "category"), codes.astype(np.int32), (*map(str, known), ABSENT, NEW)))
        return replace(inputs, columns=(*inputs.columns, *columns))

    def write(self, graph: Graph, numbers: Value, texts: Value, n_texts: int) -> Value:
        """`added` as nodes of a graph: ``texts``, string ``(n_rows, n_texts)``, with the further columns."""
        blocks = [texts] if n_texts else []
        for position, known in zip(self.positions, self.values, strict=True):
            seen = graph.columns(numbers, [position])
            whole = graph.op("Equal", graph.op("Floor", seen), seen)
            inside = graph.op("Clip", seen, graph.constant(-LARGEST), graph.constant(LARGEST))
            code = graph.op("Where", whole, inside, graph.constant(float(_NEVER + 2**20)))
            code = graph.op("Where", graph.op("IsNaN", seen), graph.constant(float(_NEVER)), code)
            keys = [*known.tolist(), _NEVER]
            levels = [*map(str, known.tolist()), ABSENT]
            blocks.append(
                graph.op(
                    "LabelEncoder",
                    graph.cast(code, "int64"),
                    domain=ML,
                    keys_int64s=keys,
                    values_strings=levels,
                    default_string=NEW,
                )
            )
        return graph.concat(blocks)


NO_CODED_NUMBERS = CodedNumbers((), (), ())

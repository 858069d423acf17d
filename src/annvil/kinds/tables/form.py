"""The form in which rows reach a model: columns of names and kinds, and what means "no value" in them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from annvil.data.form import Arrays, Conformed, GraphInput
from annvil.data.readers.convert import LARGEST, known_style
from annvil.data.table import Column, Field, Table
from annvil.kinds.tables.seen import Seen, SeenRows

if TYPE_CHECKING:
    from annvil.onnx.builder import Graph, Value


class TableForm(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True, tag_field="kind", tag="tables"):
    """What a saved model asks of a raw row.

    Attributes
    ----------
    fields : the columns, in the graph's order
    missing : texts that the user declared to mean "no value", beside the usual ones
    seen : what the training rows of a saved model held in each column, so that rows unlike them are told of; empty
        where it is not known
    """

    kind: ClassVar[str] = "tables"

    fields: tuple[Field, ...]
    missing: tuple[str, ...] = ()
    seen: tuple[Seen, ...] = ()

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Names and kinds of the columns."""
        return tuple((field.name, field.kind) for field in self.fields)

    @property
    def n_values(self) -> int:
        """Number of columns."""
        return len(self.fields)

    def graph_inputs(self) -> tuple[GraphInput, ...]:
        """``numbers`` float64 ``(rows, n_numbers)`` and ``texts`` string ``(rows, n_texts)``.

        >>> [spec.shape for spec in TableForm((Field("age", "number"), Field("sex", "category"))).graph_inputs()]
        [(1,), (1,)]
        """
        n_texts = sum(field.is_text for field in self.fields)
        numbers = GraphInput("numbers", "float64", (len(self.fields) - n_texts,))
        return numbers, GraphInput("texts", "string", (n_texts,))

    def enter(self, graph: Graph) -> tuple[Value, ...]:
        """``numbers`` and ``texts`` as they come; either may have no columns."""
        return tuple(graph.input(spec.name, spec.dtype, ["rows", *spec.shape]) for spec in self.graph_inputs())

    def conform(self, raw: Any, where: str = "the rows to predict") -> Conformed:
        """A `Table` of these columns; see `annvil.kinds.tables.conform.conform` and `annvil.kinds.tables.seen`."""
        from annvil.kinds.tables.conform import conform

        table, notices = conform(raw, self.fields, where=where, missing=self.missing)
        if self.seen:
            notices = (*notices, *self._seen_rows.notices(table))
        return Conformed(replace(table, missing=self.missing) if self.missing else table, notices)

    @cached_property
    def _seen_rows(self) -> SeenRows:
        return SeenRows(self.fields, self.seen)

    def json_schema(self) -> dict[str, Any]:
        """An object with a value for every column: numbers, texts, ISO 8601 dates, or null where there is none.

        `conform` understands more (numbers and dates as texts); other members are ignored, with a notice.
        """
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {field.name: _VALUES[field.kind] for field in self.fields},
            "required": [field.name for field in self.fields],
        }

    def check(self) -> str | None:
        """Names differ, styles are known, and what was seen is of these columns."""
        names = {field.name for field in self.fields}
        if len(names) < len(self.fields):
            return "two of its columns have the same name"
        if self.seen and len(self.seen) != len(self.fields):
            return "what was seen in training is not that of its columns"
        odd = [field for field in self.fields if not known_style(field)]
        return f"its column {odd[0].name!r} has an unknown style {odd[0].style!r}" if odd else None

    def from_arrays(self, arrays: Arrays, described: dict[str, Any]) -> Table:
        """What `Table.to_arrays` gave."""
        levels = msgspec.convert(described["levels"], tuple[tuple[str, ...], ...])
        columns = tuple(
            Column(field, arrays[f"column/{i}"], texts)
            for i, (field, texts) in enumerate(zip(self.fields, levels, strict=True))
        )
        return Table(columns, described["n_rows"], self.missing)


_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"  # the last days of months are for `conform` to judge
_TIME = r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?)?"
_VALUES: dict[str, dict[str, Any]] = {
    "number": {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST},
    "category": {"type": ["string", "number", "boolean", "null"]},
    "boolean": {"type": ["boolean", "string", "number", "null"]},
    "datetime": {"type": ["string", "null"], "pattern": f"^{_DAY}{_TIME}$"},
}

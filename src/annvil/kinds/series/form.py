"""The form in which series reach a model: channels with names, of any number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from annvil.data.form import Arrays, Conformed, GraphInput, Inputs
from annvil.data.plugins import kind_named

if TYPE_CHECKING:
    from annvil.onnx.builder import Graph, Value

LONGEST = 1 << 24
"""Steps of one series (assumed): what is far beyond any network could take."""

LARGEST = 1e30
"""Numbers beyond this are refused, as those of tables are (`annvil.data.readers.convert.LARGEST`)."""

_NUMBER = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}

Layout = Literal["arrays", "long", "wide", "files"]
Steps = Annotated[int, msgspec.Meta(ge=1, le=LONGEST)]


class SeriesForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="series"):
    """What a saved model asks of a series.

    Attributes
    ----------
    channels : names of the values of a step, in the graph's order
    shortest, longest : steps of the training series; others are taken as well, with a notice
    layout : how the training series were given: "arrays", a "long" table (one row a step), a "wide" one (one row a
        series) or "files" (one each)
    series, time : of a long table, the columns that name the series and the moment
    steps : of a wide table, its columns in order of time; channel after channel where there are several
    every : distance of two steps in the unit of ``time``, where moments were given and are regular
    missing : texts that mean "no value" beside the usual ones
    low, high : of each channel, the smallest and largest value of the training; empty where they are not known
    """

    kind: ClassVar[str] = "series"

    channels: tuple[str, ...]
    shortest: Steps
    longest: Steps
    layout: Layout = "arrays"
    series: str | None = None
    time: str | None = None
    steps: tuple[str, ...] = ()
    every: float | None = None
    missing: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The channels."""
        return tuple((name, "series") for name in self.channels)

    @property
    def n_channels(self) -> int:
        """Values of a step."""
        return len(self.channels)

    @property
    def n_values(self) -> int:
        """Values of the longest series: channels × steps."""
        return self.n_channels * self.longest

    def describe(self) -> str:
        """``"3 channels × 128 steps"``."""
        n = self.n_channels
        steps = f"{self.longest:,}" if self.shortest == self.longest else f"{self.shortest:,} to {self.longest:,}"
        return f"{n} channel{'s' if n > 1 else ''} × {steps} step{'s' if self.longest > 1 else ''}"

    def graph_inputs(self) -> tuple[GraphInput, ...]:
        """``values`` float32 ``(rows, channels, time)``, of any time, and ``lengths`` int64 ``(rows,)``: how many steps
        of each series count; what lies behind them does not."""
        return GraphInput("values", "float32", (self.n_channels, "time")), GraphInput("lengths", "int64", ())

    def enter(self, graph: Graph) -> tuple[Value, ...]:
        """``values`` and ``lengths`` as they come."""
        return tuple(graph.input(spec.name, spec.dtype, ["rows", *spec.shape]) for spec in self.graph_inputs())

    def conform(self, raw: Any, where: str = "the series to predict") -> Conformed:
        """`annvil.kinds.series.series.Series` of this form; see `annvil.kinds.series.conform`."""
        return Conformed(*kind_named(self.kind).conformed(self, raw, where))

    def json_schema(self) -> dict[str, Any]:
        """An object with a list of numbers, or null where a value is missing, for every channel."""
        values = {"type": "array", "minItems": 1, "maxItems": LONGEST, "items": _NUMBER}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "description": "One series: its channels, all of one length.",
            "properties": dict.fromkeys(self.channels, values),
            "required": list(self.channels),
            "additionalProperties": False,
        }

    def check(self) -> str | None:
        """Names differ, and lengths are in order."""
        if not self.channels or len(set(self.channels)) < len(self.channels):
            return "it has no channels, or two of the same name"
        if self.shortest > self.longest:
            return "its shortest series is longer than its longest"
        if self.layout == "wide" and len(self.steps) % self.n_channels:
            return f"{len(self.steps)} columns are no whole number of steps of {self.n_channels} channels"
        if self.low and not len(self.low) == len(self.high) == self.n_channels:
            return "it knows the range of other channels than it has"
        return None

    def from_arrays(self, arrays: Arrays, described: dict[str, Any]) -> Inputs:
        """What `annvil.kinds.series.series.Series.to_arrays` gave."""
        series: Inputs = kind_named(self.kind).from_arrays(self, arrays, described)
        return series

"""The form in which series reach a model that forecasts: the last values, and what is known of the steps ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from annvil.data.form import Arrays, Conformed, GraphInput, Inputs
from annvil.data.frequency import Frequency
from annvil.data.plugins import kind_named

if TYPE_CHECKING:
    from annvil.onnx.builder import Graph, Value

HARMONICS = 3
"""Waves a period is described by: the period itself, its half and its third (Fourier terms; assumed)."""

BETWEEN = " · "
"""Between the parts of a series' name, where several columns name it."""

LONGEST_WINDOW = 1 << 16
ErrorUnit = Literal["scale", "swing", "level"]
Steps = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_WINDOW)]


class Covariate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column beside the target: numbers as they are, or one 0 or 1 for each of its ``levels``."""

    name: str
    levels: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Numbers that it becomes."""
        return len(self.levels) or 1


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often intervals held what came, at origins later than those that made them.

    ``low`` and ``high`` are a 95% interval of ``share``: neighbouring origins and steps err alike, so that blocks of a
    horizon count, not origins.
    """

    level: float
    share: float
    low: float
    high: float
    n_steps: int
    n_blocks: int
    width: float

    @property
    def said(self) -> str:
        """A sentence."""
        share = f"{self.share:.0%} [{self.low:.0%}, {self.high:.0%}]"
        blocks = f"{self.n_blocks} blocks of a horizon or more"
        return (
            f"Intervals of {self.level:.0%} held {share} of {self.n_steps:,} values at origins later than those that "
            f"made them ({blocks})."
        )


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far forecasts were off at origins that nobody had learnt from: what intervals are made of.

    ``errors[step][level]``: so large were the errors of a step with that probability at most, in the ``unit`` of each
    history (`annvil.kinds.forecasts.spread.in_units`); ``levels`` ascend. ``held``: how often such intervals held.
    """

    levels: tuple[float, ...] = ()
    errors: tuple[tuple[float, ...], ...] = ()
    n_origins: int = 0
    unit: ErrorUnit = "scale"
    held: tuple[Coverage, ...] = ()


class ForecastForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="forecasts"):
    """What a saved model asks of a series.

    Attributes
    ----------
    target : what is forecast
    horizon : steps ahead
    window : last values that a model is shown
    season : steps after which a series is like itself; 1 where there is no season
    periods : longer periods of the calendar, in steps: models see where in them an origin lies, since a window does not
        hold them
    frequency : distance of two steps
    time, series : columns of a table with the moment and the name of the series; of several target columns each is one
    targets : where several columns are targets, all of them
    known, past, statics : columns whose values are known ahead, those known up to the origin only, and those that are
        one value for a whole series
    missing : texts that mean "no value" beside the usual ones
    spread : what intervals are made of; empty before a model is shipped
    """

    kind: ClassVar[str] = "forecasts"

    target: str
    horizon: Steps
    window: Steps
    season: Steps = 1
    periods: tuple[float, ...] = ()
    frequency: Frequency = Frequency("number")
    time: str | None = None
    series: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    known: tuple[Covariate, ...] = ()
    past: tuple[Covariate, ...] = ()
    statics: tuple[Covariate, ...] = ()
    missing: tuple[str, ...] = ()
    spread: Spread = Spread()

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The target's history, then covariates."""
        roles = (("known ahead", self.known), ("past", self.past), ("static", self.statics))
        return ((self.target, "history"), *((one.name, role) for role, group in roles for one in group))

    @property
    def n_values(self) -> int:
        """Numbers that a model is given for one origin."""
        sizes = {spec.name: spec.shape for spec in self.graph_inputs()}
        return sum(_product(shape) for shape in sizes.values())

    @property
    def n_phases(self) -> int:
        """Numbers that say where in the long periods an origin lies."""
        return 2 * HARMONICS * len(self.periods)

    def describe(self) -> str:
        """``"the last 48 steps, monthly, season 12"``."""
        season = f", season {self.season}" if self.season > 1 else ""
        return f"the last {self.window:,} steps, {self.frequency.describe()}{season}"

    def graph_inputs(self) -> tuple[GraphInput, ...]:
        """``history`` float64 ``(rows, window)``, the latest value last; then, where there are any, ``phase`` ``(rows,
        n_phases)``, ``known`` ``(rows, window + horizon, …)``, ``past`` ``(rows, window, …)``, ``statics``
        ``(rows, …)``"""
        widths = [sum(one.width for one in group) for group in (self.known, self.past, self.statics)]
        found = [GraphInput("history", "float64", (self.window,))]
        shapes = (
            ("phase", (self.n_phases,)),
            ("known", (self.window + self.horizon, widths[0])),
            ("past", (self.window, widths[1])),
            ("statics", (widths[2],)),
        )
        return (*found, *(GraphInput(name, "float64", shape) for name, shape in shapes if shape[-1]))

    def enter(self, graph: Graph) -> tuple[Value, ...]:
        """These inputs as they come."""
        return tuple(graph.input(spec.name, spec.dtype, ["rows", *spec.shape]) for spec in self.graph_inputs())

    def named(self, raw: tuple[Value, ...]) -> dict[str, Value]:
        """What `enter` gave, by name."""
        return {spec.name: value for spec, value in zip(self.graph_inputs(), raw, strict=True)}

    def conform(self, raw: Any, where: str = "the history") -> Conformed:
        """`annvil.kinds.forecasts.histories.Histories` of this form; see `annvil.kinds.forecasts.conform`."""
        return Conformed(*kind_named(self.kind).conformed(self, raw, where))

    def json_schema(self) -> dict[str, Any]:
        """An object with the last values of a series, the moment of the first of them, and covariates."""
        number = {"type": ["number", "null"]}
        numbers = {"type": "array", "minItems": 1, "items": number}
        start = {"type": "string"} if self.frequency.is_dated else {"type": "number"}
        properties: dict[str, Any] = {
            "history": numbers,
            "start": {**start, "description": "moment of the first value"},
        }
        for one in (*self.known, *self.past):
            cell = {"enum": [*one.levels, None]} if one.levels else number
            properties[one.name] = {"type": "array", "items": cell}
        for one in self.statics:
            properties[one.name] = {"enum": [*one.levels, None]} if one.levels else number
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "description": f"A series up to now; columns known ahead have {self.horizon} values more.",
            "properties": properties,
            "required": ["history", *(["start"] if self.periods else []), *(one.name for one in self.known)],
            "additionalProperties": False,
        }

    def check(self) -> str | None:
        """Names differ, and intervals are of this horizon."""
        names = [name for name, _ in self.columns]
        if len(set(names)) < len(names):
            return "two of its columns have the same name"
        if self.spread.errors and len(self.spread.errors) != self.horizon:
            return "its intervals are of another horizon"
        if any(len(one) != len(self.spread.levels) for one in self.spread.errors):
            return "its intervals lack levels"
        return None

    def from_arrays(self, arrays: Arrays, described: dict[str, Any]) -> Inputs:
        """What `annvil.kinds.forecasts.histories.Histories.to_arrays` gave."""
        found: Inputs = kind_named(self.kind).from_arrays(self, arrays, described)
        return found


def _product(shape: tuple[int | str, ...]) -> int:
    size = 1
    for one in shape:
        size *= int(one)
    return size

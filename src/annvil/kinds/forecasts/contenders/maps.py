"""A forecast that is a linear map of the last values: what all simple contenders become, so that one graph serves all.

``forecast = c + (x - c) W + s (z V + b)``, where ``x`` are the last values (or their logarithms), ``c`` their last or
mean one, ``s`` how far they swing from season to season, and ``z`` what is known beside them: columns known ahead, the
phase of long periods, columns of the series. Smoothing with fixed parameters, a decomposition with a fixed season and a
regression on lags all are such maps; that is found by applying them to the unit vectors (`map_of`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import LEAST, Histories
from annvil.models.members import BaseMember
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

Centre = Literal["last", "mean", "none"]

BEYOND = 700.0
"""Logarithms whose exponentials are still finite."""


@dataclass(frozen=True)
class View:
    """How values are seen before they are mapped.

    Attributes
    ----------
    log_from : logarithms are taken, of values no smaller than this; None: they are not
    centre : what is taken away first and added in the end
    unit : what values are measured in; None: the swing of each window, so that series of all sizes are alike
    """

    log_from: float | None = None
    centre: Centre = "last"
    unit: float | None = None

    def units(self, seen: FloatArray, season: int) -> FloatArray:
        """What the values of each row are measured in ``(n_rows, 1)``."""
        return swings(seen, season) if self.unit is None else np.full((len(seen), 1), self.unit)

    def moves(self, seen: FloatArray, season: int) -> FloatArray:
        """What outputs in `units` are multiplied with ``(n_rows, 1)``: the same, but 0 where a window never moves."""
        if self.unit is not None:
            return self.units(seen, season)
        return np.where(_away(seen, season) > _least(seen), swings(seen, season), 0.0)

    def write_moves(self, graph: Graph, seen: Value, form: ForecastForm) -> Value:
        """`moves` in a graph."""
        if self.unit is not None:
            return self.write_units(graph, seen, form)
        return _write_swings(graph, seen, form, constant=graph.constant([[0.0]], "float64"))

    def write_units(self, graph: Graph, seen: Value, form: ForecastForm) -> Value:
        """`units` in a graph."""
        return write_swings(graph, seen, form) if self.unit is None else graph.constant([[self.unit]], "float64")

    def seen(self, values: FloatArray) -> FloatArray:
        """Values or their logarithms."""
        return values if self.log_from is None else np.log(np.maximum(values, self.log_from))

    def back(self, values: FloatArray) -> FloatArray:
        """The inverse of `seen`."""
        return values if self.log_from is None else np.exp(np.clip(values, -BEYOND, BEYOND))

    def centres(self, seen: FloatArray) -> FloatArray:
        """What is taken away ``(n_rows, 1)``, of windows as they are seen."""
        if self.centre == "none":
            return np.zeros((len(seen), 1))
        return seen[:, -1:] if self.centre == "last" else seen.mean(axis=1, keepdims=True)

    def write_seen(self, graph: Graph, values: Value) -> Value:
        """`seen` in a graph."""
        return (
            values if self.log_from is None else graph.op("Log", graph.op("Max", values, graph.constant(self.log_from)))
        )

    def write_back(self, graph: Graph, values: Value) -> Value:
        """`back` in a graph."""
        if self.log_from is None:
            return values
        return graph.op("Exp", graph.op("Clip", values, graph.constant(-BEYOND), graph.constant(BEYOND)))

    def write_centre(self, graph: Graph, seen: Value, length: int) -> Value:
        """`centres` in a graph, of windows of that length."""
        if self.centre == "none":
            return graph.constant([[0.0]], "float64")
        if self.centre == "last":
            return columns(graph, seen, length - 1, length)
        return graph.op("ReduceMean", seen, graph.constant([1], "int64"))


def swings(seen: FloatArray, season: int) -> FloatArray:
    """Mean distance of the values of a window to the last season ``(n_rows, 1)``, positive: 1 of constant windows."""
    away, least = _away(seen, season), _least(seen)
    return np.where(away > least, away, np.where(least > 0, least / LEAST, 1.0))


def _away(seen: FloatArray, season: int) -> FloatArray:
    season = season if seen.shape[1] > season else 1
    if seen.shape[1] < 2:
        return np.zeros_like(seen)
    return np.asarray(np.abs(seen[:, season:] - seen[:, :-season]).mean(axis=1, keepdims=True))


def _least(seen: FloatArray) -> FloatArray:
    return np.asarray(LEAST * np.abs(seen).max(axis=1, keepdims=True))


def first_known(form: ForecastForm) -> int:
    """The place in the window from which on linear maps see columns known ahead: the steps behind the origin, and as
    many before it or a season, so that what such a column did to the last values can be taken out of them again."""
    return max(0, form.window - max(form.horizon, form.season))


def n_sides(form: ForecastForm) -> int:
    """Numbers of `side_values`."""
    width = sum(one.width for one in form.known) * (form.window + form.horizon - first_known(form))
    return form.n_phases + sum(one.width for one in form.statics) + width


def side_values(inputs: Histories) -> FloatArray:
    """What is known beside the last values ``(n_rows, n)``: phases, statics, columns known ahead from `first_known`."""
    form = inputs.form
    parts = [inputs.phases(), inputs.store.statics[inputs.series]]
    if form.known:
        parts.append(inputs.known()[:, first_known(form) :].reshape(inputs.n_rows, -1))
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class MapMember(BaseMember):
    """A linear map of a form's last ``len(weights)`` values.

    Attributes
    ----------
    weights : float64 ``(length, horizon)``
    sides, bias : float64 ``(n_side_values, horizon)`` and ``(horizon,)``, in swings, or both None
    said : what it is, for people
    """

    form: ForecastForm
    view: View
    weights: FloatArray
    sides: FloatArray | None = None
    bias: FloatArray | None = None
    said: str = ""

    def predict(self, inputs: Histories) -> FloatArray:
        """Float64 ``(n_rows, horizon)``."""
        found = np.empty((inputs.n_rows, self.form.horizon))
        for rows, part in inputs.blocks():
            found[rows] = self._mapped(part)
        return found

    def _mapped(self, inputs: Histories) -> FloatArray:
        seen = self.view.seen(inputs.windows(self.form.window))
        used = seen[:, seen.shape[1] - len(self.weights) :]
        centre = self.view.centres(used)
        found = centre + (used - centre) @ self.weights
        if self.sides is not None:
            assert self.bias is not None
            found = found + self.view.moves(seen, self.form.season) * (side_values(inputs) @ self.sides + self.bias)
        return self.view.back(found)

    def write(self, graph: Graph, *raw: Value) -> Value:
        """The same in float64."""
        named = self.form.named(raw)
        seen = self.view.write_seen(graph, named["history"])
        used = columns(graph, seen, self.form.window - len(self.weights), self.form.window)
        product = self._centred(graph, used)
        if self.sides is not None and self.bias is not None:
            swing = self.view.write_moves(graph, seen, self.form)
            side = graph.constant(self.bias)
            if len(self.sides):
                moved = graph.op("MatMul", write_sides(graph, named, self.form), graph.constant(self.sides))
                side = graph.op("Add", moved, side)
            product = graph.op("Add", product, graph.op("Mul", swing, side))
        return self.view.write_back(graph, product)

    def _centred(self, graph: Graph, used: Value) -> Value:
        weights = graph.constant(self.weights)
        if self.view.centre == "none":
            return graph.op("MatMul", used, weights)
        centre = self.view.write_centre(graph, used, len(self.weights))
        return graph.op("Add", centre, graph.op("MatMul", graph.op("Sub", used, centre), weights))

    @property
    def n_parameters(self) -> int:
        """Weights that are not zero, and biases."""
        sides = 0 if self.sides is None else self.sides.size + self.form.horizon
        return max(1, int(np.count_nonzero(self.weights)) + sides)

    def describe_preparation(self) -> tuple[str, ...]:
        """How values are seen."""
        said = ["Logarithms of the values are taken."] if self.view.log_from is not None else []
        if self.view.centre != "none":
            said.append(f"The {self.view.centre} value of the window is taken away, and added to the forecast.")
        return tuple(said)


def map_of(forecast: Callable[[FloatArray], FloatArray], length: int) -> FloatArray:
    """The weights ``(length, horizon)`` of a method that is linear in the history, from what it makes of unit vectors.

    ``forecast`` takes histories ``(n, length)`` and returns ``(n, horizon)``.

    >>> map_of(lambda history: np.repeat(history[:, -1:], 2, axis=1), 3)
    array([[0., 0.],
           [0., 0.],
           [1., 1.]])
    """
    return forecast(np.eye(length))


def columns(graph: Graph, value: Value, begin: int, end: int) -> Value:
    return graph.op("Slice", value, *(graph.constant([one], "int64") for one in (begin, end, 1)))


def write_swings(graph: Graph, seen: Value, form: ForecastForm) -> Value:
    """`swings` in a graph."""
    return _write_swings(graph, seen, form)


def _write_swings(graph: Graph, seen: Value, form: ForecastForm, constant: Value = "") -> Value:
    """The same, with ``constant`` for windows that never move."""
    n, season = form.window, form.season if form.window > form.season else 1
    axes = graph.constant([1], "int64")
    largest = graph.op("ReduceMax", graph.op("Abs", seen), axes)
    one = graph.op("Where", graph.op("Greater", largest, graph.constant(0.0)), largest, graph.constant(1.0))
    one = constant or one
    if n < 2:
        return one
    late, early = columns(graph, seen, season, n), columns(graph, seen, 0, n - season)
    away = graph.op("ReduceMean", graph.op("Abs", graph.op("Sub", late, early)), axes)
    least = graph.op("Mul", largest, graph.constant(LEAST))
    return graph.op("Where", graph.op("Greater", away, least), away, one)


def write_sides(graph: Graph, named: dict[str, Value], form: ForecastForm) -> Value:
    """`side_values` in a graph."""
    parts = [named[name] for name in ("phase", "statics") if name in named]
    if "known" in named:
        first, last = first_known(form), form.window + form.horizon
        n = (last - first) * sum(one.width for one in form.known)
        shown = columns(graph, named["known"], first, last)
        parts.append(graph.op("Reshape", shown, graph.constant([-1, n], "int64")))
    return graph.concat(parts)

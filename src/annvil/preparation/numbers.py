"""Numbers and dates as one block of columns: read, shift, scale, clip, fill; positions on a cycle; normal scores.

All is computed in float64 and rounded once, at the end: float32 days since 1970 would be steps of 2.8 minutes.

However many columns there are, a block is one array here and a dozen nodes in a graph, so that one raw row is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.data.table import Table
from annvil.onnx.builder import Graph, Value
from annvil.preparation.base import Feature, FloatMatrix, some
from annvil.preparation.calendar import (
    CYCLES,
    DAY,
    EARLIEST,
    LATEST,
    CalendarPart,
    calendar_part,
    write_calendar_part,
)
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed

HUGE = 1e150
"""Values beyond are taken for this (assumed): differences and squares of what is left are finite in float64."""

SMALLEST_SPREAD = 1e-37
"""Spreads below count as none: onnxruntime 1.31 leaves out the subtraction of a constant that float32 rounds to 0
(seen with a center of 7e-46), and this must not matter."""

SMOOTH_CLIP = 3.0
"""Where x / sqrt(1 + (x/3)²) levels off (RealMLP, Holzmüller et al. 2024, arXiv 2407.04491, section 3.1)."""


@dataclass(frozen=True)
class NumberSource:
    """Which number columns are read, dates turned into days, their differences and parts of the calendar.

    Attributes
    ----------
    plain : positions of number columns in the table's numbers
    dates : positions of date columns; each gives days since 1970
    differences : pairs of places in ``dates``, the later one first; each gives the days between them
    parts : parts of the calendar given as plain numbers, each with the places in ``dates`` it is given for
    features : one per column that `read` returns: plain numbers, days, differences, parts
    """

    plain: tuple[int, ...]
    dates: tuple[int, ...]
    differences: tuple[tuple[int, int], ...]
    parts: tuple[tuple[CalendarPart, tuple[int, ...]], ...]
    features: tuple[Feature, ...]

    def read(self, numbers: FloatArray) -> FloatArray:
        """The columns, float64 ``(n_rows, len(features))`` with NaN for missing."""
        if not self.dates:
            return numbers if len(self.plain) == numbers.shape[1] else numbers[:, list(self.plain)]
        seconds = numbers[:, list(self.dates)]
        blocks = [numbers[:, list(self.plain)], seconds / DAY]
        if self.differences:
            later, earlier = np.transpose(self.differences)
            inside = np.clip(seconds, EARLIEST, LATEST)
            blocks.append((inside[:, later] - inside[:, earlier]) / DAY)
        for part, places in self.parts:
            chosen = seconds[:, list(places)]
            blocks.append(np.where(np.isnan(chosen), np.nan, calendar_part(part, chosen)))
        return np.concatenate(blocks, axis=1)

    def write(self, graph: Graph, numbers: Value) -> Value:
        """`read` as nodes of a graph."""
        if not self.dates:
            return numbers if self.plain == tuple(range(len(self.plain))) else graph.columns(numbers, self.plain)
        seconds = graph.columns(numbers, self.dates)
        blocks = [graph.columns(numbers, self.plain)] if self.plain else []
        blocks.append(graph.op("Div", seconds, graph.constant(float(DAY))))
        if self.differences:
            later, earlier = (graph.columns(seconds, places) for places in zip(*self.differences, strict=True))
            inside = [_write_within(graph, side, EARLIEST, LATEST) for side in (later, earlier)]
            between = graph.op("Div", graph.op("Sub", *inside), graph.constant(float(DAY)))
            missing = graph.op("Or", graph.op("IsNaN", later), graph.op("IsNaN", earlier))
            blocks.append(graph.op("Where", missing, graph.constant(np.nan), between))
        for part, places in self.parts:
            chosen = graph.columns(seconds, places)
            value = graph.cast(write_calendar_part(graph, part, chosen), "float64")
            blocks.append(graph.op("Where", graph.op("IsNaN", chosen), graph.constant(np.nan), value))
        return graph.concat(blocks)


@dataclass(frozen=True)
class ScaledPart:
    """(x - center) · factor, kept within ±limit, smoothly clipped if asked; missing values filled and marked.

    Attributes
    ----------
    source : what is read, ``m`` columns
    center, factor : float64 ``(m,)``; a factor of 0 makes a constant column 0
    filling : float64 ``(m,)``: the prepared value of a missing one; NaN keeps it missing
    limit : no prepared value is larger, before the smooth clip
    smooth : whether the smooth clip follows
    marked : columns whose missing values get an indicator of their own, 1 where missing
    about : sentences for people
    """

    source: NumberSource
    center: FloatArray
    factor: FloatArray
    filling: FloatArray
    limit: float
    smooth: bool
    marked: tuple[int, ...]
    about: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Feature, ...]:
        """The scaled columns, then the indicators."""
        columns = self.source.features
        marks = (columns[i].source for i in self.marked)
        return (*columns, *(Feature(f"{mark} is missing", mark) for mark in marks))

    def apply(self, inputs: Table, out: FloatMatrix) -> None:
        width = len(self.source.features)
        values = self.source.read(inputs.numbers())
        missing = np.isnan(values)
        with np.errstate(over="ignore"):
            scaled = (np.clip(values, -HUGE, HUGE) - self.center) * self.factor
        scaled = np.clip(scaled, -self.limit, self.limit)
        if self.smooth:
            scaled /= np.sqrt((scaled * (1 / SMOOTH_CLIP)) ** 2 + 1.0)
        out[:, :width] = np.where(missing, self.filling, scaled)
        out[:, width:] = missing[:, list(self.marked)]

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        values = self.source.write(graph, numbers)
        missing = graph.op("IsNaN", values)
        scaled = _write_clip(graph, values, HUGE)
        if np.any(self.center):
            scaled = graph.op("Sub", scaled, graph.constant(self.center))
        if np.any(self.factor != 1.0):
            scaled = graph.op("Mul", scaled, graph.constant(self.factor))
        scaled = _write_clip(graph, scaled, self.limit)
        if self.smooth:
            third = graph.op("Mul", scaled, graph.constant(1 / SMOOTH_CLIP))
            root = graph.op("Sqrt", graph.op("Add", graph.op("Mul", third, third), graph.constant(1.0)))
            scaled = graph.op("Div", scaled, root)
        # Clip says nothing of NaN in ONNX: what becomes of a missing value is decided here alone.
        block = graph.cast(graph.op("Where", missing, graph.constant(self.filling), scaled), "float32")
        if not self.marked:
            return block
        return graph.concat([block, graph.cast(graph.columns(missing, self.marked), "float32")])


@dataclass(frozen=True)
class CurvePart:
    """Curves of columns through knots: normal scores (how unusual a value is among the training rows), or splines.

    Attributes
    ----------
    source : what is read
    columns : of it, the one that each of the ``k`` curves is of
    knots : float64 ``(k, q)``, increasing: quantiles of the training rows
    scores : float64 ``(k, q)``: the curve there; between knots on a straight line, constant outside
    about : sentences for people
    names : what each curve is, after the column's name; "normal score" where they are not told
    """

    source: NumberSource
    columns: tuple[int, ...]
    knots: FloatArray
    scores: FloatArray
    about: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Feature, ...]:
        """One per curve."""
        chosen = [self.source.features[i] for i in self.columns]
        names = self.names or ("normal score",) * len(chosen)
        rises = (
            one.rises and bool(np.all(np.diff(curve) >= 0)) for one, curve in zip(chosen, self.scores, strict=True)
        )
        parts = zip(chosen, names, rises, strict=True)
        return tuple(Feature(f"{one.name} ({name})", one.source, rises=up) for one, name, up in parts)

    def apply(self, inputs: Table, out: FloatMatrix) -> None:
        """Fill ``out``, float32 ``(n_rows, k)``; a missing value becomes 0, about what the median becomes."""
        values = self.source.read(inputs.numbers())[:, list(self.columns)]
        for j, (knots, scores) in enumerate(zip(self.knots, self.scores, strict=True)):
            score = np.interp(values[:, j], knots, scores)
            out[:, j] = np.where(np.isnan(score), 0.0, score)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """The same as a sum of ramps: each piece of the line adds the part of its rise that the value has climbed."""
        values = graph.columns(self.source.write(graph, numbers), self.columns)
        missing = graph.op("IsNaN", values)
        known = graph.op("Where", missing, graph.constant(0.0), _write_clip(graph, values, HUGE))
        steps = graph.op("Sub", graph.op("Unsqueeze", known, graph.constant([2])), graph.constant(self.knots[:, :-1]))
        climbed = graph.op("Mul", steps, graph.constant(1 / np.diff(self.knots, axis=1)))
        climbed = graph.op("Clip", climbed, graph.constant(0.0), graph.constant(1.0))
        rises = graph.op("Mul", climbed, graph.constant(np.diff(self.scores, axis=1)))
        score = graph.op("ReduceSum", rises, graph.constant([2]), keepdims=0)
        score = graph.op("Add", score, graph.constant(self.scores[:, 0]))
        return graph.cast(graph.op("Where", missing, graph.constant(0.0), score), "float32")


@dataclass(frozen=True)
class CyclePart:
    """Parts of the calendar as points on a circle, so that December is next to January and 23:59 to midnight.

    Attributes
    ----------
    dates : positions of the date columns in the table's numbers
    parts : the parts given, each with the places in ``dates`` it is given for
    names : names of the date columns
    """

    dates: tuple[int, ...]
    parts: tuple[tuple[CalendarPart, tuple[int, ...]], ...]
    names: tuple[str, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """Sine and cosine of each part of each date."""
        return tuple(
            Feature(f"{self.names[place]} ({part}, {wave})", self.names[place])
            for part, places in self.parts
            for place in places
            for wave in ("sine", "cosine")
        )

    def apply(self, inputs: Table, out: FloatMatrix) -> None:
        """Fill ``out``, float32 ``(n_rows, 2 k)``; a missing date is the middle of the circle."""
        seconds = inputs.numbers()[:, list(self.dates)]
        start = 0
        for part, places in self.parts:
            chosen = seconds[:, list(places)]
            points = circle(part)
            at = np.where(np.isnan(chosen), len(points) - 1, calendar_part(part, chosen) - CYCLES[part][0])
            stop = start + 2 * len(places)
            out[:, start:stop] = points[at].reshape(len(at), stop - start)
            start = stop

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        seconds = graph.columns(numbers, self.dates)
        blocks = []
        for part, places in self.parts:
            chosen = graph.columns(seconds, places)
            points = circle(part)
            place = graph.op("Sub", write_calendar_part(graph, part, chosen), graph.constant(np.int64(CYCLES[part][0])))
            middle = graph.constant(np.int64(len(points) - 1))
            at = graph.op("Where", graph.op("IsNaN", chosen), middle, place)
            pairs = graph.op("Gather", graph.constant(points), at, axis=0)
            blocks.append(graph.op("Reshape", pairs, graph.constant([0, 2 * len(places)])))
        return graph.concat(blocks)

    @property
    def about(self) -> tuple[str, ...]:
        """Sentences for people."""
        told: dict[tuple[int, ...], list[str]] = {}
        for part, places in self.parts:
            told.setdefault(places, []).append(part)
        return tuple(
            f"{listed(parts)} of {some([self.names[place] for place in places])} as sine and cosine."
            for places, parts in told.items()
        )


def circle(part: CalendarPart) -> FloatMatrix:
    """Sine and cosine of each value of the part, then the middle of the circle: float32 ``(length + 1, 2)``."""
    angle = 2 * np.pi * np.arange(CYCLES[part][1]) / CYCLES[part][1]
    points = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return np.concatenate([points, np.zeros((1, 2))]).astype(np.float32)


def _write_clip(graph: Graph, value: Value, limit: float) -> Value:
    return _write_within(graph, value, -limit, limit)


def _write_within(graph: Graph, value: Value, low: float, high: float) -> Value:
    return graph.op("Clip", value, graph.constant(low), graph.constant(high))

"""From a base value to a score, one step for each contribution, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annvil.plots.axes import draw_x_axis
from annvil.plots.labels import shorten, text_width
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing
from annvil.text.quantities import minus, number

MOST_STEPS = 10
"""Contributions with a bar of their own; the rest is one bar."""


@dataclass(frozen=True)
class Step:
    """What something adds, and the standard error of that; 0 where it is exact."""

    name: str
    gain: float
    error: float = 0.0


@dataclass(frozen=True)
class Waterfall:
    """The chart's data: ``axis`` says what the score is."""

    key: str
    title: str
    caption: str
    axis: str
    base: float
    steps: tuple[Step, ...]


def waterfall(chart: Waterfall, width: float, most: int = MOST_STEPS) -> Drawing:
    """The drawing; bars that raise have one colour, those that lower another, and each begins where the last ended."""
    steps, base = _merged(chart.steps, most), chart.base
    narrow = width < 500
    row = 40.0 if narrow else 26.0
    names = [one.name for one in steps]
    left = 4.0 if narrow else min(max((text_width(name) for name in names), default=0.0) + 12, 0.42 * width)
    room = max((text_width(_shown(one)) for one in steps), default=0.0) + 10
    top, ends = 26.0, [base]
    for one in steps:
        ends.append(ends[-1] + one.gain)
    bottom = top + row * max(len(steps), 1)
    x = fit_scale(ends, left + room, width - room, margin=0.04, least=1e-9)
    drawing = Drawing(width, bottom + 60)
    draw_x_axis(drawing, x, top, bottom, chart.axis, 4 if narrow else 6)
    drawing.line(x(base), top - 6, x(base), bottom, "guide")
    _end(drawing, x(base), 14, f"base value {_plain(base)}", width)
    for index, one in enumerate(steps):
        y = top + row * index + (row - 10 if narrow else row / 2)
        start, end = sorted((x(ends[index]), x(ends[index + 1])))
        if narrow:
            drawing.text(4, y - 12, shorten(one.name, width - 10), "label halo", tip=one.name)
        else:
            drawing.text(left - 8, y + 4, shorten(one.name, left - 12), "label", "end", tip=one.name)
        side = "network" if one.gain >= 0 else "simple"
        drawing.rect(start, y - 7, max(end - start, 1), 14, f"bar {side}", f"{one.name}: {_shown(one)}", rx=2)
        if one.gain >= 0:
            drawing.text(end + 5, y + 4, _shown(one), "note halo")
        else:
            drawing.text(start - 5, y + 4, _shown(one), "note halo", "end")
        if index + 1 < len(steps):
            drawing.line(x(ends[index + 1]), y + 7, x(ends[index + 1]), y + row - 7, "leader")
    drawing.line(x(ends[-1]), top, x(ends[-1]), bottom, "guide")
    _end(drawing, x(ends[-1]), bottom + 54, f"score {_plain(ends[-1])}", width)
    return drawing


def _merged(steps: Sequence[Step], most: int) -> list[Step]:
    """The largest first; the smallest together, where there are more than fit."""
    order = sorted(steps, key=lambda one: -abs(one.gain))
    if len(order) <= most:
        return order
    rest = order[most - 1 :]
    error = sum(one.error**2 for one in rest) ** 0.5
    return [*order[: most - 1], Step(f"{len(rest)} others", sum(one.gain for one in rest), error)]


def _shown(one: Step) -> str:
    sign = "+" if one.gain > 0 else ""
    return f"{sign}{_plain(one.gain)}" + (f" ± {number(one.error, 1)}" if one.error > 0 else "")


def _plain(value: float) -> str:
    return minus(number(value, 3))


def _end(drawing: Drawing, x: float, y: float, text: str, width: float) -> None:
    half = text_width(text) / 2
    drawing.text(min(max(x, half + 2), width - half - 2), y, text, "strong halo", "middle")

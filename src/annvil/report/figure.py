"""A chart with its caption, drawn for wide and for narrow screens; and the charts that sections bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor, inf, log10

from annvil.plots.charts.intervals import Estimate
from annvil.plots.charts.panels import Panels, panels
from annvil.plots.charts.shapes import shapes
from annvil.plots.charts.term_shapes import Shapes
from annvil.plots.charts.waterfall import Waterfall, waterfall
from annvil.text.quantities import minus

WIDE, NARROW = 700.0, 342.0
"""Widths in CSS pixels: a readable column, and a phone of 390 pixels less its margins."""


@dataclass(frozen=True)
class Figure:
    """A chart drawn for wide and for narrow screens, with its caption."""

    title: str
    caption: str
    wide: str
    narrow: str


def estimates(rows: Sequence[tuple[str, float, float, float]], sign: str = "") -> list[Estimate]:
    """(name, mean, low, high) as estimates in the metric's unit, all with equal decimals.

    As many as half of the usual interval deserves, and half of the greatest estimate's: many that are nothing take
    no digit of it.
    """
    halves = sorted((high - low) / 2 for _, _, low, high in rows if high > low)
    greatest = max(rows, key=lambda row: abs(row[1]))
    half = min([halves[len(halves) // 2], (greatest[3] - greatest[2]) / 2 or inf]) if halves else 0.0
    places = 0 if half >= 10 else min(4, max(1, 1 - floor(log10(half)))) if half > 0 else 1
    made = []
    for name, *values in rows:
        mean, low, high = values
        a, b, c = (round(v, places) + 0.0 for v in (mean, low, high))  # adding 0 turns -0.0 into 0.0
        low_text, high_text = (f"{v:{sign},.{places}f}" if v else "0" for v in (b, c))  # nothing has no sign
        shown = f"{f'{a:{sign},.{places}f}' if a else '0'} ({low_text} to {high_text})"
        made.append(Estimate(name, mean, low, high, minus(shown)))
    return made


def figure(name: str, title: str, caption: str, draw: Callable[[float, str], str]) -> Figure:
    return Figure(title, caption, draw(WIDE, f"{name}-wide"), draw(NARROW, f"{name}-narrow"))


def panels_figure(chart: Panels) -> Figure:
    """A chart that a section brought."""
    return figure(f"panels-{chart.key}", chart.title, chart.caption, partial(panels, chart))


def shapes_figure(chart: Shapes) -> Figure:
    """What each term of a model adds."""
    return figure(f"shapes-{chart.key}", chart.title, chart.caption, partial(shapes, chart))


def waterfall_figure(chart: Waterfall) -> Figure:
    """From a base value to a score."""

    def draw(width: float, name: str) -> str:
        return waterfall(chart, width).svg(name, chart.title, chart.caption)

    return figure(f"steps-{chart.key}", chart.title, chart.caption, draw)

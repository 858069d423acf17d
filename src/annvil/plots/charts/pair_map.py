"""A pairwise interaction as a map of coloured cells."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

from annvil.plots.charts.term_shapes import Along, Shape
from annvil.plots.labels import shorten, text_width
from annvil.plots.scale import Scale
from annvil.plots.svg import Drawing

SHADES = 5
"""Steps of the colours, to either side of 0."""


def draw_pair(drawing: Drawing, shape: Shape, left: float, top: float, width: float, height: float) -> None:
    """The first axis from left to right, the second from below upwards."""
    across, up = shape.axes
    label = 46.0 if up.x else min(max(text_width(level, 11.5) for level in up.levels) + 8, 0.3 * width)
    x, y = _edges(across, left + label, left + width - 8), _edges(up, top + height, top + 4)
    values = shape.traces[0].y
    most = max((abs(v) for v in values), default=0.0) or 1.0
    for i, (x0, x1) in enumerate(pairwise(x)):
        for j, (y0, y1) in enumerate(pairwise(y)):
            value = values[i * (len(y) - 1) + j]
            tip = f"{_at(across, i)}, {_at(up, j)}: {value:+.3g}".replace("-", "−")
            drawing.rect(x0, y1, x1 - x0 + 0.4, y0 - y1 + 0.4, shade(value, most), tip)
    for place, words in _few(up):
        drawing.text(
            left + label - 6, (y[place] + y[place + 1]) / 2 + 4, shorten(words, label - 6, 11.5), "tick", "end"
        )
    for place, words in _few(across):
        centre, room = (x[place] + x[place + 1]) / 2, (width - label) / max(1, len(list(_few(across))))
        shown = shorten(words, room, 11.5)
        half = text_width(shown, 11.5) / 2
        drawing.text(min(max(centre, left + half), left + width - half), top + height + 16, shown, "tick", "middle")
    drawing.text(left + label, top + height + 33, shorten(f"→ {across.title}   ↑ {up.title}", width - label), "note")
    _colours(drawing, left + label, top + height + 41, most)


def shade(value: float, most: float) -> str:
    """The class of a cell: colour by sign, level by size."""
    level = min(SHADES, int(SHADES * abs(value) / most + 0.5))
    return "cell" if not level else f"{'hit' if value > 0 else 'miss'} level-{level}"


def _colours(drawing: Drawing, left: float, top: float, most: float) -> None:
    for place in range(-SHADES, SHADES + 1):
        drawing.rect(left + 34 + (place + SHADES) * 9, top, 9, 9, shade(place * most / SHADES, most))
    drawing.text(left + 30, top + 9, f"−{most:.2g}", "note", "end")
    drawing.text(left + 34 + 9 * (2 * SHADES + 1) + 4, top + 9, f"+{most:.2g}", "note")


def _edges(axis: Along, start: float, end: float) -> list[float]:
    """Where the cells of an axis begin and end, in pixels."""
    if axis.levels:
        n = len(axis.levels)
        return [start + (end - start) * place / n for place in range(n + 1)]
    middles = [axis.x[0], *((a + b) / 2 for a, b in pairwise(axis.x)), axis.x[-1]]
    scale = Scale(axis.x[0], axis.x[-1], start, end)
    return [scale(value) for value in middles]


def _few(axis: Along) -> Iterable[tuple[int, str]]:
    """Places of an axis that are written: all categories where they are few, the ends and the middle of numbers."""
    n = len(axis.levels or axis.x)
    places = range(n) if axis.levels and n <= 5 else sorted({0, n // 2, n - 1})
    return [(place, _at(axis, place)) for place in places]


def _at(axis: Along, place: int) -> str:
    if axis.levels:
        return axis.levels[place]
    if axis.is_time:
        return f"{datetime.fromtimestamp(axis.x[place], UTC):%Y-%m-%d}"
    return f"{axis.x[place]:.4g}".replace("-", "−")

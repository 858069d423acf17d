"""One bar or mark per name with its interval, around zero: importance of columns, gains from preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annvil.plots.axes import draw_x_axis
from annvil.plots.labels import shorten, text_width
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing


@dataclass(frozen=True)
class Estimate:
    """A named value with its 95% interval, as numbers and as text."""

    name: str
    value: float
    low: float
    high: float
    shown: str


def interval_bars(
    estimates: Sequence[Estimate], axis: str, title: str, width: float, name: str, worth: float | None = None
) -> str:
    """The chart, in the order given; ``worth`` shades the region of practical equivalence around zero."""
    narrow = width < 500
    row = 44.0 if narrow else 28.0
    shown_width = max(text_width(e.shown) for e in estimates) + 12
    left = 4.0 if narrow else min(max(text_width(e.name) for e in estimates) + 12, 0.34 * width)
    right = width - 8 if narrow else width - shown_width
    top = 6.0
    bottom = top + row * len(estimates)
    around = () if worth is None else (-1.3 * worth, 1.3 * worth)
    x = fit_scale(
        [0.0, *around, *(v for e in estimates for v in (e.low, e.high, e.value))], left + 4, right - 4, margin=0.03
    )
    drawing = Drawing(width, bottom + 46)
    if worth is not None:
        drawing.rect(x(-worth), top, x(worth) - x(-worth), bottom - top, "rope")
    draw_x_axis(drawing, x, top, bottom, axis, 4 if narrow else 7)
    drawing.line(x(0), top, x(0), bottom, "zero")
    for index, one in enumerate(estimates):
        y = top + row * index + (row - 13 if narrow else row / 2)
        if narrow:
            drawing.text(left, y - 13, shorten(one.name, width - shown_width - 10), "label halo", tip=one.name)
            drawing.text(width - 4, y - 13, one.shown, "note halo", "end")
        else:
            drawing.text(left - 8, y + 4, shorten(one.name, left - 12), "label", "end", tip=one.name)
            drawing.text(width - 2, y + 4, one.shown, "note", "end")
        start, end = sorted((x(0), x(one.value)))
        drawing.rect(start, y - 6, end - start, 12, "bar", f"{one.name}: {one.shown}", rx=2)
        drawing.line(x(one.low), y, x(one.high), y, "whisker strong-line")
        for edge in (one.low, one.high):
            drawing.line(x(edge), y - 3.5, x(edge), y + 3.5, "whisker strong-line")
    said = "; ".join(f"{e.name}: {e.shown}" for e in estimates)
    return drawing.svg(name, title, said + ".")

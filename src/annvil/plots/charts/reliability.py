"""Reliability diagram: when the model says 70%, does it happen in 70% of the rows?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annvil.plots.axes import Frame
from annvil.plots.labels import text_width
from annvil.plots.scale import Scale
from annvil.plots.svg import Drawing
from annvil.text.quantities import count


@dataclass(frozen=True)
class Bin:
    """Rows of similar predicted probability: mean prediction, how often it came true (95% interval), how many."""

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


def reliability(
    bins: Sequence[Bin],
    histogram: Sequence[int],
    predicted: str,
    observed: str,
    width: float,
    name: str,
    counted: str = "rows",
) -> str:
    """The chart, with the number of rows (or what else is ``counted``) per tenth of predicted probability below it."""
    narrow = width < 500
    left, top = max(44.0, text_width(counted) + 10), 30.0
    side = min(width - 12 - left, 330.0 if not narrow else 280.0)
    frame = Frame(Scale(0, 1, left, left + side), Scale(0, 1, top + side * 0.82, top))
    strip = 46.0
    drawing = Drawing(max(width, left + side + 8), frame.bottom + 36 + strip + 26)
    frame.draw_y(drawing, observed, 5)
    frame.draw_x(drawing, "", 5)
    drawing.line(*frame.point(0, 0), *frame.point(1, 1), "diagonal")
    for one in bins:
        drawing.line(*frame.point(one.predicted, one.low), *frame.point(one.predicted, one.high), "whisker ink")
    drawing.path([frame.point(b.predicted, b.observed) for b in bins], "line ink thin")
    for one in bins:
        tip = _said(one, counted)
        drawing.mark(*frame.point(one.predicted, one.observed), "network", "plain", tip, radius=4.2)
    base = frame.bottom + 36 + strip
    largest = max(histogram, default=0) or 1
    each = side / max(len(histogram), 1)
    for index, rows in enumerate(histogram):
        high = strip * rows / largest
        x = left + each * index
        tip = f"{index / len(histogram):.0%} to {(index + 1) / len(histogram):.0%}: {count(rows)} {counted}"
        drawing.rect(x + 1, base - high, each - 2, high, "bar quiet", tip)
        if rows and each > 24:
            drawing.text(x + each / 2, base - high - 4, count(rows), "note", "middle")
    drawing.line(left, base, left + side, base, "axis")
    drawing.text(left + side / 2, base + 18, predicted, "axis-title", "middle")
    drawing.text(left - 8, base, counted, "tick", "end")
    said = "; ".join(_said(one, counted) for one in bins)
    return drawing.svg(name, "Predicted probability against how often it came true", said + ".", "fixed")


def _said(one: Bin, counted: str) -> str:
    return f"predicted {one.predicted:.0%}, came true {one.observed:.0%} of {count(one.rows)} {counted}"

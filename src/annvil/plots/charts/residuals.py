"""Predicted against observed, for numbers: the line is where they agree."""

from __future__ import annotations

from collections.abc import Sequence

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing
from annvil.text.quantities import count
from annvil.text.words import ROWS, Words

LAYERS = 8
"""Dots are spread over so many see-through layers, so that crowded places are darker."""


def residuals(
    predicted: Sequence[float], observed: Sequence[float], target: str, width: float, name: str, words: Words = ROWS
) -> str:
    """The chart: predictions to the right, what was observed upwards, on one scale."""
    narrow = width < 500
    height = 300.0 if narrow else 360.0
    top = 30.0
    both = [*predicted, *observed]
    y = fit_scale(both, top + height, top, margin=0.04)
    left = y_label_width(y)
    x = fit_scale(both, left, min(width - 10, left + 1.5 * height), margin=0.04)
    frame = Frame(x, y)
    drawing = Drawing(width, frame.bottom + 46)
    frame.draw_y(drawing, f"observed {target}", 6)
    frame.draw_x(drawing, f"predicted {target}", 4 if narrow else 6)
    drawing.line(*frame.point(x.low, x.low), *frame.point(x.high, x.high), "diagonal")
    points = [frame.point(p, o) for p, o in zip(predicted, observed, strict=True)]
    for layer in range(LAYERS):
        drawing.dots(points[layer::LAYERS], "ink")
    said = f"{count(len(points))} held-out {words.rows}; on the diagonal the prediction equals what was observed."
    return drawing.svg(name, f"Predicted and observed {target}", said, "fixed")

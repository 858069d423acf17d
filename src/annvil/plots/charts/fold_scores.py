"""Every contender's score on every fold: a strip of marks per contender, its mean, and how far the folds scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annvil.plots.axes import draw_x_axis
from annvil.plots.labels import shorten, text_width
from annvil.plots.scale import Scale, fit_scale
from annvil.plots.svg import Drawing, side_of

ROW_WIDE, ROW_NARROW = 34.0, 50.0
OFF_SCALE = 2.5
"""A contender this many spans of the best three away is shown by an arrow at the edge (chosen by eye)."""


@dataclass(frozen=True)
class Strip:
    """One contender."""

    title: str
    family: str
    scores: tuple[float, ...]
    mean: float
    spread: float
    shown: str  # mean and spread as text
    recommended: bool = False


def fold_scores(strips: Sequence[Strip], metric: str, greater_is_better: bool, width: float, name: str) -> str:
    """The chart; ``strips`` come best first."""
    narrow = width < 500
    row = ROW_NARROW if narrow else ROW_WIDE
    values_width = max(text_width(s.shown) for s in strips) + 10
    left = 8.0 if narrow else min(max(text_width(_name(s)) for s in strips), 0.32 * width) + 14
    right = width - 8 if narrow else width - values_width
    top = 6.0
    bottom = top + row * len(strips)
    x = _scale(strips, left + 6, right - 6)
    drawing = Drawing(width, bottom + 46)
    better = "right" if greater_is_better else "left"
    draw_x_axis(drawing, x, top, bottom, f"{metric}, further {better} is better", 4 if narrow else 7)
    for index, strip in enumerate(strips):
        y = top + row * index + (row - 16 if narrow else row / 2)
        strong = "strong" if strip.recommended else "label"
        if narrow:
            name_width = width - values_width - 20
            drawing.text(left, y - 17, shorten(_name(strip), name_width), f"{strong} halo", tip=strip.title)
            drawing.text(width - 8, y - 17, strip.shown, f"{strong} halo", "end")
        else:
            drawing.text(left - 8, y + 4, shorten(_name(strip), left - 14), strong, "end", tip=strip.title)
            drawing.text(width - 2, y + 4, strip.shown, strong, "end")
        _draw_strip(drawing, strip, x, y)
    order = ", ".join(f"{s.title} {s.shown}" for s in strips)
    return drawing.svg(name, f"{metric} of every model on every fold", f"Mean ± standard deviation: {order}.")


def _name(strip: Strip) -> str:
    return f"{strip.title} ✓" if strip.recommended else strip.title


def _scale(strips: Sequence[Strip], start: float, end: float) -> Scale:
    """Wide enough for the contenders in the running; the dummy and the hopeless may lie outside."""
    best = [value for strip in strips[:3] if strip.family != "dummy" for value in strip.scores]
    if not best:
        return fit_scale([v for s in strips for v in s.scores], start, end)
    span = max(best) - min(best) or 0.1 * abs(strips[0].mean) or 1.0
    near = [s for s in strips if abs(s.mean - strips[0].mean) <= OFF_SCALE * span]
    return fit_scale([v for s in near for v in (*s.scores, s.mean - s.spread, s.mean + s.spread)], start, end)


def _draw_strip(drawing: Drawing, strip: Strip, x: Scale, y: float) -> None:
    side = side_of(strip.family)
    if not x.low <= strip.mean <= x.high:
        at, way, anchor = (x.start + 8, -1, "start") if strip.mean < x.low else (x.end - 8, 1, "end")
        drawing.path([(at, y - 5), (at + way * 8, y), (at, y + 5)], f"arrow {side}", closed=True)
        drawing.text(at - way * 7, y + 4, "outside this scale", "note", anchor)
        return
    low, high = x(x.clamp(strip.mean - strip.spread)), x(x.clamp(strip.mean + strip.spread))
    drawing.rect(low, y - 7, high - low, 14, f"spread {side}", rx=3)
    for value in strip.scores:
        if x.low <= value <= x.high:
            drawing.mark(x(value), y, strip.family, "faint", f"{strip.title}: {value:.4g}", radius=3.6)
    drawing.line(x(strip.mean), y - 10, x(strip.mean), y + 10, f"mean {side}")

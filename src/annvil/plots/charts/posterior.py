"""Belief about the difference between the two sides, and how much of it lies in the region of practical equivalence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import exp, lgamma, log, log1p, pi

from annvil.plots.axes import draw_x_axis
from annvil.plots.labels import text_width
from annvil.plots.scale import Scale, fit_scale
from annvil.plots.svg import Drawing, Point

STEPS = 160
"""Line segments of the curve; more are not visible at 700 pixels."""


@dataclass(frozen=True)
class Belief:
    """A Student t in the units of the axis, and the three probabilities."""

    mean: float
    scale: float
    df: float
    worth: float
    differences: tuple[float, ...]
    shown: tuple[str, str, str]  # probabilities as text: second side, equal, first side
    sides: tuple[str, str] = ("simple", "network")  # what the second and the first side are called


def student_density(value: float, mean: float, scale: float, df: float) -> float:
    """Density of Student's t with location and scale."""
    z = (value - mean) / scale
    constant = lgamma((df + 1) / 2) - lgamma(df / 2) - 0.5 * log(df * pi) - log(scale)
    return exp(constant - (df + 1) / 2 * log1p(z * z / df))


def posterior(belief: Belief, axis_title: str, width: float, name: str) -> str:
    """The chart: negative differences (second side ahead) at the left, positive (first ahead) at the right."""
    narrow = width < 500
    top, height = 66.0, 150.0
    bottom = top + height
    reach = 4.2 * belief.scale
    x = fit_scale(
        [belief.mean - reach, belief.mean + reach, -1.35 * belief.worth, 1.35 * belief.worth],
        10, width - 10, margin=0.0,
    )  # fmt: skip
    drawing = Drawing(width, bottom + 46)
    _headings(drawing, belief, width)
    drawing.rect(x(-belief.worth), top - 8, x(belief.worth) - x(-belief.worth), height + 8, "rope")
    if belief.scale > 0:
        _areas(drawing, belief, x, bottom, height)
    else:
        drawing.line(x(belief.mean), top, x(belief.mean), bottom, "curve")
    drawing.line(x(0), top - 8, x(0), bottom, "zero")
    for difference in belief.differences:
        at = x(x.clamp(difference))
        drawing.line(at, bottom - 9, at, bottom, "rug")
    draw_x_axis(drawing, x, bottom, bottom, "", 5 if narrow else 9, grid=False)
    drawing.text(width / 2, bottom + 38, axis_title, "axis-title", "middle")
    (left, right), (second, equal, first) = belief.sides, belief.shown
    return drawing.svg(
        name,
        f"Belief about the difference between the {right} side and the {left} side",
        f"{left.capitalize()} better by more than the minimum useful gain: {second}. Practically equal: {equal}. "
        f"{right.capitalize()} better by more than the minimum useful gain: {first}.",
    )


def _headings(drawing: Drawing, belief: Belief, width: float) -> None:
    """The three probabilities, large, over left, middle and right."""
    names = (f"{belief.sides[0]} better", "practically equal", f"{belief.sides[1]} better")
    is_long = sum(text_width(share, 24) for share in belief.shown) > width - 40
    columns = zip((4.0, width / 2, width - 4), ("start", "middle", "end"), ("simple", "equal", "network"), strict=True)
    for (at, anchor, side), share, said in zip(columns, belief.shown, names, strict=True):
        drawing.text(at, 22, share, f"share {'small' if is_long else ''} {side}-ink", anchor)
        drawing.text(at, 42, said, "label", anchor)


def _areas(drawing: Drawing, belief: Belief, x: Scale, bottom: float, height: float) -> None:
    density = partial(student_density, mean=belief.mean, scale=belief.scale, df=belief.df)
    peak = density(belief.mean)

    def curve(low: float, high: float) -> list[Point]:
        steps = max(2, round(STEPS * (high - low) / (x.high - x.low)))
        values = [low + (high - low) * i / steps for i in range(steps + 1)]
        return [(x(v), bottom - 0.96 * height * density(v) / peak) for v in values]

    worth = belief.worth
    for low, high, side in ((x.low, -worth, "simple"), (-worth, worth, "equal"), (worth, x.high, "network")):
        if high > low:
            line = curve(low, high)
            drawing.path([(line[0][0], bottom), *line, (line[-1][0], bottom)], f"area {side}", closed=True)
    drawing.path(curve(x.low, x.high), "curve")

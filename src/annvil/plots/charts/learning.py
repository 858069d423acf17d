"""Learning curves: the score at each number of training rows, and where the power law would go with more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import shorten, spread_out, text_width
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing, Point, side_of
from annvil.text.quantities import count, round_up
from annvil.text.words import ROWS, Words

NEAR_THE_LAST = 40.0
"""Pixels before the longest curve's end within which a curve's name stands beside the plot, not inside."""


@dataclass(frozen=True)
class Curve:
    """One contender: measured points with their spread, and the law's line with its band (may be empty)."""

    title: str
    family: str
    sizes: tuple[float, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    law_sizes: tuple[float, ...] = ()
    law: tuple[float, ...] = ()
    law_low: tuple[float, ...] = ()
    law_high: tuple[float, ...] = ()

    def beyond(self) -> tuple[list[float], list[float], list[float], list[float]]:
        """The law from the largest measured size on: sizes, line, lower and upper band."""
        start = self.sizes[-1] if self.sizes else 0.0
        kept = [i for i, n in enumerate(self.law_sizes) if n >= 0.999 * start]
        return tuple([row[i] for i in kept] for row in (self.law_sizes, self.law, self.law_low, self.law_high))  # type: ignore[return-value]


def learning(
    curves: Sequence[Curve],
    metric: str,
    greater_is_better: bool,
    width: float,
    name: str,
    meeting: Point | None = None,
    words: Words = ROWS,
) -> str:
    """The chart; where two curves meet (rows, score) is marked with a ring; rows are called as in ``words``."""
    narrow = width < 500
    sides = [side_of(curve.family) for curve in curves]
    shades = [sides[:index].count(side) for index, side in enumerate(sides)]  # a side's first curve has its own colour
    top = 34.0 + (20 * len(curves) if narrow else 0)
    bottom = top + (230 if narrow else 290)
    y = fit_scale(_shown_values(curves), bottom, top)
    names_width = 10.0 if narrow else min(max(text_width(c.title) for c in curves) + 16, 0.26 * width)
    sizes = [n for c in curves for n in (*c.sizes, *c.beyond()[0])]
    x = fit_scale(sizes, y_label_width(y) + 4, width - names_width, log=True, margin=0.03)
    frame = Frame(x, y)
    drawing = Drawing(width, bottom + 46)
    better = "higher" if greater_is_better else "lower"
    frame.draw_y(drawing, f"{metric}, {better} is better")
    frame.draw_x(drawing, f"training {words.rows}", 4 if narrow else 7)
    _measured_limit(drawing, frame, max((c.sizes[-1] for c in curves if c.sizes), default=0.0), narrow, curves)
    for curve, shade in zip(curves, shades, strict=True):
        _draw_curve(drawing, frame, curve, shade, words)
    if meeting is not None:
        at = frame.point(*meeting)
        drawing.add(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="9" class="crossing"/>')
        said = f"cross near {count(round_up(meeting[0]))} {words.rows}"
        room = text_width(said) / 2
        drawing.text(min(max(at[0], room), width - room), at[1] + 26, said, "strong halo", "middle")
    if narrow:
        _legend(drawing, curves, shades)
    else:
        _names(drawing, frame, curves, names_width)
    ends = [(c, count(c.sizes[0]), count(c.sizes[-1])) for c in curves if c.sizes]
    parts = [f"{c.title}: {c.means[0]:.4g} at {n} {words.rows}, {c.means[-1]:.4g} at {m}" for c, n, m in ends]
    return drawing.svg(name, f"{metric} against training {words.rows}", "; ".join(parts) + ".")


def _shown_values(curves: Sequence[Curve]) -> list[float]:
    """What the scale must hold: measured points with spread, the law's lines, and bands as far as they stay near."""
    lines = [v for c in curves for v in (*c.means, *c.beyond()[1])]
    lines += [v for c in curves for m, s in zip(c.means, c.spreads, strict=True) for v in (m - s, m + s)]
    low, high = min(lines), max(lines)
    reach = 0.25 * (high - low)
    bands = [v for c in curves for row in c.beyond()[2:] for v in row]
    return [*lines, *(min(max(v, low - reach), high + reach) for v in bands)]


def _measured_limit(drawing: Drawing, frame: Frame, last: float, narrow: bool, curves: Sequence[Curve]) -> None:
    """The line up to which there are measurements."""
    if not any(c.beyond()[0] for c in curves) or not frame.x.low < last < frame.x.high:
        return
    if any(c.sizes[-1] != last for c in curves if c.sizes):  # then the dashes alone tell where measuring ends
        return
    at = frame.x(last)
    drawing.rect(at, frame.top, frame.right - at, frame.bottom - frame.top, "beyond")
    drawing.text(at - 5, frame.top + 11, "measured", "note", "end")
    drawing.text(at + 5, frame.top + 11, "if the law holds" if not narrow else "law", "note")


def _draw_curve(drawing: Drawing, frame: Frame, curve: Curve, nth: int, words: Words) -> None:
    shade = f"{side_of(curve.family)} shade-{nth % 4}"

    def line(sizes: Sequence[float], values: Iterable[float]) -> list[Point]:
        return [frame.point(n, frame.y.clamp(v)) for n, v in zip(sizes, values, strict=True)]

    around = list(zip(curve.means, curve.spreads, strict=True))
    upper, lower = (line(curve.sizes, (m + sign * s for m, s in around)) for sign in (1, -1))
    drawing.band(upper, lower, f"band {shade}")
    sizes, law, low, high = curve.beyond()
    drawing.band(line(sizes, high), line(sizes, low), f"band far {shade}")
    drawing.path(line(curve.sizes, curve.means), f"line {shade}")
    drawing.path(line(sizes, law), f"line dashed {shade}")
    for n, v in zip(curve.sizes, curve.means, strict=True):
        tip = f"{curve.title}: {v:.4g} with {count(n)} {words.rows}"
        drawing.mark(*frame.point(n, v), curve.family, shade, tip, radius=3.8)


def _legend(drawing: Drawing, curves: Sequence[Curve], shades: Sequence[int]) -> None:
    """A line for each curve above the plot, where there is no room beside it."""
    for index, (curve, shade) in enumerate(zip(curves, shades, strict=True)):
        y = 8.0 + 20 * index
        cls = f"{side_of(curve.family)} shade-{shade % 4}"
        drawing.line(0, y, 26, y, f"line {cls}")
        drawing.mark(13, y, curve.family, cls, radius=3.8)
        drawing.text(34, y + 4, shorten(curve.title, drawing.width - 34), "label", tip=curve.title)


def _names(drawing: Drawing, frame: Frame, curves: Sequence[Curve], room: float) -> None:
    """Each curve's name at its end, moved apart: beside the plot, or inside where it ends well before.

    A leader from a curve's end across the plot would read as its continuation.
    """
    lines = [(curve.beyond()[:2] if curve.beyond()[0] else (curve.sizes, curve.means)) for curve in curves]
    ends = [frame.point(sizes[-1], line[-1]) for sizes, line in lines]
    last = max(x for x, _ in ends)
    for inside in (False, True):
        group = [(c, x, y) for c, (x, y) in zip(curves, ends, strict=True) if (x < last - NEAR_THE_LAST) == inside]
        heights = spread_out([y for _, _, y in group], 15, frame.top + 4, frame.bottom - 4)
        for (curve, x, y), height in zip(group, heights, strict=True):
            side, title = side_of(curve.family), shorten(curve.title, room - 10)
            if inside:
                drawing.text(x + 9, height + 4, title, f"label halo {side}-ink", tip=curve.title)
            else:
                drawing.line(x + 3, y, frame.right + 4, height, f"leader {side}")
                drawing.text(frame.right + 7, height + 4, title, f"label {side}-ink", tip=curve.title)

"""What more effort brought: every contender's score after each of its steps, against the seconds used until then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import Box, leader_end, place_labels, shorten
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing, Point, side_of
from annvil.text.quantities import seconds as time_taken

PIECES = 6
"""Boxes that stand for a piece of a line where labels look for room."""


@dataclass(frozen=True)
class Climb:
    """One contender's complete steps: seconds used until each (positive), and the scores.

    ``steps`` are those of its whole ladder.
    """

    title: str
    family: str
    seconds: tuple[float, ...]
    scores: tuple[float, ...]
    steps: int
    recommended: bool = False


def effort(
    climbs: Sequence[Climb], metric: str, greater_is_better: bool, width: float, name: str, worth: float = 0.0
) -> str:
    """The chart: seconds by logarithm to the right, the score upwards; each line is named where it ends.

    Differences far below ``worth`` are not drawn large.
    """
    narrow = width < 500
    top, bottom = 34.0, 34.0 + (270 if narrow else 300)
    y = fit_scale([v for c in climbs for v in c.scores], bottom, top, margin=0.1, least=worth)
    x = fit_scale([v for c in climbs for v in c.seconds], y_label_width(y), width - 12, log=True, margin=0.09)
    frame = Frame(x, y)
    drawing = Drawing(width, bottom + 46)
    better = "higher" if greater_is_better else "lower"
    frame.draw_y(drawing, f"{metric}, {better} is better")
    frame.draw_x(drawing, "seconds used by the model", 4 if narrow else 7)
    lines = [[frame.point(s, v) for s, v in zip(c.seconds, c.scores, strict=True)] for c in climbs]
    sides = [side_of(climb.family) for climb in climbs]
    shades = [f"{side} shade-{sides[:index].count(side) % 4}" for index, side in enumerate(sides)]
    for line, shade in zip(lines, shades, strict=True):
        drawing.path(line, f"line {shade}")
    for climb, line, shade in zip(climbs, lines, shades, strict=True):
        for number, point in enumerate(line):
            tip = _said(climb, number)
            ringed = " ringed" if climb.recommended and number == len(line) - 1 else ""
            drawing.mark(*point, climb.family, shade + ringed, tip, radius=5.6 if ringed else 4.2)
    _name(drawing, frame, climbs, lines)
    ends = ((climb, sorted({0, len(climb.scores) - 1})) for climb in climbs)
    described = "; ".join(", ".join(_said(climb, number) for number in numbers) for climb, numbers in ends)
    return drawing.svg(name, f"{metric} against seconds used", f"{described}.")


def _said(climb: Climb, number: int) -> str:
    score, used = climb.scores[number], time_taken(climb.seconds[number])
    return f"{climb.title}, step {number + 1} of {climb.steps}: {score:.4g} after {used}"


def _name(drawing: Drawing, frame: Frame, climbs: Sequence[Climb], lines: Sequence[Sequence[Point]]) -> None:
    """Each contender's name near the end of its line, off lines and marks."""
    texts = [shorten(climb.title, 0.4 * drawing.width) for climb in climbs]
    ends = [line[-1] for line in lines]
    obstacles = [
        box for line in lines for box in (*_along(line), *(Box(x - 6, y - 6, x + 6, y + 6) for x, y in line[:-1]))
    ]
    area = Box(frame.left + 4, frame.top - 4, frame.right, frame.bottom - 4)
    places = place_labels(ends, texts, area, obstacles, [climb.recommended for climb in climbs])
    for climb, (x, y), text, place in zip(climbs, ends, texts, places, strict=True):
        if place.far:
            drawing.line(x, y, *leader_end((x, y), place), "leader")
        drawing.text(place.x, place.y, text, "strong halo" if climb.recommended else "label halo", tip=climb.title)


def _along(line: Sequence[Point]) -> Iterator[Box]:
    """Small boxes along a line."""
    for (a, b), (c, d) in pairwise(line):
        for piece in range(PIECES):
            x0, x1 = a + (c - a) * piece / PIECES, a + (c - a) * (piece + 1) / PIECES
            y0, y1 = sorted((b + (d - b) * piece / PIECES, b + (d - b) * (piece + 1) / PIECES))
            yield Box(x0 - 1, y0 - 1, x1 + 1, y1 + 1)

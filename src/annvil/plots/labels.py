"""How wide a text is, shortening it, and putting labels where they touch nothing."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from annvil.plots.svg import Point

FONT_SIZE = 12.0
CROSSING, STEPS = 40.0, 16
"""What a leader through a label costs, in places farther out; points of a line that are looked at (assumed)."""
RADIUS = 7.0
"""Pixels around a point that labels keep off."""

# Widths in parts of the font size, after Helvetica's metrics; 18% wider than it, as DejaVu Sans is.
_THIN, _WIDE = frozenset("iljtfrI.,:;'|!()[]/\\ `-"), frozenset("mwMW@%—…")
_SIGNS = frozenset("+−±=<>×")
_WIDER = 1.18
BOLDER = 1.18
"""How much wider bold text is than text (measured in Chromium with DejaVu Sans)."""


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Estimated width in pixels; no font is at hand, so it errs on the wide side."""
    return _WIDER * size * sum(_character_width(character) for character in text)


@cache
def _character_width(character: str) -> float:
    if character in _THIN:
        return 0.3
    if character in _WIDE:
        return 0.87
    if character in _SIGNS:
        return 0.72
    if character.isascii():
        return 0.68 if character.isupper() else 0.54
    if unicodedata.combining(character):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(character) in "WF" else 0.62


def shorten(text: str, width: float, size: float = FONT_SIZE) -> str:
    """The text, or its beginning and end around an ellipsis, at most ``width`` pixels wide."""
    if text_width(text, size) <= width + 0.01:  # room made for exactly this text is enough
        return text
    # Characters kept: width grows with them.
    fits = bisect_right(range(1, len(text)), width, key=lambda keep: text_width(_ends(text, keep), size))
    return _ends(text, fits) if fits > 1 else "…"


def _ends(text: str, keep: int) -> str:
    """Two thirds of ``keep`` characters from the beginning and one third from the end."""
    return f"{text[: keep - keep // 3].rstrip()}…{text[len(text) - keep // 3 :].lstrip()}"


@dataclass(frozen=True)
class Box:
    """A rectangle on the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Shared area in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


@dataclass(frozen=True)
class Placed:
    """A label's place: baseline start, and whether it is far enough from its point to need a leader."""

    x: float
    y: float
    box: Box
    far: bool


def place_labels(
    points: Sequence[Point], texts: Sequence[str], area: Box, obstacles: Sequence[Box] = (), strong: Sequence[bool] = ()
) -> list[Placed]:
    """One place per label, near its point, inside ``area``, off the other points, labels and obstacles.

    Greedy over places on growing rings around each point; the point with the most neighbours chooses first. With a
    dozen points this finds places without overlap unless the area is full; then the least overlap is taken.
    ``strong`` says which labels are bold: a narrower box would let them cover their own mark.
    """
    dots = [Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in points]
    crowd = [sum(abs(x - u) + 3 * abs(y - v) < 150 for u, v in points) for x, y in points]
    done: dict[int, Placed] = {}
    leaders: list[tuple[Point, Point]] = []
    for index in sorted(range(len(points)), key=lambda i: (-crowd[i], i)):
        taken = [placed.box for placed in done.values()]
        others = [*obstacles, *(dot for i, dot in enumerate(dots) if i != index)]
        bold = bool(strong) and strong[index]
        places = _around(points[index], text_width(texts[index]) * (BOLDER if bold else 1.0))
        costs = [
            _cost(place, area, taken, others) + CROSSING * _crossed(points[index], place[1], taken, leaders)
            for place in places
        ]
        done[index] = places[costs.index(min(costs))][1]
        if done[index].far:
            leaders.append((points[index], leader_end(points[index], done[index])))
    return [done[i] for i in range(len(points))]


def _cost(place: tuple[float, Placed], area: Box, taken: Sequence[Box], others: Sequence[Box]) -> float:
    distance, box = place[0], place[1].box
    beyond = area.left - box.left, box.right - area.right, area.top - box.top, box.bottom - area.bottom
    overlap = 4 * sum(map(box.overlap, taken)) + 2 * sum(map(box.overlap, others))
    return 1000 * max(0.0, *beyond) + overlap + distance


def leader_end(point: Point, place: Placed) -> Point:
    """Where the line from a point to its label ends that is far from it."""
    return min(max(point[0], place.box.left), place.box.right), (place.box.top + place.box.bottom) / 2


def _crossed(point: Point, place: Placed, taken: Sequence[Box], leaders: Sequence[tuple[Point, Point]]) -> int:
    """How many labels the place's own leader would run through, and leaders that its label would lie on."""
    own = sum(_runs_through(point, leader_end(point, place), box) for box in taken) if place.far else 0
    return own + sum(_runs_through(start, end, place.box) for start, end in leaders)


def _runs_through(start: Point, end: Point, box: Box) -> bool:
    """Whether a line meets a box, as far as a few points of it tell."""
    (x, y), (u, v) = start, end
    steps = [step / STEPS for step in range(STEPS + 1)]
    return any(box.left < x + t * (u - x) < box.right and box.top < y + t * (v - y) < box.bottom for t in steps)


def _around(point: Point, width: float) -> list[tuple[float, Placed]]:
    """Places around a point with how much each is disliked: right first, then left, above, below, then farther out."""
    (x, y), height = point, FONT_SIZE
    places = []
    for ring, gap in enumerate(RADIUS + 3 + 15 * step for step in range(9)):
        above, below = y - gap - height / 2, y + gap + height / 2
        aside, askew = 0.7 * gap, 0.7 * gap + 4
        sides = [
            (x + gap, y), (x - gap - width, y), (x - width / 2, above), (x - width / 2, below),
            (x + aside, y - askew), (x + aside, y + askew),
            (x - aside - width, y - askew), (x - aside - width, y + askew),
            (x - 4, above), (x - 4, below), (x + 4 - width, above), (x + 4 - width, below),
        ]  # fmt: skip
        for preference, (left, middle) in enumerate(sides):
            box = Box(left - 1, middle - height / 2 - 1, left + width + 1, middle + height / 2 + 1)
            places.append((12.0 * ring + preference, Placed(left, middle + 4, box, ring > 0)))
    return places


def spread_out(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The positions, moved as little as needed so that neighbours keep ``gap`` and all stay within ``low … high``."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    gap = min(gap, (high - low) / max(len(positions) - 1, 1))
    moved = [min(max(positions[i], low), high) for i in order]
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    if moved and moved[-1] > high:
        moved[-1] = high
        for i in range(len(moved) - 2, -1, -1):
            moved[i] = min(moved[i], moved[i + 1] - gap)
    return [moved[order.index(i)] for i in range(len(positions))]

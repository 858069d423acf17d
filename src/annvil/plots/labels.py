"""How wide a text is, shortening it, and putting labels where they touch nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from annvil.plots.svg import Point

FONT_SIZE = 12.0

# Widths in parts of the font size, after Helvetica's metrics; 8% wider than it, for wider system fonts.
_THIN, _WIDE = frozenset("iljtfrI.,:;'|!()[]/\\ `-"), frozenset("mwMW@%—…")
_WIDER = 1.08


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Estimated width in pixels; no font is at hand, so it errs on the wide side."""
    return _WIDER * size * sum(_character_width(character) for character in text)


@cache
def _character_width(character: str) -> float:
    if character in _THIN:
        return 0.3
    if character in _WIDE:
        return 0.87
    if character.isascii():
        return 0.68 if character.isupper() else 0.54
    if unicodedata.combining(character):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(character) in "WF" else 0.62


def shorten(text: str, width: float, size: float = FONT_SIZE) -> str:
    """The text, or its beginning and end around an ellipsis, at most ``width`` pixels wide."""
    if text_width(text, size) <= width + 0.01:  # room made for exactly this text is enough
        return text
    fits, too_many = 1, len(text)  # characters kept; width grows with them, so the most is found by halving
    while too_many - fits > 1:
        keep = (fits + too_many) // 2
        if text_width(_ends(text, keep), size) <= width:
            fits = keep
        else:
            too_many = keep
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
    points: Sequence[Point], texts: Sequence[str], area: Box, obstacles: Sequence[Box] = (), radius: float = 7.0
) -> list[Placed]:
    """One place per label, near its point, inside ``area``, off the other points, labels and obstacles.

    Greedy over places on growing rings around each point; the point with the most neighbours chooses first. With a
    dozen points this finds places without overlap unless the area is full; then the least overlap is taken.
    """
    dots = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    crowd = [sum(abs(x - u) + 3 * abs(y - v) < 150 for u, v in points) for x, y in points]
    done: dict[int, Placed] = {}
    for index in sorted(range(len(points)), key=lambda i: (-crowd[i], i)):
        taken = [placed.box for placed in done.values()]
        others = [*obstacles, *(dot for i, dot in enumerate(dots) if i != index)]
        width = text_width(texts[index])
        best: tuple[float, Placed] | None = None
        for distance, candidate in _around(points[index], width, radius):
            box = candidate.box
            outside = max(
                0.0, area.left - box.left, box.right - area.right, area.top - box.top, box.bottom - area.bottom
            )
            cost = 1000 * outside + 4 * sum(map(box.overlap, taken)) + 2 * sum(map(box.overlap, others)) + distance
            if best is None or cost < best[0]:
                best = cost, candidate
        assert best is not None
        done[index] = best[1]
    return [done[i] for i in range(len(points))]


def _around(point: Point, width: float, radius: float) -> list[tuple[float, Placed]]:
    """Places around a point with how much each is disliked: right first, then left, above, below, then farther out."""
    x, y = point
    height = FONT_SIZE
    places = []
    for ring, gap in enumerate(radius + 3 + 15 * step for step in range(9)):
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
    result = [0.0] * len(positions)
    for place, i in enumerate(order):
        result[i] = moved[place]
    return result

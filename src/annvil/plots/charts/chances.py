"""The chances of the three answers as one strip."""

from __future__ import annotations

from collections.abc import Sequence

from annvil.plots.labels import BOLDER, text_width
from annvil.plots.svg import Drawing

GAP = 14.0
"""Least pixels between two labels."""


def chances(shares: Sequence[tuple[str, float, str]], width: float, name: str) -> str:
    """The chart; ``shares`` are (side, probability, label), from left to right, and sum to 1."""
    drawing = Drawing(width, 44)
    start = 0.0
    starts = []
    for side, share, label in shares:
        drawing.rect(start, 20, share * width - (2 if share * width > 4 else 0), 18, f"segment {side}", label)
        starts.append(start)
        start += share * width
    for (side, _, label), at in zip(
        shares, _places(starts, [BOLDER * text_width(s[2]) for s in shares], width), strict=True
    ):
        drawing.text(at, 12, label, f"strong {side}-ink")
    return drawing.svg(name, "The chances of the three answers", ", ".join(label for _, _, label in shares) + ".")


def _places(starts: Sequence[float], widths: Sequence[float], width: float) -> list[float]:
    """Each label over the beginning of its part, moved left as far as those after it need."""
    places, end = [], width + GAP
    for start, room in zip(reversed(starts), reversed(widths), strict=True):
        end = min(start, end - GAP - room)
        places.append(end)
    moved, least = [], 0.0
    for place, room in zip(reversed(places), widths, strict=True):
        moved.append(max(place, least))
        least = moved[-1] + room + GAP
    return moved

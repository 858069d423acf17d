"""A plot area with its axes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from annvil.plots.labels import text_width
from annvil.plots.scale import Scale, labels_of
from annvil.plots.svg import Drawing


@dataclass(frozen=True)
class Frame:
    """Where the data go: scales in drawing coordinates (``y.start`` is the bottom)."""

    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        """Left edge."""
        return self.x.start

    @property
    def right(self) -> float:
        """Right edge."""
        return self.x.end

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.y.end

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.y.start

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Drawing coordinates of a value."""
        return self.x(x), self.y(y)

    def draw_x(self, drawing: Drawing, title: str, about: int = 6) -> None:
        """Ticks, labels and title below."""
        draw_x_axis(drawing, self.x, self.top, self.bottom, title, about)

    def draw_y(self, drawing: Drawing, title: str, about: int = 5) -> None:
        """Grid lines, labels at the left, and the title above them, upright."""
        ticks = self.y.ticks(about)
        for tick, label in zip(ticks, labels_of(self.y, ticks), strict=True):
            drawing.line(self.left, self.y(tick), self.right, self.y(tick), "grid")
            drawing.text(self.left - 7, self.y(tick) + 4, label, "tick", "end")
        if title:
            drawing.text(0, self.top - 12, title, "axis-title")


def y_label_width(scale: Scale, about: int = 5) -> float:
    """Room the labels of a y axis need at the left."""
    labels = labels_of(scale, scale.ticks(about))
    return max((text_width(label, 11.5) for label in labels), default=0.0) + 9


def draw_x_axis(
    drawing: Drawing, x: Scale, top: float, bottom: float, title: str, about: int = 6, grid: bool = True
) -> None:
    """A horizontal axis at ``bottom``, with grid lines up to ``top`` and as many ticks as labels have room for."""
    ticks = x.ticks(about)
    while about > 2 and _crowded(x, ticks):
        about -= 1
        ticks = x.ticks(about)
    for tick, label in zip(ticks, labels_of(x, ticks), strict=True):
        drawing.line(x(tick), top, x(tick), bottom, "grid" if grid else "tick-mark")
        half = text_width(label, 11.5) / 2
        centre = min(max(x(tick), half), drawing.width - half)
        drawing.text(centre, bottom + 17, label, "tick", "middle")
    drawing.line(x.start, bottom, x.end, bottom, "axis")
    if title:
        drawing.text((x.start + x.end) / 2, bottom + 36, title, "axis-title", "middle")


def _crowded(x: Scale, ticks: tuple[float, ...]) -> bool:
    halves = [text_width(label, 11.5) / 2 for label in labels_of(x, ticks)]
    return any(x(t) + half + 8 > x(u) - other for (t, half), (u, other) in pairwise(zip(ticks, halves, strict=True)))

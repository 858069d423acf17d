"""Training curves: loss on training and on validation rows, epoch by epoch, one pair of lines per fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import text_width
from annvil.plots.scale import Scale, fit_scale
from annvil.plots.svg import Drawing
from annvil.text.words import ROWS, Words

MOST_POINTS = 200
"""Longer histories are thinned: a line of 700 pixels shows no more."""


@dataclass(frozen=True)
class History:
    """One fold's losses; either may be empty."""

    label: str
    train: tuple[float, ...]
    validation: tuple[float, ...]


def training(
    histories: Sequence[History], family: str, steps: str, width: float, name: str, words: Words = ROWS
) -> str:
    """The chart; a ring marks each validation line's lowest point. Lines begin where they come down to the scale."""
    narrow = width < 500
    top, bottom = 46.0, 46.0 + (210 if narrow else 250)
    y = fit_scale(_usual(histories), bottom, top)
    longest = max(max(len(h.train), len(h.validation)) for h in histories)
    frame = Frame(Scale(1, max(longest, 2), y_label_width(y), width - 12), y)
    drawing = Drawing(width, bottom + 46)
    _legend(drawing, family, words)
    frame.draw_y(drawing, "loss, lower is better")
    frame.draw_x(drawing, steps, 5 if narrow else 8)
    for history in histories:
        for losses, cls in ((history.train, "line thin dotted ink"), (history.validation, f"line thin {family}")):
            inside = next((i for i, loss in enumerate(losses) if loss <= y.high), len(losses))
            thinned = range(inside, len(losses), max(1, len(losses) // MOST_POINTS))
            drawing.path([frame.point(i + 1, y.clamp(losses[i])) for i in thinned], cls)
    for history in histories:
        if history.validation:
            best = min(range(len(history.validation)), key=lambda i: history.validation[i])
            tip = f"{history.label}: lowest at {best + 1}, {history.validation[best]:.4g}"
            drawing.mark(*frame.point(best + 1, y.clamp(history.validation[best])), family, "open", tip, radius=4.2)
    said = "; ".join(
        f"{h.label}: {len(h.validation)} steps, lowest validation loss {min(h.validation):.4g}"
        for h in histories
        if h.validation
    )
    return drawing.svg(name, "Loss while training", said + ".")


def _usual(histories: Sequence[History]) -> list[float]:
    """Losses the scale must hold: all but the first tenth, whose height would flatten the rest."""
    kept = [v for h in histories for losses in (h.train, h.validation) for v in losses[len(losses) // 10 :]]
    return kept or [0.0, 1.0]


def _legend(drawing: Drawing, family: str, words: Words) -> None:
    drawing.line(0, 8, 26, 8, f"line thin {family}")
    drawing.text(32, 12, f"validation {words.rows}", "label")
    x = 48 + text_width(f"validation {words.rows}")
    drawing.line(x, 8, x + 26, 8, "line thin dotted ink")
    drawing.text(x + 32, 12, f"training {words.rows}", "label")

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
    # The scale holds all losses but the first tenth, whose height would flatten the rest.
    usual = [v for h in histories for losses in (h.train, h.validation) for v in losses[len(losses) // 10 :]]
    y = fit_scale(usual or [0.0, 1.0], bottom, top)
    longest = max(max(len(h.train), len(h.validation)) for h in histories)
    frame = Frame(Scale(1, max(longest, 2), y_label_width(y), width - 12), y)
    drawing = Drawing(width, bottom + 46)
    has_validation = any(h.validation for h in histories)
    kinds = [(f"line thin {family}", "validation")] if has_validation else []
    kinds += [("line thin dotted ink", "training")] if any(h.train for h in histories) else []
    _legend(drawing, [(cls, f"{part} {words.rows}") for cls, part in kinds])
    frame.draw_y(drawing, "loss, lower is better")
    frame.draw_x(drawing, steps, min(5 if narrow else 8, max(longest - 1, 1)))  # so that steps between ticks are whole
    for history in histories:
        for losses, cls in ((history.train, "line thin dotted ink"), (history.validation, f"line thin {family}")):
            inside = next((i for i, loss in enumerate(losses) if loss <= y.high), len(losses))
            thinned = range(inside, len(losses), max(1, len(losses) // MOST_POINTS))
            drawing.path([frame.point(i + 1, y.clamp(losses[i])) for i in thinned], cls)
    said = []
    for label, losses in ((history.label, history.validation) for history in histories if history.validation):
        best = losses.index(min(losses))
        tip = f"{label}: lowest at {best + 1}, {losses[best]:.4g}"
        drawing.mark(*frame.point(best + 1, y.clamp(losses[best])), family, "open", tip, radius=4.2)
        said.append(f"{label}: {len(losses)} {steps}, lowest validation loss {losses[best]:.4g}")
    return drawing.svg(name, "Loss while training", "; ".join(said) + ".")


def _legend(drawing: Drawing, lines: Sequence[tuple[str, str]]) -> None:
    """Of what is drawn, and nothing else."""
    x = 0.0
    for cls, label in lines:
        drawing.line(x, 8, x + 26, 8, cls)
        drawing.text(x + 32, 12, label, "label")
        x += 48 + text_width(label)

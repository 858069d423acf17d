"""Two sides on the same folds: one line per fold joins what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annvil.plots.axes import draw_x_axis
from annvil.plots.labels import text_width
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing


@dataclass(frozen=True)
class Pair:
    """One fold."""

    label: str
    network: float
    simple: float
    shown: str  # the difference as text
    network_title: str = ""  # who stood for the side in this fold
    simple_title: str = ""


SIDES = ("network", "simple")


def paired(
    pairs: Sequence[Pair],
    metric: str,
    greater_is_better: bool,
    width: float,
    name: str,
    sides: tuple[str, str] = SIDES,
) -> str:
    """The chart, in fold order; ``sides`` are what the two are called, drawn in the colours of network and simple."""
    row = 26.0 if len(pairs) <= 10 else 17.0
    left = max(text_width(p.label) for p in pairs) + 14
    right = width - max(text_width(p.shown) for p in pairs) - 14
    top = 34.0
    bottom = top + row * len(pairs)
    x = fit_scale([v for p in pairs for v in (p.network, p.simple)], left + 8, right - 8)
    drawing = Drawing(width, bottom + 46)
    _legend(drawing, left, sides)
    drawing.text(width - 2, 12, "difference", "note", "end")
    draw_x_axis(drawing, x, top - 6, bottom, metric, 4 if width < 500 else 7)
    for index, pair in enumerate(pairs):
        y = top + row * (index + 0.5) - 3
        ahead = "network" if (pair.network > pair.simple) == greater_is_better else "simple"
        side = ahead if pair.network != pair.simple else "dummy"
        drawing.text(left - 8, y + 4, pair.label, "label", "end")
        drawing.line(x(pair.simple), y, x(pair.network), y, f"joint {side}")
        drawing.mark(x(pair.simple), y, "simple", tip=f"{pair.simple_title}: {pair.simple:.4g}", radius=4.6)
        drawing.mark(x(pair.network), y, "network", tip=f"{pair.network_title}: {pair.network:.4g}", radius=4.6)
        drawing.text(width - 2, y + 4, pair.shown, f"label {side}-ink", "end")
    first, second = sides
    said = "; ".join(f"{p.label}: {first} {p.network:.4g}, {second} {p.simple:.4g}" for p in pairs)
    return drawing.svg(name, f"{metric} of {first} and {second} side, fold by fold", said + ".")


def _legend(drawing: Drawing, left: float, sides: tuple[str, str]) -> None:
    first, second = (f"{side} side" for side in sides)
    drawing.mark(left + 5, 8, "simple", radius=4.6)
    drawing.text(left + 15, 12, second, "label")
    x = left + 30 + text_width(second)
    drawing.mark(x, 8, "network", radius=4.6)
    drawing.text(x + 10, 12, first, "label")

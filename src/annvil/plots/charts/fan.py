"""A series with what was forecast of it: history, forecast with its intervals, and what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import text_width
from annvil.plots.scale import fit_scale
from annvil.plots.standalone import alone
from annvil.plots.svg import Drawing, Point

TOP, BELOW, LABEL_HEIGHT = 26.0, 44.0, 14.0


@dataclass(frozen=True)
class Fan:
    """One forecast.

    Attributes
    ----------
    history, forecast, truth : values; the forecast begins one step after the history, and so does the truth
    side : "network" or "simple", whose colour the forecast has
    bands : ends of intervals at every step of the forecast, the widest first
    """

    history: Sequence[float]
    forecast: Sequence[float]
    truth: Sequence[float]
    side: str
    bands: Sequence[tuple[Sequence[float], Sequence[float]]] = ()


def fan(shown: Fan, target: str, moments: Callable[[int], str], width: float = 760, height: float = 260) -> str:
    """The chart, one that stands alone; ``moments`` names the moment of a step, the first of the forecast being 0."""
    n, h = len(shown.history), len(shown.forecast)
    y_values = [
        *shown.history,
        *shown.forecast,
        *shown.truth,
        *(v for band in shown.bands for end in band for v in end),
    ]
    y = fit_scale(y_values, height - BELOW, TOP)
    left = y_label_width(y) + 10
    x = fit_scale([-n, h - 1], left, width - 8, margin=0.0)
    frame, drawing = Frame(x, y), Drawing(width, height)
    frame.draw_y(drawing, target)

    def line(values: Sequence[float], begin: int) -> list[Point]:
        return [frame.point(begin + k, value) for k, value in enumerate(values)]

    drawing.line(x(-0.5), frame.top, x(-0.5), frame.bottom, "guide")
    for low, high in shown.bands:
        drawing.band(line(high, 0), line(low, 0), f"band {shown.side}")
    drawing.path(line([*shown.history[-1:], *shown.truth], -1 if shown.history else 0), "line dotted")
    drawing.path(line(shown.history, -n), "line thin dummy")
    drawing.path(line(shown.forecast, 0), f"line {shown.side}")
    for step in sorted({-n, -(n // 2), 0, h - 1}):
        at = x(step)
        anchor = "start" if step == -n else "end" if step == h - 1 else "middle"
        drawing.text(at, frame.bottom + 16, moments(step), "tick", anchor)
    colour = "blue" if shown.side == "network" else "orange"
    key = f"green: history; {colour}: forecast with intervals; dotted: what came"
    drawing.text(left, frame.bottom + 34, key, "note")
    said = f"{n} steps of history, {h} steps of forecast, from {shown.forecast[0]:.4g} to {shown.forecast[-1]:.4g}."
    return alone(drawing, "fan", f"Forecast of {target}", said)


def error_by_step(
    lines: Sequence[tuple[str, str, Sequence[float]]], metric: str, width: float = 760, height: float = 240
) -> str:
    """Mean error at each step ahead: a line for each ``(title, side, errors)``, the first thick; stands alone."""
    n = max(len(errors) for _, _, errors in lines)
    y = fit_scale([0.0, *(value for _, _, errors in lines for value in errors)], height - BELOW, TOP)
    left, beside = y_label_width(y) + 10, max(text_width(title) for title, _, _ in lines) + 10
    frame = Frame(fit_scale([1, max(n, 2)], left, width - beside, margin=0.0), y)
    drawing = Drawing(width, height)
    frame.draw_y(drawing, metric)
    frame.draw_x(drawing, "steps ahead", 7)
    for place, (_, side, errors) in enumerate(lines):
        points = [frame.point(step + 1, value) for step, value in enumerate(errors)]
        drawing.path(points, f"line {side}" if place == 0 else f"line thin {side}")
    ends = sorted((frame.y(errors[-1]), title) for title, _, errors in lines)
    free = frame.top
    for at, title in ends:  # beside the ends of the lines, one below the other
        free = max(free, at + 4)
        drawing.text(width - beside + 6, free, title, "label")
        free += LABEL_HEIGHT
    said = "; ".join(
        f"{title}: {errors[0]:.4g} at the first step, {errors[-1]:.4g} at the last" for title, _, errors in lines
    )
    return alone(drawing, "error-by-step", f"{metric} by step", f"{said}.")

"""Candidates and batch sizes, drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import shorten, text_width
from annvil.plots.scale import Scale, fit_scale
from annvil.plots.standalone import alone
from annvil.plots.svg import Drawing
from annvil.trainer.results.charts import LOG_FROM, WIDE

_GAP, _HEAD, _HEIGHT, _FOOT = 28.0, 46.0, 170.0, 44.0
_GOLDEN = 0.6180339887  # steps of this share of a circle fill it evenly, however many they are
_USUAL = 3.0  # losses further above the best than so many times the median's distance are drawn at the edge (by eye)


@dataclass(frozen=True)
class Dot:
    """One candidate: its settings, its loss (lower is better), the loss's spread over folds, and its name."""

    settings: Mapping[str, Any]
    value: float
    spread: float
    summary: str


def candidates_chart(dots: Sequence[Dot], varied: Mapping[str, bool], axis: str, greater_is_better: bool) -> str:
    """A panel for every setting that varied, with all candidates in each, as stand-alone SVG.

    Parameters
    ----------
    dots : best first; those that diverged have no finite value and are only counted
    varied : names of the settings, and whether their axis is logarithmic; without any, candidates stand by rank
    axis : what the values are
    """
    finite = [dot for dot in dots if math.isfinite(dot.value)]
    panels: list[tuple[str, bool]] = list(varied.items()) or [("rank", False)]
    across = 1 if len(panels) == 1 else 2
    width = (WIDE - _GAP * (across - 1)) / across
    down = math.ceil(len(panels) / across)
    panel = _HEAD + _HEIGHT + _FOOT
    drawing = Drawing(WIDE, 22 + panel * down)
    _legend(drawing, len(dots) - len(finite))
    sign = -1.0 if greater_is_better else 1.0
    for place, (name, logarithmic) in enumerate(panels):
        left, top = (place % across) * (width + _GAP), 22 + (place // across) * panel + _HEAD
        _panel(drawing, finite, name, logarithmic, left, left + width, top, axis, sign)
    summary = f"{len(finite)} candidates; the best: {finite[0].summary}." if finite else "Every candidate diverged."
    return alone(drawing, "annvil-candidates", f"{axis} against each setting", summary)


def _legend(drawing: Drawing, diverged: int) -> None:
    drawing.mark(7, 10, "network", "faint", radius=4)
    drawing.text(18, 14, "a candidate", "label")
    x = 36 + text_width("a candidate")
    drawing.mark(x, 10, "network", "open", radius=5)
    drawing.text(x + 12, 14, "the best one", "label")
    if diverged:
        x += 30 + text_width("the best one")
        drawing.text(x, 14, f"{diverged} diverged and are not drawn", "note")


def _panel(
    drawing: Drawing, dots: Sequence[Dot], name: str, logarithmic: bool, left: float, right: float, top: float,
    axis: str, sign: float,
) -> None:  # fmt: skip
    bottom = top + _HEIGHT
    kept = _kept([dot.value for dot in dots], sign)
    kept += [kept[0] - sign * dots[0].spread] if kept else []
    positive = bool(kept) and min(kept) > 0
    y = fit_scale(kept, bottom, top, log=positive and max(kept) > LOG_FROM * min(kept))
    frame = Frame(Scale(0, 1, left + max(y_label_width(y, 5), 40), right - 8), y)
    frame.draw_y(drawing, "")
    drawing.text(left, top - 12, axis, "note")
    places = _along(drawing, dots, name, logarithmic, frame)
    for dot, x in reversed(list(zip(dots, places, strict=True))):
        best = dot is dots[0]
        at = y(y.clamp(dot.value))
        if dot.spread:
            low, high = (y(y.clamp(dot.value + d)) for d in (-dot.spread, dot.spread))
            drawing.line(x, low, x, high, "guide")
        drawing.mark(x, at, "network", "open" if best else "faint", dot.summary, radius=5 if best else 4)


def _kept(values: Sequence[float], sign: float) -> list[float]:
    """Values that the scale must hold: very bad ones would flatten the rest."""
    ranked = sorted(sign * value for value in values)
    if not ranked:
        return []
    most = ranked[0] + _USUAL * (ranked[len(ranked) // 2] - ranked[0])
    return [sign * value for value in ranked if value <= most or most == ranked[0]]


def _along(drawing: Drawing, dots: Sequence[Dot], name: str, logarithmic: bool, area: Frame) -> list[float]:
    """Draw the axis of a setting; where each candidate stands on it."""
    left, right, top, bottom = area.left, area.right, area.top, area.bottom
    values = [rank + 1 if name == "rank" else dot.settings[name] for rank, dot in enumerate(dots)]
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    distinct = list(dict.fromkeys(words))
    continuous = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) and len(distinct) > 6
    if continuous:
        logarithmic = logarithmic and min(values) > 0
        frame = Frame(fit_scale(values, left, right, log=logarithmic, margin=0.03), Scale(0, 1, bottom, top))
        frame.draw_x(drawing, name, 5)
        return [frame.x(value) for value in values]
    order = sorted(distinct, key=_as_number)
    step = (right - left) / max(len(order), 1)
    centre = {word: left + step * (place + 0.5) for place, word in enumerate(order)}
    drawing.line(left, bottom, right, bottom, "axis")
    for word, x in centre.items():
        drawing.text(x, bottom + 17, shorten(word, step - 6, 11.5), "tick", "middle", word)
    drawing.text((left + right) / 2, bottom + 36, name, "axis-title", "middle")
    return _beside(words, centre, step)


def _beside(words: Sequence[str], centre: Mapping[str, float], step: float) -> list[float]:
    """Candidates of one value scattered around it, the first in the middle, evenly however many there are."""
    turns = [words[:place].count(word) for place, word in enumerate(words)]
    wide = max(0.0, min(step - 20, 110.0))
    return [centre[word] + ((0.5 + turn * _GOLDEN) % 1.0 - 0.5) * wide for word, turn in zip(words, turns, strict=True)]


def _as_number(word: str) -> tuple[float, str]:
    try:
        return float(word), word
    except ValueError:
        return math.inf, word


def batch_chart(
    sizes: Sequence[int],
    scores: Sequence[float],
    seconds: Sequence[float | None],
    best: int,
    score: str,
    greater_is_better: bool,
) -> str:
    """Score, and seconds an epoch, over the batch size, as stand-alone SVG; ``best`` is the size to ring."""
    drawing = Drawing(WIDE, 2 * (_HEAD + _HEIGHT) + _FOOT + 12)
    better = "higher is better" if greater_is_better else "lower is better"
    reached = [(size, value) for size, value in zip(sizes, scores, strict=True) if math.isfinite(value)]
    times = [(size, value) for size, value in zip(sizes, seconds, strict=True) if value is not None]
    top = _HEAD
    panels = (
        (reached, f"{score} in the given time, {better}", False, "network"),
        (times, "seconds an epoch, logarithmic", True, "simple"),
    )
    for points, title, log, cls in panels:
        y = fit_scale((value for _, value in points), top + _HEIGHT, top, log=log, margin=0.12)
        left = max(y_label_width(y), 46)
        x = Scale(min(sizes) / 1.25, max(sizes) * 1.25, left, WIDE - 12, log=True)
        frame = Frame(x, y)
        frame.draw_y(drawing, title)
        for size in sizes:
            drawing.line(x(size), top, x(size), frame.bottom, "grid")
        drawing.line(left, frame.bottom, WIDE - 12, frame.bottom, "axis")
        drawing.path([frame.point(*point) for point in points], f"line thin {cls}")
        for size, value in points:
            tip = f"{size} rows: {value:.4g}"
            drawing.mark(*frame.point(size, value), cls, "open" if size == best else "", tip)
        top += _HEAD + _HEIGHT
    _sizes_below(drawing, x, sizes, frame.bottom)
    lasted = ["not one epoch" if one is None else f"{one:.3g} s an epoch" for one in seconds]
    each = zip(sizes, scores, lasted, strict=True)
    summary = "; ".join(f"{size} rows: {score} {value:.4g}, {time}" for size, value, time in each)
    return alone(drawing, "annvil-batches", f"{score} and time by batch size", f"{summary}. Best: {best}.")


def _sizes_below(drawing: Drawing, x: Scale, sizes: Sequence[int], bottom: float) -> None:
    end = -math.inf
    for size in sizes:
        half = text_width(str(size), 11.5) / 2
        if x(size) - half > end + 6:
            drawing.text(x(size), bottom + 17, str(size), "tick", "middle")
            end = x(size) + half
    drawing.text((x.start + x.end) / 2, bottom + 36, "rows in a batch; the ring marks the best score", "note", "middle")

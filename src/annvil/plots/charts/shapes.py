"""What each term of a model adds: curves over numbers and dates, bars of categories, maps of pairs, projections.

Small multiples on one scale, so that what is flat looks flat; under every curve the density of the rows it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import exp

from annvil.plots.axes import draw_x_axis, y_label_width
from annvil.plots.charts.pair_map import draw_pair
from annvil.plots.charts.term_shapes import Along, Shape, Shapes
from annvil.plots.labels import BOLDER, shorten, text_width
from annvil.plots.scale import Scale, fit_scale, labels_of
from annvil.plots.svg import Drawing, side_of
from annvil.text.quantities import percent

HEIGHT, DENSITY, LEVEL, WEIGHT, GAP = 128.0, 16.0, 21.0, 17.0, 20.0
"""Pixels: of a plot, of the densities below it, of one category, of one weight of a projection, between panels."""

NOTE_SIZE, MISSING_GAP = 11.5, 8.0
"""Pixels: of the letters of notes (report.css), and between the axis and what missing values add."""

MOST_WEIGHTS = 6
"""Weights of a projection that are shown, the largest."""

FARTHEST = 0.6
"""How far bands may widen the common scale beyond what the curves need, in parts of that; the rest is cut off."""


def shapes(chart: Shapes, width: float, name: str) -> str:
    """The chart."""
    drawing, side = Drawing(width), side_of(chart.family)
    across = 2 if width >= 500 and len(chart.shapes) > 1 else 1
    top = _heading(drawing, chart, width)
    scale = common_scale(chart.shapes)
    column = (width - (across - 1) * GAP) / across
    for start in range(0, len(chart.shapes), across):
        row = chart.shapes[start : start + across]
        for place, shape in enumerate(row):
            _panel(drawing, shape, place * (column + GAP), top, column, scale, chart.base, side)
        top += max(_height(shape) for shape in row)
    drawing.height = top
    return drawing.svg(name, chart.title, _told(chart), "panels")


def common_scale(some: Sequence[Shape]) -> Scale:
    """Of what terms add, from 0 upwards in pixels; bands widen it only so far."""
    traces = [trace for shape in some if len(shape.axes) == 1 for trace in shape.traces]
    values = [0.0, *(v for trace in traces for v in (*trace.y, *trace.missing[:1]))]
    low, high = min(values), max(values)
    farthest = FARTHEST * (high - low)
    ends = [v for trace in traces for line in (trace.low, trace.high, *trace.lines) for v in line]
    within = [min(max(v, low - farthest), high + farthest) for v in ends]
    return fit_scale([*values, *within], 0.0, 1.0)


def _heading(drawing: Drawing, chart: Shapes, width: float) -> float:
    """What the scales are, and whose the lines are where there are several; where the panels begin."""
    drawing.text(0, 12, shorten(chart.y_title, width), "axis-title")
    top = 18.0
    if chart.base is not None:
        drawing.text(
            0,
            29,
            "% on scales: the probability, all else as on average",
            "note",
        )
        top = 35.0
    names = [trace.name for trace in chart.shapes[0].traces] if chart.shapes else []
    x = 0.0
    for place, title in enumerate(names if len(names) > 1 else []):
        room = 34 + text_width(title)
        if x and x + room > width:
            x, top = 0.0, top + 18
        drawing.line(x, top + 6, x + 20, top + 6, f"line {_colour(place, 'network')}")
        drawing.text(x + 26, top + 10, shorten(title, width - 30), "label")
        x += room + 12
    return top + (18 if len(names) > 1 else 0)


def _height(shape: Shape) -> float:
    if len(shape.axes) == 2:
        return 26 + HEIGHT + 72
    if shape.axes[0].levels:
        return 26 + LEVEL * len(_levels(shape)) + 40
    return 26 + HEIGHT + DENSITY + 40 + WEIGHT * min(len(shape.weights), MOST_WEIGHTS)


def _panel(
    drawing: Drawing, shape: Shape, left: float, top: float, width: float, scale: Scale, base: float | None, side: str
) -> None:
    note_width = text_width(shape.note, NOTE_SIZE) + 14 if shape.note else 0.0
    title = f"× {shape.title}" if shape.flagged else shape.title
    room = (width - note_width) / (BOLDER if shape.flagged else 1.0)
    drawing.text(left, top + 16, shorten(title, room), "strong" if shape.flagged else "label", tip=title)
    if shape.note:
        drawing.text(left + width, top + 16, shape.note, "note", "end")
    if len(shape.axes) == 2:
        draw_pair(drawing, shape, left, top + 26, width, HEIGHT)
    elif shape.axes[0].levels:
        _bars(drawing, shape, left, top + 26, width, scale, base, side)
    else:
        _curve(drawing, shape, left, top + 26, width, scale, base, side)


def _colour(place: int, side: str) -> str:
    if not place:
        return side
    shade = place // 2 % 4
    return f"{'simple' if place % 2 else 'network'}{f' shade-{shade}' if shade else ''}"


def _probability(base: float, added: float) -> str:
    return percent(1 / (1 + exp(-min(max(base + added, -50.0), 50.0))), brief=True)


def _curve(
    drawing: Drawing, shape: Shape, left: float, top: float, width: float, scale: Scale, base: float | None, side: str
) -> None:
    axis, bottom = shape.axes[0], top + HEIGHT
    y = replace(scale, start=bottom, end=top)
    gutter = MISSING_GAP + text_width("missing", NOTE_SIZE) if any(trace.missing for trace in shape.traces) else 0.0
    middle = MISSING_GAP + (gutter - MISSING_GAP) / 2
    beside = 40.0 if base is not None else 8.0
    x = fit_scale(axis.x, left + y_label_width(y, 4), left + width - beside - gutter, margin=0.0)
    ticks = y.ticks(4)
    for tick, label in zip(ticks, labels_of(y, ticks), strict=True):
        drawing.line(x.start, y(tick), x.end + gutter, y(tick), "grid" if tick else "zero")
        drawing.text(x.start - 6, y(tick) + 4, label, "tick", "end")
        if base is not None:
            drawing.text(x.end + gutter + 5, y(tick) + 4, _probability(base, tick), "tick")
    _densities(drawing, axis, x, bottom)
    for place, trace in enumerate(shape.traces):
        colour = _colour(place, side)
        if trace.low:
            upper = [(x(a), y(y.clamp(b))) for a, b in zip(axis.x, trace.high, strict=True)]
            lower = [(x(a), y(y.clamp(b))) for a, b in zip(axis.x, trace.low, strict=True)]
            drawing.band(upper, lower, f"band {colour}")
        for values in trace.lines:
            drawing.path([(x(a), y(y.clamp(b))) for a, b in zip(axis.x, values, strict=True)], "line faint dummy")
        drawing.path([(x(a), y(y.clamp(b))) for a, b in zip(axis.x, trace.y, strict=True)], f"line {colour}")
        if trace.missing:
            _whisker(drawing, y, x.end + middle, trace.missing, colour, upright=True)
    if gutter:
        drawing.text(x.end + middle, bottom + 12, "missing", "note", "middle")
    if axis.is_time:
        _time_axis(drawing, x, bottom + DENSITY)
    else:
        draw_x_axis(drawing, x, bottom + DENSITY + 4, bottom + DENSITY, "", 4, grid=False)
    _weights(drawing, shape, left, bottom + DENSITY + 28, width, side)


def _densities(drawing: Drawing, axis: Along, x: Scale, top: float) -> None:
    """Bars that hang from the plot: as long as many rows lie there."""
    most = max(axis.density, default=0.0)
    step = (x.end - x.start) / max(1, len(axis.density))
    for place, share in enumerate(axis.density):
        if most and share:
            height = max(1.0, DENSITY * share / most)
            tip = f"{percent(share, brief=True)} of the rows"
            drawing.rect(x.start + place * step + 0.5, top, step - 1, height, "bar quiet", tip)


def _whisker(
    drawing: Drawing, scale: Scale, across: float, values: Sequence[float], colour: str, *, upright: bool
) -> None:
    """A value with its interval, where it has one."""
    along = [scale(scale.clamp(value)) for value in values]
    if len(along) == 3:
        ends = (across, along[1], across, along[2]) if upright else (along[1], across, along[2], across)
        drawing.line(*ends, cls=f"whisker {colour}")
    x, y = (across, along[0]) if upright else (along[0], across)
    drawing.mark(x, y, colour.split(" ")[0], colour, radius=4)


def _time_axis(drawing: Drawing, x: Scale, y: float) -> None:
    drawing.line(x.start, y, x.end, y, "axis")
    for moment, label in time_ticks(x.low, x.high):
        drawing.line(x(moment), y, x(moment), y + 4, "tick-mark")
        half = text_width(label, 11.5) / 2
        drawing.text(min(max(x(moment), half), drawing.width - half), y + 17, label, "tick", "middle")


def time_ticks(low: float, high: float, about: int = 4) -> list[tuple[float, str]]:
    """Beginnings of years, months or days between two moments (seconds since 1970), as they are written."""
    first, last = datetime.fromtimestamp(low, UTC), datetime.fromtimestamp(high, UTC)
    days = (high - low) / 86400
    if days > 365 * 2:
        step = next((s for s in (1, 2, 5, 10, 20, 50, 100) if (last.year - first.year) / s <= about), 200)
        years = range(-(-first.year // step) * step, last.year + 1, step)
        found = [(datetime(year, 1, 1, tzinfo=UTC).timestamp(), str(year)) for year in years]
    elif days > 62:
        step = max(1, -(-int(days / 30.4) // about))
        months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month, step)
        found = [
            (datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC).timestamp(), f"{m // 12}-{m % 12 + 1:02}") for m in months
        ]
    else:
        step = max(1, -(-int(days + 1) // about))
        start = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
        moments = [start + 86400 * day for day in range(0, int(days) + 2, step)]
        found = [(moment, f"{datetime.fromtimestamp(moment, UTC):%m-%d}") for moment in moments]
    return [(moment, label) for moment, label in found if low <= moment <= high]


def _levels(shape: Shape) -> list[tuple[str, str, list[tuple[float, ...]]]]:
    """Name, share of rows, and of each trace value, low and high; the missing ones last."""
    axis, rows = shape.axes[0], []
    for place, level in enumerate(axis.levels):
        values = [tuple(one[place] for one in (t.y, t.low, t.high) if one) for t in shape.traces]
        rows.append((level, percent(axis.density[place], brief=True) if axis.density else "", values))
    if any(trace.missing for trace in shape.traces):
        rows.append(("(missing)", "", [trace.missing for trace in shape.traces]))
    return rows


def _bars(
    drawing: Drawing, shape: Shape, left: float, top: float, width: float, scale: Scale, base: float | None, side: str
) -> None:
    rows = _levels(shape)
    names = min(max(text_width(name) for name, _, _ in rows) + 10, 0.38 * width)
    x = replace(scale, start=left + names, end=left + width - 38)
    bottom = top + LEVEL * len(rows)
    draw_x_axis(drawing, x, top, bottom, "", 4)
    if base is not None:
        for tick in (x.ticks(4)[0], x.ticks(4)[-1]):
            drawing.text(x(tick), bottom + 30, _probability(base, tick), "note", "middle")
    drawing.line(x(0), top, x(0), bottom, "zero")
    for place, (name, share, traces) in enumerate(rows):
        y = top + LEVEL * (place + 0.5)
        drawing.text(x.start - 6, y + 4, shorten(name, names - 6), "label", "end", tip=name)
        drawing.text(left + width, y + 4, share, "note", "end")
        if len(traces) == 1:
            start, end = sorted((x(0), x(x.clamp(traces[0][0]))))
            drawing.rect(start, y - 5, end - start, 10, f"band {side}")
        for number, values in enumerate(traces):
            _whisker(drawing, x, y, values, _colour(number, side), upright=False)


def _weights(drawing: Drawing, shape: Shape, left: float, top: float, width: float, side: str) -> None:
    """Of a projection: what it is a weighted sum of."""
    largest = sorted(shape.weights, key=lambda one: -abs(one[1]))[:MOST_WEIGHTS]
    if not largest:
        return
    names = min(max(text_width(name) for name, _ in largest) + 10, 0.45 * width)
    x = Scale(-1.0, 1.0, left + names, left + width - 40)
    drawing.line(x(0), top, x(0), top + WEIGHT * len(largest), "zero")
    for place, (name, weight) in enumerate(largest):
        y = top + WEIGHT * (place + 0.5)
        drawing.text(left + names - 6, y + 4, shorten(name, names - 6), "label", "end", tip=name)
        start, end = sorted((x(0), x(weight)))
        drawing.rect(start, y - 4, end - start, 8, f"band solid {side}")
        drawing.text(left + width, y + 4, f"{weight:+.2f}".replace("-", "−"), "note", "end")


def _told(chart: Shapes) -> str:
    """The lowest and the highest point of every curve, for who cannot see it."""
    parts = []
    for shape in chart.shapes[:24]:
        values = [v for trace in shape.traces for v in trace.y]
        parts.append(f"{shape.title}: from {min(values):.3g} to {max(values):.3g}")
    return f"{chart.y_title}. {'; '.join(parts)}."

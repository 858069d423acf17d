"""Lines over one axis in panels, below or beside each other: series, curves with their bands, marks over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import shorten, text_width
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing, Point

COLOURS = (
    ("network", 0), ("simple", 0), ("dummy", 0), ("network", 1), ("simple", 1), ("network", 2), ("simple", 2),
    ("network", 3),
)  # fmt: skip
"""Family and shade of each colour; after the last it begins again."""

MOST_POINTS = 160
"""A line of more is thinned: nobody sees more of it."""

SHORT = 84.0
"""Pixels of height below which an axis has few ticks and no grid for each."""


@dataclass(frozen=True)
class Line:
    """Values over places; ``low`` and ``high`` are its band, ``name`` what the legend calls it (nothing: not there).

    ``style``: "", "thin", "dashed" or "dotted". ``fill``: the area to 0 is filled. ``marks``: each point has one.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    name: str = ""
    colour: int = 0
    style: str = ""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    fill: bool = False
    marks: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines on one scale; ``flagged``: its title says that something is wrong."""

    lines: tuple[Line, ...]
    title: str = ""
    flagged: bool = False


@dataclass(frozen=True)
class Panels:
    """A chart as data: kept with a run and drawn where it is shown, for wide and for narrow screens.

    Attributes
    ----------
    key : lower-case words with hyphens, unique in a page
    title, caption : above it and below
    x_title, y_title : of the axes, which all panels share
    across : panels side by side where there is room for all; two on a phone
    height : pixels of each panel
    same_y : whether all panels have one scale
    """

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    x_title: str = ""
    y_title: str = ""
    across: int = 1
    height: float = 200.0
    log_x: bool = False
    log_y: bool = False
    same_y: bool = False


def panels(chart: Panels, width: float, name: str) -> str:
    """The chart."""
    drawing, title, told = drawn(chart, width)
    return drawing.svg(name, title, told)


def drawn(chart: Panels, width: float, heading: Sequence[str] = ()) -> tuple[Drawing, str, str]:
    """The drawing, its title, and what it shows in words; ``heading``: lines above it, the first of them strong."""
    across = max(1, min(chart.across, len(chart.panels), 2 if width < 500 else chart.across))
    drawing = Drawing(width)
    for place, line in enumerate(heading):
        drawing.text(0, 14 + 20 * place, line, "label" if place else "strong")
    top = _legend(drawing, [line for panel in chart.panels for line in panel.lines], width, 20.0 * len(heading))
    rows = [chart.panels[start : start + across] for start in range(0, len(chart.panels), across)]
    titled = any(panel.title for panel in chart.panels)
    shared = _values(chart.panels)
    ups = [
        fit_scale(shared if chart.same_y else _values([panel]), chart.height, 0.0, log=chart.log_y)
        for panel in chart.panels
    ]
    widths = [y_label_width(y, _about(chart.height)) + 4 for y in ups]
    if chart.y_title:
        drawing.text(0, top + 10, chart.y_title, "axis-title")
        top += 20
    for place, row in enumerate(rows):
        last = place == len(rows) - 1
        top += 20 if titled else 8
        column = width / across
        for number, panel in enumerate(row):
            left, nth = number * column, place * across + number
            y = replace(ups[nth], start=top + chart.height, end=top)
            room = max(widths[number::across])
            places = [x for one in (chart.panels if across == 1 else [panel]) for line in one.lines for x in line.x]
            margin = 0.02 if chart.log_x else 0.0
            x = fit_scale(places, left + room, left + column - 12, log=chart.log_x, margin=margin)
            _panel(drawing, panel, Frame(x, y), chart.x_title if last else "", axis=last or across > 1)
        top += chart.height + (22 if across > 1 or last else 0)
    drawing.height = top + (20 if chart.x_title else 2)
    return drawing, chart.title, _told(chart)


def _panel(drawing: Drawing, panel: Panel, frame: Frame, x_title: str, *, axis: bool) -> None:
    small = frame.bottom - frame.top < SHORT
    narrow = frame.right - frame.left < 260
    frame.draw_y(drawing, "", _about(frame.bottom - frame.top))
    if axis:
        frame.draw_x(drawing, x_title, 3 if narrow else 6)
    if frame.y.low < 0 < frame.y.high and not frame.y.log:
        drawing.line(frame.left, frame.y(0), frame.right, frame.y(0), "zero" if not small else "grid")
    if panel.title:
        room = frame.right - frame.left + 20
        words = f"× {panel.title}" if panel.flagged else panel.title
        shown = shorten(words, room)
        cls = "strong" if panel.flagged else "label"
        drawing.text(frame.left, frame.top - 6, shown, cls, tip=words if shown != words else "")
    for line in panel.lines:
        _line(drawing, line, frame)


def _line(drawing: Drawing, line: Line, frame: Frame) -> None:
    family, shade = COLOURS[line.colour % len(COLOURS)]
    colour = f"{family} shade-{shade}" if shade else family
    kept = list(_thinned(len(line.x), MOST_POINTS))

    def at(values: Sequence[float]) -> list[Point]:
        return [frame.point(line.x[i], frame.y.clamp(values[i])) for i in kept]

    if line.low:
        drawing.band(at(line.high), at(line.low), f"band {colour}")
    if line.fill:
        drawing.band(at(line.y), at([0.0] * len(line.x)), f"band {colour}")
    style = "thin dotted" if line.style == "dotted" else line.style
    drawing.path(at(line.y), f"line {style} {colour}".replace("  ", " "))
    if line.marks:
        for i in kept:
            tip = f"{line.name}: {line.y[i]:.4g} at {line.x[i]:.4g}"
            drawing.mark(*frame.point(line.x[i], frame.y.clamp(line.y[i])), family, colour, tip, radius=3.6)


def _thinned(n: int, most: int) -> Iterable[int]:
    """At most so many of ``n`` places, the first and the last among them."""
    return range(n) if n <= most else sorted({round(i * (n - 1) / (most - 1)) for i in range(most)})


def _about(height: float) -> int:
    return 2 if height < SHORT else 5


def _values(some: Sequence[Panel]) -> list[float]:
    lines = [line for panel in some for line in panel.lines]
    return [v for line in lines for v in (*line.y, *line.low, *line.high, *((0.0,) if line.fill else ()))]


def _named(lines: Iterable[Line]) -> Iterator[Line]:
    """The first line of every name."""
    seen: set[str] = set()
    for line in lines:
        if line.name and line.name not in seen:
            seen.add(line.name)
            yield line


def _legend(drawing: Drawing, lines: Sequence[Line], width: float, top: float) -> float:
    """One entry a name from ``top`` on, in as many lines as it takes; where it ends."""
    x, y, named = 0.0, top + 8, list(_named(lines))
    if not named:
        return top
    for line in named:
        name = shorten(line.name, width - 40)
        room = 48 + text_width(name)
        if x and x + room - 16 > width:
            x, y = 0.0, y + 20
        family, shade = COLOURS[line.colour % len(COLOURS)]
        style = "thin dotted" if line.style == "dotted" else line.style
        drawing.line(x, y, x + 26, y, " ".join(f"line {style} {family} shade-{shade}".split()))
        drawing.text(x + 32, y + 4, name, "label", tip=line.name if name != line.name else "")
        x += room
    return y + 14


def _told(chart: Panels) -> str:
    """Every named line's first and last value, for who cannot see it."""
    lines = [(panel.title, line) for panel in chart.panels for line in panel.lines if line.name and line.y]
    parts = [
        f"{f'{title}, ' if title else ''}{line.name}: from {line.y[0]:.3g} to {line.y[-1]:.3g}" for title, line in lines
    ]
    return f"{'; '.join(parts[:24]) or chart.title}."

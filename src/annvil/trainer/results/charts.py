"""How training went, drawn: loss and metrics by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from annvil.errors import MachineError, RequestError
from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import text_width
from annvil.plots.png import png
from annvil.plots.scale import Scale, fit_scale
from annvil.plots.standalone import alone
from annvil.plots.svg import Drawing, Point
from annvil.text.safe import clean

WIDE = 700.0  # CSS pixels: a readable column
_MOST_POINTS = 350  # longer histories are thinned: a line of 700 pixels shows no more
_HEAD, _HEIGHT, _FOOT = 52.0, 190.0, 22.0  # of a panel: its title, the plot, its tick labels
_LEAST_SPAN = 1e-3  # of a scale, as a share of its values (chosen by eye): differences below it are noise
_WORSE = 1.5  # losses beyond so many times the first one are drawn at the edge: bursting rates would flatten the others
LOG_FROM = 50.0  # ratio of losses from which their scale is logarithmic (chosen by eye)


class Plot:
    """A chart as SVG text; notebooks show it. With ``path`` it is written there too (see `save`)."""

    def __init__(self, svg: str, path: str | Path | None = None) -> None:
        self.svg = svg
        if path is not None:
            self.save(path)

    def save(self, path: str | Path) -> Path:
        """Write it to a file: as SVG, or where that ends in ``.png`` as a picture.

        Raises
        ------
        RequestError
            Where the file has another ending.
        MachineError
            Where the file cannot be written.
        """
        file = Path(path)
        ending = file.suffix.lower()
        if ending not in ("", ".svg", ".png"):
            raise RequestError(f"Charts are written as .svg or .png; {file.name} has another ending.")
        content = png(self.svg) if ending == ".png" else self.svg.encode()
        try:
            file.write_bytes(content)
        except OSError as error:
            raise MachineError(f"The chart cannot be written to {file}: {error.strerror}.") from error
        return file

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Plot, {len(self.svg)} characters of SVG; save(path) writes it>"


def history_chart(history: Mapping[str, Sequence[float]], best_epoch: int, monitor: str = "loss") -> str:
    """A panel for the loss and one for every metric, each with training and validation rows, as stand-alone SVG."""
    names = [name for name in history if not name.startswith("val_") and name != "learning_rate"]
    panel = _HEAD + _HEIGHT + _FOOT
    drawing = Drawing(WIDE, 14 + panel * len(names) + 24)
    _legend(drawing, any(name.startswith("val_") for name in history), best_epoch)
    for place, name in enumerate(names):
        frame = _frame(drawing, name, history, 14 + panel * place + _HEAD, last=place == len(names) - 1)
        judged = _draw_lines(drawing, frame, history[name], history.get(f"val_{name}", ()))
        if 0 < best_epoch <= len(judged) and math.isfinite(judged[best_epoch - 1]):
            x, y = frame.point(best_epoch, judged[best_epoch - 1])
            if name == monitor:
                drawing.line(x, frame.bottom, x, frame.top, "guide")
            tip = f"epoch {best_epoch}: {name} {judged[best_epoch - 1]:.4g}"
            drawing.mark(x, y, "network", "open", tip, radius=4.5)
    return alone(drawing, "annvil-history", "Training, epoch by epoch", _summary(history, names, best_epoch))


def _frame(drawing: Drawing, name: str, history: Mapping[str, Sequence[float]], top: float, last: bool) -> Frame:
    """The axes of one quantity over the epochs."""
    values = [value for key in (name, f"val_{name}") for value in history.get(key, ()) if math.isfinite(value)]
    logarithmic = name == "loss" and bool(values) and min(values) > 0 and max(values) > LOG_FROM * min(values)
    size = max(map(abs, values), default=1.0)
    y = fit_scale(values, top + _HEIGHT, top, log=logarithmic, least=_LEAST_SPAN * size)
    epochs = len(history[name])
    low, high = (1.0, float(epochs)) if epochs > 1 else (0.5, 1.5)
    frame = Frame(Scale(low, high, max(y_label_width(y), 46), WIDE - 12), y)
    frame.draw_y(drawing, f"{name}, logarithmic" if logarithmic else name)
    frame.draw_x(drawing, "epoch" if last else "", min(8, max(epochs - 1, 1)))
    if not values:
        middle = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
        drawing.text(*middle, "infinite, or no number", "note halo", "middle")
    return frame


def _draw_lines(drawing: Drawing, frame: Frame, train: Sequence[float], validation: Sequence[float]) -> Sequence[float]:
    """Draw both; the one that the best epoch was judged by."""
    classes = ("line dotted", "line thin network") if validation else ("line thin network", "")
    for values, cls in zip((train, validation), classes, strict=True):
        for part in _parts(values):
            drawing.path([frame.point(epoch, value) for epoch, value in part], cls)
    return validation or train


def _parts(values: Sequence[float]) -> list[list[Point]]:
    """Points (epoch, value), thinned, cut where a value is missing."""
    step = max(1, len(values) // _MOST_POINTS)
    kept = sorted({*range(0, len(values), step), len(values) - 1}) if values else []
    parts: list[list[Point]] = [[]]
    for place in kept:
        if math.isfinite(values[place]):
            parts[-1].append((place + 1.0, float(values[place])))
        elif parts[-1]:
            parts.append([])
    return [part if len(part) > 1 else part * 2 for part in parts if part]


def _legend(drawing: Drawing, validates: bool, best_epoch: int) -> None:
    x = 0.0
    entries = [("validation rows", "line thin network"), ("training rows", "line dotted")]
    for text, cls in entries if validates else [("training rows", "line thin network")]:
        drawing.line(x + 2, 10, x + 28, 10, cls)
        drawing.text(x + 34, 14, text, "label")
        x += 52 + text_width(text)
    if best_epoch:
        drawing.mark(x + 6, 10, "network", "open", radius=4.5)
        drawing.text(x + 17, 14, f"epoch {best_epoch}, whose weights were kept", "label")


def _summary(history: Mapping[str, Sequence[float]], names: Sequence[str], best_epoch: int) -> str:
    """The chart in words, for those who cannot see it."""
    summary = []
    for name in names:
        for key, rows in ((name, "training rows"), (f"val_{name}", "validation rows")):
            finite = [value for value in history.get(key, ()) if math.isfinite(value)]
            if finite:
                summary.append(f"{name} on {rows} from {finite[0]:.4g} to {finite[-1]:.4g}")
    return f"{'; '.join(summary)}. Weights kept: epoch {best_epoch}."


def rates_chart(rates: Sequence[float], losses: Sequence[float], start: float, best: float | None) -> str:
    """The loss after some steps over the learning rates, both logarithmic, as stand-alone SVG."""
    top, known = 40.0, [(rate, loss) for rate, loss in zip(rates, losses, strict=True) if math.isfinite(loss)]
    usual = [loss for _, loss in known if loss < _WORSE * start] or [start]
    y = fit_scale([start, *usual], top + 260, top, log=min(*usual, start) > 0)
    frame = Frame(fit_scale(rates, max(y_label_width(y), 46), WIDE - 12, log=True, margin=0.02), y)
    drawing = Drawing(WIDE, top + 260 + 44)
    frame.draw_y(drawing, "loss on rows held back")
    frame.draw_x(drawing, "learning rate", 7)
    drawing.line(frame.left, y(start), frame.right, y(start), "guide")
    drawing.text(frame.right - 4, y(start) - 6, "before training", "note halo", "end")
    points = [frame.point(rate, y.clamp(loss)) for rate, loss in known]
    drawing.path(points, "line thin network")
    for (rate, loss), (at_x, at_y) in zip(known, points, strict=True):
        drawing.mark(at_x, at_y, "network", "", f"learning rate {rate:.2g}: loss {loss:.4g}", radius=3.2)
    summary = "No rate lowered the loss."
    if best is not None:
        drawing.line(frame.x(best), frame.bottom, frame.x(best), frame.top, "guide")
        drawing.text(frame.x(best), frame.top - 6, f"{best:.2g}", "strong halo", "middle")
        summary = f"Lowest loss {min(loss for _, loss in known):.4g}; suggested learning rate {best:.2g}."
    described = f"Loss before training {start:.4g}. {summary}"
    return alone(drawing, "annvil-rates", "Loss over learning rates", described)


def summary(facts: Mapping[str, str], notices: Sequence[str], chart: str) -> str:
    """A result as HTML for a notebook: facts, notices, chart; every text escaped."""
    cells = "".join(
        f"<td style='text-align:left;padding:0 1.5em 0 0'><small>{escape(clean(name))}</small><br>"
        f"{escape(clean(value))}</td>"
        for name, value in facts.items()
    )
    lines = "".join(f"<li>{escape(clean(sentence))}</li>" for sentence in notices)
    said = f"<ul style='margin:.6em 0'>{lines}</ul>" if lines else ""
    return f"<div><table><tr>{cells}</tr></table>{said}{chart}</div>"

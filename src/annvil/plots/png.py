"""A stand-alone chart (`annvil.plots.standalone.alone`) as a PNG picture, in its light colours.

It knows what `annvil.plots.svg.Drawing` writes and nothing else of SVG: lines, rectangles, circles, paths of straight
strokes, and texts. Pillow draws them at twice the size that is wanted, and makes it smaller for smooth edges.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, fromstring

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_PAPER, _INK, _FAINT, _GRID = "#fdfcfa", "#55585d", "#6b6f75", "#ebe8e1"
_OF_SIDE = {"network": "#0b62a8", "simple": "#b8550b", "team": "#b8550b", "dummy": "#2b6b4f"}
_SCALE = 2  # pixels of the picture for a pixel of the page (readable on dense screens)
_FINE = 2  # drawn so many times larger still

_PATH = re.compile(r"([MLhZ])([^MLhZ]*)")


def png(svg: str) -> bytes:
    """The picture of a chart, as the bytes of a PNG file."""
    from PIL import Image, ImageDraw

    root = fromstring(svg)
    left, top, width, height = (float(number) for number in root.attrib["viewBox"].split())
    zoom = _SCALE * _FINE
    page = Image.new("RGB", (round(width * zoom), round(height * zoom)), _PAPER)
    pen = _Pen(ImageDraw.Draw(page, "RGBA"), left, top, zoom)
    for part in root.iter():
        pen.draw(part)
    small = page.resize((round(width * _SCALE), round(height * _SCALE)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, "PNG", dpi=(96 * _SCALE, 96 * _SCALE))
    return content.getvalue()


class _Pen:
    def __init__(self, draw: ImageDraw, left: float, top: float, zoom: int) -> None:
        self._draw, self._left, self._top, self._zoom = draw, left, top, zoom

    def draw(self, part: Element) -> None:
        """Draw one element, but not what is inside it."""
        kind = part.tag.rpartition("}")[2]
        classes = frozenset(part.get("class", "").split())
        if kind == "text":
            self._text(part, classes)
        elif kind == "line":
            ends = [(float(part.attrib[f"x{i}"]), float(part.attrib[f"y{i}"])) for i in (1, 2)]
            self._stroke(ends, classes)
        elif kind == "rect" and "paper" not in classes:
            x, y, w, h = (float(part.get(name, "0")) for name in ("x", "y", "width", "height"))
            self._area([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], classes)
        elif kind == "circle":
            x, y, radius = (float(part.attrib[name]) for name in ("cx", "cy", "r"))
            self._circle(x, y, radius, classes)
        elif kind == "path":
            for points, closed in _strokes(part.attrib["d"]):
                if len(points) == 1:
                    self._circle(*points[0], 1.5, classes)
                elif closed:
                    self._area(points, classes)
                else:
                    self._stroke(points, classes)

    def _places(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [((x - self._left) * self._zoom, (y - self._top) * self._zoom) for x, y in points]

    def _stroke(self, points: list[tuple[float, float]], classes: frozenset[str]) -> None:
        plain = classes & {"grid", "axis", "guide", "leader"}
        width = 1.0 if plain else 1.5 if classes & {"thin", "dotted"} else 2.0
        colour = _GRID if "grid" in classes else _FAINT if plain or "dotted" in classes else _colour(classes)
        places = self._places(points)
        dashed = bool(classes & {"guide", "dotted"})
        for run in _dashes(places, 3.5 * self._zoom) if dashed else [places]:
            self._draw.line(run, fill=colour, width=round(width * self._zoom), joint="curve")

    def _area(self, points: list[tuple[float, float]], classes: frozenset[str]) -> None:
        share = 0.14 if "band" in classes else 0.45 if "bar" in classes else 1.0
        colour = _PAPER if "open" in classes else _colour(classes)
        edge: dict[str, Any] = {"outline": _colour(classes), "width": 2 * self._zoom} if "open" in classes else {}
        self._draw.polygon(self._places(points), fill=f"{colour}{round(255 * share):02x}", **edge)

    def _circle(self, x: float, y: float, radius: float, classes: frozenset[str]) -> None:
        (middle,) = self._places([(x, y)])
        inner = _PAPER if "open" in classes else _colour(classes)
        outer = _colour(classes) if "open" in classes else _PAPER
        self._draw.circle(middle, radius * self._zoom, fill=inner, outline=outer, width=round(1.6 * self._zoom))

    def _text(self, part: Element, classes: frozenset[str]) -> None:
        from PIL import ImageFont

        size = 11.5 if classes & {"tick", "note"} else 12.0
        font = ImageFont.load_default(size * self._zoom)
        (place,) = self._places([(float(part.get("x", "0")), float(part.get("y", "0")))])
        anchor = {"middle": "ms", "end": "rs"}.get(part.get("text-anchor", ""), "ls")
        halo: dict[str, Any] = {"stroke_width": 2 * self._zoom, "stroke_fill": _PAPER} if "halo" in classes else {}
        colour = "#1c1d1f" if classes & {"label", "strong"} else _FAINT if classes & {"tick", "note"} else _INK
        text = "".join(_words(part)).replace("−", "-")  # which Pillow's own font has not
        if "strong" in classes:
            halo = {"stroke_width": 0.25 * self._zoom, "stroke_fill": colour}
        self._draw.text(place, text, fill=colour, font=font, anchor=anchor, **halo)


def _colour(classes: frozenset[str]) -> str:
    return next((colour for side, colour in _OF_SIDE.items() if side in classes), _FAINT)


def _words(part: Element) -> Iterator[str]:
    """What is written, without what a resting pointer shows."""
    yield part.text or ""
    for inner in part:
        if not inner.tag.endswith("title"):
            yield from _words(inner)
        yield inner.tail or ""


def _strokes(data: str) -> Iterator[tuple[list[tuple[float, float]], bool]]:
    """The runs of points of a path, and whether each is closed; a run of one point is a dot."""
    points: list[tuple[float, float]] = []
    for command, numbers in _PATH.findall(data):
        if command == "M" and points:
            yield points, False
            points = []
        if command == "Z":
            yield points, True
            points = []
        elif command in "ML":
            x, y = numbers.split()
            points.append((float(x), float(y)))
    if points:
        yield points, False


def _dashes(places: list[tuple[float, float]], length: float) -> Iterator[list[tuple[float, float]]]:
    """Every second piece of a line, each of about that length."""
    for (x, y), (to_x, to_y) in pairwise(places):
        pieces = max(1, round((abs(to_x - x) ** 2 + abs(to_y - y) ** 2) ** 0.5 / length))
        for piece in range(0, pieces, 2):
            ends = (piece / pieces, (piece + 1) / pieces)
            yield [(x + (to_x - x) * share, y + (to_y - y) * share) for share in ends]

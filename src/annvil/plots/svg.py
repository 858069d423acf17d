"""Writing SVG: every text and attribute passes through one escape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import isfinite

from annvil.text.safe import clean

Point = tuple[float, float]


def number(value: float) -> str:
    """A coordinate with at most one decimal; what is not finite becomes 0 so that the file stays well formed."""
    if not isfinite(value):
        return "0"
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def element(tag: str, content: str = "", **attributes: str | float | None) -> str:
    """One element: ``content`` is markup, attribute values are escaped, ``cls`` is the class, ``_`` means ``-``."""
    parts = [tag]
    for name, value in attributes.items():
        if value is None or value == "":
            continue
        shown = value if isinstance(value, str) else number(value)
        parts.append(f'{"class" if name == "cls" else name.replace("_", "-")}="{escape(clean(shown))}"')
    head = " ".join(parts)
    return f"<{head}>{content}</{tag}>" if content else f"<{head}/>"


def words(text: str) -> str:
    """Text as markup."""
    return escape(clean(text))


def tooltip(text: str) -> str:
    """What a pointer resting on an element shows; nothing of nothing."""
    return f"<title>{words(text)}</title>" if text else ""


class Drawing:
    """Collects the elements of one chart."""

    def __init__(self, width: float, height: float = 0.0) -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def add(self, markup: str) -> None:
        """Put an element on top of the others."""
        self._parts.append(markup)

    def text(self, x: float, y: float, text: str, cls: str = "", anchor: str = "start", tip: str = "") -> None:
        """A line of text with its baseline at ``y``; ``anchor`` is start, middle or end."""
        place = None if anchor == "start" else anchor
        self.add(element("text", words(text) + tooltip(tip), x=x, y=y, cls=cls, text_anchor=place))

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        """A straight line."""
        self.add(element("line", x1=x1, y1=y1, x2=x2, y2=y2, cls=cls))

    def rect(
        self, x: float, y: float, width: float, height: float, cls: str, tip: str = "", **more: str | float
    ) -> None:
        """A rectangle; a negative width or height is drawn as none."""
        self.add(element("rect", tooltip(tip), x=x, y=y, width=max(0, width), height=max(0, height), cls=cls, **more))

    def path(self, points: Sequence[Point], cls: str, closed: bool = False) -> None:
        """A line through points, or the area they enclose."""
        if points:
            self.add(element("path", d=through(points) + ("Z" if closed else ""), cls=cls))

    def band(self, upper: Sequence[Point], lower: Sequence[Point], cls: str) -> None:
        """The area between two lines."""
        self.path([*upper, *reversed(lower)], cls, closed=True)

    def dots(self, points: Iterable[Point], cls: str) -> None:
        """Many equal dots as one path of zero-length strokes: small to store."""
        steps = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
        if steps:
            self.add(element("path", d=steps, cls=f"dots {cls}"))

    def mark(self, x: float, y: float, family: str, cls: str = "", tip: str = "", radius: float = 5.0) -> None:
        """A marker; its shape too tells the side: networks are round, simple contenders square, a team stands on a
        corner, the dummy is a cross."""
        side = side_of(family)
        cls = f"mark {side} {cls}".strip()
        if side == "network":
            self.add(element("circle", tooltip(tip), cx=x, cy=y, r=radius, cls=cls))
        elif side == "simple":
            half = 0.87 * radius
            self.rect(x - half, y - half, 2 * half, 2 * half, cls, tip)
        elif side == "team":
            corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
            self.add(element("path", tooltip(tip), d=through(corners) + "Z", cls=cls))
        else:
            arm = 0.8 * radius
            rising, falling = [(x - arm, y + arm), (x + arm, y - arm)], [(x - arm, y - arm), (x + arm, y + arm)]
            self.add(element("path", tooltip(tip), d=through(falling) + through(rising), cls=f"cross {cls}"))

    def svg(self, name: str, title: str, description: str, cls: str = "") -> str:
        """The whole ``<svg>``; ``name`` must be unique in the page."""
        head = element("title", words(title), id=f"{name}-t") + element("desc", words(description), id=f"{name}-d")
        return element(
            "svg",
            head + "".join(self._parts),
            viewBox=f"0 0 {number(self.width)} {number(self.height)}",
            width=self.width,
            height=self.height,
            cls=f"chart {cls}".strip(),
            role="img",
            aria_labelledby=f"{name}-t {name}-d",
        )


def through(points: Sequence[Point]) -> str:
    """Path data of a line through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def side_of(family: str) -> str:
    """The colour class of a family: network, simple, team or dummy."""
    return family if family in ("network", "team", "dummy") else "simple"

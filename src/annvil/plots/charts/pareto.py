"""Cost beside score: who is better, who is cheaper, and who is beaten in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from annvil.plots.axes import Frame, y_label_width
from annvil.plots.labels import Box, leader_end, place_labels, shorten
from annvil.plots.scale import fit_scale
from annvil.plots.svg import Drawing, side_of


@dataclass(frozen=True)
class Offer:
    """One contender's cost (positive) and score."""

    title: str
    family: str
    cost: float
    score: float
    spread: float
    shown: str
    recommended: bool = False


def frontier(offers: Sequence[Offer], greater_is_better: bool) -> list[Offer]:
    """Those that no other beats in both cost and score, cheapest first."""
    sign = 1.0 if greater_is_better else -1.0
    kept: list[Offer] = []
    for offer in sorted(offers, key=lambda o: (o.cost, -sign * o.score)):
        if not kept or sign * offer.score > sign * kept[-1].score:
            kept.append(offer)
    return kept


def pareto(offers: Sequence[Offer], metric: str, cost: str, greater_is_better: bool, width: float, name: str) -> str:
    """The chart: cost by logarithm to the right, score upwards (or downwards for an error: lower is better)."""
    narrow = width < 500
    top, bottom = 34.0, 34.0 + (270 if narrow else 300)
    y = fit_scale([v for o in offers for v in (o.score - o.spread, o.score + o.spread)], bottom, top, margin=0.08)
    x = fit_scale((o.cost for o in offers), y_label_width(y), width - 12, log=True, margin=0.09)
    frame = Frame(x, y)
    drawing = Drawing(width, bottom + 46)
    better = "higher" if greater_is_better else "lower"
    frame.draw_y(drawing, f"{metric}, {better} is better")
    frame.draw_x(drawing, f"{cost}, further left is cheaper", 4 if narrow else 7)
    best = frontier(offers, greater_is_better)
    steps = [frame.point(o.cost, o.score) for o in best]
    corners = [p for a, b in pairwise(steps) for p in (a, (b[0], a[1]))] + steps[-1:]
    corners.append((frame.right, steps[-1][1]))
    drawing.path(corners, "frontier")
    whiskers = [(frame.point(o.cost, o.score - o.spread), frame.point(o.cost, o.score + o.spread)) for o in offers]
    for offer, (low, high) in zip(offers, whiskers, strict=True):
        drawing.line(*low, *high, f"whisker {side_of(offer.family)}")
    points = [frame.point(o.cost, o.score) for o in offers]
    texts = [shorten(o.title, 0.45 * width) for o in offers]
    obstacles = [
        Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1)
        for (a, b), (c, d) in (*pairwise(corners), *whiskers)
    ]
    area, strong = Box(frame.left + 4, top - 4, frame.right, bottom - 4), [o.recommended for o in offers]
    places = place_labels(points, texts, area, obstacles, strong)
    for offer, point, text, place in zip(offers, points, texts, places, strict=True):
        if place.far:
            drawing.line(*point, *leader_end(point, place), "leader")
        ring = "ringed" if offer.recommended else ""
        drawing.mark(*point, offer.family, ring, f"{offer.title}: {offer.shown}", radius=5.6)
        drawing.text(place.x, place.y, text, "strong halo" if offer.recommended else "label halo")
    said = "; ".join(f"{o.title}: {o.shown}" for o in offers)
    unbeaten = ", ".join(o.title for o in best)
    return drawing.svg(name, f"{metric} against {cost}", f"{said}. Beaten by nobody in both: {unbeaten}.")

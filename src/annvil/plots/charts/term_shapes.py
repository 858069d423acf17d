"""What each term of a model adds, as a chart's data: curves, bars of categories, maps of pairs, projections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trace:
    """Values along an axis with their band; ``missing``: value, low and high of rows without one; ``lines``: thin ones
    of the same length beside it."""

    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    missing: tuple[float, ...] = ()
    name: str = ""
    lines: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Along:
    """An axis: values of numbers or dates (``is_time``: seconds since 1970) or names of categories, and the share of
    rows: of each category, or of equal bins from the first value to the last."""

    title: str
    x: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    density: tuple[float, ...] = ()
    is_time: bool = False


@dataclass(frozen=True)
class Shape:
    """One term: traces over one axis, or of two axes one trace, row by row, the second running faster.

    ``note`` stands beside the title; ``flagged``: something speaks against it; ``weights``: of a projection.
    """

    title: str
    axes: tuple[Along, ...]
    traces: tuple[Trace, ...]
    note: str = ""
    flagged: bool = False
    weights: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Shapes:
    """A chart as data: kept with a run and drawn where it is shown.

    Attributes
    ----------
    key : lower-case words with hyphens, unique in a page
    title, caption : above it and below
    y_title : what the terms add to
    shapes : in this order
    base : of log-odds those of average rows, so that probabilities can be written beside them; None of anything else
    family : of the model, whose colour it has
    folded : in words where it is shown only on demand
    """

    key: str
    title: str
    caption: str
    y_title: str
    shapes: tuple[Shape, ...]
    base: float | None = None
    family: str = "network"
    folded: str = ""

"""Effects of a model that is a sum: each term's own contribution along the values of its columns, nothing estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from annvil.bundle.effects import Axis
from annvil.data.table import Table
from annvil.explanation.axes import POINTS, TAIL, axis_of, density, laid_out
from annvil.explanation.effects import Curve
from annvil.models.terms import Additive, Term
from annvil.tasks.base import FloatArray

PAIR_POINTS = 17
"""Values of a column of numbers in a pairwise interaction (assumed)."""

PROJECTION_POINTS = 41
"""Values of a projection (assumed)."""

MOST_TERMS = 60
"""Terms that are looked at (assumed: nobody reads more)."""

SAME_PROJECTION = 0.5
"""Least absolute cosine between the weights of projections that are taken for the same one (assumed)."""


@dataclass(frozen=True)
class SumLayout:
    """Where a sum is looked at: one grid a term, and the rows over which each term is 0 on average.

    Attributes
    ----------
    terms, axes : those that are looked at, and over what: the `MOST_TERMS` that matter most, but for those of columns
        with one value throughout the rows
    rows : what stands for the data
    grid, spans : a table that runs through the values of one term after another, and where each term's rows are in it;
        projections have none
    """

    terms: tuple[Term, ...]
    axes: tuple[tuple[Axis, ...], ...]
    rows: Table
    grid: Table
    spans: tuple[slice, ...]

    @classmethod
    def of(cls, additive: Additive, rows: Table) -> Self:
        """For this sum on these rows."""
        by_name = {column.name: column for column in rows.columns}
        projected = _projected(additive, rows)
        terms, axes = [], []
        spreads = additive.contributions(rows).std(axis=0).max(axis=1, initial=0.0)
        for place in sorted(np.argsort(-spreads, kind="stable")[:MOST_TERMS].tolist()):
            term = additive.terms[place]
            if term.is_projection:
                found: list[Axis | None] = [None if projected is None else _projection_axis(term, projected[:, place])]
            else:
                points = POINTS if len(term.columns) == 1 else PAIR_POINTS
                found = [axis_of(by_name[name], points) for name in term.columns]
            if all(axis is not None for axis in found):
                terms.append(term)
                axes.append(tuple(axis for axis in found if axis is not None))
        grids = [() if term.is_projection else one for term, one in zip(terms, axes, strict=True)]
        grid, spans = laid_out(rows, grids)
        return cls(tuple(terms), tuple(axes), rows, grid, tuple(spans))

    def curves(self, additive: Additive) -> list[Curve]:
        """What each term of a sum is along its grid; of another sum too, as a refit is: 0 of a term that it lacks."""
        along, at = additive.contributions(self.grid), additive.contributions(self.rows)
        projected = _projected(additive, self.rows)
        found = []
        for term, axes, span in zip(self.terms, self.axes, self.spans, strict=True):
            place, sign = _matched(term, additive.terms)
            n_points = len(axes[0].values) if term.is_projection else span.stop - span.start
            if place is None or (term.is_projection and projected is None):
                values, rows = np.zeros((n_points, along.shape[2])), np.zeros((len(at), at.shape[2]))
            else:
                rows = at[:, place] - at[:, place].mean(axis=0)
                if projected is not None and term.is_projection:
                    values = _along(sign * projected[:, place], rows, np.array(axes[0].values))
                else:
                    values = along[span, place] - at[:, place].mean(axis=0)
            columns = term.columns if term.is_projection else ()
            found.append(Curve(axes, values, rows, columns=columns, features=term.features, weights=term.weights))
        return found


def _projected(additive: Additive, rows: Table) -> FloatArray | None:
    return None if additive.projected is None else additive.projected(rows)


def _projection_axis(term: Term, values: FloatArray) -> Axis | None:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if not low < high:
        return None
    places = np.linspace(low, high, PROJECTION_POINTS)
    return Axis(term.name, "projection", tuple(places.tolist()), (), density(values, places, len(values)))


def _along(projected: FloatArray, rows: FloatArray, places: FloatArray) -> FloatArray:
    """What a function of a projection, known at rows, is at other places: in a straight line between its rows."""
    order = np.argsort(projected, kind="stable")
    return np.stack([np.interp(places, projected[order], one[order]) for one in rows.T], axis=1)


def _matched(term: Term, terms: Sequence[Term]) -> tuple[int | None, float]:
    """The place of the same term among those of another sum, and the sign of its weights beside this one's."""
    if not term.is_projection:
        same = [place for place, one in enumerate(terms) if not one.is_projection and one.columns == term.columns]
        return (same[0] if same else None), 1.0
    cosines = [_cosine(term, one) if one.is_projection else 0.0 for one in terms]
    best = int(np.argmax(np.abs(cosines))) if cosines else 0
    if not cosines or abs(cosines[best]) < SAME_PROJECTION:
        return None, 1.0
    return best, float(np.sign(cosines[best]))


def _cosine(one: Term, other: Term) -> float:
    theirs: dict[Any, float] = dict(zip(other.features, other.weights, strict=True))
    return float(sum(weight * theirs.get(name, 0.0) for name, weight in zip(one.features, one.weights, strict=True)))

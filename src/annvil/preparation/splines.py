"""Spline curves of number columns: what a line leaves over, from smooth to rough.

Linear B-splines through quantiles of the training rows, as scikit-learn's ``SplineTransformer(degree=1,
knots="quantile")`` has them, in another basis: curves that are uncorrelated with the line and with each other, ordered
by roughness (Demmler and Reinsch 1975, "Oscillation matrices with spline smoothing", Numerische Mathematik 24). The
rougher a curve, the smaller it is made, so that one ridge penalty on all coefficients is that of a smoothing spline
(P-splines: Eilers and Marx 1996, Statistical Science 11). Straight pieces, not cubic ones: they are exact in a graph,
cannot overshoot, and are flat beyond the data.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from annvil.preparation.base import some
from annvil.preparation.column_statistics import NumberSummary
from annvil.preparation.numbers import SMALLEST_SPREAD, CurvePart
from annvil.tasks.base import FloatArray

KNOTS = 16
"""Quantiles that curves pass through (assumed; as many as normal scores)."""

MOST_CURVES = KNOTS - 2
"""Of a column: all beside the constant and the line. The penalty keeps them smooth, not their number."""

PARABOLA = 720.0
"""The integral of f''² of a parabola on [0, 1] of variance 1: curves as rough as it are halved in variance, so that
one penalty asks as much of it as of two lines (assumed)."""


def spline_curves(summary: NumberSummary, monotone: Collection[str] = ()) -> CurvePart | None:
    """Curves of all columns with three values or more among the knots; None where there are none.

    Of ``monotone`` columns they are ramps, one from each knot to the next (integrated splines of degree 1: Ramsay 1988,
    Statistical Science 3): whatever rises is a sum of them with positive weights.
    """
    columns: list[int] = []
    names: list[str] = []
    knots: list[FloatArray] = []
    values: list[FloatArray] = []
    for i in range(summary.n_columns):
        known = summary.values[~np.isnan(summary.values[:, i]), i]
        found = curves_of(known) if len(known) else None
        if found is None:
            continue
        at, curves = found
        if summary.source.features[i].source in monotone:
            curves = np.tril(np.ones((len(at), len(at) - 1)), -1)
            curves = curves - curves.mean(axis=0)
        step = max(1.0, abs(float(at[-1])))
        padded = np.concatenate([at, at[-1] + step * np.arange(1, KNOTS - len(at) + 1)])
        for number, curve in enumerate(curves.T):
            columns.append(i)
            names.append(f"curve {number + 1}")
            knots.append(padded)
            values.append(np.concatenate([curve, np.full(KNOTS - len(at), curve[-1])]))
    if not columns:
        return None
    told = some(list(dict.fromkeys(summary.source.features[i].name for i in columns)))
    about = f"{told} also as spline curves through {KNOTS} quantiles."
    return CurvePart(summary.source, tuple(columns), np.array(knots), np.array(values), (about,), tuple(names))


def curves_of(known: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Knots ``(d,)`` and curves ``(d, r)`` at them, of mean 0 over the knots; None where fewer than three differ.

    Quantiles count every row and every distinct value for half: of a column that is mostly 0, rows alone would choose
    one knot.

    A curve of variance 1 and roughness ``rho`` (the integral of f''² over the ranks) is divided by
    ``sqrt(1 + rho / PARABOLA)``.
    """
    levels = np.linspace(0, 1, KNOTS)
    distinct, counts = np.unique(known, return_counts=True)
    below = np.cumsum(counts / len(known) + 1 / len(distinct)) / 2
    quantiles = distinct[np.minimum(np.searchsorted(below, levels), len(distinct) - 1)]
    at, place = np.unique(quantiles, return_inverse=True)
    if len(at) < 3 or np.any(np.diff(at) <= SMALLEST_SPREAD):
        return None
    share = np.bincount(place) / KNOTS
    rank = np.bincount(place, levels) / (KNOTS * share)
    root = np.sqrt(share)
    size = max(abs(float(at[0])), abs(float(at[-1])))
    line = at / size - np.average(at / size, weights=share)
    plain, _ = np.linalg.qr(np.stack([root, root * line], axis=1))
    others = np.linalg.qr(np.concatenate([plain, np.eye(len(at))], axis=1))[0][:, 2 : len(at)]
    bent = _second_differences(rank) @ (others / root[:, None])
    rough, turns = np.linalg.eigh(bent.T @ bent)
    curves = others @ turns / root[:, None] / np.sqrt(1 + np.maximum(rough, 0.0) / PARABOLA)
    signs = np.where(curves[-1] < 0, -1.0, 1.0)  # that of an eigenvector is chance
    return at, curves * signs


def _second_differences(rank: FloatArray) -> FloatArray:
    """``(d - 2, d)``: applied to values at ``rank``, the sum of squares is the integral of the squared curvature."""
    steps = np.diff(rank)
    slopes = np.diff(np.eye(len(rank)), axis=0) / steps[:, None]
    return np.asarray(np.diff(slopes, axis=0) / np.sqrt((steps[1:] + steps[:-1]) / 2)[:, None])

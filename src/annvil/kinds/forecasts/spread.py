"""Intervals around forecasts, from held-out errors over rolling origins, for each step ahead.

How far held-out forecasts of a step were off, in a unit that the history before each origin gives, is how far the next
one will be off. Errors of later origins weigh more, since series and models change (Barber et al. 2023,
"Conformal prediction beyond exchangeability"), and neighbouring steps lend each other theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from annvil.kinds.forecasts.contenders.maps import swings
from annvil.kinds.forecasts.form import Coverage, ErrorUnit, Spread
from annvil.kinds.forecasts.histories import Histories
from annvil.tasks.base import FloatArray, IntArray

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Probabilities whose intervals a model keeps; those between them are interpolated."""

MOST_ORIGINS = 5_000
"""Held-out origins of which intervals are made, at equal distances (assumed): quantiles of more are the same."""

MOST_BLOCKS = 20
"""Blocks of later origins by which coverage is measured (assumed)."""

MEASURED = (0.8, 0.95)
"""Those whose coverage is measured."""

HALVED_AFTER = 0.5
"""An error that lies back so much of all tested time weighs half of the latest (assumed)."""

LEVEL_STEPS = 8
"""Last values whose mean size is a level, where a season is no longer (assumed)."""

LENT = 1
"""Steps before and after one whose errors count as its own (assumed), where a horizon is long enough."""


def spread_of(inputs: Histories, y: FloatArray, outputs: FloatArray) -> Spread:
    """What intervals are made of, from held-out forecasts ``(n, horizon)`` of origins and what came."""
    if len(y) > MOST_ORIGINS:
        some = np.linspace(0, len(y) - 1, MOST_ORIGINS).astype(np.int64)
        inputs, y, outputs = inputs.take(some), y[some], outputs[some]
    unit, errors = _steadiest(inputs, np.abs(outputs - y))
    weights = _weights(inputs.moments.astype(np.float64))
    horizon = errors.shape[1]
    lent = LENT if horizon >= 6 else 0
    table: list[tuple[float, ...]] = []
    for step in range(horizon):
        near = slice(max(0, step - lent), min(horizon, step + lent + 1))
        part = errors[:, near]
        independent = 1 + float(np.ptp(inputs.moments)) / horizon  # neighbouring origins share most of their answers
        table.append(
            tuple(weighted_quantiles(part.ravel(), np.repeat(weights, part.shape[1]), LEVELS, independent).tolist())
        )
    return Spread(LEVELS, tuple(table), len(y), unit)


def measured_spread(inputs: Histories, y: FloatArray, outputs: FloatArray) -> Spread:
    """The same, with how often such intervals held."""
    return replace(spread_of(inputs, y, outputs), held=coverage(inputs, y, outputs, *MEASURED))


def _steadiest(inputs: Histories, errors: FloatArray) -> tuple[ErrorUnit, FloatArray]:
    """The unit in which errors differ least from origin to origin, and the errors in it ``(n, horizon)``."""
    units: tuple[ErrorUnit, ...] = ("scale", "swing", "level")
    scaled = [errors / in_units(inputs, unit) for unit in units]
    least = 1e-12 * max(float(errors.max(initial=0.0)), 1e-300)
    differ = [float(np.log(np.maximum(one.mean(axis=1), least)).std()) for one in scaled]
    best = int(np.argmin(differ))
    return units[best], scaled[best]


def in_units(inputs: Histories, unit: ErrorUnit) -> FloatArray:
    """What the errors of each row are measured in ``(n, 1)``: "swing", the mean distance to the last season in the
    window; "level", the mean size of the last season; "scale", that distance over all that is known of the series."""
    if unit == "scale":
        return inputs.scales()[:, None]
    found = np.empty((inputs.n_rows, 1))
    last = max(inputs.form.season, LEVEL_STEPS)
    for rows, part in inputs.blocks():
        window = part.windows()
        if unit == "swing":
            found[rows] = swings(window, inputs.form.season)
        else:
            level = np.abs(window[:, -last:]).mean(axis=1, keepdims=True)
            found[rows] = np.where(level > 0, level, 1.0)
    return found


def half_widths(spread: Spread, inputs: Histories, level: float) -> FloatArray:
    """Half of the width of intervals that hold the truth with probability ``level`` ``(n, horizon)``."""
    table = np.asarray(spread.errors)
    at = np.array([np.interp(level, spread.levels, row) for row in table])
    return np.asarray(in_units(inputs, spread.unit) * at)


def weighted_quantiles(values: FloatArray, weights: FloatArray, levels: tuple[float, ...], n: float) -> FloatArray:
    """The smallest values below which the levels' shares of the weights lie, widened for how few they are.

    Overlapping origins make ``n`` independent errors of many: how large errors are is known from so many only, and the
    widening is that of Student's distribution with ``n`` degrees of freedom. The rank of conformal prediction, the
    level times ``n + 1``, has no interval of 95% below 19 errors, and took the largest error for all levels there: on
    made series of 4 to 10 horizons (walks, noise, growth, autoregression, seasons) 80% held .83 to .96 and 95% .83 to
    .98, with Student's widening .79 to .90 and .94 to .99.
    """
    from scipy.special import ndtri, stdtrit

    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    place = np.minimum(np.searchsorted(share, np.asarray(levels) - 1e-12), len(values) - 1)
    upper = (1 + np.asarray(levels)) / 2
    return np.asarray(values[order][place] * stdtrit(n, upper) / ndtri(upper))


def _weights(moments: FloatArray) -> FloatArray:
    span = float(moments.max() - moments.min())
    if span == 0:
        return np.ones(len(moments))
    return np.asarray(0.5 ** ((moments.max() - moments) / (HALVED_AFTER * span)))


def coverage(inputs: Histories, y: FloatArray, outputs: FloatArray, *levels: float) -> tuple[Coverage, ...]:
    """Intervals made of the earlier held-out origins, asked of the later ones, block after block; nothing where there
    are fewer than two blocks of a horizon."""
    moments, horizon = inputs.moments, inputs.form.horizon
    cuts = _cuts(moments, horizon)
    inside: list[list[Any]] = [[] for _ in levels]
    widths: list[list[FloatArray]] = [[] for _ in levels]
    for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        before, now = np.flatnonzero(moments + horizon <= begin), np.flatnonzero((moments >= begin) & (moments < end))
        if len(before) < 2 or not len(now):
            continue
        made = spread_of(inputs.take(before), y[before], outputs[before])
        for place, level in enumerate(levels):
            half = half_widths(made, inputs.take(now), level)
            inside[place].append(np.abs(outputs[now] - y[now]) <= half)
            widths[place].append(2 * half)
    if len(inside[0]) < 2:
        return ()
    return tuple(_coverage(*one) for one in zip(levels, inside, widths, strict=True))


def _coverage(level: float, inside: list[Any], widths: list[FloatArray]) -> Coverage:
    """Of blocks: which values were held, and how wide the intervals were."""
    shares = np.array([one.mean() for one in inside])
    sizes = np.array([one.size for one in inside], dtype=np.float64)
    share = float((shares * sizes).sum() / sizes.sum())
    # blocks as clusters of the mean (Cochran 1977, section 11): their differing shares say how sure it is
    spread = float(np.sqrt(((sizes * (shares - share)) ** 2).sum() * len(sizes) / (len(sizes) - 1)) / sizes.sum())
    width = float(np.concatenate([one.ravel() for one in widths]).mean())
    ends = max(0.0, share - 2 * spread), min(1.0, share + 2 * spread)
    return Coverage(level, share, *ends, int(sizes.sum()), len(sizes), width)


def _cuts(moments: IntArray, horizon: int) -> IntArray:
    """Moments that begin blocks of a horizon, the first after a third of the tested time."""
    first, last = int(moments.min()), int(moments.max())
    begin = first + max(horizon, (last - first) // 3)
    length = horizon * max(1, -(-(last + 1 - begin) // (MOST_BLOCKS * horizon)))
    return np.append(np.arange(begin, last + 1, length), last + 1)

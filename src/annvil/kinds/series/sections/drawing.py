"""Series as lines for charts."""

from __future__ import annotations

import numpy as np

from annvil.kinds.series.series import Series
from annvil.plots.charts.panels import Line
from annvil.tasks.base import FloatArray, IntArray

MOST_CHANNELS = 3
"""Channels that are drawn (assumed: more lines in one place are not told apart)."""

GRID = 120
"""Moments at which series of unequal lengths are compared (assumed: what a chart of 700 pixels shows)."""

MOST_ROWS = 2_000
"""Series whose usual course is taken (assumed)."""


def over_steps(values: FloatArray, name: str = "", colour: int = 0, *, fill: bool = False) -> Line:
    """Values over 0, 1, 2 …"""
    return Line(tuple(map(float, range(len(values)))), tuple(values.tolist()), name, colour, fill=fill)


def values_of(series: Series, row: int) -> tuple[list[FloatArray], str]:
    """The first channels of one series as they are; several in deviations from their own mean, as is then said."""
    found = [one.astype(np.float64) for one in series.one(row)[:MOST_CHANNELS]]
    if len(found) == 1:
        return [np.nan_to_num(found[0])], ""
    scaled = [(one - one.mean()) / (one.std() or 1.0) for one in map(np.nan_to_num, found)]
    more = f" The first {MOST_CHANNELS} channels." if series.form.n_channels > MOST_CHANNELS else ""
    return scaled, f" Each channel is brought to mean 0 and deviation 1 of its own, to fit in one panel.{more}"


def laid_out(series: Series, rows: IntArray, channel: int) -> tuple[FloatArray, FloatArray]:
    """Moments ``(n,)`` and the channel of each series at them ``(rows, n)``: steps where all lengths are equal, else
    shares of the length; series without any value of the channel are left out."""
    found = [series.one(int(row))[channel].astype(np.float64) for row in rows]
    found = [one for one in found if not np.isnan(one).any()]
    lengths = {len(one) for one in found}
    if len(lengths) == 1:
        return np.arange(lengths.pop(), dtype=np.float64), np.stack(found)
    at = np.linspace(0, 1, GRID)
    parts = [np.interp(at, np.linspace(0, 1, len(one)) if len(one) > 1 else [0.5], one) for one in found]
    return at, np.stack(parts) if parts else np.zeros((1, GRID))


def usual(
    series: Series, rows: IntArray, channel: int, n_lines: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Moments, some of the series ``(n_lines, n)``, and at each moment the 10%, 50% and 90% quantiles of all."""
    rng = np.random.default_rng(0)
    chosen = rows if len(rows) <= MOST_ROWS else np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    at, values = laid_out(series, chosen, channel)
    low, median, high = np.quantile(values, (0.1, 0.5, 0.9), axis=0)
    return at, values[rng.permutation(len(values))[:n_lines]], low, median, high

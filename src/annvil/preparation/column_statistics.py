"""What the number and date columns of the training rows are like, and the parts that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist

import numpy as np

from annvil.data.table import Table
from annvil.preparation.base import Feature, some
from annvil.preparation.calendar import CYCLES, EARLIEST, FINER, LATEST, PARTS, CalendarPart, calendar_part
from annvil.preparation.numbers import HUGE, SMALLEST_SPREAD, CurvePart, CyclePart, NumberSource, ScaledPart
from annvil.preparation.skewness import skewness
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed
from annvil.text.quantities import number, plain_count

ROBUST_LIMIT = 1e6
"""Robustly scaled values beyond are held here before the smooth clip, which is 3.0 in float32 long before."""

STANDARD_LIMIT = 1e6
"""Standardised values beyond are held here (assumed): a line may go far, but not to infinity."""

UNSCALED_LIMIT = 1e15
"""Bound for numbers that go into linear models and networks as they are (assumed): products stay finite in float32."""

SKEWED = 1.0
"""Skewness from which a column also gets normal scores (measured, see `LinearPreparation`)."""

MOST_PAIRED = 6
"""With more date columns not every pair is subtracted (15 differences), but each date from the next (assumed)."""

CURVE_KNOTS = 16
"""Quantiles that normal scores pass through (measured: 32 do no better; exact ranks do worse, for their far ends)."""


@dataclass(frozen=True)
class NumberSummary:
    """Number and date columns of the training rows.

    Attributes
    ----------
    source : how the columns are read
    values : float64 ``(n_rows, m)``, within ±`HUGE`, NaN for missing
    low, first, median, third, high : float64 ``(m,)``: least value, quartiles and largest; 0 where all are missing
    missing : share of missing values, float64 ``(m,)``
    """

    source: NumberSource
    values: FloatArray
    low: FloatArray
    first: FloatArray
    median: FloatArray
    third: FloatArray
    high: FloatArray
    missing: FloatArray

    @property
    def n_columns(self) -> int:
        """How many columns are read."""
        return len(self.source.features)

    @property
    def marked(self) -> tuple[int, ...]:
        """Columns with missing values among the training rows; of a date, the days only."""
        firsts = len(self.source.plain) + len(self.source.dates)
        return tuple(int(i) for i in np.flatnonzero(self.missing) if i < firsts)


def summarise(inputs: Table, *, cyclic: bool) -> NumberSummary | None:
    """The summary, or None when there are neither numbers nor dates.

    ``cyclic`` leaves months, days of the year, weekdays, hours and minutes to `cycles`; otherwise they are numbers
    among the others.
    """
    if not inputs.number_fields:
        return None
    numbers = inputs.numbers()
    source = _source(inputs, numbers, [part for part in PARTS if not (cyclic and part in CYCLES)])
    values = np.clip(source.read(numbers), -HUGE, HUGE)
    missing = np.isnan(values).mean(axis=0) if len(values) else np.zeros(values.shape[1])
    present = np.where(missing == 1.0, 0.0, values)
    # As RobustScaler and SimpleImputer have them; the former hides equal quartiles, the latter is six times slower.
    low, first, median, third, high = np.nanquantile(present, [0.0, 0.25, 0.5, 0.75, 1.0], axis=0)
    return NumberSummary(source, values, low, first, median, third, high, missing)


def cycles(inputs: Table) -> CyclePart | None:
    """Parts of the calendar that come round again and vary among the training rows, or None."""
    numbers = inputs.numbers()
    source = _source(inputs, numbers, list(CYCLES))
    if not source.parts:
        return None
    names = tuple(inputs.number_fields[position].name for position in source.dates)
    return CyclePart(source.dates, source.parts, names)


def _source(inputs: Table, numbers: FloatArray, wanted: Sequence[CalendarPart]) -> NumberSource:
    fields = inputs.number_fields
    plain = tuple(i for i, field in enumerate(fields) if field.kind != "datetime")
    dates = tuple(i for i, field in enumerate(fields) if field.kind == "datetime")
    names = [fields[i].name for i in dates]
    features = [Feature(fields[i].name, fields[i].name, rises=True) for i in plain]
    features += [Feature(f"{name} (days)", name) for name in names]
    seconds = numbers[:, list(dates)]
    differences = _differences(seconds)
    features += [Feature(f"{names[a]} - {names[b]} (days)", names[a]) for a, b in differences]
    telling = [_telling(column, wanted) for column in seconds.T]
    parts = []
    for part in wanted:
        places = tuple(place for place, tells in enumerate(telling) if part in tells)
        if places:
            parts.append((part, places))
            features += [Feature(f"{names[place]} ({part})", names[place]) for place in places]
    return NumberSource(plain, dates, differences, tuple(parts), tuple(features))


def _differences(seconds: FloatArray) -> tuple[tuple[int, int], ...]:
    """Pairs of date columns whose distance varies, the one that is later in most rows first.

    No split of a tree and no scaled line finds a fortnight between two dates that range over decades.
    """
    n_dates = seconds.shape[1]
    inside = np.clip(seconds, EARLIEST, LATEST)
    if n_dates <= MOST_PAIRED:
        pairs = list(combinations(range(n_dates), 2))
    else:
        known = np.where(np.isnan(inside).all(axis=0), 0.0, inside)
        pairs = list(pairwise(np.argsort(np.nanmedian(known, axis=0), kind="stable").tolist()))
    found = []
    for a, b in pairs:
        between = inside[:, b] - inside[:, a]
        between = between[~np.isnan(between)]
        if len(between) and between.min() < between.max():
            found.append((b, a) if np.median(between) >= 0 else (a, b))
    return tuple(found)


def _telling(seconds: FloatArray, wanted: Sequence[CalendarPart]) -> set[CalendarPart]:
    """The parts that vary among these times.

    Of the month and the day of the year, and of the hour and the minute of the day, it is the coarser one, unless the
    finer one tells more and comes round again: within one year the days themselves tell the day of the year.
    """
    known = np.clip(seconds[~np.isnan(seconds)], EARLIEST, LATEST)
    n_values = {part: np.count_nonzero(np.bincount(calendar_part(part, known))) for part in wanted}
    telling = {part for part in wanted if n_values[part] > 1}
    for coarse, (finer, period) in FINER.items():
        if finer in telling:
            fine = n_values[finer] > n_values[coarse] and known.max() - known.min() > period
            telling.discard(coarse if fine else finer)
    return telling


def unscaled(summary: NumberSummary) -> ScaledPart:
    """Numbers as they are, missing ones the median."""
    ones = np.ones_like(summary.median)
    about = (_what(summary.source) + " as they are, not scaled.", *_about_missing(summary))
    filling = np.clip(summary.median, -UNSCALED_LIMIT, UNSCALED_LIMIT)
    return ScaledPart(summary.source, 0 * ones, ones, filling, UNSCALED_LIMIT, False, summary.marked, about)


def robustly_scaled(summary: NumberSummary) -> ScaledPart:
    """Median to 0, interquartile range to 1, smooth clip at ±3 (RealMLP, arXiv 2407.04491, section 3.1).

    Where the quartiles coincide the full range becomes 2; a constant column becomes 0. A missing value becomes the
    median; RealMLP refuses them.
    """
    quartiles, extent = summary.third - summary.first, summary.high - summary.low
    spread = np.where(quartiles > SMALLEST_SPREAD, quartiles, extent / 2)
    how = "median to 0, distance of the quartiles to 1, smoothly clipped at ±3."
    return _scaled(summary, summary.median, spread, how, ROBUST_LIMIT, smooth=True)


def standardised(summary: NumberSummary) -> ScaledPart:
    """Mean to 0, standard deviation to 1 (scikit-learn's StandardScaler); missing values become the median."""
    size = np.maximum(np.abs(summary.low), np.abs(summary.high))
    size = np.where(size > SMALLEST_SPREAD, size, 1.0)  # squares neither overflow nor vanish
    present = np.where(summary.missing == 1.0, 0.0, summary.values / size)
    mean = np.nanmean(present, axis=0)
    variance = np.nanmean((present - mean) ** 2, axis=0)
    n_present, step = np.sum(~np.isnan(present), axis=0), np.finfo(np.float64).eps
    is_noise = variance <= n_present * step * variance + (n_present * mean * step) ** 2  # of rounding, as there
    deviation = np.where(is_noise, 1.0, np.sqrt(variance))
    spread = np.where(summary.high - summary.low > SMALLEST_SPREAD, deviation * size, 0.0)
    return _scaled(summary, mean * size, spread, "mean to 0, standard deviation to 1.", STANDARD_LIMIT)


def _scaled(
    summary: NumberSummary, center: FloatArray, spread: FloatArray, how: str, limit: float, smooth: bool = False
) -> ScaledPart:
    """``center`` to 0 and ``spread`` to 1; a column without any becomes 0, a missing value what the median becomes."""
    constant = spread <= SMALLEST_SPREAD
    factor = np.where(constant, 0.0, 1 / np.where(constant, 1.0, spread))
    about = (f"{_what(summary.source)}: {how}", *_about_constant(summary), *_about_missing(summary))
    filling = (summary.median - center) * factor
    return ScaledPart(summary.source, center, factor, filling, limit, smooth, summary.marked, about)


def as_they_are(summary: NumberSummary) -> ScaledPart:
    """Numbers for trees: the nearest float32, NaN where missing.

    Dates, their differences and columns whose values differ too little for their size (time stamps) are counted from
    their least value if float32 would round them; no split of a tree is lost by that.
    """
    extent, size = summary.high - summary.low, np.maximum(np.abs(summary.low), np.abs(summary.high))
    center = np.zeros_like(extent)
    of_dates = np.zeros(len(extent), dtype=bool)
    n_plain, n_dates = len(summary.source.plain), len(summary.source.dates)
    of_dates[n_plain : n_plain + n_dates + len(summary.source.differences)] = True
    limit = float(np.finfo(np.float32).max)
    for i in np.flatnonzero((extent > 0) & (size <= limit) & (of_dates | (extent < 1e-3 * size))):
        known = summary.values[~np.isnan(summary.values[:, i]), i]
        if np.any(known != known.astype(np.float32)):
            center[i] = np.floor(summary.low[i])
    kept, ones = np.full_like(center, np.nan), np.ones_like(center)
    about = [_what(summary.source) + " as they are; missing values stay missing."]
    moved = [summary.source.features[i].name for i in np.flatnonzero(center)]
    if moved:
        about.append(f"{some(moved)} counted from the least value, so that 32 bits tell all values apart.")
    return ScaledPart(summary.source, center, ones, kept, limit, False, (), tuple(about))


def normal_scores(summary: NumberSummary) -> CurvePart | None:
    """Normal scores for skewed columns, standardised, or None when no column is skewed.

    A rank-based inverse normal transformation (Van der Waerden 1952) through `CURVE_KNOTS` quantiles (i + 1/2)/q.
    scikit-learn's QuantileTransformer sends the ends to ±5.2, where a linear model gives them undue weight.
    """
    levels = (np.arange(CURVE_KNOTS) + 0.5) / CURVE_KNOTS
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    columns, knots, scores = [], [], []
    for i in np.flatnonzero(summary.low < summary.high):
        if abs(skewness(summary.values[:, i])) <= SKEWED:
            continue
        known = summary.values[~np.isnan(summary.values[:, i]), i]
        at, place = np.unique(np.quantile(known, levels), return_inverse=True)
        if len(at) < 3 or np.any(np.diff(at) <= SMALLEST_SPREAD):
            continue
        score = np.bincount(place, normal) / np.bincount(place)  # a value met at several levels has their mean score
        score = score / max(float(np.std(np.interp(known, at, score))), 0.1)
        columns.append(int(i))
        knots.append(_padded(at, max(1.0, abs(float(at[-1])))))
        scores.append(_padded(score, 0.0))
    if not columns:
        return None
    names = [summary.source.features[i].name for i in columns]
    about = f"{some(names)} skewed: also given as normal scores (rank among the training data, on the normal curve)."
    return CurvePart(summary.source, tuple(columns), np.array(knots), np.array(scores), (about,))


def _padded(values: FloatArray, step: float) -> FloatArray:
    """The values, continued in steps to `CURVE_KNOTS` of them: beyond the last one the curve is flat."""
    more = np.arange(1, CURVE_KNOTS - len(values) + 1) * step
    return np.concatenate([values, values[-1] + more])


def _what(source: NumberSource) -> str:
    words = [plain_count(len(source.plain), "number")] if source.plain else []
    words += [plain_count(len(source.dates), "date") + " (in days)"] if source.dates else []
    if source.differences:
        words.append(plain_count(len(source.differences), "difference") + " of dates")
    words += [f"the {part} of {plain_count(len(places), 'date')}" for part, places in source.parts]
    return listed(words)


def _about_missing(summary: NumberSummary, most: int = 5) -> list[str]:
    marked = sorted(summary.marked, key=lambda i: -summary.missing[i])
    told = []
    for i in marked[:most]:
        name, share = summary.source.features[i].name, summary.missing[i]
        if share == 1.0:
            told.append(f"{name!r} is missing in all training data: filled with 0.")
        else:
            share_text = f"{share:.0%}" if share >= 0.01 else "less than 1%"
            told.append(
                f"{name!r} missing in {share_text}: median {number(summary.median[i])} and an indicator column."
            )
    if len(marked) > most:
        told.append(f"{len(marked) - most} more columns with missing values: median and indicator columns.")
    return told


def _about_constant(summary: NumberSummary) -> list[str]:
    constant = (summary.low == summary.high) & (summary.missing < 1.0)
    names = [summary.source.features[i].name for i in np.flatnonzero(constant)]
    return [f"{some(names)} constant in the training data: becomes 0."] if names else []

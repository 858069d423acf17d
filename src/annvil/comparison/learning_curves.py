"""Would more rows help, and whom? Learning curves on nested subsets, and where they would cross.

A curve is measured with the settings that the search chose on the first fold, on subsets of the training rows of up to
three test folds; the subsets are nested, so that a larger one only adds rows. The settings are not searched again at
every size: the curve then shows what rows alone do, and costs a fraction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.comparison.power_law import EXTRAPOLATION, FEWEST_ANCHORS, Law, as_power_law, fit_law, why_ill_behaved
from annvil.comparison.problem import Problem, Replicate
from annvil.comparison.results import Anchor, Crossing, LearningCurve
from annvil.comparison.statistics import round_up
from annvil.data.seeds import derived_seed
from annvil.models.contract import Contender, Context, Deadline, Effort
from annvil.tasks.metrics import Metric
from annvil.text.phrases import named
from annvil.text.words import ROWS, Words

REPEATS = 3
"""Test folds a curve is measured on (assumed; two when time is short)."""

BAGGED_UP_TO = 2_000
"""Training rows up to which a curve's fits use the race's inner folds; above, one holdout, to save time (assumed)."""


FIXED_PART = 0.4
"""Part of the seconds of a fit that fewer rows do not save (curves took 1.2 to 2.6 times what rows alone say;
measured)."""


@dataclass(frozen=True)
class CurvePlan:
    """Which sizes, on how many folds, with which effort, and what that is expected to take (wall clock, s)."""

    sizes: tuple[int, ...]
    repeats: int
    effort: Effort
    expected_seconds: float


def plan_curve(
    sizes: tuple[int, ...], n_train: int, effort: Effort, one_fit: Callable[[int], float], seconds: float
) -> CurvePlan | None:
    """The longest curve that fits: fewer folds first, then without the largest sizes; None where no curve does.

    Parameters
    ----------
    sizes : training rows, ascending; ``n_train`` of them take ``one_fit`` seconds, by inner folds
    effort : of every fit; its inner folds are kept where rows are few
    """
    inner = effort.inner_folds if n_train <= BAGGED_UP_TO else 1
    fewest = min(len(sizes), FEWEST_ANCHORS)
    choices = [(sizes, REPEATS), *[(sizes[:last], 2) for last in range(len(sizes), fewest - 1, -1)]]
    for chosen, repeats in choices:
        parts = (FIXED_PART + (1 - FIXED_PART) * size / n_train for size in chosen)
        expected = one_fit(inner) * repeats * sum(parts)
        if expected <= seconds:
            return CurvePlan(chosen, repeats, replace(effort, inner_folds=inner), expected)
    return None


def measure_curve(
    contender: Contender,
    problem: Problem,
    folds: Sequence[Replicate],
    metric: Metric,
    curve_plan: CurvePlan,
    deadline: Deadline,
) -> tuple[Anchor, ...]:
    """Anchors in ascending order; those that the deadline left without two folds (or the one asked for) are missing.

    All fits are asked for in one call, the small ones first, so that networks can be trained together.
    """
    places, jobs = [], []
    for size in curve_plan.sizes:
        for fold in curve_folds(problem, folds, curve_plan.repeats):
            seed = derived_seed(fold.job.seed, 2)
            key, inner = f"curve-{fold.fold}-n{size}", curve_plan.effort.inner_folds
            jobs.append(problem.smaller(fold.job, key, size, inner, seed))
            places.append((size, fold))
    errors: dict[int, list[float]] = {}
    fits = contender.fit(problem.data, jobs, curve_plan.effort, Context(deadline.left))
    for (size, fold), fitted in zip(places, fits, strict=False):
        errors.setdefault(size, []).append(problem.score(fitted, fold.test, metric).error)
    return tuple(
        Anchor(size, tuple(found), float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else 0.0)
        for size, found in errors.items()
        if len(found) >= min(2, curve_plan.repeats, len(folds))
    )


def curve_folds(problem: Problem, folds: Sequence[Replicate], repeats: int) -> Sequence[Replicate]:
    """The first folds; by time the last two, which alone have enough rows before them."""
    return folds[-2:] if problem.ordered else folds[:repeats]


def describe_curve(
    contender: Contender, anchors: tuple[Anchor, ...], metric: Metric, seed: int, words: Words = ROWS
) -> LearningCurve:
    """The curve with its law, or with the reason why it has none."""
    if len(anchors) < FEWEST_ANCHORS:
        remark = f"Not extrapolated: {len(anchors)} sizes were measured, {FEWEST_ANCHORS} are needed."
        return LearningCurve(contender.name, anchors, None, False, remark)
    law = fit_law(anchors, _law_seed(contender.name, seed))
    if reason := why_ill_behaved(anchors, law, words):
        return LearningCurve(contender.name, anchors, None, False, f"Not extrapolated: {reason}.")
    now, later = law.at(np.array([law.largest, EXTRAPOLATION * law.largest]))
    remark = f"Four times the {words.rows} would lower the error by about {metric.tells(float(now - later))}."
    return LearningCurve(contender.name, anchors, as_power_law(law), True, remark)


def law_of(curve: LearningCurve | None, seed: int) -> Law | None:
    """The law of a well-behaved curve, fitted again from its anchors (the same, since the seed is)."""
    if curve is None or not curve.well_behaved:
        return None
    return fit_law(curve.anchors, _law_seed(curve.contender, seed))


def _law_seed(contender: str, seed: int) -> int:
    """Bootstraps of two curves must not share their noise."""
    return derived_seed(seed, *contender.encode())


def gap_change(network: Law, simple: Law, largest: int) -> Callable[[float], float]:
    """How much the network's advantage would grow from the rows at hand to ``factor`` times as many."""

    def gap(size: float) -> float:
        at = np.array([size])
        return float(simple.at(at)[0] - network.at(at)[0])

    return lambda factor: gap(factor * largest) - gap(largest)


def find_crossing(
    network: LearningCurve,
    simple: LearningCurve,
    metric: Metric,
    seed: int,
    titles: dict[str, str],
    words: Words = ROWS,
) -> Crossing | None:
    """Where the network's curve would pass the simple one's, or None when either is not to be extrapolated."""
    first, second = law_of(network, seed), law_of(simple, seed)
    if first is None or second is None:
        return None
    largest = min(first.largest, second.largest)
    sizes = np.geomspace(largest, EXTRAPOLATION * largest, 80)
    gaps = second.at(sizes) - first.at(sizes)
    drawn = second.draws_at(sizes) - first.draws_at(sizes)
    meets = np.array([_first_change(row, sizes) for row in drawn])
    rows = _first_change(gaps, sizes)
    low, high = (float(x) for x in np.quantile(meets, [0.05, 0.95], method="nearest"))
    later_low, later_high = (float(x) for x in np.quantile(drawn[:, -1], [0.05, 0.95]))
    found = Crossing(
        network=network.contender,
        simple=simple.contender,
        rows=_rows(rows),
        low=_rows(low),
        high=_rows(high),
        gap_now=float(gaps[0]),
        gap_later=float(gaps[-1]),
        gap_later_low=later_low,
        gap_later_high=later_high,
        sentence="",
    )
    return _with_sentence(found, EXTRAPOLATION * largest, metric, titles, words)


def _first_change(gaps: np.ndarray[tuple[int], np.dtype[np.float64]], sizes: object) -> float:
    changed = np.flatnonzero(np.sign(gaps) == -np.sign(gaps[0]))
    return float(np.asarray(sizes)[changed[0]]) if len(changed) and gaps[0] != 0 else math.inf


def _rows(size: float) -> int | None:
    return round_up(size) if math.isfinite(size) else None


def _with_sentence(found: Crossing, reach: float, metric: Metric, titles: dict[str, str], words: Words) -> Crossing:
    network, simple = named(titles[found.network]), named(titles[found.simple])
    low, high = metric.tells(found.gap_later_low, sign=True), metric.tells(found.gap_later_high, sign=True)
    at = f"with {round_up(reach):,} training {words.rows} {network} would be {metric.tells(abs(found.gap_later))}"
    at += f" {'ahead of' if found.gap_later >= 0 else 'behind'} {simple} (90% band: {low} to {high})"
    if found.rows is not None:
        first, second = (network, simple) if found.gap_now < 0 else (simple, network)
        since = f"{found.low:,}" if found.low is not None else f"{found.rows:,}"
        until = f"{found.high:,} {words.rows}" if found.high is not None else "never, as far as can be seen"
        text = (
            f"With about {found.rows:,} training {words.rows} {first} would overtake {second} "
            f"(90% band: {since} to {until})."
        )
    elif found.gap_later_low > 0 or found.gap_later_high < 0:
        text = f"More {words.rows} would not turn this round: {at}."
    else:
        text = f"Whether more {words.rows} would turn this round cannot be told for sure: {at}."
    return replace(found, sentence=text)

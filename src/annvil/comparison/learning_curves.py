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
from annvil.data.seeds import derived_seed
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Deadline, Effort
from annvil.tasks.base import FloatArray
from annvil.tasks.metrics import Metric
from annvil.text.words import ROWS, Words

REPEATS = 3
"""Test folds a curve is measured on (assumed; two when time is short)."""

BAGGED_UP_TO = 2_000
"""Training rows up to which a curve's fits use the race's inner folds; above, one holdout, to save time (assumed)."""

WORTH_SAYING = 1.2
"""Curves that reach less than so many times beyond the rows at hand say nothing of more (assumed)."""

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
        return _refused(contender, anchors, f"{len(anchors)} sizes were measured, {FEWEST_ANCHORS} are needed")
    law = fit_law(anchors, _law_seed(contender.name, seed))
    if reason := why_ill_behaved(anchors, law, words):
        return _refused(contender, anchors, reason)
    now, later = law.at(np.array([law.largest, EXTRAPOLATION * law.largest]))
    remark = f"Four times the {words.rows} would lower the error by about {metric.tells(float(now - later))}."
    return LearningCurve(contender.name, anchors, as_power_law(law), True, remark)


def _refused(contender: Contender, anchors: tuple[Anchor, ...], why: str) -> LearningCurve:
    return LearningCurve(contender.name, anchors, None, False, f"Not extrapolated: {why}.", why)


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
    network: LearningCurve, simple: LearningCurve, at_hand: int, ahead: float, seed: int, words: Words = ROWS
) -> Crossing | str:
    """Where the curves of both sides would meet beyond the rows at hand, or why that is not said.

    Parameters
    ----------
    at_hand : training rows of a fold: of fewer nothing is said, they lie behind
    ahead : the network's advantage over the simple contender in the table, in error; laws that do not agree with the
        table on who is ahead are not believed
    """
    first, second = law_of(network, seed), law_of(simple, seed)
    if first is None or second is None:
        return "the learning curve of one of the two is not extrapolated"
    reach = EXTRAPOLATION * min(first.largest, second.largest)
    if reach < WORTH_SAYING * at_hand:
        return f"the learning curves were measured on too few of the {words.rows} to be continued beyond them"
    sizes = np.geomspace(at_hand, reach, 80)
    drawn = [np.asarray(law.draws_at(sizes)) for law in (first, second)]
    lines = [np.median(draws, axis=0) for draws in drawn]
    gaps, of_draws = lines[1] - lines[0], drawn[1] - drawn[0]
    if ahead * float(gaps[0]) < 0:
        return "the continued learning curves do not agree with the scores on who is ahead today"
    later_low, later_high = (float(x) for x in np.quantile(of_draws[:, -1], [0.05, 0.95]))
    rows = _first_change(gaps, sizes)
    meets = np.array([_first_change(row, sizes) for row in of_draws])
    low, high = (float(x) for x in np.quantile(meets, [0.05, 0.95], method="nearest"))
    return Crossing(
        network=network.contender,
        simple=simple.contender,
        rows=_finite(rows),
        error=float(np.interp(rows, sizes, lines[0])) if math.isfinite(rows) else None,
        low=_finite(low),
        high=_finite(high),
        at_hand=at_hand,
        reach=reach,
        gap_now=float(gaps[0]),
        gap_later=float(gaps[-1]),
        gap_later_low=later_low,
        gap_later_high=later_high,
    )


def _first_change(gaps: FloatArray, sizes: FloatArray) -> float:
    """Where the gap first changes its sign, linear in the logarithm of rows between two sizes; infinite if nowhere."""
    changed = np.flatnonzero(np.sign(gaps) == -np.sign(gaps[0]))
    if not len(changed) or gaps[0] == 0:
        return math.inf
    after = int(changed[0])
    part = gaps[after - 1] / (gaps[after - 1] - gaps[after])
    return float(sizes[after - 1] * (sizes[after] / sizes[after - 1]) ** part)


def _finite(size: float) -> float | None:
    return size if math.isfinite(size) else None

"""What the budget buys, decided before anything runs: arithmetic only, so that the same request gives the same plan.

The clock plays no part here. Contenders estimate their own efforts with constants that err on the slow side; when a
machine is slower still, the deadline cuts, and that is said aloud (`race`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.comparison.request import Request
from annvil.comparison.results import Plan
from annvil.data.table import Dataset
from annvil.models.contract import Contender, Effort, Shape

OUTER_FOLDS = 5
"""Test folds per repeat. 5 x 5 keeps false verdicts at or under 6% (measured: ``benchmarks/verdict.py``)."""

REPEATS_UP_TO = ((3_000, 5), (10_000, 3), (20_000, 2))
"""(rows, most repeats): large folds vary little, so repeating them buys little (assumed). Above the last: one."""

INNER_UP_TO = ((20_000, 5), (100_000, 3))
"""(rows, most inner folds); above the last, one holdout of 20%. Members of inner folds are averaged (assumed)."""

CURVE_SHARE, ABLATION_SHARE, RESERVE_SHARE = 0.15, 0.05, 0.20
"""Parts of the budget beside the race (assumed): learning curves, ablation, and what comes after the comparison."""

RESERVE_AT_LEAST = 8.0
"""Seconds kept for final fit, bundle, importance and report even in short runs (assumed), up to 40% of the budget."""

RESERVE_FOR_A_MILLION = 0.10
"""More of the budget is kept as rows grow to a million: the final fit and the checks of the bundle see them all."""

SHORTEST_SCALE = 0.5
"""Inner folds, then rows, are given up before training gets shorter than this part of the recipe (assumed)."""

FEWEST_CAPPED_ROWS = 10_000
"""Never cap the rows below this (assumed): by then folds are small enough for any budget."""

CURVE_ANCHORS = 7
"""Most sizes of a learning curve, at powers of the square root of 2 as in LCDB (Mohr et al. 2022)."""

FEWEST_CURVE_ROWS = 50
"""Smallest anchor; also at least ten rows per class (assumed)."""

FAMILY_ORDER = ("dummy", "linear", "neighbours", "trees", "network")
"""Who runs first: cheap ones, so that there is an answer early."""

PLENTY = 1e7
"""Seconds that satisfy any contender (115 days): what it plans for them is the most it can use."""


@dataclass(frozen=True)
class Schedule:
    """The plan with its working parts.

    Attributes
    ----------
    plan : what is shown and kept
    shape : sizes of one outer training part
    efforts : per competing contender
    seconds : what each of them is planned to use at most
    declined : contender → why it does not compete
    """

    plan: Plan
    shape: Shape
    efforts: Mapping[str, Effort]
    seconds: Mapping[str, float]
    declined: Mapping[str, str]


def shape_of(dataset: Dataset, n_rows: int) -> Shape:
    """Sizes of a training part of ``n_rows`` rows of the data set."""
    return Shape(
        n_rows=n_rows,
        n_numbers=len(dataset.inputs.number_fields),
        n_texts=len(dataset.inputs.text_fields),
        n_levels=sum(len(column.levels) for column in dataset.inputs.columns),
        n_outputs=dataset.task.n_outputs,
        is_classification=dataset.task.is_classification,
    )


def in_order(contenders: Iterable[Contender]) -> list[Contender]:
    """Contenders in the order they run; registry order within a family."""
    return sorted(contenders, key=lambda contender: FAMILY_ORDER.index(contender.family))


def make_schedule(dataset: Dataset, contenders: Sequence[Contender], request: Request) -> Schedule:
    """The largest comparison that fits: repeats and inner folds shrink first, then rows, then the training's length."""
    shares = share_out(request.budget_seconds, dataset.n_rows)
    folds = outer_folds(dataset)
    whole = shape_of(dataset, training_rows(dataset.n_rows, folds))
    declined = {c.name: reason for c in contenders if (reason := c.declines(whole)) is not None}
    entrants = in_order(c for c in contenders if c.name not in declined)

    def shared(n_rows: int, repeats: int, inner: int) -> Shared:
        shape = shape_of(dataset, training_rows(n_rows, folds))
        return plan_efforts(entrants, shape, folds * repeats, inner, shares["race"])

    n_used = _rows_that_fit(dataset.n_rows, lambda n: shared(n, 1, 1).efforts)
    choices = _choices(n_used, repeatable=dataset.time is None)
    shape = shape_of(dataset, training_rows(n_used, folds))
    most = {c.name: c.plan(shape, folds, 1, PLENTY).candidates for c in entrants}
    repeats, inner = _first_that_fits(choices, lambda repeats, inner: shared(n_used, repeats, inner).efforts, most)
    race = shared(n_used, repeats, inner)
    plan = Plan(
        budget_seconds=request.budget_seconds,
        n_rows=dataset.n_rows,
        n_rows_used=n_used,
        outer_folds=folds,
        repeats=repeats,
        inner="one holdout of 20%" if inner == 1 else f"{inner} folds",
        split=describe_split(dataset),
        allowance_seconds=race.allowances,
        efforts={name: {"candidates": e.candidates, "scale": e.scale} for name, e in race.efforts.items()},
        curve_sizes=curve_sizes(shape_of(dataset, curve_rows(dataset, n_used, folds))),
        seed=request.seed,
        inner_folds=inner,
        share_seconds=shares,
    )
    return Schedule(replace(plan, sentences=describe_plan(plan)), shape, race.efforts, race.seconds, declined)


def share_out(budget_seconds: float, n_rows: int) -> dict[str, float]:
    """Seconds for race, curves, ablation and reserve; they add up to the budget."""
    reserve = budget_seconds * (RESERVE_SHARE + RESERVE_FOR_A_MILLION * min(1.0, n_rows / 1e6))
    reserve = max(reserve, min(RESERVE_AT_LEAST, 0.4 * budget_seconds))
    rest = budget_seconds - reserve
    curves, ablation = (share / (1 - RESERVE_SHARE) * rest for share in (CURVE_SHARE, ABLATION_SHARE))
    shares = {"race": rest - curves - ablation, "curves": curves, "ablation": ablation, "reserve": reserve}
    return {name: round(seconds, 3) for name, seconds in shares.items()}


def outer_folds(dataset: Dataset) -> int:
    """Test folds: five, or one per group when the user's groups are fewer."""
    if not dataset.grouped:
        return OUTER_FOLDS
    return max(2, min(OUTER_FOLDS, len(np.unique(dataset.groups))))


@dataclass(frozen=True)
class Shared:
    """The race's time shared out: per family the limit (the same for all), per contender its effort and seconds."""

    allowances: dict[str, float]
    efforts: dict[str, Effort]
    seconds: dict[str, float]


def plan_efforts(entrants: Sequence[Contender], shape: Shape, n_jobs: int, n_inner: int, race_seconds: float) -> Shared:
    """The allowance of each family (the same for all) and each contender's effort within it.

    Every family may use as much as any other. What a frugal family cannot use (a linear model has tried all its
    penalties) raises the level for the rest; within a family its contenders share in the same way.
    """
    needs = {c.name: most_useful_seconds(c, shape, n_jobs, n_inner) for c in entrants}
    families: dict[str, list[Contender]] = {}
    for contender in entrants:
        families.setdefault(contender.family, []).append(contender)
    competing = {family: mates for family, mates in families.items() if family != "dummy"}
    level = water_level([sum(needs[c.name] for c in mates) for mates in competing.values()], race_seconds)
    limits: dict[str, float] = {}
    for mates in families.values():
        limits |= dict.fromkeys([c.name for c in mates], water_level([needs[c.name] for c in mates], level))
    return Shared(
        allowances=dict.fromkeys(competing, round(level, 2)),
        efforts={c.name: c.plan(shape, n_jobs, n_inner, limits[c.name]) for c in entrants},
        seconds={c.name: min(needs[c.name], limits[c.name]) for c in entrants},
    )


def most_useful_seconds(contender: Contender, shape: Shape, n_jobs: int, n_inner: int) -> float:
    """The least time with which the contender plans as much as with all the time in the world (by bisection, ±2%)."""
    most = contender.plan(shape, n_jobs, n_inner, PLENTY)
    low, high = 1e-3, PLENTY
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        if contender.plan(shape, n_jobs, n_inner, middle) == most:
            high = middle
        else:
            low = middle
    return high


def water_level(needs: Sequence[float], total: float) -> float:
    """The level L with ``sum(min(L, need)) = total``: the same limit for all, when those that need less spend less.

    When all needs together are less than ``total``, the level is what would be left for the neediest.

    >>> water_level([1.0, 100.0, 100.0], 21.0)
    10.0
    """
    left = total
    for taken, need in enumerate(sorted(needs)):
        level = left / (len(needs) - taken)
        if need >= level or taken == len(needs) - 1:
            return level
        left -= need
    return total


def training_rows(n_rows: int, folds: int) -> int:
    """Rows of one outer training part."""
    return max(1, n_rows - math.ceil(n_rows / folds))


def curve_rows(dataset: Dataset, n_rows: int, folds: int) -> int:
    """Training rows that the folds of a learning curve have: by time, those of the last fold but one."""
    return training_rows(n_rows, folds) if dataset.time is None else n_rows * (folds - 1) // (folds + 1)


def _rows_that_fit(n_rows: int, efforts_for: Callable[[int], Mapping[str, Effort]]) -> int:
    """All rows, or the most (in steps of the square root of 2) for which nobody's training is cut too short."""
    used = n_rows
    while used > FEWEST_CAPPED_ROWS and any(e.scale < SHORTEST_SCALE for e in efforts_for(used).values()):
        used = max(FEWEST_CAPPED_ROWS, int(used / math.sqrt(2)))
    return used


def _choices(n_rows: int, *, repeatable: bool) -> list[tuple[int, int]]:
    """(repeats, inner folds) to consider, the most thorough first."""
    most_repeats = next((r for rows, r in REPEATS_UP_TO if n_rows <= rows), 1) if repeatable else 1
    most_inner = next((k for rows, k in INNER_UP_TO if n_rows <= rows), 1)
    fewer = [k for k in (3, 1) if k < most_inner]
    return [(r, most_inner) for r in range(most_repeats, 0, -1)] + [(1, k) for k in fewer]


def _first_that_fits(
    choices: Sequence[tuple[int, int]], efforts_for: Callable[[int, int], Mapping[str, Effort]], most: Mapping[str, int]
) -> tuple[int, int]:
    """The first choice that every contender can afford; the last, whatever it costs.

    Inner folds come before candidates: they cost the same, and on few rows one holdout chooses badly. A further repeat
    must leave everyone in full length, and as many candidates as there are repeats (or all it has), so that precision
    of the comparison and care for each contender grow together.
    """
    for repeats, inner in choices:
        shortest = 1.0 if repeats > 1 else SHORTEST_SCALE
        efforts = efforts_for(repeats, inner)
        if all(e.scale >= shortest and e.candidates >= min(repeats, most[name]) for name, e in efforts.items()):
            return repeats, inner
    return choices[-1]


def curve_sizes(shape: Shape) -> tuple[int, ...]:
    """Training sizes of learning curves, ascending: the whole part and powers of the square root of 2 below it."""
    fewest = max(FEWEST_CURVE_ROWS, 10 * shape.n_outputs if shape.is_classification else 0)
    sizes = [round(shape.n_rows / math.sqrt(2) ** k) for k in range(CURVE_ANCHORS)]
    return tuple(sorted(size for size in sizes if size >= fewest))


def describe_split(dataset: Dataset) -> str:
    """How test rows are set apart, for people."""
    if dataset.time is not None:
        return "by time: earlier rows train, later rows test"
    if dataset.grouped:
        return "by groups: no group on both sides"
    return "random, classes in proportion" if dataset.task.is_classification else "random"


def describe_plan(plan: Plan) -> tuple[str, ...]:
    """The plan in sentences."""
    folds, repeats = plan.outer_folds, plan.repeats
    times = f", {repeats} times over" if repeats > 1 else ""
    families = ", ".join(plan.allowance_seconds)
    level = max(plan.allowance_seconds.values(), default=0.0)
    share = plan.share_seconds
    sentences = [
        (
            f"Every contender is scored on the same {folds} test folds{times} ({plan.split}); settings are chosen "
            f"inside the training rows by {plan.inner}, so no test row chooses anything."
        ),
        f"Each family ({families}) may use {level:.3g} s; one that needs less spends less.",
        (
            f"Of {plan.budget_seconds:g} s, learning curves get {share['curves']:.2g} s, the effect of preparation "
            f"{share['ablation']:.2g} s, and {share['reserve']:.2g} s are kept for the final model and the report."
        ),
    ]
    if plan.n_rows_used < plan.n_rows:
        sentences.append(
            f"{plan.n_rows_used:,} of {plan.n_rows:,} rows were drawn for the comparison: with all of them some "
            "contender could not have been trained properly within the budget."
        )
    return tuple(sentences)

"""What the budget buys, decided before anything runs: arithmetic only, so that the same request gives the same plan.

The clock plays no part here. Contenders estimate their own efforts with constants that err on the slow side; when a
machine is slower still, the deadline cuts, and that is said aloud (`cross_validation`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from annvil.comparison.budget import PLENTY, SHORTEST_SCALE, Shared, in_order, share_out_race, without_the_starved
from annvil.comparison.power_law import FEWEST_ANCHORS
from annvil.comparison.problem import OUTER_FOLDS, Problem
from annvil.comparison.request import Request
from annvil.comparison.results import Plan
from annvil.models.contract import Contender, Effort, Shape
from annvil.text.words import ROWS, Words

REPEATS_UP_TO = ((500, 3), (3_000, 5), (10_000, 3), (20_000, 2))
"""(rows, most repeats); above the last, one.

On equal learners three repeats of five folds name a false winner on 5 to 6% of tables of 100 and 200 rows, five on 7%;
of 1,000 rows, five on 3% (measured, ROC AUC, 600 and 400 tables: ``benchmarks/verdict.py``). Large folds vary little,
so repeating them buys little (assumed).
"""

INNER_UP_TO = ((20_000, 5), (100_000, 3))
"""(rows, most inner folds); above the last, one holdout of 20%. Members of inner folds are averaged (assumed)."""

CURVE_SHARE, ABLATION_SHARE, RESERVE_SHARE = 0.15, 0.05, 0.20
"""Parts of the budget beside the race (assumed): learning curves, ablation, and what comes after the comparison."""

NO_CURVES_BELOW = 20.0
"""Shorter budgets (seconds) go into the race alone: curves and ablation would be cut anyway (assumed)."""

RESERVE_AT_LEAST = 5.0
"""Seconds kept for final fit, bundle, importance, report (measured: 2 to 3 in short runs), up to 30% of the budget."""

RESERVE_FOR_A_MILLION = 0.10
"""More of the budget is kept as rows grow to a million: the final fit and the checks of the bundle see them all."""

FEWEST_CAPPED_ROWS = 10_000
"""Never cap the rows below this (assumed): by then folds are small enough for any budget."""

CURVE_ANCHORS = 7
"""Most sizes of a learning curve, at powers of the square root of 2 as in LCDB (Mohr et al. 2022)."""

FEWEST_CURVE_ROWS = 50
"""Smallest anchor; also at least ten rows per class (assumed)."""


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


def make_schedule(problem: Problem, contenders: Sequence[Contender], request: Request) -> Schedule:
    """The largest comparison that fits: repeats and inner folds shrink first, then rows, then the training's length."""
    n_rows, words = problem.size.n, problem.words
    shares = share_out(request.budget_seconds, n_rows)
    folds = problem.most_folds(OUTER_FOLDS)
    whole = problem.shape(training_rows(n_rows, folds))
    declined = {c.name: reason for c in contenders if (reason := c.declines(whole)) is not None}
    willing = in_order(c for c in contenders if c.name not in declined)
    folds, (entrants, left_out) = _who_competes(problem, willing, folds, shares["race"])

    def shared(n_rows: int, repeats: int, inner: int) -> Shared:
        shape = problem.shape(training_rows(n_rows, folds))
        return share_out_race(entrants, shape, folds * repeats, inner, shares["race"])

    n_used = _rows_that_fit(n_rows, lambda n: shared(n, 1, 1))
    shape = problem.shape(training_rows(n_used, folds))
    most = {c.name: c.plan(shape, folds, 1, PLENTY).candidates for c in entrants}
    choices = _choices(n_used, repeatable=not problem.ordered)
    repeats, inner = _first_that_fits(choices, lambda repeats, inner: shared(n_used, repeats, inner), most)
    race = shared(n_used, repeats, inner)
    plan = Plan(
        budget_seconds=request.budget_seconds,
        n_rows=n_rows,
        n_rows_used=n_used,
        outer_folds=folds,
        repeats=repeats,
        inner="one holdout of 20%" if inner == 1 else f"{inner} folds",
        split=problem.describe_split(),
        allowance_seconds=race.allowances,
        efforts={
            name: {"candidates": e.candidates, "scale": e.scale, "configuration": e.configuration}
            for name, e in race.efforts.items()
        },
        curve_sizes=curve_sizes(problem.shape(curve_rows(problem, n_used, folds))) if shares["curves"] else (),
        seed=request.seed,
        inner_folds=inner,
        share_seconds=shares,
    )
    return Schedule(
        replace(plan, sentences=describe_plan(plan, words)),
        shape,
        race.efforts,
        race.seconds,
        declined | left_out,
    )


def _who_competes(
    problem: Problem, willing: Sequence[Contender], folds: int, race_seconds: float
) -> tuple[int, tuple[list[Contender], dict[str, str]]]:
    """Test folds, entrants, and why the others stay out (`without_the_starved`).

    Where fits are dear, rows are left out rather than a contender (down to `FEWEST_CAPPED_ROWS`), and folds
    (`Economics.fewest_folds`).
    """

    def competing(n_rows: int, folds: int) -> tuple[list[Contender], dict[str, str]]:
        shape = problem.shape(training_rows(n_rows, folds))
        return without_the_starved(willing, shape, folds, race_seconds)

    fewest = problem.economics.fewest_folds
    if fewest is None:
        return folds, competing(problem.size.n, folds)
    n_rows = min(problem.size.n, FEWEST_CAPPED_ROWS)
    found = competing(n_rows, folds)
    if not found[1] or folds <= fewest:
        return folds, found
    fewer = competing(n_rows, fewest)
    return (fewest, fewer) if len(fewer[1]) < len(found[1]) else (folds, found)


def share_out(budget_seconds: float, n_rows: int) -> dict[str, float]:
    """Seconds for race, curves, ablation and reserve; they add up to the budget."""
    reserve = budget_seconds * (RESERVE_SHARE + RESERVE_FOR_A_MILLION * min(1.0, n_rows / 1e6))
    reserve = max(reserve, min(RESERVE_AT_LEAST, 0.3 * budget_seconds))
    rest = budget_seconds - reserve
    parts = (CURVE_SHARE, ABLATION_SHARE) if budget_seconds >= NO_CURVES_BELOW else (0.0, 0.0)
    curves, ablation = (part / (1 - RESERVE_SHARE) * rest for part in parts)
    shares = {"race": rest - curves - ablation, "curves": curves, "ablation": ablation, "reserve": reserve}
    return {name: round(seconds, 3) for name, seconds in shares.items()}


def training_rows(n_rows: int, folds: int) -> int:
    """Rows of one outer training part."""
    return max(1, n_rows - math.ceil(n_rows / folds))


def curve_rows(problem: Problem, n_rows: int, folds: int) -> int:
    """Training rows that the folds of a learning curve have: by time, those of the last fold but one."""
    return n_rows * (folds - 1) // (folds + 1) if problem.ordered else training_rows(n_rows, folds)


def _rows_that_fit(n_rows: int, shared: Callable[[int], Shared]) -> int:
    """All rows, or the most (in steps of the square root of 2) for which nobody's training is cut too short."""
    used = n_rows
    while used > FEWEST_CAPPED_ROWS and not shared(used).everyone_trains(SHORTEST_SCALE):
        used = max(FEWEST_CAPPED_ROWS, int(used / math.sqrt(2)))
    return used


def _choices(n_rows: int, *, repeatable: bool) -> list[tuple[int, int]]:
    """(repeats, inner folds) to consider, the most thorough first."""
    most_repeats = next((r for rows, r in REPEATS_UP_TO if n_rows <= rows), 1) if repeatable else 1
    most_inner = next((k for rows, k in INNER_UP_TO if n_rows <= rows), 1)
    fewer = [k for k in (3, 1) if k < most_inner]
    return [(r, most_inner) for r in range(most_repeats, 0, -1)] + [(1, k) for k in fewer]


def _first_that_fits(
    choices: Sequence[tuple[int, int]], shared: Callable[[int, int], Shared], most: Mapping[str, int]
) -> tuple[int, int]:
    """The first choice that every contender can afford; the last, whatever it costs.

    Inner folds come before candidates: they cost the same, and on few rows one holdout chooses badly. A further repeat
    must leave everyone in full length, and as many candidates as there are repeats (or all it has), so that precision
    of the comparison and care for each contender grow together.
    """
    for repeats, inner in choices:
        race = shared(repeats, inner)
        careful = all(effort.candidates >= min(repeats, most[name]) for name, effort in race.efforts.items())
        if careful and race.everyone_trains(1.0 if repeats > 1 else SHORTEST_SCALE):
            return repeats, inner
    return choices[-1]


def curve_sizes(shape: Shape) -> tuple[int, ...]:
    """Training sizes of learning curves, ascending: the whole part and powers of the square root of 2 below it.

    None at all when there are too few rows for the sizes that a law needs.
    """
    fewest = max(FEWEST_CURVE_ROWS, 10 * len(shape.task.classes))
    sizes = [round(shape.n_rows / math.sqrt(2) ** k) for k in range(CURVE_ANCHORS)]
    sizes = sorted(size for size in sizes if size >= fewest)
    return tuple(sizes) if len(sizes) >= FEWEST_ANCHORS else ()


def describe_plan(plan: Plan, words: Words = ROWS) -> tuple[str, ...]:
    """The plan in sentences."""
    folds, repeats = plan.outer_folds, plan.repeats
    times = f", {repeats} times over" if repeats > 1 else ""
    families = ", ".join(plan.allowance_seconds)
    level = max(plan.allowance_seconds.values(), default=0.0)
    sentences = [
        (
            f"Every contender is scored on the same {folds} test folds{times} ({plan.split}); settings are chosen "
            f"inside the training {words.rows} by {plan.inner}, so no test {words.row} chooses anything."
        ),
        f"Time limit per model family ({families}): {level:.3g} s; one that needs less uses less.",
        _shares_in_words(plan),
    ]
    if plan.n_rows_used < plan.n_rows:
        sentences.append(
            f"{plan.n_rows_used:,} of {plan.n_rows:,} {words.rows} were drawn for the comparison: with all of them "
            "some contender could not have been trained properly within the budget."
        )
    return tuple(sentences)


def _shares_in_words(plan: Plan) -> str:
    share, budget = plan.share_seconds, plan.budget_seconds
    kept = f"{share['reserve']:.2g} s are kept for the final model and the report"
    if not share["curves"]:
        return f"Of {budget:g} s, {kept}; with so little time there are no learning curves."
    return (
        f"Of {budget:g} s, learning curves get {share['curves']:.2g} s, the effect of preparation "
        f"{share['ablation']:.2g} s, and {kept}."
    )

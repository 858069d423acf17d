"""What is decided before the race, from sizes alone: test folds, how often they may be repeated, sizes of curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from annvil.comparison.power_law import FEWEST_ANCHORS
from annvil.comparison.problem import OUTER_FOLDS, Problem
from annvil.comparison.request import Request
from annvil.comparison.results import Plan
from annvil.models.contract import FAMILIES, Contender
from annvil.models.jobs import Rung, Shape
from annvil.text.words import ROWS, Words

REPEATS_UP_TO = ((500, 3), (3_000, 5), (10_000, 3), (20_000, 2))
"""(rows, most repeats); above the last, one.

On equal learners three repeats of five folds name a false winner on 5 to 6% of tables of 100 and 200 rows, five on 7%;
of 1,000 rows, five on 3% (measured, ROC AUC, 600 and 400 tables: ``benchmarks/verdict.py``). Large folds vary little,
so repeating them buys little (assumed).
"""

CURVE_ANCHORS = 7
"""Most sizes of a learning curve, at powers of the square root of 2 as in LCDB (Mohr et al. 2022)."""

FEWEST_CURVE_ROWS = 50
"""Smallest anchor; also at least ten rows per class (assumed)."""

DEAR_SHARE = 0.1
"""Where the first rungs of all contenders would take more of the budget than this on five folds, the kind's fewest
folds are used (`Economics.fewest_folds`; assumed)."""


@dataclass(frozen=True)
class Entrants:
    """The plan with who takes part in it.

    Attributes
    ----------
    plan : what is shown and kept
    shape : sizes of one outer training part
    ladders : per competing contender, the cheap families first
    declined : contender → why it does not compete
    """

    plan: Plan
    shape: Shape
    ladders: Mapping[str, tuple[Rung, ...]]
    declined: Mapping[str, str]


def make_plan(problem: Problem, contenders: Sequence[Contender], request: Request) -> Entrants:
    """Folds, most repeats, ladders; nothing here depends on the clock or on results."""
    n_rows = problem.size.n
    folds = problem.most_folds(OUTER_FOLDS) if request.folds is None else request.folds
    declined, ladders = _ladders(problem, contenders, folds)
    fewest = problem.economics.fewest_folds
    if request.folds is None and fewest is not None and fewest < folds:
        first = folds * sum(ladder[0].core_seconds for ladder in ladders.values())
        if first > DEAR_SHARE * request.budget_seconds:
            folds = fewest
            declined, ladders = _ladders(problem, contenders, folds)
    most = next((r for rows, r in REPEATS_UP_TO if n_rows <= rows), 1) if not problem.ordered else 1
    plan = Plan(
        budget_seconds=request.budget_seconds,
        n_rows=n_rows,
        outer_folds=folds,
        repeats=most,
        split=problem.describe_split(),
        curve_sizes=curve_sizes(problem.shape(curve_rows(problem, n_rows, folds))),
        seed=request.seed,
    )
    plan = replace(plan, sentences=describe_plan(plan, problem.words))
    return Entrants(plan, problem.shape(training_rows(n_rows, folds)), ladders, declined)


def _ladders(
    problem: Problem, contenders: Sequence[Contender], folds: int
) -> tuple[dict[str, str], dict[str, tuple[Rung, ...]]]:
    """Who declines and why, and the ladders of the others in the order of families."""
    shape = problem.shape(training_rows(problem.size.n, folds))
    declined = {c.name: reason for c in contenders if (reason := c.declines(shape)) is not None}
    willing = sorted((c for c in contenders if c.name not in declined), key=lambda c: FAMILIES.index(c.family))
    return declined, {c.name: c.ladder(shape) for c in willing}


def training_rows(n_rows: int, folds: int) -> int:
    """Rows of one outer training part."""
    return max(1, n_rows - math.ceil(n_rows / folds))


def curve_rows(problem: Problem, n_rows: int, folds: int) -> int:
    """Training rows that the folds of a learning curve have: by time, those of the last fold but one."""
    return n_rows * (folds - 1) // (folds + 1) if problem.ordered else training_rows(n_rows, folds)


def curve_sizes(shape: Shape) -> tuple[int, ...]:
    """Training sizes of learning curves, ascending: the whole part and powers of the square root of 2 below it.

    None at all when there are too few rows for the sizes that a law needs.
    """
    fewest = _smallest_anchor(shape)
    sizes = [round(shape.n_rows / math.sqrt(2) ** k) for k in range(CURVE_ANCHORS)]
    sizes = sorted(size for size in sizes if size >= fewest)
    return tuple(sizes) if len(sizes) >= FEWEST_ANCHORS else ()


def _smallest_anchor(shape: Shape) -> int:
    return max(FEWEST_CURVE_ROWS, 10 * len(shape.task.classes))


def fewest_curve_rows(shape: Shape) -> int:
    """Training rows from which on `curve_sizes` finds the sizes that a law needs."""
    return math.ceil((_smallest_anchor(shape) - 0.5) * math.sqrt(2) ** (FEWEST_ANCHORS - 1))


def why_no_curves(problem: Problem, plan: Plan) -> str:
    """Part of a sentence: too few rows for `curve_sizes`; empty where there are enough."""
    if plan.curve_sizes:
        return ""
    there = curve_rows(problem, plan.n_rows, plan.outer_folds)
    needed = fewest_curve_rows(problem.shape(there))
    return f"they need {needed:,} training {problem.words.rows} in a fold, and there are {there:,}"


def describe_plan(plan: Plan, words: Words = ROWS) -> tuple[str, ...]:
    """The plan in sentences."""
    repeats = f", up to {plan.repeats} times over" if plan.repeats > 1 else ""
    return (
        (
            f"Every model is scored on the same {plan.outer_folds} test folds{repeats} ({plan.split}); settings "
            f"are chosen inside the training {words.rows}, so no test {words.row} chooses anything."
        ),
        (
            "Every model begins with its cheapest fair training; more effort (longer training, more candidates, "
            "more folds) then goes where it is worth most for the answer, by the results and the times measured so "
            "far. Only an effort that was made on all folds is judged."
        ),
    )

"""What preparation is worth on this data: the same folds with a step and without it.

Both sides are fitted anew with the settings that the search chose on the first fold, lightly (one inner holdout, few
rows), so that nothing but the step differs. The difference is that of the light fits, not of the finished models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annvil.comparison.problem import Problem, Replicate
from annvil.comparison.results import Ablation
from annvil.comparison.statistics import correlated_posterior
from annvil.data.seeds import derived_seed
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Deadline, Effort, Json, PreparationOptions
from annvil.tasks.metrics import Metric

MOST_ROWS = 5_000
"""Training rows of an ablation's fits (assumed: by then the effect of a step of preparation shows)."""


@dataclass(frozen=True)
class Step:
    """One step of preparation, taken away from one contender.

    ``with_it`` and ``without`` are the efforts of the two sides.
    """

    name: str
    what: str
    contender: Contender
    with_it: Effort
    without: Effort


def steps_for(problem: Problem, chosen: Sequence[tuple[Contender, dict[str, Json]]]) -> Iterator[Step]:
    """The steps worth measuring for contenders with their chosen settings: those they take, and that matter here."""
    numbers, unequal = problem.has_numbers(), problem.has_unequal_classes()
    for contender, configuration in chosen:
        effort = Effort(1, 1.0, configuration)
        if numbers and contender.traits.scales:
            without = replace(effort, options=PreparationOptions(scaling="none"))
            yield Step(f"scaling-{contender.name}", "scaling the numbers", contender, effort, without)
        if unequal and contender.traits.weights_classes:
            yield _weighting(contender, configuration)


def _weighting(contender: Contender, configuration: dict[str, Json]) -> Step:
    """Weighted against unweighted classes with settings that name it; else the search with the choice and without."""
    name, what = f"weighting-{contender.name}", "weighting the rarer classes"
    if "class_weighted" in configuration:
        sides = [Effort(1, 1.0, configuration | {"class_weighted": weighted}) for weighted in (True, False)]
        return Step(name, what, contender, *sides)
    few = Effort(candidates=4)
    return Step(name, what, contender, few, replace(few, options=PreparationOptions(imbalance="none")))


def measure_step(
    step: Step,
    problem: Problem,
    folds: Sequence[Replicate],
    metric: Metric,
    deadline: Deadline,
) -> Ablation | None:
    """The step's effect, or None when the deadline left fewer than two folds for either side."""
    seeds = [derived_seed(fold.job.seed, 3) for fold in folds]
    jobs = [
        problem.smaller(fold.job, f"ablation-{fold.fold}", MOST_ROWS, 1, seed)
        for fold, seed in zip(folds, seeds, strict=True)
    ]
    n_rows = max(len(job.rows) for job in jobs)
    errors = []
    for effort in (step.with_it, step.without):
        fits = step.contender.fit(problem.data, jobs, effort, Context(deadline.left))
        errors.append([problem.score(fit, fold.test, metric).error for fold, fit in zip(folds, fits, strict=False)])
    n_common = min(len(side) for side in errors)
    with_it, without = (side[:n_common] for side in errors)
    gains = [b - a for a, b in zip(with_it, without, strict=True)]
    n_test = float(np.mean([len(fold.test) for fold in folds]))
    posterior = correlated_posterior(gains, overlap=n_test / (n_test + n_rows), worth=1.0)
    if posterior is None:
        return None
    return Ablation(
        what=step.what,
        contender=step.contender.name,
        with_it=tuple(_score(metric, error) for error in with_it),
        without_it=tuple(_score(metric, error) for error in without),
        mean=posterior.mean,
        low=posterior.low,
        high=posterior.high,
        sentence=_sentence(step, metric, posterior.mean, posterior.low, posterior.high),
    )


def _score(metric: Metric, error: float) -> float:
    return 1.0 - error if metric.greater_is_better else error


def _sentence(step: Step, metric: Metric, mean: float, low: float, high: float) -> str:
    name = f"{step.contender.title}: {step.what}"
    interval = f"95% interval {metric.tells(low, sign=True)} to {metric.tells(high, sign=True)}"
    if low > 0:
        return f"{name} improved {metric.title} by {metric.tells(mean)} ({interval})."
    if high < 0:
        return f"{name} worsened {metric.title} by {metric.tells(-mean)} ({interval})."
    return f"{name} made no difference that could be told from chance: {metric.tells(mean, sign=True)} ({interval})."

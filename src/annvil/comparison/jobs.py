"""The fits a comparison asks for: which rows learn, which choose, which judge.

Every random number comes from the run's seed and the place of the fit, so that the same fit is the same in a resumed
run and on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.comparison.results import Plan
from annvil.data.seeds import derived_seed
from annvil.data.splits import inner_splits, nested_subset, outer_splits
from annvil.data.table import Dataset, Inputs
from annvil.models.contract import Job, Split
from annvil.tasks.base import IntArray


@dataclass(frozen=True)
class OuterFold:
    """One fit of the race and the rows that judge it."""

    job: Job
    test: IntArray
    repeat: int
    fold: int


def make_job(dataset: Dataset[Inputs], key: str, rows: IntArray, inner_folds: int, seed: int) -> Job:
    """The fit on ``rows`` with its inner splits."""
    splits = inner_splits(dataset, rows, inner_folds, seed)
    return Job(key, rows, tuple(Split(split.train, split.test) for split in splits), seed)


def outer_jobs(dataset: Dataset[Inputs], plan: Plan) -> list[list[OuterFold]]:
    """Every fit of the race: ``[repeat][fold]``."""
    jobs = []
    for repeat, splits in enumerate(outer_splits(dataset, plan.outer_folds, plan.repeats, plan.seed)):
        folds = []
        for fold, split in enumerate(splits):
            seed = derived_seed(plan.seed, repeat, fold)
            job = make_job(dataset, f"repeat-{repeat}-fold-{fold}", split.train, plan.inner_folds, seed)
            folds.append(OuterFold(job, split.test, repeat, fold))
        jobs.append(folds)
    return jobs


def rows_used(dataset: Dataset[Inputs], plan: Plan) -> IntArray:
    """The rows drawn for the comparison, int64 ``(plan.n_rows_used,)``, ascending; all of them where time allows."""
    everything = np.arange(dataset.n_rows, dtype=np.int64)
    if plan.n_rows_used >= dataset.n_rows:
        return everything
    return np.sort(nested_subset(dataset, everything, plan.n_rows_used, plan.seed))


def final_job(dataset: Dataset[Inputs], plan: Plan, *, everything: bool = False) -> Job:
    """The fit to ship: all rows that the plan used (all there are, with ``everything``), inner splits as in the race.

    Rows are numbered in the whole data set. Fit it with the contender's effort of the race to search once more, or
    with the configuration of a fold to save that time.
    """
    seed = derived_seed(plan.seed, 1_000_000)
    rows = np.arange(dataset.n_rows, dtype=np.int64) if everything else rows_used(dataset, plan)
    return make_job(dataset, "final", rows, plan.inner_folds, seed)

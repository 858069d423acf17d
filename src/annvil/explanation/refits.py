"""The same model learnt again from other draws of the same rows: how far its effects hang on the rows it saw.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13: rows are drawn with replacement, and
the spread of what is learnt stands for what other rows would have given. A contender whose jobs carry weights gets
those of the Bayesian bootstrap instead (Rubin, Annals of Statistics 9(1), 1981), exponential draws of mean 1: all its
refits then look at the same rows and train as one population. Only the fit is repeated: preparation is learnt anew with
it, the configuration is that of the model (`Effort.configuration`), so that the choice of it is not part of the spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.tasks.base import IntArray

REFITS = 12
"""Refits of a band: with fewer than ten its ends are two single models (assumed)."""

FEWEST_REFITS = 5
"""Fewer make no band (assumed): what three models have in common says little."""

TOGETHER = 0.6
"""What a refit in a population costs, in parts of one alone (assumed: small networks on few cores)."""


def affordable(contender: Contender, fitted: Fitted, seconds: float) -> int:
    """How many refits to ask for at once: what trains together is finished together, or not at all."""
    if not contender.traits.trains_together:
        return REFITS
    one = TOGETHER * fitted.fit_seconds / max(1, len(fitted.tried)) / max(1, len(fitted.job.inner))
    return int(min(REFITS, max(FEWEST_REFITS, seconds / max(one, 1e-9))))


def refit(
    dataset: Dataset[Any],
    contender: Contender,
    job: Job,
    configuration: Mapping[str, Any],
    seconds: float,
    *,
    scale: float = 1.0,
    n: int = REFITS,
) -> list[Fitted]:
    """Up to ``n`` models of the contender, each of another draw of the rows of ``job``; fewer where time is over.

    What the clock cut short is another model, not this one of other rows: it is left out.
    """
    effort = Effort(scale=scale, configuration=configuration)
    kinds = dataset.y[job.rows] if dataset.task.one_class_a_row else np.zeros(len(job.rows), dtype=np.int64)
    jobs = list(drawn(job, kinds, n, weights=contender.traits.weighs_rows))
    return [one for one in contender.fit(dataset, jobs, effort, Context(seconds)) if not one.cut_short]


def drawn(job: Job, kinds: IntArray, n: int, *, weights: bool) -> Iterator[Job]:
    """Jobs of other draws of the same rows: drawn with replacement, or weighted.

    The first inner split divides the rows as in ``job``, so that no row is on both sides. Rows are drawn among those of
    their side and of their kind ``(len(job.rows),)``, the class: none may be left without rows.
    """
    inner = job.inner[:1]
    sides = np.isin(job.rows, inner[0].test) + 2 * kinds if inner else kinds
    for number in range(n):
        random = np.random.default_rng([job.seed, number, 1981])
        key, seed = f"{job.key}-refit-{number}", job.seed + 1 + number
        if weights:
            chosen = random.exponential(size=len(job.rows))
            own = 1.0 if job.weights is None else job.weights
            yield replace(job, key=key, seed=seed, inner=inner, weights=chosen / chosen.mean() * own)
            continue
        times = np.zeros(int(job.rows.max()) + 1, dtype=np.int64)
        for side in np.unique(sides):
            there = job.rows[sides == side]
            np.add.at(times, random.choice(there, len(there)), 1)
        splits = tuple(Split(_repeated(split.train, times), _repeated(split.test, times)) for split in inner)
        yield Job(key, _repeated(job.rows, times), splits, seed)


def _repeated(rows: IntArray, times: IntArray) -> IntArray:
    return np.repeat(rows, times[rows])

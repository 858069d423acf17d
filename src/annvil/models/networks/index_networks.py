"""The network of projections as a contender: trained as one population, chosen and finished on the inner splits.

After Yang, Zhang & Sudjianto 2019 (arXiv 1901.03838). A grid of penalties and starts is one population, all candidates
of all jobs and inner splits; directions stay orthonormal in every update. The best candidates' directions then become
few and sparse (`index_forms`), and shapes, offsets and directions are finished together (`ridge_functions`), from which
the inner splits choose; what ships is *one* network, finished again on all rows. Departures and measurements:
docs/decisions/0031-index-network.md.

Of three and more classes the best network ships as it was trained. Its projections are shared by the classes, so a step
of Gauss and Newton would have to solve for the shapes and offsets of all classes at once, which takes the cube of their
number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from annvil.data.dataset import Dataset
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, first_rows, ladder_of, row_steps
from annvil.models.members import Fitted
from annvil.models.networks.index_family import CANDIDATES, IndexFamily, IndexSettings, epochs_for
from annvil.models.networks.search import search
from annvil.tasks.base import Task

UNTRAINED = 0.1
"""Efforts of up to this length do not train: they begin where the rows themselves show directions. On heart_cleveland
five folds take .7 processor seconds instead of 3.6 with two starts trained, and lose nothing (measured there and on
titanic and concrete)."""


class IndexNetworks(BaseContender):
    """The network of projections that the inner splits prefer, fitted to all rows."""

    name = "index-network"
    title = "Index network"
    family: Family = "network"
    networks = IndexFamily()
    traits = Traits(trains_together=True, weighs_rows=True, explainable=True)

    def declines(self, shape: Shape) -> str | None:
        """Where there is nothing to project, or no one answer."""
        if shape.n_numbers == 0:
            return "A network of projections needs numbers to project; here are none."
        if shape.task.predicts_probabilities and not shape.task.one_class_a_row:
            return "A network of projections learns one answer a row; here are several labels."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One without training; two starts on a holdout, six, and all; then six on five folds."""

        def rung(candidates: int, inner: int, rows: int | None = None, scale: float = 1.0) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
            return Rung(effort, _core_seconds(shape, n_rows, effort), describe_effort(effort, "start"))

        steps = list(row_steps(shape.n_rows, first_rows(shape.n_numbers + shape.n_levels)))
        first = rung(1, 1, steps[0] if steps else None, UNTRAINED)
        parts = [rung(2, 1, rows) for rows in steps]
        return ladder_of([first, *parts, rung(2, 1), rung(6, 1), rung(len(CANDIDATES), 1), rung(6, 5)])

    def settings(self, job: Job, effort: Effort) -> list[IndexSettings]:
        """The candidates of a job."""
        if effort.configuration is None:
            portfolio = self.networks.portfolio()[: effort.candidates]
            return [replace(portfolio[0], trained=False)] if effort.scale <= UNTRAINED else list(portfolio)
        given = IndexSettings.from_json(effort.configuration)
        if job.weights is not None and given.projections is not None:
            return [given]
        # Directions learnt from other rows, which may be somebody's test rows, are not begun with.
        return [replace(given, projections=None)]

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train the population, then choose and finish for every job."""
        from annvil.models.networks.index_fitted import finished, refitted, untrained

        given = None if effort.configuration is None else IndexSettings.from_json(effort.configuration)
        known = given is not None and given.projections is not None and _is_one_sum(dataset.task)
        if known and given is not None and all(job.weights is not None for job in jobs):
            yield from refitted(self.name, self.networks, dataset, jobs, given, context)
            return
        (first, *_) = self.settings(jobs[0], effort)
        if not first.trained and _is_one_sum(dataset.task):
            yield from untrained(self.name, self.networks, dataset, jobs, first, context)
            return
        running = context.begin()
        left = replace(context, seconds_left=max(0.0, running.deadline.left))

        def candidates_of(job: Job, running: Running) -> Sequence[IndexSettings]:
            return self.settings(job, effort)

        for searched in search(dataset, jobs, self.networks, candidates_of, effort, left):
            one_sum = _is_one_sum(dataset.task)
            yield finished(self.name, self.networks, dataset, searched, running, one_sum)


def _is_one_sum(task: Task) -> bool:
    """Whether scores are one sum, of a number or of the second of two classes."""
    return task.n_outputs == 1 or (task.predicts_probabilities and task.n_outputs == 2)


def _core_seconds(shape: Shape, n_rows: int, effort: Effort) -> float:
    """Training and finishing, on the slow side (measured on one core: 3 µs a row and candidate on 10 numbers)."""
    candidates, inner = effort.candidates, effort.inner_folds
    n_train = int(n_rows * (1 - 1 / inner if inner > 1 else 0.8))
    width = shape.n_numbers + shape.n_texts
    of_row = 2e-6 + 1e-7 * width + 2e-9 * shape.n_levels
    training = 0.7 * inner * candidates * n_train * epochs_for(n_train, effort.scale) * of_row
    coefficients = 150 + shape.n_levels + 2 * shape.n_numbers
    step = min(n_train, 20_000) * (3e-6 + 1.5e-10 * coefficients**2) + 1e-9 * coefficients**3
    if effort.scale <= UNTRAINED and _is_one_sum(shape.task):
        return 0.05 + (inner * 18 + 6) * step
    return 0.4 + training + (inner * 40 * (1 + min(2, math.ceil(candidates / 2))) + 30) * step

"""How the gradient of an update comes about: from one batch, or as the sum of several.

A batch that is an update by itself needs nothing but the memory it is computed in (`PlainStep`). A sum has to be kept
where several batches make an update (``Recipe.accumulate``), or several processes have a share of every batch, or both
(`AccumulatedStep`); or where a batch is cut into parts, one for each thread (`MicroBatchStep`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from annvil.training.loop.bound_step import StepRunner
from annvil.training.loop.job import TrainingJob
from annvil.training.optimizers.accumulation import Contributions, Updates, local, shares_of
from annvil.training.system.distributed import Distributed


class Gradients(Protocol):
    """What a pack asks for the gradients of its updates."""

    runners: list[StepRunner]
    """What computes them; the first one validates, too."""

    flat: Tensor
    """The gradient, flat; the whole update's after `complete`."""

    losses: Tensor
    """Of each member over the rows of the update, likewise."""

    pool: ThreadPoolExecutor | None
    """Threads beside the caller's that are free between two steps."""

    def begin_epoch(self, order: Tensor, weights: Tensor) -> None:
        """Hear of the epoch's rows and weights ``(steps, members, batch, ...)``."""

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """Add a batch ``(members, rows)``, which may have no rows in this process."""

    def complete(self) -> None:
        """The last step of the update is done."""


class PlainStep:
    """Every step is an update of its own."""

    pool: ThreadPoolExecutor | None = None

    def __init__(self, runner: StepRunner) -> None:
        self.runners = [runner]
        self.flat, self.losses = runner.gradients, runner.losses

    def begin_epoch(self, order: Tensor, weights: Tensor) -> None:
        """Nothing to know."""

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """Straight into the memory of the update."""
        self.runners[0].compute(epoch, step, rows, weights)

    def complete(self) -> None:
        """It is."""


class AccumulatedStep:
    """An update is the weighted sum of its steps, and of what other processes have of them."""

    pool: ThreadPoolExecutor | None = None

    def __init__(self, job: TrainingJob, runners: list[StepRunner], updates: Updates, distributed: Distributed) -> None:
        self.runners = runners
        self._job, self._updates = job, updates
        first = runners[0]
        size, count = len(first.gradients), len(first.losses)
        # Gradients and losses in one array, so that processes exchange them in one message.
        total = first.workspace.tensor("contributions", (size + count,))
        self.sum = Contributions(job.layout, total, count, distributed)
        self.flat, self.losses = self.sum.gradients, self.sum.losses
        self._shares = torch.empty(0)

    def begin_epoch(self, order: Tensor, weights: Tensor) -> None:
        """What every step is worth within its update."""
        self._shares = shares_of(self._updates, weights, order, self._job.weights)

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """Its gradient times its share of the update's rows."""
        if step == 0 or self._updates.ends[step - 1]:
            self.sum.clear()
        weights, shares = local(weights, self._shares[step])
        if rows.shape[1]:  # there may be more processes than rows
            self._add(epoch, step, rows, weights, shares)

    def _add(self, epoch: int, step: int, rows: Tensor, weights: Tensor, shares: Tensor) -> None:
        (runner,) = self.runners
        runner.compute(epoch, step, rows, weights)
        self.sum.add(runner.gradients, runner.losses, shares)

    def complete(self) -> None:
        """Add what the other processes have."""
        self.sum.complete()


class MicroBatchStep(AccumulatedStep):
    """A step is the weighted sum of its parts, whose gradients are computed side by side, on one thread each.

    Two threads inside every operation wait for each other at each of them; two threads with half a batch each meet once
    a step. The sum comes in the order of the parts, and how many there are follows from the recipe and the job alone,
    so that neither the machine nor the number of threads changes a bit. Layers that look at the whole batch (batch
    norm) see a part, as they do in data-parallel training; their running statistics become the mean of what the parts
    left.

    Parameters
    ----------
    runners : at least two, one for each part. All but the first have moving buffers and keys of their own.
    side_by_side : whether each has a thread of its own (``pool`` has those of all but the first), or one computes them
        one after another
    """

    def __init__(
        self,
        job: TrainingJob,
        runners: list[StepRunner],
        updates: Updates,
        distributed: Distributed,
        side_by_side: bool,
    ) -> None:
        super().__init__(job, runners, updates, distributed)
        self.pool = ThreadPoolExecutor(len(runners) - 1, initializer=_prepare) if side_by_side else None

    def _add(self, epoch: int, step: int, rows: Tensor, weights: Tensor, shares: Tensor) -> None:
        n_rows, count = rows.shape[1], len(self.runners)
        ends = [-(-n_rows * number // count) for number in range(count + 1)]  # of few rows, the first parts have them
        cuts = [slice(start, stop) for start, stop in pairwise(ends)]
        parts = [local(weights[:, cut], shares) for cut in cuts]
        self._spread()

        def one(number: int) -> None:
            own = rows[:, cuts[number]]
            if own.shape[1]:
                with torch.no_grad():
                    self.runners[number].compute(epoch, step, own, parts[number][0])

        if self.pool is None:
            for number in range(count):
                one(number)
        else:
            waiting = [self.pool.submit(one, number) for number in range(1, count)]
            one(0)
            for future in waiting:
                future.result()
        working = [number for number in range(count) if cuts[number].start < cuts[number].stop]
        for number in working:
            self.sum.add(self.runners[number].gradients, self.runners[number].losses, parts[number][1])
        self._gather(len(working))

    def _spread(self) -> None:
        """Every part starts from the first one's buffers."""
        for runner in self.runners[1:]:
            for place in self._job.moving:
                runner.buffers[place].copy_(self.runners[0].buffers[place])

    def _gather(self, working: int) -> None:
        """The first part's buffers become the mean of those that had rows; counts stay those of the first."""
        for place in self._job.moving:
            first = self.runners[0].buffers[place]
            if first.is_floating_point() and working > 1:
                first.copy_(torch.stack([runner.buffers[place] for runner in self.runners[:working]]).mean(0))


def _prepare() -> None:
    torch.set_flush_denormal(True)  # as every worker's thread does

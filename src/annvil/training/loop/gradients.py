"""How the gradient of an update comes about: from one batch, or as the sum of several.

A batch that is an update by itself needs nothing but the memory it is computed in (`Gradients`). A sum has to be kept
where several batches make an update (``Recipe.accumulate``), or several processes have a share of every batch, or both
(`AccumulatedStep`); or where a batch is cut into parts, one for each thread (`MicroBatchStep`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor

from annvil.training.loop.bound_step import StepRunner
from annvil.training.loop.job import TrainingJob
from annvil.training.optimizers.accumulation import Updates, local, shares_of
from annvil.training.system.distributed import Distributed


class Gradients:
    """The gradients of a pack's updates; here, where every step is an update of its own.

    Attributes
    ----------
    runners : what computes them; the first one validates, too
    flat, losses : the gradient, and the loss of each member over the rows of the update; the whole update's after
        `complete`
    pool : threads beside the caller's that are free between two steps
    """

    pool: ThreadPoolExecutor | None = None

    def __init__(self, runners: list[StepRunner]) -> None:
        self.runners = runners
        self.flat, self.losses = runners[0].gradients, runners[0].losses

    def begin_epoch(self, order: Tensor, weights: Tensor) -> None:
        """Hear of the epoch's rows and weights ``(steps, members, batch, ...)``."""

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """Add a batch ``(members, rows)``, which may have no rows in this process."""
        self.runners[0].compute(epoch, step, rows, weights)

    def complete(self) -> None:
        """The last step of the update is done."""


class AccumulatedStep(Gradients):
    """An update is the weighted sum of its steps, and of what other processes have of them."""

    def __init__(self, job: TrainingJob, runners: list[StepRunner], updates: Updates, distributed: Distributed) -> None:
        super().__init__(runners)
        self._job, self._updates, self._distributed = job, updates, distributed
        count = len(self.losses)
        # Gradients and losses in one array, so that processes exchange them in one message.
        self._total = runners[0].workspace.tensor("contributions", (len(self.flat) + count,))
        self.flat, self.losses = self._total[:-count], self._total[-count:]
        self._views = job.layout.views(self.flat, count)
        self._shares = torch.empty(0)

    def begin_epoch(self, order: Tensor, weights: Tensor) -> None:
        """What every step is worth within its update."""
        self._shares = shares_of(self._updates, weights, order, self._job.weights)

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """Its gradient times its share of the update's rows."""
        if step == 0 or self._updates.ends[step - 1]:
            self._total.zero_()
        weights, shares = local(weights, self._shares[step])
        if rows.shape[1]:  # there may be more processes than rows
            self._add_batch(epoch, step, rows, weights, shares)

    def _add_batch(self, epoch: int, step: int, rows: Tensor, weights: Tensor, shares: Tensor) -> None:
        self.runners[0].compute(epoch, step, rows, weights)
        self._add(self.runners[0], shares)

    def _add(self, runner: StepRunner, shares: Tensor) -> None:
        """What a runner computed of rows that are ``shares (members,)`` of the update's rows, by weight."""
        self.losses.addcmul_(runner.losses, shares)
        if bool((shares == shares[0]).all()):
            self.flat.add_(runner.gradients, alpha=float(shares[0]))
            return
        parts = self._job.layout.views(runner.gradients, len(shares))
        for total, part in zip(self._views, parts, strict=True):
            total.addcmul_(part, shares.view(-1, *[1] * (part.dim() - 1)))

    def complete(self) -> None:
        """Add what the other processes have."""
        self._distributed.sum_(self._total)


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

    def _add_batch(self, epoch: int, step: int, rows: Tensor, weights: Tensor, shares: Tensor) -> None:
        n_rows, count = rows.shape[1], len(self.runners)
        ends = [-(-n_rows * number // count) for number in range(count + 1)]  # of few rows, the first parts have them
        cuts = [slice(start, stop) for start, stop in pairwise(ends)]
        parts = [local(weights[:, cut], shares) for cut in cuts]
        for runner in self.runners[1:]:  # every part starts from the first one's buffers
            for place in self._job.moving:
                runner.buffers[place].copy_(self.runners[0].buffers[place])

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
            self._add(self.runners[number], parts[number][1])
        self._gather(len(working))

    def _gather(self, working: int) -> None:
        """The first part's buffers become the mean of those that had rows; counts stay those of the first."""
        for place in self._job.moving:
            first = self.runners[0].buffers[place]
            if first.is_floating_point() and working > 1:
                first.copy_(torch.stack([runner.buffers[place] for runner in self.runners[:working]]).mean(0))


def _prepare() -> None:
    torch.set_flush_denormal(True)  # as every worker's thread does

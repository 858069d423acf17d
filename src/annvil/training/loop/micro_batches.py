"""Batches cut into parts whose gradients are computed side by side, on one thread each, and added up.

Two threads inside every operation wait for each other at each of them; two threads with half a batch each meet once a
step. The sum comes in the order of the parts, and how many there are follows from the recipe and the job alone, so that
neither the machine nor the number of threads changes a bit. Layers that look at the whole batch (batch norm) see a
part, as they do in data-parallel training; their running statistics become the mean of what the parts left.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor

from annvil.training.loop.gradients import AccumulatedStep
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.step_runner import StepRunner
from annvil.training.optimizers.accumulation import Updates, local
from annvil.training.system.distributed import Distributed


class MicroBatchStep(AccumulatedStep):
    """A step is the weighted sum of its parts.

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

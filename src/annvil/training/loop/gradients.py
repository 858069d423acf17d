"""How the gradient of an update comes about: from one batch, or as the sum of several.

A batch that is an update by itself needs nothing but the memory it is computed in (`PlainStep`). A sum has to be kept
where several batches make an update (``Recipe.accumulate``), or several processes have a share of every batch, or both
(`AccumulatedStep`); or where a batch is cut into parts, one for each thread
(`annvil.training.loop.micro_batches.MicroBatchStep`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Tensor

from annvil.training.loop.job import TrainingJob
from annvil.training.loop.step_runner import StepRunner
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

"""Batches cut into parts whose gradients are computed side by side, on one thread each, and added up.

Two threads inside every operation wait for each other at each of them; two threads with half a batch each meet once a
step. The sum comes in the order of the parts, and how many there are follows from the recipe and the job alone, so that
neither the machine nor the number of threads changes a bit. Layers that look at the whole batch (batch norm) see a
part, as they do in data-parallel training; their running statistics become the mean of what the parts left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from annvil.training.loop.bound_step import BoundStep, Workspace
from annvil.training.optimizers.accumulation import Contributions, local

Bind = Callable[["Part", int], BoundStep]
Load = Callable[[BoundStep, int, Tensor, Tensor], None]


@dataclass
class Part:
    """What one part of every batch is computed with: memory of its own, and buffers where it changes or draws."""

    workspace: Workspace
    gradients: Tensor
    losses: Tensor
    buffers: list[Tensor]
    steps: dict[int, BoundStep] = field(default_factory=dict)  # by rows


class Parts:
    """The parts of a pack's batches.

    Parameters
    ----------
    parts : at least two; the first may share the pack's own memory. ``pool`` has a thread for each of the others.
    moving : places of the buffers that a step changes
    side_by_side : whether each has a thread of its own, or one computes them one after another
    """

    def __init__(self, parts: Sequence[Part], moving: Sequence[int], side_by_side: bool) -> None:
        self.parts, self._moving = list(parts), list(moving)
        self.pool = ThreadPoolExecutor(len(parts) - 1, initializer=_prepare) if side_by_side else None

    def compute(
        self, rows: Tensor, weights: Tensor, shares: Tensor, total: Contributions, bind: Bind, load: Load
    ) -> None:
        """Add to ``total`` the gradients and losses of a batch ``(members, rows)`` that is ``shares`` of its update."""
        n_rows, count = rows.shape[1], len(self.parts)
        ends = [-(-n_rows * number // count) for number in range(count + 1)]  # of few rows, the first parts have them
        cuts = [slice(start, stop) for start, stop in pairwise(ends)]
        told = [local(weights[:, cut], shares) for cut in cuts]
        self._spread()

        def one(number: int) -> None:
            part, own = self.parts[number], rows[:, cuts[number]]
            if not own.shape[1]:
                return
            with torch.no_grad():
                if own.shape[1] not in part.steps:
                    part.steps[own.shape[1]] = bind(part, own.shape[1])
                step = part.steps[own.shape[1]]
                load(step, number, own, told[number][0])
                step.run()

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
            total.add(self.parts[number].gradients, self.parts[number].losses, told[number][1])
        self._gather(len(working))

    def _spread(self) -> None:
        """Every part starts from the first one's buffers."""
        for part in self.parts[1:]:
            for place in self._moving:
                part.buffers[place].copy_(self.parts[0].buffers[place])

    def _gather(self, working: int) -> None:
        """The first part's buffers become the mean of those that had rows; counts stay those of the first."""
        for place in self._moving:
            first = self.parts[0].buffers[place]
            if first.is_floating_point() and working > 1:
                first.copy_(torch.stack([part.buffers[place] for part in self.parts[:working]]).mean(0))


def _prepare() -> None:
    torch.set_flush_denormal(True)  # as every worker's thread does

"""Members that train as one program: their weights, their batches, their updates.

A pack draws the batches of an epoch, has the gradient of each update computed (`annvil.training.loop.gradients` says in
which of three ways), lets the optimiser take it, and validates. `PopulationRun` calls it, one worker at a time::

    begin_epoch → run_steps → … → run_steps → validate → keep_best → end_epoch
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.tasks.base import FloatArray
from annvil.training.loop.batches import BatchShape, Layouts
from annvil.training.loop.bound_step import StepRunner, Workspace
from annvil.training.loop.checks import members_to_check
from annvil.training.loop.gradients import AccumulatedStep, Gradients, MicroBatchStep
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.prefetch import Fetcher
from annvil.training.optimizers.accumulation import Updates, local
from annvil.training.optimizers.averaging import Average
from annvil.training.optimizers.fused import Optimiser
from annvil.training.optimizers.muon import is_wide, matrices_of
from annvil.training.optimizers.schedules import rate_factor, regularisation_factor
from annvil.training.system import hardware
from annvil.training.system.distributed import Distributed
from annvil.training.system.noise import places_of_keys


@dataclass(frozen=True)
class PackSettings:
    """What all packs of a run have in common beyond their job.

    ``matrices`` are the parameters that Muon takes, in bfloat16 if ``bfloat16_muon``; ``watched``: whether the last
    gradient of an epoch is kept for a listener; ``side_by_side``: whether parts of a batch have a thread each.
    """

    matrices: tuple[str, ...] = ()
    bfloat16_muon: bool = False
    watched: bool = False
    distributed: Distributed = field(default_factory=Distributed)
    side_by_side: bool = False

    @classmethod
    def of(
        cls, job: TrainingJob, facts: dict[str, Any] | None, watched: bool, together: Distributed, side_by_side: bool
    ) -> PackSettings:
        """Those of a job; the ``facts`` of a checkpoint decide what would else be measured."""
        matrices = matrices_of(job.network, job.layout) if job.recipe.optimizer == "muon" else ()
        bfloat16_muon = job.recipe.precision == "bfloat16"
        if facts is not None:
            bfloat16_muon = facts["bfloat16_muon"]
        elif job.recipe.precision == "auto" and is_wide(job.layout, matrices):
            bfloat16_muon = together.ask_first(hardware.bfloat16_pays)
        return cls(matrices, bfloat16_muon, watched, together, side_by_side)


_PLAIN = PackSettings()


class Pack:
    """The members ``numbers`` of a job (all of one `BatchShape`).

    Its state is in ``parameters``, ``best``, ``optimiser.moments`` and, with ``Recipe.average``, ``average.weights``
    (flat float32), ``optimiser.n_steps``, ``average.count``, ``loss_sums`` and ``step_done``, the steps of the current
    epoch that are done; `state` and `set_state` read and write all of it. Between two calls no update is half done.
    """

    def __init__(
        self,
        job: TrainingJob,
        numbers: Sequence[int],
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor],
        workspace: Workspace,
        settings: PackSettings = _PLAIN,
    ) -> None:
        self.job, self.numbers, self.workspace, self._settings = job, list(numbers), workspace, settings
        self.members = [job.members[number] for number in numbers]
        self.shape = BatchShape.of(self.members[0], job.recipe)
        # The state.
        size, count = job.layout.size(len(self.numbers)), len(self.numbers)
        self.parameters, self.best = torch.zeros(size), torch.zeros(size)
        for flat in (self.parameters, self.best):
            for view, value in zip(self.views(flat), parameters, strict=True):
                view.copy_(value)
        self.buffers = [buffer.clone() for buffer in buffers]
        self.moving = [self.buffers[place] for place in job.moving]
        self.best_moving = [buffer.clone() for buffer in self.moving]
        self.average = None if job.recipe.average is None else Average(self.parameters, job.recipe.average)
        self.loss_sums = torch.zeros(count, dtype=torch.float64)
        self.step_done = 0
        # What trains it.
        self.batches: list[tuple[Tensor, Tensor]] = []  # of the epoch: rows and weights (members, rows) of every step
        self._layouts = Layouts(self.members, self.shape, job.weights, job.recipe.shuffle)
        self._fetcher = Fetcher(job.inputs, job.sources) if any(job.sources) else None
        self.updates = Updates(self.shape.steps, job.recipe.accumulate, job.recipe.batches == "exact")
        self.gradients = self._choose_gradients()
        self.optimiser = Optimiser(
            job.layout,
            self.members,
            job.recipe,
            self.parameters,
            self.gradients.flat,
            settings.matrices,
            settings.bfloat16_muon,
        )
        self.last_update = torch.zeros(size) if settings.watched else None

    def _choose_gradients(self) -> Gradients:
        """How gradients of updates come about: the simplest way that does what the recipe asks for."""
        job, settings = self.job, self._settings
        runners = [self._runner(part) for part in range(job.parts)]
        if job.parts > 1:
            return MicroBatchStep(job, runners, self.updates, settings.distributed, settings.side_by_side)
        if job.recipe.accumulate > 1 or settings.distributed.world > 1:
            return AccumulatedStep(job, runners, self.updates, settings.distributed)
        return Gradients(runners)

    def _runner(self, part: int) -> StepRunner:
        """The first part of a batch is computed in this pack's memory, the others in their own."""
        workspace, buffers = self.workspace, self.buffers
        if part:
            # Threads may share what they only read, but neither running statistics nor the keys of noise.
            own = [*self.job.moving, *places_of_keys(self.job.layout)]
            workspace, buffers = Workspace(), [b.clone() if place in own else b for place, b in enumerate(buffers)]
        rank, steps = self._settings.distributed.rank, self.shape.steps
        return StepRunner(self.job, self.members, self.parameters, buffers, workspace, steps, rank, part, self._fetcher)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Each parameter's ``(members, *shape)`` window into a flat array of this pack."""
        return self.job.layout.views(flat, len(self.numbers))

    @property
    def judged(self) -> Tensor:
        """The flat weights that are validated and kept: the parameters, or their average."""
        return self.parameters if self.average is None else self.average.weights

    def begin_epoch(self, epoch: int) -> None:
        """Draw the epoch's batches."""
        order = self._layouts.order(epoch)
        weights = self._layouts.weights(order)
        self.gradients.begin_epoch(order, weights)
        self.batches = self._settings.distributed.own_parts(order, weights, self.shape.rows_of)

    def run_steps(self, epoch: int, until: int) -> None:
        """Go on with the epoch up to its step ``until``, or until the update of that step is done."""
        until = self.updates.whole(until)
        for step in range(self.step_done, until):
            progress = self._progress(epoch, step)
            regularisation = regularisation_factor(self.job.recipe, progress)
            for runner in self.gradients.runners:
                runner.set_noise(epoch, step, regularisation)
            rows, weights = self.batches[step]
            following = self.batches[step + 1 : step + 2] or self._validation[:1]
            self._expect(rows, following)
            self.gradients.compute(epoch, step, rows, weights)
            if self.updates.ends[step]:
                self._update(step, progress, regularisation)
        self.step_done = max(self.step_done, until)

    def check(self, epoch: int, number: int) -> str:
        """How recorded steps differ from PyTorch's, in words, or "": one of the epoch's, and one of fewer rows."""
        for step in {number % self.shape.steps, *([self.shape.steps - 1] if self.shape.short_steps else [])}:
            rows, weights = self.batches[step]
            rows = rows[:, : -(-rows.shape[1] // self.job.parts)]  # a part of a batch is what is recorded
            if not rows.shape[1]:
                continue
            weights, _ = local(weights[:, : rows.shape[1]], torch.ones(len(rows)))
            runner = self.gradients.runners[0]
            runner.set_noise(epoch, step, regularisation_factor(self.job.recipe, self._progress(epoch, step)))
            self._expect(self.batches[step][0], ())
            found = runner.check(epoch, step, rows, weights, members_to_check(len(rows), number))
            if found:
                return found
        return ""

    def _progress(self, epoch: int, step: int) -> float:
        """The share of all updates that is done before that step."""
        done, of_epoch = self.updates.before[step], self.updates.count
        return (epoch * of_epoch + done) / (self.job.recipe.epochs * of_epoch)

    def _expect(self, rows: Tensor, following: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Have the rows of the batch ``following`` read from their file while this one is computed."""
        if self._fetcher is not None and rows.shape[1]:
            self._fetcher.expect(rows, following[0][0] if following else None)

    def _update(self, step: int, progress: float, regularisation: float) -> None:
        recipe = self.job.recipe
        self.gradients.complete()
        self.loss_sums.add_(self.gradients.losses, alpha=self._size_of_update(step))
        if self.last_update is not None:
            self.last_update.copy_(self.gradients.flat)
        others = rate_factor(recipe, progress, recipe.muon.others_warmup) if recipe.optimizer == "muon" else None
        self.optimiser.step(rate_factor(recipe, progress), regularisation, others, self.gradients.pool)
        if self.average is not None and progress >= recipe.average_from:
            self.average.update()

    def _size_of_update(self, last: int) -> float:
        """How many whole batches the steps of the update hold that ends with step ``last``."""
        first = last
        while first and not self.updates.ends[first - 1]:
            first -= 1
        return self.shape.batches_done(last + 1) - self.shape.batches_done(first)

    def mean_losses(self) -> FloatArray:
        """The mean training loss of each member over the rows of the epoch's updates done so far.

        NaN for members whose weights are no longer finite, which a loss in bfloat16 need not show (`in_whole_numbers`).
        """
        means = self.loss_sums / (self.shape.batches_done(self.step_done) or 1)
        total = torch.stack([view.flatten(1).sum(1) for view in self.views(self.parameters)]).sum(0)
        return means.masked_fill_(~torch.isfinite(total), torch.nan).numpy()

    def end_epoch(self) -> None:
        """Ready for the next epoch."""
        self.loss_sums.zero_()
        self.step_done = 0

    @cached_property
    def _validation(self) -> list[tuple[Tensor, Tensor]]:
        """The batches of the validation, rows and weights ``(members, rows)``; none without validation rows."""
        if not self.shape.validation_steps:
            return []
        return self._settings.distributed.own_parts(*self._layouts.validation(), self.shape.rows_of_validation)

    def validate(self) -> FloatArray:
        """The loss of each member on its own validation rows, NaN where it has none; settles what is `judged`."""
        if self.average is not None:
            self.average.settle()
        if not self._validation:
            return np.full(len(self.numbers), np.nan)
        total = torch.zeros(len(self.numbers), dtype=torch.float64)
        for number, (rows, weights) in enumerate(self._validation):
            if rows.shape[1]:
                self._expect(rows, self._validation[number + 1 : number + 2])
                total += self.gradients.runners[0].validate(self.judged, rows, weights)
        return self._settings.distributed.sum_(total).numpy()

    def keep_best(self, places: Sequence[int]) -> None:
        """The weights of the members at ``places`` as they are now are their best so far."""
        for now, best in zip(self.moving, self.best_moving, strict=True):
            best[list(places)] = now[list(places)]
        if len(places) == len(self.numbers):
            self.best.copy_(self.judged)
            return
        for now, best in zip(self.views(self.judged), self.views(self.best), strict=True):
            best[list(places)] = now[list(places)]

    def best_buffer(self, place: int) -> Tensor:
        """The best epochs' content of the buffer at that place, which is today's where no step changes it."""
        moving = self.job.moving
        return self.best_moving[moving.index(place)] if place in moving else self.buffers[place]

    def state(self) -> dict[str, Tensor]:
        """The tensors that make up the state; ``step_done`` and the optimiser's ``n_steps`` as tensors too."""
        moments = {f"moment {i}": moment for i, moment in enumerate(self.optimiser.moments)}
        averages = {} if self.average is None else {"average": self.average.weights}
        in_average = 0 if self.average is None else self.average.count
        counts = {"counts": torch.tensor([self.step_done, self.optimiser.n_steps, in_average])}
        weights = {"parameters": self.parameters, "best": self.best} | averages
        buffers = {f"buffer {i}": buffer for i, buffer in enumerate(self.moving)}
        buffers |= {f"best buffer {i}": buffer for i, buffer in enumerate(self.best_moving)}
        return weights | {"loss sums": self.loss_sums} | moments | counts | buffers

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.step_done, self.optimiser.n_steps, in_average = state["counts"].tolist()
        if self.average is not None:
            self.average.count = in_average

    def take_members(self, others: Sequence[Pack]) -> None:
        """Take over the state of this pack's members from packs that hold them, all at the start of an epoch."""
        place = {number: (pack, i) for pack in others for i, number in enumerate(pack.numbers)}
        for here, number in enumerate(self.numbers):
            pack, there = place[number]
            pairs = [(pack.parameters, self.parameters), (pack.best, self.best)]
            pairs += zip(pack.optimiser.moments, self.optimiser.moments, strict=True)
            if self.average is not None and pack.average is not None:
                pairs.append((pack.average.weights, self.average.weights))
                self.average.count = pack.average.count
            for source, target in pairs:
                for old, new in zip(pack.views(source), self.views(target), strict=True):
                    new[here] = old[there]
            for at, best in zip(self.job.moving, self.best_moving, strict=True):
                self.buffers[at][here] = pack.buffers[at][there]
                best[here] = pack.best_buffer(at)[there]
            self.optimiser.n_steps = pack.optimiser.n_steps

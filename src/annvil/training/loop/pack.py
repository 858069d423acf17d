"""Members that train as one program: their weights, their batches, their steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from annvil.data.batch_transform import Moment
from annvil.tasks.base import FloatArray
from annvil.training.compat.eager import OwnNetwork
from annvil.training.loop.batches import BatchShape, Layouts, mix
from annvil.training.loop.bound_step import BoundStep, Workspace, bind_step
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.micro_batches import Part, Parts
from annvil.training.loop.prefetch import Fetcher
from annvil.training.optimizers.accumulation import Contributions, Updates, local, shares_of
from annvil.training.optimizers.averaging import Average
from annvil.training.optimizers.fused import Optimiser
from annvil.training.optimizers.schedules import rate_factor, regularisation_factor
from annvil.training.recipe import Member
from annvil.training.system.distributed import Distributed
from annvil.training.system.noise import Noise, places_of_keys


@dataclass(frozen=True)
class Manner:
    """What all packs of a run have in common beyond their job.

    ``matrices`` are the parameters that Muon takes, in bfloat16 if ``bfloat16_muon``; ``watched``: whether the last
    gradient of an epoch is kept for a listener; ``side_by_side``: whether parts of a batch have a thread each.
    """

    matrices: tuple[str, ...] = ()
    bfloat16_muon: bool = False
    watched: bool = False
    distributed: Distributed = field(default_factory=Distributed)
    side_by_side: bool = False


_PLAIN = Manner()


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
        manner: Manner = _PLAIN,
    ) -> None:
        self.job, self.numbers, self.workspace, self._manner = job, list(numbers), workspace, manner
        self.members = [job.members[number] for number in numbers]
        self.shape = BatchShape.of(self.members[0], job.recipe)
        size, count = job.layout.size(len(self.numbers)), len(self.numbers)
        self.parameters, self.best = torch.zeros(size), torch.zeros(size)
        for flat in (self.parameters, self.best):
            for view, value in zip(self.views(flat), parameters, strict=True):
                view.copy_(value)
        self.buffers = [buffer.clone() for buffer in buffers]
        self.moving = [self.buffers[place] for place in job.moving]
        self.best_moving = [buffer.clone() for buffer in self.moving]
        self.gradients = workspace.tensor("gradients", (size,))
        self._losses = torch.zeros(count)
        self.updates = Updates(self.shape.steps, job.recipe.accumulate, job.recipe.batches == "exact")
        self._sum: Contributions | None = None
        if job.recipe.accumulate > 1 or manner.distributed.world > 1 or job.parts > 1:
            total = workspace.tensor("contributions", (size + count,))
            self._sum = Contributions(job.layout, total, count, manner.distributed)
        self.update = self.gradients if self._sum is None else self._sum.gradients
        self.optimiser = Optimiser(
            job.layout, self.members, job.recipe, self.parameters, self.update, manner.matrices, manner.bfloat16_muon
        )
        self.average = None if job.recipe.average is None else Average(self.parameters, job.recipe.average)
        self.last_update = torch.zeros(size) if manner.watched else None
        self.loss_sums = torch.zeros(count, dtype=torch.float64)
        self.step_done = 0
        self._layouts = Layouts(self.members, self.shape, job.weights, job.recipe.shuffle)
        self._parts = self._cut() if job.parts > 1 else None
        of_parts = [self.buffers] if self._parts is None else [part.buffers for part in self._parts.parts]
        rank = manner.distributed.rank
        # Parts of a batch, and processes that train together, have noise and chances of augmentation of their own.
        places = [(rank, number) if number else (rank,) if rank else () for number in range(len(of_parts))]
        self._noise = [
            Noise(job.layout, buffers, self.members, place) for buffers, place in zip(of_parts, places, strict=True)
        ]
        self._chances = [tuple(mix(m.seed, *place) if place else m.seed for m in self.members) for place in places]
        self._smoothing = _smoothing(self.members)
        self._batches: list[tuple[Tensor, Tensor]] = []
        self._shares = torch.empty(0)
        self._own = OwnNetwork()
        self._steps: dict[int, BoundStep] = {}  # by rows of a batch
        self._checks: dict[int, BoundStep] = {}
        self._validation: list[tuple[Tensor, Tensor]] | None = None
        self._fetcher = Fetcher(job.inputs, job.sources) if any(job.sources) else None

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
        if self._sum is not None:
            self._shares = shares_of(self.updates, weights, order, self.job.weights)
        self._batches = self._mine(order, weights, self.shape.rows_of)

    def _mine(self, order: Tensor, weights: Tensor, rows_of: Callable[[int], int]) -> list[tuple[Tensor, Tensor]]:
        """Rows and weights ``(members, rows)`` of every step that are this process' part of it."""
        batches = []
        for step, (rows, own) in enumerate(zip(order.unbind(), weights.unbind(), strict=True)):
            part = self._manner.distributed.part(rows_of(step))
            whole = part == slice(0, rows.shape[1])
            batches.append((rows, own) if whole else (rows[:, part], own[:, part]))
        return batches

    def run_steps(self, epoch: int, until: int) -> None:
        """Go on with the epoch up to its step ``until``, or until the update of that step is done."""
        until = self.updates.whole(until)
        for step in range(self.step_done, until):
            progress = self._progress(epoch, step)
            regularisation = regularisation_factor(self.job.recipe, progress)
            for noise in self._noise:
                noise.set(epoch * self.shape.steps + step, regularisation)
            self._compute_gradients(epoch, step)
            if self.updates.ends[step]:
                self._update(step, progress, regularisation)
        self.step_done = max(self.step_done, until)

    def _progress(self, epoch: int, step: int) -> float:
        """The share of all updates that is done before that step."""
        done, of_epoch = self.updates.before[step], self.updates.count
        return (epoch * of_epoch + done) / (self.job.recipe.epochs * of_epoch)

    def _compute_gradients(self, epoch: int, step: int) -> None:
        rows, weights = self._batches[step]
        if self._sum is not None:
            if step == 0 or self.updates.ends[step - 1]:
                self._sum.clear()
            weights, shares = local(weights, self._shares[step])
        n_rows = rows.shape[1]
        if n_rows == 0:  # more processes than rows
            return
        if self._fetcher is not None:
            after = self._batches[step + 1 : step + 2] or self._checked()[:1]
            self._fetcher.expect(rows, after[0][0] if after else None)
        if self._parts is not None and self._sum is not None:
            self._parts.compute(rows, weights, shares, self._sum, self._bind_part, partial(self._load, epoch, step))
            return
        if n_rows not in self._steps:
            self._steps[n_rows] = self._bind_step(n_rows)
        bound = self._steps[n_rows]
        self._load(epoch, step, bound, 0, rows, weights)
        bound.run(self._seed(epoch * self.shape.steps + step))
        if self._sum is not None:
            self._sum.add(self.gradients, self._losses, shares)

    def _update(self, step: int, progress: float, regularisation: float) -> None:
        recipe = self.job.recipe
        if self._sum is not None:
            self._sum.complete()
        self.loss_sums.add_(self._losses if self._sum is None else self._sum.losses, alpha=self._size_of_update(step))
        if self.last_update is not None:
            self.last_update.copy_(self.update)
        others = rate_factor(recipe, progress, recipe.muon.others_warmup) if recipe.optimizer == "muon" else None
        pool = None if self._parts is None else self._parts.pool
        self.optimiser.step(rate_factor(recipe, progress), regularisation, others, pool)
        if self.average is not None and progress >= recipe.average_from:
            self.average.update()

    def _bind_step(self, rows: int) -> BoundStep:
        parameters, gradients = self.views(self.parameters), self.views(self.gradients)
        return bind_step(
            self.job, parameters, self.buffers, rows, self.workspace, self._losses, gradients, own=self._own
        )

    def _bind_check(self, rows: int) -> BoundStep:
        parameters = self.views(self.judged)
        return bind_step(self.job, parameters, self.buffers, rows, self.workspace, self._losses, own=self._own)

    def _seed(self, step: int) -> int | None:
        """What a step of a network that draws from PyTorch's generator is seeded with; -1: of the validation."""
        rank = self._manner.distributed.rank  # every process has noise of its own
        return mix(self.members[0].seed, step, 1 + rank) if self.job.draws else None

    def _load(self, epoch: int, step: int, bound: BoundStep, part: int, rows: Tensor, weights: Tensor) -> None:
        moment = Moment(self._chances[part], epoch, step, self.job.recipe.epochs)
        bound.load(self.job, rows, weights, self._smoothing, moment, self._fetcher)

    def _cut(self) -> Parts:
        """The parts of a batch: the first in this pack's memory, the others with their own."""
        own = [*self.job.moving, *places_of_keys(self.job.layout)]
        parts = [Part(self.workspace, self.gradients, self._losses, self.buffers)]
        for _ in range(1, self.job.parts):
            workspace = Workspace()
            buffers = [b.clone() if place in own else b for place, b in enumerate(self.buffers)]
            gradients = workspace.tensor("gradients", tuple(self.gradients.shape))
            parts.append(Part(workspace, gradients, torch.zeros_like(self._losses), buffers))
        return Parts(parts, self.job.moving, self._manner.side_by_side)

    def _bind_part(self, part: Part, rows: int) -> BoundStep:
        parameters, gradients = self.views(self.parameters), self.views(part.gradients)
        return bind_step(self.job, parameters, part.buffers, rows, part.workspace, part.losses, gradients)

    def mean_losses(self) -> FloatArray:
        """The mean training loss of each member over the rows of the epoch's updates done so far.

        NaN for members whose weights are no longer finite, which a loss in bfloat16 need not show (`in_whole_numbers`).
        """
        means = self.loss_sums / (self.shape.batches_done(self.step_done) or 1)
        total = torch.stack([view.flatten(1).sum(1) for view in self.views(self.parameters)]).sum(0)
        return means.masked_fill_(~torch.isfinite(total), torch.nan).numpy()

    def _size_of_update(self, last: int) -> float:
        """How many whole batches the steps of the update hold that ends with step ``last``."""
        first = last
        while first and not self.updates.ends[first - 1]:
            first -= 1
        return self.shape.batches_done(last + 1) - self.shape.batches_done(first)

    def end_epoch(self) -> None:
        """Ready for the next epoch."""
        self.loss_sums.zero_()
        self.step_done = 0

    def validate(self) -> FloatArray:
        """The loss of each member on its own validation rows, NaN where it has none; settles what is `judged`."""
        if self.average is not None:
            self.average.settle()
        if not self.shape.validation_steps:
            return np.full(len(self.numbers), np.nan)
        total = torch.zeros(len(self.numbers), dtype=torch.float64)
        batches = self._checked()
        for number, (rows, weights) in enumerate(batches):
            n_rows = rows.shape[1]
            if n_rows == 0:
                continue
            if self._fetcher is not None:
                self._fetcher.expect(rows, batches[number + 1][0] if number + 1 < len(batches) else None)
            if n_rows not in self._checks:
                self._checks[n_rows] = self._bind_check(n_rows)
            bound = self._checks[n_rows]
            bound.load(self.job, rows, weights, None, fetcher=self._fetcher)
            bound.run(self._seed(-1))
            total += self._losses
        return self._manner.distributed.sum_(total).numpy()

    def _checked(self) -> list[tuple[Tensor, Tensor]]:
        """The batches of the validation; none without validation rows."""
        if self._validation is None and self.shape.validation_steps:
            self._validation = self._mine(*self._layouts.validation(), self.shape.rows_of_validation)
        return self._validation or []

    def keep_best(self, places: Sequence[int]) -> None:
        """The weights of the members at ``places`` as they are now are their best so far."""
        for now, best in zip(self.moving, self.best_moving, strict=True):
            best[list(places)] = now[list(places)]
        if len(places) == len(self.numbers):
            self.best.copy_(self.judged)
            return
        for now, best in zip(self.views(self.judged), self.views(self.best), strict=True):
            best[list(places)] = now[list(places)]

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
            for old, new in zip((*pack.moving, *pack.best_moving), (*self.moving, *self.best_moving), strict=True):
                new[here] = old[there]
            self.optimiser.n_steps = pack.optimiser.n_steps


def _smoothing(members: Sequence[Member]) -> Tensor | None:
    values = [member.label_smoothing for member in members]
    return torch.tensor(values).view(-1, 1, 1) if any(values) else None

"""Members that train as one program: their weights, their batches, their steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from annvil.task import FloatArray
from annvil.training.batches import BatchShape, Layouts, mix
from annvil.training.job import BoundStep, Job, Workspace, bind_step
from annvil.training.optimisers import Optimiser
from annvil.training.recipe import Member
from annvil.training.schedules import rate_factor, regularisation_factor
from annvil.training.stack import Layout


class Pack:
    """The members ``numbers`` of a job (all of one `BatchShape`).

    Its state is in ``parameters``, ``best`` and ``optimiser.moments`` (flat float32), ``optimiser.n_steps``,
    ``loss_sums`` and ``step_done``, the steps of the current epoch that are done; `state` and `set_state` read and
    write all of it.
    """

    def __init__(
        self,
        job: Job,
        numbers: Sequence[int],
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor],
        workspace: Workspace,
    ) -> None:
        self.job, self.numbers, self.workspace = job, list(numbers), workspace
        self.members = [job.members[number] for number in numbers]
        self.shape = BatchShape.of(self.members[0], job.recipe)
        size = job.layout.size(len(self.numbers))
        self.parameters, self.best = torch.zeros(size), torch.zeros(size)
        for flat in (self.parameters, self.best):
            for view, value in zip(self.views(flat), parameters, strict=True):
                view.copy_(value)
        self.buffers = [buffer.clone() for buffer in buffers]
        self.gradients = workspace.tensor("gradients", (size,))
        self.optimiser = Optimiser(job.layout, self.members, job.recipe, self.parameters, self.gradients)
        self.loss_sums = torch.zeros(len(self.numbers), dtype=torch.float64)
        self.step_done = 0
        self._losses = torch.zeros(len(self.numbers))
        self._layouts = Layouts(self.members, self.shape, job.weights)
        self._noise = _Noise(job.layout, self.buffers, self.members)
        self._smoothing = _smoothing(self.members)
        self._order = self._weights = torch.empty(0)
        self._step: BoundStep | None = None
        self._check: tuple[BoundStep, Tensor, Tensor] | None = None

    def views(self, flat: Tensor) -> list[Tensor]:
        """Each parameter's ``(members, *shape)`` window into a flat array of this pack."""
        return self.job.layout.views(flat, len(self.numbers))

    def begin_epoch(self, epoch: int) -> None:
        """Draw the epoch's batches."""
        self._order = self._layouts.order(epoch)
        self._weights = self._layouts.weights(self._order)

    def run_steps(self, epoch: int, until: int) -> None:
        """Go on with the epoch up to its step ``until``."""
        if self._step is None:
            self._step = self._bind_step()
        recipe, steps = self.job.recipe, self.shape.steps
        for step in range(self.step_done, until):
            done = epoch * steps + step
            progress = done / (recipe.epochs * steps)
            regularisation = regularisation_factor(recipe, progress)
            self._noise.set(done, regularisation)
            self._step.load(self.job, self._order[step], self._weights[step], self._smoothing)
            self._step.program.run()
            self.loss_sums += self._losses
            self.optimiser.step(rate_factor(recipe, progress), regularisation)
        self.step_done = max(self.step_done, until)

    def _bind_step(self) -> BoundStep:
        parameters, gradients = self.views(self.parameters), self.views(self.gradients)
        return bind_step(self.job, parameters, self.buffers, self.shape.batch, self.workspace, self._losses, gradients)

    def mean_losses(self) -> FloatArray:
        """The mean training loss of each member over the epoch's steps done so far."""
        return (self.loss_sums / max(self.step_done, 1)).numpy()

    def end_epoch(self) -> None:
        """Ready for the next epoch."""
        self.loss_sums.zero_()
        self.step_done = 0

    def validate(self) -> FloatArray:
        """The loss of each member on its own validation rows, NaN where it has none."""
        if not self.shape.validation_steps:
            return np.full(len(self.numbers), np.nan)
        if self._check is None:
            batch = self.shape.validation_batch
            views = self.views(self.parameters)
            bound = bind_step(self.job, views, self.buffers, batch, self.workspace, self._losses)
            self._check = (bound, *self._layouts.validation())
        bound, order, weights = self._check
        total = torch.zeros(len(self.numbers), dtype=torch.float64)
        for step in range(self.shape.validation_steps):
            bound.load(self.job, order[step], weights[step], None)
            bound.program.run()
            total += self._losses
        return total.numpy()

    def keep_best(self, places: Sequence[int]) -> None:
        """The weights of the members at ``places`` as they are now are their best so far."""
        if len(places) == len(self.numbers):
            self.best.copy_(self.parameters)
            return
        for now, best in zip(self.views(self.parameters), self.views(self.best), strict=True):
            best[list(places)] = now[list(places)]

    def state(self) -> dict[str, Tensor]:
        """The tensors that make up the state; ``step_done`` and the optimiser's ``n_steps`` as tensors too."""
        moments = {f"moment {i}": moment for i, moment in enumerate(self.optimiser.moments)}
        counts = {"counts": torch.tensor([self.step_done, self.optimiser.n_steps])}
        return {"parameters": self.parameters, "best": self.best, "loss sums": self.loss_sums} | moments | counts

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.step_done, self.optimiser.n_steps = state["counts"].tolist()

    def take_members(self, others: Sequence[Pack]) -> None:
        """Take over the state of this pack's members from packs that hold them, all at the start of an epoch."""
        place = {number: (pack, i) for pack in others for i, number in enumerate(pack.numbers)}
        for here, number in enumerate(self.numbers):
            pack, there = place[number]
            pairs = [(pack.parameters, self.parameters), (pack.best, self.best)]
            pairs += zip(pack.optimiser.moments, self.optimiser.moments, strict=True)
            for source, target in pairs:
                for old, new in zip(pack.views(source), self.views(target), strict=True):
                    new[here] = old[there]
            self.optimiser.n_steps = pack.optimiser.n_steps


def _smoothing(members: Sequence[Member]) -> Tensor | None:
    values = [member.label_smoothing for member in members]
    return torch.tensor(values).view(-1, 1, 1) if any(values) else None


class _Noise:
    """Sets what the noise modules of the members read: a rate and a key, new for every step.

    A noise module is one with buffers named ``rate`` (float32) and ``key`` (int32), such as `annvil.networks.Dropout`.
    A key follows from the member's seed, the module's place in the network and the number of the step, never from other
    members.
    """

    def __init__(self, layout: Layout, buffers: Sequence[Tensor], members: Sequence[Member]) -> None:
        by_name = dict(zip(layout.buffers, buffers, strict=True))
        paths = [name.removesuffix("key") for name in layout.buffers if name == "key" or name.endswith(".key")]
        paths = [path for path in paths if f"{path}rate" in by_name]
        self._keys = [by_name[f"{path}key"] for path in paths]
        self._rates = [by_name[f"{path}rate"] for path in paths]
        for rate in self._rates:
            for k, member in enumerate(members):
                if member.dropout is not None:
                    rate[k] = member.dropout
        self._peaks = [rate.clone() for rate in self._rates]
        seeds = [[mix(member.seed, 1 + place) & _MASK for member in members] for place in range(len(paths))]
        self._seeds = torch.tensor(seeds)
        self._factor = 1.0

    def set(self, step: int, factor: float) -> None:
        """Keys for step number ``step`` of the whole training; rates times ``factor``."""
        if not self._keys:
            return
        keys = (self._seeds + (step * 0x9E3779B9 & _MASK)) & _MASK
        keys = ((keys ^ keys >> 16) * 0x45D9F3B) & _MASK
        keys = (keys ^ keys >> 16) - 0x80000000
        for key, value in zip(self._keys, keys, strict=True):
            key.copy_(value)
        if factor != self._factor:
            self._factor = factor
            for rate, peak in zip(self._rates, self._peaks, strict=True):
                torch.mul(peak, factor, out=rate)


_MASK = 0xFFFFFFFF

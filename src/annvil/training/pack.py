"""Members that train as one program: their weights, their batches, their steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from annvil.task import FloatArray
from annvil.training.batches import BatchShape, Layouts, mix
from annvil.training.losses import Loss
from annvil.training.optimisers import Optimiser
from annvil.training.program import Program, bind
from annvil.training.recipe import Member, Recipe
from annvil.training.schedules import rate_factor, regularisation_factor
from annvil.training.stack import Layout
from annvil.training.tracing import trace


@dataclass(frozen=True)
class Job:
    """What all packs of a population share."""

    network: nn.Module  # for its structure; its own weights are not used
    layout: Layout
    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None
    loss: Loss
    recipe: Recipe
    members: tuple[Member, ...]
    bfloat16: bool = False
    batched: bool = True  # False: the network cannot be vmapped, so packs hold one member each


class Pack:
    """The members ``numbers`` of a job (all of one `BatchShape`), between steps.

    State: ``parameters`` and ``best`` (flat float32), the optimiser's, and where the epoch stands (``step_done``).
    """

    def __init__(
        self, job: Job, numbers: Sequence[int], parameters: Sequence[Tensor], buffers: Sequence[Tensor]
    ) -> None:
        self.job, self.numbers = job, list(numbers)
        self.members = [job.members[number] for number in numbers]
        self.shape = BatchShape.of(self.members[0], job.recipe)
        size = job.layout.size(len(self.numbers))
        self.parameters, self.gradients = torch.zeros(size), torch.zeros(size)
        self.buffers = [buffer.clone() for buffer in buffers]
        for view, value in zip(self.views(self.parameters), parameters, strict=True):
            view.copy_(value)
        self.best = self.parameters.clone()
        self.optimiser = Optimiser(job.layout, self.members, job.recipe, self.parameters, self.gradients)
        self.losses = torch.zeros(len(self.numbers))
        self.loss_sums = torch.zeros(len(self.numbers), dtype=torch.float64)
        self.step_done = 0
        self._order = self._weights = torch.empty(0)
        self._layouts = Layouts(self.members, self.shape, job.weights)
        self._noise = _Noise(job.network, job.layout, self.buffers, self.members)
        self._step: _Bound | None = None
        self._check: _Bound | None = None

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
        smoothing = self._smoothing()
        with torch.no_grad():
            for step in range(self.step_done, until):
                done = epoch * steps + step
                progress = done / (recipe.epochs * steps)
                regularisation = regularisation_factor(recipe, progress)
                self._noise.set(done, regularisation)
                self._step.load(self.job, self._order[step], self._weights[step], smoothing)
                self._step.program.run()
                self.loss_sums += self.losses
                self.optimiser.step(rate_factor(recipe, progress), regularisation)
        self.step_done = until

    def end_epoch(self) -> FloatArray:
        """The mean training loss of each member over the epoch's steps done, and back to the start of an epoch."""
        means = (self.loss_sums / max(self.step_done, 1)).numpy().copy()
        self.loss_sums.zero_()
        self.step_done = 0
        return means  # type: ignore[no-any-return]

    def validate(self) -> FloatArray:
        """The loss of each member on its own validation rows, NaN where it has none."""
        steps = self.shape.validation_steps
        if not steps:
            return np.full(len(self.numbers), np.nan)
        if self._check is None:
            self._check = self._bind_check()
            self._validation = self._layouts.validation()
        total = torch.zeros(len(self.numbers), dtype=torch.float64)
        order, weights = self._validation
        with torch.no_grad():
            for step in range(steps):
                self._check.load(self.job, order[step], weights[step], None)
                self._check.program.run()
                total += self.losses
        return total.numpy().copy()  # type: ignore[no-any-return]

    def keep_best(self, places: Sequence[int]) -> None:
        """The weights of the members at ``places`` as they are now are their best so far."""
        self._copy_members(self.parameters, self.best, places)

    def restore(self, places: Sequence[int]) -> None:
        """Set members back to their best weights (their moments to zero), so that a diverged one computes with numbers."""
        self._copy_members(self.best, self.parameters, places)
        for moment in self.optimiser.moments:
            for view in self.views(moment):
                view[list(places)] = 0.0

    def _copy_members(self, source: Tensor, target: Tensor, places: Sequence[int]) -> None:
        if len(places) == len(self.numbers):
            target.copy_(source)
            return
        for old, new in zip(self.views(source), self.views(target), strict=True):
            new[list(places)] = old[list(places)]

    def _smoothing(self) -> Tensor | None:
        values = [member.label_smoothing for member in self.members]
        return torch.tensor(values).view(-1, 1, 1) if any(values) else None

    def _bind_step(self) -> _Bound:
        outputs = [*self.views(self.gradients), self.losses]
        return _Bound.make(self, self.shape.batch, training=True, outputs=outputs)

    def _bind_check(self) -> _Bound:
        return _Bound.make(self, self.shape.validation_batch, training=False, outputs=[self.losses])


@dataclass
class _Bound:
    """A program with the memory its batch goes into."""

    program: Program
    rows: list[Tensor]  # inputs, (members, batch, ...)
    targets: Tensor
    prepared: tuple[Tensor, ...]

    @classmethod
    def make(cls, pack: Pack, batch: int, training: bool, outputs: list[Tensor]) -> _Bound:
        """Trace and bind the gradient step, or only the loss, for batches of ``batch`` rows."""
        job, n_members = pack.job, len(pack.numbers)
        rows = [_memory(tensor, n_members, batch) for tensor in job.inputs]
        targets = _memory(job.targets, n_members, batch)
        prepared = job.loss.buffers(n_members, batch)
        network = copy.deepcopy(job.network).train(training)
        parts = (len(job.layout.names), len(pack.buffers), len(rows), len(prepared))
        function = _step_function(job, network, parts, with_gradient=training)
        arguments = [*pack.views(pack.parameters), *pack.buffers, *rows, *prepared]
        bound = cls(bind(trace(function, arguments), arguments, outputs), rows, targets, prepared)
        return bound

    def load(self, job: Job, order: Tensor, weights: Tensor, smoothing: Tensor | None) -> None:
        """Gather the batch."""
        flat = order.reshape(-1)
        for source, target in zip((*job.inputs, job.targets), (*self.rows, self.targets), strict=True):
            torch.index_select(source, 0, flat, out=target.view(len(flat), *target.shape[2:]))
        job.loss.fill(self.prepared, self.targets, weights, smoothing)


def _memory(tensor: Tensor, members: int, batch: int) -> Tensor:
    return torch.zeros(members, batch, *tensor.shape[1:], dtype=tensor.dtype)


def _step_function(
    job: Job, network: nn.Module, parts: tuple[int, int, int, int], with_gradient: bool
) -> Callable[..., Sequence[Tensor]]:
    """The function to trace: stacked tensors in; gradients (in the layout's order, if asked for) and losses out."""
    layout = job.layout

    def member_loss(parameters: Any, buffers: Any, rows: Any, prepared: Any) -> Tensor:
        state = dict(zip(layout.names, parameters, strict=True)) | dict(zip(layout.buffers, buffers, strict=True))
        return job.loss.value(functional_call(network, state, tuple(rows)), *prepared)

    def step(*tensors: Tensor) -> Sequence[Tensor]:
        waiting = iter(tensors)
        groups = [[next(waiting) for _ in range(count)] for count in parts]
        parameters = groups[0] = [tensor.detach().requires_grad_(with_gradient) for tensor in groups[0]]
        if job.batched:
            losses = vmap(member_loss)(*groups)
        else:
            losses = member_loss(*[[tensor[0] for tensor in group] for group in groups]).unsqueeze(0)
        if not with_gradient:
            return [losses]
        # Members share nothing, so the gradient of the sum holds each member's own gradient.
        return [*torch.autograd.grad(losses.sum(), parameters, materialize_grads=True), losses.detach()]

    return step


class _Noise:
    """Sets what the noise modules of the members read: a rate and a key, new for every step.

    A noise module is one with buffers named ``rate`` (float32) and ``key`` (int32), such as `annvil.networks.Dropout`. A key
    follows from the member's seed, the module's place in the network and the number of the step, never from other members.
    """

    def __init__(
        self, network: nn.Module, layout: Layout, buffers: Sequence[Tensor], members: Sequence[Member]
    ) -> None:
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
        self._seeds = torch.tensor(
            [[mix(member.seed, 1 + place) & 0xFFFFFFFF for member in members] for place in range(len(paths))]
        )
        self._factor = 1.0

    def set(self, step: int, factor: float) -> None:
        """Keys for step number ``step`` of the whole training; rates times ``factor``."""
        if not self._keys:
            return
        keys = (self._seeds + (step * 0x9E3779B9 & 0xFFFFFFFF)) & 0xFFFFFFFF
        keys = ((keys ^ keys >> 16) * 0x45D9F3B) & 0xFFFFFFFF
        keys = (keys ^ keys >> 16) - 0x80000000
        for key, value in zip(self._keys, keys, strict=True):
            key.copy_(value)
        if factor != self._factor:
            self._factor = factor
            for rate, peak in zip(self._rates, self._peaks, strict=True):
                torch.mul(peak, factor, out=rate)

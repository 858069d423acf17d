"""What all packs of a population share, and the programs that their members are trained and validated with."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from annvil.training.batches import BatchShape
from annvil.training.losses import Loss
from annvil.training.nodes import Trace
from annvil.training.precision import in_bfloat16
from annvil.training.program import Arena, Program, bind
from annvil.training.recipe import Member, Recipe
from annvil.training.stack import Layout
from annvil.training.tracing import trace


@dataclass(frozen=True)
class Job:
    """A population to train.

    ``network`` serves for its structure; its own weights are not used. Without ``batched`` the network cannot be
    vmapped, and packs hold one member each. With ``bfloat16`` large products are rounded (see `in_bfloat16`).
    """

    network: nn.Module
    layout: Layout
    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None
    loss: Loss
    recipe: Recipe
    members: tuple[Member, ...]
    batched: bool = True
    bfloat16: bool = False
    _traces: dict[tuple[int, int, bool], Trace] = field(default_factory=dict)
    _probes: dict[int, Probe] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changed(self, **changes: Any) -> Job:
        """The job with other choices; what was recorded for the old ones is forgotten."""
        return replace(self, **changes, _traces={}, _probes={})

    def recorded(self, members: int, batch: int, training: bool, example: Sequence[Tensor]) -> Trace:
        """The trace for packs of that size; recorded when first asked for."""
        with self._lock:
            key = (members, batch, training)
            if key not in self._traces:
                network = copy.deepcopy(self.network).train(training)
                recorded = trace(step_function(self, network, training), example)
                self._traces[key] = in_bfloat16(recorded) if self.bfloat16 else recorded
            return self._traces[key]


@dataclass(frozen=True)
class Probe:
    """What a step takes for one member: bytes beside its weights and moments, and work (`Trace.work`)."""

    scratch_bytes: int
    work: float


class Workspace:
    """Memory of one worker, used by one pack after another: batches, gradients, everything between."""

    def __init__(self) -> None:
        self.arena = Arena()
        self._kept: dict[Any, Any] = {}

    def tensor(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """The tensor of that name and form; zeros at first."""
        return self.keep((name, shape, dtype), lambda: torch.zeros(shape, dtype=dtype))  # type: ignore[no-any-return]

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` returned when ``key`` was first asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        kept = [t for value in self._kept.values() for t in (value if isinstance(value, tuple) else (value,))]
        return self.arena.n_bytes + sum(int(tensor.nbytes) for tensor in kept)


@dataclass
class BoundStep:
    """A program with the memory its batch goes into: `load`, then ``program.run()``."""

    program: Program
    loss: Loss
    rows: list[Tensor]  # of the inputs, (members, batch, ...)
    targets: Tensor
    prepared: tuple[Tensor, ...]

    def load(self, job: Job, order: Tensor, weights: Tensor, smoothing: Tensor | None) -> None:
        """Gather the rows ``order (members, batch)`` and prepare the loss with their ``weights``."""
        flat = order.reshape(-1)
        for source, target in zip((*job.inputs, job.targets), (*self.rows, self.targets), strict=True):
            torch.index_select(source, 0, flat, out=target.view(len(flat), *target.shape[2:]))
        self.loss.fill(self.prepared, self.targets, weights, smoothing)


def bind_step(
    job: Job,
    parameters: Sequence[Tensor],
    buffers: Sequence[Tensor],
    batch: int,
    workspace: Workspace,
    losses: Tensor,
    gradients: Sequence[Tensor] = (),
) -> BoundStep:
    """The step for stacked ``parameters`` that fills ``losses (members,)`` and, if given, ``gradients``."""
    members = len(parameters[0])
    rows = [
        workspace.tensor(f"input {i}", (members, batch, *tensor.shape[1:]), tensor.dtype)
        for i, tensor in enumerate(job.inputs)
    ]
    targets = workspace.tensor("target", (members, batch, *job.targets.shape[1:]), job.targets.dtype)
    prepared = workspace.keep(("prepared", members, batch), lambda: job.loss.buffers(members, batch))
    arguments = [*parameters, *buffers, *rows, *prepared]
    recorded = job.recorded(members, batch, bool(gradients), arguments)
    program = bind(recorded, arguments, [*gradients, losses], workspace.arena)
    return BoundStep(program, job.loss, rows, targets, prepared)


def step_function(job: Job, network: nn.Module, with_gradient: bool) -> Callable[..., Sequence[Tensor]]:
    """The function to trace: stacked tensors in; gradients (in the layout's order, if asked for) and losses out."""
    layout = job.layout
    counts = [len(layout.names), len(layout.buffers), len(job.inputs)]

    def member_loss(*groups: Any) -> Tensor:
        parameters, buffers, rows, prepared = groups
        state = dict(zip(layout.names, parameters, strict=True)) | dict(zip(layout.buffers, buffers, strict=True))
        return job.loss.value(functional_call(network, state, tuple(rows)), *prepared)

    def step(*tensors: Tensor) -> Sequence[Tensor]:
        waiting = list(tensors)
        groups = []
        for count in counts:
            groups.append(waiting[:count])
            waiting = waiting[count:]
        with torch.set_grad_enabled(with_gradient):
            parameters = groups[0] = [tensor.detach().requires_grad_(with_gradient) for tensor in groups[0]]
            groups.append(waiting)
            if job.batched:
                # Noise of PyTorch's own is let through here, so that the recorder can refuse it by name.
                losses = vmap(member_loss, randomness="different")(*groups)
            else:
                alone = [[tensor[0] for tensor in group] for group in groups]
                losses = member_loss(*alone).unsqueeze(0)
            if not with_gradient:
                return [losses]
            # Members share nothing, so the gradient of the sum holds each member's own gradient.
            return [*torch.autograd.grad(losses.sum(), parameters, materialize_grads=True), losses.detach()]

    return step


def probe(job: Job, shape: BatchShape) -> Probe:
    """Record the step for one member and see what it takes; asked again, the same answer."""
    if shape.batch not in job._probes:
        workspace = Workspace()
        parameters = [torch.zeros(1, *form) for form in job.layout.shapes]
        buffers = [buffer.unsqueeze(0) for buffer in job.layout.buffers_of(job.network)]
        gradients = [workspace.tensor(f"gradient {i}", tuple(p.shape)) for i, p in enumerate(parameters)]
        bind_step(job, parameters, buffers, shape.batch, workspace, torch.zeros(1), gradients)
        job._probes[shape.batch] = Probe(workspace.n_bytes, job.recorded(1, shape.batch, True, ()).work)
    return job._probes[shape.batch]

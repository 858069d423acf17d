"""A step bound to memory: its batch goes in, its gradients and losses come out where the pack wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from annvil.data.batch_transform import Moment
from annvil.training.compat.eager import EagerStep, OwnNetwork, Windows
from annvil.training.graph.memory_plan import Arena
from annvil.training.graph.program import bind
from annvil.training.loop.batches import BatchShape
from annvil.training.loop.job import Probe, TrainingJob
from annvil.training.loop.prefetch import Fetcher
from annvil.training.losses.named import Batch, Loss
from annvil.training.system.random_state import seeded


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


class Runs(Protocol):
    """A step bound to memory."""

    def run(self) -> None:
        """Compute it."""


@dataclass
class BoundStep:
    """A step with the memory its batch goes into: `load`, then `run`."""

    program: Runs
    loss: Loss
    rows: list[Tensor]  # of the inputs, (members, batch, ...)
    targets: Tensor
    prepared: tuple[Tensor, ...]
    buffers: tuple[list[Tensor], list[Tensor]]  # those that the step changes, and where it leaves their new content

    def load(
        self,
        job: TrainingJob,
        order: Tensor,
        weights: Tensor,
        smoothing: Tensor | None,
        moment: Moment | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Gather the rows ``order (members, batch)`` and prepare the loss with their ``weights``.

        At a ``moment`` of training, the job's augmentation changes the batch. A ``fetcher`` knows the batch already.
        """
        flat = order.reshape(-1)
        pairs = [*zip(job.inputs, self.rows, strict=True), (job.targets, self.targets)]
        if fetcher is not None:
            fetcher.fill(order, self.rows)
            pairs = pairs[-1:]
        for source, target in pairs:
            torch.index_select(source, 0, flat, out=target.view(len(flat), *target.shape[2:]))
        mixing = None if job.augment is None or moment is None else job.augment(self.rows, order, moment)
        self.loss.fill(self.prepared, Batch(self.targets, weights, smoothing, mixing))

    def run(self, seed: int | None = None) -> None:
        """Compute the step; with a ``seed``, what it draws from PyTorch's generator follows from it."""
        if seed is None:
            self.program.run()
        else:
            with seeded(seed):
                self.program.run()
        if self.buffers[0]:
            torch._foreach_copy_(*self.buffers)


def bind_step(
    job: TrainingJob,
    parameters: Sequence[Tensor],
    buffers: Sequence[Tensor],
    batch: int,
    workspace: Workspace,
    losses: Tensor,
    gradients: Sequence[Tensor] = (),
    own: OwnNetwork | None = None,
) -> BoundStep:
    """The step for stacked ``parameters`` that fills ``losses (members,)`` and, if given, ``gradients``.

    With gradients it is a training step, which may change ``buffers``. ``own`` is the pack's network if it is eager.
    """
    members = len(parameters[0])
    rows = [
        workspace.tensor(f"input {i}", (members, batch, *tensor.shape[1:]), tensor.dtype)
        for i, tensor in enumerate(job.inputs)
    ]
    targets = workspace.tensor("target", (members, batch, *job.targets.shape[1:]), job.targets.dtype)
    prepared = workspace.keep(("prepared", members, batch), lambda: job.loss.buffers(members, batch))
    if job.eager:
        windows = Windows(job.step, [p[0] for p in parameters], [b[0] for b in buffers], [g[0] for g in gradients])
        step = EagerStep(own or OwnNetwork(), windows, [row[0] for row in rows], [p[0] for p in prepared], losses)
        return BoundStep(step, job.loss, rows, targets, prepared, ([], []))
    arguments = [*parameters, *buffers, *rows, *prepared]
    recorded = job.recorded(members, batch, bool(gradients), arguments)
    moving = [buffers[i] for i in recorded.moved]
    new = [workspace.tensor(f"buffer {i}", tuple(buffers[i].shape), buffers[i].dtype) for i in recorded.moved]
    program: Runs = bind(recorded.trace, arguments, [*gradients, losses, *new], workspace.arena)
    if any(node.op in _WITH_WORKSPACE for node in recorded.trace.nodes):
        program = _Graded(program)
    return BoundStep(program, job.loss, rows, targets, prepared, (moving, new))


_WITH_WORKSPACE = (torch.ops.aten.mkldnn_rnn_layer.default,)
"""Operations that keep what their backward needs only while gradients are on, whatever their arguments say."""


@dataclass
class _Graded:
    """A program that is run with gradients on; none of its tensors asks for one."""

    program: Runs

    def run(self) -> None:
        with torch.enable_grad():
            self.program.run()


def probe(job: TrainingJob, shape: BatchShape) -> Probe:
    """Record the step for one member and see what it takes; asked again, the same answer."""
    if job.eager:
        return Probe(1, job.work_of_row * shape.batch)
    if shape.batch not in job._probes:
        workspace = Workspace()
        parameters = [torch.zeros(1, *form) for form in job.layout.shapes]
        buffers = [buffer.unsqueeze(0) for buffer in job.layout.buffers_of(job.network)]
        gradients = [workspace.tensor(f"gradient {i}", tuple(p.shape)) for i, p in enumerate(parameters)]
        bind_step(job, parameters, buffers, shape.batch, workspace, torch.zeros(1), gradients)
        job._probes[shape.batch] = Probe(workspace.n_bytes, job.recorded(1, shape.batch, True, ()).trace.work)
    return job._probes[shape.batch]

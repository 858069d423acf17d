"""What all packs of a population share, and the programs that their members are trained and validated with."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from annvil.data.batch_transform import Augment, Moment
from annvil.training.compat.eager import EagerStep, OwnNetwork, Windows
from annvil.training.graph.convolutions import channels_last
from annvil.training.graph.program import Arena, bind
from annvil.training.graph.recording import Recorded, record
from annvil.training.loop.batches import BatchShape
from annvil.training.loop.prefetch import Fetcher, Source, sources
from annvil.training.loop.stack import Layout
from annvil.training.losses.named import Loss
from annvil.training.recipe import Member, Recipe
from annvil.training.system.random_state import seeded


@dataclass(frozen=True)
class Job:
    """A population to train.

    ``network`` serves for its structure; its own weights are not used. It is what the caller gave (``given``) with its
    noise swapped for one that follows from a key. Without ``batched`` the network is not vmapped, and packs hold one
    member each. With ``eager`` its step is computed by PyTorch's autograd anew every time, otherwise recorded once.
    With ``draws`` the network draws from PyTorch's default generator, which is then seeded for every step. With
    ``bfloat16`` large products are rounded (see `annvil.training.graph.precision`). ``moving`` are the places of the
    buffers
    that a training step changes, such as batch norm's running statistics. ``augment`` changes training batches.
    """

    network: nn.Module
    given: nn.Module
    layout: Layout
    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None
    loss: Loss
    recipe: Recipe
    members: tuple[Member, ...]
    batched: bool = True
    eager: bool = False
    draws: bool = False
    bfloat16: bool = False
    moving: tuple[int, ...] = ()
    augment: Augment | None = None
    parts: int = 1  # of every batch; see `parts`
    work_of_row: float = 0.0  # of eager steps, which nobody can read it off; see `probe`
    _recorded: dict[tuple[int, int, bool], Recorded] = field(default_factory=dict)
    _probes: dict[int, Probe] = field(default_factory=dict)
    _sources: list[list[Source | None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changed(self, **changes: Any) -> Job:
        """The job with other choices; what was recorded for the old ones is forgotten."""
        return replace(self, **changes, _recorded={}, _probes={})

    def recorded(self, members: int, batch: int, training: bool, example: Sequence[Tensor]) -> Recorded:
        """What a step of packs of that size does; recorded when first asked for."""
        with self._lock:
            key = (members, batch, training)
            if key not in self._recorded:
                network = channels_last(copy.deepcopy(self.network).train(training))
                self._recorded[key] = record(self, network, training, example)
            return self._recorded[key]

    def widened(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Inputs as the network takes them: bytes as the recipe says, all others as they are."""
        return widened(rows, self.recipe)

    @property
    def sources(self) -> Sequence[Source | None]:
        """For every input the file that its rows are read from, None where it is in memory; found out once."""
        with self._lock:
            if not self._sources:
                self._sources.append(sources(self.inputs))
            return self._sources[0]


def widened(rows: Sequence[Tensor], recipe: Recipe) -> list[Tensor]:
    """Inputs as the network takes them: bytes as ``recipe.byte_inputs`` says, all others as they are."""
    if recipe.byte_inputs == "integers":
        return list(rows)
    return [tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor for tensor in rows]


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
        job: Job,
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
        self.loss.fill(self.prepared, self.targets, weights, smoothing, mixing)

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
    job: Job,
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
        windows = Windows(job, [p[0] for p in parameters], [b[0] for b in buffers], [g[0] for g in gradients])
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


def probe(job: Job, shape: BatchShape) -> Probe:
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

"""A step bound to memory: its batch goes in, its gradients and losses come out where the pack wants them.

`bind_step` makes one `BoundStep` for a number of rows; a `StepRunner` has those of a pack, or of a part of its batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from annvil.data.batch_transform import Moment
from annvil.errors import first_line
from annvil.training.compat.eager import EagerStep, OwnNetwork, Windows
from annvil.training.compat.python_values import undone
from annvil.training.graph.memory_plan import Arena
from annvil.training.graph.program import bind
from annvil.training.loop.batches import BatchShape, mix
from annvil.training.loop.checks import Step
from annvil.training.loop.job import Probe, TrainingJob
from annvil.training.loop.prefetch import Fetcher
from annvil.training.losses.named import Batch, Loss
from annvil.training.losses.resolve import given_function
from annvil.training.recipe import Member
from annvil.training.system.noise import Noise
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
        windows = Windows(job, [p[0] for p in parameters], [b[0] for b in buffers], [g[0] for g in gradients])
        step = EagerStep(own or OwnNetwork(), windows, [row[0] for row in rows], [p[0] for p in prepared], losses)
        return BoundStep(step, job.loss, rows, targets, prepared, ([], []))
    arguments = [*parameters, *buffers, *rows, *prepared]
    if (members, batch, bool(gradients)) not in job._recorded:
        # What is recorded computes on real rows: a length of 0 or a division by it stops a network that is right.
        for source, row in zip(job.inputs, rows, strict=True):
            row.copy_(source[torch.arange(members * batch) % len(source)].view(row.shape))
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
        parameters, buffers = job.one_member()
        gradients = [workspace.tensor(f"gradient {i}", tuple(p.shape)) for i, p in enumerate(parameters)]
        bind_step(job, parameters, buffers, shape.batch, workspace, torch.zeros(1), gradients)
        job._probes[shape.batch] = Probe(workspace.n_bytes, job.recorded(1, shape.batch, True, ()).trace.work)
    return job._probes[shape.batch]


class StepRunner:
    """Runs the step of ``members`` on one thread: rows go in, `gradients` and `losses` come out.

    Parameters
    ----------
    parameters : flat; several runners may look at the same
    buffers : those of the members, ``(members, ...)`` each; a step changes the moving ones
    workspace : where batches, the gradient and everything between lie
    steps : of an epoch
    rank, part : of the process among those that train together, and of the runner among those that share a batch. Both
        are part of every seed, so that no two of them meet the same noise or augmentation.
    fetcher : brings the rows of inputs that lie in files
    """

    def __init__(
        self,
        job: TrainingJob,
        members: Sequence[Member],
        parameters: Tensor,
        buffers: list[Tensor],
        workspace: Workspace,
        steps: int,
        rank: int = 0,
        part: int = 0,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.job, self.buffers, self.workspace = job, buffers, workspace
        self.gradients = workspace.tensor("gradients", tuple(parameters.shape))
        self.losses = torch.zeros(len(members))
        self.bound: dict[int, BoundStep] = {}  # by rows of a batch
        self._checks: dict[int, BoundStep] = {}
        self._parameters, self._fetcher, self._steps, self._rank = parameters, fetcher, steps, rank
        self._network = OwnNetwork()
        # Nothing for the first process' first runner: alone, a member is seeded by its own seed.
        place = (rank, part) if part else (rank,) if rank else ()
        self._noise = Noise(job.layout, buffers, members, place)
        self._seeds = tuple(mix(member.seed, *place) if place else member.seed for member in members)
        self._seed_of_draws = members[0].seed
        smoothing = [member.label_smoothing for member in members]
        self._smoothing = torch.tensor(smoothing).view(-1, 1, 1) if any(smoothing) else None

    @property
    def networks(self) -> list[nn.Module]:
        """Those that compute eagerly: one, or none."""
        return self._network.networks

    def set_noise(self, epoch: int, step: int, factor: float) -> None:
        """New keys for dropout and its kin; their rates times ``factor``."""
        self._noise.set(epoch * self._steps + step, factor)

    def compute(self, epoch: int, step: int, rows: Tensor, weights: Tensor) -> None:
        """The gradient and losses of ``rows (members, batch)``, whose ``weights`` sum to 1 for each member."""
        n_rows = rows.shape[1]
        if n_rows not in self.bound:
            self.bound[n_rows] = self._bind(n_rows, self._parameters, self._views(self.gradients))
        bound = self.bound[n_rows]
        moment = Moment(self._seeds, epoch, step, self.job.recipe.epochs)
        bound.load(self.job, rows, weights, self._smoothing, moment, self._fetcher)
        bound.run(self._seed(epoch * self._steps + step))

    def check(self, epoch: int, step: int, rows: Tensor, weights: Tensor, chosen: Sequence[int]) -> str:
        """How the step differs from PyTorch's for the ``chosen`` members, in words, or ""; it leaves no trace."""
        moving = [self.buffers[place] for place in self.job.moving]
        before = [buffer.clone() for buffer in moving]
        held = [[tensor[k].clone() for tensor in (*self._views(self._parameters), *self.buffers)] for k in chosen]
        try:
            self.compute(epoch, step, rows, weights)
        except Exception as error:  # whatever an operation says of rows that are not those it was recorded with
            return f"its recorded step fails ({first_line(error)})"
        else:
            seed = self._seed(epoch * self._steps + step)
            found = (self._differs(k, own, rows.shape[1], seed) for k, own in zip(chosen, held, strict=True))
            return next(filter(None, found), "")
        finally:
            for buffer, value in zip(moving, before, strict=True):
                buffer.copy_(value)

    def _differs(self, member: int, held: list[Tensor], n_rows: int, seed: int | None) -> str:
        """The same for one, whose weights and buffers before the step are ``held``, which are changed."""
        job, bound, layout = self.job, self.bound[n_rows], self.job.layout
        parameters, buffers = held[: len(layout.names)], held[len(layout.names) :]
        gradients, losses = [torch.zeros_like(parameter) for parameter in parameters], torch.zeros(1)
        windows = Windows(replace(job, bfloat16=False), parameters, buffers, gradients)
        mine = [[tensor[member] for tensor in tensors] for tensors in (bound.rows, bound.prepared)]
        with undone(job.given, given_function(job.loss)), nullcontext() if seed is None else seeded(seed):
            EagerStep(OwnNetwork(), windows, mine[0], mine[1], losses).run()
        now = dict(zip(layout.buffers, self.buffers, strict=True))
        right = dict(zip(layout.buffers, buffers, strict=True))
        here = dict(zip(layout.names, (view[member] for view in self._views(self.gradients)), strict=True))
        recorded = Step(self.losses[member], here, {name: now[name][member] for name in right})
        theirs = Step(losses[0], dict(zip(layout.names, gradients, strict=True)), right)
        return recorded.differs(theirs, job.bfloat16)

    def validate(self, flat: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """The losses of the weights ``flat`` (always the same array), without augmentation and smoothing."""
        n_rows = rows.shape[1]
        if n_rows not in self._checks:
            self._checks[n_rows] = self._bind(n_rows, flat)
        bound = self._checks[n_rows]
        bound.load(self.job, rows, weights, None, fetcher=self._fetcher)
        bound.run(self._seed(-1))
        return self.losses

    def _bind(self, n_rows: int, flat: Tensor, gradients: Sequence[Tensor] = ()) -> BoundStep:
        parameters = self._views(flat)
        return bind_step(
            self.job, parameters, self.buffers, n_rows, self.workspace, self.losses, gradients, own=self._network
        )

    def _views(self, flat: Tensor) -> list[Tensor]:
        return self.job.layout.views(flat, len(self.losses))

    def _seed(self, step: int) -> int | None:
        """What a step of a network that draws from PyTorch's generator is seeded with; -1: of the validation."""
        return mix(self._seed_of_draws, step, 1 + self._rank) if self.job.draws else None

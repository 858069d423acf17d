"""What a network does while it computes, seen once on a few rows before it is trained."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from annvil.errors import RequestError, first_line
from annvil.training.compat.copying import copied, hooked
from annvil.training.compat.dropout_noise import begin
from annvil.training.compat.eager import Meter
from annvil.training.compat.python_values import Look
from annvil.training.graph.recurrences import has_form_for_members
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.step_spec import widened
from annvil.training.losses.named import Batch
from annvil.training.losses.resolve import given_function
from annvil.training.system import random_state


@dataclass(frozen=True)
class Seen:
    """What a network did while it computed one training step on a few rows."""

    prints: bool
    changes: str  # the value of Python that it, or the loss, changed, or ""
    clock: bool  # the time is asked for
    draws: bool  # from a generator that the process shares
    draws_elsewhere: bool  # from Python's or NumPy's: nothing that a recording could repeat
    reads: str  # by which function it read values, or ""
    sparse: bool
    mixes_rows: bool  # what it says of a row hangs on the other rows of the batch
    convolves: bool
    recurs: bool
    work_of_row: float  # in the measure of `Trace.work`
    writes: tuple[str, ...] = ()  # frozen weights that it changed
    hooked: str = ""  # where a hook is registered, in words

    @property
    def needs_autograd(self) -> str:
        """Why it cannot be recorded, as the end of a sentence about it, or ""."""
        if self.hooked:
            return self.hooked
        if self.prints:
            return "it prints while it computes"
        if self.changes:
            own = "" if self.changes.startswith("the ") else "its own attribute "
            return f"it changes {own}{self.changes} while it computes, which checkpoints do not hold"
        if self.clock:
            return "it asks for the time while it computes"
        if self.draws_elsewhere:
            return "it draws random numbers from Python or NumPy"
        if self.reads:
            return f"it reads values while it computes ({self.reads})"
        return "its gradients are sparse" if self.sparse else ""

    @property
    def trains_alone(self) -> str:
        """Why members are trained one after another though they can be recorded, likewise."""
        if self.draws:
            return "it draws random numbers, from a generator that members cannot share"
        if self.recurs:
            return "its recurrent layers have no form for many members at once"
        return "convolutions of many members at once are slower than one after another" if self.convolves else ""


def watch(job: TrainingJob, most_rows: int) -> Seen:
    """Let a copy of the network compute one training step on a few rows, and look.

    The rows are some of all rows, not of a member's: what is chosen for members may not hang on who else is there.
    """
    network = copied(job.network).train()
    n_rows = len(job.targets)
    rows = torch.linspace(0, n_rows - 1, min(most_rows, n_rows)).long()
    inputs = widened([tensor[rows] for tensor in job.inputs], job.recipe.byte_inputs)
    prepared = job.loss.buffers(1, len(rows))
    positions = () if job.weights is None else job.weights.shape[1:]
    weights = torch.ones(1, len(rows), *positions)
    weights /= weights.numel()
    job.loss.fill(prepared, Batch(job.targets[rows].unsqueeze(0), weights))
    frozen = {name: value.clone() for name, value in network.named_parameters() if not value.requires_grad}
    function = given_function(job.loss)
    before, reader, meter, printed = Look(network, function), _Reader(), Meter(), io.StringIO()
    with random_state.seeded(1):
        fresh = random_state.fingerprint()
        with redirect_stdout(printed), reader, meter:
            loss = _loss(job, network, inputs, [tensor[0] for tensor in prepared])
        after = random_state.fingerprint()
    after_it = Look(network, function)
    sparse = _has_sparse_gradient(network, loss)
    _refuse_growing(job, network)
    now = dict(network.named_parameters())
    return Seen(
        prints=bool(printed.getvalue()),
        changes=after_it.changed(before),
        clock=before.clock,
        draws=after[0] != fresh[0],
        draws_elsewhere=after[1:] != fresh[1:],
        reads=reader.read,
        sparse=sparse,
        mixes_rows=_mixes_rows(job, inputs),
        convolves=any("convolution" in name for name in meter.names),
        recurs=not has_form_for_members(network),
        work_of_row=3 * meter.work / len(rows),  # backward takes about twice what forward does
        writes=tuple(name for name, value in frozen.items() if not torch.equal(value, now[name])),
        hooked=hooked(job.network),
    )


def _loss(job: TrainingJob, network: nn.Module, inputs: Sequence[Tensor], prepared: Sequence[Tensor]) -> Tensor:
    begin(network)
    try:
        return job.loss_of(network(*inputs), prepared)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        name, reason, rows = type(job.given).__name__, str(error).splitlines()[0], len(inputs[0])
        raise RequestError(
            f"{name} cannot be trained on a batch of {rows} {'row' if rows == 1 else 'rows'}: {reason}."
        ) from error


def _refuse_growing(job: TrainingJob, network: nn.Module) -> None:
    """Buffers are kept, averaged and written by the shape that they had at first."""
    before = dict(job.network.named_buffers())
    for name, buffer in network.named_buffers():
        if name in before and (buffer.shape, buffer.dtype) != (before[name].shape, before[name].dtype):
            was, now = (f"{tuple(one.shape)} of {one.dtype}" for one in (before[name], buffer))
            raise RequestError(
                f"{type(job.given).__name__} cannot be trained: its buffer {name} is {was} before a step and {now} "
                "after it, and must stay what it is; make it as large as it may become, or keep a list in an attribute."
            )


def _has_sparse_gradient(network: nn.Module, loss: Tensor) -> bool:
    if not loss.requires_grad:
        raise RequestError(
            "The loss does not follow from the network's weights by operations that can be differentiated; "
            "look for .detach(), argmax, rounding or torch.no_grad() in the network and the loss."
        )
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise RequestError(
            f"{type(network).__name__} cannot be trained: PyTorch finds no gradient of its loss: {first_line(error)}"
        ) from error
    return any(value.grad is not None and value.grad.layout != torch.strided for value in network.parameters())


def _mixes_rows(job: TrainingJob, inputs: Sequence[Tensor]) -> bool:
    """Whether the outputs for the first row change when the other rows do."""
    network = copy.deepcopy(job.network).train()
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        return True
    if len(inputs[0]) < 2:
        return False
    outputs = []
    for batch in (inputs, [tensor[:1].expand(len(tensor), *tensor.shape[1:]).contiguous() for tensor in inputs]):
        # With gradients, which hooks of the network may ask for.
        with torch.enable_grad(), random_state.seeded(1), redirect_stdout(io.StringIO()):
            begin(network)
            output: Any = copy.deepcopy(network)(*batch)
            output, *penalty = output if isinstance(output, tuple) else (output,)
            outputs.append([output[0].detach().float(), *(one.detach().float() for one in penalty)])
    # Another order of sums changes the last bits only; a mean over the rows, much more.
    pairs = zip(*outputs, strict=True)
    return any(bool((one - other).abs().max() > 1e-3 * (one.abs().max() + 1e-6)) for one, other in pairs)


class _Reader(TorchFunctionMode):
    """Notices values that leave PyTorch by a way that a recording does not see."""

    read = ""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _READERS:
            self.read = f"Tensor.{function.__name__}"
        return function(*args, **(kwargs or {}))


_READERS = (Tensor.numpy, Tensor.tolist, Tensor.__array__)

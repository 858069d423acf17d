"""Which way a network's steps are computed: recorded and vmapped, recorded one by one, or eagerly; and why.

Recorded steps are replayed without autograd and without Python, which is what makes the engine fast, but a replay does
again exactly what the recording saw. So a network that decides by values, draws from generators, prints, or notes
something in its own attributes is watched for while it computes once on a few rows, and trained eagerly. Nothing here
is measured: the road can change last bits, and the same request must give the same bytes.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from annvil.errors import RequestError
from annvil.training import chance
from annvil.training.batches import BatchShape
from annvil.training.building import CannotRecord
from annvil.training.eager import Meter
from annvil.training.job import Job, Workspace, bind_step, probe
from annvil.training.modules import begin
from annvil.training.nodes import Trace

_ROWS = 4
"""Rows on which a network is watched (assumed: enough to see what it does)."""


@dataclass(frozen=True)
class Seen:
    """What a network did while it computed one training step on a few rows."""

    prints: bool
    changes: str  # the attribute that it changed, or ""
    draws: bool  # from a generator that the process shares
    draws_elsewhere: bool  # from Python's or NumPy's: nothing that a recording could repeat
    reads: str  # by which function it read values, or ""
    sparse: bool
    mixes_rows: bool  # what it says of a row hangs on the other rows of the batch
    work_of_row: float  # in the measure of `Trace.work`

    @property
    def needs_autograd(self) -> str:
        """Why it cannot be recorded, as the end of a sentence about it, or ""."""
        if self.prints:
            return "it prints while it computes"
        if self.changes:
            return f"it changes its own attribute {self.changes} while it computes, which checkpoints do not hold"
        if self.draws_elsewhere:
            return "it draws random numbers from Python or NumPy"
        if self.reads:
            return f"it reads values while it computes ({self.reads})"
        return "its gradients are sparse" if self.sparse else ""


def choose(job: Job) -> tuple[Job, dict[str, str]]:
    """The job as it is computed, and the choices in words: "road", "road_because", and "batches" where they changed.

    Raises
    ------
    RequestError
        When the network cannot be trained, or not on the road asked for.
    """
    seen = watch(job, _ROWS)
    because = seen.needs_autograd
    job, said = _batches(job, seen)
    _check_smallest_batch(job)
    eager = job.changed(
        eager=True,
        batched=False,
        draws=seen.draws or seen.draws_elsewhere,
        moving=_may_move(job),
        work_of_row=seen.work_of_row,
    )
    if job.recipe.road == "eager":
        return _unpadded(eager), said | _words("eager", because or "as asked")
    if not because:
        try:
            found, reason = _recorded(job, seen.draws)
        except CannotRecord as error:
            because = f"it {error}"
        else:
            road = "recorded" if found.batched else "recorded, one by one"
            return found, said | _words(road, reason)
    if job.recipe.road == "recorded":
        raise RequestError(f"{type(job.given).__name__} cannot be recorded: {because}; use road='auto' or 'eager'.")
    return _unpadded(eager), said | _words("eager", because)


def _words(road: str, because: str) -> dict[str, str]:
    return {"road": road, "road_because": because}


def _recorded(job: Job, draws: bool) -> tuple[Job, str]:
    """The job recorded, vmapped where that pays, and why."""
    shape = BatchShape.of(job.members[0], job.recipe)
    reason = ""
    try:
        trace = _recording(job, shape)
    except RequestError:
        raise
    except CannotRecord as error:
        reason = f"it {error}"
    except Exception as error:  # whatever vmap stumbles over: alone, the network shows whether the fault is its own
        reason = f"it cannot be vmapped: {str(error).splitlines()[0]}"
    else:
        if not _convolves(trace):
            return _moving(job, shape), "its operations can be batched over members"
        reason = "convolutions of many members at once are slower than one after another"
    alone = job.changed(batched=False, draws=draws)
    _recording(alone, shape)
    return _moving(alone, shape), reason


def _recording(job: Job, shape: BatchShape) -> Trace:
    """The trace of a training step of one member; a validation step is recorded too, to see that it can be."""
    probe(job, shape)
    if shape.validation_steps:
        parameters = [torch.zeros(1, *form) for form in job.layout.shapes]
        buffers = [buffer.unsqueeze(0) for buffer in job.layout.buffers_of(job.network)]
        bind_step(job, parameters, buffers, shape.validation_batch, Workspace(), torch.zeros(1))
    return job.recorded(1, shape.batch, True, ()).trace


def _may_move(job: Job) -> tuple[int, ...]:
    """The places of the buffers that an eager step may change: all but noise and parameters that are not trained."""
    fixed = {name for name, _ in job.network.named_parameters()}
    names = enumerate(job.layout.buffers)
    return tuple(i for i, name in names if name not in fixed and name.rpartition(".")[2] not in ("rate", "key"))


def _moving(job: Job, shape: BatchShape) -> Job:
    return replace(job, moving=job.recorded(1, shape.batch, True, ()).moved)


def _convolves(trace: Trace) -> bool:
    return any(node.op is not None and "convolution" in node.op._opname for node in trace.nodes)


def _batches(job: Job, seen: Seen) -> tuple[Job, dict[str, str]]:
    """Batches without padding for those who must not see it."""
    if job.recipe.batches != "equal":
        return job, {}
    if seen.mixes_rows:
        because = "the network mixes the rows of a batch (batch norm does), so that padding would change results"
    elif not job.loss.takes_weights:
        because = "the loss takes no weights, so that it cannot leave padding out"
    else:
        return job, {}
    return _unpadded(job), {"batches": "unpadded", "batches_because": because}


def _unpadded(job: Job) -> Job:
    """Without padding, which only serves to share a recorded program."""
    if job.recipe.batches != "equal":
        return job
    return job.changed(recipe=replace(job.recipe, batches="unpadded"))


def _check_smallest_batch(job: Job) -> None:
    """Batch norm cannot be trained on a single row; better said now than in the last step of an epoch."""
    for number, member in enumerate(job.members):
        shape = BatchShape.of(member, job.recipe)
        if min(shape.rows_of(step) for step in (0, shape.steps - 1)) > 1 or job.recipe.batches == "equal":
            continue
        try:
            watch(job, 1)
        except RequestError as error:
            raise RequestError(
                f"{error} The last batch of member {number} would hold a single one of its {len(member.train)} rows; "
                "choose another batch_size, or batches='unpadded'."
            ) from error
        return


def watch(job: Job, most_rows: int) -> Seen:
    """Let a copy of the network compute one training step on a few rows, and look.

    The rows are some of all rows, not of a member's: what is chosen for members may not hang on who else is there.
    """
    network = copy.deepcopy(job.network).train()
    n_rows = len(job.targets)
    rows = torch.linspace(0, n_rows - 1, min(most_rows, n_rows)).long()
    inputs = job.widened([tensor[rows] for tensor in job.inputs])
    prepared = job.loss.buffers(1, len(rows))
    weights = torch.full((1, len(rows)), 1 / len(rows))
    job.loss.fill(prepared, job.targets[rows].unsqueeze(0), weights, None)
    before, reader, meter, printed = _attributes(network), _Reader(), Meter(), io.StringIO()
    with chance.seeded(1):
        fresh = chance.fingerprint()
        with redirect_stdout(printed), reader, meter:
            loss = _loss(job, network, inputs, [tensor[0] for tensor in prepared])
        after = chance.fingerprint()
    changed = [name for name, value in _attributes(network).items() if before.get(name) != value]
    return Seen(
        prints=bool(printed.getvalue()),
        changes=changed[0] if changed else "",
        draws=after[0] != fresh[0],
        draws_elsewhere=after[1:] != fresh[1:],
        reads=reader.read,
        sparse=_has_sparse_gradient(network, loss),
        mixes_rows=_mixes_rows(job, inputs),
        work_of_row=3 * meter.work / len(rows),  # backward takes about twice what forward does
    )


def _loss(job: Job, network: nn.Module, inputs: Sequence[Tensor], prepared: Sequence[Tensor]) -> Tensor:
    begin(network)
    try:
        return job.loss.value(network(*inputs), *prepared)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        name, reason, rows = type(job.given).__name__, str(error).splitlines()[0], len(inputs[0])
        raise RequestError(
            f"{name} cannot be trained on a batch of {rows} {'row' if rows == 1 else 'rows'}: {reason}."
        ) from error


def _has_sparse_gradient(network: nn.Module, loss: Tensor) -> bool:
    if not loss.requires_grad:
        raise RequestError(
            "The loss does not follow from the network's weights by operations that can be differentiated; "
            "look for .detach(), argmax, rounding or torch.no_grad() in the network and the loss."
        )
    loss.backward()  # type: ignore[no-untyped-call]
    return any(value.grad is not None and value.grad.layout != torch.strided for value in network.parameters())


def _mixes_rows(job: Job, inputs: Sequence[Tensor]) -> bool:
    """Whether the outputs for the first row change when the other rows do."""
    network = copy.deepcopy(job.network).train()
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        return True
    if len(inputs[0]) < 2:
        return False
    outputs = []
    for batch in (inputs, [tensor[:1].expand(len(tensor), *tensor.shape[1:]).contiguous() for tensor in inputs]):
        with torch.no_grad(), chance.seeded(1), redirect_stdout(io.StringIO()):
            begin(network)
            outputs.append(copy.deepcopy(network)(*batch)[0].float())
    one, other = outputs
    # Another order of sums changes the last bits only; a mean over the rows, much more.
    return bool((one - other).abs().max() > 1e-3 * (one.abs().max() + 1e-6))


class _Reader(TorchFunctionMode):
    """Notices values that leave PyTorch by a way that a recording does not see."""

    read = ""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _READERS:
            self.read = f"Tensor.{function.__name__}"
        return function(*args, **(kwargs or {}))


_READERS = (Tensor.numpy, Tensor.tolist, Tensor.__array__)


def _attributes(network: nn.Module) -> dict[str, Any]:
    """What the modules note outside their parameters and buffers, so that two looks can be compared."""
    return dict(_noted(network))


def _noted(network: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if name not in _OWN_TO_PYTORCH:
                yield f"{path}.{name}".lstrip("."), _content(value, 3)


_OWN_TO_PYTORCH = {"_parameters", "_buffers", "_modules", "training", "calls"}


def _content(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return (type(value), repr(value))
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, dict) and depth:
        return [(repr(key), _content(item, depth - 1)) for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_content(item, depth - 1) for item in value]
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return id(value)

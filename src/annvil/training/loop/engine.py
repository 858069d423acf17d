"""`train_population`: many networks of one shape, trained as one program."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from annvil.data.batch_transform import Augment
from annvil.errors import DataError, RequestError
from annvil.training.compat.dropout_noise import with_keyed_noise
from annvil.training.compat.python_values import undone
from annvil.training.graph.precision import rounds
from annvil.training.graph.recording import traceable
from annvil.training.loop.batches import BatchShape
from annvil.training.loop.bound_step import probe
from annvil.training.loop.checkpoint import Checkpoint, fingerprint
from annvil.training.loop.execution import choose as choose_execution
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.prefetch import sources
from annvil.training.loop.run import PopulationRun
from annvil.training.loop.stack import Layout
from annvil.training.loop.step_spec import widened
from annvil.training.loop.workers import SIDE_BY_SIDE, cut
from annvil.training.losses.named import rows_with
from annvil.training.losses.resolve import CustomLoss, given_function, make_loss
from annvil.training.population import Population
from annvil.training.recipe import Listener, Member, Metric, Progress, Recipe, check_members
from annvil.training.system import hardware
from annvil.training.system.allocator import LARGE_STEP, freed_memory_kept
from annvil.training.system.distributed import ALONE, Distributed
from annvil.training.system.random_state import seeded

_WORTH_A_THREAD = 1e9
"""Work (`Trace.work`) in a step of a single pack from which a second thread inside the operations pays in float32:
measured 1.5 times for 784-1024-1024-10 at batch 256 (1.4e9) and 1.6 for a convolutional network (5e9), 0.7 for
784-256-128-10 at batch 128 (5e7). In bfloat16 it never did: 0.9 for the first, 0.35 for the second."""

_WORTH_A_THREAD_EAGER = 1e10
"""The same for eager steps, which are mostly recurrent networks of very many small operations: a GRU of 100 steps at
batch 64 (1.2e9) is 0.7 times as fast on two threads as on one (measured)."""


def train_population(
    make_network: Callable[[Member], nn.Module],
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    members: Sequence[Member],
    recipe: Recipe,
    loss: str | CustomLoss,
    *,
    weights: Tensor | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
    tell: Callable[[Progress], None] = lambda progress: None,
    listener: Listener | None = None,
    metric: Metric | None = None,
    distributed: Distributed | None = None,
    augment: Augment | None = None,
    original: nn.Module | None = None,
) -> Population:
    """Train one network per member and return them, each with the weights of its best epoch.

    Parameters
    ----------
    make_network : builds the network of a member, with its initial weights; all must have the same shape. Any module
        of PyTorch will do: what of it can be recorded is recorded, the rest is computed eagerly, and the result's
        ``choices`` say which and why (see `annvil.training.loop.execution`).
    inputs : tensors with rows first; the network is called with a batch of each. Floats must be finite; bytes reach the
        network as ``recipe.byte_inputs`` says.
    targets : class numbers ``(n_rows,)`` int64, numbers ``(n_rows,)`` / ``(n_rows, out)``, or either for every position
        within a row, ``(n_rows, *positions, ...)``
    members, recipe : see `Member` and `Recipe`
    loss : "cross-entropy" (outputs are logits ``(batch, *positions, classes)``), "binary-cross-entropy" (a logit for
        every label; the mean over them), "label-cross-entropy" (their sum), "squared-error", "absolute-error" or
        "huber"; a loss of PyTorch or any ``function(output, target)`` that returns the mean over the batch, or one
        number for each row if rows have weights; or ``function(output, target, weight) -> scalar`` for one member's
        batch, where ``weight`` sums to 1
    weights : of the rows, ``(n_rows,)``, or of the positions within them, ``(n_rows, *positions)``; at least 0, where 0
        hides a position or a row. Used in training and validation.
    should_stop : asked after every epoch, and about twice a second within long ones; when it says yes, the best so far
        is returned (a member that has not finished an epoch is validated as it is)
    checkpoint : file to save to every few seconds, and to go on from if it belongs to the same request
    tell : hears `Progress` after every epoch
    listener : hears it too, may look at weights, gradients and outputs, and may stop members (see `Listener`)
    metric : measures the outputs on the validation rows after every epoch (see `Metric`); its history is kept, and with
        ``recipe.monitor`` "metric" it chooses the best epoch
    distributed : of several processes, each with the same request and all rows: see `Distributed`. The first one hears
        and decides; all return the same population.
    augment : changes training batches on their way to the network, and may mix rows (see `Augment`)
    original : the caller's own network, where ``make_network`` copies it: attributes that a listener changes in it
        change in the copies

    Raises
    ------
    RequestError, DataError
        When the request or the data cannot be used; the sentence says which and why.

    The same request gives the same bytes, also after a kill, on the same type of processor, with the same number of
    cores, versions, precision and ``MKL_CBWR``; ``Population.choices["made_with"]`` names them. There a member's
    result follows from its rows, seed and settings alone, whatever members, packs and workers there are: to the bit if
    all settings are the same, otherwise within 1e-5 (see `docs/engine.md`).
    """
    members = list(members)
    job = _check(make_network, inputs, targets, members, recipe, loss, weights, augment)
    others = (_trainable(make_network(member), members) for member in members[1:])
    parameters, buffers = job.layout.stack([job.network, *others])
    together = ALONE if distributed is None else distributed
    together.begin(job.network, (*parameters, *buffers))
    saver = Checkpoint(checkpoint, fingerprint(job, parameters, buffers, loss) if checkpoint else "")
    saved, notice = saver.load(together)
    if notice and together.is_first:
        tell(Progress(0, recipe.epochs, len(members), notice=notice))
    job, workers, threads, choices = _choose(job, None if saved is None else saved.facts, together)
    with hardware.threads(threads), traceable(False), _memory(job) as memory:
        run = PopulationRun(job, (parameters, buffers), workers, listener, metric, together, saved, original)
        run.train(should_stop, tell, saver)
    n_packs = len(cut(job, range(len(members)), SIDE_BY_SIDE))
    made = {"packs": n_packs, "workers": run.workers, "made_with": hardware.made_with()}
    return run.result(choices | memory | made)


def _check(
    make_network: Callable[[Member], nn.Module],
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    members: list[Member],
    recipe: Recipe,
    loss: str | CustomLoss,
    weights: Tensor | None,
    augment: Augment | None = None,
) -> TrainingJob:
    """Check everything that can be checked before the first step."""
    n_rows = len(targets)
    for number, tensor in enumerate(inputs):
        if len(tensor) != n_rows:
            raise RequestError(f"inputs[{number}] has {len(tensor)} rows, the targets have {n_rows}; they must agree.")
        _check_finite(tensor, f"inputs[{number}]")
    check_members(members, n_rows)
    weights = None if weights is None else _checked_weights(weights, targets)
    inputs = tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in inputs)
    given = make_network(members[0])
    network = _trainable(given, members)
    layout = Layout.of(network)
    if layout.orthonormal and recipe.average is not None:
        name = layout.orthonormal[0]
        raise RequestError(
            f"The columns of {name!r} stay orthonormal, and an average of such columns is not; leave average."
        )
    chosen = make_loss(loss)
    rows = torch.as_tensor(np.asarray(members[0].train)[:2].astype(np.int64))
    with undone(given, given_function(chosen)):
        output = _try(network, widened([tensor[rows] for tensor in inputs], recipe.byte_inputs), type(given).__name__)
        checked = chosen.check(output, targets, weights)
    if augment is not None and augment.mixes and not chosen.takes_mixing:
        raise RequestError(
            "The augmentation mixes rows, and this loss takes class numbers, of which there is no half: choose "
            "loss='cross-entropy', give probabilities as targets, or leave mixup and cutmix out."
        )
    return TrainingJob(
        network=network,
        layout=layout,
        loss=chosen,
        recipe=recipe,
        given=given,
        inputs=inputs,
        targets=checked,
        weights=weights,
        members=tuple(members),
        sources=sources(inputs),
        augment=augment,
    )


def _check_finite(tensor: Tensor, name: str) -> None:
    if not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum(dtype=torch.float64))):
        return
    wrong = ~torch.isfinite(tensor)
    if bool(wrong.any()):
        raise DataError(f"{name} is missing or infinite in {rows_with(wrong)}; fill it before training.")


def _checked_weights(weights: Tensor, targets: Tensor) -> Tensor:
    """The weights as float32, one for each row or for each of the targets' positions."""
    fits = weights.dim() >= 1 and weights.shape == targets.shape[: weights.dim()]
    if not fits or not bool((torch.isfinite(weights) & (weights >= 0)).all()):
        positions = f", or of shape {tuple(targets.shape)}, one for each position" if targets.dim() > 1 else ""
        raise RequestError(
            f"weights must be {len(targets)} finite numbers of at least 0, one for each row{positions}; "
            f"got shape {tuple(weights.shape)}."
        )
    return weights.float()


def _trainable(network: nn.Module, members: Sequence[Member]) -> nn.Module:
    """The network with keyed noise, which can be trained as one of many."""
    if any(is_lazy(tensor) for tensor in (*network.parameters(), *network.buffers())):
        name = type(network).__name__
        raise RequestError(f"{name} has layers whose size is not known yet; call it once on a few rows first.")
    return with_keyed_noise(network, [member.dropout for member in members])


def _try(network: nn.Module, rows: Sequence[Tensor], name: str) -> Tensor:
    """The outputs for two rows, to see that network and inputs fit together."""
    try:
        own = copy.deepcopy(network).eval()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"{name} cannot be copied, and every member needs a copy of its own: {reason}") from error
    try:
        with torch.no_grad(), seeded(0), redirect_stdout(io.StringIO()):
            output: Any = own(*rows)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in rows)
        reason = str(error).splitlines()[0]
        raise RequestError(f"{name} cannot take inputs of shapes {shapes} (two rows): {reason}") from error
    if not isinstance(output, Tensor) or output.dim() == 0 or len(output) != len(rows[0]):
        came = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise RequestError(f"{name} must return a tensor with the rows of its batch first, (batch, ...); got {came}.")
    return output


def _choose(
    job: TrainingJob, facts: dict[str, Any] | None, together: Distributed
) -> tuple[TrainingJob, int, int, dict[str, Any]]:
    """The job as it will be run, workers, threads inside operations, and these choices in words.

    The ``facts`` of a checkpoint decide the precision. Nothing else that is chosen by measurement can change bits.
    """
    job, choices = choose_execution(job)
    if facts and facts["eager"] and job.otherwise is not None:
        job, choices = job.otherwise, choices | {"execution": "eager", "execution_because": facts["eager"]}
    bfloat16, because = (facts["bfloat16"], "as before the stop") if facts else _choose_precision(job, together)
    job = job.changed(bfloat16=True) if bfloat16 else job
    workers, threads, threads_because = _choose_threads(job)
    choices |= {"precision": "bfloat16" if bfloat16 else "float32", "precision_because": because}
    return job, workers, threads, choices | {"threads": workers * threads, "threads_because": threads_because}


def _choose_precision(job: TrainingJob, together: Distributed) -> tuple[bool, str]:
    if job.eager and job.recipe.precision == "auto":
        return False, "steps that are not recorded are left as PyTorch computes them"
    if job.recipe.precision != "auto":
        return job.recipe.precision == "bfloat16", "as asked"
    smallest = min((BatchShape.of(member, job.recipe) for member in job.members), key=lambda shape: shape.batch)
    probe(job, smallest)
    if not rounds(job.recorded(1, smallest.batch, True, ()).trace):
        return False, "no product and no convolution is large enough to gain by it"
    because = f"products are {hardware.bfloat16_gain():.1f} times as fast in bfloat16 on this machine"
    return together.ask_first(hardware.bfloat16_pays), because


def _choose_threads(job: TrainingJob) -> tuple[int, int, str]:
    """Workers, threads inside each operation, and why."""
    asked = job.recipe.threads
    most = hardware.cores() if asked == "auto" else asked
    if most == 1:
        return 1, 1, "as asked" if asked == 1 else "one core"
    packs = cut(job, range(len(job.members)), SIDE_BY_SIDE)
    shared = len(packs) >= 2 and not job.draws  # the generator it draws from is one for all workers
    if shared or job.parts > 1:
        if asked == "auto" and not hardware.workers_pay():
            gain = hardware.second_worker_gain()
            return 1, 1, f"two workers do {gain:.1f} times the work of one on this machine"
        # One thread inside operations in any case: their number can change bits, that of workers cannot.
        workers = min(most, len(packs) if shared else job.parts)
        of_parts = f"each of the {job.parts} parts of a batch has a thread of its own"
        return workers, 1, f"{len(packs)} packs on {workers} workers" if shared else of_parts
    if asked == "auto" and job.bfloat16:
        return 1, 1, "products in bfloat16 are over before a second thread has begun"
    shape = BatchShape.of(job.members[0], job.recipe)
    work = probe(job, shape).work * len(packs[0])
    if asked == "auto" and work < (_WORTH_A_THREAD_EAGER if job.eager else _WORTH_A_THREAD):
        return 1, 1, "a step is too small to be worth a second thread"
    return 1, most, "one pack, its operations on several threads"


@contextmanager
def _memory(job: TrainingJob) -> Iterator[dict[str, str]]:
    """Memory kept between operations where steps are large; what was chosen, in words."""
    large = job.eager or probe(job, BatchShape.of(job.members[0], job.recipe)).scratch_bytes >= LARGE_STEP
    with freed_memory_kept() if large else nullcontext(False) as kept:
        yield {"memory": "freed memory stays with the process until training ends"} if kept else {}

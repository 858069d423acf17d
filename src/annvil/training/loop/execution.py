"""Which way a network's steps are computed: recorded and vmapped, recorded one by one, or eagerly; and why.

Recorded steps are replayed without autograd and without Python, which is what makes the engine fast, but a replay does
again exactly what the recording saw. So a network that decides by values, draws from generators, prints, or notes
something in its own attributes is watched for while it computes once on a few rows, and trained eagerly. Nothing here
is measured: how they are computed can change last bits, and the same request must give the same bytes.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from annvil.errors import RequestError
from annvil.training.compat.module_inspection import Seen, watch
from annvil.training.compat.python_values import undone
from annvil.training.graph.builder import CannotRecord
from annvil.training.graph.recording import step_function, traceable
from annvil.training.loop.batches import BatchShape
from annvil.training.loop.bound_step import Workspace, bind_step, probe
from annvil.training.loop.job import TrainingJob
from annvil.training.losses.resolve import given_function

_ROWS = 4
"""Rows on which a network is watched (assumed: enough to see what it does)."""


def choose(job: TrainingJob) -> tuple[TrainingJob, dict[str, str]]:
    """The job as it is computed, and the choices in words: "execution", why, and "batches" where they changed.

    Raises
    ------
    RequestError
        When the network cannot be trained, or not in the way asked for.
    """
    with undone(job.given, given_function(job.loss)):
        return _chosen(job)


def _chosen(job: TrainingJob) -> tuple[TrainingJob, dict[str, str]]:
    seen = watch(job, _ROWS)
    because = seen.needs_autograd
    job, choices = _batches(job, seen)
    _check_smallest_batch(job)
    eager = job.changed(
        eager=True,
        batched=False,
        draws=seen.draws or seen.draws_elsewhere,
        moving=_may_move(job, seen),
        work_of_row=seen.work_of_row,
    )
    if job.recipe.execution == "eager":
        return _unpadded(eager), choices | _words("eager", because or "as asked")
    if not because:
        try:
            found, reason = _recorded(job, seen)
        except CannotRecord as error:
            because = f"it {error}"
        else:
            way = "recorded" if found.batched else "recorded, one by one"
            parts = 1 if found.draws else job.recipe.parts  # the generator it draws from is one for all threads
            otherwise = eager.changed(draws=True)  # so that what draws unseen can at least be repeated
            return replace(found, parts=parts, otherwise=otherwise), choices | _words(way, reason)
    if job.recipe.execution == "recorded":
        raise RequestError(
            f"{type(job.given).__name__} cannot be recorded: {because}; use execution='auto' or 'eager'."
        )
    return _unpadded(eager), choices | _words("eager", because)


def _words(way: str, because: str) -> dict[str, str]:
    return {"execution": way, "execution_because": because}


def _recorded(job: TrainingJob, seen: Seen) -> tuple[TrainingJob, str]:
    """The job recorded, vmapped where that pays, and why."""
    shape = BatchShape.of(job.members[0], job.recipe)
    because = seen.trains_alone
    if not because:
        try:
            return _recording(job, shape), "its operations can be batched over members"
        except RequestError:
            raise
        except CannotRecord as error:
            because = f"it {error}"
        except Exception as error:
            # If the step cannot be vmapped without being recorded either, that is the reason; the network alone was
            # seen to compute. Otherwise the mistake is the recorder's, and must not pass for the network's.
            because = _without_batched_form(job, shape)
            if not because:
                error.add_note(
                    f"{type(job.given).__name__} could not be recorded; execution='eager' trains it without."
                )
                raise
    return _recording(job.changed(batched=False, draws=seen.draws), shape), because


def _recording(job: TrainingJob, shape: BatchShape) -> TrainingJob:
    """The job that knows what its steps change; a validation step is recorded too, to see that it can be."""
    probe(job, shape)
    if shape.validation_steps:
        bind_step(job, *job.one_member(), shape.validation_batch, Workspace(), torch.zeros(1))
    return replace(job, moving=job.recorded(1, shape.batch, True, ()).moved)


def _without_batched_form(job: TrainingJob, shape: BatchShape) -> str:
    """Why the step cannot be vmapped, as the end of a sentence about the network, or "" where it can."""
    parameters, buffers = job.one_member()
    rows = [torch.zeros(1, shape.batch, *tensor.shape[1:], dtype=tensor.dtype) for tensor in job.inputs]
    arguments = [*parameters, *buffers, *rows, *job.loss.buffers(1, shape.batch)]
    for training in (True, False):
        network = copy.deepcopy(job.network).train(training)
        with traceable(batched=True):
            try:
                step_function(job, network, training)(*(tensor.clone() for tensor in arguments))
            except Exception as error:  # the caller's code under vmap may raise whatever it likes
                return f"it cannot be vmapped: {(str(error) or type(error).__name__).splitlines()[0]}"
    return ""


def _may_move(job: TrainingJob, seen: Seen) -> tuple[int, ...]:
    """The places of the buffers that an eager step may change: all but noise and frozen weights that it lets be."""
    fixed = {name for name, _ in job.network.named_parameters()} - set(seen.writes)
    names = enumerate(job.layout.buffers)
    return tuple(i for i, name in names if name not in fixed and name.rpartition(".")[2] not in ("rate", "key"))


def _batches(job: TrainingJob, seen: Seen) -> tuple[TrainingJob, dict[str, str]]:
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


def _unpadded(job: TrainingJob) -> TrainingJob:
    """Without padding, which only serves to share a recorded program."""
    if job.recipe.batches != "equal":
        return job
    return job.changed(recipe=replace(job.recipe, batches="unpadded"))


def _check_smallest_batch(job: TrainingJob) -> None:
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

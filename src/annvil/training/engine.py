"""`train_population`: many networks of one shape, trained as one program."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from annvil.errors import DataError, RequestError, name_rows
from annvil.training.batches import BatchShape
from annvil.training.losses import CustomLoss, make_loss
from annvil.training.pack import Job, Pack
from annvil.training.population import Population
from annvil.training.recipe import Member, Progress, Recipe, check_members
from annvil.training.records import Record, halve
from annvil.training.stack import Layout

_ROUND_WORK = 3e10  # multiplications between two questions whether to stop: about half a second on one core (measured)
_PACK_BYTES = 1 << 20  # weights, moments and activations of a pack: they stay in a core's second-level cache (measured)


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
) -> Population:
    """Train one network per member and return them, each with the weights of its best epoch.

    Parameters
    ----------
    make_network : builds the network of a member, with its initial weights; all must have the same shape
    inputs : tensors with rows first; the network is called with a batch of each. Floats must be finite.
    targets : class numbers ``(n_rows,)`` int64, or numbers ``(n_rows,)`` / ``(n_rows, out)``
    members, recipe : see `Member` and `Recipe`
    loss : "cross-entropy" (outputs are logits), "squared-error", or ``function(output, target, weight) -> scalar`` for one
        member's batch, where ``weight`` sums to 1
    weights : of the rows, ``(n_rows,)``, at least 0; used in training and validation
    should_stop : asked at least once an epoch; when it says yes, the best so far is returned
    checkpoint : file to save to and to go on from
    tell : hears `Progress` after every epoch

    Raises
    ------
    RequestError, DataError
        When the request or the data cannot be used; the sentence says which and why.

    A member's result depends on its rows, its seed and its settings alone, not on the other members.
    """
    members = list(members)
    first, job = _prepare(make_network, inputs, targets, members, recipe, loss, weights)
    run = _Run(job, make_network, first)
    with _thread_settings(1):
        run.train(should_stop, tell)
    return run.result()


def _prepare(
    make_network: Callable[[Member], nn.Module],
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    members: list[Member],
    recipe: Recipe,
    loss: str | CustomLoss,
    weights: Tensor | None,
) -> tuple[nn.Module, Job]:
    """Check everything that can be checked before the first step."""
    n_rows = len(targets)
    for number, tensor in enumerate(inputs):
        if len(tensor) != n_rows:
            raise RequestError(f"inputs[{number}] has {len(tensor)} rows, the targets have {n_rows}; they must agree.")
        if tensor.is_floating_point():
            wrong = (~torch.isfinite(tensor)).reshape(n_rows, -1).any(1).nonzero().flatten()
            if len(wrong):
                rows = name_rows(wrong[:5].tolist(), len(wrong))
                raise DataError(f"inputs[{number}] is missing or infinite in {rows}; fill it before training.")
    check_members(members, n_rows)
    if weights is not None:
        if weights.shape != (n_rows,) or not bool((torch.isfinite(weights) & (weights >= 0)).all()):
            raise RequestError(f"weights must be {n_rows} finite numbers of at least 0.")
        weights = weights.float()
    network = make_network(members[0])
    layout = Layout.of(network)
    chosen = make_loss(loss)
    rows = torch.as_tensor(np.asarray(members[0].train)[:2].astype(np.int64))
    output = _try(network, [tensor[rows] for tensor in inputs])
    targets = chosen.check(output, targets)
    inputs = tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in inputs)
    job = Job(network, layout, inputs, targets, weights, chosen, recipe, tuple(members))
    return network, job


def _try(network: nn.Module, rows: Sequence[Tensor]) -> Tensor:
    """The outputs for two rows, to see that network and inputs fit together."""
    try:
        with torch.no_grad():
            output = copy.deepcopy(network).eval()(*rows)
    except (RuntimeError, TypeError, IndexError) as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in rows)
        raise RequestError(
            f"{type(network).__name__} cannot take inputs of shapes {shapes} (two rows): {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(output, Tensor) or output.dim() not in (2, 3) or len(output) != len(rows[0]):
        came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise RequestError(
            f"{type(network).__name__} must return (batch, out) or (batch, k, out) for a batch; got {came}."
        )
    return output


class _Run:
    """A population while it trains."""

    def __init__(self, job: Job, make_network: Callable[[Member], nn.Module], first: nn.Module) -> None:
        self.job = job
        self.records = [Record() for _ in job.members]
        self.epoch = 0
        self.cut_short = False
        networks = [first, *(make_network(member) for member in job.members[1:])]
        self._parameters, self._buffers = job.layout.stack(networks)  # becomes the best weights at the end
        del networks
        self.packs = [self._make_pack(numbers) for numbers in _cut(job, range(len(job.members)))]
        self._halvings = {max(1, round(share * job.recipe.epochs)) for share in job.recipe.halving}

    def _make_pack(self, numbers: list[int]) -> Pack:
        parameters = [value[numbers] for value in self._parameters]
        return Pack(self.job, numbers, parameters, [value[numbers] for value in self._buffers])

    def train(self, should_stop: Callable[[], bool], tell: Callable[[Progress], None]) -> None:
        """All epochs, or until nobody trains any more or ``should_stop`` says so."""
        with ThreadPoolExecutor(max_workers=1) as workers:
            while self.epoch < self.job.recipe.epochs and any(record.trains for record in self.records):
                finished = self._one_epoch(workers, should_stop)
                train, validation = self._validate(workers)
                if finished or self.epoch == 0:
                    self._judge(train, validation)
                if not finished:
                    self.cut_short = True
                    break
                if self.epoch in self._halvings:
                    halve(self.job.members, self.records, self.epoch)
                self._let_go()
                active = sum(record.trains for record in self.records)
                tell(Progress(self.epoch, self.job.recipe.epochs, active, train, validation))
                if should_stop():
                    self.cut_short = self.epoch < self.job.recipe.epochs
                    break
        for record in self.records:
            if record.trains:
                record.state = f"stopped at epoch {self.epoch}" if self.cut_short else "finished"

    def _one_epoch(self, workers: ThreadPoolExecutor, should_stop: Callable[[], bool]) -> bool:
        """One pass over the training rows; False when it was cut short."""
        for pack in self.packs:
            pack.begin_epoch(self.epoch)
        rounds = self._rounds()
        for number in range(rounds):
            list(
                workers.map(
                    lambda pack: pack.run_steps(self.epoch, pack.shape.steps * (number + 1) // rounds), self.packs
                )
            )
            if number + 1 < rounds and should_stop():
                return False
        return True

    def _rounds(self) -> int:
        rows = sum(pack.shape.steps * pack.shape.batch * len(pack.numbers) for pack in self.packs)
        return max(1, math.ceil(3 * rows * self.job.layout.n_parameters / _ROUND_WORK))

    def _validate(self, workers: ThreadPoolExecutor) -> tuple[np.ndarray, np.ndarray]:
        train = np.full(len(self.records), np.nan)
        validation = np.full(len(self.records), np.nan)
        for pack, losses in zip(self.packs, list(workers.map(Pack.validate, self.packs)), strict=True):
            validation[pack.numbers] = losses
            train[pack.numbers] = pack.end_epoch()
        return train, validation

    def _judge(self, train: np.ndarray, validation: np.ndarray) -> None:
        """Note every member's losses, keep the weights that are its best, set diverged ones back."""
        self.epoch += 1
        for pack in self.packs:
            better, diverged = [], []
            for place, number in enumerate(pack.numbers):
                record = self.records[number]
                if not record.trains:
                    train[number] = validation[number] = np.nan
                    continue
                validates = len(self.job.members[number].validation) > 0
                losses = float(train[number]), float(validation[number])
                if record.judge(self.epoch, *losses, validates, self.job.recipe):
                    better.append(place)
                if record.state.startswith("diverged"):
                    diverged.append(place)
            if better:
                pack.keep_best(better)
            if diverged:
                pack.restore(diverged)

    def _let_go(self) -> None:
        """Nothing yet: members that stopped go on computing unheard."""

    def result(self) -> Population:
        """The best weights and the story of every member."""
        for pack in self.packs:
            for stacked, view in zip(self._parameters, pack.views(pack.best), strict=True):
                stacked[pack.numbers] = view
            for stacked, buffer in zip(self._buffers, pack.buffers, strict=True):
                stacked[pack.numbers] = buffer
        return Population(
            states=tuple(record.state for record in self.records),
            histories=tuple(
                {"train_loss": record.train_loss, "validation_loss": record.validation_loss} for record in self.records
            ),
            best_epochs=np.array([record.best_epoch for record in self.records], dtype=np.int64),
            validation_loss=np.array([record.best_loss for record in self.records]),
            choices={"precision": "float32", "threads": 1, "packs": len(self.packs)},
            cut_short=self.cut_short,
            _network=self.job.network,
            _layout=self.job.layout,
            _parameters=self._parameters,
            _buffers=self._buffers,
            _batched=self.job.batched,
        )


def _cut(job: Job, numbers: Sequence[int]) -> list[list[int]]:
    """Packs of members that share a batch shape, equal settings side by side, each small enough for the cache."""
    by_shape: dict[BatchShape, list[int]] = {}
    for number in numbers:
        by_shape.setdefault(BatchShape.of(job.members[number], job.recipe), []).append(number)
    packs = []
    for shape, mine in sorted(by_shape.items()):
        mine.sort(key=lambda n: (job.members[n].learning_rate, job.members[n].weight_decay, n))
        most = _members_that_fit(job, shape)
        n_packs = math.ceil(len(mine) / most)
        packs += [mine[len(mine) * i // n_packs : len(mine) * (i + 1) // n_packs] for i in range(n_packs)]
    return packs


def _members_that_fit(job: Job, shape: BatchShape) -> int:
    widths = sum(s[0] for s in job.layout.shapes if len(s) >= 2)
    per_member = 4 * (4 * job.layout.n_parameters + 2 * shape.batch * widths)
    return max(1, min(64, _PACK_BYTES // per_member))


@contextmanager
def _thread_settings(threads: int) -> Iterator[None]:
    """PyTorch's thread count and treatment of denormal numbers while training; both are put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)

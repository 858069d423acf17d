"""A population while it trains: epoch after epoch, who goes on, what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.task import FloatArray
from annvil.training import machine
from annvil.training.batches import BatchShape
from annvil.training.checkpoint import Checkpoint, Saved
from annvil.training.distributed import Distributed
from annvil.training.job import Job, Workspace, probe
from annvil.training.muon import is_wide, matrices_of
from annvil.training.pack import Manner, Pack
from annvil.training.packing import SIDE_BY_SIDE, cut, share
from annvil.training.population import Population
from annvil.training.recipe import Progress
from annvil.training.records import Record, halve

ROUND_WORK = 3e10
"""Work (`Trace.work`) between two questions whether to stop: about half a second on one core (measured)."""

Tell = Callable[[Progress], None]


class Run:
    """A population half way.

    ``kept`` are the stacked weights ``(K, *shape)`` with which members start; in the end, those of their best epochs.
    """

    def __init__(
        self,
        job: Job,
        kept: list[Tensor],
        buffers: list[Tensor],
        workers: int,
        listener: Any = None,
        metric: Callable[[Tensor, Tensor], Sequence[float]] | None = None,
        distributed: Any = None,
    ) -> None:
        self.job, self.kept, self.buffers = job, kept, buffers
        self._listener, self._metric = listener, metric
        matrices = matrices_of(job.network, job.layout) if job.recipe.optimizer == "muon" else ()
        self._manner = Manner(
            matrices, self._muon_in_bfloat16(matrices), listener is not None, distributed or Distributed()
        )
        self.records = [Record() for _ in job.members]
        self.epoch = 0  # finished
        self.cut_short = False
        self.workers = workers
        self._workspaces = [Workspace() for _ in range(workers)]
        self.packs: list[Pack] = []
        self._owners: list[int] = []
        halvings = {max(1, round(share * job.recipe.epochs)) for share in job.recipe.halving}
        self._halvings = halvings - {job.recipe.epochs}  # after the last epoch nobody is spared any work

    def _muon_in_bfloat16(self, matrices: Sequence[str]) -> bool:
        if not is_wide(self.job.layout, matrices) or self.job.recipe.precision == "float32":
            return False
        return self.job.recipe.precision == "bfloat16" or machine.bfloat16_pays()

    def start(self) -> None:
        """Put all members into packs."""
        self._fill_packs(cut(self.job, range(len(self.job.members)), SIDE_BY_SIDE))

    def train(self, should_stop: Callable[[], bool], tell: Tell, checkpoint: Checkpoint) -> None:
        """All epochs, or until nobody trains any more or ``should_stop`` says so."""
        # The workers' own threads: settings of PyTorch and the processor made there end with them.
        with ThreadPoolExecutor(self.workers, initializer=_prepare_worker) as pool:
            while self.epoch < self.job.recipe.epochs and any(record.trains for record in self.records):
                if not self._one_epoch(pool, should_stop, checkpoint):
                    self.cut_short = True
                    break
                train, validation = self._losses(pool)
                self._judge(train, validation)
                if self.epoch in self._halvings:
                    halve(self.job.members, self.records, self.epoch)
                self._let_go()
                if checkpoint.due:
                    checkpoint.save(self.saved())
                active = sum(record.trains for record in self.records)
                tell(Progress(self.epoch, self.job.recipe.epochs, active, train, validation))
                if active and self.epoch < self.job.recipe.epochs and should_stop():
                    self.cut_short = True
                    break
            checkpoint.save(self.saved())
            if self.cut_short and self.epoch == 0:
                self._judge(*self._losses(pool), partly=True)
        for record in self.records:
            if record.trains:
                record.state = f"stopped at epoch {self.epoch}" if self.cut_short else "finished"

    def _one_epoch(self, pool: ThreadPoolExecutor, should_stop: Callable[[], bool], checkpoint: Checkpoint) -> bool:
        """What is left of one pass over the training rows; False when it was cut short."""
        self._each(pool, lambda pack: pack.begin_epoch(self.epoch))
        rounds = self._rounds()
        for number in range(1, rounds + 1):
            self._each(pool, partial(self._go_on, number / rounds))
            if number < rounds:
                if checkpoint.due:
                    checkpoint.save(self.saved())
                if should_stop():
                    return False
        return True

    def _go_on(self, share: float, pack: Pack) -> None:
        pack.run_steps(self.epoch, math.ceil(pack.shape.steps * share - 1e-9))

    def _rounds(self) -> int:
        work = sum(pack.shape.steps * len(pack.numbers) * probe(self.job, pack.shape).work for pack in self.packs)
        wanted = math.ceil(work / self.workers / ROUND_WORK)
        return max(1, min(wanted, max(pack.shape.steps for pack in self.packs)))

    def _losses(self, pool: ThreadPoolExecutor) -> tuple[FloatArray, FloatArray]:
        train, validation = (np.full(len(self.records), np.nan) for _ in range(2))
        for pack, losses in zip(self.packs, self._each(pool, Pack.validate), strict=True):
            validation[pack.numbers] = losses
            train[pack.numbers] = pack.mean_losses()
        return train, validation

    def _each(self, pool: ThreadPoolExecutor, do: Callable[[Pack], Any]) -> list[Any]:
        """``do`` for every pack, each on its own worker; the results in the order of the packs."""

        def mine(worker: int) -> list[tuple[int, Any]]:
            with torch.no_grad():
                return [(i, do(pack)) for i, pack in enumerate(self.packs) if self._owners[i] == worker]

        found = [pair for pairs in pool.map(mine, range(self.workers)) for pair in pairs]
        return [result for _, result in sorted(found, key=lambda pair: pair[0])]

    def _judge(self, train: FloatArray, validation: FloatArray, partly: bool = False) -> None:
        """Note every member's losses and keep the weights that are its best; a diverged one goes on unheard.

        ``partly``: the first epoch was cut short; what there is counts as epoch 0.
        """
        self.epoch += 0 if partly else 1
        for pack in self.packs:
            better = []
            for place, number in enumerate(pack.numbers):
                record = self.records[number]
                if not record.trains:
                    train[number] = validation[number] = np.nan
                    continue
                validates = len(self.job.members[number].validation) > 0
                losses = float(train[number]), float(validation[number])
                if record.judge(self.epoch, *losses, validates, self.job.recipe):
                    better.append(place)
            if better:
                pack.keep_best(better)
            if not partly:
                pack.end_epoch()

    def _let_go(self) -> None:
        """Remove members that stopped, once half of a kind's members have: then the others are packed anew.

        Until then they go on computing unheard, which is cheaper than packing and recording again for every one.
        """
        kinds: dict[BatchShape, list[Pack]] = {}
        for pack in self.packs:
            kinds.setdefault(pack.shape, []).append(pack)
        left: list[list[int]] = []
        changed = False
        for packs in kinds.values():
            present = [number for pack in packs for number in pack.numbers]
            active = [number for number in present if self.records[number].trains]
            if 2 * len(active) <= len(present):
                left += cut(self.job, active, SIDE_BY_SIDE) if active else []
                changed = True
            else:
                left += [pack.numbers for pack in packs]
        if changed:
            self._fill_packs(left)

    def _fill_packs(self, wanted: Sequence[list[int]]) -> None:
        """Packs of the members ``wanted``; the best weights of those that leave are kept."""
        before = self.packs
        staying = {tuple(pack.numbers): pack for pack in before}
        self._keep_best_of(before)
        work = [len(numbers) * BatchShape.of(self.job.members[numbers[0]], self.job.recipe).rows for numbers in wanted]
        self._owners = share(work, self.workers)
        self.packs = []
        for numbers, owner in zip(wanted, self._owners, strict=True):
            workspace = self._workspaces[owner]
            pack = staying.get(tuple(numbers))
            if pack is None or pack.workspace is not workspace:
                pack = self._new_pack(numbers, workspace)
                if before:
                    pack.take_members(before)
            self.packs.append(pack)

    def _new_pack(self, numbers: list[int], workspace: Workspace) -> Pack:
        parameters = [value[numbers] for value in self.kept]
        return Pack(self.job, numbers, parameters, [value[numbers] for value in self.buffers], workspace, self._manner)

    def _keep_best_of(self, packs: Sequence[Pack]) -> None:
        for pack in packs:
            for stacked, view in zip(self.kept, pack.views(pack.best), strict=True):
                stacked[pack.numbers] = view

    def saved(self) -> Saved:
        """Everything that `resume` needs."""
        tensors = {f"kept {i}": value for i, value in enumerate(self.kept)}
        for number, pack in enumerate(self.packs):
            tensors |= {f"pack {number} {name}": value for name, value in pack.state().items()}
        facts = {
            "epoch": self.epoch,
            "records": [_texts(asdict(record)) for record in self.records],
            "packs": [pack.numbers for pack in self.packs],
            "bfloat16": self.job.bfloat16,
            "bfloat16_muon": self._manner.bfloat16_muon,
            "workers": self.workers,
        }
        return Saved(facts, tensors)

    def resume(self, saved: Saved) -> None:
        """Go on where ``saved`` was."""
        self.epoch = saved.facts["epoch"]
        self._manner = replace(self._manner, bfloat16_muon=saved.facts["bfloat16_muon"])
        self.records = [Record(**_numbers(values)) for values in saved.facts["records"]]
        for i, value in enumerate(self.kept):
            value.copy_(saved.tensors[f"kept {i}"])
        initial = [value.clone() for value in self.kept]
        self._fill_packs(saved.facts["packs"])
        self.kept = initial
        for number, pack in enumerate(self.packs):
            start = f"pack {number} "
            pack.set_state({n.removeprefix(start): t for n, t in saved.tensors.items() if n.startswith(start)})

    def result(self, choices: dict[str, Any]) -> Population:
        """The best weights and the story of every member."""
        self._keep_best_of(self.packs)
        return Population(
            states=tuple(record.state for record in self.records),
            histories=tuple(
                {"train_loss": record.train_loss, "validation_loss": record.validation_loss} for record in self.records
            ),
            best_epochs=np.array([record.best_epoch for record in self.records], dtype=np.int64),
            validation_loss=np.array([record.best_loss for record in self.records]),
            choices=choices,
            cut_short=self.cut_short,
            _network=self.job.network,
            _layout=self.job.layout,
            _parameters=self.kept,
            _buffers=self.buffers,
            _batched=self.job.batched,
        )


def _prepare_worker() -> None:
    # Moments of units that get no gradient any more fade into denormal numbers, on which processors are slow.
    torch.set_flush_denormal(True)


_NOT_FINITE = ("nan", "inf", "-inf")  # JSON has no such numbers: written as texts


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if value in _NOT_FINITE else value

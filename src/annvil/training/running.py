"""A population while it trains: epoch after epoch, who goes on, what is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.errors import RequestError
from annvil.task import FloatArray
from annvil.training import machine
from annvil.training.batches import BatchShape
from annvil.training.checkpoint import Checkpoint, Saved, to_numbers, to_texts
from annvil.training.distributed import Distributed
from annvil.training.job import Job, Workspace, probe
from annvil.training.looking import LookNow, Now, measure
from annvil.training.memory import available_bytes
from annvil.training.muon import is_wide, matrices_of
from annvil.training.pack import Manner, Pack
from annvil.training.packing import SIDE_BY_SIDE, cut, share, waves
from annvil.training.population import Population
from annvil.training.recipe import Listener, Metric, Progress
from annvil.training.records import Record, halve

ROUND_WORK = 3e10
"""Work (`Trace.work`) between two questions whether to stop: about half a second on one core (measured)."""

Tell = Callable[[Progress], None]


class Run:
    """A population half way.

    ``kept`` are the stacked weights ``(K, *shape)`` with which members start; in the end, those of their best epochs.

    Members train in waves, one after another, where the memory does not hold all of them at once; ``epoch`` counts the
    finished epochs of the present wave. Of several processes, the first judges, hears the caller's functions and tells
    the others.
    """

    def __init__(
        self,
        job: Job,
        kept: list[Tensor],
        buffers: list[Tensor],
        workers: int,
        listener: Listener | None = None,
        metric: Metric | None = None,
        distributed: Distributed | None = None,
    ) -> None:
        self.job, self.kept, self.buffers = job, kept, buffers
        self.kept_moving = [buffers[place].clone() for place in job.moving]  # of the best epochs, as `kept`
        self._listener, self._metric = listener, metric
        self._distributed = distributed or Distributed()
        if job.recipe.monitor == "metric" and metric is None:
            raise RequestError("Recipe: monitor='metric' needs a metric to be given to train_population.")
        matrices = matrices_of(job.network, job.layout) if job.recipe.optimizer == "muon" else ()
        bfloat16_muon = self._muon_in_bfloat16(matrices)
        self._manner = Manner(matrices, bfloat16_muon, listener is not None, self._distributed)
        self.records = [Record() for _ in job.members]
        self.epoch = 0
        self.cut_short = False
        # Sums between processes must come in the same order in each of them, so one worker asks for all.
        self.workers = workers if self._distributed.world == 1 else 1
        self._workspaces = [Workspace() for _ in range(self.workers)]
        self.packs: list[Pack] = []
        self._owners: list[int] = []
        self._waiting: list[list[list[int]]] = []  # packs of the waves to come
        self._waves = 1
        halvings = {max(1, round(share * job.recipe.epochs)) for share in job.recipe.halving}
        self._halvings = halvings - {job.recipe.epochs}  # after the last epoch nobody is spared any work

    def _muon_in_bfloat16(self, matrices: Sequence[str]) -> bool:
        if not is_wide(self.job.layout, matrices) or self.job.recipe.precision == "float32":
            return False
        return self.job.recipe.precision == "bfloat16" or self._distributed.ask_first(machine.bfloat16_pays)

    def start(self) -> None:
        """Put all members into packs, and the packs into waves."""
        room = float(self._distributed.agreed(np.array(available_bytes())))
        self._waiting = waves(self.job, cut(self.job, range(len(self.job.members)), SIDE_BY_SIDE), room)
        self._waves = len(self._waiting)
        self._fill_packs(self._waiting.pop(0))

    def train(self, should_stop: Callable[[], bool], tell: Tell, checkpoint: Checkpoint) -> None:
        """All epochs of all waves, or until ``should_stop`` says so."""
        if not self._distributed.is_first:
            checkpoint, tell = Checkpoint(None, ""), _nobody
        should_stop = partial(self._distributed.ask_first, should_stop)
        # The workers' own threads: settings of PyTorch and the processor made there end with them.
        with ThreadPoolExecutor(self.workers, initializer=_prepare_worker) as pool:
            self._train_wave(pool, should_stop, tell, checkpoint)
            while self._waiting and not self.cut_short:
                self._next_wave()
                self._train_wave(pool, should_stop, tell, checkpoint)
            checkpoint.save(self.saved())
            if self.cut_short and self.epoch == 0:
                self._judge(*self._losses(pool), partly=True)
        self._end_wave()
        for number in (number for wave in self._waiting for pack in wave for number in pack):
            self.records[number].state = "stopped at epoch 0: its turn had not come"

    def _train_wave(
        self, pool: ThreadPoolExecutor, should_stop: Callable[[], bool], tell: Tell, checkpoint: Checkpoint
    ) -> None:
        """All epochs, or until nobody trains any more or ``should_stop`` says so."""
        while self.epoch < self.job.recipe.epochs and self._training():
            if not self._one_epoch(pool, should_stop, checkpoint):
                self.cut_short = True
                break
            progress = self._judge(*self._losses(pool))
            if self.epoch in self._halvings:
                present = sorted(number for pack in self.packs for number in pack.numbers)
                members = [self.job.members[number] for number in present]
                records = [self.records[number] for number in present]
                halve(members, records, self.epoch, self.job.recipe.monitor)
            progress = replace(progress, active=len(self._training()))
            self._let_listener_look(progress)
            self._let_go()
            if checkpoint.due:
                checkpoint.save(self.saved())
            tell(progress)
            if self._training() and self.epoch < self.job.recipe.epochs and should_stop():
                self.cut_short = True
                break

    def _training(self) -> list[int]:
        """The members of the present wave that go on."""
        return [number for pack in self.packs for number in pack.numbers if self.records[number].trains]

    def _end_wave(self) -> None:
        for number in self._training():
            self.records[number].state = f"stopped at epoch {self.epoch}" if self.cut_short else "finished"

    def _next_wave(self) -> None:
        self._end_wave()
        self._keep_best_of(self.packs)
        self.packs, self._owners = [], []
        self.epoch = 0
        self._fill_packs(self._waiting.pop(0))

    def _let_listener_look(self, progress: Progress) -> None:
        """The listener, if there is one, hears of the epoch and may stop members."""
        if self._listener is None:
            return
        stopped: bytes | None = None
        if self._distributed.is_first:
            look = LookNow(self._now(), self.records, self._training(), self.epoch)
            if self._listener.on_epoch(progress, look):
                for number in look.training:
                    look.stop(number)
            stopped = json.dumps([record.state for record in self.records]).encode()
        told = self._distributed.bytes_from_first(stopped)
        for record, state in zip(self.records, json.loads(told or b"[]"), strict=True):
            record.state = state

    def _now(self) -> Now:
        return Now(self.job, self.records, self.packs, self.kept, self.buffers)

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

    def _losses(self, pool: ThreadPoolExecutor) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Training and validation losses and the metric of all members, NaN for those that do not train."""
        train, validation, metric = (np.full(len(self.records), np.nan) for _ in range(3))
        for pack, losses in zip(self.packs, self._each(pool, Pack.validate), strict=True):
            validation[pack.numbers] = losses
            train[pack.numbers] = pack.mean_losses()
            if self._metric is not None and self._distributed.is_first:
                training = [number for number in pack.numbers if self.records[number].trains]
                metric[training] = measure(self._metric, self._now(), self.job, training)
        train, validation, metric = self._distributed.agreed(np.stack([train, validation, metric]))
        return train, validation, metric

    def _each(self, pool: ThreadPoolExecutor, do: Callable[[Pack], Any]) -> list[Any]:
        """``do`` for every pack, each on its own worker; the results in the order of the packs."""

        def mine(worker: int) -> list[tuple[int, Any]]:
            with torch.no_grad():
                return [(i, do(pack)) for i, pack in enumerate(self.packs) if self._owners[i] == worker]

        found = [pair for pairs in pool.map(mine, range(self.workers)) for pair in pairs]
        return [result for _, result in sorted(found, key=lambda pair: pair[0])]

    def _judge(self, train: FloatArray, validation: FloatArray, metric: FloatArray, partly: bool = False) -> Progress:
        """Note every member's losses and keep the weights that are its best; a diverged one goes on unheard.

        ``partly``: the first epoch was cut short; what there is counts as epoch 0.
        """
        self.epoch += 0 if partly else 1
        for pack in self.packs:
            better = []
            for place, number in enumerate(pack.numbers):
                record = self.records[number]
                if not record.trains:
                    train[number] = validation[number] = metric[number] = np.nan
                    continue
                validates = len(self.job.members[number].validation) > 0
                losses = float(train[number]), float(validation[number])
                if record.judge(self.epoch, *losses, validates, self.job.recipe, float(metric[number])):
                    better.append(place)
            if better:
                pack.keep_best(better)
            if not partly:
                pack.end_epoch()
        notice = f"Wave {self._waves - len(self._waiting)} of {self._waves}." if self._waves > 1 else ""
        epochs, active = self.job.recipe.epochs, len(self._training())
        return Progress(self.epoch, epochs, active, train, validation, notice, metric)

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
            for stacked, best in zip(self.kept_moving, pack.best_moving, strict=True):
                stacked[pack.numbers] = best

    def saved(self) -> Saved:
        """Everything that `resume` needs."""
        tensors = {f"kept {i}": value for i, value in enumerate(self.kept)}
        tensors |= {f"kept buffer {i}": value for i, value in enumerate(self.kept_moving)}
        for number, pack in enumerate(self.packs):
            tensors |= {f"pack {number} {name}": value for name, value in pack.state().items()}
        facts = {
            "epoch": self.epoch,
            "records": [to_texts(asdict(record)) for record in self.records],
            "packs": [pack.numbers for pack in self.packs],
            "bfloat16": self.job.bfloat16,
            "bfloat16_muon": self._manner.bfloat16_muon,
            "workers": self.workers,
            "waiting": self._waiting,
            "waves": self._waves,
        }
        return Saved(facts, tensors)

    def resume(self, saved: Saved) -> None:
        """Go on where ``saved`` was."""
        self.epoch = saved.facts["epoch"]
        self._waiting, self._waves = saved.facts["waiting"], saved.facts["waves"]
        self._manner = replace(self._manner, bfloat16_muon=saved.facts["bfloat16_muon"])
        self.records = [Record(**to_numbers(values)) for values in saved.facts["records"]]
        for i, value in enumerate(self.kept):
            value.copy_(saved.tensors[f"kept {i}"])
        for i, value in enumerate(self.kept_moving):
            value.copy_(saved.tensors[f"kept buffer {i}"])
        initial = [value.clone() for value in self.kept]
        self._fill_packs(saved.facts["packs"])
        self.kept = initial
        for number, pack in enumerate(self.packs):
            start = f"pack {number} "
            pack.set_state({n.removeprefix(start): t for n, t in saved.tensors.items() if n.startswith(start)})

    def result(self, choices: dict[str, Any]) -> Population:
        """The best weights and the story of every member."""
        self._keep_best_of(self.packs)
        buffers = list(self.buffers)
        for place, value in zip(self.job.moving, self.kept_moving, strict=True):
            buffers[place] = value
        return Population(
            states=tuple(record.state for record in self.records),
            histories=tuple(self._history(record) for record in self.records),
            best_epochs=np.array([record.best_epoch for record in self.records], dtype=np.int64),
            validation_loss=np.array([record.best_loss for record in self.records]),
            choices=choices | self._choices(),
            cut_short=self.cut_short,
            _job=self.job,
            _parameters=self.kept,
            _buffers=buffers,
        )

    def _history(self, record: Record) -> dict[str, list[float]]:
        history = {"train_loss": record.train_loss, "validation_loss": record.validation_loss}
        return history if self._metric is None else history | {"metric": record.metric}

    def _choices(self) -> dict[str, Any]:
        """What was chosen here, in words."""
        choices: dict[str, Any] = {}
        if self._waves > 1:
            choices["waves"] = self._waves
            choices["waves_because"] = (
                "the memory does not hold all members at once; they trained one wave after another"
            )
            if self._halvings:
                choices["waves_because"] += ", and candidates competed within their wave"
        if self.job.recipe.optimizer == "muon":
            names = ", ".join(self._manner.matrices) or "no parameter"
            others = {"adamw": "AdamW", "sgd": "SGD"}[self.job.recipe.muon.others]
            choices["muon"] = f"Muon for {names}; {others} for the others"
        if self._distributed.world > 1:
            choices["processes"] = self._distributed.world
        return choices


def _nobody(progress: Progress) -> None:
    """Hears nothing."""


def _prepare_worker() -> None:
    # Moments of units that get no gradient any more fade into denormal numbers, on which processors are slow.
    torch.set_flush_denormal(True)

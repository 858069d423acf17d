"""A population while it trains: epoch after epoch, who goes on, what is kept."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.system.memory import available_bytes
from annvil.tasks.base import FloatArray
from annvil.training.loop.bound_step import probe
from annvil.training.loop.checkpoint import Checkpoint, Saved
from annvil.training.loop.history import Record, halve
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.pack import Pack, PackSettings
from annvil.training.loop.snapshot import LookNow, Now, measure
from annvil.training.loop.workers import SIDE_BY_SIDE, Threads, WorkerPool, at_work, cut, waves
from annvil.training.optimizers.muon import is_wide, matrices_of
from annvil.training.population import Population
from annvil.training.recipe import Listener, Metric, Progress
from annvil.training.system import hardware as machine
from annvil.training.system.distributed import ALONE, Distributed

ROUND_WORK = 3e10
"""Work (`Trace.work`) between two questions whether to stop: about half a second on one core (measured)."""

Tell = Callable[[Progress], None]


class PopulationRun:
    """A population half way.

    Members train in waves, one after another, where the memory does not hold all of them at once; ``epoch`` counts the
    finished epochs of the present wave. Of several processes, the first judges, hears the caller's functions and tells
    the others.
    """

    def __init__(
        self,
        job: TrainingJob,
        initial: tuple[list[Tensor], list[Tensor]],
        workers: int,
        listener: Listener | None = None,
        metric: Metric | None = None,
        together: Distributed = ALONE,
        saved: Saved | None = None,
    ) -> None:
        """``initial`` are all members' weights and buffers, stacked; ``saved`` is where to go on."""
        if job.recipe.monitor == "metric" and metric is None:
            raise RequestError("Recipe: monitor='metric' needs a metric to be given to train_population.")
        if together.world > 1 and job.moving and not job.eager:
            name = job.layout.buffers[job.moving[0]]
            raise RequestError(
                f"{type(job.given).__name__} changes its buffer {name!r} with every batch, and of several processes "
                "each would know only its own rows: train in one process, or without such a layer."
            )
        self.job, self._listener, self._metric, self._together = job, listener, metric, together
        # Sums between processes must come in the same order in each of them, so one worker asks for all.
        self.workers = workers if together.world == 1 else 1
        self.records = [Record() for _ in job.members]
        self.epoch = 0
        self.cut_short = False
        halvings = {max(1, round(share * job.recipe.epochs)) for share in job.recipe.halving}
        self._halvings = halvings - {job.recipe.epochs}  # after the last epoch nobody is spared any work
        self._settings = self._choose_settings(None if saved is None else saved.facts)
        self.pool = WorkerPool(job, self._settings, *initial, self.workers)
        if saved is None:
            self._start()
        else:
            self._go_on_from(saved)

    def _choose_settings(self, facts: dict[str, Any] | None) -> PackSettings:
        job = self.job
        matrices = matrices_of(job.network, job.layout) if job.recipe.optimizer == "muon" else ()
        bfloat16_muon = job.recipe.precision == "bfloat16"
        if facts is not None:
            bfloat16_muon = facts["bfloat16_muon"]
        elif job.recipe.precision == "auto" and is_wide(job.layout, matrices):
            bfloat16_muon = self._together.ask_first(machine.bfloat16_pays)
        side_by_side = self.workers > 1 and len(job.members) == 1
        return PackSettings(matrices, bfloat16_muon, self._listener is not None, self._together, side_by_side)

    def _start(self) -> None:
        """Put all members into packs, and the packs into waves."""
        packs = cut(self.job, range(len(self.job.members)), SIDE_BY_SIDE)
        room = float(self._together.agreed(np.array(available_bytes())))
        first, *self._waiting = waves(self.job, packs, room)  # packs of the waves to come
        self._waves = 1 + len(self._waiting)
        self.pool.fill(first)

    def _go_on_from(self, saved: Saved) -> None:
        self.epoch = saved.facts["epoch"]
        self._waiting, self._waves = saved.facts["waiting"], saved.facts["waves"]
        self.records = [Record(**values) for values in saved.facts["records"]]
        self.pool.set_state(saved.tensors, saved.facts["packs"])

    def train(self, should_stop: Callable[[], bool], tell: Tell, checkpoint: Checkpoint) -> None:
        """All epochs of all waves, or until ``should_stop`` says so."""
        if not self._together.is_first:
            checkpoint, tell = Checkpoint(None, ""), lambda progress: None
        should_stop = partial(self._together.ask_first, should_stop)
        with at_work(self.workers) as threads:
            self._train_wave(threads, should_stop, tell, checkpoint)
            while self._waiting and not self.cut_short:
                self._end_wave()
                self.pool.dismiss()
                self.epoch = 0
                self.pool.fill(self._waiting.pop(0))
                self._train_wave(threads, should_stop, tell, checkpoint)
            checkpoint.save(self.saved())
            if self.cut_short and self.epoch == 0:
                self._judge(self._losses(threads), partly=True)
        self._end_wave()
        for number in self._numbers_waiting():
            self.records[number].state = "stopped at epoch 0: its turn had not come"

    def _train_wave(
        self, threads: Threads, should_stop: Callable[[], bool], tell: Tell, checkpoint: Checkpoint
    ) -> None:
        """All epochs, or until nobody trains any more or ``should_stop`` says so."""
        goes_on = self.epoch < self.job.recipe.epochs and bool(self._training())
        while goes_on and not self.cut_short:
            if not self._one_epoch(threads, should_stop, checkpoint):
                self.cut_short = True
                break
            progress = self._judge(self._losses(threads))
            if self.epoch in self._halvings:
                self._halve()
            self._let_listener_look(replace(progress, active=len(self._training())))
            self.pool.let_go(lambda number: self.records[number].trains)
            if checkpoint.due:
                checkpoint.save(self.saved())
            tell(replace(progress, active=len(self._training())))
            goes_on = self.epoch < self.job.recipe.epochs and bool(self._training())
            self.cut_short = goes_on and should_stop()

    def _training(self) -> list[int]:
        """The members of the present wave that go on."""
        return [number for pack in self.pool.packs for number in pack.numbers if self.records[number].trains]

    def _numbers_waiting(self) -> list[int]:
        return [number for wave in self._waiting for pack in wave for number in pack]

    def _end_wave(self) -> None:
        for number in self._training():
            self.records[number].state = f"stopped at epoch {self.epoch}" if self.cut_short else "finished"

    def _halve(self) -> None:
        present = sorted(number for pack in self.pool.packs for number in pack.numbers)
        members, records = [self.job.members[n] for n in present], [self.records[n] for n in present]
        halve(members, records, self.epoch, self.job.recipe.monitor)

    def _let_listener_look(self, progress: Progress) -> None:
        """The listener, if there is one, hears of the epoch and may stop members."""
        if self._listener is None:
            return
        states: bytes | None = None
        if self._together.is_first:
            look = LookNow(self._now(), self.records, self._training(), self.epoch)
            if self._listener.on_epoch(progress, look):
                for number in look.training:
                    look.stop(number)
                for number in self._numbers_waiting():
                    self.records[number].state = "stopped at epoch 0 by the listener"
            states = json.dumps([record.state for record in self.records]).encode()
        told = self._together.bytes_from_first(states)
        for record, state in zip(self.records, json.loads(told or b"[]"), strict=True):
            record.state = state
        if not any(self.records[number].trains for number in self._numbers_waiting()):
            self._waiting = []

    @cached_property
    def _computes(self) -> nn.Module | None:
        """What computes the outputs that are measured: copied once, unless the network may note something in itself."""
        return None if self.job.eager else copy.deepcopy(self.job.network).eval()

    def _now(self) -> Now:
        return Now(self.job, self.records, self.pool)

    def _one_epoch(self, threads: Threads, should_stop: Callable[[], bool], checkpoint: Checkpoint) -> bool:
        """What is left of one pass over the training rows; False when it was cut short."""
        self.pool.each(threads, lambda pack: pack.begin_epoch(self.epoch))
        rounds = self._rounds()
        for number in range(1, rounds + 1):
            self.pool.each(threads, partial(self._go_on, number / rounds))
            if number < rounds:
                if checkpoint.due:
                    checkpoint.save(self.saved())
                if should_stop():
                    return False
        return True

    def _go_on(self, share: float, pack: Pack) -> None:
        pack.run_steps(self.epoch, math.ceil(pack.shape.steps * share - 1e-9))

    def _rounds(self) -> int:
        work = sum(pack.shape.steps * len(pack.numbers) * probe(self.job, pack.shape).work for pack in self.pool.packs)
        wanted = math.ceil(work / self.workers / ROUND_WORK)
        return max(1, min(wanted, max(pack.shape.steps for pack in self.pool.packs)))

    def _losses(self, threads: Threads) -> FloatArray:
        """Training and validation losses and the metric ``(3, members)``, NaN for those that do not train."""
        train, validation, metric = losses = np.full((3, len(self.records)), np.nan)
        for pack, found in zip(self.pool.packs, self.pool.each(threads, Pack.validate), strict=True):
            validation[pack.numbers] = found
            train[pack.numbers] = pack.mean_losses()
            if self._metric is not None and self._together.is_first:
                training = [number for number in pack.numbers if self.records[number].trains]
                metric[training] = measure(self._metric, self._now(), self.job, training, self._computes)
        return self._together.agreed(losses)

    def _judge(self, losses: FloatArray, partly: bool = False) -> Progress:
        """Note every member's losses and keep the weights that are its best; a diverged one goes on unheard.

        ``partly``: the first epoch was cut short; what there is counts as epoch 0.
        """
        self.epoch += 0 if partly else 1
        for pack in self.pool.packs:
            better = []
            for place, number in enumerate(pack.numbers):
                record = self.records[number]
                if not record.trains:
                    losses[:, number] = np.nan
                    continue
                validates = len(self.job.members[number].validation) > 0
                train, validation, metric = losses[:, number].tolist()
                if record.judge(self.epoch, train, validation, validates, self.job.recipe, metric):
                    better.append(place)
            if better:
                pack.keep_best(better)
            if not partly:
                pack.end_epoch()
        notice = f"Wave {self._waves - len(self._waiting)} of {self._waves}." if self._waves > 1 else ""
        train, validation, metric = losses
        active = len(self._training())
        return Progress(self.epoch, self.job.recipe.epochs, active, train, validation, notice, metric)

    def saved(self) -> Saved:
        """Everything that `resume` needs."""
        facts = {
            "epoch": self.epoch,
            "records": [asdict(record) for record in self.records],
            "packs": [pack.numbers for pack in self.pool.packs],
            "bfloat16": self.job.bfloat16,
            "bfloat16_muon": self._settings.bfloat16_muon,
            "workers": self.workers,
            "waiting": self._waiting,
            "waves": self._waves,
        }
        return Saved(facts, self.pool.state())

    def result(self, choices: dict[str, Any]) -> Population:
        """The best weights and the story of every member."""
        self.pool.keep_best()
        return Population(
            states=tuple(record.state for record in self.records),
            histories=tuple(self._history(record) for record in self.records),
            best_epochs=np.array([record.best_epoch for record in self.records], dtype=np.int64),
            validation_loss=np.array([record.best_loss for record in self.records]),
            choices=choices | self._choices(),
            cut_short=self.cut_short,
            _job=self.job,
            _parameters=self.pool.kept,
            _buffers=self.pool.buffers,
        )

    def _history(self, record: Record) -> dict[str, list[float]]:
        history = {"train_loss": record.train_loss, "validation_loss": record.validation_loss}
        return history if self._metric is None else history | {"metric": record.metric}

    def _choices(self) -> dict[str, Any]:
        """What was chosen here, in words."""
        choices: dict[str, Any] = {}
        if self._waves > 1:
            because = "the memory does not hold all members at once; they trained one wave after another"
            because += ", and candidates competed within their wave" if self._halvings else ""
            choices |= {"waves": self._waves, "waves_because": because}
        if self.job.recipe.optimizer == "muon":
            names = ", ".join(self._settings.matrices) or "no parameter"
            others = {"adamw": "AdamW", "sgd": "SGD"}[self.job.recipe.muon.others]
            choices["muon"] = f"Muon for {names}; {others} for the others"
        files = sorted({source.path for source in self.job.sources if source is not None})
        if files:
            choices["reading"] = f"batches are read from {', '.join(files)} while the steps before are computed"
        if self._together.world > 1:
            choices["processes"] = self._together.world
        return choices

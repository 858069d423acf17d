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
from annvil.training.loop.checkpoint import Checkpoint, Saved
from annvil.training.loop.history import Record, halve
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.outcome import choices_of
from annvil.training.loop.pack import Pack, PackSettings
from annvil.training.loop.recording_check import RecordingCheck
from annvil.training.loop.snapshot import LookNow, Now, measure
from annvil.training.loop.workers import SIDE_BY_SIDE, Threads, WorkerPool, at_work, cut, rounds_of, waves
from annvil.training.population import Population
from annvil.training.recipe import Listener, Metric, Progress
from annvil.training.system.distributed import ALONE, Distributed

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
        original: nn.Module | None = None,
    ) -> None:
        """``initial`` are all members' weights and buffers, stacked; ``saved`` is where to go on.

        ``original`` is the caller's own network, of which members' are copies: what changes in it changes in them.
        """
        if job.recipe.monitor == "metric" and metric is None:
            raise RequestError("Recipe: monitor='metric' needs a metric to be given to train_population.")
        if together.world > 1 and job.moving and not job.eager:
            name = job.layout.buffers[job.moving[0]]
            raise RequestError(
                f"{type(job.given).__name__} changes its buffer {name!r} with every batch, and of several processes "
                "each would know only its own rows: train in one process, or without such a layer."
            )
        self.job, self._listener, self._metric, self._together = job, listener, metric, together
        self._went_over = ""  # why steps that were recorded at first are eager now
        # Sums between processes must come in the same order in each of them, so one worker asks for all.
        self.workers = workers if together.world == 1 else 1
        self.records = [Record() for _ in job.members]
        self.epoch = 0
        self.cut_short = False
        halvings = {max(1, round(share * job.recipe.epochs)) for share in job.recipe.halving}
        self._halvings = halvings - {job.recipe.epochs}  # after the last epoch nobody is spared any work
        self._threads: Threads = None
        side_by_side = self.workers > 1 and len(job.members) == 1
        facts = None if saved is None else saved.facts
        self._settings = PackSettings.of(job, facts, listener is not None, together, side_by_side)
        self.pool = WorkerPool(job, self._settings, *initial, self.workers)
        if saved is None:
            self._start()
        else:
            self._go_on_from(saved)
        self._check = RecordingCheck(job, self.pool, original, listens=bool(listener or metric))

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
        with at_work(self.workers) as self._threads:
            self._train_wave(should_stop, tell, checkpoint)
            while self._waiting and not self.cut_short:
                self._end_wave()
                self.pool.dismiss()
                self.epoch = 0
                self.pool.fill(self._waiting.pop(0))
                self._train_wave(should_stop, tell, checkpoint)
            checkpoint.save(self.saved())
            if self.cut_short and self.epoch == 0:
                self._judge(self._losses(), partly=True)
        self._end_wave()
        for number in self._numbers_waiting():
            self.records[number].state = "stopped at epoch 0: its turn had not come"

    def _train_wave(self, should_stop: Callable[[], bool], tell: Tell, checkpoint: Checkpoint) -> None:
        """All epochs, or until nobody trains any more or ``should_stop`` says so."""
        goes_on = self.epoch < self.job.recipe.epochs and bool(self._training())
        while goes_on and not self.cut_short:
            if not self._one_epoch(should_stop, checkpoint):
                self.cut_short = True
                break
            progress = self._judge(self._losses())
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

    def _one_epoch(self, should_stop: Callable[[], bool], checkpoint: Checkpoint) -> bool:
        """What is left of one pass over the training rows; False when it was cut short."""
        self.pool.each(self._threads, lambda pack: pack.begin_epoch(self.epoch))
        if not any(pack.step_done for pack in self.pool.packs):
            self._check_recording(ended=False)
        rounds = rounds_of(self.job, self.pool.packs, self.workers)
        for number in range(1, rounds + 1):
            self.pool.each(self._threads, partial(self._go_on, number / rounds))
            if number < rounds:
                if checkpoint.due:
                    checkpoint.save(self.saved())
                if should_stop():
                    return False
        if self.epoch == 0 and self._check_recording(ended=True):
            return self._one_epoch(should_stop, checkpoint)
        return True

    def _check_recording(self, ended: bool) -> bool:
        """Compare recorded steps with PyTorch's where that is due; whether they differ, and steps are eager now.

        Of what differs in the first epoch no step counts: the epoch begins anew. Later ones go on from their weights.
        """
        changed = not ended and self._check.outside_changed()
        if self.job.eager:
            return False
        found = self._check.wrong(self.epoch, ended, changed)
        because = self._together.bytes_from_first(found.encode() if self._together.is_first else None) or b""
        if because:
            self._go_over(because.decode(), anew=self.epoch == 0)
        return bool(because)

    def _go_over(self, because: str, anew: bool) -> None:
        """Let PyTorch compute the steps from now on."""
        if self.job.recipe.execution == "recorded":
            name = type(self.job.given).__name__
            raise RequestError(f"{name} cannot be recorded: {because}; use execution='auto' or 'eager'.")
        assert self.job.otherwise is not None
        self.job = self.job.otherwise.changed(bfloat16=self.job.recipe.precision == "bfloat16")
        # Steps of what was not seen through may share more than members know of: one after another.
        self._threads, self._went_over = None, because
        self.__dict__.pop("_computes", None)
        self.pool.go_over(self.job, anew)
        self.pool.each(None, lambda pack: pack.begin_epoch(self.epoch))

    def _go_on(self, share: float, pack: Pack) -> None:
        pack.run_steps(self.epoch, math.ceil(pack.shape.steps * share - 1e-9))

    def _losses(self) -> FloatArray:
        """Training and validation losses and the metric ``(3, members)``, NaN for those that do not train."""
        train, validation, metric = losses = np.full((3, len(self.records)), np.nan)
        for pack, found in zip(self.pool.packs, self.pool.each(self._threads, Pack.validate), strict=True):
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
            "eager": self._went_over,
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
        went = {"execution": "eager", "execution_because": self._went_over} if self._went_over else {}
        matrices, processes = self._settings.matrices, self._together.world
        return went | choices_of(self.job, self._waves, bool(self._halvings), matrices, processes)

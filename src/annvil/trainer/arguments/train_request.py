"""What `annvil.train` was asked for, checked once and in the form the engine takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from annvil.data.batch_transform import Augment
from annvil.tasks.base import IntArray
from annvil.trainer.arguments.losses import ChosenLoss
from annvil.trainer.arguments.metrics import Score
from annvil.trainer.inputs.module_source import Source
from annvil.trainer.inputs.targets import Target
from annvil.trainer.monitoring.callbacks import Callbacks
from annvil.training import Member, Recipe
from annvil.training.system.distributed import Distributed


@dataclass(frozen=True)
class Request:
    """One call of `train`, checked.

    Attributes
    ----------
    source : how networks are made: `Source.build(settings, seed)`
    asked_seconds : when the request came, by `time.monotonic`; the budget counts from there
    inputs : what the network is called with, rows first; validation rows that came as ``(X, y)`` follow the others
    targets : of all rows, in the form the loss takes
    weights : of all rows, float32, or None; class weights are multiplied in
    train, validation : row numbers, int64
    target : what ``y`` is, and how outputs become labels and probabilities
    loss : what is minimised
    scores : metrics to compute after every epoch; the first one is the result's score
    recipe : for the engine; equal for all members
    settings : of a member, by the names of `annvil.training.Member`: learning_rate, weight_decay, momentum,
        label_smoothing, dropout (None: as the network was built)
    seed : of initial weights (where a function makes the network), batches and noise
    seconds : the budget, or None
    monitor : what chooses the best epoch: "loss", or the name of one of the scores
    augment : changes training batches, or None
    callbacks : who is told, among them the writers of events and for TensorBoard
    distributed : this process among those that train together, or None
    notices : sentences on what was chosen or is worth knowing
    """

    source: Source
    asked_seconds: float
    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None
    train: IntArray
    validation: IntArray
    target: Target
    loss: ChosenLoss
    scores: tuple[Score, ...]
    recipe: Recipe
    settings: Mapping[str, float | None]
    seed: int = 0
    monitor: str = "loss"
    seconds: float | None = None
    checkpoint: Path | None = None
    augment: Augment | None = None
    callbacks: Callbacks = field(default_factory=Callbacks)
    distributed: Distributed | None = None
    verbose: bool | None = None
    notices: tuple[str, ...] = field(default=())

    @property
    def deadline(self) -> float:
        """When to stop, by `time.monotonic`; infinite without a budget."""
        return math.inf if self.seconds is None else self.asked_seconds + self.seconds

    @property
    def first_score(self) -> Score | None:
        """The score that is looked at first: the one monitored, else the first; None where the loss is."""
        return self.monitored or next(iter(self.scores), None)

    @property
    def monitored(self) -> Score | None:
        """The score that chooses the best epoch; None where the loss does."""
        return next((score for score in self.scores if score.name == self.monitor), None)

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """What `annvil.training.train_population` and its like are told, whatever the members and the recipe."""
        return {
            "make_network": lambda member: self.source.build({}, member.seed),
            "inputs": self.inputs,
            "targets": self.targets,
            "loss": self.loss.engine,
            "weights": self.weights,
            "metric": self._gains if self.monitored else None,
            "augment": self.augment,
            "distributed": self.distributed,
            "original": self.source.original,
        }

    def _gains(self, outputs: Tensor, rows: Tensor) -> list[float]:
        """`monitored` for outputs ``(members, n, out)`` and rows ``(members, n)``; more is better."""
        assert self.monitored is not None
        pairs = zip(outputs, rows, strict=True)
        return [self.monitored.gain(output, self.targets[which]) for output, which in pairs]

    def member(self, **changes: Any) -> Member:
        """The member that the request describes, or one that differs in ``changes`` (rows, seed, learning rate …)."""
        given: dict[str, Any] = {"train": self.train, "validation": self.validation, "seed": self.seed, **self.settings}
        return Member(**(given | changes))

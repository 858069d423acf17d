"""What a population is asked to learn with: one `Member` per network, one `Recipe` for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from annvil.errors import RequestError
from annvil.task import FloatArray, IntArray

Optimizer = Literal["adamw", "sgd"]
ScheduleName = Literal["constant", "cosine", "one-cycle", "coslog"]
Precision = Literal["auto", "float32", "bfloat16"]
Batches = Literal["equal", "exact"]
Road = Literal["auto", "recorded", "eager"]


@dataclass(frozen=True)
class Member:
    """One network of a population.

    Attributes
    ----------
    train, validation : row numbers into the tensors given to `train_population`. Without validation rows the last epoch
        is kept.
    seed : decides the order of the batches and the noise of dropout; the network's initial weights are the business of
        ``make_network``
    learning_rate : the peak of the schedule; multiplied by each parameter's own factor
    weight_decay : decoupled (AdamW), multiplied by the learning rate; not applied to parameters that ask for none
    dropout : rate of every noise module of the network (see `annvil.networks.Dropout`), in [0, 1); None leaves the
        rates that the network was built with
    label_smoothing : share of the target spread evenly over the classes, in [0, 1); cross-entropy only, training only
    candidate, race : candidates compete (are halved) within one race, by the mean over their members
    """

    train: IntArray
    validation: IntArray
    seed: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    dropout: float | None = 0.0
    label_smoothing: float = 0.0
    candidate: int = 0
    race: str = ""


@dataclass(frozen=True)
class Recipe:
    """How all members of a population are trained.

    Attributes
    ----------
    epochs : passes over the training rows, at most
    batch_size : most rows in a step. An epoch has ceil(rows / batch_size) steps of equal size (give or take a row), so
        that no step is made of a few left-over rows.
    batches : "equal" steps as just said, or "exact": batches of exactly ``batch_size`` rows and a last one of what is
        left, as the loops of PyTorch and Keras make them. Networks whose outputs for a row depend on the other rows of
        its batch (batch norm) always get "exact" ones, because they must not see padding.
    shuffle : whether rows come in a new order every epoch, or always in the order of ``Member.train``
    optimizer : "adamw" (Loshchilov and Hutter 2019) or "sgd" with momentum
    betas, eps : of AdamW; ``momentum`` (Nesterov's) of SGD
    schedule : of the learning rate over all steps: "constant"; "cosine" to 0; "one-cycle" (Smith 2018: cosine up for
        30% from 1/25, then cosine down to 0); "coslog" (RealMLP's coslog4: four cosine cycles of growing length)
    warmup : share of all steps over which the learning rate rises linearly from 0 before the schedule applies
    regularisation : of weight decay and dropout: "constant", or "flat-cosine" (RealMLP's flat_cos: constant for the
        first half, then cosine to 0)
    patience : epochs without a better validation loss after which a member stops; None trains all epochs
    halving : shares of the epochs at which the worse half of the candidates of each race is removed
    clip_norm : most a member's gradient may measure (2-norm over all parameters); None for no limit
    precision : "float32"; "bfloat16" multiplies matrices in bfloat16 and keeps everything else, weights included, in
        float32; "auto" takes bfloat16 where a measurement on this machine says that it pays
    threads : cores to use, or "auto"
    road : "recorded": the step is recorded once and replayed without autograd; "eager": it is computed by PyTorch's
        autograd anew every time, one member after another; "auto": recorded wherever that gives the same and is fast
    """

    epochs: int
    batch_size: int = 256
    batches: Batches = "equal"
    shuffle: bool = True
    optimizer: Optimizer = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.9
    schedule: ScheduleName = "constant"
    warmup: float = 0.0
    regularisation: Literal["constant", "flat-cosine"] = "constant"
    patience: int | None = None
    halving: tuple[float, ...] = ()
    clip_norm: float | None = None
    precision: Precision = "auto"
    threads: int | Literal["auto"] = "auto"
    road: Road = "auto"

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", self.epochs, "a whole number of at least 1")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "a whole number of at least 1")
        _require(self.optimizer in ("adamw", "sgd"), "optimizer", self.optimizer, "'adamw' or 'sgd'")
        schedules = ("constant", "cosine", "one-cycle", "coslog")
        _require(self.schedule in schedules, "schedule", self.schedule, " or ".join(map(repr, schedules)))
        _require(0 <= self.warmup < 1, "warmup", self.warmup, "a share in [0, 1)")
        kinds = ("constant", "flat-cosine")
        _require(self.regularisation in kinds, "regularisation", self.regularisation, "'constant' or 'flat-cosine'")
        _require(self.patience is None or self.patience >= 1, "patience", self.patience, "at least 1 or None")
        _require(all(0 < share < 1 for share in self.halving), "halving", self.halving, "shares between 0 and 1")
        positive_clip = self.clip_norm is None or self.clip_norm > 0
        _require(positive_clip, "clip_norm", self.clip_norm, "a positive number or None")
        precisions = ("auto", "float32", "bfloat16")
        _require(self.precision in precisions, "precision", self.precision, " or ".join(map(repr, precisions)))
        _require(self.batches in ("equal", "exact"), "batches", self.batches, "'equal' or 'exact'")
        roads = ("auto", "recorded", "eager")
        _require(self.road in roads, "road", self.road, " or ".join(map(repr, roads)))
        threads_fit = self.threads == "auto" or (isinstance(self.threads, int) and self.threads >= 1)
        _require(threads_fit, "threads", self.threads, "'auto' or at least 1")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise RequestError(f"Recipe: {name} must be {rule}; got {value!r}.")


@dataclass(frozen=True)
class Progress:
    """Where training stands after an epoch (or a notice in between).

    ``train_loss`` and ``validation_loss`` are float64 ``(n_members,)``, NaN for members that no longer train.
    """

    epoch: int  # finished so far
    epochs: int
    active: int  # members still training
    train_loss: FloatArray = field(default_factory=lambda: np.empty(0))
    validation_loss: FloatArray = field(default_factory=lambda: np.empty(0))
    notice: str = ""  # something a person should hear, such as a damaged checkpoint


def check_members(members: object, n_rows: int) -> None:
    """Raise `RequestError` naming the first member whose settings or rows cannot be used."""
    if not isinstance(members, list) or not members:
        raise RequestError("train_population needs at least one member.")
    for number, member in enumerate(members):
        for name, rows in (("training", member.train), ("validation", member.validation)):
            rows = np.asarray(rows)
            if rows.size and (rows.min() < 0 or rows.max() >= n_rows):
                raise RequestError(f"Member {number}: {name} rows must lie between 0 and {n_rows - 1}.")
        if np.asarray(member.train).size == 0:
            raise RequestError(f"Member {number} has no training rows.")
        _in_range(number, "learning_rate", member.learning_rate, 0, math.inf)
        _in_range(number, "weight_decay", member.weight_decay, 0, math.inf)
        _in_range(number, "label_smoothing", member.label_smoothing, 0, 1)
        if member.dropout is not None:
            _in_range(number, "dropout", member.dropout, 0, 1)


def _in_range(number: int, name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise RequestError(f"Member {number}: {name} must be at least {low} and below {high}; got {value!r}.")

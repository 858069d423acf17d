"""What a population is asked to learn with: one `Member` per network, one `Recipe` for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, get_origin, get_type_hints

import numpy as np

from annvil.errors import RequestError, did_you_mean
from annvil.tasks.base import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Optimizer = Literal["adamw", "adam", "sgd", "rmsprop", "muon"]
ScheduleName = Literal["constant", "cosine", "one-cycle", "coslog", "flat-cosine", "triangular"]
Precision = Literal["auto", "float32", "bfloat16"]
Batches = Literal["equal", "unpadded", "trimmed", "exact"]
Bytes = Literal["fractions", "integers"]
ExecutionMode = Literal["auto", "recorded", "eager"]


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
    weight_decay : decoupled (AdamW, Muon), multiplied by the learning rate, or added to the gradient (Adam, SGD); not
        applied to parameters that ask for none
    dropout : rate of every dropout of the network (`torch.nn.Dropout` and its kin, `annvil.networks.Dropout`), in
        [0, 1); None leaves the rates that the network was built with
    label_smoothing : share of the target spread evenly over the classes, in [0, 1); cross-entropy only, training only
    momentum : of SGD and Muon, in [0, 1); None takes the recipe's
    candidate, race : candidates compete (are halved) within one race, by the mean over their members
    """

    train: IntArray
    validation: IntArray
    seed: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    dropout: float | None = None
    label_smoothing: float = 0.0
    momentum: float | None = None
    candidate: int = 0
    race: str = ""


@dataclass(frozen=True)
class Muon:
    """How the optimiser "muon" goes about it (Jordan 2024, https://kellerjordan.github.io/posts/muon/).

    Attributes
    ----------
    steps : of the Newton-Schulz iteration that makes a matrix's update orthogonal; 5 as published, 3 in airbench
    scale : of the orthogonal update of a matrix with ``a`` rows and ``b`` columns: "adamw", 0.2 sqrt(max(a, b)), with
        which AdamW's learning rates and weight decays serve (Liu et al. 2025, arXiv 2502.16982, section 2.2); "shape",
        sqrt(max(1, a / b)), as published; or "none", as in airbench
    others : optimiser of the parameters that are no matrices: "adamw" or "sgd"
    others_rate : their learning rate as a multiple of the member's
    others_momentum : of "sgd"; None takes the recipe's
    others_warmup : None takes the recipe's
    """

    steps: int = 5
    scale: Literal["adamw", "shape", "none"] = "adamw"
    others: Literal["adamw", "sgd"] = "adamw"
    others_rate: float = 1.0
    others_momentum: float | None = None
    others_warmup: float | None = None

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "muon.steps", self.steps, "a whole number of at least 1")
        _check_names(self, "muon.")
        _require(self.others_rate >= 0, "muon.others_rate", self.others_rate, "at least 0")
        _share(self.others_momentum, "muon.others_momentum")
        _share(self.others_warmup, "muon.others_warmup")


@dataclass(frozen=True)
class Recipe:
    """How all members of a population are trained.

    Attributes
    ----------
    epochs : passes over the training rows, at most
    batch_size : most rows in a step. An epoch has ceil(rows / batch_size) steps of equal size (give or take a row), so
        that no step is made of a few left-over rows.
    batches : "equal" steps as just said, padded with rows of weight 0 so that members whose numbers of rows differ a
        little train as one program; "unpadded": the same without padding; "trimmed": steps of a multiple of 32 rows,
        which convolutions of bfloat16 and their parts are fastest with, while up to 31 rows, other ones each time, wait
        for the next epoch (below 512 rows as "unpadded"); "exact": batches of exactly ``batch_size``
        rows and a last one of what is left, as the loops of PyTorch and Keras make them. Networks whose outputs for a
        row depend on the other rows of its batch (batch norm) and losses that take no weights must not see padding:
        they get "unpadded" steps where "equal" ones were asked for, and ``Population.choices`` says so.
    shuffle : whether rows come in a new order every epoch, or always in the order of ``Member.train``
    optimizer : "adamw" (Loshchilov and Hutter 2019); "adam" (Kingma and Ba 2015, weight decay added to the gradient as
        `torch.optim.Adam` does); "sgd" with momentum, as `torch.optim.SGD`; "rmsprop" (Tieleman and Hinton 2012), as
        `torch.optim.RMSprop`, weight decay added to the gradient too; or "muon" for the matrices of hidden
        layers, convolutions' filters included, beside another optimiser for the rest (see `Muon`)
    betas, eps : of AdamW and Adam; RMSprop forgets by the second of ``betas``
    eps_as : where eps joins the root of the second moment: as in "pytorch", or as in "keras", which adds it before
        Adam's correction of its start ("epsilon hat" of Kingma and Ba 2015) and under RMSprop's root
    momentum, nesterov : of SGD and Muon; Nesterov's momentum or the classical one. RMSprop has the classical one.
    muon : details of "muon"
    renormalise : whether "muon" first scales every matrix to rows of mean square length 1 in each update, as airbench
        does: then its learning rate is an angle, and weight decay means nothing to it
    schedule : of the learning rate over all steps: "constant"; "cosine" to 0; "one-cycle" (Smith 2018: cosine up for
        30% from 1/25, then cosine down to 0); "coslog" (RealMLP's coslog4: four cosine cycles of growing length);
        "flat-cosine" (constant for the first half, then cosine to 0); "triangular" (linear to 0, so with ``warmup`` a
        triangle); or a function from the share of all steps that is done, in [0, 1), to the factor of the learning rate
    accumulate : steps whose gradients make one update, so that ``accumulate × batch_size`` rows count as one batch
    parts : of every batch, computed side by side and added up: the same sums in another order, except that layers which
        look at the whole batch (batch norm) see a part. Two make a convolutional network half as fast again on two
        cores; a dense one becomes slower (measured). Networks that are trained eagerly, or draw, have one.
    average : decay of an exponential moving average of the weights, in (0, 1]; the average is what is validated and
        kept. It forgets its start as Adam's moments do, so that early weights count no more than later ones. 1 is the
        plain mean. None: the weights themselves. Buffers, such as batch norm's statistics, are those of the weights.
    average_from : share of all steps after which averaging begins; before, the weights themselves are validated
    warmup : share of all steps over which the learning rate rises linearly from 0 before the schedule applies
    regularisation : of weight decay and dropout: "constant", or "flat-cosine" (RealMLP's flat_cos: constant for the
        first half, then cosine to 0)
    monitor : what chooses the best epoch, and is waited for and raced by: the validation "loss", or the caller's
        "metric" (of which more is better; see `Metric`)
    patience : epochs without a better validation ``monitor`` after which a member stops; None trains all epochs
    keep : the weights of the "best" epoch, or those of the "last"; without validation rows it is always the last
    halving : shares of the epochs at which the worse half of the candidates of each race is removed
    clip_norm : most a member's gradient may measure (2-norm over all parameters); None for no limit
    clip_by : what ``clip_norm`` limits: the norm over "all" parameters, that of "each" one, or every single "number"
    precision : "float32"; "bfloat16" computes large products, convolutions and what lies between them in bfloat16 and
        keeps everything else, weights included, in float32 (docs/decisions/0013-bfloat16.md); "auto" takes bfloat16
        where a measurement on this machine says that it pays
    threads : cores to use, or "auto"
    byte_inputs : how inputs of type uint8 (images) reach the network: as "fractions", float32 value / 255, or as the
        "integers" they are. They are kept as bytes and widened batch by batch.
    execution : "recorded": the step is recorded once and replayed without autograd; "eager": PyTorch computes it with
        autograd every time, one member after another; "auto": recorded wherever that gives the same and is fast
    """

    epochs: int
    batch_size: int = 256
    batches: Batches = "equal"
    shuffle: bool = True
    optimizer: Optimizer = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    eps_as: Literal["pytorch", "keras"] = "pytorch"
    momentum: float = 0.9
    nesterov: bool = True
    muon: Muon = field(default_factory=Muon)
    renormalise: bool = False
    schedule: ScheduleName | Callable[[float], float] = "constant"
    warmup: float = 0.0
    accumulate: int = 1
    parts: int = 1
    average: float | None = None
    average_from: float = 0.0
    regularisation: Literal["constant", "flat-cosine"] = "constant"
    monitor: Literal["loss", "metric"] = "loss"
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    halving: tuple[float, ...] = ()
    clip_norm: float | None = None
    clip_by: Literal["all", "each", "number"] = "all"
    precision: Precision = "auto"
    threads: int | Literal["auto"] = "auto"
    byte_inputs: Bytes = "fractions"
    execution: ExecutionMode = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "parts"):
            _require(vars(self)[name] >= 1, name, vars(self)[name], "a whole number of at least 1")
        for name in ("momentum", "warmup", "average_from"):
            _share(vars(self)[name], name)
        _check_names(self)
        if not callable(self.schedule):
            _one_of(get_args(ScheduleName), "schedule", self.schedule, " or a function")
        renormalises = not self.renormalise or self.optimizer == "muon"
        _require(renormalises, "renormalise", self.renormalise, "False unless the optimizer is 'muon'")
        _require(self.average is None or 0 < self.average <= 1, "average", self.average, "a decay in (0, 1] or None")
        _require(self.patience is None or self.patience >= 1, "patience", self.patience, "at least 1 or None")
        _require(all(0 < share < 1 for share in self.halving), "halving", self.halving, "shares between 0 and 1")
        _require(self.clip_norm is None or self.clip_norm > 0, "clip_norm", self.clip_norm, "a positive number or None")
        trims = self.batches != "trimmed" or self.shuffle
        _require(trims, "batches", self.batches, "another where rows are not shuffled: the same ones would always wait")
        threads_fit = self.threads == "auto" or (isinstance(self.threads, int) and self.threads >= 1)
        _require(threads_fit, "threads", self.threads, "'auto' or at least 1")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise RequestError(f"Recipe: {name} must be {rule}; got {value!r}.")


def _check_names(settings: Recipe | Muon, before: str = "") -> None:
    """Fields declared as one of some names hold one of them."""
    kind: Any = type(settings)
    for name, hint in _hints(kind).items():
        if get_origin(hint) is Literal:
            _one_of(get_args(hint), before + name, vars(settings)[name])


_hints = cache(get_type_hints)


def _one_of(names: Sequence[str], name: str, value: object, more: str = "") -> None:
    if value not in names:
        rule = " or ".join(map(repr, names)) + more
        raise RequestError(f"Recipe: {name} must be {rule}; got {value!r}.{did_you_mean(str(value), names)}")


def _share(value: float | None, name: str) -> None:
    _require(value is None or 0 <= value < 1, name, value, "a share in [0, 1)")


@dataclass(frozen=True)
class Progress:
    """Where training stands after an epoch (or a notice in between).

    ``train_loss``, ``validation_loss`` and ``metric`` (the caller's, on the validation rows) are float64
    ``(n_members,)``, NaN for members that no longer train.
    """

    epoch: int  # finished so far
    epochs: int
    active: int  # members still training
    train_loss: FloatArray = field(default_factory=lambda: np.empty(0))
    validation_loss: FloatArray = field(default_factory=lambda: np.empty(0))
    notice: str = ""  # something a person should hear, such as a damaged checkpoint
    metric: FloatArray = field(default_factory=lambda: np.empty(0))


class Look(Protocol):
    """What a listener may look at after an epoch, and do. Nothing is computed before it is asked for.

    Weights are those that were validated: the average's with ``Recipe.average``; of members that have stopped, those of
    their best epoch.
    """

    @property
    def training(self) -> tuple[int, ...]:
        """Numbers of the members that go on."""

    def network(self, member: int) -> nn.Module:
        """A network of its own with the member's weights, in evaluation mode."""

    def gradients(self, member: int) -> dict[str, Tensor]:
        """By parameter, the gradient of the epoch's last update, before clipping; empty for one that has stopped."""

    def predict(self, inputs: tuple[Tensor, ...], rows: Any = None, members: Sequence[int] | None = None) -> Tensor:
        """Raw outputs ``(members, rows, out)``, as of `Population.predict`."""

    def stop(self, member: int, because: str = "by the listener") -> None:
        """Let the member train no further; its state says "stopped at epoch 7 by the listener"."""


class Listener(Protocol):
    """Hears of every epoch, on the thread that called `train_population`, and may end members or all of training.

    A run that was killed may tell of its last epochs again when it goes on.
    """

    def on_epoch(self, progress: Progress, look: Look) -> bool | None:
        """Called after every epoch, when its best weights are kept; True ends all members."""


Metric = Callable[["Tensor", "Tensor"], Any]
"""``metric(outputs, rows)``: raw outputs float32 ``(members, n, out)`` for the validation rows int64 ``(members, n)`` →
one number for each of these members, more being better. Members that validate on unlike numbers of rows come in
several calls."""


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
        for name, limit in _LIMITS.items():
            value = vars(member)[name]
            if value is not None and not 0 <= value < limit:
                raise RequestError(f"Member {number}: {name} must be at least 0 and below {limit}; got {value!r}.")


_LIMITS = {"learning_rate": math.inf, "weight_decay": math.inf, "label_smoothing": 1, "dropout": 1, "momentum": 1}

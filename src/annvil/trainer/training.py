"""`annvil.train`: anybody's network, trained in one line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from annvil.text.durations import seconds_of
from annvil.trainer.arguments.parse_arguments import read_request
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.monitoring.callbacks import Callbacks
from annvil.trainer.monitoring.events import EventLog
from annvil.trainer.monitoring.health import PROBE_ROWS, Watch
from annvil.trainer.monitoring.progress import Story, interruptible
from annvil.trainer.monitoring.tensorboard import TensorBoard
from annvil.trainer.results.result import Result
from annvil.training.loop.step_spec import widened

if TYPE_CHECKING:
    pass


def train(
    network: Any,
    X: Any,
    y: Any = None,
    *,
    validation: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
    loss: str | Callable[..., Any] = "auto",
    metrics: Any = (),
    monitor: str = "loss",
    epochs: int = 50,
    batch_size: int | Literal["auto"] = 32,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    betas: tuple[float, float] | None = None,
    schedule: str | Callable[[float], float] | None = None,
    warmup: float | None = None,
    clip_norm: float | None = None,
    accumulate: int | None = None,
    average: float | None = None,
    label_smoothing: float | None = None,
    dropout: float | None = None,
    augment: Any = None,
    patience: int | None = None,
    restore_best: bool = True,
    shuffle: bool = True,
    batches: Literal["equal", "exact"] | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    threads: int | Literal["auto"] = "auto",
    road: Literal["auto", "recorded", "eager"] = "auto",
    seed: int = 0,
    members: int | None = None,
    vary: Mapping[str, Any] | None = None,
    folds: Any = None,
    groups: Any = None,
    search: Any = None,
    halving: Any = None,
    budget: str | float | None = None,
    checkpoint: str | Path | None = None,
    callbacks: Any = (),
    events: str | Path | None = None,
    tensorboard: str | Path | None = None,
    distributed: bool = False,
    health: bool = True,
    verbose: bool | None = None,
) -> Any:
    """Train a network on rows, and return what came of it.

    Returns a `Result` with the trained network, its history and what was noticed; with ``members``, ``vary``, ``folds``
    or ``search``, a `Results` of many networks that were trained as one program.

    Parameters
    ----------
    network : a `torch.nn.Module`, which receives the trained weights in the end (and is in evaluation mode then); a
        function or class that makes one (its arguments may be given by ``vary``); or a compiled or uncompiled Keras
        model on the torch backend. A module's own weights are where training starts.
    X : rows first: a NumPy array, a tensor, a frame of numbers, nested lists; several inputs as a tuple of these or as
        a dict by the names of the arguments of ``forward``. Floats are trained on as float32; whole numbers stay whole
        for networks that take them so (embeddings).
    y : class numbers, texts or booleans (classes), numbers, 0 and 1 (a yes or no where the network has one output), a
        one-hot matrix, a matrix of 0 and 1 (several labels at once), a class at each position of a row. Without ``y``
        the network learns to give ``X`` back.
    validation : rows to choose the best epoch by: ``(X, y)``, ``(X, y, sample_weight)``, a share of the rows (drawn by
        ``seed``, classes in proportion), or None: then the last epoch is kept
    sample_weight : ``(rows,)``, at least 0; batches and validation take the weighted mean
    class_weight : a dict from class to weight (1 for those it does not name), or "balanced": rows / (classes × rows of
        the class); multiplied into ``sample_weight``, in validation too
    loss : "auto" (from what ``y`` is; said in `Result.notices`), "cross-entropy", "binary-cross-entropy",
        "squared-error", "absolute-error", "huber", "poisson", one of PyTorch's losses, or a function ``(outputs,
        targets) -> scalar``. With a third argument, ``weights`` (they sum to 1 over a batch), it can be weighted.
    metrics : names of Annvil's metrics ("accuracy", "roc_auc", "f1", "log_loss", "r2", "mae", …) or functions
        ``(y_true, outputs) -> number`` of NumPy arrays: the targets as the loss takes them, and raw outputs. A dict
        names functions.
    monitor : what chooses the best epoch and what ``patience`` waits for: "loss" (on validation rows), or a metric
    epochs : passes over the training rows, at most
    batch_size : rows in a step, at most; "auto" chooses by measuring (see `tune_batch`)
    optimizer : "adamw" (default), "adam", "sgd" or "muon"; what Keras' ``compile`` said where a model was compiled
    learning_rate : its peak (default 0.001)
    weight_decay : 0 by default
    momentum, nesterov, betas : of the optimiser; see `annvil.training.Recipe` for these and the schedules
    schedule : of the learning rate: "constant" (default), "cosine", "one-cycle", "flat-cosine", "triangular", "coslog",
        or a function from the share of all steps that is done to a factor
    warmup : share of all steps over which the learning rate rises from 0
    clip_norm : most that a gradient may measure
    accumulate : steps whose gradients make one update
    average : decay of an exponential moving average of the weights, which is what is validated and kept
    label_smoothing : share of the target spread over all classes, with cross-entropy
    dropout : rate of all of the network's dropout layers; None leaves them as they were built
    augment : how training pictures are changed on their way to the network: an `annvil.Augmentation`, a dict of its
        strengths or a text such as "shift=2,flip=random"; or a function ``(batch, random) -> batch`` that gets the rows
        of a batch as a tensor and a NumPy generator, for any data; several threads may call it at once. Validation rows
        stay as they are.
    patience : epochs without a better ``monitor`` after which training stops
    restore_best : whether the weights of the best epoch are kept (True) or those of the last
    shuffle : whether rows come in a new order every epoch
    batches : "equal" (default): as many steps as ``batch_size`` asks for, all of one size; "exact" (default of compiled
        Keras models): ``batch_size`` rows each and a last smaller step, as the loops of PyTorch and Keras have it
    precision, threads, road : what the engine may choose by measuring; it says what it chose in `Result.choices`
    seed : of batches, noise and held-out rows, and of initial weights where a function makes the network
    members, vary, folds, groups, search, halving : many networks at once; see `Results`
    budget : time limit, in seconds or as "90s", "2m", "1h30m"; the best so far is returned when it is over
    checkpoint : file to save to every few seconds; the same call goes on from it, to the same weights
    callbacks : functions ``(epoch, logs)`` or objects derived from `Callback`; returning True ends training
    events : file that gets one JSON line per event
    tensorboard : folder for TensorBoard (extra ``tensorboard``)
    distributed : train in several processes started by ``torchrun``, each taking a part of every batch
    health : whether gradients and activations are watched, for `Result.health`: a few looks of about a millisecond each
    verbose : a line of progress on the error stream; None: where that is a terminal

    Raises
    ------
    RequestError, DataError
        When the request or the data cannot be used; one sentence says why. The network is as it was then.

    Ctrl-C ends training and returns the best so far.
    """
    told = {name: value for name, value in locals().items() if name not in ("network", "X", "y", "validation")}
    rows = (network, X, y, validation)
    return _carry_out(rows, *_with_tuned_batch(rows, told)) if batch_size == "auto" else _carry_out(rows, told)


_OF_RECIPE = (
    "epochs", "batch_size", "optimizer", "nesterov", "betas", "schedule", "warmup", "clip_norm", "accumulate",
    "average", "patience", "shuffle", "batches", "precision", "threads", "road",
)  # fmt: skip
_OF_MEMBERS = ("learning_rate", "weight_decay", "momentum", "label_smoothing", "dropout")
_OF_MANY = ("members", "vary", "folds", "groups", "search", "halving")


def _carry_out(rows: tuple[Any, Any, Any, Any], told: Mapping[str, Any], notices: tuple[str, ...] = ()) -> Any:
    """What `train` does, with its arguments by name."""
    network, X, y, validation = rows
    recipe = {name: told[name] for name in _OF_RECIPE if told[name] is not None}
    many = {name: told[name] for name in _OF_MANY}
    is_many = any(value is not None for value in many.values())
    request = read_request(
        network,
        X,
        y,
        validation=validation,
        sample_weight=told["sample_weight"],
        class_weight=told["class_weight"],
        loss=told["loss"],
        metrics=told["metrics"],
        monitor=told["monitor"],
        recipe=recipe if told["restore_best"] else recipe | {"keep": "last"},
        settings={name: told[name] for name in _OF_MEMBERS},
        seed=told["seed"],
        budget=told["budget"],
        checkpoint=told["checkpoint"],
        callbacks=_callbacks(told["callbacks"], told["events"], told["tensorboard"]),
        distributed=told["distributed"],
        verbose=told["verbose"],
        divides=is_many,
        augment=told["augment"],
    )
    request = replace(request, notices=(*notices, *request.notices))
    if is_many:
        from annvil.trainer.population.train_many import train_many

        return train_many(request, **many)
    return train_one(request, told)


TUNING_SECONDS = 20.0
"""For choosing a batch size where there is no budget (assumed: what one waits without asking why)."""

TUNING_SHARE = 0.2
"""Of a budget, for choosing the batch size (assumed)."""

_TUNED = (
    "sample_weight", "class_weight", "loss", "metrics", "monitor", "learning_rate", "optimizer", "weight_decay",
    "momentum", "schedule", "warmup", "clip_norm", "average", "label_smoothing", "dropout", "precision", "threads",
    "road", "seed",
)  # fmt: skip


def _with_tuned_batch(
    rows: tuple[Any, Any, Any, Any], told: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arguments with the batch size that `tune_batch` finds best and the learning rate for it, and a word on it."""
    from annvil.trainer.tuning import tune_batch

    start = time.monotonic()
    network, X, y, validation = rows
    budget = None if told["budget"] is None else seconds_of(told["budget"])
    seconds = TUNING_SECONDS if budget is None else TUNING_SHARE * budget
    trade = tune_batch(network, X, y, seconds, validation=validation, **{name: told[name] for name in _TUNED})
    best = trade.best
    found = {"batch_size": best.batch_size, "learning_rate": best.learning_rate}
    if budget is not None:
        found["budget"] = max(budget - (time.monotonic() - start), 1e-3)
    return {**told, **found}, (f"Batch size and learning rate were chosen by measuring. {trade.advice}",)


def _callbacks(callbacks: Any, events: str | Path | None, tensorboard: str | Path | None) -> Callbacks:
    given = list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    if events is not None:
        given.append(EventLog(events))
    if tensorboard is not None:
        given.append(TensorBoard(tensorboard))
    return Callbacks(given)


def train_one(request: Request, told: Mapping[str, Any], health: bool = True) -> Result:
    """One network of ``request``; ``told`` are the settings that callbacks hear of."""
    from annvil.training import train_population

    start = time.monotonic()
    member = request.member()
    watch = None
    if health:
        watch = Watch(tuple(widened([tensor[:PROBE_ROWS] for tensor in request.inputs], request.recipe.byte_inputs)))
    story = Story(request, member, () if watch is None else (watch,))
    stops = _Stops(request.deadline)
    request.callbacks.begin({name: value for name, value in told.items() if _is_plain(value)})
    try:
        with interruptible(stops.interrupt):
            population = train_population(
                lambda member: request.source.build({}, member.seed),
                request.inputs,
                request.targets,
                [member],
                request.recipe,
                request.engine_loss,
                weights=request.weights,
                should_stop=stops,
                checkpoint=request.checkpoint,
                tell=story.hear,
                listener=story,
                metric=request.metric if request.monitored else None,
                distributed=request.distributed,
                augment=request.augment,
            )
    finally:
        story.close()
    story.finish(population)
    result = Result.of(request, population, 0, story.history, watch, time.monotonic() - start, stops.because)
    request.source.give_back(result.network)
    request.callbacks.end({"best_epoch": result.best_epoch, "state": result.state, "seconds": result.seconds})
    request.callbacks.raise_failure(result)
    return result


class _Stops:
    """Whether to stop, asked by the engine: the budget, or Ctrl-C; ``because`` says which."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.because = ""

    def interrupt(self) -> None:
        self.because = "by Ctrl-C"

    def __call__(self) -> bool:
        if not self.because and time.monotonic() >= self._deadline:
            self.because = "because the budget was over"
        return bool(self.because)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and value is not None

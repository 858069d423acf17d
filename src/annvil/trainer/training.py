"""`annvil.train`: anybody's network, trained in one line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import msgspec

from annvil.text.quantities import seconds_of
from annvil.trainer.arguments.parse_arguments import read_request
from annvil.trainer.arguments.read_settings import NOT_TUNED, TrainOptions, flat, read_settings, takes_settings
from annvil.trainer.arguments.settings import Logging, Settings
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.monitoring.callbacks import Callbacks
from annvil.trainer.monitoring.events import EventLog
from annvil.trainer.monitoring.health import PROBE_ROWS, HealthMonitor
from annvil.trainer.monitoring.progress import HistoryRecorder, interruptible
from annvil.trainer.monitoring.tensorboard import TensorBoard
from annvil.trainer.population.train_many import train_many
from annvil.trainer.results.result import Result
from annvil.trainer.tuning import tune_batch
from annvil.training import train_population
from annvil.training.loop.step_spec import widened


@takes_settings()
def train(network: Any, X: Any, y: Any = None, *, validation: Any = None, **options: Unpack[TrainOptions]) -> Any:
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
    **options : how to train: keywords such as ``epochs=100, patience=10, learning_rate=1e-3``, or the groups that they
        belong to, `annvil.Optimizer`, `annvil.Schedule`, `annvil.Stop`, `annvil.Batches`, `annvil.Regularization`,
        `annvil.Execution`, `annvil.Search` and `annvil.Logging`. A setting of the group ``stop=Stop(epochs=100)`` may
        be given flat, ``epochs=100``; given twice, it must be the same.

    Raises
    ------
    RequestError, DataError
        When the request or the data cannot be used; one sentence says why. The network is as it was then.
    TypeError
        For a keyword that there is not; the message names the nearest.

    Ctrl-C ends training and returns the best so far.
    """
    settings = read_settings(options, "train")
    said: list[str] = []
    if settings.batches.size == "auto":
        settings, *said = _with_tuned_batch(network, X, y, validation, settings)
    many = any(value is not None for value in msgspec.structs.astuple(settings.search))
    request = read_request(network, X, y, validation, settings, _callbacks(settings.logging), divides=many)
    request = replace(request, notices=(*said, *request.notices))
    if many:
        return train_many(request, settings.search)
    return train_one(request, settings)


TUNING_SECONDS = 20.0  # for choosing a batch size without a budget (assumed: what one waits without asking why)
TUNING_SHARE = 0.2  # of a budget, for choosing the batch size (assumed)


def _with_tuned_batch(network: Any, X: Any, y: Any, validation: Any, settings: Settings) -> tuple[Settings, str]:
    """The settings with the batch size that `tune_batch` finds best and the learning rate for it, and a word on it."""
    start, changed = time.monotonic(), msgspec.structs.replace
    stop = settings.stop
    budget = None if stop.budget is None else seconds_of(stop.budget)
    own = {*NOT_TUNED, "batch_size", "epochs"}
    options: Any = {name: value for name, value in flat(settings).items() if name not in own}
    seconds = TUNING_SECONDS if budget is None else TUNING_SHARE * budget
    trade = tune_batch(network, X, y, seconds, validation=validation, **options)
    if budget is not None:
        stop = changed(stop, budget=max(budget - (time.monotonic() - start), 1e-3))
    batches = changed(settings.batches, size=trade.best.batch_size)
    optimizer = changed(settings.optimizer, learning_rate=trade.best.learning_rate)
    said = f"Batch size and learning rate were chosen by measuring. {trade.advice}"
    return changed(settings, stop=stop, batches=batches, optimizer=optimizer), said


def _callbacks(logging: Logging) -> Callbacks:
    given = list(logging.callbacks) if isinstance(logging.callbacks, Sequence) else [logging.callbacks]
    if logging.events is not None:
        given.append(EventLog(logging.events))
    if logging.tensorboard is not None:
        given.append(TensorBoard(logging.tensorboard))
    return Callbacks(given)


def train_one(request: Request, settings: Settings) -> Result:
    """One network of ``request``; callbacks hear of the ``settings``."""
    start, because = time.monotonic(), ""
    member = request.member()
    watch = None
    if settings.logging.health:
        rows = widened([tensor[:PROBE_ROWS] for tensor in request.inputs], request.recipe.byte_inputs)
        watch = HealthMonitor(tuple(rows))
    recorder = HistoryRecorder(request, member, () if watch is None else (watch,))

    def interrupt() -> None:
        nonlocal because
        because = "by Ctrl-C"

    def should_stop() -> bool:
        nonlocal because
        if not because and time.monotonic() >= request.deadline:
            because = "because the budget was over"
        return bool(because)

    plain = {name: value for name, value in flat(settings).items() if isinstance(value, str | int | float)}
    request.callbacks.begin(plain)
    try:
        with interruptible(interrupt):
            population = train_population(
                **request.engine_arguments,
                members=[member],
                recipe=request.recipe,
                should_stop=should_stop,
                checkpoint=request.checkpoint,
                tell=recorder.on_notice,
                listener=recorder,
            )
    finally:
        recorder.close()
    recorder.finish(population)
    result = Result.of(request, population, recorder.history, watch, time.monotonic() - start, because)
    request.source.give_back(result.network)
    request.callbacks.end({"best_epoch": result.best_epoch, "state": result.state, "seconds": result.seconds})
    request.callbacks.raise_failure(result)
    return result
